/* SPDX-License-Identifier: MIT */
/*
 * Our declarations of the CUDA driver against the real ones, where a toolkit is installed: values
 * of constants, sizes and offsets, and for every function that its type is that of the version it
 * is asked for with (cudaTypedefs.h has one type for each version).
 *
 * The Makefile adds the toolkit's headers to this file alone. Without them the test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#ifdef __has_include
#if __has_include(<cuda.h>) && __has_include(<cudaTypedefs.h>)
#define HAVE_CUDA_H 1
#endif
#endif

#ifdef HAVE_CUDA_H

/* Without this, cuda.h's macros rename functions and structs to their newest versions. */
#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>
#include <cudaTypedefs.h>

#define RK_CUDA_TYPES_GIVEN 1
#include "backend/cuda/cuda_api.h"

static unsigned checked, wrong;

static void expect(const char *what, long long ours, long long theirs)
{
  ++checked;
  if (ours != theirs) {
    ++wrong;
    print_error("%s: ours is %lld, cuda.h (CUDA %d) has %lld\n", what, ours, CUDA_VERSION, theirs);
  }
}

#define CHECK_VALUE(name, value) expect(#name, (value), (long long)(name));

static void constants_are_those_of_cuda_h(void **state)
{
  (void)state;
  checked = wrong = 0;
  RK_CUDA_RESULTS(CHECK_VALUE)
  RK_CUDA_DEVICE_ATTRIBUTES(CHECK_VALUE)
  RK_CUDA_FUNCTION_ATTRIBUTES(CHECK_VALUE)
  RK_CUDA_JIT_OPTIONS(CHECK_VALUE)
  RK_CUDA_POINTER_ATTRIBUTES(CHECK_VALUE)
  RK_CUDA_LAUNCH_ATTRIBUTES(CHECK_VALUE)
  RK_CUDA_MEM_SYNC_DOMAINS(CHECK_VALUE)
  RK_CUDA_LIMITS(CHECK_VALUE)
  RK_CUDA_CAPTURE_MODES(CHECK_VALUE)
  RK_CUDA_CAPTURE_STATES(CHECK_VALUE)
  RK_CUDA_POOL_ATTRIBUTES(CHECK_VALUE)
  RK_CUDA_ALLOCATION_TYPES(CHECK_VALUE)
  RK_CUDA_HANDLE_TYPES(CHECK_VALUE)
  RK_CUDA_LOCATION_TYPES(CHECK_VALUE)
  RK_CUDA_RESOURCE_TYPES(CHECK_VALUE)
  RK_CUDA_QUERY_RESULTS(CHECK_VALUE)
  RK_CUDA_FLAGS(CHECK_VALUE)
  RK_CUDA_MACROS(CHECK_VALUE)
  assert_true(checked > 100);
  assert_int_equal(0, wrong);
}

/* Our structs are checked against the same list where they are declared. */
static void layouts_are_those_of_cuda_h(void **state)
{
  (void)state;
  checked = wrong = 0;
#define CHECK_SIZE(type, bytes) expect("sizeof " #type, (bytes), (long long)sizeof(type));
#define CHECK_FIELD(type, field, offset) \
  expect("offset of " #type "." #field, (offset), (long long)offsetof(type, field));
  RK_CUDA_LAYOUTS(CHECK_SIZE, CHECK_FIELD)
  assert_true(checked > 20);
  assert_int_equal(0, wrong);
}

/* That a PFN_<name>_v<version> exists at all is checked by compiling this. */
static void functions_are_those_of_the_pinned_version(void **state)
{
  (void)state;
  checked = wrong = 0;
#define CHECK_FUNCTION(group, field, name, suffix, version, arguments)       \
  expect(#name " at " #version,                                              \
         __builtin_types_compatible_p(__typeof__(((rk_cuda_api *)0)->field), \
                                      PFN_##name##_v##version),              \
         1);                                                                 \
  expect(#name #suffix " as exported",                                       \
         __builtin_types_compatible_p(__typeof__(((rk_cuda_api *)0)->field), \
                                      __typeof__(&name##suffix)),            \
         1);
  RK_CUDA_FUNCTIONS(CHECK_FUNCTION)
  assert_true(checked > 150);
  assert_int_equal(0, wrong);
}

#else

static void no_toolkit(void **state)
{
  (void)state;
  print_message("no cuda.h; set CUDA_HOME to check the declarations\n");
  skip();
}

#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
#ifdef HAVE_CUDA_H
      cmocka_unit_test(constants_are_those_of_cuda_h),
      cmocka_unit_test(layouts_are_those_of_cuda_h),
      cmocka_unit_test(functions_are_those_of_the_pinned_version),
#else
      cmocka_unit_test(no_toolkit),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
