/* SPDX-License-Identifier: MIT */
/*
 * Integers and floating point as the PTX ISA has them, where C says otherwise or nothing (rkptx.h).
 * Approximate instructions give the exact result here.
 */
#ifndef RKPTX_MATH_H
#define RKPTX_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RKP_FN __attribute__((unused)) static inline
#define RKP_LEAST(a, b) ((a) < (b) ? (a) : (b))
#define RKP_MOST(a, b) ((a) > (b) ? (a) : (b))

/* ---- floating point ---- */

RKP_FN float rkp_f32(uint32_t bits)
{
  float f;
  memcpy(&f, &bits, sizeof(f));
  return f;
}
RKP_FN double rkp_f64(uint64_t bits)
{
  double f;
  memcpy(&f, &bits, sizeof(f));
  return f;
}
RKP_FN uint32_t rkp_bits_f32(float f)
{
  uint32_t bits;
  memcpy(&bits, &f, sizeof(bits));
  return bits;
}
RKP_FN uint64_t rkp_bits_f64(double f)
{
  uint64_t bits;
  memcpy(&bits, &f, sizeof(bits));
  return bits;
}
#define RKP_FLOATS(suffix, type, f)                    \
  RKP_FN bool rkp_is_nan_##suffix(type a)              \
  {                                                    \
    return a != a;                                     \
  }                                                    \
  RKP_FN type rkp_div_##suffix(type a, type b)         \
  {                                                    \
    return a / b;                                      \
  }                                                    \
  RKP_FN type rkp_min_##suffix(type a, type b)         \
  {                                                    \
    return fmin##f(a, b);                              \
  }                                                    \
  RKP_FN type rkp_max_##suffix(type a, type b)         \
  {                                                    \
    return fmax##f(a, b);                              \
  }                                                    \
  RKP_FN type rkp_abs_##suffix(type a)                 \
  {                                                    \
    return fabs##f(a);                                 \
  }                                                    \
  RKP_FN type rkp_fma_##suffix(type a, type b, type c) \
  {                                                    \
    return fma##f(a, b, c);                            \
  }                                                    \
  RKP_FN type rkp_rcp_##suffix(type a)                 \
  {                                                    \
    return (type)1 / a;                                \
  }                                                    \
  RKP_FN type rkp_sqrt_##suffix(type a)                \
  {                                                    \
    return sqrt##f(a);                                 \
  }                                                    \
  RKP_FN type rkp_rsqrt_##suffix(type a)               \
  {                                                    \
    return (type)1 / sqrt##f(a);                       \
  }                                                    \
  RKP_FN type rkp_sin_##suffix(type a)                 \
  {                                                    \
    return sin##f(a);                                  \
  }                                                    \
  RKP_FN type rkp_cos_##suffix(type a)                 \
  {                                                    \
    return cos##f(a);                                  \
  }                                                    \
  RKP_FN type rkp_ex2_##suffix(type a)                 \
  {                                                    \
    return exp2##f(a);                                 \
  }                                                    \
  RKP_FN type rkp_lg2_##suffix(type a)                 \
  {                                                    \
    return log2##f(a);                                 \
  }                                                    \
  /* the sign of a, the rest of b */                   \
  RKP_FN type rkp_copysign_##suffix(type a, type b)    \
  {                                                    \
    return copysign##f(b, a);                          \
  }
RKP_FLOATS(f32, float, f)
RKP_FLOATS(f64, double, )

/* To an integer; outside of its range the nearest, no number is 0 (PTX ISA, cvt). */
#define RKP_TO(suffix, type, low, above)                \
  RKP_FN type rkp_to_##suffix(double v)                 \
  {                                                     \
    return v != v              ? (type)0                \
           : v < (double)(low) ? (type)(low)            \
           : v >= (above)      ? (type)((type)(low)-1u) \
                               : (type)v;                    \
  }
RKP_TO(u16, uint16_t, 0, 65536.0)
RKP_TO(u32, uint32_t, 0, 4294967296.0)
RKP_TO(u64, uint64_t, 0, 18446744073709551616.0)
RKP_FN int32_t rkp_to_s32(double v)
{
  return v != v ? 0 : v < -2147483648.0 ? INT32_MIN : v >= 2147483648.0 ? INT32_MAX : (int32_t)v;
}
RKP_FN int64_t rkp_to_s64(double v)
{
  return v != v                       ? 0
         : v < -9223372036854775808.0 ? INT64_MIN
         : v >= 9223372036854775808.0 ? INT64_MAX
                                      : (int64_t)v;
}

/* ---- integers ---- */

#define RKP_INTEGERS(suffix, type)              \
  RKP_FN type rkp_div_##suffix(type a, type b)  \
  {                                             \
    return b == 0 ? (type)-1 : (type)(a / b);   \
  }                                             \
  RKP_FN type rkp_rem_##suffix(type a, type b)  \
  {                                             \
    return b == 0 ? a : (type)(a % b);          \
  }                                             \
  RKP_FN type rkp_imin_##suffix(type a, type b) \
  {                                             \
    return a < b ? a : b;                       \
  }                                             \
  RKP_FN type rkp_imax_##suffix(type a, type b) \
  {                                             \
    return a > b ? a : b;                       \
  }
