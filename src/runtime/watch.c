/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: whether the blocks of the grid get on.
 *
 * A block counts its rounds and tells the count now and then. One that neither sleeps nor has left,
 * and whose count does not move, is in a handler that does not return. The host looks whenever it
 * drains or waits, and adds up the time between looks for as long as the count stands still; a
 * long time between two looks counts for one second, because the host may have been stopped, and
 * the grid with it. After `grace` the runtime is lost, with the block and the actor named.
 */
#include "runtime/internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_NS (UINT64_C(50) * 1000 * 1000)
#define LONGEST_NS (UINT64_C(1000) * 1000 * 1000)

/* The actor whose handler the block runs, or NULL. */
static rk_actor *find_busy(rk_runtime *rt, uint32_t block)
{
  uint64_t place = rt->abi_blocks + sizeof(rk_abi_block) * block + offsetof(rk_abi_block, busy);
  uint32_t reference = 0;
  if (rt->ops->is_unified) {
    reference = rk_ld_relaxed_gpu_u32(RK_PTR(const uint32_t, place));
  } else if (rt->ops->device_read(rt->backend, &reference, place, sizeof(reference), NULL) !=
             RK_OK) {
    return NULL;
  }
  return reference != 0 ? rk__registry_by_reference(rt, reference) : NULL;
}

const char *rk__watch_say(rk_runtime *rt, uint32_t block, char *text, size_t bytes)
{
  const rk_actor *actor = find_busy(rt, block);
  if (actor == NULL) {
    (void)snprintf(text, bytes, "a handler of its actors keeps it busy");
  } else {
    (void)snprintf(text, bytes, "the handler of actor '%.100s' does not return", actor->name);
  }
  return text;
}

static void give_up(rk_runtime *rt, uint32_t block)
{
  char why[160];
  rk_actor *actor = find_busy(rt, block);
  (void)rk_error_set(&rt->loss, RK_EDEVICE_LOST,
                     "block %u has not got on for %.0f s: %s; close the runtime", block,
                     (double)rt->grace_ns * 1e-9, rk__watch_say(rt, block, why, sizeof(why)));
  rk_log(RK_LOG_ERROR, "runtime", "%s", rt->loss.text);
  rk__event(rt, RK_EVENT_FAILURE, actor, RK_EDEVICE_LOST, "its handler does not return", 0);
  rt->poisoned = RK_EDEVICE_LOST;
}

void rk__watch(rk_runtime *rt)
{
  if (rt->grace_ns == 0 || !rt->running || rt->poisoned != RK_OK) {
    return;
  }
  uint64_t now = rk_clock_mono_ns();
  uint64_t passed = now - rt->watched_ns;
  if (passed < LOOK_NS) {
    return;
  }
  rt->watched_ns = now;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk_host_block *block = &rt->blocks[i];
    uint64_t beats = rk_ld_relaxed_sys_u64(&block->door->beats);
    if (beats != block->beats || rk_ld_relaxed_sys_u32(&block->door->sleeping) != 0u ||
        rk_ld_relaxed_sys_u32(&block->door->done) != 0u) {
      block->beats = beats;
      block->still_ns = 0;
      continue;
    }
    block->still_ns += passed < LONGEST_NS ? passed : LONGEST_NS;
    if (block->still_ns >= rt->grace_ns) {
      give_up(rt, i);
      return;
    }
  }
}

void rk__watch_begin(rk_runtime *rt)
{
  rt->watched_ns = rk_clock_mono_ns();
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rt->blocks[i].still_ns = 0;
  }
}
