/* SPDX-License-Identifier: MIT */
/*
 * An NVRTC whose calls fail when they are told to: every function that the library uses of it is
 * handed on to the real one, but for the call that was chosen.
 *
 * It is two things in one file. As the library that RINGKERNEL_NVRTC names it is what the CUDA
 * backend opens. As the Lua module "nvrtc_faults" (package.cpath finds the same file, so it is the
 * same copy) it is steered by spec/cuda/nvrtc_sweep_spec.lua:
 *
 *   use(path)               the real NVRTC, a path or a name for the loader
 *   fail(name, nth, code)   the nth call of a function from now on answers `code` and does nothing;
 *                           nil: none does
 *   calls() -> { name = calls since the last fail or start }
 */
#include "nvrtc_calls.h"

#include <lauxlib.h>
#include <lua.h>

enum { FAULT_NO_NVRTC = 11 }; /* NVRTC_ERROR_INTERNAL_ERROR */

enum {
#define NUMBER(name, parameters, arguments) AT_##name,
  NVRTC_CALLS(NUMBER)
#undef NUMBER
      COUNT
};

static const char *const names[COUNT + 1] = {
#define NAME(name, parameters, arguments) #name,
    NVRTC_CALLS(NAME)
#undef NAME
        NULL};

static long calls[COUNT];
static int plan_at = -1, plan_code;
static long plan_nth;

/* Counts a call; returns what it is to answer instead of being handed on, or 0. */
static int strike(int at)
{
  calls[at] += 1;
  if (at == plan_at && calls[at] == plan_nth) {
    return plan_code;
  }
  return real != NULL ? 0 : FAULT_NO_NVRTC;
}

#define FORWARD(name, parameters, arguments) \
  EXPORT int name parameters;                \
  EXPORT int name parameters                 \
  {                                          \
    int(*function) parameters = NULL;        \
    int code = strike(AT_##name);            \
    if (code == 0) {                         \
      look_up(#name, &function);             \
      code = function arguments;             \
    }                                        \
    return code;                             \
  }
NVRTC_CALLS(FORWARD)
#undef FORWARD

/* ---- steering ---- */

static int tool_use(lua_State *L)
{
  return open_real(luaL_checkstring(L, 1)) ? 0 : luaL_error(L, "nvrtc_faults: %s", dlerror());
}

static int tool_fail(lua_State *L)
{
  memset(calls, 0, sizeof(calls));
  plan_at = -1;
  if (!lua_isnoneornil(L, 1)) {
    plan_at = luaL_checkoption(L, 1, NULL, names);
    plan_nth = (long)luaL_checkinteger(L, 2);
    plan_code = (int)luaL_checkinteger(L, 3);
  }
  return 0;
}

static int tool_calls(lua_State *L)
{
  lua_newtable(L);
  for (int i = 0; i < COUNT; ++i) {
    if (calls[i] > 0) {
      lua_pushinteger(L, calls[i]);
      lua_setfield(L, -2, names[i]);
    }
  }
  return 1;
}

EXPORT int luaopen_nvrtc_faults(lua_State *L);

EXPORT int luaopen_nvrtc_faults(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"use", tool_use},
      {"fail", tool_fail},
      {"calls", tool_calls},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
