/* SPDX-License-Identifier: MIT */
/*
 * Loads, stores, atomic operations and fences of translated PTX, for rkptx.h: the orders of PTX as
 * those of C11. Scopes are not told apart.
 */
#ifndef RKPTX_ORDER_H
#define RKPTX_ORDER_H

typedef uint8_t rkp_uint8_t __attribute__((may_alias));
typedef uint16_t rkp_uint16_t __attribute__((may_alias));
typedef uint32_t rkp_uint32_t __attribute__((may_alias));
typedef uint64_t rkp_uint64_t __attribute__((may_alias));
#define RKP_AT(type, p) ((rkp_##type *)(void *)(p))

/* ThreadSanitizer knows no fences. What one would do it is told: an acquire of what the last relaxed
 * loads read, and a release by the relaxed stores behind it, as long as there is no plain store
 * to global memory between, which they would publish too. */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *about);
RKP_FN void rkp_looked(rkp_thread *me, void *at)
{
  me->looked[me->looks++ % RKP_LOOKS] = at;
}
RKP_FN void rkp_stored(rkp_thread *me, const unsigned char *at)
{
  me->has_fenced = me->has_fenced && ((at >= me->local && at < me->local + RKP_LOCAL_BYTES) ||
                                      (at >= me->shared && at < me->shared + RKP_SHARED_TOP));
}
RKP_FN void rkp_fence(rkp_thread *me, int order)
{
  (void)order;
  for (uint32_t i = 0; i < RKP_LOOKS && i < me->looks; i++) {
    __tsan_acquire(me->looked[i]);
  }
  me->looks = 0;
  me->has_fenced = true;
}
#else
RKP_FN void rkp_fence(const rkp_thread *me, int order)
{
  (void)me;
  if (order == __ATOMIC_SEQ_CST) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  } else {
    __atomic_thread_fence(__ATOMIC_ACQ_REL);
  }
}
#endif
/* Of the asynchronous proxy, and of barriers that were made: both are seen at once here. */
RKP_FN void rkp_fence_proxy(const rkp_thread *me)
{
  (void)me;
}

#define rkp_load_weak(type, p) (*RKP_AT(type, p))
#define rkp_store_param(type, p, v) (*RKP_AT(type, p) = (type)(v))
#define rkp_load_acquire(type, p) __atomic_load_n(RKP_AT(type, p), __ATOMIC_ACQUIRE)
#if defined(RK_PLANT_RELAXED_PUBLISH) /* for spec/cuda/tsan_spec.lua */
#define rkp_store_release(type, p, v) __atomic_store_n(RKP_AT(type, p), (type)(v), __ATOMIC_RELAXED)
#else
#define rkp_store_release(type, p, v) __atomic_store_n(RKP_AT(type, p), (type)(v), __ATOMIC_RELEASE)
#endif
#if defined(__SANITIZE_THREAD__)
#define rkp_load_relaxed(type, p) \
  (rkp_looked(me, (p)), __atomic_load_n(RKP_AT(type, p), __ATOMIC_RELAXED))
#define rkp_store_weak(type, p, v) (rkp_stored(me, (p)), *RKP_AT(type, p) = (type)(v))
#define rkp_store_relaxed(type, p, v)                                 \
  do {                                                                \
    if (me->has_fenced) {                                             \
      __atomic_store_n(RKP_AT(type, p), (type)(v), __ATOMIC_RELEASE); \
    } else {                                                          \
      __atomic_store_n(RKP_AT(type, p), (type)(v), __ATOMIC_RELAXED); \
    }                                                                 \
  } while (0)
#else
#define rkp_load_relaxed(type, p) __atomic_load_n(RKP_AT(type, p), __ATOMIC_RELAXED)
#define rkp_store_weak(type, p, v) (*RKP_AT(type, p) = (type)(v))
#define rkp_store_relaxed(type, p, v) __atomic_store_n(RKP_AT(type, p), (type)(v), __ATOMIC_RELAXED)
#endif

#define RKP_RELAXED __ATOMIC_RELAXED
#define RKP_ACQUIRE __ATOMIC_ACQUIRE
#define RKP_RELEASE __ATOMIC_RELEASE
#define RKP_ACQ_REL __ATOMIC_ACQ_REL
#define RKP_SC __ATOMIC_SEQ_CST

/* An atomic that C has; the order is a constant in the caller, and decides here. */
#define RKP_ATOMIC(name, suffix, type, builtin)                                                 \
  RKP_FN type rkp_##name##_##suffix(rkp_thread *me, unsigned char *p, uint64_t with, int order) \
  {                                                                                             \
    (void)me;                                                                                   \
    switch (order) {                                                                            \
      case __ATOMIC_RELAXED:                                                                    \
        return builtin(RKP_AT(type, p), (type)with, __ATOMIC_RELAXED);                          \
      case __ATOMIC_ACQUIRE:                                                                    \
        return builtin(RKP_AT(type, p), (type)with, __ATOMIC_ACQUIRE);                          \
      case __ATOMIC_RELEASE:                                                                    \
        return builtin(RKP_AT(type, p), (type)with, __ATOMIC_RELEASE);                          \
      default:                                                                                  \
        return builtin(RKP_AT(type, p), (type)with, __ATOMIC_ACQ_REL);                          \
    }                                                                                           \
  }
