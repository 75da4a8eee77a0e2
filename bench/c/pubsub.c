/* SPDX-License-Identifier: MIT */
/*
 * Publishing from the host with 1, 100 and 10,000 wildcard subscriptions of which one matches, and
 * the subscriber taking the message.
 */
#include "rt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 512u

typedef struct world {
  rk_runtime *rt;
  rk_subscription *matching;
  char topic[32];
} world;

static double publish(void *arg)
{
  world *w = arg;
  uint64_t n = bench_scale(40000) / BATCH * BATCH + BATCH;
  rt_token m = {.hops = 0, .words = {1, 2, 3, 4, 5, 6, 7}};
  rk_error err = RK_ERROR_INIT;
  uint64_t next = 0;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; i += BATCH) {
    for (uint64_t k = 0; k < BATCH; ++k) {
      size_t reached = 0;
      m.hops = i + k;
      rt_check(rk_runtime_publish(w->rt, w->topic, RT_TOKEN, &m, sizeof(m), false, &reached, &err),
               &err, "publish");
      bench_check(reached == 1, "one subscriber reached");
    }
    for (uint64_t k = 0; k < BATCH; ++k) {
      rk_received r;
      rt_check(rk_subscription_try_receive(w->matching, &r, NULL), NULL, "take");
      bench_check(r.size == sizeof(m) && memcmp(r.data, &next, sizeof(next)) == 0,
                  "messages taken in order");
      next += 1;
    }
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

static void measure(uint32_t count)
{
  char pattern[32], quantity[32], text[160];
  (void)snprintf(quantity, sizeof(quantity), "publish.%u_subs", count);
  if (!bench_wants(quantity)) {
    return;
  }
  world w = {.rt = rt_open(1, 1)};
  rk_subscription **subs = calloc(count, sizeof(*subs));
  rk_error err = RK_ERROR_INIT;
  bench_check(subs != NULL, "out of memory");
  for (uint32_t i = 0; i < count; ++i) {
    (void)snprintf(pattern, sizeof(pattern), "sensors/%u/*", i);
    rt_check(rk_runtime_subscribe(w.rt, pattern, NULL, BATCH, &subs[i], &err), &err, "subscribe");
  }
  w.matching = subs[count / 2];
  (void)snprintf(w.topic, sizeof(w.topic), "sensors/%u/temp", count / 2);
  (void)snprintf(text, sizeof(text),
                 "publish of 64 B by the host and its taking by the subscriber; %u wildcard "
                 "subscriptions, one matches",
                 count);
  bench_measure(quantity, "ns", text, publish, &w);
  for (uint32_t i = 0; i < count; ++i) {
    rk_subscription_close(subs[i]);
  }
  free(subs);
  rk_runtime_close(w.rt);
}

int main(void)
{
  bench_pin(0);
  bench_truth("inside the timing", "order of all messages, each by its first word");
  measure(1);
  measure(100);
  measure(10000);
  return 0;
}
