/* SPDX-License-Identifier: MIT */
/*
 * The fake CUDA driver's kernels: modules, launches, graphs, resident kernels, what they die of, and
 * the calls that would wait behind them.
 */
#include "fakecuda_helper.h"

#include "backend/cuda/cuda_nvrtc.h"

#include <sched.h>

/* ---- the unit ---- */

#define UNIT_KEY "00000000fa4e0001"

/* Written as device units are: the headers' names for everything that needs a GPU. */
static const char unit_source[] =
    "#include \"rk_dev.h\"\n"
    "struct box {\n"
    "  rk_u64 ask; rk_u64 pad0[15];\n"
    "  rk_u64 answer; rk_u64 done; rk_u64 pad1[14];\n"
    "  rk_u32 stop; rk_u32 pad2[31];\n"
    "  rk_u32 hello; rk_u32 pad3[31];\n"
    "};\n"
    "RK_PTX_STATIC_SHARED rk_u64 question;\n"
    "RK_PTX_STATIC_SHARED rk_u64 parts[32];\n"
    "RK_FN rk_u64 wait_for_question(box *b, rk_u64 seen) {\n"
    "  for (;;) {\n"
    "    rk_u64 ask = rk_ld_acquire_sys_u64(&b->ask);\n"
    "    if (ask != seen) { return ask; }\n"
    "    if (rk_ld_relaxed_sys_u32(&b->stop) != 0u) { return 0u; }\n"
    "    rk_ptx_pause(1000u);\n"
    "  }\n"
    "}\n"
    /* Each thread adds its number to the question; answers the sum over all threads. */
    "extern \"C\" __global__ void __launch_bounds__(64) converse(rk_u64 boxes, rk_u32 add) {\n"
    "  box *b = RK_PTR(box, boxes) + rk_ptx_block();\n"
    "  rk_u32 thread = rk_ptx_thread();\n"
    "  rk_u64 seen = 0;\n"
    "  if (thread == 0u) { rk_st_release_sys_u32(&b->hello, 1u); }\n"
    "  for (;;) {\n"
    "    if (thread == 0u) { question = wait_for_question(b, seen); }\n"
    "    rk_ptx_block_meet();\n"
    "    seen = question;\n"
    "    if (seen == 0u) { return; }\n"
    "    rk_u64 sum = seen + add + thread;\n"
    "    for (rk_u32 half = 16u; half > 0u; half /= 2u) {\n"
    "      sum += rk_ptx_warp_shuffle(0xffffffffu, sum, (thread + half) % 32u);\n"
    "    }\n"
    "    if (rk_ptx_warp_ballot(0xffffffffu, thread % 32u == 5u) != 32u) { sum = 0u; }\n"
    "    if (thread % 32u == 0u) { parts[thread / 32u] = sum; }\n"
    "    rk_ptx_meet(1, 64);\n"
    "    if (thread == 0u) {\n"
    "      b->answer = parts[0] + parts[1];\n"
    "      rk_st_release_sys_u64(&b->done, seen);\n"
    "    }\n"
    "  }\n"
    "}\n"
    "extern \"C\" __global__ void fill(rk_u64 out, rk_u32 count, rk_f64 value) {\n"
    "  rk_u32 all = rk_ptx_blocks() * rk_ptx_threads();\n"
    "  for (rk_u32 i = rk_ptx_block() * rk_ptx_threads() + rk_ptx_thread(); i < count; i += all) "
    "{\n"
    "    RK_PTR(rk_f64, out)[i] = value + i;\n"
    "  }\n"
    "}\n"
    "extern \"C\" __global__ void count_up(rk_u64 word) { *RK_PTR(rk_u32, word) += 1u; }\n"
    /* Half of the threads never come to the barrier. */
    "extern \"C\" __global__ void diverge(void) {\n"
    "  if (rk_ptx_thread() < 32u) { rk_ptx_meet(1, 64); }\n"
    "}\n"
    "extern \"C\" { __device__ rk_u32 counter = 5; }\n"
    "extern \"C\" { __device__ unsigned char rk_build_" UNIT_KEY " = 1; }\n";

