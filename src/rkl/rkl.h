/* SPDX-License-Identifier: MIT */
/*
 * What the files of the interpreter offer each other.
 *
 * main.c owns the Lua state and SIGINT, cli.c the command line, repl.c the read-eval-print loop,
 * host.c the module "ringkernel.rkl" and the embedded modules, line.c the line editor (line.h).
 * All functions here belong to the one thread that runs main().
 */
#ifndef RK_RKL_RKL_H
#define RK_RKL_RKL_H

#include <signal.h>

#include <lua.h>

#if defined(__has_include)
#if __has_include("ringkernel.h")
#include "ringkernel.h"
#endif
#endif

#ifndef RK_VERSION
#define RK_VERSION "0.1.0"
#endif

/*
 * 1 from the moment SIGINT arrives until the interrupted statement has ended, else 0. Waits inside
 * C code may look at it after EINTR and return to Lua early, where the statement is then stopped.
 */
extern volatile sig_atomic_t rk_interrupt_flag;

/*
 * Calls the function below its `nargs` arguments, as lua_pcall does, with a traceback added to
 * errors. While it runs, the first SIGINT raises "interrupted!" in the Lua code of `L` and the
 * second one ends the process. Returns the status of lua_pcall.
 */
int rk_host_call(lua_State *L, int nargs, int nresults);

/*
 * Writes the error value on top of the stack to stderr, after "rkl: " when `with_name` is not 0,
 * and pops it. Does nothing when `status` is LUA_OK. Returns `status`.
 */
int rk_host_report(lua_State *L, int status, int with_name);

/* Makes SIGINT only set rk_interrupt_flag: the mode in which the prompt waits for a line. */
void rk_interrupt_watch(void);

/* Gives SIGINT back its default action. */
void rk_interrupt_default(void);

/*
 * Adds the module "ringkernel.rkl" to package.preload and the searcher for embedded modules to the
 * end of package.searchers. Puts `lua_dir`, unless it is NULL, first in package.path.
 */
void rk_host_open(lua_State *L, const char *lua_dir);

/*
 * limit(seconds, name): from then on Lua code of the calling state gets the error "ran longer than
 * its limit"; limit(): no limit. Code that does not return to Lua ends the process ten seconds later,
 * with a line on standard error that has the name.
 */
int rk_limit(lua_State *L);

/*
 * Runs the read-eval-print loop on stdin until its end. The policy (what is unfinished, how
 * results look) is lua/ringkernel/cli/repl.lua. Returns LUA_OK, or a status after the reason was
 * written to stderr.
 */
int rk_repl_run(lua_State *L);

#endif
