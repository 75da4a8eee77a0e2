/* SPDX-License-Identifier: MIT */
/*
 * The list of stock kernels. A kernel added to lua/ringkernel/stock.lua gets its line here; a spec
 * compares the two.
 */
#include "runtime/stock.h"

#include <stddef.h>

extern const rk_module rk_module_stock_echo;
extern const rk_module rk_module_stock_vector;
extern const rk_module rk_module_stock_reduce;

const rk_module *const rk_stock_modules[] = {
    &rk_module_stock_echo,
    &rk_module_stock_vector,
    &rk_module_stock_reduce,
    NULL,
};

extern const char rk_device_stock_echo[];
extern const char rk_device_stock_vector[];
extern const char rk_device_stock_reduce[];

const char *const rk_stock_devices[] = {
    rk_device_stock_echo,
    rk_device_stock_vector,
    rk_device_stock_reduce,
    NULL,
};
