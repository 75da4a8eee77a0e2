/* SPDX-License-Identifier: MIT */
/*
 * The CPU backend: a resident grid whose blocks are operating-system threads and whose lanes are
 * fibers. See backend/backend.h for what it provides; cpu_internal.h for how its files share the
 * work.
 */
#ifndef RK_BACKEND_CPU_BACKEND_H
#define RK_BACKEND_CPU_BACKEND_H

#include "backend/backend.h"

extern const rk_backend_ops rk_cpu_backend_ops;

#endif
