/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Lua module `ringkernel.core` share.
 *
 * One file for each class: lrk_runtime.c (with lrk_registry.c for what a runtime launches, finds
 * and reports), lrk_actor.c (with lrk_state.c), lrk_kernel.c (definitions and ordinary kernels),
 * lrk_schema.c (between Lua values and bytes), lrk_message.c (message types), lrk_envelope.c,
 * lrk_hlc.c, lrk_pubsub.c, lrk_trace.c, lrk_checkpoint.c, lrk_buffer.c,
 * lrk_hosted.c (actors with a handler in Lua), lrk_reload.c (changes of definitions),
 * lrk_tenant.c; lrk_module.c opens them, lrk_aux.c has the common
 * checks, lrk_device.c says what devices there are, lrk_histogram.c and lrk_process.c serve
 * measurements.
 *
 * Rules of this folder
 * - A class is a full userdata of one struct; a child keeps its runtime's userdata in user value 1,
 * so
 *    the pointer `home` in it is good as long as it is. Closing, __close and __gc are one function.
 *  - Expected failures go through lrk_fail: nil, message, code. Misuse raises. RK_EINVAL is misuse.
 * - Nothing here waits, except rt:wait, which comes back when a signal arrives. Waiting in a loop
 * or
 *    a coroutine is Lua's business (lua/ringkernel/loop.lua).
 * - User functions run only in lrk_runtime_dispatch, and an error in one goes to warn(), never
 * through
 *    C frames that hold something.
 */
#ifndef RK_LUA_LRK_H
#define RK_LUA_LRK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>
#include <lauxlib.h>

#include "base/base.h"
#include "ringkernel.h"

#include "core/schema.h"

/* Class names: metatables in the registry, and what error texts call the objects. */
#define LRK_RUNTIME "ringkernel.runtime"
#define LRK_ACTOR "ringkernel.actor"
#define LRK_CALL "ringkernel.call"
#define LRK_KERNEL "ringkernel.kernel"
#define LRK_GLOBAL "ringkernel.global"
#define LRK_BUFFER "ringkernel.buffer"
#define LRK_SUBSCRIPTION "ringkernel.subscription"
#define LRK_CLOCK "ringkernel.hlc"
#define LRK_STAMP "ringkernel.timestamp"
#define LRK_SCHEMA "ringkernel.schema"
#define LRK_RAW "ringkernel.raw_message"
#define LRK_HISTOGRAM "ringkernel.histogram"
#define LRK_RESTORE "ringkernel.restore"

struct lrk_schema;

/* Places of lrk_types, by class and by id. A power of two. */
#define LRK_TYPE_PLACES 64u

/* What is known of message types without a look-up in Lua: one for each Lua state. A type enters
 * when it is used; two that want the same place drive each other out. Nothing here keeps a class or
 * a schema alive, but those made by core.message_class are never collected. */
typedef struct lrk_types {
  struct {
    const void *class; /* lua_topointer of the class */
    struct lrk_schema *schema;
  } by_class[LRK_TYPE_PLACES];
  struct lrk_schema *by_id[LRK_TYPE_PLACES];
  /* lrk_envelope.c: received messages that were not asked for their envelope */
  struct lrk_envelope *log; /* [log_room], of which `logged` are in use */
  uint32_t logged, log_room;
  uint32_t log_last;            /* the place, from 1, of the last that was asked for; 0: none */
  int log_messages, log_memory; /* references, in the registry, to its messages and to `log` */
} lrk_types;

typedef struct lrk_runtime {
  rk_runtime *rt;           /* NULL once closed */
  lrk_types *types;         /* of this Lua state */
  uint64_t callback_errors; /* errors raised by subscribers' functions */
  uint64_t arrivals;        /* grows with whatever arrives */
  lua_Integer next_sub;     /* number of the next subscription with a function */
  uint32_t parked;          /* coroutines that a loop keeps waiting for this runtime */
  rk_runtime_info info;
  uint16_t node;
  uint64_t timer_ns;   /* when the timer's function is due, of the monotonic clock; 0: never */
  bool watches_device; /* the timer's function wants to hear when the device is lost */
  bool is_dispatching; /* a subscriber's function is running */
  bool has_leftovers;  /* callbacks may be due without any new arrival */
  bool is_stalled;     /* a Lua actor waits for room at a receiver: nothing will tell of it */
  bool is_kicked;      /* the loop was told that something was drained behind its back */
} lrk_runtime;

