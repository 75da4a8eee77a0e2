/* SPDX-License-Identifier: MIT */
/*
 * The stock kernels: modules that the build compiles into the library (scripts/gen_stock.lua makes
 * their source from kernels/ and lua/ringkernel/stock.lua), so that they need no compiler at run
 * time. Used by whoever turns a stock definition into a loaded module.
 */
#ifndef RK_RUNTIME_STOCK_H
#define RK_RUNTIME_STOCK_H

#include "rk_kernel.h"

/* The stock modules, NULL at the end. Each `name` is a stock definition's. Threads: any, but the
 * runtime stores its lane table through `port` once, before the first handler runs. */
extern const rk_module *const rk_stock_modules[];

/* Their device fragments (lua/ringkernel/codegen_device.lua), in the same order. Threads: any. */
extern const char *const rk_stock_devices[];

#endif
