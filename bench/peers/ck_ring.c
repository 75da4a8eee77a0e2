/* SPDX-License-Identifier: MIT */
/*
 * Peer: ck_ring of Concurrency Kit, single producer and consumer (Debian: libck-dev). The messages
 * lie in the ring's buffer, not behind pointers.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../c/bench.h"

#include <ck_ring.h>

CK_RING_PROTOTYPE(message, bench_message)

typedef struct peer_queue {
  ck_ring_t ring;
  bench_message *buffer;
} peer_queue;

static peer_queue *peer_open(void)
{
  peer_queue *queue = aligned_alloc(64, (sizeof(*queue) + 63) & ~(size_t)63);
  bench_check(queue != NULL, "out of memory");
  queue->buffer = aligned_alloc(64, sizeof(bench_message) * 1024);
  bench_check(queue->buffer != NULL, "out of memory");
  memset(queue->buffer, 0, sizeof(bench_message) * 1024);
  ck_ring_init(&queue->ring, 1024);
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
  return CK_RING_ENQUEUE_SPSC(message, &queue->ring, queue->buffer, &copy);
}
static inline bool peer_pop(peer_queue *queue, bench_message *m)
{
  return CK_RING_DEQUEUE_SPSC(message, &queue->ring, queue->buffer, m);
}

#include "flow.h"

PEER_MAIN("ck_ring")