/* User values of a runtime. */
enum {
  LRK_RT_ACTORS = 1,
  LRK_RT_SUBS,
  LRK_RT_KICK,
  LRK_RT_EVENTS,
  LRK_RT_HOSTED,
  LRK_RT_TIMER,
  LRK_RT_VALUES = LRK_RT_TIMER
};

typedef struct lrk_actor {
  rk_actor *actor; /* NULL once released */
  lrk_runtime *home;
  bool is_kept; /* its function's handle: only the collector gives it back */
  int owed;     /* what the next receive has to say: the last one had messages to give, too */
} lrk_actor;

/* User values of an actor: its runtime, its definition (or nil). */
enum { LRK_ACTOR_HOME = 1, LRK_ACTOR_KERNEL, LRK_ACTOR_VALUES = LRK_ACTOR_KERNEL };

/* What packing needs of a field, close together. */
typedef struct lrk_field {
  uint32_t offset;
  bool is_array;
  uint8_t kind; /* rk_schema_type; UINT8_MAX for an array */
} lrk_field;

typedef struct lrk_schema {
  rk_schema *schema;
  uint32_t id;
  uint32_t size;
  uint32_t count;
  int keys;             /* of a message type: references, in the registry, to the field names */
  int class;            /* and to the class */
  const void *class_at; /* lua_topointer of that */
  lrk_field *fields;    /* [count] */
  void *scratch;        /* `size` bytes that nobody reads */
} lrk_schema;

/* User values of a schema: list of field names, name -> index, zero values by name, and the
 * memory of `fields` and `scratch`. */
enum {
  LRK_SCHEMA_KEYS = 1,
  LRK_SCHEMA_INDEX,
  LRK_SCHEMA_ZEROS,
  LRK_SCHEMA_MEMORY,
  LRK_SCHEMA_VALUES = LRK_SCHEMA_MEMORY
};

typedef struct lrk_buffer {
  rk_device_buffer *buffer; /* NULL once closed */
  rk_schema *element;       /* schema of one element: conversion and ranges */
  lrk_runtime *home;
  uint64_t address;
  uint64_t count;
  uint32_t element_bytes;
  rk_schema_type kind;
} lrk_buffer;

typedef struct lrk_stamp {
  uint64_t word;
  uint16_t node;
} lrk_stamp;

/* Addresses that serve as keys: in the registry, message types by id (and their schemas by class),
 * lrk_types, envelopes by message and definitions by pointer; in a message class, its schema. */
extern const char lrk_key_types, lrk_key_type_cache, lrk_key_envelopes, lrk_key_kernels,
    lrk_key_schema;

/* ---- lrk_aux.c ------------------------------------------------------------------------------- */

typedef enum lrk_kind { LRK_BOOL, LRK_INT, LRK_NUMBER, LRK_TEXT, LRK_NAME, LRK_ANY } lrk_kind;

/* One key that an option table may have. */
typedef struct lrk_option {
  const char *name;
  lrk_kind kind;
  lua_Integer min, max; /* LRK_INT */
} lrk_option;

/* Checks that the value at `index` is nil, none or a table with no other keys than those of
 * `options` (ends with a NULL name) and values of their kinds. Raises, naming `where` and the
 * key. Returns whether there is a table. */
bool lrk_options(lua_State *L, int index, const char *where, const lrk_option *options);
/* A checked option, or `fallback`. */
lua_Integer lrk_option_integer(lua_State *L, int index, const char *name, lua_Integer fallback);
bool lrk_option_bool(lua_State *L, int index, const char *name, bool fallback);
/* Text stays valid as long as the option table keeps it. */
const char *lrk_option_text(lua_State *L, int index, const char *name, const char *fallback);

/* Pushes what the value at `index` is, for messages: its class, or type and value. Returns the
 * text. */
