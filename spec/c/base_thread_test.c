/* SPDX-License-Identifier: MIT */
/*
 * Threads, parking, the mutex, the once and the wake-up object. Run it under ThreadSanitizer too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* pthread_getname_np, sched_getaffinity, setrlimit */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/wake.h"

#define NS_PER_MS UINT64_C(1000000)

/* What a thread finds out about itself. */
typedef struct portrait {
  char name[16];
  sigset_t mask;
  int cpu_count;
  size_t stack_bytes;
} portrait;

static void look_at_self(void *arg)
{
  portrait *p = arg;
  cpu_set_t set;
  pthread_attr_t attributes;
  pthread_getname_np(pthread_self(), p->name, sizeof p->name);
  pthread_sigmask(SIG_BLOCK, NULL, &p->mask);
  p->cpu_count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstacksize(&attributes, &p->stack_bytes);
    pthread_attr_destroy(&attributes);
  }
}

static void thread_has_name_and_blocks_signals(void **state)
{
  (void)state;
  rk_thread *thread = NULL;
  portrait p;
  sigset_t mine;
  uint64_t live = rk_alloc_live();
  assert_int_equal(rk_thread_start(&thread, "rk-a-long-name-0123", look_at_self, &p, NULL), RK_OK);
  rk_thread_join(thread);
  assert_string_equal(p.name, "rk-a-long-name-");
  const int blocked[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE, SIGWINCH};
  const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
  for (size_t i = 0; i < RK_ARRAY_LEN(blocked); i++) {
    assert_int_equal(sigismember(&p.mask, blocked[i]), 1);
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(open); i++) {
    assert_int_equal(sigismember(&p.mask, open[i]), 0);
  }
  pthread_sigmask(SIG_BLOCK, NULL, &mine);
  assert_int_equal(sigismember(&mine, SIGINT), 0); /* ours is as before */
  assert_int_equal(rk_thread_start(&thread, NULL, look_at_self, &p, NULL), RK_OK);
  rk_thread_join(thread);
  assert_string_equal(p.name, "rk");
  rk_thread_join(NULL);
  assert_int_equal(rk_alloc_live(), live);
}

static void thread_options_are_obeyed(void **state)
{
  (void)state;
  rk_thread *thread = NULL;
  portrait p;
  rk_thread_spec spec = RK_THREAD_SPEC_INIT;
  spec.name = "pinned";
  spec.fn = look_at_self;
  spec.arg = &p;
  spec.cpu = 1000003; /* modulo */
  spec.stack_bytes = ((size_t)1 << 20) + 1;
  assert_int_equal(rk_thread_start_spec(&thread, &spec, NULL), RK_OK);
  rk_thread_join(thread);
  assert_int_equal(p.cpu_count, 1);
  assert_true(p.stack_bytes > (size_t)1 << 20);
  assert_true(p.stack_bytes <= (size_t)4 << 20); /* sanitizers add to it */
  spec.cpu = -1;
  spec.stack_bytes = 1; /* raised to what the system needs */
  assert_int_equal(rk_thread_start_spec(&thread, &spec, NULL), RK_OK);
  rk_thread_join(thread);
  if (rk_cpu_count() <= CPU_SETSIZE) {
    assert_int_equal(p.cpu_count, rk_cpu_count());
  }
}

static void processors_follow_the_mask(void **state)
{
  (void)state;
  cpu_set_t before;
  if (sched_getaffinity(0, sizeof before, &before) != 0) {
    skip();
  }
  assert_int_equal(rk_cpu_count(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
    }
  }
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  size_t count = rk_cpu_count();
  assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
  assert_int_equal(count, 1);
}

static void failed_starts_are_told(void **state)
{
  (void)state;
  rk_thread *thread = NULL;
  rk_error err = RK_ERROR_INIT;
  portrait p;
  uint64_t live = rk_alloc_live();
  assert_int_equal(rk_thread_start(&thread, "x", NULL, NULL, &err), RK_EINVAL);
  rk_alloc_fail_at(1, false);
  assert_int_equal(rk_thread_start(&thread, "worker", look_at_self, &p, &err), RK_EOUT_OF_MEMORY);
  rk_alloc_fail_at(0, false);
  assert_non_null(strstr(err.text, "'worker'"));
  rk_thread_spec spec = RK_THREAD_SPEC_INIT;
  spec.fn = look_at_self;
  spec.arg = &p;
  spec.stack_bytes = SIZE_MAX / 4; /* no such room */
  int status = rk_thread_start_spec(&thread, &spec, &err);
  assert_true(status == RK_EOUT_OF_MEMORY || status == RK_EINVAL);
  assert_null(thread);
  assert_int_equal(rk_alloc_live(), live);
}

