/* SPDX-License-Identifier: MIT */
/*
 * Dead letters for Lua: the list, one letter replayed or dropped, the counts. Filters and what
 * replaying many means are in dead_letters.lua.
 */
#include "lua/lrk.h"

#include <string.h>

static void set_u64(lua_State *L, const char *key, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static void push_letter(lua_State *L, const lrk_runtime *self, const rk_dead_letter *letter)
{
  rk_received content = letter->message;
  lua_createtable(L, 0, 14);
  if ((content.flags & RK_MSG_PUBLISH) != 0 && content.size >= RK_TOPIC_BYTES) {
    const char *topic = content.data;
    lua_pushlstring(L, topic, strnlen(topic, RK_TOPIC_BYTES));
    lua_setfield(L, -2, "topic");
    content.data = topic + RK_TOPIC_BYTES;
    content.size -= RK_TOPIC_BYTES;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_types);
  bool is_known = lua_rawgeti(L, -1, (lua_Integer)content.type) == LUA_TTABLE;
  lua_pop(L, 2);
  if (is_known && content.reason != RK_DEAD_CORRUPT) {
    lrk_push_received(L, self, &content);
    lua_setfield(L, -2, "message");
  }
  lua_pushlstring(L, content.data != NULL ? content.data : "", content.size);
  lua_setfield(L, -2, "bytes");
  lua_pushstring(L, rk_dead_reason_name(content.reason));
  lua_setfield(L, -2, "reason");
  set_u64(L, "dest", letter->dest);
  set_u64(L, "source", content.sender);
  set_u64(L, "correlation", content.correlation);
  set_u64(L, "id", content.id);
  set_u64(L, "type", content.type);
  set_u64(L, "priority", content.priority);
  set_u64(L, "serial", letter->serial);
  set_u64(L, "tries", letter->tries);
  lua_pushnumber(L, (lua_Number)letter->age_ns * 1e-9);
  lua_setfield(L, -2, "age");
  lrk_push_stamp(L, content.hlc, self->node);
  lua_setfield(L, -2, "hlc");
}

/* rt:dead_letters() -> list, oldest first. Letters have the actor they were for, if it is known. */
int lrk_runtime_dead_letters(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  size_t calls = 0;
  lrk_runtime_drain(L, 1, &calls);
  lrk_runtime_kick(L, self, 1);
  lua_newtable(L);
  rk_dead_letter letter;
  for (size_t i = 0; self->rt != NULL && rk_runtime_dead_letter_at(self->rt, i, &letter) == RK_OK;
       i++) {
    push_letter(L, self, &letter);
    if (letter.actor != NULL) {
      lrk_push_actor(L, 1, rk_actor_retain(letter.actor), 0);
      lua_setfield(L, -2, "actor");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* dead_letter_drop(rt, serial) -> boolean: it was there | nil, message, code */
static int core_dead_letter_drop(lua_State *L)
{
  uint64_t serial = (uint64_t)luaL_checkinteger(L, 2);
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  lua_pushboolean(L, rk_runtime_dead_letter_drop(self->rt, serial) == RK_OK);
  return 1;
}

/* dead_letter_replay(rt, serial, actor or nil) -> true | nil, message, code */
static int core_dead_letter_replay(lua_State *L)
{
  uint64_t serial = (uint64_t)luaL_checkinteger(L, 2);
  const lrk_actor *to = lua_isnoneornil(L, 3) ? NULL : lrk_check_actor(L, 3);
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  rk_error err = RK_ERROR_INIT;
  if (self == NULL) {
    return 3;
  }
  if (to != NULL && to->actor == NULL) {
    return lrk_fail_released(L);
  }
  return lrk_result(
      L, rk_runtime_dead_letter_replay(self->rt, serial, to != NULL ? to->actor : NULL, &err),
      &err);
}

void lrk_dead_push_stats(lua_State *L, const rk_runtime_stats *stats)
{
  set_u64(L, "dead_letters", stats->dead_letters);
  set_u64(L, "dead_letters_kept", stats->dead_letters_kept);
  set_u64(L, "dead_letters_expired", stats->dead_letters_expired);
  set_u64(L, "dead_letters_evicted", stats->dead_letters_evicted);
  set_u64(L, "dead_letters_replayed", stats->dead_letters_replayed);
  set_u64(L, "dead_letter_bytes", stats->dead_letter_bytes);
  lua_createtable(L, 0, RK_DEAD_REASONS);
  for (uint8_t reason = 1; reason < RK_DEAD_REASONS; reason++) {
    set_u64(L, rk_dead_reason_name(reason), stats->dead_by_reason[reason]);
  }
  lua_setfield(L, -2, "dead_by_reason");
}

const luaL_Reg lrk_dead_functions[] = {{"dead_letter_drop", core_dead_letter_drop},
                                       {"dead_letter_replay", core_dead_letter_replay},
                                       {NULL, NULL}};
