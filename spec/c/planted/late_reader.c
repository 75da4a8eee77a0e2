/* SPDX-License-Identifier: MIT */
/* Planted bug: one lane writes after a barrier what the others read after the same barrier. The
 * writer reaches the next barrier before the readers have left this one, so hooks that use one word
 * for all turns would hide it. */
#include "planted.h"

static void broadcast(void *arg, uint32_t lane)
{
  (void)arg;
  for (uint32_t round = 0; round < 4; round++) {
    rk_team_sync();
    if (lane == LANES - 1) {
      shared_value[0] = round;
    }
#ifdef FIXED
    rk_team_sync();
#endif
    if (lane == round) {
      result = shared_value[0];
    }
    rk_team_sync();
  }
}

int main(void)
{
  return run_block(broadcast);
}
