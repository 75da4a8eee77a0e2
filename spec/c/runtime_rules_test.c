/* SPDX-License-Identifier: MIT */
/*
 * The rules that one actor lives by: many lanes, failing, restarting, stopping, start and stop
 * handlers, deadlines, priority, checksums, every command, looking at its state while it runs.
 */
#include "runtime_helper.h"

#include "core/hlc.h"
#include "runtime/internal.h"

/* Where an actor lives, which a test on the CPU backend may look at. */
static rk_abi_actor *slot_of(const rk_actor *actor)
{
  return RK_PTR(rk_abi_actor, actor->rt->actors) + actor->slot;
}

/* ---- lanes ---- */

/* Sums over lanes and warps, shared memory, barriers; every lane makes the reply call. b says how
 * to misbehave: 1 one lane skips a barrier, 2 one lane fails. */
static kernel_form lanes_form = {
    .name = "lanes",
    .state = "rk_u64 rounds; rk_u64 by_lane[256];",
    .source = "RK_SHARED rk_u64 cell[256];\n"
              "RK_ON(Num) {\n"
              "  rk_u32 lane = rk_lane(), lanes = rk_lanes();\n"
              "  if (msg->b == 1 && lane == lanes - 1) { return; }\n"
              "  if (msg->b == 2 && lane == lanes / 2) { rk_fail(ctx, 42); }\n"
              "  cell[lane] = msg->a + lane;\n"
              "  rk_sync(ctx);\n"
              "  Num out = *msg;\n"
              "  out.a = rk_block_sum_u64(ctx, cell[(lane + 1) % lanes]);\n"
              "  out.b = rk_block_max_u32(ctx, lane * 3u);\n"
              "  out.c = rk_warp_sum_u64(1);\n"
              "  state->by_lane[lane] += 1;\n"
              "  if (lane == 0) { state->rounds += 1; }\n"
              "  rk_reply(ctx, Num, &out);\n"
              "  rk_sync(ctx);\n"
              "}\n",
};

static void many_lanes_reduce_and_reply_once(void **state)
{
  (void)state;
  static const unsigned sizes[] = {1, 2, 32, 33, 256};
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  for (size_t s = 0; s < RK_ARRAY_LEN(sizes); ++s) {
    uint64_t lanes = sizes[s];
    const uint64_t rounds = ROUNDS(500);
    struct {
      uint64_t rounds, by_lane[256];
    } seen;
    size_t bytes = sizeof(seen);
    lanes_form.lanes = sizes[s];
    rk_actor *actor = launch_form(rt, &lanes_form, 16, (int32_t)(s % 2u));
    uint64_t sent = 0;
    for (uint64_t got = 0; got < rounds; ++got) {
      while (sent < rounds && try_send(actor, (num){.seq = sent, .a = sent}) == RK_OK) {
        ++sent;
      }
      if (sent == got) { /* the count of its free places comes a little after the answers */
        send_num(rt, actor, (num){.seq = sent, .a = sent});
        ++sent;
      }
      num m = receive_num(rt, actor);
      assert_int_equal(m.seq, got);
      assert_int_equal(m.a, got * lanes + lanes * (lanes - 1) / 2);
      assert_int_equal(m.b, (lanes - 1) * 3);
      assert_int_equal(m.c, lanes < 32 ? lanes : 32);
    }
    expect_nothing(rt, actor);
    assert_int_equal(rk_actor_peek_state(actor, &seen, &bytes, NULL), RK_OK);
    assert_int_equal(seen.rounds, rounds);
    for (uint64_t lane = 0; lane < 256; ++lane) {
      assert_int_equal(seen.by_lane[lane], lane < lanes ? rounds : 0);
    }
    rk_actor_release(actor);
  }
  close_runtime(rt);
}

