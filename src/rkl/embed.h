/* SPDX-License-Identifier: MIT */
/*
 * The Lua modules (and any other text) that travel inside rkl; names look like
 * "ringkernel/init.lua".
 */
#ifndef RK_RKL_EMBED_H
#define RK_RKL_EMBED_H

#include "base/embed.h"

extern const rk_embed_file rk_embed_lua[];

#endif
