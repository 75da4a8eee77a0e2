/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints for lua/ringkernel/checkpoint.lua, which checks options, launches what is missing and
 * says what goes into notes.
 *
 * A restore is a userdata between reading a checkpoint and putting it into the runtime.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

static void set_u64(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}
static void set_seconds(lua_State *L, const char *key, uint64_t ns)
{
  lua_pushnumber(L, (lua_Number)ns / 1e9);
  lua_setfield(L, -2, key);
}
static void set_text(lua_State *L, const char *key, const char *text)
{
  lua_pushstring(L, text);
  lua_setfield(L, -2, key);
}

/* The list of names in field `key` of the table at `index`; the array is a userdata that stays on
 * the stack, as do the table's strings in the table. */
static const char **read_names(lua_State *L, int index, const char *key, size_t *count)
{
  if (lua_getfield(L, index, key) != LUA_TTABLE) {
    *count = 0;
    return NULL;
  }
  *count = (size_t)lua_rawlen(L, -1);
  const char **names = lua_newuserdatauv(L, (*count + 1u) * sizeof(*names), 0);
  for (size_t i = 0; i < *count; ++i) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    names[i] = luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  return names;
}

/* Field `notes`: { { name, bytes }, ... }; as above. */
static rk_checkpoint_note *read_notes(lua_State *L, int index, size_t *count)
{
  if (lua_getfield(L, index, "notes") != LUA_TTABLE) {
    *count = 0;
    return NULL;
  }
  *count = (size_t)lua_rawlen(L, -1);
  rk_checkpoint_note *notes = lua_newuserdatauv(L, (*count + 1u) * sizeof(*notes), 0);
  for (size_t i = 0; i < *count; ++i) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    notes[i].actor = luaL_checkstring(L, -2);
    notes[i].data = luaL_checklstring(L, -1, &notes[i].size);
    lua_pop(L, 3);
  }
  return notes;
}

/* checkpoint(rt, path, { parent =, keep =, actors = list of names, notes = list of pairs })
 * -> info | nil, message, code */
static int core_checkpoint(lua_State *L)
{
  lua_settop(L, 3);
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  const char *path = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  rk_checkpoint_options options = {
      .parent = lrk_option_text(L, 3, "parent", NULL),
      .keep = (uint32_t)lrk_option_integer(L, 3, "keep", 0),
  };
  options.actors = read_names(L, 3, "actors", &options.actor_count);
  options.notes = read_notes(L, 3, &options.note_count);
  rk_checkpoint_info *info = lua_newuserdatauv(L, sizeof(*info), 0);
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_checkpoint(self->rt, path, &options, info, &err);
  lrk_runtime_kick(L, self, 1); /* what came meanwhile was drained */
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_createtable(L, 0, 16);
  set_text(L, "path", info->path);
  set_text(L, "digest", info->digest);
  if (info->parent[0] != '\0') {
    set_text(L, "parent", info->parent);
  }
  set_u64(L, "number", info->number);
  set_u64(L, "bytes", info->bytes);
  set_u64(L, "actors", info->actors);
  set_u64(L, "written", info->written);
  set_u64(L, "deleted", info->deleted);
  set_u64(L, "messages", info->messages);
  set_u64(L, "dead_letters", info->letters);
  set_u64(L, "retained", info->topics);
  set_seconds(L, "pause_s", info->pause_ns);
  set_seconds(L, "write_s", info->write_ns);
  lrk_push_stamp(L, info->hlc, self->node);
  lua_setfield(L, -2, "hlc");
  return 1;
}

/* checkpoint_number(stem, i) -> the i-th largest number of the series, from 0 | nil, message, code
 */
