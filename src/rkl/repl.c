/* SPDX-License-Identifier: MIT */
/*
 * The read-eval-print loop: reading lines, running statements, stopping them.
 *
 * What a statement is, how results look and what Tab offers is decided by
 * lua/ringkernel/cli/repl.lua, through a session object:
 *   session.read()               -> function to run | nil at the end of input
 *   session.show(...)               prints the results of a statement
 *   session.complete(text)       -> text to insert, list of choices to show
 * The statement is called from here, so its traceback ends where the user's code does.
 */
#include "rkl/rkl.h"

#include <stdbool.h>
#include <stdio.h>

#include <unistd.h>

#include <lauxlib.h>

#include "rkl/line.h"

/* Keys in the registry: Tab is handled inside another stack frame than the loop. */
#define SESSION_KEY "ringkernel.rkl.session"
#define INSERT_KEY "ringkernel.rkl.insert" /* the texts of the last hint, kept alive */
#define CHOICES_KEY "ringkernel.rkl.choices"

typedef struct rk_repl {
  lua_State *L;
  rk_line *line;
} rk_repl;

/* Pushes session[name]; returns its type. */
static int push_method(lua_State *L, const char *name)
{
  lua_getfield(L, LUA_REGISTRYINDEX, SESSION_KEY);
  int type = lua_getfield(L, -1, name);
  lua_remove(L, -2);
  return type;
}

/* Tab: asks session.complete; its errors only mean that there is nothing to offer. */
static void complete_line(void *user, const char *text, size_t size, rk_line_hint *hint)
{
  rk_repl *repl = user;
  lua_State *L = repl->L;
  int top = lua_gettop(L);
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return;
  }
  push_method(L, "complete");
  lua_pushlstring(L, text, size);
  if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
    hint->insert = lua_tostring(L, -2);
    hint->choices = lua_tostring(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, CHOICES_KEY);
    lua_setfield(L, LUA_REGISTRYINDEX, INSERT_KEY);
  }
  lua_settop(L, top);
}

/* read_line(prompt) -> text | nil at the end | false after Ctrl-C */
static int read_line(lua_State *L)
{
  rk_repl *repl = lua_touserdata(L, lua_upvalueindex(1));
  const char *prompt = luaL_checkstring(L, 1);
  rk_line_status status = RK_LINE_PART;
  bool has_text = false;
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  rk_interrupt_flag = 0;
  while (status == RK_LINE_PART) {
    const char *text = NULL;
    size_t size = 0;
    status = rk_line_read(repl->line, prompt, &text, &size);
    if (text != NULL) {
      luaL_addlstring(&buffer, text, size);
      has_text = true;
    }
    prompt = "";
  }
  rk_interrupt_flag = 0;
  luaL_pushresult(&buffer);
  if (status == RK_LINE_INTERRUPTED) {
    lua_pushboolean(L, 0);
  } else if (status == RK_LINE_END && !has_text) {
    lua_pushnil(L);
  }
  return 1;
}

/* add_history(text) */
static int add_history(lua_State *L)
{
  rk_repl *repl = lua_touserdata(L, lua_upvalueindex(1));
  rk_line_add_history(repl->line, luaL_checkstring(L, 1));
  return 0;
}

/* Makes the session and keeps it in the registry. Returns the status; an error is on the stack. */
static int open_session(lua_State *L, rk_repl *repl, bool interactive)
{
  static const char chunk[] = "return require('ringkernel.cli.repl').new(...)";
  int status = luaL_loadbuffer(L, chunk, sizeof chunk - 1, "=(rkl)");
  if (status == LUA_OK) {
    lua_createtable(L, 0, 3);
    lua_pushlightuserdata(L, repl);
    lua_pushcclosure(L, read_line, 1);
    lua_setfield(L, -2, "read_line");
    lua_pushlightuserdata(L, repl);
    lua_pushcclosure(L, add_history, 1);
    lua_setfield(L, -2, "add_history");
    lua_pushboolean(L, interactive);
    lua_setfield(L, -2, "interactive");
    status = rk_host_call(L, 1, 1);
  }
  if (status == LUA_OK) {
    lua_setfield(L, LUA_REGISTRYINDEX, SESSION_KEY);
  }
  return status;
}

/* Runs the statement on top of the stack and shows what it returns. */
static void run_statement(lua_State *L)
{
  int base = lua_gettop(L) - 1;
  if (rk_host_report(L, rk_host_call(L, 0, LUA_MULTRET), 0) == LUA_OK) {
    int results = lua_gettop(L) - base;
    if (!lua_checkstack(L, LUA_MINSTACK)) {
      fputs("too many results to show\n", stderr);
    } else {
      push_method(L, "show");
      lua_insert(L, base + 1);
      rk_host_report(L, rk_host_call(L, results, 0), 0);
    }
  }
  lua_settop(L, base);
  fflush(stdout);
}

int rk_repl_run(lua_State *L)
{
  bool interactive = isatty(STDIN_FILENO) == 1;
  rk_repl repl = {.L = L};
  int status = LUA_OK;

  lua_settop(L, 0);
  rk_interrupt_watch();
  repl.line = rk_line_open(complete_line, &repl, !interactive);
  status = rk_host_report(L, open_session(L, &repl, interactive), 1);
  while (status == LUA_OK) {
    push_method(L, "read");
    /* No rk_host_call: Ctrl-C at the prompt is the line editor's business. */
    status = rk_host_report(L, lua_pcall(L, 0, 1, 0), 1);
    if (status != LUA_OK || lua_isnil(L, -1)) {
      break;
    }
    run_statement(L);
  }
  lua_settop(L, 0);
  if (interactive) {
    fputs("\n", stdout);
    fflush(stdout);
  }
  rk_line_close(repl.line);
  rk_interrupt_default();
  return status;
}
