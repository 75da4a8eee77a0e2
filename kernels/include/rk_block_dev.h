/* SPDX-License-Identifier: MIT */
/*
 * What a block keeps to itself, and the small services everything in its loop uses: its clock, its
 * run queue, waking others, and records to the host.
 *
 * Only the block's leader lane touches rk_block, except where a word is said to be read by all
 * lanes. On the device it lies in shared memory while the block is in its loop (rk_team_dev.h): not
 * on the leader's stack, because the lanes of a many-lane handler reach it through their context,
 * and not in device memory, because every acquire empties the cache in front of that. Other blocks
 * cannot reach it; the members of a gang look at rkd_kept_ctx instead.
 */
#ifndef RK_BLOCK_DEV_H
#define RK_BLOCK_DEV_H

#include "rk_kernel.h"

#include "rk_ring_dev.h"

#include "rk_hlc_dev.h"

#include "rk_trace_dev.h"

typedef struct rk_block rk_block;

#define RK_HOT_MAX 4u   /* actors that a block looks at in every round */
#define RK_OWING_MAX 8u /* actors whose room a block may give back a little later */

/* What a handler is given. Lanes read it; `failed` and `stopping` may be stored by any lane. */
struct rk_ctx {
  const rk_ctx_api *api; /* set where handlers are modules of their own, else 0 */
  rk_u32 member;         /* number of the block among those that run this handling: 0 leads */
  rk_u32 members;        /* how many they are; modules know the fields up to here */
  rk_ctx *lead;          /* the leader's, where failures go */
  rk_abi_gang *gang;     /* the leader's */
  rk_block *block;
  rk_abi_actor *actor;
  const rk_abi_def *def;
  rk_abi_msg *msg;  /* being handled; 0 in start and stop handlers */
  rk_u64 serial;    /* number of this handling within the block */
  rk_u64 stamp;     /* HLC when this handling began */
  rk_u32 host_left; /* messages it may still send to the host */
  rk_u32 failed;    /* 0 or the code given to rk_fail, never 0 after a failure */
  rk_u32 stopping;  /* 1 after rk_stop */
  rk_u32 reserved;  /* 1: room for all it may send was made sure of before it began */
  rk_u32 slot;      /* slot number of the actor */
};

