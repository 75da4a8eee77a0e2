/* SPDX-License-Identifier: MIT */
/*
 * Class histogram: latencies (or any whole numbers) in fixed memory, see base/histogram.h.
 */
#include "lua/lrk.h"

#include "base/histogram.h"

static rk_histogram *check_histogram(lua_State *L, int index)
{
  return luaL_checkudata(L, index, LRK_HISTOGRAM);
}

static uint64_t check_number(lua_State *L, int index, const char *what)
{
  lua_Integer value = luaL_checkinteger(L, index);
  if (value < 0) {
    lua_pushfstring(L, "%s: a number from 0 on expected, got %I", what, (LUAI_UACINT)value);
    luaL_argerror(L, index, lua_tostring(L, -1));
  }
  return (uint64_t)value;
}

/* histogram() -> an empty one */
static int core_histogram(lua_State *L)
{
  rk_histogram *histogram = lua_newuserdatauv(L, sizeof *histogram, 0);
  rk_histogram_reset(histogram);
  luaL_setmetatable(L, LRK_HISTOGRAM);
  return 1;
}

/* h:record(value [, times]) */
static int histogram_record(lua_State *L)
{
  rk_histogram *histogram = check_histogram(L, 1);
  uint64_t value = check_number(L, 2, "value");
  uint64_t times = lua_isnoneornil(L, 3) ? 1 : check_number(L, 3, "times");
  rk_histogram_record_n(histogram, value, times);
  return 0;
}

static int histogram_merge(lua_State *L)
{
  rk_histogram_merge(check_histogram(L, 1), check_histogram(L, 2));
  lua_settop(L, 1);
  return 1;
}

static int histogram_reset(lua_State *L)
{
  rk_histogram_reset(check_histogram(L, 1));
  return 0;
}

static int push_count(lua_State *L, uint64_t count)
{
  lua_pushinteger(L, (lua_Integer)count);
  return 1;
}

static int histogram_count(lua_State *L)
{
  return push_count(L, rk_histogram_count(check_histogram(L, 1)));
}

static int histogram_min(lua_State *L)
{
  return push_count(L, rk_histogram_min(check_histogram(L, 1)));
}

static int histogram_max(lua_State *L)
{
  return push_count(L, rk_histogram_max(check_histogram(L, 1)));
}

static int histogram_mean(lua_State *L)
{
  lua_pushnumber(L, rk_histogram_mean(check_histogram(L, 1)));
  return 1;
}

/* h:percentile(0..100) */
static int histogram_percentile(lua_State *L)
{
  const rk_histogram *histogram = check_histogram(L, 1);
  lua_Number percent = luaL_checknumber(L, 2);
  luaL_argcheck(L, percent >= 0 && percent <= 100, 2, "percent: a number from 0 to 100 expected");
  return push_count(L, rk_histogram_percentile(histogram, percent));
}

/* h:buckets() -> list of { low, high, count }, those that hold something, from low to high */
static int histogram_buckets(lua_State *L)
{
  const rk_histogram *histogram = check_histogram(L, 1);
  size_t cursor = 0;
  uint64_t low = 0, high = 0, count = 0;
  lua_newtable(L);
  for (lua_Integer n = 1; rk_histogram_next(histogram, &cursor, &low, &high, &count); n++) {
    lua_createtable(L, 3, 0);
    push_count(L, low);
    lua_rawseti(L, -2, 1);
    push_count(L, high);
    lua_rawseti(L, -2, 2);
    push_count(L, count);
    lua_rawseti(L, -2, 3);
    lua_rawseti(L, -2, n);
  }
  return 1;
}

static int histogram_tostring(lua_State *L)
{
  const rk_histogram *histogram = check_histogram(L, 1);
  lua_pushfstring(L, "%s: %I recorded", LRK_HISTOGRAM, (LUAI_UACINT)rk_histogram_count(histogram));
  return 1;
}

const luaL_Reg lrk_histogram_functions[] = {{"histogram", core_histogram}, {NULL, NULL}};

void lrk_histogram_register(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"record", histogram_record},   {"merge", histogram_merge},
      {"reset", histogram_reset},     {"count", histogram_count},
      {"min", histogram_min},         {"max", histogram_max},
      {"mean", histogram_mean},       {"percentile", histogram_percentile},
      {"buckets", histogram_buckets}, {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__len", histogram_count}, {"__tostring", histogram_tostring}, {NULL, NULL}};
  lrk_class(L, LRK_HISTOGRAM, methods, meta, NULL);
}
