/* SPDX-License-Identifier: MIT */
/*
 * How NVTX 3 tools and the programs they watch find each other, in our own words: the layouts and
 * numbers both sides agree on, so that the build needs none of NVIDIA's headers.
 *
 * A tool is a shared object that exports InitializeInjectionNvtx2. Whoever emits events hands it a
 * function that gives out two tables by number. One of them leads to arrays of function pointers,
 * one array a module; the tool overwrites those it wants to hear of. spec/c/nvtx_abi_test.c
 * compares every number here with the real headers where there are some. Used by nvtx.c and by the
 * injection library of the tests.
 */
#ifndef RK_BASE_NVTX_ABI_H
#define RK_BASE_NVTX_ABI_H

#include <stddef.h>
#include <stdint.h>

#define RK_NVTX_ABI_VERSION 3

/* The variable that names a tool's shared object, and the function it exports. */
#define RK_NVTX_ABI_PATH_VARIABLE \
  (sizeof(void *) == 4 ? "NVTX_INJECTION32_PATH" : "NVTX_INJECTION64_PATH")
#define RK_NVTX_ABI_ENTRY "InitializeInjectionNvtx2"

/* Tables that the program gives out. */
enum { RK_NVTX_ABI_TABLE_CALLBACKS = 1, RK_NVTX_ABI_TABLE_VERSION = 3 };

/* Modules of callbacks, and how many numbers each one has (0 is never a callback). */
enum {
  RK_NVTX_ABI_MODULE_CORE = 1,
  RK_NVTX_ABI_MODULE_CUDA = 2,
  RK_NVTX_ABI_MODULE_OPENCL = 3,
  RK_NVTX_ABI_MODULE_CUDART = 4,
  RK_NVTX_ABI_MODULE_CORE2 = 5,
  RK_NVTX_ABI_MODULE_SYNC = 6,
  RK_NVTX_ABI_MODULES = 7,

  RK_NVTX_ABI_CORE_SIZE = 16,
  RK_NVTX_ABI_CUDA_SIZE = 9,
  RK_NVTX_ABI_OPENCL_SIZE = 15,
  RK_NVTX_ABI_CUDART_SIZE = 7,
  RK_NVTX_ABI_CORE2_SIZE = 16,
  RK_NVTX_ABI_SYNC_SIZE = 7,
  RK_NVTX_ABI_SIZE_MAX = 16
};

/* Callbacks of CORE2: those with a domain. The ones we call. */
enum {
  RK_NVTX_ABI_DOMAIN_MARK = 1,
  RK_NVTX_ABI_DOMAIN_RANGE_START = 2,
  RK_NVTX_ABI_DOMAIN_RANGE_END = 3,
  RK_NVTX_ABI_DOMAIN_RANGE_PUSH = 4,
  RK_NVTX_ABI_DOMAIN_RANGE_POP = 5,
  RK_NVTX_ABI_DOMAIN_REGISTER_STRING = 10,
  RK_NVTX_ABI_DOMAIN_CREATE = 12
};

enum { RK_NVTX_ABI_PAYLOAD_NONE = 0, RK_NVTX_ABI_PAYLOAD_U64 = 1 };
enum {
  RK_NVTX_ABI_MESSAGE_NONE = 0,
  RK_NVTX_ABI_MESSAGE_ASCII = 1,
  RK_NVTX_ABI_MESSAGE_HANDLE = 3
};

/* What is said of a range or a mark. */
typedef struct rk_nvtx_abi_event {
  uint16_t version; /* RK_NVTX_ABI_VERSION */
  uint16_t size;    /* of this struct */
  uint32_t category;
  int32_t color_type; /* 0: no color */
  uint32_t color;
  int32_t payload_type; /* RK_NVTX_ABI_PAYLOAD_* */
  int32_t reserved;
  union {
    uint64_t u64;
    double f64;
  } payload;
  int32_t message_type; /* RK_NVTX_ABI_MESSAGE_* */
  union {
    const char *ascii;
    void *handle; /* of a registered string */
  } message;
} rk_nvtx_abi_event;

typedef void (*rk_nvtx_abi_fn)(void); /* any function; cast before the call */

/* RK_NVTX_ABI_TABLE_CALLBACKS. `table` becomes an array of places of function pointers, indexed by
 * the numbers of callbacks; `size` is how many there are. Returns 0 for an unknown module. */
typedef struct rk_nvtx_abi_callbacks {
  size_t struct_size;
  int (*module_table)(int module, rk_nvtx_abi_fn ***table, unsigned int *size);
} rk_nvtx_abi_callbacks;

/* RK_NVTX_ABI_TABLE_VERSION. */
typedef struct rk_nvtx_abi_version {
  size_t struct_size;
  uint32_t version;
  uint32_t reserved;
  void (*set_injection_version)(uint32_t version);
} rk_nvtx_abi_version;

typedef const void *(*rk_nvtx_abi_get_table)(uint32_t table);
/* Returns 0 when the tool does not want to be here. */
typedef int (*rk_nvtx_abi_init)(rk_nvtx_abi_get_table get);

/* Types of the callbacks. */
typedef void (*rk_nvtx_abi_mark_fn)(void *domain, const rk_nvtx_abi_event *event);
typedef uint64_t (*rk_nvtx_abi_start_fn)(void *domain, const rk_nvtx_abi_event *event);
typedef void (*rk_nvtx_abi_end_fn)(void *domain, uint64_t range);
typedef int (*rk_nvtx_abi_push_fn)(void *domain, const rk_nvtx_abi_event *event);
typedef int (*rk_nvtx_abi_pop_fn)(void *domain);
typedef void *(*rk_nvtx_abi_register_fn)(void *domain, const char *text);
typedef void *(*rk_nvtx_abi_create_fn)(const char *name);

#endif
