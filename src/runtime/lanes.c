/* SPDX-License-Identifier: MIT */
/*
 * The form of a cluster's lanes (rk_lane_dev.h): what was asked for, and what the blocks' self-test
 * said of it (rk_lane_test_dev.h).
 *
 * The form is part of the grid's source, so there is nothing to choose at run time: it passes or the
 * runtime cannot be used. Blocks test it themselves, in their first generation, before they say
 * hello; here is only read what came of it.
 */
#include "runtime/internal.h"

#include <string.h>

#include "base/log.h"

#include "rk_lane_test_dev.h"

bool rk__lanes_counted(const char *lanes)
{
  return lanes != NULL && strcmp(lanes, "counted") == 0;
}

int rk__lanes_want(const rk_runtime_options *options, rk_error *err)
{
  const char *lanes = options->cluster_lanes;
  if (lanes == NULL) {
    return RK_OK;
  }
  if (strcmp(lanes, "plain") != 0 && strcmp(lanes, "counted") != 0) {
    return rk_error_set(err, RK_EINVAL, "cluster_lanes: plain or counted expected, got '%s'",
                        lanes);
  }
  return options->cluster > 1 ? RK_OK
                              : rk_error_set(err, RK_EINVAL,
                                             "cluster_lanes: says nothing without a cluster of 2 "
                                             "or more blocks");
}

const char *rk__lanes_name(const rk_backend_info *info)
{
  if (info->cluster < 2) {
    return NULL;
  }
  return info->counted_lanes ? "counted" : "plain";
}

/* The other form may pass where this one does not, for it asks other things of the device. */
static int refuse(rk_runtime *rt, const rk_backend_info *info, uint32_t block, uint64_t told,
                  rk_error *err)
{
  uint32_t from = block - block % info->cluster + RK_LANES_RANK(told);
  rt->poisoned = RK_ECORRUPT; /* the grid runs, but nothing may be sent */
  return rk_error_set(
      err, RK_ECORRUPT,
      "cluster_lanes '%s': they failed their self-test here: entry %u from block %u "
      "to block %u %s; open with cluster_lanes = \"%s\", or without cluster",
      rk__lanes_name(info), RK_LANES_ENTRY(told), from, block,
      RK_LANES_HOW(told) == RK_LANES_LATE ? "never came" : "came changed",
      info->counted_lanes ? "plain" : "counted");
}

int rk__lanes_check(rk_runtime *rt, rk_error *err)
{
  rk_backend_info info;
  rt->ops->info(rt->backend, &info);
  if (info.cluster < 2) {
    return RK_OK;
  }
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    uint64_t told = rk_ld_relaxed_sys_u64(&rt->blocks[i].door->lanes);
    if (told != RK_LANES_PASSED) {
      return refuse(rt, &info, i, told, err);
    }
  }
  rk_log(RK_LOG_INFO, "lanes",
         "%s passed their self-test: %u entries to each peer in clusters of %u",
         rk__lanes_name(&info), RK_LANES_TEST_ENTRIES, info.cluster);
  return RK_OK;
}
