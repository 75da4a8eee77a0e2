/* SPDX-License-Identifier: MIT */
/*
 * What the runtime's C tests share: a runtime with a cache folder of its own, kernels from C text
 * in the form that lua/ringkernel/codegen.lua writes, and sending and receiving with a time limit.
 *
 * All kernels speak one message type, Num: four words whose meaning is each kernel's own.
 */
#ifndef RK_SPEC_RUNTIME_HELPER_H
#define RK_SPEC_RUNTIME_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/platform.h"
#include "ringkernel.h"

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer) || \
    defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif
/* Rounds of a loop: fewer where each of them is an order of magnitude slower. */
#define ROUNDS(n) (IS_SANITIZED ? (n) / 10 : (n))

#define SECOND UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)

#define NUM 0x6e756d01u
typedef struct num {
  uint64_t seq, a, b, c;
} num;

/* ---- a runtime ---- */

static char cache_folder[256];
static uint64_t live_before; /* allocations when the runtime was opened */

static inline int make_cache(void **state)
{
  (void)state;
  return rk_platform_current()->dir_make_temp("rk-spec-", cache_folder, sizeof(cache_folder), NULL);
}

static inline void remove_folder(const char *folder);

static inline bool remove_entry(void *arg, const char *name)
{
  char path[600];
  rk_file_info info;
  (void)snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
  if (rk_platform_current()->file_stat(path, &info, NULL) == RK_OK && info.is_dir) {
    remove_folder(path);
  } else {
    (void)rk_platform_current()->file_remove(path, NULL);
  }
  return true;
}

static inline void remove_folder(const char *folder)
{
  (void)rk_platform_current()->dir_each(folder, remove_entry, (void *)(uintptr_t)folder, NULL);
  (void)rk_platform_current()->file_remove(folder, NULL);
}

static inline int remove_cache(void **state)
{
  (void)state;
  remove_folder(cache_folder);
  bool is_gone = rk_platform_current()->file_stat(cache_folder, NULL, NULL) == RK_ENOT_FOUND;
  return is_gone && rk_alloc_live() == 0 ? 0 : -1;
}

/* Opens a runtime; `use` needs no cache folder and, where it says 0, gets two blocks. */
static inline rk_runtime *open_runtime(rk_runtime_options use)
{
  rk_runtime *rt = NULL;
  rk_error err = RK_ERROR_INIT;
  live_before = rk_alloc_live();
  use.cache_dir = cache_folder;
  if (use.blocks == 0) {
    use.blocks = 2;
  }
  if (use.spin_us == 0) {
    use.spin_us = -1;
  }
  int rc = rk_runtime_open(&use, &rt, &err);
  if (rc != RK_OK) {
    fail_msg("open: %s", err.text);
  }
  return rt;
}

static inline void close_runtime(rk_runtime *rt)
{
  rk_runtime_close(rt);
  assert_int_equal(rk_alloc_live(), live_before);
}

/* ---- kernels from text ---- */

typedef struct kernel_form {
  const char *name;
  unsigned lanes, burst;  /* 0 = 1 */
  const char *types;      /* more message types, C text */
  const char *state;      /* fields of its state; NULL = none */
  const char *accepts[4]; /* NULL = Num */
  const char *emits[4];   /* NULL = Num */
  const char *ports[4];
  bool silent; /* emits nothing */
  bool on_start, on_stop;
  const char *source;
} kernel_form;

static inline size_t list_length(const char *const list[4])
{
  size_t n = 0;
  while (n < 4 && list[n] != NULL) {
    ++n;
  }
  return n;
}

/* Appends to a buffer of `TEXT_BYTES`. */
#define TEXT_BYTES 16384u
__attribute__((format(printf, 2, 3))) static inline void add_text(char *text, const char *format,
                                                                  ...)
{
  size_t used = strlen(text);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text + used, TEXT_BYTES - used, format, args);
  va_end(args);
  assert_in_range(n, 0, TEXT_BYTES - used - 1u);
}

