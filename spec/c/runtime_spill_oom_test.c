/* SPDX-License-Identifier: MIT */
/*
 * Messages that wait on the disk, with a disk that is full, fails or lies, and with memory that runs
 * out at each point: nothing is lost but what cannot be read back, the order stays, nothing leaks.
 */
#include "runtime_helper.h"

#include "runtime/spill.h"

#define WIDE 0x77696465u
typedef struct wide {
  uint64_t seq, fill[127];
} wide;

static const kernel_form wide_form = {
    .name = "wide",
    .types = "typedef struct Wide { rk_u64 seq, fill[127]; } Wide;\n"
             "RK_CHECK_SIZE(Wide, 1024);\n#define RK_TYPE_Wide 0x77696465u\n",
    .emits = {"Wide"},
    .source = "RK_ON(Num) {\n"
              "  Wide out;\n"
              "  (void)state;\n"
              "  out.seq = msg->seq;\n"
              "  for (rk_u32 i = 0; i < 127u; ++i) { out.fill[i] = msg->seq * 127u + i; }\n"
              "  rk_reply(ctx, Wide, &out);\n"
              "}\n",
};

static rk_runtime *rt;
static rk_actor *actor;
static rk_platform disk; /* the real one, but for what a test puts there */

static int setup(void **state)
{
  (void)state;
  disk = *rk_platform_real();
  rk_platform_set(&disk);
  rt = open_runtime((rk_runtime_options){.blocks = 1, .spill = cache_folder});
  actor = launch_form(rt, &wide_form, 512, 0);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  rk_actor_release(actor);
  close_runtime(rt);
  rk_platform_set(NULL);
  return 0;
}

static size_t waiting(void)
{
  rk_actor_stats stats;
  assert_int_equal(rk_actor_stats_get(actor, &stats, NULL), RK_OK);
  return stats.waiting_out;
}

static rk_runtime_stats stats_now(void)
{
  rk_runtime_stats stats;
  rk_runtime_stats_get(rt, &stats);
  return stats;
}

/* Has messages first..last wait behind what waits. */
static void fill(uint64_t first, uint64_t last)
{
  size_t goal = waiting() + (size_t)(last - first + 1u);
  for (uint64_t seq = first; seq <= last; ++seq) {
    send_num(rt, actor, (num){.seq = seq});
  }
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  while (waiting() != goal && rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(rt, MILLISECOND);
  }
  assert_int_equal(waiting(), goal);
}

static uint64_t spill(void)
{
  rk_spill_tally tally = {0};
  rt->spill->file.not_before_ns = 0;
  (void)rk__spill_actor(actor, &tally);
  return tally.messages;
}

/* Takes one and checks all of it; *seq becomes its number. */
static int take(uint64_t *seq)
{
  rk_received r;
  wide m;
  int rc = rk_actor_try_receive(actor, &r);
  if (rc != RK_OK) {
    return rc;
  }
  assert_int_equal(r.size, sizeof(m));
  memcpy(&m, r.data, sizeof(m));
  for (uint64_t i = 0; i < 127u; ++i) {
    assert_int_equal(m.fill[i], m.seq * 127u + i);
  }
  *seq = m.seq;
  return RK_OK;
}

static void take_all(uint64_t first, uint64_t last)
{
  uint64_t seq = 0;
  for (uint64_t want = first; want <= last; ++want) {
    assert_int_equal(take(&seq), RK_OK);
    assert_int_equal(seq, want);
  }
}

static void nothing_is_left(void)
{
  uint64_t seq = 0;
  assert_int_equal(take(&seq), RK_EEMPTY);
  assert_int_equal(waiting(), 0);
  assert_null(actor->spilled);
  assert_int_equal(stats_now().spilled_bytes, 0);
  assert_int_equal(stats_now().spilled_messages, 0);
}

/* ---- as it should be ------------------------------------------------------------------------- */

static void parts_are_read_in_order(void **state)
{
  (void)state;
  fill(1, 100);
  uint64_t before = rk_actor_memory_used(actor);
  assert_int_equal(spill(), 100);
  assert_true(rk_actor_memory_used(actor) + 100u * sizeof(wide) < before);
  assert_int_equal(spill(), 0);
  fill(101, 200);
  assert_int_equal(spill(), 100);
  fill(201, 300);
  take_all(1, 150);
  fill(301, 310);
  assert_int_equal(spill(), 110);
  take_all(151, 310);
  nothing_is_left();
  assert_int_equal(stats_now().spilled_total, 310);
}

static void a_view_stays_while_the_rest_goes(void **state)
{
  (void)state;
  rk_received r;
  fill(1, 100);
  assert_int_equal(rk_actor_try_receive(actor, &r), RK_OK);
  uint64_t before = rk_actor_memory_used(actor);
  assert_int_equal(spill(), 99);
  assert_int_equal(((const wide *)r.data)->seq, 1);
  assert_int_equal(((const wide *)r.data)->fill[126], 127u + 126u);
  assert_true(rk_actor_memory_used(actor) >=
              before); /* what it lies in is still there, and counts */
  rk_actor_let_go(actor);
  assert_true(rk_actor_memory_used(actor) + 90u * sizeof(wide) < before);
  take_all(2, 100);
  nothing_is_left();
}

