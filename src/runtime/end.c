/* SPDX-License-Identifier: MIT */
/*
 * Ends of actors' lives that nobody waits for, and signs of life: what supervision asks.
 *
 * A life may end and the actor stay: its queue, name, routes and handle are kept for the next life.
 * The block's answer becomes an event. A block whose handler does not return answers nothing; an
 * actor can be given up then, and begin anew on another block. What the old one leaves behind is
 * cleared when its block comes back.
 */
#include "runtime/internal.h"

#include "base/clock.h"

#define LAUNCH_WAIT_NS (UINT64_C(5) * 1000 * 1000 * 1000)

static const struct {
  uint32_t code, flags;
} commands[] = {
    [RK_END_REST] = {RK_CMD_DEACTIVATE_ACTOR, RK_DEACTIVATE_END},
    [RK_END_REST_KILL] = {RK_CMD_DEACTIVATE_ACTOR, RK_DEACTIVATE_END | RK_DEACTIVATE_KILL},
    [RK_END_TERMINATE] = {RK_CMD_DESTROY_ACTOR, 0u},
    [RK_END_KILL] = {RK_CMD_DESTROY_ACTOR, RK_DESTROY_KILL},
};

/* Sends a command about the actor and does not wait. */
static int post(rk_actor *actor, uint32_t code, uint32_t flags, uint64_t *id, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  const rk_abi_command command = {.code = code, .flags = flags, .param1 = actor->slot};
  int rc = rk__actor_check(actor, err);
  if (rc == RK_OK) {
    rc = rk__runtime_check(rt, err);
  }
  if (rc == RK_OK) {
    rc = rk__grid_run(rt, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  rk__reservation_drop(rt);
  *id = rk__command_post(rt, actor->block, actor->id, &command);
  return *id != 0 ? RK_OK
                  : rk_error_set(err, RK_EFULL, "block %u takes no command: its ring is full",
                                 actor->block);
}

int rk_actor_end(rk_actor *actor, rk_actor_end_how how, uint64_t *id, rk_error *err)
{
  uint64_t sent = 0;
  int rc = post(actor, commands[how].code, commands[how].flags, &sent, err);
  if (rc == RK_OK) {
    actor->end_cmd = sent;
    *id = sent;
  }
  return rc;
}

int rk_actor_beat(rk_actor *actor, uint64_t *answered, rk_error *err)
{
  uint64_t sent = 0;
  int rc = post(actor, RK_CMD_HEARTBEAT_REQUEST, 0u, &sent, err);
  if (rc == RK_OK) {
    actor->beat_cmd = sent;
    *answered = actor->beats;
  }
  return rc;
}

int rk_actor_abandon(rk_actor *actor, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  int rc = rk__actor_check(actor, err);
  if (rc == RK_OK) {
    rc = rk__slot_abandon(rt, actor, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  actor->life = RK_STATE_TERMINATED;
  actor->abandoned = true;
  rk__event(rt, RK_EVENT_ENDED, actor, 0, "killed", 0);
  rk__hosted_ended(actor);
  rk__routes_forget(actor);
  rk__registry_remove(rt, actor);
  rt->stats.actors -= 1;
  rk__actor_unref(actor);
  return RK_OK;
}

int rk_runtime_launched(rk_runtime *rt, rk_error *err)
{
  uint64_t deadline = rk_clock_deadline(LAUNCH_WAIT_NS);
  int rc = rk__runtime_check(rt, err);
  while (rc == RK_OK && rt->unanswered != 0) {
    rc = rk__wait(rt, deadline);
    if (rc == RK_EINTR) {
      rc = RK_OK;
    } else if (rc != RK_OK) {
      rt->unanswered = 0;
      rc = rk_error_set(err, rc, "launched actors: their blocks did not answer");
    }
  }
  return rc;
}

bool rk__actor_answered(rk_actor *actor, const rk_abi_response *response)
{
  if (response->cmd_id == 0) {
    return false;
  }
  if (response->cmd_id == actor->create_cmd) {
    actor->create_cmd = 0;
    actor->rt->unanswered -= actor->rt->unanswered != 0 ? 1u : 0u;
    if (response->error_code == RK_OK) {
      return false;
    }
    rk__actor_failed(actor, response->error_code);
  } else if (response->cmd_id == actor->beat_cmd) {
    actor->beats += 1;
  } else if (response->cmd_id == actor->end_cmd) {
    rk__event(actor->rt, RK_EVENT_STOPPED, actor, response->error_code, NULL, response->cmd_id);
  } else {
    return rk__reload_answered(actor, response);
  }
  return true;
}
