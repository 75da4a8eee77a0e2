/* SPDX-License-Identifier: MIT */
/*
 * The record ring (host <-> block) alone, plain (ring.spsc) and tagged (ring.tagged) side by side:
 * two pinned threads, header of 64 bytes + payload of BENCH_PAYLOAD bytes. The producer writes every
 * word of both; the consumer copies both out and checks every word.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "rk_ring_dev.h"

#define BATCH 32u
#define SIZE BENCH_PAYLOAD
#define WORDS (SIZE / 8u)
#define UNITS (SIZE <= 64u ? 1u : 1u + (SIZE - 64u + RK_UNIT_BYTES - 1u) / RK_UNIT_BYTES)
#define TRUTH "inside the timing", "every word of header and payload"
#define WHAT "64+" BENCH_TEXT(BENCH_PAYLOAD) " B"

typedef struct ring {
  rk_abi_ring shared;
  rk_ring_tx tx;
  char pad0[128];
  rk_ring_rx rx;
  char pad1[128];
} ring;

static ring *ring_open(rk_u32 form)
{
  rk_u32 capacity = 1; /* units for as many records as the peers have slots */
  while (capacity < BENCH_SLOTS * UNITS) {
    capacity *= 2;
  }
  const size_t bytes = (size_t)capacity * (RK_UNIT_BYTES + RK_HEAD_BYTES);
  ring *r = aligned_alloc(128, (sizeof(*r) + 127) & ~(size_t)127);
  void *units = aligned_alloc(128, bytes);
  bench_check(r != NULL && units != NULL, "out of memory");
  memset(r, 0, sizeof(*r));
  memset(units, 0, bytes);
  r->shared.units = (rk_u64)(rk_uptr)units;
  r->shared.capacity_units = capacity;
  r->shared.mask = capacity - 1u;
  r->shared.heads = r->shared.units + (rk_u64)capacity * RK_UNIT_BYTES;
  r->shared.transport = form;
  rkd_ring_tx_open(&r->tx, (rk_u64)(rk_uptr)&r->shared);
  rkd_ring_rx_open(&r->rx, (rk_u64)(rk_uptr)&r->shared);
  return r;
}

static void ring_close(ring *r)
{
  free(RK_PTR(void, r->shared.units));
  free(r);
}

/* What a message carries: as many words as rkd_ring_commit lets the producer write. Inlined, so that
 * the header stays in registers: written to memory by fields and read back by vectors, it would
 * wait until all stores to the ring before it are through. */
static inline __attribute__((always_inline)) void fill(rk_abi_msg *header, uint64_t payload[WORDS],
                                                       uint64_t i)
{
  header->id = i;
  header->correlation = i + 1u;
  header->hlc = i + 2u;
  header->deadline = i + 3u;
  header->source = (rk_u32)i;
  header->dest = (rk_u32)i + 1u;
  header->type = (rk_u32)i + 2u;
  header->checksum = (rk_u32)i + 3u;
  header->size_bytes = SIZE;
  header->flags = 0u;
  header->priority = 0u;
  header->reason = 0u;
  for (unsigned k = 0; k < WORDS; ++k) {
    payload[k] = i + k;
  }
}

static inline __attribute__((always_inline)) uint64_t wrong(const rk_abi_msg *header,
                                                            const uint64_t payload[WORDS],
                                                            uint64_t i)
{
  uint64_t bits = (header->id ^ i) | (header->correlation ^ (i + 1u)) | (header->hlc ^ (i + 2u)) |
                  (header->deadline ^ (i + 3u)) | (header->source ^ (rk_u32)i) |
                  (header->dest ^ ((rk_u32)i + 1u)) | (header->type ^ ((rk_u32)i + 2u)) |
                  (header->checksum ^ ((rk_u32)i + 3u)) | (header->size_bytes ^ SIZE);
  for (unsigned k = 0; k < WORDS; ++k) {
    bits |= payload[k] ^ (i + k);
  }
  return bits;
}

static inline __attribute__((always_inline)) void push(rk_ring_tx *tx, uint64_t i)
{
  rk_abi_msg header;
  uint64_t payload[WORDS];
  fill(&header, payload, i);
  while (rkd_ring_free(tx, UNITS) < UNITS) {
    bench_pause();
  }
  rkd_ring_put(tx, SIZE, 0u, payload, SIZE);
  rkd_ring_commit(tx, &header);
}

static uint64_t pop(rk_ring_rx *rx, uint64_t i)
{
  const rk_abi_msg *record = NULL;
  rk_abi_msg header;
  uint64_t payload[WORDS];
  while ((record = rkd_ring_peek(rx)) == NULL) {
    rkd_ring_give_back(rx);
    bench_pause();
  }
  header = *record;
  rkd_ring_get(rx, 0u, payload, SIZE);
  rkd_ring_consume(rx, header.size_bytes);
  return wrong(&header, payload, i);
}

