/* SPDX-License-Identifier: MIT */
/*
 * The seam to everything outside: clocks, random numbers, files, processes, shared objects,
 * threads, futexes, events. One struct of function pointers; nothing above src/base calls the
 * system in any other way, so that a test can replace one entry or all of them.
 *
 * `rk_platform_current()->file_read(...)` is how callers use the less common parts. The common
 * ones have short names: clock.h (time, sleep), thread.h (threads, park), wake.h (events),
 * params.h (environment, cache folder), log.h (standard error).
 *
 * Unless an entry says otherwise: Threads: any. Interrupted calls go on by themselves. System
 * errors map to RK_ENOT_FOUND (no such file), RK_EEXISTS, RK_EDENIED (permission, read-only),
 * RK_EOUT_OF_MEMORY, RK_ETOO_LARGE (name too long), and RK_EIO for the rest (a full disk among
 * them), with the system's text in `err`.
 */
#ifndef RK_BASE_PLATFORM_H
#define RK_BASE_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "base/error.h"

/* Bytes that hold any path this library builds, with the terminator. */
#define RK_PATH_BYTES 4096

/* What file_stat says of a path. */
typedef struct rk_file_info {
  uint64_t size_bytes;
  uint64_t mtime_ns; /* last change, nanoseconds since 1970 */
  bool is_dir;
} rk_file_info;

/* A program to run. Clear it and fill what you need. */
typedef struct rk_spawn {
  const char *const *argv; /* NULL-terminated; argv[0] is searched in PATH unless it has a slash */
  uint64_t timeout_ns;     /* 0 or RK_FOREVER: no limit */
  char *output;            /* gets stdout and stderr, always terminated; NULL: dropped */
  size_t output_bytes;     /* size of `output`, terminator included */
} rk_spawn;

/* How a program ended. */
typedef struct rk_spawn_result {
  int exit_code;      /* 0..255, or -1 if a signal ended it */
  int signal;         /* the signal that ended it, or 0 */
  size_t output_size; /* bytes in `output`, without the terminator */
  bool is_truncated;  /* it wrote more than `output` holds; the start is kept */
} rk_spawn_result;

/* A running thread. Opaque; made by thread_start, gone after thread_join. */
typedef struct rk_thread rk_thread;

typedef void (*rk_thread_fn)(void *arg);

/* A thread to start. Clear it (RK_THREAD_SPEC_INIT) and fill what you need. */
typedef struct rk_thread_spec {
  const char *name;   /* what debuggers show; cut to 15 bytes; NULL: "rk" */
  rk_thread_fn fn;    /* what it runs */
  void *arg;          /* what `fn` gets */
  int cpu;            /* -1: anywhere; n: the n-th processor that we may use, modulo their count */
  size_t stack_bytes; /* 0: the system's default */
} rk_thread_spec;

#define RK_THREAD_SPEC_INIT \
  {                         \
    .cpu = -1               \
  }

/* Says the next piece of what is being written: *data stays valid until the next call; *size 0 is
 * the end. An error ends the writing. */
typedef int (*rk_file_source)(void *arg, const void **data, size_t *size, rk_error *err);

/* Called for each entry of a folder; false ends the walk. */
typedef bool (*rk_dir_fn)(void *arg, const char *name);

