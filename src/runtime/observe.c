/* SPDX-License-Identifier: MIT */
/*
 * Latencies of actors, for the host's user: its block copies them at a message boundary into shared
 * memory, so they agree with each other and with what was handled, while the grid runs.
 */
#include "runtime/internal.h"

#include "runtime/latency.h"

#define STAMP_STEP_NS 1000u /* stamps of sending count microseconds */

static rk_latency summary_of(const rk_abi_latency *from, uint64_t step_ns)
{
  rk_histogram h;
  rk_latency_read(from, &h);
  return (rk_latency){
      .count = rk_histogram_count(&h),
      .min_ns = rk_histogram_min(&h),
      .max_ns = rk_histogram_max(&h),
      .p50_ns = rk_histogram_percentile(&h, 50),
      .p90_ns = rk_histogram_percentile(&h, 90),
      .p99_ns = rk_histogram_percentile(&h, 99),
      .p999_ns = rk_histogram_percentile(&h, 99.9),
      .mean_ns = rk_histogram_mean(&h),
      .step_ns = step_ns,
  };
}

int rk_actor_latency_get(rk_actor *actor, bool reset, rk_actor_latency *out, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  int rc = rk__actor_check(actor, err);
  if (rc == RK_OK) {
    rc = rk__runtime_check(rt, err);
  }
  if (rc == RK_OK && !rt->keeps_latency) {
    rc = rk_error_set(err, RK_EUNSUPPORTED,
                      "actor '%s': latencies are not kept; open the runtime with latency = true",
                      actor->name);
  }
  if (rc != RK_OK) {
    return rc;
  }
  /* Each block has a place of its own: what it may still write there after a timeout, it has
   * written before it answers the next command. */
  const rk_abi_latencies *copy = &rt->latency_copies[actor->block];
  rk_abi_command command = {
      .code = RK_CMD_LATENCY_ACTOR,
      .flags = reset ? 1u : 0u,
      .param1 = actor->slot,
      .address = (uint64_t)(uintptr_t)copy,
      .bytes = sizeof(rk_abi_latencies),
  };
  rk_abi_response answer = {0};
  rc = rk__command(rt, actor->block, actor->id, &command, &answer, err);
  if (rc == RK_OK) {
    uint64_t step = answer.step;
    out->delivered = summary_of(&copy->delivered, step > STAMP_STEP_NS ? step : STAMP_STEP_NS);
    out->handled = summary_of(&copy->handled, step);
  } else if (rc == RK_ENOT_FOUND || rc == RK_ETERMINATED) {
    rc = rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
  return rc;
}
