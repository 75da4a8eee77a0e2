/* SPDX-License-Identifier: MIT */
/*
 * Files carried inside the program: the form of the tables that scripts/embed.lua writes.
 *
 * A table ends with an entry whose name is NULL. Used for the kernel headers (part of the library,
 * since user kernels are compiled at run time) and for the Lua modules (part of rkl).
 */
#ifndef RK_BASE_EMBED_H
#define RK_BASE_EMBED_H

#include <stddef.h>
#include <string.h>

#ifndef RK_EMBED_FILE_DEFINED
#define RK_EMBED_FILE_DEFINED
typedef struct rk_embed_file {
  const char *name;          /* path inside the program, slashes, no leading slash */
  const unsigned char *data; /* contents, then one zero byte */
  size_t size;               /* bytes in data, without that zero */
} rk_embed_file;
#endif

/* kernels/include/<name> and kernels/<name>.cu */
extern const rk_embed_file rk_embed_kernels[];

/* Returns the entry of `table` called `name`, or NULL. Threads: any. */
static inline const rk_embed_file *rk_embed_find(const rk_embed_file *table, const char *name)
{
  for (const rk_embed_file *file = table; file->name != NULL; file++) {
    if (strcmp(file->name, name) == 0) {
      return file;
    }
  }
  return NULL;
}

#endif
