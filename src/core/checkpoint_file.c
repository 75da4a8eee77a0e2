/* SPDX-License-Identifier: MIT */
/*
 * The file of a checkpoint, reading: see checkpoint_file.h.
 */
#include "core/checkpoint_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/platform.h"
#include "core/checkpoint_parts.h"

static int corrupt(rk_error *err, uint64_t at, const char *why)
{
  return rk_error_set(err, RK_ECORRUPT, "corrupt at byte %" PRIu64 ": %s", at, why);
}

int rk_ckpt_bad(const rk_ckpt_section *section, const rk_cursor *cursor, rk_error *err)
{
  return corrupt(err, section->offset + cursor->at, "a field does not fit its section");
}

static bool is_sealed(const unsigned char *data, size_t size)
{
  uint8_t digest[RK_SHA256_BYTES];
  rk_sha256_of(data, size - RK_SHA256_BYTES, digest);
  return rk_sha256_same(digest, data + size - RK_SHA256_BYTES);
}

static int read_header(const unsigned char *data, size_t size, rk_ckpt_header *out, rk_error *err)
{
  if (size < RK_CKPT_HEADER_BYTES) {
    return corrupt(err, size, "the file ends within its header");
  }
  if (memcmp(data, rk__ckpt_magic, sizeof(rk__ckpt_magic)) != 0) {
    return corrupt(err, 0, "this is no checkpoint");
  }
  if (!is_sealed(data, RK_CKPT_HEADER_BYTES)) {
    return corrupt(err, sizeof(rk__ckpt_magic), "the header differs from its digest");
  }
  rk_cursor c = {.data = data, .size = RK_CKPT_HEADER_BYTES, .at = sizeof(rk__ckpt_magic)};
  uint32_t version = rk_cursor_u32(&c);
  uint32_t flags = rk_cursor_u32(&c);
  if (version != RK_CKPT_VERSION) {
    return rk_error_set(err, RK_EVERSION, "format %u, and this program reads format %u", version,
                        RK_CKPT_VERSION);
  }
  out->is_delta = (flags & RK__CKPT_DELTA) != 0;
  out->number = rk_cursor_u64(&c);
  out->hlc = rk_cursor_u64(&c);
  memcpy(out->parent, rk_cursor_block(&c, RK_SHA256_BYTES), RK_SHA256_BYTES);
  return RK_OK;
}

typedef struct trailer {
  uint64_t index_at, index_bytes, file_bytes;
  uint8_t digest[RK_SHA256_BYTES];
} trailer;

/* `at`: where in the file it stands. */
static int read_trailer(const unsigned char *data, uint64_t at, trailer *out, rk_error *err)
{
  if (memcmp(data, rk__ckpt_end, sizeof(rk__ckpt_end)) != 0 ||
      !is_sealed(data, RK_CKPT_TRAILER_BYTES)) {
    return corrupt(err, at, "the trailer differs from its digest");
  }
  rk_cursor c = {.data = data, .size = RK_CKPT_TRAILER_BYTES, .at = sizeof(rk__ckpt_end)};
  out->index_at = rk_cursor_u64(&c);
  out->index_bytes = rk_cursor_u64(&c);
  out->file_bytes = rk_cursor_u64(&c);
  memcpy(out->digest, rk_cursor_block(&c, RK_SHA256_BYTES), RK_SHA256_BYTES);
  return RK_OK;
}

static int read_index(const rk_ckpt_section *section, rk_ckpt_index *out, rk_error *err)
{
  rk_cursor c = {.data = section->data, .size = section->size};
  out->parent = rk_cursor_text(&c);
  /* each entry takes more bytes than there can be entries: no size is believed */
  uint32_t count = rk_cursor_u32(&c);
  if (c.failed || count > section->size / 5u) {
    return rk_ckpt_bad(section, &c, err);
  }
  out->deleted = rk_calloc(count + 1u, sizeof(*out->deleted));
  if (out->deleted == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "out of memory");
  }
  for (uint32_t i = 0; i < count; ++i) {
    out->deleted[i] = rk_cursor_text(&c);
  }
  out->deleted_count = count;
  count = rk_cursor_u32(&c);
  if (c.failed || count > section->size / (5u + RK_SHA256_BYTES)) {
    return rk_ckpt_bad(section, &c, err);
  }
  out->entries = rk_calloc(count + 1u, sizeof(*out->entries));
  if (out->entries == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "out of memory");
  }
  for (uint32_t i = 0; i < count; ++i) {
    out->entries[i].name = rk_cursor_text(&c);
    const void *digest = rk_cursor_block(&c, RK_SHA256_BYTES);
    if (digest != NULL) {
      memcpy(out->entries[i].digest, digest, RK_SHA256_BYTES);
    }
  }
  out->entry_count = count;
  return rk_cursor_ended(&c) && strchr(out->parent, '/') == NULL ? RK_OK
                                                                 : rk_ckpt_bad(section, &c, err);
}

