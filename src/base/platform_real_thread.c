/* SPDX-License-Identifier: MIT */
/*
 * The real platform: threads, futexes, event descriptors, waiting for a descriptor.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* affinity, thread names, ppoll, syscall */
#endif

#include "base/platform_real.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

#define CPU_SETS 8 /* of 1024 processors each: as many as Linux can have */

struct rk_thread {
  pthread_t id;
  rk_thread_fn fn;
  void *arg;
  int cpu;
  char name[16]; /* the kernel's limit */
};

/* The processors that we may use, as bits; returns their number, 0 if the system does not say. */
static size_t allowed_cpus(cpu_set_t sets[CPU_SETS])
{
  size_t bytes = CPU_SETS * sizeof *sets;
  memset(sets, 0, bytes);
  if (sched_getaffinity(0, bytes, sets) != 0) {
    return 0;
  }
  return (size_t)CPU_COUNT_S(bytes, sets);
}

size_t rk__os_cpu_count(void)
{
  cpu_set_t sets[CPU_SETS];
  size_t count = allowed_cpus(sets);
  if (count == 0) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    count = online > 0 ? (size_t)online : 1;
  }
  return count;
}

/* Ties the calling thread to the n-th allowed processor. A wish: where the system refuses, the
 * thread runs anywhere. */
static void pin_self(size_t n)
{
  cpu_set_t sets[CPU_SETS];
  cpu_set_t one[CPU_SETS];
  size_t bytes = sizeof sets;
  size_t count = allowed_cpus(sets);
  if (count == 0) {
    return;
  }
  n %= count;
  for (size_t cpu = 0; cpu < bytes * CHAR_BIT; cpu++) {
    if (CPU_ISSET_S(cpu, bytes, sets) && n-- == 0) {
      CPU_ZERO_S(bytes, one);
      CPU_SET_S(cpu, bytes, one);
      sched_setaffinity(0, bytes, one);
      return;
    }
  }
}

static void *run_thread(void *arg)
{
  rk_thread *self = arg;
  pthread_setname_np(pthread_self(), self->name);
  if (self->cpu >= 0) {
    pin_self((size_t)self->cpu);
  }
  self->fn(self->arg);
  return NULL;
}

/* All signals but those a thread raises by its own fault: blocked, these would end the process
 * without a handler having seen them. */
static void fill_blocked(sigset_t *set)
{
  static const int own_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
  sigfillset(set);
  for (size_t i = 0; i < RK_ARRAY_LEN(own_faults); i++) {
    sigdelset(set, own_faults[i]);
  }
}

int rk__os_thread_start(const rk_thread_spec *spec, rk_thread **thread, rk_error *err)
{
  const char *name = spec->name != NULL ? spec->name : "rk";
  pthread_attr_t attributes;
  sigset_t blocked;
  sigset_t before;

  if (spec->fn == NULL) {
    return rk_error_set(err, RK_EINVAL, "cannot start thread '%.64s': no function", name);
  }
  rk_thread *self = rk_calloc(1, sizeof *self);
  if (self == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "cannot start thread '%.64s': out of memory", name);
  }
  self->fn = spec->fn;
  self->arg = spec->arg;
  self->cpu = spec->cpu;
  snprintf(self->name, sizeof self->name, "%s", name);

  int error = pthread_attr_init(&attributes);
  if (error == 0) {
    if (spec->stack_bytes != 0) {
      long least = sysconf(_SC_THREAD_STACK_MIN);
      size_t bytes = least > 0 && spec->stack_bytes < (size_t)least ? (size_t)least
                                                                    : spec->stack_bytes;
      if (bytes <= SIZE_MAX - rk_page_bytes()) {
        bytes = rk_align_up(bytes, rk_page_bytes());
      }
      error = pthread_attr_setstacksize(&attributes, bytes);
    }
    if (error == 0) {
      /* The new thread inherits our mask: no moment at which it could take a signal. */
      fill_blocked(&blocked);
      pthread_sigmask(SIG_SETMASK, &blocked, &before);
      error = pthread_create(&self->id, &attributes, run_thread, self);
      pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
  }
  if (error != 0) {
    rk_free(self);
    return rk_error_set(err, error == EINVAL ? RK_EINVAL : RK_EOUT_OF_MEMORY,
                        "cannot start thread '%.64s': %s", name, strerror(error));
  }
  *thread = self;
  return RK_OK;
}

void rk__os_thread_join(rk_thread *thread)
{
  if (thread != NULL) {
    pthread_join(thread->id, NULL);
    rk_free(thread);
  }
}

int rk__os_futex_wait(const volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
  struct timespec timeout = rk__os_timespec(timeout_ns);
  const struct timespec *limit = timeout_ns == RK_FOREVER ? NULL : &timeout;
  if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, limit, NULL, 0) == 0) {
    return RK_OK;
  }
  switch (errno) {
    case ETIMEDOUT:
      return RK_ETIMEOUT;
    case EINTR:
      return RK_EINTR;
    default: /* EAGAIN: *word differs already */
      return RK_OK;
  }
}

uint32_t rk__os_futex_wake(const volatile uint32_t *word, uint32_t count)
{
  int most = count > INT_MAX ? INT_MAX : (int)count;
  long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
  return woken > 0 ? (uint32_t)woken : 0;
}

int rk__os_event_open(int *fd, rk_error *err)
{
  int opened = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (opened < 0) {
    return rk__os_fail(err, errno, "cannot open", "eventfd");
  }
  *fd = opened;
  return RK_OK;
}

void rk__os_event_signal(int fd)
{
  int saved = errno;
  uint64_t one = 1;
  /* EAGAIN means that the counter is at its top, so it is readable: good enough. */
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
  errno = saved;
}

bool rk__os_event_drain(int fd)
{
  uint64_t count = 0;
  ssize_t got;
  do {
    got = read(fd, &count, sizeof count);
  } while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof count;
}

void rk__os_event_close(int fd)
{
  if (fd >= 0) {
    close(fd);
  }
}

int rk__os_fd_poll(int fd, uint64_t timeout_ns)
{
  if (fd < 0) {
    return RK_EIO; /* poll would skip it and wait */
  }
  struct pollfd one = {.fd = fd, .events = POLLIN};
  struct timespec timeout = rk__os_timespec(timeout_ns);
  int ready = ppoll(&one, 1, timeout_ns == RK_FOREVER ? NULL : &timeout, NULL);
  if (ready == 0) {
    return RK_ETIMEOUT;
  }
  if (ready < 0) {
    return errno == EINTR ? RK_EINTR : RK_EIO;
  }
  return (one.revents & POLLNVAL) != 0 ? RK_EIO : RK_OK;
}
