/* SPDX-License-Identifier: MIT */
/*
 * What the files of the CPU backend share.
 *
 *   cpu_backend.c  the table of functions, memory, information
 *   cpu_grid.c     threads of the grid; compiles the resident loop of kernels/include for this
 *   machine cpu_port.c     what that loop asks of its surroundings: clock, sleep, bells, lanes
 *   cpu_module.c   definitions and ordinary kernels: compile, load, bind cpu_compile.c  the system
 *   compiler and its cache;  cpu_team.c, cpu_fiber.c  lanes;  cpu_crash.c
 */
#ifndef RK_BACKEND_CPU_INTERNAL_H
#define RK_BACKEND_CPU_INTERNAL_H

#include "backend/backend.h"
#include "backend/cpu/cpu_crash.h"
#include "backend/cpu/cpu_team.h"
#include "base/thread.h"
#include "base/wake.h"

#include "rk_kernel.h"

typedef struct rk_cpu_worker { /* one block */
  rk_backend *backend;
  rk_thread *thread;
  rk_team *team; /* made when the first many-lane handler runs */
  uint32_t index;
  uint32_t member, members; /* among the blocks that run the handler */
} rk_cpu_worker;

struct rk_backend_module {
  rk_backend_module *next;
  void *handle; /* of the shared object; NULL for a stock definition */
  char *path;
  const rk_module *module; /* one of the two is set */
  const rk_global_module *global;
  rk_backend_type *types;
  /* [type_count + 2]: one a handler, then start and stop; without the actor */
  rk_crash_scope *scopes;
};

struct rk_backend {
  uint32_t blocks;
  bool pin;        /* block i stays on the i-th processor */
  char *cache_dir; /* NULL = default */
  rk_backend_module *modules;

  const rk_abi_grid *grid; /* NULL while no grid runs */
  rk_backend_grid use;     /* as the runtime gave it */
  rk_cpu_worker *workers;
  rk_team *team; /* lanes of ordinary launches, on the caller's thread */
};

/* The block that runs on this thread; NULL on others. */
extern _Thread_local rk_cpu_worker *rk__cpu_worker;
/* Block number and count that an ordinary launch shows to its lanes. */
extern _Thread_local uint32_t rk__cpu_block, rk__cpu_blocks;

/* Address of handler `index`; the start handler comes after the last, then the stop handler. 0 =
 * none. */
uint64_t rk__cpu_handler_address(const rk_module *module, uint32_t index);

/* The table that loaded modules reach lanes through. */
extern const rk_port_api rk__cpu_port_api;

int rk__cpu_grid_start(rk_backend *backend, const rk_backend_grid *grid, rk_error *err);
bool rk__cpu_grid_join(rk_backend *backend);
void rk__cpu_grid_bell(rk_backend *backend, uint32_t block);
void rk__cpu_grid_poke(rk_backend *backend, uint32_t block);

int rk__cpu_module_load(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                        char **log, rk_error *err);
void rk__cpu_module_unload(rk_backend *backend, rk_backend_module *module);
void rk__cpu_module_bind(rk_backend *backend, rk_backend_module *module, rk_abi_handler *handlers,
                         rk_abi_def *def);
int rk__cpu_global_load(rk_backend *backend, const rk_backend_global_source *source,
                        rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err);
int rk__cpu_global_run(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                       uint32_t block, const void *params, rk_error *err);
int rk__cpu_global_time(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                        uint32_t block, const void *params, rk_backend_pace pace, uint32_t times,
                        rk_backend_timing *out, rk_error *err);

#endif
