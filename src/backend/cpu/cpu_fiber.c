/* SPDX-License-Identifier: MIT */
/*
 * Fibers: the switch, the stacks, and what the sanitizers must be told (see cpu_fiber.h).
 *
 * A fiber that has never run looks like one that was left inside rk__fiber_swap: open_context lays
 * down the frame that the swap pops, with a return address that leads to rk__fiber_start, which
 * calls the entry function. So the swap has no special case for the first entry.
 *
 * Stacks are coloured: the top of stack i lies (i % 31) * 320 bytes below the end of its slot. With
 * equal offsets the hot frames of all lanes fall into the same few sets of the first-level cache,
 * which makes a barrier of 128 lanes twice as slow.
 *
 * ThreadSanitizer sees each fiber as a thread. Two rules keep it honest, both of them pinned by
 * spec/c/planted: the switch itself must not count as synchronisation (flag no_sync), and a barrier
 * needs two words used in turn, or late leavers would acquire what early ones released for the
 * next round (cpu_team.c).
 */
#include "backend/cpu/cpu_fiber.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef RK_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef RK_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define COLOUR_COUNT 31u
#define COLOUR_STEP_BYTES 320u /* a multiple of the 16-byte stack alignment */

/* ---- the switch ---------------------------------------------------------------------------- */

#ifndef RK_FIBER_UCONTEXT

void rk__fiber_swap(void **save_sp, void *load_sp);
void rk__fiber_start(void);

#if defined(__x86_64__)

/* Frame, upwards from the saved stack pointer: mxcsr and x87 control word (8 bytes), r15 r14 r13
 * r12 rbx rbp, return address. It leaves by an indirect jump: `ret` would always be mispredicted,
 * for the processor's return stack belongs to the fiber that was left. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl rk__fiber_swap\n"
        ".hidden rk__fiber_swap\n"
        ".type rk__fiber_swap,@function\n"
        "rk__fiber_swap:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  subq $8, %rsp\n"
        "  stmxcsr (%rsp)\n"
        "  fnstcw 4(%rsp)\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  fldcw 4(%rsp)\n"
        "  ldmxcsr (%rsp)\n"
        "  addq $8, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  popq %rcx\n"
        "  notrack jmpq *%rcx\n"
        ".size rk__fiber_swap,.-rk__fiber_swap\n"
        ".p2align 4\n"
        ".globl rk__fiber_start\n"
        ".hidden rk__fiber_start\n"
        ".type rk__fiber_start,@function\n"
        "rk__fiber_start:\n"
        "  .cfi_startproc\n"
        "  .cfi_undefined rip\n" /* backtraces end here */
        "  movq %r13, %rdi\n"
        "  callq *%r12\n"
        "  ud2\n"
        "  .cfi_endproc\n"
        ".size rk__fiber_start,.-rk__fiber_start\n");

typedef struct swap_frame {
  uint32_t mxcsr;
  uint16_t x87_control, unused;
  uint64_t r15, r14, arg /* r13 */, entry /* r12 */, rbx, rbp;
  uint64_t start; /* return address of the swap */
} swap_frame;

_Static_assert(sizeof(swap_frame) == 64, "the frame that rk__fiber_swap pops");

static void fill_frame(swap_frame *frame, rk_fiber_fn *entry, void *arg)
{
  frame->arg = (uint64_t)(uintptr_t)arg;
  frame->entry = (uint64_t)(uintptr_t)entry;
  frame->start = (uint64_t)(uintptr_t)&rk__fiber_start;
  /* A lane starts with the rounding mode of the thread that opened it. */
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(frame->mxcsr), "=m"(frame->x87_control));
}

#elif defined(__aarch64__)

/* Frame, upwards from the saved stack pointer: x19..x30, d8..d15. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl rk__fiber_swap\n"
        ".hidden rk__fiber_swap\n"
        ".type rk__fiber_swap,%function\n"
        "rk__fiber_swap:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp, #0]\n"
        "  stp x21, x22, [sp, #16]\n"
        "  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n"
        "  stp x27, x28, [sp, #64]\n"
        "  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n"
        "  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n"
        "  str x9, [x0]\n"
        "  mov sp, x1\n"
        "  ldp x19, x20, [sp, #0]\n"
        "  ldp x21, x22, [sp, #16]\n"
        "  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n"
        "  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n"
        "  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size rk__fiber_swap,.-rk__fiber_swap\n"
        ".p2align 4\n"
        ".globl rk__fiber_start\n"
        ".hidden rk__fiber_start\n"
        ".type rk__fiber_start,%function\n"
        "rk__fiber_start:\n"
        "  .cfi_startproc\n"
        "  .cfi_undefined x30\n" /* backtraces end here */
        "  mov x0, x20\n"
        "  blr x19\n"
        "  brk #1\n"
        "  .cfi_endproc\n"
        ".size rk__fiber_start,.-rk__fiber_start\n");