const char *lrk_describe(lua_State *L, int index);
/* Pushes " (did you mean 'x'?)" for the nearest of `count` names, or "". Returns the text. */
const char *lrk_hint(lua_State *L, const char *word, const char *const *names, size_t count);

/* nil, message, code; raises for RK_EINVAL. `err` may have no text. Returns 3. */
int lrk_fail(lua_State *L, int status, const rk_error *err);
/* The same with the compiler's output, which it frees, as fourth value. */
int lrk_fail_log(lua_State *L, int status, const rk_error *err, char *log);
/* nil, message, code with a text of its own. Returns 3. */
int lrk_fail_text(lua_State *L, int status, const char *format, ...);
/* true, or lrk_fail. */
int lrk_result(lua_State *L, int status, const rk_error *err);

/* Raises "bad argument #i to 'f' (<wanted> expected, got ...)". Does not return. */
int lrk_argument(lua_State *L, int index, const char *wanted);
/* Seconds at `index` (nil and none: RK_FOREVER) as nanoseconds. */
uint64_t lrk_check_timeout(lua_State *L, int index);

/* Makes the metatable of a class with `methods` and `meta` and leaves nothing. `getter` (may be
 * NULL) answers keys that are no methods; it is called with the object and the key. */
void lrk_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta,
               lua_CFunction getter);
/* Pushes the table of a class's methods. */
void lrk_push_methods(lua_State *L, const char *name);

/* ---- lrk_runtime.c --------------------------------------------------------------------------- */

lrk_runtime *lrk_check_runtime(lua_State *L, int index);
/* The same, open; otherwise pushes nil, message, code and returns NULL. */
lrk_runtime *lrk_open_runtime(lua_State *L, int index);
/* Moves what arrived, runs callbacks of the runtime at `index`. Sets *calls. Returns records
 * moved. */
size_t lrk_runtime_drain(lua_State *L, int index, size_t *calls);
/* Runs callbacks that are due; the runtime is at `index`. Returns how many. */
size_t lrk_runtime_dispatch(lua_State *L, int index);
/* To be called after anything that drains or waits inside the runtime: the descriptor may have
 * been reset, so a loop that keeps coroutines waiting for it must look. `object`: index of the
 * runtime or a child. */
void lrk_runtime_kick(lua_State *L, lrk_runtime *home, int object);
void lrk_runtime_register(lua_State *L);
extern const luaL_Reg lrk_runtime_functions[];

/* Seconds after which a stalled Lua actor looks for room again. */
#define LRK_STALL_SECONDS 0.001

/* ---- lrk_hosted.c ---------------------------------------------------------------------------- */

/* Runs what is due of Lua actors of the runtime at `index`. Returns how many messages were taken.
 */
size_t lrk_hosted_dispatch(lua_State *L, int index);
extern const luaL_Reg lrk_hosted_functions[];

/* The options of a link at `index`: lrk_registry.c. Raises for what is wrong with them. */
rk_link_options lrk_link_options(lua_State *L, int index);

/* ---- lrk_life.c ------------------------------------------------------------------------------ */

/* Nanoseconds until there is work of which the descriptor does not tell: the runtime's timer, a
 * stalled Lua actor; UINT64_MAX: never. */
uint64_t lrk_quiet_left(const lrk_runtime *self);
/* Pushes what rt:timeout() answers. */
void lrk_push_timeout(lua_State *L, const lrk_runtime *self);
/* Runs the timer's function if it is due; the runtime is at `index`. Returns whether it counts. */
size_t lrk_run_timer(lua_State *L, int index, lrk_runtime *self);
extern const luaL_Reg lrk_life_functions[];

/* ---- lrk_reload.c ---------------------------------------------------------------------------- */

void lrk_reload_register(lua_State *L);
extern const luaL_Reg lrk_reload_functions[];

/* ---- lrk_registry.c -------------------------------------------------------------------------- */

extern const luaL_Reg lrk_registry_methods[];
extern const luaL_Reg lrk_registry_functions[];

/* ---- lrk_actor.c ----------------------------------------------------------------------------- */

/* Pushes the userdata of `actor`, of which the caller hands over one reference. `runtime`: index
 * of its runtime; `kernel`: index of its definition or 0. */
