/* SPDX-License-Identifier: MIT */
/*
 * Peer: boost::lockfree::queue, many producers, of fixed size (Debian: libboost-dev).
 */
#include <boost/lockfree/queue.hpp>

#include "../c/bench.h"

typedef boost::lockfree::queue<bench_message, boost::lockfree::capacity<BENCH_SLOTS>> peer_queue;

static peer_queue *peer_open(void)
{
  return new peer_queue;
}
static void peer_close(peer_queue *queue)
{
  delete queue;
}
static inline bool peer_push(peer_queue *queue, const bench_message *m)
{
  return queue->push(*m);
}
static inline bool peer_pop(peer_queue *queue, bench_message *m)
{
  return queue->pop(*m);
}

#include "flow.h"

int main()
{
  PEER_FIGURES("boost_queue");
  PEER_FOUR_PRODUCERS("boost_queue");
  PEER_ALONE("boost_queue");
  return 0;
}
