/* SPDX-License-Identifier: MIT */
/*
 * Peer: ck_ring of Concurrency Kit (Debian: libck-dev), single producer and consumer; with
 * PEER_MANY its calls for many producers. The messages lie in the ring's buffer, not behind pointers.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../c/bench.h"

#include <ck_ring.h>

CK_RING_PROTOTYPE(message, bench_message)

#ifdef PEER_MANY
#define ENQUEUE CK_RING_ENQUEUE_MPSC
#define DEQUEUE CK_RING_DEQUEUE_MPSC
#define NAME "ck_ring_mpsc"
#else
#define ENQUEUE CK_RING_ENQUEUE_SPSC
#define DEQUEUE CK_RING_DEQUEUE_SPSC
#define NAME "ck_ring"
#endif

typedef struct peer_queue {
  ck_ring_t ring;
  bench_message *buffer;
} peer_queue;

static peer_queue *peer_open(void)
{
  peer_queue *queue = aligned_alloc(64, (sizeof(*queue) + 63) & ~(size_t)63);
  bench_check(queue != NULL, "out of memory");
  queue->buffer = aligned_alloc(64, sizeof(bench_message) * BENCH_SLOTS);
  bench_check(queue->buffer != NULL, "out of memory");
  memset(queue->buffer, 0, sizeof(bench_message) * BENCH_SLOTS);
  ck_ring_init(&queue->ring, BENCH_SLOTS);
  return queue;
}
static void peer_close(peer_queue *queue)
{
  free(queue->buffer);
  free(queue);
}
static inline bool peer_push(peer_queue *queue, const bench_message *m)
{
  bench_message copy = *m;
  return ENQUEUE(message, &queue->ring, queue->buffer, &copy);
}
static inline bool peer_pop(peer_queue *queue, bench_message *m)
{
  return DEQUEUE(message, &queue->ring, queue->buffer, m);
}

#include "flow.h"

int main(void)
{
  PEER_FIGURES(NAME);
#ifdef PEER_MANY
  PEER_FOUR_PRODUCERS(NAME);
#endif
  PEER_ALONE(NAME);
  return 0;
}
