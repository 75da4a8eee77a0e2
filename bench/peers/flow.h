/* SPDX-License-Identifier: MIT */
/*
 * The figures of a queue, once for every peer: messages of 64 bytes and BENCH_PAYLOAD more,
 * BENCH_SLOTS slots, every word written, copied out and checked. A peer says how to open, push and
 * pop; the calls are inlined. Included by each peer after it has defined, on `peer_queue`:
 *   peer_queue *peer_open(void); void peer_close(peer_queue *);
 *   bool peer_push(peer_queue *, const bench_message *);
 *   bool peer_pop(peer_queue *, bench_message *);
 *
 * A word is i + k; i has the producer's number in its upper half, so that the consumer can check
 * each producer's order.
 */
#ifndef BENCH_PEERS_FLOW_H
#define BENCH_PEERS_FLOW_H

#include <sched.h>

#include "../c/bench.h"

#define PEER_TRIES 32u
#define PEER_PRODUCERS_MAX 4u
#define PEER_WHAT "64+" BENCH_TEXT(BENCH_PAYLOAD) " B"

typedef struct peer_side {
  peer_queue *in, *out;
  uint64_t count, bad;
  bool first;
  unsigned number, producers; /* which producer this is, of how many */
} peer_side;

/* More threads than processors: whoever waits lets others run. */
static inline void peer_relax(bool yields, unsigned *tries)
{
  if (yields && ++*tries >= PEER_TRIES) {
    *tries = 0;
    (void)sched_yield();
  } else {
    bench_pause();
  }
}

static inline void peer_put(peer_queue *queue, uint64_t i, bool yields)
{
  bench_message m;
  unsigned tries = 0;
  bench_fill(&m, i);
  while (!peer_push(queue, &m)) {
    peer_relax(yields, &tries);
  }
}

static inline void peer_get(peer_queue *queue, bench_message *m, bool yields)
{
  unsigned tries = 0;
  while (!peer_pop(queue, m)) {
    peer_relax(yields, &tries);
  }
}

static inline uint64_t peer_take(peer_queue *queue, uint64_t i)
{
  bench_message m;
  peer_get(queue, &m, false);
  return bench_wrong(&m, i);
}

static void peer_flow_side(void *arg)
{
  peer_side *s = (peer_side *)arg;
  uint64_t expected[PEER_PRODUCERS_MAX] = {0};
  bool yields = s->producers > 1;
  if (s->out != NULL) {
    for (uint64_t i = 0; i < s->count; ++i) {
      peer_put(s->out, (uint64_t)s->number << 32 | i, yields);
    }
    return;
  }
  if (s->producers == 1) {
    for (uint64_t i = 0; i < s->count; ++i) {
      s->bad |= peer_take(s->in, i);
    }
    return;
  }
  for (uint64_t n = s->count * s->producers; n > 0; --n) {
    bench_message m;
    peer_get(s->in, &m, yields);
    uint64_t number = m.words[0] >> 32;
    bench_check(number < s->producers, "peer: the producer of a message");
    s->bad |= bench_wrong(&m, number << 32 | expected[number]++);
  }
}

static double peer_flow(void *arg)
{
  unsigned producers = *(const unsigned *)arg;
  uint64_t count = bench_scale_bytes(200000) / producers;
  peer_queue *queue = peer_open();
  peer_side sides[PEER_PRODUCERS_MAX + 1];
  void *args[PEER_PRODUCERS_MAX + 1];
  for (unsigned i = 0; i <= producers; ++i) {
    peer_side side = {i == 0 ? queue : NULL,
                      i == 0 ? NULL : queue,
                      count,
                      0,
                      false,
                      i == 0 ? 0 : i - 1,
                      producers};
    sides[i] = side;
    args[i] = &sides[i];
  }
  uint64_t ns = bench_team(producers + 1, producers == 1 && bench_pins(), peer_flow_side, args);
  bench_check(sides[0].bad == 0, "peer: a message arrived changed or out of order");
  peer_close(queue);
  return (double)(count * producers) * 1e3 / (double)ns;
}

static void peer_trip_side(void *arg)
{
  peer_side *s = (peer_side *)arg;
  for (uint64_t i = 0; i < s->count; ++i) {
    if (s->first) {
      peer_put(s->out, i, false);
    }
    s->bad |= peer_take(s->in, i);
    if (!s->first) {
      peer_put(s->out, i, false);
    }
  }
}

static double peer_trips(void *arg)
{
  uint64_t count = bench_scale_bytes(30000);
  peer_queue *a = peer_open(), *b = peer_open();
  peer_side ping = {b, a, count, 0, true, 0, 1}, pong = {a, b, count, 0, false, 0, 1};
  void *args[2] = {&ping, &pong};
  (void)arg;
  uint64_t ns = bench_team(2, bench_pins(), peer_trip_side, args);
  bench_check(ping.bad == 0 && pong.bad == 0, "peer: a message arrived changed");
  peer_close(a);
  peer_close(b);
  return (double)ns / (double)count;
}

static double peer_alone(void *arg)
{
  peer_queue *queue = peer_open();
  uint64_t count = bench_scale_bytes(500000), bad = 0;
  (void)arg;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    peer_put(queue, i, false);
    bad |= peer_take(queue, i);
  }
  uint64_t ns = bench_now_ns() - start;
  bench_check(bad == 0, "peer: a message arrived changed");
  peer_close(queue);
  return (double)ns / (double)count;
}

/* The figures that every queue has; those of the peer's own go in between. */
#define PEER_FIGURES(name)                                                                      \
  do {                                                                                          \
    static unsigned one = 1;                                                                    \
    bench_truth("inside the timing", "order and every word");                                   \
    bench_measure("peer." name ".single", "M/s",                                                \
                  "two threads, " PEER_WHAT "; every word written, pushed, popped and checked", \
                  peer_flow, &one);                                                             \
    bench_measure("peer." name ".round_trip", "ns",                                             \
                  "two threads, two queues, " PEER_WHAT " there and back, checked", peer_trips, \
                  NULL);                                                                        \
  } while (0)

#define PEER_FOUR_PRODUCERS(name)                                                              \
  do {                                                                                         \
    static unsigned four = 4;                                                                  \
    bench_measure("peer." name ".4p", "M/s",                                                   \
                  "4 producers + 1 consumer unpinned, " PEER_WHAT                              \
                  ", yielding after 32 tries; every word written, pushed, popped and checked", \
                  peer_flow, &four);                                                           \
  } while (0)

/* Pins the caller, so it comes last. */
#define PEER_ALONE(name)                                                                   \
  do {                                                                                     \
    bench_pin(0);                                                                          \
    bench_measure("peer." name ".uncontended", "ns",                                       \
                  "one thread: push and pop of " PEER_WHAT ", checked", peer_alone, NULL); \
  } while (0)

#endif