typedef struct swap_frame {
  uint64_t entry /* x19 */, arg /* x20 */, x21_to_x28[8], x29;
  uint64_t start; /* x30 */
  double d8_to_d15[8];
} swap_frame;

_Static_assert(sizeof(swap_frame) == 160, "the frame that rk__fiber_swap pops");

static void fill_frame(swap_frame *frame, rk_fiber_fn *entry, void *arg)
{
  frame->arg = (uint64_t)(uintptr_t)arg;
  frame->entry = (uint64_t)(uintptr_t)entry;
  frame->start = (uint64_t)(uintptr_t)&rk__fiber_start;
}

#endif

#endif /* !RK_FIBER_UCONTEXT */

/* ---- stacks -------------------------------------------------------------------------------- */

#ifdef RK_FIBER_GUARDS
static const bool guard_each = true;
#else
static const bool guard_each = false;
#endif

/* Distance from one stack to the next. */
static size_t stack_pitch(void)
{
  return RK_FIBER_STACK_BYTES + (guard_each ? rk_page_bytes() : 0);
}

static unsigned char *stack_low(const rk_fiber_stacks *stacks, size_t index)
{
  return stacks->base + rk_page_bytes() + index * stack_pitch();
}

int rk_fiber_stacks_open(size_t count, rk_error *err, rk_fiber_stacks *stacks)
{
  rk_fiber_stacks made = {.bytes = rk_page_bytes() + count * stack_pitch(), .count = count};
  made.base = rk_pages_map(made.bytes);
  if (made.base == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no address space for %zu stacks (%zu KiB)", count,
                        made.bytes / 1024);
  }
  for (size_t i = 0; i < (guard_each ? count : 1); i++) {
    if (mprotect(stack_low(&made, i) - rk_page_bytes(), rk_page_bytes(), PROT_NONE) != 0) {
      rk_pages_unmap(made.base, made.bytes);
      return rk_error_set(err, RK_EOUT_OF_MEMORY,
                          "cannot protect the guard page of stack %zu: too many mappings", i);
    }
  }
  *stacks = made;
  return RK_OK;
}

void rk_fiber_stacks_close(rk_fiber_stacks *stacks)
{
  if (stacks->base != NULL) {
    rk_pages_unmap(stacks->base, stacks->bytes);
  }
  *stacks = (rk_fiber_stacks){.base = NULL};
}

/* ---- sanitizers ---------------------------------------------------------------------------- */

#ifdef RK_FIBER_ASAN

/* First thing after arriving on `self`: AddressSanitizer switches its own notion of the stack and
 * tells the bounds of the one that was left, which is how those of an adopted fiber are learnt. */
static void finish_arrival(rk_fiber *self, void *fake_stack)
{
  rk_fiber *left = self->left;
  __sanitizer_finish_switch_fiber(fake_stack, &left->stack_low, &left->stack_bytes);
}

/* Stands before the entry function, for the first arrival. */
static void start_fiber(void *arg)
{
  rk_fiber *self = arg;
  finish_arrival(self, NULL);
  self->entry(self->arg);
  abort();
}

#endif

#ifdef RK_TSAN

void rk_fiber_release(void *word)
{
  __tsan_release(word);
}

void rk_fiber_acquire(void *word)
{
  __tsan_acquire(word);
}

#endif

/* ---- contexts ------------------------------------------------------------------------------ */

#ifdef RK_FIBER_UCONTEXT

/* makecontext passes ints only. */
static void start_context(unsigned high, unsigned low)
{
  rk_fiber *self = (rk_fiber *)(uintptr_t)(((uint64_t)high << 32) | low);
#ifdef RK_FIBER_ASAN
  start_fiber(self);
#else
  self->entry(self->arg);
  abort();
#endif
}

