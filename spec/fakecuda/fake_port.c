/* SPDX-License-Identifier: MIT */
/*
 * What the project's fibers (src/backend/cpu/cpu_fiber.c) want of base/. The fake brings its own,
 * so that failing allocations (RINGKERNEL_ALLOC_FAIL) hit the library under test and not the fake.
 */
#include "base/alloc.h"
#include "base/error.h"

#include <sys/mman.h>

void *rk_pages_map(size_t bytes)
{
  void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return pages == MAP_FAILED ? NULL : pages;
}

void rk_pages_unmap(void *pages, size_t bytes)
{
  (void)munmap(pages, bytes);
}

size_t rk_page_bytes(void)
{
  return 4096;
}

/* The executor has words of its own for what fails. */
int rk_error_set(rk_error *err, int code, const char *format, ...)
{
  (void)err;
  (void)format;
  return code;
}