static inline void write_kernel(const kernel_form *form, char text[TEXT_BYTES])
{
  static const char *const only_num[4] = {"Num"};
  const char *const *accepts = form->accepts[0] != NULL ? form->accepts : only_num;
  const char *const *emits = form->emits[0] != NULL ? form->emits : only_num;
  size_t type_count = list_length(accepts), port_count = list_length(form->ports);
  size_t emit_count = form->silent ? 0 : list_length(emits);
  text[0] = '\0';
  add_text(text,
           "#define RK_IS_MODULE 1\n#define RK_LANES %u\n#include \"rk_kernel.h\"\n"
           "#include \"rk_helpers.h\"\n",
           form->lanes != 0 ? form->lanes : 1u);
  add_text(text,
           "typedef struct Num { rk_u64 seq, a, b, c; } Num;\nRK_CHECK_SIZE(Num, 32);\n"
           "#define RK_TYPE_Num 0x%xu\n%s\n",
           NUM, form->types != NULL ? form->types : "");
  add_text(text, "typedef struct rk_state { %s } rk_state;\n",
           form->state != NULL ? form->state : "rk_u8 rk_unused;");
  for (size_t i = 0; i < port_count; ++i) {
    add_text(text, "#define RK_PORT_%s %zuu\n", form->ports[i], i);
  }
  for (size_t i = 0; i < type_count; ++i) {
    add_text(text, "RK_ON(%s);\n", accepts[i]);
  }
  if (form->on_start) {
    add_text(text, "RK_ON_START();\n");
  }
  if (form->on_stop) {
    add_text(text, "RK_ON_STOP();\n");
  }
  add_text(text, "#line 1 \"%s.cu\"\n%s\n#line 1 \"rk-generated\"\n", form->name, form->source);
  for (size_t i = 0; i < type_count; ++i) {
    add_text(text,
             "static void rk_call_%s(rk_ctx *ctx, const void *msg, void *state) {\n"
             "  rk_on_%s(ctx, (const %s *)msg, (rk_state *)state);\n}\n",
             accepts[i], accepts[i], accepts[i]);
  }
  if (form->on_start) {
    add_text(text, "static void rk_call_start(rk_ctx *ctx, const void *msg, void *state) {\n"
                   "  (void)msg; rk_on_start(ctx, (rk_state *)state);\n}\n");
  }
  if (form->on_stop) {
    add_text(text, "static void rk_call_stop(rk_ctx *ctx, const void *msg, void *state) {\n"
                   "  (void)msg; rk_on_stop(ctx, (rk_state *)state);\n}\n");
  }
  add_text(text, "static const rk_module_type rk_types[] = {\n");
  for (size_t i = 0; i < type_count; ++i) {
    add_text(text, "  { \"%s\", RK_TYPE_%s, sizeof(%s), rk_call_%s },\n", accepts[i], accepts[i],
             accepts[i], accepts[i]);
  }
  add_text(text, "};\n");
  if (port_count != 0) {
    add_text(text, "static const char *const rk_ports[] = {");
    for (size_t i = 0; i < port_count; ++i) {
      add_text(text, " \"%s\",", form->ports[i]);
    }
    add_text(text, " };\n");
  }
  if (emit_count != 0) {
    add_text(text, "static const rk_u32 rk_emits[] = {");
    for (size_t i = 0; i < emit_count; ++i) {
      add_text(text, " RK_TYPE_%s,", emits[i]);
    }
    add_text(text, " };\ntypedef union rk_emitted {");
    for (size_t i = 0; i < emit_count; ++i) {
      add_text(text, " %s m%zu;", emits[i], i);
    }
    add_text(text, " } rk_emitted;\n");
  }
  add_text(text,
           "RK_MODULE_EXPORT extern const rk_module RK_MODULE_SYMBOL;\n"
           "RK_MODULE_EXPORT const rk_module RK_MODULE_SYMBOL = {\n"
           "  RK_ABI_VERSION, RK_LANES, %uu, %s, %s, %zuu, %zuu, %zuu,\n"
           "  \"%s\", rk_types, %s, %s, %s, %s, &rk_port };\n",
           form->burst != 0 ? form->burst : 1u, form->state != NULL ? "sizeof(rk_state)" : "0u",
           emit_count != 0 ? "sizeof(rk_emitted)" : "0u", type_count, port_count, emit_count,
           form->name, port_count != 0 ? "rk_ports" : "0", emit_count != 0 ? "rk_emits" : "0",
           form->on_start ? "rk_call_start" : "0", form->on_stop ? "rk_call_stop" : "0");
}

