/* SPDX-License-Identifier: MIT */
/*
 * The inner loops of figures.lua in C, where Lua would be most of what is timed. A Lua module that
 * works on the actors which the script launched, through the public C contract: the rkl that loads
 * it exports that, so nothing is linked twice.
 *
 * Every message is written whole, read whole and checked. A wrong or missing one raises; nothing is
 * timed after that. Waits end after LIMIT_NS.
 */
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>

#include "lua/lrk.h"

#define LIMIT_NS UINT64_C(5000000000)
#define ACTORS_MAX 64u

typedef struct token { /* kernels.Token */
  uint64_t hops;
  uint64_t words[7];
} token;

int luaopen_gpu_loops(lua_State *L);

static uint64_t now_ns(void)
{
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void pause_a_moment(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* ---- arguments ------------------------------------------------------------------------------- */

static rk_actor *check_actor(lua_State *L, int index)
{
  const lrk_actor *self = luaL_checkudata(L, index, LRK_ACTOR);
  luaL_argcheck(L, self->actor != NULL, index, "the actor was released");
  return self->actor;
}

typedef struct group {
  rk_runtime *rt;
  rk_actor *actors[ACTORS_MAX];
  uint64_t sent[ACTORS_MAX];  /* since the group was made */
  uint64_t count[ACTORS_MAX]; /* what the actor said last */
  uint64_t sum[ACTORS_MAX];
  uint32_t size, type;
} group;

/* (runtime, list of actors, type) from the first argument on. */
static group check_group(lua_State *L)
{
  group g = {.rt = ((const lrk_runtime *)luaL_checkudata(L, 1, LRK_RUNTIME))->rt};
  luaL_checktype(L, 2, LUA_TTABLE);
  g.type = (uint32_t)luaL_checkinteger(L, 3);
  g.size = (uint32_t)luaL_len(L, 2);
  luaL_argcheck(L, g.rt != NULL && g.size > 0 && g.size <= ACTORS_MAX, 2, "1 to 64 actors");
  for (uint32_t i = 0; i < g.size; ++i) {
    lua_geti(L, 2, (lua_Integer)i + 1);
    g.actors[i] = check_actor(L, -1);
    lua_pop(L, 1);
  }
  return g;
}

static uint64_t check_count(lua_State *L, int index)
{
  lua_Integer n = luaL_checkinteger(L, index);
  luaL_argcheck(L, n > 0, index, "more than 0 expected");
  return (uint64_t)n;
}

static void must(lua_State *L, int rc, const char *what)
{
  if (rc != RK_OK) {
    luaL_error(L, "%s: %s", what, rk_status_name(rc));
  }
}

/* ---- one message at a time ------------------------------------------------------------------- */

/* Takes the next message of an actor, spinning. */
static void take(lua_State *L, rk_actor *actor, rk_received *out)
{
  uint64_t end_ns = 0;
  int rc;
  for (uint32_t polls = 1; (rc = rk_actor_try_receive(actor, out)) == RK_EEMPTY; ++polls) {
    if (polls % 65536u == 0) {
      end_ns = end_ns == 0 ? now_ns() + LIMIT_NS : end_ns;
      if (now_ns() > end_ns) {
        luaL_error(L, "no message came within 5 s");
      }
    }
  }
  must(L, rc, "receive");
}

/* round_trips(actor, type, count): list of microseconds. The actor is the stock echo. */
static int round_trips(lua_State *L)
{
  rk_actor *actor = check_actor(L, 1);
  uint32_t type = (uint32_t)luaL_checkinteger(L, 2);
  uint64_t count = check_count(L, 3), warmup = count / 20 + 1;
  lua_createtable(L, (int)count, 0);
  for (uint64_t i = 0; i < warmup + count; ++i) {
    token m = {i, {i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, 0}};
    rk_received r;
    uint64_t start_ns = now_ns();
    must(L, rk_actor_send(actor, type, &m, sizeof(m), NULL, NULL, NULL), "send");
    take(L, actor, &r);
    uint64_t end_ns = now_ns();
    if (r.size != sizeof(m) || memcmp(r.data, &m, sizeof(m)) != 0) {
      return luaL_error(L, "message %I came back changed", (lua_Integer)i);
    }
    if (i >= warmup) {
      lua_pushnumber(L, (double)(end_ns - start_ns) / 1e3);
      lua_seti(L, -2, (lua_Integer)(i - warmup) + 1);
    }
  }
  return 1;
}

/* Asks a sink what it has; the question counts as one. */
static void ask(lua_State *L, group *g, uint32_t i)
{
  const token question = {.hops = 1};
  rk_call *call = NULL;
  rk_received r;
  uint64_t end_ns = now_ns() + LIMIT_NS;
  int rc;
  while ((rc = rk_call_open(g->actors[i], g->type, &question, sizeof(question), NULL, &call,
                            NULL)) == RK_EFULL &&
         now_ns() < end_ns) {
    pause_a_moment();
  }
  must(L, rc, "question");
  while ((rc = rk_call_poll(call, &r)) == RK_EEMPTY && now_ns() < end_ns) {
    pause_a_moment();
  }
  if (rc == RK_OK) {
    token answer;
    memcpy(&answer, r.data, sizeof(answer));
    g->count[i] = answer.words[0];
    g->sum[i] = answer.words[1];
    g->sent[i] += 1;
  }
  rk_call_close(call);
  must(L, rc, "answer");
}

static void begin(lua_State *L, group *g)
{
  for (uint32_t i = 0; i < g->size; ++i) {
    ask(L, g, i);
    g->sent[i] = 0;
  }
}

/* Asks all and compares with what was sent since `before`. */
static void verify(lua_State *L, group *g, const group *before)
{
  for (uint32_t i = 0; i < g->size; ++i) {
    ask(L, g, i);
    uint64_t sent = g->sent[i]; /* words: 7 times 3 each; the question has none */
    if (g->count[i] - before->count[i] != sent || g->sum[i] - before->sum[i] != (sent - 1) * 21u) {
      luaL_error(L, "of %I messages %I were handled, or their words are wrong", (lua_Integer)sent,
                 (lua_Integer)(g->count[i] - before->count[i]));
    }
  }
}

static const token filled = {0, {3, 3, 3, 3, 3, 3, 3}};

/* post(runtime, actors, type, count): nanoseconds of one send; delivery is checked afterwards. */
static int post(lua_State *L)
{
  group g = check_group(L);
  uint64_t count = check_count(L, 4);
  begin(L, &g);
  const group before = g;
  uint64_t start_ns = now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    int rc = rk_actor_send(g.actors[0], g.type, &filled, sizeof(filled), NULL, NULL, NULL);
    if (rc != RK_OK) {
      return luaL_error(L, "send %I: %s", (lua_Integer)i, rk_status_name(rc));
    }
  }
  uint64_t ns = now_ns() - start_ns;
  g.sent[0] = count;
  g.size = 1;
  verify(L, &g, &before);
  lua_pushnumber(L, (double)ns / (double)count);
  return 1;
}

/* ---- many messages --------------------------------------------------------------------------- */

/* 32 messages to one actor by reserve and quiet commit, and one flush. Waits while it is full. */
static void send_batch(lua_State *L, group *g, uint32_t i)
{
  uint64_t end_ns = 0;
  for (uint32_t k = 0; k < 32; ++k) {
    void *payload = NULL;
    int rc;
    while ((rc = rk_actor_reserve(g->actors[i], g->type, sizeof(filled), 0, &payload, NULL)) ==
           RK_EFULL) {
      rk_runtime_flush(g->rt);
      end_ns = end_ns == 0 ? now_ns() + LIMIT_NS : end_ns;
      if (now_ns() > end_ns) {
        luaL_error(L, "actor %I takes nothing for 5 s", (lua_Integer)i + 1);
      }
    }
    must(L, rc, "reserve");
    memcpy(payload, &filled, sizeof(filled));
    (void)rk_actor_commit_quiet(g->actors[i], NULL);
  }
  rk_runtime_flush(g->rt);
  g->sent[i] += 32;
}

/* flood(runtime, sinks, type, count): million messages a second, from the first send until all
 * sinks have said that they handled theirs. */
static int flood(lua_State *L)
{
  group g = check_group(L);
  uint64_t count = check_count(L, 4), sent = 0;
  begin(L, &g);
  const group before = g;
  uint64_t start_ns = now_ns();
  for (uint32_t i = 0; sent < count; i = (i + 1) % g.size, sent += 32) {
    send_batch(L, &g, i);
  }
  verify(L, &g, &before);
  lua_pushnumber(L, (double)sent * 1e3 / (double)(now_ns() - start_ns));
  return 1;
}

/* sustained(runtime, sinks, type, seconds, window): list of million messages a second, one for
 * each window, of what the sinks said they handled in it. */
static int sustained(lua_State *L)
{
  group g = check_group(L);
  double seconds = luaL_checknumber(L, 4), window = luaL_checknumber(L, 5);
  begin(L, &g);
  group before = g;
  uint64_t start_ns = now_ns(), from_ns = start_ns;
  uint32_t i = 0;
  lua_newtable(L);
  for (lua_Integer n = 1; (double)n * window <= seconds + 1e-9; ++n) {
    uint64_t end_ns = start_ns + (uint64_t)((double)n * window * 1e9), handled = 0;
    while (now_ns() < end_ns) {
      send_batch(L, &g, i);
      i = (i + 1) % g.size;
    }
    verify(L, &g, &before);
    uint64_t to_ns = now_ns();
    for (uint32_t k = 0; k < g.size; ++k) {
      handled += g.count[k] - before.count[k];
      g.sent[k] = 0;
    }
    lua_pushnumber(L, (double)handled * 1e3 / (double)(to_ns - from_ns));
    lua_seti(L, -2, n);
    before = g;
    from_ns = to_ns;
  }
  return 1;
}

/* drain(runtime, sources, type, batches): million messages a second to the host, from the first
 * start until the last message was read and checked. Each source sends 32 * batches of them. */
static int drain(lua_State *L)
{
  group g = check_group(L);
  uint64_t count = 32 * check_count(L, 4), first[ACTORS_MAX] = {0}, got[ACTORS_MAX] = {0};
  uint32_t open = g.size;
  const token start = {.hops = count / 32};
  uint64_t start_ns = now_ns(), seen_ns = start_ns;
  for (uint32_t i = 0; i < g.size; ++i) {
    must(L, rk_actor_send(g.actors[i], g.type, &start, sizeof(start), NULL, NULL, NULL), "start");
  }
  for (uint32_t i = 0, quiet = 0; open > 0; i = (i + 1) % g.size) {
    rk_received r;
    int rc = RK_OK;
    uint64_t before = got[i];
    while (got[i] < count && (rc = rk_actor_try_receive(g.actors[i], &r)) == RK_OK) {
      token m = {0};
      memcpy(&m, r.data, r.size == sizeof(m) ? sizeof(m) : 0);
      first[i] = got[i] == 0 ? m.hops : first[i];
      bool right = r.size == sizeof(m) && m.hops == first[i] + got[i];
      for (uint32_t k = 0; k < 7; ++k) {
        right = right && m.words[k] == m.hops + k;
      }
      if (!right) {
        return luaL_error(L, "message %I of source %I is wrong", (lua_Integer)got[i],
                          (lua_Integer)i + 1);
      }
      got[i] += 1;
    }
    if (rc != RK_OK && rc != RK_EEMPTY) {
      must(L, rc, "receive");
    }
    open -= got[i] == count && before != count;
    quiet = got[i] != before ? 0 : quiet + 1;
    if (quiet == 0) {
      seen_ns = 0;
    } else if (quiet % 65536u == 0) {
      seen_ns = seen_ns == 0 ? now_ns() : seen_ns;
      if (now_ns() - seen_ns > LIMIT_NS) {
        return luaL_error(L, "messages stopped for 5 s");
      }
    }
  }
  lua_pushnumber(L, (double)(count * g.size) * 1e3 / (double)(now_ns() - start_ns));
  return 1;
}

/* ---- lives ----------------------------------------------------------------------------------- */

/* restarts(runtime, {sink}, type, count): list of microseconds, each a restart and the answer of
 * the actor that began again. */
static int restarts(lua_State *L)
{
  group g = check_group(L);
  uint64_t count = check_count(L, 4);
  lua_createtable(L, (int)count, 0);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t start_ns = now_ns();
    must(L, rk_actor_restart(g.actors[0], false, NULL), "restart");
    ask(L, &g, 0);
    uint64_t ns = now_ns() - start_ns;
    if (g.count[0] != 1) {
      return luaL_error(L, "the state of the actor was kept");
    }
    lua_pushnumber(L, (double)ns / 1e3);
    lua_seti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* creations(runtime, {sink}, type, count): list of microseconds, each the launch of an actor of the
 * same definition and its first answer. Ending it is not timed. */
static int creations(lua_State *L)
{
  group g = check_group(L);
  uint64_t count = check_count(L, 4);
  rk_kernel *kernel = rk_actor_kernel(g.actors[0]);
  const rk_launch_options options = {.queue = 16, .block = -1};
  lua_createtable(L, (int)count, 0);
  for (uint64_t i = 0; i < count; ++i) {
    rk_actor *actor = NULL;
    group one = {.rt = g.rt, .size = 1, .type = g.type};
    uint64_t start_ns = now_ns();
    must(L, rk_actor_launch(g.rt, kernel, &options, &actor, NULL, NULL), "launch");
    one.actors[0] = actor;
    ask(L, &one, 0);
    uint64_t ns = now_ns() - start_ns;
    must(L, rk_actor_terminate(actor, NULL), "terminate");
    rk_actor_release(actor);
    lua_pushnumber(L, (double)ns / 1e3);
    lua_seti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

int luaopen_gpu_loops(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"round_trips", round_trips}, {"post", post},   {"flood", flood},
      {"sustained", sustained},     {"drain", drain}, {"restarts", restarts},
      {"creations", creations},     {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
