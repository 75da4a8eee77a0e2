/* SPDX-License-Identifier: MIT */
/*
 * A limit on how long Lua code may run: what `rkl --bench` ends a case with that hangs.
 *
 * When the time is up, SIGALRM plants a debug hook that raises an error at the next Lua instruction,
 * as SIGINT does in main.c; a wait inside the library comes back for the signal. Code that does not
 * come back to Lua within GRACE_S gets SIGALRM again: that says which call it is and ends the process.
 */
#include "rkl/rkl.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <lauxlib.h>

enum { GRACE_S = 10, WORDS_BYTES = 400 };

static lua_State *limited_state = NULL;
static char last_words[WORDS_BYTES]; /* written while no handler is set, read by give_up */

static void raise_limit(lua_State *L, lua_Debug *ar)
{
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "ran longer than its limit");
}

static void set_timer(double seconds)
{
  struct itimerval timer = {0};
  timer.it_value.tv_sec = (time_t)seconds;
  timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6);
  if (seconds > 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0) {
    timer.it_value.tv_usec = 1; /* zero would mean no limit */
  }
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* Signal-safe. The status is that of a process that SIGALRM ended. */
static void give_up(int signo)
{
  struct sigaction action = {.sa_handler = SIG_DFL};
  ssize_t written = write(STDERR_FILENO, last_words, strlen(last_words));
  (void)written;
  sigaction(SIGALRM, &action, NULL);
  raise(signo); /* blocked until this handler returns */
}

static void time_is_up(int signo)
{
  struct sigaction action = {.sa_handler = give_up};
  (void)signo;
  sigaction(SIGALRM, &action, NULL);
  set_timer(GRACE_S);
  /* The only Lua function that a signal handler may call. */
  lua_sethook(limited_state, raise_limit, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
              1);
}

int rk_limit(lua_State *L)
{
  struct sigaction action = {.sa_handler = lua_isnoneornil(L, 1) ? SIG_DFL : time_is_up};
  double seconds = luaL_optnumber(L, 1, 0);
  luaL_argcheck(L, lua_isnoneornil(L, 1) || (seconds > 0 && seconds <= 1e8), 1,
                "seconds above 0 expected");
  set_timer(0);
  if (lua_gethook(L) == raise_limit) { /* it came too late to stop anything */
    lua_sethook(L, NULL, 0, 0);
  }
  limited_state = L;
  lua_pushfstring(
      L,
      "\nrkl: %s: a call ran longer than its limit, and waits outside Lua where nothing "
      "else can end it: the run ends here (isolate = true ends such a case alone)\n",
      luaL_optstring(L, 2, "?"));
  const char *text = lua_tostring(L, -1);
  size_t length = strlen(text) < WORDS_BYTES ? strlen(text) : WORDS_BYTES - 1;
  memcpy(last_words, text, length);
  last_words[length] = '\0';
  lua_pop(L, 1);
  sigemptyset(&action.sa_mask); /* no SA_RESTART: waits must notice */
  sigaction(SIGALRM, &action, NULL);
  set_timer(seconds);
  return 0;
}
