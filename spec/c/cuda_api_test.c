/* SPDX-License-Identifier: MIT */
/*
 * Opening the CUDA driver: what is found, what is refused and in which words, what results mean,
 * and what devices say of themselves. The drivers are played by spec/c/driver, which the
 * environment tells what to be. What happens once in a process is tested in child processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/thread.h"

#include "backend/cuda/cuda_api.h"
#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_error.h"

static char driver_path[256], old_driver_path[256];

static rk_cuda_api api;
static rk_cuda_driver driver;
static rk_error err;

static const char *const settings[] = {
    "TINY_INIT",
    "TINY_VERSION",
    "TINY_LACK",
    "TINY_DEVICES",
    "TINY_FAIL",
    "CUDA_MODULE_LOADING",
    "CUDA_LAUNCH_BLOCKING",
    "RINGKERNEL_LIBCUDA",
};

static int forget_settings(void **state)
{
  (void)state;
  for (size_t i = 0; i < RK_ARRAY_LEN(settings); ++i) {
    unsetenv(settings[i]);
  }
  return 0;
}

static void set(const char *name, const char *value)
{
  assert_int_equal(0, setenv(name, value, 1));
}

static int open_at(const char *library)
{
  err = (rk_error)RK_ERROR_INIT;
  return rk__cuda_open_at(library, &api, &driver, &err);
}

static void expect_text(const char *part)
{
  if (strstr(err.text, part) == NULL) {
    fail_msg("expected \"%s\" in \"%s\"", part, err.text);
  }
}

/* ---- opening --------------------------------------------------------------------------------- */

static void no_library(void **state)
{
  (void)state;
  assert_int_equal(RK_ENO_DEVICE, open_at("/no/such/libcuda.so.1"));
  expect_text("no CUDA driver: cannot load '/no/such/libcuda.so.1'");
  expect_text("install the NVIDIA driver");
  assert_false(driver.is_loaded);
  assert_string_equal("/no/such/libcuda.so.1", driver.library);
  assert_int_equal(0, driver.version);
}

static void a_library_that_is_no_driver(void **state)
{
  (void)state;
  assert_int_equal(RK_ENO_DEVICE, open_at("libm.so.6"));
  expect_text("'libm.so.6' is no CUDA driver: it has no cuInit");
  assert_true(driver.is_loaded);
}

static void a_stub_is_called_one(void **state)
{
  (void)state;
  set("TINY_INIT", "34");
  assert_int_equal(RK_ENO_DEVICE, open_at(driver_path));
  expect_text("is the stub library of a CUDA toolkit, not a driver");
  forget_settings(NULL);
  set("TINY_LACK", "*");
  assert_int_equal(RK_ENO_DEVICE, open_at(driver_path));
  expect_text("is the stub library of a CUDA toolkit, not a driver");
  /* The real one, where a toolkit is installed. */
  static const char real[] = "/usr/local/cuda/lib64/stubs/libcuda.so";
  if (access(real, R_OK) == 0) {
    assert_int_equal(RK_ENO_DEVICE, open_at(real));
    expect_text("is the stub library of a CUDA toolkit, not a driver");
  }
}

static void refusals_of_init_say_what_to_do(void **state)
{
  static const struct {
    const char *result;
    int status;
    const char *name, *advice;
  } cases[] = {
      {"2", RK_EOUT_OF_MEMORY, "cuInit: CUDA_ERROR_OUT_OF_MEMORY (2): ", "out of tiny memory"},
      {"46", RK_ENO_DEVICE, "cuInit: CUDA_ERROR_DEVICE_UNAVAILABLE (46): ", "compute mode"},
      {"100", RK_ENO_DEVICE, "cuInit: CUDA_ERROR_NO_DEVICE (100): ", "CUDA_VISIBLE_DEVICES"},
      {"802", RK_ENO_DEVICE, "cuInit: CUDA_ERROR_SYSTEM_NOT_READY (802): ", "fabricmanager"},
      {"803", RK_EVERSION, "cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803): ", "reboot"},
      {"804", RK_EVERSION, "cuInit: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE (804): ", "compat"},
      {"805", RK_ENO_DEVICE, "cuInit: CUDA_ERROR_MPS_CONNECTION_FAILED (805): ", "MPS"},
      {"999", RK_EIO, "cuInit: CUDA_ERROR_UNKNOWN (999): ", "/dev/nvidia-uvm"},
  };
  (void)state;
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); ++i) {
    set("TINY_INIT", cases[i].result);
    assert_int_equal(cases[i].status, open_at(driver_path));
    assert_int_equal(cases[i].status, err.status);
    expect_text(cases[i].name);
    expect_text(cases[i].advice);
    assert_int_equal(13000, driver.version);
  }
}

