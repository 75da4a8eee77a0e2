/* SPDX-License-Identifier: MIT */
/*
 * The three single-producer figures of a queue, once for every peer: messages of 128 bytes, 1024
 * slots, every word written, copied out and checked. A peer says how to open, push and pop; the
 * calls are inlined. Included by each peer after it has defined, on `peer_queue`:
 *   peer_queue *peer_open(void); void peer_close(peer_queue *);
 *   bool peer_push(peer_queue *, const bench_message *); bool peer_pop(peer_queue *, bench_message
 * *);
 */
#ifndef BENCH_PEERS_FLOW_H
#define BENCH_PEERS_FLOW_H

#include "../c/bench.h"

#define PEER_CAPACITY 1024

typedef struct peer_side {
  peer_queue *in, *out;
  uint64_t count, bad;
  bool first;
} peer_side;

static inline void peer_put(peer_queue *queue, uint64_t i)
{
  bench_message m;
  bench_fill(&m, i);
  while (!peer_push(queue, &m)) {
    bench_pause();
  }
}

static inline uint64_t peer_take(peer_queue *queue, uint64_t i)
{
  bench_message m;
  while (!peer_pop(queue, &m)) {
    bench_pause();
  }
  return bench_wrong(&m, i);
}

static void peer_flow_side(void *arg)
{
  peer_side *s = (peer_side *)arg;
  for (uint64_t i = 0; i < s->count; ++i) {
    if (s->in != NULL) {
      s->bad |= peer_take(s->in, i);
    } else {
      peer_put(s->out, i);
    }
  }
}

static double peer_flow(void *arg)
{
  uint64_t count = bench_scale(200000);
  peer_queue *queue = peer_open();
  peer_side consumer = {queue, NULL, count, 0, false}, producer = {NULL, queue, count, 0, true};
  void *args[2] = {&consumer, &producer};
  (void)arg;
  uint64_t ns = bench_team(2, bench_pins(), peer_flow_side, args);
  bench_check(consumer.bad == 0, "peer: a message arrived changed");
  peer_close(queue);
  return (double)count * 1e3 / (double)ns;
}

static void peer_trip_side(void *arg)
{
  peer_side *s = (peer_side *)arg;
  for (uint64_t i = 0; i < s->count; ++i) {
    if (s->first) {
      peer_put(s->out, i);
    }
    s->bad |= peer_take(s->in, i);
    if (!s->first) {
      peer_put(s->out, i);
    }
  }
}

static double peer_trips(void *arg)
{
  uint64_t count = bench_scale(30000);
  peer_queue *a = peer_open(), *b = peer_open();
  peer_side ping = {b, a, count, 0, true}, pong = {a, b, count, 0, false};
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
  peer_queue *queue = (peer_queue *)arg;
  uint64_t count = bench_scale(500000), bad = 0;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    peer_put(queue, i);
    bad |= peer_take(queue, i);
  }
  uint64_t ns = bench_now_ns() - start;
  bench_check(bad == 0, "peer: a message arrived changed");
  return (double)ns / (double)count;
}

#define PEER_MAIN(name)                                                                            \
  int main(void)                                                                                   \
  {                                                                                                \
    bench_measure("peer." name ".single", "M/s",                                                   \
                  "two threads, 128 B; every word written, pushed, popped and checked", peer_flow, \
                  NULL);                                                                           \
    bench_measure("peer." name ".round_trip", "ns",                                                \
                  "two threads, two queues, 128 B there and back, checked", peer_trips, NULL);     \
    bench_pin(0);                                                                                  \
    peer_queue *queue = peer_open();                                                               \
    bench_measure("peer." name ".uncontended", "ns", "one thread: push and pop of 128 B, checked", \
                  peer_alone, queue);                                                              \
    peer_close(queue);                                                                             \
    return 0;                                                                                      \
  }

#endif
