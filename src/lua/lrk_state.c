/* SPDX-License-Identifier: MIT */
/*
 * Class actor, continued: transitions, statistics, a look at the state, and what event loops ask.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

/* actor:state() -> "launched" | "active" | ... | nil, message, "closed" */
static int actor_state(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->actor == NULL || self->home->rt == NULL) {
    return self->actor == NULL ? lrk_fail_released(L) : lrk_fail_actor(L, self, RK_ECLOSED);
  }
  lua_pushstring(L, rk_actor_state(self->actor));
  return 1;
}

static int actor_is_active(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  lua_pushboolean(L, self->actor != NULL && self->home->rt != NULL &&
                         strcmp(rk_actor_state(self->actor), "active") == 0);
  return 1;
}

static int change_state(lua_State *L, int (*change)(rk_actor *actor, rk_error *err))
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  int status = change(self->actor, &err);
  lrk_runtime_kick(L, self->home, 1);
  return lrk_result(L, status, &err);
}

static int actor_activate(lua_State *L)
{
  return change_state(L, rk_actor_activate);
}

static int actor_deactivate(lua_State *L)
{
  return change_state(L, rk_actor_deactivate);
}

static int actor_terminate(lua_State *L)
{
  return change_state(L, rk_actor_terminate);
}

static int restart_fresh(rk_actor *actor, rk_error *err)
{
  return rk_actor_restart(actor, false, err);
}
static int restart_kept(rk_actor *actor, rk_error *err)
{
  return rk_actor_restart(actor, true, err);
}