static void a_missing_function_is_named(void **state)
{
  (void)state;
  set("TINY_LACK", "cuMemHostAlloc");
  set("TINY_VERSION", "12040");
  assert_int_equal(RK_EVERSION, open_at(driver_path));
  expect_text("(CUDA 12.4) has no cuMemHostAlloc of CUDA 2.2");
  expect_text("update the driver");
  forget_settings(NULL);
  set("TINY_VERSION", "8000"); /* too old for cuLaunchCooperativeKernel and others */
  assert_int_equal(RK_EVERSION, open_at(driver_path));
  expect_text("(CUDA 8.0) has no cuDeviceGetUuid of CUDA 11.4");
}

static void everything_is_there(void **state)
{
  (void)state;
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_int_equal(13000, api.driver_version);
  assert_int_equal(13000, driver.version);
  for (int group = 0; group < RK_CUDA_GROUP_COUNT; ++group) {
    assert_true(rk_cuda_has(&api, (rk_cuda_group)group));
  }
#define EXPECT_FUNCTION(group, field, name, suffix, version, arguments) \
  assert_non_null((void *)(uintptr_t)api.field);
  RK_CUDA_FUNCTIONS(EXPECT_FUNCTION)
#undef EXPECT_FUNCTION
  /* Not mixed up: each is what it is called. */
  int count = 0;
  assert_int_equal(CUDA_SUCCESS, api.device_get_count(&count));
  assert_int_equal(1, count);
  assert_int_equal(CUDA_ERROR_NOT_SUPPORTED, api.mem_free(1));
}

static void half_a_group_is_none(void **state)
{
  (void)state;
  set("TINY_LACK", "cuGreenCtxStreamCreate,cuGraphLaunch");
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_false(rk_cuda_has(&api, RK_CUDA_GREEN));
  assert_false(rk_cuda_has(&api, RK_CUDA_GRAPHS));
  assert_true(rk_cuda_has(&api, RK_CUDA_POOLS));
  assert_true(rk_cuda_has(&api, RK_CUDA_CLUSTERS));
  assert_true(api.green_ctx_create == NULL);
  assert_true(api.device_get_dev_resource == NULL);
  assert_true(api.graph_instantiate == NULL);
  assert_true(api.mem_alloc_async != NULL);
}

static void a_driver_without_lookup(void **state)
{
  (void)state;
  set("TINY_VERSION", "11040");
  assert_int_equal(RK_OK, open_at(old_driver_path));
  assert_int_equal(11040, api.driver_version);
  assert_true(rk_cuda_has(&api, RK_CUDA_CORE));
  assert_true(rk_cuda_has(&api, RK_CUDA_POOLS));
  assert_false(rk_cuda_has(&api, RK_CUDA_LAUNCH_EX));
  assert_false(rk_cuda_has(&api, RK_CUDA_GREEN));
  size_t bytes = 0;
  assert_int_equal(CUDA_SUCCESS, api.device_total_mem(&bytes, 0));
  assert_true(bytes == (size_t)80 << 30);
}

static void modules_are_loaded_at_once(void **state)
{
  (void)state;
  assert_int_equal(RK_OK, open_at(driver_path)); /* its cuInit wants the variable set */
  assert_string_equal("EAGER", getenv("CUDA_MODULE_LOADING"));
  set("CUDA_MODULE_LOADING", "LAZY");
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_string_equal("LAZY", getenv("CUDA_MODULE_LOADING"));
}

