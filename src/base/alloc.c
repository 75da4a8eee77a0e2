/* SPDX-License-Identifier: MIT */
/*
 * The allocator: the C library's, with a gate before it that counts and fails on request.
 *
 * `tried` numbers the allocations; the gate compares a number with `fail_from`. So a failure meets
 * exactly one allocation however many threads allocate at once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS, MAP_NORESERVE, madvise */
#endif

#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "base/params.h"

static atomic_uint_fast64_t tried;
static atomic_uint_fast64_t live;
static atomic_uint_fast64_t fail_from = UINT64_MAX; /* number of the allocation that fails */
static atomic_bool fail_forever;

/* Counts one allocation; returns whether it may go on. */
static bool pass_gate(void)
{
  uint64_t number = atomic_fetch_add_explicit(&tried, 1, memory_order_relaxed) + 1;
  uint64_t from = atomic_load_explicit(&fail_from, memory_order_relaxed);
  if (RK_LIKELY(number < from)) {
    return true;
  }
  return number != from && !atomic_load_explicit(&fail_forever, memory_order_relaxed);
}

/* Counts a block that was really taken and passes it on. */
static void *count_block(void *block)
{
  if (block != NULL) {
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  }
  return block;
}

static size_t at_least_one(size_t size)
{
  return size == 0 ? 1 : size;
}

/* Runs before main: an allocation of the very first line of the program can be made to fail. */
__attribute__((constructor)) static void read_environment(void)
{
  const char *text = getenv("RINGKERNEL_ALLOC_FAIL");
  uint64_t k = 0;
  bool is_forever = false;
  /* A malformed value is told by rk_param_check, which has somebody to tell it to. */
  if (text != NULL && rk_param_parse_alloc_fail(text, &k, &is_forever)) {
    rk_alloc_fail_at(k, is_forever);
  }
}

void *rk_alloc(size_t size)
{
  return pass_gate() ? count_block(malloc(at_least_one(size))) : NULL;
}

void *rk_calloc(size_t count, size_t size)
{
  size_t bytes = 0;
  /* calloc checks this as well, but the sanitizers' ends the program. */
  if (!pass_gate() || rk_size_mul(count, size, &bytes)) {
    return NULL;
  }
  return count_block(calloc(1, at_least_one(bytes)));
}

void *rk_realloc(void *block, size_t size)
{
  if (!pass_gate()) {
    return NULL;
  }
  void *moved = realloc(block, at_least_one(size));
  return block == NULL ? count_block(moved) : moved;
}

void *rk_alloc_aligned(size_t align, size_t size)
{
  if (!pass_gate() || !rk_u64_is_pow2(align)) {
    return NULL;
  }
  void *block = NULL;
  if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : align, at_least_one(size)) !=
      0) {
    return NULL;
  }
  return count_block(block);
}

void rk_free(void *block)
{
  if (block != NULL) {
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(block);
  }
}

char *rk_strdup(const char *text)
{
  size_t bytes = strlen(text) + 1;
  char *copy = rk_alloc(bytes);
  if (copy != NULL) {
    memcpy(copy, text, bytes);
  }
  return copy;
}

size_t rk_page_bytes(void)
{
  return (size_t)sysconf(_SC_PAGESIZE);
}

void *rk_pages_map(size_t bytes)
{
  if (!pass_gate() || bytes == 0) {
    return NULL;
  }
  void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return count_block(pages == MAP_FAILED ? NULL : pages);
}

void rk_pages_unmap(void *pages, size_t bytes)
{
  if (pages != NULL) {
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    munmap(pages, bytes);
  }
}

void rk_pages_release(void *start, size_t bytes)
{
  uintptr_t page = rk_page_bytes();
  uintptr_t from = (uintptr_t)start;
  uintptr_t to = from + bytes;
  uintptr_t first = rk_align_up(from, page);
  uintptr_t last = to & ~(page - 1);
  if (first >= last) {
    memset(start, 0, bytes);
    return;
  }
  char *base = start;
  memset(base, 0, first - from);
  memset(base + (last - from), 0, to - last);
  /* Locked pages refuse the advice; the contract is zeros, so write them. */
  if (madvise(base + (first - from), last - first, MADV_DONTNEED) != 0) {
    memset(base + (first - from), 0, last - first);
  }
}

void rk_pages_touch(void *start, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE /* Linux 5.14 */
  uintptr_t page = rk_page_bytes();
  uintptr_t from = (uintptr_t)start;
  uintptr_t first = from & ~(page - 1); /* the pages at the ends may have neighbours' bytes: kept */
  uintptr_t last = rk_align_up(from + bytes, page);
  if (madvise((char *)start - (from - first), last - first, MADV_POPULATE_WRITE) == 0) {
    return;
  }
#endif
  memset(start, 0, bytes);
}

void rk_alloc_fail_at(uint64_t k, bool forever)
{
  atomic_store_explicit(&fail_from, UINT64_MAX, memory_order_relaxed);
  atomic_store_explicit(&fail_forever, forever, memory_order_relaxed);
  if (k != 0) {
    uint64_t now = atomic_load_explicit(&tried, memory_order_relaxed);
    atomic_store_explicit(&fail_from, k > UINT64_MAX - now ? UINT64_MAX : now + k,
                          memory_order_relaxed);
  }
}

uint64_t rk_alloc_count(void)
{
  return atomic_load_explicit(&tried, memory_order_relaxed);
}

uint64_t rk_alloc_live(void)
{
  return atomic_load_explicit(&live, memory_order_relaxed);
}
