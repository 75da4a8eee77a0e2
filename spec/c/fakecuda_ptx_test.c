/* SPDX-License-Identifier: MIT */
/*
 * The fake CUDA driver runs PTX (RKFAKE_RUN=ptx): what single instructions give, what the threads
 * of a warp do together, and what ends a kernel that a GPU would answer with wrong data or a fault.
 *
 * Expected values are the PTX ISA's, worked out by hand.
 */
#include "fakecuda_helper.h"

enum { WORDS = 64 };

#define HEAD                                        \
  ".version 8.0\n.target sm_90\n.address_size 64\n" \
  ".visible .global .align 1 .b8 rk_build_00000000fa4e0003[1];\n"
#define ENTRY(name)                                                            \
  ".visible .entry " name "(.param .u64 out)\n{\n"                             \
  ".reg .pred %p<4>; .reg .b16 %rs<8>; .reg .b32 %r<24>; .reg .b64 %rd<24>;\n" \
  ".reg .f32 %f<8>; .reg .f64 %fd<8>;\n"                                       \
  "ld.param.u64 %rd1, [out];\n"

/* ---- single instructions ---- */

/* Each leaves its result in %rd9. */
static const struct {
  const char *text;
  uint64_t value;
} instructions[] = {
    {"mov.u32 %r1, 1; shl.b32 %r2, %r1, 32; cvt.u64.u32 %rd9, %r2;", 0},
    {"mov.u32 %r1, -8; shr.s32 %r2, %r1, 40; cvt.s64.s32 %rd9, %r2;", UINT64_MAX},
    {"mov.u64 %rd2, -1; shr.u64 %rd9, %rd2, 64;", 0},
    {"mov.u64 %rd2, -1; mul.hi.u64 %rd9, %rd2, %rd2;", UINT64_MAX - 1},
    {"mov.u32 %r1, -3; mul.wide.s32 %rd9, %r1, 5;", (uint64_t)-15},
    {"mov.u32 %r1, -3; mul.wide.u32 %rd9, %r1, 2;", UINT64_C(0x1fffffffa)},
    {"mov.u32 %r1, -3; mul.hi.s32 %r2, %r1, 7; cvt.u64.u32 %rd9, %r2;", UINT32_MAX},
    {"mov.u32 %r1, -1; mad.lo.u32 %r2, %r1, 7, 9; cvt.u64.u32 %rd9, %r2;", 2},
    {"mov.u32 %r1, -7; rem.s32 %r2, %r1, 3; cvt.s64.s32 %rd9, %r2;", UINT64_MAX},
    {"mov.u32 %r1, -7; div.s32 %r2, %r1, 2; cvt.s64.s32 %rd9, %r2;", (uint64_t)-3},
    {"mov.u64 %rd2, -7; abs.s64 %rd3, %rd2; min.s64 %rd4, %rd2, %rd3; max.u64 %rd5, %rd2, %rd3;\n"
     "sub.s64 %rd6, %rd5, %rd4; mad.lo.s64 %rd9, %rd6, 10, %rd3;",
     7},
    {"mov.u32 %r1, 0x80000000; abs.s32 %r2, %r1; neg.s32 %r3, %r2; cvt.u64.u32 %rd9, %r3;",
     0x80000000u},
    {"mov.f32 %f1, 0fbf800000; mov.f32 %f2, 0f7fc00000; abs.f32 %f3, %f1; min.f32 %f4, %f2, %f3;\n"
     "max.f32 %f5, %f4, %f1; mov.b32 %r1, %f5; cvt.u64.u32 %rd9, %r1;",
     0x3f800000},
    {"mov.u64 %rd2, 255; mov.u64 %rd3, 0; bfi.b64 %rd9, %rd2, %rd3, 8, 4;", 0xf00},
    {"mov.u32 %r1, 0xabcd; bfe.u32 %r2, %r1, 4, 8; cvt.u64.u32 %rd9, %r2;", 0xbc},
    {"mov.u32 %r1, 1; brev.b32 %r2, %r1; cvt.u64.u32 %rd9, %r2;", 0x80000000u},
    {"mov.u64 %rd2, 1; clz.b64 %r2, %rd2; cvt.u64.u32 %rd9, %r2;", 63},
    {"mov.u32 %r1, 0; clz.b32 %r2, %r1; cvt.u64.u32 %rd9, %r2;", 32},
    {"mov.u64 %rd2, -1; popc.b64 %r2, %rd2; cvt.u64.u32 %rd9, %r2;", 64},
    {"mov.u32 %r1, 0x03020100; mov.u32 %r2, 0x87060504; prmt.b32 %r3, %r1, %r2, 0xf740;\n"
     "cvt.u64.u32 %rd9, %r3;",
     0xff870400u},
    {"mov.u32 %r1, 12; mov.u32 %r2, 10; mov.u32 %r3, 6; lop3.b32 %r4, %r1, %r2, %r3, 0x96;\n"
     "cvt.u64.u32 %rd9, %r4;",
     12 ^ 10 ^ 6},
    {"mov.u32 %r1, 0x80000001; mov.u32 %r2, 7; shf.l.wrap.b32 %r3, %r1, %r2, 1;\n"
     "cvt.u64.u32 %rd9, %r3;",
     15},
    {"mov.u32 %r1, 0x80; mov.u16 %rs1, 0xff80; cvt.s64.s8 %rd9, %rs1;", (uint64_t)-128},
    {"mov.u16 %rs1, 0xff80; cvt.u64.u8 %rd9, %rs1;", 0x80},
    {"mov.u32 %r1, -1; mov.u32 %r2, 1; setp.lt.u32 %p1, %r1, %r2; selp.u64 %rd9, 3, 4, %p1;", 4},
    {"mov.u32 %r1, -1; mov.u32 %r2, 1; setp.lt.s32 %p1, %r1, %r2; selp.u64 %rd9, 3, 4, %p1;", 3},
    {"mov.u32 %r1, 5; setp.eq.s32 %p1, %r1, 5; setp.ne.and.s32 %p2|%p3, %r1, 5, %p1;\n"
     "selp.u64 %rd2, 1, 0, %p2; selp.u64 %rd3, 2, 0, %p3; or.b64 %rd9, %rd2, %rd3;",
     2},
    {"mov.u32 %r1, 5; setp.eq.s32 %p1, %r1, 5; xor.pred %p2, %p1, %p1; not.pred %p3, %p2;\n"
     "selp.u64 %rd9, 1, 0, %p3;",
     1},
    {"mov.f64 %fd1, 0d7ff8000000000000; setp.lt.f64 %p1, %fd1, %fd1; setp.ltu.f64 %p2, %fd1, "
     "%fd1;\n"
     "setp.ne.f64 %p3, %fd1, %fd1; selp.u64 %rd2, 1, 0, %p1; selp.u64 %rd3, 2, 0, %p2;\n"
     "selp.u64 %rd4, 4, 0, %p3; or.b64 %rd5, %rd2, %rd3; or.b64 %rd9, %rd4, %rd5;",
     2},
    {"mov.f32 %f1, 0f4f800000; cvt.rzi.s32.f32 %r1, %f1; cvt.u64.u32 %rd9, %r1;", INT32_MAX},
    {"mov.f64 %fd1, 0d4004000000000000; cvt.rni.s64.f64 %rd9, %fd1;", 2}, /* 2.5 */
    {"mov.f64 %fd1, 0dc004000000000000; cvt.rzi.s64.f64 %rd9, %fd1;", (uint64_t)-2},
    {"mov.f64 %fd1, 0d7ff8000000000000; cvt.rzi.u32.f64 %r1, %fd1; cvt.u64.u32 %rd9, %r1;", 0},
    {"mov.u64 %rd2, -1; cvt.rn.f32.u64 %f1, %rd2; mov.b32 %r1, %f1; cvt.u64.u32 %rd9, %r1;",
     0x5f800000},
    {"mov.f32 %f1, 0f40400000; fma.rn.f32 %f2, %f1, %f1, %f1; mov.b32 %r1, %f2;\n"
     "cvt.u64.u32 %rd9, %r1;",
     0x41400000}, /* 12 */
    {"mov.b32 %r1, 0x11; mov.b32 %r2, 0x22; mov.b64 %rd9, {%r1, %r2};", UINT64_C(0x2200000011)},
    {"mov.u64 %rd2, 0x2200000011; mov.b64 {%r1, %r2}, %rd2; cvt.u64.u32 %rd9, %r2;", 0x22},
    {"mov.u64 %rd2, 18446744073709551615; add.u64 %rd9, %rd2, 3;", 2},
    {"st.global.u32 [%rd1+4], 7; st.global.v2.u32 [%rd1+8], {8, 9}; mov.u32 %r5, 1;\n"
     "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1]; add.u32 %r5, %r2, %r4; cvt.u64.u32 %rd9, %r5;",
     16},
    {"st.global.u8 [%rd1], 0x80; ld.global.s8 %r1, [%rd1]; cvt.s64.s32 %rd9, %r1;", (uint64_t)-128},
    {".local .align 8 .b8 depot[16]; mov.u64 %rd2, depot; cvta.local.u64 %rd3, %rd2;\n"
     "st.u64 [%rd3+8], 77; ld.local.u64 %rd9, [%rd2+8];",
     77},
    {".shared .align 8 .b8 box[16]; mov.u32 %r1, box; cvt.u64.u32 %rd2, %r1;\n"
     "cvta.shared.u64 %rd3, %rd2; st.u64 [%rd3+8], 78; ld.shared.u64 %rd9, [box+8];",
     78},
    {"isspacep.global %p1, %rd1; isspacep.shared %p2, %rd1; selp.u64 %rd2, 1, 0, %p1;\n"
     "selp.u64 %rd3, 2, 0, %p2; or.b64 %rd9, %rd2, %rd3;",
     1},
    {"st.global.u32 [%rd1], 5; atom.global.inc.u32 %r1, [%rd1], 5; atom.global.dec.u32 %r2, "
     "[%rd1], 9;\n"
     "ld.global.u32 %r3, [%rd1]; mad.lo.u32 %r4, %r1, 100, %r3; cvt.u64.u32 %rd9, %r4;",
     509},
    {"st.global.u32 [%rd1], -5; atom.global.min.s32 %r1, [%rd1], 3; atom.global.max.u32 %r2, "
     "[%rd1], 3;\n"
     "ld.global.u32 %r3, [%rd1]; cvt.s64.s32 %rd9, %r3;",
     (uint64_t)-5},
    {"st.global.u64 [%rd1], 5; atom.acq_rel.gpu.global.cas.b64 %rd2, [%rd1], 5, 6;\n"
     "atom.global.cas.b64 %rd3, [%rd1], 5, 7; mad.lo.u64 %rd9, %rd2, 100, %rd3;",
     506},
    {"st.global.u32 [%rd1], 0x3f800000; atom.global.add.f32 %f1, [%rd1], 0f40000000;\n"
     "ld.global.u32 %r1, [%rd1]; cvt.u64.u32 %rd9, %r1;",
     0x40400000},
    {"st.global.u64 [%rd1], 40; red.release.gpu.global.add.u64 [%rd1], 2; ld.global.u64 %rd9, "
     "[%rd1];",
     42},
    {"mov.u32 %r1, 1; list: .branchtargets A, B; brx.idx %r1, list; A: mov.u64 %rd9, 10; bra.uni "
     "C;\n"
     "B: mov.u64 %rd9, 11; C: add.u64 %rd9, %rd9, 100;",
     111},
    {"mov.u64 %rd9, 0; mov.u32 %r1, 0; again: add.u64 %rd9, %rd9, 2; add.u32 %r1, %r1, 1;\n"
     "setp.lt.u32 %p1, %r1, 1000; @%p1 bra again;",
     2000},
    {"{ .param .b64 p0; .param .b32 p1; .param .b64 r0; st.param.b64 [p0], 20; st.param.b32 [p1], "
     "3;\n"
     "call.uni (r0), times, (p0, p1); ld.param.b64 %rd9, [r0]; }",
     60},
    {"mov.u64 %rd2, times; { .param .b64 p0; .param .b32 p1; .param .b64 r0; st.param.b64 [p0], "
     "21;\n"
     "st.param.b32 [p1], 2; shape: .callprototype (.param .b64 _) _ (.param .b64 _, .param .b32 "
     "_);\n"
     "call (r0), %rd2, (p0, p1), shape; ld.param.b64 %rd9, [r0]; }",
     42},
};

