/* SPDX-License-Identifier: MIT */
/*
 * Assembles a grid's device source (see the header). The text is measured and written by the same
 * function, so it needs one allocation and cannot outgrow it.
 */
#include "backend/cuda/cuda_unit.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

enum { WARP = 32 };

typedef struct writer {
  char *text; /* NULL: only measure */
  size_t room, bytes;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *out, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *at = out->text != NULL ? out->text + out->bytes : NULL;
  int n = vsnprintf(at, at != NULL ? out->room - out->bytes : 0, format, arguments);
  va_end(arguments);
  out->bytes += (size_t)n;
}

static void put_unit(writer *out, const rk_cuda_part *parts, size_t count,
                     const rk_cuda_shape *shape)
{
  put(out, "#define RK_BLOCK_THREADS %u\n", rk_cuda_unit_threads(parts, count));
  if (shape->cluster > 1) {
    put(out, "#define RK_CLUSTER %u\n", shape->cluster);
  }
  if (shape->cluster > 1 && shape->counted_lanes) {
    put(out, "#define RK_LANES_COUNTED 1\n");
  }
  put(out, "#include \"rk_team_dev.h\"\n");
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].fragment != NULL) {
      put(out, "\nnamespace rk_def_%zu { /* %s */\n%s\n}\n", i, parts[i].name, parts[i].fragment);
    }
  }
  put(out, "\nstatic __device__ __noinline__ void rk_call_handler(rk_ctx *ctx, rk_u32 def,\n"
           "    rk_u32 handler, const void *msg, void *state) {\n"
           "  switch (def) {\n");
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].fragment != NULL) {
      put(out, "    case %zuu: rk_def_%zu::rk_call(ctx, handler, msg, state); break;\n", i, i);
    }
  }
  put(out, "    default: rkd_ctx_fail(ctx, RK_EINVAL); break;\n"
           "  }\n}\n");
}

uint32_t rk_cuda_unit_threads(const rk_cuda_part *parts, size_t count)
{
  uint32_t most = 1;
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].fragment != NULL && parts[i].lanes > most) {
      most = parts[i].lanes;
    }
  }
  return (most + WARP - 1) / WARP * WARP;
}

int rk_cuda_unit_assemble(const rk_cuda_part *parts, size_t count, const rk_cuda_shape *shape,
                          char **out, size_t *bytes, rk_error *err)
{
  writer measured = {0};
  put_unit(&measured, parts, count, shape);
  writer written = {.text = rk_alloc(measured.bytes + 1), .room = measured.bytes + 1};
  if (written.text == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "device source of %zu kernels: out of memory",
                        count);
  }
  put_unit(&written, parts, count, shape);
  *out = written.text;
  if (bytes != NULL) {
    *bytes = written.bytes;
  }
  return RK_OK;
}
