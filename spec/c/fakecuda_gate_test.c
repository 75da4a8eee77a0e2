/* SPDX-License-Identifier: MIT */
/*
 * The fake CUDA driver's asynchronous stores between blocks of a cluster, and the gates that count
 * them: they arrive, late and in any order, and what a device would answer with a hang or with
 * wrong data kills the kernel.
 */
#include "fakecuda_helper.h"

#define UNIT_KEY "00000000fa4e0002"
#define IMAGE                         \
  "//\n.version 7.0\n.target sm_70\n" \
  ".visible .global .align 1 .b8 rk_build_" UNIT_KEY "[1];\n"

enum { LAPS = 100, WORDS = 8 };

/* What block 0 does to the gate of block 1, and what that one does after both have met. */
enum { WHOLE, TWICE, TOO_MUCH, TOO_LITTLE, UNEXPECTED, UNSEEN, LEFT, SHUT, OWN, ODD };

static const char unit_source[] =
    "#define RK_CLUSTER 2\n"
    "#include \"rk_dev.h\"\n"
    "enum { WHOLE, TWICE, TOO_MUCH, TOO_LITTLE, UNEXPECTED, UNSEEN, LEFT, SHUT, OWN, ODD };\n"
    "RK_PTX_STATIC_SHARED RK_ALIGN(16) rk_u64 slot[8];\n"
    "RK_PTX_STATIC_SHARED rk_u64 gate;\n"
    "RK_PTX_STATIC_SHARED rk_u64 taken;\n"
    "RK_FN void send(rk_u32 pieces, rk_u64 lap) {\n"
    "  for (rk_u32 i = 0; i < pieces; ++i) {\n"
    "    rk_ptx_gate_store(rk_ptx_cluster_far(&slot[2u * i], 1u), rk_ptx_cluster_far(&gate, 1u),\n"
    "                      lap * 100u + 2u * i, lap * 100u + 2u * i + 1u);\n"
    "  }\n"
    "}\n"
    "RK_FN void expect(rk_u32 bytes) {\n"
    "  rk_ptx_gate_expect(rk_ptx_cluster_far(&gate, 1u), bytes);\n"
    "}\n"
    "RK_FN void laps_of_sender(rk_u32 laps) {\n"
    "  const rk_u64 *there = (const rk_u64 *)rk_ptx_cluster_map(&taken, 1u);\n"
    "  for (rk_u64 lap = 0; lap < laps; ++lap) {\n"
    "    while (rk_ptx_cluster_load_acquire(there) != lap) { rk_ptx_pause(20u); }\n"
    "    expect(64u);\n"
    "    send(4u, lap);\n"
    "  }\n"
    "}\n"
    /* out[0]: words as they should be; out[1]: laps in which part of the words was seen before. */
    "RK_FN void laps_of_receiver(rk_u64 *out, rk_u32 laps) {\n"
    "  for (rk_u64 lap = 0; lap < laps; ++lap) {\n"
    "    rk_u32 early = 0u;\n"
    "    while (!rk_ptx_gate_is_past(&gate, (rk_u32)lap & 1u)) {\n"
    "      for (rk_u32 i = 0; i < 8u; ++i) { early |= (rk_u32)(slot[i] == lap * 100u + i); }\n"
    "      rk_ptx_pause(20u);\n"
    "    }\n"
    "    for (rk_u32 i = 0; i < 8u; ++i) { out[0] += (rk_u64)(slot[i] == lap * 100u + i); }\n"
    "    out[1] += early;\n"
    "    rk_ptx_cluster_store_release(&taken, lap + 1u);\n"
    "  }\n"
    "}\n"
    "extern \"C\" __global__ void gates(rk_u64 out, rk_u32 what, rk_u32 laps) {\n"
    "  rk_u32 own = rk_ptx_block();\n"
    "  if (own == 1u && what != SHUT) { rk_ptx_gate_open(&gate); taken = 0u; }\n"
    "  for (rk_u32 i = 0; i < 8u; ++i) { slot[i] = ~0ull; }\n"
    "  rk_ptx_gates_tell();\n"
    "  rk_ptx_cluster_meet();\n"
    "  if (what == WHOLE) {\n"
    "    if (own == 0u) { laps_of_sender(laps); } else { laps_of_receiver(RK_PTR(rk_u64, out), "
    "laps); "
    "}\n"
    "  } else if (own == 0u) {\n"
    "    if (what != UNEXPECTED) { expect(what == TOO_LITTLE ? 64u : 32u); }\n"
    "    if (what == TWICE) { expect(32u); }\n"
    "    if (what == OWN) {\n"
    "      rk_ptx_gate_store(rk_ptx_cluster_far(slot, 0u), rk_ptx_cluster_far(&gate, 0u), 1u, "
    "2u);\n"
    "    }\n"
    "    if (what == ODD) {\n"
    "      rk_ptx_gate_store(rk_ptx_cluster_far(slot, 1u) + 8u, rk_ptx_cluster_far(&gate, 1u), 1u, "
    "2u);\n"
    "    }\n"
    "    send(what == TOO_MUCH ? 3u : 2u, 0u);\n"
    "  }\n"
    "  rk_ptx_cluster_meet();\n"
    "  if (own == 1u && what != WHOLE && what != LEFT) {\n" /* so often that all has arrived */
    "    for (rk_u32 i = 0; i < 100u; ++i) {\n"
    "      (void)rk_ptx_gate_is_past(&gate, what == UNSEEN ? 1u : 0u);\n"
    "    }\n"
    "  }\n"
    "  rk_ptx_cluster_meet();\n"
    "  if (own == 0u && what == UNSEEN) { expect(16u); }\n"
    "  rk_ptx_cluster_meet();\n"
    "  if (own == 1u && what != LEFT) { rk_ptx_gate_close(&gate); }\n"
    "}\n"
    "extern \"C\" { __device__ unsigned char rk_build_" UNIT_KEY " = 1; }\n";