typedef struct box {
  uint64_t ask, pad0[15];
  uint64_t answer, done, pad1[14];
  uint32_t stop, pad2[31];
  uint32_t hello, pad3[31];
} box;

#define PTX(version, sm, symbol) \
  "//\n.version " version "\n.target sm_" sm "\n.visible .global .align 1 .b8 " symbol "[1];\n"

/* Machine code for sm_90 where there is NVRTC, made once. */
static rk_nvrtc_result real_image;

static bool has_real_image(void)
{
  return real_image.image != NULL;
}

static const void *unit_image(void)
{
  return has_real_image() ? real_image.image : PTX("7.0", "70", "rk_build_" UNIT_KEY);
}

/* Puts the source where the image cache puts it, and compiles it. */
static int open_unit(void **state)
{
  char path[RK_PATH_BYTES + 64];
  rk_error err = RK_ERROR_INIT;
  rk_nvrtc_request request = {.name = "unit.cu", .source = unit_source, .arch = 90};
  const rk_platform *os = rk_platform_real();
  if (open_library(state) != 0) {
    return 1;
  }
  (void)snprintf(path, sizeof(path), "%s/cuda", folder);
  if (os->dir_make(path, &err) != RK_OK) {
    return 1;
  }
  (void)snprintf(path, sizeof(path), "%s/cuda/" UNIT_KEY ".cu", folder);
  if (os->file_write(path, unit_source, strlen(unit_source), &err) != RK_OK) {
    return 1;
  }
  int status = rk_nvrtc_compile(&request, &real_image, NULL, &err);
  if (status != RK_OK) {
    print_message("# %s\n", err.text);
  }
  return status == RK_OK || (status == RK_ENO_COMPILER && getenv("CI") == NULL) ? 0 : 1;
}

static int close_unit(void **state)
{
  rk_nvrtc_result_release(&real_image);
  return close_library(state);
}

typedef struct unit {
  CUmodule module;
  CUfunction function;
  CUstream stream;
} unit;

static unit unit_load(const char *kernel)
{
  unit u = {NULL, NULL, NULL};
  OK(cu.cuModuleLoadData(&u.module, unit_image()));
  OK(cu.cuModuleGetFunction(&u.function, u.module, kernel));
  OK(cu.cuStreamCreate(&u.stream, CU_STREAM_NON_BLOCKING));
  return u;
}

static void unit_unload(unit *u)
{
  OK(cu.cuStreamDestroy_v2(u->stream));
  OK(cu.cuModuleUnload(u->module));
}

/* ---- modules ---- */

static void images_are_looked_at(void **state)
{
  (void)state;
  CUmodule module = NULL;
  char log[256] = "";
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)sizeof(log)};
  GIVES(CUDA_ERROR_INVALID_IMAGE, cu.cuModuleLoadData(&module, "hello"));
  GIVES(CUDA_ERROR_INVALID_IMAGE,
        cu.cuModuleLoadDataEx(&module, PTX("7.0", "70", ""), 2, options, values));
  assert_non_null(strstr(log, "rk_build_"));
  GIVES(CUDA_ERROR_NO_BINARY_FOR_GPU,
        cu.cuModuleLoadData(&module, PTX("7.0", "70", "rk_build_00000000000000ff")));
  GIVES(CUDA_ERROR_NO_BINARY_FOR_GPU,
        cu.cuModuleLoadData(&module, PTX("7.0", "100", "rk_build_" UNIT_KEY)));
  GIVES(CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
        cu.cuModuleLoadData(&module, PTX("9.1", "70", "rk_build_" UNIT_KEY)));
  configure("RKFAKE_DRIVER", "12040");
  GIVES(CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
        cu.cuModuleLoadData(&module, PTX("8.5", "70", "rk_build_" UNIT_KEY)));
}

