/* SPDX-License-Identifier: MIT */
/*
 * mbarrier objects, asynchronous stores between blocks and bulk copies, for rkptx.h.
 *
 * A barrier counts arrivals and bytes: its phase is over when none of either is outstanding (PTX
 * ISA, "mbarrier"). The word is ours, not the hardware's: bytes outstanding (signed, 21 bits),
 * arrivals outstanding and wanted (12 bits each), the phase's parity, and a mark, so that one that
 * was never made is found. What is asynchronous arrives when somebody looks at its barrier: a store
 * between blocks as fake_far.c has it, a bulk copy at the second look at the earliest.
 */
#ifndef RKPTX_GATE_H
#define RKPTX_GATE_H

#define RKP_GATE_BYTES ((UINT64_C(1) << 21) - 1u)
#define RKP_GATE_PENDING_SHIFT 21
#define RKP_GATE_WANTED_SHIFT 33
#define RKP_GATE_COUNT UINT64_C(0xfff)
#define RKP_GATE_PARITY (UINT64_C(1) << 45)
#define RKP_GATE_MARK (UINT64_C(0x6a7e) << 48)

RKP_SLOW uint64_t rkp_gate_word(rkp_thread *me, const unsigned char *gate, int line)
{
  uint64_t word = __atomic_load_n(RKP_AT(uint64_t, gate), __ATOMIC_RELAXED);
  if (word >> 48 != RKP_GATE_MARK >> 48) {
    rkp_die(me, line, "a word that is no mbarrier");
  }
  return word;
}

RKP_SLOW void rkp_gate_init(rkp_thread *me, unsigned char *gate, uint64_t count, int line)
{
  if (count == 0 || count > RKP_GATE_COUNT) {
    rkp_die(me, line, "an mbarrier for %llu arrivals", (unsigned long long)count);
  }
  __atomic_store_n(RKP_AT(uint64_t, gate),
                   RKP_GATE_MARK | count << RKP_GATE_WANTED_SHIFT | count << RKP_GATE_PENDING_SHIFT,
                   __ATOMIC_RELAXED);
}

#if defined(RK_PLANT_RELAXED_GATES) /* for spec/cuda/tsan_spec.lua */
#define RKP_GATE_ORDER __ATOMIC_RELAXED
#else
#define RKP_GATE_ORDER __ATOMIC_RELEASE
#endif

/* Takes arrivals off and adds bytes; a phase without either outstanding is over. */
RKP_SLOW void rkp_gate_change(rkp_thread *me, unsigned char *gate, uint64_t arrivals, int64_t bytes,
                              int line)
{
  uint64_t old = rkp_gate_word(me, gate, line), word;
  do {
    uint64_t pending = old >> RKP_GATE_PENDING_SHIFT & RKP_GATE_COUNT;
    uint64_t left = (old + (uint64_t)bytes) & RKP_GATE_BYTES;
    if (pending < arrivals) {
      rkp_die(me, line, "an arrival at an mbarrier that has all of this phase");
    }
    pending -= arrivals;
    word = (old & ~(RKP_GATE_BYTES | RKP_GATE_COUNT << RKP_GATE_PENDING_SHIFT)) | left;
    if (pending == 0 && left == 0) {
      word ^= RKP_GATE_PARITY;
      pending = old >> RKP_GATE_WANTED_SHIFT & RKP_GATE_COUNT;
    }
    word |= pending << RKP_GATE_PENDING_SHIFT;
  } while (!__atomic_compare_exchange_n(RKP_AT(uint64_t, gate), &old, word, 0, RKP_GATE_ORDER,
                                        __ATOMIC_RELAXED));
}

RKP_SLOW void rkp_gate_expect(rkp_thread *me, unsigned char *gate, uint64_t bytes, int line)
{
  if ((uint32_t)bytes >= 1u << 20) {
    rkp_die(me, line, "an mbarrier is to expect %u bytes, 2^20 - 1 is the most", (uint32_t)bytes);
  }
  rkp_gate_change(me, gate, 1, (int64_t)(uint32_t)bytes, line);
}