static void lanes_that_misbehave_fail_the_actor(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  lanes_form.lanes = 64;
  rk_actor *actor = launch_form(rt, &lanes_form, 16, 0);
  for (uint64_t how = 1; how <= 2; ++how) {
    send_num(rt, actor, (num){.seq = how, .b = how});
    assert_int_equal(letter(rt, how - 1u, "failed", NULL).seq, how);
    assert_string_equal(rk_actor_state(actor), "failed");
    assert_int_equal(stats_of(actor).last_error, how == 1 ? RK_EINVAL : 42);
    if (how == 2) {
      (void)receive_num(rt, actor);
    } /* a failure does not take back what was sent */
    assert_int_equal(rk_actor_restart(actor, false, NULL), RK_OK);
    assert_int_equal(ask(rt, actor, (num){.a = 1}).a, 64 + 64 * 63 / 2);
  }
  rk_actor_release(actor);
  close_runtime(rt);
}

/* ---- failing, restarting, stopping ---- */

/* a: 1 fail with code b, 2 stop; otherwise counts and answers the count. Its start handler counts
 * from 100, its stop handler tells the host. */
static const kernel_form life_form = {
    .name = "life",
    .state = "rk_u64 n, started;",
    .on_start = true,
    .on_stop = true,
    .source = "RK_ON_START() { (void)ctx; state->n = 100; state->started += 1; }\n"
              "RK_ON_STOP() { Num m = { 999, state->n, state->started, 0 }; rk_send_to(ctx, 0, "
              "Num, &m); }\n"
              "RK_ON(Num) {\n"
              "  Num out = { msg->seq, ++state->n, state->started, 0 };\n"
              "  if (msg->a == 1) { rk_fail(ctx, (int)msg->b); return; }\n"
              "  if (msg->a == 2) { rk_stop(ctx); }\n"
              "  rk_reply(ctx, Num, &out);\n"
              "}\n",
};

static void failing_keeps_the_queue_and_restarting_zeroes_the_state(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *actor = launch_form(rt, &life_form, 16, 0);
  assert_int_equal(ask(rt, actor, (num){1, 0, 0, 0}).a, 101);
  assert_int_equal(rk_actor_deactivate(actor, NULL), RK_OK);
  for (uint64_t i = 2; i <= 6; ++i) {
    send_num(rt, actor, (num){i, i == 3, 7, 0});
  }
  assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
  assert_int_equal(receive_num(rt, actor).a, 102);
  uint64_t dest = 0;
  assert_int_equal(letter(rt, 0, "failed", &dest).seq, 3);
  assert_int_equal(dest, rk_actor_id(actor));
  expect_nothing(rt, actor);
  assert_string_equal(rk_actor_state(actor), "failed");
  rk_actor_stats stats = stats_of(actor);
  assert_int_equal(stats.last_error, 7);
  assert_int_equal(stats.errors, 1);
  assert_int_equal(rk_actor_activate(actor, NULL), RK_EINVALID_STATE);
  assert_int_equal(rk_actor_deactivate(actor, NULL), RK_EINVALID_STATE);
  send_num(rt, actor, (num){7, 0, 0, 0}); /* a failed actor still takes messages */
  assert_int_equal(rk_actor_restart(actor, false, NULL), RK_OK);
  for (uint64_t i = 4; i <= 7; ++i) {
    num m = receive_num(rt, actor);
    assert_int_equal(m.seq, i);
    assert_int_equal(m.a, 97 + i); /* state of zeros, start handler run again */
    assert_int_equal(m.b, 1);
  }
  assert_int_equal(rk_actor_restart(actor, false, NULL), RK_OK); /* also while it is well */
  assert_int_equal(ask(rt, actor, (num){8, 0, 0, 0}).a, 101);
  send_num(rt, actor, (num){9, 1, 0, 0}); /* code 0 is a failure all the same */
  assert_int_equal(letter(rt, 1, "failed", NULL).seq, 9);
  assert_int_equal(stats_of(actor).last_error, RK_EINVAL);
  assert_int_equal(rk_actor_terminate(actor, NULL), RK_OK);
  assert_int_equal(receive_num(rt, actor).seq, 999); /* its stop handler ran */
  assert_int_equal(letters(rt), 2);
  rk_actor_release(actor);
  close_runtime(rt);
}

