/* SPDX-License-Identifier: MIT */
/*
 * A wake-up object: any thread signals it, one owner waits for it, alone or inside an event loop
 * that watches its descriptor. Many signals before a drain count as one. An eventfd underneath.
 */
#ifndef RK_BASE_WAKE_H
#define RK_BASE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_wake {
  int fd; /* -1: closed */
} rk_wake;

#define RK_WAKE_INIT \
  {                  \
    -1               \
  }

/* Opens `wake`, not signalled. Returns RK_OK or RK_EIO (no descriptor left); `wake` is untouched on
 * failure. Threads: owner. */
int rk_wake_open(rk_wake *wake, rk_error *err);

/* Closes `wake`; nobody may signal it any more. Closing a closed one (fd -1) does nothing.
 * Threads: owner. */
void rk_wake_close(rk_wake *wake);

/* The descriptor to watch for reading; it stays the object's. Threads: any. */
int rk_wake_fd(const rk_wake *wake);

/* Makes the descriptor readable. Never blocks and keeps errno. Threads: any, signal-safe. */
void rk_wake_signal(const rk_wake *wake);

/* Makes the descriptor unreadable and returns whether it had been signalled. Drain before looking
 * at the work, so that a signal that comes meanwhile is not lost. Threads: owner. */
bool rk_wake_drain(const rk_wake *wake);

/* Waits until signalled; does not drain. Returns RK_OK, RK_ETIMEOUT after `timeout_ns` (0: look
 * once, RK_FOREVER: no limit), RK_EINTR on a signal, RK_EIO if it is closed. Threads: owner. */
int rk_wake_wait(const rk_wake *wake, uint64_t timeout_ns);

#endif