static const char times[] =
    ".func (.param .b64 result) times(.param .b64 a, .param .b32 b)\n{\n"
    ".reg .b32 %r<2>; .reg .b64 %rd<4>; ld.param.u64 %rd1, [a]; ld.param.u32 %r1, [b];\n"
    "cvt.u64.u32 %rd2, %r1; mul.lo.u64 %rd3, %rd1, %rd2; st.param.b64 [result], %rd3; ret;\n}\n";

/* Loads `text`, launches `name` as one cluster of `blocks`, hands over `count` words of memory. */
static int run(const char *text, const char *name, uint32_t blocks, uint32_t threads, uint64_t *out,
               size_t count)
{
  CUmodule module = NULL;
  CUfunction function = NULL;
  CUstream stream = NULL;
  CUdeviceptr address = 0;
  CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION};
  void *params[] = {&address};
  attribute.value.clusterDim.x = blocks;
  attribute.value.clusterDim.y = 1;
  attribute.value.clusterDim.z = 1;
  OK(cu.cuModuleLoadData(&module, text));
  OK(cu.cuModuleGetFunction(&function, module, name));
  OK(cu.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cu.cuMemAlloc_v2(&address, WORDS * sizeof(uint64_t)));
  OK(cu.cuMemsetD32_v2(address, 0, WORDS * 2));
  CUlaunchConfig config = {blocks, 1, 1, threads, 1, 1, 0, stream, &attribute, 1};
  OK(cu.cuLaunchKernelEx(&config, function, params, NULL));
  int code = (int)cu.cuStreamSynchronize(stream);
  if (code == CUDA_SUCCESS) {
    OK(cu.cuMemcpyDtoH_v2(out, address, count * sizeof(uint64_t)));
    OK(cu.cuMemFree_v2(address));
    OK(cu.cuStreamDestroy_v2(stream));
    OK(cu.cuModuleUnload(module));
  }
  return code;
}