static void stopping_ends_an_actor_from_inside(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  for (int round = 0; round < 20; ++round) {
    rk_actor *actor = launch_form(rt, &life_form, 16, round % 2);
    assert_int_equal(rk_actor_deactivate(actor, NULL), RK_OK);
    for (uint64_t i = 0; i < 5; ++i) {
      send_num(rt, actor, (num){i, i == 2 ? 2 : 0, 0, 0});
    }
    assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
    for (uint64_t i = 0; i < 3; ++i) {
      assert_int_equal(receive_num(rt, actor).seq, i);
    }
    num last = receive_num(rt, actor);
    assert_int_equal(last.seq, 999);
    assert_int_equal(last.a, 103);
    rk_received r;
    assert_int_equal(receive_within(rt, actor, &r, 10 * SECOND), RK_ETERMINATED);
    assert_string_equal(rk_actor_state(actor), "terminated");
    assert_int_equal(letter(rt, 0, "terminated", NULL).seq, 3);
    assert_int_equal(letter(rt, 1, "terminated", NULL).seq, 4);
    rk_runtime_dead_letters_clear(rt);
    assert_int_equal(try_send(actor, (num){0}), RK_ETERMINATED);
    rk_actor_release(actor);
  }
  close_runtime(rt);
}

/* A start handler may fail with any number, also with those that mean something to us. */
static void a_start_handler_that_fails_leaves_nothing_behind(void **state)
{
  (void)state;
  static const kernel_form form = {
      .name = "stillborn",
      .on_start = true,
      .state = "rk_u64 n;",
      .source = "RK_ON_START() { (void)state; rk_fail(ctx, CODE); }\n"
                "RK_ON(Num) { (void)msg; (void)ctx; (void)state; }\n",
  };
  static const int codes[] = {1, 77, RK_ETIMEOUT, RK_EFULL, RK_EINVALID_STATE, RK_ETERMINATED};
  rk_runtime *rt = open_runtime((rk_runtime_options){.max_actors = 4});
  for (size_t i = 0; i < RK_ARRAY_LEN(codes); ++i) {
    char define[64];
    kernel_form with_code = form;
    rk_actor *actor = NULL;
    (void)snprintf(define, sizeof(define), "#define CODE (%d)\n", codes[i]);
    with_code.types = define;
    rk_kernel *kernel = make_kernel(rt, &with_code);
    for (int k = 0; k < 6; ++k) { /* more often than there are slots */
      rk_error err = RK_ERROR_INIT;
      rk_launch_options options = {.name = "still", .block = k % 2};
      uint64_t deadline = rk_clock_deadline(10 * SECOND);
      int rc = RK_OK;
      do { /* the slot of the one before comes back in a moment */
        rc = rk_actor_launch(rt, kernel, &options, &actor, NULL, &err);
        (void)rk_runtime_drain(rt);
      } while (rc == RK_EOUT_OF_MEMORY && rk_clock_mono_ns() < deadline);
      assert_int_equal(rc, RK_EINVALID_STATE);
      assert_non_null(strstr(err.text, "start handler"));
      assert_null(actor);
      assert_null(rk_runtime_find(rt, "still"));
    }
    rk_kernel_close(kernel);
    rk_runtime_stats stats;
    uint64_t deadline = rk_clock_deadline(10 * SECOND);
    do { /* a definition stays, the memory of its actors does not */
      rk_runtime_stats_get(rt, &stats);
    } while (stats.device_bytes > (i + 1u) * 1024u && rk_clock_mono_ns() < deadline);
    assert_true(stats.device_bytes <= (i + 1u) * 1024u);
    assert_int_equal(stats.actors, 0);
  }
  close_runtime(rt);
}

