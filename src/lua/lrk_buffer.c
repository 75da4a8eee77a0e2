/* SPDX-License-Identifier: MIT */
/*
 * Class buffer: memory that handlers and ordinary kernels reach, as elements of one number type.
 * Offsets and counts are in elements, offsets from 0. A list or a string of packed elements goes
 * in, a list or (read_bytes) a string comes out.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

/* Elements converted at a time between Lua and the device. */
#define CHUNK_BYTES 65536u

lrk_buffer *lrk_test_buffer(lua_State *L, int index)
{
  return luaL_testudata(L, index, LRK_BUFFER);
}

/* The open buffer at index 1, or NULL with nil, message, code pushed. */
static lrk_buffer *open_buffer(lua_State *L)
{
  lrk_buffer *self = luaL_checkudata(L, 1, LRK_BUFFER);
  if (self->buffer == NULL || self->home->rt == NULL) {
    lrk_fail_text(L, RK_ECLOSED, "the buffer or its runtime is closed");
    return NULL;
  }
  return self;
}

/* rt:buffer(type, count, { tenant = }) -> buffer | nil, message, code */
int lrk_runtime_buffer(lua_State *L)
{
  static const char *const kinds[] = {"i8",  "u8",  "i16", "u16", "i32",
                                      "u32", "i64", "u64", "f32", "f64"};
  static const lrk_option options[] = {{"tenant", LRK_ANY, 0, 0}, {NULL, LRK_ANY, 0, 0}};
  lua_settop(L, 4);
  lrk_runtime *self = lrk_check_runtime(L, 1);
  const char *kind = luaL_checkstring(L, 2);
  lua_Integer count = luaL_checkinteger(L, 3);
  bool is_known = false;
  for (size_t i = 0; i < RK_ARRAY_LEN(kinds); i++) {
    is_known = is_known || strcmp(kind, kinds[i]) == 0;
  }
  if (!is_known) {
    return lrk_argument(L, 2, "a number type (i8 u8 ... f32 f64)");
  }
  luaL_argcheck(L, count >= 1 && count <= (lua_Integer)1 << 48, 3,
                "count: a number of elements, 1 or more, expected");
  lrk_options(L, 4, "buffer", options);
  self = lrk_open_runtime(L, 1);
  uint32_t as = 0;
  if (self == NULL || !lrk_option_tenant(L, self, 4, "buffer", &as)) {
    return 3;
  }
  lrk_buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 1);
  *buffer = (lrk_buffer){.home = self};
  luaL_setmetatable(L, LRK_BUFFER);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  rk_error err = RK_ERROR_INIT;
  const rk_schema_spec spec = {"element", kind};
  int status = rk_schema_open("buffer", &spec, 1, &buffer->element, &err);
  if (status == RK_OK) {
    buffer->element_bytes = (uint32_t)rk_schema_size(buffer->element);
    buffer->kind = rk_schema_field_at(buffer->element, 0)->type;
    status = rk_device_buffer_open_as(self->rt, as, buffer->element_bytes, (size_t)count,
                                      &buffer->buffer, &err);
  }
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  buffer->address = rk_device_buffer_address(buffer->buffer);
  buffer->count = (uint64_t)count;
  return 1;
}

/* Checks that `count` elements from `offset` lie inside. */
static void check_range(lua_State *L, const lrk_buffer *self, lua_Integer offset, lua_Integer count)
{
  if (offset < 0 || count < 0 || (uint64_t)offset > self->count ||
      (uint64_t)count > self->count - (uint64_t)offset) {
    luaL_error(L,
               "buffer of %I elements: elements %I to %I are not all inside (offsets count from "
               "0)",
               (lua_Integer)self->count, offset, offset + count - 1);
  }
}

/* Writes the list at index 2; values are checked before anything is written, in chunks. */
static int write_list(lua_State *L, const lrk_buffer *self, lua_Integer offset)
{
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  check_range(L, self, offset, count);
  size_t bytes = (size_t)count * self->element_bytes;
  char *data = lua_newuserdatauv(L, bytes + 1, 0);
  for (lua_Integer i = 0; i < count; i++) {
    lua_rawgeti(L, 2, i + 1);
    if (lua_type(L, -1) != LUA_TNUMBER) {
      return luaL_error(L, "write: element %I of the list: a number expected, got %s", i + 1,
                        lrk_describe(L, -1));
    }
    lrk_put_value(L, self->element, 0, 0, -1, data + (size_t)i * self->element_bytes, "write");
    lua_pop(L, 1);
  }
  rk_error err = RK_ERROR_INIT;
  return lrk_result(
      L, rk_device_buffer_write(self->buffer, (size_t)offset, data, (size_t)count, &err), &err);
}

/* buffer:write(list | string, offset) -> true | nil, message, code */
static int buffer_write(lua_State *L)
{
  lua_settop(L, 3);
  lua_Integer offset = luaL_optinteger(L, 3, 0);
  bool is_string = lua_type(L, 2) == LUA_TSTRING;
  if (!is_string && !lua_istable(L, 2)) {
    return lrk_argument(L, 2, "a list or a string of packed elements");
  }
  const lrk_buffer *self = open_buffer(L);
  if (self == NULL) {
    return 3;
  }
  if (!is_string) {
    return write_list(L, self, offset);
  }
  size_t length = 0;
  const char *data = lua_tolstring(L, 2, &length);
  if (length % self->element_bytes != 0) {
    return luaL_error(L, "write: a string of whole elements of %d bytes expected, got %I bytes",
                      (int)self->element_bytes, (lua_Integer)length);
  }
  size_t count = length / self->element_bytes;
  check_range(L, self, offset, (lua_Integer)count);
  rk_error err = RK_ERROR_INIT;
  return lrk_result(L, rk_device_buffer_write(self->buffer, (size_t)offset, data, count, &err),
                    &err);
}

