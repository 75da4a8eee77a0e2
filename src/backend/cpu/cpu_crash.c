/* SPDX-License-Identifier: MIT */
/*
 * Crash reports (see cpu_crash.h for what they are and why the library installs signal handlers).
 *
 * All that report_crash and what it calls do is safe in a signal handler: no allocation, no stdio,
 * no locks, only system calls and our own text buffer. That is also why this file calls the system
 * directly and not through the platform seam. The line is found by addr2line, run as a child
 * made by a bare clone (fork would run other people's at-fork handlers and take their locks);
 * without addr2line the report names module and offset.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* register names, pipe2, dl_iterate_phdr */
#endif

#include "backend/cpu/cpu_crash.h"

#include "backend/cpu/cpu_toolchain.h"
#include "base/alloc.h"
#include "base/base.h"
#include "base/platform.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNAL_STACK_BYTES ((size_t)64 * 1024)
#define LOOKUP_LIMIT_MS 3000
#define SCAN_WORDS 512 /* of the stack, when the crash is in a function that the module called */
#define NEAR_STACK_BYTES ((uintptr_t)16 * 1024)
#define LINE_BYTES 1024

_Thread_local rk_crash_scope *volatile rk__crash_scope RK_CRASH_TLS;

static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static struct sigaction old_actions[RK_ARRAY_LEN(caught)];
static char addr2line_path[RK_PATH_BYTES]; /* "" if there is none */
static rk_mutex install_lock = RK_MUTEX_INIT;
static bool is_installed;
static atomic_flag is_reporting = ATOMIC_FLAG_INIT;

static _Thread_local void *own_signal_stack;

/* ---- text without stdio -------------------------------------------------------------------- */

typedef struct line {
  size_t used;
  char text[LINE_BYTES];
} line;

/* Control characters become '?', so that a name cannot forge a line of the report. */
static void put_text(line *l, const char *text)
{
  for (; *text != '\0' && l->used < LINE_BYTES - 1; text++) {
    l->text[l->used++] = (unsigned char)*text < 0x20 ? '?' : *text;
  }
}

