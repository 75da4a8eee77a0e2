/* SPDX-License-Identifier: MIT */
/*
 * Commands: what the host can ask of a block and of the actors it serves.
 *
 * Every command is answered, unknown ones and those that do not fit the actor's state with Error. A
 * command whose record names an actor reference is refused when that actor is gone, so a slot that
 * was used again is never hit by mistake.
 */
#ifndef RK_COMMAND_DEV_H
#define RK_COMMAND_DEV_H

#include "rk_reload_dev.h"

#include "rk_transport_dev.h"

#include "rk_tenant_command_dev.h"

/* Messages that the simulation commands 5 and 6 become, for actors that accept them. The ids are
 * those that
 *   rk.message("Impulse", { {"x","u32"}, {"y","u32"}, {"z","u32"}, {"amplitude","f32"} })
 *   rk.message("Source", { {"x","u32"}, {"y","u32"}, {"z","u32"}, {"frequency","f32"},
 *   {"amplitude","f32"} })
 * have; a spec sends both. */
typedef struct rk_impulse {
  rk_u32 x, y, z;
  rk_f32 amplitude;
} rk_impulse;
typedef struct rk_source {
  rk_u32 x, y, z;
  rk_f32 frequency, amplitude;
} rk_source;
RK_CHECK_SIZE(rk_impulse, 16);
RK_CHECK_SIZE(rk_source, 20);
#define RK_TYPE_IMPULSE 0xf2040895u
#define RK_TYPE_SOURCE 0x778d3449u

RK_FN void rkd_answer(rk_block *b, rk_u32 code, const rk_abi_command *cmd, const rk_abi_actor *a,
                      int error)
{
  rkd_respond(b, error != 0 ? (rk_u32)RK_RSP_ERROR : code, cmd->cmd_id, a != 0 ? a->id : 0u, error,
              a != 0 ? a->handled : b->handled, a != 0 ? rkd_depth(a) + a->held : b->steps_left,
              a != 0 ? a->life : RK_STATE_NONE, 0u);
}

/* Runs the start handler once and makes the actor active; returns 0 or the code it failed with. */
RK_SLOW_FN int rkd_activate(rk_block *b, rk_abi_actor *a)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  b->ctx.stopping = 0u;
  if (a->started == 0u) {
    a->started = 1u;
    if (def->on_start != 0u) {
      rkd_sample_clock(b);
      rkd_edge_handler(b, a, def, RK_HANDLER_START);
      if (b->ctx.failed != 0u) {
        int code = (int)b->ctx.failed;
        a->started = 0u; /* what did not start is not stopped */
        rkd_record_error(b, a, code);
        rkd_set_life(b, a, RK_STATE_FAILED);
        return code;
      }
    }
  }
  rkd_set_life(b, a, RK_STATE_ACTIVE);
  if (b->ctx.stopping != 0u) {
    b->ctx.stopping = 0u;
    rkd_close_begin(b, a, 0u, RK_RSP_ACTOR_DESTROYED);
  } else {
    rkd_run_push(b, a);
  }
  return 0;
}

RK_SLOW_FN void rkd_deliver_built_in(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd,
                                     rk_u32 type, const void *data, rk_u32 size)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  rk_abi_msg h;
  rkd_zero(&h, (rk_u32)sizeof(h));
  if (rkd_handler_for(def, type) == def->handler_count) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EUNSUPPORTED);
    return;
  }
  if (rkd_near_take(b, a, 1u, 1u) == 0u) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EFULL);
    return;
  }
  h.id = ++b->next_id;
  h.hlc = rkd_stamp(b);
  h.dest = a->id;
  h.reason = (rk_u8)a->tenant;
  h.type = type;
  h.size_bytes = size;
  h.flags = RK_MSG_UNCOUNTED;
  (void)rkd_near_put(b, a, &h, data); /* it is not ending: rkd_command_actor */
  rkd_answer(b, RK_RSP_ACK, cmd, a, 0);
}

