/* SPDX-License-Identifier: MIT */
/*
 * Reading NVRTC's log: places, what is left out, the first error, the figures of the assembler.
 */
#include "backend/cuda/cuda_nvrtc_internal.h"

#include "base/alloc.h"
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void log_lines_are_put_into_our_form(void **state)
{
  (void)state;
  static const struct {
    const char *theirs, *ours;
  } cases[] = {
      {"", ""},
      {"user.cu(12): error: identifier \"x\" is undefined\n",
       "user.cu:12: error: identifier \"x\" is undefined\n"},
      {"a (1).cu(3): warning #177-D: variable \"y\" was declared but never referenced\n"
       "  int y;\n"
       "      ^\n"
       "\n"
       "Remark: The warnings can be suppressed with \"-diag-suppress <warning-number>\"\n\n",
       "a (1).cu:3: warning: variable \"y\" was declared but never referenced [#177-D]\n"
       "  int y;\n"
       "      ^\n"},
      {"k.cu(1): catastrophic error: cannot open source file \"z.h\"\n"
       "  #include \"z.h\"\n"
       "\n"
       "1 catastrophic error detected in the compilation of \"k.cu\".\n"
       "Compilation terminated.\n",
       "k.cu:1: fatal error: cannot open source file \"z.h\"\n"
       "  #include \"z.h\"\n"},
      {"ptxas info    : 0 bytes gmem\n"
       "ptxas info    : Function properties for rk_grid\n"
       "ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
       "    8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
       "ptxas warning : Stack size cannot be known\n"
       "ptxas error   : too much shared data\n",
       "ptxas: warning: Stack size cannot be known\nptxas: error: too much shared data\n"},
      {"ptxas application ptx input, line 29; error   : Unknown modifier '.op'\n"
       "ptxas fatal   : Ptx assembly aborted due to errors",
       "ptx:29: error: Unknown modifier '.op'\n"
       "ptxas: fatal error: Ptx assembly aborted due to errors\n"},
      /* What looks like a message and is none stays as it is. */
      {"  f(12): error\n(3): error: x\nx(y): error: z\n",
       "  f(12): error\n(3): error: x\nx(y): error: z\n"},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    char text[1024];
    assert_true(2 * strlen(cases[i].theirs) + 1 <= sizeof(text));
    rk__nvrtc_log_clean(cases[i].theirs, strlen(cases[i].theirs), text);
    assert_string_equal(text, cases[i].ours);
  }
  /* Zero bytes stand between the messages of the assembler. */
  static const char zeros[] = "ptxas info    : x\n\0ptxas error   : y\n";
  char text[2 * sizeof(zeros) + 1];
  rk__nvrtc_log_clean(zeros, sizeof(zeros), text);
  assert_string_equal(text, "ptxas: error: y\n");
}

static void log_never_grows_past_its_room(void **state)
{
  (void)state;
  /* The worst there is: short lines whose number moves to the end, and no line end at the last. */
  static const char log[] = "a(1): error #1: \na(1): error #1: \na(1): error #1: ";
  size_t size = strlen(log);
  char *text = rk_alloc(2 * size + 1); /* an exact block, for AddressSanitizer */
  assert_non_null(text);
  rk__nvrtc_log_clean(log, size, text);
  assert_string_equal(text, "a:1: error:  [#1]\na:1: error:  [#1]\na:1: error:  [#1]\n");
  for (size_t cut = 0; cut < size; cut++) { /* any end of the log is an end */
    rk__nvrtc_log_clean(log, cut, text);
    assert_true(strlen(text) <= 2 * cut);
  }
  rk_free(text);
}

static void first_error_is_found(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk__nvrtc_log_first_error("a.cu:1: warning: w\na.cu:2: error: first\n"
                                             "a.cu:3: fatal error: second\n",
                                             &err),
                   RK_ECOMPILE);
  assert_string_equal(err.text, "a.cu:2: first");
  assert_int_equal(rk__nvrtc_log_first_error("a.h:7: fatal error: gone\n", &err), RK_ECOMPILE);
  assert_string_equal(err.text, "a.h:7: gone");
  rk__nvrtc_log_first_error("odd\nmore\n", &err);
  assert_non_null(strstr(err.text, ": odd"));
  assert_null(strstr(err.text, "more"));
  rk__nvrtc_log_first_error("", &err);
  assert_non_null(strstr(err.text, "does not say why"));
}

static void usage_is_read(void **state)
{
  (void)state;
  static const char log[] =
      "user.cu(1): warning #177-D: x\n"
      "ptxas info    : 1 bytes gmem\n"
      "ptxas info    : Compiling entry function 'other' for 'sm_90'\n"
      "ptxas info    : Function properties for other\n"
      "ptxas         .     512 bytes stack frame, 1 bytes spill stores, 2 bytes spill loads\n"
      "ptxas info    : Used 99 registers, used 0 barriers\n"
      "ptxas info    : Compiling entry function 'rk_grid' for 'sm_90'\n"
      "ptxas info    : Function properties for rk_grid\n"
      "ptxas         .     64 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n"
      "ptxas info    : Used 28 registers, used 2 barriers, 192 bytes cumulative stack size, "
      "1192 bytes smem\n"
      "ptxas info    : Function properties for helper\n"
      "ptxas         .     8 bytes stack frame, 16 bytes spill stores, 32 bytes spill loads\n";
  rk_nvrtc_usage usage;
  rk__nvrtc_log_usage(log, sizeof(log), "rk_grid", &usage);
  assert_int_equal(usage.is_known, 1);
  assert_int_equal(usage.registers, 28);
  assert_int_equal(usage.barriers, 2);
  assert_int_equal(usage.shared_bytes, 1192);
  assert_int_equal(usage.stack_bytes, 192);
  assert_int_equal(usage.spill_store_bytes, 21);
  assert_int_equal(usage.spill_load_bytes, 42);

  /* Older assemblers: no dot, constant memory told, no barriers. */
  static const char old[] = "ptxas info    : Compiling entry function 'rk_grid' for 'sm_75'\n"
                            "ptxas info    : Function properties for rk_grid\n"
                            "    40 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                            "ptxas info    : Used 16 registers, 360 bytes cmem[0]";
  rk__nvrtc_log_usage(old, strlen(old), "rk_grid", &usage);
  assert_int_equal(usage.is_known, 1);
  assert_int_equal(usage.registers, 16);
  assert_int_equal(usage.barriers, 0);
  assert_int_equal(usage.shared_bytes, 0);
  assert_int_equal(usage.stack_bytes, 40);

  rk__nvrtc_log_usage(log, sizeof(log), "rk_gri", &usage); /* the whole name counts */
  assert_int_equal(usage.is_known, 0);
  assert_int_equal(usage.spill_store_bytes, 0);
  rk__nvrtc_log_usage("", 0, "rk_grid", &usage);
  assert_int_equal(usage.is_known, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(log_lines_are_put_into_our_form),
      cmocka_unit_test(log_never_grows_past_its_room),
      cmocka_unit_test(first_error_is_found),
      cmocka_unit_test(usage_is_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
