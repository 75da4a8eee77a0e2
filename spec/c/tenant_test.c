/* SPDX-License-Identifier: MIT */
/*
 * Tenants below the API: messages that reach a queue although no sender would have been allowed to
 * put them there, the copies of the grants that blocks keep, revocation while lanes of all blocks
 * send, and the bucket.
 */
#include "runtime_helper.h"

#include "runtime/tenant.h"

static const kernel_form counter_form = {
    .name = "counter",
    .state = "rk_u64 count;",
    .source = "RK_ON(Num) {\n"
              "  Num answer = *msg;\n"
              "  state->count += 1;\n"
              "  answer.a = state->count;\n"
              "  rk_reply(ctx, Num, &answer);\n"
              "}\n",
};

/* Sends to the actor that a names, and to itself again until it was refused b times. Counts in its
 * state: accepted, refused for the tenant, full. */
static const kernel_form flood_form = {
    .name = "flood",
    .state = "rk_u64 sent, refused, full;",
    .source = "RK_ON(Num) {\n"
              "  Num m = { state->sent, 0, 0, 0 };\n"
              "  int rc = rk_send_to(ctx, msg->a, Num, &m);\n"
              "  state->sent += rc == 0;\n"
              "  state->refused += rc == RK_ETENANT_MISMATCH;\n"
              "  state->full += rc == RK_EFULL;\n"
              "  if (state->refused < msg->b) { (void)rk_send_to(ctx, rk_self(ctx), Num, msg); }\n"
              "}\n",
};

static const kernel_form sink_of_form = {
    .name = "sink_of",
    .silent = true,
    .state = "rk_u64 count, last, disorder;",
    .source = "RK_ON(Num) {\n"
              "  (void)ctx;\n"
              "  state->disorder += state->count != 0 && msg->seq <= state->last;\n"
              "  state->count += 1;\n"
              "  state->last = msg->seq;\n"
              "}\n",
};

static rk_actor *launch_in(rk_runtime *rt, const kernel_form *form, uint32_t as, int32_t block,
                           uint32_t queue, bool inactive)
{
  rk_kernel *kernel = make_kernel(rt, form);
  rk_launch_options options = {.block = block, .as = as, .queue = queue, .inactive = inactive};
  rk_actor *actor = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_actor_launch(rt, kernel, &options, &actor, NULL, &err) != RK_OK) {
    fail_msg("launch: %s", err.text);
  }
  rk_kernel_close(kernel);
  return actor;
}

static uint32_t tenant(rk_runtime *rt, const char *name)
{
  uint32_t as = 0;
  rk_error err = RK_ERROR_INIT;
  if (rk_runtime_tenant(rt, name, NULL, &as, &err) != RK_OK) {
    fail_msg("tenant: %s", err.text);
  }
  return as;
}

static uint64_t word_of(rk_actor *actor, size_t index)
{
  uint64_t words[4] = {0};
  size_t bytes = sizeof(words);
  assert_int_equal(rk_actor_peek_state(actor, words, &bytes, NULL), RK_OK);
  return words[index];
}

/* Puts a message of a tenant's into the queue, past every check of the sender's side. */
static void forge(rk_actor *to, uint8_t from, uint32_t source, uint64_t seq)
{
  num m = {.seq = seq};
  rk_abi_msg header = {.id = ++to->rt->next_id,
                       .hlc = rk_hlc_tick(&to->rt->clock),
                       .source = source,
                       .type = NUM,
                       .size_bytes = sizeof(m),
                       .reason = from};
  assert_int_equal(rk__send(to, &header, &m), RK_OK);
  rk_runtime_flush(to->rt);
}

static uint64_t letters_for_tenant(rk_runtime *rt)
{
  rk_received letter;
  uint64_t count = 0;
  for (size_t i = 0; rk_runtime_dead_letter(rt, i, &letter, NULL) == RK_OK; ++i) {
    count += letter.reason == RK_DEAD_TENANT;
  }
  return count;
}

/* ---- the receiver's side --------------------------------------------------------------------- */

static void a_forged_message_is_not_handled(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  uint32_t blue = tenant(rt, "blue"), green = tenant(rt, "green");
  rk_actor *to = launch_in(rt, &counter_form, blue, 0, 64, false);
  rk_actor *from = launch_in(rt, &counter_form, green, 1, 64, false);
  rk_received r;
  for (uint64_t seq = 1; seq <= 20; ++seq) {
    forge(to, (uint8_t)(green - 1u), (uint32_t)from->id, seq);
    forge(to, 0, RK_ID_HOST, seq);   /* the default tenant is no better */
    forge(to, 255, RK_ID_HOST, seq); /* and one that there is not */
  }
  assert_int_equal(try_send(to, (num){.seq = 99}), RK_OK);
  assert_int_equal(receive_within(rt, to, &r, 5 * SECOND), RK_OK);
  assert_int_equal(((const num *)r.data)->a, 1); /* the first that it has handled */
  assert_int_equal(letters_for_tenant(rt), 60);
  rk_audit_entry e;
  assert_true(rk_runtime_audit(rt, 0, &e));
  assert_string_equal(e.action, "deliver");
  assert_string_equal(e.tenant, "green");
  assert_string_equal(e.other, "blue");
  assert_int_equal(e.actor, from->id);
  rk_actor_release(to);
  rk_actor_release(from);
  close_runtime(rt);
}