RK_SLOW_FN void rkd_command_simulation(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  if (cmd->code == RK_CMD_INJECT_IMPULSE) {
    rk_impulse m = {(rk_u32)(cmd->param1 >> 32), (rk_u32)cmd->param1, cmd->param2, cmd->param4};
    rkd_deliver_built_in(b, a, cmd, RK_TYPE_IMPULSE, &m, (rk_u32)sizeof(m));
  } else {
    rk_source m = {(rk_u32)(cmd->param1 >> 32), (rk_u32)cmd->param1, cmd->param2, cmd->param4,
                   cmd->param5};
    rkd_deliver_built_in(b, a, cmd, RK_TYPE_SOURCE, &m, (rk_u32)sizeof(m));
  }
}

/* The actor ended, and every block has shown that it has let it go: nobody signals it any more. An
 * entry of this block's ready ring may still name it; then the host asks again. */
RK_SLOW_FN void rkd_command_free_slot(rk_block *b, const rk_abi_command *cmd)
{
  rk_u32 slot = (rk_u32)cmd->param1;
  if (cmd->param1 >= RK_PTR(rk_abi_grid, b->grid)->actor_capacity) {
    rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_ENOT_FOUND);
    return;
  }
  rk_abi_actor *a = b->actors + slot;
  int busy = a->block != b->index || a->life != RK_STATE_TERMINATED || a->queued != 0u ||
             rk_ld_acquire_gpu_u32(&a->signal) != 0u;
  if (!busy) { /* all but `id`, which is 0 and which others may read */
    rkd_zero(a, (rk_u32)RK_OFFSET(rk_abi_actor, id));
    rkd_zero(&a->tail, (rk_u32)(sizeof(*a) - RK_OFFSET(rk_abi_actor, tail)));
    rkd_zero(rkd_ctrl(b, slot), (rk_u32)sizeof(rk_abi_ctrl));
  }
  rkd_respond(b, RK_RSP_SLOT_FREED, cmd->cmd_id, 0u, busy ? RK_EINVALID_STATE : 0, slot, 0u,
              RK_STATE_NONE, 0u);
}

/* Both rings of the block become tagged, if they were made for it. */
RK_SLOW_FN void rkd_command_transport(rk_block *b, const rk_abi_command *cmd)
{
  int error = cmd->param1 != RK_TRANSPORT_TAGGED || b->rx.heads == 0u || b->tx.heads == 0u
                  ? RK_EINVAL
                  : 0;
  rkd_answer(b, RK_RSP_ACK, cmd, 0, error);
  if (error == 0) { /* this record, one unit long, is passed alike in both forms */
    b->rx.transport = RK_TRANSPORT_TAGGED;
    b->tx.transport = RK_TRANSPORT_TAGGED;
  }
}

/* The block's half of the self-test. */
RK_SLOW_FN void rkd_command_test_rings(rk_block *b, const rk_abi_command *cmd)
{
  const rk_abi_grid *grid = RK_PTR(const rk_abi_grid, b->grid);
  rk_echo echo;
  if (cmd->address == 0u || cmd->bytes != 2u * sizeof(rk_abi_ring)) {
    rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_EINVAL);
  } else {
    rkd_echo(&echo, cmd->address, cmd->param1, grid);
    rkd_respond(b, RK_RSP_PROGRESS, cmd->cmd_id, 0u, 0, echo.good, cmd->param1 - echo.good,
                RK_STATE_NONE, 0u);
  }
}

/* The smallest step that a few readings of the clock show, in nanoseconds; 0: none was seen. Clocks
 * of devices may move once in 32 ns, or once in a microsecond. */
RK_SLOW_FN rk_u64 rkd_clock_step(void)
{
  rk_u64 step = 0u;
  rk_u64 last = rkd_clock_ns();
  rk_u32 steps = 0u;
  for (rk_u32 i = 0; i < 4096u && steps < 8u; ++i) {
    rk_u64 now = rkd_clock_ns();
    if (now > last && (step == 0u || now - last < step)) {
      step = now - last;
    }
    steps += now != last ? 1u : 0u;
    last = now;
  }
  return step;
}