static void blocking_launches_are_found_out(void **state)
{
  (void)state;
  assert_null(rk_cuda_environment_problem());
  set("CUDA_LAUNCH_BLOCKING", "0");
  assert_null(rk_cuda_environment_problem());
  set("CUDA_LAUNCH_BLOCKING", "1");
  assert_non_null(strstr(rk_cuda_environment_problem(), "CUDA_LAUNCH_BLOCKING is set"));
}

/* ---- once in a process ----------------------------------------------------------------------- */

/* Runs `test` in a child; what it asserts ends the child with a status that is not 0. */
static void in_child(void (*test)(void))
{
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    test();
    fflush(NULL);
    _exit(0);
  }
  int status = 0;
  assert_int_equal(pid, waitpid(pid, &status, 0));
  assert_true(WIFEXITED(status));
  assert_int_equal(0, WEXITSTATUS(status));
}

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "line %d: %s; %s\n", __LINE__, #condition, err.text); \
      _exit(1);                                                             \
    }                                                                       \
  } while (0)

static int calls_of_init(void)
{
  int (*count)(const char *what) = NULL;
  void *lib = dlopen(driver_path, RTLD_NOW | RTLD_LOCAL);
  void *symbol = lib != NULL ? dlsym(lib, "tiny_count") : NULL;
  memcpy(&count, &symbol, sizeof(count));
  return count != NULL ? count("init") : -1;
}

static void open_in_thread(void *arg)
{
  const rk_cuda_api **out = arg;
  (void)rk_cuda_open(out, NULL);
}

