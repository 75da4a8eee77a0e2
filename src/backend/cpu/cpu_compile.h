/* SPDX-License-Identifier: MIT */
/*
 * C source text to a loaded shared object, with the system's C compiler and a cache.
 *
 * A cold compile takes 50 to 200 ms, a cached one well under a millisecond: the compiler is not
 * run, not even for its version. The cache is a folder of files NAME-KEY.so; KEY is a 128-bit hash
 * of all that decides the result: source, flags, ABI version, and the compiler's path, size and
 * time of change. Files are put in place whole, so several processes can use one folder; each
 * carries a hash of its content, and one that fails its check is compiled anew.
 *
 * When the library itself is built with a sanitizer, kernels are too (address: recognised by
 * itself; thread: also with -DRK_TSAN=1; undefined: -DRK_UBSAN=1), so that user code is checked.
 *
 * Used by cpu_module.c. Threads: any.
 */
#ifndef RK_BACKEND_CPU_COMPILE_H
#define RK_BACKEND_CPU_COMPILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_cpu_compile_request {
  const char *name;         /* for messages and file names: 1..100 of [A-Za-z0-9_.-] */
  const char *source;       /* the whole source; found by no include path but the system's */
  const char *const *flags; /* more compiler arguments, NULL-terminated; NULL: none. They come
                             * last, so "-O0" overrides. Nothing that depends on more than the key
                             * (-march=native, -I of a folder that changes) */
  const char *cache_dir;    /* NULL: rk_cache_dir() */
  uint32_t abi_version;     /* of what the source expects from the library */
} rk_cpu_compile_request;

/* Compiles, or finds in the cache. *so_path: the shared object. *log (may be NULL): all that the
 * compiler wrote, warnings included, also when the result comes from the cache; "" if nothing.
 *
 * Where the cache folder cannot be used (not writable, disk full), the object is made in a new
 * folder under $TMPDIR and *log starts with a line that says so.
 *
 * Ownership: give *so_path back with rk_cpu_compile_release, *log with rk_free.
 * Errors: RK_ECOMPILE (text: the first error as "file:line: message"; *log is set too),
 * RK_ENO_COMPILER, RK_EIO (neither folder can be written), RK_ETIMEOUT, RK_EOUT_OF_MEMORY,
 * RK_EINVAL (name). */
int rk_cpu_compile(const rk_cpu_compile_request *request, char **so_path, char **log,
                   rk_error *err);

/* Frees `so_path`; removes the file if it lies in a temporary folder instead of the cache. A loaded
 * object may be released, but debuggers and crash reports then find no lines: do it after
 * rk_cpu_module_close. NULL is allowed. */
void rk_cpu_compile_release(char *so_path);

#endif
