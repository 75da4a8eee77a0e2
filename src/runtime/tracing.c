/* SPDX-License-Identifier: MIT */
/*
 * Traces of the running grid, for the host's user.
 *
 * Each block has a trace ring (rk_trace_dev.h), and the host one of its own for what it sends. They
 * are switched by a command, so that a block never looks at a word of the host's for it; its answer
 * comes after everything the block recorded before.
 *
 * Blocks share one clock, which on a device is not the host's. So a block is asked for its time
 * (CLOCK) between two looks at the host's clock: the answer's moment lies between them, and the
 * closest of a few exchanges says how far the clocks are apart and how well that is known. Records
 * of blocks are told in the host's time. Clocks that agree as well as can be seen are left alone.
 */
#include "runtime/internal.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"

#define CLOCK_LOOKS 8u
#define CLOCK_GOOD_NS 1000u /* as close as records need: stamps of sending count microseconds */
#define READ_AT_ONCE 64u
#define RECORDS_MAX (1u << 20)
#define NAMES_MAX 65536u /* names of actors that have ended, kept for records of theirs */

static int no_trace(rk_error *err)
{
  return rk_error_set(err, RK_EUNSUPPORTED,
                      "the runtime has no trace; open it with trace = records for each block");
}

int rk__trace_open(rk_runtime *rt, uint32_t records, rk_error *err)
{
  rt->trace_clock = (rk_trace_clock){.error_ns = UINT64_MAX};
  if (records == 0) {
    return RK_OK;
  }
  if (records > RECORDS_MAX) {
    return rk_error_set(err, RK_EINVAL, "trace: 0..%u records, got %u", RECORDS_MAX, records);
  }
  records = records < RK_TRACE_RECORDS_MIN ? RK_TRACE_RECORDS_MIN : records;
  rt->trace_records = (uint32_t)rk_u64_next_pow2(records);
  rt->trace_readers = rk_calloc((size_t)rt->block_count + 1u, sizeof(*rt->trace_readers));
  rt->trace_names = rk_idmap_new();
  if (rt->trace_readers == NULL || rt->trace_names == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "trace: out of memory");
  }
  return RK_OK;
}

void rk__trace_close(rk_runtime *rt)
{
  size_t cursor = 0;
  void *name = NULL;
  while (rt->trace_names != NULL && rk_idmap_next(rt->trace_names, &cursor, NULL, &name)) {
    rk_free(name);
  }
  rk_idmap_close(rt->trace_names);
  rk_free(rt->trace_readers);
  rt->trace_names = NULL;
  rt->trace_readers = NULL;
  rt->trace.on = 0;
}

void rk__trace_place(rk_runtime *rt, uint64_t rings, uint64_t records)
{
  rt->trace_rings = RK_PTR(rk_abi_trace_ring, rings);
  for (uint32_t i = 0; i <= rt->block_count; ++i) {
    rk_abi_trace_ring *ring = &rt->trace_rings[i];
    ring->records = records + (uint64_t)i * rt->trace_records * sizeof(rk_abi_trace);
    ring->mask = rt->trace_records - 1u;
    rk_trace_reader_open(&rt->trace_readers[i], ring, RK_PTR(const rk_abi_trace, ring->records));
  }
  rkd_trace_open(&rt->trace, rings + rt->block_count * sizeof(rk_abi_trace_ring), RK_TRACE_HOST);
}

void rk__trace_ended(rk_runtime *rt, const rk_actor *actor)
{
  if (rt->trace_names == NULL || rk_idmap_count(rt->trace_names) >= NAMES_MAX) {
    return;
  }
  char *name = rk_strdup(actor->name);
  if (name != NULL) {
    rk_free(rk_idmap_del(rt->trace_names, actor->id)); /* generations come round */
    if (rk_idmap_put(rt->trace_names, actor->id, name, NULL) != RK_OK) {
      rk_free(name); /* a track without a name */
    }
  }
}

const char *rk_runtime_trace_name(rk_runtime *rt, uint32_t actor)
{
  const rk_actor *living = rk__registry_by_reference(rt, actor);
  if (living != NULL) {
    return living->name;
  }
  return rt->trace_names != NULL ? rk_idmap_get(rt->trace_names, actor) : NULL;
}

void rk__trace_moment(rk_runtime *rt, uint32_t kind, const rk_abi_msg *header, uint8_t reason)
{
  rkd_trace_mark(&rt->trace, kind, reason, rk_clock_wall_ns(), header->id,
                 kind == RK_TRACE_DEAD ? header->dest : RK_ID_HOST, header->type);
  rkd_trace_publish(&rt->trace);
}

/* A moment takes no time: the place of its duration holds the cause. */
void rk__trace_sent(rk_runtime *rt, const rk_abi_msg *header, uint64_t cause)
{
  rkd_trace_put(&rt->trace, RK_TRACE_SEND, 0u, rk_clock_wall_ns(), (rk_u32)cause, header->id,
                header->source, header->type);
  rkd_trace_publish(&rt->trace);
}

/* ---- the two clocks -------------------------------------------------------------------------- */

/* The block's clock showed `block_ns` at some moment between two looks at the host's. */
static void compare(rk_trace_clock *best, uint64_t before_ns, uint64_t after_ns, uint64_t block_ns)
{
  uint64_t half = (after_ns - before_ns) / 2 + 1;
  if (after_ns >= before_ns && half < best->error_ns) { /* else the host's clock was set */
    best->error_ns = half;
    best->offset_ns = (int64_t)(block_ns - (before_ns + (after_ns - before_ns) / 2));
  }
}

