/* SPDX-License-Identifier: MIT */
/*
 * Running a program with a limit: what campaigns (lua/ringkernel/bench) isolate a case with.
 */
#include "lua/lrk.h"

#include "base/alloc.h"
#include "base/platform.h"

/* Longest output that is kept. */
enum { OUTPUT_BYTES = 4 << 20, ARGUMENTS_MAX = 64 };

/* spawn({ program, argument, ... }, seconds) -> output, exit code | output, -1, the signal that ended
 * it | nil, message, "timeout" or "io". Output is stdout and stderr. Waits. */
static int core_spawn(lua_State *L)
{
  const char *argv[ARGUMENTS_MAX + 1] = {NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t count = lua_rawlen(L, 1);
  luaL_argcheck(L, count >= 1 && count <= ARGUMENTS_MAX, 1, "1 to 64 words expected");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    argv[i] = luaL_checkstring(L, -1); /* the table keeps it */
    lua_pop(L, 1);
  }
  char *output = lua_newuserdatauv(L, OUTPUT_BYTES, 0);
  rk_spawn program = {.argv = argv,
                      .timeout_ns = lrk_check_timeout(L, 2),
                      .output = output,
                      .output_bytes = OUTPUT_BYTES};
  rk_spawn_result result = {0};
  rk_error err = RK_ERROR_INIT;
  int status = rk_platform_current()->spawn(&program, &result, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushlstring(L, output, result.output_size);
  lua_pushinteger(L, result.exit_code);
  if (result.signal == 0) {
    return 2;
  }
  lua_pushinteger(L, result.signal);
  return 3;
}

const luaL_Reg lrk_process_functions[] = {{"spawn", core_spawn}, {NULL, NULL}};