static void open_by_four_threads(void)
{
  rk_thread *threads[4];
  const rk_cuda_api *found[4] = {NULL};
  set("RINGKERNEL_LIBCUDA", driver_path);
  int before = calls_of_init();
  for (size_t i = 0; i < 4; ++i) {
    CHECK(rk_thread_start(&threads[i], "open", open_in_thread, &found[i], &err) == RK_OK);
  }
  for (size_t i = 0; i < 4; ++i) {
    rk_thread_join(threads[i]);
  }
  const rk_cuda_api *again = NULL;
  CHECK(rk_cuda_open(&again, &err) == RK_OK);
  CHECK(again != NULL && again->driver_version == 13000);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(found[i] == again);
  }
  CHECK(calls_of_init() == before + 1);
  rk_cuda_driver_get(&driver);
  CHECK(driver.is_chosen && driver.is_loaded && strcmp(driver.library, driver_path) == 0);

  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    const rk_cuda_api *inherited = NULL;
    bool is_refused = rk_cuda_open(&inherited, &err) == RK_EFORKED && inherited == NULL &&
                      strstr(err.text, "forked") != NULL;
    _exit(is_refused ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void fail_twice(void)
{
  const rk_cuda_api *found = NULL;
  set("RINGKERNEL_LIBCUDA", "/no/such/driver.so");
  rk_cuda_driver_get(&driver); /* opens too */
  CHECK(driver.is_chosen && !driver.is_loaded && driver.version == 0);
  for (int i = 0; i < 2; ++i) {
    rk_error_clear(&err);
    CHECK(rk_cuda_open(&found, &err) == RK_ENO_DEVICE && found == NULL);
    CHECK(strncmp(err.text, "RINGKERNEL_LIBCUDA: no CUDA driver: cannot load '/no/such", 57) == 0);
  }
  CHECK(rk_cuda_open(&found, NULL) == RK_ENO_DEVICE);
}

static void the_driver_is_opened_once(void **state)
{
  (void)state;
  in_child(open_by_four_threads);
  in_child(fail_twice);
}

/* ---- results --------------------------------------------------------------------------------- */

static void results_have_codes_and_texts(void **state)
{
  (void)state;
  assert_int_equal(RK_OK, open_at(driver_path));
  err.status = 1;
  assert_int_equal(RK_OK, rk_cuda_check(&api, CUDA_SUCCESS, "cuMemAlloc", &err));
  assert_int_equal(1, err.status);
  assert_int_equal(RK_EOUT_OF_MEMORY,
                   rk_cuda_check(&api, CUDA_ERROR_OUT_OF_MEMORY, "cuMemAlloc", &err));
  assert_string_equal("cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2): out of tiny memory", err.text);
  /* The driver has no text for this one, and no driver for the next. */
  assert_int_equal(RK_EDEVICE_LOST,
                   rk_cuda_check(&api, CUDA_ERROR_ILLEGAL_ADDRESS, "cuStreamQuery", &err));
  assert_string_equal(
      "cuStreamQuery: CUDA_ERROR_ILLEGAL_ADDRESS (700): the device stopped answering", err.text);
  assert_int_equal(RK_ETOO_LARGE, rk_cuda_check(NULL, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
                                                "cuLaunchCooperativeKernel", &err));
  expect_text("CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE (720): larger than the limit");
  assert_int_equal(RK_EIO, rk_cuda_check(&api, (CUresult)12345, "cuX", &err));
  expect_text("cuX: CUDA_ERROR_OF_TOMORROW (12345)");
  assert_int_equal(RK_EIO, rk_cuda_check(NULL, (CUresult)12345, "cuX", NULL));
  assert_string_equal("unknown result", rk_cuda_result_name(NULL, (CUresult)12345));
}

static void sticky_results_are_lost_devices(void **state)
{
  (void)state;
  unsigned sticky = 0;
#define EXPECT_SAME(name, value)                                                      \
  assert_int_equal(rk_cuda_is_sticky(name), rk_cuda_status(name) == RK_EDEVICE_LOST); \
  sticky += rk_cuda_is_sticky(name);
  RK_CUDA_RESULTS(EXPECT_SAME)
#undef EXPECT_SAME
  assert_true(sticky >= 10);
  assert_true(rk_cuda_is_sticky(CUDA_ERROR_LAUNCH_FAILED));
  assert_true(rk_cuda_is_sticky(CUDA_ERROR_ECC_UNCORRECTABLE));
  assert_false(rk_cuda_is_sticky(CUDA_SUCCESS));
  assert_false(rk_cuda_is_sticky(CUDA_ERROR_NOT_READY));
  assert_false(rk_cuda_is_sticky(CUDA_ERROR_OUT_OF_MEMORY));
  assert_false(rk_cuda_is_sticky(CUDA_ERROR_INVALID_IMAGE));
  assert_int_equal(RK_ETIMEOUT, rk_cuda_status(CUDA_ERROR_NOT_READY));
  assert_int_equal(RK_EVERSION, rk_cuda_status(CUDA_ERROR_UNSUPPORTED_PTX_VERSION));
}

/* ---- devices --------------------------------------------------------------------------------- */

static void devices_say_what_they_are(void **state)
{
  (void)state;
  rk_cuda_device_info info;
  uint32_t count = 0;
  set("TINY_DEVICES", "2");
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_int_equal(RK_OK, rk_cuda_device_count(&api, &count, &err));
  assert_int_equal(2, count);
  assert_int_equal(RK_OK, rk_cuda_device_info_get(&api, 1, &info, &err));
  assert_string_equal("Tiny GPU 1", info.name);
  assert_string_equal("GPU-f1f2f3f4-f5f6-f7f8-f9fa-fbfcfdfeff00", info.uuid);
  assert_string_equal("0000:3b:01.0", info.pci_bus);
  assert_int_equal(1, info.ordinal);
  assert_int_equal(90, info.cc);
  assert_int_equal(132, info.processors);
  assert_int_equal(32, info.warp_lanes);
  assert_int_equal(1980000, info.clock_khz);
  assert_int_equal(1024, info.block_lanes_max);
  assert_int_equal(2048, info.processor_lanes_max);
  assert_int_equal(49152, info.block_shared_bytes);
  assert_int_equal(232448, info.block_shared_optin_bytes);
  assert_int_equal(4, info.mem_sync_domains);
  assert_int_equal(0, info.numa_node);
  assert_true(info.memory_bytes == (uint64_t)80 << 30);
  assert_true(info.has_cooperative_launch && info.has_mapped_memory && info.has_unified_addressing);
  assert_true(info.has_clusters && info.has_pools && info.has_green_contexts);
  assert_false(info.has_exec_timeout || info.has_host_atomics || info.is_integrated);
  assert_null(rk_cuda_device_problem(&info));

  info.ordinal = 77;
  assert_int_equal(RK_ENO_DEVICE, rk_cuda_device_info_get(&api, 2, &info, &err));
  expect_text("device 2: there are 2 CUDA devices");
  assert_int_equal(77, info.ordinal);
}

/* The info of device 0 with one attribute changed. */
static rk_cuda_device_info info_with(CUdevice_attribute attribute, const char *value)
{
  char name[40];
  rk_cuda_device_info info;
  (void)snprintf(name, sizeof(name), "TINY_ATTRIBUTE_%d", (int)attribute);
  set(name, value);
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_int_equal(RK_OK, rk_cuda_device_info_get(&api, 0, &info, &err));
  unsetenv(name);
  return info;
}

static void unfit_devices_say_why(void **state)
{
  static const struct {
    CUdevice_attribute attribute;
    const char *value, *why;
  } cases[] = {
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, "7", "below 7.5"},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, "2", "'prohibited'"},
      {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, "0", "no cooperative launch"},
      {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, "0", "does not reach host memory"},
      {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, "0", "no unified addressing"},
      {CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT, "1", "drives a display"},
      {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, "unknown", "no cooperative launch"},
  };
  (void)state;
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); ++i) {
    rk_cuda_device_info info = info_with(cases[i].attribute, cases[i].value);
    const char *why = rk_cuda_device_problem(&info);
    assert_non_null(why);
    assert_non_null(strstr(why, cases[i].why));
  }
  rk_cuda_device_info info = info_with(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, "3");
  assert_null(rk_cuda_device_problem(&info)); /* exclusive, but ours */
}