static void instructions_give_what_the_isa_says(void **state)
{
  enum { COUNT = sizeof(instructions) / sizeof(instructions[0]), ROOM = 1024 };
  char *text = malloc((COUNT + 2) * ROOM);
  (void)state;
  assert_non_null(text);
  size_t used = (size_t)snprintf(text, ROOM, "%s%s", HEAD, times);
  for (size_t i = 0; i < COUNT; i++) {
    char name[16];
    (void)snprintf(name, sizeof(name), "k%zu", i);
    used += (size_t)snprintf(
        text + used, ROOM,
        ".visible .entry %s(.param .u64 out)\n{\n"
        ".reg .pred %%p<4>; .reg .b16 %%rs<8>; .reg .b32 %%r<24>;\n"
        ".reg .b64 %%rd<24>; .reg .f32 %%f<8>; .reg .f64 %%fd<8>;\n"
        "ld.param.u64 %%rd1, [out];\n%s\nst.global.u64 [%%rd1], %%rd9; ret;\n}\n",
        name, instructions[i].text);
  }
  for (size_t i = 0; i < COUNT; i++) {
    char name[16];
    uint64_t value = 0;
    (void)snprintf(name, sizeof(name), "k%zu", i);
    OK(run(text, name, 1, 1, &value, 1));
    if (value != instructions[i].value) {
      fail_msg("%s\ngives 0x%llx, not 0x%llx", instructions[i].text, (unsigned long long)value,
               (unsigned long long)instructions[i].value);
    }
  }
  free(text);
}

