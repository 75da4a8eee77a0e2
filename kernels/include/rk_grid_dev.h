/* SPDX-License-Identifier: MIT */
/*
 * The resident loop of one block: host ring, lanes, ready ring, run queue, flush, calls of other
 * blocks, idle; until told to stop.
 *
 * A round costs a few loads when nothing happened. Each step is bounded, so a flood in one place
 * cannot starve another: at most RK_ROUND_RECORDS records from the host, as many entries from other
 * blocks, RK_ROUND_TURNS turns of actors.
 */
#ifndef RK_GRID_DEV_H
#define RK_GRID_DEV_H

#include "rk_command_dev.h"
#include "rk_hello_dev.h"

#define RK_ROUND_RECORDS 64u
#define RK_ROUND_TURNS 16u
#define RK_ROUND_US 20u    /* from when on nothing more is added to a round */
#define RK_SPIN_ROUNDS 64u /* idle rounds between two looks at the clock */

RK_FN void rkd_block_open(rk_block *b, rk_u64 grid_address, rk_u32 index)
{
  rk_abi_grid *grid = RK_PTR(rk_abi_grid, grid_address);
  b->grid = grid_address;
  b->index = index;
  b->shared = RK_PTR(rk_abi_block, grid->blocks) + index;
  b->door = RK_PTR(rk_abi_door, grid->doors) + index;
  b->actors = RK_PTR(rk_abi_actor, grid->actors);
  b->ctrls = RK_PTR(rk_abi_ctrl, grid->ctrls);
  b->telemetry = RK_PTR(rk_abi_telemetry, grid->telemetry);
  b->links = RK_PTR(rk_abi_link, grid->links);
  b->run_queue = RK_PTR(rk_u32, b->shared->run_queue);
  b->ready = b->shared->ready;
  b->ready_mask = b->shared->ready_mask;
  b->actor_capacity = grid->actor_capacity;
  b->gang = rkd_gang_of(b, index);
  rkd_ring_rx_open(&b->rx, b->shared->h2k);
  rkd_ring_tx_open(&b->tx, b->shared->k2h);
  b->latencies = RK_PTR(rk_abi_latencies, grid->latencies);
  rkd_trace_open(&b->trace, b->shared->trace, index);
  b->timed = b->latencies != 0 || b->trace.on != 0u;
  b->next_id = ((rk_u64)index + 1u) << 48; /* the host counts from 1, blocks from their own base */
}

/* One message from the host goes into its actor's ring. The host counted its room, so there is
 * some. */
RK_SLOW_FN int rkd_take_message(rk_block *b, const rk_abi_msg *record)
{
  rk_abi_actor *a = rkd_actor(b, record->dest);
  rk_u32 units = rkd_units(record->size_bytes);
  int gone = a == 0 || a->life == RK_STATE_NONE || a->life == RK_STATE_TERMINATING ||
             a->life == RK_STATE_TERMINATED;
  int urgent = !gone && record->priority == RK_PRIORITY_HIGH;
  int full = !gone && (urgent ? a->urgent_tail - a->urgent_head > a->urgent_mask
                              : a->host_tail - a->host_head > a->host_mask);
  if (gone || full || record->size_bytes + sizeof(rk_abi_msg) > a->slot_bytes) {
    if (rkd_ring_free(&b->tx, units + 2u) < units + 2u) {
      return 0;
    }
    rk_abi_msg dead = *record;
    dead.flags = (rk_u16)(dead.flags | RK_MSG_DEAD);
    dead.reason = (rk_u8)(gone ? RK_DEAD_TERMINATED : RK_DEAD_FULL);
    for (rk_u32 at = 0; at < record->size_bytes;) { /* ring to ring, a piece at a time */
      rk_u8 piece[RK_UNIT_INLINE_BYTES];
      rk_u32 n = record->size_bytes - at < RK_UNIT_INLINE_BYTES ? record->size_bytes - at
                                                                : RK_UNIT_INLINE_BYTES;
      rkd_ring_get(&b->rx, at, piece, n);
      rkd_ring_put(&b->tx, record->size_bytes, at, piece, n);
      at += n;
    }
    rkd_ring_commit(&b->tx, &dead);
    b->notify = 1u;
    rkd_trace_dead(b, &dead);
    return 1;
  }
  rk_u64 position = urgent ? a->urgent_tail : a->host_tail;
  rk_abi_msg *slot = urgent ? rkd_slot(a->urgent_slots, a->urgent_mask, a->slot_bytes, position)
                            : rkd_slot(a->host_slots, a->host_mask, a->slot_bytes, position);
  *slot = *record;
  rkd_ring_get(&b->rx, 0u, rkd_slot_payload(slot), record->size_bytes);
  if (urgent) {
    a->urgent_tail = position + 1u;
  } else {
    a->host_tail = position + 1u;
  }
  if (b->trace.on != 0u) {
    rkd_trace_moment(b, RK_TRACE_DELIVER, record, record->dest);
  }
  if (a->life == RK_STATE_ACTIVE) {
    rkd_run_push(b, a);
  } else {
    rkd_watch_queue(b, a, rkd_kernel_depth(a)); /* it gets no turn that would */
  }
  return 1;
}

