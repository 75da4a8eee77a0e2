/* SPDX-License-Identifier: MIT */
/*
 * Shared parts of the runtime figures: see rt.h.
 */
#include "rt.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_NS UINT64_C(20000000000)
#define POLLS_PER_LOOK 65536u

/* The form that lua/ringkernel/codegen.lua writes. */
#define HEAD                                                        \
  "#define RK_IS_MODULE 1\n"                                        \
  "#define RK_LANES 1\n"                                            \
  "#include \"rk_kernel.h\"\n"                                      \
  "#include \"rk_helpers.h\"\n"                                     \
  "typedef struct Token { rk_u64 hops; rk_u64 words[7]; } Token;\n" \
  "#define RK_TYPE_Token 0x544f4b31u\n"                             \
  "#define RK_PORT_next 0u\n"
#define TAIL(name, burst, state_bytes, ports)                                              \
  "static void rk_call_Token(rk_ctx *ctx, const void *msg, void *state) {\n"               \
  "  rk_on_Token(ctx, (const Token *)msg, (rk_state *)state);\n}\n"                        \
  "static const rk_module_type rk_types[] = { { \"Token\", RK_TYPE_Token, sizeof(Token), " \
  "rk_call_Token } };\n"                                                                   \
  "static const char *const rk_ports[] = { \"next\" };\n"                                  \
  "static const rk_u32 rk_emits[] = { RK_TYPE_Token };\n"                                  \
  "RK_MODULE_EXPORT extern const rk_module RK_MODULE_SYMBOL;\n"                            \
  "const rk_module RK_MODULE_SYMBOL = { RK_ABI_VERSION, RK_LANES, " burst ", " state_bytes \
  ", sizeof(Token), 1u, " ports ", 1u, \"" name                                            \
  "\", rk_types, rk_ports, rk_emits, 0, 0, &rk_port };\n"

const char rt_token_source[] = HEAD
    "typedef struct rk_state { rk_u8 rk_unused; } rk_state;\n"
    "RK_ON(Token);\n"
    "RK_ON(Token) {\n"
    "  (void)state;\n"
    "  if (msg->hops == 0u) { rk_send_to(ctx, 0u, Token, msg); return; }\n"
    "  Token out = *msg;\n"
    "  out.hops -= 1u;\n"
    "  if (rk_send(ctx, RK_PORT_next, Token, &out) != 0) { rk_fail(ctx, 1); }\n"
    "}\n" TAIL("token", "1u", "0u", "1u");

const char rt_store_source[] = HEAD "typedef struct rk_state { rk_u64 words[524288]; } rk_state;\n"
                                    "RK_ON(Token);\n"
                                    "RK_ON(Token) {\n"
                                    "  rk_u64 x = msg->hops;\n"
                                    "  for (int i = 0; i < 524288; ++i) {\n"
                                    "    x = x * 6364136223846793005ull + 1442695040888963407ull;\n"
                                    "    state->words[i] = x;\n"
                                    "  }\n"
                                    "  rk_send_to(ctx, 0u, Token, msg);\n"
                                    "}\n" TAIL("store", "1u", "4194304u", "0u");

const char rt_sink_source[] = HEAD
    "typedef struct rk_state { rk_u64 count; rk_u64 sum; } rk_state;\n"
    "RK_ON(Token);\n"
    "RK_ON(Token) {\n"
    "  for (int i = 0; i < 7; ++i) { state->sum += msg->words[i]; }\n"
    "  state->count += 1u;\n"
    "  if (msg->hops == 1u) {\n"
    "    Token out = *msg;\n"
    "    out.words[0] = state->count;\n"
    "    out.words[1] = state->sum;\n"
    "    rk_send_to(ctx, 0u, Token, &out);\n"
    "  }\n"
    "}\n" TAIL("sink", "1u", "16u", "0u");

const char rt_flood_source[] = HEAD
    "typedef struct rk_state { rk_u8 rk_unused; } rk_state;\n"
    "RK_ON(Token);\n"
    "RK_ON(Token) {\n"
    "  (void)state;\n"
    "  Token out = { 0u, { 1u, 2u, 3u, 4u, 5u, 6u, 7u } };\n"
    "  for (int i = 0; i < 15; ++i) {\n"
    "    if (rk_send(ctx, RK_PORT_next, Token, &out) != 0) { rk_fail(ctx, 1); }\n"
    "  }\n"
    "  if (msg->hops > 1u) {\n"
    "    out = *msg;\n"
    "    out.hops -= 1u;\n"
    "    if (rk_send_to(ctx, rk_self(ctx), Token, &out) != 0) { rk_fail(ctx, 2); }\n"
    "  } else {\n"
    "    out.hops = 1u;\n"
    "    if (rk_send(ctx, RK_PORT_next, Token, &out) != 0) { rk_fail(ctx, 3); }\n"
    "  }\n"
    "}\n" TAIL("flood", "16u", "0u", "1u");

