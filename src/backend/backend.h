/* SPDX-License-Identifier: MIT */
/*
 * A backend: where the resident grid runs. One table of functions for each kind of device.
 *
 * The runtime lays the grid's shared structs out (rk_abi.h) in memory that the backend maps, starts
 * the grid, and from then on speaks to it through rings alone. To add a backend: fill the table,
 * name it in backend.c, and make the whole spec suite pass on it.
 *
 * Threads: a backend belongs to its runtime's thread; only `host_wake` is signalled from elsewhere.
 */
#ifndef RK_BACKEND_BACKEND_H
#define RK_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/wake.h"

#include "rk_abi.h"

typedef struct rk_backend rk_backend;

/* What a loaded definition offers, whichever backend loaded it. Strings live as long as the module.
 */
typedef struct rk_backend_type {
  const char *name;
  uint32_t id;
  uint32_t size_bytes;
} rk_backend_type;

typedef struct rk_backend_module rk_backend_module; /* each backend's own */

typedef struct rk_backend_def {
  rk_backend_module *module;
  const char *name;
  const rk_backend_type *types; /* accepted, [type_count] */
  const char *const *ports;     /* [port_count] */
  const uint32_t *emits;        /* type ids that may leave, [emit_count] */
  uint32_t type_count, port_count, emit_count;
  uint32_t lanes, burst, state_bytes, emit_bytes;
} rk_backend_def;

typedef struct rk_backend_options {
  uint32_t device;
  uint32_t blocks;       /* 0 = the backend's choice */
  const char *cache_dir; /* NULL = default */
} rk_backend_options;

typedef struct rk_backend_info {
  const char *name;
  char device_name[96];
  uint32_t blocks; /* that a grid has unless told otherwise */
  uint32_t processors;
  uint64_t memory_bytes;
} rk_backend_info;

struct rk_backend_ops {
  const char *name;

  int (*open)(const rk_backend_options *options, rk_backend **out, rk_error *err);
  void (*close)(rk_backend *backend);
  void (*info)(const rk_backend *backend, rk_backend_info *out);

  /* Zeroed memory that host and grid reach at the same address; costs memory only where touched.
   * NULL when there is none. `release` makes a part of it zero and cheap again. */
  void *(*memory_map)(rk_backend *backend, size_t bytes);
  void (*memory_unmap)(rk_backend *backend, void *memory, size_t bytes);
  void (*memory_release)(rk_backend *backend, void *memory, size_t bytes);

  /* Starts the grid that `grid` describes and returns once every block has said hello. `names` (one
   * text per actor slot, kept up to date by the runtime) is only read to report a crash. */
  int (*grid_start)(rk_backend *backend, rk_abi_grid *grid, const rk_wake *host_wake,
                    const char *const *names, rk_error *err);
  /* Waits until every block has left its loop; the caller has asked them to. Returns false when one
   * does not within two seconds: then the grid and its memory must be left as they are. */
  bool (*grid_join)(rk_backend *backend);
  /* Wakes a block that may be asleep. The caller has published what it is to see. */
  void (*grid_bell)(rk_backend *backend, uint32_t block);
  /* The same, and also keeps a block awake that is just about to sleep: for what it does not look
   * at once more before it sleeps (room for messages to the host). */
  void (*grid_poke)(rk_backend *backend, uint32_t block);

  /* Compiles and loads a definition (`source`), or takes the stock one (`stock`, source NULL).
   * *log: see rk_kernel_compile. A loaded module stays loaded until module_unload or close. */
  int (*module_load)(rk_backend *backend, const char *name, const char *source, const void *stock,
                     rk_backend_def *out, char **log, rk_error *err);
  void (*module_unload)(rk_backend *backend, rk_backend_module *module);
  /* Fills the addresses of the handlers: handlers[type_count], and the start and stop handlers of
   * `def`. */
  void (*module_bind)(rk_backend *backend, rk_backend_module *module, rk_abi_handler *handlers,
                      rk_abi_def *def);

  /* An ordinary kernel: loads it once, then runs it with grid x block lanes and returns when all
   * ended. */
  int (*global_load)(rk_backend *backend, const char *name, const char *source,
                     rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err);
  int (*global_run)(rk_backend *backend, rk_backend_module *module, uint32_t grid, uint32_t block,
                    const void *params, rk_error *err);
};
typedef struct rk_backend_ops rk_backend_ops;

/* The backend that `name` ("auto", "cpu", "cuda") means on this machine. Errors: no_device,
 * invalid. */
int rk_backend_select(const char *name, const rk_backend_ops **out, rk_error *err);

#endif
