/* SPDX-License-Identifier: MIT */
/* Planted bug: a barrier of the warp where one of the block is needed. */
#include "planted.h"

static void mirror(void *arg, uint32_t lane)
{
  (void)arg;
  shared_value[lane] = lane;
#ifdef FIXED
  rk_team_sync();
#else
  rk_team_warp_sync();
#endif
  uint32_t seen = shared_value[LANES - 1 - lane];
  rk_team_sync();
  if (lane == 0) {
    result = seen;
  }
}

int main(void)
{
  return run_block(mirror);
}
