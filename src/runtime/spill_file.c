/* SPDX-License-Identifier: MIT */
/*
 * The spill file: see spill_file.h.
 */
#include "runtime/spill_file.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/platform.h"

#define SHEET_BYTES 131072u /* holds a record of any size */
#define PAGE_BYTES 4096u
#define AGAIN_NS (UINT64_C(100) * 1000 * 1000)

/* Before each message in the file. */
typedef struct record_mark {
  uint64_t number;
  uint64_t payload_check;
  uint64_t header_check; /* of these two and of the header */
} record_mark;

static uint32_t record_bytes(uint32_t payload_bytes)
{
  uint32_t bytes = (uint32_t)(sizeof(record_mark) + sizeof(rk_abi_msg)) + payload_bytes;
  return (bytes + 7u) & ~7u;
}

uint64_t rk_spill_file_cost(uint32_t size)
{
  uint64_t bytes = record_bytes(size);
  return bytes + bytes / 8u; /* a page lost of a piece that is filled by half or more */
}

static uint64_t fold(rk_hash128 hash)
{
  return (uint64_t)hash ^ (uint64_t)(hash >> 64);
}

static uint64_t check_header(const record_mark *mark, const rk_abi_msg *header)
{
  rk_hash128 hash = rk_hash_start();
  hash = rk_hash_bytes(hash, &mark->number, sizeof(mark->number));
  hash = rk_hash_bytes(hash, &mark->payload_check, sizeof(mark->payload_check));
  return fold(rk_hash_bytes(hash, header, sizeof(*header)));
}

static uint64_t check_payload(const void *payload, uint32_t size)
{
  return fold(rk_hash_bytes(rk_hash_start(), payload, size));
}

/* ---- the file -------------------------------------------------------------------------------- */

int rk_spill_file_open(rk_spill_file *file, const char *folder, uint64_t max, rk_error *err)
{
  int fd = -1;
  int rc = rk_platform_current()->scratch_open(folder, &fd, err);
  if (rc == RK_OK) {
    *file = (rk_spill_file){.fd = fd, .pid = rk_platform_current()->pid(), .max = max};
  }
  return rc;
}

void rk_spill_file_close(rk_spill_file *file)
{
  rk_spill_file_end(file);
  rk_platform_current()->scratch_close(file->fd);
  file->fd = -1;
}

/* ---- room ------------------------------------------------------------------------------------ */

/* Puts a piece, no larger than the file may be, into the first gap that holds it, from the latest
 * one on and round: each search goes on where the last one ended. */
static bool place(rk_spill_file *file, rk_spill_piece *piece)
{
  rk_spill_piece *behind = file->latest;
  if (behind == NULL) {
    piece->offset = 0;
    piece->after = piece->before = piece;
    file->latest = piece;
    return true;
  }
  do {
    uint64_t from = behind->offset + behind->room;
    bool is_last = behind->after->offset <= behind->offset;
    uint64_t to = is_last ? file->max : behind->after->offset;
    if (is_last && to - from < piece->room) { /* the gap before the first one */
      from = 0;
      to = behind->after->offset;
    }
    if (to - from >= piece->room) {
      piece->offset = from;
      piece->before = behind;
      piece->after = behind->after;
      behind->after->before = piece;
      behind->after = piece;
      file->latest = piece;
      return true;
    }
    behind = behind->after;
  } while (behind != file->latest);
  return false;
}

static void unplace(rk_spill_file *file, rk_spill_piece *piece)
{
  if (file->latest == piece) {
    file->latest = piece->before != piece ? piece->before : NULL;
  }
  piece->before->after = piece->after;
  piece->after->before = piece->before;
}

/* ---- writing --------------------------------------------------------------------------------- */

bool rk_spill_file_begin(rk_spill_file *file)
{
  if (file->fd < 0 || rk_clock_mono_ns() < file->not_before_ns) {
    return false;
  }
  if (file->sheet == NULL) {
    file->sheet = rk_alloc_aligned(64, SHEET_BYTES);
  }
  file->sheet_used = file->sheet_count = file->sheet_counted = 0;
  return file->sheet != NULL;
}

