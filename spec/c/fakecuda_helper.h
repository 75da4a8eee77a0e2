/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the fake CUDA driver share: the library, opened as a program opens the driver,
 * and a clean state for each test.
 */
#ifndef FAKECUDA_HELPER_H
#define FAKECUDA_HELPER_H

#include "../fakecuda/fakecuda.h"

#include "base/platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>

#define FUNCTIONS(X)                                                                               \
  X(cuInit)                                                                                        \
  X(cuDriverGetVersion)                                                                            \
  X(cuGetProcAddress_v2)                                                                           \
  X(cuDeviceGetCount) X(cuDeviceGetName) X(cuDeviceTotalMem_v2) X(cuDeviceGetAttribute) X(         \
      cuDevicePrimaryCtxRetain) X(cuDevicePrimaryCtxRelease_v2) X(cuDevicePrimaryCtxReset_v2)      \
      X(cuCtxSetCurrent) X(cuCtxGetCurrent) X(cuCtxPushCurrent_v2) X(cuCtxPopCurrent_v2) X(        \
          cuCtxSynchronize) X(cuMemAlloc_v2) X(cuMemFree_v2) X(cuMemGetInfo_v2) X(cuMemHostAlloc)  \
          X(cuMemFreeHost) X(cuMemHostGetDevicePointer_v2) X(cuMemHostRegister_v2) X(              \
              cuMemHostUnregister) X(cuMemcpyHtoD_v2) X(cuMemcpyDtoH_v2) X(cuMemcpyDtoD_v2)        \
              X(cuMemcpyHtoDAsync_v2) X(cuMemcpyDtoHAsync_v2) X(cuMemsetD8_v2) X(                  \
                  cuMemsetD32_v2) X(cuMemsetD8Async) X(cuMemAllocAsync) X(cuMemFreeAsync)          \
                  X(cuMemPoolCreate) X(cuMemPoolDestroy) X(cuMemPoolGetAttribute) X(               \
                      cuMemAllocFromPoolAsync) X(cuStreamCreate) X(cuStreamDestroy_v2)             \
                      X(cuStreamQuery) X(cuStreamSynchronize) X(cuStreamWaitEvent) X(              \
                          cuStreamWriteValue32_v2) X(cuLaunchHostFunc) X(cuEventCreate)            \
                          X(cuEventDestroy_v2) X(cuEventRecord) X(cuEventQuery) X(                 \
                              cuEventSynchronize) X(cuEventElapsedTime) X(cuStreamBeginCapture_v2) \
                              X(cuStreamEndCapture) X(cuStreamIsCapturing) X(                      \
                                  cuGraphInstantiateWithFlags) X(cuGraphLaunch) X(cuGraphDestroy)  \
                                  X(cuGraphExecDestroy) X(cuModuleLoadData) X(cuModuleLoadDataEx)  \
                                      X(cuModuleUnload) X(cuModuleGetFunction)                     \
                                          X(cuModuleGetGlobal_v2) X(cuFuncGetAttribute) X(         \
                                              cuFuncSetAttribute)                                  \
                                              X(cuOccupancyMaxActiveBlocksPerMultiprocessor) X(    \
                                                  cuLaunchKernel) X(cuLaunchKernelEx)              \
                                                  X(cuLaunchCooperativeKernel) X(                  \
                                                      cuDeviceGetDevResource)                      \
                                                      X(cuDevSmResourceSplitByCount) X(            \
                                                          cuDevResourceGenerateDesc)               \
                                                          X(cuGreenCtxCreate) X(cuGreenCtxDestroy) \
                                                              X(cuCtxFromGreenCtx) X(              \
                                                                  cuGreenCtxStreamCreate)          \
                                                                  X(rkfake_fault) X(rkfake_reset)  \
                                                                      X(rkfake_calls)              \
                                                                          X(rkfake_lint_count)     \
                                                                              X(rkfake_kill) X(    \
                                                                                  rkfake_kernels)  \
                                                                                  X(rkfake_live)

