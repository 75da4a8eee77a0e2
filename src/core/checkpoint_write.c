/* SPDX-License-Identifier: MIT */
/*
 * The file of a checkpoint, writing: see checkpoint_file.h.
 *
 * The file is said piece by piece. Large ones are hashed by a thread that runs ahead, small ones just
 * before they go out; both while the disk takes others.
 */
#include <string.h>

#include "base/platform.h"
#include "core/checkpoint_ahead.h"
#include "core/checkpoint_file.h"
#include "core/checkpoint_parts.h"

#define CHUNK_BYTES ((size_t)1 << 20)

typedef enum step { AT_HEADER, AT_HEAD, AT_PAYLOAD, AT_DIGEST, AT_TRAILER, AT_END } step;

typedef struct writer {
  const rk_ckpt_draft *draft;
  step step;
  size_t piece;        /* the one under way; draft->count: the index */
  rk_ckpt_piece index; /* built when it is its turn: it has the digests of all others */
  rk_bytes index_bytes;
  rk__ckpt_ahead ahead;
  rk_sha256 all, part;
  size_t said;    /* of its payload */
  uint64_t total; /* bytes said so far */
  uint64_t index_at;
  uint8_t digest[RK_SHA256_BYTES];
  rk_bytes small; /* a header, head or trailer */
} writer;

/* Ends a small structure with the digest of itself. */
static void seal(rk_bytes *bytes)
{
  uint8_t digest[RK_SHA256_BYTES];
  if (!bytes->failed) {
    rk_sha256_of(bytes->data, bytes->size, digest);
    rk_bytes_put(bytes, digest, sizeof(digest));
  }
}

static void make_header(writer *w)
{
  const rk_ckpt_header *h = &w->draft->header;
  w->small.size = 0;
  rk_bytes_put(&w->small, rk__ckpt_magic, sizeof(rk__ckpt_magic));
  rk_bytes_u32(&w->small, RK_CKPT_VERSION);
  rk_bytes_u32(&w->small, h->is_delta ? RK__CKPT_DELTA : 0u);
  rk_bytes_u64(&w->small, h->number);
  rk_bytes_u64(&w->small, h->hlc);
  rk_bytes_put(&w->small, h->parent, RK_SHA256_BYTES);
  seal(&w->small);
}

static void make_head(writer *w, const rk_ckpt_piece *piece)
{
  w->small.size = 0;
  rk_bytes_u32(&w->small, piece->kind);
  rk_bytes_u32(&w->small, 0u);
  rk_bytes_u64(&w->small, piece->size);
  seal(&w->small);
}

static void make_trailer(writer *w)
{
  w->small.size = 0;
  rk_sha256_end(&w->all, w->digest);
  rk_bytes_put(&w->small, rk__ckpt_end, sizeof(rk__ckpt_end));
  rk_bytes_u64(&w->small, w->index_at);
  rk_bytes_u64(&w->small, w->index.size);
  rk_bytes_u64(&w->small, w->total + RK_CKPT_TRAILER_BYTES);
  rk_bytes_put(&w->small, w->digest, RK_SHA256_BYTES);
  seal(&w->small);
}

static void make_index(writer *w)
{
  const rk_ckpt_draft *d = w->draft;
  rk_bytes *out = &w->index_bytes;
  uint32_t count = 0;
  rk_bytes_text(out, d->parent);
  rk_bytes_u32(out, (uint32_t)d->deleted_count);
  for (size_t i = 0; i < d->deleted_count; ++i) {
    rk_bytes_text(out, d->deleted[i]);
  }
  size_t count_at = out->size;
  rk_bytes_u32(out, 0u);
  for (size_t i = 0; i < d->count; ++i) {
    if (d->pieces[i].name != NULL) {
      rk_bytes_text(out, d->pieces[i].name);
      rk_bytes_put(out, d->pieces[i].digest, RK_SHA256_BYTES);
      ++count;
    }
  }
  rk_bytes_u32_at(out, count_at, count);
  w->index = (rk_ckpt_piece){.kind = RK_CKPT_INDEX, .data = out->data, .size = out->size};
}

