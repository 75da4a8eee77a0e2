/* SPDX-License-Identifier: MIT */
/*
 * Peer: boost::lockfree::spsc_queue (Debian: libboost-dev).
 */
#include <boost/lockfree/spsc_queue.hpp>

#include "../c/bench.h"

typedef boost::lockfree::spsc_queue<bench_message, boost::lockfree::capacity<BENCH_SLOTS>>
    peer_queue;

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
  PEER_FIGURES("boost_spsc");
  PEER_ALONE("boost_spsc");
  return 0;
}
