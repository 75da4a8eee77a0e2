/* SPDX-License-Identifier: MIT */
/*
 * Compiles Lua files for rkl, with the Lua that rkl has in it, so that loading them takes an eighth
 * of the time. Names of files and variables and line numbers stay in: errors and tracebacks are those
 * of the sources.
 *
 *   precompile ROOT OUT FILE...     ROOT/a/b.lua becomes OUT/a/b.lua, its chunk called "@a/b.lua"
 *
 * The folders must be there. Exit status: 0, or 1 and a message. Used by the Makefile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

static int write_chunk(lua_State *L, const void *data, size_t bytes, void *file)
{
  (void)L;
  return fwrite(data, 1, bytes, file) == bytes ? 0 : 1;
}

static char *read_file(const char *path, size_t *bytes)
{
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  long size = -1;
  if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
    size = ftell(file);
  }
  if (size >= 0) {
    rewind(file);
    text = malloc((size_t)size + 1u);
  }
  if (text != NULL && fread(text, 1, (size_t)size, file) != (size_t)size) {
    free(text);
    text = NULL;
  }
  if (file != NULL) {
    fclose(file);
  }
  *bytes = size >= 0 ? (size_t)size : 0;
  return text;
}

/* 0, or 1 after a message. */
static int compile(lua_State *L, const char *root, const char *out, const char *path)
{
  char made[4096];
  char chunk[4096];
  size_t length = strlen(root);
  size_t bytes = 0;
  if (strncmp(path, root, length) != 0 || path[length] != '/') {
    fprintf(stderr, "precompile: %s is not in %s\n", path, root);
    return 1;
  }
  const char *name = path + length + 1;
  int a = snprintf(made, sizeof(made), "%s/%s", out, name);
  int b = snprintf(chunk, sizeof(chunk), "@%s", name);
  char *text = read_file(path, &bytes);
  if (text == NULL || a < 0 || (size_t)a >= sizeof(made) || b < 0 || (size_t)b >= sizeof(chunk)) {
    fprintf(stderr, "precompile: cannot read %s\n", path);
    free(text);
    return 1;
  }
  int failed = luaL_loadbufferx(L, text, bytes, chunk, "t") != LUA_OK;
  free(text);
  if (failed) {
    fprintf(stderr, "precompile: %s\n", lua_tostring(L, -1));
    return 1;
  }
  FILE *file = fopen(made, "wb");
  failed = file == NULL || lua_dump(L, write_chunk, file, 0) != 0;
  if (file != NULL && fclose(file) != 0) {
    failed = 1;
  }
  lua_pop(L, 1);
  if (failed) {
    fprintf(stderr, "precompile: cannot write %s\n", made);
  }
  return failed;
}

int main(int argc, char **argv)
{
  if (argc < 3) {
    fputs("usage: precompile ROOT OUT FILE...\n", stderr);
    return 1;
  }
  lua_State *L = luaL_newstate();
  int failed = L == NULL;
  for (int i = 3; i < argc && !failed; i++) {
    failed = compile(L, argv[1], argv[2], argv[i]);
  }
  if (L != NULL) {
    lua_close(L);
  }
  return failed;
}