/* What was recorded before the answer is the host's to read. */
RK_SLOW_FN void rkd_command_trace(rk_block *b, const rk_abi_command *cmd)
{
  if (b->trace.ring == 0) {
    rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_EUNSUPPORTED);
    return;
  }
  b->trace.on = cmd->param1 != 0u ? 1u : 0u;
  b->timed = b->latencies != 0 || b->trace.on != 0u;
  rkd_trace_publish(&b->trace);
  rkd_answer(b, RK_RSP_ACK, cmd, 0, 0);
}

RK_SLOW_FN void rkd_command_block(rk_block *b, const rk_abi_command *cmd)
{
  switch (cmd->code) {
    case RK_CMD_NOP:
      rkd_answer(b, RK_RSP_ACK, cmd, 0, 0);
      break;
    case RK_CMD_RUN_STEPS:
      b->stepping = 1u;
      b->steps_left += cmd->param1;
      rkd_answer(b, RK_RSP_PROGRESS, cmd, 0, 0);
      break;
    case RK_CMD_PAUSE:
      b->stepping = 1u;
      b->steps_left = 0u;
      rkd_answer(b, RK_RSP_ACK, cmd, 0, 0);
      break;
    case RK_CMD_RESUME:
      b->stepping = 0u;
      b->steps_left = 0u;
      rkd_answer(b, RK_RSP_ACK, cmd, 0, 0);
      break;
    case RK_CMD_TERMINATE:
      b->stop = RK_STOP_END;
      b->stop_cmd = cmd->cmd_id;
      break;
    case RK_CMD_PARK:
      b->stop = RK_STOP_PARK;
      b->stop_cmd = cmd->cmd_id;
      break;
    case RK_CMD_FREE_SLOT:
      rkd_command_free_slot(b, cmd);
      break;
    case RK_CMD_TRANSPORT:
      rkd_command_transport(b, cmd);
      break;
    case RK_CMD_TEST_RINGS:
      rkd_command_test_rings(b, cmd);
      break;
    case RK_CMD_GET_PROGRESS:
      rkd_answer(b, RK_RSP_PROGRESS, cmd, 0, 0);
      break;
    case RK_CMD_CLOCK: {
      rk_u64 step = rkd_clock_step();
      rkd_respond(b, RK_RSP_ACK, cmd->cmd_id, 0u, 0, rkd_clock_ns(), step, RK_STATE_NONE, 0u);
      break;
    }
    case RK_CMD_TRACE:
      rkd_command_trace(b, cmd);
      break;
    case RK_CMD_TENANT:
      rkd_command_tenant(b, cmd);
      break;
    default:
      rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_EUNSUPPORTED);
      break;
  }
}

/* Where the actor's queues lie, for whoever reads control blocks. */
RK_SLOW_FN void rkd_describe(rk_block *b, const rk_abi_actor *a, rk_abi_ctrl *ctrl)
{
  rk_abi_ring *out = RK_PTR(rk_abi_ring, b->shared->k2h);
  ctrl->input_queue_head_ptr = (rk_u64)(rk_uptr)&a->kernel_head;
  ctrl->input_queue_tail_ptr = (rk_u64)(rk_uptr)&a->tail;
  ctrl->input_queue_buffer_ptr = a->kernel_slots;
  ctrl->input_queue_capacity = (rk_i32)a->limit_msgs;
  ctrl->input_queue_message_size = (rk_i32)a->slot_bytes;
  ctrl->output_queue_head_ptr = (rk_u64)(rk_uptr)&out->head;
  ctrl->output_queue_tail_ptr = 0; /* readiness is in the slots: there is no tail to point to */
  ctrl->output_queue_buffer_ptr = out->units;
  ctrl->output_queue_capacity = (rk_i32)out->capacity_units;
  ctrl->output_queue_message_size = (rk_i32)RK_UNIT_BYTES;
}

