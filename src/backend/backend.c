/* SPDX-License-Identifier: MIT */
/*
 * Which backends there are, and what "auto" means: the first one that has a device.
 */
#include "backend/backend.h"

#include <string.h>

#include "backend/cpu/cpu_backend.h"

int rk_backend_select(const char *name, const rk_backend_ops **out, rk_error *err)
{
  if (name == NULL || strcmp(name, "auto") == 0 || strcmp(name, "cpu") == 0) {
    *out = &rk_cpu_backend_ops;
    return RK_OK;
  }
  if (strcmp(name, "cuda") == 0) {
    return rk_error_set(err, RK_ENO_DEVICE,
                        "this version has no CUDA backend; use backend = \"cpu\" or \"auto\"");
  }
  return rk_error_set(err, RK_EINVAL, "backend '%s': \"auto\", \"cpu\" or \"cuda\" expected", name);
}