RK_FN rk_u32 rkd_poll_host(rk_block *b)
{
  rk_u32 n = 0;
  while (n < RK_ROUND_RECORDS && b->stop == 0u) {
    rk_abi_msg *record = rkd_ring_peek(&b->rx);
    if (record == 0) {
      rkd_ring_give_back(&b->rx);
      break;
    }
    rk_u32 size = record->size_bytes;
    b->ordered |= record->flags & RK_MSG_ORDERED;
    if ((record->flags & RK_MSG_COMMAND) != 0u) {
      if (rkd_ring_free(&b->tx, 4u) < 4u) {
        break;
      }
      rk_abi_command cmd;
      rkd_ring_get(&b->rx, 0u, &cmd, (rk_u32)sizeof(cmd));
      rkd_sample_clock(b);
      rkd_command(b, &cmd, record->dest);
    } else if (!rkd_take_message(b, record)) {
      break;
    }
    rkd_ring_consume(&b->rx, size);
    ++n;
  }
  return n;
}

RK_FN rk_u32 rkd_poll_ready(rk_block *b)
{
  rk_u32 n = 0;
  rk_u32 slot;
  while (n < RK_ROUND_RECORDS && rkd_ready_pop(b->ready, b->ready_mask, &b->ready_head, &slot)) {
    rk_abi_actor *a = b->actors + slot;
    /* before: an ended actor's slot is the host's afterwards */
    rk_u32 life = a->life;
    int turns = life == RK_STATE_ACTIVE || life == RK_STATE_TERMINATING;
    if (!turns || !rkd_hot_enter(b, slot)) {
      rk_abi_msg *first = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, a->kernel_head);
      rkd_fetch_to_read(first); /* on its way while the exchange waits for another line */
      rkd_fetch_to_read(rkd_slot_payload(first));
      /* partners: rkd_signal; rkd_command_free_slot */
      (void)rk_exch_acqrel_gpu_u32(&a->signal, 0u);
    }
    if (life != RK_STATE_NONE && life != RK_STATE_TERMINATED) {
      a->told = 1u;
    }
    if (turns) {
      rkd_run_push(b, a);
    } else if (life != RK_STATE_NONE && life != RK_STATE_TERMINATED) {
      rkd_watch_queue(b, a, rkd_kernel_depth(a));
    }
    ++n;
  }
  return n;
}

/* Gives actors their turns. Those that others' turns put into the queue get theirs in the same round,
 * so that what goes from actor to actor within the block need not wait for one; but an actor that has
 * more to do, or sends to itself, does not, and none does once the round has taken a while: the host's
 * commands are seen between two rounds. Returns how many made progress. */
RK_FN rk_u32 rkd_run_actors(rk_block *b)
{
  rk_u32 progress = 0;
  rk_u64 waiting = b->run_tail - b->run_head;
  rk_u64 start_us = 0;
  for (rk_u32 i = 0; i < RK_ROUND_TURNS && waiting != 0u; ++i, --waiting) {
    rk_u32 slot = b->run_queue[b->run_head & b->ready_mask];
    rk_abi_actor *a = b->actors + slot;
    rk_u64 tail = b->run_tail;
    b->run_head += 1u;
    a->queued = 0u;
    rk_u32 turn = rkd_turn(b, a);
    start_us = i == 0u ? b->now_us : start_us; /* the turn's beginning */
    if (b->now_us - start_us < RK_ROUND_US) {
      waiting += b->run_tail - tail - a->queued;
    }
    if (turn != RK_TURN_IDLE) {
      rkd_run_push(b, a);
    }
    if (turn != RK_TURN_STALLED) {
      ++progress;
    }
  }
  b->sampled = 0u; /* the next round begins with the clock, and so with its first turn */
  return progress;
}

#if !RK_CAN_SLEEP
#define RK_WATCH_ROUNDS 1024u /* rounds between two looks at the host's sign of life */

RK_FN rk_u32 rkd_pause_ns(rk_u32 policy, rk_u32 idle_rounds)
{
  if (policy == RK_POLICY_LATENCY) {
    return 0u;
  }
  if (policy == RK_POLICY_ECO) {
    return idle_rounds < 16u ? 100u : idle_rounds < 256u ? 2000u : 20000u;
  }
  return idle_rounds < 64u ? 20u : idle_rounds < 1024u ? 100u : 1000u;
}
#endif

