/* SPDX-License-Identifier: MIT */
/*
 * What a runtime launches, finds, connects and reports: methods of class runtime.
 */
#include "lua/lrk.h"

#include <ctype.h>
#include <string.h>

#include "base/base.h"

/* ---- actors ---------------------------------------------------------------------------------- */

/* rt:launch(definition, options) -> actor | nil, message, code [, log] */
static int runtime_launch(lua_State *L)
{
  static const lrk_option options[] = {{"name", LRK_NAME, 0, 0},
                                       {"queue", LRK_INT, 1, RK_QUEUE_MAX_MSGS},
                                       {"queue_max", LRK_INT, 1, RK_QUEUE_MAX_MSGS},
                                       {"memory_budget", LRK_INT, 1, INT64_MAX},
                                       {"activate", LRK_BOOL, 0, 0},
                                       {"grid", LRK_INT, 1, INT32_MAX},
                                       {"block", LRK_INT, 0, 65535},
                                       {"wait", LRK_BOOL, 0, 0},
                                       {"tenant", LRK_ANY, 0, 0},
                                       {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 3);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  rk_kernel *kernel = lrk_test_kernel(L, 2);
  if (kernel == NULL) {
    return lrk_argument(L, 2, "a kernel definition (rk.kernel) or the name of a stock one");
  }
  lrk_options(L, 3, "launch", options);
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_launch_options launch = {
      .name = lrk_option_text(L, 3, "name", NULL),
      .queue = (uint32_t)lrk_option_integer(L, 3, "queue", 0),
      .queue_max = (uint32_t)lrk_option_integer(L, 3, "queue_max", 0),
      .memory_budget = (uint64_t)lrk_option_integer(L, 3, "memory_budget", 0),
      .grid = (uint32_t)lrk_option_integer(L, 3, "grid", 0),
      .block = (int32_t)lrk_option_integer(L, 3, "block", -1),
      .inactive = !lrk_option_bool(L, 3, "activate", true),
      .unwaited = !lrk_option_bool(L, 3, "wait", true),
  };
  if (!lrk_option_tenant(L, self, 3, "launch", &launch.as)) {
    return 3;
  }
  rk_actor *actor = NULL;
  char *log = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = rk_actor_launch(self->rt, kernel, &launch, &actor, &log, &err);
  lrk_runtime_kick(L, self, 1);
  if (status != RK_OK) {
    return lrk_fail_log(L, status, &err, log);
  }
  rk_text_free(log); /* warnings of a compiler that succeeded */
  lrk_push_actor(L, 1, actor, 2);
  return 1;
}

/* Pushes a found actor, or nil, message, "not_found". */
static int push_found(lua_State *L, rk_actor *actor)
{
  if (actor == NULL) {
    return lrk_fail_text(L, RK_ENOT_FOUND, "no living actor fits %s", lrk_describe(L, 2));
  }
  lrk_push_actor(L, 1, actor, 0);
  return 1;
}

/* rt:find(name | id) -> actor | nil, message, "not_found" */
static int runtime_find(lua_State *L)
{
  const lrk_runtime *self = lrk_check_runtime(L, 1);
  bool is_id = lua_isinteger(L, 2) != 0;
  if (!is_id && lua_type(L, 2) != LUA_TSTRING) {
    return lrk_argument(L, 2, "a name or an actor id");
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  return push_found(L, is_id ? rk_runtime_find_id(self->rt, (uint64_t)lua_tointeger(L, 2))
                             : rk_runtime_find(self->rt, lua_tostring(L, 2)));
}

/* rt:actor(pattern) -> actor | nil, message, "not_found" */
static int runtime_actor(lua_State *L)
{
  const char *pattern = luaL_checkstring(L, 2);
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  return push_found(L, rk_runtime_match(self->rt, pattern));
}

/* rt:actors() -> list */
static int runtime_actors(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  uint64_t cursor = 0;
  lua_Integer count = 0;
  rk_actor *actor = NULL;
  lua_newtable(L);
  while ((actor = rk_runtime_next_actor(self->rt, &cursor)) != NULL) {
    lrk_push_actor(L, 1, actor, 0);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

static void set_u64(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* The open actor at `index`; raises if it belongs to another runtime. NULL with nil, message,
 * code. */
static rk_actor *actor_of(lua_State *L, const lrk_runtime *self, int index)
{
  const lrk_actor *actor = lrk_check_actor(L, index);
  if (actor->home != self) {
    luaL_argerror(L, index, "an actor of the same runtime expected");
  }
  if (actor->actor == NULL) {
    lrk_fail_text(L, RK_ECLOSED, "the actor's handle is closed");
  }
  return actor->actor;
}

rk_link_options lrk_link_options(lua_State *L, int index)
{
  static const lrk_option options[] = {{"policy", LRK_TEXT, 0, 0},
                                       {"limit", LRK_INT, 1, RK_QUEUE_MAX_MSGS},
                                       {"deadline", LRK_NUMBER, 0, 0},
                                       {"credits", LRK_INT, 1, 2 * RK_QUEUE_MAX_MSGS},
                                       {NULL, LRK_ANY, 0, 0}};
  const char *names[RK_LINK_POLICIES];
  rk_link_options out = {.policy = RK_LINK_KIND_BLOCK};
  lrk_options(L, index, "connect", options);
  for (uint32_t i = 0; i < RK_LINK_POLICIES; i++) {
    names[i] = rk_link_kind_name((rk_link_kind)i);
  }
  const char *policy = lrk_option_text(L, index, "policy", names[0]);
  while (strcmp(names[out.policy], policy) != 0) {
    if (++out.policy == RK_LINK_POLICIES) {
      luaL_error(L,
                 "connect: option 'policy': one of 'block', 'buffer', 'drop_newest', "
                 "'drop_oldest', 'dead_letter' expected, got '%s'%s",
                 policy, lrk_hint(L, policy, names, RK_LINK_POLICIES));
    }
  }
  out.limit = (uint32_t)lrk_option_integer(L, index, "limit", 0);
  out.credits = (uint32_t)lrk_option_integer(L, index, "credits", 0);
  if (lua_istable(L, index) && lua_getfield(L, index, "deadline") != LUA_TNIL) {
    lua_Number seconds = lua_tonumber(L, -1);
    if (!(seconds > 0) || seconds > 1e9) {
      luaL_error(L, "connect: option 'deadline': seconds, more than 0, expected, got %f", seconds);
    }
    out.deadline_ns = (uint64_t)(seconds * 1e9 +
                                 0.5); /* what we say in seconds comes back the same */
    out.deadline_ns += out.deadline_ns == 0;
  }
  if (out.limit != 0 && out.policy != RK_LINK_KIND_BUFFER &&
      out.policy != RK_LINK_KIND_DROP_OLDEST) {
    luaL_error(L, "connect: option 'limit' is for the policies 'buffer' and 'drop_oldest'");
  }
  if (out.deadline_ns != 0 && out.policy != RK_LINK_KIND_BLOCK) {
    luaL_error(L, "connect: option 'deadline' is for the policy 'block'");
  }
  return out;
}

/* rt:connect(from, port, to [, options]) -> true | nil, message, code */
static int runtime_connect(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  rk_actor *from = actor_of(L, self, 2);
  const char *port = luaL_checkstring(L, 3);
  rk_actor *to = from != NULL ? actor_of(L, self, 4) : NULL;
  rk_link_options options = lrk_link_options(L, 5);
  if (from == NULL || to == NULL) {
    return 3;
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_link(self->rt, from, port, to, &options, &err);
  lrk_runtime_kick(L, self, 1);
  return lrk_result(L, status, &err);
}

/* actor_links(actor) -> port -> { to =, policy =, ... } of its connected ports, as its block has them
 * | nil, message, code. `to` is the actor, if it is alive. */
static int core_actor_links(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  rk_link_stats links[RK_PORTS_MAX];
  size_t count = RK_PORTS_MAX;
  rk_error err = RK_ERROR_INIT;
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, LRK_ACTOR_HOME);
  const lrk_runtime *home = lrk_open_runtime(L, 2);
  if (home == NULL) {
    return 3;
  }
  int status = rk_actor_links_get(self->actor, links, &count, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    const rk_link_stats *link = &links[i];
    if (link->to == 0) {
      continue;
    }
    lua_createtable(L, 0, 12);
    rk_actor *to = rk_runtime_find_id(home->rt, link->to);
    if (to != NULL) {
      lrk_push_actor(L, 2, to, 0);
      lua_setfield(L, -2, "to");
    }
    lua_pushstring(L, rk_link_kind_name(link->policy));
    lua_setfield(L, -2, "policy");
    if (link->limit != 0) {
      set_u64(L, "limit", link->limit);
    }
    if (link->deadline_ns != 0) {
      lua_pushnumber(L, (lua_Number)link->deadline_ns * 1e-9);
      lua_setfield(L, -2, "deadline");
    }
    set_u64(L, "credits", link->credits);
    set_u64(L, "sent", link->sent);
    set_u64(L, "waiting", link->waiting);
    set_u64(L, "high", link->high);
    set_u64(L, "stalls", link->stalls);
    set_u64(L, "dropped", link->dropped);
    set_u64(L, "dead", link->dead);
    lua_setfield(L, -2, link->port);
  }
  return 1;
}

/* rt:disconnect(from, port) -> true | nil, message, code */
static int runtime_disconnect(lua_State *L)
{
  lrk_runtime *self = lrk_check_runtime(L, 1);
  rk_actor *from = actor_of(L, self, 2);
  const char *port = luaL_checkstring(L, 3);
  if (from == NULL) {
    return 3;
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_disconnect(self->rt, from, port, &err);
  lrk_runtime_kick(L, self, 1);
  return lrk_result(L, status, &err);
}

/* ---- commands -------------------------------------------------------------------------------- */

typedef struct named_code {
  const char *name;
  uint32_t code;
} named_code;

static const named_code commands[] = {
#define COMMAND_ENTRY(name, number, meaning) {#name, number},
    RK_COMMAND_LIST(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

static const named_code responses[] = {
#define RESPONSE_ENTRY(name, number, text) {text, number},
    RK_RESPONSE_LIST(RESPONSE_ENTRY)
#undef RESPONSE_ENTRY
};

/* "heartbeat_request" or a number. */
static uint32_t check_command(lua_State *L, int index)
{
  if (lua_isinteger(L, index)) {
    lua_Integer code = lua_tointeger(L, index);
    luaL_argcheck(L, code >= 0 && code <= UINT32_MAX, index, "a command number expected");
    return (uint32_t)code;
  }
  const char *text = luaL_checkstring(L, index);
  for (size_t i = 0; i < RK_ARRAY_LEN(commands); i++) {
    const char *a = text;
    const char *b = commands[i].name;
    while (*a != '\0' && toupper((unsigned char)*a) == *b) {
      a++;
      b++;
    }
    if (*a == '\0' && *b == '\0') {
      return commands[i].code;
    }
  }
  const char *names[RK_ARRAY_LEN(commands)];
  for (size_t i = 0; i < RK_ARRAY_LEN(commands); i++) {
    names[i] = commands[i].name;
  }
  luaL_argerror(L, index,
                lua_pushfstring(L, "no command is called '%s'%s", text,
                                lrk_hint(L, text, names, RK_ARRAY_LEN(commands))));
  return 0;
}

static lua_Number option_number(lua_State *L, int index, const char *name)
{
  lua_Number value = 0.0;
  if (lua_istable(L, index)) {
    lua_getfield(L, index, name);
    value = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return value;
}

/* rt:command(name, options) -> result | nil, message, code */
static int runtime_command(lua_State *L)
{
  static const lrk_option options[] = {{"block", LRK_INT, 0, 65535},
                                       {"param1", LRK_INT, INT64_MIN, INT64_MAX},
                                       {"param2", LRK_INT, 0, UINT32_MAX},
                                       {"param3", LRK_INT, 0, UINT32_MAX},
                                       {"param4", LRK_NUMBER, 0, 0},
                                       {"param5", LRK_NUMBER, 0, 0},
                                       {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 3);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  uint32_t code = check_command(L, 2);
  lrk_options(L, 3, "command", options);
  lua_Integer block = lrk_option_integer(L, 3, "block", 0);
  if (block >= (lua_Integer)self->info.blocks) {
    return luaL_error(L, "command: option 'block': the runtime has blocks 0 to %I, got %I",
                      (lua_Integer)self->info.blocks - 1, block);
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  rk_command_result result = {0};
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_command(
      self->rt, (uint32_t)block, code, (uint64_t)lrk_option_integer(L, 3, "param1", 0),
      (uint32_t)lrk_option_integer(L, 3, "param2", 0),
      (uint32_t)lrk_option_integer(L, 3, "param3", 0), (float)option_number(L, 3, "param4"),
      (float)option_number(L, 3, "param5"), &result, &err);
  lrk_runtime_kick(L, self, 1);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, (lua_Integer)result.code);
  for (size_t i = 0; i < RK_ARRAY_LEN(responses); i++) {
    if (responses[i].code == result.code) {
      lua_pop(L, 1);
      lua_pushstring(L, responses[i].name);
      break;
    }
  }
  lua_setfield(L, -2, "code");
  if (result.error != RK_OK) {
    lua_pushstring(L, rk_status_name(result.error));
    lua_setfield(L, -2, "error");
  }
  set_u64(L, "step", result.step);
  set_u64(L, "steps_remaining", result.steps_remaining);
  set_u64(L, "actor", result.actor);
  set_u64(L, "checksum", result.checksum);
  set_u64(L, "flags", result.flags);
  return 1;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* actor_rename(actor, name) -> true | nil, message, code */
static int core_actor_rename(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  const char *name = luaL_checkstring(L, 2);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  rk_error err = RK_ERROR_INIT;
  return lrk_result(L, rk_actor_rename(self->actor, name, &err), &err);
}

/* name_fits(pattern, name) -> boolean */
static int core_name_fits(lua_State *L)
{
  lua_pushboolean(L, rk_name_fits(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
  return 1;
}

const luaL_Reg lrk_registry_functions[] = {{"actor_rename", core_actor_rename},
                                           {"name_fits", core_name_fits},
                                           {"actor_links", core_actor_links},
                                           {NULL, NULL}};

const luaL_Reg lrk_registry_methods[] = {
    {"launch", runtime_launch},   {"find", runtime_find},
    {"actor", runtime_actor},     {"actors", runtime_actors},
    {"connect", runtime_connect}, {"disconnect", runtime_disconnect},
    {"command", runtime_command}, {NULL, NULL},
};
