/* SPDX-License-Identifier: MIT */
/*
 * Class actor: handles, sending, receiving without waiting; and class call, a request on its way.
 * lrk_state.c has the rest of the class; what waits is Lua's (lua/ringkernel/actor.lua).
 *
 * The hot path is actor:send(message): the schema comes from the message's metatable, the payload
 * is packed straight into the queue's slot, and nothing is allocated.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"
#include "base/clock.h"

#include "rk_hlc_dev.h"

typedef struct lrk_call {
  rk_call *call; /* NULL once closed */
  lrk_runtime *home;
} lrk_call;

/* ---- handles --------------------------------------------------------------------------------- */

/* The actor at index 1 of a function whose upvalue 1 is the class's metatable: cheaper than a
 * search in the registry. */
static inline lrk_actor *check_self(lua_State *L)
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

lrk_actor *lrk_check_actor(lua_State *L, int index)
{
  return luaL_checkudata(L, index, LRK_ACTOR);
}

lrk_actor *lrk_test_actor(lua_State *L, int index)
{
  return luaL_testudata(L, index, LRK_ACTOR);
}

int lrk_fail_released(lua_State *L)
{
  return lrk_fail_text(L, RK_ECLOSED, "the actor's handle is closed");
}

int lrk_fail_actor(lua_State *L, const lrk_actor *self, int status)
{
  rk_error err = RK_ERROR_INIT; /* of a lost device there is more to say */
  if ((status == RK_EDEVICE_LOST || status == RK_EFORKED) && self->home->rt != NULL &&
      rk_runtime_health(self->home->rt, &err) != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  return lrk_fail_text(L, status, "actor '%s': %s", rk_actor_name(self->actor),
                       rk_status_text(status));
}

void lrk_push_actor(lua_State *L, int runtime, rk_actor *actor, int kernel)
{
  lua_getiuservalue(L, runtime, LRK_RT_ACTORS);
  int cache = lua_gettop(L);
  if (lua_rawgetp(L, cache, actor) == LUA_TUSERDATA) {
    const lrk_actor *known = lua_touserdata(L, -1);
    if (known->actor == actor) {
      rk_actor_release(actor);
      lua_remove(L, cache);
      return;
    }
  }
  lua_pop(L, 1);
  lrk_actor *self = lua_newuserdatauv(L, sizeof *self, LRK_ACTOR_VALUES);
  self->actor = actor;
  self->home = lua_touserdata(L, runtime);
  self->is_kept = false;
  luaL_setmetatable(L, LRK_ACTOR);
  lua_pushvalue(L, runtime);
  lua_setiuservalue(L, -2, LRK_ACTOR_HOME);
  if (kernel != 0) {
    lua_pushvalue(L, kernel);
  } else {
    lrk_push_kernel(L, rk_actor_kernel(actor));
  }
  lua_setiuservalue(L, -2, LRK_ACTOR_KERNEL);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, cache, actor);
  lua_remove(L, cache);
}

static int actor_gc(lua_State *L)
{
  lrk_actor *self = check_self(L);
  rk_actor_release(self->actor);
  self->actor = NULL;
  lua_pushboolean(L, 1);
  return 1;
}

/* actor:close() -> true: gives the handle back; the actor lives on. Also __close. */
static int actor_close(lua_State *L)
{
  if (check_self(L)->is_kept) {
    lua_pushboolean(L, 1);
    return 1;
  }
  return actor_gc(L);
}

static int actor_tostring(lua_State *L)
{
  const lrk_actor *self = check_self(L);
  if (self->actor == NULL) {
    lua_pushfstring(L, "%s: (closed)", LRK_ACTOR);
  } else {
    lua_pushfstring(L, "%s: %s (%s)", LRK_ACTOR, rk_actor_name(self->actor),
                    self->home->rt != NULL ? rk_actor_state(self->actor) : "closed");
  }
  return 1;
}

static int actor_eq(lua_State *L)
{
  const lrk_actor *a = lrk_test_actor(L, 1);
  const lrk_actor *b = lrk_test_actor(L, 2);
  lua_pushboolean(L, a != NULL && b != NULL && a->actor == b->actor && a->actor != NULL);
  return 1;
}

