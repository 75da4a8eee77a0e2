/* SPDX-License-Identifier: MIT */
/*
 * What the interpreter gives its Lua files: embedded modules and the module "ringkernel.rkl".
 *
 * The searcher for embedded modules is the last of package.searchers, so a module found through
 * LUA_PATH wins over the one inside the program. "ringkernel.rkl" holds the few calls that the
 * files in lua/ringkernel/cli need and that Lua itself lacks; it exists in `rkl` only.
 */
#include "rkl/rkl.h"

#include <errno.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "rkl/embed.h"
#include "rkl/line.h"

/* Longest module name the searcher looks for; longer ones are not embedded. */
enum { NAME_MAX_BYTES = 200 };

/* Returns the embedded file of the module `name` ("a.b": a/b.lua, then a/b/init.lua), or NULL. */
static const rk_embed_file *find_module(const char *name)
{
  static const char *const endings[] = {".lua", "/init.lua"};
  char path[NAME_MAX_BYTES + sizeof "/init.lua"];
  size_t length = strlen(name);
  if (length > NAME_MAX_BYTES) {
    return NULL;
  }
  for (size_t i = 0; i < length; i++) {
    path[i] = name[i];
    if (name[i] == '.') {
      path[i] = '/';
    }
  }
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    memcpy(path + length, endings[i], strlen(endings[i]) + 1);
    const rk_embed_file *file = rk_embed_find(rk_embed_lua, path);
    if (file != NULL) {
      return file;
    }
  }
  return NULL;
}

/* package.searchers entry: (name) -> loader, place | text for the error message of require */
static int search_embedded(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  const rk_embed_file *file = find_module(name);
  if (file == NULL) {
    if (strncmp(name, "ringkernel", strlen("ringkernel")) != 0) {
      return 0; /* require's message about other modules stays as lua(1) words it */
    }
    lua_pushfstring(L, "no embedded module '%s'", name);
    return 1;
  }
  const char *chunkname = lua_pushfstring(L, "@%s", file->name);
  /* Text, or compiled by scripts/precompile.c under the same name. */
  if (luaL_loadbufferx(L, (const char *)file->data, file->size, chunkname, "bt") != LUA_OK) {
    return luaL_error(L, "error loading embedded module '%s':\n\t%s", name, lua_tostring(L, -1));
  }
  lua_pushfstring(L, "embedded:%s", file->name);
  return 2;
}

/* embedded(name) -> contents | nil */
static int host_embedded(lua_State *L)
{
  const rk_embed_file *file = rk_embed_find(rk_embed_lua, luaL_checkstring(L, 1));
  if (file == NULL) {
    lua_pushnil(L);
  } else {
    lua_pushlstring(L, (const char *)file->data, file->size);
  }
  return 1;
}

/* embedded_names() -> list of file names */
static int host_embedded_names(lua_State *L)
{
  lua_Integer n = 0;
  lua_newtable(L);
  for (const rk_embed_file *file = rk_embed_lua; file->name != NULL; file++) {
    lua_pushstring(L, file->name);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* make_dir(path) -> true | nil, message, "io": one level, for the owner only; existing is fine */
static int host_make_dir(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  if (mkdir(path, S_IRWXU) == 0 || errno == EEXIST) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "cannot create folder %s: %s", path, strerror(errno));
  lua_pushliteral(L, "io");
  return 3;
}

/* cores() -> number of processors that the system has online */
static int host_cores(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)sysconf(_SC_NPROCESSORS_ONLN));
  return 1;
}

static int open_host_module(lua_State *L)
{
  static const luaL_Reg functions[] = {{"embedded", host_embedded},
                                       {"embedded_names", host_embedded_names},
                                       {"make_dir", host_make_dir},
                                       {"cores", host_cores},
                                       {"limit", rk_limit},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushliteral(L, RK_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushliteral(L, RK_LINE_EDITOR);
  lua_setfield(L, -2, "line_editor");
  return 1;
}

void rk_host_open(lua_State *L, const char *lua_dir)
{
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_host_module);
  lua_setfield(L, -2, "ringkernel.rkl");

  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushcfunction(L, search_embedded);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
  if (lua_dir != NULL && lua_dir[0] != '\0') {
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", lua_dir, lua_dir, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
  }
  lua_settop(L, top);
}