static int open_unit(void **state)
{
  char path[RK_PATH_BYTES + 64];
  const rk_platform *os = rk_platform_real();
  if (open_library(state) != 0) {
    return 1;
  }
  (void)snprintf(path, sizeof(path), "%s/cuda", folder);
  if (os->dir_make(path, NULL) != RK_OK) {
    return 1;
  }
  (void)snprintf(path, sizeof(path), "%s/cuda/" UNIT_KEY ".cu", folder);
  return os->file_write(path, unit_source, strlen(unit_source), NULL) == RK_OK ? 0 : 1;
}

/* Runs the kernel as two blocks of a cluster; returns what came of it. */
static int run(uint32_t what, uint32_t laps, uint64_t out[2])
{
  CUmodule module = NULL;
  CUfunction function = NULL;
  CUstream stream = NULL;
  CUdeviceptr address = 0;
  CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION};
  void *params[] = {&address, &what, &laps};
  attribute.value.clusterDim.x = 2;
  attribute.value.clusterDim.y = 1;
  attribute.value.clusterDim.z = 1;
  OK(cu.cuModuleLoadData(&module, IMAGE));
  OK(cu.cuModuleGetFunction(&function, module, "gates"));
  OK(cu.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cu.cuMemAlloc_v2(&address, 2 * sizeof(out[0])));
  OK(cu.cuMemsetD32_v2(address, 0, 4));
  CUlaunchConfig config = {2, 1, 1, 1, 1, 1, 0, stream, &attribute, 1};
  OK(cu.cuLaunchKernelEx(&config, function, params, NULL));
  int code = (int)cu.cuStreamSynchronize(stream);
  if (code == CUDA_SUCCESS) {
    OK(cu.cuMemcpyDtoH_v2(out, address, 2 * sizeof(out[0])));
    OK(cu.cuMemFree_v2(address));
    OK(cu.cuStreamDestroy_v2(stream));
    OK(cu.cuModuleUnload(module));
  }
  return code;
}

static void stores_arrive_whole_once_their_gate_says_so(void **state)
{
  (void)state;
  uint64_t out[2] = {0, 0};
  OK(run(WHOLE, LAPS, out));
  assert_int_equal(LAPS * WORDS, out[0]);
  assert_in_range(out[1], 1, LAPS); /* it would not do to look at the words themselves */
  assert_int_equal(0, cu.rkfake_lint_count());
}

static void misuse_kills_the_kernel(void **state)
{
  static const struct {
    uint32_t what;
    int code;
    const char *why;
  } cases[] = {
      {TWICE, CUDA_ERROR_ILLEGAL_INSTRUCTION, "an arrival at a gate whose phase is still open"},
      {TOO_MUCH, CUDA_ERROR_ILLEGAL_INSTRUCTION, "more bytes arrive at a gate than it expects"},
      {TOO_LITTLE, CUDA_ERROR_ILLEGAL_INSTRUCTION, "a gate is closed in an open phase"},
      {UNEXPECTED, CUDA_ERROR_ILLEGAL_INSTRUCTION, "more bytes arrive at a gate than it expects"},
      {UNSEEN, CUDA_ERROR_ILLEGAL_INSTRUCTION, "whose last phase nobody has looked at"},
      {LEFT, CUDA_ERROR_ILLEGAL_ADDRESS, "2 asynchronous stores are on their way to the block"},
      {SHUT, CUDA_ERROR_ILLEGAL_INSTRUCTION, "a gate that is not open"},
      {OWN, CUDA_ERROR_ILLEGAL_INSTRUCTION, "an asynchronous store to the block's own memory"},
      {ODD, CUDA_ERROR_ILLEGAL_INSTRUCTION, "an asynchronous store that is not aligned"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char text[1024];
    uint64_t out[2];
    capture kept = capture_begin();
    int code = run(cases[i].what, 0, out);
    capture_end(&kept, text, sizeof(text));
    assert_int_equal(cases[i].code, code);
    if (strstr(text, cases[i].why) == NULL) {
      fail_msg("'%s' expected, it said: %s", cases[i].why, text);
    }
    assert_int_equal(0, end(state)); /* the dead context */
    assert_int_equal(0, begin(state));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(stores_arrive_whole_once_their_gate_says_so),
      TEST(misuse_kills_the_kernel),
  };
  return cmocka_run_group_tests(tests, open_unit, close_library);
}