/* A definition, compiled for `rt`. */
static inline rk_kernel *make_kernel(rk_runtime *rt, const kernel_form *form)
{
  static char text[TEXT_BYTES];
  rk_kernel *kernel = NULL;
  rk_error err = RK_ERROR_INIT;
  char *log = NULL;
  write_kernel(form, text);
  int rc = rk_kernel_open(form->name, text, &kernel, &err);
  if (rc == RK_OK) {
    rc = rk_kernel_compile(kernel, rt, &log, &err);
  }
  if (rc != RK_OK) {
    fail_msg("kernel '%s': %s\n%s", form->name, err.text, log != NULL ? log : "");
  }
  return kernel;
}

/* ---- actors and messages ---- */

static inline rk_actor *launch(rk_runtime *rt, rk_kernel *kernel, uint32_t queue, int32_t block)
{
  rk_actor *actor = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_launch_options options = {.queue = queue, .block = block};
  int rc = rk_actor_launch(rt, kernel, &options, &actor, NULL, &err);
  if (rc != RK_OK) {
    fail_msg("launch: %s", err.text);
  }
  return actor;
}

/* Launches an actor of a definition that nobody else uses. */
static inline rk_actor *launch_form(rk_runtime *rt, const kernel_form *form, uint32_t queue,
                                    int32_t block)
{
  rk_kernel *kernel = make_kernel(rt, form);
  rk_actor *actor = launch(rt, kernel, queue, block);
  rk_kernel_close(kernel);
  return actor;
}

static inline void tie(rk_runtime *rt, rk_actor *from, const char *port, rk_actor *to)
{
  rk_error err = RK_ERROR_INIT;
  if (rk_runtime_connect(rt, from, port, to, &err) != RK_OK) {
    fail_msg("connect: %s", err.text);
  }
}

static inline int try_send(rk_actor *to, num m)
{
  return rk_actor_send(to, NUM, &m, sizeof(m), NULL, NULL, NULL);
}

/* Sends, and waits for room for at most 10 s. */
static inline void send_num(rk_runtime *rt, rk_actor *to, num m)
{
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  int rc = RK_OK;
  while ((rc = try_send(to, m)) == RK_EFULL && rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(rt, MILLISECOND);
  }
  assert_int_equal(rc, RK_OK);
}

/* The next message from `actor` within `timeout_ns`; RK_ETIMEOUT when there is none. */
static inline int receive_within(rk_runtime *rt, rk_actor *actor, rk_received *out,
                                 uint64_t timeout_ns)
{
  uint64_t deadline = rk_clock_deadline(timeout_ns);
  for (;;) {
    int rc = rk_actor_try_receive(actor, out);
    if (rc != RK_EEMPTY) {
      return rc;
    }
    if (rk_clock_mono_ns() >= deadline) {
      return RK_ETIMEOUT;
    }
    (void)rk_runtime_wait(rt, rk_clock_remaining(deadline));
  }
}

static inline num receive_num(rk_runtime *rt, rk_actor *actor)
{
  rk_received r;
  num m;
  assert_int_equal(receive_within(rt, actor, &r, 10 * SECOND), RK_OK);
  assert_int_equal(r.size, sizeof(m));
  memcpy(&m, r.data, sizeof(m));
  return m;
}

/* Sends and takes the next answer. */
static inline num ask(rk_runtime *rt, rk_actor *actor, num m)
{
  send_num(rt, actor, m);
  return receive_num(rt, actor);
}

static inline void expect_nothing(rk_runtime *rt, rk_actor *actor)
{
  rk_received r;
  assert_int_equal(receive_within(rt, actor, &r, 5 * MILLISECOND), RK_ETIMEOUT);
}

static inline rk_actor_stats stats_of(rk_actor *actor)
{
  rk_actor_stats stats;
  assert_int_equal(rk_actor_stats_get(actor, &stats, NULL), RK_OK);
  return stats;
}

static inline uint64_t letters(rk_runtime *rt)
{
  rk_runtime_stats stats;
  rk_runtime_stats_get(rt, &stats);
  return stats.dead_letters;
}

/* The dead letter at `index`, which must be there within 10 s and have this reason. */
static inline num letter(rk_runtime *rt, size_t index, const char *reason, uint64_t *dest)
{
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  rk_received r;
  num m;
  int rc = RK_OK;
  while ((rc = rk_runtime_dead_letter(rt, index, &r, dest)) != RK_OK &&
         rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(rt, MILLISECOND);
  }
  assert_int_equal(rc, RK_OK);
  assert_string_equal(rk_dead_reason_name(r.reason), reason);
  assert_int_equal(r.size, sizeof(m));
  memcpy(&m, r.data, sizeof(m));
  return m;
}

#endif
