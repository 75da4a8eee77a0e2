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

#include "rk_room_dev.h"

#define SLOTS BENCH_SLOTS
#define SIZE BENCH_PAYLOAD
#define WORDS (SIZE / 8u)
#define SLOT_BYTES ((BENCH_BYTES + 127u) & ~127u)
#define CHUNK 32u
#define PRODUCERS_MAX 4u
#define TRIES 32u
#define VAIN 64u /* looks without a message after which credits go back: the block's microseconds */
#define WHAT "64+" BENCH_TEXT(BENCH_PAYLOAD) " B"

typedef struct inbox {
  rk_abi_actor actor;
  rk_block block; /* only what giving back credits asks for: nobody waits for room here */
  void *slots;
} inbox;

typedef struct sender { /* what a producer keeps */
  inbox *box;
  rk_u32 credits, number;
} sender;

typedef struct receiver { /* what the consumer keeps */
  inbox *box;
  uint64_t head;
  rk_u32 taken, producers;
  uint64_t expected[PRODUCERS_MAX];
} receiver;

typedef struct role {
  sender to;
  receiver from;
  uint64_t count; /* messages of one producer, or trips */
  bool yields;
  uint64_t bad;
} role;

static inbox *inbox_open(void)
{
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
  return box;
}

static void inbox_close(inbox *box)
{
  free(box->slots);
  free(box);
}

static void relax(const role *r, unsigned *tries)
{
  if (r->yields && ++*tries >= TRIES) {
    *tries = 0;
    (void)sched_yield();
  } else {
    bench_pause();
  }
}

static inline void put(role *r, uint64_t i, unsigned *tries)
{
  sender *s = &r->to;
  rk_abi_actor *to = &s->box->actor;
  rk_abi_msg header = {.id = i + 1u,
                       .correlation = i,
                       .hlc = i,
                       .source = s->number,
                       .dest = 1u,
                       .type = 7u,
                       .size_bytes = SIZE};
  uint64_t payload[WORDS];
  rk_u64 ticket = 0;
  for (unsigned k = 0; k < WORDS; ++k) {
    payload[k] = i + k;
  }
  while (s->credits == 0u && (s->credits = rkd_room_take(to, 1u, CHUNK)) == 0u) {
    relax(r, tries);
  }
  s->credits -= 1u;
  bench_check(rkd_inbox_ticket(to, &ticket) != 0, "inbox: closed");
  rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket,
                   &header, payload);
}

static inline void give_back(receiver *f)
{
  rkd_room_give(&f->box->block, &f->box->actor, f->taken);
  f->taken = 0u;
}

static inline void take(role *r, unsigned *tries)
{
  receiver *f = &r->from;
  rk_abi_actor *a = &f->box->actor;
  rk_abi_msg *slot = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, f->head);
  for (unsigned vain = 0; !rkd_slot_ready(slot, f->head);) {
    if (f->taken != 0u && ++vain == VAIN) {
      give_back(f);
    }
    relax(r, tries);
  }
  rk_abi_msg header = *slot;
  uint64_t payload[WORDS];
  memcpy(payload, rkd_slot_payload(slot), sizeof(payload));
  f->head += 1u;
  if (++f->taken * 8u >= SLOTS) {
    give_back(f);
  }
  bench_check(header.source < f->producers, "inbox: sender");
  uint64_t i = f->expected[header.source]++;
  r->bad |= header.correlation ^ i; /* each sender's messages come in order, none lost */
  for (unsigned k = 0; k < WORDS; ++k) {
    r->bad |= payload[k] ^ (i + k);
  }
}

static void produce(void *arg)
{
  role *r = arg;
  unsigned tries = 0;
  for (uint64_t i = 0; i < r->count; ++i) {
    put(r, i, &tries);
  }
  rkd_room_give(&r->to.box->block, &r->to.box->actor, r->to.credits);
}

static void run_flow(void *arg)
{
  role *r = arg;
  unsigned tries = 0;
  if (r->to.box != NULL) {
    produce(r);
    return;
  }
  for (uint64_t n = r->count * r->from.producers; n > 0; --n) {
    take(r, &tries);
  }
}

static double flow(void *arg)
{
  unsigned producers = *(unsigned *)arg;
  uint64_t count = bench_scale_bytes(200000) / producers;
  inbox *box = inbox_open();
  role roles[PRODUCERS_MAX + 1] = {{.from = {.box = box, .producers = producers}}};
  void *args[PRODUCERS_MAX + 1];
  for (unsigned i = 0; i <= producers; ++i) {
    if (i > 0) {
      roles[i].to = (sender){.box = box, .number = i - 1u};
    }
    roles[i].count = count;
    roles[i].yields = producers > 1;
    args[i] = &roles[i];
  }
  uint64_t ns = bench_team(producers + 1u, producers == 1 && bench_pins(), run_flow, args);
  bench_check(roles[0].bad == 0, "inbox: a message arrived changed or out of order");
  inbox_close(box);
  return (double)(count * producers) * 1e3 / (double)ns;
}

/* The role that is numbered 0 begins each trip. */
static void run_trips(void *arg)
{
  role *r = arg;
  unsigned tries = 0;
  for (uint64_t i = 0; i < r->count; ++i) {
    if (r->to.number == 0u) {
      put(r, i, &tries);
      take(r, &tries);
    } else {
      take(r, &tries);
      put(r, i, &tries);
    }
  }
}

static double trips(void *arg)
{
  inbox *a = inbox_open(), *b = inbox_open();
  uint64_t count = bench_scale_bytes(30000);
  role ping = {.to = {.box = a}, .from = {.box = b, .producers = 2}, .count = count};
  role pong = {.to = {.box = b, .number = 1}, .from = {.box = a, .producers = 2}, .count = count};
  void *args[] = {&ping, &pong};
  (void)arg;
  uint64_t ns = bench_team(2, bench_pins(), run_trips, args);
  bench_check(ping.bad == 0 && pong.bad == 0, "inbox: a message arrived changed or out of order");
  inbox_close(a);
  inbox_close(b);
  return (double)ns / (double)count;
}

static double alone(void *arg)
{
  inbox *box = inbox_open();
  role r = {.to = {.box = box}, .from = {.box = box, .producers = 1}};
  uint64_t count = bench_scale_bytes(500000);
  unsigned tries = 0;
  (void)arg;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    put(&r, i, &tries);
    take(&r, &tries);
  }
  uint64_t ns = bench_now_ns() - start;
  bench_check(r.bad == 0, "inbox: a message arrived changed or out of order");
  inbox_close(box);
  return (double)ns / (double)count;
}

int main(void)
{
  unsigned one = 1, four = 4;
  bench_truth("inside the timing", "sender, order and every word of payload");
  bench_measure("inbox.mpsc.1p", "M/s",
                "1 producer + 1 consumer pinned, " WHAT
                ", credits by 32, a ticket per message, copied out and checked",
                flow, &one);
  bench_measure("inbox.mpsc.4p", "M/s",
                "4 producers + 1 consumer unpinned, yielding after 32 tries; else as with 1", flow,
                &four);
  bench_measure("inbox.mpsc.round_trip", "ns",
                "two threads, two inboxes, " WHAT
                " there and back, both ends copy out and check every word",
                trips, NULL);
  bench_pin(0);
  bench_measure("inbox.mpsc.uncontended", "ns",
                "one thread: push and pop of " WHAT ", every word written, copied out and checked",
                alone, NULL);
  return 0;
}