static void park_returns_at_once_when_the_word_differs(void **state)
{
  (void)state;
  uint32_t word = 1;
  assert_int_equal(rk_park(&word, 2, RK_FOREVER), RK_OK);
  assert_int_equal(rk_unpark(&word, UINT32_MAX), 0);
}

static void park_times_out(void **state)
{
  (void)state;
  uint32_t word = 1;
  uint64_t start = rk_clock_mono_ns();
  assert_int_equal(rk_park(&word, 1, 20 * NS_PER_MS), RK_ETIMEOUT);
  assert_true(rk_clock_mono_ns() - start >= 20 * NS_PER_MS);
  assert_int_equal(rk_park(&word, 1, 0), RK_ETIMEOUT);
}

/* Two threads hand a turn back and forth; every step needs the other to be woken. */
typedef struct pingpong {
  uint32_t turn;
  uint32_t plain; /* written by whoever has the turn: races show under ThreadSanitizer */
} pingpong;

enum { TURNS = 2000 };

static void play(pingpong *p, uint32_t me)
{
  for (int i = 0; i < TURNS; i++) {
    uint32_t seen;
    while ((seen = __atomic_load_n(&p->turn, __ATOMIC_ACQUIRE)) != me) {
      rk_park(&p->turn, seen, RK_FOREVER);
    }
    p->plain++;
    __atomic_store_n(&p->turn, 1 - me, __ATOMIC_RELEASE);
    rk_unpark(&p->turn, 1);
  }
}

static void play_second(void *arg)
{
  play(arg, 1);
}

static void parked_threads_are_woken(void **state)
{
  (void)state;
  pingpong p = {0, 0};
  rk_thread *thread = NULL;
  assert_int_equal(rk_thread_start(&thread, "second", play_second, &p, NULL), RK_OK);
  play(&p, 0);
  rk_thread_join(thread);
  assert_int_equal(p.plain, 2 * TURNS);
}

typedef struct shared {
  rk_mutex mutex;
  rk_once once;
  uint64_t counter;
  uint32_t once_calls;
} shared;

static void count_slowly(void *arg)
{
  shared *s = arg;
  s->once_calls++;
  rk_clock_sleep(20 * NS_PER_MS); /* so that the others have to wait */
}

static void use_shared(void *arg)
{
  shared *s = arg;
  rk_once_run(&s->once, count_slowly, s);
  assert_true(s->once_calls == 1); /* done, and visible, for everybody */
  for (int i = 0; i < 20000; i++) {
    if (i % 3 != 0 || !rk_mutex_try(&s->mutex)) {
      rk_mutex_lock(&s->mutex);
    }
    s->counter++;
    if (i % 1000 == 0) {
      rk_thread_yield(); /* with the lock held, so that others come to sleep on it */
    }
    rk_mutex_unlock(&s->mutex);
  }
}

static void mutex_and_once_keep_their_word(void **state)
{
  (void)state;
  enum { THREADS = 4 };
  static shared s; /* static: all zero is ready for use */
  rk_thread *threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(rk_thread_start(&threads[i], "user", use_shared, &s, NULL), RK_OK);
  }
  for (int i = 0; i < THREADS; i++) {
    rk_thread_join(threads[i]);
  }
  assert_int_equal(s.counter, THREADS * 20000);
  assert_int_equal(s.once_calls, 1);
  assert_int_equal(s.mutex.word, 0);
  assert_true(rk_mutex_try(&s.mutex));
  assert_false(rk_mutex_try(&s.mutex));
  rk_mutex_unlock(&s.mutex);
  assert_true(rk_mutex_try(&s.mutex));
  rk_mutex_unlock(&s.mutex);
}

static void wake_is_readable_from_signal_to_drain(void **state)
{
  (void)state;
  rk_wake wake = RK_WAKE_INIT;
  assert_int_equal(rk_wake_wait(&wake, 0), RK_EIO); /* closed */
  rk_wake_close(&wake);
  assert_int_equal(rk_wake_open(&wake, NULL), RK_OK);
  assert_true(rk_wake_fd(&wake) >= 0);
  assert_int_equal(rk_wake_wait(&wake, 0), RK_ETIMEOUT);
  assert_false(rk_wake_drain(&wake));
  errno = 4711;
  for (int i = 0; i < 3; i++) {
    rk_wake_signal(&wake);
  }
  assert_int_equal(errno, 4711);
  struct pollfd one = {.fd = rk_wake_fd(&wake), .events = POLLIN};
  assert_int_equal(poll(&one, 1, 0), 1);
  assert_int_equal(rk_wake_wait(&wake, RK_FOREVER), RK_OK);
  assert_int_equal(rk_wake_wait(&wake, RK_FOREVER), RK_OK); /* waiting does not drain */
  assert_true(rk_wake_drain(&wake));
  assert_false(rk_wake_drain(&wake)); /* many signals count as one */
  uint64_t start = rk_clock_mono_ns();
  assert_int_equal(rk_wake_wait(&wake, 15 * NS_PER_MS), RK_ETIMEOUT);
  assert_true(rk_clock_mono_ns() - start >= 15 * NS_PER_MS);
  int fd = rk_wake_fd(&wake);
  rk_wake_close(&wake);
  assert_int_equal(rk_wake_fd(&wake), -1);
  assert_int_equal(rk_platform_current()->fd_poll(fd, 0), RK_EIO); /* really closed */
  rk_wake_close(&wake);
}

