/* SPDX-License-Identifier: MIT */
/*
 * collector of examples/event-log.lua: adds up the pairs. When the End of every miner has come it has
 * seen everything, because messages from one actor to another stay in order; then it sends the host
 * a Report. The host asks for the pairs afterwards, a page at a time.
 */
#define PAIRS (sizeof(state->from) / sizeof(state->from[0]))
#define PLACES (sizeof(state->place) / sizeof(state->place[0]))
#define BUCKETS (sizeof(state->latency) / sizeof(state->latency[0]))
#define PAGE (sizeof(((Page *)0)->from) / sizeof(((Page *)0)->from[0]))

/* Pairs have numbers, in the order in which they first came. place[] is a hash table that holds the
 * numbers + 1. Returns the number, or PAIRS when there is no room for a new one. */
static rk_u32 find_pair(rk_state *state, rk_u32 from, rk_u32 to) {
  rk_u32 at = (from * 0x9e3779b1u ^ to * 0x85ebca6bu) >> 7;
  for (;; ++at) {
    const rk_u32 number = state->place[at % PLACES];
    if (number == 0u) {
      break;
    }
    if (state->from[number - 1u] == from && state->to[number - 1u] == to) {
      return number - 1u;
    }
  }
  if (state->different < PAIRS) {
    state->from[state->different] = from;
    state->to[state->different] = to;
    state->different += 1u;
    state->place[at % PLACES] = state->different;
    return state->different - 1u;
  }
  return (rk_u32)PAIRS;
}

/* Latencies from 0 to 31 us have a bucket each; above that every doubling has 16. */
static rk_u32 find_bucket(rk_u64 us) {
  rk_u32 doublings = 0;
  while (us >= 32u) {
    us >>= 1;
    ++doublings;
  }
  return doublings * 16u + (rk_u32)us;
}

RK_ON(Pair) {
  const rk_u32 number = find_pair(state, msg->from, msg->to);
  const rk_u64 now = rk_stamp_us(rk_now(ctx));
  const rk_u64 sent = rk_stamp_us(msg->sent);
  const rk_u32 bucket = find_bucket(now > sent ? now - sent : 0u);
  if (number == PAIRS) {
    state->refused += 1u;
    return;
  }
  state->count[number] += 1u;
  state->seconds[number] += msg->seconds;
  state->pairs += 1u;
  state->latency[bucket < BUCKETS ? bucket : BUCKETS - 1u] += 1u;
}

RK_ON(End) {
  state->ends += 1u;
  state->routed += msg->routed;
  state->mined += msg->mined;
  state->cases += msg->cases;
  state->refused += msg->refused;
  state->disordered += msg->disordered;
  if (state->ends == msg->miners) {
    Report report;
    report.routed = state->routed;
    report.mined = state->mined;
    report.cases = state->cases;
    report.pairs = state->pairs;
    report.different = state->different;
    report.refused = state->refused;
    report.disordered = state->disordered;
    for (rk_u32 i = 0; i < BUCKETS; ++i) {
      report.latency[i] = state->latency[i];
    }
    rk_send_to(ctx, RK_HOST, Report, &report);
  }
}

RK_ON(Ask) {
  Page page;
  page.size = 0;
  for (rk_u32 i = 0; i < PAGE; ++i) {
    const rk_u32 number = msg->first + i < state->different ? msg->first + i : 0u;
    page.from[i] = state->from[number];
    page.to[i] = state->to[number];
    page.count[i] = state->count[number];
    page.seconds[i] = state->seconds[number];
    page.size += msg->first + i < state->different ? 1u : 0u;
  }
  rk_reply(ctx, Page, &page);
}
