/* SPDX-License-Identifier: MIT */
/*
 * router of examples/event-log.lua: sends each event on by its case, so that all events of a case
 * meet in one miner. Cases are numbered without gaps: the remainder is the miner, the quotient the
 * number of the case within that miner.
 */
#define MINERS (RK_PORT_m3 + 1u) /* ports are numbered in their order: m0, m1, m2, m3 */

RK_ON(Event) {
  Event event = *msg;
  event.case_id = msg->case_id / MINERS;
  event.sent = rk_sent_at(ctx);
  state->routed += 1u;
  rk_send(ctx, msg->case_id % MINERS, Event, &event);
}

/* The last message of the stream goes down every path: behind it there is nothing left. */
RK_ON(End) {
  End end = *msg;
  end.miners = MINERS;
  for (rk_u32 port = 0; port < MINERS; ++port) {
    end.routed = port == 0u ? state->routed : 0u; /* the collector adds up what the Ends carry */
    rk_send(ctx, port, End, &end);
  }
}