struct rk_block {
  rk_ctx ctx;
  rk_u64 grid; /* address of the rk_abi_grid */
  rk_abi_block *shared;
  rk_abi_door *door;
  rk_abi_actor *actors;
  /* copies of what the grid and `shared` say: each would be one look more on the way to another */
  rk_abi_ctrl *ctrls;
  rk_abi_telemetry *telemetry;
  rk_abi_link *links;
  rk_u32 *run_queue;
  rk_u64 ready; /* address of its rk_abi_ready[] */
  rk_u32 ready_mask;
  rk_u32 actor_capacity;
  rk_ring_rx rx; /* from the host */
  rk_ring_tx tx; /* to the host */
  rk_u64 ready_head;
  rk_u64 run_head, run_tail;
  rk_u64 hlc;     /* last stamp given out */
  rk_u64 now_us;  /* wall clock when last sampled */
  rk_u64 next_id; /* of messages made here */
  rk_u64 handled;
  rk_u64 laned;               /* copy of its door's */
  rk_u64 steps_left;          /* while `stepping` */
  rk_u64 wake_mask;           /* blocks to wake at the next flush */
  rk_u64 dirty[RK_PORTS_MAX]; /* addresses of routes whose receiver is to be signalled */
  rk_u32 dirty_count;
  rk_u32 index;
  rk_u32 notify;     /* 1: records for the host were written since the last flush */
  rk_u32 notified;   /* value of rk_abi_host.waiting the host was last woken for */
  rk_u32 stepping;   /* 1: hand out only steps_left messages */
  rk_u32 stop;       /* RK_STOP_*; 0: go on */
  rk_u64 stop_cmd;   /* command to answer then */
  rk_u32 slot_limit; /* one above the highest slot ever served */
  rk_u32 bell;       /* value of its bell when this round began */
  rk_u32 naps;       /* sleeps since it last made progress */
  rk_u32 idle_rounds;
  rk_u64 idle_since_us;
  rk_u32 sampled;     /* 1: the clock was sampled in this round or at the end of the one before */
  rk_u32 sample_msgs; /* messages that share a reading of it */
  rk_u64 sampled_at;  /* `handled` then */
  rk_u64 seen;        /* copy of its door's */
  rk_u64 rounds;      /* of its loop, in this generation */
  rk_u64 ended;       /* rk_abi_grid.ended with the actor that ended last; for its response */
  rk_u32 parked;      /* 1: it left the loop to come back */
  /* RK_MSG_ORDERED once something that came here had it: what its handlers send has it too */
  rk_u32 ordered;
  rk_u64 alive; /* copy of rk_abi_host.alive, and when it last moved */
  rk_u64 alive_us;
  rk_abi_latencies *latencies; /* of all actors; 0 = none are kept */
  rk_abi_tenants *tenants;     /* its copy; 0 while nobody has named a tenant */
  rk_u64 untold;               /* copy of its door's */
  rk_trace_tx trace;
  rk_u32 timed;                 /* 1: handlings are timed, for `latencies` or `trace` */
  rk_ctx lent;                  /* of a handler that another block leads */
  rk_abi_gang *gang;            /* its own */
  rk_u64 gang_call;             /* last call that it answered */
  rk_u32 gang_slot;             /* actor for which it collects blocks */
  rk_u32 gang_members;          /* how many that needs; 0: it collects none */
  rk_u32 gang_got;              /* how many it has */
  rk_u32 gang_queued;           /* 1: the next one's `wanted` may name this block */
  rk_u32 gang_passed;           /* times in a row that it let another block go first */
  rk_u32 hot_count;             /* rk_hot_dev.h */
  rk_u32 hot[RK_HOT_MAX];       /* slots of hot actors */
  rk_u64 hot_round[RK_HOT_MAX]; /* round in which each last had something to do */
  rk_u32 lately[RK_HOT_MAX];    /* slot + 1 of actors that entries named lately */
  rk_u32 lately_next;
  rk_u32 owing_count;         /* rk_room_dev.h */
  rk_u32 owing[RK_OWING_MAX]; /* slots of actors with credits to give back */
  rk_u64 owing_us;            /* wall clock when the first of them came here */
  rk_u32 brought;             /* keeps loads that nobody needs: rkd_bring_actor */
  rk_u32 crowded;             /* waits that are to be sleeps: other programs want the processor */
  rk_u32 emptied;             /* 1: the turn did something that empties a device's cache */
};

#define RK_STOP_END 1u  /* leave the loop for good */
#define RK_STOP_PARK 2u /* leave it at a message boundary and come back later */
#define RK_STOP_LOST 3u /* the host is gone: leave at once */

RK_STATIC_ASSERT(sizeof(rk_block) <= RK_BLOCK_PRIVATE_BYTES, "rk_block has outgrown its place");

#if defined(RK_PTX_STATIC_SHARED)
/* The block's own, on the device. Its place in device memory keeps it between two launches. */
RK_PTX_STATIC_SHARED rk_block rkd_own_block;
#endif

/* The block that runs a handler, which is the caller's. */
RK_FN rk_block *rkd_block_of(const rk_ctx *ctx)
{
#if defined(RK_PTX_STATIC_SHARED)
  (void)ctx;
  return &rkd_own_block; /* so that the compiler knows that it is shared memory */
#else
  return ctx->block;
#endif
}

/* Where the context of its handlers lies for other blocks: in the place that keeps an rk_block
 * between two launches. On the CPU that is the block itself. */
RK_FN rk_ctx *rkd_kept_ctx(const rk_block *b)
{
  return &RK_PTR(rk_block, b->shared->scratch)->ctx;
}

