/* SPDX-License-Identifier: MIT */
/*
 * Message types: what makes a Lua table a message, and how a received one is made.
 *
 * A message type is a Lua table, the class, made by lua/ringkernel/message.lua; this file installs
 * in it what must be quick. The class is the metatable of its messages, and holds its schema under
 * a key that only C has, so "is this a message, and of what type" costs two look-ups, or none for a
 * type that lrk_types knows by its address. A missing field of a message reads as zero through
 * __index.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"
#include "core/schema.h"

const char lrk_key_types = 't';
const char lrk_key_type_cache = 'q';
const char lrk_key_schema = 's';

/* ---- whole messages -------------------------------------------------------------------------- */

lrk_schema *lrk_to_message(lua_State *L, int index)
{
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) {
    return NULL;
  }
  if (lua_rawgetp(L, -1, &lrk_key_schema) != LUA_TUSERDATA) {
    lua_pop(L, 2);
    return NULL;
  }
  lrk_schema *schema = lua_touserdata(L, -1);
  lua_getiuservalue(L, -1, LRK_SCHEMA_KEYS);
  return schema;
}

lrk_schema *lrk_check_message(lua_State *L, int index)
{
  lrk_schema *schema = lrk_to_message(L, index);
  if (schema == NULL) {
    lrk_argument(L, index, "a message (made by a message type)");
  }
  return schema;
}

static size_t place_of(const void *class)
{
  uintptr_t address = (uintptr_t) class;
  return (address >> 4 ^ address >> 10) % LRK_TYPE_PLACES;
}

lrk_schema *lrk_quick_message(lua_State *L, lrk_types *types, int index)
{
  if (RK_LIKELY(lua_type(L, index) == LUA_TTABLE && lua_getmetatable(L, index))) {
    const void *class = lua_topointer(L, -1);
    size_t place = place_of(class);
    if (RK_LIKELY(types->by_class[place].class == class)) {
      lrk_schema *schema = types->by_class[place].schema;
      lua_rawgeti(L, LUA_REGISTRYINDEX, schema->keys);
      return schema;
    }
    lrk_schema *schema = lrk_check_message(L, index);
    if (schema->class_at == class) { /* not one that only looks like it, which may be collected */
      types->by_class[place].class = class;
      types->by_class[place].schema = schema;
    }
    return schema;
  }
  return lrk_check_message(L, index);
}

/* The schema of the type with this id, or NULL. */
static lrk_schema *schema_of(lua_State *L, lrk_types *types, uint32_t id)
{
  lrk_schema **known = &types->by_id[(id ^ id >> 8) % LRK_TYPE_PLACES];
  if (RK_LIKELY(*known != NULL && (*known)->id == id)) {
    return *known;
  }
  lrk_schema *schema = NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_types);
  if (lua_rawgeti(L, -1, (lua_Integer)id) == LUA_TTABLE) {
    lua_rawget(L, -2);
    schema = lua_touserdata(L, -1);
  }
  lua_pop(L, 2);
  if (schema != NULL) {
    *known = schema;
  }
  return schema;
}

void lrk_push_received(lua_State *L, const lrk_runtime *home, const rk_received *received)
{
  luaL_checkstack(L, 12, "a received message");
  const lrk_schema *schema = schema_of(L, home->types, received->type);
  const int message = lua_gettop(L) + 1;
  if (RK_LIKELY(schema != NULL && schema->size == received->size)) {
    lua_createtable(L, 0, (int)schema->count);
    lua_rawgeti(L, LUA_REGISTRYINDEX, schema->keys);
    lrk_set_fields(L, schema, message, message + 1, received->data);
    lua_rawgeti(L, LUA_REGISTRYINDEX, schema->class);
    lua_setmetatable(L, message);
  } else {
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, (lua_Integer)received->type);
    lua_setfield(L, -2, "type");
    lua_pushlstring(L, received->data != NULL ? received->data : "", received->size);
    lua_setfield(L, -2, "bytes");
    luaL_setmetatable(L, LRK_RAW);
  }
  lrk_envelope_keep(L, home->types, message, received, home->node);
  lua_settop(L, message);
}

/* ---- classes --------------------------------------------------------------------------------- */

lrk_schema *lrk_check_type(lua_State *L, int index)
{
  if (lua_type(L, index) != LUA_TTABLE || lua_rawgetp(L, index, &lrk_key_schema) != LUA_TUSERDATA) {
    luaL_argerror(L, index,
                  lua_pushfstring(L, "a message type expected, got %s (call it with ':')",
                                  lrk_describe(L, index)));
  }
  return lua_touserdata(L, -1);
}

