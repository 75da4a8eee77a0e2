/* SPDX-License-Identifier: MIT */
/*
 * Floors of the Lua boundary: the least that a send from Lua can cost, with no queue behind it. A
 * Lua module, used by bench/lua/boundary.lua.
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#define SLOTS 64u
#define SLOT_BYTES 128u
#define CLASS "bench.floor"

int luaopen_lua_floor(lua_State *L);

typedef struct floor_ring {
  unsigned position;
  unsigned char slots[SLOTS][SLOT_BYTES];
} floor_ring;

/* object:send(string) -> true: class checked, bytes copied to a slot. */
static int floor_send(lua_State *L)
{
  floor_ring *ring = luaL_checkudata(L, 1, CLASS);
  size_t bytes = 0;
  const char *text = luaL_checklstring(L, 2, &bytes);
  luaL_argcheck(L, bytes <= SLOT_BYTES, 2, "too long");
  memcpy(ring->slots[ring->position++ % SLOTS], text, bytes);
  lua_pushboolean(L, 1);
  return 1;
}

/* object:send_fields(table) -> true: class checked, 4 fields by name copied to a slot. */
static int floor_send_fields(lua_State *L)
{
  static const char *const names[] = {"sensor", "flags", "value", "stamp"};
  floor_ring *ring = luaL_checkudata(L, 1, CLASS);
  lua_Number fields[4];
  luaL_checktype(L, 2, LUA_TTABLE);
  for (int i = 0; i < 4; ++i) {
    lua_getfield(L, 2, names[i]);
    fields[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  memcpy(ring->slots[ring->position++ % SLOTS], fields, sizeof(fields));
  lua_pushboolean(L, 1);
  return 1;
}

static int floor_new(lua_State *L)
{
  memset(lua_newuserdatauv(L, sizeof(floor_ring), 0), 0, sizeof(floor_ring));
  luaL_setmetatable(L, CLASS);
  return 1;
}

int luaopen_lua_floor(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"send", floor_send}, {"send_fields", floor_send_fields}, {NULL, NULL}};
  luaL_newmetatable(L, CLASS);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, floor_new);
  return 1;
}
