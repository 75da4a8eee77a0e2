/* SPDX-License-Identifier: MIT */
/*
 * The file of a checkpoint: what lies where, writing it, and reading it with every byte checked.
 *
 *   header   96   magic, version, flags, number, stamp, digest of the parent; SHA-256 of these
 *   section  48   kind, size; SHA-256 of these
 *            n    payload
 *            32   SHA-256 of the payload
 *   ...           more sections; the last one is the index
 *   trailer  96   magic, place of the index, size of the file, digest; SHA-256 of these
 *
 * Numbers are little-endian. The digest of the file is that of its header and of all heads and
 * digests of its sections, so it stands for every byte. A delta has its parent's digest in its
 * header and holds only the sections of actors that differ; its index names all actors with the
 * digests of their sections, and the actors that its parent had and it has not.
 *
 * No field is used before the digest over it was found right, but the version: a file of a later
 * version keeps the place of that and of the header's own digest.
 *
 * What the payloads mean is the business of src/runtime/checkpoint*.c.
 */
#ifndef RK_CORE_CHECKPOINT_FILE_H
#define RK_CORE_CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/sha256.h"

/* 2: ports with what their links do and hold */
#define RK_CKPT_VERSION 2u
#define RK_CKPT_HEADER_BYTES 96u
#define RK_CKPT_SECTION_BYTES 48u
#define RK_CKPT_TRAILER_BYTES 96u

/* Kinds of sections. */
#define RK_CKPT_RUNTIME 1u
#define RK_CKPT_ACTOR 2u
#define RK_CKPT_LETTERS 3u
#define RK_CKPT_TOPICS 4u
#define RK_CKPT_INDEX 5u

typedef struct rk_ckpt_header {
  bool is_delta;
  uint64_t number; /* 0 for a full one, its parent's + 1 for a delta */
  uint64_t hlc;    /* stamp of the moment it shows */
  uint8_t parent[RK_SHA256_BYTES];
} rk_ckpt_header;

/* ---- writing --------------------------------------------------------------------------------- */

/* One section to be written. */
typedef struct rk_ckpt_piece {
  uint32_t kind;
  const void *data;
  size_t size;
  const char *name;                /* of an actor: stands in the index; else NULL */
  bool is_elsewhere;               /* the parent has it: it stands in the index only */
  bool has_digest;                 /* `digest` is known already */
  uint8_t digest[RK_SHA256_BYTES]; /* of the payload; known once it was written */
} rk_ckpt_piece;

typedef struct rk_ckpt_draft {
  rk_ckpt_header header;
  rk_ckpt_piece *pieces;
  size_t count;
  const char *parent;         /* file name of the parent, without its folder; "" = none */
  const char *const *deleted; /* [deleted_count] */
  size_t deleted_count;
} rk_ckpt_draft;

/* Writes the file in one step (rk_platform's file_write_from). `digest` becomes the file's and
 * *bytes its size. Errors: those of files, out_of_memory. */
int rk_ckpt_write(const char *path, const rk_ckpt_draft *draft, uint8_t *digest, uint64_t *bytes,
                  rk_error *err);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct rk_ckpt_section {
  uint32_t kind;
  uint64_t offset; /* of the payload in the file */
  const unsigned char *data;
  size_t size;
  uint8_t digest[RK_SHA256_BYTES];
} rk_ckpt_section;

typedef struct rk_ckpt_entry { /* one actor in an index */
  const char *name;
  uint8_t digest[RK_SHA256_BYTES];
} rk_ckpt_entry;

typedef struct rk_ckpt_index {
  void *memory; /* of the texts, where it was read by itself */
  const char *parent;
  const char **deleted;
  size_t deleted_count;
  rk_ckpt_entry *entries;
  size_t entry_count;
} rk_ckpt_index;

typedef struct rk_ckpt_file {
  void *memory; /* the whole file */
  size_t size;
  rk_ckpt_header header;
  rk_ckpt_section *sections; /* without the index */
  size_t section_count;
  rk_ckpt_index index;
  uint8_t digest[RK_SHA256_BYTES];
} rk_ckpt_file;

/* Reads `data`, which it takes over (rk_free) if it succeeds. Every byte is checked. Errors:
 * corrupt, whose text names the byte; version; out_of_memory. Threads: any. */
int rk_ckpt_parse(void *data, size_t size, rk_ckpt_file *out, rk_error *err);
/* Reads the file at `path` so. Errors name it. */
int rk_ckpt_read(const char *path, rk_ckpt_file *out, rk_error *err);
void rk_ckpt_file_close(rk_ckpt_file *file);

/* Reads only header, index and trailer of a file, whatever its size. `digest` becomes the file's.
 */
int rk_ckpt_read_index(const char *path, rk_ckpt_header *header, rk_ckpt_index *index,
                       uint8_t *digest, rk_error *err);
void rk_ckpt_index_close(rk_ckpt_index *index);

/* What to say of a payload whose cursor did not end well: corrupt, with the byte. */
int rk_ckpt_bad(const rk_ckpt_section *section, const rk_cursor *cursor, rk_error *err);

#endif
