/* SPDX-License-Identifier: MIT */
/*
 * The CPU side of a handler module: how a shared object made from one definition meets the runtime.
 *
 * The object exports one rk_module. Its handlers reach the runtime through ctx->api; lanes and
 * barriers, which are asked without a context, go through a table that the runtime stores into the
 * module when it loads it.
 */
#ifndef RK_MODULE_CPU_H
#define RK_MODULE_CPU_H

/* Lanes of the block that runs on the calling thread (src/backend/cpu/cpu_team.c). */
typedef struct rk_port_api {
  rk_u32 (*lane)(void);
  rk_u32 (*lanes)(void);
  void (*sync)(void);
  void (*warp_sync)(void);
  rk_u64 (*shuffle)(rk_u64 value, rk_u32 source_lane);
  rk_u32 (*ballot)(int predicate);
  rk_u32 (*block)(void); /* number of the block: among the actor's, or of an ordinary launch */
  rk_u32 (*blocks)(void);
} rk_port_api;

typedef struct rk_module_type {
  const char *name;
  rk_u32 id;
  rk_u32 size_bytes;
  rk_handler_fn on;
} rk_module_type;

typedef struct rk_module {
  rk_u32 abi_version;
  rk_u32 lanes;
  rk_u32 burst;
  rk_u32 state_bytes;
  rk_u32 emit_bytes; /* payload of its largest outgoing message; 0 = emits nothing */
  rk_u32 type_count;
  rk_u32 port_count;
  rk_u32 emit_count;
  const char *name;
  const rk_module_type *types; /* [type_count], in the order of `accepts` */
  const char *const *ports;    /* [port_count] */
  const rk_u32 *emits;         /* [emit_count] type ids that may leave */
  rk_handler_fn on_start;      /* NULL = none */
  rk_handler_fn on_stop;       /* NULL = none */
  const rk_port_api **port;    /* where the runtime stores its table */
  rk_handler_fn on_migrate;    /* NULL = none; its message is the old state */
  rk_u32 migrate_bytes;        /* of which it has this size */
} rk_module;

/* An ordinary kernel: `run` is called once per lane of each block. */
typedef struct rk_global_module {
  rk_u32 abi_version;
  rk_u32 param_bytes;
  rk_u32 uses_barriers; /* 0: lanes may run one after another in a plain loop */
  const char *name;
  void (*run)(const void *params);
  const rk_port_api **port;
} rk_global_module;

#define RK_MODULE_EXPORT __attribute__((visibility("default")))
#ifndef RK_MODULE_SYMBOL
#define RK_MODULE_SYMBOL rk_module_export
#endif
#ifndef RK_GLOBAL_SYMBOL
#define RK_GLOBAL_SYMBOL rk_global_export
#endif

#if defined(RK_IS_MODULE) /* defined by generated source, not by the runtime itself */

static const rk_port_api *rk_port;

/* Inside the block. */
#if RK_LANES == 1
static inline rk_u32 rk_block_lane(void)
{
  return 0u;
}
static inline rk_u32 rk_block_lanes(void)
{
  return 1u;
}
static inline void rk_lane_sync(void)
{
}
#else
static inline rk_u32 rk_block_lane(void)
{
  return rk_port->lane();
}
static inline rk_u32 rk_block_lanes(void)
{
  return rk_port->lanes();
}
static inline void rk_lane_sync(void)
{
  rk_port->sync();
}
#endif
#define rk_block_sync() rk_lane_sync()

/* This block's number among those of the actor or of the launch, and how many they are. */
static inline rk_u32 rk_block(void)
{
  return rk_port->block();
}
static inline rk_u32 rk_blocks(void)
{
  return rk_port->blocks();
}

#if defined(RK_IS_GLOBAL) /* an ordinary kernel: a launch's blocks never meet */
static inline rk_u32 rk_lane(void)
{
  return rk_block_lane();
}
static inline rk_u32 rk_lanes(void)
{
  return rk_block_lanes();
}
#define rk_sync(ctx) ((void)(ctx), rk_lane_sync())
#else
/* Among all lanes of the actor. */
static inline rk_u32 rk_lane(void)
{
  return rk_block() * (rk_u32)RK_LANES + rk_block_lane();
}
static inline rk_u32 rk_lanes(void)
{
  return rk_blocks() * (rk_u32)RK_LANES;
}

/* Barrier of all lanes of the actor, which also orders their memory: those of each block meet, then
 * the blocks, then they again. */
static inline void rk_sync(rk_ctx *ctx)
{
  rk_lane_sync();
  if (ctx->members > 1u) {
    if (rk_block_lane() == 0u) {
      ctx->api->meet(ctx);
    }
    rk_lane_sync();
  }
}
#endif
static inline void rk_warp_sync(void)
{
  rk_port->warp_sync();
}
static inline rk_u64 rk_shuffle_u64(rk_u64 v, rk_u32 source)
{
  return rk_port->shuffle(v, source);
}
static inline rk_u32 rk_ballot(int predicate)
{
  return rk_port->ballot(predicate);
}

/* A block is one OS thread, so a thread-local variable is shared by its lanes and by nobody else.
 */
#define RK_SHARED static __thread

/* Messages leave from lane 0 of block 0. The test here, which folds away for one-lane definitions,
 * is for the other lanes; what it calls knows the block. */
#define rk_reply(ctx, type, m) \
  (rk_block_lane() != 0u ? 0 : (ctx)->api->reply((ctx), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
#define rk_send(ctx, port, type, m) \
  (rk_block_lane() != 0u            \
       ? 0                          \
       : (ctx)->api->send_port((ctx), (rk_u32)(port), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
#define rk_send_to(ctx, id, type, m) \
  (rk_block_lane() != 0u             \
       ? 0                           \
       : (ctx)->api->send_to((ctx), (id), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
#define rk_publish(ctx, topic, type, m) \
  (rk_block_lane() != 0u                \
       ? 0                              \
       : (ctx)->api->publish((ctx), (topic), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
/* A fresh stamp on lane 0, the stamp of this handling on the others. */
#define rk_now(ctx) ((ctx)->api->now((ctx), rk_block_lane()))
#define rk_self(ctx) ((ctx)->api->self(ctx))
#define rk_sender(ctx) ((ctx)->api->sender(ctx))
/* Stamp that the message got when it was sent; 0 in start and stop handlers. */
#define rk_sent_at(ctx) ((ctx)->api->sent_at(ctx))
#define rk_fail(ctx, code) ((ctx)->api->fail((ctx), (code)))
#define rk_stop(ctx) ((ctx)->api->stop(ctx))

/* An address that a message or buffer carries, as a pointer to its elements. */
#define RK_ADDRESS(type, address) ((type *)(rk_uptr)(address))
#define rk_buffer_at(type, buffer) RK_ADDRESS(type, (buffer).address)

#endif
#endif
