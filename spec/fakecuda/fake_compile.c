/* SPDX-License-Identifier: MIT */
/*
 * From an image to code that runs here: the marker in the image names the source, g++ compiles it.
 *
 * The cache of device images keeps the source of each beside it as <16 digits>.cu. It is looked for
 * in RINGKERNEL_CACHE and its folder cuda/, in the default cache folder, and in RKFAKE_SOURCES. The
 * host's build is put beside it as <16 digits>.<hash>.fake.so, where the hash is of everything
 * else that the build is made from: device headers, the prelude, compiler and flags.
 *
 * RKFAKE_CXX (g++, or clang++ where the fake was built with clang) and RKFAKE_CXXFLAGS (extra flags,
 * else those of the sanitizers the fake was built with, else -O0) choose the compiler, RKFAKE_SPOIL bugs that are
 * planted in what it compiles (a device whose stores to rings or lanes cannot be relied on),
 * RKFAKE_INCLUDE and RKFAKE_PRELUDE the folders of the device headers and of rk_host_device.h.
 */
#include "fake.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEX = 16, KERNELS_MAX = 64, ARGS_MAX = 64 };

#define MARKER "rk_build_"

/* Makefile knows better. */
#ifndef RKF_DEFAULT_INCLUDE
#define RKF_DEFAULT_INCLUDE "kernels/include"
#define RKF_DEFAULT_PRELUDE "spec/fakecuda"
#define RKF_DEFAULT_FLAGS ""
#define RKF_DEFAULT_CXX "g++"
#endif

extern char **environ;

typedef struct build {
  char hex[HEX + 1];
  char source[PATH_MAX]; /* <hex>.cu */
  char folder[PATH_MAX]; /* where it lies */
  char object[PATH_MAX]; /* the shared object */
  const char *include, *prelude, *compiler;
  char flags[1024];
  char *why; /* RKF_LOG_BYTES */
} build;

static const char *env_or(const char *name, const char *otherwise)
{
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : otherwise;
}

static char *read_file(const char *path, size_t *bytes)
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

/* ---- finding the source ---- */

static bool is_hex(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool find_marker(const char *image, size_t bytes, char hex[HEX + 1])
{
  const size_t length = sizeof(MARKER) - 1;
  for (const char *at = image; (size_t)(at - image) + length + HEX <= bytes; at++) {
    at = memchr(at, MARKER[0], bytes - (size_t)(at - image));
    if (at == NULL || (size_t)(at - image) + length + HEX > bytes) {
      break;
    }
    size_t digits = 0;
    if (memcmp(at, MARKER, length) == 0) {
      while (digits < HEX && is_hex(at[length + digits])) {
        digits++;
      }
    }
    if (digits == HEX) {
      memcpy(hex, at + length, HEX);
      hex[HEX] = '\0';
      return true;
    }
  }
  return false;
}

static bool join(char out[PATH_MAX], const char *a, const char *b, const char *c, const char *d)
{
  int n = snprintf(out, PATH_MAX, "%s%s%s%s", a, b, c, d);
  return n > 0 && n < PATH_MAX;
}

static bool is_source_in(build *b, const char *folder, const char *below)
{
  return join(b->folder, folder, below, "", "") && join(b->source, b->folder, "/", b->hex, ".cu") &&
         access(b->source, R_OK) == 0;
}

static bool find_source(build *b)
{
  const char *cache = getenv("RINGKERNEL_CACHE");
  const char *sources = getenv("RKFAKE_SOURCES");
  const char *xdg = getenv("XDG_CACHE_HOME");
  const char *home = getenv("HOME");
  return (cache != NULL && (is_source_in(b, cache, "/cuda") || is_source_in(b, cache, ""))) ||
         (sources != NULL && (is_source_in(b, sources, "") || is_source_in(b, sources, "/cuda"))) ||
         (xdg != NULL && is_source_in(b, xdg, "/ringkernel/cuda")) ||
         (home != NULL && is_source_in(b, home, "/.cache/ringkernel/cuda"));
}

/* ---- what the build depends on ---- */

static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) {
    hash = (hash ^ p[i]) * 0x100000001b3u;
  }
  return hash;
}

static uint64_t mix_file(uint64_t hash, const char *folder, const char *name)
{
  char path[PATH_MAX];
  size_t bytes = 0;
  char *text = join(path, folder, "/", name, "") ? read_file(path, &bytes) : NULL;
  /* Each file by itself, for folders are read in any order. */
  uint64_t own = mix(0xcbf29ce484222325u, name, strlen(name));
  if (text != NULL) {
    own = mix(own, text, bytes);
  }
  free(text);
  return hash + own;
}

static bool is_header(const char *name)
{
  size_t length = strlen(name);
  return length > 2 && strcmp(name + length - 2, ".h") == 0;
}

