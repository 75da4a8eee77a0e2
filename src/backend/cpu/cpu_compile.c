/* SPDX-License-Identifier: MIT */
/*
 * Compiling C source text, with a cache (see cpu_compile.h).
 *
 * A cache file is the shared object, then the compiler's log, then a trailer with both sizes and
 * a hash; the loader ignores what follows the object. One file is put in place by one rename,
 * so there is no moment when object and check do not belong together.
 *
 * The hash is FNV-1a of 128 bits. It finds every accident; it does not stop somebody who can write
 * to the cache folder, who could as well put any code there. The folder is private (mode 0700).
 */
#include "backend/cpu/cpu_compile.h"

#include "backend/cpu/cpu_toolchain.h"
#include "base/alloc.h"
#include "base/base.h"
#include "base/hash.h"
#include "base/params.h"
#include "base/platform.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(RK_TSAN) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define WITH_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define WITH_ASAN 1
#endif

#define NAME_BYTES_MAX 100
#define OUTPUT_BYTES ((size_t)256 * 1024)
#define OBJECT_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define COMPILE_LIMIT_NS UINT64_C(120000000000)
#define ARGS_MAX 96
#define TEMP_PREFIX "ringkernel-cpu-"

/* Calls that C++, and so NVRTC, would not take are errors here too. Frame pointers are for
 * backtraces, -g1 for the line numbers of crash reports; version 4, because in version 5 several
 * releases of addr2line lose the file names of #line. */
static const char *const base_flags[] = {
    "-shared",
    "-fPIC",
    "-O2",
    "-g1",
    "-gdwarf-4",
    "-std=gnu11",
    "-pipe",
    "-fno-strict-aliasing",
    "-fno-omit-frame-pointer",
    "-fdiagnostics-color=never",
    "-Wall",
    "-Werror=implicit-function-declaration",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
#ifdef WITH_TSAN
    "-fsanitize=thread",
#endif
#ifdef WITH_ASAN
    "-fsanitize=address",
#endif
#ifdef RK_UBSAN
    "-fsanitize=undefined",
#endif
};

/* ---- paths --------------------------------------------------------------------------------- */

static int join_path(char *path, size_t path_bytes, rk_error *err, const char *folder,
                     const char *name)
{
  int n = snprintf(path, path_bytes, "%s/%s", folder, name);
  if (n < 0 || (size_t)n >= path_bytes) {
    return rk_error_set(err, RK_ETOO_LARGE, "the path of '%s' is too long", name);
  }
  return RK_OK;
}

/* ---- one job ------------------------------------------------------------------------------- */

typedef struct job {
  const rk_cpu_compile_request *request;
  rk_hash128 key;
  char key_hex[33];
  char compiler[RK_PATH_BYTES];
  char env[RK_PATH_BYTES];                           /* the env program, "" if there is none */
  char cache[RK_PATH_BYTES];                         /* folder of cache files, "" if unknown */
  char work[RK_PATH_BYTES];                          /* private folder of this compile */
  char source[RK_PATH_BYTES], object[RK_PATH_BYTES]; /* in it */
  char target[RK_PATH_BYTES];                        /* where the result goes */
  char map_flag[RK_PATH_BYTES + 32];
  char *output; /* of the compiler */
  size_t output_size;
} job;

typedef struct trailer {
  char magic[8];
  uint64_t object_bytes;
  uint64_t log_bytes;
  uint64_t hash[2]; /* of key, object and log */
} trailer;

_Static_assert(sizeof(trailer) == 40, "the trailer has no holes");

static const char trailer_magic[8] = {'r', 'k', 'c', 'p', 'u', 's', 'o', '1'};

static int check_name(const char *name, rk_error *err)
{
  size_t size = strlen(name);
  bool is_good = size > 0 && size <= NAME_BYTES_MAX && name[0] != '.' && name[0] != '-';
  for (size_t i = 0; is_good && i < size; i++) {
    is_good = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]) != NULL;
  }
  return is_good ? RK_OK
                 : rk_error_set(err, RK_EINVAL,
                                "the name '%.100s' does not fit a file: 1 to %d letters, digits, "
                                "'_', '.', '-', the first no '.' or '-'",
                                name, NAME_BYTES_MAX);
}

