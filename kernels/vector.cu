/* SPDX-License-Identifier: MIT */
/*
 * vector: element-wise work on buffers of f32. Each handler does as many elements as its shortest
 * buffer has and answers with that number. Messages and lanes are declared in
 * lua/ringkernel/stock.lua.
 */

static rk_u64 shorter(rk_u64 a, rk_u64 b)
{
  return a < b ? a : b;
}

static void answer(rk_ctx *ctx, rk_u64 count)
{
  VectorDone done;
  done.count = count;
  rk_sync(ctx); /* every lane has stored its elements */
  rk_reply(ctx, VectorDone, &done);
}

/* y = a * x */
RK_ON(VectorScale)
{
  const rk_u64 n = shorter(msg->x.count, msg->y.count);
  const rk_f32 *x = rk_buffer_at(const rk_f32, msg->x);
  rk_f32 *y = rk_buffer_at(rk_f32, msg->y);
  const rk_f32 a = msg->a;
  (void)state;
  for (rk_u64 i = rk_lane(); i < n; i += rk_lanes()) {
    y[i] = a * x[i];
  }
  answer(ctx, n);
}

/* y = a * x + y */
RK_ON(VectorSaxpy)
{
  const rk_u64 n = shorter(msg->x.count, msg->y.count);
  const rk_f32 *x = rk_buffer_at(const rk_f32, msg->x);
  rk_f32 *y = rk_buffer_at(rk_f32, msg->y);
  const rk_f32 a = msg->a;
  (void)state;
  for (rk_u64 i = rk_lane(); i < n; i += rk_lanes()) {
    y[i] = a * x[i] + y[i];
  }
  answer(ctx, n);
}

/* out = x + y */
RK_ON(VectorAdd)
{
  const rk_u64 n = shorter(shorter(msg->x.count, msg->y.count), msg->out.count);
  const rk_f32 *x = rk_buffer_at(const rk_f32, msg->x);
  const rk_f32 *y = rk_buffer_at(const rk_f32, msg->y);
  rk_f32 *out = rk_buffer_at(rk_f32, msg->out);
  (void)state;
  for (rk_u64 i = rk_lane(); i < n; i += rk_lanes()) {
    out[i] = x[i] + y[i];
  }
  answer(ctx, n);
}
