/* SPDX-License-Identifier: MIT */
/*
 * How often each instruction of a module runs, by line of the PTX (RKFAKE_COUNT=file).
 *
 * Counting begins where a thread comes to `pmevent 0`, from nothing, and ends with `pmevent 1`,
 * which writes the file: "path of the PTX", then "line count" for each line that ran. An
 * instruction behind a predicate counts either way, for it is issued either way. All threads count.
 *
 * Without RKFAKE_COUNT nothing of this is compiled.
 */
#ifndef RKPTX_COUNT_H
#define RKPTX_COUNT_H

#if defined(RKP_COUNTS)

#include <stdlib.h>

static uint64_t rkp_steps[RKP_LINES];
static bool rkp_is_counting;

#define RKP_STEP(line)                                                \
  if (__atomic_load_n(&rkp_is_counting, __ATOMIC_RELAXED)) {          \
    (void)__atomic_fetch_add(&rkp_steps[line], 1u, __ATOMIC_RELAXED); \
  }

RKP_SLOW void rkp_count(bool begins)
{
  __atomic_store_n(&rkp_is_counting, begins, __ATOMIC_RELAXED);
  if (begins) {
    memset(rkp_steps, 0, sizeof(rkp_steps));
    return;
  }
  FILE *file = fopen(getenv("RKFAKE_COUNT"), "w");
  if (file == NULL) {
    rkfake_device->refuse("RKFAKE_COUNT: the file cannot be written");
    return;
  }
  (void)fprintf(file, "%s\n", RKP_PATH);
  for (int line = 0; line < RKP_LINES; line++) {
    if (rkp_steps[line] != 0) {
      (void)fprintf(file, "%d %llu\n", line, (unsigned long long)rkp_steps[line]);
    }
  }
  (void)fclose(file);
}

#else
#define RKP_STEP(line)
#define rkp_count(begins) (void)(begins)
#endif

#endif
