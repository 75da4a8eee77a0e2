/* SPDX-License-Identifier: MIT */
/*
 * Crash reports: says which handler of which actor brought the process down, and at which line.
 *
 * On the CPU backend handlers are native code in our own process. A bad pointer in one of them ends
 * the process, and a bare "Segmentation fault" of a Lua script tells its author nothing. So
 * four signals that only faults raise (SIGSEGV, SIGBUS, SIGFPE, SIGILL) get a handler that writes
 *
 *     ringkernel: handler 'Reading' of actor 's1' (kernel 'smooth') crashed: bad memory access
 *     (SIGSEGV) at address 0x10
 *       at smooth.cu:12
 *
 * and then lets things take their course: the action that was there before is put back and the
 * signal comes again, so exit status, core dump and anybody else's handler are what they would have
 * been. The library installs no other signal handlers. This one touches nothing but threads that
 * run a handler just now; for all others it steps aside at once.
 *
 * Used by cpu_executor.c around each handler call, and by cpu_backend.c at start.
 */
#ifndef RK_BACKEND_CPU_CRASH_H
#define RK_BACKEND_CPU_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Who runs. All of it must stay valid and unchanged while the scope is set. */
typedef struct rk_crash_scope rk_crash_scope;
struct rk_crash_scope {
  /* Fills in the rest when a crash is reported, so that a handler call costs no more than saying
   * which it is; NULL: all is filled in. Runs in the signal handler: it may only read and store. */
  void (*resolve)(rk_crash_scope *scope);
  const char *actor;
  const char *kernel;
  const char *handler;
  /* Where the code is: filled by rk_crash_scope_locate, all zero if not known. */
  const char *module_path; /* "": the program itself */
  uintptr_t module_bias;   /* what was added to the addresses in the file */
  uintptr_t text_start;    /* its machine code in memory */
  size_t text_bytes;
};

#if defined(__GLIBC__)
#define RK_CRASH_TLS __attribute__((tls_model("initial-exec"))) /* one instruction, no call */
#else
#define RK_CRASH_TLS
#endif

/* Not for use by name: call rk_crash_scope_set. Volatile, so that the stores stay around the call
 * that they guard. */
extern _Thread_local rk_crash_scope *volatile rk__crash_scope RK_CRASH_TLS;

/* Says that this thread now runs what `scope` names; NULL: nothing any more. One store.
 * Threads: any; each has its own. */
static inline void rk_crash_scope_set(rk_crash_scope *scope)
{
  rk__crash_scope = scope;
}

/* Fills the module part of `scope` from the address of a function in the module, which must stay
 * loaded as long as the scope is used. Returns false, with that part zero, if no loaded module has
 * the address. Threads: any. */
bool rk_crash_scope_locate(rk_crash_scope *scope, const void *function);

/* Installs the signal handler; further calls do nothing. Errors: RK_EIO. Threads: any. */
int rk_crash_install(rk_error *err);

/* Gives the calling thread a signal stack, so that an overflow of its own stack can be reported. A
 * stack that it has already is kept. Pair it with rk_crash_thread_end on the same thread.
 * Errors: RK_EOUT_OF_MEMORY, RK_EIO. */
int rk_crash_thread_begin(rk_error *err);
void rk_crash_thread_end(void);

#endif
