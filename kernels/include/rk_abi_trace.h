/* SPDX-License-Identifier: MIT */
/*
 * The part of the ABI that observation needs: records of traces, histograms of latencies. Included by
 * rk_abi.h alone, whose rules hold here; the code is in rk_trace_dev.h and rk_histogram_dev.h.
 */
#ifndef RK_ABI_TRACE_H
#define RK_ABI_TRACE_H

#define RK_TRACE_HANDLE 1u  /* a message was handled: from `start_ns`, for `duration` */
#define RK_TRACE_SEND 2u    /* a message left: `actor` is the sender */
#define RK_TRACE_START 3u   /* a start handler ran; no message */
#define RK_TRACE_STOP 4u    /* a stop handler ran; no message */
#define RK_TRACE_DEAD 5u    /* a message became a dead letter: `actor` is its receiver */
#define RK_TRACE_DELIVER 6u /* a message of the host came into the queue of `actor` */

#define RK_TRACE_HOST 0xffffu    /* block number of what the host records */
#define RK_TRACE_RECORDS_MIN 64u /* smallest ring */
#define RK_TRACE_CLAIM 32u       /* records claimed at a time; less than the smallest ring */

typedef struct rk_abi_trace { /* B */
  rk_u64 start_ns;
  rk_u64 message; /* id; 0 = none */
  rk_u64 who;     /* message type id << 32 | actor reference */
  rk_u64 what;    /* nanoseconds it took << 32 | block << 16 | reason << 8 | RK_TRACE_* */
} rk_abi_trace;
RK_CHECK_SIZE(rk_abi_trace, 32);

typedef struct RK_ALIGN(128) rk_abi_trace_ring { /* one a block, and one of the host's */
  rk_u64 records;                                /* H: address of rk_abi_trace[mask + 1] */
  rk_u32 mask;                                   /* H: records - 1; a power of two less one */
  rk_u32 on; /* H: 1 = blocks record from their first moment on */
  rk_u64 pad0[14];
  rk_u64 claimed; /* B: records below it may be being written, or are */
  rk_u64 count;   /* B: records below it have been written */
  rk_u64 pad1[14];
} rk_abi_trace_ring;
RK_CHECK_SIZE(rk_abi_trace_ring, 256);
RK_CHECK_OFFSET(rk_abi_trace_ring, mask, 8);
RK_CHECK_OFFSET(rk_abi_trace_ring, on, 12);
RK_CHECK_OFFSET(rk_abi_trace_ring, claimed, 128);
RK_CHECK_OFFSET(rk_abi_trace_ring, count, 136);

#define RK_LATENCY_SUB_BITS 3u /* 8 buckets to a power of two */
#define RK_LATENCY_BUCKETS 248u

typedef struct RK_ALIGN(128) rk_abi_latency { /* B; zeroed memory is an empty one */
  rk_u32 counts[RK_LATENCY_BUCKETS];
  rk_u64 sum_ns;
  rk_u64 max_ns;
  rk_u64 min_ns_plus_1; /* 0 = nothing recorded */
  rk_u64 pad;
} rk_abi_latency;
RK_CHECK_SIZE(rk_abi_latency, 1024);
RK_CHECK_OFFSET(rk_abi_latency, sum_ns, 992);
RK_CHECK_OFFSET(rk_abi_latency, min_ns_plus_1, 1008);

typedef struct rk_abi_latencies { /* one an actor slot, where they are kept */
  rk_abi_latency delivered;       /* stamp at sending to the start of its handler */
  rk_abi_latency handled;         /* duration of the handler */
} rk_abi_latencies;
RK_CHECK_SIZE(rk_abi_latencies, 2048);

#endif
