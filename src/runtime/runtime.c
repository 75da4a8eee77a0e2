/* SPDX-License-Identifier: MIT */
/*
 * The runtime: one opened backend with everything in it.
 */
#include "runtime/spill.h"
#include "runtime/tenant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/params.h"
#include "base/platform.h"

#define LETTERS_DEFAULT 10000u
#define TRIES_DEFAULT 3u
#define AGE_DEFAULT_NS (UINT64_C(3600) * 1000 * 1000 * 1000)
#define GRACE_NS (UINT64_C(30) * 1000 * 1000 * 1000) /* a device's handlers are short */

int rk__runtime_check(const rk_runtime *rt, rk_error *err)
{
  return rt->closing ? rk_error_set(err, RK_ECLOSED, "the runtime is closed")
                     : rk__runtime_lost(rt, err);
}

int rk_runtime_health(const rk_runtime *rt, rk_error *err)
{
  return rk__runtime_check(rt, err);
}

int rk__runtime_lost(const rk_runtime *rt, rk_error *err)
{
  if (rt->pid != rk_platform_current()->pid()) {
    return rk_error_set(err, RK_EFORKED, "the runtime belongs to the parent process; %s",
                        rt->ops->is_sealed ? "a forked child cannot use the device"
                                           : "open one in the child");
  }
  int rc = rt->ops->health(rt->backend, err);
  if (rc == RK_OK && rt->poisoned != RK_OK) {
    rc = rk_error_set(err, RK_EDEVICE_LOST, "%s",
                      rt->loss.status != RK_OK ? rt->loss.text
                                               : "the grid is lost; close the runtime");
  }
  return rc;
}

uint64_t rk_runtime_stamp(rk_runtime *rt)
{
  return rk_hlc_tick(&rt->clock);
}

int rk__no_memory(rk_runtime *rt, rk_error *err, const char *format, ...)
{
  int rc = rk__runtime_lost(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (rt->no_map.status != RK_OK) {
    rc = rt->no_map.status;
    (void)rk_error_set(err, rc, "%s", rt->no_map.text);
    rt->no_map = (rk_error)RK_ERROR_INIT;
    return rc;
  }
  rk_error said = RK_ERROR_INIT;
  va_list args;
  va_start(args, format);
  (void)vsnprintf(said.text, sizeof(said.text), format, args);
  va_end(args);
  return rk_error_set(err, RK_EOUT_OF_MEMORY, "%s", said.text);
}

static void free_loaded(rk_runtime *rt)
{
  size_t cursor = 0;
  void *value = NULL;
  while (rt->loaded != NULL && rk_idmap_next(rt->loaded, &cursor, NULL, &value)) {
    rk_free(value);
  }
  rk_idmap_close(rt->loaded);
  rk_idmap_close(rt->globals); /* the modules go with the backend */
}

/* Everything but the grid's threads, which have ended by now. */
static void free_runtime(rk_runtime *rt)
{
  rk__spill_close(rt);
  if (!rk__grid_stop(rt)) {
    rt->poisoned = RK_EDEVICE_LOST; /* it stays listed: no pause is possible beside it */
    return; /* a handler goes on for ever: what it may touch stays until the process ends */
  }
  rk__pubsub_close(rt);
  rk__events_close(rt);
  rk__buffers_close(rt);
  free_loaded(rt);
  if (rt->backend != NULL) {
    rk_error err = RK_ERROR_INIT;
    if (rk__pause_begin(rt, &err) == RK_OK) {
      rk__grid_close(rt);
      rt->ops->close(rt->backend);
      rk__seal_delist(rt);
      rk__pause_end(rt);
    } else {
      rk_log(RK_LOG_WARN, "runtime", "device memory is kept until the process ends: %s", err.text);
      rk__seal_delist(rt);
    }
  } else if (rt->ops != NULL) {
    rk__seal_delist(rt);
  }
  rk__tenants_close(rt);
  rk_namemap_close(rt->by_name);
  rk_idmap_close(rt->calls);
  rk_wake_close(&rt->wake);
  rk_free(rt->scratch);
  rk__runtime_unref(rt);
}

void rk__runtime_unref(rk_runtime *rt)
{
  if (--rt->refs == 0) {
    rk_free(rt->spill);
    rk_free(rt);
  }
}

static int make_tables(rk_runtime *rt, rk_error *err)
{
  rt->by_name = rk_namemap_new_lent(); /* actors have their names */
  rt->loaded = rk_idmap_new();
  rt->globals = rk_idmap_new();
  rt->calls = rk_idmap_new();
  rt->topics = rk_topic_tree_new();
  rt->retained_topics = rk_namemap_new();
  rt->scratch = rk_alloc_aligned(64, RK_PAYLOAD_MAX_BYTES + RK_TOPIC_BYTES);
  if (rt->by_name == NULL || rt->loaded == NULL || rt->globals == NULL || rt->calls == NULL ||
      rt->topics == NULL || rt->retained_topics == NULL || rt->scratch == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "open: out of memory");
  }
  return RK_OK;
}