/* Before the block leaves: whoever serves it next finds everything there, and so does the host. */
RK_FN void rkd_block_keep(const rk_block *b)
{
  rk_block *kept = RK_PTR(rk_block, b->shared->scratch);
  if (kept != b) {
    rkd_copy(kept, b, (rk_u32)sizeof(*b));
  }
}

/* ---- clock ----------------------------------------------------------------------------------- */

/* The wall clock is sampled once per batch: a stamp then costs an addition. A batch is a turn, or
 * several of one round with up to RK_SAMPLE_MSGS messages, as long as those take next to no time: when
 * a batch turns out to have taken longer, each of the turns that follow has its own. */
#define RK_SAMPLE_MSGS 8u
#define RK_SAMPLE_US 1u
RK_FN void rkd_sample_clock(rk_block *b)
{
  b->now_us = rkd_clock_us();
}
/* At the beginning of a turn. */
RK_FN void rkd_sample_turn(rk_block *b)
{
  if (b->sampled == 0u || b->handled - b->sampled_at >= b->sample_msgs) {
    rk_u64 before = b->now_us;
    rkd_sample_clock(b);
    b->sample_msgs = b->now_us - before <= RK_SAMPLE_US ? RK_SAMPLE_MSGS : 1u;
    b->sampled = 1u;
    b->sampled_at = b->handled;
  }
}
RK_FN rk_u64 rkd_stamp(rk_block *b)
{
  return rkd_hlc_tick(&b->hlc, b->now_us);
}

#define RK_BEAT_ROUNDS 64u /* rounds between two signs of life */

/* Told now and then, so that a host can tell a busy block from a lost one. A block that waits for
 * other blocks beats, too: it is not the one that does not get on. */
RK_FN void rkd_beat(rk_block *b)
{
  b->rounds += 1u;
  if (b->rounds % RK_BEAT_ROUNDS == 0u) {
    rk_st_relaxed_sys_u64(&b->door->beats, b->rounds);
  }
}

#if RK_CAN_SLEEP
#define RK_LONG_YIELD_NS 200000u /* a yield as long as this gave the processor to others */
#define RK_CROWDED_WAITS 16u     /* so many waits after one are sleeps */

/* A yield to a processor that others want costs their whole time slice; blocks that wait for each
 * other then pay one for each message or barrier. Who sleeps instead is scheduled soon after it is
 * woken. */
RK_SLOW_FN void rkd_yield(rk_block *b)
{
  rk_u64 start_ns = rkd_clock_ns();
  rk_port_yield();
  if (rkd_clock_ns() - start_ns > RK_LONG_YIELD_NS) {
    b->crowded = RK_CROWDED_WAITS;
  }
}
#endif

#if !RK_CAN_SLEEP
/* A host that is gone cannot ask anybody to end, and its device must not spin for ever. */
RK_SLOW_FN void rkd_watch_host(rk_block *b)
{
  const rk_abi_grid *grid = RK_PTR(const rk_abi_grid, b->grid);
  rk_u64 alive = rk_ld_relaxed_sys_u64(&RK_PTR(const rk_abi_host, grid->host)->alive);
  rk_u64 now = rkd_clock_us();
  if (alive != b->alive || b->alive_us == 0u) {
    b->alive = alive;
    b->alive_us = now;
  } else if (grid->grace_s != 0u && now - b->alive_us > grid->grace_s * 1000000ull) {
    b->stop = RK_STOP_LOST;
  }
}
#endif

/* ---- actors ---------------------------------------------------------------------------------- */

/* The living actor that a reference names, or 0. Its memory stays valid until this block's next
 * round (rkd_quiesce), even if it ends meanwhile. */
RK_FN rk_abi_actor *rkd_actor(const rk_block *b, rk_u32 reference)
{
  rk_u32 slot = reference & RK_ID_SLOT_MASK;
  if (reference == RK_ID_HOST || slot >= b->actor_capacity) {
    return (rk_abi_actor *)0;
  }
  rk_abi_actor *a = b->actors + slot;
  return rk_ld_relaxed_gpu_u32(&a->id) == reference ? a : (rk_abi_actor *)0;
}
#if RK_HOST_IS_FAR
/* Asks for sectors of 32 bytes. Where the code comes to them one after another each is a wait of its
 * own for the L2; asked for before, they are one. */
