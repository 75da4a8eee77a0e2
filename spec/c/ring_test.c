/* SPDX-License-Identifier: MIT */
/*
 * The rings inside a device, on plain memory and without a grid: the inbox ring with several
 * producers and credits; the ready ring with several signallers. Rings are small, so that they wrap
 * thousands of times. Last, programs in which what publishes is made relaxed, in any ring, must be
 * reported by ThreadSanitizer (planted/relaxed_publish.c). The record ring has ring_record_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/platform.h"
#include "base/thread.h"

#include "rk_room_dev.h"

/* ---- inbox ring ---- */

#define PRODUCERS_MAX 4u
#define INBOX_PAYLOAD 40u

typedef struct inbox {
  rk_abi_grid grid; /* without blocks: nobody is to be woken */
  rk_abi_actor *actor;
  unsigned char *slots;
  uint64_t each; /* messages of one producer */
  uint32_t chunk;
} inbox;

typedef struct producer {
  inbox *box;
  uint32_t index;
  uint64_t sent, refused;
  rk_thread *thread;
} producer;

static void give_room(inbox *box, uint32_t credits)
{
  rk_block block = {.grid = (rk_u64)(rk_uptr)&box->grid};
  rkd_room_give(&block, box->actor, credits);
}

static void open_inbox(inbox *box, uint32_t limit)
{
  uint32_t slots = (uint32_t)rk_u64_next_pow2(limit);
  box->actor = rk_alloc_aligned(128, sizeof(*box->actor));
  box->slots = rk_alloc_aligned(64, (size_t)slots * 128u);
  assert_non_null(box->actor);
  assert_non_null(box->slots);
  memset(box->actor, 0, sizeof(*box->actor));
  memset(box->slots, 0, (size_t)slots * 128u);
  box->actor->kernel_slots = (rk_u64)(rk_uptr)box->slots;
  box->actor->slot_bytes = 128;
  box->actor->kernel_mask = slots - 1;
  box->actor->limit_msgs = limit;
  box->actor->room = limit;
}

static void close_inbox(inbox *box)
{
  rk_free(box->actor);
  rk_free(box->slots);
}

static void fill_payload(uint64_t words[INBOX_PAYLOAD / 8], uint32_t index, uint64_t seq)
{
  for (uint32_t i = 0; i < INBOX_PAYLOAD / 8; ++i) {
    words[i] = seq * 1000003u + index * 97u + i;
  }
}

static void produce_into_inbox(void *arg)
{
  producer *p = arg;
  rk_abi_actor *to = p->box->actor;
  uint32_t credits = 0;
  for (uint64_t seq = 0; seq < p->box->each;) {
    uint64_t words[INBOX_PAYLOAD / 8];
    rk_u64 ticket = 0;
    if (credits == 0) {
      credits = rkd_room_take(to, 1u, p->box->chunk);
    }
    if (credits == 0) {
      if ((rk_ld_relaxed_gpu_u64(&to->tail) & RK_TAIL_CLOSED) != 0u) {
        break;
      }
      rk_thread_yield();
      continue;
    }
    credits -= 1u;
    if (!rkd_inbox_ticket(to, &ticket)) {
      p->refused += 1;
      break;
    }
    rk_abi_msg header = {.id = seq, .source = p->index, .size_bytes = INBOX_PAYLOAD};
    fill_payload(words, p->index, seq);
    rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket,
                     &header, words);
    p->sent += 1;
    ++seq;
  }
  give_room(p->box, credits);
}

/* Takes one message; 0 when there is none. */
static int consume_from_inbox(inbox *box, uint64_t next[PRODUCERS_MAX], uint64_t *bad)
{
  rk_abi_actor *a = box->actor;
  rk_abi_msg *m = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, a->kernel_head);
  uint64_t words[INBOX_PAYLOAD / 8];
  if (!rkd_slot_ready(m, a->kernel_head)) {
    return 0;
  }
  if (m->source >= PRODUCERS_MAX || m->id != next[m->source] || m->size_bytes != INBOX_PAYLOAD) {
    *bad += 1;
  } else {
    next[m->source] += 1;
    fill_payload(words, m->source, m->id);
    *bad += memcmp(rkd_slot_payload(m), words, sizeof(words)) != 0;
  }
  a->kernel_head += 1u;
  a->kernel_taken += 1u;
  if (a->kernel_taken * 8u >= a->limit_msgs) {
    give_room(box, a->kernel_taken);
    a->kernel_taken = 0u;
  }
  return 1;
}