static void features_need_the_device_and_the_driver(void **state)
{
  (void)state;
  rk_cuda_device_info info = info_with(CU_DEVICE_ATTRIBUTE_MEM_SYNC_DOMAIN_COUNT, "unknown");
  assert_int_equal(1, info.mem_sync_domains);
  info = info_with(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, "unknown");
  assert_int_equal(-1, info.numa_node);
  info = info_with(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, "0");
  assert_false(info.has_clusters);
  info = info_with(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, "8");
  assert_false(info.has_clusters);
  set("TINY_LACK", "cuOccupancyMaxActiveClusters,cuMemPoolCreate,cuGreenCtxCreate");
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_int_equal(RK_OK, rk_cuda_device_info_get(&api, 0, &info, &err));
  assert_false(info.has_clusters || info.has_pools || info.has_green_contexts);
  forget_settings(NULL);
  set("TINY_FAIL", "cuDeviceGetDevResource:801"); /* a device that cannot be divided */
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_int_equal(RK_OK, rk_cuda_device_info_get(&api, 0, &info, &err));
  assert_false(info.has_green_contexts);
  assert_true(info.has_clusters);
}

static void each_failing_call_is_named(void **state)
{
  static const char *const calls[] = {
      "cuDeviceGetCount",    "cuDeviceGet",      "cuDeviceGetName",      "cuDeviceGetUuid",
      "cuDeviceGetPCIBusId", "cuDeviceTotalMem", "cuDeviceGetAttribute",
  };
  (void)state;
  for (size_t i = 0; i < RK_ARRAY_LEN(calls); ++i) {
    char fault[64], text[64];
    rk_cuda_device_info info = {.ordinal = 77};
    (void)snprintf(fault, sizeof(fault), "%s:46", calls[i]);
    (void)snprintf(text, sizeof(text), "%s: CUDA_ERROR_DEVICE_UNAVAILABLE (46)", calls[i]);
    set("TINY_FAIL", fault);
    assert_int_equal(RK_OK, open_at(driver_path));
    assert_int_equal(RK_ENO_DEVICE, rk_cuda_device_info_get(&api, 0, &info, &err));
    expect_text(text);
    assert_int_equal(77, info.ordinal);
  }
}