static bool hash_inputs(const build *b, uint64_t *out)
{
  uint64_t hash = mix(0xcbf29ce484222325u, b->compiler, strlen(b->compiler) + 1);
  hash = mix(hash, b->flags, strlen(b->flags) + 1);
  DIR *folder = opendir(b->include);
  if (folder == NULL) {
    return false;
  }
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (is_header(entry->d_name)) {
      hash = mix_file(hash, b->include, entry->d_name);
    }
  }
  closedir(folder);
  hash = mix_file(hash, b->prelude, "rk_host_device.h");
  *out = mix_file(hash, b->prelude, "rkfake_device.h");
  return true;
}

/* ---- compiling ---- */

/* Names of the kernels that `text` defines: the first name behind __global__ with a ( after it. */
static size_t find_kernels(const char *text, char names[][64], size_t count)
{
  for (const char *at = text; (at = strstr(at, "__global__")) != NULL;) {
    at += strlen("__global__");
    for (;;) {
      at += strcspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_;");
      size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
      if (*at == ';' || length == 0) {
        break;
      }
      const char *name = at;
      at += length;
      if (at[strspn(at, " \n")] != '(') {
        continue;
      }
      if (strncmp(name, "__", 2) == 0) { /* __launch_bounds__(...) */
        at += strcspn(at, ")");
        continue;
      }
      bool is_known = false;
      for (size_t i = 0; i < count; i++) {
        is_known = is_known || (strlen(names[i]) == length && memcmp(names[i], name, length) == 0);
      }
      if (!is_known && count < KERNELS_MAX && length < 64) {
        memcpy(names[count], name, length);
        names[count++][length] = '\0';
      }
      break;
    }
  }
  return count;
}

/* The file that is compiled: the prelude, the unit, an entry for each kernel. */
static bool write_wrapper(const build *b, const char *path)
{
  static const char *const with_kernels[] = {"rk_team_dev.h", "rk_global_cuda.h"};
  char names[KERNELS_MAX][64];
  size_t count = 0;
  size_t bytes = 0;
  char *unit = read_file(b->source, &bytes);
  if (unit == NULL) {
    return false;
  }
  count = find_kernels(unit, names, 0);
  for (size_t i = 0; i < sizeof(with_kernels) / sizeof(with_kernels[0]); i++) {
    char header[PATH_MAX];
    char *text = strstr(unit, with_kernels[i]) != NULL &&
                         join(header, b->include, "/", with_kernels[i], "")
                     ? read_file(header, &bytes)
                     : NULL;
    if (text != NULL) {
      count = find_kernels(text, names, count);
    }
    free(text);
  }
  free(unit);
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    return false;
  }
  fprintf(file, "#include \"rk_host_device.h\"\n#include \"%s\"\n", b->source);
  for (size_t i = 0; i < count; i++) {
    fprintf(file, "RKFAKE_ENTRY(%s)\n", names[i]);
  }
  return fclose(file) == 0;
}

