/* SPDX-License-Identifier: MIT */
/*
 * Short names for the platform's threads and futexes, and a mutex and a once built on those.
 *
 * The mutex is the usual one of three states: a word that is 2 says that somebody may be asleep,
 * so that an unlock without waiters makes no system call.
 */
#include "base/thread.h"

int rk_thread_start(rk_thread **thread, const char *name, rk_thread_fn fn, void *arg, rk_error *err)
{
  rk_thread_spec spec = RK_THREAD_SPEC_INIT;
  spec.name = name;
  spec.fn = fn;
  spec.arg = arg;
  return rk_thread_start_spec(thread, &spec, err);
}

int rk_thread_start_spec(rk_thread **thread, const rk_thread_spec *spec, rk_error *err)
{
  return rk_platform_current()->thread_start(spec, thread, err);
}

void rk_thread_join(rk_thread *thread)
{
  rk_platform_current()->thread_join(thread);
}

void rk_thread_yield(void)
{
  rk_platform_current()->yield();
}

size_t rk_cpu_count(void)
{
  return rk_platform_current()->cpu_count();
}

int rk_park(const volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
  return rk_platform_current()->futex_wait(word, expected, timeout_ns);
}

uint32_t rk_unpark(const volatile uint32_t *word, uint32_t count)
{
  return rk_platform_current()->futex_wake(word, count);
}

enum { MUTEX_FREE, MUTEX_TAKEN, MUTEX_CONTENDED };

bool rk_mutex_try(rk_mutex *mutex)
{
  uint32_t seen = MUTEX_FREE;
  return __atomic_compare_exchange_n(&mutex->word, &seen, MUTEX_TAKEN, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

void rk_mutex_lock(rk_mutex *mutex)
{
  if (rk_mutex_try(mutex)) {
    return;
  }
  /* From here on we take it as "contended": we cannot know that nobody else sleeps. */
  while (__atomic_exchange_n(&mutex->word, MUTEX_CONTENDED, __ATOMIC_ACQUIRE) != MUTEX_FREE) {
    rk_park(&mutex->word, MUTEX_CONTENDED, RK_FOREVER);
  }
}

void rk_mutex_unlock(rk_mutex *mutex)
{
  if (__atomic_exchange_n(&mutex->word, MUTEX_FREE, __ATOMIC_RELEASE) == MUTEX_CONTENDED) {
    rk_unpark(&mutex->word, 1);
  }
}

enum { ONCE_NOT_YET, ONCE_RUNNING, ONCE_AWAITED, ONCE_DONE };

void rk_once_run(rk_once *once, void (*fn)(void *arg), void *arg)
{
  uint32_t seen = ONCE_NOT_YET;
  if (__atomic_compare_exchange_n(&once->word, &seen, ONCE_RUNNING, false, __ATOMIC_ACQUIRE,
                                  __ATOMIC_ACQUIRE)) {
    fn(arg);
    if (__atomic_exchange_n(&once->word, ONCE_DONE, __ATOMIC_RELEASE) == ONCE_AWAITED) {
      rk_unpark(&once->word, UINT32_MAX);
    }
    return;
  }
  while (seen != ONCE_DONE) {
    if (seen == ONCE_AWAITED || __atomic_compare_exchange_n(&once->word, &seen, ONCE_AWAITED, false,
                                                            __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
      rk_park(&once->word, ONCE_AWAITED, RK_FOREVER);
      seen = __atomic_load_n(&once->word, __ATOMIC_ACQUIRE);
    }
  }
}