static int core_checkpoint_number(lua_State *L)
{
  uint64_t number = 0;
  rk_error err = RK_ERROR_INIT;
  int status = rk_checkpoint_number(luaL_checkstring(L, 1), (size_t)luaL_checkinteger(L, 2),
                                    &number, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushinteger(L, (lua_Integer)number);
  return 1;
}

/* ---- class restore --------------------------------------------------------------------------- */

typedef struct lrk_restore {
  rk_restore *restore; /* NULL once closed */
} lrk_restore;

/* restore_open(rt, path) -> restore | nil, message, code */
static int core_restore_open(lua_State *L)
{
  lua_settop(L, 2);
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  const char *path = luaL_checkstring(L, 2);
  lrk_restore *r = lua_newuserdatauv(L, sizeof(*r), 1);
  r->restore = NULL;
  luaL_setmetatable(L, LRK_RESTORE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  rk_error err = RK_ERROR_INIT;
  int status = rk_restore_open(self->rt, path, &r->restore, &err);
  return status == RK_OK ? 1 : lrk_fail(L, status, &err);
}

static rk_restore *check_restore(lua_State *L)
{
  const lrk_restore *r = luaL_checkudata(L, 1, LRK_RESTORE);
  luaL_argcheck(L, r->restore != NULL, 1, "the restore is closed");
  return r->restore;
}

static int restore_close(lua_State *L)
{
  lrk_restore *r = luaL_checkudata(L, 1, LRK_RESTORE);
  rk_restore_close(r->restore);
  r->restore = NULL;
  return 0;
}

/* Where a port led, with the options of rt:connect. */
static void push_link(lua_State *L, const char *dest, const rk_link_options *link)
{
  lua_createtable(L, 0, 5);
  set_text(L, "to", dest);
  set_text(L, "policy", rk_link_kind_name(link->policy));
  if (link->limit != 0) {
    set_u64(L, "limit", link->limit);
  }
  if (link->credits != 0) {
    set_u64(L, "credits", link->credits);
  }
  if (link->deadline_ns != 0) {
    set_seconds(L, "deadline", link->deadline_ns);
  }
}

/* restore:actors() -> list of { name, definition, state, queue, grid, is_there, note, ports } */
static int restore_actors(lua_State *L)
{
  rk_restore *restore = check_restore(L);
  rk_restore_actor actor;
  lua_newtable(L);
  for (size_t i = 0; rk_restore_actor_get(restore, i, &actor); ++i) {
    const char *port = NULL, *dest = NULL;
    rk_link_options link;
    lua_createtable(L, 0, 8);
    lua_newtable(L);
    for (size_t k = 0; rk_restore_port_get(restore, i, k, &port, &dest, &link); ++k) {
      if (dest[0] != '\0') {
        push_link(L, dest, &link);
        lua_setfield(L, -2, port);
      }
    }
    lua_setfield(L, -2, "ports");
    set_text(L, "name", actor.name);
    set_text(L, "definition", actor.definition);
    if (actor.tenant[0] != '\0') {
      set_text(L, "tenant", actor.tenant);
    }
    set_text(L, "state", actor.state);
    set_u64(L, "queue", actor.queue);
    set_u64(L, "grid", actor.grid);
    lua_pushboolean(L, actor.is_there);
    lua_setfield(L, -2, "is_there");
    if (actor.note != NULL) {
      lua_pushlstring(L, actor.note, actor.note_bytes);
      lua_setfield(L, -2, "note");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* restore:rest(i): the i-th, from 1, is not activated */
static int restore_rest(lua_State *L)
{
  rk_restore_rest(check_restore(L), (size_t)(luaL_checkinteger(L, 2) - 1));
  return 0;
}

/* restore:links(i) -> true | nil, message, code: what waited on links of a Lua actor is there again */
static int restore_links(lua_State *L)
{
  rk_error err = RK_ERROR_INIT;
  int status = rk_restore_links(check_restore(L), (size_t)(luaL_checkinteger(L, 2) - 1), &err);
  return lrk_result(L, status, &err);
}

/* restore:apply() -> info | nil, message, code */
static int restore_apply(lua_State *L)
{
  rk_restore *restore = check_restore(L);
  rk_restore_info info = {0};
  rk_error err = RK_ERROR_INIT;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lrk_runtime *self = lrk_open_runtime(L, 2);
  if (self == NULL) {
    return 3;
  }
  int status = rk_restore_apply(restore, &info, &err);
  lrk_runtime_kick(L, self, 2);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_createtable(L, 0, 12);
  set_u64(L, "actors", info.actors);
  set_u64(L, "messages", info.messages);
  set_u64(L, "dead_letters", info.letters);
  set_u64(L, "retained", info.topics);
  set_u64(L, "unconnected", info.unconnected);
  set_seconds(L, "pause_s", info.pause_ns);
  lrk_push_stamp(L, info.hlc, self->node);
  lua_setfield(L, -2, "hlc");
  return 1;
}

const luaL_Reg lrk_checkpoint_functions[] = {{"checkpoint", core_checkpoint},
                                             {"checkpoint_number", core_checkpoint_number},
                                             {"restore_open", core_restore_open},
                                             {NULL, NULL}};

void lrk_checkpoint_register(lua_State *L)
{
  static const luaL_Reg methods[] = {{"actors", restore_actors}, {"rest", restore_rest},
                                     {"apply", restore_apply},   {"links", restore_links},
                                     {"close", restore_close},   {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__close", restore_close}, {"__gc", restore_close}, {NULL, NULL}};
  lrk_class(L, LRK_RESTORE, methods, meta, NULL);
}
