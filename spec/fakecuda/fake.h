/* SPDX-License-Identifier: MIT */
/*
 * Inside of the fake driver: what its files know of each other.
 *
 *   fake_device.c   driver, devices, contexts, properties from the environment
 *   fake_faults.c   planned faults, the sticky error, counters, the lint, rkfake_* functions
 *   fake_memory.c   allocations, addresses, pools;  fake_copy.c  copies and fills
 *   fake_stream.c   streams and their workers;  fake_event.c;  fake_graph.c  capture and replay
 *   fake_module.c   images, functions;  fake_unit.c  from an image to code that runs here, built by
 *   fake_compile.c  from the device source, or by  fake_ptx.c  from PTX, with  fake_build.c
 *   fake_launch.c   launches, occupancy;  fake_exec.c  threads of a block;  fake_green.c
 *   fake_table.c    cuGetProcAddress
 *
 * One lock guards everything; whoever changes something that others wait for broadcasts. Functions
 * whose name ends in _locked want it held, all others must be called without it.
 */
#ifndef FAKE_H
#define FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fakecuda.h"
#include "fake_exec.h"

/* ---- the whole ---- */

typedef struct rkf_config {
  int cc;           /* RKFAKE_CC: 90 is compute capability 9.0 */
  int sms;          /* RKFAKE_SMS */
  int compute_mode; /* RKFAKE_COMPUTE_MODE */
  bool mps;         /* RKFAKE_MPS */
  int gpc;          /* RKFAKE_GPC: multiprocessors that a cluster can be spread over; 0: all */
  int driver;       /* RKFAKE_DRIVER: 13000 is version 13.0 */
  int devices;      /* RKFAKE_DEVICES */
  int init;         /* RKFAKE_INIT: what cuInit returns */
  int registers;    /* RKFAKE_REGISTERS: of every kernel, a thread */
  int occupancy;    /* RKFAKE_OCCUPANCY: blocks a multiprocessor; 0: from threads and registers */
  int local_bytes;  /* RKFAKE_LOCAL: local memory of a thread of each kernel that is not resident */
  int slow_us;      /* RKFAKE_SLOW_US: before each thing a stream does, and in each pause */
  int dice;         /* RKFAKE_DICE: chooses who of a block runs next; 0: in turn */
  int clock_ms;     /* RKFAKE_CLOCK_MS: the device's clock is so far ahead of the host's */
  int kill_us;      /* RKFAKE_KILL_US: how long a kernel that is to die runs first */
  size_t memory;    /* RKFAKE_MEMORY: bytes of each device */
  bool cooperative; /* RKFAKE_COOPERATIVE */
  bool map;         /* RKFAKE_MAP: host memory can be mapped */
  bool uva;         /* RKFAKE_UVA: one address on both sides */
  bool ignore_exit; /* RKFAKE_IGNORE_EXIT: kernels never report that they have ended */
  bool lint_aborts; /* RKFAKE_LINT=abort */
  const char *missing;  /* RKFAKE_NO: names that do not resolve, with commas */
  const char *resident; /* RKFAKE_RESIDENT: kernels that are resident beside cooperative ones */
} rkf_config;

typedef struct rkf_counts {
  long memory, streams, events, modules, graphs, contexts, pools;
} rkf_counts;

typedef struct rkf_op rkf_op;

struct CUctx_st {
  int device;
  int references; /* of the primary context */
  unsigned flags;
  unsigned sms; /* that its kernels may use */
  bool is_alive;
};

typedef struct rkf_state {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  rkf_config config;
  rkf_counts live;
  bool is_initialised;
  int sticky; /* 0 or what every call returns since a fault on the device */
} rkf_state;

extern rkf_state rkf;

void rkf_lock(void);
void rkf_unlock(void);
void rkf_wait_locked(void);
void rkf_changed_locked(void);

/* Reads the environment; by the first call that needs it, and by rkfake_reset. */
void rkf_config_read(void);

#define RKF_DEVICES_MAX 8

/* ---- entering a function ---- */

typedef enum rkf_need { RKF_ANY, RKF_INIT, RKF_CONTEXT } rkf_need;

/* First thing in every exported function: counts the call, strikes with a planned fault, and says
 * what is missing: initialisation, a current context that is alive and not broken. */
CUresult rkf_enter(const char *name, rkf_need need);
#define RKF_ENTER(need)                            \
  do {                                             \
    CUresult entered_ = rkf_enter(__func__, need); \
    if (entered_ != CUDA_SUCCESS) {                \
      return entered_;                             \
    }                                              \
  } while (0)

#define RKF_EXPORT __attribute__((visibility("default")))

/* A line on standard error, "rkfake: " before it. */
void rkf_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that the program did something wrong, counts it, aborts if so configured. */
void rkf_lint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* If `waits`: the finding, and CUDA_ERROR_NOT_PERMITTED. */
CUresult rkf_would_wait(const char *call, bool waits);

/* Local memory of a thread of the kernel; takes it for a launch, or would wait for the device. */
int rkf_local_bytes(const char *kernel);
CUresult rkf_local_take(const char *call, const char *kernel);

/* The code that the kernel launched now is to die with, or 0. */
int rkf_kernel_fault(void);

CUcontext rkf_context(void);
bool rkf_device_exists(CUdevice device);

/* ---- memory ---- */

typedef enum rkf_kind { RKF_DEVICE, RKF_HOST, RKF_REGISTERED, RKF_GLOBAL } rkf_kind;

