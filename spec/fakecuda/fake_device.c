/* SPDX-License-Identifier: MIT */
/*
 * The driver, its devices and contexts, and what they are said to be like.
 *
 * Properties come from the environment (rkf_config names the variables) when the library is used
 * first and when rkfake_reset is called. All devices are alike.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

rkf_state rkf = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

enum { CONTEXT_DEPTH = 16, MAX_THREADS = 1024, SM_THREADS = 2048, SM_REGISTERS = 65536 };

static struct CUctx_st primary[RKF_DEVICES_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The thread's contexts, the current one on top. */
static _Thread_local CUcontext stack[CONTEXT_DEPTH];
static _Thread_local int depth;

/* ---- the lock ---- */

static void read_first(void)
{
  rkf_config_read();
}

void rkf_lock(void)
{
  pthread_once(&once, read_first);
  pthread_mutex_lock(&rkf.lock);
}

void rkf_unlock(void)
{
  pthread_mutex_unlock(&rkf.lock);
}

void rkf_wait_locked(void)
{
  pthread_cond_wait(&rkf.changed, &rkf.lock);
}

void rkf_changed_locked(void)
{
  pthread_cond_broadcast(&rkf.changed);
}

/* ---- configuration ---- */

static int number(const char *name, int otherwise)
{
  const char *text = getenv(name);
  return text != NULL && text[0] != '\0' ? atoi(text) : otherwise;
}

void rkf_config_read(void)
{
  rkf_config *c = &rkf.config;
  const char *memory = getenv("RKFAKE_MEMORY");
  const char *lint = getenv("RKFAKE_LINT");
  const char *resident = getenv("RKFAKE_RESIDENT");
  c->cc = number("RKFAKE_CC", 90);
  c->sms = number("RKFAKE_SMS", 4);
  c->gpc = number("RKFAKE_GPC", 0);
  c->driver = number("RKFAKE_DRIVER", 13000);
  c->compute_mode = number("RKFAKE_COMPUTE_MODE", 0);
  c->mps = number("RKFAKE_MPS", 0) != 0;
  c->devices = number("RKFAKE_DEVICES", 1);
  c->devices = c->devices > RKF_DEVICES_MAX ? RKF_DEVICES_MAX : c->devices;
  c->init = number("RKFAKE_INIT", 0);
  c->registers = number("RKFAKE_REGISTERS", 64);
  c->occupancy = number("RKFAKE_OCCUPANCY", 0);
  c->local_bytes = number("RKFAKE_LOCAL", 0);
  c->slow_us = number("RKFAKE_SLOW_US", 0);
  c->dice = number("RKFAKE_DICE", 0);
  c->clock_ms = number("RKFAKE_CLOCK_MS", 0);
  c->kill_us = number("RKFAKE_KILL_US", 0);
  c->memory = memory != NULL ? (size_t)strtoull(memory, NULL, 10) : (size_t)16 << 30;
  c->cooperative = number("RKFAKE_COOPERATIVE", 1) != 0;
  c->map = number("RKFAKE_MAP", 1) != 0;
  c->uva = number("RKFAKE_UVA", 1) != 0;
  c->ignore_exit = number("RKFAKE_IGNORE_EXIT", 0) != 0;
  c->lint_aborts = lint != NULL && strcmp(lint, "abort") == 0;
  c->missing = getenv("RKFAKE_NO");
  c->resident = resident != NULL ? resident : "rk_grid";
  for (int i = 0; i < RKF_DEVICES_MAX; i++) {
    primary[i].device = i;
    primary[i].sms = (unsigned)c->sms;
  }
}

bool rkf_device_exists(CUdevice device)
{
  return device >= 0 && device < rkf.config.devices;
}

/* ---- driver ---- */

