/* SPDX-License-Identifier: MIT */
/*
 * The claims that this process has on devices: a list with one entry for each device, counted.
 *
 * The claim itself is the platform's (a record lock on a file named by the device's UUID). A process
 * that has a file claimed must not open it again, so the list is asked before the platform is.
 */
#include "backend/cuda/cuda_claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/params.h"
#include "base/platform.h"
#include "base/thread.h"

#define PATH_BYTES 96
#define NO_CLAIM (-1) /* shared with a process that does not share, or not checked */

struct rk_cuda_claim {
  rk_cuda_claim *next;
  char path[PATH_BYTES];
  const char *kind;
  uint64_t pid;   /* of the process that took it: a forked child has only a copy */
  uint32_t count; /* of those that use it */
  int claim;      /* the platform's, or NO_CLAIM */
};

static rk_mutex lock = RK_MUTEX_INIT;
static rk_cuda_claim *list;

static void path_of(const rk_cuda_device_info *info, char *path)
{
  (void)snprintf(path, PATH_BYTES, "/tmp/ringkernel-%s.claim", info->uuid);
}

static rk_cuda_claim *find_locked(const char *path)
{
  uint64_t pid = rk_platform_current()->pid();
  for (rk_cuda_claim *c = list; c != NULL; c = c->next) {
    if (c->pid == pid && strcmp(c->path, path) == 0) {
      return c;
    }
  }
  return NULL;
}

/* The name of a process, empty where the system does not say. */
static void read_name(uint64_t pid, char *name, size_t name_bytes)
{
  char path[64];
  void *text = NULL;
  size_t size = 0;
  name[0] = '\0';
  (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/comm", pid);
  if (pid != 0 && rk_platform_current()->file_read(path, 256, &text, &size, NULL) == RK_OK) {
    (void)snprintf(name, name_bytes, "%.*s", (int)strcspn(text, "\n"), (const char *)text);
    rk_free(text);
  }
}

static int refuse(const rk_cuda_device_info *info, uint64_t pid, rk_error *err)
{
  char name[32], who[80] = "another process";
  read_name(pid, name, sizeof(name));
  if (pid != 0) {
    bool is_named = name[0] != '\0';
    (void)snprintf(who, sizeof(who), "process %" PRIu64 "%s%s%s", pid, is_named ? " (" : "", name,
                   is_named ? ")" : "");
  }
  return rk_error_set(
      err, RK_ENO_DEVICE,
      "device %u (%s): %s has it for its grid, and grids of two processes would hold "
      "each other up; end that one, use another device or backend = \"cpu\", run both "
      "under MPS, or set RINGKERNEL_SHARE_DEVICE=1 to share it all the same",
      info->ordinal, info->name, who);
}

/* How this process would hold the device. */
static int choose_kind(const rk_cuda_device_info *info, const char **kind, rk_error *err)
{
  int64_t is_forced = 0;
  int rc = rk_param_int(RK_PARAM_SHARE_DEVICE, &is_forced, err);
  if (rc == RK_OK) {
    *kind = info->has_mps ? "mps" : is_forced != 0 ? "shared" : "exclusive";
  }
  return rc;
}

static int take_locked(const rk_cuda_device_info *info, const char *kind, rk_cuda_claim *made,
                       rk_error *err)
{
  rk_error why = RK_ERROR_INIT;
  uint64_t holder = 0;
  bool is_shared = strcmp(kind, "exclusive") != 0;
  int rc = rk_platform_current()->claim_take(made->path, is_shared, &made->claim, &holder, &why);
  if (rc == RK_EEXISTS && !is_shared) {
    return refuse(info, holder, err);
  }
  made->kind = kind;
  if (rc != RK_OK && rc != RK_EEXISTS) {
    made->kind = is_shared ? kind : "unchecked";
    rk_log(RK_LOG_INFO, "cuda", "whether another process uses %s is not checked: %s", info->name,
           why.text);
  }
  return RK_OK;
}

int rk_cuda_claim_take(const rk_cuda_device_info *info, rk_cuda_claim **out, rk_error *err)
{
  const char *kind = NULL;
  int rc = choose_kind(info, &kind, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_cuda_claim *made = rk_calloc(1, sizeof(*made));
  if (made == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "claim on the device: out of memory");
  }
  path_of(info, made->path);
  made->claim = NO_CLAIM;
  made->pid = rk_platform_current()->pid();

  rk_mutex_lock(&lock);
  rk_cuda_claim *found = find_locked(made->path);
  if (found == NULL) {
    rc = take_locked(info, kind, made, err);
    if (rc == RK_OK) {
      found = made;
      made = NULL;
      found->next = list;
      list = found;
    }
  }
  if (found != NULL) {
    found->count++;
    *out = found;
  }
  rk_mutex_unlock(&lock);
  rk_free(made);
  return rc;
}

static void give_up(rk_cuda_claim *claim)
{
  if (claim->claim != NO_CLAIM) {
    rk_platform_current()->claim_drop(claim->path, claim->claim);
    claim->claim = NO_CLAIM;
  }
}

void rk_cuda_claim_drop(rk_cuda_claim *claim)
{
  if (claim == NULL || claim->pid != rk_platform_current()->pid()) {
    return;
  }
  rk_mutex_lock(&lock);
  bool is_last = --claim->count == 0;
  if (is_last) {
    rk_cuda_claim **at = &list;
    while (*at != claim) {
      at = &(*at)->next;
    }
    *at = claim->next;
    give_up(claim);
  }
  rk_mutex_unlock(&lock);
  if (is_last) {
    rk_free(claim);
  }
}

void rk_cuda_claims_end(void)
{
  uint64_t pid = rk_platform_current()->pid();
  rk_mutex_lock(&lock);
  for (rk_cuda_claim *c = list; c != NULL; c = c->next) {
    if (c->pid == pid) {
      give_up(c);
    }
  }
  rk_mutex_unlock(&lock);
}

const char *rk_cuda_claim_kind(const rk_cuda_claim *claim)
{
  return claim->kind;
}

bool rk_cuda_claim_holder(const rk_cuda_device_info *info, rk_cuda_holder *out)
{
  char path[PATH_BYTES];
  rk_cuda_holder holder = {0};
  path_of(info, path);
  rk_mutex_lock(&lock);
  const rk_cuda_claim *own = find_locked(path);
  bool is_held = (own == NULL || own->claim == NO_CLAIM) &&
                 rk_platform_current()->claim_holder(path, &holder.is_shared, &holder.pid, NULL) ==
                     RK_OK;
  rk_mutex_unlock(&lock);
  if (is_held) {
    read_name(holder.pid, holder.name, sizeof(holder.name));
    *out = holder;
  }
  return is_held;
}

int rk_cuda_claim_check(const rk_cuda_device_info *info, rk_error *err)
{
  const char *kind = NULL;
  rk_cuda_holder holder;
  int rc = choose_kind(info, &kind, err);
  if (rc == RK_OK && strcmp(kind, "exclusive") == 0 && rk_cuda_claim_holder(info, &holder)) {
    rc = refuse(info, holder.pid, err);
  }
  return rc;
}