static void machine_code_is_for_one_architecture(void **state)
{
  (void)state;
  CUmodule module = NULL;
  if (!has_real_image()) {
    skip();
  }
  configure("RKFAKE_CC", "80");
  GIVES(CUDA_ERROR_NO_BINARY_FOR_GPU, cu.cuModuleLoadData(&module, unit_image()));
  configure("RKFAKE_CC", "90");
  OK(cu.cuModuleLoadData(&module, unit_image()));
  OK(cu.cuModuleUnload(module));
}

static void modules_have_variables_of_their_own(void **state)
{
  (void)state;
  CUmodule modules[2];
  CUdeviceptr addresses[2];
  size_t bytes = 0;
  uint32_t value = 0;
  CUfunction function = NULL;
  for (int i = 0; i < 2; i++) {
    OK(cu.cuModuleLoadData(&modules[i], unit_image()));
    OK(cu.cuModuleGetGlobal_v2(&addresses[i], &bytes, modules[i], "counter"));
    assert_int_equal(4, bytes);
  }
  assert_int_not_equal(addresses[0], addresses[1]);
  OK(cu.cuMemsetD32_v2(addresses[0], 9, 1));
  OK(cu.cuMemcpyDtoH_v2(&value, addresses[1], 4));
  assert_int_equal(5, value);
  GIVES(CUDA_ERROR_NOT_FOUND, cu.cuModuleGetFunction(&function, modules[0], "nobody"));
  GIVES(CUDA_ERROR_NOT_FOUND, cu.cuModuleGetGlobal_v2(addresses, &bytes, modules[0], "nobody"));
  OK(cu.cuModuleUnload(modules[0]));
  OK(cu.cuModuleUnload(modules[1]));
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemsetD32_v2(addresses[0], 9, 1));
}

/* ---- ordinary kernels ---- */

static void kernels_get_their_parameters(void **state)
{
  (void)state;
  unit u = unit_load("fill");
  double out[100];
  CUdeviceptr address = 0;
  uint32_t count = 100;
  double value = 2.5;
  void *params[] = {&address, &count, &value};
  OK(cu.cuMemAlloc_v2(&address, sizeof(out)));
  OK(cu.cuLaunchKernel(u.function, 3, 1, 1, 32, 1, 1, 0, u.stream, params, NULL));
  value = 0.0; /* they were taken at the launch */
  OK(cu.cuStreamSynchronize(u.stream));
  OK(cu.cuMemcpyDtoH_v2(out, address, sizeof(out)));
  for (int i = 0; i < 100; i++) {
    assert_true(out[i] == 2.5 + i);
  }
  OK(cu.cuMemFree_v2(address));
  unit_unload(&u);
}

static void launches_are_refused(void **state)
{
  (void)state;
  unit u = unit_load("fill");
  CUdeviceptr address = 0;
  uint32_t count = 0;
  double value = 0.0;
  void *params[] = {&address, &count, &value};
  CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION};
  CUlaunchConfig config = {2, 1, 1, 32, 1, 1, 0, u.stream, &attribute, 1};
  int blocks = 0;
  attribute.value.clusterDim.x = 2;
  attribute.value.clusterDim.y = 1;
  attribute.value.clusterDim.z = 1;
  OK(cu.cuLaunchKernelEx(&config, u.function, params, NULL));
  config.gridDimX = 3;
  GIVES(CUDA_ERROR_INVALID_CLUSTER_SIZE, cu.cuLaunchKernelEx(&config, u.function, params, NULL));
  config.gridDimX = 2;
  OK(cu.cuStreamSynchronize(u.stream));
  configure("RKFAKE_CC", "80");
  GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuLaunchKernelEx(&config, u.function, params, NULL));
  configure("RKFAKE_OCCUPANCY", "2");
  OK(cu.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, u.function, 32, 0));
  assert_int_equal(2, blocks);
  GIVES(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
        cu.cuLaunchCooperativeKernel(u.function, 9, 1, 1, 32, 1, 1, 0, u.stream, params));
  OK(cu.cuLaunchCooperativeKernel(u.function, 8, 1, 1, 32, 1, 1, 0, u.stream, params));
  GIVES(CUDA_ERROR_INVALID_VALUE,
        cu.cuLaunchKernel(u.function, 1, 1, 1, 2048, 1, 1, 0, u.stream, params, NULL));
  configure("RKFAKE_COOPERATIVE", "0");
  GIVES(CUDA_ERROR_NOT_SUPPORTED,
        cu.cuLaunchCooperativeKernel(u.function, 1, 1, 1, 32, 1, 1, 0, u.stream, params));
  while (cu.cuStreamQuery(u.stream) == CUDA_ERROR_NOT_READY) {
    sleep_ms(1);
  }
  unit_unload(&u);
}

