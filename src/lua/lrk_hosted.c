/* SPDX-License-Identifier: MIT */
/*
 * What lua/ringkernel/hosted.lua stands on: actors whose handler is a Lua function. Their turns come
 * where callbacks run (lrk_runtime_dispatch): a function of Lua, the hook, is called with an actor
 * each time.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

/* ---- turns ----------------------------------------------------------------------------------- */

/* Pushes the hook of the runtime at `index`, or nothing. */
static bool push_hook(lua_State *L, int index, int value)
{
  if (lua_getiuservalue(L, index, value) == LUA_TFUNCTION) {
    return true;
  }
  lua_pop(L, 1);
  return false;
}

/* Calls the hook below its `count` arguments; an error becomes a warning, and false comes back. */
static bool call_hook(lua_State *L, lrk_runtime *self, int count, int results)
{
  if (lua_pcall(L, count, results, 0) == LUA_OK) {
    return true;
  }
  self->callback_errors++;
  const char *text = lua_tostring(L, -1);
  lua_warning(L, "ringkernel: error in a callback: ", 1);
  lua_warning(L, text != NULL ? text : "(no text)", 0);
  return false;
}

/* Each actor that has messages gets one turn. The hook takes them and returns how many, and whether
 * it stopped because some receiver has no room. */
static size_t dispatch_messages(lua_State *L, lrk_runtime *self, int index)
{
  int top = lua_gettop(L);
  size_t calls = 0;
  rk_actor *actor = NULL;
  for (size_t left = rk_runtime_hosted_count(self->rt);
       left != 0 && self->rt != NULL && (actor = rk_runtime_next_hosted(self->rt)) != NULL;
       left--) {
    lrk_push_actor(L, index, actor, 0);
    int handle = lua_gettop(L);
    bool is_stalled = false;
    if (push_hook(L, index, LRK_RT_HOSTED)) {
      lua_pushvalue(L, handle);
      if (call_hook(L, self, 1, 2)) {
        calls += (size_t)lua_tointeger(L, -2);
        is_stalled = lua_toboolean(L, -1) != 0;
      }
    }
    if (self->rt != NULL && rk_actor_passed_on(actor) != 0) {
      rk_runtime_hosted_later(actor);
      self->has_leftovers = self->has_leftovers || !is_stalled;
      self->is_stalled = self->is_stalled || is_stalled;
    }
    lua_settop(L, top);
  }
  return calls;
}

size_t lrk_hosted_dispatch(lua_State *L, int index)
{
  lrk_runtime *self = lua_touserdata(L, index);
  self->is_stalled = self->rt != NULL && rk_runtime_host_holds(self->rt);
  if (self->rt == NULL || rk_runtime_hosted_count(self->rt) == 0) {
    return 0;
  }
  return dispatch_messages(L, self, index);
}

/* hosted_hook(rt, function(actor) -> taken, is_stalled) */
static int core_hosted_hook(lua_State *L)
{
  lrk_check_runtime(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, LRK_RT_HOSTED);
  return 0;
}

