/* SPDX-License-Identifier: MIT */
/*
 * Ordinary data-parallel kernels: loaded once for each runtime, run to their end by the caller, or
 * run many times and timed.
 */
#include "runtime/internal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

#define TIMES_DEFAULT 1000u

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

static int check_shape(const rk_global *global, const char *what, uint32_t grid, uint32_t block,
                       rk_error *err)
{
  if (grid == 0 || block == 0 || block > RK_LANES_MAX) {
    return rk_error_set(err, RK_EINVAL, "%s '%s': grid at least 1, block 1..%u; got %u, %u", what,
                        global->name, RK_LANES_MAX, grid, block);
  }
  return RK_OK;
}

/* Loads the kernel into `rt`. No grid runs that could be in the way. */
static int load(rk_runtime *rt, rk_global *global, rk_backend_module **out, char **log,
                rk_error *err)
{
  rk_backend_module *module = NULL;
  size_t wanted = 0;
  const rk_backend_global_source source = {
      .name = global->name,
      .c_source = global->source,
      .device_unit = global->device_unit,
      .param_bytes = global->param_bytes,
  };
  global->used = true;
  int rc = rt->ops->global_load(rt->backend, &source, &module, &wanted, log, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (wanted != global->param_bytes) {
    rc = rk_error_set(err, RK_EINVAL, "kernel '%s' takes %zu bytes of parameters, not %zu",
                      global->name, wanted, global->param_bytes);
  } else {
    rc = rk_idmap_put(rt->globals, global->serial, module, err);
  }
  if (rc != RK_OK) {
    rt->ops->module_unload(rt->backend, module);
    return rc;
  }
  *out = module;
  return RK_OK;
}

static int check_params(const rk_global *global, const char *what, size_t param_bytes,
                        rk_error *err)
{
  return param_bytes == global->param_bytes
             ? RK_OK
             : rk_error_set(err, RK_EINVAL, "%s '%s': %zu bytes of parameters expected, got %zu",
                            what, global->name, global->param_bytes, param_bytes);
}

int rk_runtime_run(rk_runtime *rt, rk_global *global, uint32_t grid, uint32_t block,
                   const void *params, size_t param_bytes, char **log, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = check_shape(global, "run", grid, block, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  rk_backend_module *module = rk_idmap_get(rt->globals, global->serial);
  if (module == NULL) {
    rc = rk__pause_begin(rt, err); /* a module is loaded between two generations */
    if (rc == RK_OK) {
      rc = load(rt, global, &module, log, err);
      rk__pause_end(rt);
    }
  }
  if (rc == RK_OK) {
    rc = check_params(global, "run", param_bytes, err);
  }
  return rc == RK_OK ? rt->ops->global_run(rt->backend, module, grid, block, params, err) : rc;
}

static int read_mode(const char *mode, rk_backend_pace *pace, rk_error *err)
{
  static const char *const modes[] = {"launch", "stream", "graph"};
  for (size_t i = 0; i < RK_ARRAY_LEN(modes); ++i) {
    if (mode == NULL || strcmp(mode, modes[i]) == 0) {
      *pace = (rk_backend_pace)i;
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_EINVAL, "time: mode \"launch\", \"stream\" or \"graph\", not \"%s\"",
                      mode);
}

int rk_runtime_time(rk_runtime *rt, rk_global *global, const rk_time_options *options,
                    const void *params, size_t param_bytes, rk_timing *out, char **log,
                    rk_error *err)
{
  const rk_time_options none = {0};
  rk_backend_timing timing = {0};
  rk_backend_pace pace = RK_PACE_LAUNCH;
  options = options != NULL ? options : &none;
  uint32_t grid = options->grid != 0 ? options->grid : 1u;
  uint32_t block = options->block != 0 ? options->block : 1u;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = read_mode(options->mode, &pace, err);
  }
  if (rc == RK_OK) {
    rc = check_shape(global, "time", grid, block, err);
  }
  if (rc == RK_OK) {
    rc = check_params(global, "time", param_bytes, err);
  }
  if (rc == RK_OK) { /* the launches are to have the device to themselves */
    rc = rk__pause_begin(rt, err);
  }
  if (rc == RK_OK) {
    rk_backend_module *module = rk_idmap_get(rt->globals, global->serial);
    rc = module != NULL ? RK_OK : load(rt, global, &module, log, err);
    if (rc == RK_OK) {
      rc = rt->ops->global_time(rt->backend, module, grid, block, params, pace,
                                options->times != 0 ? options->times : TIMES_DEFAULT, &timing, err);
    }
    rk__pause_end(rt);
  }
  if (rc == RK_OK) {
    *out = (rk_timing){.launches = timing.launches,
                       .seconds = (double)timing.host_ns / 1e9,
                       .device_seconds = timing.device_seconds,
                       .synchronised = true};
  }
  return rc;
}
