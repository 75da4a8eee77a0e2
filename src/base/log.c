/* SPDX-License-Identifier: MIT */
/*
 * Log records: level gate, formatting on the stack, the sink.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/params.h"
#include "base/platform.h"

#define LEVEL_UNREAD (-1)

static atomic_int current_level = LEVEL_UNREAD;
static _Atomic(const rk_log_sink *) current_sink;

static const char *const level_names[] = {"off", "error", "warn", "info", "debug"};

/* "ringkernel: 12.345678 warn cpu: text" in one write. */
static void write_line(rk_log_level level, const char *part, const char *text)
{
  uint64_t now_us = rk_clock_mono_ns() / 1000;
  char line[RK_LOG_LINE_BYTES + 128];
  int length = snprintf(line, sizeof line - 1, "ringkernel: %" PRIu64 ".%06" PRIu64 " %s %.32s: %s",
                        now_us / 1000000, now_us % 1000000, rk_log_level_name(level), part, text);
  if (length < 0) {
    return;
  }
  size_t used = (size_t)length < sizeof line - 1 ? (size_t)length : sizeof line - 2;
  line[used] = '\n';
  rk_platform_current()->stderr_write(line, used + 1);
}

rk_log_level rk_log_get_level(void)
{
  int level = atomic_load_explicit(&current_level, memory_order_relaxed);
  if (RK_UNLIKELY(level == LEVEL_UNREAD)) {
    size_t index = RK_LOG_WARN; /* for a bad value too: rk_param_check tells about it */
    rk_param_choice(RK_PARAM_LOG, &index, NULL);
    /* Only if it is still unread: a level that somebody has set meanwhile wins. */
    if (atomic_compare_exchange_strong_explicit(&current_level, &level, (int)index,
                                                memory_order_relaxed, memory_order_relaxed)) {
      level = (int)index;
    }
  }
  return (rk_log_level)level;
}

void rk_log_set_level(rk_log_level level)
{
  atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool rk_log_is_on(rk_log_level level)
{
  return level != RK_LOG_OFF && level <= rk_log_get_level();
}

const char *rk_log_level_name(rk_log_level level)
{
  return (size_t)level < RK_ARRAY_LEN(level_names) ? level_names[level] : "unknown";
}

void rk_log_set_sink(const rk_log_sink *sink)
{
  atomic_store_explicit(&current_sink, sink, memory_order_release);
}

void rk_log(rk_log_level level, const char *part, const char *format, ...)
{
  if (!rk_log_is_on(level)) {
    return;
  }
  int saved = errno;
  char text[RK_LOG_LINE_BYTES];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length < 0) {
    text[0] = '\0';
  }
  for (char *at = text; *at != '\0'; at++) {
    if ((unsigned char)*at < ' ' || *at == 127) {
      *at = ' ';
    }
  }
  const rk_log_sink *sink = atomic_load_explicit(&current_sink, memory_order_acquire);
  if (sink != NULL) {
    sink->write(sink->arg, level, part, text);
  } else {
    write_line(level, part, text);
  }
  errno = saved;
}
