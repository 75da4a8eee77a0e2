/* SPDX-License-Identifier: MIT */
/*
 * The CUDA backend, for backend.c.
 */
#ifndef RK_BACKEND_CUDA_BACKEND_H
#define RK_BACKEND_CUDA_BACKEND_H

#include <stdint.h>

#include "backend/backend.h"

extern const rk_backend_ops rk_cuda_backend_ops;

/* RK_OK when device `ordinal` could run a grid, as far as one can tell without opening it. Errors:
 * no_device, version, unsupported. Threads: any. */
int rk_cuda_backend_probe(uint32_t ordinal, rk_error *err);

#endif