#define RKP_ATOMICS(suffix, type)                   \
  RKP_ATOMIC(add, suffix, type, __atomic_fetch_add) \
  RKP_ATOMIC(and, suffix, type, __atomic_fetch_and) \
  RKP_ATOMIC(or, suffix, type, __atomic_fetch_or)   \
  RKP_ATOMIC(xor, suffix, type, __atomic_fetch_xor) \
  RKP_ATOMIC(exch, suffix, type, __atomic_exchange_n)
RKP_ATOMICS(u32, uint32_t)
RKP_ATOMICS(u64, uint64_t)
RKP_ATOMIC(add, s32, uint32_t, __atomic_fetch_add)
RKP_ATOMIC(add, s64, uint64_t, __atomic_fetch_add)

#define RKP_CAS(suffix, type)                                                                      \
  RKP_FN type rkp_cas_##suffix(rkp_thread *me, unsigned char *p, uint64_t expected, uint64_t with, \
                               int order)                                                          \
  {                                                                                                \
    type found = (type)expected;                                                                   \
    (void)me;                                                                                      \
    switch (order) {                                                                               \
      case __ATOMIC_RELAXED:                                                                       \
        (void)__atomic_compare_exchange_n(RKP_AT(type, p), &found, (type)with, 0,                  \
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);                     \
        break;                                                                                     \
      case __ATOMIC_ACQUIRE:                                                                       \
        (void)__atomic_compare_exchange_n(RKP_AT(type, p), &found, (type)with, 0,                  \
                                          __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);                     \
        break;                                                                                     \
      case __ATOMIC_RELEASE:                                                                       \
        (void)__atomic_compare_exchange_n(RKP_AT(type, p), &found, (type)with, 0,                  \
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED);                     \
        break;                                                                                     \
      default:                                                                                     \
        (void)__atomic_compare_exchange_n(RKP_AT(type, p), &found, (type)with, 0,                  \
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);                     \
    }                                                                                              \
    return found;                                                                                  \
  }
RKP_CAS(u32, uint32_t)
RKP_CAS(u64, uint64_t)

/* The others, out of compare-and-swap. */
#define RKP_LOOP(name, suffix, raw, type, make)                                                \
  RKP_FN raw rkp_##name##_##suffix(rkp_thread *me, unsigned char *p, uint64_t with, int order) \
  {                                                                                            \
    raw found = __atomic_load_n(RKP_AT(raw, p), __ATOMIC_RELAXED);                             \
    for (;;) {                                                                                 \
      const type was = (type)found, b = (type)with;                                            \
      raw old = rkp_cas_u##suffix##_(me, p, found, (raw)(make), order);                        \
      if (old == found) {                                                                      \
        return old;                                                                            \
      }                                                                                        \
      found = old;                                                                             \
    }                                                                                          \
  }
#define rkp_cas_uu32_ rkp_cas_u32
#define rkp_cas_uu64_ rkp_cas_u64
#define rkp_cas_us32_ rkp_cas_u32
#define rkp_cas_us64_ rkp_cas_u64
RKP_LOOP(min, u32, uint32_t, uint32_t, RKP_LEAST(was, b))
RKP_LOOP(max, u32, uint32_t, uint32_t, RKP_MOST(was, b))
RKP_LOOP(min, s32, uint32_t, int32_t, RKP_LEAST(was, b))
RKP_LOOP(max, s32, uint32_t, int32_t, RKP_MOST(was, b))
RKP_LOOP(min, u64, uint64_t, uint64_t, RKP_LEAST(was, b))
RKP_LOOP(max, u64, uint64_t, uint64_t, RKP_MOST(was, b))
RKP_LOOP(min, s64, uint64_t, int64_t, RKP_LEAST(was, b))
RKP_LOOP(max, s64, uint64_t, int64_t, RKP_MOST(was, b))
RKP_LOOP(inc, u32, uint32_t, uint32_t, was >= b ? 0u : was + 1u)
RKP_LOOP(dec, u32, uint32_t, uint32_t, was == 0u || was > b ? b : was - 1u)

RKP_FN uint32_t rkp_add_f32(rkp_thread *me, unsigned char *p, uint64_t with, int order)
{
  uint32_t found = __atomic_load_n(RKP_AT(uint32_t, p), __ATOMIC_RELAXED);
  for (;;) {
    uint32_t sum = rkp_bits_f32(rkp_f32(found) + rkp_f32((uint32_t)with));
    uint32_t old = rkp_cas_u32(me, p, found, sum, order);
    if (old == found) {
      return old;
    }
    found = old;
  }
}
RKP_FN uint64_t rkp_add_f64(rkp_thread *me, unsigned char *p, uint64_t with, int order)
{
  uint64_t found = __atomic_load_n(RKP_AT(uint64_t, p), __ATOMIC_RELAXED);
  for (;;) {
    uint64_t sum = rkp_bits_f64(rkp_f64(found) + rkp_f64(with));
    uint64_t old = rkp_cas_u64(me, p, found, sum, order);
    if (old == found) {
      return old;
    }
    found = old;
  }
}

#endif
