/* SPDX-License-Identifier: MIT */
/*
 * miner of examples/event-log.lua: keeps the last event of each of its cases. An event that follows
 * another one of its case makes a Pair. What finds no room is counted, and End tells how much it was.
 */
#define CASES (sizeof(state->activity) / sizeof(state->activity[0]))

RK_ON(Event) {
  const rk_u32 slot = msg->case_id;
  if (slot >= CASES) {
    state->refused += 1u;
    return;
  }
  state->mined += 1u;
  state->disordered += msg->seq <= state->last_seq ? 1u : 0u;
  state->last_seq = msg->seq;
  if (state->activity[slot] == 0u) { /* activities are numbered from 1 */
    state->cases += 1u;
  } else {
    Pair pair;
    pair.from = state->activity[slot];
    pair.to = msg->activity;
    pair.seconds = msg->time - state->time[slot];
    pair.sent = msg->sent;
    rk_send(ctx, RK_PORT_collector, Pair, &pair);
  }
  state->activity[slot] = msg->activity;
  state->time[slot] = msg->time;
}

RK_ON(End) {
  End end = *msg;
  end.mined = state->mined;
  end.cases = state->cases;
  end.refused = state->refused;
  end.disordered = state->disordered;
  rk_send(ctx, RK_PORT_collector, End, &end);
}