/* Finds the compiler and computes the key. */
static int prepare_job(job *j, rk_error *err)
{
  int status = rk__cpu_compiler_path(j->compiler, sizeof(j->compiler), err);
  rk_file_info info;
  if (status == RK_OK) {
    status = rk_platform_current()->file_stat(j->compiler, &info, err);
  }
  if (status != RK_OK) {
    return status;
  }
  rk_hash128 key = rk_hash_text(rk_hash_start(), "ringkernel cpu 1");
  key = rk_hash_text(key, j->request->source);
  for (size_t i = 0; i < RK_ARRAY_LEN(base_flags); i++) {
    key = rk_hash_text(key, base_flags[i]);
  }
  for (const char *const *flag = j->request->flags; flag != NULL && *flag != NULL; flag++) {
    key = rk_hash_text(key, *flag);
  }
  key = rk_hash_text(key, j->compiler);
  const uint64_t numbers[] = {info.size_bytes, info.mtime_ns, j->request->abi_version};
  j->key = rk_hash_bytes(key, numbers, sizeof(numbers));
  snprintf(j->key_hex, sizeof(j->key_hex), "%016" PRIx64 "%016" PRIx64, (uint64_t)(j->key >> 64),
           (uint64_t)j->key);
  return RK_OK;
}

static trailer make_trailer(rk_hash128 key, const char *object, size_t object_bytes,
                            const char *log, size_t log_bytes)
{
  trailer t = {.object_bytes = object_bytes, .log_bytes = log_bytes};
  memcpy(t.magic, trailer_magic, sizeof(t.magic));
  rk_hash128 hash = rk_hash_bytes(rk_hash_start(), &key, sizeof(key));
  hash = rk_hash_bytes(rk_hash_bytes(hash, object, object_bytes), log, log_bytes);
  t.hash[0] = (uint64_t)(hash >> 64);
  t.hash[1] = (uint64_t)hash;
  return t;
}

/* Puts "FOLDER/NAME-KEY.so" into j->target. */
static int set_target(job *j, const char *folder, rk_error *err)
{
  char file[NAME_BYTES_MAX + 64];
  snprintf(file, sizeof(file), "%s-%s.so", j->request->name, j->key_hex);
  return join_path(j->target, sizeof(j->target), err, folder, file);
}

/* Looks j->target up and, if it is whole, copies its log. Whatever is wrong with it: not found. */
static bool find_cached(job *j)
{
  void *data;
  size_t size;
  if (rk_platform_current()->file_read(j->target, OBJECT_BYTES_MAX, &data, &size, NULL) != RK_OK) {
    return false;
  }
  const char *bytes = data;
  trailer found;
  bool is_whole = false;
  if (size >= sizeof(found)) {
    size_t rest = size - sizeof(found);
    memcpy(&found, bytes + rest, sizeof(found));
    if (found.log_bytes <= rest && found.log_bytes < OUTPUT_BYTES &&
        found.object_bytes == rest - found.log_bytes) {
      const char *log = bytes + found.object_bytes;
      trailer good = make_trailer(j->key, bytes, found.object_bytes, log, found.log_bytes);
      is_whole = memcmp(&good, &found, sizeof(good)) == 0;
      if (is_whole) {
        memcpy(j->output, log, found.log_bytes);
        j->output[found.log_bytes] = '\0';
        j->output_size = found.log_bytes;
      }
    }
  }
  rk_free(data);
  return is_whole;
}

/* ---- the compiler's log -------------------------------------------------------------------- */

/* Takes the private folder out of the log: "FOLDER/smooth.c:3:" becomes "smooth.c:3:". */
static void strip_folder(job *j)
{
  size_t length = strlen(j->work);
  char *to = j->output;
  for (const char *from = j->output; *from != '\0';) {
    if (strncmp(from, j->work, length) == 0 && from[length] == '/') {
      from += length + 1;
    } else {
      *to++ = *from++;
    }
  }
  *to = '\0';
  j->output_size = (size_t)(to - j->output);
}