RKP_SLOW void rkp_store_async(rkp_thread *me, uint32_t to, uint32_t gate, uint64_t low,
                              uint64_t high, int line)
{
  uint32_t rank = to >> RKP_CLUSTER_SHIFT;
  if (rank != gate >> RKP_CLUSTER_SHIFT || rank == 0) {
    rkp_die(me, line, "st.async to 0x%x with its mbarrier at 0x%x: not in one block", to, gate);
  }
  unsigned char *target = rkp_cluster(me, to, 16u, line);
  rkfake_device->far_store(rank - 1u, target, rkp_cluster(me, gate, 8u, line), low, high);
}

/* ---- bulk copies: into the own block's shared memory only ---- */

RKP_UNSEEN void rkp_bulk_load(rkp_thread *me, uint32_t to, uint64_t from, uint64_t bytes,
                              unsigned char *gate, int line)
{
  uint32_t count = (uint32_t)bytes;
  if (((to | from | count) & 15u) != 0 || count == 0) {
    rkp_die(me, line, "a bulk copy of %u bytes from 0x%llx to 0x%x: multiples of 16 expected",
            count, (unsigned long long)from, to);
  }
  (void)rkp_gate_word(me, gate, line);
  (void)rkp_shared(me, to + count - 16u, 16u, line);
  for (int i = 0; i < RKP_BULKS; i++) {
    if (me->block->bulks[i].bytes == 0) {
      me->block->bulks[i] = (rkp_bulk){rkp_shared(me, to, 16u, line), gate, from, count, 0, line};
      return;
    }
  }
  rkp_die(me, line, "more than %d bulk copies on their way", RKP_BULKS);
}

RKP_UNSEEN void rkp_bulk_land(rkp_thread *me, const unsigned char *gate)
{
  for (int i = 0; i < RKP_BULKS; i++) {
    rkp_bulk *b = &me->block->bulks[i];
    if (b->bytes != 0 && b->gate == gate && ++b->looks > 1) {
      const rkp_bulk copy = *b;
      b->bytes = 0; /* it is this thread's: looking an address up may let others run */
      (void)rkp_global(me, copy.from, 16u, copy.line);
      const unsigned char *last = rkp_global(me, copy.from + copy.bytes - 16u, 16u, copy.line);
      memcpy(copy.to, last - (copy.bytes - 16u), copy.bytes);
      rkp_gate_change(me, copy.gate, 0, -(int64_t)copy.bytes, copy.line);
    }
  }
}

/* Whether the phase of that parity is over; only the block whose barrier it is may ask. */
RKP_SLOW bool rkp_gate_is_past(rkp_thread *me, unsigned char *gate, uint64_t parity, int line)
{
  rkfake_store store;
  (void)rkp_gate_word(me, gate, line);
  rkp_bulk_land(me, gate);
  while (rkfake_device->far_land(gate, &store)) {
    memcpy(store.to, &store.low, 8);
    memcpy((char *)store.to + 8, &store.high, 8);
    rkp_gate_change(me, gate, 0, -16, line);
  }
  uint64_t word = __atomic_load_n(RKP_AT(uint64_t, gate), __ATOMIC_ACQUIRE);
  return ((word & RKP_GATE_PARITY) != 0) != ((parity & 1u) != 0);
}

RKP_SLOW void rkp_gate_end(rkp_thread *me, unsigned char *gate, int line)
{
  uint64_t word = rkp_gate_word(me, gate, line);
  if ((word & RKP_GATE_BYTES) != 0) {
    rkp_die(me, line, "an mbarrier ends while bytes are on their way");
  }
  __atomic_store_n(RKP_AT(uint64_t, gate), UINT64_C(0xa5a5a5a5a5a5a5a5), __ATOMIC_RELAXED);
}

#endif
