/* SPDX-License-Identifier: MIT */
/*
 * Envelopes: what came with a received message besides its fields (who sent it, when).
 *
 * Every received message gets one, few are asked for theirs, and a message has no hidden fields. So
 * keeping one must be cheap: the message goes to the end of a list with weak values, the log, and
 * its envelope to the same place of an array in C. Nobody knows where in the log a message is. Most
 * who ask do so soon, in the order of receiving, so the place behind the last answer and the newest
 * ones are looked at; for any other message the whole log goes into a table by message, with weak
 * keys. That costs each message once what entering it there at once would have.
 *
 * The collector empties places of the log. It is packed when it is full; if more than half is in use
 * then, it gets twice the room.
 *
 * An allocation may run finalizers, and these may receive: whatever allocates here looks afterwards
 * at what the log has become.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

const char lrk_key_envelopes = 'e';

enum { LEAST_ROOM = 64, NEWEST = 64 };

/* What rk.envelope unfolds. */
struct lrk_envelope {
  uint64_t id, correlation, hlc, sender;
  uint32_t type;
  uint16_t flags;
  uint16_t node;
  uint8_t priority;
  uint8_t pad[7];
};

/* ---- the log --------------------------------------------------------------------------------- */

/* Closes the gaps in the log. Allocates nothing. */
static void pack_log(lua_State *L, lrk_types *types)
{
  uint32_t kept = 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, types->log_messages);
  for (uint32_t i = 1; i <= types->logged; i++) {
    if (lua_rawgeti(L, -1, i) == LUA_TNIL) {
      lua_pop(L, 1);
      continue;
    }
    types->log[kept] = types->log[i - 1];
    lua_rawseti(L, -2, ++kept);
  }
  for (uint32_t i = kept + 1; i <= types->logged; i++) {
    lua_pushnil(L);
    lua_rawseti(L, -2, i);
  }
  types->logged = kept;
  types->log_last = 0;
  lua_pop(L, 1);
}

/* Gives the log room for `room`, which is more than it has in it, unless it changes meanwhile. */
static void resize_log(lua_State *L, lrk_types *types, uint32_t room)
{
  const uint32_t before = types->log_room;
  const int top = lua_gettop(L);
  lua_createtable(L, (int)room, 0);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, top + 1);
  struct lrk_envelope *log = lua_newuserdatauv(L, room * sizeof *log, 0);
  if (types->log_room == before && types->logged <= room) { /* nothing below allocates */
    lua_rawgeti(L, LUA_REGISTRYINDEX, types->log_messages);
    for (uint32_t i = 1; i <= types->logged; i++) {
      lua_rawgeti(L, top + 3, i);
      lua_rawseti(L, top + 1, i);
      log[i - 1] = types->log[i - 1];
    }
    lua_pushvalue(L, top + 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, types->log_messages);
    lua_pushvalue(L, top + 2);
    lua_rawseti(L, LUA_REGISTRYINDEX, types->log_memory);
    types->log = log;
    types->log_room = room;
  }
  lua_settop(L, top);
}

/* Makes room for one more. */
static void make_room(lua_State *L, lrk_types *types)
{
  if (types->log_room == 0) {
    resize_log(L, types, LEAST_ROOM);
    return;
  }
  pack_log(L, types);
  if (types->logged > types->log_room / 2u) {
    resize_log(L, types, types->log_room * 2u);
  } else if (types->logged < types->log_room / 8u && types->log_room > LEAST_ROOM) {
    resize_log(L, types, types->log_room / 2u);
  }
}

void lrk_envelope_keep(lua_State *L, lrk_types *types, int message, const rk_received *received,
                       uint16_t node)
{
  while (RK_UNLIKELY(types->logged == types->log_room)) {
    make_room(L, types);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, types->log_messages);
  lua_pushvalue(L, message);
  lua_rawseti(L, -2, (lua_Integer)types->logged + 1);
  types->log[types->logged++] = (struct lrk_envelope){received->id,
                                                      received->correlation,
                                                      received->hlc,
                                                      received->sender,
                                                      received->type,
                                                      received->flags,
                                                      node,
                                                      received->priority,
                                                      {0}};
}