/* ---- warps ---- */

#define LANES                                                                                    \
  "mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 8; add.u64 %rd3, %rd1, %rd2; add.u32 %r2, %r1, " \
  "100;\n"
#define TELL(r) "cvt.u64.u32 %rd4, " r "; st.global.u64 [%rd3], %rd4; ret; }\n"

static void lanes_of_a_warp_exchange(void **state)
{
  static const char text[] = HEAD                                                   //
      ENTRY("up") LANES "shfl.sync.up.b32 %r3|%p1, %r2, 3, 0, -1;\n" TELL("%r3")    //
      ENTRY("down") LANES "shfl.sync.down.b32 %r3, %r2, 30, 31, -1;\n" TELL("%r3")  //
      ENTRY("bfly") LANES "shfl.sync.bfly.b32 %r3, %r2, 5, 31, -1;\n" TELL("%r3")   //
      ENTRY("idx") LANES "shfl.sync.idx.b32 %r3, %r2, 2, 0x181f, -1;\n" TELL("%r3") /* of 8 */
      ENTRY("votes") LANES
      "setp.lt.u32 %p1, %r1, 3; vote.sync.ballot.b32 %r3, %p1, -1;\n"
      "vote.sync.all.pred %p2, %p1, -1; vote.sync.any.pred %p3, %p1, -1;\n"
      "selp.u32 %r4, 1, 0, %p2; selp.u32 %r5, 2, 0, %p3; add.u32 %r6, %r4, %r5;\n"
      "mad.lo.u32 %r7, %r6, 1000, %r3;\n" TELL("%r7");
  uint64_t out[32];
  (void)state;
  OK(run(text, "up", 1, 32, out, 32));
  for (uint32_t i = 0; i < 32; i++) {
    assert_int_equal(100 + (i < 3 ? i : i - 3), out[i]);
  }
  OK(run(text, "down", 1, 32, out, 32));
  for (uint32_t i = 0; i < 32; i++) {
    assert_int_equal(100 + (i + 30 > 31 ? i : i + 30), out[i]);
  }
  OK(run(text, "bfly", 1, 32, out, 32));
  for (uint32_t i = 0; i < 32; i++) {
    assert_int_equal(100 + (i ^ 5u), out[i]);
  }
  OK(run(text, "idx", 1, 32, out, 32));
  for (uint32_t i = 0; i < 32; i++) {
    assert_int_equal(100 + i / 8 * 8 + 2, out[i]);
  }
  OK(run(text, "votes", 1, 32, out, 32));
  for (uint32_t i = 0; i < 32; i++) {
    assert_int_equal(2000 + 7, out[i]);
  }
}

