/* SPDX-License-Identifier: MIT */
/*
 * Single values into and out of a block laid out by a schema (see schema.h), with every check that
 * a value fits its field. Blocks need no alignment: all moves are memcpy of a known small size,
 * which compilers turn into plain loads and stores.
 */
#include "core/schema.h"

#include "base/base.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values in ---- */

/* Smallest and largest value of the integer types, by rk_schema_type up to RK_SCHEMA_U64. */
typedef struct int_range {
  int64_t min;
  uint64_t max;
} int_range;

static const int_range ranges[] = {
    [RK_SCHEMA_I8] = {INT8_MIN, INT8_MAX},    [RK_SCHEMA_U8] = {0, UINT8_MAX},
    [RK_SCHEMA_I16] = {INT16_MIN, INT16_MAX}, [RK_SCHEMA_U16] = {0, UINT16_MAX},
    [RK_SCHEMA_I32] = {INT32_MIN, INT32_MAX}, [RK_SCHEMA_U32] = {0, UINT32_MAX},
    [RK_SCHEMA_I64] = {INT64_MIN, INT64_MAX}, [RK_SCHEMA_U64] = {0, UINT64_MAX},
};

static bool is_integer(rk_schema_type type)
{
  return type <= RK_SCHEMA_U64 || type == RK_SCHEMA_HLC || type == RK_SCHEMA_ID;
}

static bool is_float(rk_schema_type type)
{
  return type == RK_SCHEMA_F32 || type == RK_SCHEMA_F64;
}

static const int_range *range_of(rk_schema_type type)
{
  return type <= RK_SCHEMA_U64 ? &ranges[type] : &ranges[RK_SCHEMA_U64];
}

static int refuse_kind(const rk_schema_field *field, const char *got, rk_error *err)
{
  static const char *const wants[] = {
      [RK_SCHEMA_BOOL] = "a boolean",
      [RK_SCHEMA_BUFFER] = "a buffer",
      [RK_SCHEMA_CHAR] = "a string",
  };
  const char *want = "a number";
  if ((size_t)field->type < RK_ARRAY_LEN(wants) && wants[field->type] != NULL) {
    want = wants[field->type];
  }
  return rk_error_set(err, RK_EINVAL, "field '%s': %s takes %s, got %s", field->name,
                      rk_schema_type_name(field->type), want, got);
}

/* Whether element `index` exists and takes numbers. */
static int check_number(const rk_schema_field *field, size_t index, rk_error *err)
{
  if (index >= field->count) {
    return rk_error_set(err, RK_EINVAL,
                        "field '%s' has %u element%s, got index %zu (counted from 0)", field->name,
                        field->count, field->count == 1 ? "" : "s", index);
  }
  return is_integer(field->type) || is_float(field->type) ? RK_OK
                                                          : refuse_kind(field, "a number", err);
}

/* Where the element lies in the block. */
static unsigned char *element_in(const rk_schema_field *field, size_t index, void *base)
{
  return (unsigned char *)base + field->offset + index * field->element_bytes;
}

static const unsigned char *element_of(const rk_schema_field *field, size_t index, const void *base)
{
  return (const unsigned char *)base + field->offset + index * field->element_bytes;
}

/* Stores the low bytes of `bits`, which fit. */
static void store_bits(const rk_schema_field *field, size_t index, uint64_t bits, void *base)
{
  unsigned char *to = element_in(field, index, base);
  if (field->element_bytes == 8) {
    memcpy(to, &bits, 8);
  } else if (field->element_bytes == 4) {
    uint32_t word = (uint32_t)bits;
    memcpy(to, &word, 4);
  } else if (field->element_bytes == 2) {
    uint16_t half = (uint16_t)bits;
    memcpy(to, &half, 2);
  } else {
    *to = (unsigned char)bits;
  }
}

/* Stores into f32 or f64. */
static int store_float(const rk_schema_field *field, size_t index, double value, void *base,
                       rk_error *err)
{
  if (field->type == RK_SCHEMA_F64) {
    memcpy(element_in(field, index, base), &value, sizeof value);
    return RK_OK;
  }
  float narrow = (float)value;
  if (isinf(narrow) && !isinf(value)) {
    return rk_error_set(err, RK_EINVAL, "field '%s': f32 takes up to 3.4028235e38, got %.17g",
                        field->name, value);
  }
  memcpy(element_in(field, index, base), &narrow, sizeof narrow);
  return RK_OK;
}

/* "u8 takes 0..255" for a message; `range` gets the text. */
static const char *describe_range(const rk_schema_field *field, char *range, size_t range_bytes)
{
  const int_range *r = range_of(field->type);
  snprintf(range, range_bytes, "%s takes %lld..%llu", rk_schema_type_name(field->type),
           (long long)r->min, (unsigned long long)r->max);
  return range;
}

int rk_schema_put_i64(const rk_schema *schema, size_t field, size_t index, int64_t value,
                      void *base, rk_error *err)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  int status = check_number(f, index, err);
  if (RK_UNLIKELY(status != RK_OK)) {
    return status;
  }
  if (is_float(f->type)) {
    return store_float(f, index, (double)value, base, err);
  }
  const int_range *range = range_of(f->type);
  if (RK_UNLIKELY(value < range->min || (value > 0 && (uint64_t)value > range->max))) {
    char text[64];
    return rk_error_set(err, RK_EINVAL, "field '%s': %s, got %lld", f->name,
                        describe_range(f, text, sizeof text), (long long)value);
  }
  store_bits(f, index, (uint64_t)value, base);
  return RK_OK;
}