RKF_EXPORT CUresult cuInit(unsigned flags)
{
  RKF_ENTER(RKF_ANY);
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (rkf.config.init != 0) {
    return rkf.config.init;
  }
  if (rkf.config.devices == 0) {
    return CUDA_ERROR_NO_DEVICE;
  }
  rkf_lock();
  rkf.is_initialised = true;
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDriverGetVersion(int *version)
{
  RKF_ENTER(RKF_ANY);
  if (version == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *version = rkf.config.driver;
  return CUDA_SUCCESS;
}

static const char *error_name(CUresult code)
{
  static const struct {
    int code;
    const char *name;
  } table[] = {
#define NAMED(name, number) {number, #name},
      FAKECUDA_ERRORS(NAMED)
#undef NAMED
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (table[i].code == code) {
      return table[i].name;
    }
  }
  return NULL;
}

RKF_EXPORT CUresult cuGetErrorName(CUresult code, const char **text)
{
  *text = error_name(code);
  return *text != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* The fake has no sentences of its own: the name says enough. */
RKF_EXPORT CUresult cuGetErrorString(CUresult code, const char **text)
{
  return cuGetErrorName(code, text);
}

/* ---- devices ---- */

RKF_EXPORT CUresult cuDeviceGetCount(int *count)
{
  RKF_ENTER(RKF_INIT);
  *count = rkf.config.devices;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGet(CUdevice *device, int index)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(index)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *device = index;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGetName(char *name, int size, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  (void)snprintf(name, (size_t)size, "Fake GPU %d (sm_%d)", device, rkf.config.cc);
  return CUDA_SUCCESS;
}

/* Processes see devices of their own, which nobody else uses, unless RKFAKE_UUID says that they see
 * the same ones. A process id alone comes back; with the time it does not. */
RKF_EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  static struct {
    pid_t pid;
    struct timespec born;
  } process;
  const char *name = getenv("RKFAKE_UUID");
  unsigned char bytes[16] = {0};
  if (name != NULL && name[0] != '\0') {
    memcpy(bytes, name, strnlen(name, sizeof(bytes) - 1));
  } else {
    rkf_lock();
    if (process.pid != getpid()) {
      process.pid = getpid();
      clock_gettime(CLOCK_REALTIME, &process.born);
    }
    unsigned pid = (unsigned)process.pid;
    unsigned long long ns = (unsigned long long)process.born.tv_sec * 1000000000ull +
                            (unsigned long long)process.born.tv_nsec;
    rkf_unlock();
    memcpy(bytes, "fk", 2);
    memcpy(bytes + 2, &pid, sizeof(pid));
    memcpy(bytes + 6, &ns, sizeof(ns));
  }
  bytes[15] = (unsigned char)device;
  memcpy(uuid->bytes, bytes, sizeof(bytes));
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
  return cuDeviceGetUuid_v2(uuid, device);
}

RKF_EXPORT CUresult cuDeviceGetPCIBusId(char *name, int size, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  int n = snprintf(name, (size_t)size, "0000:%02x:00.0", (unsigned)(1 + device));
  return n < size ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

RKF_EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *bytes = rkf.config.memory;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  const rkf_config *c = &rkf.config;
  const struct {
    int attribute, value;
  } table[] = {
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, MAX_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, MAX_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, MAX_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 0x7fffffff},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 48 * 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, c->cc >= 90 ? 227 * 1024 : 64 * 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
       c->cc >= 90 ? 228 * 1024 : 64 * 1024},
      {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, c->cc >= 80 ? 1024 : 0},
      {CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 64 * 1024},
      {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
      {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, SM_REGISTERS},
      {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, SM_REGISTERS},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, SM_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 32},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, c->sms},
      {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1000000},
      {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 1000000},
      {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 64},
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 1 << 20},
      {CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT, 0},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, c->compute_mode},
      {CU_DEVICE_ATTRIBUTE_MPS_ENABLED, c->mps},
      {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, c->map},
      {CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 1},
      {CU_DEVICE_ATTRIBUTE_GPU_OVERLAP, 1},
      {CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 2},
      {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, c->uva},
      {CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, c->uva},
      {CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED, c->map},
      {CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 1 + device},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, c->cc / 10},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, c->cc % 10},
      {CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, c->cooperative},
      {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, c->driver >= 11020},
      {CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, c->cc >= 90},
      {CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, 1},
  };
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  if (attribute <= 0 || attribute > 160) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  int found = 0; /* what is not in the table, the device does not have */
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (table[i].attribute == attribute) {
      found = table[i].value;
    }
  }
  *value = found;
  return CUDA_SUCCESS;
}

/* ---- contexts ---- */

CUcontext rkf_context(void)
{
  return depth > 0 ? stack[depth - 1] : NULL;
}

RKF_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  rkf_lock();
  int sticky = rkf.sticky;
  if (sticky == 0) {
    primary[device].is_alive = true;
    primary[device].references++;
    rkf.live.contexts++;
    *ctx = &primary[device];
  }
  rkf_unlock();
  return sticky;
}

/* A context that goes takes the broken state with it. What the program could not give back in that
 * state is gone too; in any other case it is a leak and stays counted. */
