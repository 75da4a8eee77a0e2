/* SPDX-License-Identifier: MIT */
/*
 * A Lua module that keeps a device ready, so that many short programs do not each pay for it.
 *
 *   hold.open()        the device is open in this process: while one has it open, the driver does
 *                      not shut it down between the others
 *   hold.context()     this process keeps the device's primary context: runtimes that open and
 *                      close in it share that one
 *   hold.stay(pid, s)  returns when that process is gone, or s seconds have passed
 *
 * open and context return true, or nil and the reason. It takes the driver by itself (the library's
 * table of functions is none of a Lua module's). Nothing is given back before the process ends. Used
 * by check.lua for the whole run and by the runner of the specs (pack_busted.lua).
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#define PUBLIC __attribute__((visibility("default")))

typedef int (*init_fn)(unsigned flags);
typedef int (*get_fn)(int *device, int ordinal);
typedef int (*retain_fn)(void **context, int device);

static int fail(lua_State *L, const char *call, int code)
{
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %d", call, code);
  return 2;
}

/* Calls the driver up to cuDeviceGet, and further if `with_context`. */
static int hold(lua_State *L, int with_context)
{
  const char *path = getenv("RINGKERNEL_LIBCUDA");
  void *lib = dlopen(path != NULL && path[0] != '\0' ? path : "libcuda.so.1", RTLD_NOW);
  init_fn init = NULL;
  get_fn get = NULL;
  retain_fn retain = NULL;
  int device = 0;
  void *context = NULL;
  if (lib == NULL) {
    return fail(L, dlerror(), 0);
  }
  void *const found[] = {dlsym(lib, "cuInit"), dlsym(lib, "cuDeviceGet"),
                         dlsym(lib, "cuDevicePrimaryCtxRetain")};
  if (found[0] == NULL || found[1] == NULL || found[2] == NULL) {
    return fail(L, "no driver", 0);
  }
  memcpy(&init, &found[0], sizeof(init)); /* C has no conversion between these */
  memcpy(&get, &found[1], sizeof(get));
  memcpy(&retain, &found[2], sizeof(retain));
  (void)setenv("CUDA_MODULE_LOADING", "EAGER", 0); /* as the library does before it starts it */
  int code = init(0);
  if (code != 0) {
    return fail(L, "cuInit", code);
  }
  code = get(&device, 0);
  if (code != 0) {
    return fail(L, "cuDeviceGet", code);
  }
  code = with_context ? retain(&context, device) : 0;
  if (code != 0) {
    return fail(L, "cuDevicePrimaryCtxRetain", code);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int hold_open(lua_State *L)
{
  return hold(L, 0);
}

static int hold_context(lua_State *L)
{
  return hold(L, 1);
}

static int hold_stay(lua_State *L)
{
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  lua_Integer seconds = luaL_checkinteger(L, 2);
  while (seconds-- > 0 && kill(pid, 0) == 0) {
    (void)sleep(1);
  }
  return 0;
}

PUBLIC int luaopen_gpu_hold(lua_State *L);
PUBLIC int luaopen_gpu_hold(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"open", hold_open}, {"context", hold_context}, {"stay", hold_stay}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
