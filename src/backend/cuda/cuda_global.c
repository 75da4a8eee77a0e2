/* SPDX-License-Identifier: MIT */
/*
 * Ordinary launches: each kernel is an image of its own, launched on a stream beside the grid's.
 */
#include "backend/cuda/cuda_internal.h"

#include <string.h>

#include "backend/cuda/cuda_error.h"
#include "base/alloc.h"

/* An ordinary kernel may work for long; one that works for a day is taken for lost. */
#define RUN_WAIT_NS (UINT64_C(86400) * 1000 * 1000 * 1000)

int rk__cuda_global_load(rk_backend *backend, const rk_backend_global_source *source,
                         rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err)
{
  rk_cuda_image image = {0};
  if (source->device_unit == NULL) {
    return rk_error_set(err, RK_EUNSUPPORTED, "kernel '%s' has no device form (rk_global_describe)",
                        source->name);
  }
  rk_backend_module *m = rk_calloc(1, sizeof(*m));
  if (m == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", source->name);
  }
  const rk_nvrtc_request request = {
      .name = source->name,
      .source = source->device_unit,
      .arch = backend->device.cc,
      .options = backend->options,
  };
  int rc = rk_cuda_image_get(backend->cache, &request, &image, log, err);
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "kernel '%s'", source->name);
    rk_free(m);
    return rc;
  }
  rk__cuda_enter(backend);
  rc = rk__cuda_check_held(backend, err);
  if (rc == RK_OK) {
    rc = rk__cuda_image_load(backend, image.result.image, &m->module, err);
  }
  if (rc == RK_OK) {
    rc = rk__cuda_function_find(backend, m->module, "rk_global", &m->function, err);
    if (rc != RK_OK) {
      (void)backend->api->module_unload(m->module);
    }
  }
  rk_cuda_image_release(&image);
  if (rc != RK_OK) {
    rk_free(m);
    return rc;
  }
  m->next = backend->modules;
  backend->modules = m;
  *param_bytes = source->param_bytes;
  *out = m;
  return RK_OK;
}

int rk__cuda_global_launch(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                           uint32_t block, const void *params, rk_error *err)
{
  union { /* the driver reads parameters through plain pointers: the struct is the only one */
    const void *from;
    void *to;
  } data = {.from = params};
  void *list[] = {data.to};
  return rk__cuda_check(backend,
                        backend->api->launch_kernel(module->function, grid, 1, 1, block, 1, 1, 0,
                                                    backend->work_stream, list, NULL),
                        "cuLaunchKernel", err);
}

int rk__cuda_global_finish(rk_backend *backend, rk_error *err)
{
  return rk__cuda_stream_finish(backend, backend->work_stream, RUN_WAIT_NS, "ordinary kernel", err);
}

int rk__cuda_global_run(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                        uint32_t block, const void *params, rk_error *err)
{
  int rc = rk__cuda_health(backend, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk__cuda_enter(backend);
  rc = rk__cuda_global_launch(backend, module, grid, block, params, err);
  return rc != RK_OK ? rc : rk__cuda_global_finish(backend, err);
}