/* The section that comes now. */
static rk_ckpt_piece *current(writer *w)
{
  return w->piece == w->draft->count ? &w->index : &w->draft->pieces[w->piece];
}

/* Whether its digest comes from the thread that runs ahead. */
static bool is_hashed_ahead(const writer *w)
{
  return w->ahead.thread != NULL && w->piece < w->draft->count;
}

/* Goes on to the next section that is to be in the file. */
static void to_piece(writer *w)
{
  while (w->piece < w->draft->count && w->draft->pieces[w->piece].is_elsewhere) {
    w->piece += 1;
  }
  if (w->piece == w->draft->count) {
    make_index(w);
  }
  w->step = w->piece <= w->draft->count ? AT_HEAD : AT_TRAILER;
}

static void say_chunk(writer *w, const void **data, size_t *size)
{
  const rk_ckpt_piece *piece = current(w);
  size_t left = piece->size - w->said;
  *size = left < CHUNK_BYTES ? left : CHUNK_BYTES;
  *data = (const unsigned char *)piece->data + w->said;
  if (!is_hashed_ahead(w) && !piece->has_digest) {
    rk_sha256_add(&w->part, *data, *size);
  }
  w->said += *size;
  if (w->said == piece->size) {
    w->step = AT_DIGEST;
  }
}

static void say_digest(writer *w, const void **data, size_t *size)
{
  rk_ckpt_piece *piece = current(w);
  if (is_hashed_ahead(w)) {
    rk__ckpt_ahead_wait(&w->ahead, w->piece);
  }
  if (!piece->has_digest) {
    rk_sha256_end(&w->part, piece->digest);
    piece->has_digest = true;
  }
  rk_sha256_add(&w->all, piece->digest, RK_SHA256_BYTES);
  *data = piece->digest;
  *size = RK_SHA256_BYTES;
  w->piece += 1;
  if (w->piece > w->draft->count) {
    w->step = AT_TRAILER;
  } else {
    to_piece(w);
  }
}

static void say_head(writer *w)
{
  const rk_ckpt_piece *piece = current(w);
  make_head(w, piece);
  rk_sha256_add(&w->all, w->small.data, w->small.failed ? 0 : w->small.size);
  rk_sha256_open(&w->part);
  w->said = 0;
  w->step = piece->size != 0 ? AT_PAYLOAD : AT_DIGEST;
  if (piece->kind == RK_CKPT_INDEX) {
    w->index_at = w->total + RK_CKPT_SECTION_BYTES;
  }
}

/* The next bytes of the file: a rk_file_source. */
static int say_next(void *arg, const void **data, size_t *size, rk_error *err)
{
  writer *w = arg;
  *size = 0;
  switch (w->step) {
    case AT_HEADER:
      make_header(w);
      rk_sha256_add(&w->all, w->small.data, w->small.failed ? 0 : w->small.size);
      to_piece(w);
      break;
    case AT_HEAD:
      say_head(w);
      break;
    case AT_PAYLOAD:
      say_chunk(w, data, size);
      break;
    case AT_DIGEST:
      say_digest(w, data, size);
      break;
    case AT_TRAILER:
      make_trailer(w);
      w->step = AT_END;
      break;
    case AT_END:
      return RK_OK;
  }
  if (w->small.failed || w->index_bytes.failed) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
  }
  if (*size == 0) {
    *data = w->small.data;
    *size = w->small.size;
  }
  w->total += *size;
  return RK_OK;
}

int rk_ckpt_write(const char *path, const rk_ckpt_draft *draft, uint8_t *digest, uint64_t *bytes,
                  rk_error *err)
{
  writer w = {.draft = draft};
  rk_sha256_open(&w.all);
  rk_bytes_reserve(&w.small, 128, false);
  rk__ckpt_ahead_begin(&w.ahead, draft->pieces, draft->count);
  int rc = rk_platform_current()->file_write_from(path, say_next, &w, err);
  rk__ckpt_ahead_end(&w.ahead);
  if (rc == RK_OK) {
    memcpy(digest, w.digest, RK_SHA256_BYTES);
    *bytes = w.total;
  }
  rk_bytes_close(&w.small);
  rk_bytes_close(&w.index_bytes);
  return rc;
}
