/* SPDX-License-Identifier: MIT */
/*
 * The prebuilt image of the stock kernels (see cuda_prebuilt.h). scripts/prebuilt.lua writes the
 * table when the library is built.
 */
#include "backend/cuda/cuda_prebuilt.h"

#include "base/alloc.h"
#include "base/unpack.h"

extern const rk_cuda_prebuilt rk__cuda_prebuilt_stock;

const rk_cuda_prebuilt *rk_cuda_prebuilt_stock(void)
{
  return &rk__cuda_prebuilt_stock;
}

int rk_cuda_prebuilt_ptx(const rk_cuda_prebuilt *prebuilt, char **out, rk_error *err)
{
  char *text = rk_alloc(prebuilt->ptx_bytes + 1u);
  if (text == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "the built-in image: out of memory");
  }
  if (!rk_unpack(prebuilt->packed, prebuilt->packed_bytes, (unsigned char *)text,
                 prebuilt->ptx_bytes)) {
    rk_free(text);
    return rk_error_set(err, RK_ECORRUPT, "the built-in image cannot be unpacked");
  }
  text[prebuilt->ptx_bytes] = '\0';
  *out = text;
  return RK_OK;
}