/* ---- deadlines, priority, checksums ---- */

static const kernel_form echo_form = {
    .name = "mirror",
    .state = "rk_u64 n, twice;",
    .source = "RK_ON(Num) { state->n += 1; state->twice += 2; rk_reply(ctx, Num, msg); }\n",
};

static uint64_t stamp_in(int64_t us)
{
  return (uint64_t)((int64_t)rk_clock_wall_us() + us) << RK_HLC_LOGICAL_BITS;
}

static void past_deadlines_are_dead_letters(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *actor = launch_form(rt, &echo_form, 16, 0);
  rk_send_options late = {.deadline = stamp_in(-1000000)}, soon = {.deadline = stamp_in(20000)},
                  far = {.deadline = stamp_in(60000000)};
  num m = {1, 0, 0, 0};
  assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), &late, NULL, NULL), RK_OK);
  assert_int_equal(letter(rt, 0, "deadline", NULL).seq, 1);
  assert_int_equal(rk_actor_deactivate(actor, NULL), RK_OK);
  m.seq = 2;
  assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), &soon, NULL, NULL), RK_OK);
  m.seq = 3;
  assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), &far, NULL, NULL), RK_OK);
  rk_clock_sleep(30 * MILLISECOND);
  assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
  assert_int_equal(receive_num(rt, actor).seq, 3);
  assert_int_equal(letter(rt, 1, "deadline", NULL).seq, 2);
  assert_int_equal(stats_of(actor).processed, 1);
  rk_actor_release(actor);
  close_runtime(rt);
}

static void high_priority_overtakes(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *actor = launch_form(rt, &echo_form, 100, 0);
  rk_send_options high = {.priority = 1}, none = {.priority = 2};
  num m = {0};
  assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), &none, NULL, NULL), RK_EINVAL);
  for (int round = 0; round < 3; ++round) {
    assert_int_equal(rk_actor_deactivate(actor, NULL), RK_OK);
    for (uint64_t i = 0; i < 100; ++i) {
      send_num(rt, actor, (num){.seq = 1000 + i});
    }
    assert_int_equal(try_send(actor, m), RK_EFULL);
    for (m.seq = 0; m.seq < 64; ++m.seq) { /* a full queue does not keep them out */
      assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), &high, NULL, NULL), RK_OK);
    }
    assert_int_equal(rk_actor_send(actor, NUM, &m, sizeof(m), &high, NULL, NULL), RK_EFULL);
    assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
    for (uint64_t i = 0; i < 64; ++i) {
      assert_int_equal(receive_num(rt, actor).seq, i);
    }
    for (uint64_t i = 0; i < 100; ++i) {
      assert_int_equal(receive_num(rt, actor).seq, 1000 + i);
    }
  }
  rk_actor_release(actor);
  close_runtime(rt);
}

static void payload_that_changed_on_the_way_is_refused(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.checksum = true});
  rk_actor *actor = launch_form(rt, &echo_form, 16, 0);
  rk_subscription *sub = NULL;
  size_t reached = 0;
  num m = {.seq = 5};
  for (uint64_t i = 0; i < 100; ++i) {
    assert_int_equal(ask(rt, actor, (num){.seq = i}).seq, i);
  }
  assert_int_equal(rk_runtime_subscribe(rt, "a/#", actor, 0, &sub, NULL), RK_OK);
  for (int damage = 0; damage < 2; ++damage) {
    bool published = damage != 0;
    uint64_t at = slot_of(actor)->host_tail; /* the block is at rest: nothing is under way */
    assert_int_equal(rk_actor_deactivate(actor, NULL), RK_OK);
    if (published) {
      assert_int_equal(rk_runtime_publish(rt, "a/b", NUM, &m, sizeof(m), false, &reached, NULL),
                       RK_OK);
      assert_int_equal(reached, 1);
    } else {
      send_num(rt, actor, m);
    }
    size_t bytes = 16;
    uint64_t words[2];
    assert_int_equal(rk_actor_peek_state(actor, words, &bytes, NULL), RK_OK); /* it has arrived */
    rk_abi_msg *slot = rkd_slot(slot_of(actor)->host_slots, slot_of(actor)->host_mask,
                                slot_of(actor)->slot_bytes, at);
    ((num *)rkd_slot_payload(slot))->b ^= 1u;
    assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
    assert_int_equal(letter(rt, (size_t)damage, "corrupt", NULL).b, 1);
    expect_nothing(rt, actor);
  }
  rk_subscription_close(sub);
  rk_actor_release(actor);
  close_runtime(rt);
}