typedef struct rkf_memory {
  uintptr_t start; /* where the host has it */
  size_t bytes;
  size_t mapped_bytes;   /* of its pages; 0: not mapped by the fake */
  uintptr_t device_side; /* where kernels have it, without the tag; `start` but without UVA */
  CUdeviceptr address;   /* as the program knows it */
  rkf_kind kind;
  unsigned flags;
  int device;
  CUmemoryPool pool; /* NULL: none */
} rkf_memory;

CUresult rkf_memory_new(size_t bytes, rkf_kind kind, unsigned flags, CUmemoryPool pool,
                        rkf_memory *made);
/* Forgets the allocation that begins at `address`, and unmaps it. */
CUresult rkf_memory_end(CUdeviceptr address, rkf_kind kind, const char *call);
/* A variable of a module. */
CUresult rkf_memory_add_global(void *start, size_t bytes, CUdeviceptr *address);
void rkf_memory_drop_globals(uintptr_t start, uintptr_t end);

/* Where [address, address + bytes) is, for `call`; NULL and a finding if that is no memory that
 * the device can reach. */
unsigned char *rkf_memory_at(CUdeviceptr address, size_t bytes, const char *call);
/* The same for a host address: anything but a device address. *is_pinned: known to the driver. */
bool rkf_host_ok(const void *start, size_t bytes, const char *call, bool *is_pinned);
/* A broken context ends: what it still had is gone for the program. */
void rkf_memory_forget_all(void);
bool rkf_memory_find(CUdeviceptr address, rkf_memory *found);
/* For kernels that are translated PTX: the allocation that has `address`, as kernels know it, and a
 * number that changes with the list of allocations. */
int rkf_memory_extent(uint64_t address, uint64_t *low, uint64_t *high);
uint64_t rkf_memory_turn(void);
/* Fills; whole pages of zeros are fresh ones. */
void rkf_memory_fill(unsigned char *start, uint32_t word, size_t word_bytes, size_t count);

/* ---- streams ---- */

typedef struct rkf_after {
  CUstream stream;
  uint64_t number;
} rkf_after;

/* Something a stream does. Made by rkf_op_new, given to rkf_op_submit. */
struct rkf_op {
  rkf_op *next;
  void (*run)(rkf_op *op);
  bool is_kernel, is_resident, names_event;
  rkf_after *after; /* what other streams must have done before */
  size_t after_count;
  size_t data_bytes;
  /* of the kinds of operations */
  union {
    struct {
      CUfunction function;
      uint32_t blocks[3], threads[3], cluster;
      int dies; /* planned */
      int dead; /* strikes while it runs */
    } kernel;
    struct {
      unsigned char *to;
      const unsigned char *from; /* NULL: `data` */
      size_t bytes;
    } copy;
    struct {
      unsigned char *to;
      uint32_t word;
      size_t word_bytes, count;
    } fill;
    struct {
      CUevent event;
      uint64_t version;
    } event;
    struct {
      CUhostFn fn;
      void *data;
    } host;
    CUdeviceptr release;
  } u;
  _Alignas(16) unsigned char data[];
};

struct CUstream_st {
  CUstream next; /* in the list of all */
  CUcontext ctx;
  unsigned flags;
  int priority;
  bool is_legacy, is_closed, has_worker, is_ending;
  pthread_t worker;
  rkf_op *first, *last, *running;
  uint64_t submitted, completed;
  int pins; /* operations of other streams that name it */
  /* capture */
  CUgraph capture;
};

struct CUgraph_st {
  rkf_op *first, *last;
};

rkf_op *rkf_op_new(void (*run)(rkf_op *op), size_t data_bytes);
rkf_op *rkf_op_copy(const rkf_op *op);
void rkf_op_free(rkf_op *op);
/* Hands the operation to the stream (NULL: the legacy one), or to the graph it is captured into. */
CUresult rkf_op_submit(CUstream stream, rkf_op *op);
CUresult rkf_stream_wait(CUstream stream); /* until it has done all it was given so far */
bool rkf_stream_is_listed_locked(CUstream stream);
/* Operations that name an event keep it. */
void rkf_event_pin_locked(CUevent event);
void rkf_event_unpin_locked(CUevent event);
bool rkf_stream_is(CUstream stream); /* a living one, or NULL */
CUstream rkf_stream_resolve(CUstream stream);
bool rkf_stream_holds_resident(CUstream stream);
bool rkf_stream_is_capturing(CUstream stream);
CUresult rkf_stream_make(CUstream *stream, CUcontext ctx, unsigned flags, int priority);
bool rkf_resident_runs(void);
void rkf_kernel_kill_all(int code);
int rkf_kernels_count(void);
/* Waits until no stream has anything to do. */
void rkf_streams_drain(void);
/* A thread that gets no signals; 0, or why there is none. */
int rkf_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *arg), void *arg);

/* ---- modules ---- */

struct CUmod_st {
  CUmodule next;
  void *library;        /* the unit, compiled for the host */
  uintptr_t start, end; /* of it in memory */
  CUfunction functions;
  int sm; /* architecture that the image is for */
};

struct CUfunc_st {
  CUfunction next;
  CUmodule module;
  const rkfake_entry *entry;
  int dynamic_shared_bytes;
  char name[64];
};

/* Opens the host's build of the unit that the image was made from, or of the PTX that the image is;
 * compiles it unless that was done before. Result: the library for dlclose. Errors: INVALID_IMAGE,
 * NO_BINARY_FOR_GPU; `why` says more. */
#define RKF_LOG_BYTES 12288
CUresult rkf_unit_open(const char *image, size_t image_bytes, bool is_ptx, void **library,
                       char *why);

bool rkf_function_is(CUfunction function);
int rkf_blocks_per_sm(int threads);

#endif
