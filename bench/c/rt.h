/* SPDX-License-Identifier: MIT */
/*
 * What the figures of the runtime share: opening it, kernels of 64-byte messages, calls that check
 * everything, and pinning the threads of blocks.
 */
#ifndef BENCH_RT_H
#define BENCH_RT_H

#include "ringkernel.h"

#include "bench.h"

/* The message of the kernels below. */
typedef struct rt_token {
  uint64_t hops;
  uint64_t words[7];
} rt_token;
#define RT_TOKEN 0x544f4b31u

/* token: passes the message on through port `next` while hops > 0, then to the host. */
extern const char rt_token_source[];
/* sink: reads every word and counts; a message with hops = 1 is answered with the count. */
extern const char rt_sink_source[];
/* flood: sends 15 messages through port `next`, then tells itself to go on, `hops` times; the very
 * last message has hops = 1. */
extern const char rt_flood_source[];
#define RT_FLOOD_BATCH 15u
/* spring: sends the host 15 numbered messages, then tells itself to go on, `hops` times. */
extern const char rt_spring_source[];
#define RT_SPRING_BATCH 15u
/* store: fills its state of 4 MiB with numbers that follow from `hops`, and answers. */
extern const char rt_store_source[];
#define RT_STORE_BYTES 4194304u

/* Ends the program with the error's text unless rc is RK_OK. */
void rt_check(int rc, const rk_error *err, const char *what);

/* A runtime with that many blocks, its threads pinned: block i on processor first + i. The compiled
 * kernels are kept in the folder BENCH_CACHE. */
rk_runtime *rt_open(uint32_t blocks, unsigned first);
rk_kernel *rt_kernel(const char *name, const char *source);
rk_actor *rt_launch(rk_runtime *rt, rk_kernel *kernel, uint32_t queue, int32_t block);
/* Sends, waits for the reply (by rk_runtime_wait, so the caller may sleep) and returns its first
 * words. */
rt_token rt_call(rk_runtime *rt, rk_actor *actor, const rt_token *message);
/* The same, spinning: the caller never sleeps. */
rt_token rt_call_spinning(rk_actor *actor, const rt_token *message);

#endif
