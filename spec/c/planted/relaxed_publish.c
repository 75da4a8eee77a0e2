/* SPDX-License-Identifier: MIT */
/*
 * Planted bug: with -DRK_PLANT_RELAXED_PUBLISH the word that publishes a record or a message is
 * stored without release (rk_atomic.h). The reader then takes data that nothing orders, which
 * ThreadSanitizer must report; without the macro the program must be clean. One lap of each
 * ring, so that publishing is the only thing that orders anything. ring_test.c builds and runs it:
 * `program RING`, where RING is
 *   record   plain records with payload in more than one unit
 *   tagged   the same in a tagged ring
 *   ordered  tagged records that lie in their heads, flagged because they tell of other memory
 *   batch    plain records, several at once;  tagged_batch  tagged ones, of which the last is long
 *   inbox    messages between actors
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "rk_ring_dev.h"

#define COUNT 32u
#define UNITS 128u /* no record is split by the end */

static rk_abi_ring shared;
static unsigned char units[UNITS * (RK_UNIT_BYTES + RK_HEAD_BYTES)] __attribute__((aligned(128)));
static rk_abi_actor actor;
static unsigned char slots[COUNT * 128u] __attribute__((aligned(128)));
static const char text[100] = "payload behind the header and in a unit of its own";

static rk_u64 notes[COUNT]; /* plain memory that records of `ordered` tell of */
static rk_u32 batch;        /* records that are published at once; 0: each by itself */
static int is_short;        /* payload of most records is in the head; they are flagged */

/* In a batch of tagged records the last alone makes it necessary to order anything. */
static rk_u32 size_at(rk_u32 i)
{
  return is_short ||
                 (batch != 0u && shared.transport == RK_TRANSPORT_TAGGED && i % batch != batch - 1u)
             ? 32u
             : (rk_u32)sizeof(text);
}

static void *produce_records(void *arg)
{
  rk_ring_tx tx;
  rkd_ring_tx_open(&tx, (rk_u64)(rk_uptr)&shared);
  for (rk_u32 i = 0; i < COUNT; ++i) {
    rk_abi_msg header = {
        .id = i, .size_bytes = size_at(i), .flags = is_short ? RK_MSG_ORDERED : 0u};
    if (batch != 0u && i % batch == 0u) {
      rkd_ring_flush(&tx);
      rkd_ring_hold(&tx);
    }
    if (is_short) {
      notes[i] = i;
    }
    /* byte by byte: what gcc makes of a copy, ThreadSanitizer does not see */
    char *place = rkd_ring_place(&tx, header.size_bytes);
    for (rk_u32 k = 0; k < header.size_bytes; ++k) {
      place[k] = text[k];
    }
    rkd_ring_commit(&tx, &header);
  }
  rkd_ring_flush(&tx);
  return arg;
}

static int consume_records(void)
{
  rk_ring_rx rx;
  int bad = 0;
  rkd_ring_rx_open(&rx, (rk_u64)(rk_uptr)&shared);
  for (rk_u32 i = 0; i < COUNT;) {
    const rk_abi_msg *record = rkd_ring_peek(&rx);
    if (record == 0) {
      continue;
    }
    const char *payload = rkd_ring_payload(&rx, record);
    bad += record->id != i || record->size_bytes != size_at(i) || (is_short && notes[i] != i);
    for (rk_u32 k = 0; k < size_at(i); ++k) {
      bad += payload[k] != text[k];
    }
    rkd_ring_consume(&rx, record->size_bytes);
    ++i;
  }
  return bad;
}

static void *produce_messages(void *arg)
{
  for (rk_u32 i = 0; i < COUNT; ++i) {
    rk_abi_msg header = {.id = i, .size_bytes = 64};
    rk_u64 ticket = 0;
    if (rkd_room_take(&actor, 1u, 1u) != 0u && rkd_inbox_ticket(&actor, &ticket)) {
      rkd_slot_publish(rkd_slot(actor.kernel_slots, actor.kernel_mask, actor.slot_bytes, ticket),
                       ticket, &header, text);
    }
  }
  return arg;
}

static int consume_messages(void)
{
  int bad = 0;
  for (rk_u32 i = 0; i < COUNT;) {
    rk_abi_msg *m = rkd_slot(actor.kernel_slots, actor.kernel_mask, actor.slot_bytes, i);
    if (!rkd_slot_ready(m, i)) {
      continue;
    }
    bad += m->id != i || memcmp(rkd_slot_payload(m), text, 64) != 0;
    ++i;
  }
  return bad;
}

int main(int argc, char **argv)
{
  const char *ring = argc > 1 ? argv[1] : "record";
  int is_inbox = strcmp(ring, "inbox") == 0;
  int is_tagged = strcmp(ring, "tagged") == 0 || strcmp(ring, "ordered") == 0 ||
                  strcmp(ring, "tagged_batch") == 0;
  pthread_t thread;
  shared = (rk_abi_ring){.units = (rk_u64)(rk_uptr)units,
                         .heads = (rk_u64)(rk_uptr)units + (rk_u64)UNITS * RK_UNIT_BYTES,
                         .capacity_units = UNITS,
                         .mask = UNITS - 1u,
                         .transport = is_tagged ? RK_TRANSPORT_TAGGED : RK_TRANSPORT_PLAIN};
  batch = strstr(ring, "batch") != 0 ? 4u : 0u;
  is_short = strcmp(ring, "ordered") == 0;
  actor = (rk_abi_actor){.kernel_slots = (rk_u64)(rk_uptr)slots,
                         .slot_bytes = 128,
                         .kernel_mask = COUNT - 1u,
                         .room = COUNT};
  if (pthread_create(&thread, NULL, is_inbox ? produce_messages : produce_records, NULL) != 0) {
    return 2;
  }
  int bad = is_inbox ? consume_messages() : consume_records();
  (void)pthread_join(thread, NULL);
  printf("%d\n", bad);
  return 0;
}