/* The least has no positive: its own bits are left. */
#define RKP_ABS(bits)                                           \
  RKP_FN int##bits##_t rkp_abs_s##bits(int##bits##_t a)         \
  {                                                             \
    return a < 0 ? (int##bits##_t)(0u - (uint##bits##_t)a) : a; \
  }
RKP_ABS(16)
RKP_ABS(32)
RKP_ABS(64)
RKP_INTEGERS(u16, uint16_t)
RKP_INTEGERS(s16, int16_t)
RKP_INTEGERS(u32, uint32_t)
RKP_INTEGERS(s32, int32_t)
RKP_INTEGERS(u64, uint64_t)
RKP_INTEGERS(s64, int64_t)

#define RKP_SHIFTS(bits)                                               \
  RKP_FN uint##bits##_t rkp_shl_u##bits(uint##bits##_t a, uint32_t by) \
  {                                                                    \
    return by >= bits ? 0 : (uint##bits##_t)(a << by);                 \
  }                                                                    \
  RKP_FN uint##bits##_t rkp_shr_u##bits(uint##bits##_t a, uint32_t by) \
  {                                                                    \
    return by >= bits ? 0 : (uint##bits##_t)(a >> by);                 \
  }                                                                    \
  RKP_FN int##bits##_t rkp_shr_s##bits(int##bits##_t a, uint32_t by)   \
  {                                                                    \
    return (int##bits##_t)(a >> (by >= bits ? bits - 1 : by));         \
  }
RKP_SHIFTS(16)
RKP_SHIFTS(32)
RKP_SHIFTS(64)

RKP_FN uint32_t rkp_shf_l(uint32_t low, uint32_t high, uint32_t by, int is_clamped)
{
  uint32_t n = is_clamped ? RKP_LEAST(by, 32u) : by & 31u;
  return (uint32_t)(((uint64_t)high << 32 | low) << n >> 32);
}
RKP_FN uint32_t rkp_shf_r(uint32_t low, uint32_t high, uint32_t by, int is_clamped)
{
  uint32_t n = is_clamped ? RKP_LEAST(by, 32u) : by & 31u;
  return (uint32_t)(((uint64_t)high << 32 | low) >> n);
}

/* `count` bits of b into a from bit `at` on; what does not fit is left out (PTX ISA, bfi). */
RKP_FN uint64_t rkp_bfi_b64(uint64_t b, uint64_t a, uint64_t at, uint64_t count)
{
  at &= 0xffu;
  count &= 0xffu;
  uint64_t mask = count >= 64u ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1u;
  return at >= 64u ? a : (a & ~(mask << at)) | (b & mask) << at;
}
RKP_FN uint32_t rkp_bfi_b32(uint64_t b, uint64_t a, uint64_t at, uint64_t count)
{
  return (uint32_t)rkp_bfi_b64(b, (uint32_t)a, at, count);
}
RKP_FN uint64_t rkp_bfe_u64(uint64_t a, uint64_t at, uint64_t count)
{
  at &= 0xffu;
  count &= 0xffu;
  return at >= 64u ? 0 : a >> at & (count >= 64u ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1u);
}
RKP_FN uint32_t rkp_bfe_u32(uint64_t a, uint64_t at, uint64_t count)
{
  return (uint32_t)rkp_bfe_u64((uint32_t)a, at, count);
}
RKP_FN uint32_t rkp_clz_b32(uint64_t a)
{
  return (uint32_t)a == 0 ? 32u : (uint32_t)__builtin_clz((uint32_t)a);
}
RKP_FN uint32_t rkp_clz_b64(uint64_t a)
{
  return a == 0 ? 64u : (uint32_t)__builtin_clzll(a);
}
RKP_FN uint32_t rkp_popc_b32(uint64_t a)
{
  return (uint32_t)__builtin_popcount((uint32_t)a);
}
RKP_FN uint32_t rkp_popc_b64(uint64_t a)
{
  return (uint32_t)__builtin_popcountll(a);
}
RKP_FN uint64_t rkp_brev_b64(uint64_t a)
{
  uint64_t out = 0;
  for (int i = 0; i < 64; i++) {
    out |= (a >> i & 1u) << (63 - i);
  }
  return out;
}
RKP_FN uint32_t rkp_brev_b32(uint64_t a)
{
  return (uint32_t)(rkp_brev_b64((uint32_t)a) >> 32);
}
RKP_FN uint32_t rkp_prmt_b32(uint64_t a, uint64_t b, uint64_t selector)
{
  uint64_t bytes = (uint32_t)a | b << 32;
  uint32_t out = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t nibble = (uint32_t)(selector >> 4 * i) & 15u;
    uint32_t byte = (uint32_t)(bytes >> 8 * (nibble & 7u)) & 255u;
    if ((nibble & 8u) != 0) {
      byte = (byte & 128u) != 0 ? 255u : 0;
    }
    out |= byte << 8 * i;
  }
  return out;
}
RKP_FN uint32_t rkp_lop3(uint64_t a, uint64_t b, uint64_t c, uint64_t table)
{
  uint32_t out = 0;
  for (int i = 0; i < 8; i++) {
    if ((table >> i & 1u) != 0) {
      out |= ((i & 4) != 0 ? (uint32_t)a : ~(uint32_t)a) &
             ((i & 2) != 0 ? (uint32_t)b : ~(uint32_t)b) &
             ((i & 1) != 0 ? (uint32_t)c : ~(uint32_t)c);
    }
  }
  return out;
}

#endif