/* Nothing to do: spin for spin_us, then sleep until woken. With stalled actors it naps: the room
 * they wait for rings the bell, but a paused block or a full ring to the host gets none. The bell's
 * value is that of the beginning of the round, so whatever rang since keeps it awake. `sleeping`
 * and the looks at the rings and for a call are ordered by the fence; partners: rkd_flush, the
 * host's bell, rkd_gang_call. */
RK_SLOW_FN void rkd_idle(rk_block *b)
{
  b->idle_rounds += 1u;
  if (b->idle_rounds == 1u) {
    rkd_ring_give_back(&b->rx);
  }
#if RK_CAN_SLEEP
  const rk_abi_grid *grid = RK_PTR(rk_abi_grid, b->grid);
  if (b->idle_rounds % RK_SPIN_ROUNDS != 0u) {
    rkd_pause(20u);
    rkd_sample_clock(b);
    b->sampled = 1u; /* for the turns that come next, whose messages have waited long enough */
    b->sampled_at = b->handled;
    return;
  }
  rk_u64 now = rkd_clock_us();
  b->sampled = 0u;
  if (b->idle_rounds == RK_SPIN_ROUNDS) {
    b->idle_since_us = now;
  }
  if (b->crowded != 0u) {
    b->crowded -= 1u;
  } else if (now >= b->idle_since_us && now - b->idle_since_us < grid->spin_us) {
    rkd_yield(b);
    return;
  }
  if (b->hot_count != 0u) { /* what they sent meanwhile comes first */
    rkd_hot_cool_all(b);
    return;
  }
  rkd_rooms_settle(b);
  /* also for runtime/slots.c: nothing is in its hands now */
  rk_st_release_sys_u32(&b->door->sleeping, 1u);
  rk_fence_seq_cst();
  if (rkd_ring_peek(&b->rx) == 0 && !rkd_ready_waits(b->ready, b->ready_mask, b->ready_head) &&
      !rkd_gang_is_called(b) &&
      rk_ld_relaxed_sys_u32(&RK_PTR(const rk_abi_host, grid->host)->abort) == 0u) {
    rk_u64 nap_ns = b->run_head == b->run_tail ? ~0ull : b->naps < 64u ? 1000000u : 5000000u;
    b->naps += 1u;
    rk_port_sleep(&b->shared->bell, b->bell, nap_ns);
  }
  rk_st_relaxed_sys_u32(&b->door->sleeping, 0u);
  rk_fence_seq_cst(); /* before it looks an actor up again: runtime/slots.c */
#else
  rkd_pause(rkd_pause_ns(RK_PTR(const rk_abi_grid, b->grid)->policy, b->idle_rounds));
  rkd_sample_clock(b);
  b->sampled = 1u;
  b->sampled_at = b->handled;
#endif
}

/* The end of the block: stop handlers of its living actors, then the answer to Terminate. */
RK_SLOW_FN void rkd_block_close(rk_block *b)
{
  rkd_gang_drop(b); /* there are no more turns */
  for (rk_u32 slot = 0; slot < b->slot_limit; ++slot) {
    rk_abi_actor *a = b->actors + slot;
    if (rk_ld_relaxed_gpu_u32(&a->id) == 0u || a->block != b->index || a->started == 0u ||
        a->life == RK_STATE_NONE || a->life == RK_STATE_TERMINATED ||
        a->life == RK_STATE_TERMINATING) {
      continue;
    }
    const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
    if (def->on_stop != 0u) {
      rkd_edge_handler(b, a, def, RK_HANDLER_STOP);
    }
    rkd_set_life(b, a, RK_STATE_TERMINATED);
  }
  if (rkd_ring_free(&b->tx, 2u) >= 2u) {
    rkd_respond(b, RK_RSP_TERMINATED, b->stop_cmd, 0u, 0, b->handled, 0u, 0u, 0u);
  }
  rkd_flush(b);
}

/* This block's actors have stopped, but stop handlers of others' may still need its lanes: it stays
 * until all blocks have come here, or the host says that they need not. */
RK_SLOW_FN void rkd_block_linger(rk_block *b)
{
  const rk_abi_host *host = RK_PTR(const rk_abi_host, RK_PTR(rk_abi_grid, b->grid)->host);
  rk_u64 *closed = &rkd_gang_of(b, 0u)->closed;
  rk_u32 count = rkd_block_count(b);
  if (rk_add_acqrel_gpu_u64(closed, 1u) + 1u == count) {
    for (rk_u32 i = 0; i < count; ++i) {
      rkd_ring_bell(b->grid, i);
    }
  }
  while (b->stop != RK_STOP_LOST && rk_ld_relaxed_sys_u32(&host->abort) == 0u) {
#if RK_CAN_SLEEP
    b->bell = rk_ld_acquire_gpu_u32(&b->shared->bell);
#endif
    if (rk_ld_acquire_gpu_u64(closed) == count) {
      return;
    }
    if (rkd_gang_serve(b) != 0u) {
      b->idle_rounds = 0u;
    } else {
      rkd_idle(b);
    }
  }
}

