/* SPDX-License-Identifier: MIT */
/*
 * Status codes: the one list of what can go wrong.
 *
 * A function that can fail returns 0 or one of the negative RK_E* codes below. The list is an
 * X-macro so that the enum, the names that Lua sees ("full", "timeout") and the texts cannot
 * drift apart. Device code returns the same numbers (rk_abi.h repeats those a handler can meet
 * and a test compares them).
 */
#ifndef RK_BASE_STATUS_H
#define RK_BASE_STATUS_H

#ifdef RK_EFULL
#error "include base/status.h before rk_kernel.h"
#endif

/* X(NAME, number, lua code, text) */
#define RK_STATUS_LIST(X)                                                         \
  X(OK, 0, "ok", "success")                                                       \
  X(ETIMEOUT, -1, "timeout", "the time limit passed first")                       \
  X(EFULL, -2, "full", "the queue has no room")                                   \
  X(EEMPTY, -3, "empty", "the queue holds no message")                            \
  X(ECLOSED, -4, "closed", "the object was closed")                               \
  X(ETERMINATED, -5, "terminated", "the actor has terminated")                    \
  X(ENOT_ACTIVE, -6, "not_active", "the actor is not active")                     \
  X(EINVALID_STATE, -7, "invalid_state", "the actor's state does not allow this") \
  X(ENOT_FOUND, -8, "not_found", "no such name, id or port")                      \
  X(EEXISTS, -9, "exists", "the name is taken")                                   \
  X(ENO_DEVICE, -10, "no_device", "no usable device")                             \
  X(ENO_COMPILER, -11, "no_compiler", "no C compiler was found")                  \
  X(ECOMPILE, -12, "compile", "the source does not compile")                      \
  X(EOUT_OF_MEMORY, -13, "out_of_memory", "out of memory")                        \
  X(EDEVICE_LOST, -14, "device_lost", "the device stopped answering")             \
  X(ETOO_LARGE, -15, "too_large", "larger than the limit")                        \
  X(ECORRUPT, -16, "corrupt", "the data fails its check")                         \
  X(EVERSION, -17, "version", "made for another version")                         \
  X(ESKEW, -18, "skew", "the remote clock is too far ahead")                      \
  X(EDENIED, -19, "denied", "not allowed")                                        \
  X(ETENANT_MISMATCH, -20, "tenant_mismatch", "the actors belong to two tenants") \
  X(EUNSUPPORTED, -21, "unsupported", "not supported here")                       \
  X(EIO, -22, "io", "input or output failed")                                     \
  X(EINVAL, -23, "invalid", "an argument is out of range")                        \
  X(EINTR, -24, "interrupted", "interrupted by a signal")                         \
  X(EFORKED, -25, "forked", "the object belongs to the parent process")

typedef enum rk_status {
#define RK_STATUS_ENUM(name, number, code, text) RK_##name = (number),
  RK_STATUS_LIST(RK_STATUS_ENUM)
#undef RK_STATUS_ENUM
} rk_status;

/* Returns the name of `status` as Lua sees it ("full"), or "unknown". Threads: any. */
const char *rk_status_name(int status);

/* Returns one English sentence part for `status`, without a final period. Threads: any. */
const char *rk_status_text(int status);

#endif
