/* SPDX-License-Identifier: MIT */
/*
 * What the planted programs share: each runs one block with ThreadSanitizer and holds one bug that
 * it must report. With -DFIXED the bug is mended and the program must be clean, so a report
 * is known to come from the bug. executor_test.c builds and runs them both ways: the fiber hooks of
 * cpu_fiber.c and cpu_team.c are right only as long as these reports come.
 */
#ifndef RK_SPEC_PLANTED_H
#define RK_SPEC_PLANTED_H

#include "backend/cpu/cpu_team.h"

#include <stdio.h>

#define LANES 64u

/* As RK_SHARED on the CPU: shared by the lanes of a block. */
static _Thread_local uint32_t shared_value[LANES];
static uint32_t result;

static int run_block(rk_team_fn *fn)
{
  rk_error err = RK_ERROR_INIT;
  rk_team *team;
  if (rk_team_open(LANES, &err, &team) != RK_OK ||
      rk_team_run(team, LANES, fn, NULL, &err) != RK_OK) {
    fprintf(stderr, "%s\n", err.text);
    return 2;
  }
  rk_team_close(team);
  printf("%u\n", result);
  return 0;
}

#endif
