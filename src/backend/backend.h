/* SPDX-License-Identifier: MIT */
/*
 * A backend: where the resident grid runs. One table of functions for each kind of device.
 *
 * The runtime lays the grid's structs out (rk_abi.h) in memory that the backend maps, starts the
 * grid, and from then on speaks to it through rings alone. To add a backend: fill the table, name
 * it in backend.c, and make the whole spec suite pass on it.
 *
 * Memory is of two kinds. Shared memory has one address that host and grid use alike. Device memory
 * is the grid's: the host holds only its addresses, as numbers, and copies through the table.
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
  bool has_start, has_stop; /* handlers */
  bool has_migrate;
  uint32_t migrate_bytes; /* of the old state that its RK_MIGRATE takes */
} rk_backend_def;

/* What a definition is made from, in every form that some backend needs. Valid during the call. */
typedef struct rk_backend_source {
  const char *name;
  const char *c_source;            /* complete C; NULL: the stock definition `stock` */
  const void *stock;               /* its rk_module */
  const rk_backend_def *described; /* what it offers (without module), or NULL: not known yet */
  const char *device_fragment;     /* its part of a device source (cuda/cuda_unit.h), or NULL */
} rk_backend_source;

/* What an ordinary kernel is made from. Valid during the call. */
typedef struct rk_backend_global_source {
  const char *name;
  const char *c_source;    /* complete C */
  const char *device_unit; /* a complete device source, entry `rk_global`, or NULL */
  size_t param_bytes;      /* of its packed parameters */
} rk_backend_global_source;

typedef struct rk_backend_options {
  uint32_t device;
  uint32_t blocks;       /* 0 = the backend's choice */
  uint32_t cluster;      /* blocks that the device keeps together; 0 or 1 = it need not */
  bool counted_lanes;    /* lanes of a cluster in their counted form (rk_lane_dev.h) */
  uint32_t sms;          /* multiprocessors to set apart for the grid; 0 = none are */
  bool pin;              /* threads of blocks stay on a processor each, where blocks are threads */
  const char *cache_dir; /* NULL = default */
} rk_backend_options;

typedef struct rk_backend_info {
  const char *name;
  char device_name[96];
  uint32_t blocks;  /* that a grid has unless told otherwise */
  uint32_t cluster; /* blocks in a cluster, 1 where there are none */
  bool counted_lanes;
  uint32_t processors;
  uint32_t sms; /* those that the grid may use: `processors`, or those set apart for it */
  uint64_t memory_bytes;
  bool has_pool;     /* pool_map can be called */
  const char *claim; /* what keeps other processes' grids off the device; NULL: there is none */
} rk_backend_info;

/* A grid that is to run, as the host sees it. All of it stays where it is until the grid was joined.
 */
typedef struct rk_backend_grid {
  uint64_t address; /* of the rk_abi_grid, in device memory */
  uint32_t block_count;
  rk_abi_host *host;         /* shared */
  rk_abi_door *doors;        /* shared, [block_count] */
  const rk_wake *wake;       /* signalled when there are records for a host that waits */
  const char *const *names;  /* one text an actor slot; only read to report a crash */
  const uint64_t *k2h;       /* addresses of the rings to the host (rk_abi_ring), [block_count] */
  const uint64_t *k2h_heads; /* where the host stood in them when it began to wait */
} rk_backend_grid;

/* How launches of an ordinary kernel follow one another while they are timed. */
typedef enum rk_backend_pace {
  RK_PACE_LAUNCH, /* each launch is waited for */
  RK_PACE_STREAM, /* one behind the other, waited for once */
  RK_PACE_GRAPH   /* recorded once, the record replayed, waited for once */
} rk_backend_pace;

typedef struct rk_backend_timing {
  uint64_t launches;     /* that were timed; the graph's come in whole records */
  uint64_t host_ns;      /* from before the first launch until the last had ended */
  double device_seconds; /* the same as the device saw it; < 0: it does not say */
} rk_backend_timing;

struct rk_backend_ops {
  const char *name;
  /* Device memory is host memory: the host may follow device addresses. */
  bool is_unified;
  /* Memory (but pool_map's) can only be mapped, and code only be loaded, while no grid runs. */
  bool is_sealed;

  int (*open)(const rk_backend_options *options, rk_backend **out, rk_error *err);
  void (*close)(rk_backend *backend);
  void (*info)(const rk_backend *backend, rk_backend_info *out);

