/* SPDX-License-Identifier: MIT */
/*
 * Lua module "rkfake": what the specs of the CUDA backend need beside the library itself. It steers
 * the driver of the tests (spec/fakecuda, the very copy that the library has loaded), and does with
 * processes what Lua cannot: environment, fork, signals.
 *
 * The driver's library is the one that RINGKERNEL_LIBCUDA names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "../fakecuda/fakecuda.h"

static struct {
  void (*fault)(const char *name, int nth, int code, int sticky);
  void (*reset)(void);
  long (*calls)(const char *name);
  int (*called)(int index, char *name, size_t bytes);
  long (*lint_count)(void);
  void (*kill)(int code);
  int (*kernels)(void);
  long (*live)(const char *what);
} fake;

/* fault(name, nth, code [, sticky]) */
static int tool_fault(lua_State *L)
{
  fake.fault(luaL_checkstring(L, 1), (int)luaL_checkinteger(L, 2), (int)luaL_checkinteger(L, 3),
             lua_toboolean(L, 4));
  return 0;
}

/* reset(): no plans, no sticky error, counters at 0, the environment read anew */
static int tool_reset(lua_State *L)
{
  (void)L;
  fake.reset();
  return 0;
}

/* calls([name]) -> calls so far */
static int tool_calls(lua_State *L)
{
  lua_pushinteger(L, fake.calls(luaL_optstring(L, 1, "*")));
  return 1;
}

/* called() -> { name = calls so far, ... } */
static int tool_called(lua_State *L)
{
  char name[64];
  lua_newtable(L);
  for (int i = 0; fake.called(i, name, sizeof(name)) != 0; ++i) {
    lua_pushinteger(L, fake.calls(name));
    lua_setfield(L, -2, name);
  }
  return 1;
}

/* findings() -> what the driver had to object to so far */
static int tool_findings(lua_State *L)
{
  lua_pushinteger(L, fake.lint_count());
  return 1;
}

/* kill(code): all running kernels die with it */
static int tool_kill(lua_State *L)
{
  fake.kill((int)luaL_checkinteger(L, 1));
  return 0;
}

/* kernels() -> queued or running */
static int tool_kernels(lua_State *L)
{
  lua_pushinteger(L, fake.kernels());
  return 1;
}

/* live([what]) -> what was not given back */
static int tool_live(lua_State *L)
{
  lua_pushinteger(L, fake.live(luaL_optstring(L, 1, "all")));
  return 1;
}

/* setenv(name, value | nil) */
static int tool_setenv(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  if (lua_isnoneornil(L, 2)) {
    unsetenv(name);
  } else {
    setenv(name, luaL_checkstring(L, 2), 1);
  }
  return 0;
}

/* fork(function) -> pid: the child calls it and leaves at once with the status it returns */
static int tool_fork(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TFUNCTION);
  pid_t pid = fork();
  if (pid == 0) {
    lua_settop(L, 1);
    int rc = lua_pcall(L, 0, 1, 0);
    _exit(rc == LUA_OK ? (int)lua_tointeger(L, -1) : 99);
  }
  lua_pushinteger(L, pid);
  return 1;
}

/* wait(pid) -> "exit", status | "signal", number */
static int tool_wait(lua_State *L)
{
  int status = 0;
  if (waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0) < 0) {
    return luaL_error(L, "waitpid: %s", strerror(errno));
  }
  lua_pushstring(L, WIFEXITED(status) ? "exit" : "signal");
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return 2;
}

/* sleep(seconds) */
static int tool_sleep(lua_State *L)
{
  double seconds = luaL_checknumber(L, 1);
  struct timespec wait = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&wait, NULL);
  return 0;
}

static int find(lua_State *L, void *library, const char *name, void *pointer)
{
  void *address = dlsym(library, name);
  if (address == NULL) {
    return luaL_error(L, "rkfake: %s", dlerror());
  }
  memcpy(pointer, &address, sizeof(address));
  return 0;
}

int luaopen_rkfake(lua_State *L);

int luaopen_rkfake(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"fault", tool_fault}, {"reset", tool_reset},
      {"calls", tool_calls}, {"findings", tool_findings},
      {"kill", tool_kill},   {"kernels", tool_kernels},
      {"live", tool_live},   {"setenv", tool_setenv},
      {"fork", tool_fork},   {"wait", tool_wait},
      {"sleep", tool_sleep}, {"called", tool_called},
      {NULL, NULL},
  };
  const char *path = getenv("RINGKERNEL_LIBCUDA");
  void *library = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (library == NULL) {
    return luaL_error(L, "rkfake: %s", path != NULL ? dlerror() : "RINGKERNEL_LIBCUDA is not set");
  }
  find(L, library, "rkfake_fault", &fake.fault);
  find(L, library, "rkfake_reset", &fake.reset);
  find(L, library, "rkfake_calls", &fake.calls);
  find(L, library, "rkfake_called", &fake.called);
  find(L, library, "rkfake_lint_count", &fake.lint_count);
  find(L, library, "rkfake_kill", &fake.kill);
  find(L, library, "rkfake_kernels", &fake.kernels);
  find(L, library, "rkfake_live", &fake.live);
  luaL_newlib(L, functions);
  return 1;
}