/* One section whose head is at `at`, with its payload checked. */
static int read_section(const unsigned char *data, size_t size, size_t at, rk_ckpt_section *out,
                        rk_error *err)
{
  size_t left = size - at;
  if (left < RK_CKPT_SECTION_BYTES) {
    return corrupt(err, size, "the file ends within the head of a section");
  }
  if (!is_sealed(data + at, RK_CKPT_SECTION_BYTES)) {
    return corrupt(err, at, "the head of a section differs from its digest");
  }
  rk_cursor c = {.data = data + at, .size = RK_CKPT_SECTION_BYTES};
  out->kind = rk_cursor_u32(&c);
  (void)rk_cursor_u32(&c);
  uint64_t bytes = rk_cursor_u64(&c);
  left -= RK_CKPT_SECTION_BYTES;
  if (left < RK_SHA256_BYTES || bytes > left - RK_SHA256_BYTES) {
    return corrupt(err, size, "the file ends within a section");
  }
  out->offset = at + RK_CKPT_SECTION_BYTES;
  out->data = data + out->offset;
  out->size = (size_t)bytes;
  memcpy(out->digest, out->data + bytes, RK_SHA256_BYTES);
  uint8_t digest[RK_SHA256_BYTES];
  rk_sha256_of(out->data, out->size, digest);
  return rk_sha256_same(digest, out->digest)
             ? RK_OK
             : corrupt(err, out->offset, "a section differs from its digest");
}

/* Whether the trailer's magic stands there; heads of sections begin with a small number. */
static bool is_end(const unsigned char *data, size_t size, size_t at)
{
  return size - at >= sizeof(rk__ckpt_end) &&
         memcmp(data + at, rk__ckpt_end, sizeof(rk__ckpt_end)) == 0;
}

static bool add_section(rk_ckpt_file *file, size_t *capacity, const rk_ckpt_section *section)
{
  if (file->section_count == *capacity) {
    size_t more = *capacity * 2u + 16u;
    rk_ckpt_section *larger = rk_realloc(file->sections, more * sizeof(*larger));
    if (larger == NULL) {
      return false;
    }
    file->sections = larger;
    *capacity = more;
  }
  file->sections[file->section_count++] = *section;
  return true;
}

