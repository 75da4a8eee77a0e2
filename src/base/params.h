/* SPDX-License-Identifier: MIT */
/*
 * The table of environment parameters, RINGKERNEL_*: one list with names, defaults, limits and
 * help, so that `rkl --env` shows exactly what the code reads. Nothing else reads a RINGKERNEL_
 * variable (the allocator reads its own before the table is up, by the same rules).
 *
 * A variable that is unset or empty has its default. Values are read each time: keep what a hot
 * path needs.
 */
#ifndef RK_BASE_PARAMS_H
#define RK_BASE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* X(ID, kind, default, choices, minimum, maximum, help) */
#define RK_PARAM_LIST(X)                                                                         \
  X(BACKEND, CHOICE, "auto", "auto|cpu|cuda", 0, 0, "backend that a runtime opens on")           \
  X(CC, TEXT, "", "", 0, 0, "C compiler for kernels on the CPU; empty: cc, gcc, clang in order") \
  X(CACHE, TEXT, "", "", 0, 0,                                                                   \
    "folder of compiled kernels; empty: $XDG_CACHE_HOME/ringkernel or ~/.cache/ringkernel")      \
  X(NVRTC, TEXT, "", "", 0, 0,                                                                   \
    "path of libnvrtc.so.13 or .12; empty: looked for in the usual places")                      \
  X(LINEINFO, INT, "0", "", 0, 1,                                                                \
    "1: device code says its source lines, for Nsight Compute and compute-sanitizer")            \
  X(LOG, CHOICE, "warn", "off|error|warn|info|debug", 0, 0, "what is written to standard error") \
  X(BLOCKS, INT, "0", "", 0, 65536, "blocks of the CPU backend; 0: one for each processor")      \
  X(SPIN_US, INT, "50", "", 0, 1000000,                                                          \
    "microseconds that an idle block or a waiting host spins before it sleeps")                  \
  X(TRANSPORT, CHOICE, "auto", "auto|plain|tagged", 0, 0,                                        \
    "form of the rings between host and grid; auto: what passes a self-test at the start")       \
  X(LIBCUDA, TEXT, "", "", 0, 0,                                                                 \
    "library of the CUDA driver; empty: libcuda.so.1 where the loader finds it")                 \
  X(SHARE_DEVICE, INT, "0", "", 0, 1,                                                            \
    "1: other processes may have grids on the CUDA device too, each waits while others run")     \
  X(LUA, TEXT, "", "", 0, 0, "folder of the Lua modules; empty: those built in")                 \
  X(ALLOC_FAIL, TEXT, "", "", 0, 0,                                                              \
    "for tests: number of the host allocation that fails; with a + all later ones fail too")

typedef enum rk_param_id {
#define RK_PARAM_ENUM(id, kind, fallback, choices, minimum, maximum, help) RK_PARAM_##id,
  RK_PARAM_LIST(RK_PARAM_ENUM)
#undef RK_PARAM_ENUM
      RK_PARAM_COUNT
} rk_param_id;

typedef enum rk_param_kind { RK_PARAM_TEXT, RK_PARAM_CHOICE, RK_PARAM_INT } rk_param_kind;

typedef struct rk_param {
  const char *name; /* "RINGKERNEL_LOG" */
  rk_param_kind kind;
  const char *fallback; /* the default, as text */
  const char *choices;  /* CHOICE: the allowed words, with | between */
  int64_t minimum;      /* INT */
  int64_t maximum;      /* INT */
  const char *help;     /* one line */
} rk_param;

/* The entry `id`. All of them: for (int i = 0; i < RK_PARAM_COUNT; i++). NULL past the end.
 * Threads: any. */
const rk_param *rk_param_at(rk_param_id id);

/* The text of a parameter: its variable's, or its default ("" where there is none). Never NULL,
 * not checked. Valid until somebody changes the environment. Threads: any. */
const char *rk_param_text(rk_param_id id);

/* Whether the variable is set to something. Threads: any. */
bool rk_param_is_set(rk_param_id id);

/* The number of an INT parameter. RK_EINVAL with the limits in the text if it is no whole number
 * or out of range; *value is then untouched. Threads: any. */
int rk_param_int(rk_param_id id, int64_t *value, rk_error *err);

/* The position (from 0) of a CHOICE parameter's word among its choices. RK_EINVAL with the choices
 * in the text if it is none of them; *index is then untouched. Threads: any. */
int rk_param_choice(rk_param_id id, size_t *index, rk_error *err);

/* Checks every parameter; RK_EINVAL for the first bad one. For a start that refuses mistakes
 * early. Threads: any. */
int rk_param_check(rk_error *err);

/* Reads the value of RINGKERNEL_ALLOC_FAIL: "k" or "k+", k from 1. Returns whether `text` is well
 * formed. Threads: any. */
bool rk_param_parse_alloc_fail(const char *text, uint64_t *k, bool *is_forever);

/* The folder of compiled kernels into `path`: RINGKERNEL_CACHE, else $XDG_CACHE_HOME/ringkernel
 * (if that is an absolute path), else ~/.cache/ringkernel. Does not make it. RK_ENOT_FOUND if
 * there is no home, RK_ETOO_LARGE if it does not fit. Threads: any. */
int rk_cache_dir(char *path, size_t path_bytes, rk_error *err);

#endif
