/* SPDX-License-Identifier: MIT */
/*
 * What is said of a definition before it is compiled: its description and its device form.
 *
 * Lua says it of the definitions it makes, a stock definition's own tables say it, and a C program
 * may. It is checked and copied here once, and given to the backend with the source
 * (rk_backend_source).
 */
#include "runtime/internal.h"

#include <string.h>

#include "base/alloc.h"
#include "runtime/stock.h"

enum { LIST_MAX = 4096 }; /* more types or ports than this are a mistake of the caller */

static bool is_text(const char *text)
{
  return text != NULL && text[0] != '\0';
}

/* What is wrong with a description, or NULL. */
static const char *problem_of(const rk_kernel *kernel, const rk_kernel_description *d)
{
  if (d->name != NULL && strcmp(d->name, kernel->name) != 0) {
    return "the name is another one";
  }
  if (d->type_count == 0 || d->type_count > LIST_MAX || d->types == NULL) {
    return "at least one accepted type expected";
  }
  if (d->port_count > LIST_MAX || (d->port_count != 0 && d->ports == NULL)) {
    return "the list of ports is missing";
  }
  if (d->emit_count > LIST_MAX || (d->emit_count != 0 && d->emits == NULL)) {
    return "the list of emitted types is missing";
  }
  if (d->lanes == 0 || d->lanes > RK_LANES_MAX) {
    return "lanes: 1..1024 expected";
  }
  if (d->burst == 0) {
    return "burst: at least 1 expected";
  }
  if (d->emit_count == 0 && d->emit_bytes != 0) {
    return "emit_bytes without an emitted type";
  }
  for (uint32_t i = 0; i < d->type_count; ++i) {
    if (!is_text(d->types[i].name)) {
      return "a type has no name";
    }
    for (uint32_t k = 0; k < i; ++k) {
      if (d->types[k].id == d->types[i].id || strcmp(d->types[k].name, d->types[i].name) == 0) {
        return "an accepted type stands there twice";
      }
    }
  }
  for (uint32_t i = 0; i < d->port_count; ++i) {
    if (!is_text(d->ports[i])) {
      return "a port has no name";
    }
    for (uint32_t k = 0; k < i; ++k) {
      if (strcmp(d->ports[k], d->ports[i]) == 0) {
        return "a port stands there twice";
      }
    }
  }
  return NULL;
}

/* Keeps copies of both, or nothing. */
static int keep(rk_kernel *kernel, const rk_backend_def *def, const char *device_fragment,
                rk_error *err)
{
  char *fragment = NULL;
  if (device_fragment != NULL) {
    fragment = rk_strdup(device_fragment);
    if (fragment == NULL) {
      return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", kernel->name);
    }
  }
  int rc = rk_backend_def_copy(def, &kernel->described, err);
  if (rc != RK_OK) {
    rk_free(fragment);
    return rc;
  }
  kernel->device_fragment = fragment;
  return RK_OK;
}

int rk_kernel_describe(rk_kernel *kernel, const rk_kernel_description *description,
                       const char *device_fragment, rk_error *err)
{
  if (kernel->described != NULL || kernel->used) {
    return rk_error_set(err, RK_EINVALID_STATE, "kernel '%s' %s", kernel->name,
                        kernel->described != NULL ? "is described already" : "was used already");
  }
  const char *problem = device_fragment != NULL && device_fragment[0] == '\0'
                            ? "the device fragment is empty"
                            : problem_of(kernel, description);
  if (problem != NULL) {
    return rk_error_set(err, RK_EINVAL, "description of kernel '%s': %s", kernel->name, problem);
  }
  rk_backend_type *types = rk_calloc(description->type_count, sizeof(*types));
  if (types == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", kernel->name);
  }
  for (uint32_t i = 0; i < description->type_count; ++i) {
    const rk_kernel_type *type = &description->types[i];
    types[i] = (rk_backend_type){type->name, type->id, type->size_bytes};
  }
  const rk_backend_def def = {
      .name = kernel->name,
      .types = types,
      .ports = description->ports,
      .emits = description->emits,
      .type_count = description->type_count,
      .port_count = description->port_count,
      .emit_count = description->emit_count,
      .lanes = description->lanes,
      .burst = description->burst,
      .state_bytes = description->state_bytes,
      .emit_bytes = description->emit_bytes,
      .has_start = description->has_start,
      .has_stop = description->has_stop,
      .has_migrate = description->has_migrate,
      .migrate_bytes = description->migrate_bytes,
  };
  int rc = keep(kernel, &def, device_fragment, err);
  rk_free(types);
  return rc;
}

int rk__kernel_describe_stock(rk_kernel *kernel, const char *device_fragment, rk_error *err)
{
  const rk_module *m = kernel->stock;
  rk_backend_type *types = rk_calloc(m->type_count + 1u, sizeof(*types));
  if (types == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", kernel->name);
  }
  const rk_backend_def def = rk_backend_def_of_module(m, types);
  int rc = keep(kernel, &def, device_fragment, err);
  rk_free(types);
  return rc;
}
