/* SPDX-License-Identifier: MIT */
/*
 * What supervision asks of the core (lua/ringkernel/supervision*.lua): ends that nobody waits for,
 * signs of life, stamps, and the timer of a runtime.
 *
 * A runtime has one timer. Its function runs where callbacks run, when the time has come or the
 * device is lost; rt:timeout() and waits know of it.
 */
#include "lua/lrk.h"

#include "base/base.h"
#include "base/clock.h"

/* The actor's handle and its open runtime, or nil, message, code. */
static const lrk_actor *open_actor(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->actor == NULL) {
    lrk_fail_released(L);
    return NULL;
  }
  return self;
}

/* actor_end(actor, how) -> number of the command | nil, message, code */
static int core_actor_end(lua_State *L)
{
  static const char *const names[] = {"rest", "rest_kill", "terminate", "kill", NULL};
  int how = luaL_checkoption(L, 2, NULL, names);
  const lrk_actor *self = open_actor(L);
  rk_error err = RK_ERROR_INIT;
  uint64_t id = 0;
  if (self == NULL) {
    return 3;
  }
  int status = rk_actor_end(self->actor, (rk_actor_end_how)how, &id, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushinteger(L, (lua_Integer)id);
  return 1;
}

/* actor_abandon(actor) -> true | nil, message, code */
static int core_actor_abandon(lua_State *L)
{
  const lrk_actor *self = open_actor(L);
  rk_error err = RK_ERROR_INIT;
  if (self == NULL) {
    return 3;
  }
  return lrk_result(L, rk_actor_abandon(self->actor, &err), &err);
}

/* actor_beat(actor) -> answers so far | nil, message, code: asks for one more */
static int core_actor_beat(lua_State *L)
{
  const lrk_actor *self = open_actor(L);
  rk_error err = RK_ERROR_INIT;
  uint64_t answered = 0;
  if (self == NULL) {
    return 3;
  }
  int status = rk_actor_beat(self->actor, &answered, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushinteger(L, (lua_Integer)answered);
  return 1;
}

/* launched(rt) -> true | nil, message, code: waits for launches with wait = false */
static int core_launched(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  rk_error err = RK_ERROR_INIT;
  if (self == NULL) {
    return 3;
  }
  int status = rk_runtime_launched(self->rt, &err);
  lrk_runtime_kick(L, lua_touserdata(L, 1), 1);
  return lrk_result(L, status, &err);
}

/* stamp(rt) -> timestamp | nil, message, "closed" */
static int core_stamp(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  lrk_push_stamp(L, rk_runtime_stamp(self->rt), self->node);
  return 1;
}

/* is_dispatching(rt) -> boolean: whether this is inside a callback */
static int core_is_dispatching(lua_State *L)
{
  lua_pushboolean(L, lrk_check_runtime(L, 1)->is_dispatching);
  return 1;
}

/* on_timer(rt, function): the function gets "time" or "device_lost", each once it is due. What it
 * returns says whether to count it as an arrival. */
static int core_on_timer(lua_State *L)
{
  lua_settop(L, 2);
  lrk_check_runtime(L, 1)->watches_device = true;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_setiuservalue(L, 1, LRK_RT_TIMER);
  return 0;
}

/* set_timer(rt, seconds of core.clock() | nil) */
static int core_set_timer(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  lua_Number at = luaL_optnumber(L, 2, 0.0);
  self->timer_ns = at > 0.0 && at < 1e9 ? (uint64_t)(at * 1e9) : 0;
  lrk_runtime_kick(L, self, 1);
  return 0;
}

/* Nanoseconds until the timer's function is due; UINT64_MAX: never. */
static uint64_t timer_left(const lrk_runtime *self)
{
  if (self->timer_ns == 0) {
    return UINT64_MAX;
  }
  uint64_t now = rk_clock_mono_ns();
  return now < self->timer_ns ? self->timer_ns - now : 0;
}

uint64_t lrk_quiet_left(const lrk_runtime *self)
{
  const uint64_t stall_ns = (uint64_t)(LRK_STALL_SECONDS * 1e9);
  uint64_t left = timer_left(self);
  return self->is_stalled && left > stall_ns ? stall_ns : left;
}

void lrk_push_timeout(lua_State *L, const lrk_runtime *self)
{
  if (self->rt == NULL || self->has_leftovers) {
    lua_pushinteger(L, 0);
  } else {
    uint64_t left = lrk_quiet_left(self);
    if (left == UINT64_MAX) {
      lua_pushnil(L);
    } else {
      lua_pushnumber(L, (lua_Number)left / 1e9);
    }
  }
}

size_t lrk_run_timer(lua_State *L, int index, lrk_runtime *self)
{
  const char *what = NULL;
  if (self->rt == NULL) {
    return 0;
  }
  if (self->watches_device && rk_runtime_health(self->rt, NULL) == RK_EDEVICE_LOST) {
    self->watches_device = false;
    what = "device_lost";
  } else if (timer_left(self) == 0) {
    self->timer_ns = 0;
    what = "time";
  } else {
    return 0;
  }
  size_t calls = 0;
  int top = lua_gettop(L);
  if (lua_getiuservalue(L, index, LRK_RT_TIMER) == LUA_TFUNCTION) {
    lua_pushstring(L, what);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
      const char *text = lua_tostring(L, -1);
      self->callback_errors++;
      lua_warning(L, "ringkernel: error in a timer's function: ", 1);
      lua_warning(L, text != NULL ? text : "(no text)", 0);
    } else {
      calls = lua_toboolean(L, -1) ? 1 : 0;
    }
  }
  lua_settop(L, top);
  return calls;
}

const luaL_Reg lrk_life_functions[] = {
    {"actor_end", core_actor_end},
    {"actor_abandon", core_actor_abandon},
    {"actor_beat", core_actor_beat},
    {"launched", core_launched},
    {"stamp", core_stamp},
    {"is_dispatching", core_is_dispatching},
    {"on_timer", core_on_timer},
    {"set_timer", core_set_timer},
    {NULL, NULL},
};
