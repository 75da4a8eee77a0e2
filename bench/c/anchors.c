/* SPDX-License-Identifier: MIT */
/*
 * What this machine can do at all, measured in the same run as everything else: a cache line from
 * one processor to the other and back, a clock read, a read-modify-write, a copy, a thread.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct line {
  uint64_t word;
  char pad[120];
} line;

typedef struct pong {
  line *to, *from;
  uint64_t trips;
  bool first;
} pong;

static void run_pong(void *arg)
{
  pong *p = arg;
  for (uint64_t i = 1; i <= p->trips; ++i) {
    if (p->first) {
      __atomic_store_n(&p->to->word, i, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&p->from->word, __ATOMIC_ACQUIRE) != i) {
      bench_pause();
    }
    if (!p->first) {
      __atomic_store_n(&p->to->word, i, __ATOMIC_RELEASE);
    }
  }
}

static double line_ping_pong(void *arg)
{
  static line lines[2] __attribute__((aligned(128)));
  uint64_t trips = bench_scale(40000);
  (void)arg;
  memset(lines, 0, sizeof(lines));
  pong a = {&lines[0], &lines[1], trips, true}, b = {&lines[1], &lines[0], trips, false};
  void *args[] = {&a, &b};
  return (double)bench_team(2, bench_pins(), run_pong, args) / (double)trips;
}

typedef struct
    record { /* as a record of the rings: 64 + 64 bytes, the last word says it is there */
  uint64_t words[16];
} record;

typedef struct bat {
  record *to, *from;
  uint64_t trips, wrong;
  bool first;
} bat;

static void put_record(record *r, uint64_t i)
{
  for (unsigned k = 0; k < 15; ++k) {
    r->words[k] = i + k;
  }
  __atomic_store_n(&r->words[15], i, __ATOMIC_RELEASE);
}

static void run_bat(void *arg)
{
  bat *b = arg;
  for (uint64_t i = 1; i <= b->trips; ++i) {
    if (b->first) {
      put_record(b->to, i);
    }
    while (__atomic_load_n(&b->from->words[15], __ATOMIC_ACQUIRE) != i) {
      bench_pause();
    }
    for (unsigned k = 0; k < 15; ++k) {
      b->wrong |= b->from->words[k] ^ (i + k);
    }
    if (!b->first) {
      put_record(b->to, i);
    }
  }
}

static double record_ping_pong(void *arg)
{
  static record records[2] __attribute__((aligned(128)));
  uint64_t trips = bench_scale(40000);
  (void)arg;
  memset(records, 0, sizeof(records));
  bat a = {.to = &records[0], .from = &records[1], .trips = trips, .first = true};
  bat b = {.to = &records[1], .from = &records[0], .trips = trips};
  void *args[] = {&a, &b};
  uint64_t ns = bench_team(2, bench_pins(), run_bat, args);
  bench_check(a.wrong == 0 && b.wrong == 0, "a record came back changed");
  return (double)ns / (double)trips;
}

static double clock_read(void *arg)
{
  const clockid_t *id = arg;
  uint64_t n = bench_scale(500000);
  struct timespec now;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    (void)clock_gettime(*id, &now);
    __asm__ volatile("" ::"r"(now.tv_nsec));
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

static double read_modify_write(void *arg)
{
  static uint64_t word;
  uint64_t n = bench_scale(2000000);
  (void)arg;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    (void)__atomic_fetch_add(&word, 1u, __ATOMIC_ACQ_REL);
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

static double fence(void *arg)
{
  static uint64_t word;
  uint64_t n = bench_scale(1000000);
  (void)arg;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    __atomic_store_n(&word, i, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

typedef struct copy {
  size_t bytes;
  char *from, *to;
} copy;

static double copy_rate(void *arg)
{
  copy *c = arg;
  uint64_t n = bench_scale((UINT64_C(256) << 20) / c->bytes);
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    memcpy(c->to, c->from, c->bytes);
    __asm__ volatile("" ::"r"(c->to) : "memory");
  }
  return (double)(n * c->bytes) / (double)(bench_now_ns() - start);
}

static void *do_nothing(void *arg)
{
  return arg;
}

static double thread_start(void *arg)
{
  uint64_t n = bench_scale(300);
  (void)arg;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    pthread_t thread;
    bench_check(pthread_create(&thread, NULL, do_nothing, NULL) == 0, "pthread_create");
    (void)pthread_join(thread, NULL);
  }
  return (double)(bench_now_ns() - start) / (double)n / 1e3;
}

/* With an argument: only the line, under that name, to see whether it costs the same later. */
int main(int argc, char **argv)
{
  clockid_t monotonic = CLOCK_MONOTONIC;
  bench_truth("inside the timing", "every number");
  bench_measure(argc > 1 ? argv[1] : "anchor.line_ping_pong", "ns",
                "two threads hand a number back and forth over two lines, spinning with pause; "
                "nothing is carried",
                line_ping_pong, NULL);
  if (argc > 1) {
    return 0;
  }
  bench_measure("anchor.record_ping_pong", "ns",
                "as the line, with 128 bytes each way that are written and read, in two places",
                record_ping_pong, NULL);
  bench_truth(NULL, NULL);
  bench_pin(0);
  bench_measure("anchor.clock_read", "ns", "one clock_gettime(CLOCK_MONOTONIC), one thread",
                clock_read, &monotonic);
  bench_measure("anchor.rmw", "ns", "one atomic fetch-add on a line nobody else touches",
                read_modify_write, NULL);
  bench_measure("anchor.fence", "ns", "one store and one seq_cst fence, one thread", fence, NULL);
  for (int i = 0; i < 2; ++i) {
    const char *quantity = i == 0 ? "anchor.memcpy_16k" : "anchor.memcpy_64m";
    if (!bench_wants(quantity)) {
      continue;
    }
    copy c = {i == 0 ? (size_t)16 << 10 : (size_t)64 << 20, NULL, NULL};
    c.from = malloc(c.bytes);
    c.to = malloc(c.bytes);
    bench_check(c.from != NULL && c.to != NULL, "out of memory");
    memset(c.from, 1, c.bytes);
    memset(c.to, 2, c.bytes);
    bench_measure(quantity, "GB/s",
                  "memcpy between two buffers of that size, touched before, one thread", copy_rate,
                  &c);
    free(c.from);
    free(c.to);
  }
  bench_unpin();
  bench_measure("anchor.thread_start", "us",
                "pthread_create and pthread_join of a thread that does nothing", thread_start,
                NULL);
  return 0;
}