/* Line 0 of the actor comes behind the command in its record; its slot is zero and nobody's. */
RK_SLOW_FN void rkd_command_create(rk_block *b, const rk_abi_command *cmd, rk_u32 reference)
{
  rk_u32 slot = (rk_u32)cmd->param1;
  rk_u32 line = (rk_u32)sizeof(rk_abi_command);
  rk_u32 rings = (rk_u32)RK_OFFSET(rk_abi_actor, host_slots);
  int error = 0;
  if (cmd->param1 >= RK_PTR(rk_abi_grid, b->grid)->actor_capacity) {
    rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_ENOT_FOUND);
    return;
  }
  rk_abi_actor *a = b->actors + slot;
  if (rk_ld_relaxed_gpu_u32(&a->id) != 0u || a->life != RK_STATE_NONE) {
    rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_EINVALID_STATE);
    return;
  }
  if (reference == RK_ID_HOST || (reference & RK_ID_SLOT_MASK) != slot) {
    rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_ENOT_FOUND);
    return;
  }
  rkd_ring_get(&b->rx, line, a, (rk_u32)RK_OFFSET(rk_abi_actor, id));
  rkd_ring_get(&b->rx, line + rings, (rk_u8 *)a + rings,
               (rk_u32)RK_OFFSET(rk_abi_actor, close_cmd) - rings);
  a->room = (rk_i64)a->limit_msgs;
  a->near_mask = a->urgent_mask;
  rk_abi_telemetry *t = rkd_telemetry(b, slot);
  rkd_zero(t, (rk_u32)sizeof(*t));
  t->min_latency_nanos = ~0ull;
  if (b->latencies != 0) {
    rkd_latencies_zero(b->latencies + slot);
  }
  rkd_describe(b, a, rkd_ctrl(b, slot));
  if (slot >= b->slot_limit) {
    b->slot_limit = slot + 1u;
  }
  rk_st_release_gpu_u32(&a->id, reference); /* blocks may look it up from now on */
  rkd_set_life(b, a, RK_STATE_LAUNCHED);
  if ((cmd->flags & RK_CREATE_ACTIVATE) != 0u) {
    error = rkd_activate(b, a);
  }
  rkd_answer(b, RK_RSP_ACTOR_CREATED, cmd, a, error);
}

RK_SLOW_FN void rkd_command_restart(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  if ((cmd->flags & RK_RESTART_KEEP_STATE) == 0u) {
    rkd_zero(RK_PTR(void, a->state), def->state_bytes);
  }
  a->started = 0u;
  rkd_answer(b, RK_RSP_ACTOR_RESTARTED, cmd, a, rkd_activate(b, a));
}

/* Ends a life of the actor but not the actor: see RK_DEACTIVATE_END. */
RK_SLOW_FN void rkd_command_end_life(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  if (a->started != 0u && def->on_stop != 0u && (cmd->flags & RK_DEACTIVATE_KILL) == 0u) {
    rkd_edge_handler(b, a, def, RK_HANDLER_STOP);
  }
  a->started = 0u;
  rkd_routes_give_back(b, a, def);
  rkd_set_life(b, a, RK_STATE_DEACTIVATED);
  rkd_answer(b, RK_RSP_ACK, cmd, a, 0);
}

/* Copies state out (SNAPSHOT_ACTOR) or in (RESTORE_STATE) at a message boundary: between two
 * handlings nothing else touches it. */
RK_SLOW_FN void rkd_command_state(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  rk_u8 *state = RK_PTR(rk_u8, a->state);
  if (cmd->code == RK_CMD_SNAPSHOT_ACTOR) {
    if (cmd->param2 > def->state_bytes || (cmd->bytes != 0u && cmd->address == 0u)) {
      rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVAL);
      return;
    }
    rk_u32 left = def->state_bytes - cmd->param2;
    rk_u32 bytes = cmd->bytes < left ? (rk_u32)cmd->bytes : left;
    if (bytes != 0u) {
      rkd_copy(RK_PTR(void, cmd->address), state + cmd->param2, bytes);
    }
    rkd_respond(b, RK_RSP_SNAPSHOT_COMPLETE, cmd->cmd_id, a->id, 0, bytes, left - bytes, a->life,
                rkd_checksum(state + cmd->param2, bytes));
    return;
  }
  if (cmd->bytes != def->state_bytes || (cmd->bytes != 0u && cmd->address == 0u)) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVAL);
  } else if (a->life == RK_STATE_ACTIVE) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVALID_STATE);
  } else if (rkd_checksum(RK_PTR(void, cmd->address), def->state_bytes) != cmd->param2) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_ECORRUPT);
  } else {
    if (def->state_bytes != 0u) {
      rkd_copy(state, RK_PTR(void, cmd->address), def->state_bytes);
    }
    a->started = 1u;
    rkd_set_life(b, a,
                 RK_STATE_DEACTIVATED); /* also when it had failed: with this state it may go on */
    rkd_answer(b, RK_RSP_READY_TO_ACTIVATE, cmd, a, 0);
  }
}

