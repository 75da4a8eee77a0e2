/* SPDX-License-Identifier: MIT */
/*
 * Between Lua values and bytes: class schema, on which message types, buffers and launch parameters
 * stand.
 *
 * Field names are kept as a list of interned strings beside the schema, so packing a table is one
 * raw look-up for each field. No Lua code and no allocation comes in between: a payload may be
 * packed straight into a queue's slot.
 */
#include "lua/lrk.h"

#include <math.h>
#include <string.h>

#include "base/base.h"
#include "core/schema.h"

/* ---- one value ------------------------------------------------------------------------------- */

/* "f32[8]" */
static const char *push_type_text(lua_State *L, const rk_schema_field *field)
{
  const char *name = rk_schema_type_name(field->type);
  if (field->is_array || field->type == RK_SCHEMA_CHAR) {
    return lua_pushfstring(L, "%s[%I]", name, (lua_Integer)field->count);
  }
  return lua_pushstring(L, name);
}

int lrk_refuse_value(lua_State *L, const rk_schema_field *field, const char *wanted, int index,
                     const char *name)
{
  index = lua_absindex(L, index);
  const char *type = push_type_text(L, field);
  const char *got = lrk_describe(L, index);
  return luaL_error(L, "%s: field '%s': %s takes %s, got %s", name, field->name, type, wanted, got);
}

static const char *wanted_of(const rk_schema_field *field)
{
  switch (field->type) {
    case RK_SCHEMA_BOOL:
      return "true or false";
    case RK_SCHEMA_CHAR:
      return "a string";
    case RK_SCHEMA_BUFFER:
      return "a buffer of rt:buffer";
    case RK_SCHEMA_HLC:
      return "a timestamp or an integer";
    case RK_SCHEMA_ID:
      return "an actor or an integer";
    default:
      return "a number";
  }
}

/* A table { address =, count = } as a received message has for a buffer. */
static rk_buffer table_to_buffer(lua_State *L, const rk_schema_field *field, int index,
                                 const char *name)
{
  rk_buffer value = {0, 0};
  int is_address = 0;
  int is_count = 0;
  lua_pushliteral(L, "address");
  lua_rawget(L, index);
  value.address = (rk_u64)lua_tointegerx(L, -1, &is_address);
  lua_pushliteral(L, "count");
  lua_rawget(L, index);
  value.count = (rk_u64)lua_tointegerx(L, -1, &is_count);
  lua_pop(L, 2);
  if (!is_address || !is_count) {
    lrk_refuse_value(L, field, wanted_of(field), index, name);
  }
  return value;
}

/* Objects that stand for the number in an hlc, id or buffer field. Returns false for any other. */
static bool put_object(lua_State *L, const rk_schema *schema, size_t at, int index, void *base,
                       const char *name)
{
  const rk_schema_field *field = rk_schema_field_at(schema, at);
  rk_error err = RK_ERROR_INIT;
  if (field->type == RK_SCHEMA_BUFFER) {
    rk_buffer value = {0, 0};
    if (lua_istable(L, index)) {
      value = table_to_buffer(L, field, index, name);
    } else {
      const lrk_buffer *buffer = lrk_test_buffer(L, index);
      if (buffer == NULL) {
        return false;
      }
      if (buffer->buffer == NULL) {
        luaL_error(L, "%s: field '%s': the buffer is closed", name, field->name);
      }
      value.address = buffer->address;
      value.count = buffer->count;
    }
    return rk_schema_put_buffer(schema, at, value, base, &err) == RK_OK;
  }
  if (field->type == RK_SCHEMA_HLC) {
    const lrk_stamp *stamp = lrk_test_stamp(L, index);
    return stamp != NULL && rk_schema_put_u64(schema, at, 0, stamp->word, base, &err) == RK_OK;
  }
  if (field->type == RK_SCHEMA_ID) {
    const lrk_actor *actor = lrk_test_actor(L, index);
    return actor != NULL && actor->actor != NULL &&
           rk_schema_put_u64(schema, at, 0, rk_actor_id(actor->actor), base, &err) == RK_OK;
  }
  return false;
}

