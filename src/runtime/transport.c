/* SPDX-License-Identifier: MIT */
/*
 * Which transport, that is which form, the rings between host and grid have (rk_ring_dev.h), and
 * the self-test that finds out which are fit for this machine.
 *
 * Every ring begins plain. When the first generation of the grid has started and nothing but
 * commands was sent, the host exchanges some records with each block, one block after the other,
 * over a pair of rings that serve nothing else: in each form that may be used. All their words
 * follow from their numbers, so each side knows what has to come. A form in which one word was
 * wrong, or never came, is not offered. Then the form is chosen, and each block is told
 * (RK_CMD_TRANSPORT).
 *
 * "auto" takes tagged if that is offered, else plain. Where host and grid share one memory it is
 * plain without a test: there a release is an ordinary store, and the tags are only more words.
 */
#include "runtime/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/params.h"
#include "base/thread.h"

#include "rk_transport_dev.h"

#define TEST_UNITS 32u
#define TEST_RECORDS 64u /* some laps of such a ring */
#define TEST_WINDOW 4u   /* on their way at once: one batch */
#define TEST_STUCK_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* How a form stood the test. */
typedef struct verdict {
  bool passed;
  uint32_t block;  /* where it failed */
  uint64_t record; /* and at which */
  const char *how;
} verdict;

static bool is_tested(const rk_runtime *rt)
{
  return !rt->ops->is_unified || rt->want == RK_WANT_TAGGED;
}

static bool may_be_tagged(const rk_runtime *rt)
{
  return is_tested(rt) && rt->want != RK_WANT_PLAIN;
}

static size_t units_bytes(const rk_runtime *rt, uint32_t count)
{
  return (size_t)count * (RK_UNIT_BYTES + (may_be_tagged(rt) ? RK_HEAD_BYTES : 0u));
}

size_t rk__transport_ring_bytes(const rk_runtime *rt)
{
  return units_bytes(rt, rt->ring_units);
}

size_t rk__transport_test_bytes(const rk_runtime *rt)
{
  return is_tested(rt) ? 2u * (sizeof(rk_abi_ring) + units_bytes(rt, TEST_UNITS)) : 0u;
}

void rk__transport_ring(const rk_runtime *rt, uint64_t ring, uint64_t units, uint32_t count)
{
  rk_abi_ring *r = RK_PTR(rk_abi_ring, ring);
  r->units = units;
  r->capacity_units = count;
  r->mask = count - 1u;
  r->heads = may_be_tagged(rt) ? units + (uint64_t)count * RK_UNIT_BYTES : 0u;
  r->transport = RK_TRANSPORT_PLAIN;
}

