/* SPDX-License-Identifier: MIT */
/*
 * What a handler's source sees.
 *
 * Generated source (lua/ringkernel/codegen.lua) looks like this, for a definition `smooth`:
 *
 *   #define RK_LANES 1
 *   #include "rk_kernel.h"
 *   RK_MODULE_BEGIN(smooth)
 *   typedef struct Reading { ... } Reading;            one struct per message type, checked by size
 *   enum { RK_TYPE_Reading = 0x1234 };
 *   typedef struct rk_state { ... } rk_state;
 *   enum { RK_PORT_next = 0 };
 *   RK_ON(Reading);                                    declarations
 *   #line 1 "smooth"
 *   ...the user's text...
 *   RK_HANDLER(Reading)                                call-by-address wrappers
 *   RK_MODULE_TABLES ... RK_MODULE_END
 *
 * On the CPU each definition is a shared object of its own and reaches the runtime through two
 * small tables of functions. On the device everything is one translation unit, definitions stand in
 * namespaces, and the same names resolve to inline functions (rk_ctx_dev.h).
 *
 * Who may call what: every lane runs a handler; messages leave from lane 0, the same call on
 * another lane does nothing and returns 0. So a call may stand in plain code or under `if
 * (rk_lane() == 0)`.
 *
 * An actor launched with `grid = g` runs its handlers on g blocks. rk_lane(), rk_lanes(),
 * RK_FOR_LANES and rk_sync speak of the lanes of all of them; rk_block(), rk_blocks(),
 * rk_block_lane(), rk_block_lanes() and rk_block_sync() say where a lane stands, and RK_SHARED,
 * rk_warp_* and rk_block_* stay inside a block.
 */
#ifndef RK_KERNEL_H
#define RK_KERNEL_H

#include "rk_abi.h"

/* Status codes that handlers and blocks use: those of base/status.h, which a host file includes
 * first (a spec compares the numbers). */
#ifndef RK_BASE_STATUS_H
#define RK_EFULL (-2)
#define RK_ETERMINATED (-5)
#define RK_EINVALID_STATE (-7)
#define RK_ENOT_FOUND (-8)
#define RK_ETOO_LARGE (-15)
#define RK_ECORRUPT (-16)
#define RK_EDENIED (-19)
#define RK_ETENANT_MISMATCH (-20)
#define RK_EUNSUPPORTED (-21)
#define RK_EINVAL (-23)
#endif

#ifndef RK_LANES
#define RK_LANES 1
#endif

typedef struct rk_ctx rk_ctx;

/* What the context does; one table for the whole runtime. */
typedef struct rk_ctx_api {
  int (*reply)(rk_ctx *ctx, rk_u32 type, const void *data, rk_u32 size);
  int (*send_port)(rk_ctx *ctx, rk_u32 port, rk_u32 type, const void *data, rk_u32 size);
  int (*send_to)(rk_ctx *ctx, rk_u64 id, rk_u32 type, const void *data, rk_u32 size);
  int (*publish)(rk_ctx *ctx, const char *topic, rk_u32 type, const void *data, rk_u32 size);
  rk_u64 (*now)(rk_ctx *ctx, rk_u32 lane);
  rk_u64 (*self)(rk_ctx *ctx);
  rk_u64 (*sender)(rk_ctx *ctx);
  rk_u64 (*sent_at)(rk_ctx *ctx);
  void (*fail)(rk_ctx *ctx, int code);
  void (*stop)(rk_ctx *ctx);
  void (*meet)(rk_ctx *ctx); /* barrier among the blocks of the actor; one lane of each calls it */
} rk_ctx_api;

#if defined(RK_IS_MODULE) && !defined(__CUDACC__)
/* The part of a context that handler modules know; rk_block_dev.h has all of it. */
struct rk_ctx {
  const rk_ctx_api *api;
  rk_u32 member, members;
};
#endif

typedef void (*rk_handler_fn)(rk_ctx *ctx, const void *msg, void *state);

#if !defined(__CUDACC__)
#include "rk_module_cpu.h"
#endif

#define RK_EXPAND_ID(type) RK_TYPE_##type

#define RK_ON(type) static void rk_on_##type(rk_ctx *ctx, const type *msg, rk_state *state)
#define RK_ON_START() static void rk_on_start(rk_ctx *ctx, rk_state *state)
#define RK_ON_STOP() static void rk_on_stop(rk_ctx *ctx, rk_state *state)
/* Makes the state of this definition, which is zero, of that of the one it takes the place of:
 * `old` and `state` are in scope. The name is that of a struct with the fields of `old_state`. */
#define RK_MIGRATE(type) static void rk_migrate(rk_ctx *ctx, const type *old, rk_state *state)

/* The host, as a receiver: rk_send_to(ctx, RK_HOST, Type, &m) reaches a:receive() of the sending
 * actor. */
#define RK_HOST 0u

/* For what passes a message on as it came, so that its sender, id, correlation, stamp and deadline
 * stay: rk_send(ctx, port | RK_AS_SENT, Type, msg), rk_send_to(ctx, RK_HOST_AS_SENT, Type, msg).
 * The first is what routers do; the second gives the message to the host function that stands for
 * this actor (runtime/hosted.c). */
#define RK_AS_SENT 0x80000000u
#define RK_HOST_AS_SENT 0x100000000ull

/* Microseconds since 1970 of a stamp, as rk_now and rk_sent_at give them. */
#define rk_stamp_us(stamp) ((rk_u64)(stamp) >> 12)

/* Items 0..n-1 of work shared among all lanes of the handler: for (i = lane; i < n; i += lanes). */
#define RK_FOR_LANES(i, n) for (rk_u32 i = rk_lane(); i < (rk_u32)(n); i += rk_lanes())

#endif