/* ---- a disk without room --------------------------------------------------------------------- */

static unsigned writes_left; /* before it is full */

static int write_until_full(int fd, uint64_t offset, const void *data, size_t size, rk_error *err)
{
  if (writes_left == 0) { /* half of it is there */
    (void)rk_platform_real()->scratch_write(fd, offset, data, size / 2, NULL);
    return rk_error_set(err, RK_EIO, "cannot write: no space left");
  }
  writes_left -= 1;
  return rk_platform_real()->scratch_write(fd, offset, data, size, err);
}

static void without_room_they_stay_in_memory(void **state)
{
  (void)state;
  disk.scratch_write = write_until_full;
  fill(1, 400);
  for (unsigned n = 0; n < 3; ++n) { /* 400 need four writes: all of them, or none */
    writes_left = n;
    assert_int_equal(spill(), 0);
    assert_int_equal(stats_now().spilled_bytes, 0);
  }
  assert_int_equal(stats_now().spill_refused, 3);
  assert_int_equal(stats_now().spilled_total, 0);
  take_all(1, 200);
  writes_left = 100;
  assert_int_equal(spill(), 200);
  fill(401, 600);
  writes_left = 1; /* what has come since may go in part */
  uint64_t part = spill();
  assert_in_range(part, 50, 150);
  fill(601, 610);
  take_all(201, 500);
  writes_left = 100;
  (void)spill();
  take_all(501, 610);
  nothing_is_left();
  disk.scratch_write = rk_platform_real()->scratch_write;
}

/* ---- a disk that fails or lies --------------------------------------------------------------- */

static size_t damaged_at; /* byte of what is read */
static int read_result;

static int read_damaged(int fd, uint64_t offset, void *into, size_t size, rk_error *err)
{
  int rc = rk_platform_real()->scratch_read(fd, offset, into, size, err);
  if (read_result != RK_OK) {
    return rk_error_set(err, read_result, "cannot read: the disk is broken");
  }
  if (damaged_at < size) {
    ((unsigned char *)into)[damaged_at] ^= 0x10u;
  }
  return rc;
}

static void every_damaged_byte_is_noticed(void **state)
{
  (void)state;
  size_t bytes = 0;
  for (size_t at = 0; at == 0 || at < bytes; at += IS_SANITIZED ? 97 : 5) {
    uint64_t seq = 0, last = 0;
    unsigned got = 0, told = 0;
    uint64_t lost = stats_now().spill_lost, letters = stats_now().dead_letters;
    fill(1, 3);
    assert_int_equal(spill(), 3);
    bytes = actor->spilled->first->used;
    disk.scratch_read = read_damaged;
    damaged_at = at;
    for (int rc = RK_OK; rc != RK_EEMPTY;) {
      rc = take(&seq);
      got += rc == RK_OK;
      told += rc == RK_ECORRUPT;
      assert_true(rc != RK_OK || seq > last);
      last = seq;
    }
    disk.scratch_read = rk_platform_real()->scratch_read;
    assert_int_equal(told, 1);
    assert_int_equal(got + stats_now().spill_lost - lost, 3);
    assert_in_range(stats_now().dead_letters - letters, 0, 1);
    assert_true(got < 3);
    nothing_is_left();
  }
  rk_error err = RK_ERROR_INIT;
  rk_runtime_spill_loss(rt, &err);
  assert_int_equal(err.status, RK_ECORRUPT);
  fill(1, 512); /* what was lost takes no room */
  take_all(1, 512);
}

static void a_disk_that_cannot_be_read_costs_what_is_on_it(void **state)
{
  (void)state;
  uint64_t seq = 0;
  fill(1, 300);
  assert_int_equal(spill(), 300);
  fill(301, 310);
  disk.scratch_read = read_damaged;
  read_result = RK_EOUT_OF_MEMORY; /* which may pass */
  assert_int_equal(take(&seq), RK_EOUT_OF_MEMORY);
  assert_int_equal(waiting(), 310);
  read_result = RK_EIO;
  assert_int_equal(take(&seq), RK_EIO);
  read_result = RK_OK;
  damaged_at = SIZE_MAX;
  uint64_t lost = stats_now().spill_lost;
  assert_in_range(lost, 50, 150); /* one piece */
  take_all(lost + 1u, 310);
  nothing_is_left();
  disk.scratch_read = rk_platform_real()->scratch_read;
}

/* ---- memory that runs out -------------------------------------------------------------------- */

/* Puts aside, takes and receives while there may be no memory; returns how many were taken. */
static uint64_t get_along(uint64_t sent)
{
  uint64_t seq = 0, taken = 0;
  (void)spill();
  for (unsigned i = 0; i < 2; ++i) {
    for (uint64_t seq_new = sent + 1u + i * 20u; seq_new <= sent + (i + 1u) * 20u; ++seq_new) {
      send_num(rt, actor, (num){.seq = seq_new});
    }
    (void)rk_runtime_drain(rt);
    while (taken < 90u * (i + 1u)) {
      int rc = take(&seq);
      assert_true(rc == RK_OK || rc == RK_EOUT_OF_MEMORY || rc == RK_EEMPTY);
      if (rc != RK_OK) {
        break;
      }
      taken += 1u;
      assert_int_equal(seq, taken);
    }
    (void)spill();
  }
  return taken;
}

