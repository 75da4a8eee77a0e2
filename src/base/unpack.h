/* SPDX-License-Identifier: MIT */
/*
 * Texts that travel inside the library packed: scripts/pack.lua makes them when it is built, this
 * gives them back.
 *
 * The packed form is LZ4's block format (lz4_Block_format.md of lz4), without a frame around it. It is
 * a list of steps, "sequences" there. A step begins with one byte: its upper half is how many bytes to
 * take from the packed text as they are, its lower half, plus 4, how many to copy from what is there
 * already. A half of 15 goes on in bytes that are added to it, up to and including the first that is
 * not 255: those of the upper half, then the bytes to take, then two bytes, the lower first, that say
 * how far back the copy begins, then those of the lower half. A copy may reach into itself. The last
 * step ends with the bytes to take.
 */
#ifndef RK_BASE_UNPACK_H
#define RK_BASE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>

/* Unpacks `packed` into exactly `out_bytes` bytes of `out`. False if it is not what pack.lua made of
 * that many bytes: then `out` has anything, and nothing beside it was read or written. Threads: any. */
bool rk_unpack(const unsigned char *packed, size_t packed_bytes, unsigned char *out,
               size_t out_bytes);

#endif
