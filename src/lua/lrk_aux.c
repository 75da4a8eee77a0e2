/* SPDX-License-Identifier: MIT */
/*
 * What all classes need: option tables, error returns, timeouts, metatables.
 */
#include "lua/lrk.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* ---- texts ----------------------------------------------------------------------------------- */

const char *lrk_describe(lua_State *L, int index)
{
  index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TNONE:
      return lua_pushliteral(L, "nil");
    case LUA_TBOOLEAN:
      return lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
    case LUA_TNUMBER:
      lua_pushvalue(L, index);
      return lua_tostring(L, -1); /* of the copy: the number itself stays one */
    case LUA_TSTRING: {
      size_t length = 0;
      const char *text = lua_tolstring(L, index, &length);
      if (length <= 40) {
        return lua_pushfstring(L, "'%s'", text);
      }
      return lua_pushfstring(L, "a string of %I bytes", (lua_Integer)length);
    }
    default:
      if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
        return lua_tostring(L, -1);
      }
      return lua_pushstring(L, luaL_typename(L, index));
  }
}

static int lower(char c)
{
  return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* How many letters must change to make one word of the other; words past 31 letters count as
 * far. */
static size_t distance(const char *a, const char *b)
{
  enum { LONGEST = 31 };
  size_t row[LONGEST + 1];
  size_t a_length = strlen(a);
  size_t b_length = strlen(b);
  if (a_length > LONGEST || b_length > LONGEST) {
    return SIZE_MAX;
  }
  for (size_t j = 0; j <= b_length; j++) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a_length; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t best = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      if (row[j] + 1 < best) {
        best = row[j] + 1;
      }
      if (row[j - 1] + 1 < best) {
        best = row[j - 1] + 1;
      }
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[b_length];
}

const char *lrk_hint(lua_State *L, const char *word, const char *const *names, size_t count)
{
  size_t best = SIZE_MAX;
  const char *name = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t d = distance(word, names[i]);
    if (d < best) {
      best = d;
      name = names[i];
    }
  }
  size_t length = strlen(word);
  size_t limit = length <= 3 ? 1 : (length < 9 ? 2 : length / 3);
  if (name == NULL || best > limit) {
    return lua_pushliteral(L, "");
  }
  return lua_pushfstring(L, " (did you mean '%s'?)", name);
}

/* ---- option tables --------------------------------------------------------------------------- */

/* Raises unless the value on top of the stack is of the option's kind. */
static void check_option(lua_State *L, const char *where, const lrk_option *option)
{
  const char *expected = NULL;
  switch (option->kind) {
    case LRK_BOOL:
      expected = lua_isboolean(L, -1) ? NULL : "true or false";
      break;
    case LRK_NUMBER:
      expected = lua_type(L, -1) == LUA_TNUMBER ? NULL : "a number";
      break;
    case LRK_TEXT:
      expected = lua_type(L, -1) == LUA_TSTRING ? NULL : "a string";
      break;
    case LRK_NAME:
      expected = lua_type(L, -1) == LUA_TSTRING && lua_rawlen(L, -1) > 0 ? NULL
                                                                         : "a string, not empty";
      if (expected == NULL && strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1)) {
        expected = "a string without zero bytes";
      }
      break;
    case LRK_INT: {
      int is_integer = 0;
      lua_Integer value = 0;
      if (lua_type(L, -1) == LUA_TNUMBER) {
        value = lua_tointegerx(L, -1, &is_integer);
      }
      if (!is_integer || value < option->min || value > option->max) {
        expected = lua_pushfstring(L, "a whole number from %I to %I", option->min, option->max);
        lua_insert(L, -2);
      }
      break;
    }
    case LRK_ANY:
      break;
  }
  if (expected != NULL) {
    luaL_error(L, "%s: option '%s': %s expected, got %s", where, option->name, expected,
               lrk_describe(L, -1));
  }
}

static void refuse_key(lua_State *L, const char *where, const lrk_option *options)
{
  enum { MOST = 32 };
  const char *names[MOST];
  size_t count = 0;
  while (options[count].name != NULL && count < MOST) {
    names[count] = options[count].name;
    count++;
  }
  if (lua_type(L, -2) == LUA_TSTRING) {
    const char *key = lua_tostring(L, -2);
    luaL_error(L, "%s: unknown option '%s'%s", where, key, lrk_hint(L, key, names, count));
  }
  luaL_error(L, "%s: unknown option [%s]", where, lrk_describe(L, -2));
}