/* ---- clusters and asynchronous copies ---- */

static void blocks_of_a_cluster_reach_each_other(void **state)
{
  static const char text[] = HEAD
      ".shared .align 16 .b8 box[32]; .shared .align 8 .u64 gate;\n" ENTRY(
          "far") "mov.u32 %r1, %cluster_ctarank; mov.u32 %r2, gate; mov.u32 %r3, box;\n"
                 "setp.ne.u32 %p1, %r1, 1; @%p1 bra MEET; mbarrier.init.shared::cta.b64 [%r2], 1;\n"
                 "fence.mbarrier_init.release.cluster;\n"
                 "MEET: barrier.cluster.arrive.release; barrier.cluster.wait.acquire; @!%p1 bra "
                 "WAIT;\n"
                 "mapa.shared::cluster.u32 %r4, %r3, 1; mapa.shared::cluster.u32 %r5, %r2, 1;\n"
                 "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [%r5], 32;\n"
                 "mov.u64 %rd2, 11; mov.u64 %rd3, 22; add.u32 %r6, %r4, 16;\n"
                 "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [%r4], {%rd2, "
                 "%rd3}, [%r5];\n"
                 "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [%r6], {%rd3, "
                 "%rd2}, [%r5];\n"
                 "bra END; WAIT:\n"
                 "mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64 %p2, [%r2], 0; @!%p2 "
                 "bra WAIT;\n"
                 "ld.shared.v2.u64 {%rd4, %rd5}, [box]; ld.shared.u64 %rd6, [box+16];\n"
                 "st.global.u64 [%rd1], %rd4; st.global.u64 [%rd1+8], %rd5; st.global.u64 "
                 "[%rd1+16], %rd6;\n"
                 "mbarrier.inval.shared::cta.b64 [%r2];\n"
                 "END: barrier.cluster.arrive.release; barrier.cluster.wait.acquire; ret; }\n" //
      ENTRY(
          "mapped") "cvt.u64.u32 %rd2, %cluster_ctarank; mov.u32 %r3, box; cvt.u64.u32 %rd3, %r3;\n"
                    "cvta.shared.u64 %rd4, %rd3; add.u64 %rd5, %rd2, 70; st.u64 [%rd4], %rd5;\n"
                    "barrier.cluster.arrive.release; barrier.cluster.wait.acquire;\n"
                    "mov.u32 %r1, %cluster_ctarank; xor.b32 %r2, %r1, 1; mapa.u64 %rd6, %rd4, "
                    "%r2;\n"
                    "ld.acquire.cluster.u64 %rd7, [%rd6]; mul.wide.u32 %rd8, %r1, 8;\n"
                    "add.u64 %rd9, %rd1, %rd8; st.global.u64 [%rd9], %rd7;\n"
                    "barrier.cluster.arrive.release; barrier.cluster.wait.acquire; ret; }\n" //
      ENTRY("bulk") "mov.u32 %r2, gate; mov.u32 %r3, box; st.global.u64 [%rd1+24], 99;\n"
                    "mbarrier.init.shared::cta.b64 [%r2], 1; fence.proxy.async;\n"
                    "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 32;\n"
                    "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], "
                    "[%rd1], 32, [%r2];\n"
                    "AGAIN: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r2], 0; @!%p1 bra "
                    "AGAIN;\n"
                    "ld.shared.u64 %rd2, [box+24]; st.global.u64 [%rd1], %rd2; ret; }\n";
  uint64_t out[3];
  (void)state;
  OK(run(text, "far", 2, 1, out, 3));
  assert_int_equal(11, out[0]);
  assert_int_equal(22, out[1]);
  assert_int_equal(22, out[2]);
  OK(run(text, "mapped", 2, 1, out, 2));
  assert_int_equal(71, out[0]);
  assert_int_equal(70, out[1]);
  OK(run(text, "bulk", 1, 1, out, 1));
  assert_int_equal(99, out[0]);
  assert_int_equal(0, cu.rkfake_lint_count());
}