/* What a definition does not emit it cannot send, however large: the room for it was not made. */
static void messages_larger_than_all_that_is_emitted_are_refused(void **state)
{
  (void)state;
  static const kernel_form form = {
      .name = "oversize",
      .burst = 4,
      .types = "typedef struct Big { rk_u64 words[1000]; } Big;\n#define RK_TYPE_Big 0xb16u\n",
      .accepts = {"Num", "Big"},
      .source = "RK_ON(Num) {\n"
                "  static Big big;\n"
                "  Num out = *msg;\n"
                "  (void)state;\n"
                "  out.a = (rk_u64)(rk_i64)rk_reply(ctx, Big, &big);\n"
                "  out.b = (rk_u64)(rk_i64)rk_publish(ctx, \"a\", Big, &big);\n"
                "  out.c = (rk_u64)(rk_i64)rk_send_to(ctx, 0, Big, &big);\n"
                "  rk_reply(ctx, Num, &out);\n"
                "}\n"
                "RK_ON(Big) { (void)ctx; (void)msg; (void)state; }\n",
  };
  rk_runtime *rt = open_runtime((rk_runtime_options){.ring_units = 256});
  rk_actor *actor = launch_form(rt, &form, 16, 0);
  for (uint64_t i = 0; i < 200; ++i) {
    num m = ask(rt, actor, (num){.seq = i});
    assert_int_equal(m.seq, i);
    assert_int_equal((int64_t)m.a, RK_ETOO_LARGE);
    assert_int_equal((int64_t)m.b, RK_ETOO_LARGE);
    assert_int_equal((int64_t)m.c, RK_ETOO_LARGE);
  }
  rk_actor_release(actor);
  close_runtime(rt);
}

/* ---- commands ---- */

static const kernel_form impulse_form = {
    .name = "impulse",
    .types = "typedef struct Impulse { rk_u32 x, y, z; rk_f32 amplitude; } Impulse;\n"
             "#define RK_TYPE_Impulse 0xf2040895u\n"
             "typedef struct Source { rk_u32 x, y, z; rk_f32 frequency, amplitude; } Source;\n"
             "#define RK_TYPE_Source 0x778d3449u\n",
    .accepts = {"Num", "Impulse", "Source"},
    .state = "rk_u64 n;",
    .ports = {"out"},
    .source = "RK_ON(Num) { state->n += 1; rk_reply(ctx, Num, msg); }\n"
              "RK_ON(Impulse) {\n"
              "  Num m = { msg->x, msg->y, msg->z, (rk_u64)msg->amplitude };\n"
              "  state->n += 1; rk_send_to(ctx, 0, Num, &m);\n"
              "}\n"
              "RK_ON(Source) {\n"
              "  Num m = { msg->x, msg->y, (rk_u64)msg->frequency, (rk_u64)msg->amplitude };\n"
              "  state->n += 1; rk_send_to(ctx, 0, Num, &m);\n"
              "}\n",
};

/* Every number is answered, in time, with what the list in rk_abi.h says; those that do not exist,
 * with an error. Each meets an actor of its own, active and with nothing to do. */
