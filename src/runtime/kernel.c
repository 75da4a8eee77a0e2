/* SPDX-License-Identifier: MIT */
/*
 * Definitions: made from source or taken from stock, loaded once for each runtime that launches
 * them.
 */
#include "runtime/internal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "runtime/stock.h"

static atomic_uint_fast64_t next_serial = 1;

static bool is_name(const char *name)
{
  size_t n = 0;
  if (name == NULL || !((name[0] >= 'A' && name[0] <= 'Z') || (name[0] >= 'a' && name[0] <= 'z') ||
                        name[0] == '_')) {
    return false;
  }
  for (; name[n] != '\0'; ++n) {
    char c = name[n];
    if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
          c == '.' || c == '-')) {
      return false;
    }
  }
  return n <= 64;
}

static int make_kernel(const char *name, const char *source, const void *stock, rk_kernel **out,
                       rk_error *err)
{
  rk_kernel *kernel = rk_calloc(1, sizeof(*kernel));
  if (kernel != NULL) {
    kernel->refs = 1;
    kernel->serial = atomic_fetch_add(&next_serial, 1);
    kernel->name = rk_strdup(name);
    kernel->source = source != NULL ? rk_strdup(source) : NULL;
    kernel->stock = stock;
  }
  if (kernel == NULL || kernel->name == NULL || (source != NULL && kernel->source == NULL)) {
    rk_kernel_close(kernel);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", name);
  }
  *out = kernel;
  return RK_OK;
}

int rk_kernel_open(const char *name, const char *source, rk_kernel **out, rk_error *err)
{
  if (!is_name(name)) {
    return rk_error_set(
        err, RK_EINVAL,
        "kernel name '%s': a letter or _, then letters, digits, '_', '.', '-'; at most 64",
        name != NULL ? name : "(null)");
  }
  if (source == NULL || source[0] == '\0') {
    return rk_error_set(err, RK_EINVAL, "kernel '%s': source text expected", name);
  }
  return make_kernel(name, source, NULL, out, err);
}

