/* SPDX-License-Identifier: MIT */
/*
 * Classes kernel (a definition) and global (an ordinary kernel). Both carry the table that Lua made
 * them from (lua/ringkernel/kernel.lua) in user value 1; its fields read as theirs.
 */
#include "lua/lrk.h"

#include <string.h>

#include "base/base.h"

const char lrk_key_kernels = 'k';

typedef struct lrk_kernel {
  rk_kernel *kernel; /* NULL once closed */
} lrk_kernel;

typedef struct lrk_global {
  rk_global *global; /* NULL once closed */
  rk_schema *params; /* NULL: no parameters */
} lrk_global;

/* ---- definitions ----------------------------------------------------------------------------- */

rk_kernel *lrk_test_kernel(lua_State *L, int index)
{
  const lrk_kernel *self = luaL_testudata(L, index, LRK_KERNEL);
  return self != NULL ? self->kernel : NULL;
}

void lrk_push_kernel(lua_State *L, rk_kernel *kernel)
{
  if (kernel == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_kernels);
  lua_rawgetp(L, -1, kernel);
  lua_remove(L, -2);
}

/* Pushes an empty definition with the table at `info`. */
static lrk_kernel *push_new(lua_State *L, int info)
{
  luaL_checktype(L, info, LUA_TTABLE);
  lrk_kernel *self = lua_newuserdatauv(L, sizeof *self, 1);
  self->kernel = NULL;
  luaL_setmetatable(L, LRK_KERNEL);
  lua_pushvalue(L, info);
  lua_setiuservalue(L, -2, 1);
  return self;
}

static int finish_new(lua_State *L, lrk_kernel *self, int status, const rk_error *err)
{
  if (status != RK_OK) {
    self->kernel = NULL;
    return lrk_fail(L, status, err);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lrk_key_kernels);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, self->kernel);
  lua_pop(L, 1);
  return 1;
}

/* ---- descriptions: tables that codegen_types.lua makes ---- */

static uint32_t get_number(lua_State *L, int index, const char *key)
{
  lua_getfield(L, index, key);
  int is_number = 0;
  lua_Integer value = lua_tointegerx(L, -1, &is_number);
  if (!is_number || value < 0 || value > UINT32_MAX) {
    luaL_error(L, "description: '%s': a whole number expected, got %s", key, lrk_describe(L, -1));
  }
  lua_pop(L, 1);
  return (uint32_t)value;
}

