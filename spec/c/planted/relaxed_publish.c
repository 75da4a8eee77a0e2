/* SPDX-License-Identifier: MIT */
/*
 * Planted bug: with -DRK_PLANT_RELAXED_PUBLISH the word that publishes a record or a message is
 * stored without release (rk_atomic.h). The reader then takes data that nothing orders, which
 * ThreadSanitizer must report; without the macro the program must be clean. One lap of each
 * ring, so that publishing is the only thing that orders anything. ring_test.c builds and runs it:
 * `program record` or `program inbox`.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "rk_ring_dev.h"

#define COUNT 32u
#define UNITS 128u

static rk_abi_ring shared;
static unsigned char units[UNITS * RK_UNIT_BYTES] __attribute__((aligned(128)));
static rk_abi_actor actor;
static unsigned char slots[COUNT * 128u] __attribute__((aligned(128)));
static const char text[100] = "payload behind the header and in a unit of its own";

static void *produce_records(void *arg)
{
  rk_ring_tx tx;
  rkd_ring_tx_open(&tx, (rk_u64)(rk_uptr)&shared);
  for (rk_u32 i = 0; i < COUNT; ++i) {
    rk_abi_msg header = {.id = i, .size_bytes = sizeof(text)};
    rkd_ring_put(&tx, 0u, text, sizeof(text));
    rkd_ring_commit(&tx, &header);
  }
  return arg;
}

static int consume_records(void)
{
  rk_ring_rx rx;
  int bad = 0;
  rkd_ring_rx_open(&rx, (rk_u64)(rk_uptr)&shared);
  for (rk_u32 i = 0; i < COUNT;) {
    char copy[sizeof(text)];
    const rk_abi_msg *record = rkd_ring_peek(&rx);
    if (record == 0) {
      continue;
    }
    rkd_ring_get(&rx, 0u, copy, sizeof(copy));
    bad += record->id != i || memcmp(copy, text, sizeof(copy)) != 0;
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
  int is_inbox = argc > 1 && strcmp(argv[1], "inbox") == 0;
  pthread_t thread;
  shared = (rk_abi_ring){
      .units = (rk_u64)(rk_uptr)units, .capacity_units = UNITS, .mask = UNITS - 1u};
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
