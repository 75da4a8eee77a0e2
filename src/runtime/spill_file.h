/* SPDX-License-Identifier: MIT */
/*
 * The file that messages are put aside in while memory is short: pieces of up to 128 KiB, each with
 * records of some messages one behind the other, in the order in which they are to be read.
 *
 * A scratch file: without a name, so that nothing of it is left however the process ends. A piece
 * takes whole pages of it; its room is given back to the disk when the piece goes, and used again.
 * Where each piece lies is known in memory only. A record carries its number and two checks, over
 * its header and over the payload, so that what comes back is what was written or is known not to
 * be.
 *
 * spill.c says what is put there. Threads: the runtime's.
 */
#ifndef RK_RUNTIME_SPILL_FILE_H
#define RK_RUNTIME_SPILL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#include "rk_abi.h"

typedef struct rk_spill_piece rk_spill_piece;
struct rk_spill_piece {
  rk_spill_piece *next;           /* whoever has it may use this */
  rk_spill_piece *after, *before; /* in the file; a ring */
  uint64_t offset;                /* where it begins */
  uint64_t number;                /* of the record at `at` */
  uint32_t room, used, at;        /* bytes: taken in the file, written, read already */
  uint32_t count;                 /* records from `at` on */
  uint32_t counted;               /* those of them that are counted into a link */
};

typedef struct rk_spill_file {
  int fd; /* < 0: closed */
  uint64_t pid;
  uint64_t max, used;     /* bytes that may be taken, and are */
  uint64_t messages;      /* in all pieces */
  uint64_t total;         /* ever written; the number of the next */
  uint64_t not_before_ns; /* it was full: then it is tried again */
  rk_spill_piece *latest; /* piece behind which room is looked for first; NULL: there is none */
  unsigned char *sheet;   /* the piece being made */
  uint32_t sheet_used, sheet_count, sheet_counted;
} rk_spill_file;

/* What came of reading a record. */
typedef enum rk_spill_found {
  RK_SPILL_GOOD,
  RK_SPILL_BAD,   /* its payload is not what was written; the header is */
  RK_SPILL_BROKEN /* nothing from here on can be told */
} rk_spill_found;

/* Makes a file in the folder, of at most `max` bytes. Errors: those of scratch_open. */
int rk_spill_file_open(rk_spill_file *file, const char *folder, uint64_t max, rk_error *err);
/* Pieces that are left can still be dropped, not read. */
void rk_spill_file_close(rk_spill_file *file);

/* Whether a piece can be made now; memory for it is there then. */
bool rk_spill_file_begin(rk_spill_file *file);
/* Adds a message to the piece being made; false when it holds no more. */
bool rk_spill_file_add(rk_spill_file *file, const rk_abi_msg *header, const void *payload);
/* Writes the piece; NULL when there is no room for it, on the disk or within `max` (full), or no
 * memory (out_of_memory): then nothing has happened. */
rk_spill_piece *rk_spill_file_write(rk_spill_file *file, rk_error *err);
/* Says that there is no room within `max`, and lets some time pass before the next piece. */
void rk_spill_file_full(rk_spill_file *file, rk_error *err);
/* Gives back the memory in which pieces are made. */
void rk_spill_file_end(rk_spill_file *file);
/* Bytes that records of a message of `size` take, at most: in its piece, with what pages lose. */
uint64_t rk_spill_file_cost(uint32_t size);

/* Reads a piece from `at` on into a new block, to be given back with rk_free. Errors: io,
 * out_of_memory. */
int rk_spill_file_read(const rk_spill_file *file, const rk_spill_piece *piece, void **block,
                       rk_error *err);
/* Looks at the record at *at of such a block, number `index` in it, and moves past it. */
rk_spill_found rk_spill_file_look(const rk_spill_piece *piece, const void *block, uint32_t index,
                                  uint32_t *at, const rk_abi_msg **header, const void **payload);
/* The first `count` records, of `bytes` bytes, are not needed any more. */
void rk_spill_file_pass(rk_spill_file *file, rk_spill_piece *piece, uint32_t count,
                        uint32_t counted, uint32_t bytes);
/* Gives the piece's room back, and the piece. */
void rk_spill_file_drop(rk_spill_file *file, rk_spill_piece *piece);

#endif