static void run_inbox(uint32_t limit, uint32_t producers, uint32_t chunk, uint64_t each,
                      uint64_t close_after)
{
  inbox box = {.each = each, .chunk = chunk};
  producer p[PRODUCERS_MAX] = {0};
  uint64_t next[PRODUCERS_MAX] = {0}, bad = 0, got = 0, total = each * producers;
  uint64_t end = UINT64_MAX;
  open_inbox(&box, limit);
  for (uint32_t i = 0; i < producers; ++i) {
    p[i] = (producer){.box = &box, .index = i};
    assert_int_equal(rk_thread_start(&p[i].thread, "producer", produce_into_inbox, &p[i], NULL),
                     RK_OK);
  }
  while (got < total && got != end) {
    if (got == close_after && end == UINT64_MAX) {
      end = rk_or_acqrel_gpu_u64(&box.actor->tail, RK_TAIL_CLOSED);
      continue;
    }
    if (consume_from_inbox(&box, next, &bad)) {
      ++got;
    } else {
      rk_thread_yield();
    }
  }
  uint64_t sent = 0;
  for (uint32_t i = 0; i < producers; ++i) {
    rk_thread_join(p[i].thread);
    sent += p[i].sent;
    assert_int_equal(next[i], p[i].sent);
  }
  assert_int_equal(bad, 0);
  assert_int_equal(got, sent); /* a ticket is a message, also when the box is closed meanwhile */
  assert_false(consume_from_inbox(&box, next, &bad));
  if (close_after == UINT64_MAX) {
    assert_int_equal(sent, total);
    give_room(&box, box.actor->kernel_taken);
    assert_int_equal(box.actor->room, limit); /* no credit was lost or made */
  }
  close_inbox(&box);
}

static void inbox_with_credits(void **state)
{
  (void)state;
  run_inbox(1, 2, 1, 5000, UINT64_MAX);
  run_inbox(3, 3, 2, 20000, UINT64_MAX); /* fewer credits than slots */
  run_inbox(4, 4, 1, 20000, UINT64_MAX);
  run_inbox(16, 4, 8, 40000, UINT64_MAX);
  run_inbox(64, 2, 32, 40000, UINT64_MAX);
}

static void inbox_closed_in_mid_stream(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 50; ++i) {
    run_inbox(1u + i % 9u, 2u + i % 3u, 1u + i % 4u, 1000, 37u * i % 600u);
  }
}

/* ---- ready ring ---- */

#define READY_ACTORS 16u

typedef struct ready {
  rk_abi_block *block;
  rk_abi_ready entries[READY_ACTORS];
  uint64_t work[READY_ACTORS]; /* plain words; handed over by the signal alone */
  rk_u32 signal[READY_ACTORS];
  uint64_t made[READY_ACTORS];
} ready;

typedef struct signaller {
  ready *r;
  uint32_t first, count; /* actors that it alone makes work for */
  uint64_t rounds;
  rk_thread *thread;
} signaller;

static void make_work(void *arg)
{
  signaller *s = arg;
  for (uint64_t i = 0; i < s->rounds; ++i) {
    uint32_t slot = s->first + (uint32_t)(i % s->count);
    (void)rk_add_acqrel_gpu_u64(&s->r->made[slot], 1u);
    if (rk_exch_acqrel_gpu_u32(&s->r->signal[slot], 1u) == 0u) {
      s->r->work[slot] += 1; /* ours since the consumer put the signal back */
      rkd_ready_push(s->r->block, slot);
    }
    if (i % 64u == 0u) {
      rk_thread_yield();
    }
  }
}

/* Whoever sets a signal that is up already relies on the entry that is in the ring: nothing that
 * was made may stay unseen. */
static void ready_ring_loses_no_signal(void **state)
{
  (void)state;
  static ready r;
  enum { THREADS = 3 };
  signaller s[THREADS];
  uint64_t seen[READY_ACTORS] = {0}, pops = 0, work = 0;
  rk_u64 head = 0;
  const uint64_t rounds = 60000;
  memset(&r, 0, sizeof(r));
  r.block = rk_alloc_aligned(128, sizeof(*r.block));
  assert_non_null(r.block);
  memset(r.block, 0, sizeof(*r.block));
  r.block->ready = (rk_u64)(rk_uptr)r.entries;
  r.block->ready_mask = READY_ACTORS - 1u;
  for (uint32_t i = 0; i < THREADS; ++i) {
    s[i] = (signaller){.r = &r, .first = i * 5u, .count = 5u, .rounds = rounds};
    assert_int_equal(rk_thread_start(&s[i].thread, "signaller", make_work, &s[i], NULL), RK_OK);
  }
  for (;;) {
    uint64_t sum = 0;
    rk_u32 slot = 0;
    while (rkd_ready_pop(r.block->ready, r.block->ready_mask, &head, &slot)) {
      assert_in_range(slot, 0, READY_ACTORS - 1u);
      work += r.work[slot];
      r.work[slot] = 0;
      (void)rk_exch_acqrel_gpu_u32(&r.signal[slot], 0u);
      seen[slot] = rk_ld_acquire_gpu_u64(&r.made[slot]);
      ++pops;
    }
    for (uint32_t i = 0; i < READY_ACTORS; ++i) {
      sum += seen[i];
    }
    if (sum == rounds * THREADS) {
      break;
    }
    rk_thread_yield();
  }
  for (uint32_t i = 0; i < THREADS; ++i) {
    rk_thread_join(s[i].thread);
  }
  assert_int_equal(work, pops); /* one entry for each signal that went up */
  assert_false(rkd_ready_waits(r.block->ready, r.block->ready_mask, head));
  assert_int_equal(r.block->ready_tail, head);
  rk_free(r.block);
}