static void full_counter_of_wake_does_not_block(void **state)
{
  (void)state;
  rk_wake wake = RK_WAKE_INIT;
  assert_int_equal(rk_wake_open(&wake, NULL), RK_OK);
  uint64_t top = UINT64_MAX - 1;
  assert_int_equal(write(rk_wake_fd(&wake), &top, sizeof top), sizeof top);
  rk_wake_signal(&wake);
  assert_int_equal(rk_wake_wait(&wake, 0), RK_OK);
  assert_true(rk_wake_drain(&wake));
  rk_wake_close(&wake);
}

static void wake_without_descriptors_is_an_error(void **state)
{
  (void)state;
  struct rlimit before;
  rk_wake wake = RK_WAKE_INIT;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  int status = rk_wake_open(&wake, &err);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(status, RK_EIO);
  assert_int_equal(rk_wake_fd(&wake), -1);
  assert_non_null(strstr(err.text, "eventfd"));
}

static void signal_later(void *arg)
{
  rk_clock_sleep(10 * NS_PER_MS);
  rk_wake_signal(arg);
}

static void wake_reaches_a_sleeping_owner(void **state)
{
  (void)state;
  rk_wake wake = RK_WAKE_INIT;
  rk_thread *thread = NULL;
  assert_int_equal(rk_wake_open(&wake, NULL), RK_OK);
  assert_int_equal(rk_thread_start(&thread, "waker", signal_later, &wake, NULL), RK_OK);
  assert_int_equal(rk_wake_wait(&wake, RK_FOREVER), RK_OK);
  assert_true(rk_wake_drain(&wake));
  rk_thread_join(thread);
  rk_wake_close(&wake);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
  (void)number;
  alarms++;
}

/* A signal every 5 ms: waits say so, sleeps go on to their end. */
static void signals_interrupt_waits_but_not_sleeps(void **state)
{
  (void)state;
  struct sigaction action = {.sa_handler = on_alarm};
  struct sigaction before;
  struct itimerval fast = {{0, 5000}, {0, 5000}};
  struct itimerval off = {{0, 0}, {0, 0}};
  rk_wake wake = RK_WAKE_INIT;
  uint32_t word = 0;
  assert_int_equal(rk_wake_open(&wake, NULL), RK_OK);
  assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
  assert_int_equal(setitimer(ITIMER_REAL, &fast, NULL), 0);
  int wait_status = rk_wake_wait(&wake, RK_FOREVER);
  int park_status = rk_park(&word, 0, RK_FOREVER);
  uint64_t start = rk_clock_mono_ns();
  rk_clock_sleep(40 * NS_PER_MS);
  uint64_t slept = rk_clock_mono_ns() - start;
  assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
  assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
  assert_int_equal(wait_status, RK_EINTR);
  assert_int_equal(park_status, RK_EINTR);
  assert_true(slept >= 40 * NS_PER_MS);
  assert_true(alarms >= 3);
  rk_wake_close(&wake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(thread_has_name_and_blocks_signals),
      cmocka_unit_test(thread_options_are_obeyed),
      cmocka_unit_test(processors_follow_the_mask),
      cmocka_unit_test(failed_starts_are_told),
      cmocka_unit_test(park_returns_at_once_when_the_word_differs),
      cmocka_unit_test(park_times_out),
      cmocka_unit_test(parked_threads_are_woken),
      cmocka_unit_test(mutex_and_once_keep_their_word),
      cmocka_unit_test(wake_is_readable_from_signal_to_drain),
      cmocka_unit_test(full_counter_of_wake_does_not_block),
      cmocka_unit_test(wake_without_descriptors_is_an_error),
      cmocka_unit_test(wake_reaches_a_sleeping_owner),
      cmocka_unit_test(signals_interrupt_waits_but_not_sleeps),
  };
  return cmocka_run_group_tests_name("base_thread", tests, NULL, NULL);
}