static void every_command_is_answered(void **state)
{
  (void)state;
  static const struct {
    uint32_t code, answer;
    int error;
  } known[] = {
      {RK_CMD_NOP, RK_RSP_ACK, 0},
      {RK_CMD_RUN_STEPS, RK_RSP_PROGRESS, 0},
      {RK_CMD_PAUSE, RK_RSP_ACK, 0},
      {RK_CMD_RESUME, RK_RSP_ACK, 0},
      {RK_CMD_INJECT_IMPULSE, RK_RSP_ACK, 0},
      {RK_CMD_SET_SOURCE, RK_RSP_ACK, 0},
      {RK_CMD_GET_PROGRESS, RK_RSP_PROGRESS, 0},
      {RK_CMD_CREATE_ACTOR, RK_RSP_ERROR, RK_EINVALID_STATE}, /* it is there */
      {RK_CMD_DESTROY_ACTOR, RK_RSP_ACTOR_DESTROYED, 0},
      {RK_CMD_RESTART_ACTOR, RK_RSP_ACTOR_RESTARTED, 0},
      {RK_CMD_HEARTBEAT_REQUEST, RK_RSP_HEARTBEAT, 0},
      {RK_CMD_SNAPSHOT_ACTOR, RK_RSP_SNAPSHOT_COMPLETE, 0},
      {RK_CMD_BEGIN_QUIESCE, RK_RSP_QUIESCE_COMPLETE, 0},
      {RK_CMD_FINALIZE_MIGRATION, RK_RSP_MIGRATION_COMPLETE, 0},
      {RK_CMD_RESTORE_STATE, RK_RSP_ERROR, RK_EINVAL},          /* no bytes given */
      {RK_CMD_ACTIVATE_ACTOR, RK_RSP_ERROR, RK_EINVALID_STATE}, /* it is active */
      {RK_CMD_DEACTIVATE_ACTOR, RK_RSP_ACK, 0},
      {RK_CMD_CONNECT_PORT, RK_RSP_ACK, 0},
      {RK_CMD_DISCONNECT_PORT, RK_RSP_ACK, 0},
      {RK_CMD_FREE_SLOT, RK_RSP_SLOT_FREED, RK_EINVALID_STATE}, /* it is alive */
      {RK_CMD_TRANSPORT, RK_RSP_ERROR, RK_EINVAL},              /* rings without heads stay plain */
      {RK_CMD_TEST_RINGS, RK_RSP_ERROR, RK_EINVAL},             /* at no address */
      {RK_CMD_LATENCY_ACTOR, RK_RSP_ERROR, RK_EUNSUPPORTED},    /* none are kept */
      {RK_CMD_TRACE, RK_RSP_ERROR, RK_EUNSUPPORTED},            /* there is none */
      {RK_CMD_CLOCK, RK_RSP_ACK, 0},
  };
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_kernel *kernel = make_kernel(rt, &impulse_form);
  uint32_t count = 0;
  for (uint32_t code = 0; code <= 85; ++code) {
    if (code == RK_CMD_TERMINATE || code == RK_CMD_PARK) {
      continue;
    } /* closing and renewing are what sends them: generation_test.c */
    uint32_t use = code == 83   ? 0x7fffffffu
                   : code == 84 ? UINT32_MAX
                   : code == 85 ? 1000000u
                                : code;
    uint32_t answer = RK_RSP_ERROR;
    int error = RK_EUNSUPPORTED;
    for (size_t i = 0; i < RK_ARRAY_LEN(known); ++i) {
      if (known[i].code == use) {
        answer = known[i].answer;
        error = known[i].error;
        ++count;
      }
    }
    rk_actor *actor = launch(rt, kernel, 4, (int32_t)(code % 2u));
    rk_abi_response got = {.code = UINT32_MAX};
    rk_abi_command command = {.code = use, .param1 = actor->slot};
    if (use == RK_CMD_INJECT_IMPULSE || use == RK_CMD_SET_SOURCE) {
      command.param3 = actor->slot;
    }
    if (use == RK_CMD_RUN_STEPS) {
      command.param1 = 3;
    }
    int rc = rk__command(rt, code % 2u, 0u, &command, &got, NULL);
    if (got.code != answer || rc != error || got.error_code != error) {
      fail_msg("command %u: answer %u, error %d; expected %u, %d", use, got.code, rc, answer,
               error);
    }
    rk_actor_release(actor);
  }
  assert_int_equal(count, RK_ARRAY_LEN(known));
  rk_kernel_close(kernel);
  close_runtime(rt);
}

