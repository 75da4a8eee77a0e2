/* SPDX-License-Identifier: MIT */
/*
 * Log records: a level, the part of the program that speaks, one line of text.
 *
 * A record below the level costs one relaxed load. A written one is formatted on the stack (no
 * allocation, cut at RK_LOG_LINE_BYTES) and handed to the sink, by default standard error in one
 * write, so that lines of several threads do not mix. The level comes from RINGKERNEL_LOG when the
 * first record asks for it. Used by every layer for what has no caller to return an error to.
 */
#ifndef RK_BASE_LOG_H
#define RK_BASE_LOG_H

#include <stdbool.h>

#define RK_LOG_LINE_BYTES 1024

/* In the order of RINGKERNEL_LOG's choices. */
typedef enum rk_log_level {
  RK_LOG_OFF,
  RK_LOG_ERROR,
  RK_LOG_WARN,
  RK_LOG_INFO,
  RK_LOG_DEBUG
} rk_log_level;

/* Where records go. The struct stays its owner's and must live as long as it is set. */
typedef struct rk_log_sink {
  /* Called by whichever thread logs, several at once perhaps: it must be thread-safe, must not
   * log, and must not keep `text`. `text` is one line without its end. */
  void (*write)(void *arg, rk_log_level level, const char *part, const char *text);
  void *arg;
} rk_log_sink;

/* Writes a record if `level` is on. `part` is a short word: "cpu", "bridge". Line ends and other
 * control characters in the text become spaces. Keeps errno. Threads: any. */
void rk_log(rk_log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether records of `level` are written: ask before costly arguments. Threads: any. */
bool rk_log_is_on(rk_log_level level);

/* Sets the level, whatever the environment says. Threads: any. */
void rk_log_set_level(rk_log_level level);

/* The level in force. Threads: any. */
rk_log_level rk_log_get_level(void);

/* The name of a level: "off", "error", "warn", "info", "debug". Threads: any. */
const char *rk_log_level_name(rk_log_level level);

/* Sends records to `sink`; NULL: to standard error. A record that another thread is writing just
 * now may still go to the old one. Threads: any. */
void rk_log_set_sink(const rk_log_sink *sink);

#endif