static void put_number(line *l, uint64_t value, unsigned base)
{
  char digits[24];
  size_t at = sizeof(digits) - 1;
  digits[at] = '\0';
  do {
    digits[--at] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  put_text(l, base == 16 ? "0x" : "");
  put_text(l, digits + at);
}

static void write_line(line *l)
{
  l->text[l->used++] = '\n';
  for (size_t done = 0; done < l->used;) {
    ssize_t n = write(STDERR_FILENO, l->text + done, l->used - done);
    if (n < 0 && errno != EINTR) {
      return;
    }
    done += n > 0 ? (size_t)n : 0;
  }
}

/* ---- where it happened --------------------------------------------------------------------- */

typedef struct registers {
  uintptr_t pc, sp;
} registers;

static registers read_registers(const void *context)
{
  const ucontext_t *uc = context;
  registers regs = {0, 0};
#if defined(__x86_64__)
  regs.pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
  regs.sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
  regs.pc = (uintptr_t)uc->uc_mcontext.pc;
  regs.sp = (uintptr_t)uc->uc_mcontext.sp;
#else
  (void)uc;
#endif
  return regs;
}

static bool is_in_module(const rk_crash_scope *scope, uintptr_t address)
{
  return address - scope->text_start < scope->text_bytes;
}

/* Returns an address inside the module: the crash itself, or, if that is in a function that the
 * module called (memcpy, say, or a null function pointer), the call nearest on the stack. 0: none.
 * The stack is read by a system call that fails, rather than crashes, where there is no memory. */
static uintptr_t find_code(const rk_crash_scope *scope, registers regs, bool *is_caller)
{
  *is_caller = false;
  if (is_in_module(scope, regs.pc)) {
    return regs.pc;
  }
  for (uintptr_t i = 0; i < SCAN_WORDS; i++) {
    uintptr_t word = 0;
    struct iovec to = {.iov_base = &word, .iov_len = sizeof(word)};
    struct iovec from = {.iov_base = (void *)(regs.sp + i * sizeof(word)), .iov_len = sizeof(word)};
    long n = syscall(SYS_process_vm_readv, (long)getpid(), &to, 1L, &from, 1L, 0L);
    if (n != (long)sizeof(word)) {
      return 0;
    }
    if (is_in_module(scope, word)) {
      *is_caller = true;
      return word - 1; /* inside the call instruction, not after it */
    }
  }
  return 0;
}

/* In the child of look_up: becomes addr2line, its output into `fd`. */
static _Noreturn void run_addr2line(const char *module, const char *offset, int fd)
{
  /* Not the caller's environment: some variables make it ask the network for symbols. */
  const char *const environment[] = {"LC_ALL=C", NULL};
  const char *const argv[] = {"addr2line", "-s", "-e", module, offset, NULL};
  int null_fd = open("/dev/null", O_RDWR);
  if (dup2(null_fd, STDIN_FILENO) >= 0 && dup2(null_fd, STDERR_FILENO) >= 0 &&
      dup2(fd, STDOUT_FILENO) >= 0) {
    execve(addr2line_path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
  }
  _exit(127);
}

/* Appends "smooth.cu:12" for an offset in `module`; false if it cannot be told. */
static bool look_up(line *l, const char *module, uintptr_t offset)
{
  if (addr2line_path[0] == '\0') {
    return false;
  }
  line number = {.used = 0};
  put_number(&number, offset, 16);
  number.text[number.used] = '\0';
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return false;
  }
  pid_t child = (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L); /* no SIGCHLD */
  if (child == 0) {
    run_addr2line(module, number.text, ends[1]);
  }
  close(ends[1]);
  char answer[256];
  size_t size = 0;
  while (child > 0 && size < sizeof(answer) - 1) {
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    if (poll(&wait, 1, LOOKUP_LIMIT_MS) <= 0) {
      break;
    }
    ssize_t n = read(ends[0], answer + size, sizeof(answer) - 1 - size);
    if (n <= 0) {
      break;
    }
    size += (size_t)n;
  }
  close(ends[0]);
  if (child > 0) {
    kill(child, SIGKILL);
    waitpid(child, NULL, __WALL);
  }
  answer[size] = '\0';
  answer[strcspn(answer, " \n")] = '\0'; /* " (discriminator 2)" may follow */
  const char *colon = strrchr(answer, ':');
  if (colon == NULL || answer[0] == '?' || colon[1] < '1' || colon[1] > '9') {
    return false;
  }
  put_text(l, answer);
  return true;
}

static void write_place(const rk_crash_scope *scope, registers regs)
{
  bool is_caller;
  uintptr_t code = find_code(scope, regs, &is_caller);
  if (code == 0) {
    return;
  }
  line module = {.used = 0};
  if (scope->module_path[0] != '\0') {
    put_text(&module, scope->module_path);
  } else { /* /proc/self would be addr2line */
    put_text(&module, "/proc/");
    put_number(&module, (uint64_t)getpid(), 10);
    put_text(&module, "/exe");
  }
  module.text[module.used] = '\0';
  line l = {.used = 0};
  put_text(&l, "  at ");
  if (!look_up(&l, module.text, code - scope->module_bias)) {
    put_text(&l, module.text);
    put_text(&l, "+");
    put_number(&l, code - scope->module_bias, 16);
  }
  put_text(&l, is_caller ? ", in a function called there" : "");
  write_line(&l);
}

/* ---- the report ---------------------------------------------------------------------------- */

static void put_reason(line *l, int signal, const siginfo_t *info, registers regs)
{
  uintptr_t address = (uintptr_t)info->si_addr;
  switch (signal) {
    case SIGFPE:
      put_text(l, info->si_code == FPE_INTDIV ? "integer division by zero (SIGFPE)"
                                              : "arithmetic error (SIGFPE)");
      return;
    case SIGILL:
      put_text(l, "illegal instruction or trap (SIGILL)");
      return;
    default:
      put_text(l, signal == SIGBUS ? "bad memory access (SIGBUS)" : "bad memory access (SIGSEGV)");
  }
  if (info->si_code == SI_KERNEL) {
    put_text(l, " at an address that no program can have");
    return;
  }
  put_text(l, " at address ");
  put_number(l, address, 16);
  if (regs.sp != 0 && address - (regs.sp - NEAR_STACK_BYTES) < NEAR_STACK_BYTES + 256) {
    put_text(l, ", near the end of its stack: too many or too large local variables?");
  }
}

static void report_crash(const rk_crash_scope *scope, int signal, const siginfo_t *info,
                         const void *context)
{
  registers regs = read_registers(context);
  line l = {.used = 0};
  put_text(&l, "ringkernel: handler '");
  put_text(&l, scope->handler);
  put_text(&l, "' of actor '");
  put_text(&l, scope->actor);
  put_text(&l, "' (kernel '");
  put_text(&l, scope->kernel);
  put_text(&l, "') crashed: ");
  put_reason(&l, signal, info, regs);
  write_line(&l);
  if (scope->module_path != NULL) {
    write_place(scope, regs);
  }
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
  int saved_errno = errno;
  rk_crash_scope *scope = rk__crash_scope;
  bool is_fault = info->si_code > 0; /* else somebody sent it: nothing in the handler did */
  if (scope != NULL && is_fault) {
    if (!atomic_flag_test_and_set(&is_reporting)) {
      if (scope->resolve != NULL) {
        scope->resolve(scope);
      }
      report_crash(scope, signal, info, context);
    } else {
      /* Two at once: let the first finish, which ends the process. */
      struct timespec wait = {.tv_sec = 2 * LOOKUP_LIMIT_MS / 1000};
      nanosleep(&wait, NULL);
    }
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(caught); i++) {
    if (caught[i] == signal) {
      sigaction(signal, &old_actions[i], NULL);
    }
  }
  if (!is_fault) { /* a fault comes again by itself when its instruction is run again */
    syscall(SYS_tgkill, (long)getpid(), syscall(SYS_gettid), (long)signal);
  }
  errno = saved_errno;
}

/* ---- public -------------------------------------------------------------------------------- */

typedef struct module_search {
  uintptr_t address;
  rk_crash_scope *scope;
} module_search;

static int visit_module(struct dl_phdr_info *info, size_t size, void *arg)
{
  (void)size;
  const module_search *search = arg;
  for (size_t i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    uintptr_t start = (uintptr_t)(info->dlpi_addr + segment->p_vaddr);
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
        search->address - start < segment->p_memsz) {
      search->scope->module_path = info->dlpi_name != NULL ? info->dlpi_name : "";
      search->scope->module_bias = (uintptr_t)info->dlpi_addr;
      search->scope->text_start = start;
      search->scope->text_bytes = segment->p_memsz;
      return 1;
    }
  }
  return 0;
}

