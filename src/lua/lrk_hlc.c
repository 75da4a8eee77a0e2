/* SPDX-License-Identifier: MIT */
/*
 * Classes hlc (a thread-safe hybrid logical clock) and timestamp (what it gives).
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/alloc.h"
#include "core/hlc.h"

/* A clock is a box: rk_hlc wants more alignment than Lua's memory has. */
static rk_hlc *check_clock(lua_State *L)
{
  rk_hlc **box = luaL_checkudata(L, 1, LRK_CLOCK);
  return *box;
}

/* ---- timestamps ------------------------------------------------------------------------------ */

void lrk_push_stamp(lua_State *L, uint64_t word, uint16_t node)
{
  lrk_stamp *stamp = lua_newuserdatauv(L, sizeof *stamp, 0);
  stamp->word = word;
  stamp->node = node;
  luaL_setmetatable(L, LRK_STAMP);
}

lrk_stamp *lrk_test_stamp(lua_State *L, int index)
{
  return luaL_testudata(L, index, LRK_STAMP);
}

static lrk_stamp *check_stamp(lua_State *L, int index)
{
  return luaL_checkudata(L, index, LRK_STAMP);
}

static int compare(lua_State *L)
{
  const lrk_stamp *a = check_stamp(L, 1);
  const lrk_stamp *b = check_stamp(L, 2);
  return rk_hlc_compare(a->word, a->node, b->word, b->node);
}

static int stamp_eq(lua_State *L)
{
  lua_pushboolean(L,
                  lrk_test_stamp(L, 1) != NULL && lrk_test_stamp(L, 2) != NULL && compare(L) == 0);
  return 1;
}

static int stamp_lt(lua_State *L)
{
  lua_pushboolean(L, compare(L) < 0);
  return 1;
}

static int stamp_le(lua_State *L)
{
  lua_pushboolean(L, compare(L) <= 0);
  return 1;
}

/* ts:pack() and tostring(ts) -> "0006409a2c7e1003-12" */
static int stamp_pack(lua_State *L)
{
  const lrk_stamp *stamp = check_stamp(L, 1);
  char text[RK_HLC_TEXT_BYTES];
  lua_pushstring(L, rk_hlc_format(stamp->word, stamp->node, text));
  return 1;
}

static int stamp_get(lua_State *L)
{
  const lrk_stamp *stamp = check_stamp(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "physical") == 0) {
    lua_pushinteger(L, (lua_Integer)rkd_hlc_physical_us(stamp->word));
  } else if (strcmp(key, "logical") == 0) {
    lua_pushinteger(L, (lua_Integer)rkd_hlc_logical(stamp->word));
  } else if (strcmp(key, "node") == 0) {
    lua_pushinteger(L, stamp->node);
  } else if (strcmp(key, "word") == 0) {
    lua_pushinteger(L, (lua_Integer)stamp->word);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* hlc_unpack(text) -> timestamp | nil, message, "corrupt" */
static int core_hlc_unpack(lua_State *L)
{
  size_t length = 0;
  const char *text = luaL_checklstring(L, 1, &length);
  rk_u64 word = 0;
  uint16_t node = 0;
  rk_error err = RK_ERROR_INIT;
  if (strlen(text) != length) {
    return lrk_fail_text(L, RK_ECORRUPT, "timestamp: a zero byte in the text");
  }
  int status = rk_hlc_parse(text, &word, &node, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lrk_push_stamp(L, word, node);
  return 1;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* hlc(node, { max_skew = seconds }) -> clock */
static int core_hlc(lua_State *L)
{
  static const lrk_option options[] = {{"max_skew", LRK_NUMBER, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  lua_Integer node = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, node >= 0 && node <= UINT16_MAX, 1, "node: a number from 0 to 65535 expected");
  uint64_t skew_us = 0;
  if (lrk_options(L, 2, "rk.hlc", options) && lua_getfield(L, 2, "max_skew") != LUA_TNIL) {
    lua_Number seconds = lua_tonumber(L, -1);
    if (!(seconds >= 1e-6 && seconds <= 1e9)) {
      return luaL_error(L, "rk.hlc: option 'max_skew': seconds from 1e-6 to 1e9 expected, got %s",
                        lrk_describe(L, -1));
    }
    skew_us = (uint64_t)(seconds * 1e6);
  }
  rk_hlc **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, LRK_CLOCK);
  *box = rk_alloc_aligned(_Alignof(rk_hlc), sizeof **box);
  if (*box == NULL) {
    return lrk_fail(L, RK_EOUT_OF_MEMORY, NULL);
  }
  rk_hlc_init(*box, (uint16_t)node, skew_us);
  return 1;
}

static int clock_gc(lua_State *L)
{
  rk_hlc **box = luaL_checkudata(L, 1, LRK_CLOCK);
  rk_free(*box);
  *box = NULL;
  return 0;
}

static int clock_tick(lua_State *L)
{
  rk_hlc *clock = check_clock(L);
  lrk_push_stamp(L, rk_hlc_tick(clock), clock->node);
  return 1;
}

static int clock_now(lua_State *L)
{
  rk_hlc *clock = check_clock(L);
  lrk_push_stamp(L, rk_hlc_now(clock), clock->node);
  return 1;
}

/* clock:update(remote) -> timestamp | nil, message, "skew" */
static int clock_update(lua_State *L)
{
  rk_hlc *clock = check_clock(L);
  const lrk_stamp *remote = lrk_test_stamp(L, 2);
  rk_u64 word = remote != NULL ? remote->word : 0;
  if (remote == NULL) {
    if (!lua_isinteger(L, 2)) {
      return lrk_argument(L, 2, "a timestamp");
    }
    word = (rk_u64)lua_tointeger(L, 2);
  }
  rk_u64 stamp = 0;
  rk_error err = RK_ERROR_INIT;
  int status = rk_hlc_update(clock, word, &stamp, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lrk_push_stamp(L, stamp, clock->node);
  return 1;
}

static int clock_get(lua_State *L)
{
  const rk_hlc *clock = check_clock(L);
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "node") == 0) {
    lua_pushinteger(L, clock->node);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static int clock_tostring(lua_State *L)
{
  lua_pushfstring(L, "%s: node %d", LRK_CLOCK, (int)check_clock(L)->node);
  return 1;
}

const luaL_Reg lrk_hlc_functions[] = {
    {"hlc", core_hlc}, {"hlc_unpack", core_hlc_unpack}, {NULL, NULL}};

void lrk_hlc_register(lua_State *L)
{
  static const luaL_Reg clock_methods[] = {
      {"tick", clock_tick}, {"now", clock_now}, {"update", clock_update}, {NULL, NULL}};
  static const luaL_Reg clock_meta[] = {
      {"__gc", clock_gc}, {"__tostring", clock_tostring}, {NULL, NULL}};
  static const luaL_Reg stamp_methods[] = {{"pack", stamp_pack}, {NULL, NULL}};
  static const luaL_Reg stamp_meta[] = {{"__eq", stamp_eq},
                                        {"__lt", stamp_lt},
                                        {"__le", stamp_le},
                                        {"__tostring", stamp_pack},
                                        {NULL, NULL}};
  lrk_class(L, LRK_CLOCK, clock_methods, clock_meta, clock_get);
  lrk_class(L, LRK_STAMP, stamp_methods, stamp_meta, stamp_get);
}
