/* SPDX-License-Identifier: MIT */
/*
 * Class actor: sending, one message and many.
 *
 * The hot path is actor:send(message): the schema comes from the message's metatable, the payload
 * is packed straight into the queue's slot, and nothing is allocated. Of many, what is the same for
 * all of one type is done once for them.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"
#include "base/clock.h"

#include "rk_hlc_dev.h"

int lrk_refuse_type(lua_State *L, const lrk_actor *self, const lrk_schema *schema,
                    const rk_error *err)
{
  if (lua_getiuservalue(L, 1, LRK_ACTOR_KERNEL) != LUA_TUSERDATA ||
      lua_getiuservalue(L, -1, 1) != LUA_TTABLE || lua_getfield(L, -1, "accepts") != LUA_TTABLE) {
    return luaL_error(L, "actor '%s': %s", rk_actor_name(self->actor), err->text);
  }
  int list = lua_gettop(L);
  luaL_Buffer names;
  luaL_buffinit(L, &names);
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, list); i++) {
    luaL_addstring(&names, i > 1 ? ", " : "");
    lua_rawgeti(L, list, i);
    lua_getfield(L, -1, "name");
    lua_remove(L, -2);
    luaL_addvalue(&names);
  }
  luaL_pushresult(&names);
  return luaL_error(L, "actor '%s' does not accept %s; it accepts %s", rk_actor_name(self->actor),
                    rk_schema_name(schema->schema), lua_tostring(L, -1));
}

/* Seconds from now, a timestamp, or a packed stamp. */
static uint64_t check_deadline(lua_State *L, int index)
{
  const lrk_stamp *stamp = lrk_test_stamp(L, index);
  if (stamp != NULL) {
    return stamp->word;
  }
  lua_Number seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1.0;
  if (!(seconds >= 0.0 && seconds <= 1e9)) {
    luaL_error(L,
               "send: option 'deadline': seconds from now (0 or more) or a timestamp expected, "
               "got %s",
               lrk_describe(L, index));
  }
  return rkd_hlc_pack(rk_clock_wall_us() + (uint64_t)(seconds * 1e6), 0);
}

const rk_send_options *lrk_send_options(lua_State *L, const lrk_actor *self, int index,
                                        rk_send_options *out)
{
  static const lrk_option options[] = {{"deadline", LRK_ANY, 0, 0},
                                       {"priority", LRK_TEXT, 0, 0},
                                       {"correlation", LRK_INT, INT64_MIN, INT64_MAX},
                                       {"tenant", LRK_ANY, 0, 0},
                                       {NULL, LRK_ANY, 0, 0}};
  if (!lrk_options(L, index, "send", options)) {
    return NULL;
  }
  *out = (rk_send_options){0};
  out->correlation = (uint64_t)lrk_option_integer(L, index, "correlation", 0);
  if (lua_getfield(L, index, "deadline") != LUA_TNIL) {
    out->deadline = check_deadline(L, lua_gettop(L));
  }
  lua_pop(L, 1);
  const char *priority = lrk_option_text(L, index, "priority", "normal");
  if (strcmp(priority, "high") == 0) {
    out->priority = RK_PRIORITY_HIGH;
  } else if (strcmp(priority, "normal") != 0) {
    luaL_error(L, "send: option 'priority': 'normal' or 'high' expected, got '%s'", priority);
  }
  if (!lrk_option_tenant(L, self->home, index, "send", &out->as)) {
    lua_pop(L, 3);
    out->as = UINT32_MAX; /* which the send refuses */
  }
  return out;
}