RK_FN rk_u32 rkd_look(const void *at, rk_u32 sectors)
{
  rk_u32 v = 0;
  for (rk_u32 i = 0; i < sectors; ++i) {
    v ^= rk_ptx_look((const rk_u8 *)at + 32u * i);
  }
  return v;
}
#endif
/* The same actor for who is about to send to it: all that this reads if it is of this block. */
RK_FN rk_abi_actor *rkd_receiver(rk_block *b, rk_u32 reference)
{
#if RK_HOST_IS_FAR
  const rk_abi_actor *a = b->actors + (reference & RK_ID_SLOT_MASK);
  if ((reference & RK_ID_SLOT_MASK) < b->actor_capacity) {
    b->brought = rkd_look(a, 2u) ^ rkd_look(&a->urgent_tail, 3u);
  }
#endif
  return rkd_actor(b, reference);
}
RK_FN rk_u32 rkd_actor_slot(const rk_block *b, const rk_abi_actor *a)
{
  return (rk_u32)(a - b->actors);
}
RK_FN rk_abi_ctrl *rkd_ctrl(const rk_block *b, rk_u32 slot)
{
  return b->ctrls + slot;
}
RK_FN rk_abi_telemetry *rkd_telemetry(const rk_block *b, rk_u32 slot)
{
  return b->telemetry + slot;
}
RK_FN rk_abi_link *rkd_link(const rk_block *b, rk_u32 slot)
{
  return b->links + slot;
}

/* ---- run queue: slots of this block's actors that may have something to do ------------------- */

RK_FN void rkd_run_push(rk_block *b, rk_abi_actor *a)
{
  if (a->queued == 0u) {
    a->queued = 1u;
    b->run_queue[b->run_tail & b->ready_mask] = rkd_actor_slot(b, a);
    b->run_tail += 1u;
  }
}

/* ---- telling others -------------------------------------------------------------------------- */

RK_FN void rkd_wake_later(rk_block *b, rk_u32 block)
{
  if (!RK_CAN_SLEEP) { /* nobody to wake, and a fence would make the block wait for the bus */
    return;
  }
  if (block < 64u) {
    b->wake_mask |= 1ull << block;
  } else {
    rk_fence_seq_cst();
    rkd_wake_block(b->grid, block);
  }
}

/* Makes the receiver's block look at it. The exchange is the partner of the one in rkd_poll_ready:
 * either that one comes later and its block sees the message, or this one comes later and makes an
 * entry. */
RK_FN void rkd_signal(rk_block *b, rk_abi_actor *to)
{
  if (rk_exch_acqrel_gpu_u32(&to->signal, 1u) == 0u) {
    rkd_ready_push(RK_PTR(rk_abi_block, RK_PTR(rk_abi_grid, b->grid)->blocks) + to->block,
                   rkd_actor_slot(b, to));
    rkd_wake_later(b, to->block);
  }
}

/* Signals receivers of routes used since the last flush, wakes their blocks, wakes the host,
 * and shows what was traced. The fence orders what was published before the look at `sleeping` and
 * `waiting`; its partners are the fences in rkd_idle and in the host's wait. */