int rk_runtime_trace_clock(rk_runtime *rt, rk_trace_clock *out, rk_error *err)
{
  rk_abi_command command = {.code = RK_CMD_CLOCK};
  rk_trace_clock best = {.error_ns = UINT64_MAX};
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK && rt->trace_readers == NULL) {
    rc = no_trace(err);
  }
  if (rc == RK_OK && rt->generation_count != 0 && rt->trace_clock.error_ns == UINT64_MAX) {
    for (uint32_t i = 0; i < CLOCK_LOOKS && rc == RK_OK && best.error_ns > CLOCK_GOOD_NS; ++i) {
      rk_abi_response answer = {0};
      uint64_t before = rk_clock_wall_ns();
      rc = rk__command(rt, 0, 0u, &command, &answer, err);
      compare(&best, before, rk_clock_wall_ns(), answer.step);
      best.step_ns = answer.steps_remaining;
    }
    uint64_t apart = best.offset_ns < 0 ? -(uint64_t)best.offset_ns : (uint64_t)best.offset_ns;
    if (rc == RK_OK && apart <= best.error_ns) {
      best.offset_ns = 0;
      best.error_ns += apart;
    }
    if (rc == RK_OK) {
      rt->trace_clock = best;
    }
  }
  if (rc == RK_OK) {
    *out = rt->trace_clock;
  }
  return rc;
}

/* ---- switching and reading ------------------------------------------------------------------- */

/* Blocks that have changed over go back, as far as they take it. */
static void undo(rk_runtime *rt, uint32_t blocks, bool on)
{
  rk_abi_command back = {.code = RK_CMD_TRACE, .param1 = on ? 0u : 1u};
  for (uint32_t i = 0; i < blocks; ++i) {
    (void)rk__command_post(rt, i, 0u, &back);
  }
}

int rk_runtime_trace(rk_runtime *rt, bool on, rk_error *err)
{
  rk_abi_command command = {.code = RK_CMD_TRACE, .param1 = on ? 1u : 0u};
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK && rt->trace_readers == NULL) {
    rc = no_trace(err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (rt->generation_count == 0) { /* blocks look once, when their first generation begins */
    for (uint32_t i = 0; i < rt->block_count; ++i) {
      rt->trace_rings[i].on = on ? 1u : 0u;
    }
  }
  for (uint32_t i = 0; rt->generation_count != 0 && i < rt->block_count; ++i) {
    rc = rk__command(rt, i, 0u, &command, NULL, err);
    if (rc != RK_OK) {
      undo(rt, i, on);
      return rc;
    }
  }
  if (on && rt->trace.on == 0) { /* clocks drift: each recording has its own comparison */
    rt->trace_clock = (rk_trace_clock){.error_ns = UINT64_MAX};
    rk_trace_clock clock;
    (void)rk_runtime_trace_clock(rt, &clock, NULL); /* or later, when records are read */
  }
  rt->trace.on = on ? 1u : 0u;
  return RK_OK;
}

static rk_trace_record record_of(const rk_runtime *rt, const rk_abi_trace *r)
{
  uint32_t block = rkd_trace_block(r);
  int64_t offset_ns = block == RK_TRACE_HOST ? 0 : rt->trace_clock.offset_ns;
  bool has_cause = block == RK_TRACE_HOST && rkd_trace_kind(r) == RK_TRACE_SEND;
  return (rk_trace_record){
      .kind = (rk_trace_kind)rkd_trace_kind(r),
      .block = block == RK_TRACE_HOST ? RK_TRACE_NO_BLOCK : block,
      .at_ns = (int64_t)(r->start_ns - rt->trace_origin_ns) - offset_ns,
      .took_ns = has_cause ? 0 : rkd_trace_duration_ns(r),
      .cause = has_cause ? rkd_trace_duration_ns(r) : 0,
      .message = r->message,
      .type = rkd_trace_type(r),
      .actor = rkd_trace_actor(r),
      .dead_reason = (uint8_t)rkd_trace_reason(r),
  };
}

/* Rings take turns: a busy one cannot keep the others from being read. */
size_t rk_runtime_trace_read(rk_runtime *rt, rk_trace_record *out, size_t limit, uint64_t *lost)
{
  size_t n = 0;
  uint64_t sum = 0;
  const uint32_t rings = rt->trace_readers != NULL ? rt->block_count + 1u : 0u;
  for (uint32_t k = 0; k < rings && n < limit; ++k) {
    rk_trace_reader *reader = &rt->trace_readers[rt->trace_turn];
    rk_abi_trace some[READ_AT_ONCE];
    size_t got = 0;
    rt->trace_turn = (rt->trace_turn + 1u) % rings;
    do {
      got = rk_trace_read(reader, some, limit - n < READ_AT_ONCE ? limit - n : READ_AT_ONCE);
      for (size_t i = 0; i < got; ++i) {
        out[n++] = record_of(rt, &some[i]);
      }
    } while (got != 0);
  }
  for (uint32_t i = 0; i < rings; ++i) {
    sum += rt->trace_readers[i].lost;
  }
  if (lost != NULL) {
    *lost = sum;
  }
  return n;
}

size_t rk_runtime_trace_capacity(const rk_runtime *rt)
{
  return (size_t)rt->trace_records * ((size_t)rt->block_count + 1u);
}

uint64_t rk_runtime_trace_origin(const rk_runtime *rt)
{
  return rt->trace_origin_ns;
}