static void open_context(rk_fiber *fiber, unsigned char *low, unsigned char *top)
{
  uint64_t address = (uint64_t)(uintptr_t)fiber;
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = low;
  fiber->context.uc_stack.ss_size = (size_t)(top - low);
  fiber->context.uc_link = NULL;
  makecontext(&fiber->context, (void (*)(void))start_context, 2, (unsigned)(address >> 32),
              (unsigned)address);
}

static void swap_context(rk_fiber *from, rk_fiber *to)
{
  swapcontext(&from->context, &to->context);
}

#else

static void open_context(rk_fiber *fiber, unsigned char *top, rk_fiber_fn *entry, void *arg)
{
  /* 16 bytes stay free above the frame, so that rk__fiber_start finds an aligned stack. */
  swap_frame *frame = (swap_frame *)(void *)(top - 16 - sizeof(swap_frame));
  memset(frame, 0, sizeof(*frame));
  fill_frame(frame, entry, arg);
  fiber->sp = frame;
}

static void swap_context(rk_fiber *from, rk_fiber *to)
{
  rk__fiber_swap(&from->sp, to->sp);
}

#endif

/* ---- public -------------------------------------------------------------------------------- */

void rk_fiber_adopt(rk_fiber *fiber)
{
  memset(fiber, 0, sizeof(*fiber));
#ifdef RK_TSAN
  fiber->tsan = __tsan_get_current_fiber();
#endif
}

void rk_fiber_open(rk_fiber *fiber, const rk_fiber_stacks *stacks, size_t index, rk_fiber_fn *entry,
                   void *arg)
{
  unsigned char *low = stack_low(stacks, index);
  unsigned char *top = low + RK_FIBER_STACK_BYTES - index % COLOUR_COUNT * COLOUR_STEP_BYTES;
  memset(fiber, 0, sizeof(*fiber));
#if defined(RK_FIBER_ASAN) || defined(RK_FIBER_UCONTEXT)
  fiber->entry = entry;
  fiber->arg = arg;
#endif
#ifdef RK_FIBER_ASAN
  fiber->stack_low = low;
  fiber->stack_bytes = RK_FIBER_STACK_BYTES;
#endif
#ifdef RK_TSAN
  fiber->tsan = __tsan_create_fiber(0);
#endif
#if defined(RK_FIBER_UCONTEXT)
  open_context(fiber, low, top);
#elif defined(RK_FIBER_ASAN)
  open_context(fiber, top, start_fiber, fiber);
#else
  open_context(fiber, top, entry, arg);
#endif
}

void rk_fiber_close(rk_fiber *fiber, const rk_fiber_stacks *stacks, size_t index)
{
#ifdef RK_TSAN
  /* Whatever it did comes before what the closing thread does from here on: say so in its name. */
  void *closer = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber->tsan, __tsan_switch_to_fiber_no_sync);
  __tsan_release(fiber);
  __tsan_switch_to_fiber(closer, __tsan_switch_to_fiber_no_sync);
  __tsan_acquire(fiber);
  __tsan_destroy_fiber(fiber->tsan);
#endif
#ifdef RK_FIBER_ASAN
  /* Frames that never returned have left their redzones behind. */
  __asan_unpoison_memory_region(stack_low(stacks, index), RK_FIBER_STACK_BYTES);
#endif
  (void)stacks;
  (void)index;
  memset(fiber, 0, sizeof(*fiber));
}

#if defined(RK_FIBER_UCONTEXT) || defined(RK_FIBER_ASAN) || defined(RK_TSAN)

void rk_fiber_switch(rk_fiber *from, rk_fiber *to)
{
#ifdef RK_TSAN
  __tsan_switch_to_fiber(to->tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef RK_FIBER_ASAN
  to->left = from;
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_bytes);
#endif
  swap_context(from, to);
#ifdef RK_FIBER_ASAN
  finish_arrival(from, from->fake_stack);
#endif
}

#endif

_Noreturn void rk_fiber_leave(rk_fiber *from, rk_fiber *to)
{
#ifdef RK_TSAN
  __tsan_switch_to_fiber(to->tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef RK_FIBER_ASAN
  to->left = from;
  __sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_bytes);
#endif
  swap_context(from, to);
  abort();
}