RK_FN void rkd_flush(rk_block *b)
{
  for (rk_u32 i = 0; i < b->dirty_count; ++i) {
    rk_abi_route *route = RK_PTR(rk_abi_route, b->dirty[i]);
    rk_abi_actor *to = rkd_actor(b, route->dest);
    route->dirty = 0u;
    if (to != 0) {
      rkd_signal(b, to);
    }
  }
  b->dirty_count = 0u;
  rkd_trace_publish(&b->trace);
  if (b->wake_mask == 0u && b->notify == 0u) {
    return;
  }
#if RK_CAN_SLEEP /* elsewhere blocks poll, and a thread of the host's watches its rings */
  rk_fence_seq_cst();
  for (rk_u32 block = 0; b->wake_mask != 0u; ++block) {
    if ((b->wake_mask >> block & 1u) != 0u) {
      b->wake_mask &= ~(1ull << block);
      rkd_wake_block(b->grid, block);
    }
  }
  if (b->notify != 0u) {
    const rk_abi_host *host = RK_PTR(const rk_abi_host, RK_PTR(rk_abi_grid, b->grid)->host);
    rk_u32 waiting = rk_ld_relaxed_sys_u32(&host->waiting);
    if ((waiting & 1u) != 0u && waiting != b->notified) {
      b->notified = waiting;
      rkd_notify_host(b->grid);
    }
  }
#endif
  b->wake_mask = 0u;
  b->notify = 0u;
}

/* ---- trace ----------------------------------------------------------------------------------- */

RK_SLOW_FN void rkd_trace_moment(rk_block *b, rk_u32 kind, const rk_abi_msg *h, rk_u32 actor)
{
  rkd_trace_mark(&b->trace, kind, kind == RK_TRACE_DEAD ? h->reason : 0u, rkd_clock_ns(), h->id,
                 actor, h->type);
}
/* In a handler. What it passes on as it came was sent by somebody else. */
RK_FN void rkd_trace_sent(rk_block *b, const rk_abi_msg *h)
{
  if (b->trace.on != 0u && (b->ctx.msg == 0 || b->ctx.msg->id != h->id)) {
    rkd_trace_moment(b, RK_TRACE_SEND, h, h->source);
  }
}
RK_FN void rkd_trace_dead(rk_block *b, const rk_abi_msg *h)
{
  if (b->trace.on != 0u) {
    rkd_trace_moment(b, RK_TRACE_DEAD, h, h->dest);
  }
}

/* ---- records to the host --------------------------------------------------------------------- */

/* Writes one record; the caller made sure of the room (rkd_ring_free). */
RK_FN void rkd_to_host(rk_block *b, const rk_abi_msg *header, const void *data)
{
  rkd_ring_put(&b->tx, header->size_bytes, 0u, data, header->size_bytes);
  rkd_ring_commit(&b->tx, header);
  b->notify = 1u;
}

RK_SLOW_FN void rkd_respond(rk_block *b, rk_u32 code, rk_u64 cmd_id, rk_u32 actor, int error,
                            rk_u64 step, rk_u64 remaining, rk_u32 flags, rk_u32 checksum)
{
  rk_abi_response response;
  rk_abi_msg header;
  rkd_zero(&response, (rk_u32)sizeof(response));
  rkd_zero(&header, (rk_u32)sizeof(header));
  response.code = code;
  response.flags = flags;
  response.cmd_id = cmd_id;
  response.step = step;
  response.steps_remaining = remaining;
  response.error_code = error;
  response.actor = actor;
  response.checksum = checksum;
  response.ended = b->ended;
  header.id = ++b->next_id;
  header.hlc = rkd_stamp(b);
  header.source = actor;
  header.flags = RK_MSG_RESPONSE;
  header.size_bytes = (rk_u32)sizeof(response);
  rkd_to_host(b, &header, &response);
}

/* A message that nobody will handle goes to the host's dead letters, header and payload as they
 * were. Returns 0 when that would leave fewer than `spare` units free; then it must not count as
 * accepted. */
RK_SLOW_FN int rkd_dead_letter(rk_block *b, const rk_abi_msg *header, const void *data,
                               rk_u32 reason, rk_u32 spare)
{
  rk_abi_msg dead = *header;
  rk_u32 units = rkd_units(header->size_bytes) + spare;
  if (rkd_ring_free(&b->tx, units) < units) {
    return 0;
  }
  dead.flags = (rk_u16)(dead.flags | RK_MSG_DEAD);
  dead.reason = (rk_u8)reason;
  rkd_to_host(b, &dead, data);
  rkd_trace_dead(b, &dead);
  return 1;
}

#endif