static void graphs_replay_what_was_captured(void **state)
{
  (void)state;
  unit u = unit_load("count_up");
  CUgraph graph = NULL;
  CUgraphExec exec = NULL;
  CUdeviceptr address = 0;
  uint32_t value = 0;
  int status = 0;
  void *params[] = {&address};
  OK(cu.cuMemAlloc_v2(&address, 4));
  OK(cu.cuMemsetD32_v2(address, 0, 1));
  OK(cu.cuStreamBeginCapture_v2(u.stream, 0));
  OK(cu.cuStreamIsCapturing(u.stream, &status));
  assert_int_equal(CU_STREAM_CAPTURE_STATUS_ACTIVE, status);
  OK(cu.cuLaunchKernel(u.function, 1, 1, 1, 1, 1, 1, 0, u.stream, params, NULL));
  OK(cu.cuLaunchKernel(u.function, 1, 1, 1, 1, 1, 1, 0, u.stream, params, NULL));
  GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.cuStreamQuery(u.stream));
  OK(cu.cuStreamEndCapture(u.stream, &graph));
  OK(cu.cuGraphInstantiateWithFlags(&exec, graph, 0));
  OK(cu.cuGraphDestroy(graph));
  for (int i = 0; i < 10; i++) {
    OK(cu.cuGraphLaunch(exec, u.stream));
  }
  OK(cu.cuStreamSynchronize(u.stream));
  OK(cu.cuMemcpyDtoH_v2(&value, address, 4));
  assert_int_equal(20, value);
  OK(cu.cuGraphExecDestroy(exec));
  OK(cu.cuMemFree_v2(address));
  unit_unload(&u);
}

static void threads_that_diverge_kill_the_kernel(void **state)
{
  (void)state;
  unit u = unit_load("diverge");
  OK(cu.cuLaunchKernel(u.function, 1, 1, 1, 64, 1, 1, 0, u.stream, NULL, NULL));
  GIVES(CUDA_ERROR_LAUNCH_FAILED, cu.cuStreamSynchronize(u.stream));
  assert_int_equal(1, cu.rkfake_lint_count());
  GIVES(CUDA_ERROR_LAUNCH_FAILED, cu.cuModuleUnload(u.module));
  /* The context's end takes module and stream with it. */
}

/* ---- resident kernels ---- */

#define BLOCKS 2
#define THREADS 64

typedef struct conversation {
  unit u;
  box *boxes;
  uint32_t add;
} conversation;

