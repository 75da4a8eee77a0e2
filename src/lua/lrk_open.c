/* SPDX-License-Identifier: MIT */
/*
 * rk.open: the options of a runtime, checked, and the runtime object made of them.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"
#include "base/params.h"

/* One of three names; without the option the parameter's, which must be one, too. */
static const char *choice_option(lua_State *L, int index, const char *key, rk_param_id param,
                                 const char *const names[3])
{
  const char *name = lrk_option_text(L, index, key, NULL);
  if (name == NULL) {
    size_t ignored = 0;
    rk_error err = RK_ERROR_INIT;
    if (rk_param_choice(param, &ignored, &err) != RK_OK) {
      luaL_error(L, "%s", err.text);
    }
    return rk_param_text(param);
  }
  for (size_t i = 0; i < 3; i++) {
    if (strcmp(name, names[i]) == 0) {
      return name;
    }
  }
  luaL_error(L, "rk.open: option '%s': '%s', '%s' or '%s' expected, got '%s'%s", key, names[0],
             names[1], names[2], name, lrk_hint(L, name, names, 3));
  return NULL;
}

static const char *policy_option(lua_State *L, int index)
{
  static const char *const names[] = {"latency", "balanced", "eco"};
  const char *name = lrk_option_text(L, index, "policy", "balanced");
  for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
    if (strcmp(name, names[i]) == 0) {
      return name;
    }
  }
  luaL_error(L, "rk.open: option 'policy': 'latency', 'balanced' or 'eco' expected, got '%s'%s",
             name, lrk_hint(L, name, names, RK_ARRAY_LEN(names)));
  return NULL;
}

/* The form of a cluster's lanes, or NULL. */
static const char *lanes_option(lua_State *L, int index)
{
  static const char *const names[] = {"plain", "counted"};
  const char *name = lrk_option_text(L, index, "cluster_lanes", NULL);
  if (name == NULL) {
    return NULL;
  }
  if (strcmp(name, names[0]) != 0 && strcmp(name, names[1]) != 0) {
    luaL_error(L, "rk.open: option 'cluster_lanes': 'plain' or 'counted' expected, got '%s'%s",
               name, lrk_hint(L, name, names, RK_ARRAY_LEN(names)));
  }
  if (lrk_option_integer(L, index, "cluster", 0) < 2) {
    luaL_error(L, "rk.open: option 'cluster_lanes' says nothing without 'cluster' of 2 or more");
  }
  return name;
}

/* How long dead letters are kept, ns: UINT64_MAX = for ever, 0 = not said. */
static uint64_t age_option(lua_State *L, int index)
{
  uint64_t age_ns = 0;
  if (lua_istable(L, index) && lua_getfield(L, index, "dead_letter_age") != LUA_TNIL) {
    lua_Number seconds = lua_tonumber(L, -1);
    if (!(seconds > 0)) {
      luaL_error(L, "rk.open: option 'dead_letter_age': seconds, more than 0, expected, got %f",
                 seconds);
    }
    age_ns = seconds < 1e9 ? (uint64_t)(seconds * 1e9) : UINT64_MAX;
    age_ns += age_ns == 0; /* less than a nanosecond is not "not said" */
  }
  lua_settop(L, 1);
  return age_ns;
}