static int actor_get(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (self->actor != NULL && strcmp(key, "name") == 0) {
    lua_pushstring(L, rk_actor_name(self->actor));
  } else if (self->actor != NULL && strcmp(key, "id") == 0) {
    lua_pushinteger(L, (lua_Integer)rk_actor_id(self->actor));
  } else if (self->actor != NULL && strcmp(key, "tenant") == 0) {
    lua_pushstring(L, self->home->rt == NULL
                          ? NULL
                          : rk_runtime_tenant_name(self->home->rt, rk_actor_tenant(self->actor)));
  } else if (strcmp(key, "runtime") == 0) {
    lua_getiuservalue(L, 1, LRK_ACTOR_HOME);
  } else if (strcmp(key, "definition") == 0) {
    lua_getiuservalue(L, 1, LRK_ACTOR_KERNEL);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Raises that the actor does not take messages of this type, naming those it takes. */
static int refuse_type(lua_State *L, const lrk_actor *self, const lrk_schema *schema,
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

/* Fills `out` from the option table at `index`; returns NULL where there is none. */
static const rk_send_options *check_options(lua_State *L, const lrk_actor *self, int index,
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
static int actor_send(lua_State *L)
{
  lrk_actor *self = check_self(L);
  rk_send_options storage;
  const rk_send_options *options = NULL;
  if (RK_UNLIKELY(lua_gettop(L) != 2)) {
    lua_settop(L, 3);
    options = check_options(L, self, 3, &storage);
  }
  const lrk_schema *schema = lrk_check_message(L, 2);
  if (RK_UNLIKELY(self->actor == NULL)) {
    return lrk_fail_released(L);
  }
  void *payload = NULL;
  rk_error err;
  err.text[0] = '\0';
  int status = rk_actor_reserve_with(self->actor, schema->id, schema->size, options, &payload,
                                     &err);
  if (RK_UNLIKELY(status != RK_OK)) {
    return status == RK_EINVAL ? refuse_type(L, self, schema, &err) : lrk_fail(L, status, &err);
  }
  lrk_pack(L, schema, 2, lua_gettop(L), payload);
  rk_actor_commit(self->actor, options);
  lua_pushboolean(L, 1);
  return 1;
}

/* The messages of a list, packed one after another. */
typedef struct batch {
  const lrk_schema **schemas; /* [count] */
  char *bytes;
  size_t size, capacity;
  int memory; /* index of the userdata that `bytes` lies in */
} batch;

/* Room for `size` zeroed bytes more. */
static char *batch_add(lua_State *L, batch *b, size_t size)
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

/* Packs all messages of the list at index 2. Everything that is misuse raises here, before the
 * first message is sent. A run of one type looks its schema up once. */
static void pack_all(lua_State *L, lua_Integer count, batch *b)
{
  b->schemas = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *b->schemas, 0);
  b->size = 0;
  b->capacity = (size_t)count * 64;
  b->bytes = lua_newuserdatauv(L, b->capacity + 1, 0);
  b->memory = lua_gettop(L);
  const lrk_schema *schema = NULL;
  int message = b->memory + LRK_MESSAGE_VALUES + 1; /* below it: what lrk_to_message pushed */
  lua_settop(L, message - 1);
  for (lua_Integer i = 1; i <= count; i++) {
    bool is_same = lua_rawgeti(L, 2, i) == LUA_TTABLE && lua_getmetatable(L, message) &&
                   lua_rawequal(L, -1, b->memory + 1);
    if (!is_same) {
      lua_settop(L, message);
      schema = lrk_to_message(L, message);
      if (schema == NULL) {
        luaL_error(L, "send_many: element %I: a message expected, got %s", i, lrk_describe(L, -1));
      }
      for (int value = LRK_MESSAGE_VALUES; value >= 1; value--) {
        lua_replace(L, b->memory + value);
      }
    }
    b->schemas[i - 1] = schema;
    lrk_pack(L, schema, message, message - 1, batch_add(L, b, schema->size));
    lua_settop(L, message - 1);
  }
}

/* actor:send_many(list, options) -> number sent [, message, code] */
static int actor_send_many(lua_State *L)
{
  lrk_actor *self = check_self(L);
  rk_send_options storage;
  lua_settop(L, 3);
  luaL_checktype(L, 2, LUA_TTABLE);
  const rk_send_options *options = check_options(L, self, 3, &storage);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  batch b;
  pack_all(L, count, &b);
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
  for (; sent < count; sent++) {
    void *payload = NULL;
    schema = b.schemas[sent];
    status = rk_actor_reserve_with(self->actor, schema->id, schema->size, options, &payload, &err);
    if (status != RK_OK) {
      break;
    }
    memcpy(payload, bytes, schema->size);
    rk_actor_commit_quiet(self->actor, options);
    bytes += schema->size;
  }
  rk_runtime_flush(self->home->rt);
  if (status == RK_EINVAL) {
    return refuse_type(L, self, schema, &err);
  }
  lua_pushinteger(L, sent);
  if (status == RK_OK) {
    return 1;
  }
  int results = lrk_fail(L, status, &err);
  lua_remove(L, -results);
  return results;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static int fail_receive(lua_State *L, const lrk_actor *self, int status)
{
  if (RK_LIKELY(status == RK_EEMPTY)) {
    lua_pushnil(L);
    lua_pushliteral(L, "no message is waiting");
    lua_pushliteral(L, "empty");
    return 3;
  }
  return lrk_fail_actor(L, self, status);
}

/* actor:try_receive() -> message | nil, message, "empty" | "terminated" | "closed" */
static int actor_try_receive(lua_State *L)
{
  lrk_actor *self = check_self(L);
  if (RK_UNLIKELY(self->actor == NULL)) {
    return lrk_fail_released(L);
  }
  rk_received received;
  int status = rk_actor_try_receive(self->actor, &received);
  if (status != RK_OK) {
    return fail_receive(L, self, status);
  }
  lrk_push_received(L, &received, self->home->node);
  return 1;
}

/* actor_take(actor, max) -> list of 1..max messages | nil, message, code: without waiting */
static int core_actor_take(lua_State *L)
{
  lrk_actor *self = lrk_check_actor(L, 1);
  lua_Integer most = luaL_checkinteger(L, 2);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_received received;
  int status = rk_actor_try_receive(self->actor, &received);
  if (status != RK_OK) {
    return fail_receive(L, self, status);
  }
  lua_newtable(L);
  lua_Integer count = 0;
  do {
    lrk_push_received(L, &received, self->home->node);
    lua_rawseti(L, -2, ++count);
  } while (count < most && rk_actor_try_receive(self->actor, &received) == RK_OK);
  return 1;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* call_open(actor, message, options) -> call | nil, message, code */
static int core_call_open(lua_State *L)
{
  enum { SMALL_BYTES = 512 };
  lrk_actor *self = lrk_check_actor(L, 1);
  rk_send_options storage;
  uint64_t small[SMALL_BYTES / 8];
  lua_settop(L, 3);
  const lrk_schema *schema = lrk_check_message(L, 2);
  const rk_send_options *options = check_options(L, self, 3, &storage);
  void *bytes = schema->size <= SMALL_BYTES ? (void *)small : lua_newuserdatauv(L, schema->size, 0);
  memset(bytes, 0, schema->size);
  lrk_pack(L, schema, 2, 3 + LRK_MESSAGE_VALUES, bytes);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  lrk_call *call = lua_newuserdatauv(L, sizeof *call, 1);
  *call = (lrk_call){NULL, self->home};
  luaL_setmetatable(L, LRK_CALL);
  lua_getiuservalue(L, 1, LRK_ACTOR_HOME);
  lua_setiuservalue(L, -2, 1);
  rk_error err = RK_ERROR_INIT;
  int status = rk_call_open(self->actor, schema->id, bytes, schema->size, options, &call->call,
                            &err);
  if (status != RK_OK) {
    call->call = NULL;
    return status == RK_EINVAL ? refuse_type(L, self, schema, &err) : lrk_fail(L, status, &err);
  }
  return 1;
}

/* call:poll() -> reply | nil, message, "empty" | "terminated" | "timeout" | "not_active" | "closed"
 */
static int call_poll(lua_State *L)
{
  const lrk_call *self = luaL_checkudata(L, 1, LRK_CALL);
  if (self->call == NULL || self->home->rt == NULL) {
    return lrk_fail_text(L, RK_ECLOSED, "the call or its runtime is closed");
  }
  rk_received received;
  int status = rk_call_poll(self->call, &received);
  if (status == RK_EEMPTY) {
    lua_pushnil(L);
    lua_pushliteral(L, "no reply has come");
    lua_pushliteral(L, "empty");
    return 3;
  }
  if (status == RK_ETIMEOUT) {
    return lrk_fail_text(L, status, "the request's deadline passed before it was handled");
  }
  if (status == RK_ENOT_ACTIVE) {
    return lrk_fail_text(L, status, "the actor failed while it handled the request");
  }
  if (status != RK_OK) {
    return lrk_fail(L, status, NULL);
  }
  lrk_push_received(L, &received, self->home->node);
  return 1;
}

static int call_close(lua_State *L)
{
  lrk_call *self = luaL_checkudata(L, 1, LRK_CALL);
  rk_call_close(self->call);
  self->call = NULL;
  return 0;
}

const luaL_Reg lrk_actor_functions[] = {
    {"actor_take", core_actor_take},
    {"call_open", core_call_open},
    {NULL, NULL},
};

void lrk_actor_register(lua_State *L)
{
  static const luaL_Reg methods[] = {{"send", actor_send},
                                     {"send_many", actor_send_many},
                                     {"try_receive", actor_try_receive},
                                     {"close", actor_close},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", actor_close},
                                  {"__gc", actor_gc},
                                  {"__eq", actor_eq},
                                  {"__tostring", actor_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg call_methods[] = {{"poll", call_poll}, {"close", call_close}, {NULL, NULL}};
  static const luaL_Reg call_meta[] = {{"__close", call_close}, {"__gc", call_close}, {NULL, NULL}};
  lrk_class(L, LRK_ACTOR, methods, meta, actor_get);
  luaL_getmetatable(L, LRK_ACTOR);
  lrk_push_methods(L, LRK_ACTOR);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, lrk_actor_state_methods, 1);
  lua_pop(L, 2);
  lrk_class(L, LRK_CALL, call_methods, call_meta, NULL);
}