/* ---- looking one up -------------------------------------------------------------------------- */

/* Whether the message at index 1 is at this place of the log, which is on top of the stack. */
static bool is_at(lua_State *L, const lrk_types *types, uint32_t place)
{
  if (place == 0 || place > types->logged) {
    return false;
  }
  lua_rawgeti(L, -1, place);
  bool is_it = lua_rawequal(L, -1, 1) != 0;
  lua_pop(L, 1);
  return is_it;
}

/* The message's place in the log, or 0: it is not among the newest. */
static uint32_t find_newest(lua_State *L, lrk_types *types)
{
  uint32_t found = 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, types->log_messages);
  if (is_at(L, types, types->log_last + 1)) {
    found = types->log_last + 1;
  } else if (is_at(L, types, types->log_last)) {
    found = types->log_last;
  }
  for (uint32_t i = 0; found == 0 && i < NEWEST && i < types->logged; i++) {
    found = is_at(L, types, types->logged - i) ? types->logged - i : 0;
  }
  lua_pop(L, 1);
  if (found != 0) {
    types->log_last = found;
  }
  return found;
}

/* Moves all of the log into the table at `table`. If memory runs out, each message is still in one
 * of them. */
static void empty_log(lua_State *L, lrk_types *types, int table)
{
  const int top = lua_gettop(L);
  for (uint32_t i = 1; i <= types->logged; i++) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, types->log_messages);
    if (lua_rawgeti(L, -1, i) != LUA_TNIL) {
      const struct lrk_envelope e = types->log[i - 1];
      lua_pushvalue(L, top + 2);
      lua_pushlstring(L, (const char *)&e, sizeof e);
      lua_rawset(L, table);
      lua_rawgeti(L, LUA_REGISTRYINDEX, types->log_messages);
      if (lua_rawgeti(L, -1, i) != LUA_TNIL && lua_rawequal(L, -1, top + 2)) {
        lua_pushnil(L);
        lua_rawseti(L, top + 3, i);
      }
    }
    lua_settop(L, top);
  }
  pack_log(L, types);
}

/* envelope(message) -> table | nil */
static int core_envelope(lua_State *L)
{
  struct lrk_envelope e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lrk_types *types = lrk_types_of(L);
  uint32_t place = find_newest(L, types);
  if (place != 0) {
    e = types->log[place - 1];
  } else {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_envelopes);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TSTRING) {
      empty_log(L, types, 2);
      lua_pushvalue(L, 1);
      if (lua_rawget(L, 2) != LUA_TSTRING) {
        lua_pushnil(L);
        return 1;
      }
    }
    memcpy(&e, lua_tostring(L, -1), sizeof e);
  }
  lua_createtable(L, 0, 7);
  lua_pushinteger(L, (lua_Integer)e.id);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, (lua_Integer)e.correlation);
  lua_setfield(L, -2, "correlation");
  lua_pushinteger(L, (lua_Integer)e.sender);
  lua_setfield(L, -2, "sender");
  lrk_push_stamp(L, e.hlc, e.node);
  lua_setfield(L, -2, "hlc");
  lua_pushinteger(L, (lua_Integer)e.type);
  lua_setfield(L, -2, "type");
  lua_pushstring(L, e.priority != 0 ? "high" : "normal");
  lua_setfield(L, -2, "priority");
  lua_pushinteger(L, e.flags);
  lua_setfield(L, -2, "flags");
  return 1;
}

const luaL_Reg lrk_envelope_functions[] = {{"envelope", core_envelope}, {NULL, NULL}};

void lrk_envelope_register(lua_State *L)
{
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lrk_key_envelopes);
}
