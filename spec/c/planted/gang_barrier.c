/* SPDX-License-Identifier: MIT */
/*
 * Planted bug: with -DRK_PLANT_RELAXED_PUBLISH the last block to arrive at a gang's barrier lets the
 * others go without release (rk_atomic.h), so nothing orders what it did before for them.
 * ThreadSanitizer must report that, and without the macro the program must be clean. Threads stand
 * for blocks. gang_barrier_test.c builds and runs it; the program prints how often a member left a
 * barrier before another had come.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "rk_grid_dev.h"

#define MEMBERS 4u
#define ROUNDS 2000u

static rk_abi_gang gang;
static rk_u32 at[MEMBERS]; /* plain words: the barrier alone orders them */
static rk_u32 early[MEMBERS];

/* what rk_dev.h asks of its surroundings, as far as a barrier needs it */
rk_u64 rk_port_clock_us(void)
{
  return 0u;
}
rk_u64 rk_port_clock_ns(void)
{
  return 0u;
}
void rk_port_pause(void)
{
}
void rk_port_yield(void)
{
  (void)sched_yield();
}
void rk_port_sleep(rk_u32 *word, rk_u32 expected, rk_u64 timeout_ns)
{
  (void)word, (void)expected, (void)timeout_ns;
  (void)sched_yield();
}
void rk_port_bump(rk_u32 *word)
{
  (void)word;
}
void rk_port_wake(rk_u32 *word)
{
  (void)word;
}
void rk_port_notify_host(rk_u64 grid)
{
  (void)grid;
}
void rk_port_scope(rk_u64 handler, const rk_abi_actor *actor)
{
  (void)handler, (void)actor;
}
int rk_port_team_run(rk_u32 lanes, void (*run)(void *arg, rk_u32 lane), void *arg)
{
  (void)lanes, (void)run, (void)arg;
  return 0;
}
void rk_port_members(rk_u32 member, rk_u32 members)
{
  (void)member, (void)members;
}

static void *run_member(void *arg)
{
  static rk_abi_host host;
  static const rk_abi_grid grid = {.block_count = MEMBERS};
  rk_abi_grid own = grid;
  rk_abi_door door = {0};
  own.host = (rk_u64)(rk_uptr)&host;
  rk_block block = {.grid = (rk_u64)(rk_uptr)&own, .door = &door};
  rk_ctx ctx = {.member = (rk_u32)(rk_uptr)arg, .members = MEMBERS, .gang = &gang};
  ctx.block = &block;
  ctx.lead = &ctx;
  for (rk_u32 round = 1; round <= ROUNDS; ++round) {
    at[ctx.member] = round;
    rkd_gang_meet(&ctx);
    for (rk_u32 i = 0; i < MEMBERS; ++i) {
      early[ctx.member] += at[i] != round;
    }
    rkd_gang_meet(&ctx);
  }
  early[ctx.member] += ctx.failed != 0u;
  return NULL;
}

int main(void)
{
  pthread_t threads[MEMBERS];
  rk_u32 all = 0;
  for (rk_uptr i = 0; i < MEMBERS; ++i) {
    if (pthread_create(&threads[i], NULL, run_member, (void *)i) != 0) {
      return 2;
    }
  }
  for (rk_u32 i = 0; i < MEMBERS; ++i) {
    (void)pthread_join(threads[i], NULL);
    all += early[i];
  }
  printf("%u\n", all);
  return all != 0;
}
