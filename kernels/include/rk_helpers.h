/* SPDX-License-Identifier: MIT */
/*
 * What handlers may call beyond sending: atomic read-modify-writes, and sums, extremes and votes
 * over the lanes of a warp or of the whole block.
 *
 * <T> is one of u32 u64 i32 i64 f32 f64 unless a list is given.
 *
 *   rk_atomic_add_<T>(p, v)     all six; the others for the four integer types:
 *   rk_atomic_sub_<T>  rk_atomic_min_<T>  rk_atomic_max_<T>  rk_atomic_exch_<T>
 *   rk_atomic_cas_<T>(p, expected, wanted)      each returns what *p held before
 *   rk_atomic_load_<T>(p)  rk_atomic_store_<T>(p, v)
 *       One step against every other lane and block, but they order nothing around them: what one
 *       block writes for another is ordered by sending a message, among the lanes by rk_sync.
 *       Integers wrap around. p is aligned to the size of its type.
 *
 *   rk_shuffle_u64(v, lane)     also u32 i32 i64 f32 f64: the v of that lane of the warp (0..31,
 *                               modulo 32; the caller's own where the warp has no such lane)
 *   rk_ballot(predicate)        bit i is set where lane i of the warp says true
 *   rk_warp_any(p)  rk_warp_all(p)  rk_warp_lane()  rk_warp_lanes()  rk_warp_sync()
 *   rk_warp_sum_<T>(v)  rk_warp_min_<T>(v)  rk_warp_max_<T>(v)
 *       Lanes 32 w .. 32 w + 31 are warp w; the last one may have fewer. All lanes of the warp
 *       make the call together and get the same result.
 *
 *   rk_block_sum_<T>(ctx, v)  rk_block_min_<T>(ctx, v)  rk_block_max_<T>(ctx, v)
 *       All lanes of the block make the call together and get the same result; where an actor has
 *       several blocks each has its own. They contain rk_block_sync; where there is no ctx, pass 0.
 *
 *   rk_load_shared(ctx, to, from, bytes)
 *       Copies device memory (the message, the state, a buffer) into an RK_SHARED array. All lanes
 *       of the handler make the call together, and all of them see the copy. It contains rk_sync.
 *       On devices from 9.0 on the copy engine does it for RK_BULK_BYTES and more, where both
 *       addresses and the size are multiples of 16 (RK_SHARED RK_ALIGN(16) rk_f32 tile[1024]);
 *       the lanes do it together elsewhere.
 *
 * Floating-point sums are formed in one fixed order that depends on the number of lanes only, so a
 * result is the same to the last bit on every run and on both sides. Minimum and maximum ignore
 * NaN unless there is nothing else.
 *
 * Included after rk_kernel.h by generated source. On the CPU the lanes meet through rk_port
 * (rk_module_cpu.h). On the device this header needs rk_block_lane, rk_block_lanes, rk_lane_sync and RK_SHARED; it
 * defines rk_shuffle_u64, rk_ballot and rk_warp_sync itself unless RK_WARP_DEFINED is defined.
 */
#ifndef RK_HELPERS_H
#define RK_HELPERS_H

#include "rk_kernel.h"

#if defined(__CUDACC__) && !defined(RK_PTX_OVERRIDE)
#define RK_HELPER_BUILTINS 1 /* those of CUDA's compilers are there, not those of gcc */
#else
#define RK_HELPER_BUILTINS 0
#endif

#if RK_HELPER_BUILTINS
#define RK_HELPER static __device__ __forceinline__
#else
#define RK_HELPER static inline
#endif

/* ---- loads into shared memory ---------------------------------------------------------------- */

/* From here on the copy engine's start, a few hundred cycles, is worth it. */
#define RK_BULK_BYTES 2048u

#if defined(RK_PTX_HAS_BULK) && RK_PTX_HAS_BULK
/* One lane starts it, all wait for it. The first rk_sync orders what lanes did to `to`, and made of
 * `from`, before the start; the last one keeps the gate until everybody is through it. */