bool lrk_options(lua_State *L, int index, const char *where, const lrk_option *options)
{
  if (lua_isnoneornil(L, index)) {
    return false;
  }
  if (!lua_istable(L, index)) {
    luaL_error(L, "%s: a table of options expected, got %s", where, lrk_describe(L, index));
  }
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    const lrk_option *option = options;
    while (option->name != NULL && strcmp(option->name, key) != 0) {
      option++;
    }
    if (option->name == NULL) {
      refuse_key(L, where, options);
    }
    check_option(L, where, option);
    lua_pop(L, 1);
  }
  return true;
}

lua_Integer lrk_option_integer(lua_State *L, int index, const char *name, lua_Integer fallback)
{
  if (!lua_istable(L, index)) {
    return fallback;
  }
  lua_Integer value = lua_getfield(L, index, name) == LUA_TNIL ? fallback : lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

bool lrk_option_bool(lua_State *L, int index, const char *name, bool fallback)
{
  if (!lua_istable(L, index)) {
    return fallback;
  }
  bool value = lua_getfield(L, index, name) == LUA_TNIL ? fallback : lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  return value;
}

const char *lrk_option_text(lua_State *L, int index, const char *name, const char *fallback)
{
  if (!lua_istable(L, index)) {
    return fallback;
  }
  const char *text = lua_getfield(L, index, name) == LUA_TNIL ? fallback : lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

/* ---- results --------------------------------------------------------------------------------- */

int lrk_fail(lua_State *L, int status, const rk_error *err)
{
  const char *text = err != NULL && err->text[0] != '\0' ? err->text : rk_status_text(status);
  if (status == RK_EINVAL) {
    return luaL_error(L, "%s", text);
  }
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushstring(L, rk_status_name(status));
  return 3;
}

int lrk_fail_log(lua_State *L, int status, const rk_error *err, char *log)
{
  if (log == NULL) {
    return lrk_fail(L, status, err);
  }
  /* The log is turned into a Lua string before anything that raises on purpose; an allocation
   * error of Lua itself may still lose it. */
  lua_pushstring(L, log);
  rk_text_free(log);
  int count = lrk_fail(L, status, err);
  lua_pushvalue(L, -count - 1);
  return count + 1;
}

int lrk_fail_text(lua_State *L, int status, const char *format, ...)
{
  va_list arguments;
  lua_pushnil(L);
  va_start(arguments, format);
  lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  lua_pushstring(L, rk_status_name(status));
  return 3;
}

int lrk_result(lua_State *L, int status, const rk_error *err)
{
  if (status != RK_OK) {
    return lrk_fail(L, status, err);
  }
  lua_pushboolean(L, 1);
  return 1;
}

int lrk_argument(lua_State *L, int index, const char *wanted)
{
  return luaL_argerror(L, index,
                       lua_pushfstring(L, "%s expected, got %s", wanted, lrk_describe(L, index)));
}

uint64_t lrk_check_timeout(lua_State *L, int index)
{
  if (lua_isnoneornil(L, index)) {
    return RK_FOREVER;
  }
  lua_Number seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1.0;
  if (!(seconds >= 0.0)) {
    lrk_argument(L, index, "timeout: seconds (0 or more) or nil");
  }
  return seconds < 1e9 ? (uint64_t)(seconds * 1e9) : RK_FOREVER;
}

/* ---- classes --------------------------------------------------------------------------------- */

/* __index of a class with properties: methods first, then the getter. Upvalues: methods, getter. */
static int index_object(lua_State *L)
{
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
    return 1;
  }
  lua_pop(L, 1);
  return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

void lrk_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta,
               lua_CFunction getter)
{
  luaL_newmetatable(L, name);
  /* Every function gets the metatable as upvalue 1: checking self is then one comparison. */
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, meta, 1);
  lua_newtable(L);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, methods, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  if (getter != NULL) {
    lua_pushcfunction(L, getter);
    lua_pushcclosure(L, index_object, 2);
  }
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void lrk_push_methods(lua_State *L, const char *name)
{
  luaL_getmetatable(L, name);
  lua_getfield(L, -1, "methods");
  lua_remove(L, -2);
}
