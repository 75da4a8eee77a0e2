/* SPDX-License-Identifier: MIT */
/*
 * The fake CUDA driver (spec/fakecuda) itself: devices, names, memory, streams, faults. What tests
 * of the CUDA backend lean on; fakecuda_kernel_test.c has its kernels.
 */
#include "fakecuda_helper.h"

#include "base/alloc.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- devices ---- */

static int attribute(int which)
{
  int value = -1;
  OK(cu.cuDeviceGetAttribute(&value, which, 0));
  return value;
}

static void properties_come_from_the_environment(void **state)
{
  (void)state;
  int count = 0;
  char name[64];
  size_t bytes = 0;
  OK(cu.cuDeviceGetCount(&count));
  assert_int_equal(1, count);
  assert_int_equal(9, attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
  assert_int_equal(1, attribute(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH));
  assert_int_equal(1, attribute(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH));
  setenv("RKFAKE_CC", "75", 1);
  setenv("RKFAKE_SMS", "40", 1);
  setenv("RKFAKE_COOPERATIVE", "0", 1);
  setenv("RKFAKE_UVA", "0", 1);
  setenv("RKFAKE_DEVICES", "3", 1);
  setenv("RKFAKE_MEMORY", "1000000", 1);
  configure("RKFAKE_DRIVER", "12040");
  OK(cu.cuDeviceGetCount(&count));
  assert_int_equal(3, count);
  assert_int_equal(7, attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
  assert_int_equal(5, attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  assert_int_equal(40, attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  assert_int_equal(0, attribute(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH));
  assert_int_equal(0, attribute(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH));
  assert_int_equal(0, attribute(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING));
  OK(cu.cuDeviceTotalMem_v2(&bytes, 2));
  assert_int_equal(1000000, bytes);
  OK(cu.cuDeviceGetName(name, sizeof(name), 1));
  assert_non_null(strstr(name, "sm_75"));
  GIVES(CUDA_ERROR_INVALID_DEVICE, cu.cuDeviceTotalMem_v2(&bytes, 3));
  OK(cu.cuDriverGetVersion(&count));
  assert_int_equal(12040, count);
}

static void initialising_can_fail(void **state)
{
  (void)state;
  configure("RKFAKE_INIT", "803");
  GIVES(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, cu.cuInit(0));
  setenv("RKFAKE_INIT", "0", 1);
  configure("RKFAKE_DEVICES", "0");
  GIVES(CUDA_ERROR_NO_DEVICE, cu.cuInit(0));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuInit(1));
  configure("RKFAKE_DEVICES", "1");
}

static void contexts_are_needed_and_stack(void **state)
{
  (void)state;
  CUcontext ctx = NULL;
  CUcontext top = NULL;
  CUdeviceptr address;
  OK(cu.cuCtxGetCurrent(&ctx));
  assert_non_null(ctx);
  OK(cu.cuCtxPopCurrent_v2(&top));
  assert_ptr_equal(ctx, top);
  GIVES(CUDA_ERROR_INVALID_CONTEXT, cu.cuMemAlloc_v2(&address, 64));
  OK(cu.cuCtxPushCurrent_v2(ctx));
  OK(cu.cuMemAlloc_v2(&address, 64));
  OK(cu.cuMemFree_v2(address));
}

/* ---- names ---- */

static int look_up(const char *name, int version, void **address)
{
  CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
  CUresult code = cu.cuGetProcAddress_v2(name, address, version, 0, &status);
  assert_true((code == CUDA_SUCCESS) == (status == CU_GET_PROC_ADDRESS_SUCCESS));
  return (int)status;
}

static void names_have_versions(void **state)
{
  (void)state;
  void *address = NULL;
  void *wanted = NULL;
  assert_int_equal(CU_GET_PROC_ADDRESS_SUCCESS, look_up("cuMemAlloc", 3020, &address));
  memcpy(&wanted, &cu.cuMemAlloc_v2, sizeof(wanted));
  assert_ptr_equal(wanted, address);
  assert_int_equal(CU_GET_PROC_ADDRESS_SUCCESS, look_up("cuMemAlloc", 13000, &address));
  assert_ptr_equal(wanted, address);
  assert_int_equal(CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT,
                   look_up("cuMemAlloc", 3010, &address));
  assert_null(address);
  assert_int_equal(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, look_up("cuMemAllok", 13000, &address));
  assert_int_equal(CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT,
                   look_up("cuGreenCtxCreate", 12000, &address));
  /* In 13.0 it has an argument: whoever asks for that must not get ours. */
  assert_int_equal(CU_GET_PROC_ADDRESS_SUCCESS, look_up("cuCtxSynchronize", 2000, &address));
  memcpy(&wanted, &cu.cuCtxSynchronize, sizeof(wanted));
  assert_ptr_equal(wanted, address);
  assert_int_equal(CU_GET_PROC_ADDRESS_SUCCESS, look_up("cuCtxSynchronize", 13000, &address));
  assert_ptr_not_equal(wanted, address);
  configure("RKFAKE_DRIVER", "12000");
  assert_int_equal(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND,
                   look_up("cuGreenCtxCreate", 12040, &address));
  configure("RKFAKE_NO", "cuLaunchKernelEx,cuMemFree_v2");
  assert_int_equal(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND,
                   look_up("cuLaunchKernelEx", 11060, &address));
  assert_int_equal(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, look_up("cuMemFree", 3020, &address));
}

/* ---- memory ---- */

static void fresh_memory_is_poisoned(void **state)
{
  (void)state;
  static const size_t sizes[] = {1000, (size_t)3 << 20};
  for (size_t i = 0; i < 2; i++) {
    CUdeviceptr address = 0;
    unsigned char *copy = rk_alloc(sizes[i]);
    OK(cu.cuMemAlloc_v2(&address, sizes[i]));
    OK(cu.cuMemcpyDtoH_v2(copy, address, sizes[i]));
    for (size_t at = 0; at < sizes[i]; at++) {
      assert_int_equal(0xa5, copy[at]);
    }
    memset(copy, 7, sizes[i]);
    OK(cu.cuMemcpyHtoD_v2(address, copy, sizes[i]));
    OK(cu.cuMemsetD8_v2(address + 1, 0, sizes[i] - 2));
    OK(cu.cuMemcpyDtoH_v2(copy, address, sizes[i]));
    assert_int_equal(7, copy[0]);
    assert_int_equal(7, copy[sizes[i] - 1]);
    for (size_t at = 1; at < sizes[i] - 1; at++) {
      assert_int_equal(0, copy[at]);
    }
    OK(cu.cuMemFree_v2(address));
    rk_free(copy);
  }
}

static size_t resident_pages(void)
{
  size_t total = 0;
  size_t resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_non_null(file);
  assert_int_equal(2, fscanf(file, "%zu %zu", &total, &resident));
  fclose(file);
  return resident;
}

static void large_memory_costs_what_is_touched(void **state)
{
  (void)state;
  const size_t bytes = (size_t)8 << 30;
  CUdeviceptr address = 0;
  uint32_t word = 0;
  size_t before = resident_pages();
  OK(cu.cuMemAlloc_v2(&address, bytes));
  OK(cu.cuMemcpyDtoH_v2(&word, address + bytes - 4, 4));
  assert_int_equal(0xa5a5a5a5u, word);
  OK(cu.cuMemsetD8_v2(address, 0, bytes));
  OK(cu.cuMemcpyDtoH_v2(&word, address + bytes / 2, 4));
  assert_int_equal(0, word);
  OK(cu.cuMemsetD32_v2(address + bytes / 2, 0x12345678u, 2));
  OK(cu.cuMemcpyDtoH_v2(&word, address + bytes / 2 + 4, 4));
  assert_int_equal(0x12345678u, word);
  assert_in_range(resident_pages(), 0, before + ((size_t)256 << 20) / 4096);
  OK(cu.cuMemFree_v2(address));
}

static void memory_runs_out(void **state)
{
  (void)state;
  CUdeviceptr address = 0;
  size_t left = 0;
  size_t total = 0;
  configure("RKFAKE_MEMORY", "1000000");
  OK(cu.cuMemAlloc_v2(&address, 600000));
  OK(cu.cuMemGetInfo_v2(&left, &total));
  assert_int_equal(400000, left);
  assert_int_equal(1000000, total);
  CUdeviceptr other = 0;
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc_v2(&other, 600000));
  OK(cu.cuMemFree_v2(address));
  OK(cu.cuMemAlloc_v2(&address, 600000));
  OK(cu.cuMemFree_v2(address));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemAlloc_v2(&address, 0));
}

static void addresses_are_checked(void **state)
{
  (void)state;
  CUdeviceptr address = 0;
  char text[64] = "";
  OK(cu.cuMemAlloc_v2(&address, 64));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemcpyHtoD_v2(address + 1, text, 64));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemcpyHtoD_v2((CUdeviceptr)(uintptr_t)text, text, 64));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemcpyDtoH_v2((void *)(uintptr_t)address, address, 64));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemFree_v2(address + 8));
  assert_int_equal(4, cu.rkfake_lint_count());
  OK(cu.cuMemFree_v2(address));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemcpyDtoH_v2(text, address, 64));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemFree_v2(address));
  assert_int_equal(6, cu.rkfake_lint_count());
}

