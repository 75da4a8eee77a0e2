/* SPDX-License-Identifier: MIT */
/*
 * Kernels that the tests of sending between actors share.
 */
#ifndef RK_SPEC_K2K_KERNELS_H
#define RK_SPEC_K2K_KERNELS_H

#include "runtime_helper.h"

/* Passes every message on; to the host what has made its hops (a counts them, c is where it ends).
 */
static const kernel_form relay_form = {
    .name = "relay",
    .ports = {"next"},
    .source = "RK_ON(Num) {\n"
              "  Num out = *msg;\n"
              "  (void)state;\n"
              "  out.a += 1;\n"
              "  if (out.a == out.c) { rk_send_to(ctx, 0, Num, &out); }\n"
              "  else { rk_send(ctx, RK_PORT_next, Num, &out); }\n"
              "}\n",
};

/* Shows the host every message, and what it handled in its state. */
static const kernel_form sink_form = {
    .name = "sink",
    .state = "rk_u64 count, sum;",
    .source = "RK_ON(Num) {\n"
              "  state->count += 1;\n"
              "  state->sum += msg->seq;\n"
              "  rk_send_to(ctx, 0, Num, msg);\n"
              "}\n",
};

/* Counts and keeps to itself. */
static const kernel_form counter_form = {
    .name = "counter",
    .silent = true,
    .state = "rk_u64 count, sum;",
    .source = "RK_ON(Num) { (void)ctx; state->count += 1; state->sum += msg->seq; }\n",
};

typedef struct tally {
  uint64_t count, sum;
} tally;

static inline tally tally_of(rk_actor *actor)
{
  tally t = {0};
  size_t bytes = sizeof(t);
  assert_int_equal(rk_actor_peek_state(actor, &t, &bytes, NULL), RK_OK);
  assert_int_equal(bytes, sizeof(t));
  return t;
}

/* Waits until it has handled `count` messages. */
static inline void expect_count(rk_actor *actor, uint64_t count)
{
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  while (tally_of(actor).count != count && rk_clock_mono_ns() < deadline) {
  }
  assert_int_equal(tally_of(actor).count, count);
}

#endif
