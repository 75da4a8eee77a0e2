/* SPDX-License-Identifier: MIT */
/*
 * The three rings of the system, written once for both sides.
 *
 *  record ring  host <-> one block, single producer and consumer, units of 128 bytes; a record is a
 *               header with up to 64 bytes of payload in its first unit and the rest in the units
 *               behind it
 *  inbox ring   actor <- actors, many producers and one consumer, one slot a message
 *  ready ring   block <- blocks, "look at this actor"
 *
 * In all of them readiness travels with the data: the slot for position p is readable once its
 * sequence word is p + 1. The producer writes the payload with plain stores, then the word with
 * release; the consumer reads the word with acquire, then the payload. There is no published tail.
 * Zeroed memory is an empty ring.
 *
 * What keeps a producer from overwriting:
 *  record ring  the consumer publishes `head`, units given back (release); the producer compares
 *               with its copy and re-reads (acquire) only when the ring looks full.
 *  inbox ring   credits: nobody takes a ticket without holding a credit, there are no more credits
 *               than slots, and a credit is given back only after its message was handled. Why that
 *               is also an ordering: a ticket t >= slots means t + 1 credits were used, so at least
 *               t + 1 - slots of them had been given back; each was taken by acq_rel on `room` by a
 *               producer whose ticket precedes t in the chain of acq_rel operations on `tail`; so
 *               whoever holds ticket t has seen the consumer leave the slot.
 *  ready ring   as many entries as actors, and an actor has at most one entry: `signal` goes 0 -> 1
 *               by whoever writes the entry and 1 -> 0 by the consumer, both acq_rel exchanges.
 */
#ifndef RK_RING_DEV_H
#define RK_RING_DEV_H

#include "rk_dev.h"

/* ---- record ring ----------------------------------------------------------------------------- */

typedef struct rk_ring_tx { /* the producer's private side */
  rk_u64 ring;              /* address of the rk_abi_ring */
  rk_u64 units;             /* address of its first unit */
  rk_u64 tail;              /* units used */
  rk_u64 head;              /* copy of the consumer's head */
  rk_u32 capacity;
  rk_u32 mask;
} rk_ring_tx;

typedef struct rk_ring_rx { /* the consumer's private side */
  rk_u64 ring;
  rk_u64 units;
  rk_u64 head;      /* units consumed */
  rk_u64 published; /* units given back */
  rk_u32 capacity;
  rk_u32 mask;
} rk_ring_rx;

RK_FN rk_u32 rkd_units(rk_u32 payload_bytes)
{
  return payload_bytes <= RK_UNIT_INLINE_BYTES
             ? 1u
             : 1u + (payload_bytes - RK_UNIT_INLINE_BYTES + RK_UNIT_BYTES - 1u) / RK_UNIT_BYTES;
}

RK_FN void rkd_ring_tx_open(rk_ring_tx *tx, rk_u64 ring)
{
  const rk_abi_ring *r = RK_PTR(rk_abi_ring, ring);
  tx->ring = ring;
  tx->units = r->units;
  tx->tail = 0;
  tx->head = 0;
  tx->capacity = r->capacity_units;
  tx->mask = r->mask;
}

RK_FN void rkd_ring_rx_open(rk_ring_rx *rx, rk_u64 ring)
{
  const rk_abi_ring *r = RK_PTR(rk_abi_ring, ring);
  rx->ring = ring;
  rx->units = r->units;
  rx->head = 0;
  rx->published = 0;
  rx->capacity = r->capacity_units;
  rx->mask = r->mask;
}

RK_FN rk_u8 *rkd_ring_unit(rk_u64 units, rk_u32 mask, rk_u64 position)
{
  return RK_PTR(rk_u8, units) + (position & mask) * RK_UNIT_BYTES;
}

/* Units free for the producer; re-reads the consumer's head when fewer than `wanted` seem free.
 * Partner of the acquire: rkd_ring_give_back. */
RK_FN rk_u32 rkd_ring_free(rk_ring_tx *tx, rk_u32 wanted)
{
  rk_u32 free_units = tx->capacity - (rk_u32)(tx->tail - tx->head);
  if (free_units < wanted) {
    tx->head = rk_ld_acquire_sys_u64(&RK_PTR(rk_abi_ring, tx->ring)->head);
    free_units = tx->capacity - (rk_u32)(tx->tail - tx->head);
  }
  return free_units;
}