/* What compiler and linker say (with LC_ALL=C) when it is the disk that failed. */
static bool is_disk_failure(const char *log)
{
  return strstr(log, "No space left on device") != NULL ||
         strstr(log, "Disk quota exceeded") != NULL || strstr(log, "Read-only file system") != NULL;
}

/* Returns where the column starts in "file:line:column", or the length. */
static size_t without_column(const char *place, size_t length)
{
  size_t at = length;
  while (at > 0 && isdigit((unsigned char)place[at - 1])) {
    at--;
  }
  if (at < 2 || at == length || place[at - 1] != ':' || !isdigit((unsigned char)place[at - 2])) {
    return length;
  }
  return at - 1;
}

/* Turns the first error of the log, or else its first line, into "file:line: message". */
static int report_first_error(const job *j, const rk_spawn_result *result, rk_error *err)
{
  static const char *const marks[] = {": error: ", ": fatal error: "};
  const char *best = NULL;
  size_t mark_length = 0;
  for (size_t i = 0; i < RK_ARRAY_LEN(marks); i++) {
    const char *found = strstr(j->output, marks[i]);
    if (found != NULL && (best == NULL || found < best)) {
      best = found;
      mark_length = strlen(marks[i]);
    }
  }
  if (best == NULL) {
    if (result->signal != 0) {
      return rk_error_set(err, RK_ECOMPILE, "the compiler '%.200s' was ended by signal %d",
                          j->compiler, result->signal);
    }
    return rk_error_set(err, RK_ECOMPILE, "the compiler '%.200s' failed with status %d: %.*s",
                        j->compiler, result->exit_code, (int)strcspn(j->output, "\n"), j->output);
  }
  const char *line = best;
  while (line > j->output && line[-1] != '\n') {
    line--;
  }
  const char *message = best + mark_length;
  return rk_error_set(err, RK_ECOMPILE, "%.*s: %.*s",
                      (int)without_column(line, (size_t)(best - line)), line,
                      (int)strcspn(message, "\n"), message);
}

/* ---- compiling ----------------------------------------------------------------------------- */

/* Runs the compiler on j->source. RK_EIO where the disk failed. */
static int run_compiler(job *j, rk_error *err)
{
  const char *argv[ARGS_MAX];
  size_t n = 0;
  if (j->env[0] != '\0') { /* messages in English, whatever the user speaks: we read them */
    argv[n++] = j->env;
    argv[n++] = "LC_ALL=C";
  }
  argv[n++] = j->compiler;
  for (size_t i = 0; i < RK_ARRAY_LEN(base_flags); i++) {
    argv[n++] = base_flags[i];
  }
  snprintf(j->map_flag, sizeof(j->map_flag), "-fdebug-prefix-map=%s/=", j->work);
  argv[n++] = j->map_flag;
  for (const char *const *flag = j->request->flags; flag != NULL && *flag != NULL; flag++) {
    if (n + 6 > ARGS_MAX) {
      return rk_error_set(err, RK_EINVAL, "compile '%s': too many flags", j->request->name);
    }
    argv[n++] = *flag;
  }
  argv[n++] = "-o";
  argv[n++] = j->object;
  argv[n++] = j->source;
  argv[n++] = "-lm";
  argv[n] = NULL;

  rk_spawn program = {.argv = argv,
                      .timeout_ns = COMPILE_LIMIT_NS,
                      .output = j->output,
                      .output_bytes = OUTPUT_BYTES};
  rk_spawn_result result;
  int status = rk_platform_current()->spawn(&program, &result, err);
  if (status == RK_ENOT_FOUND || status == RK_EDENIED) {
    return rk_error_set(err, RK_ENO_COMPILER, "the compiler '%.200s' cannot be run", j->compiler);
  }
  if (status != RK_OK) {
    return status;
  }
  j->output_size = result.output_size;
  strip_folder(j);
  if (result.exit_code == 0) {
    return RK_OK;
  }
  if (is_disk_failure(j->output)) {
    return rk_error_set(err, RK_EIO, "no room for the compiler's output in '%.200s'", j->work);
  }
  return report_first_error(j, &result, err);
}

