/* SPDX-License-Identifier: MIT */
/*
 * An actor's inbox ring alone: producers take credits in chunks of 32, a ticket per message, write
 * the slot; one consumer copies header and payload out, checks every word of the payload and who
 * sent it, and gives credits back as an actor's block does.
 */
#include "bench.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "rk_block_dev.h"

#define SLOTS 1024u
#define SLOT_BYTES 128u
#define CHUNK 32u
#define PRODUCERS_MAX 4u
#define TRIES 32u

typedef struct inbox {
  rk_abi_actor actor;
  rk_block block; /* only what giving back credits asks for: nobody waits for room here */
  void *slots;
} inbox;

typedef struct role {
  inbox *box;
  uint64_t count; /* messages of one producer */
  unsigned producers, number;
  bool consumes, yields;
  uint64_t bad;
} role;

static void relax(const role *r, unsigned *tries)
{
  if (r->yields && ++*tries >= TRIES) {
    *tries = 0;
    (void)sched_yield();
  } else {
    bench_pause();
  }
}

static void produce(role *r)
{
  rk_abi_actor *to = &r->box->actor;
  rk_u32 credits = 0;
  unsigned tries = 0;
  for (uint64_t i = 0; i < r->count; ++i) {
    rk_abi_msg header = {.id = i + 1u,
                         .correlation = i,
                         .hlc = i,
                         .source = r->number,
                         .dest = 1u,
                         .type = 7u,
                         .size_bytes = 64u};
    uint64_t payload[8];
    rk_u64 ticket = 0;
    for (unsigned k = 0; k < 8; ++k) {
      payload[k] = i + k;
    }
    while (credits == 0u && (credits = rkd_room_take(to, 1u, CHUNK)) == 0u) {
      relax(r, &tries);
    }
    credits -= 1u;
    bench_check(rkd_inbox_ticket(to, &ticket) != 0, "inbox: closed");
    rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket,
                     &header, payload);
  }
  rkd_room_give(&r->box->block, to, credits);
}

static void consume(role *r)
{
  rk_abi_actor *a = &r->box->actor;
  uint64_t expected[PRODUCERS_MAX] = {0};
  uint64_t total = r->count * r->producers;
  rk_u32 taken = 0;
  unsigned tries = 0;
  for (uint64_t n = 0; n < total; ++n) {
    rk_abi_msg *slot = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, n);
    while (!rkd_slot_ready(slot, n)) {
      if (taken != 0u) {
        rkd_room_give(&r->box->block, a, taken);
        taken = 0u;
      }
      relax(r, &tries);
    }
    rk_abi_msg header = *slot;
    uint64_t payload[8];
    memcpy(payload, rkd_slot_payload(slot), sizeof(payload));
    if (++taken * 8u >= SLOTS) {
      rkd_room_give(&r->box->block, a, taken);
      taken = 0u;
    }
    bench_check(header.source < r->producers, "inbox: sender");
    uint64_t i = expected[header.source]++;
    r->bad |= header.correlation ^ i; /* each sender's messages come in order, none lost */
    for (unsigned k = 0; k < 8; ++k) {
      r->bad |= payload[k] ^ (i + k);
    }
  }
}

static void run(void *arg)
{
  role *r = arg;
  if (r->consumes) {
    consume(r);
  } else {
    produce(r);
  }
}

static double flow(void *arg)
{
  unsigned producers = *(unsigned *)arg;
  uint64_t count = bench_scale(200000) / producers;
  role roles[PRODUCERS_MAX + 1];
  void *args[PRODUCERS_MAX + 1];
  inbox *box = aligned_alloc(128, (sizeof(*box) + 127) & ~(size_t)127);
  bench_check(box != NULL, "out of memory");
  memset(box, 0, sizeof(*box));
  box->slots = aligned_alloc(128, (size_t)SLOTS * SLOT_BYTES);
  bench_check(box->slots != NULL, "out of memory");
  memset(box->slots, 0, (size_t)SLOTS * SLOT_BYTES);
  box->actor.kernel_slots = (rk_u64)(rk_uptr)box->slots;
  box->actor.kernel_mask = SLOTS - 1u;
  box->actor.slot_bytes = SLOT_BYTES;
  box->actor.room = SLOTS;
  for (unsigned i = 0; i <= producers; ++i) {
    roles[i] = (role){.box = box,
                      .count = count,
                      .producers = producers,
                      .number = i - 1u,
                      .consumes = i == 0,
                      .yields = producers > 1};
    args[i] = &roles[i];
  }
  uint64_t ns = bench_team(producers + 1u, producers == 1 && bench_pins(), run, args);
  bench_check(roles[0].bad == 0, "inbox: a message arrived changed or out of order");
  free(box->slots);
  free(box);
  return (double)(count * producers) * 1e3 / (double)ns;
}

int main(void)
{
  unsigned one = 1, four = 4;
  bench_measure("inbox.mpsc.1p", "M/s",
                "1 producer + 1 consumer pinned, 64+64 B, credits by 32, a ticket per message, "
                "copied out and checked",
                flow, &one);
  bench_measure("inbox.mpsc.4p", "M/s",
                "4 producers + 1 consumer unpinned, yielding after 32 tries; else as inbox.mpsc.1p",
                flow, &four);
  return 0;
}
