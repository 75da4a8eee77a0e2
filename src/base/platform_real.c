/* SPDX-License-Identifier: MIT */
/*
 * The real platform, on Linux: the table itself, random numbers, the environment, shared objects.
 * Clocks, files, programs and threads are in the files beside this one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* getrandom and the Linux parts of the headers */
#endif

#include "base/platform.h"
#include "base/platform_real.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int rk__os_fail(rk_error *err, int error, const char *what, const char *subject)
{
  int status = RK_EIO;
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      status = RK_ENOT_FOUND;
      break;
    case EEXIST:
      status = RK_EEXISTS;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      status = RK_EDENIED;
      break;
    case ENOMEM:
      status = RK_EOUT_OF_MEMORY;
      break;
    case ENAMETOOLONG:
      status = RK_ETOO_LARGE;
      break;
    default:
      break;
  }
  /* strerror of a known number is a constant string in glibc and musl: safe in any thread. */
  return rk_error_set(err, status, "%s '%.300s': %s", what, subject, strerror(error));
}

static void yield(void)
{
  sched_yield();
}

static int random_u64(uint64_t *value, rk_error *err)
{
  uint64_t bits = 0;
  unsigned char *at = (unsigned char *)&bits;
  size_t have = 0;
  while (have < sizeof bits) {
    ssize_t got = getrandom(at + have, sizeof bits - have, 0);
    if (got < 0 && errno != EINTR) {
      return rk__os_fail(err, errno, "cannot get random numbers from", "getrandom");
    }
    have += got > 0 ? (size_t)got : 0;
  }
  *value = bits;
  return RK_OK;
}

/* Kept, because each call on a runtime asks whether the process is still the one that opened it, and
 * getpid is a system call. A child's copy is set right before fork returns in it. */
static _Atomic uint64_t known_pid;

static void learn_pid(void)
{
  atomic_store_explicit(&known_pid, (uint64_t)getpid(), memory_order_relaxed);
}

static uint64_t pid(void)
{
  uint64_t known = atomic_load_explicit(&known_pid, memory_order_relaxed);
  if (known == 0) {
    known = (uint64_t)getpid();
    if (pthread_atfork(NULL, NULL, learn_pid) == 0) {
      learn_pid();
    }
  }
  return known;
}

static const char *env_get(const char *name)
{
  return getenv(name);
}

static int env_default(const char *name, const char *value, rk_error *err)
{
  if (setenv(name, value, 0) != 0) {
    return rk_error_set(err, errno == ENOMEM ? RK_EOUT_OF_MEMORY : RK_EINVAL,
                        "cannot set %.100s in the environment: %s", name, strerror(errno));
  }
  return RK_OK;
}

static int home_dir(char *path, size_t path_bytes, rk_error *err)
{
  const char *home = getenv("HOME");
  char strings[4096];
  struct passwd record;
  struct passwd *found = NULL;
  if (home == NULL || home[0] == '\0') {
    if (getpwuid_r(getuid(), &record, strings, sizeof strings, &found) != 0 || found == NULL ||
        found->pw_dir == NULL || found->pw_dir[0] == '\0') {
      return rk_error_set(err, RK_ENOT_FOUND, "no home folder: set HOME");
    }
    home = found->pw_dir;
  }
  size_t bytes = strlen(home) + 1;
  if (bytes > path_bytes) {
    return rk_error_set(err, RK_ETOO_LARGE, "home folder '%.200s...': the path is too long", home);
  }
  memcpy(path, home, bytes);
  return RK_OK;
}

static void stderr_write(const char *text, size_t bytes)
{
  while (bytes > 0) {
    ssize_t done = write(STDERR_FILENO, text, bytes);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return;
    }
    text += done;
    bytes -= (size_t)done;
  }
}

static int lib_open(const char *path, void **lib, rk_error *err)
{
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    const char *text = dlerror();
    return rk_error_set(err, RK_ENOT_FOUND, "cannot load '%.200s': %s", path,
                        text != NULL ? text : "unknown reason");
  }
  *lib = handle;
  return RK_OK;
}

static int lib_symbol(void *lib, const char *name, void **symbol, rk_error *err)
{
  dlerror();
  void *address = dlsym(lib, name);
  if (address == NULL) {
    const char *text = dlerror();
    return rk_error_set(err, RK_ENOT_FOUND, "no symbol '%.100s': %s", name,
                        text != NULL ? text : "its address is 0");
  }
  *symbol = address;
  return RK_OK;
}

static void lib_close(void *lib)
{
  if (lib != NULL) {
    dlclose(lib);
  }
}

static const rk_platform real_platform = {
    .name = "linux",
    .clock_mono_ns = rk__os_clock_mono_ns,
    .clock_wall_us = rk__os_clock_wall_us,
    .clock_wall_ns = rk__os_clock_wall_ns,
    .sleep_ns = rk__os_sleep_ns,
    .yield = yield,
    .random_u64 = random_u64,
    .cpu_count = rk__os_cpu_count,
    .pid = pid,
    .env_get = env_get,
    .env_default = env_default,
    .home_dir = home_dir,
    .stderr_write = stderr_write,
    .file_read = rk__os_file_read,
    .file_write = rk__os_file_write,
    .file_write_from = rk__os_file_write_from,
    .file_read_at = rk__os_file_read_at,
    .file_stat = rk__os_file_stat,
    .file_rename = rk__os_file_rename,
    .file_remove = rk__os_file_remove,
    .dir_make = rk__os_dir_make,
    .dir_make_temp = rk__os_dir_make_temp,
    .dir_each = rk__os_dir_each,
    .scratch_open = rk__os_scratch_open,
    .scratch_write = rk__os_scratch_write,
    .scratch_read = rk__os_scratch_read,
    .scratch_free = rk__os_scratch_free,
    .scratch_close = rk__os_scratch_close,
    .claim_take = rk__os_claim_take,
    .claim_drop = rk__os_claim_drop,
    .claim_holder = rk__os_claim_holder,
    .spawn = rk__os_spawn,
    .lib_open = lib_open,
    .lib_symbol = lib_symbol,
    .lib_close = lib_close,
    .thread_start = rk__os_thread_start,
    .thread_join = rk__os_thread_join,
    .futex_wait = rk__os_futex_wait,
    .futex_wake = rk__os_futex_wake,
    .event_open = rk__os_event_open,
    .event_signal = rk__os_event_signal,
    .event_drain = rk__os_event_drain,
    .event_close = rk__os_event_close,
    .fd_poll = rk__os_fd_poll,
};

const rk_platform *rk__platform = &real_platform;

const rk_platform *rk_platform_real(void)
{
  return &real_platform;
}

void rk_platform_set(const rk_platform *platform)
{
  rk__platform = platform != NULL ? platform : &real_platform;
}
