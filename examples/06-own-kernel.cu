/* SPDX-License-Identifier: MIT */
/*
 * The handlers of examples/06-own-kernel.lua: a running mean.
 *
 * Every handler has ctx, msg and state. The structs Reading, Mean and rk_state come from the
 * declarations in Lua; the text is C that is C++ too, so that one source serves CPU and device.
 */
RK_ON(Reading) {
  (void)ctx;
  state->sum += msg->value;
  state->count += 1u;
}

RK_ON(Query) {
  Mean mean;
  (void)msg;
  mean.count = state->count;
  mean.value = state->count > 0u ? state->sum / (double)state->count : 0.0;
  rk_reply(ctx, Mean, &mean);
}
