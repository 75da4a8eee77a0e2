/* SPDX-License-Identifier: MIT */
/*
 * Fibers: many call stacks on one OS thread, switched by hand.
 *
 * The lanes of a block are fibers (cpu_team.c). A switch saves the callee-saved registers and the
 * floating-point control words on the stack that is left and loads those of the stack that is
 * entered: no system call, a few nanoseconds. x86-64 and AArch64 have their own assembly; other
 * machines, and any build with -DRK_FIBER_UCONTEXT, use ucontext, which is some hundred times
 * slower because it sets the signal mask with a system call.
 *
 * Build switches
 *   RK_FIBER_UCONTEXT  use ucontext everywhere
 *   RK_FIBER_GUARDS    a guard page below each stack (else one below the lowest stack of a set);
 *                      each guard costs two mappings, and the kernel allows about 65000
 *   RK_TSAN            call the ThreadSanitizer fiber hooks. cpu_fiber.c and cpu_team.c are shared
 *                      by all fibers by design, so they are compiled WITHOUT -fsanitize=thread but
 *                      with -DRK_TSAN=1; everything else in that build has -fsanitize=thread
 * AddressSanitizer is recognised by itself; these files are compiled with it like all others.
 *
 * A fiber never moves to another thread: compilers keep addresses of thread-local variables across
 * calls, and a switch is a call. Processors with shadow stacks need these two files built with
 * -fcf-protection=branch or none, which keeps the system from turning them on for the process.
 *
 * Threads: all functions: the one thread that owns the fibers.
 */
#ifndef RK_BACKEND_CPU_FIBER_H
#define RK_BACKEND_CPU_FIBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#if !defined(RK_FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define RK_FIBER_UCONTEXT 1
#endif

#if defined(__has_feature)
#define RK_FIBER_HAS_FEATURE(x) __has_feature(x)
#else
#define RK_FIBER_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || RK_FIBER_HAS_FEATURE(address_sanitizer)
#define RK_FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || RK_FIBER_HAS_FEATURE(thread_sanitizer)
#error "compile this file without -fsanitize=thread and with -DRK_TSAN=1, as said above"
#endif

#ifdef RK_FIBER_UCONTEXT
#include <ucontext.h>
#endif

/* Sanitizers put redzones into every frame, so they get larger stacks. */
#if defined(RK_FIBER_ASAN) || defined(RK_TSAN)
#define RK_FIBER_STACK_BYTES ((size_t)256 * 1024)
#else
#define RK_FIBER_STACK_BYTES ((size_t)64 * 1024)
#endif

typedef struct rk_fiber rk_fiber;

/* What a fiber runs. It must never return: its last act is rk_fiber_leave. */
typedef void rk_fiber_fn(void *arg);

struct rk_fiber {
#ifdef RK_FIBER_UCONTEXT
  ucontext_t context;
#else
  void *sp; /* saved stack pointer while the fiber does not run */
#endif
#if defined(RK_FIBER_ASAN) || defined(RK_FIBER_UCONTEXT)
  rk_fiber_fn *entry;
  void *arg;
#endif
#ifdef RK_FIBER_ASAN
  const void *stack_low; /* bounds of the stack; learnt at the first switch for an adopted fiber */
  size_t stack_bytes;
  void *fake_stack; /* AddressSanitizer's handle while the fiber does not run */
  rk_fiber *left;   /* the fiber that was left to come here */
#endif
#ifdef RK_TSAN
  void *tsan; /* ThreadSanitizer's handle */
#endif
};

/* A set of equal stacks in one mapping. Untouched stacks use address space, not memory. */
typedef struct rk_fiber_stacks {
  unsigned char *base; /* NULL: none mapped */
  size_t bytes;        /* of the whole mapping */
  size_t count;
} rk_fiber_stacks;

/* Maps `count` stacks of RK_FIBER_STACK_BYTES.
 * Ownership: give them back with rk_fiber_stacks_close. Errors: RK_EOUT_OF_MEMORY. */
int rk_fiber_stacks_open(size_t count, rk_error *err, rk_fiber_stacks *stacks);

/* Unmaps the stacks; all fibers on them must be closed. An empty set is allowed. */
void rk_fiber_stacks_close(rk_fiber_stacks *stacks);

/* Makes `fiber` stand for the calling thread, so that it can be left and come back to. */
void rk_fiber_adopt(rk_fiber *fiber);

/* Prepares `fiber` on stack `index` of `stacks`: the first switch to it calls entry(arg). */
void rk_fiber_open(rk_fiber *fiber, const rk_fiber_stacks *stacks, size_t index, rk_fiber_fn *entry,
                   void *arg);

/* Forgets a fiber that does not run, wherever it stands; frames on its stack are not unwound.
 * The stack can be used again at once by rk_fiber_open. */
void rk_fiber_close(rk_fiber *fiber, const rk_fiber_stacks *stacks, size_t index);

/* Leaves `from`, the running fiber, for `to`; returns when something switches back. */
#if defined(RK_FIBER_UCONTEXT) || defined(RK_FIBER_ASAN) || defined(RK_TSAN)
void rk_fiber_switch(rk_fiber *from, rk_fiber *to);
#else
void rk__fiber_swap(void **save_sp, void *load_sp); /* the assembly; nobody else calls it */
static inline void rk_fiber_switch(rk_fiber *from, rk_fiber *to)
{
  rk__fiber_swap(&from->sp, to->sp);
}
#endif

/* Leaves `from` for good: nothing may switch to it again, only rk_fiber_close it. */
_Noreturn void rk_fiber_leave(rk_fiber *from, rk_fiber *to);

/* Happens-before edges for ThreadSanitizer: what a fiber did before releasing `word` is seen by the
 * fiber that acquires it. Nothing else needs them: fibers of one thread see each other's stores. */
#ifdef RK_TSAN
void rk_fiber_release(void *word);
void rk_fiber_acquire(void *word);
#else
static inline void rk_fiber_release(void *word)
{
  (void)word;
}
static inline void rk_fiber_acquire(void *word)
{
  (void)word;
}
#endif

#endif
