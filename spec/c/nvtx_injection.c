/* SPDX-License-Identifier: MIT */
/*
 * A profiler for the tests: an NVTX injection library that writes down what it is told.
 *
 * spec/nvtx_spec.lua names it in NVTX_INJECTION64_PATH and the file to append to in
 * NVTX_RECORD_PATH. One line an event: "domain NAME", "string HANDLE NAME", "push PAYLOAD NAME",
 * "pop", "start RANGE PAYLOAD NAME", "end RANGE", "mark PAYLOAD NAME"; PAYLOAD is "-" for none.
 * NVTX_REFUSE makes it decline.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nvtx_abi.h"

#define STRINGS_MAX 64

__attribute__((visibility("default"))) int InitializeInjectionNvtx2(rk_nvtx_abi_get_table get);

static FILE *record;
static char strings[STRINGS_MAX][64];
static size_t string_count;
static uint64_t range_count;
static char the_domain;

static void write_event(const char *kind, const void *domain, const rk_nvtx_abi_event *event)
{
  const char *name = "?";
  if (event->message_type == RK_NVTX_ABI_MESSAGE_HANDLE) {
    name = event->message.handle;
  } else if (event->message_type == RK_NVTX_ABI_MESSAGE_ASCII) {
    name = event->message.ascii;
  }
  if (event->version != RK_NVTX_ABI_VERSION || event->size != sizeof(*event) ||
      domain != &the_domain) {
    fprintf(record, "bad event\n");
  }
  if (event->payload_type == RK_NVTX_ABI_PAYLOAD_U64) {
    fprintf(record, "%s %" PRIu64 " %s\n", kind, event->payload.u64, name);
  } else {
    fprintf(record, "%s - %s\n", kind, name);
  }
}

static void *create(const char *name)
{
  fprintf(record, "domain %s\n", name);
  return &the_domain;
}

static void *enter(void *domain, const char *text)
{
  (void)domain;
  if (string_count == STRINGS_MAX) {
    return NULL;
  }
  char *kept = strings[string_count++];
  (void)snprintf(kept, sizeof(strings[0]), "%s", text);
  fprintf(record, "string %s\n", kept);
  return kept;
}

static int push(void *domain, const rk_nvtx_abi_event *event)
{
  write_event("push", domain, event);
  return 0;
}

static int pop(void *domain)
{
  fprintf(record, "%s\n", domain == &the_domain ? "pop" : "bad domain");
  return 0;
}

static void mark(void *domain, const rk_nvtx_abi_event *event)
{
  write_event("mark", domain, event);
}

static uint64_t start(void *domain, const rk_nvtx_abi_event *event)
{
  char kind[40];
  uint64_t range = ++range_count;
  (void)snprintf(kind, sizeof(kind), "start %" PRIu64, range);
  write_event(kind, domain, event);
  return range;
}

static void end(void *domain, uint64_t range)
{
  fprintf(record, "%s %" PRIu64 "\n", domain == &the_domain ? "end" : "bad domain", range);
}

int InitializeInjectionNvtx2(rk_nvtx_abi_get_table get)
{
  const char *path = getenv("NVTX_RECORD_PATH");
  const rk_nvtx_abi_callbacks *callbacks = get(RK_NVTX_ABI_TABLE_CALLBACKS);
  const rk_nvtx_abi_version *version = get(RK_NVTX_ABI_TABLE_VERSION);
  rk_nvtx_abi_fn **table = NULL;
  unsigned int size = 0;
  record = path != NULL ? fopen(path, "a") : NULL;
  if (record == NULL || callbacks == NULL || version == NULL) {
    return 0;
  }
  setvbuf(record, NULL, _IOLBF, BUFSIZ);
  if (getenv("NVTX_REFUSE") != NULL) {
    fprintf(record, "refused\n");
    return 0;
  }
  if (callbacks->struct_size < sizeof(*callbacks) || version->version != RK_NVTX_ABI_VERSION ||
      get(999) != NULL || callbacks->module_table(0, &table, &size) != 0) {
    fprintf(record, "bad tables\n");
    return 0;
  }
  version->set_injection_version(RK_NVTX_ABI_VERSION);
  /* As real tools do: every place of every module is written. */
  for (int module = 1; module < RK_NVTX_ABI_MODULES; ++module) {
    if (callbacks->module_table(module, &table, &size) == 0 || table[0] != NULL ||
        table[size] != NULL) {
      fprintf(record, "bad module %d\n", module);
      return 0;
    }
    for (unsigned int i = 1; i < size; ++i) {
      *table[i] = NULL;
    }
  }
  if (callbacks->module_table(RK_NVTX_ABI_MODULE_CORE2, &table, &size) == 0 ||
      size != RK_NVTX_ABI_CORE2_SIZE) {
    fprintf(record, "bad module CORE2\n");
    return 0;
  }
  *table[RK_NVTX_ABI_DOMAIN_CREATE] = (rk_nvtx_abi_fn)create;
  *table[RK_NVTX_ABI_DOMAIN_REGISTER_STRING] = (rk_nvtx_abi_fn)enter;
  *table[RK_NVTX_ABI_DOMAIN_RANGE_PUSH] = (rk_nvtx_abi_fn)push;
  *table[RK_NVTX_ABI_DOMAIN_RANGE_POP] = (rk_nvtx_abi_fn)pop;
  *table[RK_NVTX_ABI_DOMAIN_MARK] = (rk_nvtx_abi_fn)mark;
  *table[RK_NVTX_ABI_DOMAIN_RANGE_START] = (rk_nvtx_abi_fn)start;
  *table[RK_NVTX_ABI_DOMAIN_RANGE_END] = (rk_nvtx_abi_fn)end;
  return 1;
}
