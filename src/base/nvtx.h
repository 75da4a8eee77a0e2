/* SPDX-License-Identifier: MIT */
/*
 * Ranges and marks for profilers that speak NVTX (Nsight Systems and its kin).
 *
 * When NVTX_INJECTION64_PATH names a tool, the first runtime that opens loads it; what the host
 * does then shows up in the domain "ringkernel", messages with their id as payload. Without a tool
 * nothing is loaded and every call here costs one branch on one word. Used by the runtime and the
 * backends.
 *
 * A range lasts to the end of the block of code it stands in, so no way out forgets to close it:
 *
 *   RK_NVTX_RANGE(RK_NVTX_SEND, id);
 */
#ifndef RK_BASE_NVTX_H
#define RK_BASE_NVTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#include "rk_atomic.h"

/* X(NAME, text): what a range or mark is called. */
#define RK_NVTX_LIST(X)         \
  X(OPEN, "open")               \
  X(CLOSE, "close")             \
  X(LAUNCH, "launch")           \
  X(LOAD, "load")               \
  X(SEND, "send")               \
  X(DRAIN, "drain")             \
  X(RECEIVE, "receive")         \
  X(CALL, "call")               \
  X(PUBLISH, "publish")         \
  X(DEAD_LETTER, "dead letter") \
  X(FAILURE, "failure")

typedef enum rk_nvtx_name {
#define RK_NVTX_ENUM(name, text) RK_NVTX_##name,
  RK_NVTX_LIST(RK_NVTX_ENUM)
#undef RK_NVTX_ENUM
      RK_NVTX_NAMES
} rk_nvtx_name;

/* Loads the tool that the environment names, the first time it is called. A tool that cannot be
 * loaded is left out; that is logged as information. Threads: any. */
void rk_nvtx_load(void);

/* Not for use by name: the word behind rk_nvtx_enabled, and the ways to the tool. */
extern uint32_t rk__nvtx_on;
void rk__nvtx_push(rk_nvtx_name name, uint64_t payload, const char *detail);
void rk__nvtx_pop(void);
void rk__nvtx_mark(rk_nvtx_name name, uint64_t payload, const char *detail);
uint64_t rk__nvtx_start(rk_nvtx_name name, uint64_t payload);
void rk__nvtx_end(uint64_t range);

/* Whether a tool listens. Relaxed is enough: the word changes once, inside rk_nvtx_load, which
 * every runtime's thread has been through. Threads: any. */
static inline bool rk_nvtx_enabled(void)
{
  return RK_UNLIKELY(rk_ld_relaxed_gpu_u32(&rk__nvtx_on) != 0);
}

static inline bool rk__nvtx_enter(rk_nvtx_name name, uint64_t payload, const char *detail)
{
  if (!rk_nvtx_enabled()) {
    return false;
  }
  rk__nvtx_push(name, payload, detail);
  return true;
}
static inline void rk__nvtx_leave(const bool *entered)
{
  if (RK_UNLIKELY(*entered)) {
    rk__nvtx_pop();
  }
}

/* A range of this thread from here to the end of the enclosing block. `payload`: the id of the
 * message or actor concerned, 0 for none. `detail`, may be NULL, is shown after the name; such
 * ranges cost more, as their text is made anew each time. One a block. */
#define RK_NVTX_RANGE_OF(name, payload, detail) \
  const bool rk__nvtx_range                     \
      __attribute__((cleanup(rk__nvtx_leave), unused)) = rk__nvtx_enter(name, payload, detail)
#define RK_NVTX_RANGE(name, payload) RK_NVTX_RANGE_OF(name, payload, NULL)

/* A moment. Arguments as for ranges. Threads: any. */
static inline void rk_nvtx_mark(rk_nvtx_name name, uint64_t payload, const char *detail)
{
  if (rk_nvtx_enabled()) {
    rk__nvtx_mark(name, payload, detail);
  }
}

/* A range that may end elsewhere and overlap others: returns what rk_nvtx_end wants.
 * Threads: any. */
static inline uint64_t rk_nvtx_start(rk_nvtx_name name, uint64_t payload)
{
  return rk_nvtx_enabled() ? rk__nvtx_start(name, payload) : 0;
}
static inline void rk_nvtx_end(uint64_t range)
{
  if (rk_nvtx_enabled()) {
    rk__nvtx_end(range);
  }
}

#endif