int rk_schema_put_u64(const rk_schema *schema, size_t field, size_t index, uint64_t value,
                      void *base, rk_error *err)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  int status = check_number(f, index, err);
  if (RK_UNLIKELY(status != RK_OK)) {
    return status;
  }
  if (is_float(f->type)) {
    return store_float(f, index, (double)value, base, err);
  }
  if (RK_UNLIKELY(value > range_of(f->type)->max)) {
    char text[64];
    return rk_error_set(err, RK_EINVAL, "field '%s': %s, got %llu", f->name,
                        describe_range(f, text, sizeof text), (unsigned long long)value);
  }
  store_bits(f, index, value, base);
  return RK_OK;
}

int rk_schema_put_f64(const rk_schema *schema, size_t field, size_t index, double value, void *base,
                      rk_error *err)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  int status = check_number(f, index, err);
  if (RK_UNLIKELY(status != RK_OK)) {
    return status;
  }
  if (is_float(f->type)) {
    return store_float(f, index, value, base, err);
  }
  if (!(value == floor(value)) || isinf(value)) {
    return rk_error_set(err, RK_EINVAL, "field '%s': %s takes whole numbers, got %.17g", f->name,
                        rk_schema_type_name(f->type), value);
  }
  /* 2^63 and 2^64 are exact as doubles, so these comparisons are too. */
  if (value >= -0x1p63 && value < 0x1p63) {
    return rk_schema_put_i64(schema, field, index, (int64_t)value, base, err);
  }
  if (value > 0 && value < 0x1p64) {
    return rk_schema_put_u64(schema, field, index, (uint64_t)value, base, err);
  }
  char text[64];
  return rk_error_set(err, RK_EINVAL, "field '%s': %s, got %.17g", f->name,
                      describe_range(f, text, sizeof text), value);
}

int rk_schema_put_bool(const rk_schema *schema, size_t field, bool value, void *base, rk_error *err)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  if (f->type != RK_SCHEMA_BOOL) {
    return refuse_kind(f, "a boolean", err);
  }
  store_bits(f, 0, value ? 1 : 0, base);
  return RK_OK;
}

int rk_schema_put_string(const rk_schema *schema, size_t field, const char *text, size_t length,
                         void *base, rk_error *err)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  if (f->type != RK_SCHEMA_CHAR) {
    return refuse_kind(f, "a string", err);
  }
  if (length > f->count) {
    return rk_error_set(err, RK_ETOO_LARGE, "field '%s': char[%u] takes up to %u bytes, got %zu",
                        f->name, f->count, f->count, length);
  }
  if (length > 0 && memchr(text, '\0', length) != NULL) {
    return rk_error_set(err, RK_EINVAL, "field '%s': text with a zero byte in it does not fit char",
                        f->name);
  }
  unsigned char *to = element_in(f, 0, base);
  if (length > 0) {
    memcpy(to, text, length);
  }
  memset(to + length, 0, f->count - length);
  return RK_OK;
}

int rk_schema_put_buffer(const rk_schema *schema, size_t field, rk_buffer value, void *base,
                         rk_error *err)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  if (f->type != RK_SCHEMA_BUFFER) {
    return refuse_kind(f, "a buffer", err);
  }
  memcpy(element_in(f, 0, base), &value, sizeof value);
  return RK_OK;
}

/* ---- values out ---- */

int64_t rk_schema_get_i64(const rk_schema *schema, size_t field, size_t index, const void *base)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  assert(index < f->count && is_integer(f->type));
  const unsigned char *from = element_of(f, index, base);
  bool is_signed = (f->type - RK_SCHEMA_I8) % 2 == 0; /* the types alternate; see the list */
  if (f->element_bytes == 8) {
    int64_t value;
    memcpy(&value, from, 8);
    return value;
  }
  if (f->element_bytes == 4) {
    int32_t value;
    memcpy(&value, from, 4);
    return is_signed ? value : (int64_t)(uint32_t)value;
  }
  if (f->element_bytes == 2) {
    int16_t value;
    memcpy(&value, from, 2);
    return is_signed ? value : (int64_t)(uint16_t)value;
  }
  return is_signed ? (int64_t)(signed char)*from : (int64_t)*from;
}

double rk_schema_get_f64(const rk_schema *schema, size_t field, size_t index, const void *base)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  assert(index < f->count && is_float(f->type));
  const unsigned char *from = element_of(f, index, base);
  if (f->type == RK_SCHEMA_F64) {
    double value;
    memcpy(&value, from, sizeof value);
    return value;
  }
  float narrow;
  memcpy(&narrow, from, sizeof narrow);
  return (double)narrow;
}

bool rk_schema_get_bool(const rk_schema *schema, size_t field, const void *base)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  assert(f->type == RK_SCHEMA_BOOL);
  return *element_of(f, 0, base) != 0;
}

const char *rk_schema_get_string(const rk_schema *schema, size_t field, const void *base,
                                 size_t *length)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  assert(f->type == RK_SCHEMA_CHAR);
  const char *text = (const char *)element_of(f, 0, base);
  *length = strnlen(text, f->count);
  return text;
}

rk_buffer rk_schema_get_buffer(const rk_schema *schema, size_t field, const void *base)
{
  const rk_schema_field *f = rk_schema_field_at(schema, field);
  assert(f->type == RK_SCHEMA_BUFFER);
  rk_buffer value;
  memcpy(&value, element_of(f, 0, base), sizeof value);
  return value;
}