RK_SLOW_FN void rkd_command_latency(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  if (b->latencies == 0) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EUNSUPPORTED);
  } else if (cmd->address == 0u || cmd->bytes != sizeof(rk_abi_latencies)) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVAL);
  } else {
    rkd_copy(RK_PTR(void, cmd->address), b->latencies + rkd_actor_slot(b, a),
             (rk_u32)sizeof(rk_abi_latencies));
    if ((cmd->flags & 1u) != 0u) {
      rkd_latencies_zero(b->latencies + rkd_actor_slot(b, a));
    }
    rkd_respond(b, RK_RSP_ACK, cmd->cmd_id, a->id, 0, rkd_clock_step(), 0u, a->life, 0u);
  }
}

RK_SLOW_FN void rkd_command_route(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  if (cmd->param2 >= def->port_count) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_ENOT_FOUND);
    return;
  }
  rk_abi_route *route = RK_PTR(rk_abi_route, a->routes) + cmd->param2;
  rk_u32 dest = cmd->code == RK_CMD_CONNECT_PORT ? cmd->param3 : 0u;
  int is_same = dest != 0u && route->dest == dest && route->slots == cmd->address;
  if (!is_same && !rkd_link_end(b, a, route, 4u)) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EFULL); /* the host drains and asks again */
    return;
  }
  rkd_flush(b); /* who was sent something through it must hear of that */
  rkd_route_give_back(b, route);
  if (!is_same) {
    rkd_zero(route, (rk_u32)sizeof(*route));
    route->slot_bytes = RK_LINK_SLOT_BYTES(def->emits);
  }
  route->dest = dest;
  route->chunk = (rk_u32)cmd->bytes;
  route->limit = (rk_u32)(cmd->bytes >> 32);
  route->policy = cmd->flags;
  route->slots = cmd->address;
  route->deadline_ns = cmd->reserved;
  rkd_run_push(b, a); /* it may have waited for the room this changes */
  rkd_answer(b, RK_RSP_ACK, cmd, a, 0);
}

RK_SLOW_FN void rkd_command_links(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  rk_u64 bytes = (rk_u64)RK_PTR(const rk_abi_def, a->def)->port_count * sizeof(rk_abi_route);
  if (cmd->bytes != bytes || (bytes != 0u && cmd->address == 0u)) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVAL);
    return;
  }
  if (bytes != 0u) {
    rkd_copy(RK_PTR(void, cmd->address), RK_PTR(const rk_abi_route, a->routes), (rk_u32)bytes);
  }
  rkd_answer(b, RK_RSP_ACK, cmd, a, 0);
}