static struct {
#define FIELD(name) __typeof__(name) *name;
  FUNCTIONS(FIELD)
#undef FIELD
} cu;

static char library_path[RK_PATH_BYTES];
static char folder[RK_PATH_BYTES];

static const char *const variables[] = {
    "RKFAKE_CC",        "RKFAKE_SMS",      "RKFAKE_DRIVER",      "RKFAKE_COOPERATIVE",
    "RKFAKE_MAP",       "RKFAKE_UVA",      "RKFAKE_DEVICES",     "RKFAKE_MEMORY",
    "RKFAKE_NO",        "RKFAKE_INIT",     "RKFAKE_FAULT",       "RKFAKE_LINT",
    "RKFAKE_SLOW_US",   "RKFAKE_KILL_US",  "RKFAKE_OCCUPANCY",   "RKFAKE_SOURCES",
    "RKFAKE_REGISTERS", "RKFAKE_RESIDENT", "RKFAKE_IGNORE_EXIT", "RKFAKE_RUN",
    "RKFAKE_DICE",
};

#define OK(call) assert_int_equal(CUDA_SUCCESS, (int)(call))
#define GIVES(code, call) assert_int_equal((code), (int)(call))

__attribute__((unused)) static void configure(const char *name, const char *value)
{
  setenv(name, value, 1);
  cu.rkfake_reset();
}

static int open_library(void **state)
{
  (void)state;
  const char *build = getenv("BUILD");
  (void)snprintf(library_path, sizeof(library_path), "%s/libringkernel_fakecuda.so",
                 build != NULL ? build : "build");
  void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    print_error("%s\n", dlerror());
    return 1;
  }
#define FIND(name)                              \
  {                                             \
    void *address = dlsym(library, #name);      \
    assert_non_null(address);                   \
    memcpy(&cu.name, &address, sizeof address); \
  }
  FUNCTIONS(FIND)
#undef FIND
  return rk_platform_real()->dir_make_temp("rk-fakecuda-", folder, sizeof(folder), NULL);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
  (void)info;
  (void)kind;
  (void)walk;
  return remove(path);
}

static int close_library(void **state)
{
  (void)state;
  return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void configure_nothing(void)
{
  for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
    unsetenv(variables[i]);
  }
  cu.rkfake_reset();
}

/* Each test begins with a context and no plans, and must leave nothing behind. */
static int begin(void **state)
{
  CUcontext ctx;
  (void)state;
  setenv("RINGKERNEL_CACHE", folder, 1);
  configure_nothing();
  OK(cu.cuInit(0));
  OK(cu.cuDevicePrimaryCtxRetain(&ctx, 0));
  OK(cu.cuCtxSetCurrent(ctx));
  return 0;
}

static int end(void **state)
{
  (void)state;
  OK(cu.cuCtxSetCurrent(NULL));
  OK(cu.cuDevicePrimaryCtxRelease_v2(0));
  assert_int_equal(0, cu.rkfake_live("all"));
  return 0;
}

__attribute__((unused)) static void sleep_ms(int ms)
{
  struct timespec wait = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&wait, NULL);
}

/* What is written to stderr between the two, in a file of the test's folder. */
typedef struct capture {
  int kept, file;
} capture;

__attribute__((unused)) static capture capture_begin(void)
{
  char path[RK_PATH_BYTES + 16];
  (void)snprintf(path, sizeof(path), "%s/said", folder);
  capture c = {dup(STDERR_FILENO), open(path, O_RDWR | O_CREAT | O_TRUNC, 0600)};
  assert_true(c.kept >= 0 && c.file >= 0);
  (void)dup2(c.file, STDERR_FILENO);
  return c;
}

__attribute__((unused)) static void capture_end(capture *c, char *text, size_t bytes)
{
  (void)dup2(c->kept, STDERR_FILENO);
  close(c->kept);
  memset(text, 0, bytes);
  assert_true(pread(c->file, text, bytes - 1, 0) >= 0);
  close(c->file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
