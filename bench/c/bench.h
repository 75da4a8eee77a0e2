/* SPDX-License-Identifier: MIT */
/*
 * What the micro-benchmarks share: samples and their median, threads that start together, pinning,
 * and the lines that bench/campaigns/native.lua reads, one for each figure.
 *
 * A figure is the median of several samples; a sample is the mean over many operations (or, where
 * the text says "each timed", one operation). Every figure says what its timing includes. A check
 * that fails ends the program: a wrong result has no speed.
 *
 * Environment: BENCH_SAMPLES (7), BENCH_DIVISOR (1: samples are that many times shorter),
 * BENCH_PIN=0 (leave threads where the system puts them), BENCH_QUANTITY (only these figures, with
 * commas between).
 *
 * Programs here use threads and clocks of the system directly: they time the real machine.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether BENCH_QUANTITY asks for this figure. Figures that nobody asked for are neither measured
 * nor reported; ask before what is expensive to set up. */
bool bench_wants(const char *quantity);
/* What this program sees to in all figures reported from now on, in words: how far messages got
 * within the timing, and what was compared. NULL: nothing. */
void bench_truth(const char *consumed, const char *verified);

/* Samples that a figure is made of. */
size_t bench_samples(void);
/* `full` operations a sample, fewer when BENCH_DIVISOR says so; at least 16. */
uint64_t bench_scale(uint64_t full);

/* CLOCK_MONOTONIC. */
uint64_t bench_now_ns(void);
/* Inlined: a call in a polling loop changes what the other side sees. */
static inline void bench_pause(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Whether threads are pinned: there are two processors and nobody said no. */
bool bench_pins(void);
/* Ties the calling thread to the n-th processor it may use; any thread, where `tid` is not 0. */
void bench_pin(unsigned n);
void bench_pin_thread(int tid, unsigned n);
void bench_unpin(void);

/* One sample: returns the value in the figure's unit. */
typedef double (*bench_fn)(void *arg);
/* One warm-up call that is thrown away, then the samples, then the line. */
void bench_measure(const char *quantity, const char *unit, const char *includes, bench_fn fn,
                   void *arg);
/* The same from values that the caller collected; they are sorted in place. */
void bench_report(const char *quantity, const char *unit, const char *includes, double *values,
                  size_t count);
/* A figure that this machine cannot give, and why. */
void bench_skip(const char *quantity, const char *reason);

/* Ends the program when `ok` is false. */
void bench_check(bool ok, const char *what);

/* Runs `count` threads (at most 8) that start together, thread i as fn(args[i]); with `pin`, thread
 * i on processor i. The caller is thread 0. Returns ns from the start to the end of the last. */
uint64_t bench_team(unsigned count, bool pin, void (*fn)(void *arg), void *const *args);

/* What the queue figures are of: programs are built once for each size of payload, a multiple of 8,
 * behind a header of 64 bytes. A queue has 1024 slots, fewer where that were more than 1 MiB. */
#ifndef BENCH_PAYLOAD
#define BENCH_PAYLOAD 64
#endif
#define BENCH_BYTES (64u + BENCH_PAYLOAD)
#define BENCH_SLOTS (BENCH_BYTES <= 1024u ? 1024u : BENCH_BYTES <= 2048u ? 512u : 256u)
#define BENCH_WORDS (BENCH_BYTES / 8u)
/* For texts. */
#define BENCH_TEXT_OF(x) #x
#define BENCH_TEXT(x) BENCH_TEXT_OF(x)
/* Operations of a sample: `full` of up to 256 bytes, fewer of larger messages. */
static inline uint64_t bench_scale_bytes(uint64_t full)
{
  return bench_scale(BENCH_BYTES <= 256u ? full : full * 256u / BENCH_BYTES);
}

/* The message of the peers: every word is written, copied out and checked. */
typedef struct bench_message {
  uint64_t words[BENCH_WORDS];
} bench_message;
static inline void bench_fill(bench_message *m, uint64_t i)
{
  for (unsigned k = 0; k < BENCH_WORDS; ++k) {
    m->words[k] = i + k;
  }
}
static inline uint64_t bench_wrong(const bench_message *m, uint64_t i)
{
  uint64_t wrong = 0;
  for (unsigned k = 0; k < BENCH_WORDS; ++k) {
    wrong |= m->words[k] ^ (i + k);
  }
  return wrong;
}

#ifdef __cplusplus
}
#endif
#endif
