/* SPDX-License-Identifier: MIT */
/*
 * Tenants for lua/ringkernel/tenant.lua: making them, grants, the audit; and the option 'tenant' of
 * whatever may be done in one's name. Tenants go by name here.
 */
#include "lua/lrk.h"

#include <math.h>

bool lrk_option_tenant(lua_State *L, const lrk_runtime *self, int index, const char *where,
                       uint32_t *as)
{
  int top = lua_gettop(L);
  *as = 0;
  if (!lua_istable(L, index) || lua_getfield(L, index, "tenant") == LUA_TNIL) {
    lua_settop(L, top);
    return true;
  }
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_getfield(L, -1, "name");
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_error(L, "%s: option 'tenant': a tenant or the name of one expected, got %s", where,
               lrk_describe(L, top + 1));
  }
  const char *name = lua_tostring(L, -1); /* its table keeps it */
  *as = self->rt != NULL ? rk_runtime_tenant_find(self->rt, name) : 0;
  lua_settop(L, top);
  if (*as == 0) {
    lrk_fail_text(L, RK_ENOT_FOUND, "%s: no tenant is called '%s'", where, name);
    return false;
  }
  return true;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
  if (text != NULL && text[0] != '\0') {
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
  }
}

static void set_id(lua_State *L, const char *key, uint64_t value)
{
  if (value != 0) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, key);
  }
}

/* Into the table on top. */
static void add_entry(lua_State *L, const rk_audit_entry *e)
{
  set_text(L, "code", rk_status_name(e->code));
  set_text(L, "quota", e->quota);
  set_text(L, "tenant", e->tenant);
  set_text(L, "other", e->other);
  set_text(L, "name", e->name);
  set_id(L, "dest", e->dest);
}

void lrk_add_refusal(lua_State *L, const lrk_runtime *self, uint64_t number)
{
  rk_audit_entry e;
  if (self->rt != NULL && rk_runtime_audit_find(self->rt, number, &e)) {
    add_entry(L, &e);
  }
}

/* audit(rt) -> list, dropped */
static int core_audit(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  size_t calls = 0;
  lrk_runtime_drain(L, 1, &calls);
  lrk_runtime_kick(L, self, 1);
  lua_newtable(L);
  rk_audit_entry e;
  for (size_t i = 0; self->rt != NULL && rk_runtime_audit(self->rt, i, &e); i++) {
    lua_createtable(L, 0, 10);
    set_text(L, "action", e.action);
    add_entry(L, &e);
    set_id(L, "number", e.number);
    set_id(L, "actor_id", e.actor);
    lrk_push_stamp(L, e.hlc, self->node);
    lua_setfield(L, -2, "hlc");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_pushinteger(L, self->rt != NULL ? (lua_Integer)rk_runtime_audit_dropped(self->rt) : 0);
  return 2;
}

/* tenant_set(rt, name, { actors, memory, rate, burst } | nil) -> true | nil, message, code */
static int core_tenant_set(lua_State *L)
{
  lua_settop(L, 3);
  lrk_runtime *self = lrk_open_runtime(L, 1);
  const char *name = luaL_checkstring(L, 2);
  if (self == NULL) {
    return 3;
  }
  rk_tenant_limits limits = {0};
  bool has_limits = lua_istable(L, 3);
  if (has_limits) {
    lua_getfield(L, 3, "actors");
    limits.actors = (uint64_t)luaL_optinteger(L, -1, 0);
    lua_getfield(L, 3, "memory");
    limits.memory_bytes = (uint64_t)luaL_optinteger(L, -1, 0);
    lua_getfield(L, 3, "rate");
    limits.rate = luaL_optnumber(L, -1, 0.0);
    lua_getfield(L, 3, "burst");
    limits.burst = luaL_optnumber(L, -1, 0.0);
  }
  uint32_t as = 0;
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_tenant(self->rt, name, has_limits ? &limits : NULL, &as, &err);
  lrk_runtime_kick(L, self, 1);
  return lrk_result(L, status, &err);
}

/* tenant_names(rt) -> list of names, the default tenant's first */
static int core_tenant_names(lua_State *L)
{
  const lrk_runtime *self = lrk_open_runtime(L, 1);
  if (self == NULL) {
    return 3;
  }
  lua_newtable(L);
  const char *name = NULL;
  for (uint32_t as = 1; (name = rk_runtime_tenant_name(self->rt, as)) != NULL; as++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, (lua_Integer)as);
  }
  return 1;
}