/* Copies bytes into the record that starts at the producer's tail, from payload byte `at` on. */
RK_FN void rkd_ring_put(const rk_ring_tx *tx, rk_u32 at, const void *data, rk_u32 bytes)
{
  const rk_u8 *from = (const rk_u8 *)data;
  while (bytes > 0u) {
    rk_u32 unit = at < RK_UNIT_INLINE_BYTES ? 0u : 1u + (at - RK_UNIT_INLINE_BYTES) / RK_UNIT_BYTES;
    rk_u32 offset = unit == 0u ? RK_UNIT_INLINE_BYTES + at
                               : (at - RK_UNIT_INLINE_BYTES) % RK_UNIT_BYTES;
    rk_u32 part = RK_UNIT_BYTES - offset < bytes ? RK_UNIT_BYTES - offset : bytes;
    rkd_copy(rkd_ring_unit(tx->units, tx->mask, tx->tail + unit) + offset, from, part);
    at += part;
    from += part;
    bytes -= part;
  }
}

/* Publishes the record at the producer's tail, whose payload is in place. The caller made sure that
 * rkd_units(header->size_bytes) units are free. Partner: rkd_ring_peek. */
RK_FN void rkd_ring_commit(rk_ring_tx *tx, const rk_abi_msg *header)
{
  rk_abi_msg *unit = RK_PTR(rk_abi_msg, rkd_ring_unit(tx->units, tx->mask, tx->tail));
  unit->id = header->id;
  unit->correlation = header->correlation;
  unit->hlc = header->hlc;
  unit->deadline = header->deadline;
  unit->source = header->source;
  unit->dest = header->dest;
  unit->type = header->type;
  unit->checksum = header->checksum;
  unit->size_bytes = header->size_bytes;
  unit->flags = header->flags;
  unit->priority = header->priority;
  unit->reason = header->reason;
  rk_st_release_sys_u64(&unit->seq, tx->tail + 1u);
  tx->tail += rkd_units(header->size_bytes);
}

/* The record at the consumer's head, or 0 when there is none. Partner: rkd_ring_commit. */
RK_FN rk_abi_msg *rkd_ring_peek(const rk_ring_rx *rx)
{
  rk_abi_msg *unit = RK_PTR(rk_abi_msg, rkd_ring_unit(rx->units, rx->mask, rx->head));
  return rk_ld_acquire_sys_u64(&unit->seq) == rx->head + 1u ? unit : (rk_abi_msg *)0;
}

/* Copies payload bytes `at`.. of the record at the consumer's head. */
RK_FN void rkd_ring_get(const rk_ring_rx *rx, rk_u32 at, void *data, rk_u32 bytes)
{
  rk_u8 *to = (rk_u8 *)data;
  while (bytes > 0u) {
    rk_u32 unit = at < RK_UNIT_INLINE_BYTES ? 0u : 1u + (at - RK_UNIT_INLINE_BYTES) / RK_UNIT_BYTES;
    rk_u32 offset = unit == 0u ? RK_UNIT_INLINE_BYTES + at
                               : (at - RK_UNIT_INLINE_BYTES) % RK_UNIT_BYTES;
    rk_u32 part = RK_UNIT_BYTES - offset < bytes ? RK_UNIT_BYTES - offset : bytes;
    rkd_copy(to, rkd_ring_unit(rx->units, rx->mask, rx->head + unit) + offset, part);
    at += part;
    to += part;
    bytes -= part;
  }
}

/* Units consumed become the producer's again. Partner: rkd_ring_free. */
RK_FN void rkd_ring_give_back(rk_ring_rx *rx)
{
  if (rx->published != rx->head) {
    rx->published = rx->head;
    rk_st_release_sys_u64(&RK_PTR(rk_abi_ring, rx->ring)->head, rx->head);
  }
}

/* Passes the record at the consumer's head. Units that held payload get a zero sequence word, so
 * that old payload is never taken for a published record; the store is ordered before the
 * producer's next use of the unit by rkd_ring_give_back. Giving back is lazy: an eighth of the ring
 * at a time. */
RK_FN void rkd_ring_consume(rk_ring_rx *rx, rk_u32 payload_bytes)
{
  rk_u32 units = rkd_units(payload_bytes);
  for (rk_u32 i = 1u; i < units; ++i) {
    rk_st_relaxed_sys_u64(RK_PTR(rk_u64, rkd_ring_unit(rx->units, rx->mask, rx->head + i)), 0u);
  }
  rx->head += units;
  if (rx->head - rx->published >= rx->capacity / 8u) {
    rkd_ring_give_back(rx);
  }
}

