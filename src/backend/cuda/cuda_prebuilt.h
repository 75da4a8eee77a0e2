/* SPDX-License-Identifier: MIT */
/*
 * The grid of all stock kernels as PTX inside the library, so that they run on a machine that has a
 * driver and no NVRTC.
 *
 * The text is kernels/prebuilt/stock.ptx, made by `make prebuilt` and kept in the source tree; a
 * check compares the hash in its first line with that of the present sources. It is for the oldest
 * architecture and names the oldest PTX version that will do, so that drivers older than the NVRTC
 * that wrote it take it.
 *
 * It is packed (base/unpack.h), to a quarter. Used by the CUDA backend for grids of stock
 * definitions only.
 */
#ifndef RK_BACKEND_CUDA_PREBUILT_H
#define RK_BACKEND_CUDA_PREBUILT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_cuda_prebuilt {
  const unsigned char *packed; /* the PTX, for rk_unpack */
  size_t packed_bytes;
  size_t ptx_bytes;         /* unpacked */
  uint32_t arch;            /* what it was made for: devices from this compute capability on */
  uint32_t abi_version;     /* RK_ABI_VERSION of its headers */
  uint32_t block_threads;   /* threads of a block, as rk_grid wants them */
  uint32_t def_count;       /* definitions in it */
  const char *const *names; /* their names; the position is rk_abi_def.index */
  const char *key_hex;      /* 16 digits; the marker in it is rk_build_<key_hex> */
  const char *source;       /* the text it was compiled from, marker included */
} rk_cuda_prebuilt;

/* The image of the stock kernels; never NULL. Threads: any. */
const rk_cuda_prebuilt *rk_cuda_prebuilt_stock(void);

/* Its PTX with a 0 byte behind; give it back with rk_free. Errors: RK_EOUT_OF_MEMORY,
 * RK_ECORRUPT. Threads: any. */
int rk_cuda_prebuilt_ptx(const rk_cuda_prebuilt *prebuilt, char **out, rk_error *err);

#endif
