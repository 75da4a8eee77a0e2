/* SPDX-License-Identifier: MIT */
/*
 * The one allocator. Every block of host memory comes from here, so that a test can make any one
 * allocation fail, count them, and see at the end that none is left.
 *
 * The functions return NULL when memory has run out (or a test says so); the caller turns that
 * into RK_EOUT_OF_MEMORY. Counters are atomic; blocks may be freed by another thread than the one
 * that took them. The environment variable RINGKERNEL_ALLOC_FAIL="k" (the k-th allocation of the
 * process fails) or "k+" (that one and all later ones) does what rk_alloc_fail_at does, from the
 * start of the process.
 */
#ifndef RK_BASE_ALLOC_H
#define RK_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new block of `size` bytes (at least one), not cleared, aligned for any ordinary type; NULL
 * when out of memory. Give it back with rk_free. Threads: any. */
void *rk_alloc(size_t size);

/* A new cleared block of `count` elements of `size` bytes; NULL when out of memory or when the
 * product overflows. Give it back with rk_free. Threads: any. */
void *rk_calloc(size_t count, size_t size);

/* Changes the size of `block` (NULL: as rk_alloc) and returns its new place; bytes past the old
 * size are not cleared. A size of 0 means 1: it never frees. On failure NULL, and `block` stays as
 * it was. Not for blocks of rk_alloc_aligned, whose alignment it would lose. Threads: any. */
void *rk_realloc(void *block, size_t size);

/* A new block of `size` bytes at a multiple of `align`, a power of two; not cleared. NULL when out
 * of memory or when `align` is no power of two. Give it back with rk_free. Threads: any. */
void *rk_alloc_aligned(size_t align, size_t size);

/* Gives back a block of the functions above. NULL is allowed. Threads: any. */
void rk_free(void *block);

/* A new copy of `text` with its terminator; NULL when out of memory. Give it back with rk_free.
 * Threads: any. */
char *rk_strdup(const char *text);

/* Whole pages of zeros, at least `bytes`, that cost memory only once touched (nothing is reserved
 * for them). NULL when there is no address space or `bytes` is 0. Give them back with
 * rk_pages_unmap and the same `bytes`. Threads: any. */
void *rk_pages_map(size_t bytes);

/* Gives back what rk_pages_map returned. NULL is allowed. Threads: any, once nobody uses them. */
void rk_pages_unmap(void *pages, size_t bytes);

/* Gives the memory of the whole pages inside [start, start + bytes) back to the system; they stay
 * mapped. The range reads as zeros afterwards: a part of a page at either end is cleared by hand.
 * `start` lies in memory of rk_pages_map. Threads: the owner of the range. */
void rk_pages_release(void *start, size_t bytes);

/* Makes the system find the memory of [start, start + bytes), of any allocation, now and not at its
 * first use. What the bytes hold afterwards is undefined. Threads: the owner of the range. */
void rk_pages_touch(void *start, size_t bytes);

/* Bytes of one page. Threads: any. */
size_t rk_page_bytes(void);

/* Makes the k-th allocation from now fail (1 is the next one), of whatever kind: alloc, calloc,
 * realloc, aligned, strdup, pages_map. With `forever` all later ones fail too. 0 ends it.
 * For tests. Threads: any. */
void rk_alloc_fail_at(uint64_t k, bool forever);

/* Number of allocations tried so far, failed ones included. Threads: any. */
uint64_t rk_alloc_count(void);

/* Number of blocks and page ranges that are taken and not yet given back. Threads: any. */
uint64_t rk_alloc_live(void);

#endif
