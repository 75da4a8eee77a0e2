/* SPDX-License-Identifier: MIT */
/*
 * Threads, and waiting for a word to change.
 *
 * Threads started here have a name, and block every signal but those that their own faults raise,
 * so that a program's signal handlers run on the program's own threads. The park functions sleep
 * on a 32-bit word as a futex does; mutex and once are built on them and need no clean-up.
 */
#ifndef RK_BASE_THREAD_H
#define RK_BASE_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/platform.h"

/* Starts a thread that runs fn(arg); *thread is untouched on failure. `name` is cut to 15 bytes.
 * Returns RK_OK, RK_EOUT_OF_MEMORY or RK_EINVAL. Join it once with rk_thread_join. Threads: any. */
int rk_thread_start(rk_thread **thread, const char *name, rk_thread_fn fn, void *arg,
                    rk_error *err);

/* As rk_thread_start, with all options: processor and stack size. Threads: any. */
int rk_thread_start_spec(rk_thread **thread, const rk_thread_spec *spec, rk_error *err);

/* Waits until the thread's function has returned and frees the handle. NULL is allowed.
 * Threads: one, never the thread itself. */
void rk_thread_join(rk_thread *thread);

/* Lets another thread run. Threads: any. */
void rk_thread_yield(void);

/* Processors that this process may use (its affinity mask), at least 1. Threads: any. */
size_t rk_cpu_count(void);

/* Sleeps while *word == expected, at most `timeout_ns` (RK_FOREVER: no limit). The comparison and
 * the falling asleep are one step against rk_unpark. Returns RK_OK (woken, or *word differs, or
 * for no reason: look at the word again), RK_ETIMEOUT, or RK_EINTR on a signal. Threads: any. */
int rk_park(const volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns);

/* Wakes at most `count` threads parked on `word` (UINT32_MAX: all) and returns how many. Change
 * *word first. Threads: any. */
uint32_t rk_unpark(const volatile uint32_t *word, uint32_t count);

/* A lock for short sections. All zero is unlocked: a static or cleared one is ready. Not
 * recursive, not fair, not shared between processes. */
typedef struct rk_mutex {
  uint32_t word; /* 0 free, 1 taken, 2 taken and somebody may be waiting */
} rk_mutex;

#define RK_MUTEX_INIT \
  {                   \
    0                 \
  }

/* Takes the lock; waits for it if need be. Threads: any. */
void rk_mutex_lock(rk_mutex *mutex);

/* Takes the lock if it is free; returns whether it did. Threads: any. */
bool rk_mutex_try(rk_mutex *mutex);

/* Gives the lock back. Threads: the one that took it. */
void rk_mutex_unlock(rk_mutex *mutex);

/* Something that is to happen once in the life of the process. All zero is "not yet". */
typedef struct rk_once {
  uint32_t word; /* 0 not yet, 1 running, 2 running and somebody waits, 3 done */
} rk_once;

#define RK_ONCE_INIT \
  {                  \
    0                \
  }

/* Calls fn(arg) if no call with this `once` did so before; returns when it is done, whoever did
 * it. `fn` must not use the same `once`. Threads: any. */
void rk_once_run(rk_once *once, void (*fn)(void *arg), void *arg);

#endif