static void set_limit(lua_State *L, const char *key, double value)
{
  if (value > 0.0) {
    if (value == floor(value) && value < 9e15) {
      lua_pushinteger(L, (lua_Integer)value);
    } else {
      lua_pushnumber(L, value);
    }
    lua_setfield(L, -2, key);
  }
}

/* tenant_stats(rt, name) -> table | nil, message, code */
static int core_tenant_stats(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  const char *name = luaL_checkstring(L, 2);
  if (self == NULL) {
    return 3;
  }
  rk_tenant_stats stats;
  uint32_t as = rk_runtime_tenant_find(self->rt, name);
  int status = rk_runtime_tenant_stats(self->rt, as, &stats);
  lrk_runtime_kick(L, self, 1);
  if (status != RK_OK) {
    return lrk_fail_text(L, status, "no tenant is called '%s'", name);
  }
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, (lua_Integer)stats.actors);
  lua_setfield(L, -2, "actors");
  lua_pushinteger(L, (lua_Integer)stats.memory_bytes);
  lua_setfield(L, -2, "memory");
  lua_pushinteger(L, (lua_Integer)stats.refused);
  lua_setfield(L, -2, "refused");
  lua_createtable(L, 0, 4);
  set_limit(L, "actors", (double)stats.limits.actors);
  set_limit(L, "memory", (double)stats.limits.memory_bytes);
  set_limit(L, "rate", stats.limits.rate);
  set_limit(L, "burst", stats.limits.burst);
  lua_setfield(L, -2, "limits");
  lua_newtable(L); /* guests */
  lua_Integer count = 0;
  for (uint32_t guest = 1; rk_runtime_tenant_name(self->rt, guest) != NULL; guest++) {
    if (guest != as && rk_runtime_granted(self->rt, as, guest)) {
      lua_pushstring(L, rk_runtime_tenant_name(self->rt, guest));
      lua_rawseti(L, -2, ++count);
    }
  }
  lua_setfield(L, -2, "guests");
  return 1;
}

/* Numbers of the tenants named at 2 and 3; false with nil, message, "not_found" pushed. */
static bool check_pair(lua_State *L, const lrk_runtime *self, uint32_t as[2])
{
  for (int i = 0; i < 2; i++) {
    const char *name = luaL_checkstring(L, 2 + i);
    as[i] = rk_runtime_tenant_find(self->rt, name);
    if (as[i] == 0) {
      lrk_fail_text(L, RK_ENOT_FOUND, "no tenant is called '%s'", name);
      return false;
    }
  }
  return true;
}

/* tenant_grant(rt, owner, guest) -> true | nil, message, code */
static int core_tenant_grant(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  uint32_t as[2];
  if (self == NULL || !check_pair(L, self, as)) {
    return 3;
  }
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_grant(self->rt, as[0], as[1], &err);
  lrk_runtime_kick(L, self, 1);
  return lrk_result(L, status, &err);
}

/* tenant_revoke(rt, owner, guest) -> dead letters made | nil, message, code */
static int core_tenant_revoke(lua_State *L)
{
  lrk_runtime *self = lrk_open_runtime(L, 1);
  uint32_t as[2];
  if (self == NULL || !check_pair(L, self, as)) {
    return 3;
  }
  uint64_t swept = 0;
  rk_error err = RK_ERROR_INIT;
  int status = rk_runtime_revoke(self->rt, as[0], as[1], &swept, &err);
  lrk_runtime_kick(L, self, 1);
  if (status != RK_OK) {
    return lrk_fail(L, status, &err);
  }
  lua_pushinteger(L, (lua_Integer)swept);
  return 1;
}

const luaL_Reg lrk_tenant_functions[] = {
    {"audit", core_audit},
    {"tenant_set", core_tenant_set},
    {"tenant_names", core_tenant_names},
    {"tenant_stats", core_tenant_stats},
    {"tenant_grant", core_tenant_grant},
    {"tenant_revoke", core_tenant_revoke},
    {NULL, NULL},
};
