/* SPDX-License-Identifier: MIT */
/*
 * Host and one actor: round trips and one-way rates through the public C contract. The host stands
 * on processor 0, the actor's block on processor 1.
 */
#include "rt.h"

#include <stdlib.h>
#include <string.h>

typedef struct world {
  rk_runtime *rt;
  rk_actor *echo, *sink, *spring;
  uint64_t springs; /* messages that came from it */
  uint32_t echo_type;
} world;

typedef struct echo_message {
  uint64_t seq;
  double value;
  char text[48];
} echo_message;

/* One trip; the whole payload is compared. */
static void trip(const world *w, uint64_t i, bool waits)
{
  echo_message m = {
      .seq = i, .value = 0.5, .text = "forty-eight bytes of text at most, zeros behind"};
  rk_received r;
  rk_error err = RK_ERROR_INIT;
  rt_check(rk_actor_send(w->echo, w->echo_type, &m, sizeof(m), NULL, NULL, &err), &err, "send");
  int rc = RK_OK;
  while ((rc = rk_actor_try_receive(w->echo, &r)) == RK_EEMPTY) {
    if (waits) {
      (void)rk_runtime_wait(w->rt, UINT64_C(1000000000));
    }
  }
  rt_check(rc, NULL, "receive");
  bench_check(r.size == sizeof(m) && memcmp(r.data, &m, sizeof(m)) == 0,
              "an echo came back changed");
}

