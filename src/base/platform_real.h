/* SPDX-License-Identifier: MIT */
/*
 * What the files of the real platform share: their entries of the table (platform.h describes each
 * one), and the translation of errno. Included only by platform_real*.c.
 */
#ifndef RK_BASE_PLATFORM_REAL_H
#define RK_BASE_PLATFORM_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/platform.h"

#define RK_NS_PER_S UINT64_C(1000000000)

/* Fills `err` with "<what> '<subject>': <text of the system error>" and returns the status that
 * stands for `error` (an errno). */
int rk__os_fail(rk_error *err, int error, const char *what, const char *subject);

/* platform_real_clock.c */
struct timespec rk__os_timespec(uint64_t ns);
uint64_t rk__os_clock_mono_ns(void);
uint64_t rk__os_clock_wall_us(void);
uint64_t rk__os_clock_wall_ns(void);
void rk__os_sleep_ns(uint64_t ns);

/* platform_real_file.c */
int rk__os_file_read(const char *path, size_t limit, void **data, size_t *size, rk_error *err);
int rk__os_file_write(const char *path, const void *data, size_t size, rk_error *err);
int rk__os_file_write_from(const char *path, rk_file_source source, void *arg, rk_error *err);
int rk__os_file_read_at(const char *path, uint64_t offset, void *into, size_t size, rk_error *err);
int rk__os_file_stat(const char *path, rk_file_info *info, rk_error *err);
int rk__os_file_rename(const char *from, const char *to, rk_error *err);
int rk__os_file_remove(const char *path, rk_error *err);
int rk__os_dir_make(const char *path, rk_error *err);
int rk__os_dir_make_temp(const char *prefix, char *path, size_t path_bytes, rk_error *err);
int rk__os_dir_each(const char *path, rk_dir_fn fn, void *arg, rk_error *err);

/* platform_real_scratch.c */
int rk__os_scratch_open(const char *folder, int *fd, rk_error *err);
int rk__os_scratch_write(int fd, uint64_t offset, const void *data, size_t size, rk_error *err);
int rk__os_scratch_read(int fd, uint64_t offset, void *into, size_t size, rk_error *err);
void rk__os_scratch_free(int fd, uint64_t offset, uint64_t size);
void rk__os_scratch_close(int fd);

/* platform_real_claim.c */
int rk__os_claim_take(const char *path, bool is_shared, int *claim, uint64_t *holder,
                      rk_error *err);
void rk__os_claim_drop(const char *path, int claim);
int rk__os_claim_holder(const char *path, bool *is_shared, uint64_t *holder, rk_error *err);

/* platform_real_spawn.c */
int rk__os_spawn(const rk_spawn *program, rk_spawn_result *result, rk_error *err);

/* platform_real_thread.c */
size_t rk__os_cpu_count(void);
int rk__os_thread_start(const rk_thread_spec *spec, rk_thread **thread, rk_error *err);
void rk__os_thread_join(rk_thread *thread);
int rk__os_futex_wait(const volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns);
uint32_t rk__os_futex_wake(const volatile uint32_t *word, uint32_t count);
int rk__os_event_open(int *fd, rk_error *err);
void rk__os_event_signal(int fd);
bool rk__os_event_drain(int fd);
void rk__os_event_close(int fd);
int rk__os_fd_poll(int fd, uint64_t timeout_ns);

#endif