/* Each side looks for itself: a block that has heard of only half a grant. */
static void both_sides_look(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2});
  uint32_t blue = tenant(rt, "blue"), green = tenant(rt, "green");
  rk_actor *to = launch_in(rt, &sink_of_form, blue, 0, 64, false);
  rk_actor *from = launch_in(rt, &flood_form, green, 1, 64, false);
  rk_abi_command command = {
      .code = RK_CMD_TENANT, .flags = RK_TENANT_SEND, .param1 = blue - 1u, .param2 = green - 1u};
  assert_int_equal(rk__command(rt, 1, 0u, &command, NULL, NULL), RK_OK);
  /* the sender may, the receiver does not accept: dead, not handled */
  uint64_t sent = 0;
  assert_int_equal(try_send(from, (num){.a = rk_actor_id(to), .b = 1}), RK_OK);
  while ((sent = word_of(from, 0)) < 5) {
  }
  command.flags = RK_TENANT_BAR;
  assert_int_equal(rk__command(rt, 1, 0u, &command, NULL, NULL), RK_OK);
  while (word_of(from, 1) == 0) {
  }
  sent = word_of(from, 0);
  uint64_t deadline = rk_clock_deadline(5 * SECOND);
  while (letters_for_tenant(rt) < sent && rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(rt, MILLISECOND);
    (void)rk_runtime_drain(rt);
  }
  assert_int_equal(letters_for_tenant(rt), sent);
  assert_int_equal(word_of(to, 0), 0);
  rk_actor_release(to);
  rk_actor_release(from);
  close_runtime(rt);
}

static void bad_commands_are_refused(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_abi_command bad[] = {
      {.code = RK_CMD_TENANT, .flags = RK_TENANT_ACCEPT, .param1 = RK_TENANTS_MAX},
      {.code = RK_CMD_TENANT, .flags = RK_TENANT_SEND, .param2 = RK_TENANTS_MAX},
      {.code = RK_CMD_TENANT, .flags = 0},
      {.code = RK_CMD_TENANT, .flags = RK_TENANT_SWEEP + 1u},
      {.code = RK_CMD_TENANT, .flags = RK_TENANT_LIMIT, .param1 = UINT64_MAX},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); ++i) {
    assert_int_equal(rk__command(rt, 0, 0u, &bad[i], NULL, NULL), RK_EINVAL);
  }
  rk_command_result result;
  assert_int_equal(rk_runtime_command(rt, 0, RK_CMD_TENANT, 0, 0, 0, 0, 0, &result, NULL),
                   RK_EDENIED);
  close_runtime(rt);
}

static void bad_arguments_are_refused(void **state)
{
  (void)state;
  static const rk_tenant_limits bad[] = {
      {.rate = -1}, {.rate = 1e10}, {.rate = 1, .burst = 0.5}, {.burst = 3}};
  static const char long_name[] =
      "0123456789012345678901234567890123456789012345678901234567890123";
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  uint32_t as = 0;
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); ++i) {
    assert_int_equal(rk_runtime_tenant(rt, "x", &bad[i], &as, NULL), RK_EINVAL);
  }
  assert_int_equal(rk_runtime_tenant(rt, "", NULL, &as, NULL), RK_EINVAL);
  assert_int_equal(rk_runtime_tenant(rt, long_name, NULL, &as, NULL), RK_EINVAL);
  assert_int_equal(as, 0);
  assert_int_equal(rk_runtime_tenant_find(rt, "x"), 0);
  uint32_t blue = tenant(rt, "blue");
  assert_int_equal(rk_runtime_grant(rt, blue, blue, NULL), RK_EINVAL);
  assert_int_equal(rk_runtime_grant(rt, blue, 0, NULL), RK_ENOT_FOUND);
  assert_int_equal(rk_runtime_revoke(rt, 77, blue, NULL, NULL), RK_ENOT_FOUND);
  assert_false(rk_runtime_granted(rt, blue, 1000));
  close_runtime(rt);
}

/* ---- revocation ------------------------------------------------------------------------------ */

/* Four senders on four blocks flood a receiver; the grant comes and goes under them. What they were
 * told is accepted is handled or dead, and after each revocation the count stands still. */