typedef struct rk_platform {
  const char *name; /* "linux" */

  /* --- time --- */

  /* Nanoseconds of a clock that never steps back; its zero is unspecified. */
  uint64_t (*clock_mono_ns)(void);
  /* Microseconds since 1970. Can step. The reading may be one that this thread made before, less than
   * a microsecond ago. */
  uint64_t (*clock_wall_us)(void);
  /* Nanoseconds since 1970, on the same clock. */
  uint64_t (*clock_wall_ns)(void);
  /* Sleeps at least `ns` nanoseconds, through signals. */
  void (*sleep_ns)(uint64_t ns);
  /* Lets another thread run. */
  void (*yield)(void);

  /* --- process and machine --- */

  /* A random number that nobody can guess. RK_EIO. */
  int (*random_u64)(uint64_t *value, rk_error *err);
  /* Processors that this process may use (its affinity mask), at least 1. */
  size_t (*cpu_count)(void);
  /* The id of this process. */
  uint64_t (*pid)(void);
  /* The value of an environment variable or NULL. Valid until somebody changes the environment. */
  const char *(*env_get)(const char *name);
  /* Gives an environment variable a value if it has none (not even an empty one), for libraries
   * that read theirs from there. RK_EOUT_OF_MEMORY. Threads: only where no other thread may be
   * reading the environment outside of env_get. */
  int (*env_default)(const char *name, const char *value, rk_error *err);
  /* The user's home folder (HOME, else the password file) into `path`. RK_ENOT_FOUND,
   * RK_ETOO_LARGE. */
  int (*home_dir)(char *path, size_t path_bytes, rk_error *err);
  /* Writes to standard error in one call where the system lets it; failures are ignored. */
  void (*stderr_write)(const char *text, size_t bytes);

  /* --- files --- */

  /* Reads a whole file of at most `limit` bytes into a new block with a terminating 0 after it;
   * give *data back with rk_free. RK_ETOO_LARGE if it is larger. */
  int (*file_read)(const char *path, size_t limit, void **data, size_t *size, rk_error *err);
  /* Puts a file in place in one step: after a crash there is the old content or the new one.
   * A temporary file beside it, fsync, rename, fsync of the folder. A symbolic link is replaced.
   * On failure the temporary file is removed and the old file is untouched. */
  int (*file_write)(const char *path, const void *data, size_t size, rk_error *err);
  /* The same piece by piece. The system may begin to write the first ones to the disk while later
   * ones are asked for. */
  int (*file_write_from)(const char *path, rk_file_source source, void *arg, rk_error *err);
  /* Reads `size` bytes from byte `offset` on; RK_EIO if the file ends before. */
  int (*file_read_at)(const char *path, uint64_t offset, void *into, size_t size, rk_error *err);
  /* What there is at `path`, links followed. `info` may be NULL to ask only whether it exists.
   * RK_ENOT_FOUND (with a text) if nothing does. */
  int (*file_stat)(const char *path, rk_file_info *info, rk_error *err);
  /* Moves a file over another in the same file system. */
  int (*file_rename)(const char *from, const char *to, rk_error *err);
  /* Removes a file, a link or an empty folder. RK_ENOT_FOUND. */
  int (*file_remove)(const char *path, rk_error *err);
  /* Makes a folder and the missing ones above it, for this user only (mode 0700). Success if it is
   * there already. RK_EEXISTS if a file is in the way. */
  int (*dir_make)(const char *path, rk_error *err);
  /* Makes a new private folder "<TMPDIR or /tmp>/<prefix>XXXXXX" and puts its name in `path`. */
  int (*dir_make_temp)(const char *prefix, char *path, size_t path_bytes, rk_error *err);
  /* Calls `fn` for each entry but "." and "..", in the file system's order. */
  int (*dir_each)(const char *path, rk_dir_fn fn, void *arg, rk_error *err);

  /* --- scratch files --- */

  /* Opens a file without a name in a folder that is there, for this process only: it is gone when
   * its descriptor is, however the process ends. (Where the file system makes no such file it has a
   * name, rk-*.tmp, until it is removed at once.) Close with scratch_close. */
  int (*scratch_open)(const char *folder, int *fd, rk_error *err);
  /* Writes `size` bytes from byte `offset` on. After an error some of them may be there. */
  int (*scratch_write)(int fd, uint64_t offset, const void *data, size_t size, rk_error *err);
  /* Reads `size` bytes from byte `offset` on; RK_EIO if the file ends before. */
  int (*scratch_read)(int fd, uint64_t offset, void *into, size_t size, rk_error *err);
  /* Gives the disk's room under that range back where the file system can; the file keeps its
   * length. */
  void (*scratch_free)(int fd, uint64_t offset, uint64_t size);
  /* Closes it. A negative descriptor is allowed. */
  void (*scratch_close)(int fd);

  /* --- claims: what one process at a time may use, named by a file that all users agree on --- */

  /* Claims `path` for this process, until claim_drop or the end of the process, however it ends;
   * children do not inherit it. Never waits. With `is_shared`, any number of processes that all ask
   * for that hold it together. RK_EEXISTS: another process has it, *holder is its id, 0 where the
   * system does not show that process. Any other error: the file can not be made or locked, which
   * says nothing about holders. Whoever claims a path twice loses it with the first drop: count. */
  int (*claim_take)(const char *path, bool is_shared, int *claim, uint64_t *holder, rk_error *err);
  /* Gives a claim up, and removes the file if nobody else holds it. */
  void (*claim_drop)(const char *path, int claim);
  /* Who claims `path`, which this process does not: one of them, if they share it. RK_ENOT_FOUND:
   * nobody. */
  int (*claim_holder)(const char *path, bool *is_shared, uint64_t *holder, rk_error *err);

  /* --- programs and shared objects --- */

  /* Runs a program to its end, with no shell, stdin from /dev/null, signals as default, in a
   * process group of its own. RK_OK once it has ended, however it did: look at `result`.
   * RK_ENOT_FOUND: no such program; RK_ETIMEOUT: it was killed with its group, `output` holds what
   * came until then and *result is filled. RK_EIO. */
  int (*spawn)(const rk_spawn *program, rk_spawn_result *result, rk_error *err);
  /* Opens a shared object, its symbols to itself. RK_ENOT_FOUND with the loader's text. */
  int (*lib_open)(const char *path, void **lib, rk_error *err);
  /* Looks a symbol up; copy *symbol into a function pointer with memcpy. RK_ENOT_FOUND. */
  int (*lib_symbol)(void *lib, const char *name, void **symbol, rk_error *err);
  /* Closes a shared object. NULL is allowed. */
  void (*lib_close)(void *lib);

  /* --- threads --- */

  /* Starts a thread. It blocks every signal but those that its own faults raise (SEGV, BUS, FPE,
   * ILL, ABRT, TRAP). RK_EOUT_OF_MEMORY when the system has no room for one more, RK_EINVAL. */
  int (*thread_start)(const rk_thread_spec *spec, rk_thread **thread, rk_error *err);
  /* Waits for the thread's function to return and frees the handle. NULL is allowed.
   * Threads: one, never the thread itself. */
  void (*thread_join)(rk_thread *thread);
  /* Sleeps while *word == expected. RK_OK: woken, or *word differs, or for no reason: look again.
   * RK_ETIMEOUT after `timeout_ns` (RK_FOREVER: never), RK_EINTR on a signal. Only for words of
   * this process's own threads. */
  int (*futex_wait)(const volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns);
  /* Wakes at most `count` threads that sleep on `word`; returns how many it woke. */
  uint32_t (*futex_wake)(const volatile uint32_t *word, uint32_t count);

  /* --- events --- */

  /* A new event object; readable from the first signal on until it is drained. Close with
   * event_close. RK_EIO when there is no descriptor left. */
  int (*event_open)(int *fd, rk_error *err);
  /* Makes it readable. Never blocks, keeps errno. Threads: any, signal-safe. */
  void (*event_signal)(int fd);
  /* Makes it unreadable; returns whether it was signalled. Never blocks. */
  bool (*event_drain)(int fd);
  /* Closes it. A negative descriptor is allowed. */
  void (*event_close)(int fd);
  /* Waits until `fd` (any descriptor) is readable. RK_OK, RK_ETIMEOUT after `timeout_ns` (0: look
   * once, RK_FOREVER: never), RK_EINTR on a signal, so that the caller can look at what the signal
   * asked for, RK_EIO for a descriptor that is not open. */
  int (*fd_poll)(int fd, uint64_t timeout_ns);
} rk_platform;

/* Where rk_platform_current reads. Not for use by name: call the functions below. */
extern const rk_platform *rk__platform;

/* The platform in use; never NULL. Threads: any. */
static inline const rk_platform *rk_platform_current(void)
{
  return rk__platform;
}

/* The platform of the machine we run on. A test copies it and replaces entries. Threads: any. */
const rk_platform *rk_platform_real(void);

/* Puts `platform`, which stays the caller's and must outlive its use, in place of the current one;
 * NULL: the real one. For tests. Threads: only while no other thread runs. */
void rk_platform_set(const rk_platform *platform);

#endif
