/* SPDX-License-Identifier: MIT */
/*
 * The trace of a runtime: switching it, and its records as Lua tables (lua/ringkernel/trace.lua
 * says what they mean and writes them).
 */
#include "lua/lrk.h"

#include "base/base.h"

#include "rk_abi.h"

static int fail_without_trace(lua_State *L)
{
  return lrk_fail_text(L, RK_EUNSUPPORTED,
                       "the runtime has no trace; open it with trace = records for each block");
}

/* rt:trace { on = boolean } -> true | nil, message, code */
int lrk_runtime_trace(lua_State *L)
{
  static const lrk_option options[] = {{"on", LRK_BOOL, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 2);
  luaL_checktype(L, 2, LUA_TTABLE);
  lrk_options(L, 2, "trace", options);
  if (lua_getfield(L, 2, "on") != LUA_TBOOLEAN) {
    return luaL_error(L, "trace: option 'on': a boolean expected, got nil");
  }
  bool on = lua_toboolean(L, 3) != 0;
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_trace(self->rt, on, &err);
  lrk_runtime_kick(L, self, 1); /* what came meanwhile was drained */
  return lrk_result(L, status, &err);
}

static void set_integer(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static void set_microseconds(lua_State *L, const char *key, int64_t ns)
{
  lua_pushnumber(L, (lua_Number)ns / 1e3);
  lua_setfield(L, -2, key);
}

/* The name of a type that this state knows, else its number. `types`: index of the types by id. */
static void set_type(lua_State *L, int types, uint32_t id)
{
  if (lua_rawgeti(L, types, (lua_Integer)id) == LUA_TTABLE) {
    lua_getfield(L, -1, "name");
    lua_setfield(L, -3, "type");
    lua_pop(L, 1);
  } else {
    lua_pop(L, 1);
    set_integer(L, "type", id);
  }
}

static void push_record(lua_State *L, rk_runtime *rt, int types, const rk_trace_record *record)
{
  static const char *const kinds[] = {"none", "handle", "send", "start", "stop", "dead", "deliver"};
  bool is_moment = record->kind == RK_TRACE_KIND_SEND || record->kind == RK_TRACE_KIND_DEAD ||
                   record->kind == RK_TRACE_KIND_DELIVER;
  lua_createtable(L, 0, 9);
  lua_pushstring(L, kinds[record->kind < RK_ARRAY_LEN(kinds) ? record->kind : 0]);
  lua_setfield(L, -2, "kind");
  set_microseconds(L, "ts_us", record->at_ns);
  if (!is_moment) {
    set_microseconds(L, "dur_us", (int64_t)record->took_ns);
  }
  if (record->block != RK_TRACE_NO_BLOCK) {
    set_integer(L, "block", record->block);
  }
  if (record->cause != 0) {
    set_integer(L, "cause", record->cause);
  }
  bool is_host = record->actor == RK_ID_HOST && record->block == RK_TRACE_NO_BLOCK;
  if (!is_host) {
    set_integer(L, "actor", record->actor & RK_ID_SLOT_MASK);
    const char *name = rk_runtime_trace_name(rt, record->actor);
    if (name != NULL) {
      lua_pushstring(L, name);
      lua_setfield(L, -2, "name");
    }
  }
  if (record->message != 0) {
    set_integer(L, "message", record->message);
    set_type(L, types, record->type);
  }
  if (record->kind == RK_TRACE_KIND_DEAD) {
    lua_pushstring(L, rk_dead_reason_name(record->dead_reason));
    lua_setfield(L, -2, "reason");
  }
}

/* rt:trace_read() -> list of records, number of records lost so far | nil, message, code. At most
 * what the rings can hold, however fast they fill. */
int lrk_runtime_trace_read(lua_State *L)
{
  rk_trace_record some[64];
  lua_settop(L, 1);
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  size_t most = rk_runtime_trace_capacity(self->rt);
  if (most == 0) {
    return fail_without_trace(L);
  }
  rk_trace_clock clock; /* compares the clocks, if that is still to be done */
  if (rk_runtime_trace_clock(self->rt, &clock, NULL) == RK_OK) {
    lrk_runtime_kick(L, self, 1);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_types);
  lua_newtable(L);
  uint64_t lost = 0;
  size_t got = 0, count = 0;
  do {
    size_t limit = most - count < RK_ARRAY_LEN(some) ? most - count : RK_ARRAY_LEN(some);
    got = rk_runtime_trace_read(self->rt, some, limit, &lost);
    for (size_t i = 0; i < got; ++i) {
      push_record(L, self->rt, 2, &some[i]);
      lua_rawseti(L, 3, (lua_Integer)(++count));
    }
  } while (got != 0);
  lua_pushinteger(L, (lua_Integer)lost);
  return 2;
}

/* rt:trace_clock() -> { offset =, error =, resolution = } in seconds | nil, message, code. `error`
 * is nil while the clocks have not been compared. */
int lrk_runtime_trace_clock(lua_State *L)
{
  rk_trace_clock clock = {0};
  rk_error err = RK_ERROR_INIT;
  lua_settop(L, 1);
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  int status = rk_runtime_trace_clock(self->rt, &clock, &err);
  lrk_runtime_kick(L, self, 1);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_createtable(L, 0, 3);
  lua_pushnumber(L, (lua_Number)clock.offset_ns / 1e9);
  lua_setfield(L, -2, "offset");
  if (clock.error_ns != UINT64_MAX) {
    lua_pushnumber(L, (lua_Number)clock.error_ns / 1e9);
    lua_setfield(L, -2, "error");
  }
  lua_pushnumber(L, (lua_Number)clock.step_ns / 1e9);
  lua_setfield(L, -2, "resolution");
  return 1;
}

/* trace_origin(rt) -> microseconds since 1970 that all times of its records begin at */
static int core_trace_origin(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  lua_pushinteger(L, (lua_Integer)(rk_runtime_trace_origin(self->rt) / 1000));
  return 1;
}

const luaL_Reg lrk_trace_functions[] = {{"trace_origin", core_trace_origin}, {NULL, NULL}};
