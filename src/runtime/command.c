/* SPDX-License-Identifier: MIT */
/*
 * A command to a block and its answer.
 *
 * Commands travel in the same ring as messages, so they keep their place among them: a deactivate
 * that follows a send acts after that message has arrived.
 */
#include "runtime/internal.h"

#include <string.h>

#include "base/clock.h"

#define ANSWER_WAIT_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* The caller made sure of the room. */
static uint64_t write_record(rk_runtime *rt, uint32_t block, uint32_t to,
                             const rk_abi_command *command, const void *data, uint32_t bytes)
{
  rk_ring_tx *tx = &rt->blocks[block].tx;
  rk_abi_command cmd = *command;
  rk_abi_msg header = {
      .id = ++rt->next_id,
      .hlc = rk_hlc_tick(&rt->clock),
      .dest = to,
      .size_bytes = (uint32_t)sizeof(cmd) + bytes,
      .flags = (uint16_t)(RK_MSG_COMMAND | rt->ordered),
  };
  cmd.cmd_id = ++rt->next_cmd;
  rkd_ring_put(tx, header.size_bytes, 0u, &cmd, sizeof(cmd));
  if (bytes != 0) {
    rkd_ring_put(tx, header.size_bytes, sizeof(cmd), data, bytes);
  }
  rkd_ring_commit(tx, &header);
  rt->ops->grid_bell(rt->backend, block);
  return cmd.cmd_id;
}

uint64_t rk__command_post(rk_runtime *rt, uint32_t block, uint32_t to,
                          const rk_abi_command *command)
{
  uint32_t units = rkd_units((uint32_t)sizeof(*command));
  if (rkd_ring_free(&rt->blocks[block].tx, units) < units) {
    return 0;
  }
  return write_record(rt, block, to, command, NULL, 0);
}

uint64_t rk__command_post_with(rk_runtime *rt, uint32_t block, uint32_t to,
                               const rk_abi_command *command, const void *data, uint32_t bytes)
{
  uint32_t units = rkd_units((uint32_t)sizeof(*command) + bytes);
  if (rk__grid_run(rt, NULL) != RK_OK) {
    return 0;
  }
  rk__reservation_drop(rt);
  if (rkd_ring_free(&rt->blocks[block].tx, units) < units && !rk__grid_room(rt, block, units)) {
    return 0;
  }
  return write_record(rt, block, to, command, data, bytes);
}

int rk__command(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                rk_abi_response *answer, rk_error *err)
{
  return rk__command_with(rt, block, to, command, NULL, 0, answer, err);
}

int rk__command_send(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                     const void *data, uint32_t bytes, uint64_t *id, rk_error *err)
{
  uint32_t units = rkd_units((uint32_t)sizeof(*command) + bytes);
  char why[160];
  int started = rk__grid_run(rt, err);
  if (started != RK_OK) {
    return started;
  }
  rk__reservation_drop(rt);
  if (rkd_ring_free(&rt->blocks[block].tx, units) < units && !rk__grid_room(rt, block, units)) {
    int lost = rk__runtime_lost(rt, err);
    if (lost != RK_OK) {
      return lost;
    }
    return rk_error_set(err, RK_EFULL, "block %u takes no command: %s", block,
                        rk__watch_say(rt, block, why, sizeof(why)));
  }
  *id = write_record(rt, block, to, command, data, bytes);
  return RK_OK;
}

