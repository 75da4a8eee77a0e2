/* SPDX-License-Identifier: MIT */
/*
 * What the resident loop and handler modules ask of the machine they run on: the CPU's answers.
 *
 * The declarations stand in rk_dev.h (for the loop) and rk_module_cpu.h (for modules).
 */
#include "backend/cpu/cpu_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

#include "rk_dev.h"

_Thread_local rk_cpu_worker *rk__cpu_worker;
_Thread_local uint32_t rk__cpu_block, rk__cpu_blocks;

rk_u64 rk_port_clock_us(void)
{
  return rk_clock_wall_us();
}

rk_u64 rk_port_clock_ns(void)
{
  return rk_clock_wall_ns();
}

void rk_port_pause(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void rk_port_yield(void)
{
  rk_thread_yield();
}

void rk_port_sleep(rk_u32 *word, rk_u32 expected, rk_u64 timeout_ns)
{
  (void)rk_park(word, expected, timeout_ns);
}

/* So that a block that is about to sleep on the old value does not. */
void rk_port_bump(rk_u32 *word)
{
  (void)__atomic_fetch_add(word, 1u, __ATOMIC_ACQ_REL);
}

void rk_port_wake(rk_u32 *word)
{
  rk_port_bump(word);
  (void)rk_unpark(word, 1);
}

void rk_port_notify_host(rk_u64 grid)
{
  (void)grid;
  rk_wake_signal(rk__cpu_worker->backend->use.wake);
}

int rk_port_team_run(rk_u32 lanes, void (*run)(void *arg, rk_u32 lane), void *arg)
{
  rk_cpu_worker *worker = rk__cpu_worker;
  if (worker->team == NULL && rk_team_open(RK_TEAM_LANES_MAX, NULL, &worker->team) != RK_OK) {
    return RK_EOUT_OF_MEMORY;
  }
  return rk_team_run(worker->team, lanes, run, arg, NULL);
}

void rk_port_members(rk_u32 member, rk_u32 members)
{
  rk__cpu_worker->member = member;
  rk__cpu_worker->members = members;
}

/* Which handler runs for which actor on this thread; names are looked up only if it crashes. */
static _Thread_local rk_u64 running_handler;
static _Thread_local const rk_abi_actor *running_actor;
static _Thread_local rk_crash_scope running_scope;

/* In the signal handler. The list of modules only grows while a grid runs. */
static void resolve_scope(rk_crash_scope *scope)
{
  const rk_backend *backend = rk__cpu_worker->backend;
  const rk_abi_actor *actors = RK_PTR(const rk_abi_actor, backend->grid->actors);
  const char *name = backend->use.names[running_actor - actors];
  for (const rk_backend_module *m = backend->modules; m != NULL; m = m->next) {
    for (rk_u32 i = 0; m->module != NULL && i < m->module->type_count + 2u; ++i) {
      if (rk__cpu_handler_address(m->module, i) == running_handler) {
        *scope = m->scopes[i];
        scope->actor = name != NULL ? name : "?";
        return;
      }
    }
  }
  *scope = (rk_crash_scope){.actor = name != NULL ? name : "?", .kernel = "?", .handler = "?"};
}

void rk_port_scope(rk_u64 handler, const rk_abi_actor *actor)
{
  if (actor == NULL) {
    rk_crash_scope_set(NULL);
    return;
  }
  running_handler = handler;
  running_actor = actor;
  running_scope.resolve = resolve_scope;
  rk_crash_scope_set(&running_scope);
}

/* ---- ThreadSanitizer ------------------------------------------------------------------------- */

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
/* The dynamic loader makes a module's thread-local variables (RK_SHARED) when the first lane
 * touches one. To ThreadSanitizer that is a write by this lane which nothing orders before what the
 * others write there. */
const char *__tsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
  return "race:ld-linux\n";
}
#endif

/* ---- for modules ----------------------------------------------------------------------------- */

static rk_u32 ballot(int predicate)
{
  return rk_team_ballot(predicate != 0);
}
static rk_u32 block_number(void)
{
  return rk__cpu_worker != NULL ? rk__cpu_worker->member : rk__cpu_block;
}
static rk_u32 block_count(void)
{
  return rk__cpu_worker != NULL ? rk__cpu_worker->members : rk__cpu_blocks;
}

const rk_port_api rk__cpu_port_api = {
    .lane = rk_team_lane,
    .lanes = rk_team_lanes,
    .sync = rk_team_sync,
    .warp_sync = rk_team_warp_sync,
    .shuffle = rk_team_exchange,
    .ballot = ballot,
    .block = block_number,
    .blocks = block_count,
};