int rk_kernel_stock(const char *name, rk_kernel **out, rk_error *err)
{
  for (size_t i = 0; rk_stock_modules[i] != NULL; ++i) {
    if (strcmp(rk_stock_modules[i]->name, name) == 0) {
      rk_kernel *kernel = NULL;
      int rc = make_kernel(name, NULL, rk_stock_modules[i], &kernel, err);
      if (rc == RK_OK) {
        rc = rk__kernel_describe_stock(kernel, rk_stock_devices[i], err);
      }
      if (rc != RK_OK) {
        rk_kernel_close(kernel);
        return rc;
      }
      *out = kernel;
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_ENOT_FOUND, "no stock kernel '%s'", name);
}

const char *const *rk_kernel_stock_names(void)
{
  static const char *names[32];
  size_t n = 0;
  for (; rk_stock_modules[n] != NULL && n + 1 < RK_ARRAY_LEN(names); ++n) {
    names[n] = rk_stock_modules[n]->name;
  }
  return names;
}

rk_kernel *rk__kernel_retain(rk_kernel *kernel)
{
  kernel->refs += 1;
  return kernel;
}

void rk_kernel_close(rk_kernel *kernel)
{
  if (kernel == NULL || --kernel->refs != 0) {
    return;
  }
  rk_free(kernel->name);
  rk_free(kernel->source);
  rk_free(kernel->described);
  rk_free(kernel->device_fragment);
  rk_free(kernel);
}

void rk_text_free(char *text)
{
  rk_free(text);
}

bool rk__loaded_accepts(const rk_loaded *loaded, uint32_t type, uint32_t *size)
{
  for (uint32_t i = 0; i < loaded->def.type_count; ++i) {
    if (loaded->def.types[i].id == type) {
      *size = loaded->def.types[i].size_bytes;
      return true;
    }
  }
  return false;
}

/* Puts what the grid needs to know of a definition into device memory. */
static int describe(rk_runtime *rt, rk_loaded *loaded, rk_error *err)
{
  const rk_backend_def *def = &loaded->def;
  for (uint32_t i = 0; i < def->type_count; ++i) {
    if (def->types[i].size_bytes > loaded->in_max_bytes) {
      loaded->in_max_bytes = def->types[i].size_bytes;
    }
  }
  if (loaded->in_max_bytes > RK_PAYLOAD_MAX_BYTES || def->emit_bytes > RK_PAYLOAD_MAX_BYTES) {
    return rk_error_set(err, RK_ETOO_LARGE, "kernel '%s': a message holds at most %u bytes",
                        def->name, RK_PAYLOAD_MAX_BYTES);
  }
  loaded->slot_bytes = (uint32_t)rk_align_up(sizeof(rk_abi_msg) + loaded->in_max_bytes, 64);
  /* Everything a handler may send can turn out undeliverable and go to the host; so can what it was
   * given, and a failure and an end are told. */
  bool emits = def->emit_bytes != 0 || def->emit_count != 0;
  uint32_t out_units = emits ? rkd_units(def->emit_bytes + RK_TOPIC_BYTES) : 0;
  uint64_t reserve = (uint64_t)out_units * def->burst * (1u + def->port_count) +
                     rkd_units(loaded->in_max_bytes) + 4u;
  if (reserve > rt->ring_units / 2u) {
    return rk_error_set(
        err, RK_ETOO_LARGE,
        "kernel '%s': may send %llu units of 128 bytes for one message, the ring to the host "
        "has %u; open the runtime with ring_units = %llu",
        def->name, (unsigned long long)reserve, rt->ring_units,
        (unsigned long long)rk_u64_next_pow2(reserve * 2u));
  }
  loaded->abi = rk_arena_take(&rt->arena, sizeof(rk_abi_def));
  loaded->handlers = rk_arena_take(&rt->arena, sizeof(rk_abi_handler) * (def->type_count + 1u));
  rk_abi_handler *handlers = rk_calloc(def->type_count + 1u, sizeof(*handlers));
  if (loaded->abi == 0 || loaded->handlers == 0 || handlers == NULL) {
    rk_free(handlers);
    return rk__no_memory(rt, err, "kernel '%s': out of device memory", def->name);
  }
  rk_abi_def abi = {
      .handlers = loaded->handlers,
      .handler_count = def->type_count,
      .lanes = def->lanes,
      .state_bytes = def->state_bytes,
      .port_count = def->port_count,
      .burst = def->burst,
      .emits = !emits                 ? 0u
               : def->emit_bytes != 0 ? def->emit_bytes
                                      : 1u,
      .index = rt->def_count++,
      .reserve_units = (uint32_t)reserve,
  };
  rt->ops->module_bind(rt->backend, def->module, handlers, &abi);
  int rc = rt->ops->device_write(rt->backend, loaded->handlers, handlers,
                                 sizeof(*handlers) * def->type_count, err);
  if (rc == RK_OK) {
    rc = rt->ops->device_write(rt->backend, loaded->abi, &abi, sizeof(abi), err);
  }
  rk_free(handlers);
  return rc;
}

static rk_backend_source source_of(const rk_kernel *kernel)
{
  return (rk_backend_source){
      .name = kernel->name,
      .c_source = kernel->source,
      .stock = kernel->stock,
      .described = kernel->described,
      .device_fragment = kernel->device_fragment,
  };
}

int rk__kernel_load(rk_runtime *rt, rk_kernel *kernel, const rk_loaded **out, char **log,
                    rk_error *err)
{
  rk_loaded *loaded = rk_idmap_get(rt->loaded, kernel->serial);
  int rc = RK_OK;
  if (loaded != NULL) {
    *out = loaded;
    return RK_OK;
  }
  RK_NVTX_RANGE_OF(RK_NVTX_LOAD, 0, kernel->name);
  loaded = rk_calloc(1, sizeof(*loaded));
  if (loaded == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", kernel->name);
  }
  const rk_backend_source source = source_of(kernel);
  kernel->used = true;
  rc = rt->ops->module_load(rt->backend, &source, &loaded->def, log, err);
  if (rc != RK_OK) {
    goto fail;
  }
  rc = rk__pause_begin(rt, err); /* what was compiled is loaded between two generations */
  if (rc == RK_OK) {
    rc = describe(rt, loaded, err);
    if (rc == RK_OK) {
      rc = rk__grid_run(rt, err);
    }
    rk__pause_end(rt);
  }
  if (rc == RK_OK) {
    rc = rk_idmap_put(rt->loaded, kernel->serial, loaded, err);
  }
  if (rc != RK_OK) {
    rk_arena_give(&rt->arena, loaded->abi, sizeof(rk_abi_def));
    rk_arena_give(&rt->arena, loaded->handlers,
                  sizeof(rk_abi_handler) * (loaded->def.type_count + 1u));
    rt->ops->module_unload(rt->backend, loaded->def.module);
    goto fail;
  }
  *out = loaded;
  return RK_OK;
fail:
  rk_free(loaded);
  return rc;
}

int rk_kernel_compile(rk_kernel *kernel, rk_runtime *rt, char **log, rk_error *err)
{
  const rk_loaded *loaded = NULL;
  int rc = rk__runtime_check(rt, err);
  return rc != RK_OK ? rc : rk__kernel_load(rt, kernel, &loaded, log, err);
}

int rk_runtime_load(rk_runtime *rt, rk_kernel *const *kernels, size_t count, char **log,
                    rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (rt->ops->modules_expect != NULL && count > 1) {
    rk_backend_source *sources = rk_calloc(count, sizeof(*sources));
    size_t missing = 0;
    for (size_t i = 0; sources != NULL && i < count; ++i) {
      if (rk_idmap_get(rt->loaded, kernels[i]->serial) == NULL) {
        sources[missing++] = source_of(kernels[i]);
      }
    }
    if (missing > 1) {
      rt->ops->modules_expect(rt->backend, sources, missing);
    }
    rk_free(sources);
  }
  for (size_t i = 0; i < count && rc == RK_OK; ++i) {
    const rk_loaded *loaded = NULL;
    rc = rk__kernel_load(rt, kernels[i], &loaded, log, err);
  }
  return rc;
}
