/* SPDX-License-Identifier: MIT */
/*
 * Every function of the driver, answering CUDA_ERROR_NOT_SUPPORTED. They are weak: those that
 * tiny_driver.c has take their place. TINY_OLD leaves out what an old driver has not.
 */
#include "backend/cuda/cuda_api.h"

#define NOTHING(exported)                        \
  __attribute__((weak)) CUresult exported(void); \
  __attribute__((weak)) CUresult exported(void)  \
  {                                              \
    return CUDA_ERROR_NOT_SUPPORTED;             \
  }

#define IN_CORE(exported) NOTHING(exported)
#define IN_POOLS(exported) NOTHING(exported)
#define IN_GRAPHS(exported) NOTHING(exported)
#ifdef TINY_OLD
#define IN_LAUNCH_EX(exported)
#define IN_CLUSTERS(exported)
#define IN_GREEN(exported)
#define IN_STREAM_WRITE(exported)
#else
#define IN_LAUNCH_EX(exported) NOTHING(exported)
#define IN_CLUSTERS(exported) NOTHING(exported)
#define IN_GREEN(exported) NOTHING(exported)
#define IN_STREAM_WRITE(exported) NOTHING(exported)
#endif

#define EXPORT(group, field, name, suffix, version, arguments) IN_##group(name##suffix)
RK_CUDA_FUNCTIONS(EXPORT)
