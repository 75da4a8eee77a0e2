/* SPDX-License-Identifier: MIT */
/*
 * NVRTC: looking for it (on a machine that is made up), and compiling with the real one. What needs
 * the real one is skipped where there is none, unless CI is set.
 */
#include "backend/cuda/cuda_nvrtc.h"
#include "backend/cuda/cuda_nvrtc_internal.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/platform.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is common ---- */

/* The entry of a grid in small: shared memory, a barrier. */
static const char good_source[] =
    "#line 10 \"user.cu\"\n"
    "extern \"C\" __global__ void rk_grid(unsigned long long grid) {\n"
    "  __shared__ int cells[33];\n"
    "  cells[threadIdx.x % 33] = 1;\n"
    "  __syncthreads();\n"
    "  *(int *)grid = cells[(threadIdx.x + 7) % 33];\n"
    "}\n";

static bool has_nvrtc(void)
{
  const rk_nvrtc *nvrtc = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_nvrtc_open(&nvrtc, &err) == RK_OK) {
    return true;
  }
  if (getenv("CI") != NULL) {
    fail_msg("%s, and CI is set: the test must run here", err.text);
  }
  return false;
}

#define NEED_NVRTC()    \
  do {                  \
    if (!has_nvrtc()) { \
      skip();           \
    }                   \
  } while (0)

static rk_nvrtc_request request_for(const char *source)
{
  return (rk_nvrtc_request){.name = "unit.cu", .source = source, .arch = 90};
}

/* Compiles what must compile; *log as rk_nvrtc_compile. */
static rk_nvrtc_result compile(const rk_nvrtc_request *request, char **log)
{
  rk_nvrtc_result result;
  rk_error err = RK_ERROR_INIT;
  if (rk_nvrtc_compile(request, &result, log, &err) != RK_OK) {
    fail_msg("%s", err.text);
  }
  return result;
}

static bool holds(const rk_nvrtc_result *result, const char *text)
{
  return memmem(result->image, result->image_bytes, text, strlen(text)) != NULL;
}

/* ---- looking for it, on a machine that is made up ---- */

static rk_platform made_up;
static const char *env_nvrtc, *env_cuda_home, *env_virtual_env, *env_path;
static char opened[8192]; /* every path that was tried, a line each */

static const char *made_up_env(const char *name)
{
  return strcmp(name, "RINGKERNEL_NVRTC") == 0 ? env_nvrtc
         : strcmp(name, "CUDA_HOME") == 0      ? env_cuda_home
         : strcmp(name, "VIRTUAL_ENV") == 0    ? env_virtual_env
         : strcmp(name, "PATH") == 0           ? env_path
                                               : NULL;
}

static int made_up_lib_open(const char *path, void **lib, rk_error *err)
{
  (void)lib;
  size_t used = strlen(opened);
  snprintf(opened + used, sizeof(opened) - used, "%s\n", path);
  return rk_error_set(err, RK_ENOT_FOUND, "cannot load '%s': made up", path);
}

