/* SPDX-License-Identifier: MIT */
/*
 * Which backends there are, and what "auto" means: the first one that has a device.
 */
#include "backend/backend.h"

#include <string.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda/cuda_backend.h"

int rk_backend_select(const char *name, uint32_t device, const rk_backend_ops **out, rk_error *err)
{
  if (name == NULL || strcmp(name, "auto") == 0) {
    *out = rk_cuda_backend_probe(device, NULL) == RK_OK ? &rk_cuda_backend_ops
                                                        : &rk_cpu_backend_ops;
    return RK_OK;
  }
  if (strcmp(name, "cpu") == 0) {
    *out = &rk_cpu_backend_ops;
    return RK_OK;
  }
  if (strcmp(name, "cuda") == 0) {
    int rc = rk_cuda_backend_probe(device, err);
    if (rc == RK_OK) {
      *out = &rk_cuda_backend_ops;
    }
    return rc;
  }
  return rk_error_set(err, RK_EINVAL, "backend '%s': \"auto\", \"cpu\" or \"cuda\" expected", name);
}