/* Thread 0 writes, the others read, and nothing is between the two: in turn it works. */
static void dice_find_a_missing_barrier(void **state)
{
  static const char text[] = HEAD ".shared .align 8 .u64 word;\n" ENTRY("hasty") LANES
      "setp.ne.u32 %p1, %r1, 0; @%p1 bra READ; mov.u64 %rd5, 50; bra.uni CHECK;\n"
      "AGAIN: add.u64 %rd5, %rd5, -1; CHECK: st.shared.u64 [word], %rd5;\n"
      "setp.ne.u64 %p2, %rd5, 0; @%p2 bra AGAIN;\n"
      "READ: ld.shared.u64 %rd6, [word]; st.global.u64 [%rd3], %rd6; ret; }\n";
  (void)state;
#if defined(__SANITIZE_THREAD__) /* which says so itself */
  skip();
#endif
  for (int seed = 0; seed < 4; seed++) {
    char number[8];
    uint64_t out[32], wrong = 0;
    (void)snprintf(number, sizeof(number), "%d", seed);
    configure("RKFAKE_DICE", number);
    OK(run(text, "hasty", 1, 32, out, 32));
    for (int i = 0; i < 32; i++) {
      wrong += out[i] != 0;
    }
    assert_true(seed == 0 ? wrong == 0 : wrong > 0);
  }
}

/* ---- what ends a kernel ---- */