static void commands_do_what_they_say(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *actor = launch_form(rt, &impulse_form, 8, 1);
  uint32_t slot = actor->slot;
  rk_command_result r;
  /* Simulation: messages made of numbers. */
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_INJECT_IMPULSE, UINT64_C(7) << 32 | 8, 9, slot,
                                      10, 0, &r, NULL),
                   RK_OK);
  num m = receive_num(rt, actor);
  assert_true(m.seq == 7 && m.a == 8 && m.b == 9 && m.c == 10);
  assert_int_equal(
      rk_runtime_command(rt, 1, RK_CMD_SET_SOURCE, UINT64_C(1) << 32 | 2, 3, slot, 4, 5, &r, NULL),
      RK_OK);
  m = receive_num(rt, actor);
  assert_true(m.seq == 1 && m.a == 2 && m.b == 4 && m.c == 5);
  /* Steps. */
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_PAUSE, 0, 0, 0, 0, 0, &r, NULL), RK_OK);
  for (uint64_t i = 0; i < 8; ++i) {
    send_num(rt, actor, (num){.seq = i});
  }
  expect_nothing(rt, actor);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_RUN_STEPS, 3, 0, 0, 0, 0, &r, NULL), RK_OK);
  assert_int_equal(r.steps_remaining, 3);
  for (uint64_t i = 0; i < 3; ++i) {
    assert_int_equal(receive_num(rt, actor).seq, i);
  }
  expect_nothing(rt, actor);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_GET_PROGRESS, 0, 0, 0, 0, 0, &r, NULL), RK_OK);
  assert_int_equal(r.step, 5);
  assert_int_equal(r.steps_remaining, 0);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_HEARTBEAT_REQUEST, slot, 0, 0, 0, 0, &r, NULL),
                   RK_OK);
  assert_int_equal(r.step, 5);
  assert_int_equal(r.steps_remaining, 5); /* queued */
  assert_int_equal(r.actor, rk_actor_id(actor));
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_RESUME, 0, 0, 0, 0, 0, &r, NULL), RK_OK);
  for (uint64_t i = 3; i < 8; ++i) {
    assert_int_equal(receive_num(rt, actor).seq, i);
  }
  /* State out and in again. */
  uint64_t place = rk_arena_take(&rt->shared_arena, 8);
  uint64_t *copy = RK_PTR(uint64_t, place);
  assert_non_null(copy);
  rk_abi_command restore = {
      .code = RK_CMD_RESTORE_STATE, .param1 = slot, .param2 = 1, .bytes = 8, .address = place};
  *copy = 1000;
  assert_int_equal(rk__command(rt, 1, actor->id, &restore, NULL, NULL), RK_EINVALID_STATE);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_BEGIN_QUIESCE, slot, 0, 0, 0, 0, &r, NULL),
                   RK_OK);
  assert_string_equal(rk_actor_state(actor), "deactivated");
  assert_int_equal(rk__command(rt, 1, actor->id, &restore, NULL, NULL), RK_ECORRUPT);
  restore.param2 = rkd_checksum(copy, 8);
  assert_int_equal(rk__command(rt, 1, actor->id, &restore, NULL, NULL), RK_OK);
  assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
  (void)ask(rt, actor, (num){0});
  uint64_t n = 0;
  size_t bytes = sizeof(n);
  assert_int_equal(rk_actor_peek_state(actor, &n, &bytes, NULL), RK_OK);
  assert_int_equal(n, 1001);
  rk_arena_give(&rt->shared_arena, place, 8);
  /* The wrong block, a slot that is free, one that cannot be, and what only the runtime may do. */
  assert_int_equal(rk_runtime_command(rt, 0, RK_CMD_HEARTBEAT_REQUEST, slot, 0, 0, 0, 0, &r, NULL),
                   RK_OK);
  assert_int_equal(r.error, RK_ENOT_FOUND);
  assert_int_equal(
      rk_runtime_command(rt, 1, RK_CMD_HEARTBEAT_REQUEST, slot + 1u, 0, 0, 0, 0, &r, NULL), RK_OK);
  assert_int_equal(r.error, RK_ENOT_FOUND);
  assert_int_equal(
      rk_runtime_command(rt, 1, RK_CMD_HEARTBEAT_REQUEST, UINT64_MAX, 0, 0, 0, 0, &r, NULL), RK_OK);
  assert_int_equal(r.error, RK_ENOT_FOUND);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_TERMINATE, 0, 0, 0, 0, 0, &r, NULL),
                   RK_EDENIED);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_CREATE_ACTOR, slot, 0, 0, 0, 0, &r, NULL),
                   RK_EDENIED);
  assert_int_equal(rk_runtime_command(rt, 9, RK_CMD_NOP, 0, 0, 0, 0, 0, &r, NULL), RK_EINVAL);
  assert_int_equal(rk_runtime_command(rt, 1, RK_CMD_FINALIZE_MIGRATION, slot, 0, 0, 0, 0, &r, NULL),
                   RK_OK);
  assert_int_equal(r.code, RK_RSP_MIGRATION_COMPLETE);
  assert_string_equal(rk_actor_state(actor), "terminated");
  rk_actor_release(actor);
  close_runtime(rt);
}