static void launch_conversation(conversation *c, bool is_cooperative)
{
  c->u = unit_load("converse");
  c->add = 3;
  OK(cu.cuMemHostAlloc((void **)&c->boxes, sizeof(box) * BLOCKS, CU_MEMHOSTALLOC_DEVICEMAP));
  memset(c->boxes, 0, sizeof(box) * BLOCKS);
  CUdeviceptr address = 0;
  OK(cu.cuMemHostGetDevicePointer_v2(&address, c->boxes, 0));
  void *params[] = {&address, &c->add};
  if (is_cooperative) {
    OK(cu.cuLaunchCooperativeKernel(c->u.function, BLOCKS, 1, 1, THREADS, 1, 1, 0, c->u.stream,
                                    params));
  } else {
    OK(cu.cuLaunchKernel(c->u.function, BLOCKS, 1, 1, THREADS, 1, 1, 0, c->u.stream, params, NULL));
  }
  for (int i = 0; i < BLOCKS; i++) {
    while (__atomic_load_n(&c->boxes[i].hello, __ATOMIC_ACQUIRE) == 0) {
      sleep_ms(1);
    }
  }
}

static void stop_conversation(conversation *c)
{
  for (int i = 0; i < BLOCKS; i++) {
    __atomic_store_n(&c->boxes[i].stop, 1u, __ATOMIC_RELEASE);
  }
  while (cu.cuStreamQuery(c->u.stream) == CUDA_ERROR_NOT_READY) {
    sleep_ms(1);
  }
}

static void end_conversation(conversation *c)
{
  OK(cu.cuMemFreeHost(c->boxes));
  unit_unload(&c->u);
}

static uint64_t ask(box *b, uint64_t question)
{
  __atomic_store_n(&b->ask, question, __ATOMIC_RELEASE);
  while (__atomic_load_n(&b->done, __ATOMIC_ACQUIRE) != question) {
    sched_yield();
  }
  return b->answer;
}

static void a_resident_kernel_answers(void **state)
{
  (void)state;
  conversation c;
  launch_conversation(&c, true);
  for (uint64_t i = 1; i <= 1000; i++) {
    uint64_t wanted = THREADS * (i + c.add) + THREADS * (THREADS - 1) / 2;
    assert_int_equal(wanted, ask(&c.boxes[i % BLOCKS], i));
  }
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(c.u.stream));
  assert_int_equal(1, cu.rkfake_kernels());
  stop_conversation(&c);
  OK(cu.cuStreamQuery(c.u.stream));
  OK(cu.cuStreamSynchronize(c.u.stream));
  assert_int_equal(0, cu.rkfake_kernels());
  end_conversation(&c);
  assert_int_equal(0, cu.rkfake_lint_count());
}

/* Processor time of an idle grid, as a share: blocks that have nothing to do must not eat it. */
static void an_idle_grid_leaves_the_processor(void **state)
{
  (void)state;
  conversation c;
  struct timespec before;
  struct timespec after;
  launch_conversation(&c, true);
  sleep_ms(50);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  sleep_ms(200);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  int64_t used_us = (after.tv_sec - before.tv_sec) * 1000000 +
                    (after.tv_nsec - before.tv_nsec) / 1000;
  stop_conversation(&c);
  end_conversation(&c);
  assert_in_range(used_us, 0, 200000 * BLOCKS / 2);
}

