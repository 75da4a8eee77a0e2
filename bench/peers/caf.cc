/* SPDX-License-Identifier: MIT */
/*
 * Peer: actors of the C++ Actor Framework, CAF 0.17 (Debian: libcaf-dev). Ping-pong of two actors,
 * a ring of 1,000 and a one-way flood of 64-byte messages, the counterparts of bench/c/k2k.c, with
 * CAF's own scheduler and its defaults: as many workers as processors.
 */
#include <vector>

#include <caf/all.hpp>

#include "../c/bench.h"

struct token {
  uint64_t hops;
  uint64_t words[7];
};
struct wire { /* who is next */
  caf::actor next;
};
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(token)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(wire)

static const unsigned RING_ACTORS = 1000;

static bool is_whole(const token &t)
{
  bool whole = t.hops == 0;
  for (uint64_t k = 0; k < 7; ++k) {
    whole = whole && t.words[k] == k + 1;
  }
  return whole;
}

struct hop_state {
  caf::actor next;
};

/* Passes a token on; one without hops goes home. */
static caf::behavior hop(caf::stateful_actor<hop_state> *self, caf::actor home)
{
  return {
      [=](const wire &w) { self->state.next = w.next; },
      [=](const token &t) {
        if (t.hops == 0) {
          self->send(home, t);
          return;
        }
        token out = t;
        out.hops -= 1;
        self->send(self->state.next, out);
      },
  };
}

/* Nanoseconds a hop in a ring of `count` actors. The actors are there before the clock starts. */
static double run_ring(caf::actor_system &system, unsigned count, uint64_t hops)
{
  caf::scoped_actor home{system};
  std::vector<caf::actor> actors;
  for (unsigned i = 0; i < count; ++i) {
    actors.push_back(system.spawn(hop, caf::actor_cast<caf::actor>(home)));
  }
  for (unsigned i = 0; i < count; ++i) {
    home->send(actors[i], wire{actors[(i + 1) % count]});
  }
  bool whole = false;
  auto round = [&](uint64_t n) {
    uint64_t start = bench_now_ns();
    home->send(actors[0], token{n, {1, 2, 3, 4, 5, 6, 7}});
    home->receive([&](const token &t) { whole = is_whole(t); });
    bench_check(whole, "caf: the token came back whole");
    return bench_now_ns() - start;
  };
  (void)round(count); /* every actor has its wire */
  uint64_t ns = round(hops);
  for (auto &actor : actors) {
    home->send(actor, wire{caf::actor{}}); /* a ring keeps itself alive */
    home->send_exit(actor, caf::exit_reason::user_shutdown);
  }
  return double(ns) / double(hops);
}

struct sum_state {
  uint64_t left, sum;
};

static caf::behavior sink(caf::stateful_actor<sum_state> *self, caf::actor home, uint64_t count)
{
  self->state.left = count;
  self->state.sum = 0;
  return {[=](const token &t) {
    for (uint64_t word : t.words) {
      self->state.sum += word;
    }
    if (--self->state.left == 0) {
      self->send(home, self->state.sum);
      self->quit();
    }
  }};
}

/* Millions of messages a second from one actor to another. */
static double run_flood(caf::actor_system &system, uint64_t count)
{
  caf::scoped_actor home{system};
  caf::actor target = system.spawn(sink, caf::actor_cast<caf::actor>(home), count);
  uint64_t sum = 0;
  uint64_t start = bench_now_ns();
  system.spawn([=](caf::event_based_actor *self) {
    for (uint64_t i = 0; i < count; ++i) {
      self->send(target, token{i, {1, 2, 3, 4, 5, 6, 7}});
    }
  });
  home->receive([&](uint64_t found) { sum = found; });
  uint64_t ns = bench_now_ns() - start;
  bench_check(sum == count * 28, "caf: every message was handled once");
  return double(count) * 1e3 / double(ns);
}

static double ping_pong(void *arg)
{
  return 2 * run_ring(*static_cast<caf::actor_system *>(arg), 2, bench_scale(100000));
}
static double ring(void *arg)
{
  return run_ring(*static_cast<caf::actor_system *>(arg), RING_ACTORS, bench_scale(100000));
}
static double flood(void *arg)
{
  return run_flood(*static_cast<caf::actor_system *>(arg), bench_scale(100000));
}

int main()
{
  caf::actor_system_config config;
  caf::actor_system system{config};
  bench_truth("inside the timing (a message behind the last hop)", "the token's count and words");
  bench_measure("peer.caf.ping_pong", "ns",
                "two actors pass a struct of 8 integers there and back, default scheduler",
                ping_pong, &system);
  bench_measure("peer.caf.ring1000", "ns",
                "1,000 actors in a ring, one token, per hop, default scheduler", ring, &system);
  bench_truth("inside the timing (a message behind the last one)", "count and sum of all words");
  bench_measure("peer.caf.flood", "M/s",
                "one actor floods another with structs of 8 integers, all read and summed", flood,
                &system);
  return 0;
}
