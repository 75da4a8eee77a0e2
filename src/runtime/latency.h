/* SPDX-License-Identifier: MIT */
/*
 * Reading the latency histograms that blocks keep of their actors (rk_histogram_dev.h).
 */
#ifndef RK_RUNTIME_LATENCY_H
#define RK_RUNTIME_LATENCY_H

#include "base/histogram.h"

#include "rk_histogram_dev.h"

/* Makes `out` the histogram that stands in `from`, in nanoseconds: its percentiles are never too
 * low and at most 1/8 too high (past 8.5 s: the maximum); count, minimum, maximum and mean are
 * exact in a copy that the block made, and may be one message apart where it writes meanwhile.
 * Threads: any. */
void rk_latency_read(const rk_abi_latency *from, rk_histogram *out);

#endif