/* 32 records for one look at the room, published together. */
static void push_batch(rk_ring_tx *tx, uint64_t i)
{
  while (rkd_ring_free(tx, BATCH * UNITS) < BATCH * UNITS) {
    bench_pause();
  }
  rkd_ring_hold(tx);
  for (uint64_t k = 0; k < BATCH; ++k) {
    rk_abi_msg header;
    uint64_t payload[WORDS];
    fill(&header, payload, i + k);
    rkd_ring_put(tx, SIZE, 0u, payload, SIZE);
    rkd_ring_commit(tx, &header);
  }
  rkd_ring_flush(tx);
}

typedef enum manner { ONE, BATCHED } manner;

typedef struct task { /* what a figure is about */
  rk_u32 form;
  manner how;
} task;

typedef struct side {
  ring *in, *out;
  uint64_t count;
  manner how;
  uint64_t bad;
} side;

static void produce(side *s)
{
  if (s->how == ONE) {
    for (uint64_t i = 0; i < s->count; ++i) {
      push(&s->out->tx, i);
    }
  } else {
    for (uint64_t i = 0; i < s->count; i += BATCH) {
      push_batch(&s->out->tx, i);
    }
  }
}

static void consume(side *s)
{
  for (uint64_t i = 0; i < s->count; ++i) {
    s->bad |= pop(&s->in->rx, i);
  }
}

static void run_flow(void *arg)
{
  side *s = arg;
  if (s->in != NULL) {
    consume(s);
  } else {
    produce(s);
  }
}

static double flow(void *arg)
{
  uint64_t count = bench_scale_bytes(200000) / BATCH * BATCH + BATCH;
  const task *t = arg;
  ring *r = ring_open(t->form);
  side consumer = {.in = r, .count = count}, producer = {.out = r, .count = count, .how = t->how};
  void *args[] = {&consumer, &producer};
  uint64_t ns = bench_team(2, bench_pins(), run_flow, args);
  ring_close(r);
  bench_check(consumer.bad == 0, "record ring: a message arrived changed");
  return (double)count * 1e3 / (double)ns;
}

static void run_trips(void *arg)
{
  side *s = arg;
  for (uint64_t i = 0; i < s->count; ++i) {
    if (s->how == ONE) {
      push(&s->out->tx, i);
      s->bad |= pop(&s->in->rx, i);
    } else {
      s->bad |= pop(&s->in->rx, i);
      push(&s->out->tx, i);
    }
  }
}

static double trips(void *arg)
{
  uint64_t count = bench_scale_bytes(30000);
  const task *t = arg;
  ring *a = ring_open(t->form), *b = ring_open(t->form);
  side ping = {.out = a, .in = b, .count = count, .how = ONE};
  side pong = {.out = b, .in = a, .count = count, .how = BATCHED}; /* the one that answers */
  void *args[] = {&ping, &pong};
  uint64_t ns = bench_team(2, bench_pins(), run_trips, args);
  ring_close(a);
  ring_close(b);
  bench_check(ping.bad == 0 && pong.bad == 0, "record ring: a message arrived changed");
  return (double)ns / (double)count;
}

static double alone(void *arg)
{
  uint64_t count = bench_scale_bytes(500000);
  uint64_t bad = 0;
  ring *r = arg;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    push(&r->tx, i);
    bad |= pop(&r->rx, i);
  }
  uint64_t ns = bench_now_ns() - start;
  bench_check(bad == 0, "record ring: a message arrived changed");
  return (double)ns / (double)count;
}

static void measure(rk_u32 form, const char *const names[4])
{
  task one = {form, ONE}, batched = {form, BATCHED};
  bench_measure(
      names[0], "M/s",
      "two threads, " WHAT
      "; every word written, put + commit per message, copied out and checked; no stamp, no bell",
      flow, &one);
  bench_measure(names[1], "M/s",
                "as one at a time, one look at the room and one publication per 32 (first record "
                "finished last); sequence words or tags still one per record",
                flow, &batched);
  bench_measure(names[2], "ns",
                "two threads, two rings, " WHAT
                " there and back, both ends copy out and check every word",
                trips, &one);
  bench_pin(0);
  ring *r = ring_open(form);
  bench_measure(names[3], "ns",
                "one thread: push and pop of " WHAT ", every word written, copied out and checked",
                alone, r);
  ring_close(r);
}

int main(void)
{
  static const char *const plain[] = {"ring.spsc.single", "ring.spsc.batch32",
                                      "ring.spsc.round_trip", "ring.spsc.uncontended"};
  static const char *const tagged[] = {"ring.tagged.single", "ring.tagged.batch32",
                                       "ring.tagged.round_trip", "ring.tagged.uncontended"};
  bench_truth(TRUTH);
  measure(RK_TRANSPORT_PLAIN, plain);
  measure(RK_TRANSPORT_TAGGED, tagged);
  return 0;
}
