/* SPDX-License-Identifier: MIT */
/*
 * The prebuilt image of the stock kernels (see cuda_prebuilt.h). scripts/prebuilt.lua writes the
 * table when the library is built.
 */
#include "backend/cuda/cuda_prebuilt.h"

extern const rk_cuda_prebuilt rk__cuda_prebuilt_stock;

const rk_cuda_prebuilt *rk_cuda_prebuilt_stock(void)
{
  return &rk__cuda_prebuilt_stock;
}
