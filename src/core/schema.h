/* SPDX-License-Identifier: MIT */
/*
 * rk_schema: the compiled field layout of a message type or of an actor's state.
 *
 * Fields are given as names and type texts and laid out in order as C lays out a struct: each at
 * the next multiple of its alignment, the whole rounded up to the largest one. Types:
 *
 *   i8 u8 i16 u16 i32 u32 i64 u64 f32 f64   numbers; "f32[8]" is an array of them
 *   bool                                    one byte, 0 or 1
 *   hlc id                                  timestamp, actor reference; 64 bits like u64
 *   buffer                                  rk_buffer: address and element count
 *   char[n]                                 text of up to n bytes, the rest filled with zeros; a
 *                                           text of n bytes has no terminator
 *
 * The id of a schema is the FNV-1a 32 hash of its canonical text, "Name{field:type;field:type;}",
 * and 1 where that is 0: the same on every machine and for every version of this library.
 * A schema without fields is one byte large, as an empty struct is in C++.
 *
 * The put and get functions move one value between its natural C type and a block of bytes; the
 * block needs no alignment. Used by the Lua class `message` and by tools that show messages.
 *
 * Threads: a schema never changes after it was opened, so all functions: any.
 */
#ifndef RK_CORE_SCHEMA_H
#define RK_CORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#include "rk_abi.h"

/* Bytes of the longest message or field name, without the terminator. */
#define RK_SCHEMA_NAME_MAX 63
#define RK_SCHEMA_FIELDS_MAX 1024

/* X(NAME, type text, bytes, alignment, may be an array) */
#define RK_SCHEMA_TYPE_LIST(X)      \
  X(I8, "i8", 1, 1, true)           \
  X(U8, "u8", 1, 1, true)           \
  X(I16, "i16", 2, 2, true)         \
  X(U16, "u16", 2, 2, true)         \
  X(I32, "i32", 4, 4, true)         \
  X(U32, "u32", 4, 4, true)         \
  X(I64, "i64", 8, 8, true)         \
  X(U64, "u64", 8, 8, true)         \
  X(F32, "f32", 4, 4, true)         \
  X(F64, "f64", 8, 8, true)         \
  X(BOOL, "bool", 1, 1, false)      \
  X(HLC, "hlc", 8, 8, false)        \
  X(ID, "id", 8, 8, false)          \
  X(BUFFER, "buffer", 16, 8, false) \
  X(CHAR, "char", 1, 1, true)

typedef enum rk_schema_type {
#define RK_SCHEMA_TYPE_ENUM(name, text, bytes, align, array) RK_SCHEMA_##name,
  RK_SCHEMA_TYPE_LIST(RK_SCHEMA_TYPE_ENUM)
#undef RK_SCHEMA_TYPE_ENUM
} rk_schema_type;

/* A field as its author writes it. */
typedef struct rk_schema_spec {
  const char *name;
  const char *type; /* "u32", "f32[8]", "char[16]" */
} rk_schema_spec;

/* A field as it was laid out. */
typedef struct rk_schema_field {
  const char *name;
  uint32_t name_length;
  rk_schema_type type;
  bool is_array;          /* an array of numbers, also one of one element; not char[n] */
  uint32_t count;         /* elements; 1 for a single value; n for char[n] */
  uint32_t offset;        /* bytes from the start */
  uint32_t element_bytes; /* of one element; 1 for char[n] */
} rk_schema_field;

typedef struct rk_schema rk_schema;

/* Compiles `count` fields; copies all texts. Names are C identifiers of up to RK_SCHEMA_NAME_MAX
 * bytes; keywords of C and C++, what those languages reserve and names that start with rk_ in any
 * case are refused. Errors name the field: RK_EINVAL, RK_EEXISTS (two fields of one name),
 * RK_ETOO_LARGE (more than RK_PAYLOAD_MAX_BYTES or RK_SCHEMA_FIELDS_MAX), RK_EOUT_OF_MEMORY.
 * Ownership: rk_schema_close. */
int rk_schema_open(const char *name, const rk_schema_spec *fields, size_t count, rk_schema **schema,
                   rk_error *err);

/* Frees the schema. NULL is allowed. */
void rk_schema_close(rk_schema *schema);

const char *rk_schema_name(const rk_schema *schema);
uint32_t rk_schema_id(const rk_schema *schema); /* never 0 */
size_t rk_schema_size(const rk_schema *schema); /* bytes, with padding at the end */
size_t rk_schema_align(const rk_schema *schema);
size_t rk_schema_count(const rk_schema *schema); /* fields */

/* Field `index`, which is below the count; lives as long as the schema. */
const rk_schema_field *rk_schema_field_at(const rk_schema *schema, size_t index);

/* The index of the field of that name (`length` bytes, no terminator needed), or -1. */
ptrdiff_t rk_schema_find(const rk_schema *schema, const char *name, size_t length);

/* The text of a type without a count: "f32". */
const char *rk_schema_type_name(rk_schema_type type);

/* ---- one value into a block of rk_schema_size bytes ----
 *
 * `field` is below the count. A value that the field cannot hold gives RK_EINVAL with a text like
 * "field 'x': u8 takes 0..255, got 300" and leaves the block as it was; so does an `index` past the
 * end of an array (0 for single values) and a function that does not fit the field's type. */

/* Integer into a number, hlc or id field. A u64, hlc or id field takes no negative `value` here:
 * who keeps 64 bits in a signed variable casts and calls rk_schema_put_u64. Into f32 and f64 it is
 * rounded to the nearest. */
int rk_schema_put_i64(const rk_schema *schema, size_t field, size_t index, int64_t value,
                      void *base, rk_error *err);
int rk_schema_put_u64(const rk_schema *schema, size_t field, size_t index, uint64_t value,
                      void *base, rk_error *err);

/* Floating-point number into f32 (rounded; a finite value beyond its range is refused) and f64;
 * into integer fields only if it is whole. */
int rk_schema_put_f64(const rk_schema *schema, size_t field, size_t index, double value, void *base,
                      rk_error *err);
int rk_schema_put_bool(const rk_schema *schema, size_t field, bool value, void *base,
                       rk_error *err);

/* Text into char[n], the rest filled with zeros. Longer than n: RK_ETOO_LARGE; with a zero byte
 * inside, where a reader would stop: RK_EINVAL. */
int rk_schema_put_string(const rk_schema *schema, size_t field, const char *text, size_t length,
                         void *base, rk_error *err);
int rk_schema_put_buffer(const rk_schema *schema, size_t field, rk_buffer value, void *base,
                         rk_error *err);

/* ---- one value out of a block ----
 *
 * `field` and `index` are in range and the field is of a kind named here: anything else is a bug of
 * the caller and ends the program in builds with assertions. */

/* Any integer type, hlc or id; the 64-bit ones keep their bits. */
int64_t rk_schema_get_i64(const rk_schema *schema, size_t field, size_t index, const void *base);

/* f32 or f64. */
double rk_schema_get_f64(const rk_schema *schema, size_t field, size_t index, const void *base);
bool rk_schema_get_bool(const rk_schema *schema, size_t field, const void *base);

/* char[n]: points into the block; *length is that of the text. */
const char *rk_schema_get_string(const rk_schema *schema, size_t field, const void *base,
                                 size_t *length);
rk_buffer rk_schema_get_buffer(const rk_schema *schema, size_t field, const void *base);

#endif