/* ---- looking at the state ---- */

static void state_is_copied_between_messages(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *actor = launch_form(rt, &echo_form, 64, 0);
  uint64_t sent = 0, got = 0, last = 0, small = 0;
  size_t bytes = sizeof(small);
  assert_int_equal(rk_actor_peek_state(actor, &small, &bytes, NULL), RK_ETOO_LARGE);
  for (int looks = 0; looks < ROUNDS(3000); ++looks) {
    uint64_t words[4] = {0};
    rk_received r;
    bytes = sizeof(words);
    while (try_send(actor, (num){.seq = sent}) == RK_OK) {
      ++sent;
    }
    assert_int_equal(rk_actor_peek_state(actor, words, &bytes, NULL), RK_OK);
    assert_int_equal(bytes, 16);
    assert_int_equal(words[1], 2 * words[0]);
    assert_true(words[0] >= last && words[0] <= sent);
    last = words[0];
    while (rk_actor_try_receive(actor, &r) == RK_OK) {
      assert_int_equal(((const num *)r.data)->seq, got++);
    }
  }
  rk_actor_release(actor);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(many_lanes_reduce_and_reply_once),
      cmocka_unit_test(lanes_that_misbehave_fail_the_actor),
      cmocka_unit_test(failing_keeps_the_queue_and_restarting_zeroes_the_state),
      cmocka_unit_test(stopping_ends_an_actor_from_inside),
      cmocka_unit_test(a_start_handler_that_fails_leaves_nothing_behind),
      cmocka_unit_test(past_deadlines_are_dead_letters),
      cmocka_unit_test(high_priority_overtakes),
      cmocka_unit_test(payload_that_changed_on_the_way_is_refused),
      cmocka_unit_test(messages_larger_than_all_that_is_emitted_are_refused),
      cmocka_unit_test(every_command_is_answered),
      cmocka_unit_test(commands_do_what_they_say),
      cmocka_unit_test(state_is_copied_between_messages),
  };
  return cmocka_run_group_tests_name("rules", tests, make_cache, remove_cache);
}