static void misuse_ends_the_kernel(void **state)
{
  static const struct {
    const char *body, *why;
    uint32_t threads;
  } cases[] = {
      {"ld.global.u64 %rd2, [%rd1+4];", "is not aligned to 8 bytes", 1},
      {"ld.global.v2.u64 {%rd2, %rd3}, [%rd1+8];", "is not aligned to 16 bytes", 1},
      {"st.global.u64 [%rd1+512], 1;", "which is no memory of the device", 1},
      {"st.u32 [%rd1+-4], 1;", "which is no memory of the device", 1},
      {"mov.u64 %rd2, 16; ld.u64 %rd3, [%rd2];", "which is no memory of the device", 1},
      {"mov.u32 %r1, box; ld.shared.u64 %rd2, [%r1+16];", "is no address of this block's shared",
       1},
      {"mov.u32 %r1, box; cvt.u64.u32 %rd2, %r1; cvta.shared.u64 %rd3, %rd2;\n"
       "ld.global.u64 %rd4, [%rd3];",
       "which is no memory of the device", 1},
      {"cvta.to.shared.u64 %rd2, %rd1; st.shared.u64 [%rd2], 1;", "is no address of this block's",
       1},
      {".local .align 8 .b8 own[8]; mov.u64 %rd2, own; cvta.local.u64 %rd3, %rd2; mov.u32 %r1, "
       "%tid.x;\n"
       "setp.ne.u32 %p1, %r1, 0; @%p1 bra GO; st.shared.u64 [box], %rd3; GO: bar.sync 0;\n"
       "ld.shared.u64 %rd4, [box]; ld.u64 %rd5, [%rd4];",
       "of the PTX: an address of thread 0's local memory", 32},
      {"{ .param .b64 r0; call.uni (r0), own_place; ld.param.b64 %rd2, [r0]; } ld.u64 %rd3, "
       "[%rd2];",
       "is no address of living local memory", 1},
      {"mov.u32 %r1, gate; mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 16;",
       "a word that is no mbarrier", 1},
      {"mov.u32 %r1, gate; mbarrier.init.shared::cta.b64 [%r1], 1;\n"
       "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 16;\n"
       "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 16;",
       "an arrival at an mbarrier that has all of this phase", 1},
      {"mov.u32 %r1, gate; mov.u32 %r2, box; mbarrier.init.shared::cta.b64 [%r1], 1;\n"
       "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 8;\n"
       "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%rd1], 8, [%r1];",
       "a bulk copy of 8 bytes", 1},
      {"mov.u32 %r1, gate; mov.u32 %r2, box; mov.u64 %rd2, 1; mbarrier.init.shared::cta.b64 [%r1], "
       "1;\n"
       "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [%r2], {%rd2, %rd2}, "
       "[%r1];",
       "not in one block", 1},
      {"mov.u32 %r1, box; mapa.shared::cluster.u32 %r2, %r1, 1;",
       "mapa to rank 1 of a cluster of 1", 1},
      {"mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; @%p1 bar.warp.sync 2;",
       "thread 0 is not in the mask", 32},
      {"mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; @%p1 bar.warp.sync 3;", "divergent barrier",
       32},
      {"barrier.cluster.wait.acquire;", "without an arrival", 1},
      {"trap;", "trap", 1},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char text[4096], said[1024];
    uint64_t out = 0;
    (void)snprintf(text, sizeof(text),
                   "%s.shared .align 8 .b8 gate[8]; .shared .align 8 .b8 box[16];\n"
                   ".func (.param .b64 result) own_place() { .local .align 8 .b8 here[8];\n"
                   ".reg .b64 %%rd<3>; mov.u64 %%rd1, here; cvta.local.u64 %%rd2, %%rd1;\n"
                   "st.param.b64 [result], %%rd2; ret; }\n%s%s\nret; }\n",
                   HEAD, ENTRY("wrong"), cases[i].body);
    capture kept = capture_begin();
    int code = run(text, "wrong", 1, cases[i].threads, &out, 1);
    capture_end(&kept, said, sizeof(said));
    if (code == CUDA_SUCCESS || strstr(said, cases[i].why) == NULL) {
      fail_msg("%s\n'%s' expected, code %d, it said: %s", cases[i].body, cases[i].why, code, said);
    }
    assert_true(cu.rkfake_lint_count() > 0);
    OK(cu.cuDevicePrimaryCtxReset_v2(0));
    cu.rkfake_reset();
  }
}

