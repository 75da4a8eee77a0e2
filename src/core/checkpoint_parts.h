/* SPDX-License-Identifier: MIT */
/*
 * What the writer and the reader of checkpoint files share besides checkpoint_file.h: the marks at
 * both ends. Not for anybody else.
 */
#ifndef RK_CORE_CHECKPOINT_PARTS_H
#define RK_CORE_CHECKPOINT_PARTS_H

/* As PNG does it: a transfer that changes line ends or drops bit 7 is seen at once. */
static const unsigned char rk__ckpt_magic[8] = {0x89, 'R', 'K', 'C', 'P', '\r', '\n', '\n'};
static const unsigned char rk__ckpt_end[8] = {0x89, 'R', 'K', 'E', 'N', 'D', '\r', '\n'};

#define RK__CKPT_DELTA 1u /* flag of the header */

#endif