void lrk_put_value(lua_State *L, const rk_schema *schema, size_t field, size_t element, int index,
                   void *base, const char *name)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  int status = RK_OK;
  rk_error err;
  err.text[0] = '\0';
  switch (lua_type(L, index)) {
    case LUA_TNUMBER:
      if (f->type == RK_SCHEMA_BOOL || f->type == RK_SCHEMA_CHAR || f->type == RK_SCHEMA_BUFFER) {
        lrk_refuse_value(L, f, wanted_of(f), index, name);
      }
      if (!lua_isinteger(L, index)) {
        status = rk_schema_put_f64(schema, field, element, lua_tonumber(L, index), base, &err);
      } else if (f->type == RK_SCHEMA_U64 || f->type == RK_SCHEMA_HLC || f->type == RK_SCHEMA_ID) {
        /* Numbers past 2^63 are negative as Lua's integers: the bits are what counts. */
        status = rk_schema_put_u64(schema, field, element, (uint64_t)lua_tointeger(L, index), base,
                                   &err);
      } else {
        status = rk_schema_put_i64(schema, field, element, lua_tointeger(L, index), base, &err);
      }
      break;
    case LUA_TBOOLEAN:
      if (f->type != RK_SCHEMA_BOOL) {
        lrk_refuse_value(L, f, wanted_of(f), index, name);
      }
      status = rk_schema_put_bool(schema, field, lua_toboolean(L, index) != 0, base, &err);
      break;
    case LUA_TSTRING: {
      size_t length = 0;
      if (f->type != RK_SCHEMA_CHAR) {
        lrk_refuse_value(L, f, wanted_of(f), index, name);
      }
      const char *text = lua_tolstring(L, index, &length);
      status = rk_schema_put_string(schema, field, text, length, base, &err);
      break;
    }
    default:
      if (!put_object(L, schema, field, lua_absindex(L, index), base, name)) {
        lrk_refuse_value(L, f, wanted_of(f), index, name);
      }
      break;
  }
  if (RK_UNLIKELY(status != RK_OK)) {
    luaL_error(L, "%s: %s", name, err.text);
  }
}

static void put_array(lua_State *L, const rk_schema *schema, size_t at, int index, void *base,
                      const char *name)
{
  const rk_schema_field *field = rk_schema_field_at(schema, at);
  if (!lua_istable(L, index)) {
    lrk_refuse_value(L, field, "a list of numbers", index, name);
  }
  size_t length = lua_rawlen(L, index);
  if (length > field->count) {
    luaL_error(L, "%s: field '%s': %s takes up to %I elements, got %I", name, field->name,
               push_type_text(L, field), (lua_Integer)field->count, (lua_Integer)length);
  }
  for (size_t i = 0; i < length; i++) {
    if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TNIL) {
      lrk_put_value(L, schema, at, i, -1, base, name);
    }
    lua_pop(L, 1);
  }
}

static void push_buffer(lua_State *L, rk_buffer buffer)
{
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, (lua_Integer)buffer.address);
  lua_setfield(L, -2, "address");
  lua_pushinteger(L, (lua_Integer)buffer.count);
  lua_setfield(L, -2, "count");
}

void lrk_push_value(lua_State *L, const rk_schema *schema, size_t field, size_t element,
                    const void *base)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  switch (f->type) {
    case RK_SCHEMA_F32:
    case RK_SCHEMA_F64:
      lua_pushnumber(L, rk_schema_get_f64(schema, field, element, base));
      break;
    case RK_SCHEMA_BOOL:
      lua_pushboolean(L, rk_schema_get_bool(schema, field, base));
      break;
    case RK_SCHEMA_HLC:
      lrk_push_stamp(L, (uint64_t)rk_schema_get_i64(schema, field, element, base), 0);
      break;
    case RK_SCHEMA_BUFFER:
      push_buffer(L, rk_schema_get_buffer(schema, field, base));
      break;
    case RK_SCHEMA_CHAR: {
      size_t length = 0;
      const char *text = rk_schema_get_string(schema, field, base, &length);
      lua_pushlstring(L, text, length);
      break;
    }
    default:
      lua_pushinteger(L, rk_schema_get_i64(schema, field, element, base));
      break;
  }
}