void lrk_push_actor(lua_State *L, int runtime, rk_actor *actor, int kernel);
lrk_actor *lrk_check_actor(lua_State *L, int index);
lrk_actor *lrk_test_actor(lua_State *L, int index);
/* The actor at index 1 of a function whose upvalue 1 is the class's metatable: cheaper than a
 * search in the registry. */
static inline lrk_actor *lrk_self(lua_State *L)
{
  if (RK_LIKELY(lua_getmetatable(L, 1))) {
    bool is_actor = lua_rawequal(L, -1, lua_upvalueindex(1)) != 0;
    lua_pop(L, 1);
    if (RK_LIKELY(is_actor)) {
      return lua_touserdata(L, 1);
    }
  }
  return luaL_checkudata(L, 1, LRK_ACTOR);
}
/* nil, message, "closed" for a handle that was given back. Returns 3. */
int lrk_fail_released(lua_State *L);
/* nil, message with the actor's name, code. Returns 3. */
int lrk_fail_actor(lua_State *L, const lrk_actor *self, int status);
void lrk_actor_register(lua_State *L);
extern const luaL_Reg lrk_actor_functions[];

/* ---- lrk_send.c ------------------------------------------------------------------------------ */

int lrk_actor_send(lua_State *L);
int lrk_actor_send_many(lua_State *L);
/* Fills `out` from the option table at `index`; returns NULL where there is none. */
const rk_send_options *lrk_send_options(lua_State *L, const lrk_actor *self, int index,
                                        rk_send_options *out);
/* Raises that the actor does not take messages of this type, naming those it takes. */
int lrk_refuse_type(lua_State *L, const lrk_actor *self, const lrk_schema *schema,
                    const rk_error *err);

/* ---- lrk_state.c ----------------------------------------------------------------------------- */

extern const luaL_Reg lrk_state_functions[];
extern const luaL_Reg lrk_actor_state_methods[];

/* ---- lrk_kernel.c ---------------------------------------------------------------------------- */

/* The definition at `index`, or NULL if it is none. */
rk_kernel *lrk_test_kernel(lua_State *L, int index);
/* Pushes the Lua definition of `kernel`, or nil. */
void lrk_push_kernel(lua_State *L, rk_kernel *kernel);
int lrk_runtime_run(lua_State *L);
int lrk_runtime_time(lua_State *L);
int lrk_runtime_load(lua_State *L);
void lrk_kernel_register(lua_State *L);
extern const luaL_Reg lrk_kernel_functions[];

/* ---- lrk_schema.c ---------------------------------------------------------------------------- */

/* Puts the value at `index` into one element; raises if it does not fit. `name` goes before the
 * text. */
void lrk_put_value(lua_State *L, const rk_schema *schema, size_t field, size_t element, int index,
                   void *base, const char *name);
/* Pushes one element. */
void lrk_push_value(lua_State *L, const rk_schema *schema, size_t field, size_t element,
                    const void *base);
/* Packs the table at `index` into `base`, which is zeroed. `keys`: index of the list of field
 * names. Both indices are positive. Up to LRK_PACK_LEFT values more are on the stack afterwards. */
#define LRK_PACK_LEFT 8u
void lrk_pack(lua_State *L, const lrk_schema *schema, int index, int keys, void *base);
/* The same where the names of the fields lie on the stack, from index `first` on. */
void lrk_pack_with(lua_State *L, const lrk_schema *schema, int index, int first, void *base);
/* Raises unless the value at `index`, which is not nil, fits field `i`. What is in an array is not
 * looked at. */
void lrk_check_field(lua_State *L, const lrk_schema *schema, uint32_t i, int index);
/* Sets all fields of the table at `index`. */
void lrk_set_fields(lua_State *L, const lrk_schema *schema, int index, int keys, const void *base);
/* Raises "X: field 'y': f32 takes ..., got ...". */
int lrk_refuse_value(lua_State *L, const rk_schema_field *field, const char *wanted, int index,
                     const char *name);
/* Pushes a new schema userdata from the name at `name` and the list { { name, type }, ... } at
 * `fields`. */