/* Leaves the loop for a while: what the block keeps stays in its memory, its actors in theirs. */
RK_SLOW_FN void rkd_block_park(rk_block *b)
{
  b->stop = 0u;
  b->parked = 1u;
  rkd_ring_give_back(&b->rx);
  rkd_respond(b, RK_RSP_PARKED, b->stop_cmd, 0u, 0, b->handled, 0u, 0u, 0u);
  rkd_flush(b);
}

/* Says that nothing this block looked up before `ended` actors had ended is in its hands.
 *
 * The end of an actor is told by its block in this order: its reference becomes 0, then `ended` is
 * counted up (release). A block that reads the count (acquire) at the beginning of a round holds no
 * address from earlier rounds and will look up only references that are 0 by then. So once every
 * block has shown the count that came with an actor's end, its slot may be used again. A count that
 * it has shown before tells it nothing new, so that look acquires nothing: an acquire empties the
 * multiprocessor's cache. */
RK_FN void rkd_quiesce(rk_block *b)
{
  const rk_u64 *count = &RK_PTR(rk_abi_grid, b->grid)->ended;
  if (rk_ld_relaxed_gpu_u64(count) != b->seen) {
    rk_u64 ended = rk_ld_acquire_gpu_u64(count);
    b->seen = ended;
    rk_st_release_sys_u64(&b->door->seen, ended); /* partner: is_past of runtime/slots.c */
  }
}

/* Serves block `index` of the grid until it is told to stop. Run by the block's leader lane. */
RK_SLOW_FN void rkd_block_serve(rk_block *b, rk_u64 grid_address, rk_u32 index)
{
  if (b->parked != 0u) {
    b->parked = 0u;
  } else {
    rkd_block_open(b, grid_address, index);
  }
  const rk_abi_host *host = RK_PTR(const rk_abi_host, RK_PTR(rk_abi_grid, b->grid)->host);
  rk_u64 told = b->handled;
  rk_u32 progress = 0u;
  rk_u32 abort = 0u;
  rkd_ctx_open(b);
  b->alive_us = 0u; /* time passed while it was parked */
  b->sampled = 0u;
  rkd_gang_enter(b);
  rk_st_release_sys_u32(&b->door->hello, rkd_hello());
  while (b->stop == 0u) {
    /* a word of the host's: where that is far, one round trip more in an idle round */
    if ((progress == 0u && !RK_HOST_IS_FAR) || b->rounds % 16u == 0u) {
      abort = rk_ld_relaxed_sys_u32(&host->abort);
      if (abort != 0u) {
        break;
      }
    }
#if RK_CAN_SLEEP
    b->bell = rk_ld_acquire_gpu_u32(&b->shared->bell);
#endif
    rkd_quiesce(b);
    progress = rkd_poll_host(b);
    progress += rkd_poll_lanes(b);
    progress += rkd_poll_ready(b);
    progress += rkd_poll_hot(b);
    progress += rkd_run_actors(b);
    rkd_rooms_look(b);
    rkd_flush(b);
    progress += rkd_gang_serve(b);
    if (b->handled != told) {
      told = b->handled;
      rk_st_relaxed_sys_u64(&b->door->handled, told);
    }
    rkd_beat(b);
#if !RK_CAN_SLEEP
    if (b->rounds % RK_WATCH_ROUNDS == 0u) { /* busy or not: actors may keep each other busy */
      rkd_watch_host(b);
    }
#endif
    if (progress == 0u) {
      rkd_idle(b);
    } else {
      b->idle_rounds = 0u;
      b->naps = 0u;
    }
  }
  rkd_hot_cool_all(b);
  rkd_rooms_settle(b);
  rk_u32 done = b->stop == RK_STOP_LOST ? RK_DONE_ALONE : RK_DONE_TOLD;
  if (b->stop == RK_STOP_PARK) {
    rkd_gang_leave(b);
    rkd_block_park(b);
  } else if (abort == RK_ABORT_PARK) { /* nobody waits for an answer */
    b->parked = 1u;
  } else if (b->stop != RK_STOP_LOST) {
    rkd_block_close(b);
    if (b->stop == RK_STOP_END) {
      rkd_block_linger(b);
    }
  }
  rkd_block_keep(b);
  rk_st_release_sys_u32(&b->door->done, done);
}

#endif