/* Calls `work` unless that is NULL, and waits. */
static int wait_for(rk_runtime *rt, uint32_t block, uint64_t id, uint64_t deadline,
                    void (*work)(void *arg), void *arg, rk_abi_response *answer, rk_error *err)
{
  rk_pending pending = {.cmd_id = id};
  double seconds = (double)rk_clock_remaining(deadline) / 1e9;
  char why[160];
  rt->pending = &pending;
  if (work != NULL) {
    work(arg);
  }
  while (!pending.done) {
    int rc = rk__wait(rt, deadline);
    if (rc == RK_EDEVICE_LOST) {
      rt->pending = NULL;
      return rk__runtime_check(rt, err);
    }
    if (rc == RK_ETIMEOUT && !pending.done) {
      rt->pending = NULL;
      return rk_error_set(err, RK_ETIMEOUT, "block %u did not answer within %.3g s: %s", block,
                          seconds, rk__watch_say(rt, block, why, sizeof(why)));
    }
  }
  rt->pending = NULL;
  if (answer != NULL) {
    *answer = pending.answer;
  }
  return pending.answer.error_code;
}

int rk__command_answer(rk_runtime *rt, uint32_t block, uint64_t id, uint64_t deadline_ns,
                       rk_abi_response *answer, rk_error *err)
{
  return wait_for(rt, block, id, deadline_ns, NULL, NULL, answer, err);
}

static int run_command(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                       const void *data, uint32_t bytes, void (*work)(void *arg), void *arg,
                       rk_abi_response *answer, rk_error *err)
{
  uint64_t id = 0;
  int rc = rk__command_send(rt, block, to, command, data, bytes, &id, err);
  return rc != RK_OK
             ? rc
             : wait_for(rt, block, id, rk_clock_deadline(ANSWER_WAIT_NS), work, arg, answer, err);
}

int rk__command_with(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                     const void *data, uint32_t bytes, rk_abi_response *answer, rk_error *err)
{
  return run_command(rt, block, to, command, data, bytes, NULL, NULL, answer, err);
}

int rk__command_around(rk_runtime *rt, uint32_t block, const rk_abi_command *command,
                       void (*work)(void *arg), void *arg, rk_abi_response *answer, rk_error *err)
{
  return run_command(rt, block, 0u, command, NULL, 0, work, arg, answer, err);
}

int rk_runtime_command(rk_runtime *rt, uint32_t block, uint32_t code, uint64_t param1,
                       uint32_t param2, uint32_t param3, float param4, float param5,
                       rk_command_result *out, rk_error *err)
{
  rk_abi_response answer = {0};
  rk_abi_command command = {
      .code = code,
      .param1 = param1,
      .param2 = param2,
      .param3 = param3,
      .param4 = param4,
      .param5 = param5,
  };
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (block >= rt->block_count) {
    return rk_error_set(err, RK_EINVAL, "block: 0..%u, got %u", rt->block_count - 1u, block);
  }
  if (code == RK_CMD_TERMINATE) {
    return rk_error_set(err, RK_EDENIED, "a block ends with its runtime: close that");
  }
  if (code == RK_CMD_PARK || code == RK_CMD_FREE_SLOT || code == RK_CMD_TRANSPORT ||
      code == RK_CMD_TEST_RINGS || code == RK_CMD_TRACE || code == RK_CMD_TENANT) {
    return rk_error_set(err, RK_EDENIED, "this command is the runtime's own");
  }
  if (code == RK_CMD_CREATE_ACTOR || code == RK_CMD_CONNECT_PORT ||
      code == RK_CMD_DISCONNECT_PORT || code == RK_CMD_RESTORE_STATE ||
      code == RK_CMD_RELOAD_ACTOR) {
    return rk_error_set(err, RK_EDENIED,
                        "this command needs memory that the runtime lays out: use launch, "
                        "connect, disconnect");
  }
  rc = rk__command(rt, block, 0u, &command, &answer, err);
  if (rc == RK_ETIMEOUT || rc == RK_EFULL) {
    if (answer.cmd_id == 0) {
      return rc;
    } /* never answered */
  }
  *out = (rk_command_result){
      .code = answer.code,
      .error = answer.error_code,
      .step = answer.step,
      .steps_remaining = answer.steps_remaining,
      .actor = answer.actor,
      .checksum = answer.checksum,
      .flags = answer.flags,
  };
  return RK_OK;
}
