/* SPDX-License-Identifier: MIT */
/*
 * The few things that every C file may want: attributes, sizes of cache lines, container_of, and
 * size arithmetic that says when it overflows. Header only, no state. Used by every layer.
 */
#ifndef RK_BASE_BASE_H
#define RK_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Number of elements of a true array (never of a pointer). */
#define RK_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Aligns a variable, a field or a struct type to `n` bytes, a power of two. */
#define RK_ALIGNED(n) __attribute__((aligned(n)))

/* Tells the compiler which way a condition nearly always goes. */
#define RK_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define RK_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* The struct of type `type` whose field `member` is at `pointer`. */
#define RK_CONTAINER_OF(pointer, type, member) \
  ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* One line of the cache: what two cores fight over. */
#define RK_CACHE_LINE 64

/* Distance between words that different writers write often: processors fetch lines in pairs and a
 * GPU's line is 128 bytes, so hot words keep this distance. */
#define RK_HOT_LINE 128

/* A timeout that never passes, for every function that takes one in nanoseconds. */
#define RK_FOREVER UINT64_MAX

/* Stores a + b in *sum. Returns true if it overflowed; *sum is then wrapped. Threads: any. */
static inline bool rk_size_add(size_t a, size_t b, size_t *sum)
{
  return __builtin_add_overflow(a, b, sum);
}

/* Stores a * b in *product. Returns true if it overflowed; *product is then wrapped.
 * Threads: any. */
static inline bool rk_size_mul(size_t a, size_t b, size_t *product)
{
  return __builtin_mul_overflow(a, b, product);
}

/* Whether `value` is a power of two (0 is none). Threads: any. */
static inline bool rk_u64_is_pow2(uint64_t value)
{
  return value != 0 && (value & (value - 1)) == 0;
}

/* The smallest power of two that is at least `value` (1 for 0); 0 if it does not fit in 64 bits.
 * Threads: any. */
static inline uint64_t rk_u64_next_pow2(uint64_t value)
{
  if (value <= 1) {
    return 1;
  }
  if (value > (UINT64_C(1) << 63)) {
    return 0;
  }
  return UINT64_C(1) << (64 - __builtin_clzll(value - 1));
}

/* `value` rounded up to a multiple of `align`, a power of two. The caller makes sure that the
 * result fits (value <= SIZE_MAX - align + 1). Threads: any. */
static inline size_t rk_align_up(size_t value, size_t align)
{
  return (value + (align - 1)) & ~(align - 1);
}

#endif
