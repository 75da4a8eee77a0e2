/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong: planned faults, the sticky error, and what the program itself does wrong.
 *
 * RKFAKE_FAULT="cuMemAlloc:2:2,cuStreamQuery:1:719!,kernel:1:700,*:40:999" plans faults as
 * rkfake_fault does: name, which call, code, and ! for sticky. RKFAKE_LINT=abort makes a finding
 * of the lint end the process.
 */
#include "fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64, PLANS_MAX = 64, NAMES_MAX = 160 };

typedef struct plan {
  char name[NAME_BYTES];
  int nth, seen, code;
  bool is_sticky;
} plan;

static struct {
  plan plans[PLANS_MAX];
  int plan_count;
  struct {
    char name[NAME_BYTES];
    long calls;
  } names[NAMES_MAX];
  int name_count;
  long all_calls, findings;
  bool is_read; /* the environment's plan */
} faults;

/* ---- telling ---- */

static void say(const char *format, va_list args)
{
  char text[1024];
  (void)vsnprintf(text, sizeof(text), format, args);
  fprintf(stderr, "rkfake: %s\n", text);
}

void rkf_say(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  say(format, args);
  va_end(args);
}

void rkf_lint(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  say(format, args);
  va_end(args);
  __atomic_fetch_add(&faults.findings, 1, __ATOMIC_RELAXED);
  if (rkf.config.lint_aborts) {
    abort();
  }
}

CUresult rkf_would_wait(const char *call, bool waits)
{
  if (!waits) {
    return CUDA_SUCCESS;
  }
  char name[NAME_BYTES];
  (void)snprintf(name, sizeof(name), "%s", call);
  char *suffix = strstr(name, "_v");
  if (suffix != NULL) {
    *suffix = '\0';
  }
  rkf_lint("%s would wait behind a running kernel", name);
  return CUDA_ERROR_NOT_PERMITTED;
}

/* ---- plans ---- */

/* "cuMemAlloc_v2" is "cuMemAlloc". */
static void plain_name(const char *name, char out[NAME_BYTES])
{
  (void)snprintf(out, NAME_BYTES, "%s", name);
  size_t length = strlen(out);
  if (length > 3 && out[length - 3] == '_' && out[length - 2] == 'v') {
    out[length - 3] = '\0';
  }
}

static void add_plan_locked(const char *name, int nth, int code, bool is_sticky)
{
  if (faults.plan_count == PLANS_MAX) {
    rkf_say("more than %d planned faults", (int)PLANS_MAX);
    abort();
  }
  plan *p = &faults.plans[faults.plan_count++];
  *p = (plan){.nth = nth, .code = code, .is_sticky = is_sticky};
  plain_name(name, p->name);
}

static void read_plans_locked(void)
{
  const char *text = getenv("RKFAKE_FAULT");
  while (text != NULL && *text != '\0') {
    char name[NAME_BYTES];
    int nth = 0;
    int code = 0;
    int used = 0;
    if (sscanf(text, "%63[^:]:%d:%d%n", name, &nth, &code, &used) != 3) {
      rkf_say("RKFAKE_FAULT: cannot read '%s'; the form is name:nth:code or name:nth:code!", text);
      abort();
    }
    text += used;
    bool is_sticky = *text == '!';
    text += is_sticky;
    add_plan_locked(name, nth, code, is_sticky);
    text += *text == ',';
  }
  faults.is_read = true;
}

/* The code that this call of `name` is to return. */
static int strike_locked(const char *name)
{
  int code = 0;
  if (!faults.is_read) {
    read_plans_locked();
  }
  for (int i = 0; i < faults.plan_count; i++) {
    plan *p = &faults.plans[i];
    bool is_any = strcmp(p->name, "*") == 0 && strcmp(name, "kernel") != 0;
    if ((is_any || strcmp(p->name, name) == 0) && ++p->seen == p->nth && code == 0) {
      code = p->code;
      rkf.sticky = p->is_sticky && strcmp(name, "kernel") != 0 ? code : rkf.sticky;
    }
  }
  return code;
}

