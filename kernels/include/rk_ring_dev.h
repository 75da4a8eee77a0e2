/* SPDX-License-Identifier: MIT */
/*
 * The rings of the system, written once for both sides. (An actor's rings for messages from the host
 * and from actors of its own block are one thread's business: rk_grid_dev.h, rk_near_dev.h.)
 *
 *  record ring  host <-> one block, single producer and consumer, counted in units; a record has as
 *               many units as a header with up to 64 bytes of payload and the rest in pieces of 128
 *               bytes need. In two forms: `plain` and `tagged`
 *  inbox ring   actor <- actors of other blocks, many producers and one consumer, one slot a message
 *  ready ring   block <- blocks, "look at this actor"
 *
 * In all of them readiness travels with the data: the slot for position p is readable once its
 * sequence word is p + 1. The producer writes the payload with plain stores, then the word with
 * release; the consumer reads the word with acquire, then the payload. There is no published tail.
 * Zeroed memory is an empty ring. Only the tagged form of the record ring has tags for the word.
 *
 * The record ring has two forms, called transports where they are chosen (runtime/transport.c):
 *  plain        a unit is 128 bytes: header and 64 bytes of payload in the first, 128 bytes in each
 *               of the others. Every record orders whatever its sender did before. The release
 *               makes a device wait until its earlier stores have crossed the bus.
 *  tagged       each unit has a head (rk_ring_tagged_dev.h) beside its 128 bytes. A record with up
 *               to 64 bytes of payload is its head and costs no fence; more payload lies, all of
 *               it, in the 128-byte pieces of its units, and is fenced. So is a record that must
 *               order other memory: commands, responses, and messages flagged RK_MSG_ORDERED.
 * A ring begins plain. RK_CMD_TRANSPORT makes both rings of a block tagged: the command and its
 * answer are the last records of the old form, and positions go on, so nothing is lost or cleared.
 * There is no way back: payload may lie where sequence words would be looked for.
 *
 * A batch (rkd_ring_hold .. rkd_ring_flush) has one release however many records and whatever the
 * sizes of their payloads. All of them are published without one but the first, which is finished
 * last. A consumer looks at one position only, so it finds none before the first; by that one it has
 * acquired what the release ordered, and that is all of them.
 *
 * What keeps a producer from overwriting:
 *  record ring  the consumer publishes `head`, units given back (release); the producer compares
 *               with its copy and re-reads (acquire) only when the ring looks full.
 *  inbox ring   credits: nobody takes a ticket without holding a credit, there are no more credits
 *               than slots, and a credit is given back only after its message was handled. Why that
 *               is also an ordering: a ticket t >= slots means t + 1 credits were used, so at least
 *               t + 1 - slots of them had been given back, each by a release on `room`; each was
 *               taken by an acquire on `room` (what was taken between the two does not break the
 *               chain: all of it are read-modify-writes) by a producer whose ticket precedes t in the
 *               chain of acq_rel operations on `tail`; so whoever holds ticket t has seen the consumer
 *               leave the slot. Credits that the consumer's block keeps and uses again itself
 *               (rk_near_dev.h) are in that chain by its own tickets.
 *  ready ring   as many entries as actors, and an actor has at most one entry: `signal` goes 0 -> 1
 *               by whoever writes the entry and 1 -> 0 by the consumer, both acq_rel exchanges; not
 *               when it takes the entry but later for a hot actor (rk_hot_dev.h).
 */
#ifndef RK_RING_DEV_H
#define RK_RING_DEV_H

#include "rk_dev.h"

#include "rk_ring_tagged_dev.h"

/* ---- record ring ----------------------------------------------------------------------------- */

#define RK_HOLD_NONE 0u
#define RK_HOLD_EMPTY 1u /* a batch has begun */
#define RK_HOLD_SOME 2u  /* its first record is there but for the word that publishes it */

