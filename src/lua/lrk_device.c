/* SPDX-License-Identifier: MIT */
/*
 * What devices there are: rk.devices() and, for `rkl --doctor`, what was found of the CUDA driver.
 *
 * Plain tables, read anew at each call; only the driver itself is opened once in a process.
 */
#include "lua/lrk.h"

#include <string.h>

#include "backend/backend.h"
#include "backend/cuda/cuda_api.h"
#include "backend/cuda/cuda_claim.h"
#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_nvrtc.h"
#include "base/base.h"

/* The setters below put a field into the table on top of the stack. */

static void set_text(lua_State *L, const char *name, const char *text)
{
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

/* "13.0" for 13000. */
static void set_version(lua_State *L, const char *name, int version)
{
  lua_pushfstring(L, "%d.%d", version / 1000, version % 1000 / 10);
  lua_setfield(L, -2, name);
}

/* Moves the table on top of the stack to the end of the list below it. */
static void append(lua_State *L)
{
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Pushes the start of a device's table. */
static void push_device(lua_State *L, const char *backend, uint32_t index, bool is_usable)
{
  lua_createtable(L, 0, 16);
  set_text(L, "backend", backend);
  set_integer(L, "index", index);
  set_bool(L, "is_usable", is_usable);
}

static void add_cpu(lua_State *L)
{
  const rk_backend_ops *ops = NULL;
  rk_backend *device = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_backend_options options = {0};
  int status = rk_backend_select("cpu", 0, &ops, &err);
  if (status == RK_OK) {
    status = ops->open(&options, &device, &err);
  }
  rk_backend_info info = {0};
  if (status == RK_OK) {
    ops->info(device, &info);
    ops->close(device); /* before Lua may raise */
  }
  push_device(L, "cpu", 0, status == RK_OK);
  if (status == RK_OK) {
    set_text(L, "name", info.device_name);
    set_integer(L, "processors", info.processors);
    set_integer(L, "blocks", info.blocks);
    set_integer(L, "memory_bytes", info.memory_bytes);
  } else {
    set_text(L, "reason", err.text);
  }
  append(L);
}

/* Adds what a CUDA device is to its table. */
static void set_facts(lua_State *L, const rk_cuda_device_info *info)
{
  static const struct {
    const char *name;
    size_t offset;
  } capabilities[] = {
      {"clusters", offsetof(rk_cuda_device_info, has_clusters)},
      {"concurrent_kernels", offsetof(rk_cuda_device_info, has_concurrent_kernels)},
      {"cooperative_launch", offsetof(rk_cuda_device_info, has_cooperative_launch)},
      {"exec_timeout", offsetof(rk_cuda_device_info, has_exec_timeout)},
      {"green_contexts", offsetof(rk_cuda_device_info, has_green_contexts)},
      {"host_atomics", offsetof(rk_cuda_device_info, has_host_atomics)},
      {"integrated", offsetof(rk_cuda_device_info, is_integrated)},
      {"managed_memory", offsetof(rk_cuda_device_info, has_managed_memory)},
      {"mapped_memory", offsetof(rk_cuda_device_info, has_mapped_memory)},
      {"mps", offsetof(rk_cuda_device_info, has_mps)},
      {"memory_pools", offsetof(rk_cuda_device_info, has_pools)},
      {"stream_priorities", offsetof(rk_cuda_device_info, has_stream_priorities)},
      {"unified_addressing", offsetof(rk_cuda_device_info, has_unified_addressing)},
  };
  static const struct {
    const char *name;
    size_t offset;
  } limits[] = {
      {"block_lanes", offsetof(rk_cuda_device_info, block_lanes_max)},
      {"block_shared_bytes", offsetof(rk_cuda_device_info, block_shared_bytes)},
      {"block_shared_optin_bytes", offsetof(rk_cuda_device_info, block_shared_optin_bytes)},
      {"clock_khz", offsetof(rk_cuda_device_info, clock_khz)},
      {"copy_engines", offsetof(rk_cuda_device_info, copy_engines)},
      {"l2_bytes", offsetof(rk_cuda_device_info, l2_bytes)},
      {"mem_sync_domains", offsetof(rk_cuda_device_info, mem_sync_domains)},
      {"processor_blocks", offsetof(rk_cuda_device_info, processor_blocks_max)},
      {"processor_lanes", offsetof(rk_cuda_device_info, processor_lanes_max)},
      {"processor_registers", offsetof(rk_cuda_device_info, processor_registers)},
      {"processor_shared_bytes", offsetof(rk_cuda_device_info, processor_shared_bytes)},
  };
  static const char *const modes[] = {[CU_COMPUTEMODE_DEFAULT] = "default",
                                      [CU_COMPUTEMODE_PROHIBITED] = "prohibited",
                                      [CU_COMPUTEMODE_EXCLUSIVE_PROCESS] = "exclusive_process"};
  set_text(L, "name", info->name);
  set_text(L, "uuid", info->uuid);
  set_text(L, "pci_bus", info->pci_bus);
  lua_pushfstring(L, "%d.%d", (int)info->cc_major, (int)info->cc_minor);
  lua_setfield(L, -2, "compute_capability");
  set_integer(L, "processors", info->processors);
  set_integer(L, "memory_bytes", info->memory_bytes);
  if (info->numa_node >= 0) {
    set_integer(L, "numa_node", (uint64_t)info->numa_node);
  }
  bool is_known = info->compute_mode < RK_ARRAY_LEN(modes) && modes[info->compute_mode] != NULL;
  set_text(L, "compute_mode", is_known ? modes[info->compute_mode] : "unknown");
  lua_newtable(L);
  for (size_t i = 0; i < RK_ARRAY_LEN(capabilities); i++) {
    bool value = false;
    memcpy(&value, (const char *)info + capabilities[i].offset, sizeof value);
    set_bool(L, capabilities[i].name, value);
  }
  lua_setfield(L, -2, "capabilities");
  lua_newtable(L);
  for (size_t i = 0; i < RK_ARRAY_LEN(limits); i++) {
    uint32_t value = 0;
    memcpy(&value, (const char *)info + limits[i].offset, sizeof value);
    set_integer(L, limits[i].name, value);
  }
  lua_setfield(L, -2, "limits");
}

/* Adds which other process has the device. */
static void set_holder(lua_State *L, const rk_cuda_device_info *info)
{
  rk_cuda_holder holder;
  if (!rk_cuda_claim_holder(info, &holder)) {
    return;
  }
  lua_newtable(L);
  if (holder.pid != 0) {
    set_integer(L, "pid", holder.pid);
  }
  if (holder.name[0] != '\0') {
    set_text(L, "name", holder.name);
  }
  set_bool(L, "is_shared", holder.is_shared);
  lua_setfield(L, -2, "holder");
}

/* Adds one CUDA device. `refusal`: why this build or process can use none of them, or NULL. */
static void add_cuda_device(lua_State *L, const rk_cuda_api *api, uint32_t index,
                            const char *refusal)
{
  rk_cuda_device_info info;
  rk_error err = RK_ERROR_INIT;
  if (rk_cuda_device_info_get(api, index, &info, &err) != RK_OK) {
    push_device(L, "cuda", index, false);
    set_bool(L, "is_capable", false);
    set_text(L, "reason", err.text);
  } else {
    const char *problem = rk_cuda_device_problem(&info);
    bool is_capable = problem == NULL;
    if (is_capable && refusal == NULL && rk_cuda_claim_check(&info, &err) != RK_OK) {
      problem = err.text;
    }
    push_device(L, "cuda", index, problem == NULL && refusal == NULL);
    set_bool(L, "is_capable", is_capable);
    if (problem != NULL || refusal != NULL) {
      set_text(L, "reason", problem != NULL ? problem : refusal);
    }
    set_facts(L, &info);
    set_holder(L, &info);
  }
  append(L);
}

/* Adds the CUDA devices, or one entry that says why there is none. */
static void add_cuda(lua_State *L)
{
  const rk_cuda_api *api = NULL;
  rk_error err = RK_ERROR_INIT;
  uint32_t count = 0;
  int status = rk_cuda_open(&api, &err);
  if (status == RK_OK) {
    status = rk_cuda_device_count(api, &count, &err);
  }
  if (status == RK_OK && count == 0) {
    status = rk_error_set(&err, RK_ENO_DEVICE, "the CUDA driver sees no device");
  }
  if (status != RK_OK) {
    push_device(L, "cuda", 0, false);
    set_bool(L, "is_capable", false);
    set_text(L, "reason", err.text);
    append(L);
    return;
  }
  const char *refusal = rk_cuda_environment_problem();
  for (uint32_t index = 0; index < count; index++) {
    add_cuda_device(L, api, index, refusal);
  }
}

/* devices() -> list of tables; lua/ringkernel/meta/ringkernel.lua says what is in them */
static int core_devices(lua_State *L)
{
  lua_newtable(L);
  add_cpu(L);
  add_cuda(L);
  return 1;
}

/* cuda_driver() -> { library, is_chosen, is_loaded, is_usable, version, reason, environment }.
 * version: of the driver, where it says; reason: why it cannot be used; environment: what in the
 * environment rules out a resident kernel. */
static int core_cuda_driver(lua_State *L)
{
  const rk_cuda_api *api = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_cuda_driver driver;
  int status = rk_cuda_open(&api, &err);
  rk_cuda_driver_get(&driver);
  lua_createtable(L, 0, 7);
  set_text(L, "library", driver.library);
  set_bool(L, "is_chosen", driver.is_chosen);
  set_bool(L, "is_loaded", driver.is_loaded);
  set_bool(L, "is_usable", status == RK_OK);
  if (driver.version > 0) {
    set_version(L, "version", driver.version);
  }
  if (status != RK_OK) {
    set_text(L, "reason", err.text);
  }
  const char *problem = rk_cuda_environment_problem();
  if (problem != NULL) {
    set_text(L, "environment", problem);
  }
  return 1;
}

/* nvrtc() -> whether there is one, one line about it or about why not */
static int core_nvrtc(lua_State *L)
{
  char text[512];
  lua_pushboolean(L, rk_nvrtc_describe(text, sizeof(text)));
  lua_pushstring(L, text);
  return 2;
}

const luaL_Reg lrk_device_functions[] = {
    {"devices", core_devices},
    {"cuda_driver", core_cuda_driver},
    {"nvrtc", core_nvrtc},
    {NULL, NULL},
};