/* By RK_POLICY_*. Where blocks sleep until they are woken, and for the host, a policy is how long they
 * spin before; < 0: RINGKERNEL_SPIN_US. */
static const struct {
  const char *name;
  int32_t spin_us;
} policies[] = {
    [RK_POLICY_BALANCED] = {"balanced", -1},
    [RK_POLICY_LATENCY] = {"latency", 1000},
    [RK_POLICY_ECO] = {"eco", 0},
};

static int choose_policy(rk_runtime *rt, const rk_runtime_options *use, rk_error *err)
{
  const char *name = use->policy != NULL ? use->policy : policies[RK_POLICY_BALANCED].name;
  for (rt->policy = 0; strcmp(name, policies[rt->policy].name) != 0;) {
    if (++rt->policy == RK_ARRAY_LEN(policies)) {
      return rk_error_set(err, RK_EINVAL, "policy: latency, balanced or eco expected, got '%s'",
                          name);
    }
  }
  rt->spin_us = use->spin_us >= 0 ? use->spin_us : policies[rt->policy].spin_us;
  return rt->spin_us >= 0 ? RK_OK : rk_param_int(RK_PARAM_SPIN_US, &rt->spin_us, err);
}

int rk_runtime_open(const rk_runtime_options *options, rk_runtime **out, rk_error *err)
{
  rk_nvtx_load();
  RK_NVTX_RANGE(RK_NVTX_OPEN, 0);
  static const rk_runtime_options defaults = {.spin_us = -1, .grace_s = -1};
  const rk_runtime_options *use = options != NULL ? options : &defaults;
  const char *name = use->backend != NULL ? use->backend : rk_param_text(RK_PARAM_BACKEND);
  rk_backend_options backend_options = {.device = use->device,
                                        .blocks = use->blocks,
                                        .cluster = use->cluster,
                                        .counted_lanes = rk__lanes_counted(use->cluster_lanes),
                                        .sms = use->sms,
                                        .pin = use->pin,
                                        .cache_dir = use->cache_dir};
  rk_backend_info info;
  rk_runtime *rt = rk_calloc(1, sizeof(*rt));
  if (rt == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "open: out of memory");
  }
  rt->refs = 1;
  rt->wake = (rk_wake)RK_WAKE_INIT;
  rt->ready_tail = &rt->ready;
  rt->events_tail = &rt->events;
  rt->hosted_tail = &rt->hosted;
  rt->pid = rk_platform_current()->pid();
  rt->checksum = use->checksum;
  rt->letters.limit = use->dead_letters != 0 ? use->dead_letters : LETTERS_DEFAULT;
  rt->letters.tries = use->dead_letter_tries != 0 ? use->dead_letter_tries : TRIES_DEFAULT;
  rt->letters.age_ns = use->dead_letter_age_ns != 0 ? use->dead_letter_age_ns : AGE_DEFAULT_NS;
  rt->budget = use->memory_budget;
  if (rt->letters.age_ns == UINT64_MAX) {
    rt->letters.age_ns = 0;
  }
  rt->trace_origin_ns = rk_clock_wall_ns();
  rt->grace_ns = (uint64_t)(use->grace_s > 0 ? use->grace_s : 0) * UINT64_C(1000000000);
  rk_hlc_init(&rt->clock, use->node, 0);
  int rc = rk__lanes_want(use, err);
  if (rc == RK_OK) {
    rc = choose_policy(rt, use, err);
  }
  if (rc == RK_OK) {
    rc = rk__transport_want(rt, use->transport, err);
  }
  if (rc == RK_OK) {
    rc = make_tables(rt, err);
  }
  if (rc == RK_OK && use->spill != NULL) {
    rc = rk__spill_open(rt, use->spill, use->spill_max, err);
  }
  if (rc == RK_OK) {
    rc = rk_wake_open(&rt->wake, err);
  }
  if (rc == RK_OK) {
    rc = rk_backend_select(name, use->device, &rt->ops, err);
  }
  if (rc == RK_OK && use->grace_s < 0 && rt->ops->is_sealed) {
    rt->grace_ns = GRACE_NS;
  }
  if (rc == RK_OK) {
    rk__seal_enlist(rt);
    rc = rk__pause_begin(rt, err);
  }
  if (rc == RK_OK) {
    rc = rt->ops->open(&backend_options, &rt->backend, err);
    if (rc == RK_OK) {
      rt->ops->info(rt->backend, &info);
      rt->has_pool = info.has_pool;
      rc = rk__grid_open(rt, use, info.blocks, err);
    }
    rk__pause_end(rt);
  }
  if (rc != RK_OK) {
    free_runtime(rt);
    return rc;
  }
  *out = rt;
  return RK_OK;
}