bool rk_spill_file_add(rk_spill_file *file, const rk_abi_msg *header, const void *payload)
{
  uint32_t bytes = record_bytes(header->size_bytes);
  if (bytes > SHEET_BYTES - file->sheet_used) {
    return false;
  }
  unsigned char *at = file->sheet + file->sheet_used;
  record_mark mark = {.number = file->total + file->sheet_count,
                      .payload_check = check_payload(payload, header->size_bytes)};
  mark.header_check = check_header(&mark, header);
  memset(at + bytes - 8u, 0, 8u); /* what aligns the next */
  memcpy(at, &mark, sizeof(mark));
  memcpy(at + sizeof(mark), header, sizeof(*header));
  if (header->size_bytes != 0) {
    memcpy(at + sizeof(mark) + sizeof(*header), payload, header->size_bytes);
  }
  file->sheet_used += bytes;
  file->sheet_count += 1;
  file->sheet_counted += (header->flags & RK_MSG_UNCOUNTED) == 0;
  return true;
}

rk_spill_piece *rk_spill_file_write(rk_spill_file *file, rk_error *err)
{
  rk_spill_piece *piece = rk_calloc(1, sizeof(*piece));
  if (piece == NULL) {
    (void)rk_error_set(err, RK_EOUT_OF_MEMORY, "spill: out of memory");
    return NULL;
  }
  piece->room = (file->sheet_used + PAGE_BYTES - 1u) / PAGE_BYTES * PAGE_BYTES;
  if (piece->room > file->max - file->used || !place(file, piece)) {
    rk_free(piece);
    rk_spill_file_full(file, err);
    return NULL;
  }
  if (rk_platform_current()->scratch_write(file->fd, piece->offset, file->sheet, file->sheet_used,
                                           err) != RK_OK) {
    unplace(file, piece);
    rk_platform_current()->scratch_free(file->fd, piece->offset, piece->room);
    rk_free(piece);
    file->not_before_ns = rk_clock_mono_ns() + AGAIN_NS;
    return NULL;
  }
  piece->used = file->sheet_used;
  piece->count = file->sheet_count;
  piece->counted = file->sheet_counted;
  piece->number = file->total;
  file->used += piece->room;
  file->messages += piece->count;
  file->total += piece->count;
  return piece;
}

void rk_spill_file_full(rk_spill_file *file, rk_error *err)
{
  (void)rk_error_set(err, RK_EFULL, "spill: no room is left of %llu bytes",
                     (unsigned long long)file->max);
  file->not_before_ns = rk_clock_mono_ns() + AGAIN_NS;
}

void rk_spill_file_end(rk_spill_file *file)
{
  rk_free(file->sheet);
  file->sheet = NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

int rk_spill_file_read(const rk_spill_file *file, const rk_spill_piece *piece, void **block,
                       rk_error *err)
{
  size_t size = piece->used - piece->at;
  void *bytes = rk_alloc_aligned(64, size);
  if (bytes == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "out of memory");
  }
  int rc = rk_platform_current()->scratch_read(file->fd, piece->offset + piece->at, bytes, size,
                                               err);
  if (rc != RK_OK) {
    rk_free(bytes);
    return rc;
  }
  *block = bytes;
  return RK_OK;
}

rk_spill_found rk_spill_file_look(const rk_spill_piece *piece, const void *block, uint32_t index,
                                  uint32_t *at, const rk_abi_msg **header, const void **payload)
{
  const unsigned char *record = (const unsigned char *)block + *at;
  uint32_t left = piece->used - piece->at - *at;
  if (left < sizeof(record_mark) + sizeof(rk_abi_msg)) {
    return RK_SPILL_BROKEN;
  }
  const record_mark *mark = (const void *)record;
  const rk_abi_msg *found = (const void *)(record + sizeof(*mark));
  if (mark->number != piece->number + index || mark->header_check != check_header(mark, found) ||
      found->size_bytes > RK_PAYLOAD_MAX_BYTES || record_bytes(found->size_bytes) > left) {
    return RK_SPILL_BROKEN;
  }
  *header = found;
  *payload = found + 1;
  *at += record_bytes(found->size_bytes);
  return mark->payload_check == check_payload(found + 1, found->size_bytes) ? RK_SPILL_GOOD
                                                                            : RK_SPILL_BAD;
}

void rk_spill_file_pass(rk_spill_file *file, rk_spill_piece *piece, uint32_t count,
                        uint32_t counted, uint32_t bytes)
{
  piece->at += bytes;
  piece->number += count;
  piece->count -= count;
  piece->counted -= counted;
  file->messages -= count;
}

void rk_spill_file_drop(rk_spill_file *file, rk_spill_piece *piece)
{
  file->messages -= piece->count;
  file->used -= piece->room;
  unplace(file, piece);
  /* the parent's messages are not a forked child's to remove */
  if (file->fd >= 0 && file->pid == rk_platform_current()->pid()) {
    rk_platform_current()->scratch_free(file->fd, piece->offset, piece->room);
  }
  rk_free(piece);
}
