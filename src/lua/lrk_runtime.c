/* SPDX-License-Identifier: MIT */
/*
 * Class runtime: closing (lrk_open.c opens), what it says of itself, waiting, and running callbacks.
 *
 * Its user values are a table of actor handles by pointer (weak, so that an actor found twice is
 * the same object), a table of subscriptions with functions by number, the function that tells
 * a loop with waiting coroutines that something was drained behind its back, what events go to, and
 * the hook of lrk_hosted.c.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

/* Callbacks that one call runs at most, so that a callback that publishes to itself cannot hold
 * it. */
#define MOST_CALLBACKS 4096u

lrk_runtime *lrk_check_runtime(lua_State *L, int index)
{
  return luaL_checkudata(L, index, LRK_RUNTIME);
}

lrk_runtime *lrk_open_runtime(lua_State *L, int index)
{
  lrk_runtime *self = lrk_check_runtime(L, index);
  if (self->rt == NULL) {
    lrk_fail_text(L, RK_ECLOSED, "the runtime is closed");
    return NULL;
  }
  return self;
}

/* ---- close ------------------------------------------------------------------------------------ */

/* rt:close() -> true; again: true. Also __close. */
static int runtime_close(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  if (self->rt != NULL) {
    rk_runtime *rt = self->rt;
    self->rt = NULL;
    /* A loop that watches the descriptor lets go of it before it is closed. */
    self->is_kicked = false;
    lrk_runtime_kick(L, self, 1);
    rk_runtime_close(rt);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, LRK_RT_SUBS);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int runtime_gc(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  if (self->rt != NULL) {
    lua_warning(L, "ringkernel.runtime: closed by the collector; use <close> or rt:close()", 0);
    self->parked = 0;
    runtime_close(L);
  }
  return 0;
}

/* ---- what it says of itself ------------------------------------------------------------------ */

static int runtime_tostring(lua_State *L)
{
  const lrk_runtime *self = lrk_check_runtime(L, 1);
  if (self->rt == NULL) {
    lua_pushfstring(L, "%s: %s (closed)", LRK_RUNTIME, self->info.backend);
  } else {
    lua_pushfstring(L, "%s: %s (%I blocks)", LRK_RUNTIME, self->info.backend,
                    (lua_Integer)self->info.blocks);
  }
  return 1;
}

static int runtime_get(lua_State *L)
{
  const lrk_runtime *self = lrk_check_runtime(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "backend") == 0) {
    lua_pushstring(L, self->info.backend);
  } else if (strcmp(key, "node") == 0) {
    lua_pushinteger(L, self->node);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static void set_u64(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static int runtime_info(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_runtime_info info;
  rk_runtime_info_get(self->rt, &info);
  lua_createtable(L, 0, 16);
  lua_pushstring(L, info.backend);
  lua_setfield(L, -2, "backend");
  lua_pushstring(L, info.device_name);
  lua_setfield(L, -2, "device_name");
  lua_pushstring(L, info.transport);
  lua_setfield(L, -2, "transport");
  lua_pushstring(L, info.transport_why);
  lua_setfield(L, -2, "transport_why");
  lua_pushstring(L, info.policy);
  lua_setfield(L, -2, "policy");
  lua_pushstring(L, info.device_claim); /* nil for NULL */
  lua_setfield(L, -2, "device_claim");
  set_u64(L, "blocks", info.blocks);
  set_u64(L, "cluster", info.cluster);
  lua_pushstring(L, info.cluster_lanes); /* nil for NULL */
  lua_setfield(L, -2, "cluster_lanes");
  set_u64(L, "processors", info.processors);
  set_u64(L, "sms", info.sms);
  set_u64(L, "max_actors", info.max_actors);
  set_u64(L, "abi", info.abi_version);
  set_u64(L, "generation", info.generation);
  set_u64(L, "memory_bytes", info.memory_bytes);
  set_u64(L, "node", self->node);
  lua_pushboolean(L, info.has_async_buffers);
  lua_setfield(L, -2, "async_buffers");
  return 1;
}

static int runtime_stats(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_runtime_stats stats = {0};
  rk_runtime_stats_get(self->rt, &stats);
  lua_createtable(L, 0, 12);
  set_u64(L, "actors", stats.actors);
  set_u64(L, "launched", stats.launched);
  set_u64(L, "sent", stats.sent);
  set_u64(L, "received", stats.received);
  set_u64(L, "handled", stats.handled);
  set_u64(L, "by_lane", stats.by_lane);
  set_u64(L, "refused_full", stats.refused_full);
  set_u64(L, "queues_grown", stats.queues_grown);
  set_u64(L, "memory_used", stats.memory_used);
  set_u64(L, "spilled_messages", stats.spilled_messages);
  set_u64(L, "spilled_bytes", stats.spilled_bytes);
  set_u64(L, "spilled_total", stats.spilled_total);
  set_u64(L, "spill_lost", stats.spill_lost);
  set_u64(L, "spill_refused", stats.spill_refused);
  lrk_dead_push_stats(L, &stats);
  set_u64(L, "published", stats.published);
  set_u64(L, "publish_dropped", stats.publish_dropped);
  set_u64(L, "subscriptions", stats.subscriptions);
  set_u64(L, "events_dropped", stats.events_dropped);
  set_u64(L, "device_bytes", stats.device_bytes);
  set_u64(L, "callback_errors", self->callback_errors);
  return 1;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* rt:fd() and rt:pollfd() */
static int runtime_fd(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  lua_pushinteger(L, rk_runtime_fd(self->rt));
  return 1;
}

static int runtime_events(lua_State *L)
{
  lua_pushliteral(L, "r");
  return 1;
}

/* rt:timeout(): seconds until there is work although the descriptor may be silent, or nil. */
static int runtime_timeout(lua_State *L)
{
  const lrk_runtime *self = lrk_check_runtime(L, 1);
  lrk_push_timeout(L, self);
  return 1;
}

static int add_traceback(lua_State *L)
{
  const char *text = lua_tostring(L, 1);
  if (text == NULL && luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
    text = luaL_tolstring(L, 1, NULL);
  } else if (text == NULL) { /* in lua(1)'s words: an address would help nobody */
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

/* Calls the function at `function` with the received message and its topic; an error becomes a
 * warning. */
static void call_back(lua_State *L, lrk_runtime *self, int function, const rk_received *received,
                      const char *topic)
{
  int top = lua_gettop(L);
  lua_pushcfunction(L, add_traceback);
  lua_pushvalue(L, function);
  lrk_push_received(L, self, received);
  lua_pushstring(L, topic);
  if (lua_pcall(L, 2, 0, top + 1) != LUA_OK) {
    self->callback_errors++;
    const char *text = lua_tostring(L, -1);
    lua_warning(L, "ringkernel: error in a subscriber's function: ", 1);
    lua_warning(L, text != NULL ? text : "(no text)", 0);
  }
  lua_settop(L, top);
}

/* Hands one event to the function that rk.events.lua has left; see core.events_want. */
static void tell(lua_State *L, int index, lrk_runtime *self, const rk_event *event)
{
  int top = lua_gettop(L);
  lua_pushcfunction(L, add_traceback);
  if (lua_getiuservalue(L, index, LRK_RT_EVENTS) != LUA_TFUNCTION) {
    rk_actor_release(event->actor);
    lua_settop(L, top);
    return;
  }
  lua_createtable(L, 0, 8);
  if (event->actor != NULL) {
    set_u64(L, "actor_id", event->actor_id);
    lua_pushstring(L, event->name);
    lua_setfield(L, -2, "name");
    lrk_push_actor(L, index, event->actor, 0); /* takes the reference */
    lua_setfield(L, -2, "actor");
  }
  lua_pushstring(L, rk_event_name(event->kind));
  lua_setfield(L, -2, "event");
  lua_pushinteger(L, event->code);
  lua_setfield(L, -2, "code");
  if (event->reason != NULL) {
    lua_pushstring(L, event->reason);
    lua_setfield(L, -2, "reason");
  }
  if (event->kind == RK_EVENT_PRESSURE) {
    lua_pushstring(L, rk_pressure_name(event->code));
    lua_setfield(L, -2, "level");
    set_u64(L, "used", event->used);
    set_u64(L, "budget", event->budget);
    if (event->spilled_messages != 0) {
      set_u64(L, "spilled_messages", event->spilled_messages);
      set_u64(L, "spilled_bytes", event->spilled_bytes);
    }
    if (event->as != 0) {
      lua_pushstring(L, rk_runtime_tenant_name(self->rt, event->as));
      lua_setfield(L, -2, "tenant");
    }
  }
  if (event->message != 0) {
    set_u64(L, "message", event->message);
  }
  lrk_push_stamp(L, event->hlc, self->node);
  lua_setfield(L, -2, "hlc");
  if (event->kind == RK_EVENT_DENIED) {
    lrk_add_refusal(L, self, event->message);
  }
  if (lua_pcall(L, 1, 0, top + 1) != LUA_OK) {
    self->callback_errors++;
    const char *text = lua_tostring(L, -1);
    lua_warning(L, "ringkernel: error in an event's function: ", 1);
    lua_warning(L, text != NULL ? text : "(no text)", 0);
  }
  lua_settop(L, top);
}

size_t lrk_runtime_dispatch(lua_State *L, int index)
{
  lrk_runtime *self = lua_touserdata(L, index);
  if (self->is_dispatching) {
    return 0; /* a callback waits for something: the outer call goes on with the rest */
  }
  index = lua_absindex(L, index);
  int top = lua_gettop(L);
  size_t calls = 0;
  rk_subscription *sub = NULL;
  rk_event event;
  luaL_checkstack(L, 16, "callbacks");
  self->is_dispatching = true;
  self->has_leftovers = false;
  while (self->rt != NULL && rk_runtime_event_next(self->rt, &event)) {
    tell(L, index, self, &event);
    if (++calls >= MOST_CALLBACKS) {
      self->has_leftovers = true;
      break;
    }
  }
  calls += lrk_run_timer(L, index, self);
  while (self->rt != NULL && (sub = rk_runtime_next_ready(self->rt)) != NULL) {
    rk_received received;
    const char *topic = NULL;
    if (calls >= MOST_CALLBACKS) {
      self->has_leftovers = true;
      break;
    }
    if (rk_subscription_try_receive(sub, &received, &topic) != RK_OK) {
      break;
    }
    if (lua_getiuservalue(L, index, LRK_RT_SUBS) == LUA_TTABLE &&
        lua_rawgeti(L, -1, (lua_Integer)rk_subscription_user(sub)) == LUA_TUSERDATA &&
        lua_getiuservalue(L, -1, 2) == LUA_TFUNCTION) {
      call_back(L, self, lua_gettop(L), &received, topic);
      calls++;
    }
    lua_settop(L, top);
  }
  lua_settop(L, top);
  if (self->rt != NULL) {
    calls += lrk_hosted_dispatch(L, index);
  }
  self->is_dispatching = false;
  return calls;
}

size_t lrk_runtime_drain(lua_State *L, int index, size_t *calls)
{
  lrk_runtime *self = lua_touserdata(L, index);
  size_t moved = rk_runtime_drain(self->rt);
  *calls = lrk_runtime_dispatch(L, index);
  self->arrivals += moved > *calls ? moved : *calls;
  return moved;
}

void lrk_runtime_kick(lua_State *L, lrk_runtime *home, int object)
{
  if (home->parked == 0 || home->is_kicked) {
    return;
  }
  home->is_kicked = true;
  int top = lua_gettop(L);
  lua_pushvalue(L, object);
  if (lua_touserdata(L, -1) != home) {
    lua_getiuservalue(L, -1, 1);
  }
  if (lua_getiuservalue(L, -1, LRK_RT_KICK) == LUA_TFUNCTION && lua_pcall(L, 0, 0, 0) != LUA_OK) {
    const char *text = lua_tostring(L, -1);
    lua_warning(L, "ringkernel: error in an event loop: ", 1);
    lua_warning(L, text != NULL ? text : "(no text)", 0);
  }
  lua_settop(L, top);
}

/* rt:drain() -> records moved, callbacks run | nil, message, code */
static int runtime_drain(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  rk_error err = RK_ERROR_INIT;
  if (self == NULL) {
    return 3;
  }
  size_t calls = 0;
  size_t moved = lrk_runtime_drain(L, 1, &calls);
  int rc = self->rt != NULL ? rk_runtime_health(self->rt, &err)
                            : RK_OK; /* a function may close it */
  if (rc != RK_OK && moved + calls == 0) {
    return lrk_fail(L, rc, &err);
  }
  lrk_runtime_kick(L, self, 1);
  lua_pushinteger(L, (lua_Integer)moved);
  lua_pushinteger(L, (lua_Integer)calls);
  return 2;
}

/* rt:renew() -> true | nil, message, code */
static int runtime_renew(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  rk_error err = RK_ERROR_INIT;
  if (self == NULL) {
    return 3;
  }
  int rc = rk_runtime_renew(self->rt, &err);
  lrk_runtime_kick(L, self, 1); /* what came meanwhile was drained */
  return lrk_result(L, rc, &err);
}

/* drain(rt) -> as rt:drain(), but does not tell the loop: for the loop itself */
static int core_drain(lua_State *L)
{
  if (lrk_open_runtime(L, 1) == NULL) {
    return 3;
  }
  size_t calls = 0;
  size_t moved = lrk_runtime_drain(L, 1, &calls);
  lua_pushinteger(L, (lua_Integer)moved);
  lua_pushinteger(L, (lua_Integer)calls);
  return 2;
}

/* events_want(rt, names, function): from now on the events of a list of names go to the function */
static int core_events_want(lua_State *L)
{
  lua_settop(L, 3);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  uint32_t kinds = 0;
  for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; ++i) {
    for (int kind = RK_EVENT_FAILURE; kind <= RK_EVENT_PRESSURE; ++kind) {
      if (strcmp(rk_event_name((rk_event_kind)kind), lua_tostring(L, -1)) == 0) {
        kinds |= 1u << kind;
      }
    }
    lua_pop(L, 1);
  }
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, LRK_RT_EVENTS);
  if (self->rt != NULL) {
    rk_runtime_events_want(self->rt, kinds);
  }
  return 0;
}

/* wait(rt, seconds) -> true | nil, message, "timeout" | "interrupted" | "closed": one wait, no
 * callbacks */
static int core_wait(lua_State *L)
{
  uint64_t timeout_ns = lrk_check_timeout(L, 2);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  if (lrk_open_runtime(L, 1) == NULL) {
    return 3;
  }
  if (self->has_leftovers) {
    lua_pushboolean(L, 1);
    return 1;
  }
  uint64_t quiet_ns = lrk_quiet_left(self);
  int status = rk_runtime_wait(self->rt, quiet_ns < timeout_ns ? quiet_ns : timeout_ns);
  self->arrivals += status == RK_OK; /* it has drained something already */
  lrk_runtime_kick(L, self, 1);
  return lrk_result(L, status, NULL);
}

/* park(rt, change): how many more coroutines a loop keeps waiting */
static int core_park(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  lua_Integer change = luaL_checkinteger(L, 2);
  luaL_argcheck(L, (lua_Integer)self->parked + change >= 0, 2, "more unparked than parked");
  self->parked = (uint32_t)((lua_Integer)self->parked + change);
  return 0;
}

/* set_kicked(rt, boolean): true keeps the kick function from being called */
static int core_set_kicked(lua_State *L)
{
  lrk_check_runtime(L, 1)->is_kicked = lua_toboolean(L, 2) != 0;
  return 0;
}

/* on_kick(rt, function) */
static int core_on_kick(lua_State *L)
{
  lrk_check_runtime(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, LRK_RT_KICK);
  return 0;
}

/* arrivals(rt) -> a count that grows with whatever arrives */
static int core_arrivals(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)lrk_check_runtime(L, 1)->arrivals);
  return 1;
}

/* health(rt) -> true | nil, message, "closed" | "forked" | "device_lost" */
static int core_health(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  rk_error err = RK_ERROR_INIT;
  return self == NULL ? 3 : lrk_result(L, rk_runtime_health(self->rt, &err), &err);
}

/* is_open(rt) -> boolean */
static int core_is_open(lua_State *L)
{
  lua_pushboolean(L, lrk_check_runtime(L, 1)->rt != NULL);
  return 1;
}

const luaL_Reg lrk_runtime_functions[] = {
    {"open", lrk_core_open},
    {"drain", core_drain},
    {"wait", core_wait},
    {"park", core_park},
    {"set_kicked", core_set_kicked},
    {"on_kick", core_on_kick},
    {"events_want", core_events_want},
    {"is_open", core_is_open},
    {"arrivals", core_arrivals},
    {"health", core_health},
    {NULL, NULL},
};

void lrk_runtime_register(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"close", runtime_close},
      {"info", runtime_info},
      {"stats", runtime_stats},
      {"fd", runtime_fd},
      {"pollfd", runtime_fd},
      {"events", runtime_events},
      {"timeout", runtime_timeout},
      {"drain", runtime_drain},
      {"renew", runtime_renew},
      {"dead_letters", lrk_runtime_dead_letters},
      {"publish", lrk_runtime_publish},
      {"subscribe", lrk_runtime_subscribe},
      {"buffer", lrk_runtime_buffer},
      {"run", lrk_runtime_run},
      {"time", lrk_runtime_time},
      {"load", lrk_runtime_load},
      {"trace", lrk_runtime_trace},
      {"trace_read", lrk_runtime_trace_read},
      {"trace_clock", lrk_runtime_trace_clock},
      {NULL, NULL},
  };
  static const luaL_Reg meta[] = {{"__close", runtime_close},
                                  {"__gc", runtime_gc},
                                  {"__tostring", runtime_tostring},
                                  {NULL, NULL}};
  lrk_class(L, LRK_RUNTIME, methods, meta, runtime_get);
  luaL_getmetatable(L, LRK_RUNTIME);
  lrk_push_methods(L, LRK_RUNTIME);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, lrk_registry_methods, 1);
  lua_pop(L, 2);
}
