/* SPDX-License-Identifier: MIT */
/*
 * NVTX: finds the tool, offers it our places for its functions, calls those it filled.
 */
#include "base/nvtx.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/nvtx_abi.h"
#include "base/platform.h"
#include "base/thread.h"

#define DOMAIN "ringkernel"
#define TEXT_BYTES 128

uint32_t rk__nvtx_on;

/* Written by the tool while it is initialized and by nobody afterwards. */
static rk_nvtx_abi_fn functions[RK_NVTX_ABI_MODULES][RK_NVTX_ABI_SIZE_MAX];
static rk_nvtx_abi_fn *places[RK_NVTX_ABI_MODULES][RK_NVTX_ABI_SIZE_MAX + 1];
static void *domain;
static void *names[RK_NVTX_NAMES];

static const char *const texts[RK_NVTX_NAMES] = {
#define RK_NVTX_TEXT(name, text) [RK_NVTX_##name] = text,
    RK_NVTX_LIST(RK_NVTX_TEXT)
#undef RK_NVTX_TEXT
};

static const unsigned int sizes[RK_NVTX_ABI_MODULES] = {
    [RK_NVTX_ABI_MODULE_CORE] = RK_NVTX_ABI_CORE_SIZE,
    [RK_NVTX_ABI_MODULE_CUDA] = RK_NVTX_ABI_CUDA_SIZE,
    [RK_NVTX_ABI_MODULE_OPENCL] = RK_NVTX_ABI_OPENCL_SIZE,
    [RK_NVTX_ABI_MODULE_CUDART] = RK_NVTX_ABI_CUDART_SIZE,
    [RK_NVTX_ABI_MODULE_CORE2] = RK_NVTX_ABI_CORE2_SIZE,
    [RK_NVTX_ABI_MODULE_SYNC] = RK_NVTX_ABI_SYNC_SIZE,
};

static rk_nvtx_abi_fn core2(int callback)
{
  return functions[RK_NVTX_ABI_MODULE_CORE2][callback];
}

/* ---- what the tool is given ------------------------------------------------------------------ */

/* Tools fill every place they know of, so there is one for each callback, called by us or not. */
static int module_table(int module, rk_nvtx_abi_fn ***table, unsigned int *size)
{
  if (module <= 0 || module >= RK_NVTX_ABI_MODULES) {
    return 0;
  }
  for (unsigned int i = 1; i < sizes[module]; i++) { /* 0 and the end stay NULL */
    places[module][i] = &functions[module][i];
  }
  if (table != NULL) {
    *table = places[module];
  }
  if (size != NULL) {
    *size = sizes[module];
  }
  return 1;
}

/* Tools tell their version here; there is none yet that we would treat in its own way. */
static void set_injection_version(uint32_t version)
{
  (void)version;
}

static const void *get_table(uint32_t table)
{
  static const rk_nvtx_abi_callbacks callbacks = {sizeof(callbacks), module_table};
  static const rk_nvtx_abi_version version = {sizeof(version), RK_NVTX_ABI_VERSION, 0,
                                              set_injection_version};
  return table == RK_NVTX_ABI_TABLE_CALLBACKS ? (const void *)&callbacks
         : table == RK_NVTX_ABI_TABLE_VERSION ? (const void *)&version
                                              : NULL;
}

/* ---- finding it ------------------------------------------------------------------------------ */