RK_HELPER void rk_load_bulk(rk_ctx *ctx, void *to, const void *from, rk_u32 bytes)
{
  RK_SHARED rk_u64 gate;
  if (rk_lane() == 0u) {
    rk_ptx_bulk_open(&gate);
  }
  rk_sync(ctx);
  if (rk_lane() == 0u) {
    rk_ptx_bulk_load(&gate, to, from, bytes);
  }
  rk_sync(ctx);
  rk_ptx_bulk_wait(&gate);
  rk_sync(ctx);
  if (rk_lane() == 0u) {
    rk_ptx_bulk_close(&gate);
  }
}
#endif

RK_HELPER void rk_load_shared(rk_ctx *ctx, void *to, const void *from, rk_u32 bytes)
{
  const rk_uptr both = (rk_uptr)to | (rk_uptr)from | bytes;
#if defined(RK_PTX_HAS_BULK) && RK_PTX_HAS_BULK
  if (bytes >= RK_BULK_BYTES && (both & 15u) == 0u) {
    rk_load_bulk(ctx, to, from, bytes);
    return;
  }
#endif
  rk_sync(ctx);
  if ((both & 7u) == 0u) {
    RK_FOR_LANES (i, bytes / 8u) {
      ((rk_u64 *)to)[i] = ((const rk_u64 *)from)[i];
    }
  } else {
    RK_FOR_LANES (i, bytes) {
      ((rk_u8 *)to)[i] = ((const rk_u8 *)from)[i];
    }
  }
  rk_sync(ctx);
}

/* ---- bits of a float ------------------------------------------------------------------------- */

#if RK_HELPER_BUILTINS
RK_HELPER rk_u32 rk_bits_f32(rk_f32 v)
{
  return __float_as_uint(v);
}
RK_HELPER rk_f32 rk_from_bits_f32(rk_u32 bits)
{
  return __uint_as_float(bits);
}
RK_HELPER rk_u64 rk_bits_f64(rk_f64 v)
{
  return (rk_u64)__double_as_longlong(v);
}
RK_HELPER rk_f64 rk_from_bits_f64(rk_u64 bits)
{
  return __longlong_as_double((long long)bits);
}
#else
RK_HELPER rk_u32 rk_bits_f32(rk_f32 v)
{
  rk_u32 bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  return bits;
}
RK_HELPER rk_f32 rk_from_bits_f32(rk_u32 bits)
{
  rk_f32 v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}
RK_HELPER rk_u64 rk_bits_f64(rk_f64 v)
{
  rk_u64 bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  return bits;
}
RK_HELPER rk_f64 rk_from_bits_f64(rk_u64 bits)
{
  rk_f64 v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}
#endif

/* ---- atomics --------------------------------------------------------------------------------- */

#if RK_HELPER_BUILTINS

/* `native` is the type of that size that the builtin functions take; `unative` its unsigned one,
 * which add, exchange and compare-and-swap exist for. */
#define RK_DEFINE_ATOMICS(T, type, native, unative)                           \
  RK_HELPER type rk_atomic_add_##T(type *p, type v)                           \
  {                                                                           \
    return (type)atomicAdd((unative *)p, (unative)v);                         \
  }                                                                           \
  RK_HELPER type rk_atomic_sub_##T(type *p, type v)                           \
  {                                                                           \
    return (type)atomicAdd((unative *)p, (unative)0 - (unative)v);            \
  }                                                                           \
  RK_HELPER type rk_atomic_min_##T(type *p, type v)                           \
  {                                                                           \
    return (type)atomicMin((native *)p, (native)v);                           \
  }                                                                           \
  RK_HELPER type rk_atomic_max_##T(type *p, type v)                           \
  {                                                                           \
    return (type)atomicMax((native *)p, (native)v);                           \
  }                                                                           \
  RK_HELPER type rk_atomic_exch_##T(type *p, type v)                          \
  {                                                                           \
    return (type)atomicExch((unative *)p, (unative)v);                        \
  }                                                                           \
  RK_HELPER type rk_atomic_cas_##T(type *p, type expected, type wanted)       \
  {                                                                           \
    return (type)atomicCAS((unative *)p, (unative)expected, (unative)wanted); \
  }
