/* SPDX-License-Identifier: MIT */
/*
 * luaopen_ringkernel_core: the module table, and what it says of the installation.
 *
 * The module is private: programs use `require "ringkernel"` (lua/ringkernel/init.lua).
 */
#include "lua/lrk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "backend/cpu/cpu_toolchain.h"
#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/params.h"
#include "base/platform.h"

/* params() -> list of { name, kind, default, choices, minimum, maximum, help, value, is_set } */
static int core_params(lua_State *L)
{
  static const char *const kinds[] = {
      [RK_PARAM_TEXT] = "text", [RK_PARAM_CHOICE] = "choice", [RK_PARAM_INT] = "integer"};
  lua_newtable(L);
  for (int id = 0; id < RK_PARAM_COUNT; id++) {
    const rk_param *param = rk_param_at((rk_param_id)id);
    lua_createtable(L, 0, 9);
    lua_pushstring(L, param->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kinds[param->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, param->fallback);
    lua_setfield(L, -2, "default");
    lua_pushstring(L, param->help);
    lua_setfield(L, -2, "help");
    lua_pushstring(L, rk_param_text((rk_param_id)id));
    lua_setfield(L, -2, "value");
    lua_pushboolean(L, rk_param_is_set((rk_param_id)id));
    lua_setfield(L, -2, "is_set");
    if (param->kind == RK_PARAM_CHOICE) {
      lua_pushstring(L, param->choices);
      lua_setfield(L, -2, "choices");
    }
    if (param->kind == RK_PARAM_INT) {
      lua_pushinteger(L, param->minimum);
      lua_setfield(L, -2, "minimum");
      lua_pushinteger(L, param->maximum);
      lua_setfield(L, -2, "maximum");
    }
    lua_rawseti(L, -2, id + 1);
  }
  return 1;
}

/* param_check() -> true | nil, message, "invalid" */
static int core_param_check(lua_State *L)
{
  rk_error err = RK_ERROR_INIT;
  if (rk_param_check(&err) != RK_OK) {
    return lrk_fail_text(L, err.status, "%s", err.text);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* compiler() -> path of the C compiler for kernels on the CPU | nil, message, "no_compiler" */
static int core_compiler(lua_State *L)
{
  char *path = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = rk_cpu_compiler_find(&path, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushstring(L, path);
  rk_free(path);
  return 1;
}

/* cache_dir() -> folder of compiled kernels | nil, message, code */
static int core_cache_dir(lua_State *L)
{
  char path[RK_PATH_BYTES];
  rk_error err = RK_ERROR_INIT;
  int status = rk_cache_dir(path, sizeof path, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushstring(L, path);
  return 1;
}

/* clock() -> seconds of a clock that never steps back */
static int core_clock(lua_State *L)
{
  lua_pushnumber(L, (lua_Number)rk_clock_mono_ns() / 1e9);
  return 1;
}

/* poll(list of descriptors, seconds) -> number readable (0: time out or signal) */
static int core_poll(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  uint64_t timeout_ns = lrk_check_timeout(L, 2);
  size_t count = lua_rawlen(L, 1);
  struct pollfd *fds = lua_newuserdatauv(L, (count + 1) * sizeof *fds, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    fds[i] = (struct pollfd){.fd = (int)luaL_checkinteger(L, -1), .events = POLLIN};
    lua_pop(L, 1);
  }
  /* Rounded up, so that a wait never ends before its time and spins. */
  uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0);
  int timeout_ms = timeout_ns == RK_FOREVER || ms > INT32_MAX ? -1 : (int)ms;
  int ready = poll(fds, (nfds_t)count, timeout_ms);
  if (ready < 0 && errno != EINTR) {
    return luaL_error(L, "poll: %s", strerror(errno));
  }
  lua_pushinteger(L, ready > 0 ? ready : 0);
  return 1;
}

/* methods(class) -> the table of a class's methods, for the Lua half to add to */
static int core_methods(lua_State *L)
{
  static const char *const classes[] = {LRK_RUNTIME,      LRK_ACTOR,     LRK_CALL,  LRK_KERNEL,
                                        LRK_GLOBAL,       LRK_BUFFER,    LRK_CLOCK, LRK_STAMP,
                                        LRK_SUBSCRIPTION, LRK_HISTOGRAM, NULL};
  const char *name = lua_pushfstring(L, "ringkernel.%s", luaL_checkstring(L, 1));
  for (size_t i = 0; classes[i] != NULL; i++) {
    if (strcmp(name, classes[i]) == 0) {
      lrk_push_methods(L, name);
      return 1;
    }
  }
  return luaL_argerror(L, 1, "no class is called so");
}

/* Pushes the table of limits. */
static void push_limits(lua_State *L)
{
  static const struct {
    const char *name;
    lua_Integer value;
  } limits[] = {
      {"payload_bytes", RK_PAYLOAD_MAX_BYTES},
      {"queue", RK_QUEUE_MAX_MSGS},
      {"lanes", RK_LANES_MAX},
      {"ports", RK_PORTS_MAX},
      {"types", RK_TYPES_MAX},
      {"topic_bytes", RK_TOPIC_BYTES - 1},
      {"actors", (1 << RK_ID_SLOT_BITS) - 1},
  };
  lua_newtable(L);
  for (size_t i = 0; i < RK_ARRAY_LEN(limits); i++) {
    lua_pushinteger(L, limits[i].value);
    lua_setfield(L, -2, limits[i].name);
  }
}

static const luaL_Reg functions[] = {
    {"params", core_params},     {"param_check", core_param_check},
    {"compiler", core_compiler}, {"cache_dir", core_cache_dir},
    {"clock", core_clock},       {"poll", core_poll},
    {"methods", core_methods},   {NULL, NULL},
};

LUAMOD_API int luaopen_ringkernel_core(lua_State *L);

LUAMOD_API int luaopen_ringkernel_core(lua_State *L)
{
  luaL_checkversion(L);
  lrk_schema_register(L);
  lrk_message_register(L);
  lrk_envelope_register(L);
  lrk_hlc_register(L);
  lrk_kernel_register(L);
  lrk_runtime_register(L);
  lrk_actor_register(L);
  lrk_reload_register(L);
  lrk_pubsub_register(L);
  lrk_checkpoint_register(L);
  lrk_buffer_register(L);
  lrk_histogram_register(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lrk_device_functions, 0);
  luaL_setfuncs(L, lrk_message_functions, 0);
  luaL_setfuncs(L, lrk_envelope_functions, 0);
  luaL_setfuncs(L, lrk_state_functions, 0);
  luaL_setfuncs(L, lrk_hlc_functions, 0);
  luaL_setfuncs(L, lrk_kernel_functions, 0);
  luaL_setfuncs(L, lrk_runtime_functions, 0);
  luaL_setfuncs(L, lrk_life_functions, 0);
  luaL_setfuncs(L, lrk_actor_functions, 0);
  luaL_setfuncs(L, lrk_hosted_functions, 0);
  luaL_setfuncs(L, lrk_registry_functions, 0);
  luaL_setfuncs(L, lrk_reload_functions, 0);
  luaL_setfuncs(L, lrk_trace_functions, 0);
  luaL_setfuncs(L, lrk_dead_functions, 0);
  luaL_setfuncs(L, lrk_histogram_functions, 0);
  luaL_setfuncs(L, lrk_process_functions, 0);
  luaL_setfuncs(L, lrk_checkpoint_functions, 0);
  luaL_setfuncs(L, lrk_tenant_functions, 0);
  lua_pushliteral(L, RK_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushinteger(L, RK_ABI_VERSION);
  lua_setfield(L, -2, "abi");
  push_limits(L);
  lua_setfield(L, -2, "limits");
  return 1;
}
