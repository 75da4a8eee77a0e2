/* SPDX-License-Identifier: MIT */
/*
 * The device source of a grid: what C puts together from fragments is what Lua writes for the same
 * definitions, to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cuda/cuda_unit.h"
#include "base/alloc.h"
#include "base/base.h"
#include "runtime/stock.h"

#define HANDLER_SWITCH                                                               \
  "\nstatic __device__ __noinline__ void rk_call_handler(rk_ctx *ctx, rk_u32 def,\n" \
  "    rk_u32 handler, const void *msg, void *state) {\n"                            \
  "  switch (def) {\n"
#define HANDLER_END                                     \
  "    default: rkd_ctx_fail(ctx, RK_EINVAL); break;\n" \
  "  }\n}\n"

static const rk_cuda_shape alone = {.cluster = 1};

static void threads_are_whole_warps(void **state)
{
  (void)state;
  const rk_cuda_part parts[] = {{"a", "", 1}, {"b", "", 33}, {"c", "", 64}, {"d", NULL, 999}};
  assert_int_equal(rk_cuda_unit_threads(NULL, 0), 32);
  assert_int_equal(rk_cuda_unit_threads(parts, 1), 32);
  assert_int_equal(rk_cuda_unit_threads(parts, 2), 64);
  assert_int_equal(rk_cuda_unit_threads(parts, 3), 64);
  assert_int_equal(rk_cuda_unit_threads(parts, 4), 64); /* nobody's lanes do not count */
  const rk_cuda_part widest = {"w", "", 1024};
  assert_int_equal(rk_cuda_unit_threads(&widest, 1), 1024);
}

static void expect_unit(const rk_cuda_part *parts, size_t count, const char *expected)
{
  char *text = NULL;
  size_t bytes = 0;
  assert_int_equal(rk_cuda_unit_assemble(parts, count, &alone, &text, &bytes, NULL), RK_OK);
  assert_string_equal(text, expected);
  assert_int_equal(bytes, strlen(expected));
  rk_free(text);
}

static void a_grid_without_definitions_is_complete(void **state)
{
  (void)state;
  expect_unit(
      NULL, 0,
      "#define RK_BLOCK_THREADS 32\n#include \"rk_team_dev.h\"\n" HANDLER_SWITCH HANDLER_END);
}

static void a_cluster_is_told(void **state)
{
  (void)state;
  const rk_cuda_shape plain = {.cluster = 4};
  const rk_cuda_shape counted = {.cluster = 4, .counted_lanes = true};
  const rk_cuda_shape none = {.cluster = 1, .counted_lanes = true};
  char *text = NULL;
  assert_int_equal(rk_cuda_unit_assemble(NULL, 0, &plain, &text, NULL, NULL), RK_OK);
  assert_string_equal(text, "#define RK_BLOCK_THREADS 32\n#define RK_CLUSTER 4\n"
                            "#include \"rk_team_dev.h\"\n" HANDLER_SWITCH HANDLER_END);
  rk_free(text);
  assert_int_equal(rk_cuda_unit_assemble(NULL, 0, &counted, &text, NULL, NULL), RK_OK);
  assert_string_equal(text, "#define RK_BLOCK_THREADS 32\n#define RK_CLUSTER 4\n"
                            "#define RK_LANES_COUNTED 1\n"
                            "#include \"rk_team_dev.h\"\n" HANDLER_SWITCH HANDLER_END);
  rk_free(text);
  assert_int_equal(rk_cuda_unit_assemble(NULL, 0, &none, &text, NULL, NULL), RK_OK);
  assert_null(strstr(text, "RK_LANES_COUNTED"));
  rk_free(text);
}

static void a_number_without_definition_keeps_the_others(void **state)
{
  (void)state;
  const rk_cuda_part parts[] = {{"gone", NULL, 64}, {"here", "int x;", 1}};
  expect_unit(parts, RK_ARRAY_LEN(parts),
              "#define RK_BLOCK_THREADS 32\n#include \"rk_team_dev.h\"\n"
              "\nnamespace rk_def_1 { /* here */\nint x;\n}\n" HANDLER_SWITCH
              "    case 1u: rk_def_1::rk_call(ctx, handler, msg, state); break;\n" HANDLER_END);
}

/* What spec/c/cuda_unit.lua prints; given back with free. */
static char *lua_text(const char *what)
{
  enum { ROOM = 1 << 20 };
  const char *lua = getenv("LUA");
  char command[512];
  (void)snprintf(command, sizeof(command), "%s spec/c/cuda_unit.lua %s",
                 lua != NULL ? lua : "lua5.4", what);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  char *text = malloc(ROOM);
  assert_non_null(text);
  size_t bytes = fread(text, 1, ROOM - 1, pipe);
  text[bytes] = '\0';
  assert_int_equal(pclose(pipe), 0);
  assert_in_range(bytes, 1, ROOM - 2);
  return text;
}

static void the_text_is_the_one_of_lua(void **state)
{
  (void)state;
  rk_cuda_part parts[16];
  size_t count = 0;
  for (; rk_stock_modules[count] != NULL; ++count) {
    assert_in_range(count, 0, RK_ARRAY_LEN(parts) - 2);
    assert_non_null(rk_stock_devices[count]);
    parts[count] = (rk_cuda_part){rk_stock_modules[count]->name, rk_stock_devices[count],
                                  rk_stock_modules[count]->lanes};
  }
  assert_in_range(count, 3, RK_ARRAY_LEN(parts));
  assert_null(rk_stock_devices[count]);
  char *fragment = lua_text("fragment");
  char *expected = lua_text("unit");
  parts[count++] = (rk_cuda_part){"user.one-2", fragment, 33};
  expect_unit(parts, count, expected);
  assert_non_null(strstr(expected, "#define RK_BLOCK_THREADS 64\n"));
  free(fragment);
  free(expected);
}

static void no_memory_is_told(void **state)
{
  (void)state;
  char *text = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_alloc_fail_at(1, false);
  assert_int_equal(rk_cuda_unit_assemble(NULL, 0, &alone, &text, NULL, &err), RK_EOUT_OF_MEMORY);
  rk_alloc_fail_at(0, false);
  assert_null(text);
  assert_int_equal(rk_alloc_live(), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_are_whole_warps),
      cmocka_unit_test(a_grid_without_definitions_is_complete),
      cmocka_unit_test(a_cluster_is_told),
      cmocka_unit_test(a_number_without_definition_keeps_the_others),
      cmocka_unit_test(the_text_is_the_one_of_lua),
      cmocka_unit_test(no_memory_is_told),
  };
  return cmocka_run_group_tests_name("cuda_unit", tests, NULL, NULL);
}
