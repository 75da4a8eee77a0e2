/* SPDX-License-Identifier: MIT */
/*
 * A unit from the PTX in an image: ptx/translate.lua makes C of it, the compiler an object. The PTX
 * is left beside the object, as <object>.ptx, for messages tell its lines.
 *
 * RKFAKE_LUA is the interpreter that runs the translator.
 */
#include "fake_build.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef RKF_DEFAULT_LUA
#define RKF_DEFAULT_LUA "lua5.4"
#endif

bool rkf_ptx_hash(const rkf_build *b, uint64_t *out)
{
  char folder[PATH_MAX];
  uint64_t hash = rkf_hash(RKF_HASH_START, b->compiler, strlen(b->compiler) + 1);
  hash = rkf_hash(hash, b->flags, strlen(b->flags) + 1);
  hash = rkf_hash(hash, b->ptx, b->ptx_bytes);
  *out = rkf_hash_file(hash, b->prelude, "rkfake_device.h");
  return rkf_path_join(folder, b->prelude, "/ptx", "", "") &&
         rkf_hash_folder(out, folder, ".lua") && rkf_hash_folder(out, folder, ".h");
}

static bool write_ptx(const rkf_build *b, const char *path)
{
  FILE *file = fopen(path, "w");
  bool is_written = file != NULL && fwrite(b->ptx, 1, b->ptx_bytes, file) == b->ptx_bytes;
  return file != NULL && fclose(file) == 0 && is_written;
}

CUresult rkf_ptx_compile(const rkf_build *b)
{
  rkf_build_files files;
  char text[PATH_MAX];
  char translator[PATH_MAX];
  char include[PATH_MAX + 2];
  if (!rkf_build_begin(b, ".c", &files) || !rkf_path_join(text, b->object, ".ptx", "", "") ||
      !rkf_path_join(translator, b->prelude, "/ptx/translate.lua", "", "")) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!write_ptx(b, text)) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "cannot write %s", text);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  const char *translate[] = {rkf_env_or("RKFAKE_LUA", RKF_DEFAULT_LUA), translator, text,
                             files.text, NULL};
  int status = rkf_build_run(translate, &files);
  if (status == 0) {
    (void)snprintf(include, sizeof(include), "-I%s/ptx", b->prelude);
    const char *args[RKF_ARGS_MAX] = {b->compiler,
                                      "-x",
                                      "c",
                                      "-std=gnu11",
                                      "-O1",
                                      "-g",
                                      "-fPIC",
                                      "-shared",
                                      "-pthread",
                                      "-w",
                                      "-Werror=implicit-function-declaration",
                                      include};
    status = rkf_build_compile(b, args, 12, &files);
  }
  return rkf_build_end(b, &files, status);
}
