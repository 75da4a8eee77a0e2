/* SPDX-License-Identifier: MIT */
/*
 * Publishing, and class subscription. A subscription with a function stands in its runtime's table
 * until it or the runtime is closed, so dropping the handle does not end it.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

typedef struct lrk_subscription {
  rk_subscription *sub; /* NULL once closed */
  lrk_runtime *home;
  lua_Integer number; /* its place in the runtime's table */
} lrk_subscription;

/* User values: the runtime, the function or actor, the pattern. */
enum { SUB_HOME = 1, SUB_RECEIVER, SUB_PATTERN, SUB_VALUES = SUB_PATTERN };

/* rt:publish(topic, message, { retain = }) -> subscribers reached | nil, message, code. A nil
 * message with retain takes the retained one away. */
int lrk_runtime_publish(lua_State *L)
{
  enum { SMALL_BYTES = 512 };
  static const lrk_option options[] = {
      {"retain", LRK_BOOL, 0, 0}, {"tenant", LRK_ANY, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 4);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  size_t length = 0;
  const char *topic = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, strlen(topic) == length, 2, "topic: a zero byte in the text");
  lrk_options(L, 4, "publish", options);
  bool retain = lrk_option_bool(L, 4, "retain", false);
  uint64_t small[SMALL_BYTES / 8];
  void *bytes = NULL;
  uint32_t type = 0;
  size_t size = 0;
  if (!retain || !lua_isnil(L, 3)) {
    const lrk_schema *schema = lrk_check_message(L, 3);
    int keys = lua_gettop(L);
    type = schema->id;
    size = schema->size;
    bytes = size <= SMALL_BYTES ? (void *)small : lua_newuserdatauv(L, size, 0);
    memset(bytes, 0, size);
    int top = lua_gettop(L);
    lrk_pack(L, schema, 3, keys, bytes);
    lua_settop(L, top);
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  size_t count = 0;
  uint32_t as = 0;
  if (!lrk_option_tenant(L, self, 4, "publish", &as)) {
    return 3;
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_publish_as(self->rt, as, topic, type, bytes, size, retain, &count, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  self->has_leftovers = true; /* functions of this very process may be due */
  lrk_runtime_kick(L, self, 1);
  lua_pushinteger(L, (lua_Integer)count);
  return 1;
}

/* rt:subscribe(pattern, function | actor, { limit = }) -> subscription | nil, message, code */
int lrk_runtime_subscribe(lua_State *L)
{
  static const lrk_option options[] = {
      {"limit", LRK_INT, 1, INT32_MAX}, {"tenant", LRK_ANY, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 4);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  const char *pattern = luaL_checkstring(L, 2);
  const lrk_actor *actor = lrk_test_actor(L, 3);
  if (actor == NULL && !lua_isfunction(L, 3)) {
    return lrk_argument(L, 3, "an actor or a function");
  }
  lrk_options(L, 4, "subscribe", options);
  if (actor != NULL && actor->home != self) {
    return luaL_argerror(L, 3, "an actor of the same runtime expected");
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  if (actor != NULL && actor->actor == NULL) {
    return lrk_fail_text(L, RK_ECLOSED, "the actor's handle is closed");
  }
  uint32_t as = 0;
  if (!lrk_option_tenant(L, self, 4, "subscribe", &as)) {
    return 3;
  }
  lrk_subscription *sub = lua_newuserdatauv(L, sizeof *sub, SUB_VALUES);
  *sub = (lrk_subscription){NULL, self, 0};
  luaL_setmetatable(L, LRK_SUBSCRIPTION);
  for (int value = SUB_HOME; value <= SUB_PATTERN; value++) {
    lua_pushvalue(L, value == SUB_HOME ? 1 : value == SUB_RECEIVER ? 3 : 2);
    lua_setiuservalue(L, 5, value);
  }
  /* Into the table first: from then on nothing here can raise with the subscription open. */
  lua_getiuservalue(L, 1, LRK_RT_SUBS);
  lua_pushvalue(L, 5);
  lua_rawseti(L, -2, self->next_sub);
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_subscribe_as(self->rt, as, pattern, actor != NULL ? actor->actor : NULL,
                                       (uint32_t)lrk_option_integer(L, 4, "limit", 0), &sub->sub,
                                       &err);
  if (status != RK_OK) {
    sub->sub = NULL;
    lua_pushnil(L);
    lua_rawseti(L, -2, self->next_sub);
    return lrk_fail(L, status, &err);
  }
  sub->number = self->next_sub++;
  rk_subscription_user_set(sub->sub, (uint64_t)sub->number);
  self->has_leftovers = true; /* retained messages may be waiting already */
  lrk_runtime_kick(L, self, 1);
  lua_settop(L, 5);
  return 1;
}

static lrk_subscription *check_subscription(lua_State *L)
{
  return luaL_checkudata(L, 1, LRK_SUBSCRIPTION);
}

/* sub:close() -> true. Also __close and __gc. */
static int subscription_close(lua_State *L)
{
  lrk_subscription *self = check_subscription(L);
  if (self->sub != NULL) {
    rk_subscription_close(self->sub);
    self->sub = NULL;
    if (lua_getiuservalue(L, 1, SUB_HOME) == LUA_TUSERDATA &&
        lua_getiuservalue(L, -1, LRK_RT_SUBS) == LUA_TTABLE) {
      lua_pushnil(L);
      lua_rawseti(L, -2, self->number);
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* sub:stats() -> { delivered =, dropped =, waiting = } | nil, message, "closed" */
static int subscription_stats(lua_State *L)
{
  const lrk_subscription *self = check_subscription(L);
  if (self->sub == NULL || self->home->rt == NULL) {
    return lrk_fail_text(L, RK_ECLOSED, "the subscription is closed");
  }
  rk_subscription_stats stats = {0};
  rk_subscription_stats_get(self->sub, &stats);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)stats.delivered);
  lua_setfield(L, -2, "delivered");
  lua_pushinteger(L, (lua_Integer)stats.dropped);
  lua_setfield(L, -2, "dropped");
  lua_pushinteger(L, (lua_Integer)stats.waiting);
  lua_setfield(L, -2, "waiting");
  return 1;
}

static int subscription_get(lua_State *L)
{
  check_subscription(L);
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "pattern") == 0) {
    lua_getiuservalue(L, 1, SUB_PATTERN);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static int subscription_tostring(lua_State *L)
{
  const lrk_subscription *self = check_subscription(L);
  lua_getiuservalue(L, 1, SUB_PATTERN);
  lua_pushfstring(L, "%s: %s%s", LRK_SUBSCRIPTION, lua_tostring(L, -1),
                  self->sub == NULL || self->home->rt == NULL ? " (closed)" : "");
  return 1;
}

void lrk_pubsub_register(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"close", subscription_close}, {"stats", subscription_stats}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", subscription_close},
                                  {"__gc", subscription_close},
                                  {"__tostring", subscription_tostring},
                                  {NULL, NULL}};
  lrk_class(L, LRK_SUBSCRIPTION, methods, meta, subscription_get);
}