/* ---- planted bugs ---- */

#define FOLDER_BYTES 256
#define OUTPUT_BYTES 32768

static int run_shell(const char *command, char *output)
{
  rk_spawn program = {.argv = (const char *const[]){"sh", "-c", command, NULL},
                      .timeout_ns = UINT64_C(120000000000),
                      .output = output,
                      .output_bytes = OUTPUT_BYTES};
  rk_spawn_result result;
  rk_error err = RK_ERROR_INIT;
  if (rk_platform_current()->spawn(&program, &result, &err) != RK_OK) {
    (void)snprintf(output, OUTPUT_BYTES, "%s", err.text);
    return -1;
  }
  return result.exit_code;
}

/* Builds the program with and without the bug and runs it on each ring. Returns false, with the
 * reason in `output`, when the compiler cannot make programs with ThreadSanitizer here. */
static bool plant(const char *compiler, const char *folder, char *output)
{
  char command[1024];
  (void)snprintf(command, sizeof(command),
                 "echo 'int main(void){return 0;}' | %s -fsanitize=thread -x c -o %s/probe - && "
                 "TSAN_OPTIONS= %s/probe",
                 compiler, folder, folder);
  if (run_shell(command, output) != 0) {
    return false;
  }
  for (int bug = 0; bug < 2; ++bug) {
    (void)snprintf(command, sizeof(command),
                   "%s -std=gnu11 -O1 -g -Isrc -Ikernels/include -fsanitize=thread %s -pthread "
                   "-o %s/program spec/c/planted/relaxed_publish.c",
                   compiler, bug ? "-DRK_PLANT_RELAXED_PUBLISH=1" : "", folder);
    if (run_shell(command, output) != 0) {
      fail_msg("%s: %s", compiler, output);
    }
    static const char *const names[] = {"record", "tagged",       "ordered",
                                        "batch",  "tagged_batch", "inbox"};
    for (size_t which = 0; which < RK_ARRAY_LEN(names); ++which) {
      const char *name = names[which];
      (void)snprintf(command, sizeof(command), "TSAN_OPTIONS= %s/program %s", folder, name);
      int code = run_shell(command, output);
      if (bug ? code != 66 || strstr(output, "data race") == NULL : code != 0) {
        fail_msg("%s, %s ring, %s: exit status %d\n%s", compiler, name,
                 bug ? "not reported" : "no bug, but reported", code, output);
      }
    }
  }
  return true;
}

static void planted_bugs_are_reported_by(const char *compiler)
{
  static char output[OUTPUT_BYTES], removed[OUTPUT_BYTES];
  char folder[FOLDER_BYTES], command[FOLDER_BYTES + 16];
  assert_int_equal(
      rk_platform_current()->dir_make_temp("rk-planted-", folder, sizeof(folder), NULL), RK_OK);
  bool works = plant(compiler, folder, output);
  (void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
  assert_int_equal(run_shell(command, removed), 0);
  if (!works) {
    print_message("%s with ThreadSanitizer does not work here: %s\n", compiler, output);
    skip();
  }
}

static void planted_bugs_are_reported_by_gcc(void **state)
{
  (void)state;
  planted_bugs_are_reported_by("gcc");
}

static void planted_bugs_are_reported_by_clang(void **state)
{
  (void)state;
  planted_bugs_are_reported_by("clang");
}

static int nothing_is_left(void **state)
{
  (void)state;
  return rk_alloc_live() == 0 ? 0 : -1;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inbox_with_credits),
      cmocka_unit_test(inbox_closed_in_mid_stream),
      cmocka_unit_test(ready_ring_loses_no_signal),
      cmocka_unit_test(planted_bugs_are_reported_by_gcc),
      cmocka_unit_test(planted_bugs_are_reported_by_clang),
  };
  return cmocka_run_group_tests_name("ring", tests, NULL, nothing_is_left);
}