/* ---- inbox ring ------------------------------------------------------------------------------ */

#define RK_TAIL_CLOSED (1ull << 63)

RK_FN rk_abi_msg *rkd_slot(rk_u64 slots, rk_u32 mask, rk_u32 slot_bytes, rk_u64 position)
{
  return RK_PTR(rk_abi_msg, slots + (position & mask) * (rk_u64)slot_bytes);
}
RK_FN void *rkd_slot_payload(rk_abi_msg *slot)
{
  return (rk_u8 *)(void *)slot + sizeof(rk_abi_msg);
}

/* Takes up to `most` credits, at least `least`, of an actor's room; 0 when there are not that many.
 * acq_rel: see the head of this file. */
RK_FN rk_u32 rkd_room_take(rk_abi_actor *to, rk_u32 least, rk_u32 most)
{
  rk_u64 *room = (rk_u64 *)&to->room;
  rk_u64 have = rk_ld_relaxed_gpu_u64(room);
  for (;;) {
    if ((rk_i64)have < (rk_i64)least) {
      return 0u;
    }
    rk_u32 take = have < most ? (rk_u32)have : most;
    if (rk_cas_acqrel_gpu_u64(room, &have, have - take)) {
      return take;
    }
  }
}
/* Takes a ticket in an actor's inbox for which the caller holds a credit; 0 when it is closed. */
RK_FN int rkd_inbox_ticket(rk_abi_actor *to, rk_u64 *ticket)
{
  rk_u64 tail = rk_ld_relaxed_gpu_u64(&to->tail);
  do {
    if ((tail & RK_TAIL_CLOSED) != 0u) {
      return 0;
    }
  } while (!rk_cas_acqrel_gpu_u64(&to->tail, &tail, tail + 1u));
  *ticket = tail;
  return 1;
}

/* Writes and publishes the message for a ticket. Partner: rkd_slot_ready. */
RK_FN void rkd_slot_publish(rk_abi_msg *slot, rk_u64 position, const rk_abi_msg *header,
                            const void *data)
{
  rkd_copy(rkd_slot_payload(slot), data, header->size_bytes);
  slot->id = header->id;
  slot->correlation = header->correlation;
  slot->hlc = header->hlc;
  slot->deadline = header->deadline;
  slot->source = header->source;
  slot->dest = header->dest;
  slot->type = header->type;
  slot->checksum = header->checksum;
  slot->size_bytes = header->size_bytes;
  slot->flags = header->flags;
  slot->priority = header->priority;
  slot->reason = header->reason;
  rk_st_release_gpu_u64(&slot->seq, position + 1u);
}
RK_FN int rkd_slot_ready(const rk_abi_msg *slot, rk_u64 position)
{
  return rk_ld_acquire_gpu_u64(&slot->seq) == position + 1u;
}

/* ---- ready ring ------------------------------------------------------------------------------ */

/* Tells `block` to look at the actor in `slot`. Call only after winning `signal` 0 -> 1. */
RK_FN void rkd_ready_push(rk_abi_block *block, rk_u32 slot)
{
  rk_u64 ticket = rk_add_acqrel_gpu_u64(&block->ready_tail, 1u);
  rk_abi_ready *entry = RK_PTR(rk_abi_ready, block->ready) + (ticket & block->ready_mask);
  entry->slot = slot;
  rk_st_release_gpu_u64(&entry->seq, ticket + 1u);
}
RK_FN int rkd_ready_pop(const rk_abi_block *block, rk_u64 *head, rk_u32 *slot)
{
  const rk_abi_ready *entry = RK_PTR(rk_abi_ready, block->ready) + (*head & block->ready_mask);
  if (rk_ld_acquire_gpu_u64(&entry->seq) != *head + 1u) {
    return 0;
  }
  *slot = entry->slot;
  *head += 1u;
  return 1;
}
RK_FN int rkd_ready_waits(const rk_abi_block *block, rk_u64 head)
{
  const rk_abi_ready *entry = RK_PTR(rk_abi_ready, block->ready) + (head & block->ready_mask);
  return rk_ld_acquire_gpu_u64(&entry->seq) == head + 1u;
}

#endif