static void calls_that_would_wait_are_found(void **state)
{
  (void)state;
  conversation c;
  CUstream blocking = NULL;
  CUevent event = NULL;
  CUdeviceptr address = 0;
  CUdeviceptr other = 0;
  CUmodule module = NULL;
  CUfunction function = NULL;
  void *host = NULL;
  char text[16] = "";
  OK(cu.cuMemAlloc_v2(&address, 16));
  OK(cu.cuStreamCreate(&blocking, 0));
  OK(cu.cuEventCreate(&event, 0));
  launch_conversation(&c, true);
  OK(cu.cuEventRecord(event, c.u.stream));
  const int n = CUDA_ERROR_NOT_PERMITTED;
  GIVES(n, cu.cuMemFree_v2(address));
  GIVES(n, cu.cuMemAlloc_v2(&other, 16));
  GIVES(n, cu.cuMemHostAlloc(&host, 16, 0));
  GIVES(n, cu.cuMemFreeHost(c.boxes));
  GIVES(n, cu.cuMemHostRegister_v2(text, 16, 0));
  GIVES(n, cu.cuMemHostUnregister(text));
  GIVES(n, cu.cuModuleLoadData(&module, unit_image()));
  GIVES(n, cu.cuModuleUnload(c.u.module));
  GIVES(n, cu.cuModuleGetFunction(&function, c.u.module, "fill"));
  GIVES(n, cu.cuFuncSetAttribute(c.u.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1));
  GIVES(n, cu.cuCtxSynchronize());
  GIVES(n, cu.cuMemcpyHtoD_v2(address, text, 16));
  GIVES(n, cu.cuMemcpyDtoH_v2(text, address, 16));
  GIVES(n, cu.cuMemsetD8_v2(address, 0, 16));
  GIVES(n, cu.cuStreamSynchronize(c.u.stream));
  GIVES(n, cu.cuEventSynchronize(event));
  GIVES(n, cu.cuStreamDestroy_v2(c.u.stream));
  void *params[] = {&address, &c.add};
  GIVES(n, cu.cuLaunchKernel(c.u.function, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
  GIVES(n, cu.cuLaunchKernel(c.u.function, 1, 1, 1, 32, 1, 1, 0, blocking, params, NULL));
  GIVES(n, cu.cuDevicePrimaryCtxRelease_v2(0));
  assert_int_equal(20, cu.rkfake_lint_count());
  /* What is fine: known functions, other streams, memory from pools. */
  CUstream stream = NULL;
  OK(cu.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cu.cuModuleGetFunction(&function, c.u.module, "converse"));
  OK(cu.cuMemcpyHtoDAsync_v2(address, text, 16, stream));
  OK(cu.cuMemAllocAsync(&other, 16, stream));
  OK(cu.cuMemFreeAsync(other, stream));
  OK(cu.cuStreamSynchronize(stream));
  OK(cu.cuStreamDestroy_v2(stream));
  assert_int_equal(20, cu.rkfake_lint_count());
  stop_conversation(&c);
  OK(cu.cuEventSynchronize(event));
  OK(cu.cuEventDestroy_v2(event));
  OK(cu.cuStreamDestroy_v2(blocking));
  OK(cu.cuMemFree_v2(address));
  end_conversation(&c);
}

/* A kernel that is to end by itself may be waited for, however it is called. */
static void resident_kernels_are_cooperative_or_named(void **state)
{
  (void)state;
  conversation c;
  launch_conversation(&c, false);
  CUdeviceptr address = 0;
  OK(cu.cuMemAlloc_v2(&address, 16));
  configure("RKFAKE_RESIDENT", "rk_grid,converse");
  stop_conversation(&c);
  OK(cu.cuMemFree_v2(address));
  end_conversation(&c);
  launch_conversation(&c, false);
  GIVES(CUDA_ERROR_NOT_PERMITTED, cu.cuMemAlloc_v2(&address, 16));
  stop_conversation(&c);
  end_conversation(&c);
}

static void a_kernel_can_die_while_it_runs(void **state)
{
  (void)state;
  conversation c;
  launch_conversation(&c, true);
  assert_int_equal(THREADS * 4 + THREADS * (THREADS - 1) / 2, ask(&c.boxes[0], 1));
  cu.rkfake_kill(CUDA_ERROR_LAUNCH_FAILED);
  CUresult code = CUDA_ERROR_NOT_READY;
  while (code == CUDA_ERROR_NOT_READY) {
    code = cu.cuStreamQuery(c.u.stream);
  }
  assert_int_equal(CUDA_ERROR_LAUNCH_FAILED, code);
  GIVES(CUDA_ERROR_LAUNCH_FAILED, cu.cuMemFreeHost(c.boxes));
  while (cu.rkfake_kernels() != 0) { /* its threads go soon */
    sleep_ms(1);
  }
}

static void a_kernels_death_can_be_planned(void **state)
{
  (void)state;
  conversation c;
  setenv("RKFAKE_KILL_US", "30000", 1);
  configure("RKFAKE_FAULT", "kernel:1:700");
  launch_conversation(&c, true);
  CUresult code = CUDA_ERROR_NOT_READY;
  while (code == CUDA_ERROR_NOT_READY) {
    code = cu.cuStreamQuery(c.u.stream);
  }
  assert_int_equal(CUDA_ERROR_ILLEGAL_ADDRESS, code);
}

static void a_kernel_can_ignore_its_end(void **state)
{
  (void)state;
  conversation c;
  configure("RKFAKE_IGNORE_EXIT", "1");
  launch_conversation(&c, true);
  for (int i = 0; i < BLOCKS; i++) {
    __atomic_store_n(&c.boxes[i].stop, 1u, __ATOMIC_RELEASE);
  }
  sleep_ms(30);
  GIVES(CUDA_ERROR_NOT_READY, cu.cuStreamQuery(c.u.stream));
  configure("RKFAKE_IGNORE_EXIT", "0");
  stop_conversation(&c);
  OK(cu.cuStreamQuery(c.u.stream));
  end_conversation(&c);
}

/* ---- green contexts ---- */

static void green_contexts_count_their_processors(void **state)
{
  (void)state;
  CUdevResource all;
  CUdevResource group;
  CUdevResource rest;
  CUdevResourceDesc desc = NULL;
  CUgreenCtx green = NULL;
  CUcontext ctx = NULL;
  CUstream stream = NULL;
  unsigned groups = 1;
  setenv("RKFAKE_OCCUPANCY", "1", 1);
  configure("RKFAKE_SMS", "24");
  unit u = unit_load("fill");
  CUdeviceptr address = 0;
  uint32_t count = 0;
  double value = 0.0;
  void *params[] = {&address, &count, &value};
  OK(cu.cuDeviceGetDevResource(0, &all, CU_DEV_RESOURCE_TYPE_SM));
  assert_int_equal(24, all.sm.smCount);
  OK(cu.cuDevSmResourceSplitByCount(&group, &groups, &all, &rest, 0, 5));
  assert_int_equal(8, group.sm.smCount);
  assert_int_equal(16, rest.sm.smCount);
  OK(cu.cuDevResourceGenerateDesc(&desc, &group, 1));
  OK(cu.cuGreenCtxCreate(&green, desc, 0, CU_GREEN_CTX_DEFAULT_STREAM));
  OK(cu.cuCtxFromGreenCtx(&ctx, green));
  OK(cu.cuGreenCtxStreamCreate(&stream, green, CU_STREAM_NON_BLOCKING, 0));
  GIVES(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
        cu.cuLaunchCooperativeKernel(u.function, 9, 1, 1, 32, 1, 1, 0, stream, params));
  OK(cu.cuLaunchCooperativeKernel(u.function, 8, 1, 1, 32, 1, 1, 0, stream, params));
  while (cu.cuStreamQuery(stream) == CUDA_ERROR_NOT_READY) {
    sleep_ms(1);
  }
  OK(cu.cuStreamDestroy_v2(stream));
  OK(cu.cuGreenCtxDestroy(green));
  unit_unload(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(images_are_looked_at),
      TEST(machine_code_is_for_one_architecture),
      TEST(modules_have_variables_of_their_own),
      TEST(kernels_get_their_parameters),
      TEST(launches_are_refused),
      TEST(graphs_replay_what_was_captured),
      TEST(threads_that_diverge_kill_the_kernel),
      TEST(a_resident_kernel_answers),
      TEST(an_idle_grid_leaves_the_processor),
      TEST(calls_that_would_wait_are_found),
      TEST(resident_kernels_are_cooperative_or_named),
      TEST(a_kernel_can_die_while_it_runs),
      TEST(a_kernels_death_can_be_planned),
      TEST(a_kernel_can_ignore_its_end),
      TEST(green_contexts_count_their_processors),
  };
  return cmocka_run_group_tests(tests, open_unit, close_unit);
}
