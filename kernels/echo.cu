/* SPDX-License-Identifier: MIT */
/*
 * echo: answers every message with itself. The yardstick of latency, and the shortest kernel there
 * is. Messages and lanes are declared in lua/ringkernel/stock.lua.
 */

RK_ON(Echo)
{
  (void)state;
  rk_reply(ctx, Echo, msg);
}
