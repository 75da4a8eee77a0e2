/* SPDX-License-Identifier: MIT */
/*
 * Kernel to kernel: hops of one token on one block and between two, rings of 1,000 actors, and a
 * one-way flood. The host starts a run and sleeps until the last hop reports to it.
 */
#include "rt.h"

#include <stdio.h>

#define RING_ACTORS 1000u

static rk_actor *actors[RING_ACTORS];

typedef struct course {
  rk_runtime *rt;
  rk_actor *first;
  uint64_t hops; /* of one sample */
  double per;    /* hops that one unit of the figure means */
} course;

static double run(void *arg)
{
  course *c = arg;
  rt_token start_token = {.hops = c->hops, .words = {1, 2, 3, 4, 5, 6, 7}};
  uint64_t start = bench_now_ns();
  rt_token reply = rt_call(c->rt, c->first, &start_token);
  uint64_t ns = bench_now_ns() - start;
  bench_check(reply.hops == 0 && reply.words[0] == 1 && reply.words[6] == 7,
              "the token came back whole");
  return (double)ns / (double)c->hops * c->per;
}

static void connect(rk_runtime *rt, rk_actor *from, rk_actor *to, const rk_link_options *link)
{
  rk_error err = RK_ERROR_INIT;
  rt_check(rk_runtime_link(rt, from, "next", to, link, &err), &err, "connect");
}

/* A ring of `count` actors, actor i on block place(i). */
typedef uint32_t (*place_fn)(uint32_t i, uint32_t count);
static uint32_t on_one(uint32_t i, uint32_t count)
{
  return (void)i, (void)count, 0;
}
static uint32_t in_turn(uint32_t i, uint32_t count)
{
  return (void)count, i % 2;
}
static uint32_t in_halves(uint32_t i, uint32_t count)
{
  return i * 2 / count;
}

static void measure_ring(const char *quantity, const char *includes, uint32_t count,
                         uint32_t blocks, place_fn place, uint64_t hops, double per,
                         const rk_link_options *link)
{
  if (!bench_wants(quantity)) {
    return;
  }
  rk_runtime *rt = rt_open(blocks, blocks == 1 ? 1 : 0);
  rk_kernel *token = rt_kernel("token", rt_token_source);
  for (uint32_t i = 0; i < count; ++i) {
    actors[i] = rt_launch(rt, token, 16, (int32_t)place(i, count));
  }
  for (uint32_t i = 0; i < count; ++i) {
    connect(rt, actors[i], actors[(i + 1) % count], link);
  }
  course c = {rt, actors[0], bench_scale(hops), per};
  bench_measure(quantity, "ns", includes, run, &c);
  for (uint32_t i = 0; i < count; ++i) {
    rk_actor_release(actors[i]);
  }
  rk_kernel_close(token);
  rk_runtime_close(rt);
}

typedef struct stream {
  rk_runtime *rt;
  rk_actor *source;
  uint64_t sent;
} stream;

static double run_stream(void *arg)
{
  stream *s = arg;
  uint64_t batches = bench_scale(20000);
  uint64_t start = bench_now_ns();
  rt_token reply = rt_call(s->rt, s->source, &(rt_token){.hops = batches});
  uint64_t ns = bench_now_ns() - start;
  uint64_t n = batches * RT_FLOOD_BATCH + 1u;
  s->sent += n;
  bench_check(reply.words[0] == s->sent && reply.words[1] == s->sent * 28u,
              "every message was handled once");
  return (double)n * 1e3 / (double)ns;
}

static void measure_stream(const char *quantity, const char *includes, uint32_t blocks)
{
  if (!bench_wants(quantity)) {
    return;
  }
  rk_runtime *rt = rt_open(blocks, blocks == 1 ? 1 : 0);
  rk_kernel *flood = rt_kernel("flood", rt_flood_source), *sink = rt_kernel("sink", rt_sink_source);
  rk_actor *source = rt_launch(rt, flood, 16, 0);
  rk_actor *target = rt_launch(rt, sink, 1024, (int32_t)blocks - 1);
  connect(rt, source, target, NULL);
  stream s = {rt, source, 0};
  bench_measure(quantity, "M/s", includes, run_stream, &s);
  rk_actor_release(source);
  rk_actor_release(target);
  rk_kernel_close(flood);
  rk_kernel_close(sink);
  rk_runtime_close(rt);
}

int main(void)
{
  bench_pin(0);
  bench_truth("inside the timing (a reply behind the last hop)", "the token's count and words");
  measure_ring("k2k.hop.one_block",
               "two actors on one block pass a 64 B token through ports; per hop: handler, copy, "
               "credit, ticket, stamp; host call shared by all hops",
               2, 1, on_one, 200000, 1, NULL);
  measure_ring("k2k.hop.credit_each",
               "as k2k.hop.one_block, and each hop takes its credit from the receiver's room and "
               "gives it back, else eight hops do so together",
               2, 1, on_one, 200000, 1, &(rk_link_options){.credits = 1});
  measure_ring("k2k.hop.buffer",
               "as k2k.hop.one_block, over links of the policy buffer that have room", 2, 1, on_one,
               200000, 1, &(rk_link_options){.policy = RK_LINK_KIND_BUFFER, .limit = 16});
  measure_ring("k2k.ping_pong.one_block",
               "two actors on one block, there and back; else as k2k.hop.one_block", 2, 1, on_one,
               200000, 2, NULL);
  measure_ring("k2k.ping_pong.two_blocks",
               "two actors on two pinned threads, there and back; else as "
               "k2k.hop.one_block",
               2, 2, in_turn, 40000, 2, NULL);
  measure_ring("k2k.ring1000.one_block", "1,000 actors in a ring on one block, one token, per hop",
               RING_ACTORS, 1, on_one, 200000, 1, NULL);
  measure_ring("k2k.ring1000.two_blocks",
               "1,000 actors on two blocks in turn (the default placing): every hop "
               "crosses; one token, per hop",
               RING_ACTORS, 2, in_turn, 60000, 1, NULL);
  measure_ring("k2k.ring1000.two_halves",
               "1,000 actors, half a ring on each of two blocks: two crossings a round; "
               "one token, per hop",
               RING_ACTORS, 2, in_halves, 200000, 1, NULL);
  bench_truth("inside the timing (a reply behind the last message)", "count and sum of all words");
  measure_stream("k2k.flood.one_block",
                 "one actor floods another on its block, 15 messages of 64 B a handling and one "
                 "to itself; receiver reads every word, sum checked",
                 1);
  measure_stream("k2k.flood.two_blocks",
                 "as k2k.flood.one_block, sender and receiver on two pinned threads", 2);
  return 0;
}
