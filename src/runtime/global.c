/* SPDX-License-Identifier: MIT */
/*
 * Ordinary data-parallel kernels: loaded once for each runtime, run to their end by the caller.
 */
#include "runtime/internal.h"

#include <stdatomic.h>

#include "base/alloc.h"

struct rk_global {
  uint64_t serial;
  char *name, *source;
  char *device_unit; /* NULL: it has no device form */
  size_t param_bytes;
  bool used; /* loaded once: it cannot be described any more */
};

static atomic_uint_fast64_t next_serial = 1;

int rk_global_open(const char *name, const char *source, size_t param_bytes, rk_global **out,
                   rk_error *err)
{
  rk_kernel *checked = NULL;
  int rc = rk_kernel_open(name, source, &checked, err); /* the same rules for names and sources */
  if (rc != RK_OK) {
    return rc;
  }
  rk_kernel_close(checked);
  rk_global *global = rk_calloc(1, sizeof(*global));
  if (global != NULL) {
    global->serial = atomic_fetch_add(&next_serial, 1);
    global->name = rk_strdup(name);
    global->source = rk_strdup(source);
    global->param_bytes = param_bytes;
  }
  if (global == NULL || global->name == NULL || global->source == NULL) {
    rk_global_close(global);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", name);
  }
  *out = global;
  return RK_OK;
}

int rk_global_describe(rk_global *global, const char *device_unit, rk_error *err)
{
  if (device_unit == NULL || device_unit[0] == '\0') {
    return rk_error_set(err, RK_EINVAL, "kernel '%s': device source expected", global->name);
  }
  if (global->used || global->device_unit != NULL) {
    return rk_error_set(err, RK_EINVALID_STATE, "kernel '%s' %s", global->name,
                        global->used ? "was run already" : "has its device source already");
  }
  global->device_unit = rk_strdup(device_unit);
  if (global->device_unit == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", global->name);
  }
  return RK_OK;
}

void rk_global_close(rk_global *global)
{
  if (global == NULL) {
    return;
  }
  rk_free(global->name);
  rk_free(global->source);
  rk_free(global->device_unit);
  rk_free(global);
}

int rk_runtime_run(rk_runtime *rt, rk_global *global, uint32_t grid, uint32_t block,
                   const void *params, size_t param_bytes, char **log, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (grid == 0 || block == 0 || block > RK_LANES_MAX) {
    return rk_error_set(err, RK_EINVAL, "run '%s': grid at least 1, block 1..%u; got %u, %u",
                        global->name, RK_LANES_MAX, grid, block);
  }
  rk_backend_module *module = rk_idmap_get(rt->globals, global->serial);
  if (module == NULL) {
    size_t wanted = 0;
    const rk_backend_global_source source = {
        .name = global->name,
        .c_source = global->source,
        .device_unit = global->device_unit,
        .param_bytes = global->param_bytes,
    };
    global->used = true;
    rc = rk__pause_begin(rt, err); /* a module is loaded between two generations */
    if (rc == RK_OK) {
      rc = rt->ops->global_load(rt->backend, &source, &module, &wanted, log, err);
      rk__pause_end(rt);
    }
    if (rc != RK_OK) {
      return rc;
    }
    if (wanted != global->param_bytes) {
      rt->ops->module_unload(rt->backend, module);
      return rk_error_set(err, RK_EINVAL, "kernel '%s' takes %zu bytes of parameters, not %zu",
                          global->name, wanted, global->param_bytes);
    }
    rc = rk_idmap_put(rt->globals, global->serial, module, err);
    if (rc != RK_OK) {
      rt->ops->module_unload(rt->backend, module);
      return rc;
    }
  }
  if (param_bytes != global->param_bytes) {
    return rk_error_set(err, RK_EINVAL, "run '%s': %zu bytes of parameters expected, got %zu",
                        global->name, global->param_bytes, param_bytes);
  }
  return rt->ops->global_run(rt->backend, module, grid, block, params, err);
}