static bool get_flag(lua_State *L, int index, const char *key)
{
  lua_getfield(L, index, key);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* The text of the value on top, which its table keeps. */
static const char *get_text(lua_State *L, const char *what)
{
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_error(L, "description: %s: a string expected, got %s", what, lrk_describe(L, -1));
  }
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

/* Pushes the list `key` of the table at `index`, above memory for `bytes` for each entry. */
static void *push_list(lua_State *L, int index, const char *key, size_t bytes, uint32_t *count)
{
  lua_getfield(L, index, key);
  if (!lua_istable(L, -1)) {
    luaL_error(L, "description: '%s': a list expected, got %s", key, lrk_describe(L, -1));
  }
  size_t entries = lua_rawlen(L, -1);
  luaL_argcheck(L, entries < UINT16_MAX, index, "a list is too long");
  void *memory = lua_newuserdatauv(L, (entries + 1) * bytes, 0);
  lua_insert(L, -2);
  *count = (uint32_t)entries;
  return memory;
}

/* Reads the table at `index`; pushes what holds the lists. The texts are the table's. */
static rk_kernel_description get_description(lua_State *L, int index)
{
  rk_kernel_description out = {
      .lanes = get_number(L, index, "lanes"),
      .burst = get_number(L, index, "burst"),
      .state_bytes = get_number(L, index, "state_bytes"),
      .emit_bytes = get_number(L, index, "emit_bytes"),
      .has_start = get_flag(L, index, "has_start"),
      .has_stop = get_flag(L, index, "has_stop"),
      .has_migrate = get_flag(L, index, "has_migrate"),
      .migrate_bytes = get_number(L, index, "migrate_bytes"),
  };
  rk_kernel_type *types = push_list(L, index, "types", sizeof *types, &out.type_count);
  for (uint32_t i = 0; i < out.type_count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    int type = lua_gettop(L);
    if (!lua_istable(L, type)) {
      luaL_error(L, "description: a type (table) expected, got %s", lrk_describe(L, type));
    }
    lua_getfield(L, type, "name");
    types[i].name = get_text(L, "name of a type");
    types[i].id = get_number(L, type, "id");
    types[i].size_bytes = get_number(L, type, "size_bytes");
    lua_pop(L, 1);
  }
  out.types = types;
  const char **ports = push_list(L, index, "ports", sizeof *ports, &out.port_count);
  for (uint32_t i = 0; i < out.port_count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    ports[i] = get_text(L, "name of a port");
  }
  out.ports = ports;
  uint32_t *emits = push_list(L, index, "emits", sizeof *emits, &out.emit_count);
  for (uint32_t i = 0; i < out.emit_count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    emits[i] = (uint32_t)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  out.emits = emits;
  return out;
}

/* kernel_open(name, source, info [, description, device_fragment]) -> kernel */
static int core_kernel_open(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  const char *source = luaL_checkstring(L, 2);
  const char *fragment = luaL_optstring(L, 5, NULL);
  bool is_described = !lua_isnoneornil(L, 4);
  rk_kernel_description description = {0};
  if (is_described) {
    luaL_checktype(L, 4, LUA_TTABLE);
    description = get_description(L, 4);
  }
  lrk_kernel *self = push_new(L, 3);
  rk_error err = RK_ERROR_INIT;
  rk_kernel *kernel = NULL;
  int status = rk_kernel_open(name, source, &kernel, &err);
  if (status == RK_OK && is_described) {
    status = rk_kernel_describe(kernel, &description, fragment, &err);
  }
  if (status == RK_OK) {
    self->kernel = kernel;
  } else {
    rk_kernel_close(kernel);
  }
  return finish_new(L, self, status, &err);
}

/* kernel_stock(name, info) -> kernel | nil, message, "not_found" */
static int core_kernel_stock(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  lrk_kernel *self = push_new(L, 2);
  rk_error err = RK_ERROR_INIT;
  return finish_new(L, self, rk_kernel_stock(name, &self->kernel, &err), &err);
}

/* stock_names() -> list */
static int core_stock_names(lua_State *L)
{
  const char *const *names = rk_kernel_stock_names();
  lua_newtable(L);
  for (lua_Integer i = 0; names[i] != NULL; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* kernel:compile(rt) -> true | nil, message, code [, log] */
static int kernel_compile(lua_State *L)
{
  const lrk_kernel *self = luaL_checkudata(L, 1, LRK_KERNEL);
  const lrk_runtime *runtime = lrk_open_runtime(L, 2);
  if (runtime == NULL) {
    return 3;
  }
  char *log = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = rk_kernel_compile(self->kernel, runtime->rt, &log, &err);
  if (status != RK_OK) {
    return lrk_fail_log(L, status, &err, log);
  }
  rk_text_free(log);
  lua_pushboolean(L, 1);
  return 1;
}

/* rt:load({ kernel, ... }) -> true | nil, message, code [, log] */
int lrk_runtime_load(lua_State *L)
{
  const lrk_runtime *runtime = lrk_open_runtime(L, 1);
  if (runtime == NULL) {
    return 3;
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  size_t count = lua_rawlen(L, 2);
  rk_kernel **kernels = lua_newuserdatauv(L, (count + 1u) * sizeof *kernels, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    kernels[i] = lrk_test_kernel(L, -1); /* the list keeps it */
    if (kernels[i] == NULL) {
      lua_pushfstring(L, "definition %d: a kernel definition expected, got %s", (int)i + 1,
                      lrk_describe(L, -1));
      return luaL_argerror(L, 2, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
  char *log = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_load(runtime->rt, kernels, count, &log, &err);
  if (status != RK_OK) {
    return lrk_fail_log(L, status, &err, log);
  }
  rk_text_free(log);
  lua_pushboolean(L, 1);
  return 1;
}

static int kernel_gc(lua_State *L)
{
  lrk_kernel *self = luaL_checkudata(L, 1, LRK_KERNEL);
  rk_kernel_close(self->kernel);
  self->kernel = NULL;
  return 0;
}

/* A key of the table that the object was made from. */
static int get_info(lua_State *L)
{
  if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
  }
  return 1;
}

static int push_named(lua_State *L, const char *class_name)
{
  lua_getiuservalue(L, 1, 1);
  lua_getfield(L, -1, "name");
  lua_pushfstring(L, "%s: %s", class_name, lua_tostring(L, -1));
  return 1;
}

static int kernel_tostring(lua_State *L)
{
  luaL_checkudata(L, 1, LRK_KERNEL);
  return push_named(L, LRK_KERNEL);
}

/* ---- ordinary kernels ------------------------------------------------------------------------ */

/* Fills specs[] from the parameters of the table at `info`: pointers travel as u64. */
static size_t read_params(lua_State *L, int info, rk_schema_spec *specs, size_t most)
{
  size_t count = 0;
  lua_getfield(L, info, "params");
  count = lua_rawlen(L, -1);
  luaL_argcheck(L, count <= most, info, "too many parameters");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    lua_getfield(L, -1, "name");
    lua_getfield(L, -2, "is_pointer");
    lua_getfield(L, -3, "kind");
    specs[i].name = lua_tostring(L, -3);
    specs[i].type = lua_toboolean(L, -2) ? "u64" : lua_tostring(L, -1);
    lua_pop(L, 4); /* the table keeps the texts */
  }
  lua_pop(L, 1);
  return count;
}

/* global_open(name, source, param_bytes, info [, device_unit]) -> global */
static int core_global_open(lua_State *L)
{
  enum { MOST_PARAMS = 512 };
  const char *name = luaL_checkstring(L, 1);
  const char *source = luaL_checkstring(L, 2);
  size_t param_bytes = (size_t)luaL_checkinteger(L, 3);
  luaL_checktype(L, 4, LUA_TTABLE);
  const char *device_unit = luaL_optstring(L, 5, NULL);
  lrk_global *self = lua_newuserdatauv(L, sizeof *self, 1);
  *self = (lrk_global){0};
  luaL_setmetatable(L, LRK_GLOBAL);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, -2, 1);
  rk_schema_spec *specs = lua_newuserdatauv(L, MOST_PARAMS * sizeof *specs, 0);
  size_t count = read_params(L, 4, specs, MOST_PARAMS);
  rk_error err = RK_ERROR_INIT;
  int status = rk_schema_open("params", specs, count, &self->params, &err);
  lua_pop(L, 1);
  if (status == RK_OK) {
    status = rk_global_open(name, source, param_bytes, &self->global, &err);
  }
  if (status == RK_OK && device_unit != NULL) {
    status = rk_global_describe(self->global, device_unit, &err);
  }
  return status == RK_OK ? 1 : lrk_fail(L, status, &err);
}

static int global_gc(lua_State *L)
{
  lrk_global *self = luaL_checkudata(L, 1, LRK_GLOBAL);
  rk_global_close(self->global);
  rk_schema_close(self->params);
  *self = (lrk_global){0};
  return 0;
}

static int global_tostring(lua_State *L)
{
  luaL_checkudata(L, 1, LRK_GLOBAL);
  return push_named(L, LRK_GLOBAL);
}

/* Packs the argument at `index` as parameter `at`; the description of the parameter is on top. */
static void pack_argument(lua_State *L, const char *what, const lrk_global *self,
                          const lrk_runtime *runtime, size_t at, int index, void *base)
{
  const rk_schema_field *field = rk_schema_field_at(self->params, at);
  const char *name = lua_pushfstring(L, "argument '%s'", field->name);
  lua_getfield(L, -2, "is_pointer");
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    if (lua_type(L, index) != LUA_TNUMBER) {
      luaL_error(L, "%s: %s: a number expected, got %s", what, name, lrk_describe(L, index));
    }
    lrk_put_value(L, self->params, at, 0, index, base, what);
    lua_pop(L, 1);
    return;
  }
  lua_getfield(L, -3, "kind");
  const char *kind = lua_tostring(L, -1);
  const lrk_buffer *buffer = lrk_test_buffer(L, index);
  if (buffer == NULL || strcmp(rk_schema_type_name(buffer->kind), kind) != 0) {
    luaL_error(L, "%s: %s: a buffer of %s expected, got %s", what, name, kind,
               luaL_tolstring(L, index, NULL));
  }
  if (buffer->buffer == NULL || buffer->home != runtime) {
    luaL_error(L, "%s: %s: the buffer is closed or belongs to another runtime", what, name);
  }
  rk_error err = RK_ERROR_INIT;
  if (rk_schema_put_u64(self->params, at, 0, buffer->address, base, &err) != RK_OK) {
    luaL_error(L, "%s: %s", what, err.text);
  }
  lua_pop(L, 3);
}

/* An ordinary kernel at index 2 with options at 3 and arguments behind them, checked and packed. */
typedef struct global_args {
  rk_runtime *rt;
  rk_global *global;
  const void *base;
  size_t size;
} global_args;

/* Pushes what holds the packed arguments; false: the runtime is closed, nil, message, code pushed.
 */
static bool get_global_args(lua_State *L, const char *what, global_args *out)
{
  const lrk_runtime *self = lrk_check_runtime(L, 1);
  const lrk_global *global = luaL_checkudata(L, 2, LRK_GLOBAL);
  size_t given = lua_gettop(L) > 3 ? (size_t)(lua_gettop(L) - 3) : 0;
  size_t count = rk_schema_count(global->params);
  if (given != count) {
    luaL_error(L, "%s: %I arguments expected, got %I", what, (lua_Integer)count,
               (lua_Integer)given);
  }
  size_t size = rk_schema_size(global->params);
  lua_getiuservalue(L, 2, 1);
  lua_getfield(L, -1, "params");
  int params = lua_gettop(L);
  void *base = memset(lua_newuserdatauv(L, size, 0), 0, size);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, params, (lua_Integer)i + 1);
    pack_argument(L, what, global, self, i, (int)i + 4, base);
    lua_pop(L, 1);
  }
  self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return false;
  }
  *out = (global_args){self->rt, global->global, base, size};
  return true;
}

/* rt:run(global, { grid =, block = }, ...) -> true | nil, message, code [, log] */
int lrk_runtime_run(lua_State *L)
{
  static const lrk_option options[] = {
      {"grid", LRK_INT, 1, INT32_MAX}, {"block", LRK_INT, 1, RK_LANES_MAX}, {NULL, LRK_ANY, 0, 0}};
  global_args args;
  lrk_options(L, 3, "run", options);
  uint32_t grid = (uint32_t)lrk_option_integer(L, 3, "grid", 1);
  uint32_t block = (uint32_t)lrk_option_integer(L, 3, "block", 1);
  if (!get_global_args(L, "run", &args)) {
    return 3;
  }
  char *log = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_run(args.rt, args.global, grid, block, args.base, args.size, &log, &err);
  if (status != RK_OK) {
    return lrk_fail_log(L, status, &err, log);
  }
  rk_text_free(log);
  lua_pushboolean(L, 1);
  return 1;
}

static void set_number(lua_State *L, const char *key, double value)
{
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
}

/* The option "mode", one of three texts. */
static const char *mode_option(lua_State *L, int index)
{
  static const char *const modes[] = {"launch", "stream", "graph"};
  const char *mode = lrk_option_text(L, index, "mode", modes[0]);
  for (size_t i = 0; i < RK_ARRAY_LEN(modes); i++) {
    if (strcmp(mode, modes[i]) == 0) {
      return mode;
    }
  }
  luaL_error(L, "time: option 'mode': 'launch', 'stream' or 'graph' expected, got '%s'%s", mode,
             lrk_hint(L, mode, modes, RK_ARRAY_LEN(modes)));
  return NULL;
}

/* rt:time(global, { grid =, block =, times =, mode = }, ...) -> timing | nil, message, code [, log]
 */
int lrk_runtime_time(lua_State *L)
{
  static const lrk_option options[] = {{"grid", LRK_INT, 1, INT32_MAX},
                                       {"block", LRK_INT, 1, RK_LANES_MAX},
                                       {"times", LRK_INT, 1, 10000000},
                                       {"mode", LRK_TEXT, 0, 0},
                                       {NULL, LRK_ANY, 0, 0}};
  global_args args;
  lrk_options(L, 3, "time", options);
  rk_time_options how = {
      .mode = mode_option(L, 3),
      .grid = (uint32_t)lrk_option_integer(L, 3, "grid", 1),
      .block = (uint32_t)lrk_option_integer(L, 3, "block", 1),
      .times = (uint32_t)lrk_option_integer(L, 3, "times", 1000),
  };
  if (!get_global_args(L, "time", &args)) {
    return 3;
  }
  char *log = NULL;
  rk_timing timing;
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_time(args.rt, args.global, &how, args.base, args.size, &timing, &log,
                               &err);
  if (status != RK_OK) {
    return lrk_fail_log(L, status, &err, log);
  }
  rk_text_free(log);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, how.mode);
  lua_setfield(L, -2, "mode");
  lua_pushinteger(L, (lua_Integer)timing.launches);
  lua_setfield(L, -2, "launches");
  set_number(L, "seconds", timing.seconds);
  set_number(L, "per_launch_us", timing.seconds * 1e6 / (double)timing.launches);
  if (timing.device_seconds >= 0) {
    set_number(L, "device_seconds", timing.device_seconds);
  }
  lua_pushboolean(L, timing.synchronised);
  lua_setfield(L, -2, "synchronised");
  return 1;
}

const luaL_Reg lrk_kernel_functions[] = {
    {"kernel_open", core_kernel_open},
    {"kernel_stock", core_kernel_stock},
    {"stock_names", core_stock_names},
    {"global_open", core_global_open},
    {NULL, NULL},
};

void lrk_kernel_register(lua_State *L)
{
  static const luaL_Reg methods[] = {{"compile", kernel_compile}, {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", kernel_gc}, {"__tostring", kernel_tostring}, {NULL, NULL}};
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg global_meta[] = {
      {"__gc", global_gc}, {"__tostring", global_tostring}, {NULL, NULL}};
  lrk_class(L, LRK_KERNEL, methods, meta, get_info);
  lrk_class(L, LRK_GLOBAL, none, global_meta, get_info);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lrk_key_kernels);
}
