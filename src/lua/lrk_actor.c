/* SPDX-License-Identifier: MIT */
/*
 * Class actor: handles, receiving without waiting; and class call, a request on its way. lrk_send.c
 * and lrk_state.c have the rest of the class; what waits is Lua's (lua/ringkernel/actor.lua).
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

typedef struct lrk_call {
  rk_call *call; /* NULL once closed */
  lrk_runtime *home;
} lrk_call;

/* ---- handles --------------------------------------------------------------------------------- */

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
  self->owed = RK_OK;
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
  lrk_actor *self = lrk_self(L);
  rk_actor_release(self->actor);
  self->actor = NULL;
  lua_pushboolean(L, 1);
  return 1;
}

/* actor:close() -> true: gives the handle back; the actor lives on. Also __close. */
static int actor_close(lua_State *L)
{
  if (lrk_self(L)->is_kept) {
    lua_pushboolean(L, 1);
    return 1;
  }
  return actor_gc(L);
}

static int actor_tostring(lua_State *L)
{
  const lrk_actor *self = lrk_self(L);
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

/* ---- receiving ------------------------------------------------------------------------------- */

static int fail_receive(lua_State *L, const lrk_actor *self, int status)
{
  if (RK_LIKELY(status == RK_EEMPTY)) {
    lua_pushnil(L);
    lua_pushliteral(L, "no message is waiting");
    lua_pushliteral(L, "empty");
    return 3;
  }
  if ((status == RK_ECORRUPT || status == RK_EIO) && self->home->rt != NULL) {
    rk_error err = RK_ERROR_INIT;
    rk_runtime_spill_loss(self->home->rt, &err);
    return lrk_fail(L, status, &err);
  }
  return lrk_fail_actor(L, self, status);
}

static inline int take(lrk_actor *self, rk_received *out)
{
  int owed = self->owed;
  if (RK_UNLIKELY(owed != RK_OK)) {
    self->owed = RK_OK;
    return owed;
  }
  return rk_actor_try_receive(self->actor, out);
}

/* actor:try_receive() -> message | nil, message, "empty" | "terminated" | "closed" | "corrupt" | "io"
 */
static int actor_try_receive(lua_State *L)
{
  lrk_actor *self = lrk_self(L);
  if (RK_UNLIKELY(self->actor == NULL)) {
    return lrk_fail_released(L);
  }
  rk_received received;
  int status = take(self, &received);
  if (status != RK_OK) {
    return fail_receive(L, self, status);
  }
  lrk_push_received(L, self->home, &received);
  rk_actor_let_go(self->actor);
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
  int status = take(self, &received);
  if (status != RK_OK) {
    return fail_receive(L, self, status);
  }
  lua_newtable(L);
  lua_Integer count = 0;
  do {
    lrk_push_received(L, self->home, &received);
    lua_rawseti(L, -2, ++count);
  } while (count < most && (status = rk_actor_try_receive(self->actor, &received)) == RK_OK);
  rk_actor_let_go(self->actor);
  self->owed = status == RK_ECORRUPT || status == RK_EIO ? status : RK_OK;
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
  const rk_send_options *options = lrk_send_options(L, self, 3, &storage);
  void *bytes = schema->size <= SMALL_BYTES ? (void *)small : lua_newuserdatauv(L, schema->size, 0);
  memset(bytes, 0, schema->size);
  int top = lua_gettop(L);
  lrk_pack(L, schema, 2, 3 + LRK_MESSAGE_VALUES, bytes);
  lua_settop(L, top);
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
    return status == RK_EINVAL ? lrk_refuse_type(L, self, schema, &err) : lrk_fail(L, status, &err);
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
  lrk_push_received(L, self->home, &received);
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
  static const luaL_Reg methods[] = {{"send", lrk_actor_send},
                                     {"send_many", lrk_actor_send_many},
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