static int made_up_dir_each(const char *path, rk_dir_fn fn, void *arg, rk_error *err)
{
  static const char *const folders[][6] = {
      {"/cuda/lib64", "libcudart.so.13", "libnvrtc-builtins.so.13.0", "libnvrtc.so.12",
       "libnvrtc.so.13", NULL},
      {"/env/lib", "python3.9", "python2.7", "python3.13", NULL},
      {"/env/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib", "libnvrtc.so.12", NULL},
      {"/env/lib/python3.13/site-packages/nvidia/cu13/lib", "libnvrtc.alt.so.13", "libnvrtc.so.13",
       NULL},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(folders); i++) {
    if (strcmp(folders[i][0], path) == 0) {
      for (const char *const *name = &folders[i][1]; *name != NULL && fn(arg, *name); name++) {
      }
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_ENOT_FOUND, "cannot list '%s'", path);
}

static int make_up(void **state)
{
  (void)state;
  made_up = *rk_platform_real();
  made_up.env_get = made_up_env;
  made_up.lib_open = made_up_lib_open;
  made_up.dir_each = made_up_dir_each;
  env_nvrtc = env_cuda_home = env_virtual_env = env_path = NULL;
  opened[0] = '\0';
  rk_platform_set(&made_up);
  return 0;
}

static int back_to_real(void **state)
{
  (void)state;
  rk_platform_set(NULL);
  return 0;
}

static rk_nvrtc found; /* too large for a stack */

static void every_place_is_tried_in_order(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  env_cuda_home = "/cuda";
  env_virtual_env = "/env";
  assert_int_equal(rk__nvrtc_load(&found, 0, &err), RK_ENO_COMPILER);
  assert_string_equal(opened,
                      "libnvrtc.so.13\n"
                      "libnvrtc.so.12\n"
                      "/cuda/lib64/libnvrtc-builtins.so.13.0\n"
                      "/cuda/lib64/libnvrtc.so.13\n"
                      "/cuda/lib64/libnvrtc-builtins.so.13.0\n"
                      "/cuda/lib64/libnvrtc.so.12\n"
                      "/env/lib/python3.13/site-packages/nvidia/cu13/lib/libnvrtc.so.13\n"
                      "/env/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12\n");
  assert_non_null(strstr(err.text, "CUDA_HOME"));
  assert_non_null(strstr(err.text, "pip install nvidia-cuda-nvrtc"));
  assert_non_null(strstr(err.text, "RINGKERNEL_NVRTC"));
  assert_non_null(strstr(err.text, "python3.9")); /* what was there and did not do */

  env_cuda_home = "cuda"; /* not an absolute path */
  env_virtual_env = NULL;
  opened[0] = '\0';
  assert_int_equal(rk__nvrtc_load(&found, 0, &err), RK_ENO_COMPILER);
  assert_string_equal(opened, "libnvrtc.so.13\nlibnvrtc.so.12\n");
}

/* A virtual environment that is only in PATH, and a toolkit's nvcc there. */
static void folders_of_programs_are_tried_last(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  env_path = "/env/bin:bin:/nowhere:/bin/::/cuda/bin//:";
  assert_int_equal(rk__nvrtc_load(&found, 0, &err), RK_ENO_COMPILER);
  assert_string_equal(opened,
                      "libnvrtc.so.13\n"
                      "libnvrtc.so.12\n"
                      "/env/lib/python3.13/site-packages/nvidia/cu13/lib/libnvrtc.so.13\n"
                      "/env/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12\n"
                      "/cuda/lib64/libnvrtc-builtins.so.13.0\n"
                      "/cuda/lib64/libnvrtc.so.13\n"
                      "/cuda/lib64/libnvrtc-builtins.so.13.0\n"
                      "/cuda/lib64/libnvrtc.so.12\n");
  assert_non_null(strstr(err.text, "$PATH"));
}

static void named_library_is_the_only_one(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  env_cuda_home = "/cuda";
  env_nvrtc = "/nowhere/libnvrtc.so";
  assert_int_equal(rk__nvrtc_load(&found, 0, &err), RK_ENO_COMPILER);
  assert_string_equal(opened, "/nowhere/libnvrtc.so\n");
  assert_non_null(strstr(err.text, "RINGKERNEL_NVRTC names '/nowhere/libnvrtc.so'"));

  env_nvrtc = "libnowhere.so.1";
  assert_int_equal(rk__nvrtc_load(&found, 0, &err), RK_ENO_COMPILER);
  assert_non_null(strstr(err.text, "the loader does not find it"));

  made_up.lib_open = rk_platform_real()->lib_open;
  env_nvrtc = "libm.so.6"; /* a library, and another one */
  assert_int_equal(rk__nvrtc_load(&found, 0, &err), RK_ENO_COMPILER);
  assert_non_null(strstr(err.text, "lacks the function nvrtcVersion"));
}

/* Two NVRTCs, 13 found before 12; each is the library whose handle is its version. */
static int version_is(int is, int *major, int *minor)
{
  *major = is;
  *minor = 0;
  return 0;
}
static int version_13(int *major, int *minor)
{
  return version_is(13, major, minor);
}
static int version_12(int *major, int *minor)
{
  return version_is(12, major, minor);
}
static int one_arch(int *count)
{
  *count = 1;
  return 0;
}
static int sm_90(int *archs)
{
  archs[0] = 90;
  return 0;
}
static int two_lib_open(const char *path, void **lib, rk_error *err)
{
  static int handles[] = {12, 13};
  for (int i = 0; i < 2; i++) {
    if (atoi(path + strcspn(path, "0123456789")) == handles[i]) {
      *lib = &handles[i];
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_ENOT_FOUND, "not '%s'", path);
}
static int two_lib_symbol(void *lib, const char *name, void **address, rk_error *err)
{
  int (*version)(int *, int *) = *(int *)lib == 13 ? version_13 : version_12;
  int (*count)(int *) = strcmp(name, "nvrtcGetNumSupportedArchs") == 0 ? one_arch : sm_90;
  (void)err;
  if (strcmp(name, "nvrtcVersion") == 0) {
    memcpy(address, &version, sizeof(version));
  } else {
    memcpy(address, &count, sizeof(count));
  }
  return RK_OK;
}
static void two_lib_close(void *lib)
{
  (void)lib;
}

static void an_nvrtc_that_suits_the_driver_comes_first(void **state)
{
  static const struct {
    int driver, major;
  } cases[] = {{13000, 13}, {12040, 12}, {0, 13}, {11080, 13}, {14010, 13}};
  (void)state;
  made_up.lib_open = two_lib_open;
  made_up.lib_symbol = two_lib_symbol;
  made_up.lib_close = two_lib_close;
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(rk__nvrtc_load(&found, cases[i].driver, &err), RK_OK);
    assert_int_equal(found.info.major, cases[i].major);
  }
}

/* ---- what to compile for ---- */

static void target_follows_the_architectures(void **state)
{
  (void)state;
  found = (rk_nvrtc){.info = {.major = 13, .arch_count = 3, .archs = {75, 86, 100}}};
  static const struct {
    uint32_t arch;
    rk_nvrtc_form form;
    int status;
    uint32_t target;
    bool is_cubin;
  } cases[] = {
      {75, RK_NVRTC_AUTO, RK_OK, 75, true},
      {86, RK_NVRTC_CUBIN, RK_OK, 86, true},
      {86, RK_NVRTC_PTX, RK_OK, 86, false},
      {89, RK_NVRTC_AUTO, RK_OK, 86, false},
      {121, RK_NVRTC_AUTO, RK_OK, 100, false},
      {121, RK_NVRTC_PTX, RK_OK, 100, false},
      {121, RK_NVRTC_CUBIN, RK_EUNSUPPORTED, 0, false},
      {70, RK_NVRTC_AUTO, RK_EUNSUPPORTED, 0, false},
      {70, RK_NVRTC_PTX, RK_EUNSUPPORTED, 0, false},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    uint32_t target = 0;
    bool is_cubin = false;
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(
        rk_nvrtc_target(&found, cases[i].arch, cases[i].form, &target, &is_cubin, &err),
        cases[i].status);
    assert_int_equal(target, cases[i].target);
    assert_int_equal(is_cubin, cases[i].is_cubin);
    if (cases[i].arch == 70) {
      assert_non_null(strstr(err.text, "compute capability 7.0 is older"));
      assert_non_null(strstr(err.text, "from 7.5 on"));
    }
  }
}

/* ---- the real one ---- */

static void machine_code_comes_with_its_usage(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(good_source);
  char *log = NULL;
  rk_nvrtc_result result = compile(&request, &log);
  assert_true(result.is_cubin);
  assert_int_equal(result.arch, 90);
  assert_memory_equal(result.image, "\177ELF", 4);
  assert_true(holds(&result, "rk_grid"));
  assert_int_equal(((const char *)result.image)[result.image_bytes], 0);
  assert_string_equal(log, "");
  assert_int_equal(result.usage.is_known, 1);
  assert_in_range(result.usage.registers, 4, 64);
  assert_int_equal(result.usage.barriers, 1);
  assert_int_equal(result.usage.shared_bytes, 33 * 4);
  assert_int_equal(result.usage.spill_store_bytes, 0);
  rk_free(log);
  rk_nvrtc_result_release(&result);
  assert_null(result.image);
  rk_nvrtc_result_release(&result);
}

static void ptx_is_text(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(good_source);
  request.form = RK_NVRTC_PTX;
  rk_nvrtc_result result = compile(&request, NULL);
  assert_false(result.is_cubin);
  assert_int_equal(result.image_bytes, strlen(result.image));
  assert_true(holds(&result, ".target sm_90"));
  assert_true(holds(&result, ".entry rk_grid"));
  assert_int_equal(result.usage.is_known, 0);
  rk_nvrtc_result_release(&result);
}

static void letter_makes_code_for_one_architecture(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(good_source);
  request.arch_letter = 'a';
  request.form = RK_NVRTC_PTX;
  rk_nvrtc_result result = compile(&request, NULL);
  assert_int_equal(result.arch_letter, 'a');
  assert_true(holds(&result, ".target sm_90a"));
  rk_nvrtc_result_release(&result);
}

static void device_newer_than_nvrtc_gets_ptx(void **state)
{
  (void)state;
  NEED_NVRTC();
  const rk_nvrtc *nvrtc = NULL;
  assert_int_equal(rk_nvrtc_open(&nvrtc, NULL), RK_OK);
  const rk_nvrtc_info *info = rk_nvrtc_about(nvrtc);
  rk_nvrtc_request request = request_for(good_source);
  request.arch = 999;
  request.arch_letter = 'a';
  rk_nvrtc_result result = compile(&request, NULL);
  assert_false(result.is_cubin);
  assert_int_equal(result.arch, info->archs[info->arch_count - 1]);
  assert_int_equal(result.arch_letter, 0);
  rk_nvrtc_result_release(&result);

  rk_error err = RK_ERROR_INIT;
  request.form = RK_NVRTC_CUBIN;
  assert_int_equal(rk_nvrtc_compile(&request, &result, NULL, &err), RK_EUNSUPPORTED);
  assert_non_null(strstr(err.text, "99.9"));
  request = request_for(good_source);
  request.arch = 30;
  assert_int_equal(rk_nvrtc_compile(&request, &result, NULL, &err), RK_EUNSUPPORTED);
  assert_non_null(strstr(err.text, "3.0 is older"));
}

static void error_names_the_users_line(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(
      "#line 10 \"user.cu\"\n"
      "extern \"C\" __global__ void rk_grid(unsigned long long g) {\n"
      "  int unused;\n"
      "  *(int *)g = missing_name;\n"
      "}\n");
  rk_nvrtc_result result = {.image_bytes = 77};
  rk_error err = RK_ERROR_INIT;
  char *log = NULL;
  assert_int_equal(rk_nvrtc_compile(&request, &result, &log, &err), RK_ECOMPILE);
  assert_int_equal(result.image_bytes, 77);
  assert_string_equal(err.text, "user.cu:12: identifier \"missing_name\" is undefined");
  assert_non_null(strstr(log, "user.cu:12: error: identifier \"missing_name\" is undefined\n"));
  assert_non_null(strstr(log, "*(int *)g = missing_name;\n"));
  assert_non_null(strstr(log, "user.cu:11: warning: "));
  assert_null(strstr(log, "detected in the compilation"));
  rk_free(log);
  assert_int_equal(rk_nvrtc_compile(&request, &result, NULL, &err), RK_ECOMPILE); /* no log */
}

static void error_of_the_assembler_is_told(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(
      "extern \"C\" __global__ void rk_grid(unsigned long long g) {\n"
      "  __shared__ int cells[33000];\n"
      "  cells[threadIdx.x] = 1; __syncthreads(); *(int *)g = cells[g];\n"
      "}\n");
  rk_nvrtc_result result;
  rk_error err = RK_ERROR_INIT;
  char *log = NULL;
  assert_int_equal(rk_nvrtc_compile(&request, &result, &log, &err), RK_ECOMPILE);
  assert_non_null(strstr(err.text, "ptxas: Entry function 'rk_grid' uses too much shared data"));
  assert_null(strstr(log, "ptxas info"));
  rk_free(log);
}

static void warning_is_no_error(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for("extern \"C\" __global__ void rk_grid(unsigned long long "
                                         "g) { int unused; *(int *)g = 1; }\n");
  char *log = NULL;
  rk_nvrtc_result result = compile(&request, &log);
  assert_non_null(strstr(log, "unit.cu:1: warning: variable \"unused\""));
  assert_non_null(strstr(log, "[#177-D]\n"));
  assert_null(strstr(log, "ptxas"));
  assert_null(strstr(log, "Remark"));
  rk_free(log);
  rk_nvrtc_result_release(&result);
}

static void headers_come_from_memory(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(
      "#include \"rk_abi.h\"\n"
      "extern \"C\" __global__ void rk_grid(rk_u64 g) { *(rk_u32 *)g = 1; }\n");
  rk_nvrtc_result result = compile(&request, NULL); /* the library's own */
  rk_nvrtc_result_release(&result);

  static const unsigned char text[] = "#define NUMBER 424242\n";
  const rk_embed_file table[] = {{"my/number.h", text, sizeof(text) - 1}, {NULL, NULL, 0}};
  request.source = "#include \"my/number.h\"\n"
                   "extern \"C\" __global__ void rk_grid(int *p) { *p = NUMBER; }\n";
  request.headers = table;
  request.form = RK_NVRTC_PTX;
  result = compile(&request, NULL);
  assert_true(holds(&result, "424242"));
  rk_nvrtc_result_release(&result);

  rk_error err = RK_ERROR_INIT;
  request.source = "#include \"rk_abi.h\"\n"; /* not in the table */
  assert_int_equal(rk_nvrtc_compile(&request, &result, NULL, &err), RK_ECOMPILE);
  assert_non_null(strstr(err.text, "unit.cu:1: cannot open source file \"rk_abi.h\""));
}

static void options_are_handed_on(void **state)
{
  (void)state;
  NEED_NVRTC();
  static const char *const good[] = {"-DNUMBER=535353", "-DOTHER", NULL};
  static const char *const bad[] = {"--no-such-option", NULL};
  rk_nvrtc_request request = request_for(
      "extern \"C\" __global__ void rk_grid(int *p) { *p = NUMBER; }\n");
  request.form = RK_NVRTC_PTX;
  request.options = good;
  rk_nvrtc_result result = compile(&request, NULL);
  assert_true(holds(&result, "535353"));
  rk_nvrtc_result_release(&result);

  rk_error err = RK_ERROR_INIT;
  request.options = bad;
  assert_int_equal(rk_nvrtc_compile(&request, &result, NULL, &err), RK_EINVAL);
  assert_non_null(strstr(err.text, "--no-such-option"));
}

static void compile_in_thread(void *arg)
{
  int *status = arg;
  rk_nvrtc_request request = request_for(good_source);
  rk_nvrtc_result result;
  *status = rk_nvrtc_compile(&request, &result, NULL, NULL);
  if (*status == RK_OK) {
    *status = result.is_cubin && result.usage.shared_bytes == 33 * 4 ? RK_OK : RK_ECORRUPT;
    rk_nvrtc_result_release(&result);
  }
}

static void threads_compile_at_once(void **state)
{
  (void)state;
  NEED_NVRTC();
  enum { COUNT = 4 };
  rk_thread *threads[COUNT];
  int status[COUNT];
  for (int i = 0; i < COUNT; i++) {
    status[i] = RK_EINVAL;
    assert_int_equal(rk_thread_start(&threads[i], "compile", compile_in_thread, &status[i], NULL),
                     RK_OK);
  }
  for (int i = 0; i < COUNT; i++) {
    rk_thread_join(threads[i]);
    assert_int_equal(status[i], RK_OK);
  }
}

static void every_allocation_may_fail(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(good_source);
  uint64_t live = rk_alloc_live();
  for (uint64_t k = 1;; k++) {
    rk_nvrtc_result result;
    char *log = NULL;
    rk_error err = RK_ERROR_INIT;
    rk_alloc_fail_at(k, false);
    int status = rk_nvrtc_compile(&request, &result, &log, &err);
    rk_alloc_fail_at(0, false);
    if (status == RK_OK) {
      assert_true(k > 4);
      rk_free(log);
      rk_nvrtc_result_release(&result);
      break;
    }
    assert_int_equal(status, RK_EOUT_OF_MEMORY);
    assert_null(log);
    assert_int_equal(rk_alloc_live(), live);
  }
  assert_int_equal(rk_alloc_live(), live);
}

static void description_is_one_line(void **state)
{
  (void)state;
  NEED_NVRTC();
  const rk_nvrtc *nvrtc = NULL;
  char text[512], start[64];
  assert_int_equal(rk_nvrtc_open(&nvrtc, NULL), RK_OK);
  assert_true(rk_nvrtc_describe(text, sizeof(text)));
  snprintf(start, sizeof(start), "NVRTC %d.%d (", rk_nvrtc_about(nvrtc)->major,
           rk_nvrtc_about(nvrtc)->minor);
  assert_memory_equal(text, start, strlen(start));
  assert_null(strchr(text, '\n'));
  assert_non_null(strstr(text, "), sm_"));
  char small[8];
  assert_true(rk_nvrtc_describe(small, sizeof(small)));
  assert_string_equal(small, "NVRTC 1");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_place_is_tried_in_order, make_up, back_to_real),
      cmocka_unit_test_setup_teardown(folders_of_programs_are_tried_last, make_up, back_to_real),
      cmocka_unit_test_setup_teardown(named_library_is_the_only_one, make_up, back_to_real),
      cmocka_unit_test_setup_teardown(an_nvrtc_that_suits_the_driver_comes_first, make_up,
                                      back_to_real),
      cmocka_unit_test(target_follows_the_architectures),
      cmocka_unit_test(machine_code_comes_with_its_usage),
      cmocka_unit_test(ptx_is_text),
      cmocka_unit_test(letter_makes_code_for_one_architecture),
      cmocka_unit_test(device_newer_than_nvrtc_gets_ptx),
      cmocka_unit_test(error_names_the_users_line),
      cmocka_unit_test(error_of_the_assembler_is_told),
      cmocka_unit_test(warning_is_no_error),
      cmocka_unit_test(headers_come_from_memory),
      cmocka_unit_test(options_are_handed_on),
      cmocka_unit_test(threads_compile_at_once),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(description_is_one_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
