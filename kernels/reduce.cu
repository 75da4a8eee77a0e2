/* SPDX-License-Identifier: MIT */
/*
 * reduce: sum, smallest and largest element of a buffer of f32, in double precision, by all lanes
 * together. Each lane folds every lanes-th element, then the lanes fold their parts in a tree, so
 * the order of additions is fixed and a sum is the same on every run. The answer carries the number
 * of elements; of none, the sum is 0, the minimum +inf, the maximum -inf. On several blocks each
 * does all of it, and the first one answers. Messages and lanes are declared in
 * lua/ringkernel/stock.lua.
 */

#define INFINITE rk_from_bits_f64(0x7ff0000000000000ull)

/* Which fold: the one word in which the handlers differ. */
enum { FOLD_SUM, FOLD_MIN, FOLD_MAX };

static rk_f64 fold(int how, rk_f64 a, rk_f64 b)
{
  if (how == FOLD_SUM) {
    return a + b;
  }
  if (how == FOLD_MIN) {
    return b < a ? b : a;
  }
  return b > a ? b : a;
}

static void reduce(rk_ctx *ctx, int how, rk_f64 start, rk_buffer data)
{
  RK_SHARED rk_f64 parts[RK_LANES];
  const rk_f32 *x = rk_buffer_at(const rk_f32, data);
  const rk_u32 lane = rk_block_lane();
  ReduceResult result;
  rk_f64 part = start;
  for (rk_u64 i = lane; i < data.count; i += rk_block_lanes()) {
    part = fold(how, part, (rk_f64)x[i]);
  }
  parts[lane] = part;
  rk_block_sync();
  for (rk_u32 half = RK_LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      parts[lane] = fold(how, parts[lane], parts[lane + half]);
    }
    rk_block_sync();
  }
  result.value = parts[0];
  result.count = data.count;
  rk_reply(ctx, ReduceResult, &result);
  rk_block_sync(); /* parts[] belongs to the next message only after lane 0 has read it */
}

RK_ON(ReduceSum)
{
  (void)state;
  reduce(ctx, FOLD_SUM, 0.0, msg->data);
}

RK_ON(ReduceMin)
{
  (void)state;
  reduce(ctx, FOLD_MIN, INFINITE, msg->data);
}

RK_ON(ReduceMax)
{
  (void)state;
  reduce(ctx, FOLD_MAX, -INFINITE, msg->data);
}