/* actor:send(message, options) -> true | nil, message, code */
int lrk_actor_send(lua_State *L)
{
  lrk_actor *self = lrk_self(L);
  rk_send_options storage;
  const rk_send_options *options = NULL;
  if (RK_UNLIKELY(lua_gettop(L) != 2)) {
    lua_settop(L, 3);
    options = lrk_send_options(L, self, 3, &storage);
  }
  const lrk_schema *schema = lrk_quick_message(L, self->home->types, 2);
  if (RK_UNLIKELY(self->actor == NULL)) {
    return lrk_fail_released(L);
  }
  void *payload = NULL;
  rk_error err;
  err.text[0] = '\0';
  int status = rk_actor_reserve_with(self->actor, schema->id, schema->size, options, &payload,
                                     &err);
  if (RK_UNLIKELY(status != RK_OK)) {
    return status == RK_EINVAL ? lrk_refuse_type(L, self, schema, &err) : lrk_fail(L, status, &err);
  }
  lrk_pack(L, schema, 2, lua_gettop(L), payload);
  rk_actor_commit(self->actor, options);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- many at once ---------------------------------------------------------------------------- */

/* Messages of one type that follow each other in a batch. */
typedef struct run {
  const lrk_schema *schema;
  uint32_t count;
} run;

/* The messages of a list, packed one after another. */
typedef struct batch {
  run *runs; /* [run_count], of which there is room for one for each message */
  size_t run_count;
  char *bytes;
  size_t size, capacity;
  int memory; /* index of the userdata of `bytes` that outgrew `small`; behind it that of `runs` */
} batch;

/* Where lists of few and small messages of one type find room without an allocation. */
typedef struct small {
  run only;
  uint64_t bytes[256];
} small;

/* Room for `size` zeroed bytes more. */
static inline char *batch_add(lua_State *L, batch *b, size_t size)
{
  if (b->size + size > b->capacity) {
    size_t capacity = 2 * b->capacity + size;
    char *bytes = lua_newuserdatauv(L, capacity, 0);
    memcpy(bytes, b->bytes, b->size);
    lua_replace(L, b->memory);
    b->bytes = bytes;
    b->capacity = capacity;
  }
  b->size += size;
  return memset(b->bytes + b->size - size, 0, size);
}

/* Begins a run of messages like the one on top of the stack, which is element `i` of `count`. Puts
 * its metatable at `at`, the names of its fields behind it, and the message on top of those. */
static const lrk_schema *run_begin(lua_State *L, batch *b, int at, lua_Integer i, lua_Integer count)
{
  int message = lua_gettop(L);
  if (b->run_count == 1) { /* the one there was room for */
    run *runs = lua_newuserdatauv(L, (size_t)count * sizeof *runs, 0);
    runs[0] = b->runs[0];
    lua_replace(L, b->memory + 1);
    b->runs = runs;
  }
  const lrk_schema *schema = lrk_to_message(L, message);
  if (schema == NULL) {
    luaL_error(L, "send_many: element %I: a message expected, got %s", i, lrk_describe(L, message));
  }
  int keys = lua_gettop(L);
  luaL_checkstack(L, (int)schema->count + LUA_MINSTACK, "a message with that many fields");
  lua_pushvalue(L, keys - LRK_MESSAGE_VALUES + 1);
  for (uint32_t field = 1; field <= schema->count; field++) {
    lua_rawgeti(L, keys, field);
  }
  lua_pushvalue(L, message);
  int values = lua_gettop(L) - keys;
  for (int value = 0; value < values; value++) {
    lua_copy(L, keys + 1 + value, at + value);
  }
  lua_settop(L, at + values - 1);
  b->runs[b->run_count++] = (run){schema, 0};
  return schema;
}

/* Packs all messages of the list at index 2. Everything that is misuse raises here, before the
 * first message is sent. */
static void pack_all(lua_State *L, lua_Integer count, batch *b, small *first)
{
  *b = (batch){.runs = &first->only, .bytes = (char *)first->bytes, .memory = lua_gettop(L) + 1};
  b->capacity = sizeof first->bytes;
  lua_settop(L, b->memory + 2);
  const int class = b->memory + 2; /* metatable of a run's messages; the names of their fields */
  int message = class + 1;
  const void *class_at = NULL;
  const lrk_schema *schema = NULL;
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 2, i) != LUA_TTABLE || !lua_getmetatable(L, message) ||
        lua_topointer(L, -1) != class_at) {
      lua_settop(L, message);
      schema = run_begin(L, b, class, i, count);
      class_at = lua_topointer(L, class);
      message = class + (int)schema->count + 1;
    }
    b->runs[b->run_count - 1].count += 1;
    lrk_pack_with(L, schema, message, class + 1, batch_add(L, b, schema->size));
    lua_settop(L, message - 1);
  }
}

/* Packed messages at index 2, of the type at index 3: one run, whose bytes stay where they are. */
static void take_packed(lua_State *L, batch *b, run *only)
{
  size_t length = 0;
  const char *bytes = lua_tolstring(L, 2, &length);
  const lrk_schema *schema = lrk_check_type(L, 3);
  if (schema->size == 0 || length % schema->size != 0 || length / schema->size > UINT32_MAX) {
    luaL_error(L, "send_many: whole messages of %s expected, of %I bytes each, got %I bytes",
               rk_schema_name(schema->schema), (lua_Integer)schema->size, (lua_Integer)length);
  }
  *only = (run){schema, (uint32_t)(length / schema->size)};
  *b = (batch){.runs = only, .run_count = 1, .size = length};
  b->bytes = (char *)(uintptr_t)bytes; /* which are only read from here on */
}

/* actor:send_many(list, options), actor:send_many(bytes, type, options)
 * -> number sent [, message, code] */
int lrk_actor_send_many(lua_State *L)
{
  lrk_actor *self = lrk_self(L);
  rk_send_options storage;
  const bool is_packed = lua_type(L, 2) == LUA_TSTRING;
  batch b;
  small first;
  lua_settop(L, is_packed ? 4 : 3);
  if (!is_packed && lua_type(L, 2) != LUA_TTABLE) {
    lrk_argument(L, 2, "a list of messages, or a string of packed ones");
  }
  const rk_send_options *options = lrk_send_options(L, self, is_packed ? 4 : 3, &storage);
  if (is_packed) {
    take_packed(L, &b, &first.only);
  } else {
    pack_all(L, (lua_Integer)lua_rawlen(L, 2), &b, &first);
  }
  if (self->actor == NULL || self->home->rt == NULL) {
    lua_pushinteger(L, 0);
    lua_pushliteral(L, "the runtime or the actor's handle is closed");
    lua_pushliteral(L, "closed");
    return 3;
  }
  lua_Integer sent = 0;
  int status = RK_OK;
  rk_error err;
  err.text[0] = '\0';
  const char *bytes = b.bytes;
  const lrk_schema *schema = NULL;
  for (size_t i = 0; i < b.run_count && status == RK_OK; i++) {
    uint32_t of_run = 0;
    schema = b.runs[i].schema;
    status = rk_actor_send_batch(self->actor, schema->id, schema->size, bytes, b.runs[i].count,
                                 options, &of_run, &err);
    sent += of_run;
    bytes += b.runs[i].count * schema->size;
  }
  rk_runtime_flush(self->home->rt);
  if (status == RK_EINVAL) {
    return lrk_refuse_type(L, self, schema, &err);
  }
  lua_pushinteger(L, sent);
  if (status == RK_OK) {
    return 1;
  }
  int results = lrk_fail(L, status, &err);
  lua_remove(L, -results);
  return results;
}
