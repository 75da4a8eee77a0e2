/* SPDX-License-Identifier: MIT */
/*
 * The part of the ABI that says where an actor's ports lead and what becomes of what is sent through
 * them. Included by rk_abi.h alone, whose rules hold here; the code is in rk_link_dev.h.
 */
#ifndef RK_ABI_LINK_H
#define RK_ABI_LINK_H

/* What becomes of a message for which a port's receiver has no room: rk_link_dev.h. */
#define RK_LINK_BLOCK 0u
#define RK_LINK_BUFFER 1u
#define RK_LINK_DROP_NEWEST 2u
#define RK_LINK_DROP_OLDEST 3u
#define RK_LINK_DEAD_LETTER 4u
#define RK_LINK_POLICIES 5u
/* CONNECT_PORT says it: flags = policy, bytes = limit << 32 | chunk, address = buffer, reserved =
 * deadline. With the destination and buffer that the route has, what waits there stays. */
/* a slot of a link's buffer, by what its sender's definition emits */
#define RK_LINK_SLOT_BYTES(emits) (((rk_u32)sizeof(rk_abi_msg) + (emits) + 15u) & ~15u)

typedef struct rk_abi_route { /* B writes: one per port of an actor */
  rk_u32 dest;                /* actor reference; 0 = not connected */
  rk_u32 chunk;               /* credits taken from the receiver at a time */
  rk_u32 credits;             /* credits in hand; none while something waits on the link */
  rk_u32 dirty;               /* 1: messages sent since the receiver was last signalled */
  rk_u64 serial;              /* handling that `used` counts for */
  rk_u32 used;                /* messages sent through it in that handling */
  rk_u32 policy;              /* RK_LINK_* */
  rk_u64 sent;                /* messages that are in the receiver's queue, or were */
  rk_u64 head, tail;          /* of what waits on the link: positions in its buffer */
  rk_u64 slots;               /* address of the buffer: `limit` slots of `slot_bytes` */
  rk_u32 limit;
  rk_u32 slot_bytes;
  rk_u64 deadline_ns; /* how long `block` holds the sender; 0 = for ever */
  rk_u64 stalled_ns;  /* since when it does; 0 = it does not */
  rk_u64 stalls;      /* how often it has begun to */
  rk_u64 dropped;     /* messages that its policy dropped or refused */
  rk_u64 dead;        /* and those that it made dead letters */
  rk_u32 high;        /* most messages that ever waited on the link */
  rk_u32 pad0;
  rk_u64 next;        /* ticket that its next message gets if nobody else sends to the receiver */
} rk_abi_route;
RK_CHECK_SIZE(rk_abi_route, 128);
RK_CHECK_OFFSET(rk_abi_route, serial, 16);
RK_CHECK_OFFSET(rk_abi_route, slots, 56);
RK_CHECK_OFFSET(rk_abi_route, high, 112);

#endif