  /* Zeroed memory that host and grid reach at the same address, aligned to 4096 bytes. NULL when
   * there is none. */
  void *(*shared_map)(rk_backend *backend, size_t bytes);
  void (*shared_unmap)(rk_backend *backend, void *memory, size_t bytes);
  /* The device's own memory, zeroed and aligned alike; 0 when there is none. */
  uint64_t (*device_map)(rk_backend *backend, size_t bytes);
  void (*device_unmap)(rk_backend *backend, uint64_t address, size_t bytes);
  /* The same at any time, also while a grid runs on a sealed backend; only where rk_backend_info
   * says so. */
  uint64_t (*pool_map)(rk_backend *backend, size_t bytes);
  void (*pool_unmap)(rk_backend *backend, uint64_t address, size_t bytes);
  /* Copies that are complete when they return; nobody else touches the bytes meanwhile. (But for one
   * aligned 32-bit word that the grid writes with relaxed stores: a read of just it gets the value
   * before or after such a store.) `zero` may give memory back to the system. Errors: device_lost. */
  int (*device_write)(rk_backend *backend, uint64_t to, const void *from, size_t bytes,
                      rk_error *err);
  int (*device_read)(rk_backend *backend, void *to, uint64_t from, size_t bytes, rk_error *err);
  int (*device_zero)(rk_backend *backend, uint64_t address, size_t bytes, rk_error *err);

  /* Starts the grid and returns once every block has said hello. The host has cleared `hello` and
   * `done` of the doors. */
  int (*grid_start)(rk_backend *backend, const rk_backend_grid *grid, rk_error *err);
  /* Waits until every block has left its loop; the caller has asked them to. Returns false when one
   * does not within two seconds: then the grid and its memory must be left as they are. */
  bool (*grid_join)(rk_backend *backend);
  /* Wakes a block that may be asleep. The caller has published what it is to see. */
  void (*grid_bell)(rk_backend *backend, uint32_t block);
  /* The same, and also keeps a block awake that is just about to sleep: for what it does not look
   * at once more before it sleeps (room for messages to the host). */
  void (*grid_poke)(rk_backend *backend, uint32_t block);
  /* The host is about to sleep: watch the rings for it. NULL where blocks signal by themselves. */
  void (*host_waits)(rk_backend *backend);
  /* RK_OK, or the code and text of what ended the device. May be called at any time and often. */
  int (*health)(const rk_backend *backend, rk_error *err);

  /* These definitions will be loaded soon, none of them is yet: where all that a grid runs is one
   * image, it is compiled once for all of them. What goes wrong is told when they are loaded. NULL:
   * does not matter here. */
  void (*modules_expect)(rk_backend *backend, const rk_backend_source *sources, size_t count);
  /* Compiles and loads a definition, or takes the stock one. *log: see rk_kernel_compile. A loaded
   * module stays loaded until module_unload or close. */
  int (*module_load)(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                     char **log, rk_error *err);
  void (*module_unload)(rk_backend *backend, rk_backend_module *module);
  /* Fills the addresses of the handlers: handlers[type_count], and the start and stop handlers of
   * `def`. */
  void (*module_bind)(rk_backend *backend, rk_backend_module *module, rk_abi_handler *handlers,
                      rk_abi_def *def);

  /* An ordinary kernel: loads it once, then runs it with grid x block lanes and returns when all
   * ended. */
  int (*global_load)(rk_backend *backend, const rk_backend_global_source *source,
                     rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err);
  int (*global_run)(rk_backend *backend, rk_backend_module *module, uint32_t grid, uint32_t block,
                    const void *params, rk_error *err);
  /* Runs it `times` times after one run that is not timed, and says how long that took. No grid
   * runs on a sealed backend meanwhile. Errors: unsupported (pace), and those of global_run. */
  int (*global_time)(rk_backend *backend, rk_backend_module *module, uint32_t grid, uint32_t block,
                     const void *params, rk_backend_pace pace, uint32_t times,
                     rk_backend_timing *out, rk_error *err);
};
typedef struct rk_backend_ops rk_backend_ops;

/* The backend that `name` ("auto", "cpu", "cuda") means on this machine. Errors: no_device,
 * invalid. */
int rk_backend_select(const char *name, uint32_t device, const rk_backend_ops **out, rk_error *err);

/* ---- definition.c ---- */

struct rk_module; /* rk_module_cpu.h */

/* What the tables of a compiled or stock module say. `types` has room for one entry a type and is
 * filled; everything else of the answer points into the module. Threads: any. */
rk_backend_def rk_backend_def_of_module(const struct rk_module *module, rk_backend_type *types);

/* A copy of all that `def` says, texts included, in one piece that rk_free gives back; `module` is
 * NULL in it. Errors: out_of_memory. Threads: any. */
int rk_backend_def_copy(const rk_backend_def *def, rk_backend_def **out, rk_error *err);

/* Whether `loaded` is what `described` says it is. Errors: corrupt, with what differs. Threads: any.
 */
int rk_backend_def_match(const rk_backend_def *described, const rk_backend_def *loaded,
                         rk_error *err);

#endif
