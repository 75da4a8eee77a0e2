/* SPDX-License-Identifier: MIT */
/*
 * The tools of the machine: which compiler there is, where a program is, how a shared object is
 * loaded.
 *
 * Used by cpu_compile.c, cpu_module.c, cpu_crash.c and, to tell the user, by the Lua module.
 * Threads: any.
 */
#ifndef RK_BACKEND_CPU_TOOLCHAIN_H
#define RK_BACKEND_CPU_TOOLCHAIN_H

#include <stddef.h>

#include "base/error.h"

/* Finds the compiler: RINGKERNEL_CC (a name or a path, no arguments) if set, else the first of cc,
 * gcc, clang in PATH. Ownership: give *path back with rk_free.
 * Errors: RK_ENO_COMPILER with what to install, RK_EOUT_OF_MEMORY. */
int rk_cpu_compiler_find(char **path, rk_error *err);

/* The same into the caller's buffer. */
int rk__cpu_compiler_path(char *path, size_t path_bytes, rk_error *err);

/* Puts the file that `name` means as a command into `path`: itself if it has a slash, else the
 * first match in PATH. Errors: RK_ENOT_FOUND. */
int rk_cpu_program_find(const char *name, char *path, size_t path_bytes);

/* Loads a shared object, its symbols to itself, and looks `symbol` up; copy *sym into a function
 * pointer with memcpy. Ownership: rk_cpu_module_close, once no thread runs or will run its code and
 * the threads that have its thread-local variables have ended.
 * Errors: RK_ENOT_FOUND with the loader's text; nothing stays loaded. */
int rk_cpu_module_load(const char *path, const char *symbol, void **handle, void **sym,
                       rk_error *err);

/* Unloads it. NULL is allowed. */
void rk_cpu_module_close(void *handle);

#endif
