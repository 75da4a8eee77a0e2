/* SPDX-License-Identifier: MIT */
/*
 * Atomic words for host code: the same definitions the device code uses (rk_atomic.h), so that one
 * header decides every memory order and a verification build can replace them all.
 */
#ifndef RK_BASE_ATOMIC_H
#define RK_BASE_ATOMIC_H

#include "rk_atomic.h"

#endif