static void contexts_are_given_back(void **state)
{
  (void)state;
  int (*count)(const char *what) = NULL;
  void *symbol = dlsym(dlopen(driver_path, RTLD_NOW | RTLD_LOCAL), "tiny_count");
  memcpy(&count, &symbol, sizeof(count));
  assert_true(count != NULL);

  CUcontext context = NULL, current = NULL;
  rk_cuda_device_info info = {.name = "Tiny", .device = 0};
  assert_int_equal(RK_OK, open_at(driver_path));
  assert_int_equal(RK_OK, rk_cuda_context_open(&api, &info, &context, &err));
  assert_non_null(context);
  assert_int_equal(1, count("contexts"));
  assert_int_equal(CUDA_SUCCESS, api.ctx_get_current(&current));
  assert_ptr_equal(context, current);
  rk_cuda_context_close(&api, 0, context);
  assert_int_equal(0, count("contexts"));
  assert_int_equal(CUDA_SUCCESS, api.ctx_get_current(&current));
  assert_null(current);

  set("TINY_FAIL", "cuCtxSetCurrent:201");
  context = NULL;
  assert_int_equal(RK_EIO, rk_cuda_context_open(&api, &info, &context, &err));
  expect_text("cuCtxSetCurrent: CUDA_ERROR_INVALID_CONTEXT (201)");
  assert_null(context);
  assert_int_equal(0, count("contexts"));
  set("TINY_FAIL", "cuDevicePrimaryCtxRetain:46");
  assert_int_equal(RK_ENO_DEVICE, rk_cuda_context_open(&api, &info, &context, &err));
  expect_text("device 0 (Tiny) is taken or does not work (CUDA_ERROR_DEVICE_UNAVAILABLE)");
  info.compute_mode = CU_COMPUTEMODE_EXCLUSIVE_PROCESS;
  assert_int_equal(RK_ENO_DEVICE, rk_cuda_context_open(&api, &info, &context, &err));
  expect_text("its compute mode lets one process in at a time");
  set("TINY_FAIL", "cuDevicePrimaryCtxRetain:2");
  assert_int_equal(RK_EOUT_OF_MEMORY, rk_cuda_context_open(&api, &info, &context, &err));
  assert_int_equal(0, count("contexts"));
}

int main(void)
{
  const char *build = getenv("BUILD");
  (void)snprintf(driver_path, sizeof(driver_path), "%s/test/tiny_driver.so",
                 build != NULL ? build : "build");
  (void)snprintf(old_driver_path, sizeof(old_driver_path), "%s/test/tiny_driver_old.so",
                 build != NULL ? build : "build");
#define TEST(name) cmocka_unit_test_setup_teardown(name, forget_settings, forget_settings)
  const struct CMUnitTest tests[] = {
      TEST(no_library),
      TEST(a_library_that_is_no_driver),
      TEST(a_stub_is_called_one),
      TEST(refusals_of_init_say_what_to_do),
      TEST(a_missing_function_is_named),
      TEST(everything_is_there),
      TEST(half_a_group_is_none),
      TEST(a_driver_without_lookup),
      TEST(modules_are_loaded_at_once),
      TEST(blocking_launches_are_found_out),
      TEST(the_driver_is_opened_once),
      TEST(results_have_codes_and_texts),
      TEST(sticky_results_are_lost_devices),
      TEST(devices_say_what_they_are),
      TEST(unfit_devices_say_why),
      TEST(features_need_the_device_and_the_driver),
      TEST(each_failing_call_is_named),
      TEST(contexts_are_given_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