bool rk_crash_scope_locate(rk_crash_scope *scope, const void *function)
{
  scope->module_path = NULL;
  scope->module_bias = 0;
  scope->text_start = 0;
  scope->text_bytes = 0;
  module_search search = {.address = (uintptr_t)function, .scope = scope};
  return dl_iterate_phdr(visit_module, &search) != 0;
}

int rk_crash_install(rk_error *err)
{
  int status = RK_OK;
  size_t done = 0;
  rk_mutex_lock(&install_lock);
  if (is_installed) {
    goto unlock;
  }
  if (rk_cpu_program_find("addr2line", addr2line_path, sizeof(addr2line_path)) != RK_OK) {
    addr2line_path[0] = '\0';
  }
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (; done < RK_ARRAY_LEN(caught); done++) {
    if (sigaction(caught[done], &action, &old_actions[done]) != 0) {
      status = rk_error_set(err, RK_EIO, "cannot watch for signal %d: %s", caught[done],
                            strerror(errno));
      break;
    }
  }
  is_installed = status == RK_OK;
  while (!is_installed && done > 0) {
    done--;
    sigaction(caught[done], &old_actions[done], NULL);
  }
unlock:
  rk_mutex_unlock(&install_lock);
  return status;
}

int rk_crash_thread_begin(rk_error *err)
{
  stack_t old;
  if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE) == 0) {
    return RK_OK;
  }
  void *pages = rk_pages_map(SIGNAL_STACK_BYTES);
  if (pages == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for a signal stack");
  }
  stack_t stack = {.ss_sp = pages, .ss_size = SIGNAL_STACK_BYTES};
  if (sigaltstack(&stack, NULL) != 0) {
    rk_pages_unmap(pages, SIGNAL_STACK_BYTES);
    return rk_error_set(err, RK_EIO, "cannot set a signal stack: %s", strerror(errno));
  }
  own_signal_stack = pages;
  return RK_OK;
}

void rk_crash_thread_end(void)
{
  if (own_signal_stack != NULL) {
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    rk_pages_unmap(own_signal_stack, SIGNAL_STACK_BYTES);
    own_signal_stack = NULL;
  }
}
