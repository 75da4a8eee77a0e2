/* SPDX-License-Identifier: MIT */
/*
 * The prebuilt image of the stock kernels: it is what its table says, and its source is the one a
 * cache can keep and NVRTC compiles.
 */
#include "backend/cuda/cuda_cache.h"
#include "backend/cuda/cuda_prebuilt.h"

#include "base/alloc.h"
#include "base/platform.h"
#include "rk_abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER_BYTES 256
#define PATH_BYTES 512

static char folder[FOLDER_BYTES];

static int open_folder(void **state)
{
  (void)state;
  return rk_platform_real()->dir_make_temp("rk-prebuilt-", folder, sizeof(folder), NULL);
}

static int close_folder(void **state)
{
  (void)state;
  const char *const argv[] = {"rm", "-rf", folder, NULL};
  rk_spawn program = {.argv = argv};
  rk_spawn_result result;
  return rk_platform_real()->spawn(&program, &result, NULL);
}

static void prebuilt_image_is_whole(void **state)
{
  (void)state;
  const rk_cuda_prebuilt *stock = rk_cuda_prebuilt_stock();
  char marker[32];
  char *ptx = NULL;
  assert_int_equal(rk_cuda_prebuilt_ptx(stock, &ptx, NULL), RK_OK);
  assert_int_equal(strlen(ptx), stock->ptx_bytes);
  assert_int_equal(stock->abi_version, RK_ABI_VERSION);
  assert_int_equal(stock->arch, 75);
  assert_true(stock->block_threads >= 32 && stock->block_threads % 32 == 0);
  assert_true(stock->def_count >= 1);
  for (uint32_t i = 0; i < stock->def_count; i++) {
    assert_true(strlen(stock->names[i]) > 0);
  }
  assert_string_equal(stock->names[0], "echo");
  assert_int_equal(strlen(stock->key_hex), 16);
  snprintf(marker, sizeof(marker), "rk_build_%s", stock->key_hex);
  assert_non_null(strstr(ptx, marker));
  assert_non_null(strstr(stock->source, marker));
  assert_non_null(strstr(ptx, ".entry rk_grid("));
  assert_non_null(strstr(ptx, "\n.target sm_75\n"));
  rk_free(ptx);
}

static void damaged_image_is_refused(void **state)
{
  (void)state;
  rk_cuda_prebuilt broken = *rk_cuda_prebuilt_stock();
  rk_error err = RK_ERROR_INIT;
  char *ptx = NULL;
  broken.packed_bytes -= 1;
  assert_int_equal(rk_cuda_prebuilt_ptx(&broken, &ptx, &err), RK_ECORRUPT);
  assert_string_equal(err.text, "the built-in image cannot be unpacked");
  assert_null(ptx);
}

static void source_goes_to_the_cache(void **state)
{
  (void)state;
  const rk_cuda_prebuilt *stock = rk_cuda_prebuilt_stock();
  rk_cuda_cache *cache = NULL;
  char path[PATH_BYTES];
  void *text = NULL;
  size_t size;
  assert_int_equal(rk_cuda_cache_open(folder, &cache, NULL), RK_OK);
  assert_int_equal(rk_cuda_cache_put_source(cache, stock->key_hex, stock->source, NULL), RK_OK);
  assert_int_equal(rk_cuda_cache_put_source(cache, stock->key_hex, stock->source, NULL), RK_OK);
  snprintf(path, sizeof(path), "%s/cuda/%s.cu", folder, stock->key_hex);
  assert_int_equal(rk_platform_real()->file_read(path, 1 << 20, &text, &size, NULL), RK_OK);
  assert_string_equal(text, stock->source);
  rk_free(text);
  rk_cuda_cache_close(cache);
}

static void prebuilt_source_compiles(void **state)
{
  (void)state;
  const rk_nvrtc *nvrtc = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_nvrtc_open(&nvrtc, &err) != RK_OK) {
    if (getenv("CI") != NULL) {
      fail_msg("%s, and CI is set: the test must run here", err.text);
    }
    skip();
  }
  const rk_cuda_prebuilt *stock = rk_cuda_prebuilt_stock();
  rk_nvrtc_request request = {.name = "stock.cu", .source = stock->source, .arch = 90};
  rk_nvrtc_result result;
  if (rk_nvrtc_compile(&request, &result, NULL, &err) != RK_OK) {
    fail_msg("%s", err.text);
  }
  assert_int_equal(result.usage.is_known, 1);
  rk_nvrtc_result_release(&result);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prebuilt_image_is_whole),
      cmocka_unit_test(damaged_image_is_refused),
      cmocka_unit_test_setup_teardown(source_goes_to_the_cache, open_folder, close_folder),
      cmocka_unit_test(prebuilt_source_compiles),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