static void load_tool(void *arg)
{
  const rk_platform *os = rk_platform_current();
  const char *path = os->env_get(RK_NVTX_ABI_PATH_VARIABLE);
  rk_nvtx_abi_init init = NULL;
  void *lib = NULL;
  void *symbol = NULL;
  rk_error err = RK_ERROR_INIT;
  (void)arg;
  if (path == NULL || path[0] == '\0') {
    return;
  }
  if (os->lib_open(path, &lib, &err) != RK_OK ||
      os->lib_symbol(lib, RK_NVTX_ABI_ENTRY, &symbol, &err) != RK_OK) {
    rk_log(RK_LOG_INFO, "nvtx", "no profiler: %s", err.text);
    os->lib_close(lib);
    return;
  }
  memcpy(&init, &symbol, sizeof(init));
  if (init(get_table) == 0) {
    rk_log(RK_LOG_INFO, "nvtx", "the profiler in '%s' refused", path);
    os->lib_close(lib);
    return;
  }
  rk_nvtx_abi_create_fn create = (rk_nvtx_abi_create_fn)core2(RK_NVTX_ABI_DOMAIN_CREATE);
  rk_nvtx_abi_register_fn enter = (rk_nvtx_abi_register_fn)core2(
      RK_NVTX_ABI_DOMAIN_REGISTER_STRING);
  domain = create != NULL ? create(DOMAIN) : NULL; /* NULL is the domain everybody shares */
  for (int i = 0; enter != NULL && i < RK_NVTX_NAMES; i++) {
    names[i] = enter(domain, texts[i]);
  }
  /* The library stays open until the process ends: the tool may have threads of its own. */
  rk_st_relaxed_gpu_u32(&rk__nvtx_on, 1u);
}

void rk_nvtx_load(void)
{
  static rk_once once = RK_ONCE_INIT;
  rk_once_run(&once, load_tool, NULL);
}

/* ---- events ---------------------------------------------------------------------------------- */

static rk_nvtx_abi_event event_of(rk_nvtx_name name, uint64_t payload, const char *detail,
                                  char text[TEXT_BYTES])
{
  rk_nvtx_abi_event event;
  memset(&event, 0, sizeof(event));
  event.version = RK_NVTX_ABI_VERSION;
  event.size = (uint16_t)sizeof(event);
  if (payload != 0) {
    event.payload_type = RK_NVTX_ABI_PAYLOAD_U64;
    event.payload.u64 = payload;
  }
  if (detail == NULL && names[name] != NULL) {
    event.message_type = RK_NVTX_ABI_MESSAGE_HANDLE;
    event.message.handle = names[name];
    return event;
  }
  (void)snprintf(text, TEXT_BYTES, "%s%s%s", texts[name], detail != NULL ? ": " : "",
                 detail != NULL ? detail : "");
  event.message_type = RK_NVTX_ABI_MESSAGE_ASCII;
  event.message.ascii = text;
  return event;
}

void rk__nvtx_push(rk_nvtx_name name, uint64_t payload, const char *detail)
{
  char text[TEXT_BYTES];
  rk_nvtx_abi_push_fn push = (rk_nvtx_abi_push_fn)core2(RK_NVTX_ABI_DOMAIN_RANGE_PUSH);
  if (push != NULL) {
    rk_nvtx_abi_event event = event_of(name, payload, detail, text);
    (void)push(domain, &event);
  }
}

void rk__nvtx_pop(void)
{
  rk_nvtx_abi_pop_fn pop = (rk_nvtx_abi_pop_fn)core2(RK_NVTX_ABI_DOMAIN_RANGE_POP);
  if (pop != NULL) {
    (void)pop(domain);
  }
}

void rk__nvtx_mark(rk_nvtx_name name, uint64_t payload, const char *detail)
{
  char text[TEXT_BYTES];
  rk_nvtx_abi_mark_fn mark = (rk_nvtx_abi_mark_fn)core2(RK_NVTX_ABI_DOMAIN_MARK);
  if (mark != NULL) {
    rk_nvtx_abi_event event = event_of(name, payload, detail, text);
    mark(domain, &event);
  }
}

uint64_t rk__nvtx_start(rk_nvtx_name name, uint64_t payload)
{
  char text[TEXT_BYTES];
  rk_nvtx_abi_start_fn start = (rk_nvtx_abi_start_fn)core2(RK_NVTX_ABI_DOMAIN_RANGE_START);
  if (start == NULL) {
    return 0;
  }
  rk_nvtx_abi_event event = event_of(name, payload, NULL, text);
  return start(domain, &event);
}

void rk__nvtx_end(uint64_t range)
{
  rk_nvtx_abi_end_fn end = (rk_nvtx_abi_end_fn)core2(RK_NVTX_ABI_DOMAIN_RANGE_END);
  if (end != NULL) {
    end(domain, range);
  }
}