int rk__transport_want(rk_runtime *rt, const char *transport, rk_error *err)
{
  static const struct {
    const char *name;
    rk_transport_want want;
  } names[] = {{"auto", RK_WANT_AUTO}, {"plain", RK_WANT_PLAIN}, {"tagged", RK_WANT_TAGGED}};
  size_t ignored = 0;
  if (transport == NULL) {
    int rc = rk_param_choice(RK_PARAM_TRANSPORT, &ignored, err);
    if (rc != RK_OK) {
      return rc;
    }
    transport = rk_param_text(RK_PARAM_TRANSPORT);
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(names); ++i) {
    if (strcmp(names[i].name, transport) == 0) {
      rt->want = names[i].want;
      (void)snprintf(rt->transport_why, sizeof(rt->transport_why),
                     "%s was asked for; it is decided when the grid starts", transport);
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_EINVAL, "transport: auto, plain or tagged expected, got '%s'",
                      transport);
}

static const char *name_of(uint32_t form)
{
  return form == RK_TRANSPORT_TAGGED ? "tagged" : "plain";
}

const char *rk__transport_name(const rk_runtime *rt)
{
  return name_of(rt->transport);
}

/* ---- self-test ------------------------------------------------------------------------------- */

/* One exchange over the test rings, and how far it is. */
typedef struct exchange {
  uint64_t ring; /* the way there */
  rk_ring_tx tx;
  rk_ring_rx rx;
  uint64_t sent, taken;
  bool is_changed, is_stuck; /* the record `taken` */
} exchange;

/* All sizes that heads tell apart, now and then some units more. */
static uint32_t size_of(uint64_t number)
{
  return number % 8u == 7u ? (uint32_t)(number * 137u % (RK_ECHO_MAX_BYTES + 1u))
                           : (uint32_t)(number * 13u % (RK_UNIT_INLINE_BYTES + 1u));
}

static void send_window(exchange *e)
{
  rkd_ring_hold(&e->tx);
  while (e->sent < TEST_RECORDS && e->sent - e->taken < TEST_WINDOW) {
    uint32_t size = size_of(e->sent), units = rkd_units(size);
    if (rkd_ring_free(&e->tx, units) < units) {
      break;
    }
    rkd_echo_put(&e->tx, e->sent, size, RK_ECHO_THERE);
    e->sent += 1;
  }
  rkd_ring_flush(&e->tx);
}

static void exchange_records(void *arg)
{
  exchange *e = arg;
  uint64_t moved = rk_clock_mono_ns();
  uint32_t looks = 0;
  while (e->taken < TEST_RECORDS) {
    const rk_abi_msg *record = rkd_ring_peek(&e->rx);
    if (record != NULL) {
      uint32_t size = record->size_bytes;
      if (size != size_of(e->taken) || !rkd_echo_is(&e->rx, record, e->taken, RK_ECHO_BACK)) {
        e->is_changed = true;
        break;
      }
      rkd_ring_consume(&e->rx, size);
      e->taken += 1;
      looks = 0;
      continue;
    }
    rkd_ring_give_back(&e->rx);
    send_window(e);
    if (++looks % 256u == 0) {
      uint64_t now = rk_clock_mono_ns();
      moved = looks == 256u ? now : moved;
      if (now - moved > TEST_STUCK_NS) {
        e->is_stuck = true;
        break;
      }
      rk_thread_yield();
    }
  }
  /* The block may wait for more; it answers the command then. Orders nothing: partner rkd_echo. */
  rk_st_relaxed_sys_u32(&RK_PTR(rk_abi_ring, e->ring)->over, 1u);
}

/* Errors are those of the command. */
static int test_block(rk_runtime *rt, uint32_t form, uint32_t block, verdict *v, rk_error *err)
{
  const rk_abi_command command = {.code = RK_CMD_TEST_RINGS,
                                  .param1 = TEST_RECORDS,
                                  .address = rt->test_rings,
                                  .bytes = 2u * sizeof(rk_abi_ring)};
  exchange e = {.ring = rt->test_rings};
  rk_abi_response answer = {0};
  uint64_t units = rt->test_rings + 2u * sizeof(rk_abi_ring);
  memset(RK_PTR(void, rt->test_rings), 0, rk__transport_test_bytes(rt));
  for (uint32_t i = 0; i < 2u; ++i) {
    uint64_t ring = rt->test_rings + i * sizeof(rk_abi_ring);
    rk__transport_ring(rt, ring, units + i * units_bytes(rt, TEST_UNITS), TEST_UNITS);
    RK_PTR(rk_abi_ring, ring)->transport = form;
  }
  rkd_ring_tx_open(&e.tx, rt->test_rings);
  rkd_ring_rx_open(&e.rx, rt->test_rings + sizeof(rk_abi_ring));
  int rc = rk__command_around(rt, block, &command, exchange_records, &e, &answer, err);
  if (rc != RK_OK) {
    return rc;
  }
  v->block = block;
  v->record = e.taken;
  v->passed = false;
  if (e.is_stuck) {
    v->how = "never came back";
  } else if (e.is_changed) {
    v->how = "came back changed";
  } else if (answer.step != TEST_RECORDS) {
    v->record = TEST_RECORDS - 1u;
    v->how = "or one before it reached it changed";
  } else {
    v->passed = true;
  }
  return RK_OK;
}

static int test_form(rk_runtime *rt, uint32_t form, verdict *v, rk_error *err)
{
  int rc = RK_OK;
  v->passed = true;
  for (uint32_t i = 0; i < rt->block_count && v->passed && rc == RK_OK; ++i) {
    rc = test_block(rt, form, i, v, err);
  }
  return rc;
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* The command and its answer are the last records of the old form, on each side. */
static int make_tagged(rk_runtime *rt, uint32_t block, rk_error *err)
{
  const rk_abi_command command = {.code = RK_CMD_TRANSPORT, .param1 = RK_TRANSPORT_TAGGED};
  rk_host_block *b = &rt->blocks[block];
  int rc = rk__command(rt, block, 0u, &command, NULL, err);
  if (rc == RK_OK) {
    b->tx.transport = RK_TRANSPORT_TAGGED;
    b->rx.transport = RK_TRANSPORT_TAGGED;
    /* partner of both: rkd_ring_waits, by a thread that watches */
    rk_st_release_sys_u32(&RK_PTR(rk_abi_ring, b->tx.ring)->transport, RK_TRANSPORT_TAGGED);
    rk_st_release_sys_u32(&RK_PTR(rk_abi_ring, b->rx.ring)->transport, RK_TRANSPORT_TAGGED);
  }
  return rc;
}

__attribute__((format(printf, 2, 3))) static void say_why(rk_runtime *rt, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  (void)vsnprintf(rt->transport_why, sizeof(rt->transport_why), format, args);
  va_end(args);
}

/* "record 3 of block 0 came back changed" */
static void describe(const verdict *v, char *text, size_t size)
{
  (void)snprintf(text, size, "record %llu of block %u %s", (unsigned long long)v->record, v->block,
                 v->how);
}

static int refuse(rk_runtime *rt, const verdict *tagged, const verdict *plain, rk_error *err)
{
  char of_tagged[96], of_plain[96];
  if (rt->want != RK_WANT_AUTO) {
    uint32_t form = rt->want == RK_WANT_TAGGED ? RK_TRANSPORT_TAGGED : RK_TRANSPORT_PLAIN;
    describe(rt->want == RK_WANT_TAGGED ? tagged : plain, of_plain, sizeof(of_plain));
    return rk_error_set(err, RK_ECORRUPT,
                        "transport '%s': it failed its self-test here: %s; open with transport = "
                        "\"auto\" to use one that passes",
                        name_of(form), of_plain);
  }
  describe(tagged, of_tagged, sizeof(of_tagged));
  describe(plain, of_plain, sizeof(of_plain));
  return rk_error_set(
      err, RK_ECORRUPT,
      "transport: none passed its self-test here: tagged: %s; plain: %s; the device "
      "or its driver is not fit for use",
      of_tagged, of_plain);
}

/* Tests what may be used; *form is what passed. */
static int test_forms(rk_runtime *rt, uint32_t *form, rk_error *err)
{
  verdict tagged = {0}, plain = {0};
  int rc = rt->want == RK_WANT_PLAIN ? RK_OK : test_form(rt, RK_TRANSPORT_TAGGED, &tagged, err);
  if (rc == RK_OK && rt->want != RK_WANT_TAGGED) {
    rc = test_form(rt, RK_TRANSPORT_PLAIN, &plain, err);
  }
  if (rc == RK_OK && !tagged.passed && !plain.passed) {
    rc = refuse(rt, &tagged, &plain, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  *form = tagged.passed ? RK_TRANSPORT_TAGGED : RK_TRANSPORT_PLAIN;
  if (rt->want == RK_WANT_AUTO && !tagged.passed) {
    char text[96];
    describe(&tagged, text, sizeof(text));
    say_why(rt, "tagged failed its self-test: %s; plain passed", text);
    rk_log(RK_LOG_WARN, "transport", "plain: %s", rt->transport_why);
  } else {
    say_why(rt, "%s passed its self-test: %u records to each of %u blocks and back%s",
            name_of(*form), TEST_RECORDS, rt->block_count,
            rt->want == RK_WANT_AUTO && !plain.passed ? "; plain failed" : "");
    rk_log(RK_LOG_INFO, "transport", "%s", rt->transport_why);
  }
  return RK_OK;
}

int rk__transport_choose(rk_runtime *rt, rk_error *err)
{
  uint32_t form = RK_TRANSPORT_PLAIN;
  int rc = RK_OK;
  if (is_tested(rt)) {
    rc = test_forms(rt, &form, err);
  } else {
    say_why(rt, "%s: host and grid share one memory, where a release costs nothing",
            rt->want == RK_WANT_PLAIN ? "asked for" : "auto");
  }
  for (uint32_t i = 0; i < rt->block_count && form == RK_TRANSPORT_TAGGED && rc == RK_OK; ++i) {
    rc = make_tagged(rt, i, err);
  }
  if (rc == RK_OK) {
    rt->transport = form;
  } else {
    rt->poisoned = rc; /* the grid runs, but nothing may be sent */
  }
  return rc;
}