/* Lets the stop handlers of all actors run: each block answers Terminate when it has done that. */
static void stop_actors(rk_runtime *rt)
{
  rk_abi_command command = {.code = RK_CMD_TERMINATE};
  if (!rt->running || rk__runtime_check(rt, NULL) != RK_OK) {
    return;
  }
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    (void)rk__command(rt, i, 0u, &command, NULL, NULL);
  }
}

/* Handles outlive the runtime: give back what the registry holds of them. */
static void orphan_actors(rk_runtime *rt)
{
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    rk_actor *actor = rt->by_slot[slot];
    if (actor != NULL) {
      rt->by_slot[slot] = NULL;
      actor->life = RK_STATE_TERMINATED;
      rk__actor_unref(actor);
    }
  }
}

void rk_runtime_close(rk_runtime *rt)
{
  if (rt == NULL) {
    return;
  }
  if (rt->pid != rk_platform_current()->pid()) {
    return;
  } /* the threads are not in this process */
  RK_NVTX_RANGE(RK_NVTX_CLOSE, 0);
  rt->stopping = true;
  stop_actors(rt);
  rt->closing = true;
  rk__hosted_close(rt);
  rk__letters_close(rt);
  orphan_actors(rt);
  free_runtime(rt);
}

void rk_runtime_info_get(const rk_runtime *rt, rk_runtime_info *out)
{
  rk_backend_info info;
  rt->ops->info(rt->backend, &info);
  *out = (rk_runtime_info){.backend = info.name,
                           .policy = policies[rt->policy].name,
                           .blocks = rt->block_count,
                           .cluster = info.cluster,
                           .cluster_lanes = rk__lanes_name(&info),
                           .processors = info.processors,
                           .sms = info.sms,
                           .has_async_buffers = !rt->ops->is_sealed || info.has_pool,
                           .max_actors = rt->actor_capacity,
                           .abi_version = RK_ABI_VERSION,
                           .generation = rt->generation_count,
                           .memory_bytes = info.memory_bytes,
                           .device_claim = info.claim,
                           .transport = rk__transport_name(rt)};
  memcpy(out->transport_why, rt->transport_why, sizeof(out->transport_why));
  (void)snprintf(out->device_name, sizeof(out->device_name), "%s", info.device_name);
}

void rk_runtime_stats_get(rk_runtime *rt, rk_runtime_stats *out)
{
  if (rk__runtime_check(rt, NULL) == RK_OK) {
    (void)rk__drain(rt);
  }
  rk__letters_expire(rt);
  *out = rt->stats;
  out->memory_used = rk_runtime_memory_used(rt);
  rk__spill_stats(rt, out);
  out->dead_letters_kept = rt->letters.count;
  out->dead_letter_bytes = rt->letters.bytes;
  out->handled = 0;
  out->by_lane = 0;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    out->handled += rk_ld_relaxed_sys_u64(&rt->blocks[i].door->handled);
    out->by_lane += rk_ld_relaxed_sys_u64(&rt->blocks[i].door->laned);
  }
  out->subscriptions = rt->subscription_count;
  out->device_bytes = rt->arena.taken_bytes + rt->pool_bytes;
}