/* hosted_due(rt): functions are to be called although nothing may arrive */
static int core_hosted_due(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  self->has_leftovers = true;
  lrk_runtime_kick(L, self, 1);
  return 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* hosted_keep(actor): from now on closing this handle does nothing; there is no other one */
static int core_hosted_keep(lua_State *L)
{
  lrk_check_actor(L, 1)->is_kept = true;
  return 0;
}

/* hosted_take(actor) -> message | nil */
static int core_hosted_take(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  rk_received received;
  if (self->actor == NULL || rk_actor_take(self->actor, &received) != RK_OK) {
    lua_pushnil(L);
    return 1;
  }
  lrk_push_received(L, self->home, &received);
  return 1;
}

/* hosted_refuse(actor, code) -> true | nil, message, code */
static int core_hosted_refuse(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  lua_Integer code = luaL_checkinteger(L, 2);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  return lrk_result(L, rk_actor_refuse(self->actor, (int)code, &err), &err);
}

/* Packs the message at `index`; the bytes live on the stack. */
static const lrk_schema *pack_message(lua_State *L, int index, void **bytes)
{
  const lrk_schema *schema = lrk_check_message(L, index);
  int keys = lua_gettop(L);
  *bytes = lua_newuserdatauv(L, schema->size, 0);
  memset(*bytes, 0, schema->size);
  lrk_pack(L, schema, index, keys, *bytes);
  lua_settop(L, keys + 1);
  return schema;
}

/* hosted_send(from, to, message, correlation, is_reply, cause) -> true | nil, message, code */
static int core_hosted_send(lua_State *L)
{
  const lrk_actor *from = lrk_check_actor(L, 1);
  const lrk_actor *to = lrk_check_actor(L, 2);
  void *bytes = NULL;
  lua_settop(L, 6);
  const lrk_schema *schema = pack_message(L, 3, &bytes);
  if (from->actor == NULL || to->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_send_options options = {
      .correlation = (uint64_t)luaL_checkinteger(L, 4),
      .source = (uint32_t)rk_actor_id(from->actor),
      .is_reply = lua_toboolean(L, 5) != 0,
      .cause = (uint64_t)luaL_optinteger(L, 6, 0),
  };
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_send(to->actor, schema->id, bytes, schema->size, &options, NULL, &err);
  return lrk_result(L, status, &err);
}

/* hosted_tie(from, port, to, options | nil) -> true | nil, message, code */
static int core_hosted_tie(lua_State *L)
{
  const lrk_actor *from = lrk_check_actor(L, 1);
  const lrk_actor *to = lrk_check_actor(L, 3);
  rk_link_options options = lrk_link_options(L, 4);
  if (from->actor == NULL || to->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  return lrk_result(
      L, rk_actor_host_link(from->actor, luaL_checkstring(L, 2), to->actor, &options, &err), &err);
}

/* hosted_untie(from, port) -> true | nil, message, code */
static int core_hosted_untie(lua_State *L)
{
  const lrk_actor *from = lrk_check_actor(L, 1);
  if (from->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_host_unlink(from->actor, luaL_checkstring(L, 2), &err);
  return lrk_result(L, status, &err);
}

/* hosted_ready(from, burst) -> whether its ports let its function be called */
static int core_hosted_ready(lua_State *L)
{
  const lrk_actor *from = lrk_check_actor(L, 1);
  uint32_t burst = (uint32_t)luaL_checkinteger(L, 2);
  lua_pushboolean(L, from->actor == NULL || rk_actor_host_ready(from->actor, burst));
  return 1;
}

/* hosted_port_send(from, port, message, correlation, cause) -> true | nil, message, code */
static int core_hosted_port_send(lua_State *L)
{
  const lrk_actor *from = lrk_check_actor(L, 1);
  void *bytes = NULL;
  lua_settop(L, 5);
  const lrk_schema *schema = pack_message(L, 3, &bytes);
  if (from->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_send_options options = {
      .correlation = (uint64_t)luaL_checkinteger(L, 4),
      .cause = (uint64_t)luaL_optinteger(L, 5, 0),
  };
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_host_send(from->actor, luaL_checkstring(L, 2), schema->id, bytes,
                                  schema->size, &options, &err);
  return lrk_result(L, status, &err);
}

/* hosted_reply(actor, message, correlation) -> true | nil, message, code: to the host */
static int core_hosted_reply(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  uint64_t correlation = (uint64_t)luaL_checkinteger(L, 3);
  void *bytes = NULL;
  const lrk_schema *schema = pack_message(L, 2, &bytes);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_reply(self->actor, correlation, schema->id, bytes, schema->size, &err);
  return lrk_result(L, status, &err);
}

/* ---- questions ------------------------------------------------------------------------------- */

/* actor_depth(actor) -> waiting, handled | nil, message, code */
static int core_actor_depth(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  uint64_t depth = 0;
  uint64_t handled = 0;
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_depth(self->actor, &depth, &handled, &err);
  lrk_runtime_kick(L, self->home, 1);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushinteger(L, (lua_Integer)depth);
  lua_pushinteger(L, (lua_Integer)handled);
  return 2;
}

const luaL_Reg lrk_hosted_functions[] = {
    {"hosted_hook", core_hosted_hook},
    {"hosted_due", core_hosted_due},
    {"hosted_keep", core_hosted_keep},
    {"hosted_take", core_hosted_take},
    {"hosted_refuse", core_hosted_refuse},
    {"hosted_send", core_hosted_send},
    {"hosted_reply", core_hosted_reply},
    {"hosted_tie", core_hosted_tie},
    {"hosted_untie", core_hosted_untie},
    {"hosted_ready", core_hosted_ready},
    {"hosted_port_send", core_hosted_port_send},
    {"actor_depth", core_actor_depth},
    {NULL, NULL},
};