static void count_locked(const char *name)
{
  faults.all_calls++;
  for (int i = 0; i < faults.name_count; i++) {
    if (strcmp(faults.names[i].name, name) == 0) {
      faults.names[i].calls++;
      return;
    }
  }
  if (faults.name_count < NAMES_MAX) {
    (void)snprintf(faults.names[faults.name_count].name, NAME_BYTES, "%s", name);
    faults.names[faults.name_count++].calls = 1;
  }
}

CUresult rkf_enter(const char *function, rkf_need need)
{
  char name[NAME_BYTES];
  plain_name(function, name);
  CUcontext ctx = rkf_context();
  rkf_lock();
  count_locked(name);
  int code = strike_locked(name);
  bool is_fatal = code != 0 && rkf.sticky == code;
  if (code == 0 && need != RKF_ANY && !rkf.is_initialised) {
    code = CUDA_ERROR_NOT_INITIALIZED;
  }
  if (code == 0 && need == RKF_CONTEXT) {
    code = ctx == NULL       ? CUDA_ERROR_INVALID_CONTEXT
           : !ctx->is_alive  ? CUDA_ERROR_CONTEXT_IS_DESTROYED
           : rkf.sticky != 0 ? rkf.sticky
                             : CUDA_SUCCESS;
  }
  rkf_unlock();
  if (is_fatal) { /* a context that broke runs nothing any more */
    rkf_kernel_kill_all(code);
  }
  return (CUresult)code;
}

int rkf_kernel_fault(void)
{
  rkf_lock();
  count_locked("kernel");
  int code = strike_locked("kernel");
  rkf_unlock();
  return code;
}

/* ---- for tests ---- */

RKF_EXPORT void rkfake_fault(const char *name, int nth, int code, int sticky)
{
  rkf_lock();
  if (!faults.is_read) {
    read_plans_locked();
  }
  add_plan_locked(name, nth, code, sticky != 0);
  rkf_unlock();
}

RKF_EXPORT void rkfake_reset(void)
{
  rkf_lock();
  faults.plan_count = 0;
  faults.name_count = 0;
  faults.all_calls = 0;
  faults.is_read = false;
  rkf.sticky = 0;
  rkf_config_read();
  rkf_changed_locked();
  rkf_unlock();
  __atomic_store_n(&faults.findings, 0, __ATOMIC_RELAXED);
}

RKF_EXPORT long rkfake_calls(const char *name)
{
  char plain[NAME_BYTES];
  long calls = 0;
  plain_name(name, plain);
  rkf_lock();
  if (strcmp(plain, "*") == 0) {
    calls = faults.all_calls;
  }
  for (int i = 0; i < faults.name_count; i++) {
    if (strcmp(faults.names[i].name, plain) == 0) {
      calls = faults.names[i].calls;
    }
  }
  rkf_unlock();
  return calls;
}

RKF_EXPORT int rkfake_called(int index, char *name, size_t bytes)
{
  rkf_lock();
  bool is_there = index >= 0 && index < faults.name_count;
  if (is_there) {
    (void)snprintf(name, bytes, "%s", faults.names[index].name);
  }
  rkf_unlock();
  return is_there;
}

RKF_EXPORT long rkfake_lint_count(void)
{
  return __atomic_load_n(&faults.findings, __ATOMIC_RELAXED);
}

RKF_EXPORT void rkfake_kill(int code)
{
  rkf_kernel_kill_all(code);
}

RKF_EXPORT int rkfake_kernels(void)
{
  return rkf_kernels_count();
}

RKF_EXPORT long rkfake_live(const char *what)
{
  rkf_lock();
  const rkf_counts *c = &rkf.live;
  const struct {
    const char *name;
    long count;
  } table[] = {
      {"memory", c->memory},   {"streams", c->streams}, {"events", c->events},
      {"modules", c->modules}, {"graphs", c->graphs},   {"contexts", c->contexts},
      {"pools", c->pools},
  };
  long sum = 0;
  bool is_all = strcmp(what, "all") == 0;
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (is_all || strcmp(what, table[i].name) == 0) {
      sum += table[i].count;
    }
  }
  rkf_unlock();
  return sum;
}