/* open(options) -> runtime | nil, message, code */
int lrk_core_open(lua_State *L)
{
  /* clang-format off */
  static const lrk_option options[] = {{"backend", LRK_TEXT, 0, 0},
                                       {"cache", LRK_NAME, 0, 0},
                                       {"device", LRK_INT, 0, 1024},
                                       {"blocks", LRK_INT, 1, 65536},
                                       {"cluster", LRK_INT, 1, 8},
                                       {"cluster_lanes", LRK_TEXT, 0, 0},
                                       {"sms", LRK_INT, 1, 65536},
                                       {"max_actors", LRK_INT, 1, (1 << RK_ID_SLOT_BITS) - 1},
                                       {"ring_units", LRK_INT, 16, 1 << 24},
                                       {"dead_letters", LRK_INT, 1, 1 << 24},
                                       {"dead_letter_tries", LRK_INT, 1, 15},
                                       {"dead_letter_age", LRK_NUMBER, 0, 0},
                                       {"memory_budget", LRK_INT, 1, INT64_MAX},
                                       {"spill", LRK_NAME, 0, 0},
                                       {"spill_max", LRK_INT, 1, INT64_MAX},
                                       {"policy", LRK_TEXT, 0, 0},
                                       {"grace", LRK_INT, 0, 86400},
                                       {"spin_us", LRK_INT, 0, 1000000},
                                       {"node", LRK_INT, 0, UINT16_MAX},
                                       {"pin", LRK_BOOL, 0, 0},
                                       {"checksum", LRK_BOOL, 0, 0},
                                       {"latency", LRK_BOOL, 0, 0},
                                       {"transport", LRK_TEXT, 0, 0},
                                       {"trace", LRK_INT, 0, 1 << 20},
                                       {NULL, LRK_ANY, 0, 0}};
  /* clang-format on */
  static const char *const backends[] = {"auto", "cpu", "cuda"};
  static const char *const transports[] = {"auto", "plain", "tagged"};
  lua_settop(L, 1);
  lrk_options(L, 1, "rk.open", options);
  rk_runtime_options open = {
      .backend = choice_option(L, 1, "backend", RK_PARAM_BACKEND, backends),
      .cache_dir = lrk_option_text(L, 1, "cache", NULL),
      .device = (uint32_t)lrk_option_integer(L, 1, "device", 0),
      .blocks = (uint32_t)lrk_option_integer(L, 1, "blocks", 0),
      .cluster = (uint32_t)lrk_option_integer(L, 1, "cluster", 0),
      .cluster_lanes = lanes_option(L, 1),
      .sms = (uint32_t)lrk_option_integer(L, 1, "sms", 0),
      .max_actors = (uint32_t)lrk_option_integer(L, 1, "max_actors", 0),
      .ring_units = (uint32_t)lrk_option_integer(L, 1, "ring_units", 0),
      .dead_letters = (uint32_t)lrk_option_integer(L, 1, "dead_letters", 0),
      .dead_letter_tries = (uint32_t)lrk_option_integer(L, 1, "dead_letter_tries", 0),
      .dead_letter_age_ns = age_option(L, 1),
      .memory_budget = (uint64_t)lrk_option_integer(L, 1, "memory_budget", 0),
      .spill = lrk_option_text(L, 1, "spill", NULL),
      .spill_max = (uint64_t)lrk_option_integer(L, 1, "spill_max", 0),
      .policy = policy_option(L, 1),
      .grace_s = (int32_t)lrk_option_integer(L, 1, "grace", -1),
      .spin_us = (int32_t)lrk_option_integer(L, 1, "spin_us", -1),
      .node = (uint16_t)lrk_option_integer(L, 1, "node", 0),
      .pin = lrk_option_bool(L, 1, "pin", false),
      .checksum = lrk_option_bool(L, 1, "checksum", false),
      .latency = lrk_option_bool(L, 1, "latency", false),
      .transport = choice_option(L, 1, "transport", RK_PARAM_TRANSPORT, transports),
      .trace_records = (uint32_t)lrk_option_integer(L, 1, "trace", 0),
  };
  if (open.spill_max != 0 && open.spill == NULL) {
    return luaL_error(L, "rk.open: option 'spill_max' says nothing without 'spill'");
  }
  lrk_runtime *self = lua_newuserdatauv(L, sizeof *self, LRK_RT_VALUES);
  *self = (lrk_runtime){.next_sub = 1, .node = open.node, .types = lrk_types_of(L)};
  luaL_setmetatable(L, LRK_RUNTIME);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setiuservalue(L, 2, LRK_RT_ACTORS);
  lua_newtable(L);
  lua_setiuservalue(L, 2, LRK_RT_SUBS);
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_open(&open, &self->rt, &err);
  if (status != RK_OK) {
    self->rt = NULL;
    return lrk_fail(L, status, &err);
  }
  rk_runtime_info_get(self->rt, &self->info);
  return 1;
}