static int walk(rk_ckpt_file *file, const unsigned char *data, rk_error *err)
{
  rk_sha256 all;
  size_t capacity = 0, at = RK_CKPT_HEADER_BYTES;
  rk_ckpt_section section = {0};
  int rc = read_header(data, file->size, &file->header, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_sha256_open(&all);
  rk_sha256_add(&all, data, RK_CKPT_HEADER_BYTES);
  while (!is_end(data, file->size, at)) {
    rc = read_section(data, file->size, at, &section, err);
    if (rc != RK_OK) {
      return rc;
    }
    rk_sha256_add(&all, data + at, RK_CKPT_SECTION_BYTES);
    rk_sha256_add(&all, section.digest, RK_SHA256_BYTES);
    at += RK_CKPT_SECTION_BYTES + section.size + RK_SHA256_BYTES;
    if (section.kind != RK_CKPT_INDEX && !add_section(file, &capacity, &section)) {
      return rk_error_set(err, RK_EOUT_OF_MEMORY, "out of memory");
    }
  }
  trailer end;
  if (file->size - at < RK_CKPT_TRAILER_BYTES) {
    return corrupt(err, file->size, "the file ends within its trailer");
  }
  rc = read_trailer(data + at, at, &end, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_sha256_end(&all, file->digest);
  if (!rk_sha256_same(file->digest, end.digest)) {
    return corrupt(err, at, "the sections are not those that were written");
  }
  if (end.file_bytes != file->size || at + RK_CKPT_TRAILER_BYTES != file->size) {
    return corrupt(err, at + RK_CKPT_TRAILER_BYTES, "the file goes on behind its trailer");
  }
  if (section.kind != RK_CKPT_INDEX || section.offset != end.index_at) {
    return corrupt(err, at, "the last section is not the index");
  }
  return read_index(&section, &file->index, err);
}

int rk_ckpt_parse(void *data, size_t size, rk_ckpt_file *out, rk_error *err)
{
  rk_ckpt_file file = {.size = size};
  int rc = walk(&file, data, err);
  if (rc != RK_OK) {
    rk_ckpt_file_close(&file);
    return rc;
  }
  file.memory = data;
  *out = file;
  return RK_OK;
}

static int name_file(rk_error *err, int rc, const char *path, const rk_error *why)
{
  return rk_error_set(err, rc, "checkpoint '%.300s': %s", path, why->text);
}

int rk_ckpt_read(const char *path, rk_ckpt_file *out, rk_error *err)
{
  rk_error why = RK_ERROR_INIT;
  void *data = NULL;
  size_t size = 0;
  int rc = rk_platform_current()->file_read(path, SIZE_MAX / 4u, &data, &size, &why);
  if (rc == RK_OK) {
    rc = rk_ckpt_parse(data, size, out, &why);
    if (rc != RK_OK) {
      rk_free(data);
    }
  }
  return rc == RK_OK ? RK_OK : name_file(err, rc, path, &why);
}

void rk_ckpt_index_close(rk_ckpt_index *index)
{
  rk_free(index->memory);
  rk_free(index->deleted);
  rk_free(index->entries);
  *index = (rk_ckpt_index){0};
}

void rk_ckpt_file_close(rk_ckpt_file *file)
{
  rk_ckpt_index_close(&file->index);
  rk_free(file->sections);
  rk_free(file->memory);
  *file = (rk_ckpt_file){0};
}

/* Header and trailer of an open file of `size` bytes. */
static int read_ends(const char *path, uint64_t size, rk_ckpt_header *header, trailer *end,
                     rk_error *err)
{
  unsigned char bytes[RK_CKPT_HEADER_BYTES > RK_CKPT_TRAILER_BYTES ? RK_CKPT_HEADER_BYTES
                                                                   : RK_CKPT_TRAILER_BYTES];
  const rk_platform *os = rk_platform_current();
  if (size < RK_CKPT_HEADER_BYTES + RK_CKPT_TRAILER_BYTES) {
    return corrupt(err, size, "the file is too short");
  }
  int rc = os->file_read_at(path, 0, bytes, RK_CKPT_HEADER_BYTES, err);
  if (rc == RK_OK) {
    rc = read_header(bytes, RK_CKPT_HEADER_BYTES, header, err);
  }
  uint64_t at = size - RK_CKPT_TRAILER_BYTES;
  if (rc == RK_OK) {
    rc = os->file_read_at(path, at, bytes, RK_CKPT_TRAILER_BYTES, err);
  }
  if (rc == RK_OK) {
    rc = read_trailer(bytes, at, end, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  bool fits = end->file_bytes == size &&
              end->index_at >= RK_CKPT_HEADER_BYTES + RK_CKPT_SECTION_BYTES &&
              end->index_at <= at && end->index_bytes <= at - end->index_at &&
              at - end->index_at - end->index_bytes == RK_SHA256_BYTES;
  return fits ? RK_OK : corrupt(err, at, "the trailer does not fit the file");
}

int rk_ckpt_read_index(const char *path, rk_ckpt_header *header, rk_ckpt_index *index,
                       uint8_t *digest, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  rk_error why = RK_ERROR_INIT;
  rk_file_info info;
  trailer end = {0};
  rk_ckpt_index read = {0};
  unsigned char *memory = NULL;
  int rc = os->file_stat(path, &info, &why);
  if (rc == RK_OK) {
    rc = read_ends(path, info.size_bytes, header, &end, &why);
  }
  if (rc != RK_OK) {
    return name_file(err, rc, path, &why);
  }
  /* the section with its head: read_section checks both */
  size_t bytes = RK_CKPT_SECTION_BYTES + (size_t)end.index_bytes + RK_SHA256_BYTES;
  uint64_t from = end.index_at - RK_CKPT_SECTION_BYTES;
  memory = rk_alloc(bytes);
  rc = memory != NULL ? os->file_read_at(path, from, memory, bytes, &why)
                      : rk_error_set(&why, RK_EOUT_OF_MEMORY, "out of memory");
  rk_ckpt_section section = {0};
  if (rc == RK_OK) {
    rc = read_section(memory, bytes, 0, &section, &why);
  }
  if (rc == RK_OK && (section.kind != RK_CKPT_INDEX || section.size != end.index_bytes)) {
    rc = corrupt(&why, from, "the last section is not the index");
  }
  if (rc == RK_OK) {
    rc = read_index(&section, &read, &why);
  }
  read.memory = memory;
  if (rc != RK_OK) {
    rk_ckpt_index_close(&read);
    return name_file(err, rc, path, &why);
  }
  memcpy(digest, end.digest, RK_SHA256_BYTES);
  *index = read;
  return RK_OK;
}