const char rt_spring_source[] = HEAD
    "typedef struct rk_state { rk_u64 next; } rk_state;\n"
    "RK_ON(Token);\n"
    "RK_ON(Token) {\n"
    "  Token out = { 0u, { 0u, 1u, 1u, 1u, 1u, 1u, 1u } };\n"
    "  for (int i = 0; i < 15; ++i) {\n"
    "    out.words[0] = state->next++;\n"
    "    if (rk_send_to(ctx, 0u, Token, &out) != 0) { rk_fail(ctx, 1); }\n"
    "  }\n"
    "  if (msg->hops > 1u) {\n"
    "    out.hops = msg->hops - 1u;\n"
    "    if (rk_send_to(ctx, rk_self(ctx), Token, &out) != 0) { rk_fail(ctx, 2); }\n"
    "  }\n"
    "}\n" TAIL("spring", "16u", "8u", "0u");

void rt_check(int rc, const rk_error *err, const char *what)
{
  if (rc == RK_OK) {
    return;
  }
  (void)fprintf(stderr, "bench: %s: %s: %s\n", what, rk_status_name(rc),
                err != NULL ? err->text : "");
  bench_check(false, what);
}

/* The threads of blocks, found by the names that the CPU backend gives them. */
static void pin_blocks(uint32_t blocks, unsigned first)
{
  DIR *dir = opendir("/proc/self/task");
  uint32_t found = 0;
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
    char path[320], name[32] = "";
    unsigned block = 0;
    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
      continue;
    }
    if (fgets(name, sizeof(name), file) != NULL && sscanf(name, "rk-block-%u", &block) == 1) {
      bench_pin_thread(atoi(entry->d_name), first + block);
      found += 1;
    }
    (void)fclose(file);
  }
  if (dir != NULL) {
    (void)closedir(dir);
  }
  bench_check(found == blocks, "threads of blocks found by name");
}

rk_runtime *rt_open(uint32_t blocks, unsigned first)
{
  rk_runtime *rt = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_runtime_options options = {
      .backend = "cpu", .blocks = blocks, .spin_us = -1, .cache_dir = getenv("BENCH_CACHE")};
  rt_check(rk_runtime_open(&options, &rt, &err), &err, "open");
  pin_blocks(blocks, first);
  return rt;
}

rk_kernel *rt_kernel(const char *name, const char *source)
{
  rk_kernel *kernel = NULL;
  rk_error err = RK_ERROR_INIT;
  rt_check(rk_kernel_open(name, source, &kernel, &err), &err, name);
  return kernel;
}

rk_actor *rt_launch(rk_runtime *rt, rk_kernel *kernel, uint32_t queue, int32_t block)
{
  rk_actor *actor = NULL;
  char *log = NULL;
  rk_error err = RK_ERROR_INIT;
  int rc = rk_actor_launch(rt, kernel, &(rk_launch_options){.queue = queue, .block = block}, &actor,
                           &log, &err);
  if (log != NULL) {
    (void)fputs(log, stderr);
  }
  rk_text_free(log);
  rt_check(rc, &err, "launch");
  return actor;
}

static rt_token call(rk_runtime *rt, rk_actor *actor, const rt_token *message)
{
  rk_call *request = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_received reply;
  rt_token out;
  uint64_t deadline = bench_now_ns() + LIMIT_NS;
  int rc = RK_OK;
  do { /* behind a flood the queue may be full for a moment */
    rc = rk_call_open(actor, RT_TOKEN, message, sizeof(*message), NULL, &request, &err);
  } while (rc == RK_EFULL && bench_now_ns() < deadline);
  rt_check(rc, &err, "call");
  for (uint32_t polls = 1; (rc = rk_call_poll(request, &reply)) == RK_EEMPTY; ++polls) {
    if (rt != NULL) {
      (void)rk_runtime_wait(rt, LIMIT_NS);
    }
    if (rt != NULL || polls % POLLS_PER_LOOK == 0) {
      bench_check(bench_now_ns() < deadline, "a reply in time: did the handler fail?");
    }
  }
  rt_check(rc, NULL, "call");
  bench_check(reply.size == sizeof(out), "size of a reply");
  memcpy(&out, reply.data, sizeof(out));
  rk_call_close(request);
  return out;
}

rt_token rt_call(rk_runtime *rt, rk_actor *actor, const rt_token *message)
{
  return call(rt, actor, message);
}
rt_token rt_call_spinning(rk_actor *actor, const rt_token *message)
{
  return call(NULL, actor, message);
}
