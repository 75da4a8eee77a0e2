/* SPDX-License-Identifier: MIT */
/* Planted bug: an exchange used as if it ordered memory, which on a GPU it does not. */
#include "planted.h"

static void neighbour(void *arg, uint32_t lane)
{
  (void)arg;
  shared_value[lane] = lane;
  uint64_t index = rk_team_exchange(lane, lane ^ 1u);
#ifdef FIXED
  rk_team_warp_sync();
#endif
  uint32_t seen = shared_value[index];
  rk_team_sync();
  if (lane == 0) {
    result = seen;
  }
}

int main(void)
{
  return run_block(neighbour);
}
