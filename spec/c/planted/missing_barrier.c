/* SPDX-License-Identifier: MIT */
/* Planted bug: a tree reduction with no barrier between its levels. */
#include "planted.h"

static void reduce(void *arg, uint32_t lane)
{
  (void)arg;
  shared_value[lane] = lane;
  rk_team_sync();
  for (uint32_t half = LANES / 2; half > 0; half /= 2) {
    if (lane < half) {
      shared_value[lane] += shared_value[lane + half];
    }
#ifdef FIXED
    rk_team_sync();
#endif
  }
  if (lane == 0) {
    result = shared_value[0];
  }
}

int main(void)
{
  return run_block(reduce);
}