static double round_trip(void *arg)
{
  uint64_t n = bench_scale(20000);
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    trip(arg, i, false);
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

static double round_trip_waiting(void *arg)
{
  uint64_t n = bench_scale(20000);
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    trip(arg, i, true);
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

static void single_trips(const world *w)
{
  if (!bench_wants("host.round_trip.each")) {
    return;
  }
  uint64_t n = bench_scale(20000);
  double *values = calloc(n, sizeof(*values));
  bench_check(values != NULL, "out of memory");
  for (uint64_t i = 0; i < n; ++i) {
    uint64_t start = bench_now_ns();
    trip(w, i, false);
    values[i] = (double)(bench_now_ns() - start);
  }
  bench_report("host.round_trip.each", "ns",
               "as host.round_trip, each trip timed by itself (p99 is of trips)", values, n);
  free(values);
}

static double round_trip_call(void *arg)
{
  const world *w = arg;
  uint64_t n = bench_scale(10000);
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    rt_token reply = rt_call_spinning(w->sink, &(rt_token){.hops = 1u});
    bench_check(reply.words[0] != 0, "reply of a call");
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

/* `n` messages to the sink, then a call: its reply says that all were handled. */
static double flood(const world *w, uint32_t batch)
{
  uint64_t n = bench_scale(200000) / 32u * 32u;
  rt_token before = rt_call_spinning(w->sink, &(rt_token){.hops = 1u});
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    rt_token m = {.hops = 0, .words = {i, 1, 1, 1, 1, 1, 1}};
    if (batch == 1) {
      while (rk_actor_send(w->sink, RT_TOKEN, &m, sizeof(m), NULL, NULL, NULL) == RK_EFULL) {
        bench_pause();
      }
    } else {
      void *payload = NULL;
      while (rk_actor_reserve(w->sink, RT_TOKEN, sizeof(m), 0, &payload, NULL) == RK_EFULL) {
        rk_runtime_flush(w->rt);
        bench_pause();
      }
      memcpy(payload, &m, sizeof(m));
      (void)rk_actor_commit_quiet(w->sink, NULL);
      if ((i + 1) % batch == 0) {
        rk_runtime_flush(w->rt);
      }
    }
  }
  rt_token after;
  rk_runtime_flush(w->rt);
  after = rt_call_spinning(w->sink, &(rt_token){.hops = 1u});
  uint64_t ns = bench_now_ns() - start;
  bench_check(after.words[0] - before.words[0] == n + 1u, "every message was handled once");
  bench_check(after.words[1] - before.words[1] == n * (n - 1) / 2 + 6 * n,
              "sum of what was handled");
  return (double)n * 1e3 / (double)ns;
}

static double flood_single(void *arg)
{
  return flood(arg, 1);
}
static double flood_batch(void *arg)
{
  return flood(arg, 32);
}

/* One actor sends the host all it can; the host takes one after another. */
static double receive(void *arg)
{
  world *w = arg;
  uint64_t hops = bench_scale(200000) / RT_SPRING_BATCH, n = hops * RT_SPRING_BATCH;
  uint64_t wrong = 0;
  rt_token m = {.hops = hops};
  rk_received r;
  rk_error err = RK_ERROR_INIT;
  uint64_t start = bench_now_ns();
  rt_check(rk_actor_send(w->spring, RT_TOKEN, &m, sizeof(m), NULL, NULL, &err), &err, "send");
  for (uint64_t i = 0; i < n; ++i) {
    int rc = RK_OK;
    while ((rc = rk_actor_try_receive(w->spring, &r)) == RK_EEMPTY) {
      bench_pause();
    }
    rt_check(rc, NULL, "receive");
    memcpy(&m, r.data, sizeof(m));
    wrong |= m.words[0] ^ (w->springs + i);
    for (int k = 1; k < 7; ++k) {
      wrong |= m.words[k] ^ 1u;
    }
  }
  uint64_t ns = bench_now_ns() - start;
  w->springs += n;
  bench_check(wrong == 0, "messages to the host came whole and in order");
  return (double)n * 1e3 / (double)ns;
}

/* The host's share alone: into a queue that has room, while the actor is not active. */
static double post(void *arg)
{
  world *w = arg;
  uint64_t n = bench_scale(4096) < 4096 ? bench_scale(4096) : 4096;
  rk_error err = RK_ERROR_INIT;
  rt_check(rk_actor_deactivate(w->sink, &err), &err, "deactivate");
  rt_token m = {.hops = 0, .words = {1, 1, 1, 1, 1, 1, 1}};
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    rt_check(rk_actor_send(w->sink, RT_TOKEN, &m, sizeof(m), NULL, NULL, &err), &err, "send");
  }
  uint64_t ns = bench_now_ns() - start;
  rt_check(rk_actor_activate(w->sink, &err), &err, "activate");
  (void)rt_call_spinning(w->sink, &(rt_token){.hops = 1u});
  return (double)ns / (double)n;
}

int main(void)
{
  world w = {0};
  rk_kernel *echo = NULL, *sink = rt_kernel("sink", rt_sink_source);
  rk_kernel *spring = rt_kernel("spring", rt_spring_source);
  rk_error err = RK_ERROR_INIT;
  size_t size = 0;
  w.rt = rt_open(1, 1);
  bench_pin(0);
  rt_check(rk_kernel_stock("echo", &echo, &err), &err, "stock kernel");
  w.echo = rt_launch(w.rt, echo, 1024, 0);
  w.sink = rt_launch(w.rt, sink, 8192, 0);
  w.spring = rt_launch(w.rt, spring, 1024, 0);
  rt_check(rk_actor_type(w.echo, "Echo", &w.echo_type, &size, &err), &err, "type");
  bench_check(size == sizeof(echo_message), "size of Echo");
  bench_truth("inside the timing", "every word of each reply");
  bench_measure("host.round_trip", "ns",
                "rk_actor_send of 64 B, handler echoes it, rk_actor_try_receive in a loop; "
                "stamped, copied, compared",
                round_trip, &w);
  single_trips(&w);
  bench_measure("host.round_trip.wait", "ns",
                "as host.round_trip, the host waits in rk_runtime_wait", round_trip_waiting, &w);
  bench_truth("inside the timing (a reply to each)", "that a reply is one");
  bench_measure("host.call", "ns",
                "rk_call_open of 64 B, handler replies, rk_call_poll in a loop, rk_call_close",
                round_trip_call, &w);
  bench_truth("inside the timing (a reply behind the last message)", "count and sum of all words");
  bench_measure("host.send", "M/s",
                "rk_actor_send of 64 B to one actor until all are handled: its handler reads every "
                "word, sum checked",
                flood_single, &w);
  bench_measure("host.send.batch32", "M/s",
                "as host.send by reserve and quiet commit, one flush per 32", flood_batch, &w);
  bench_truth("inside the timing", "number and words of each message");
  bench_measure("host.receive", "M/s",
                "one actor sends the host 64 B again and again, 15 a handling and one to itself; "
                "rk_actor_try_receive in a loop, every word read",
                receive, &w);
  bench_truth("after the timing", NULL);
  bench_measure("host.post", "ns",
                "rk_actor_send of 64 B alone, into a queue with room; the block moves it "
                "meanwhile, no handler runs",
                post, &w);
  rk_actor_release(w.echo);
  rk_actor_release(w.sink);
  rk_actor_release(w.spring);
  rk_kernel_close(echo);
  rk_kernel_close(sink);
  rk_kernel_close(spring);
  rk_runtime_close(w.rt);
  return 0;
}