/* Puts the compiled object with log and trailer at j->target. */
static int store_object(job *j, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  void *object;
  size_t object_bytes;
  int status = os->file_read(j->object, OBJECT_BYTES_MAX, &object, &object_bytes, err);
  if (status != RK_OK) {
    return status;
  }
  trailer end = make_trailer(j->key, object, object_bytes, j->output, j->output_size);
  size_t bytes = object_bytes + j->output_size + sizeof(end);
  char *file = rk_realloc(object, bytes);
  if (file == NULL) {
    rk_free(object);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for a shared object of %zu bytes",
                        bytes);
  }
  memcpy(file + object_bytes, j->output, j->output_size);
  memcpy(file + object_bytes + j->output_size, &end, sizeof(end));
  status = os->file_write(j->target, file, bytes, err);
  rk_free(file);
  return status;
}

/* Compiles in j->work, which exists, to j->target; leaves only the target behind. */
static int compile_in_work(job *j, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  char file[NAME_BYTES_MAX + 8];
  snprintf(file, sizeof(file), "%s.c", j->request->name);
  int status = join_path(j->source, sizeof(j->source), err, j->work, file);
  if (status == RK_OK) {
    status = join_path(j->object, sizeof(j->object), err, j->work, "object.so");
  }
  if (status != RK_OK) {
    return status;
  }
  status = os->file_write(j->source, j->request->source, strlen(j->request->source), err);
  if (status == RK_OK) {
    status = run_compiler(j, err);
  }
  if (status == RK_OK) {
    status = store_object(j, err);
  }
  os->file_remove(j->source, NULL);
  os->file_remove(j->object, NULL);
  return status;
}

/* Compiles in a private folder inside the cache folder. */
static int compile_in_cache(job *j, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  uint64_t random;
  char folder[32];
  int status = os->random_u64(&random, err);
  if (status == RK_OK) {
    snprintf(folder, sizeof(folder), ".build-%016" PRIx64, random);
    status = join_path(j->work, sizeof(j->work), err, j->cache, folder);
  }
  if (status == RK_OK) {
    status = os->dir_make(j->work, err);
  }
  if (status != RK_OK) {
    return status;
  }
  status = compile_in_work(j, err);
  os->file_remove(j->work, NULL);
  return status;
}

/* Compiles in a new folder under $TMPDIR, where the result stays. */
static int compile_in_temp(job *j, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  int status = os->dir_make_temp(TEMP_PREFIX, j->work, sizeof(j->work), err);
  if (status != RK_OK) {
    return status;
  }
  status = set_target(j, j->work, err);
  if (status == RK_OK) {
    status = compile_in_work(j, err);
  }
  if (status != RK_OK) {
    os->file_remove(j->work, NULL);
  }
  return status;
}

/* Whether another folder might do better. */
static bool is_storage_failure(int status)
{
  return status == RK_EIO || status == RK_EDENIED || status == RK_EEXISTS ||
         status == RK_ENOT_FOUND || status == RK_ETOO_LARGE;
}

/* Puts a warning before the compiler's log. */
static void prepend_warning(job *j, const rk_error *why)
{
  char text[RK_ERROR_TEXT_BYTES + 128];
  int n = snprintf(text, sizeof(text),
                   "ringkernel: warning: the cache folder cannot be used: %s; '%s' is compiled "
                   "anew each time\n",
                   why->text, j->request->name);
  size_t length = n > 0 && (size_t)n < sizeof(text) ? (size_t)n : strlen(text);
  size_t kept = j->output_size < OUTPUT_BYTES - 1 - length ? j->output_size
                                                           : OUTPUT_BYTES - 1 - length;
  memmove(j->output + length, j->output, kept);
  memcpy(j->output, text, length);
  j->output_size = length + kept;
  j->output[j->output_size] = '\0';
}

