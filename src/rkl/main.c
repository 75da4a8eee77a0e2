/* SPDX-License-Identifier: MIT */
/*
 * The interpreter `rkl`: Lua with ringkernel inside.
 *
 * This file creates the Lua state, preloads what is linked in, hands over to the command line
 * (cli.c) and turns its answer into the exit status. It also owns SIGINT, because only one place
 * may decide what Ctrl-C means: while a statement runs, the handler plants a debug hook that
 * raises an error at the next Lua instruction and gives the signal its default action back, so
 * that a second Ctrl-C ends a process that does not come back to Lua.
 */
#include "rkl/rkl.h"

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "rkl/cli.h"

/* Weak, so that the interpreter also links (and its specs run) without the core module. */
extern int luaopen_ringkernel_core(lua_State *L) __attribute__((weak));

volatile sig_atomic_t rk_interrupt_flag = 0;

/* The state that a SIGINT stops. Written only while the handler is not installed. */
static lua_State *interrupt_state = NULL;

static void set_action(void (*handler)(int))
{
  struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART: waits must notice */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
}

static void stop_hook(lua_State *L, lua_Debug *ar)
{
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void stop_statement(int signo)
{
  (void)signo;
  set_action(SIG_DFL);
  rk_interrupt_flag = 1;
  /* The only Lua function that a signal handler may call. */
  lua_sethook(interrupt_state, stop_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
              1);
}

static void note_interrupt(int signo)
{
  (void)signo;
  rk_interrupt_flag = 1;
}

void rk_interrupt_watch(void)
{
  set_action(note_interrupt);
}

void rk_interrupt_default(void)
{
  set_action(SIG_DFL);
}

/* Message handler: makes any error value a text, with a traceback unless it prints itself. */
static int add_traceback(lua_State *L)
{
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) {
      return 1;
    }
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

int rk_host_call(lua_State *L, int nargs, int nresults)
{
  struct sigaction before;
  lua_State *outer = interrupt_state;
  int function = lua_gettop(L) - nargs;
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, function);
  sigaction(SIGINT, NULL, &before);
  interrupt_state = L;
  set_action(stop_statement);
  int status = lua_pcall(L, nargs, nresults, function);
  sigaction(SIGINT, &before, NULL);
  interrupt_state = outer;
  /* A signal that came too late to stop anything must not stop what runs next. */
  if (lua_gethook(L) == stop_hook) {
    lua_sethook(L, NULL, 0, 0);
  }
  rk_interrupt_flag = 0;
  lua_remove(L, function);
  return status;
}

int rk_host_report(lua_State *L, int status, int with_name)
{
  if (status != LUA_OK) {
    const char *text = lua_tostring(L, -1);
    fflush(stdout);
    fprintf(stderr, "%s%s\n", with_name ? "rkl: " : "",
            text != NULL ? text : "(error message is not a string)");
    fflush(stderr);
    lua_pop(L, 1);
  }
  return status;
}

/* Runs in protected mode: argument 1 is the command line; returns the exit status. */
static int run_protected(lua_State *L)
{
  const rk_cli *cli = lua_touserdata(L, 1);
  luaL_checkversion(L);
  if (cli->no_environment) {
    lua_pushboolean(L, 1); /* the standard libraries look for this name */
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  lua_gc(L, LUA_GCGEN, 0, 0); /* as lua(1) does */
  if (luaopen_ringkernel_core != NULL) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_ringkernel_core);
    lua_setfield(L, -2, "ringkernel.core");
    lua_pop(L, 1);
  }
  rk_host_open(L, cli->no_environment ? NULL : getenv("RINGKERNEL_LUA"));
  lua_pushinteger(L, rk_cli_run(L, cli));
  return 1;
}

int main(int argc, char **argv)
{
  rk_cli cli;
  int exit_status = EXIT_FAILURE;
  lua_State *L = NULL;

  if (rk_cli_parse(argc, argv, &cli) != 0) {
    goto done; /* the reason is on stderr */
  }
  if (cli.info != RK_CLI_INFO_NONE) {
    rk_cli_print_info(&cli);
    exit_status = EXIT_SUCCESS;
    goto done;
  }
  L = luaL_newstate();
  if (L == NULL) {
    fputs("rkl: cannot create the Lua state: not enough memory\n", stderr);
    goto done;
  }
  lua_pushcfunction(L, run_protected);
  lua_pushlightuserdata(L, &cli);
  if (rk_host_report(L, lua_pcall(L, 1, 1, 0), 1) == LUA_OK) {
    exit_status = (int)lua_tointeger(L, -1);
  }

done:
  if (L != NULL) {
    lua_close(L);
  }
  return exit_status;
}