typedef struct rk_ring_tx { /* the producer's private side */
  rk_u64 ring;              /* address of the rk_abi_ring */
  rk_u64 units;             /* address of its first unit */
  rk_u64 tail;              /* units used */
  rk_u64 head;              /* copy of the consumer's head */
  rk_u32 capacity;
  rk_u32 mask;
  rk_u32 transport; /* RK_TRANSPORT_* */
  rk_u32 lap_bits;  /* capacity is this power of two */
  rk_u64 heads;     /* address of the first head */
  /* a batch: RK_HOLD_*, position of its first record, and of that what is yet to be stored: pair 0
   * of its head */
  rk_u32 hold;
  rk_u32 hold_ordered; /* tagged: a record of it comes with other memory */
  rk_u64 held;
  rk_u64 held_first;
  /* tagged: of the record at `tail`, if it is short; as aligned as any data that is built there */
  RK_ALIGN(16) rk_u64 payload[RK_UNIT_INLINE_BYTES / 8];
} rk_ring_tx;

typedef struct rk_ring_rx { /* the consumer's private side */
  rk_u64 ring;
  rk_u64 units;
  rk_u64 head;      /* units consumed */
  rk_u64 published; /* units given back */
  rk_u32 capacity;
  rk_u32 mask;
  rk_u32 transport;
  rk_u32 lap_bits;
  rk_u64 heads;
  rk_u64 quiet; /* tagged: looks since the last record */
  /* tagged, or where the host is far: of the record at `head`, and its payload if it is short */
  RK_ALIGN(16) rk_abi_msg header;
  rk_u64 payload[RK_UNIT_INLINE_BYTES / 8];
} rk_ring_rx;

RK_FN rk_u32 rkd_units(rk_u32 payload_bytes)
{
  return payload_bytes <= RK_UNIT_INLINE_BYTES
             ? 1u
             : 1u + (payload_bytes - RK_UNIT_INLINE_BYTES + RK_UNIT_BYTES - 1u) / RK_UNIT_BYTES;
}

RK_FN rk_u32 rkd_lap_bits(rk_u32 mask)
{
  rk_u32 bits = 0;
  while ((mask >> bits) != 0u) {
    ++bits;
  }
  return bits;
}

#define RK_IS_TAGGED(side) ((side)->transport == RK_TRANSPORT_TAGGED)
/* Whether the consumer has a copy of the record at its head: the header, and a short payload. */
#define RK_HAS_COPY(rx) (RK_HOST_IS_FAR || RK_IS_TAGGED(rx))

RK_FN void rkd_ring_tx_open(rk_ring_tx *tx, rk_u64 ring)
{
  const rk_abi_ring *r = RK_PTR(rk_abi_ring, ring);
  tx->ring = ring;
  tx->units = r->units;
  tx->tail = 0;
  tx->head = 0;
  tx->capacity = r->capacity_units;
  tx->mask = r->mask;
  tx->transport = r->transport;
  tx->lap_bits = rkd_lap_bits(r->mask);
  tx->heads = r->heads;
  tx->hold = RK_HOLD_NONE;
  rkd_zero(tx->payload, (rk_u32)sizeof(tx->payload));
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
  rx->transport = r->transport;
  rx->lap_bits = rkd_lap_bits(r->mask);
  rx->heads = r->heads;
  rx->quiet = 0;
}