static void push_field(lua_State *L, const rk_schema *schema, size_t at, const void *base)
{
  const rk_schema_field *field = rk_schema_field_at(schema, at);
  if (!field->is_array) {
    lrk_push_value(L, schema, at, 0, base);
    return;
  }
  lua_createtable(L, (int)field->count, 0);
  for (size_t i = 0; i < field->count; i++) {
    lrk_push_value(L, schema, at, i, base);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Puts the number at `index` into a single field. False: it needs a closer look
 * (lrk_put_value), and what was stored is no matter. */
static inline __attribute__((always_inline)) bool put_number(lua_State *L, const lrk_field *field,
                                                             int index, void *base)
{
  char *to = (char *)base + field->offset;
  int is_whole = 0;
#define PUT_INTEGER(ctype, is_in_range)                  \
  {                                                      \
    lua_Integer v = lua_tointegerx(L, index, &is_whole); \
    ctype narrow = (ctype)v;                             \
    memcpy(to, &narrow, sizeof narrow);                  \
    return is_whole && (is_in_range);                    \
  }
  switch (field->kind) {
    case RK_SCHEMA_I8:
      PUT_INTEGER(int8_t, v == narrow)
    case RK_SCHEMA_U8:
      PUT_INTEGER(uint8_t, v == narrow)
    case RK_SCHEMA_I16:
      PUT_INTEGER(int16_t, v == narrow)
    case RK_SCHEMA_U16:
      PUT_INTEGER(uint16_t, v == narrow)
    case RK_SCHEMA_I32:
      PUT_INTEGER(int32_t, v == narrow)
    case RK_SCHEMA_U32:
      PUT_INTEGER(uint32_t, v == narrow)
    case RK_SCHEMA_I64:
    case RK_SCHEMA_U64: /* past 2^63 negative, as Lua's integers are: the bits are what counts */
    case RK_SCHEMA_HLC:
    case RK_SCHEMA_ID:
      PUT_INTEGER(int64_t, true)
    case RK_SCHEMA_F32: {
      float narrow = (float)lua_tonumberx(L, index, NULL);
      memcpy(to, &narrow, sizeof narrow);
      return isfinite(narrow); /* one that is too large is refused */
    }
    case RK_SCHEMA_F64: {
      double v = lua_tonumberx(L, index, NULL);
      memcpy(to, &v, sizeof v);
      return true;
    }
    default:
      return false;
  }
#undef PUT_INTEGER
}

/* Puts the value on top of the stack, whatever it is, into field `i`. */
static __attribute__((noinline)) void put_other(lua_State *L, const lrk_schema *schema, uint32_t i,
                                                void *base)
{
  const char *name = rk_schema_name(schema->schema);
  if (lua_isnil(L, -1)) {
    return;
  }
  if (schema->fields[i].is_array) {
    put_array(L, schema->schema, i, lua_gettop(L), base, name);
  } else {
    lrk_put_value(L, schema->schema, i, 0, -1, base, name);
  }
}

/* Packs the table at `index`. The name of field i is element i + 1 of the list at `names`, or lies on
 * the stack at `names` + i. Values stay on the stack until there are LRK_PACK_LEFT of them: popping
 * each costs as much as reading it. */
static inline __attribute__((always_inline)) void pack(lua_State *L, const lrk_schema *schema,
                                                       int index, int names, bool is_list,
                                                       void *base)
{
  const uint32_t count = schema->count;
  const int top = count > LRK_PACK_LEFT ? lua_gettop(L) : 0;
  const lrk_field *field = schema->fields;
  for (uint32_t i = 0; i < count; i++, field++) {
    if (is_list) {
      lua_rawgeti(L, names, (lua_Integer)i + 1);
    } else {
      lua_pushvalue(L, names + (int)i);
    }
    if (RK_UNLIKELY(lua_rawget(L, index) != LUA_TNUMBER || !put_number(L, field, -1, base))) {
      put_other(L, schema, i, base);
    }
    if (i % LRK_PACK_LEFT == LRK_PACK_LEFT - 1u && i + 1u < count) {
      lua_settop(L, top);
    }
  }
}

void lrk_check_field(lua_State *L, const lrk_schema *schema, uint32_t i, int index)
{
  if (RK_LIKELY(lua_type(L, index) == LUA_TNUMBER &&
                put_number(L, &schema->fields[i], index, schema->scratch))) {
    return;
  }
  const char *name = rk_schema_name(schema->schema);
  if (!schema->fields[i].is_array) {
    lrk_put_value(L, schema->schema, i, 0, index, schema->scratch, name);
  } else if (!lua_istable(L, index)) {
    const rk_schema_field *field = rk_schema_field_at(schema->schema, i);
    lrk_refuse_value(L, field, "a list of numbers", index, name);
  }
}

void lrk_pack(lua_State *L, const lrk_schema *schema, int index, int keys, void *base)
{
  pack(L, schema, index, keys, true, base);
}

void lrk_pack_with(lua_State *L, const lrk_schema *schema, int index, int first, void *base)
{
  pack(L, schema, index, first, false, base);
}

/* Pushes a single number or boolean. False: it is something else, and nothing was pushed. */
static inline bool push_plain(lua_State *L, const lrk_field *field, const void *base)
{
  const char *from = (const char *)base + field->offset;
#define PUSH_AS(push, to_type, ctype) \
  {                                   \
    ctype v;                          \
    memcpy(&v, from, sizeof v);       \
    push(L, (to_type)v);              \
    return true;                      \
  }
  switch (field->kind) {
    case RK_SCHEMA_I8:
      PUSH_AS(lua_pushinteger, lua_Integer, int8_t)
    case RK_SCHEMA_U8:
      PUSH_AS(lua_pushinteger, lua_Integer, uint8_t)
    case RK_SCHEMA_I16:
      PUSH_AS(lua_pushinteger, lua_Integer, int16_t)
    case RK_SCHEMA_U16:
      PUSH_AS(lua_pushinteger, lua_Integer, uint16_t)
    case RK_SCHEMA_I32:
      PUSH_AS(lua_pushinteger, lua_Integer, int32_t)
    case RK_SCHEMA_U32:
      PUSH_AS(lua_pushinteger, lua_Integer, uint32_t)
    case RK_SCHEMA_I64:
    case RK_SCHEMA_U64:
    case RK_SCHEMA_ID:
      PUSH_AS(lua_pushinteger, lua_Integer, int64_t)
    case RK_SCHEMA_F32:
      PUSH_AS(lua_pushnumber, lua_Number, float)
    case RK_SCHEMA_F64:
      PUSH_AS(lua_pushnumber, lua_Number, double)
    default:
      return false;
  }
#undef PUSH_AS
}

void lrk_set_fields(lua_State *L, const lrk_schema *schema, int index, int keys, const void *base)
{
  for (uint32_t i = 0; i < schema->count; i++) {
    lua_rawgeti(L, keys, (lua_Integer)i + 1);
    if (RK_UNLIKELY(!push_plain(L, &schema->fields[i], base))) {
      push_field(L, schema->schema, i, base);
    }
    lua_rawset(L, index);
  }
}

static int schema_close(lua_State *L)
{
  lrk_schema *schema = luaL_checkudata(L, 1, LRK_SCHEMA);
  rk_schema_close(schema->schema);
  schema->schema = NULL;
  return 0;
}

lrk_schema *lrk_push_schema(lua_State *L, int name, int fields)
{
  size_t count = lua_rawlen(L, fields);
  lrk_schema *self = lua_newuserdatauv(L, sizeof *self, LRK_SCHEMA_VALUES);
  *self = (lrk_schema){0};
  luaL_setmetatable(L, LRK_SCHEMA);
  int at = lua_gettop(L);
  lua_createtable(L, (int)count, 0);
  lua_createtable(L, 0, (int)count);
  rk_schema_spec *specs = lua_newuserdatauv(L, (count + 1) * sizeof *specs, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, fields, (lua_Integer)i + 1);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    specs[i] = (rk_schema_spec){luaL_checkstring(L, -2), luaL_checkstring(L, -1)};
    lua_pushvalue(L, -2);
    lua_rawseti(L, at + 1, (lua_Integer)i + 1);
    lua_pushvalue(L, -2);
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_rawset(L, at + 2);
    lua_pop(L, 3);
  }
  rk_error err = RK_ERROR_INIT;
  if (rk_schema_open(lua_tostring(L, name), specs, count, &self->schema, &err) != RK_OK) {
    luaL_error(L, "%s", err.text);
  }
  self->id = rk_schema_id(self->schema);
  self->size = (uint32_t)rk_schema_size(self->schema);
  self->count = (uint32_t)count;
  self->keys = LUA_NOREF;
  self->class = LUA_NOREF;
  lua_pop(L, 1);
  lua_setiuservalue(L, at, LRK_SCHEMA_INDEX);
  lua_setiuservalue(L, at, LRK_SCHEMA_KEYS);
  size_t field_bytes = count * sizeof *self->fields;
  self->fields = lua_newuserdatauv(L, field_bytes + self->size, 0);
  self->scratch = memset((char *)self->fields + field_bytes, 0, self->size);
  lua_setiuservalue(L, at, LRK_SCHEMA_MEMORY);
  for (size_t i = 0; i < count; i++) {
    const rk_schema_field *field = rk_schema_field_at(self->schema, i);
    self->fields[i] = (lrk_field){field->offset, field->is_array,
                                  field->is_array ? UINT8_MAX : (uint8_t)field->type};
  }
  return self;
}

void lrk_schema_register(lua_State *L)
{
  static const luaL_Reg meta[] = {{"__gc", schema_close}, {NULL, NULL}};
  static const luaL_Reg none[] = {{NULL, NULL}};
  lrk_class(L, LRK_SCHEMA, none, meta, NULL);
}