/* Raises "Reading has no field 'x'". The key is at `key`, the schema's userdata at `at`. */
static int refuse_field(lua_State *L, const lrk_schema *schema, int key)
{
  const char *name = rk_schema_name(schema->schema);
  if (lua_type(L, key) != LUA_TSTRING) {
    return luaL_error(L, "%s has no field [%s]", name, lrk_describe(L, key));
  }
  enum { MOST = 64 };
  const char *names[MOST];
  size_t count = 0;
  for (; count < schema->count && count < MOST; count++) {
    names[count] = rk_schema_field_at(schema->schema, count)->name;
  }
  const char *word = lua_tostring(L, key);
  return luaL_error(L, "%s has no field '%s'%s", name, word, lrk_hint(L, word, names, count));
}

/* class { field = value, ... } -> message: the table itself becomes it, unless it is a message
 * already. */
static int type_call(lua_State *L)
{
  lua_settop(L, 2);
  const lrk_schema *schema = lrk_check_type(L, 1);
  lua_getiuservalue(L, 3, LRK_SCHEMA_INDEX);
  if (lua_isnil(L, 2)) {
    lua_createtable(L, 0, (int)schema->count);
    lua_replace(L, 2);
  } else if (!lua_istable(L, 2)) {
    return luaL_error(L, "%s: a table of fields expected, got %s", rk_schema_name(schema->schema),
                      lrk_describe(L, 2));
  }
  bool is_copy = lua_getmetatable(L, 2) != 0;
  if (is_copy) {
    if (!lua_rawequal(L, -1, 1)) {
      return luaL_error(L, "%s: a plain table of fields expected, got one with a metatable (%s)",
                        rk_schema_name(schema->schema), lrk_describe(L, 2));
    }
    lua_pop(L, 1);
    lua_createtable(L, 0, (int)schema->count);
  } else {
    lua_pushvalue(L, 2);
  }
  lua_pushnil(L); /* class, fields, schema, index, message, key */
  while (lua_next(L, 2) != 0) {
    lua_pushvalue(L, 6);
    if (lua_rawget(L, 4) == LUA_TNIL) {
      return refuse_field(L, schema, 6);
    }
    /* So that a wrong value is reported where it is written. */
    lrk_check_field(L, schema, (uint32_t)lua_tointeger(L, -1) - 1, 7);
    if (is_copy) {
      lua_pushvalue(L, 6);
      lua_pushvalue(L, 7);
      lua_rawset(L, 5);
    }
    lua_settop(L, 6);
  }
  lua_pushvalue(L, 1);
  lua_setmetatable(L, 5);
  lua_settop(L, 5);
  return 1;
}

/* class:pack(message) -> string */
static int type_pack(lua_State *L)
{
  lua_settop(L, 2);
  const lrk_schema *schema = lrk_check_type(L, 1);
  if (lrk_check_message(L, 2) != schema) {
    return luaL_argerror(L, 2,
                         lua_pushfstring(L, "a message of type %s expected, got %s",
                                         rk_schema_name(schema->schema), lrk_describe(L, 2)));
  }
  luaL_Buffer buffer;
  char *bytes = luaL_buffinitsize(L, &buffer, schema->size);
  memset(bytes, 0, schema->size);
  int top = lua_gettop(L);
  lrk_pack(L, schema, 2, 3 + LRK_MESSAGE_VALUES, bytes);
  lua_settop(L, top); /* where the buffer's own values are */
  luaL_pushresultsize(&buffer, schema->size);
  return 1;
}

/* class:unpack(string) -> message | nil, message, "corrupt" */
static int type_unpack(lua_State *L)
{
  size_t length = 0;
  const lrk_schema *schema = lrk_check_type(L, 1);
  const char *bytes = luaL_checklstring(L, 2, &length);
  if (length != schema->size) {
    return lrk_fail_text(L, RK_ECORRUPT, "%s: %I bytes expected, got %I",
                         rk_schema_name(schema->schema), (lua_Integer)schema->size,
                         (lua_Integer)length);
  }
  int keys = lua_gettop(L) + 1;
  lua_getiuservalue(L, -1, LRK_SCHEMA_KEYS);
  lua_createtable(L, 0, (int)schema->count);
  lrk_set_fields(L, schema, keys + 1, keys, bytes);
  lua_pushvalue(L, 1);
  lua_setmetatable(L, -2);
  return 1;
}

/* __index of messages with arrays or buffers: a missing one becomes a table of zeros in the
 * message. */