static int run(char *const *args, const char *log)
{
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status = 0;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  int failed = posix_spawnp(&pid, args[0], &actions, NULL, args, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return -1;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void take_log(const build *b, const char *path)
{
  size_t bytes = 0;
  char *text = read_file(path, &bytes);
  (void)snprintf(b->why, RKF_LOG_BYTES, "%s does not compile %s:\n%s", b->compiler, b->source,
                 text != NULL ? text : "");
  free(text);
}

static CUresult compile(const build *b)
{
  char wrapper[PATH_MAX];
  char made[PATH_MAX];
  char log[PATH_MAX];
  char own[64];
  char include[PATH_MAX + 2];
  char prelude[PATH_MAX + 2];
  char flags[sizeof(b->flags)];
  /* No warnings: NVRTC took the source, and so does this. */
  const char *args[ARGS_MAX] = {b->compiler,
                                "-std=c++17",
                                "-O1",
                                "-g",
                                "-fPIC",
                                "-shared",
                                "-pthread",
                                "-w",
                                "-D__CUDACC__=1",
                                "-DRK_PTX_OVERRIDE=\"rk_host_device.h\""};
  size_t count = 10;
  (void)snprintf(own, sizeof(own), ".%ld-%lx", (long)getpid(), (unsigned long)pthread_self());
  (void)snprintf(include, sizeof(include), "-I%s", b->include);
  (void)snprintf(prelude, sizeof(prelude), "-I%s", b->prelude);
  (void)snprintf(flags, sizeof(flags), "%s", b->flags);
  if (!join(wrapper, b->object, own, ".cpp", "") || !join(made, b->object, own, ".so", "") ||
      !join(log, b->object, own, ".log", "") || !write_wrapper(b, wrapper)) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "cannot write %s", wrapper);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  args[count++] = prelude;
  args[count++] = include;
  char *rest = NULL;
  for (char *flag = strtok_r(flags, " ", &rest); flag != NULL && count + 5 < ARGS_MAX;
       flag = strtok_r(NULL, " ", &rest)) {
    args[count++] = flag;
  }
  args[count++] = "-o";
  args[count++] = made;
  args[count++] = wrapper;
  args[count] = NULL;
  int status = run((char *const *)args, log);
  CUresult code = CUDA_SUCCESS;
  if (status != 0 || rename(made, b->object) != 0) {
    take_log(b, log);
    code = CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  (void)unlink(made);
  (void)unlink(wrapper);
  (void)unlink(log);
  return code;
}

/* The extra flags: RKFAKE_CXXFLAGS, and a macro for each word of RKFAKE_SPOIL. */
static bool gather_flags(build *b)
{
  static const struct {
    const char *word, *flag;
  } bugs[] = {{"tagged", " -DRK_PLANT_TORN_WORD=1"},
              {"plain", " -DRK_PLANT_SPOILT_PLAIN=1"},
              {"lanes", " -DRK_PLANT_CHANGED_LANES=1"},
              {"lost", " -DRK_PLANT_LOST_LANES=1"}};
  char words[64];
  char *rest = NULL;
  (void)snprintf(b->flags, sizeof(b->flags), "%s", env_or("RKFAKE_CXXFLAGS", RKF_DEFAULT_FLAGS));
  (void)snprintf(words, sizeof(words), "%s", env_or("RKFAKE_SPOIL", ""));
  for (char *word = strtok_r(words, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
    bool is_known = false;
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
      size_t used = strlen(b->flags);
      if (strcmp(word, bugs[i].word) == 0) {
        is_known = true;
        (void)snprintf(b->flags + used, sizeof(b->flags) - used, "%s", bugs[i].flag);
      }
    }
    if (!is_known) {
      (void)snprintf(b->why, RKF_LOG_BYTES,
                     "RKFAKE_SPOIL: tagged, plain, lanes or lost expected, got %s", word);
      return false;
    }
  }
  return true;
}

/* ---- loading ---- */

/* A module that is loaded twice has its variables twice: the second one needs a file of its own. */
static void *open_object(const build *b)
{
  void *same = dlopen(b->object, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (same == NULL) {
    return dlopen(b->object, RTLD_NOW | RTLD_LOCAL);
  }
  dlclose(same);
  char path[] = "/tmp/rkfake-XXXXXX";
  size_t bytes = 0;
  char *code = read_file(b->object, &bytes);
  int file = mkstemp(path);
  void *library = NULL;
  if (code != NULL && file >= 0 && write(file, code, bytes) == (ssize_t)bytes) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  }
  if (file >= 0) {
    close(file);
    (void)unlink(path);
  }
  free(code);
  return library;
}

CUresult rkf_unit_open(const char *image, size_t image_bytes, void **library, char *why)
{
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  build b = {.why = why};
  uint64_t hash = 0;
  char suffix[40];
  CUresult code = CUDA_SUCCESS;
  b.include = env_or("RKFAKE_INCLUDE", RKF_DEFAULT_INCLUDE);
  b.prelude = env_or("RKFAKE_PRELUDE", RKF_DEFAULT_PRELUDE);
  b.compiler = env_or("RKFAKE_CXX", RKF_DEFAULT_CXX);
  if (!gather_flags(&b)) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!find_marker(image, image_bytes, b.hex)) {
    (void)snprintf(why, RKF_LOG_BYTES, "the image has no symbol " MARKER "<16 digits>");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  if (!find_source(&b)) {
    (void)snprintf(why, RKF_LOG_BYTES,
                   "no source %s.cu in RINGKERNEL_CACHE, the default cache or RKFAKE_SOURCES",
                   b.hex);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!hash_inputs(&b, &hash)) {
    (void)snprintf(why, RKF_LOG_BYTES, "no device headers in %s (RKFAKE_INCLUDE)", b.include);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  size_t source_bytes = 0;
  char *source = read_file(b.source, &source_bytes);
  hash = source != NULL ? mix(hash, source, source_bytes) : hash;
  free(source);
  (void)snprintf(suffix, sizeof(suffix), ".%016llx.fake.so", (unsigned long long)hash);
  const char *folder = access(b.folder, W_OK) == 0 ? b.folder : env_or("TMPDIR", "/tmp");
  if (!join(b.object, folder, "/", b.hex, suffix)) {
    (void)snprintf(why, RKF_LOG_BYTES, "the path of the cache folder is too long");
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  pthread_mutex_lock(&one_at_a_time);
  if (access(b.object, R_OK) != 0) {
    code = compile(&b);
  }
  if (code == CUDA_SUCCESS && (*library = open_object(&b)) == NULL) {
    (void)snprintf(why, RKF_LOG_BYTES, "cannot load %s: %s", b.object, dlerror());
    code = CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  pthread_mutex_unlock(&one_at_a_time);
  return code;
}
