/* SPDX-License-Identifier: MIT */
/*
 * rk_error: a status code with a bounded message, filled by the function that detects a failure.
 *
 * It lives on the caller's stack and owns nothing, so it needs no clean-up and works when memory
 * has run out. Compile logs, which can be long, travel apart (ringkernel.h says how).
 */
#ifndef RK_BASE_ERROR_H
#define RK_BASE_ERROR_H

#include <stdarg.h>

#include "base/status.h"

#define RK_ERROR_TEXT_BYTES 512

typedef struct rk_error {
  int status;                     /* RK_OK or a negative RK_E* */
  char text[RK_ERROR_TEXT_BYTES]; /* what -> why -> what to do; truncated, always terminated */
} rk_error;

#define RK_ERROR_INIT \
  {                   \
    RK_OK, ""         \
  }

/* Fills `err` (which may be NULL) and returns `status`, so that `return rk_error_set(...)` works.
 * Threads: any. */
int rk_error_set(rk_error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "format: " before the text that `err` already holds; keeps and returns its status. */
int rk_error_prefix(rk_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forgets what `err` holds. NULL is allowed. */
void rk_error_clear(rk_error *err);

#endif