lrk_schema *lrk_push_schema(lua_State *L, int name, int fields);
void lrk_schema_register(lua_State *L);

/* ---- lrk_message.c --------------------------------------------------------------------------- */

/* How many values lrk_to_message pushes; the last is the list of field names. */
#define LRK_MESSAGE_VALUES 3
/* If the value at `index` is a message, pushes LRK_MESSAGE_VALUES values and returns the schema
 * of its type; else returns NULL and pushes nothing. */
lrk_schema *lrk_to_message(lua_State *L, int index);
/* As above, but raises an argument error. */
lrk_schema *lrk_check_message(lua_State *L, int index);
/* The same for a type that was used a moment ago, with fewer look-ups. How many values it pushes is
 * not said; the last is the list of field names. */
lrk_schema *lrk_quick_message(lua_State *L, lrk_types *types, int index);
/* The schema of the message type at `index`, with its userdata pushed; raises for what is none. */
lrk_schema *lrk_check_type(lua_State *L, int index);
/* Pushes a received message with its envelope: a table of its type, or { type =, bytes = } for a
 * type that is not known or a size that does not fit. */
void lrk_push_received(lua_State *L, const lrk_runtime *home, const rk_received *received);
/* What lrk_runtime.types is. */
lrk_types *lrk_types_of(lua_State *L);
void lrk_message_register(lua_State *L);
extern const luaL_Reg lrk_message_functions[];

/* ---- lrk_envelope.c -------------------------------------------------------------------------- */

/* Keeps the envelope of the message at index `message`; leaves a value on the stack. */
void lrk_envelope_keep(lua_State *L, lrk_types *types, int message, const rk_received *received,
                       uint16_t node);
void lrk_envelope_register(lua_State *L);
extern const luaL_Reg lrk_envelope_functions[];

/* ---- lrk_device.c ---------------------------------------------------------------------------- */

extern const luaL_Reg lrk_device_functions[];

/* ---- lrk_tenant.c ---------------------------------------------------------------------------- */

/* In whose name: the option 'tenant' (a name, or an object with one) of the table at `index`, 0
 * without. One that nobody has made: pushes nil, message, "not_found" and returns false. */
bool lrk_option_tenant(lua_State *L, const lrk_runtime *self, int index, const char *where,
                       uint32_t *as);
/* Adds what the audit says of a refusal to the event on top of the stack. */
void lrk_add_refusal(lua_State *L, const lrk_runtime *self, uint64_t number);
extern const luaL_Reg lrk_tenant_functions[];

/* ---- lrk_hlc.c, lrk_dead.c, lrk_pubsub.c, lrk_trace.c, lrk_checkpoint.c, lrk_buffer.c ------- */

void lrk_push_stamp(lua_State *L, uint64_t word, uint16_t node);
lrk_stamp *lrk_test_stamp(lua_State *L, int index);
void lrk_hlc_register(lua_State *L);
extern const luaL_Reg lrk_hlc_functions[];

int lrk_runtime_publish(lua_State *L);
int lrk_runtime_subscribe(lua_State *L);
void lrk_pubsub_register(lua_State *L);

int lrk_runtime_trace(lua_State *L);
int lrk_runtime_trace_read(lua_State *L);
int lrk_runtime_trace_clock(lua_State *L);
extern const luaL_Reg lrk_trace_functions[];

int lrk_core_open(lua_State *L); /* lrk_open.c */

int lrk_runtime_dead_letters(lua_State *L);
void lrk_dead_push_stats(lua_State *L, const rk_runtime_stats *stats);
extern const luaL_Reg lrk_dead_functions[];

void lrk_checkpoint_register(lua_State *L);
extern const luaL_Reg lrk_checkpoint_functions[];

int lrk_runtime_buffer(lua_State *L);
lrk_buffer *lrk_test_buffer(lua_State *L, int index);
void lrk_buffer_register(lua_State *L);

/* ---- lrk_histogram.c, lrk_process.c ---------------------------------------------------------- */

void lrk_histogram_register(lua_State *L);
extern const luaL_Reg lrk_histogram_functions[];
extern const luaL_Reg lrk_process_functions[];

#endif