RK_FN rk_u8 *rkd_ring_unit(rk_u64 units, rk_u32 mask, rk_u64 position)
{
  return RK_PTR(rk_u8, units) + (position & mask) * RK_UNIT_BYTES;
}
RK_FN rk_u64 *rkd_ring_head(rk_u64 heads, rk_u32 mask, rk_u64 position)
{
  return RK_PTR(rk_u64, heads) + (position & mask) * (RK_HEAD_BYTES / 8u);
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

/* Where byte `at` of a payload lies in the units of the record at `position`, and how many follow it
 * in one piece: as many as there are up to the end of the ring. Tagged: only of a payload that is
 * not in the head. */
RK_FN rk_u8 *rkd_ring_byte(rk_u64 units, rk_u32 mask, rk_u64 position, int tagged, rk_u32 at,
                           rk_u32 *room)
{
  rk_u32 shifted = tagged ? at : at + RK_UNIT_INLINE_BYTES;
  rk_u32 offset = shifted % RK_UNIT_BYTES;
  rk_u32 unit = (rk_u32)(position + shifted / RK_UNIT_BYTES) & mask;
  *room = (mask + 1u - unit) * RK_UNIT_BYTES - offset;
  return rkd_ring_unit(units, mask, unit) + offset;
}

/* Copies bytes into the record of `size` bytes of payload that starts at the producer's tail, from
 * payload byte `at` on. */
RK_FN void rkd_ring_put(rk_ring_tx *tx, rk_u32 size, rk_u32 at, const void *data, rk_u32 bytes)
{
  const rk_u8 *from = (const rk_u8 *)data;
  int tagged = RK_IS_TAGGED(tx);
  if (tagged && size <= RK_UNIT_INLINE_BYTES) {
    rkd_copy((rk_u8 *)tx->payload + at, from, bytes);
    return;
  }
  while (bytes > 0u) {
    rk_u32 part;
    rk_u8 *to = rkd_ring_byte(tx->units, tx->mask, tx->tail, tagged, at, &part);
    part = part < bytes ? part : bytes;
    rkd_copy(to, from, part);
    at += part;
    from += part;
    bytes -= part;
  }
}

/* Where the whole payload of such a record may be written instead, or 0 when it does not lie in one
 * piece. Valid until the commit. */
RK_FN void *rkd_ring_place(rk_ring_tx *tx, rk_u32 size)
{
  int tagged = RK_IS_TAGGED(tx);
  rk_u32 room;
  if (tagged && size <= RK_UNIT_INLINE_BYTES) {
    return tx->payload;
  }
  return (tx->tail & tx->mask) + rkd_units(size) <= tx->capacity
             ? rkd_ring_byte(tx->units, tx->mask, tx->tail, tagged, 0u, &room)
             : (rk_u8 *)0;
}

/* Forgets what was put for such a record: it will not be committed. In the plain form payload may
 * have come to lie where headers will, and may look like published ones. */
RK_FN void rkd_ring_abandon(rk_ring_tx *tx, rk_u32 size)
{
  if (RK_IS_TAGGED(tx)) {
    return;
  }
  for (rk_u32 i = 1u; i < rkd_units(size); ++i) {
    rk_st_relaxed_sys_u64(RK_PTR(rk_u64, rkd_ring_unit(tx->units, tx->mask, tx->tail + i)), 0u);
  }
}

/* Tagged: whether the sender's other memory, and payload that is not in the head, comes with it. */
RK_FN int rkd_ring_is_ordered(rk_u32 size, rk_u32 flags, rk_u64 lap)
{
  return size > RK_UNIT_INLINE_BYTES || rkd_lap_clears(lap) ||
         (flags & (RK_MSG_COMMAND | RK_MSG_RESPONSE | RK_MSG_ORDERED)) != 0u;
}

/* Finishes the head of the record at `position`. The fence makes the store of pair 0 a release: it
 * orders payload in units, and what was held behind this record. Partner: rkd_ring_peek_tagged,
 * which decides by the same words. */
RK_FN void rkd_ring_finish_tagged(rk_ring_tx *tx, rk_u64 position, rk_u64 first, int is_ordered)
{
  rk_u64 *head = rkd_ring_head(tx->heads, tx->mask, position);
  if (is_ordered) {
    rk_fence_release_sys(head);
  }
  rkd_head_store(head, 0u, rkd_head_tag(position >> tx->lap_bits), first);
}

RK_FN void rkd_ring_commit_tagged(rk_ring_tx *tx, const rk_abi_msg *header)
{
  rk_u64 *head = rkd_ring_head(tx->heads, tx->mask, tx->tail);
  rk_u64 lap = tx->tail >> tx->lap_bits;
  rk_u32 units = rkd_units(header->size_bytes);
  int is_ordered = rkd_ring_is_ordered(header->size_bytes, header->flags, lap);
  for (rk_u32 i = 0; i < units; ++i) {
    if (rkd_lap_clears((tx->tail + i) >> tx->lap_bits)) {
      rkd_head_clear(rkd_ring_head(tx->heads, tx->mask, tx->tail + i));
      is_ordered = 1;
    }
  }
  rkd_head_write(head, rkd_head_tag(lap), header, tx->payload);
  if (tx->hold == RK_HOLD_EMPTY) {
    tx->hold = RK_HOLD_SOME;
    tx->held = tx->tail;
    tx->held_first = rkd_head_first(header);
    tx->hold_ordered = (rk_u32)is_ordered;
  } else {
    if (tx->hold == RK_HOLD_SOME) { /* the fence is that of the first record */
      tx->hold_ordered |= (rk_u32)is_ordered;
      is_ordered = 0;
    }
    rkd_ring_finish_tagged(tx, tx->tail, rkd_head_first(header), is_ordered);
  }
  tx->tail += units;
}

/* Begins a batch: what is committed until rkd_ring_flush becomes visible by that, all at once. The
 * consumer gives nothing of it back before, so the caller makes sure of the room for all of it. */
RK_FN void rkd_ring_hold(rk_ring_tx *tx)
{
  tx->hold = RK_HOLD_EMPTY;
}

/* Ends a batch, if there is one. Partner: rkd_ring_peek. */
RK_FN void rkd_ring_flush(rk_ring_tx *tx)
{
  if (tx->hold == RK_HOLD_SOME) {
    if (RK_IS_TAGGED(tx)) {
      /* tells the consumer that it must acquire, too */
      rk_u64 ordered = tx->hold_ordered != 0u ? (rk_u64)RK_MSG_ORDERED << 32 : 0u;
      rkd_ring_finish_tagged(tx, tx->held, tx->held_first | ordered, ordered != 0u);
    } else {
      rk_abi_msg *unit = RK_PTR(rk_abi_msg, rkd_ring_unit(tx->units, tx->mask, tx->held));
      rk_st_release_sys_u64(&unit->seq, tx->held + 1u);
    }
  }
  tx->hold = RK_HOLD_NONE;
}

/* Publishes the record at the producer's tail, whose payload is in place. The caller made sure that
 * rkd_units(header->size_bytes) units are free. Partner: rkd_ring_peek. */
RK_FN void rkd_ring_commit(rk_ring_tx *tx, const rk_abi_msg *header)
{
  if (RK_IS_TAGGED(tx)) {
    rk_abi_msg copy = *header; /* so that the plain form can keep the caller's in registers */
    rkd_ring_commit_tagged(tx, &copy);
    return;
  }
  rk_abi_msg *unit = RK_PTR(rk_abi_msg, rkd_ring_unit(tx->units, tx->mask, tx->tail));
  unit->id = header->id;
#if !defined(RK_PLANT_SPOILT_PLAIN)
  unit->correlation = header->correlation;
#endif
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
  if (tx->hold == RK_HOLD_NONE) {
    rk_st_release_sys_u64(&unit->seq, tx->tail + 1u);
  } else if (tx->hold == RK_HOLD_SOME) {
    rk_st_relaxed_sys_u64(&unit->seq, tx->tail + 1u); /* ordered by the first one's release */
  } else {
    tx->hold = RK_HOLD_SOME;
    tx->held = tx->tail;
  }
  tx->tail += rkd_units(header->size_bytes);
  /* The consumer had the lines that come next a lap ago. Those of the record after the next are
   * asked for while the next is made; at that itself the consumer may be looking. */
  rk_u8 *later = rkd_ring_unit(tx->units, tx->mask, tx->tail + 2u);
  rkd_fetch_to_write(later);
  rkd_fetch_to_write(later + RK_UNIT_BYTES / 2u);
}

RK_FN rk_abi_msg *rkd_ring_peek_tagged(rk_ring_rx *rx)
{
  rk_u64 *head = rkd_ring_head(rx->heads, rx->mask, rx->head);
  rk_u64 lap = rx->head >> rx->lap_bits;
  if (!rkd_head_read(head, rkd_head_tag(lap), RK_IS_EAGER(rx->quiet), &rx->header, rx->payload)) {
    rx->quiet += 1u;
    return (rk_abi_msg *)0;
  }
  if (rkd_ring_is_ordered(rx->header.size_bytes, rx->header.flags, lap)) {
    rk_fence_acquire_sys(head); /* partner: rkd_ring_finish_tagged */
  }
  rx->quiet = 0u;
  rx->header.seq = rx->head + 1u;
  return &rx->header;
}

#if RK_HOST_IS_FAR
/* Header and first payload of a record that is there, but for its sequence word. All of it is asked
 * for before any is stored: one round trip, where a look at a field now and then would be several. */
RK_FN void rkd_ring_copy_unit(rk_ring_rx *rx, const rk_abi_msg *unit)
{
  const rk_piece *from = (const rk_piece *)(const void *)unit + 1;
  rk_piece *to = (rk_piece *)(void *)&rx->header + 1;
  rk_piece piece[RK_UNIT_BYTES / 16u - 1u];
  rk_u64 id = unit->id;
  for (rk_u32 i = 0; i < RK_UNIT_BYTES / 16u - 1u; ++i) {
    piece[i] = from[i];
  }
  for (rk_u32 i = 0; i < RK_UNIT_BYTES / 16u - 1u; ++i) {
    to[i] = piece[i];
  }
  rx->header.id = id;
  rx->header.seq = rx->head + 1u;
}
RK_STATIC_ASSERT(RK_OFFSET(rk_abi_msg, id) == 8u,
                 "the sequence word and `id` are the first 16 bytes");
RK_STATIC_ASSERT(RK_OFFSET(rk_ring_rx, payload) ==
                     RK_OFFSET(rk_ring_rx, header) + sizeof(rk_abi_msg),
                 "a copy of a unit is one piece");
#endif

/* The record at the consumer's head, or 0 when there is none; its header stays readable until it is
 * consumed. Partner: rkd_ring_commit. */
RK_FN rk_abi_msg *rkd_ring_peek(rk_ring_rx *rx)
{
  if (RK_IS_TAGGED(rx)) {
    return rkd_ring_peek_tagged(rx);
  }
  rk_abi_msg *unit = RK_PTR(rk_abi_msg, rkd_ring_unit(rx->units, rx->mask, rx->head));
  if (rk_ld_acquire_sys_u64(&unit->seq) != rx->head + 1u) {
    return (rk_abi_msg *)0;
  }
#if RK_HOST_IS_FAR
  rkd_ring_copy_unit(rx, unit);
  unit = &rx->header;
#endif
  return unit;
}

/* Whether there is, or is about to be, a record at a position: for those who only watch a ring. */
RK_FN int rkd_ring_waits(const rk_abi_ring *ring, rk_u64 position)
{
  /* partner: make_tagged of runtime/transport.c */
  if (rk_ld_acquire_sys_u32(&ring->transport) == RK_TRANSPORT_TAGGED) {
    return rkd_head_waits(rkd_ring_head(ring->heads, ring->mask, position),
                          rkd_head_tag(position >> rkd_lap_bits(ring->mask)));
  }
  return rk_ld_acquire_sys_u64(
             &RK_PTR(const rk_abi_msg, rkd_ring_unit(ring->units, ring->mask, position))->seq) ==
         position + 1u;
}

/* Copies payload bytes `at`.. of the record at the consumer's head, which was peeked at. */
RK_FN void rkd_ring_get(const rk_ring_rx *rx, rk_u32 at, void *data, rk_u32 bytes)
{
  rk_u8 *to = (rk_u8 *)data;
  int tagged = RK_IS_TAGGED(rx);
  if (RK_HAS_COPY(rx) && rx->header.size_bytes <= RK_UNIT_INLINE_BYTES) {
    rkd_copy(to, (const rk_u8 *)rx->payload + at, bytes);
    return;
  }
  while (bytes > 0u) {
    rk_u32 part;
    const rk_u8 *from = rkd_ring_byte(rx->units, rx->mask, rx->head, tagged, at, &part);
    part = part < bytes ? part : bytes;
    rkd_copy(to, from, part);
    at += part;
    to += part;
    bytes -= part;
  }
}

/* The whole payload of that record where it lies, or 0 when that is not one piece. Valid until the
 * record is consumed. */
RK_FN const void *rkd_ring_payload(const rk_ring_rx *rx, const rk_abi_msg *record)
{
  int tagged = RK_IS_TAGGED(rx);
  rk_u32 room;
  if (RK_HAS_COPY(rx) && record->size_bytes <= RK_UNIT_INLINE_BYTES) {
    return rx->payload;
  }
  return (rx->head & rx->mask) + rkd_units(record->size_bytes) <= rx->capacity
             ? rkd_ring_byte(rx->units, rx->mask, rx->head, tagged, 0u, &room)
             : (const rk_u8 *)0;
}

/* Units consumed become the producer's again. Partner: rkd_ring_free. */
RK_FN void rkd_ring_give_back(rk_ring_rx *rx)
{
  if (rx->published != rx->head) {
    rx->published = rx->head;
    rk_st_release_sys_u64(&RK_PTR(rk_abi_ring, rx->ring)->head, rx->head);
  }
}

/* Passes the record at the consumer's head. Plain form: units that held payload get a zero
 * sequence word, so that old payload is never taken for a published record; the store is ordered
 * before the producer's next use of the unit by rkd_ring_give_back. Giving back is lazy: an eighth
 * of the ring at a time. */
RK_FN void rkd_ring_consume(rk_ring_rx *rx, rk_u32 payload_bytes)
{
  rk_u32 units = rkd_units(payload_bytes);
  if (!RK_IS_TAGGED(rx)) {
    for (rk_u32 i = 1u; i < units; ++i) {
      rk_st_relaxed_sys_u64(RK_PTR(rk_u64, rkd_ring_unit(rx->units, rx->mask, rx->head + i)), 0u);
    }
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

/* The slots for messages from actors of the same block, which need none of what follows: they lie
 * behind those for messages from other blocks. See rk_near_dev.h. */
RK_FN rk_u64 rkd_near_slots(const rk_abi_actor *a)
{
  return a->kernel_slots + (a->kernel_mask + 1u) * (rk_u64)a->slot_bytes;
}
RK_FN rk_abi_msg *rkd_near_slot(const rk_abi_actor *a, rk_u32 position)
{
  return rkd_slot(rkd_near_slots(a), a->near_mask, a->slot_bytes, position);
}

/* Messages that wait there. */
RK_FN rk_u32 rkd_near_depth(const rk_abi_actor *a)
{
  return a->near_tail - a->near_head;
}

/* Takes up to `most` credits, at least `least`, of an actor's room; 0 when there are not that many.
 * Acquires from who gave them back (rkd_room_give), and tells nobody anything: a release here would
 * make a device wait for its stores. See the head of this file. */
RK_FN rk_u32 rkd_room_take(rk_abi_actor *to, rk_u32 least, rk_u32 most)
{
  rk_u64 *room = (rk_u64 *)&to->room;
  rk_u64 have = rk_ld_relaxed_gpu_u64(room);
  for (;;) {
    if ((rk_i64)have < (rk_i64)least) {
      return 0u;
    }
    rk_u32 take = have < most ? (rk_u32)have : most;
    if (rk_cas_acquire_gpu_u64(room, &have, have - take)) {
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

/* Writes a message into its slot: all but the sequence word. Field by field, or a copy in larger
 * pieces would wait for the stores that made the header. */
RK_FN void rkd_slot_write(rk_abi_msg *slot, const rk_abi_msg *header, const void *data)
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
}

/* Writes and publishes the message for a ticket. Partner: rkd_slot_ready. */
RK_FN void rkd_slot_publish(rk_abi_msg *slot, rk_u64 position, const rk_abi_msg *header,
                            const void *data)
{
  rkd_slot_write(slot, header, data);
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
/* The receiving side keeps the address of its ring (`ready`) and the mask: rk_block. */
RK_FN int rkd_ready_pop(rk_u64 ready, rk_u32 mask, rk_u64 *head, rk_u32 *slot)
{
  const rk_abi_ready *entry = RK_PTR(rk_abi_ready, ready) + (*head & mask);
  if (rk_ld_acquire_gpu_u64(&entry->seq) != *head + 1u) {
    return 0;
  }
  *slot = entry->slot;
  *head += 1u;
  return 1;
}
RK_FN int rkd_ready_waits(rk_u64 ready, rk_u32 mask, rk_u64 head)
{
  const rk_abi_ready *entry = RK_PTR(rk_abi_ready, ready) + (head & mask);
  return rk_ld_acquire_gpu_u64(&entry->seq) == head + 1u;
}

#endif