RK_DEFINE_ATOMICS(u32, rk_u32, unsigned int, unsigned int)
RK_DEFINE_ATOMICS(i32, rk_i32, int, unsigned int)
RK_DEFINE_ATOMICS(u64, rk_u64, unsigned long long, unsigned long long)
RK_DEFINE_ATOMICS(i64, rk_i64, long long, unsigned long long)
#undef RK_DEFINE_ATOMICS

RK_HELPER rk_f32 rk_atomic_add_f32(rk_f32 *p, rk_f32 v)
{
  return atomicAdd(p, v);
}
RK_HELPER rk_f64 rk_atomic_add_f64(rk_f64 *p, rk_f64 v)
{
  return atomicAdd(p, v);
}

#define RK_DEFINE_ACCESS(T, type, suffix, reg)                                            \
  RK_HELPER type rk_atomic_load_##T(const type *p)                                        \
  {                                                                                       \
    type v;                                                                               \
    asm volatile("ld.relaxed.gpu." suffix " %0, [%1];" : "=" reg(v) : "l"(p) : "memory"); \
    return v;                                                                             \
  }                                                                                       \
  RK_HELPER void rk_atomic_store_##T(type *p, type v)                                     \
  {                                                                                       \
    asm volatile("st.relaxed.gpu." suffix " [%0], %1;" ::"l"(p), reg(v) : "memory");      \
  }
RK_DEFINE_ACCESS(u32, rk_u32, "u32", "r")
RK_DEFINE_ACCESS(i32, rk_i32, "s32", "r")
RK_DEFINE_ACCESS(u64, rk_u64, "u64", "l")
RK_DEFINE_ACCESS(i64, rk_i64, "s64", "l")
RK_DEFINE_ACCESS(f32, rk_f32, "f32", "f")
RK_DEFINE_ACCESS(f64, rk_f64, "f64", "d")
#undef RK_DEFINE_ACCESS

#else