/* What the library under test must never do. */
static void the_host_cannot_follow_device_addresses(void **state)
{
  (void)state;
  CUdeviceptr address = 0;
  OK(cu.cuMemAlloc_v2(&address, 64));
  pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    _exit(*(volatile char *)(uintptr_t)address == 0 ? 1 : 2);
  }
  int status = 0;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_true(WIFSIGNALED(status));
  OK(cu.cuMemFree_v2(address));
}

static void pinned_memory_has_one_address_or_two(void **state)
{
  (void)state;
  uint32_t *host = NULL;
  CUdeviceptr address = 0;
  uint32_t word = 0;
  OK(cu.cuMemHostAlloc((void **)&host, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
  OK(cu.cuMemHostGetDevicePointer_v2(&address, host + 2, 0));
  assert_int_equal((uintptr_t)(host + 2), address);
  OK(cu.cuMemFreeHost(host));
  configure("RKFAKE_UVA", "0");
  OK(cu.cuMemHostAlloc((void **)&host, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
  OK(cu.cuMemHostGetDevicePointer_v2(&address, host + 2, 0));
  assert_int_not_equal((uintptr_t)(host + 2), address);
  host[2] = 42;
  OK(cu.cuMemcpyDtoH_v2(&word, address, 4));
  assert_int_equal(42, word);
  OK(cu.cuMemFreeHost(host));
  configure("RKFAKE_MAP", "0");
  GIVES(CUDA_ERROR_INVALID_VALUE,
        cu.cuMemHostAlloc((void **)&host, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
}

static void writing_past_the_end_is_found(void **state)
{
  (void)state;
  char *host = NULL;
  OK(cu.cuMemHostAlloc((void **)&host, 100, 0));
  host[102] = 1;
  OK(cu.cuMemFreeHost(host));
  assert_int_equal(1, cu.rkfake_lint_count());
}

static void pools_give_and_take_in_order(void **state)
{
  (void)state;
  CUstream stream = NULL;
  CUmemoryPool pool = NULL;
  CUdeviceptr address = 0;
  uint64_t used = 1;
  CUmemPoolProps props;
  memset(&props, 0, sizeof(props));
  props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  OK(cu.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cu.cuMemPoolCreate(&pool, &props));
  OK(cu.cuMemAllocFromPoolAsync(&address, 5000, pool, stream));
  OK(cu.cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  assert_int_equal(5000, used);
  OK(cu.cuMemsetD8Async(address, 1, 5000, stream));
  OK(cu.cuMemFreeAsync(address, stream));
  OK(cu.cuStreamSynchronize(stream));
  OK(cu.cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  assert_int_equal(0, used);
  OK(cu.cuMemAllocAsync(&address, 10, stream));
  OK(cu.cuMemFreeAsync(address, stream));
  OK(cu.cuMemPoolDestroy(pool));
  OK(cu.cuStreamDestroy_v2(stream));
  OK(cu.cuCtxSynchronize());
}

/* ---- streams ---- */

static void wait_for_word(void *data)
{
  while (__atomic_load_n((int *)data, __ATOMIC_ACQUIRE) == 0) {
    sleep_ms(1);
  }
}

static void streams_keep_their_order(void **state)
{
  (void)state;
  CUstream streams[2];
  CUevent events[2];
  int go = 0;
  float ms = -1.0f;
  uint32_t *words = NULL;
  CUdeviceptr address = 0;
  OK(cu.cuMemHostAlloc((void **)&words, 16, 0));
  words[0] = 1;
  OK(cu.cuMemAlloc_v2(&address, 16));
  for (int i = 0; i < 2; i++) {
    OK(cu.cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
    OK(cu.cuEventCreate(&events[i], 0));
    OK(cu.cuStreamQuery(streams[i]));
    OK(cu.cuEventQuery(events[i]));
  }
  OK(cu.cuEventRecord(events[0], streams[0]));
  OK(cu.cuLaunchHostFunc(streams[0], wait_for_word, &go));
  OK(cu.cuMemcpyHtoDAsync_v2(address, words, 4, streams[0])); /* pinned: read later */
  OK(cu.cuEventRecord(events[1], streams[0]));
  OK(cu.cuStreamWaitEvent(streams[1], events[1], 0));
  OK(cu.cuMemcpyDtoHAsync_v2(words + 1, address, 4, streams[1]));
  words[0] = 2;
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(streams[0]));
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(streams[1]));
  GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(events[1]));
  __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
  OK(cu.cuStreamSynchronize(streams[1]));
  assert_int_equal(2, words[1]);
  OK(cu.cuEventSynchronize(events[1]));
  OK(cu.cuEventElapsedTime(&ms, events[0], events[1]));
  assert_true(ms > 0.0f);
  OK(cu.cuStreamWriteValue32_v2(streams[0], address, 77, 0));
  OK(cu.cuStreamSynchronize(streams[0]));
  OK(cu.cuMemcpyDtoH_v2(words, address, 4));
  assert_int_equal(77, words[0]);
  for (int i = 0; i < 2; i++) {
    OK(cu.cuStreamDestroy_v2(streams[i]));
    OK(cu.cuEventDestroy_v2(events[i]));
  }
  GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuStreamQuery(streams[0]));
  OK(cu.cuMemFree_v2(address));
  OK(cu.cuMemFreeHost(words));
}

/* A blocking stream stands between two operations of the legacy stream, a non-blocking one not. */
static void the_legacy_stream_waits_for_blocking_streams(void **state)
{
  (void)state;
  CUstream blocking = NULL;
  CUstream other = NULL;
  int go = 0;
  CUdeviceptr address = 0;
  OK(cu.cuMemAlloc_v2(&address, 16));
  OK(cu.cuStreamCreate(&blocking, 0));
  OK(cu.cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  OK(cu.cuLaunchHostFunc(blocking, wait_for_word, &go));
  OK(cu.cuMemsetD8Async(address, 1, 16, NULL));
  OK(cu.cuMemsetD8Async(address, 1, 16, other));
  OK(cu.cuStreamSynchronize(other));
  sleep_ms(5);
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(NULL));
  __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
  OK(cu.cuCtxSynchronize());
  OK(cu.cuStreamQuery(NULL));
  OK(cu.cuStreamDestroy_v2(blocking));
  OK(cu.cuStreamDestroy_v2(other));
  OK(cu.cuMemFree_v2(address));
}

/* ---- faults ---- */

static void faults_strike_as_planned(void **state)
{
  (void)state;
  CUdeviceptr a = 0;
  CUdeviceptr b = 0;
  cu.rkfake_fault("cuMemAlloc", 2, CUDA_ERROR_OUT_OF_MEMORY, 0);
  OK(cu.cuMemAlloc_v2(&a, 64));
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc_v2(&b, 64));
  OK(cu.cuMemAlloc_v2(&b, 64));
  assert_int_equal(3, cu.rkfake_calls("cuMemAlloc"));
  OK(cu.cuMemFree_v2(a));
  OK(cu.cuMemFree_v2(b));
  configure("RKFAKE_FAULT", "cuMemFree:1:999,*:3:2");
  OK(cu.cuMemAlloc_v2(&a, 64));
  GIVES(CUDA_ERROR_UNKNOWN, cu.cuMemFree_v2(a));
  GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuStreamQuery(NULL));
  OK(cu.cuMemFree_v2(a));
  assert_int_equal(4, cu.rkfake_calls("*"));
}

static void sticky_faults_stay_until_the_context_ends(void **state)
{
  (void)state;
  CUdeviceptr address = 0;
  OK(cu.cuMemAlloc_v2(&address, 64));
  configure("RKFAKE_FAULT", "cuStreamQuery:1:719!");
  GIVES(CUDA_ERROR_LAUNCH_FAILED, cu.cuStreamQuery(NULL));
  GIVES(CUDA_ERROR_LAUNCH_FAILED, cu.cuMemAlloc_v2(&address, 64));
  GIVES(CUDA_ERROR_LAUNCH_FAILED, cu.cuMemFree_v2(address));
  OK(cu.cuDevicePrimaryCtxReset_v2(0));
  OK(cu.cuStreamQuery(NULL));
}

/* ---- declarations ---- */

/* The toolkit's compiler headers say whether ours are right, where there is a toolkit. */
static void declarations_are_those_of_cuda_h(void **state)
{
  (void)state;
  const char *home = getenv("CUDA_HOME");
  char path[RK_PATH_BYTES];
  char command[2 * RK_PATH_BYTES];
  (void)snprintf(path, sizeof(path), "%s/include/cuda.h", home != NULL ? home : "/usr/local/cuda");
  if (access(path, R_OK) != 0) {
    skip();
  }
  (void)snprintf(command, sizeof(command),
                 "cc -fsyntax-only -Werror -D__CUDA_API_VERSION_INTERNAL -include '%s' -x c "
                 "spec/fakecuda/fakecuda.h",
                 path);
  assert_int_equal(0, system(command));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(properties_come_from_the_environment),
      TEST(initialising_can_fail),
      TEST(contexts_are_needed_and_stack),
      TEST(names_have_versions),
      TEST(fresh_memory_is_poisoned),
      TEST(large_memory_costs_what_is_touched),
      TEST(memory_runs_out),
      TEST(addresses_are_checked),
      TEST(the_host_cannot_follow_device_addresses),
      TEST(pinned_memory_has_one_address_or_two),
      TEST(writing_past_the_end_is_found),
      TEST(pools_give_and_take_in_order),
      TEST(streams_keep_their_order),
      TEST(the_legacy_stream_waits_for_blocking_streams),
      TEST(faults_strike_as_planned),
      TEST(sticky_faults_stay_until_the_context_ends),
      TEST(declarations_are_those_of_cuda_h),
  };
  return cmocka_run_group_tests(tests, open_library, close_library);
}