/* Offset and count of a read: from the start, to the end. */
static void check_span(lua_State *L, const lrk_buffer *self, lua_Integer *offset,
                       lua_Integer *count)
{
  *offset = luaL_optinteger(L, 2, 0);
  *count = luaL_optinteger(L, 3, (lua_Integer)self->count - *offset);
  check_range(L, self, *offset, *count);
}

/* buffer:read(offset, count) -> list | nil, message, code */
static int buffer_read(lua_State *L)
{
  const lrk_buffer *self = open_buffer(L);
  lua_Integer offset = 0;
  lua_Integer count = 0;
  if (self == NULL) {
    return 3;
  }
  check_span(L, self, &offset, &count);
  lua_createtable(L, count <= INT32_MAX ? (int)count : 0, 0);
  int list = lua_gettop(L);
  lua_Integer step = CHUNK_BYTES / self->element_bytes;
  char *data = lua_newuserdatauv(L, CHUNK_BYTES, 0);
  for (lua_Integer done = 0; done < count; done += step) {
    lua_Integer part = count - done < step ? count - done : step;
    rk_error err = RK_ERROR_INIT;
    int status = rk_device_buffer_read(self->buffer, (size_t)(offset + done), data, (size_t)part,
                                       &err);
    if (status != RK_OK) {
      return lrk_fail(L, status, &err);
    }
    for (lua_Integer i = 0; i < part; i++) {
      lrk_push_value(L, self->element, 0, 0, data + (size_t)i * self->element_bytes);
      lua_rawseti(L, list, done + i + 1);
    }
  }
  lua_settop(L, list);
  return 1;
}

/* buffer:read_bytes(offset, count) -> string | nil, message, code */
static int buffer_read_bytes(lua_State *L)
{
  const lrk_buffer *self = open_buffer(L);
  lua_Integer offset = 0;
  lua_Integer count = 0;
  if (self == NULL) {
    return 3;
  }
  check_span(L, self, &offset, &count);
  size_t bytes = (size_t)count * self->element_bytes;
  luaL_Buffer out;
  char *data = luaL_buffinitsize(L, &out, bytes + 1);
  rk_error err = RK_ERROR_INIT;
  int status = rk_device_buffer_read(self->buffer, (size_t)offset, data, (size_t)count, &err);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  luaL_pushresultsize(&out, bytes);
  return 1;
}

/* buffer:fill(value) -> true | nil, message, code */
static int buffer_fill(lua_State *L)
{
  if (lua_type(L, 2) != LUA_TNUMBER) {
    return lrk_argument(L, 2, "a number");
  }
  const lrk_buffer *self = open_buffer(L);
  if (self == NULL) {
    return 3;
  }
  uint64_t element = 0;
  lrk_put_value(L, self->element, 0, 0, 2, &element, "fill");
  rk_error err = RK_ERROR_INIT;
  return lrk_result(L, rk_device_buffer_fill(self->buffer, &element, &err), &err);
}

/* buffer:size() and #buffer: elements; of a closed one 0 */
static int buffer_size(lua_State *L)
{
  const lrk_buffer *self = luaL_checkudata(L, 1, LRK_BUFFER);
  lua_pushinteger(L, self->buffer != NULL ? (lua_Integer)self->count : 0);
  return 1;
}

/* buffer:close() -> true. Also __close and __gc. */
static int buffer_close(lua_State *L)
{
  lrk_buffer *self = luaL_checkudata(L, 1, LRK_BUFFER);
  rk_device_buffer_close(self->buffer);
  rk_schema_close(self->element);
  self->buffer = NULL;
  self->element = NULL;
  lua_pushboolean(L, 1);
  return 1;
}

static int buffer_get(lua_State *L)
{
  const lrk_buffer *self = luaL_checkudata(L, 1, LRK_BUFFER);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "type") == 0) {
    lua_pushstring(L, rk_schema_type_name(self->kind));
  } else if (strcmp(key, "address") == 0) {
    lua_pushinteger(L, (lua_Integer)self->address);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static int buffer_tostring(lua_State *L)
{
  const lrk_buffer *self = luaL_checkudata(L, 1, LRK_BUFFER);
  lua_pushfstring(L, "%s: %s[%I]%s", LRK_BUFFER, rk_schema_type_name(self->kind),
                  (lua_Integer)self->count,
                  self->buffer == NULL || self->home->rt == NULL ? " (closed)" : "");
  return 1;
}

void lrk_buffer_register(lua_State *L)
{
  static const luaL_Reg methods[] = {{"write", buffer_write},
                                     {"read", buffer_read},
                                     {"read_bytes", buffer_read_bytes},
                                     {"fill", buffer_fill},
                                     {"size", buffer_size},
                                     {"close", buffer_close},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__close", buffer_close},
                                  {"__gc", buffer_close},
                                  {"__len", buffer_size},
                                  {"__tostring", buffer_tostring},
                                  {NULL, NULL}};
  lrk_class(L, LRK_BUFFER, methods, meta, buffer_get);
}
