/* SPDX-License-Identifier: MIT */
/*
 * Peer: rte_ring of DPDK (Debian: libdpdk-dev), one at a time and in bursts of 32; with PEER_MANY its
 * calls for many producers. The ring lies in ordinary memory; DPDK's environment is not started.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../c/bench.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#define BURST 32u
/* One of the slots is never used. */
#define SLOTS (2u * BENCH_SLOTS)

#ifdef PEER_MANY
#define ENQUEUE rte_ring_mp_enqueue_elem
#define FLAGS RING_F_SC_DEQ
#define NAME "rte_ring_mpsc"
#else
#define ENQUEUE rte_ring_sp_enqueue_elem
#define FLAGS (RING_F_SP_ENQ | RING_F_SC_DEQ)
#define NAME "rte_ring"
#endif

typedef struct rte_ring peer_queue;

static peer_queue *peer_open(void)
{
  ssize_t bytes = rte_ring_get_memsize_elem(sizeof(bench_message), SLOTS);
  peer_queue *queue = aligned_alloc(128, ((size_t)bytes + 127) & ~(size_t)127);
  bench_check(queue != NULL, "out of memory");
  memset(queue, 0, (size_t)bytes);
  bench_check(rte_ring_init(queue, "peer", SLOTS, FLAGS) == 0, "rte_ring_init");
  return queue;
}
static void peer_close(peer_queue *queue)
{
  free(queue);
}
static inline bool peer_push(peer_queue *queue, const bench_message *m)
{
  return ENQUEUE(queue, (void *)(uintptr_t)m, sizeof(*m)) == 0;
}
static inline bool peer_pop(peer_queue *queue, bench_message *m)
{
  return rte_ring_sc_dequeue_elem(queue, m, sizeof(*m)) == 0;
}

#include "flow.h"

#ifndef PEER_MANY
static void burst_side(void *arg)
{
  peer_side *s = arg;
  bench_message m[BURST];
  for (uint64_t i = 0; i < s->count; i += BURST) {
    if (s->in != NULL) {
      uint64_t got = 0;
      while (got < BURST) {
        unsigned n = rte_ring_sc_dequeue_burst_elem(s->in, m, sizeof(*m), (unsigned)(BURST - got),
                                                    NULL);
        for (unsigned k = 0; k < n; ++k) {
          s->bad |= bench_wrong(&m[k], i + got + k);
        }
        got += n;
        if (n == 0) {
          bench_pause();
        }
      }
    } else {
      for (unsigned k = 0; k < BURST; ++k) {
        bench_fill(&m[k], i + k);
      }
      while (rte_ring_sp_enqueue_bulk_elem(s->out, m, sizeof(*m), BURST, NULL) == 0) {
        bench_pause();
      }
    }
  }
}

static double burst(void *arg)
{
  uint64_t count = bench_scale_bytes(400000) / BURST * BURST + BURST;
  peer_queue *queue = peer_open();
  peer_side consumer = {queue, NULL, count, 0, false, 0, 1};
  peer_side producer = {NULL, queue, count, 0, true, 0, 1};
  void *args[2] = {&consumer, &producer};
  (void)arg;
  uint64_t ns = bench_team(2, bench_pins(), burst_side, args);
  bench_check(consumer.bad == 0, "peer: a message arrived changed");
  peer_close(queue);
  return (double)count * 1e3 / (double)ns;
}
#endif

int main(void)
{
  PEER_FIGURES(NAME);
#ifdef PEER_MANY
  PEER_FOUR_PRODUCERS(NAME);
#else
  bench_measure("peer." NAME ".burst32", "M/s",
                "as one at a time, 32 messages a push and up to 32 a pop", burst, NULL);
#endif
  PEER_ALONE(NAME);
  return 0;
}
