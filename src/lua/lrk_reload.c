/* SPDX-License-Identifier: MIT */
/*
 * Reloads, as lua/ringkernel/reload.lua uses them: a class that only that file sees, and what it
 * asks of actors.
 */
#include "lua/lrk.h"

#include "base/base.h"

#define LRK_RELOAD "ringkernel.reload"

typedef struct lrk_reload {
  rk_reload *reload; /* NULL once closed */
  lrk_runtime *home;
  size_t count;
} lrk_reload;

/* reload_open(rt) -> reload | nil, message, code */
static int core_reload_open(lua_State *L)
{
  lrk_runtime *home = lrk_open_runtime(L, 1);
  if (home == NULL) {
    return 3;
  }
  lrk_reload *self = lua_newuserdatauv(L, sizeof *self, 1);
  *self = (lrk_reload){.home = home};
  luaL_setmetatable(L, LRK_RELOAD);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  rk_error err = RK_ERROR_INIT;
  int status = rk_reload_open(home->rt, &self->reload, &err);
  return status == RK_OK ? 1 : lrk_fail(L, status, &err);
}

/* The open reload at index 1, or NULL with nil, message, "closed". */
static lrk_reload *check_open(lua_State *L)
{
  lrk_reload *self = luaL_checkudata(L, 1, LRK_RELOAD);
  if (self->reload == NULL || self->home->rt == NULL) {
    lrk_fail_text(L, RK_ECLOSED, "the runtime is closed");
    return NULL;
  }
  return self;
}

/* reload:add(actor, kernel | nil, how) -> its number | nil, message, code [, log] */
static int reload_add(lua_State *L)
{
  static const char *const names[] = {"keep", "migrate", "given", "former", NULL};
  lrk_reload *self = check_open(L);
  const lrk_actor *actor = lrk_check_actor(L, 2);
  int how = luaL_checkoption(L, 4, NULL, names);
  if (self == NULL) {
    return 3;
  }
  if (actor->actor == NULL) {
    return lrk_fail_released(L);
  }
  char *log = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = rk_reload_add(self->reload, actor->actor, lrk_test_kernel(L, 3),
                             (rk_reload_state)how, &log, &err);
  lrk_runtime_kick(L, self->home, 2);
  if (status != RK_OK) {
    return lrk_fail_log(L, status, &err, log);
  }
  rk_text_free(log); /* warnings of a compiler that succeeded */
  self->count += 1;
  lua_pushinteger(L, (lua_Integer)self->count);
  return 1;
}

static int run(lua_State *L, int (*function)(rk_reload *reload, uint64_t timeout_ns, rk_error *err))
{
  lrk_reload *self = check_open(L);
  uint64_t timeout_ns = lrk_check_timeout(L, 2);
  rk_error err = RK_ERROR_INIT;
  if (self == NULL) {
    return 3;
  }
  int status = function(self->reload, timeout_ns, &err);
  lua_getiuservalue(L, 1, 1);
  lrk_runtime_kick(L, self->home, lua_gettop(L));
  return lrk_result(L, status, &err);
}

/* reload:hold(seconds), reload:swap(seconds) -> true | nil, message, code */
static int reload_hold(lua_State *L)
{
  return run(L, rk_reload_hold);
}

static int reload_swap(lua_State *L)
{
  return run(L, rk_reload_swap);
}

static size_t check_number(lua_State *L, const lrk_reload *self)
{
  lua_Integer number = luaL_checkinteger(L, 2);
  luaL_argcheck(L, number >= 1 && (lua_Unsigned)number <= self->count, 2, "no such actor");
  return (size_t)number - 1;
}

/* reload:give(number, bytes) -> true | nil, message, code */
static int reload_give(lua_State *L)
{
  lrk_reload *self = check_open(L);
  size_t bytes = 0;
  const char *state = luaL_checklstring(L, 3, &bytes);
  rk_error err = RK_ERROR_INIT;
  return self == NULL
             ? 3
             : lrk_result(L,
                          rk_reload_give(self->reload, check_number(L, self), state, bytes, &err),
                          &err);
}

/* reload:info(number) -> version, seconds of the pause, seconds of loading */
static int reload_info(lua_State *L)
{
  lrk_reload *self = check_open(L);
  rk_reload_info info;
  if (self == NULL) {
    return 3;
  }
  rk_reload_info_get(self->reload, check_number(L, self), &info);
  lua_pushinteger(L, (lua_Integer)info.version);
  lua_pushnumber(L, (lua_Number)info.pause_ns / 1e9);
  lua_pushnumber(L, (lua_Number)info.load_ns / 1e9);
  return 3;
}

static int reload_close(lua_State *L)
{
  lrk_reload *self = luaL_checkudata(L, 1, LRK_RELOAD);
  rk_reload_close(self->reload);
  self->reload = NULL;
  return 0;
}

/* actor_version(actor) -> number, the one before (0: none), whether its state was kept |
 * nil, message, code */
static int core_actor_version(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  if (self->actor == NULL) {
    return lrk_fail_released(L);
  }
  uint32_t former = 0;
  bool has_state = false;
  lua_pushinteger(L, (lua_Integer)rk_actor_version(self->actor, &former));
  lua_pushinteger(L, (lua_Integer)former);
  (void)rk_actor_former(self->actor, &has_state);
  lua_pushboolean(L, has_state);
  return 3;
}

/* actor_redefine(actor): its handle reads as one of the definition that the actor has now;
 * `kernel`: that, if the caller has it */
static int core_actor_redefine(lua_State *L)
{
  const lrk_actor *self = lrk_check_actor(L, 1);
  lua_settop(L, 2);
  if (self->actor != NULL) {
    if (lua_isnil(L, 2)) {
      lrk_push_kernel(L, rk_actor_kernel(self->actor));
    }
    lua_setiuservalue(L, 1, LRK_ACTOR_KERNEL);
  }
  return 0;
}

const luaL_Reg lrk_reload_functions[] = {{"reload_open", core_reload_open},
                                         {"actor_version", core_actor_version},
                                         {"actor_redefine", core_actor_redefine},
                                         {NULL, NULL}};

void lrk_reload_register(lua_State *L)
{
  static const luaL_Reg methods[] = {{"add", reload_add},   {"hold", reload_hold},
                                     {"give", reload_give}, {"swap", reload_swap},
                                     {"info", reload_info}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", reload_close}, {"__close", reload_close}, {NULL, NULL}};
  lrk_class(L, LRK_RELOAD, methods, meta, NULL);
}