static int message_index(lua_State *L)
{
  lua_settop(L, 2);
  lua_getiuservalue(L, lua_upvalueindex(1), LRK_SCHEMA_ZEROS);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 3) != LUA_TNIL) {
    return 1;
  }
  const lrk_schema *schema = lua_touserdata(L, lua_upvalueindex(1));
  lua_getiuservalue(L, lua_upvalueindex(1), LRK_SCHEMA_INDEX);
  lua_pushvalue(L, 2);
  if (lua_type(L, 1) != LUA_TTABLE || lua_rawget(L, -2) == LUA_TNIL) {
    lua_pushnil(L);
    return 1;
  }
  uint32_t at = (uint32_t)lua_tointeger(L, -1) - 1;
  const rk_schema_field *field = rk_schema_field_at(schema->schema, at);
  if (field->is_array) {
    bool is_float = field->type == RK_SCHEMA_F32 || field->type == RK_SCHEMA_F64;
    lua_createtable(L, (int)field->count, 0);
    for (uint32_t i = 1; i <= field->count; i++) {
      if (is_float) {
        lua_pushnumber(L, 0.0);
      } else {
        lua_pushinteger(L, 0);
      }
      lua_rawseti(L, -2, i);
    }
  } else {
    lua_createtable(L, 0, 2); /* a buffer of nothing */
    lua_pushinteger(L, 0);
    lua_setfield(L, -2, "address");
    lua_pushinteger(L, 0);
    lua_setfield(L, -2, "count");
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

/* __newindex of messages: only declared fields come in. */
static int message_newindex(lua_State *L)
{
  lua_settop(L, 3);
  lua_getiuservalue(L, lua_upvalueindex(1), LRK_SCHEMA_INDEX);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 4) == LUA_TNIL) {
    return refuse_field(L, lua_touserdata(L, lua_upvalueindex(1)), 2);
  }
  lua_settop(L, 3);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_rawset(L, 1);
  return 0;
}

/* Pushes the table of zero values by name. Returns whether it has all fields. */
static bool push_zeros(lua_State *L, const lrk_schema *schema)
{
  bool is_complete = true;
  lua_createtable(L, 0, (int)schema->count);
  for (uint32_t i = 0; i < schema->count; i++) {
    const rk_schema_field *field = rk_schema_field_at(schema->schema, i);
    if (field->is_array || field->type == RK_SCHEMA_BUFFER) {
      is_complete = false;
      continue;
    }
    lrk_push_value(L, schema->schema, i, 0, schema->scratch);
    lua_setfield(L, -2, field->name);
  }
  return is_complete;
}

/* message_class(class, name, fields): makes `class` a message type and enters it by its id. */
static int core_message_class(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  lrk_schema *schema = lrk_push_schema(L, 2, 3);
  bool is_complete = push_zeros(L, schema);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 4, LRK_SCHEMA_ZEROS);
  if (!is_complete) {
    lua_pushvalue(L, 4);
    lua_pushcclosure(L, message_index, 1);
  }
  lua_setfield(L, 1, "__index");
  lua_pushvalue(L, 4);
  lua_pushcclosure(L, message_newindex, 1);
  lua_setfield(L, 1, "__newindex");
  lua_pushinteger(L, (lua_Integer)schema->id);
  lua_setfield(L, 1, "id");
  lua_pushinteger(L, (lua_Integer)schema->size);
  lua_setfield(L, 1, "size");
  /* From here on lrk_types may know them, so the class, its schema and the names are kept. */
  lua_getiuservalue(L, 4, LRK_SCHEMA_KEYS);
  schema->keys = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, 1);
  schema->class = luaL_ref(L, LUA_REGISTRYINDEX);
  schema->class_at = lua_topointer(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_types);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 4);
  lua_rawset(L, -3);
  lua_pushvalue(L, 4);
  lua_rawsetp(L, 1, &lrk_key_schema);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, (lua_Integer)schema->id);
  return 0;
}

lrk_types *lrk_types_of(lua_State *L)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_type_cache);
  lrk_types *types = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return types;
}

/* message_type(id) -> class | nil */
static int core_message_type(lua_State *L)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_types);
  lua_rawgeti(L, -1, luaL_checkinteger(L, 1));
  return 1;
}

/* is_message(value) -> boolean */
static int core_is_message(lua_State *L)
{
  lua_pushboolean(L, lrk_to_message(L, 1) != NULL);
  return 1;
}

const luaL_Reg lrk_message_functions[] = {
    {"message_class", core_message_class},
    {"message_type", core_message_type},
    {"is_message", core_is_message},
    {"message_new", type_call},
    {"message_pack", type_pack},
    {"message_unpack", type_unpack},
    {NULL, NULL},
};

void lrk_message_register(lua_State *L)
{
  luaL_newmetatable(L, LRK_RAW);
  lua_pop(L, 1);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lrk_key_types);
  lrk_types *types = lrk_types_of(L);
  if (types == NULL) { /* the module may be opened again, while runtimes have its address */
    types = lua_newuserdatauv(L, sizeof *types, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &lrk_key_type_cache);
  }
  lua_pushboolean(L, 0);
  int log_messages = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushboolean(L, 0);
  int log_memory = luaL_ref(L, LUA_REGISTRYINDEX);
  *types = (lrk_types){.log_messages = log_messages, .log_memory = log_memory};
}