static void revocation_under_load_counts_every_message(void **state)
{
  (void)state;
  enum { SENDERS = 4, REVOCATIONS = 40 };
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = SENDERS, .dead_letters = 100});
  uint32_t blue = tenant(rt, "blue"), green = tenant(rt, "green");
  rk_actor *to = launch_in(rt, &sink_of_form, blue, 0, 256, false);
  rk_actor *from[SENDERS];
  for (int i = 0; i < SENDERS; ++i) {
    from[i] = launch_in(rt, &flood_form, green, i, 64, false);
  }
  uint64_t swept_in_all = 0;
  for (uint64_t round = 1; round <= (uint64_t)ROUNDS(REVOCATIONS); ++round) {
    uint64_t swept = 0, sent = 0, before = 0;
    assert_int_equal(rk_runtime_grant(rt, blue, green, NULL), RK_OK);
    for (int i = 0; i < SENDERS; ++i) {
      before += word_of(from[i], 0);
      assert_int_equal(try_send(from[i], (num){.a = rk_actor_id(to), .b = 5 * round}), RK_OK);
    }
    while (word_of(from[round % SENDERS], 0) < 50 * round && word_of(to, 0) < before + 400) {
    }
    assert_int_equal(rk_runtime_revoke(rt, blue, green, &swept, NULL), RK_OK);
    uint64_t handled = word_of(to, 0);
    swept_in_all += swept;
    for (int i = 0; i < SENDERS; ++i) {
      while (word_of(from[i], 1) < 5 * round) {
      }
      sent += word_of(from[i], 0);
    }
    assert_int_equal(word_of(to, 0), handled);
    rk_runtime_stats stats;
    rk_runtime_stats_get(rt, &stats);
    assert_int_equal(stats.dead_letters, swept_in_all);
    assert_int_equal(sent, handled + swept_in_all);
  }
  rk_actor_release(to);
  for (int i = 0; i < SENDERS; ++i) {
    rk_actor_release(from[i]);
  }
  close_runtime(rt);
}

/* More is queued than the ring to the host has room for. */
static void a_sweep_goes_on_where_the_ring_was_full(void **state)
{
  (void)state;
  enum { COUNT = 500 };
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 1, .ring_units = 64});
  uint32_t blue = tenant(rt, "blue"), green = tenant(rt, "green");
  rk_actor *to = launch_in(rt, &sink_of_form, blue, 0, 1024, true);
  rk_send_options options = {.as = green};
  uint64_t swept = 0;
  assert_int_equal(rk_runtime_grant(rt, blue, green, NULL), RK_OK);
  for (uint64_t seq = 0; seq < COUNT; ++seq) {
    num m = {.seq = seq};
    int rc;
    while ((rc = rk_actor_send(to, NUM, &m, sizeof(m), &options, NULL, NULL)) == RK_EFULL) {
      (void)rk_runtime_wait(rt, MILLISECOND);
    }
    assert_int_equal(rc, RK_OK);
  }
  assert_int_equal(rk_runtime_revoke(rt, blue, green, &swept, NULL), RK_OK);
  assert_int_equal(swept, COUNT);
  assert_int_equal(letters_for_tenant(rt), COUNT);
  assert_int_equal(rk_actor_activate(to, NULL), RK_OK);
  assert_int_equal(try_send(to, (num){.seq = COUNT}), RK_OK);
  while (word_of(to, 0) == 0) {
  }
  assert_int_equal(word_of(to, 1), COUNT);
  rk_actor_release(to);
  close_runtime(rt);
}

/* ---- the bucket ------------------------------------------------------------------------------ */

static void a_bucket_fills_with_time(void **state)
{
  (void)state;
  rk_abi_bucket bucket = {.period_ns = 100, .depth_ns = 300};
  const rk_u64 start = 5000000000u;
  for (int i = 0; i < 3; ++i) {
    assert_true(rkd_bucket_take(&bucket, start));
  }
  assert_false(rkd_bucket_take(&bucket, start));
  assert_false(rkd_bucket_take(&bucket, start + 99));
  assert_true(rkd_bucket_take(&bucket, start + 100));
  assert_false(rkd_bucket_take(&bucket, start + 100));
  for (int i = 0; i < 3; ++i) { /* never more than it holds */
    assert_true(rkd_bucket_take(&bucket, start + 1000000));
  }
  assert_false(rkd_bucket_take(&bucket, start + 1000000));
  /* the clock is set back: empty, and full again in its time, not at the old one */
  assert_false(rkd_bucket_take(&bucket, 1000));
  assert_false(rkd_bucket_take(&bucket, 1050));
  assert_true(rkd_bucket_take(&bucket, 1100));
  assert_false(rkd_bucket_take(&bucket, 1100));
  /* another reader's clock is behind by less than the slack: nothing is given twice */
  bucket = (rk_abi_bucket){.period_ns = 100, .depth_ns = 100};
  assert_true(rkd_bucket_take(&bucket, start));
  assert_false(rkd_bucket_take(&bucket, start - RK_BUCKET_SLACK_NS / 2));
  assert_false(rkd_bucket_take(&bucket, start + 99));
  assert_true(rkd_bucket_take(&bucket, start + 100));
  bucket = (rk_abi_bucket){0};
  assert_true(rkd_bucket_take(&bucket, 0));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_forged_message_is_not_handled),
      cmocka_unit_test(both_sides_look),
      cmocka_unit_test(bad_commands_are_refused),
      cmocka_unit_test(bad_arguments_are_refused),
      cmocka_unit_test(revocation_under_load_counts_every_message),
      cmocka_unit_test(a_sweep_goes_on_where_the_ring_was_full),
      cmocka_unit_test(a_bucket_fills_with_time),
  };
  return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
