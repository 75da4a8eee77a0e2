/* SPDX-License-Identifier: MIT */
/*
 * The harness of the micro-benchmarks: see bench.h.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 8

static long from_environment(const char *name, long fallback, long least)
{
  const char *text = getenv(name);
  long value = text != NULL && *text != '\0' ? strtol(text, NULL, 10) : fallback;
  return value < least ? least : value;
}

size_t bench_samples(void)
{
  return (size_t)from_environment("BENCH_SAMPLES", 7, 1);
}

uint64_t bench_scale(uint64_t full)
{
  uint64_t count = full / (uint64_t)from_environment("BENCH_DIVISOR", 1, 1);
  return count < 16 ? 16 : count;
}

uint64_t bench_now_ns(void)
{
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_check(bool ok, const char *what)
{
  if (ok) {
    return;
  }
  (void)fflush(stdout);
  (void)fprintf(stderr, "bench: check failed: %s\n", what);
  exit(1);
}

/* ---- processors
 * ------------------------------------------------------------------------------------ */

/* The processors this process was given, before anybody pinned anything. */
static cpu_set_t *allowed(void)
{
  static cpu_set_t set;
  static bool known;
  if (!known) {
    bench_check(sched_getaffinity(0, sizeof(set), &set) == 0, "sched_getaffinity");
    known = true;
  }
  return &set;
}

bool bench_pins(void)
{
  return CPU_COUNT(allowed()) >= 2 && from_environment("BENCH_PIN", 1, 0) != 0;
}

void bench_pin_thread(int tid, unsigned n)
{
  cpu_set_t one;
  unsigned wanted = n % (unsigned)CPU_COUNT(allowed());
  if (!bench_pins()) {
    return;
  }
  CPU_ZERO(&one);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, allowed()) && wanted-- == 0) {
      CPU_SET(cpu, &one);
      break;
    }
  }
  (void)sched_setaffinity(tid, sizeof(one), &one);
}

void bench_pin(unsigned n)
{
  bench_pin_thread(0, n);
}

void bench_unpin(void)
{
  (void)sched_setaffinity(0, sizeof(cpu_set_t), allowed());
}

/* ---- figures
 * ----------------------------------------------------------------------------------------- */

static const char *consumed = "";
static const char *verified = "";

void bench_truth(const char *how_far, const char *compared)
{
  consumed = how_far != NULL ? how_far : "";
  verified = compared != NULL ? compared : "";
}

/* Whether a list with commas between has the name. */
static bool lists(const char *list, const char *name)
{
  size_t length = strlen(name);
  while (true) {
    size_t word = strcspn(list, ",");
    if (word == length && strncmp(list, name, length) == 0) {
      return true;
    } else if (list[word] == '\0') {
      return false;
    }
    list += word + 1;
  }
}

bool bench_wants(const char *quantity)
{
  const char *wanted = getenv("BENCH_QUANTITY");
  return wanted == NULL || *wanted == '\0' || lists(wanted, quantity);
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Nearest-rank percentile of sorted values. */
static double percentile(const double *values, size_t count, size_t percent)
{
  size_t rank = (count * percent + 99) / 100;
  return values[(rank < 1 ? 1 : rank) - 1];
}

void bench_report(const char *quantity, const char *unit, const char *includes, double *values,
                  size_t count)
{
  if (!bench_wants(quantity)) {
    return;
  }
  bench_check(count != 0, quantity);
  qsort(values, count, sizeof(*values), by_value);
  double median = count % 2 != 0 ? values[count / 2]
                                 : (values[count / 2 - 1] + values[count / 2]) / 2;
  /* quantity, unit, median, min, quartiles, p99, max, samples, what the timing includes, truth */
  (void)printf("result\t%s\t%s\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%zu\t%s\t%s\t%s\n", quantity,
               unit, median, values[0], percentile(values, count, 25),
               percentile(values, count, 75), percentile(values, count, 99), values[count - 1],
               count, includes, consumed, verified);
  (void)fflush(stdout);
}

void bench_measure(const char *quantity, const char *unit, const char *includes, bench_fn fn,
                   void *arg)
{
  if (!bench_wants(quantity)) {
    return;
  }
  size_t count = bench_samples();
  double *values = calloc(count, sizeof(*values));
  bench_check(values != NULL, "out of memory");
  (void)fn(arg);
  for (size_t i = 0; i < count; ++i) {
    values[i] = fn(arg);
  }
  bench_report(quantity, unit, includes, values, count);
  free(values);
}

void bench_skip(const char *quantity, const char *reason)
{
  (void)printf("skip\t%s\t%s\n", quantity, reason);
  (void)fflush(stdout);
}

/* ---- threads
 * --------------------------------------------------------------------------------------------- */

typedef struct member {
  void (*fn)(void *arg);
  void *arg;
  unsigned index, count;
  bool pin;
  unsigned *ready;
  uint64_t started, ended;
} member;

static void *run_member(void *arg)
{
  member *m = arg;
  if (m->pin) {
    bench_pin(m->index);
  } else {
    bench_unpin();
  }
  (void)__atomic_fetch_add(m->ready, 1u, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(m->ready, __ATOMIC_ACQUIRE) != m->count) {
    (void)sched_yield();
  }
  m->started = bench_now_ns();
  m->fn(m->arg);
  m->ended = bench_now_ns();
  return NULL;
}

uint64_t bench_team(unsigned count, bool pin, void (*fn)(void *arg), void *const *args)
{
  member members[THREADS_MAX];
  pthread_t threads[THREADS_MAX];
  unsigned ready = 0;
  bench_check(count >= 1 && count <= THREADS_MAX, "1..8 threads");
  for (unsigned i = 0; i < count; ++i) {
    members[i] = (member){
        .fn = fn, .arg = args[i], .index = i, .count = count, .pin = pin, .ready = &ready};
    if (i > 0) {
      bench_check(pthread_create(&threads[i], NULL, run_member, &members[i]) == 0,
                  "pthread_create");
    }
  }
  (void)run_member(&members[0]);
  uint64_t first = members[0].started, last = members[0].ended;
  for (unsigned i = 1; i < count; ++i) {
    (void)pthread_join(threads[i], NULL);
    if (members[i].started < first) {
      first = members[i].started;
    }
    if (members[i].ended > last) {
      last = members[i].ended;
    }
  }
  return last - first;
}