RK_SLOW_FN void rkd_command_actor(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  rk_u32 life = a->life;
  int alive = life == RK_STATE_LAUNCHED || life == RK_STATE_ACTIVE ||
              life == RK_STATE_DEACTIVATED || life == RK_STATE_FAILED;
  if (!alive) {
    rkd_answer(b, RK_RSP_ERROR, cmd, a, life == RK_STATE_NONE ? RK_ENOT_FOUND : RK_ETERMINATED);
    return;
  }
  switch (cmd->code) {
    case RK_CMD_DESTROY_ACTOR:
      if ((cmd->flags & RK_DESTROY_KILL) != 0u) {
        a->started = 0u; /* nothing to stop */
      }
      rkd_close_begin(b, a, cmd->cmd_id, RK_RSP_ACTOR_DESTROYED);
      break;
    case RK_CMD_FINALIZE_MIGRATION:
      rkd_close_begin(b, a, cmd->cmd_id, RK_RSP_MIGRATION_COMPLETE);
      break;
    case RK_CMD_RESTART_ACTOR:
      rkd_command_restart(b, a, cmd);
      break;
    case RK_CMD_HEARTBEAT_REQUEST:
      rkd_tell(b, rkd_actor_slot(b, a));
      rkd_answer(b, RK_RSP_HEARTBEAT, cmd, a, 0);
      break;
    case RK_CMD_SNAPSHOT_ACTOR:
    case RK_CMD_RESTORE_STATE:
      rkd_command_state(b, a, cmd);
      break;
    case RK_CMD_ACTIVATE_ACTOR:
      if (life != RK_STATE_LAUNCHED && life != RK_STATE_DEACTIVATED) {
        rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVALID_STATE);
      } else {
        rkd_answer(b, RK_RSP_ACK, cmd, a, rkd_activate(b, a));
      }
      break;
    case RK_CMD_DEACTIVATE_ACTOR:
    case RK_CMD_BEGIN_QUIESCE:
      if (cmd->code == RK_CMD_DEACTIVATE_ACTOR && (cmd->flags & RK_DEACTIVATE_END) != 0u) {
        rkd_command_end_life(b, a, cmd);
      } else if (life != RK_STATE_ACTIVE) {
        rkd_answer(b, RK_RSP_ERROR, cmd, a, RK_EINVALID_STATE);
      } else {
        rkd_set_life(b, a, RK_STATE_DEACTIVATED);
        rkd_routes_give_back(b, a, RK_PTR(const rk_abi_def, a->def));
        rkd_answer(b, cmd->code == RK_CMD_BEGIN_QUIESCE ? RK_RSP_QUIESCE_COMPLETE : RK_RSP_ACK, cmd,
                   a, 0);
      }
      break;
    case RK_CMD_CONNECT_PORT:
    case RK_CMD_DISCONNECT_PORT:
      rkd_command_route(b, a, cmd);
      break;
    case RK_CMD_LATENCY_ACTOR:
      rkd_command_latency(b, a, cmd);
      break;
    case RK_CMD_RELOAD_ACTOR:
      rkd_command_reload(b, a, cmd);
      break;
    case RK_CMD_LINKS_ACTOR:
      rkd_command_links(b, a, cmd);
      break;
    default:
      rkd_command_simulation(b, a, cmd);
      break;
  }
}

/* Answers one command. `reference` is the actor that the record was addressed to, 0 = by slot
 * alone. */
RK_SLOW_FN void rkd_command(rk_block *b, const rk_abi_command *cmd, rk_u32 reference)
{
  switch (cmd->code) {
    case RK_CMD_CREATE_ACTOR:
      rkd_command_create(b, cmd, reference);
      return;
    case RK_CMD_INJECT_IMPULSE:
    case RK_CMD_SET_SOURCE:
    case RK_CMD_DESTROY_ACTOR:
    case RK_CMD_RESTART_ACTOR:
    case RK_CMD_HEARTBEAT_REQUEST:
    case RK_CMD_SNAPSHOT_ACTOR:
    case RK_CMD_BEGIN_QUIESCE:
    case RK_CMD_FINALIZE_MIGRATION:
    case RK_CMD_RESTORE_STATE:
    case RK_CMD_ACTIVATE_ACTOR:
    case RK_CMD_DEACTIVATE_ACTOR:
    case RK_CMD_CONNECT_PORT:
    case RK_CMD_DISCONNECT_PORT:
    case RK_CMD_LATENCY_ACTOR:
    case RK_CMD_LINKS_ACTOR:
    case RK_CMD_RELOAD_ACTOR: {
      int simulation = cmd->code == RK_CMD_INJECT_IMPULSE || cmd->code == RK_CMD_SET_SOURCE;
      rk_u64 slot = simulation ? cmd->param3 : cmd->param1;
      if (slot >= RK_PTR(rk_abi_grid, b->grid)->actor_capacity) {
        rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_ENOT_FOUND);
        return;
      }
      rk_abi_actor *a = b->actors + slot;
      if (a->id == 0u || a->block != b->index || (reference != 0u && a->id != reference)) {
        rkd_answer(b, RK_RSP_ERROR, cmd, 0, RK_ENOT_FOUND);
        return;
      }
      rkd_command_actor(b, a, cmd);
      return;
    }
    default:
      rkd_command_block(b, cmd);
      return;
  }
}

#endif
