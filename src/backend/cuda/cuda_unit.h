/* SPDX-License-Identifier: MIT */
/*
 * The one device source of a grid, put together from the fragments of its definitions.
 *
 * A fragment is the inside of a namespace (`device.fragment` of lua/ringkernel/codegen_device.lua);
 * around it go the namespace, the grid's loop and the switch that calls handlers by the number of
 * their definition. `device.unit` writes the same text to the byte. Pure text: no driver, no
 * compiler. Used by whoever starts a generation of the grid.
 */
#ifndef RK_BACKEND_CUDA_CUDA_UNIT_H
#define RK_BACKEND_CUDA_CUDA_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* One definition; its place in the list is its number, rk_abi_def.index. */
typedef struct rk_cuda_part {
  const char *name;
  const char *fragment; /* NULL: nobody has this number any more; calls to it fail */
  uint32_t lanes;       /* of its handlers */
} rk_cuda_part;

/* How the grid's blocks are joined. */
typedef struct rk_cuda_shape {
  uint32_t cluster;   /* blocks in a cluster; 0 or 1: there are none */
  bool counted_lanes; /* the form of a cluster's lanes (rk_lane_dev.h) */
} rk_cuda_shape;

/* Threads a block needs to run any of the definitions: whole warps, at least one. Threads: any. */
uint32_t rk_cuda_unit_threads(const rk_cuda_part *parts, size_t count);

/* Writes the source of a grid that can run `parts`, which may be none: such a grid serves, and has
 * no handlers. The kernel to launch is `rk_grid`, in clusters as `shape` has them. *out is given
 * back with rk_free; *bytes (may be NULL) is its length without the final zero. Errors:
 * out_of_memory. Threads: any. */
int rk_cuda_unit_assemble(const rk_cuda_part *parts, size_t count, const rk_cuda_shape *shape,
                          char **out, size_t *bytes, rk_error *err);

#endif
