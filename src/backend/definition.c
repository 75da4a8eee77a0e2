/* SPDX-License-Identifier: MIT */
/*
 * What a definition offers, as a value: copied, and compared with what was compiled.
 *
 * The runtime keeps a copy for each described definition; a backend that needs one for longer than
 * a call makes its own. The CPU backend compares, because a module that differs from what the rest
 * of the system was told would be run with the wrong sizes.
 */
#include "backend/backend.h"

#include <string.h>

#include "base/alloc.h"

#include "rk_kernel.h"

rk_backend_def rk_backend_def_of_module(const rk_module *module, rk_backend_type *types)
{
  for (uint32_t i = 0; i < module->type_count; ++i) {
    const rk_module_type *type = &module->types[i];
    types[i] = (rk_backend_type){type->name, type->id, type->size_bytes};
  }
  return (rk_backend_def){
      .name = module->name,
      .types = types,
      .ports = module->ports,
      .emits = module->emits,
      .type_count = module->type_count,
      .port_count = module->port_count,
      .emit_count = module->emit_count,
      .lanes = module->lanes,
      .burst = module->burst,
      .state_bytes = module->state_bytes,
      .emit_bytes = module->emit_bytes,
      .has_start = module->on_start != NULL,
      .has_stop = module->on_stop != NULL,
      .has_migrate = module->on_migrate != NULL,
      .migrate_bytes = module->migrate_bytes,
  };
}

/* Writes to `at` when it is not NULL; counts either way. So one function measures and fills. */
typedef struct packer {
  char *at;
  size_t bytes;
} packer;

static void *pack(packer *out, const void *data, size_t bytes, size_t alignment)
{
  out->bytes = (out->bytes + alignment - 1) / alignment * alignment;
  void *to = out->at != NULL ? out->at + out->bytes : NULL;
  if (to != NULL && bytes != 0) {
    memcpy(to, data, bytes);
  }
  out->bytes += bytes;
  return to;
}

static const char *pack_text(packer *out, const char *text)
{
  return pack(out, text, strlen(text) + 1, 1);
}

static rk_backend_def *pack_def(packer *out, const rk_backend_def *def)
{
  rk_backend_def *copy = pack(out, def, sizeof(*def), _Alignof(rk_backend_def));
  rk_backend_type *types = pack(out, def->types, def->type_count * sizeof(*def->types),
                                _Alignof(rk_backend_type));
  const char **ports = pack(out, def->ports, def->port_count * sizeof(*def->ports),
                            _Alignof(const char *));
  uint32_t *emits = pack(out, def->emits, def->emit_count * sizeof(*def->emits), 4);
  const char *name = pack_text(out, def->name);
  for (uint32_t i = 0; i < def->type_count; ++i) {
    const char *text = pack_text(out, def->types[i].name);
    if (types != NULL) {
      types[i].name = text;
    }
  }
  for (uint32_t i = 0; i < def->port_count; ++i) {
    const char *text = pack_text(out, def->ports[i]);
    if (ports != NULL) {
      ports[i] = text;
    }
  }
  if (copy != NULL) {
    copy->module = NULL;
    copy->name = name;
    copy->types = types;
    copy->ports = ports;
    copy->emits = emits;
  }
  return copy;
}

int rk_backend_def_copy(const rk_backend_def *def, rk_backend_def **out, rk_error *err)
{
  packer measured = {0};
  (void)pack_def(&measured, def);
  packer filled = {.at = rk_alloc(measured.bytes)};
  if (filled.at == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", def->name);
  }
  *out = pack_def(&filled, def);
  return RK_OK;
}

static int check_number(const char *kernel, const char *what, uint32_t described, uint32_t loaded,
                        rk_error *err)
{
  if (described == loaded) {
    return RK_OK;
  }
  return rk_error_set(err, RK_ECORRUPT,
                      "kernel '%s': its description says %u %s, the compiled module %u", kernel,
                      described, what, loaded);
}

static int check_text(const char *kernel, const char *what, const char *described,
                      const char *loaded, rk_error *err)
{
  if (strcmp(described, loaded) == 0) {
    return RK_OK;
  }
  return rk_error_set(err, RK_ECORRUPT,
                      "kernel '%s': its description says %s '%s', the compiled module '%s'", kernel,
                      what, described, loaded);
}

static int numbers_match(const rk_backend_def *described, const rk_backend_def *loaded,
                         rk_error *err)
{
  const struct {
    const char *what;
    uint32_t described, loaded;
  } numbers[] = {
      {"accepted types", described->type_count, loaded->type_count},
      {"ports", described->port_count, loaded->port_count},
      {"emitted types", described->emit_count, loaded->emit_count},
      {"lanes", described->lanes, loaded->lanes},
      {"messages of burst", described->burst, loaded->burst},
      {"bytes of state", described->state_bytes, loaded->state_bytes},
      {"bytes in the largest emitted message", described->emit_bytes, loaded->emit_bytes},
      {"start handlers", described->has_start, loaded->has_start},
      {"stop handlers", described->has_stop, loaded->has_stop},
      {"migrations", described->has_migrate, loaded->has_migrate},
      {"bytes of migrated state", described->migrate_bytes, loaded->migrate_bytes},
  };
  int rc = RK_OK;
  for (size_t i = 0; rc == RK_OK && i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
    rc = check_number(loaded->name, numbers[i].what, numbers[i].described, numbers[i].loaded, err);
  }
  return rc;
}

int rk_backend_def_match(const rk_backend_def *described, const rk_backend_def *loaded,
                         rk_error *err)
{
  const char *name = loaded->name;
  int rc = check_text(name, "the name", described->name, loaded->name, err);
  if (rc == RK_OK) {
    rc = numbers_match(described, loaded, err); /* so the lists below are equally long */
  }
  for (uint32_t i = 0; rc == RK_OK && i < loaded->type_count; ++i) {
    const rk_backend_type *d = &described->types[i];
    const rk_backend_type *l = &loaded->types[i];
    rc = check_text(name, "type", d->name, l->name, err);
    rc = rc != RK_OK ? rc : check_number(name, "as a type's number", d->id, l->id, err);
    rc = rc != RK_OK ? rc
                     : check_number(name, "bytes of a type", d->size_bytes, l->size_bytes, err);
  }
  for (uint32_t i = 0; rc == RK_OK && i < loaded->port_count; ++i) {
    rc = check_text(name, "port", described->ports[i], loaded->ports[i], err);
  }
  for (uint32_t i = 0; rc == RK_OK && i < loaded->emit_count; ++i) {
    rc = check_number(name, "as an emitted type's number", described->emits[i], loaded->emits[i],
                      err);
  }
  return rc;
}