/* a:restart { keep_state = } -> true | nil, message, code */
static int actor_restart(lua_State *L)
{
  static const lrk_option options[] = {{"keep_state", LRK_BOOL, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 2);
  (void)lrk_check_actor(L, 1);
  lrk_options(L, 2, "restart", options);
  return change_state(L, lrk_option_bool(L, 2, "keep_state", false) ? restart_kept : restart_fresh);
}

static void set_u64(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

/* Reads the statistics, or pushes nil, message, code and returns false. */
static bool get_stats(lua_State *L, const lrk_actor *self, rk_actor_stats *stats)
{
  rk_error err = RK_ERROR_INIT;
  if (self->actor == NULL) {
    lrk_fail_released(L);
    return false;
  }
  int status = rk_actor_stats_get(self->actor, stats, &err);
  if (status != RK_OK) {
    lrk_fail(L, status, &err);
    return false;
  }
  return true;
}

/* actor:stats() -> table | nil, message, code */
static int actor_stats(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  rk_actor_stats stats = {0};
  if (!get_stats(L, self, &stats)) {
    return 3;
  }
  lua_createtable(L, 0, 16);
  set_u64(L, "processed", stats.processed);
  set_u64(L, "dropped", stats.dropped);
  set_u64(L, "errors", stats.errors);
  set_u64(L, "sent", stats.sent);
  set_u64(L, "received", stats.received);
  set_u64(L, "waiting_in", stats.waiting_in);
  set_u64(L, "waiting_out", stats.waiting_out);
  set_u64(L, "queue", stats.queue);
  set_u64(L, "block", stats.block);
  lrk_push_stamp(L, stats.last_activity, self->home->node);
  lua_setfield(L, -2, "last_activity");
  bool is_timed = stats.processed > 0 && stats.latency_min_ns != UINT64_MAX;
  lua_Number total = is_timed ? (lua_Number)stats.latency_total_ns / 1e9 : 0.0;
  lua_pushnumber(L, is_timed ? total / (lua_Number)stats.processed : 0.0);
  lua_setfield(L, -2, "latency_mean");
  lua_pushnumber(L, is_timed ? (lua_Number)stats.latency_min_ns / 1e9 : 0.0);
  lua_setfield(L, -2, "latency_min");
  lua_pushnumber(L, (lua_Number)stats.latency_max_ns / 1e9);
  lua_setfield(L, -2, "latency_max");
  if (stats.last_error != RK_OK) {
    const char *name = rk_status_name(stats.last_error);
    if (strcmp(name, "unknown") == 0) {
      lua_pushinteger(L, stats.last_error); /* a code of the handler's own */
    } else {
      lua_pushstring(L, name);
    }
    lua_setfield(L, -2, "last_error");
  }
  return 1;
}

/* actor:telemetry() -> the fields of the telemetry block, as integers */
static int actor_telemetry(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  rk_actor_stats stats = {0};
  if (!get_stats(L, self, &stats)) {
    return 3;
  }
  lua_createtable(L, 0, 8);
  set_u64(L, "messages_processed", stats.processed);
  set_u64(L, "messages_dropped", stats.dropped);
  set_u64(L, "last_processed_timestamp", stats.last_activity);
  set_u64(L, "queue_depth", stats.waiting_in);
  set_u64(L, "total_latency_nanos", stats.latency_total_ns);
  set_u64(L, "max_latency_nanos", stats.latency_max_ns);
  set_u64(L, "min_latency_nanos", stats.latency_min_ns);
  lua_pushinteger(L, stats.last_error);
  lua_setfield(L, -2, "error_code");
  return 1;
}

static void set_latency(lua_State *L, const char *key, const rk_latency *latency,
                        const char *includes)
{
  const struct {
    const char *key;
    lua_Number ns;
  } fields[] = {
      {"min", (lua_Number)latency->min_ns}, {"max", (lua_Number)latency->max_ns},
      {"p50", (lua_Number)latency->p50_ns}, {"p90", (lua_Number)latency->p90_ns},
      {"p99", (lua_Number)latency->p99_ns}, {"p999", (lua_Number)latency->p999_ns},
      {"mean", latency->mean_ns},           {"resolution", (lua_Number)latency->step_ns},
  };
  lua_createtable(L, 0, 10);
  set_u64(L, "count", latency->count);
  for (size_t i = 0; i < RK_ARRAY_LEN(fields); i++) {
    lua_pushnumber(L, fields[i].ns / 1e9);
    lua_setfield(L, -2, fields[i].key);
  }
  lua_pushstring(L, includes);
  lua_setfield(L, -2, "includes");
  lua_setfield(L, -2, key);
}

/* actor:latency { reset = } -> { delivered =, handled = } in seconds | nil, message, code */
static int actor_latency(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  static const lrk_option options[] = {{"reset", LRK_BOOL, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  rk_actor_latency latency = {0};
  lua_settop(L, 2);
  lrk_options(L, 2, "latency", options);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_latency_get(self->actor, lrk_option_bool(L, 2, "reset", false), &latency,
                                    &err);
  lrk_runtime_kick(L, self->home, 1);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_createtable(L, 0, 2);
  set_latency(
      L, "delivered", &latency.delivered,
      "from the stamp of sending to the start of the handler: the ring of its block, its "
      "queue, waiting for its turn; between actors, also what was left of the sender's turn");
  set_latency(L, "handled", &latency.handled, "from the start of the handler to its end");
  return 1;
}

/* actor_state_bytes(actor) -> string | nil, message, code */
static int core_actor_state_bytes(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  size_t size = rk_actor_state_bytes(self->actor);
  char *bytes = lua_newuserdatauv(L, size + 1, 0);
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_peek_state(self->actor, bytes, &size, &err);
  lrk_runtime_kick(L, self->home, 1);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushlstring(L, bytes, size);
  return 1;
}

/* actor:pollfd(), :events(), :timeout(): what cqueues asks of an object to wait for. */
static int actor_pollfd(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->home->rt == NULL) { /* a handle that was closed before has no actor to name */
    return self->actor == NULL ? lrk_fail_released(L) : lrk_fail_actor(L, self, RK_ECLOSED);
  }
  lua_pushinteger(L, rk_runtime_fd(self->home->rt));
  return 1;
}

static int actor_events(lua_State *L)
{
  lua_pushliteral(L, "r");
  return 1;
}

static int actor_timeout(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  lrk_push_timeout(L, self->home);
  return 1;
}

const luaL_Reg lrk_state_functions[] = {{"actor_state_bytes", core_actor_state_bytes},
                                        {NULL, NULL}};

const luaL_Reg lrk_actor_state_methods[] = {
    {"state", actor_state},         {"is_active", actor_is_active},   {"activate", actor_activate},
    {"resume", actor_activate},     {"deactivate", actor_deactivate}, {"suspend", actor_deactivate},
    {"terminate", actor_terminate}, {"restart", actor_restart},       {"stats", actor_stats},
    {"telemetry", actor_telemetry}, {"latency", actor_latency},       {"pollfd", actor_pollfd},
    {"events", actor_events},       {"timeout", actor_timeout},       {NULL, NULL},
};