/* Memory that is given back while a kernel has its address. */
static void freed_memory_is_gone(void **state)
{
  static const char text[] = HEAD ENTRY(
      "follow") "ld.global.u64 %rd2, [%rd1]; ld.u64 %rd3, [%rd2];\n"
                "st.global.u64 [%rd1], %rd3; ret; }\n";
  CUmodule module = NULL;
  CUfunction function = NULL;
  CUdeviceptr holder = 0, freed = 0;
  void *params[] = {&holder};
  char said[1024];
  (void)state;
  OK(cu.cuModuleLoadData(&module, text));
  OK(cu.cuModuleGetFunction(&function, module, "follow"));
  OK(cu.cuMemAlloc_v2(&holder, 64));
  OK(cu.cuMemAlloc_v2(&freed, 64));
  OK(cu.cuMemcpyHtoD_v2(holder, &freed, sizeof(freed)));
  OK(cu.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
  OK(cu.cuCtxSynchronize());
  OK(cu.cuMemcpyHtoD_v2(holder, &freed, sizeof(freed)));
  OK(cu.cuMemFree_v2(freed));
  capture kept = capture_begin();
  OK(cu.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
  int code = (int)cu.cuCtxSynchronize();
  capture_end(&kept, said, sizeof(said));
  GIVES(CUDA_ERROR_ILLEGAL_INSTRUCTION, code);
  assert_non_null(strstr(said, "which is no memory of the device"));
  OK(cu.cuDevicePrimaryCtxReset_v2(0));
}

/* ---- what is refused ---- */

static void what_is_not_known_is_not_run(void **state)
{
  static const struct {
    const char *body, *why;
  } cases[] = {
      {"wgmma.fence.sync.aligned;", ":11: not known: wgmma.fence.sync.aligned"},
      {"add.sat.s32 %r1, %r2, %r3;", ":11: 'sat' is not known: add.sat.s32"},
      {"add.s32 %r1, %r2, %nosuch;", ":11: an operand that is not known: %nosuch"},
      {"call.uni nobody, ();", ":11: no such function: nobody"},
      {".extern .shared .b8 more[];", ":11: a directive that is not known: .extern"},
  };
  char log[2048];
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)sizeof(log)};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char text[2048], said[2048];
    CUmodule module = NULL;
    (void)snprintf(text, sizeof(text), "%s%s\n%s\nret; }\n", HEAD, ENTRY("odd"), cases[i].body);
    log[0] = '\0';
    capture kept = capture_begin();
    int code = (int)cu.cuModuleLoadDataEx(&module, text, 2, options, values);
    capture_end(&kept, said, sizeof(said));
    GIVES(CUDA_ERROR_NO_BINARY_FOR_GPU, code);
    if (strstr(log, cases[i].why) == NULL) {
      fail_msg("%s\n'%s' expected, it said: %s", cases[i].body, cases[i].why, log);
    }
  }
  configure("RKFAKE_RUN", "fast");
  char said[2048];
  capture kept = capture_begin();
  int code = (int)cu.cuModuleLoadDataEx(&(CUmodule){NULL}, HEAD, 2, options, values);
  capture_end(&kept, said, sizeof(said));
  GIVES(CUDA_ERROR_NO_BINARY_FOR_GPU, code);
  assert_non_null(strstr(log, "RKFAKE_RUN: source or ptx expected, got fast"));
}

static int begin_ptx(void **state)
{
  int status = begin(state);
  configure("RKFAKE_RUN", "ptx");
  return status;
}

#define PTX_TEST(name) cmocka_unit_test_setup_teardown(name, begin_ptx, end)

int main(void)
{
  const struct CMUnitTest tests[] = {
      PTX_TEST(instructions_give_what_the_isa_says),
      PTX_TEST(lanes_of_a_warp_exchange),
      PTX_TEST(blocks_of_a_cluster_reach_each_other),
      PTX_TEST(dice_find_a_missing_barrier),
      PTX_TEST(misuse_ends_the_kernel),
      PTX_TEST(freed_memory_is_gone),
      PTX_TEST(what_is_not_known_is_not_run),
  };
  return cmocka_run_group_tests(tests, open_library, close_library);
}