static void memory_may_run_out_anywhere(bool forever)
{
  uint64_t points = 0;
  for (uint64_t k = 1;; ++k) {
    uint64_t before = 0;
    fill(1, 160);
    before = rk_alloc_count();
    rk_alloc_fail_at(k, forever);
    uint64_t taken = get_along(160);
    rk_alloc_fail_at(0, false);
    bool met = rk_alloc_count() - before >= k;
    uint64_t deadline = rk_clock_deadline(10 * SECOND), seq = 0;
    while (taken < 200 && rk_clock_mono_ns() < deadline) {
      int rc = take(&seq);
      if (rc == RK_OK) {
        taken += 1u;
        assert_int_equal(seq, taken);
      } else {
        assert_int_equal(rc, RK_EEMPTY);
        (void)rk_runtime_wait(rt, MILLISECOND);
      }
    }
    assert_int_equal(taken, 200);
    nothing_is_left();
    assert_int_equal(stats_now().spill_lost, 0);
    if (!met) {
      break;
    }
    points += 1u;
    assert_true(k < 500);
  }
  assert_true(points > 10);
}

static void one_allocation_fails(void **state)
{
  (void)state;
  memory_may_run_out_anywhere(false);
}

static void all_allocations_fail_from_one_on(void **state)
{
  (void)state;
  memory_may_run_out_anywhere(true);
}

/* ---- the file -------------------------------------------------------------------------------- */

static uint64_t random_state = 11;

static uint32_t random_below(uint32_t limit)
{
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % limit;
}

static bool is_whole(const rk_spill_file *file, const rk_spill_piece *piece)
{
  void *block = NULL;
  const rk_abi_msg *header = NULL;
  const void *payload = NULL;
  uint32_t at = 0;
  assert_int_equal(rk_spill_file_read(file, piece, &block, NULL), RK_OK);
  bool is_good = true;
  for (uint32_t i = 0; i < piece->count; ++i) {
    is_good = is_good &&
              rk_spill_file_look(piece, block, i, &at, &header, &payload) == RK_SPILL_GOOD;
  }
  rk_free(block);
  return is_good && at == piece->used;
}

static void pieces_share_a_file(void **state)
{
  (void)state;
  enum { PIECES = 40 };
  static unsigned char payload[RK_PAYLOAD_MAX_BYTES];
  rk_spill_piece *pieces[PIECES] = {NULL};
  const uint64_t max = UINT64_C(1) << 20;
  rk_spill_file file;
  unsigned refused = 0, made = 0;
  assert_int_equal(rk_spill_file_open(&file, cache_folder, max, NULL), RK_OK);
  for (unsigned round = 0; round < ROUNDS(2000u); ++round) {
    uint32_t which = random_below(PIECES);
    if (pieces[which] != NULL) {
      assert_true(is_whole(&file, pieces[which]));
      rk_spill_file_drop(&file, pieces[which]);
      pieces[which] = NULL;
      continue;
    }
    file.not_before_ns = 0;
    assert_true(rk_spill_file_begin(&file));
    uint32_t records = 1u + random_below(5);
    for (uint32_t i = 0; i < records; ++i) {
      rk_abi_msg header = {.id = round, .size_bytes = random_below(RK_PAYLOAD_MAX_BYTES + 1u)};
      memset(payload, (int)(round & 255u), header.size_bytes);
      bool fits = rk_spill_file_add(&file, &header, payload);
      assert_true(fits || i != 0); /* one of any size fits */
    }
    pieces[which] = rk_spill_file_write(&file, NULL);
    made += pieces[which] != NULL;
    refused += pieces[which] == NULL;
    assert_true(file.used <= max);
  }
  assert_true(made > 50 && refused > 5);
  for (uint32_t i = 0; i < PIECES; ++i) {
    if (pieces[i] != NULL) {
      assert_true(is_whole(&file, pieces[i]));
      rk_spill_file_drop(&file, pieces[i]);
    }
  }
  assert_int_equal(file.used, 0);
  assert_int_equal(file.messages, 0);
  assert_null(file.latest);
  rk_spill_file_close(&file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(parts_are_read_in_order, setup, teardown),
      cmocka_unit_test_setup_teardown(a_view_stays_while_the_rest_goes, setup, teardown),
      cmocka_unit_test_setup_teardown(without_room_they_stay_in_memory, setup, teardown),
      cmocka_unit_test_setup_teardown(every_damaged_byte_is_noticed, setup, teardown),
      cmocka_unit_test_setup_teardown(a_disk_that_cannot_be_read_costs_what_is_on_it, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(one_allocation_fails, setup, teardown),
      cmocka_unit_test_setup_teardown(all_allocations_fail_from_one_on, setup, teardown),
      cmocka_unit_test(pieces_share_a_file),
  };
  return cmocka_run_group_tests_name("spill", tests, make_cache, remove_cache);
}
