/* SPDX-License-Identifier: MIT */
/*
 * What of a parked grid's messages a checkpoint saves for one actor: what waits in its inbox, in the
 * order in which it would be handled, and what its block has not taken out of the host's ring yet.
 */
#include "runtime/checkpoint.h"

#include <string.h>

#include "base/base.h"

/* Appends what waits in a ring between two positions. */
static int save_slots(const rk_inbox_copy *c, rk_bytes *out, const rk_abi_actor *a, uint64_t slots,
                      uint32_t mask, uint64_t head, uint64_t tail, uint32_t self, rk_error *err)
{
  rk_runtime *rt = c->still->rt;
  while (head != tail) {
    uint32_t first = (uint32_t)(head & mask);
    uint64_t n = tail - head < mask + 1u - first ? tail - head : mask + 1u - first;
    size_t bytes = (size_t)n * a->slot_bytes;
    c->slots->size = 0;
    unsigned char *room = rk_bytes_room(c->slots, bytes);
    if (room == NULL) {
      return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
    }
    int rc = rt->ops->device_read(rt->backend, room, slots + (uint64_t)first * a->slot_bytes, bytes,
                                  err);
    if (rc != RK_OK) {
      return rc;
    }
    for (uint64_t i = 0; i < n; ++i) {
      rk_abi_msg header;
      memcpy(&header, room + i * a->slot_bytes, sizeof(header));
      if (header.size_bytes + sizeof(header) > a->slot_bytes) {
        return rk_error_set(err, RK_ECORRUPT, "checkpoint: a queue of the grid is broken");
      }
      rk__save_message(rt, out, &header, room + i * a->slot_bytes + sizeof(header), self);
    }
    head += n;
  }
  return RK_OK;
}

/* Messages for this actor that are still on their way to its block. */
static uint32_t save_in_flight(const rk_inbox_copy *c, rk_bytes *out, const rk_actor *actor,
                               uint8_t priority, uint32_t self)
{
  uint32_t count = 0;
  for (size_t i = 0; i < c->still->in_flight_count; ++i) {
    const rk_in_flight *m = &c->still->in_flight[i];
    if (m->header.dest == actor->id &&
        (m->header.priority == RK_PRIORITY_HIGH) == (priority != 0)) {
      rk__save_message(c->still->rt, out, &m->header, m->data, self);
      ++count;
    }
  }
  return count;
}

/* Near messages, each behind those of the other ring that came before it (rk_near_dev.h): in a file
 * they are one queue. Moves *head past what was saved of that ring. */
static int save_near(const rk_inbox_copy *c, rk_bytes *out, const rk_abi_actor *a, uint64_t *head,
                     uint32_t self, rk_error *err)
{
  rk_runtime *rt = c->still->rt;
  int rc = RK_OK;
  for (rk_u32 at = a->near_head; at != a->near_tail && rc == RK_OK; ++at) {
    uint64_t slot = rkd_near_slots(a) + (uint64_t)(at & a->near_mask) * a->slot_bytes;
    uint64_t before = 0;
    rc = rt->ops->device_read(rt->backend, &before, slot + offsetof(rk_abi_msg, seq),
                              sizeof(before), err);
    if (rc == RK_OK && before > *head) {
      rc = save_slots(c, out, a, a->kernel_slots, a->kernel_mask, *head, before, self, err);
      *head = before;
    }
    if (rc == RK_OK) {
      rc = save_slots(c, out, a, rkd_near_slots(a), a->near_mask, at, (uint64_t)at + 1u, self, err);
    }
  }
  return rc;
}

int rk__save_inbox(const rk_inbox_copy *c, rk_bytes *out, const rk_actor *actor, bool is_ending,
                   uint32_t *messages, rk_error *err)
{
  const rk_abi_actor *a = &c->still->actors[actor->slot];
  const uint64_t tail = a->tail & ~RK_TAIL_CLOSED;
  const struct {
    uint64_t slots, head, tail;
    uint32_t mask;
  } rings[] = {{a->kernel_slots, a->kernel_head, tail, a->kernel_mask},
               {a->host_slots, a->host_head, a->host_tail, a->host_mask},
               {a->urgent_slots, a->urgent_head, a->urgent_tail, a->urgent_mask}};
  uint32_t all = 0;
  uint32_t self = is_ending ? RK_ID_HOST : actor->id;
  for (unsigned i = 0; i < RK_ARRAY_LEN(rings); ++i) {
    size_t count_at = out->size;
    uint32_t count = (uint32_t)(rings[i].tail - rings[i].head);
    if (!is_ending) {
      rk_bytes_u32(out, 0u);
    }
    int rc = RK_OK;
    uint64_t head = rings[i].head;
    if (i == RK_SAVED_KERNEL) {
      count += rkd_near_depth(a);
      rc = save_near(c, out, a, &head, self, err);
    }
    if (rc == RK_OK) {
      rc = save_slots(c, out, a, rings[i].slots, rings[i].mask, head, rings[i].tail, self, err);
    }
    if (rc != RK_OK) {
      return rc;
    }
    if (i != RK_SAVED_KERNEL) {
      count += save_in_flight(c, out, actor, i == RK_SAVED_URGENT, self);
    }
    if (!is_ending) {
      rk_bytes_u32_at(out, count_at, count);
    }
    all += count;
  }
  *messages = all;
  return RK_OK;
}