/* Sets j->cache and j->target. */
static int locate_cache(job *j, rk_error *err)
{
  char root[RK_PATH_BYTES];
  int status = RK_OK;
  if (j->request->cache_dir != NULL) {
    int n = snprintf(root, sizeof(root), "%s", j->request->cache_dir);
    if (n < 0 || (size_t)n >= sizeof(root)) {
      status = rk_error_set(err, RK_ETOO_LARGE, "the path of the cache folder is too long");
    }
  } else {
    status = rk_cache_dir(root, sizeof(root), err);
  }
  if (status == RK_OK) {
    status = join_path(j->cache, sizeof(j->cache), err, root, "cpu");
  }
  if (status == RK_OK) {
    status = set_target(j, j->cache, err);
  }
  return status;
}

static int find_or_compile(job *j, rk_error *err)
{
  rk_error cache_err = RK_ERROR_INIT;
  int status = locate_cache(j, &cache_err);
  if (status == RK_OK) {
    if (find_cached(j)) {
      return RK_OK;
    }
    if (rk_cpu_program_find("env", j->env, sizeof(j->env)) != RK_OK) {
      j->env[0] = '\0';
    }
    status = compile_in_cache(j, &cache_err);
  }
  if (!is_storage_failure(status)) {
    if (status != RK_OK) {
      rk_error_set(err, status, "%s", cache_err.text);
    }
    return status;
  }
  status = compile_in_temp(j, err);
  if (status == RK_OK) {
    prepend_warning(j, &cache_err);
  } else if (is_storage_failure(status)) {
    rk_error temp_err = err != NULL ? *err : (rk_error)RK_ERROR_INIT;
    status = rk_error_set(err, RK_EIO,
                          "no folder to compile in: %.200s; and instead of the cache: %.200s",
                          cache_err.text, temp_err.text);
  }
  return status;
}

int rk_cpu_compile(const rk_cpu_compile_request *request, char **so_path, char **log, rk_error *err)
{
  int status = check_name(request->name, err);
  if (status != RK_OK) {
    return status;
  }
  char *path = NULL;
  char *text = NULL;
  job *j = rk_calloc(1, sizeof(*j));
  char *output = rk_alloc(OUTPUT_BYTES);
  if (j == NULL || output == NULL) {
    status = rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory to compile '%s'", request->name);
    goto done;
  }
  output[0] = '\0';
  j->request = request;
  j->output = output;
  status = prepare_job(j, err);
  if (status == RK_OK) {
    status = find_or_compile(j, err);
  }
  if (status == RK_OK || status == RK_ECOMPILE) {
    path = status == RK_OK ? rk_strdup(j->target) : NULL;
    text = log != NULL ? rk_strdup(j->output) : NULL;
    if ((status == RK_OK && path == NULL) || (log != NULL && text == NULL)) {
      rk_cpu_compile_release(path);
      rk_free(text);
      status = rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for the log of '%s'", request->name);
      goto done;
    }
    if (status == RK_OK) {
      *so_path = path;
    }
    if (log != NULL) {
      *log = text;
    }
  }
done:
  rk_free(output);
  rk_free(j);
  return status;
}

void rk_cpu_compile_release(char *so_path)
{
  if (so_path == NULL) {
    return;
  }
  /* .../ringkernel-cpu-XXXXXX/NAME-KEY.so is a temporary one; cache files lie in .../cpu/. */
  char *slash = strrchr(so_path, '/');
  if (slash != NULL) {
    *slash = '\0';
    const char *folder = strrchr(so_path, '/');
    bool is_temp = folder != NULL && strncmp(folder + 1, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0;
    *slash = '/';
    if (is_temp) {
      rk_platform_current()->file_remove(so_path, NULL);
      *slash = '\0';
      rk_platform_current()->file_remove(so_path, NULL);
    }
  }
  rk_free(so_path);
}
