/* SPDX-License-Identifier: MIT */
/*
 * Tools for building shared objects: paths, hashes, running a compiler (fake_build.h).
 */
#include "fake_build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

const char *rkf_env_or(const char *name, const char *otherwise)
{
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : otherwise;
}

char *rkf_file_read(const char *path, size_t *bytes)
{
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  long size = -1;
  if (file == NULL) {
    return NULL;
  }
  if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
    rewind(file);
    text = malloc((size_t)size + 1);
  }
  if (text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size) {
    text[size] = '\0';
    *bytes = (size_t)size;
  } else {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

bool rkf_path_join(char out[PATH_MAX], const char *a, const char *b, const char *c, const char *d)
{
  int n = snprintf(out, PATH_MAX, "%s%s%s%s", a, b, c, d);
  return n > 0 && n < PATH_MAX;
}

/* ---- hashes ---- */

uint64_t rkf_hash(uint64_t hash, const void *data, size_t bytes)
{
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) {
    hash = (hash ^ p[i]) * 0x100000001b3u;
  }
  return hash;
}

uint64_t rkf_hash_file(uint64_t hash, const char *folder, const char *name)
{
  char path[PATH_MAX];
  size_t bytes = 0;
  char *text = rkf_path_join(path, folder, "/", name, "") ? rkf_file_read(path, &bytes) : NULL;
  /* Each file by itself, for folders are read in any order. */
  uint64_t own = rkf_hash(RKF_HASH_START, name, strlen(name));
  if (text != NULL) {
    own = rkf_hash(own, text, bytes);
  }
  free(text);
  return hash + own;
}

bool rkf_hash_folder(uint64_t *hash, const char *folder, const char *suffix)
{
  DIR *open = opendir(folder);
  size_t wanted = strlen(suffix);
  if (open == NULL) {
    return false;
  }
  for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
    size_t length = strlen(entry->d_name);
    if (length > wanted && strcmp(entry->d_name + length - wanted, suffix) == 0) {
      *hash = rkf_hash_file(*hash, folder, entry->d_name);
    }
  }
  closedir(open);
  return true;
}

/* ---- compiling ---- */

bool rkf_build_begin(const rkf_build *b, const char *suffix, rkf_build_files *files)
{
  char own[64];
  (void)snprintf(own, sizeof(own), ".%ld-%lx", (long)getpid(), (unsigned long)pthread_self());
  bool is_short = rkf_path_join(files->text, b->object, own, suffix, "") &&
                  rkf_path_join(files->made, b->object, own, ".so", "") &&
                  rkf_path_join(files->log, b->object, own, ".log", "");
  if (!is_short) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "the path of the cache folder is too long");
  }
  return is_short;
}

int rkf_build_run(const char *const *args, const rkf_build_files *files)
{
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status = 0;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, files->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  int failed = posix_spawnp(&pid, args[0], &actions, NULL, (char *const *)args, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return -1;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int rkf_build_compile(const rkf_build *b, const char **args, size_t count,
                      const rkf_build_files *files)
{
  char flags[sizeof(b->flags)];
  char *rest = NULL;
  memcpy(flags, b->flags, sizeof(flags));
  for (char *flag = strtok_r(flags, " ", &rest); flag != NULL && count + 6 < RKF_ARGS_MAX;
       flag = strtok_r(NULL, " ", &rest)) {
    args[count++] = flag;
  }
  args[count++] = "-o";
  args[count++] = files->made;
  args[count++] = files->text;
  args[count++] = "-lm";
  args[count] = NULL;
  return rkf_build_run(args, files);
}

CUresult rkf_build_end(const rkf_build *b, const rkf_build_files *files, int status)
{
  CUresult code = CUDA_SUCCESS;
  if (status != 0 || rename(files->made, b->object) != 0) {
    size_t bytes = 0;
    char *text = rkf_file_read(files->log, &bytes);
    (void)snprintf(b->why, RKF_LOG_BYTES, "%s cannot be built:\n%s", b->object,
                   text != NULL ? text : "");
    free(text);
    code = CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  (void)unlink(files->made);
  (void)unlink(files->text);
  (void)unlink(files->log);
  return code;
}