#define RK_DEFINE_ATOMICS(T, type)                                                              \
  RK_HELPER type rk_atomic_load_##T(const type *p)                                              \
  {                                                                                             \
    return __atomic_load_n(p, __ATOMIC_RELAXED);                                                \
  }                                                                                             \
  RK_HELPER void rk_atomic_store_##T(type *p, type v)                                           \
  {                                                                                             \
    __atomic_store_n(p, v, __ATOMIC_RELAXED);                                                   \
  }                                                                                             \
  RK_HELPER type rk_atomic_add_##T(type *p, type v)                                             \
  {                                                                                             \
    return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);                                          \
  }                                                                                             \
  RK_HELPER type rk_atomic_sub_##T(type *p, type v)                                             \
  {                                                                                             \
    return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED);                                          \
  }                                                                                             \
  RK_HELPER type rk_atomic_exch_##T(type *p, type v)                                            \
  {                                                                                             \
    return __atomic_exchange_n(p, v, __ATOMIC_RELAXED);                                         \
  }                                                                                             \
  RK_HELPER type rk_atomic_cas_##T(type *p, type expected, type wanted)                         \
  {                                                                                             \
    __atomic_compare_exchange_n(p, &expected, wanted, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);   \
    return expected;                                                                            \
  }                                                                                             \
  RK_HELPER type rk_atomic_min_##T(type *p, type v)                                             \
  {                                                                                             \
    type found = __atomic_load_n(p, __ATOMIC_RELAXED);                                          \
    while (v < found &&                                                                         \
           !__atomic_compare_exchange_n(p, &found, v, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) { \
    }                                                                                           \
    return found;                                                                               \
  }                                                                                             \
  RK_HELPER type rk_atomic_max_##T(type *p, type v)                                             \
  {                                                                                             \
    type found = __atomic_load_n(p, __ATOMIC_RELAXED);                                          \
    while (v > found &&                                                                         \
           !__atomic_compare_exchange_n(p, &found, v, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) { \
    }                                                                                           \
    return found;                                                                               \
  }
RK_DEFINE_ATOMICS(u32, rk_u32)
RK_DEFINE_ATOMICS(i32, rk_i32)
RK_DEFINE_ATOMICS(u64, rk_u64)
RK_DEFINE_ATOMICS(i64, rk_i64)
#undef RK_DEFINE_ATOMICS

#define RK_DEFINE_ATOMICS(T, type)                                                                \
  RK_HELPER type rk_atomic_load_##T(const type *p)                                                \
  {                                                                                               \
    type v;                                                                                       \
    __atomic_load(p, &v, __ATOMIC_RELAXED);                                                       \
    return v;                                                                                     \
  }                                                                                               \
  RK_HELPER void rk_atomic_store_##T(type *p, type v)                                             \
  {                                                                                               \
    __atomic_store(p, &v, __ATOMIC_RELAXED);                                                      \
  }                                                                                               \
  RK_HELPER type rk_atomic_add_##T(type *p, type v)                                               \
  {                                                                                               \
    type found;                                                                                   \
    type sum;                                                                                     \
    __atomic_load(p, &found, __ATOMIC_RELAXED);                                                   \
    do {                                                                                          \
      sum = found + v;                                                                            \
    } while (!__atomic_compare_exchange(p, &found, &sum, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)); \
    return found;                                                                                 \
  }
RK_DEFINE_ATOMICS(f32, rk_f32)
RK_DEFINE_ATOMICS(f64, rk_f64)
#undef RK_DEFINE_ATOMICS

#endif

/* ---- warps ----------------------------------------------------------------------------------- */

#define RK_WARP_LANES 32u

/* Number of the caller in its warp. */
RK_HELPER rk_u32 rk_warp_lane(void)
{
  return rk_block_lane() % RK_WARP_LANES;
}

/* Lanes of the caller's warp. */
RK_HELPER rk_u32 rk_warp_lanes(void)
{
  rk_u32 rest = rk_block_lanes() - rk_block_lane() / RK_WARP_LANES * RK_WARP_LANES;
  return rest < RK_WARP_LANES ? rest : RK_WARP_LANES;
}

/* One bit for each lane of the caller's warp. */
RK_HELPER rk_u32 rk_warp_mask(void)
{
  return 0xffffffffu >> (RK_WARP_LANES - rk_warp_lanes());
}

#if defined(__CUDACC__) && !defined(RK_WARP_DEFINED)
#define RK_WARP_DEFINED 1
RK_HELPER rk_u64 rk_shuffle_u64(rk_u64 v, rk_u32 source)
{
  source %= RK_WARP_LANES;
  source = source < rk_warp_lanes() ? source : rk_warp_lane();
  return rk_ptx_warp_shuffle(rk_warp_mask(), v, source);
}
RK_HELPER rk_u32 rk_ballot(int predicate)
{
  return rk_ptx_warp_ballot(rk_warp_mask(), predicate);
}
RK_HELPER void rk_warp_sync(void)
{
  rk_ptx_warp_meet(rk_warp_mask());
}
#endif

RK_HELPER rk_i64 rk_shuffle_i64(rk_i64 v, rk_u32 source)
{
  return (rk_i64)rk_shuffle_u64((rk_u64)v, source);
}
RK_HELPER rk_u32 rk_shuffle_u32(rk_u32 v, rk_u32 source)
{
  return (rk_u32)rk_shuffle_u64(v, source);
}
RK_HELPER rk_i32 rk_shuffle_i32(rk_i32 v, rk_u32 source)
{
  return (rk_i32)(rk_u32)rk_shuffle_u64((rk_u32)v, source);
}
RK_HELPER rk_f32 rk_shuffle_f32(rk_f32 v, rk_u32 source)
{
  return rk_from_bits_f32(rk_shuffle_u32(rk_bits_f32(v), source));
}
RK_HELPER rk_f64 rk_shuffle_f64(rk_f64 v, rk_u32 source)
{
  return rk_from_bits_f64(rk_shuffle_u64(rk_bits_f64(v), source));
}

RK_HELPER int rk_warp_any(int predicate)
{
  return rk_ballot(predicate) != 0u;
}
RK_HELPER int rk_warp_all(int predicate)
{
  return rk_ballot(predicate) == rk_warp_mask();
}

/* ---- reductions ------------------------------------------------------------------------------ */

/* The larger or smaller one; for NaN in `a` the other, and NaN in `b` never wins. */
#define RK_PICK_MIN(a, b) ((b) < (a) || (a) != (a) ? (b) : (a))
#define RK_PICK_MAX(a, b) ((b) > (a) || (a) != (a) ? (b) : (a))

/* Additions that compilers cannot merge with the multiplication a term comes from, which would make
 * the result depend on the machine. */
#if RK_HELPER_BUILTINS
RK_HELPER rk_f32 rk_plain_add_f32(rk_f32 a, rk_f32 b)
{
  return __fadd_rn(a, b);
}
RK_HELPER rk_f64 rk_plain_add_f64(rk_f64 a, rk_f64 b)
{
  return __dadd_rn(a, b);
}
#else
RK_HELPER rk_f32 rk_plain_add_f32(rk_f32 a, rk_f32 b)
{
  __asm__("" : "+m"(a), "+m"(b));
  return a + b;
}
RK_HELPER rk_f64 rk_plain_add_f64(rk_f64 a, rk_f64 b)
{
  __asm__("" : "+m"(a), "+m"(b));
  return a + b;
}
#endif

/* A block's scratch: one word for each of its warps. */
RK_HELPER rk_u64 *rk_block_scratch(void)
{
  RK_SHARED rk_u64 words[RK_LANES_MAX / RK_WARP_LANES];
  return words;
}

RK_HELPER rk_u64 rk_word_of_u32(rk_u32 v)
{
  return v;
}
RK_HELPER rk_u64 rk_word_of_i32(rk_i32 v)
{
  return (rk_u32)v;
}
RK_HELPER rk_u64 rk_word_of_u64(rk_u64 v)
{
  return v;
}
RK_HELPER rk_u64 rk_word_of_i64(rk_i64 v)
{
  return (rk_u64)v;
}
RK_HELPER rk_u64 rk_word_of_f32(rk_f32 v)
{
  return rk_bits_f32(v);
}
RK_HELPER rk_u64 rk_word_of_f64(rk_f64 v)
{
  return rk_bits_f64(v);
}
RK_HELPER rk_u32 rk_word_to_u32(rk_u64 w)
{
  return (rk_u32)w;
}
RK_HELPER rk_i32 rk_word_to_i32(rk_u64 w)
{
  return (rk_i32)(rk_u32)w;
}
RK_HELPER rk_u64 rk_word_to_u64(rk_u64 w)
{
  return w;
}
RK_HELPER rk_i64 rk_word_to_i64(rk_u64 w)
{
  return (rk_i64)w;
}
RK_HELPER rk_f32 rk_word_to_f32(rk_u64 w)
{
  return rk_from_bits_f32((rk_u32)w);
}
RK_HELPER rk_f64 rk_word_to_f64(rk_u64 w)
{
  return rk_from_bits_f64(w);
}

/* Warp: the upper half of the lanes that are left folds onto the lower half until lane 0 has it
 * all; it then tells the others. All lanes make every shuffle, the folded ones for nothing.
 *
 * Block: each warp leaves its result in the scratch and every lane combines all of them in the same
 * order. The second barrier lets the next reduction write the scratch. */
#define RK_DEFINE_REDUCTION(name, T, type, combine)                         \
  RK_HELPER type rk_warp_##name##_##T(type v)                               \
  {                                                                         \
    rk_u32 lane = rk_warp_lane();                                           \
    rk_u32 lanes = rk_warp_lanes();                                         \
    if (lanes == 1u) {                                                      \
      return v;                                                             \
    }                                                                       \
    for (rk_u32 half = RK_WARP_LANES / 2u; half > 0u; half /= 2u) {         \
      type other = rk_shuffle_##T(v, lane + half);                          \
      if (lane < half && lane + half < lanes) {                             \
        v = combine(v, other);                                              \
      }                                                                     \
    }                                                                       \
    return rk_shuffle_##T(v, 0u);                                           \
  }                                                                         \
  RK_HELPER type rk_block_##name##_##T(rk_ctx *ctx, type v)                 \
  {                                                                         \
    rk_u64 *scratch = rk_block_scratch();                                   \
    rk_u32 warps = (rk_block_lanes() + RK_WARP_LANES - 1u) / RK_WARP_LANES; \
    (void)ctx;                                                              \
    v = rk_warp_##name##_##T(v);                                            \
    if (warps == 1u) {                                                      \
      rk_lane_sync();                                                       \
      return v;                                                             \
    }                                                                       \
    if (rk_warp_lane() == 0u) {                                             \
      scratch[rk_block_lane() / RK_WARP_LANES] = rk_word_of_##T(v);         \
    }                                                                       \
    rk_lane_sync();                                                         \
    v = rk_word_to_##T(scratch[0]);                                         \
    for (rk_u32 warp = 1u; warp < warps; ++warp) {                          \
      type other = rk_word_to_##T(scratch[warp]);                           \
      v = combine(v, other);                                                \
    }                                                                       \
    rk_lane_sync();                                                         \
    return v;                                                               \
  }

/* Signed integers wrap by way of the unsigned type of their size. */
#define RK_SUM(a, b) ((a) + (b))
#define RK_SUM_I32(a, b) ((rk_i32)((rk_u32)(a) + (rk_u32)(b)))
#define RK_SUM_I64(a, b) ((rk_i64)((rk_u64)(a) + (rk_u64)(b)))
RK_DEFINE_REDUCTION(sum, u32, rk_u32, RK_SUM)
RK_DEFINE_REDUCTION(sum, i32, rk_i32, RK_SUM_I32)
RK_DEFINE_REDUCTION(sum, u64, rk_u64, RK_SUM)
RK_DEFINE_REDUCTION(sum, i64, rk_i64, RK_SUM_I64)
RK_DEFINE_REDUCTION(sum, f32, rk_f32, rk_plain_add_f32)
RK_DEFINE_REDUCTION(sum, f64, rk_f64, rk_plain_add_f64)
#undef RK_SUM
#undef RK_SUM_I32
#undef RK_SUM_I64

#define RK_DEFINE_EXTREMES(T, type)              \
  RK_DEFINE_REDUCTION(min, T, type, RK_PICK_MIN) \
  RK_DEFINE_REDUCTION(max, T, type, RK_PICK_MAX)
RK_DEFINE_EXTREMES(u32, rk_u32)
RK_DEFINE_EXTREMES(i32, rk_i32)
RK_DEFINE_EXTREMES(u64, rk_u64)
RK_DEFINE_EXTREMES(i64, rk_i64)
RK_DEFINE_EXTREMES(f32, rk_f32)
RK_DEFINE_EXTREMES(f64, rk_f64)
#undef RK_DEFINE_EXTREMES
#undef RK_DEFINE_REDUCTION
#undef RK_PICK_MIN
#undef RK_PICK_MAX

#endif