static void end_context(CUcontext ctx)
{
  rkf_lock();
  bool was_broken = rkf.sticky != 0;
  ctx->is_alive = false;
  rkf.sticky = 0;
  if (was_broken) {
    long contexts = rkf.live.contexts;
    rkf.live = (rkf_counts){.contexts = contexts};
  }
  rkf_unlock();
  if (was_broken) {
    rkf_memory_forget_all();
  }
}

RKF_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  CUresult code = CUDA_SUCCESS;
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  rkf_lock();
  bool is_last = primary[device].references == 1;
  rkf_unlock();
  code = rkf_would_wait(__func__, is_last && rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  rkf_lock();
  if (primary[device].references == 0) {
    code = CUDA_ERROR_INVALID_CONTEXT;
  } else {
    rkf.live.contexts--;
    primary[device].references--;
  }
  rkf_unlock();
  if (code == CUDA_SUCCESS && is_last) {
    rkf_streams_drain();
    end_context(&primary[device]);
  }
  return code;
}

RKF_EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  rkf_kernel_kill_all(CUDA_ERROR_CONTEXT_IS_DESTROYED);
  rkf_streams_drain();
  end_context(&primary[device]);
  rkf_lock();
  primary[device].is_alive = primary[device].references > 0;
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  rkf_lock();
  primary[device].flags = flags;
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  rkf_lock();
  *flags = primary[device].flags;
  *active = primary[device].is_alive;
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxSetCurrent(CUcontext ctx)
{
  RKF_ENTER(RKF_INIT);
  if (ctx == NULL) {
    depth -= depth > 0;
    return CUDA_SUCCESS;
  }
  if (!ctx->is_alive) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  depth += depth == 0;
  stack[depth - 1] = ctx;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxGetCurrent(CUcontext *ctx)
{
  RKF_ENTER(RKF_INIT);
  *ctx = rkf_context();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext ctx)
{
  RKF_ENTER(RKF_INIT);
  if (ctx == NULL || depth == CONTEXT_DEPTH || !ctx->is_alive) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  stack[depth++] = ctx;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *ctx)
{
  RKF_ENTER(RKF_INIT);
  if (depth == 0) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  depth--;
  if (ctx != NULL) {
    *ctx = stack[depth];
  }
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxSynchronize(void)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code == CUDA_SUCCESS) {
    rkf_streams_drain();
    code = rkf.sticky;
  }
  return code;
}

RKF_EXPORT CUresult cuCtxGetDevice(CUdevice *device)
{
  RKF_ENTER(RKF_CONTEXT);
  *device = rkf_context()->device;
  return CUDA_SUCCESS;
}

static size_t limits[8] = {1024, 1 << 20, 8 << 20};

RKF_EXPORT CUresult cuCtxGetLimit(size_t *value, CUlimit limit)
{
  RKF_ENTER(RKF_CONTEXT);
  if (limit < 0 || limit >= (CUlimit)(sizeof(limits) / sizeof(limits[0]))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *value = limits[limit];
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
  RKF_ENTER(RKF_CONTEXT);
  if (limit < 0 || limit >= (CUlimit)(sizeof(limits) / sizeof(limits[0]))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUresult code = rkf_would_wait(__func__, limit == CU_LIMIT_STACK_SIZE && rkf_resident_runs());
  if (code == CUDA_SUCCESS) {
    limits[limit] = value;
  }
  return code;
}

/* A driver takes what is missing at the launch, when the device is idle; it stays taken. */
CUresult rkf_local_take(const char *call, const char *kernel)
{
  size_t bytes = (size_t)rkf_local_bytes(kernel);
  bool is_more = bytes > limits[CU_LIMIT_STACK_SIZE];
  CUresult code = rkf_would_wait(call, is_more && rkf_resident_runs());
  if (code == CUDA_SUCCESS && is_more) {
    limits[CU_LIMIT_STACK_SIZE] = bytes;
  }
  return code;
}

RKF_EXPORT CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
  RKF_ENTER(RKF_CONTEXT);
  if (least != NULL) {
    *least = 0;
  }
  if (greatest != NULL) {
    *greatest = -5;
  }
  return CUDA_SUCCESS;
}

int rkf_blocks_per_sm(int threads)
{
  if (rkf.config.occupancy > 0) {
    return rkf.config.occupancy;
  }
  int whole = (threads + 31) / 32 * 32;
  int by_threads = SM_THREADS / whole;
  int by_registers = SM_REGISTERS / (rkf.config.registers * whole);
  int blocks = by_threads < by_registers ? by_threads : by_registers;
  return blocks < 32 ? blocks : 32;
}
