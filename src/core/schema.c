/* SPDX-License-Identifier: MIT */
/*
 * Compiling schemas and finding their fields (see schema.h); schema_value.c moves single values.
 *
 * A schema is one block of memory: the struct, its fields, a hash table of field positions for
 * schemas with many fields, and the names.
 */
#include "core/schema.h"

#include "base/alloc.h"
#include "base/base.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Up to so many fields a walk that compares lengths first beats hashing the name. */
#define LINEAR_FIELDS 8

#define FNV_BASIS UINT32_C(0x811c9dc5)
#define FNV_PRIME UINT32_C(0x01000193)

struct rk_schema {
  char *name;
  rk_schema_field *fields;
  uint16_t *slots; /* field position + 1; 0 = empty; NULL with few fields */
  uint32_t slot_mask;
  uint32_t count;
  uint32_t id;
  uint32_t size;
  uint32_t align;
};

typedef struct type_info {
  const char *text;
  uint32_t bytes, align;
  bool may_repeat;
} type_info;

static const type_info types[] = {
#define TYPE_INFO(name, text, bytes, align, array) {text, bytes, align, array},
    RK_SCHEMA_TYPE_LIST(TYPE_INFO)
#undef TYPE_INFO
};

/* Keywords of C11, C23 and C++17 to C++20, their alternative spellings, and names that the headers
 * which every handler includes define as macros or that compilers predefine; a space on both
 * sides of each. */
static const char reserved[] =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t "
    "char32_t char8_t class co_await co_return co_yield compl concept const const_cast "
    "consteval constexpr constinit continue decltype default delete do double dynamic_cast "
    "else enum explicit export extern false float for friend goto if inline int linux long "
    "mutable namespace new noexcept not not_eq NULL nullptr offsetof operator or or_eq "
    "private protected public register reinterpret_cast requires restrict return short "
    "signed sizeof static static_assert static_cast struct switch template this thread_local "
    "throw true try typedef typeid typename typeof typeof_unqual union unix unsigned using "
    "virtual void volatile wchar_t while xor xor_eq ";

static uint32_t fnv_bytes(uint32_t hash, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ (unsigned char)bytes[i]) * FNV_PRIME;
  }
  return hash;
}

static uint32_t fnv_text(uint32_t hash, const char *text)
{
  return fnv_bytes(hash, text, strlen(text));
}

/* ---- names ---- */

static bool is_letter(char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_identifier(const char *name)
{
  if (!is_letter(name[0])) {
    return false;
  }
  for (const char *at = name; *at != '\0'; at++) {
    if (!is_letter(*at) && !is_digit(*at)) {
      return false;
    }
  }
  return true;
}

static bool is_reserved(const char *name)
{
  char padded[RK_SCHEMA_NAME_MAX + 3];
  snprintf(padded, sizeof padded, " %s ", name);
  return strstr(reserved, padded) != NULL;
}

/* Whether `name` can stand in generated source. `what` is "message" or "field". */
static int check_name(const char *what, const char *name, rk_error *err)
{
  if (!is_identifier(name)) {
    return rk_error_set(err, RK_EINVAL,
                        "%s '%.80s': not a name; use letters, digits and _, no digit first", what,
                        name);
  }
  if (strlen(name) > RK_SCHEMA_NAME_MAX) {
    return rk_error_set(err, RK_EINVAL, "%s '%.80s': the name is longer than %d bytes", what, name,
                        RK_SCHEMA_NAME_MAX);
  }
  if (is_reserved(name)) {
    return rk_error_set(err, RK_EINVAL, "%s '%s': the name means something else in C or C++", what,
                        name);
  }
  if (name[0] == '_' && (name[1] == '_' || (name[1] >= 'A' && name[1] <= 'Z'))) {
    return rk_error_set(err, RK_EINVAL, "%s '%s': such names belong to the C compiler", what, name);
  }
  if ((name[0] == 'r' || name[0] == 'R') && (name[1] == 'k' || name[1] == 'K') && name[2] == '_') {
    return rk_error_set(err, RK_EINVAL, "%s '%s': names that start with rk_ are taken", what, name);
  }
  return RK_OK;
}

/* ---- types ---- */

/* Reads "[n]" with n in 1..RK_PAYLOAD_MAX_BYTES and no leading zero; 0 for anything else. */
static uint32_t parse_count(const char *text)
{
  uint32_t value = 0;
  if (text[0] != '[' || text[1] == '0') {
    return 0;
  }
  for (text++; is_digit(*text); text++) {
    value = value * 10 + (uint32_t)(*text - '0');
    if (value > RK_PAYLOAD_MAX_BYTES) {
      return 0;
    }
  }
  return text[0] == ']' && text[1] == '\0' ? value : 0;
}

/* Fills type, count and element size of a field from its type text. */
static int parse_type(const char *text, rk_schema_field *field, rk_error *err)
{
  size_t length = strcspn(text, "[");
  size_t found = 0;
  while (found < RK_ARRAY_LEN(types) &&
         (strlen(types[found].text) != length || memcmp(types[found].text, text, length) != 0)) {
    found++;
  }
  if (found == RK_ARRAY_LEN(types)) {
    return rk_error_set(err, RK_EINVAL,
                        "field '%s': '%.40s' is no type; use i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 "
                        "bool hlc id buffer char[n], or an array of numbers like f32[8]",
                        field->name, text);
  }
  field->type = (rk_schema_type)found;
  field->count = 1;
  field->element_bytes = types[found].bytes;
  field->is_array = false;
  if (text[length] == '[') {
    if (!types[found].may_repeat) {
      return rk_error_set(err, RK_EINVAL, "field '%s': there are no arrays of %s", field->name,
                          types[found].text);
    }
    field->count = parse_count(text + length);
    field->is_array = field->type != RK_SCHEMA_CHAR;
    if (field->count == 0) {
      return rk_error_set(err, RK_EINVAL,
                          "field '%s': '%.40s' needs a length between 1 and %u, like %s[8]",
                          field->name, text, RK_PAYLOAD_MAX_BYTES, types[found].text);
    }
  } else if (field->type == RK_SCHEMA_CHAR) {
    return rk_error_set(err, RK_EINVAL, "field '%s': char needs a length, like char[16]",
                        field->name);
  }
  return RK_OK;
}

/* ---- compiling ---- */

/* One cleared block for a schema, with its names already in place. */
static rk_schema *alloc_schema(const char *name, const rk_schema_spec *specs, size_t count)
{
  size_t slots = count > LINEAR_FIELDS ? (size_t)rk_u64_next_pow2(count * 2) : 0;
  size_t bytes = sizeof(rk_schema) + count * sizeof(rk_schema_field) + slots * sizeof(uint16_t);
  size_t text_bytes = strlen(name) + 1;
  for (size_t i = 0; i < count; i++) {
    text_bytes += strlen(specs[i].name) + 1;
  }
  rk_schema *schema = rk_calloc(1, bytes + text_bytes);
  if (schema == NULL) {
    return NULL;
  }
  schema->fields = (rk_schema_field *)(void *)(schema + 1);
  if (slots > 0) {
    schema->slots = (uint16_t *)(void *)(schema->fields + count);
    schema->slot_mask = (uint32_t)(slots - 1);
  }
  char *text = (char *)schema + bytes;
  schema->name = text;
  memcpy(text, name, strlen(name) + 1);
  text += strlen(name) + 1;
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(specs[i].name);
    memcpy(text, specs[i].name, length + 1);
    schema->fields[i].name = text;
    schema->fields[i].name_length = (uint32_t)length;
    text += length + 1;
  }
  return schema;
}

/* Lays out field number schema->count and makes it known. */
static int add_field(rk_schema *schema, const char *type, rk_error *err)
{
  rk_schema_field *field = &schema->fields[schema->count];
  int status = check_name("field", field->name, err);
  if (status == RK_OK && rk_schema_find(schema, field->name, field->name_length) >= 0) {
    status = rk_error_set(err, RK_EEXISTS, "field '%s': there are two of that name", field->name);
  }
  if (status == RK_OK) {
    status = parse_type(type, field, err);
  }
  if (status != RK_OK) {
    return status;
  }
  uint32_t align = types[field->type].align;
  uint64_t offset = rk_align_up(schema->size, align);
  uint64_t end = offset + (uint64_t)field->count * field->element_bytes;
  if (end > RK_PAYLOAD_MAX_BYTES) {
    return rk_error_set(err, RK_ETOO_LARGE,
                        "field '%s': the message becomes %llu bytes large; at most %u fit; put "
                        "large data into a buffer",
                        field->name, (unsigned long long)end, RK_PAYLOAD_MAX_BYTES);
  }
  field->offset = (uint32_t)offset;
  schema->size = (uint32_t)end;
  schema->align = align > schema->align ? align : schema->align;
  if (schema->slots != NULL) {
    uint32_t slot = fnv_bytes(FNV_BASIS, field->name, field->name_length) & schema->slot_mask;
    while (schema->slots[slot] != 0) {
      slot = (slot + 1) & schema->slot_mask;
    }
    schema->slots[slot] = (uint16_t)(schema->count + 1);
  }
  schema->count++;
  return RK_OK;
}

static uint32_t hash_layout(const rk_schema *schema, const rk_schema_spec *specs)
{
  uint32_t hash = fnv_text(fnv_text(FNV_BASIS, schema->name), "{");
  for (size_t i = 0; i < schema->count; i++) {
    hash = fnv_text(fnv_text(hash, specs[i].name), ":");
    hash = fnv_text(fnv_text(hash, specs[i].type), ";");
  }
  hash = fnv_text(hash, "}");
  return hash == 0 ? 1 : hash;
}

int rk_schema_open(const char *name, const rk_schema_spec *fields, size_t count, rk_schema **schema,
                   rk_error *err)
{
  int status = check_name("message", name, err);
  if (status != RK_OK) {
    return status;
  }
  if (count > RK_SCHEMA_FIELDS_MAX) {
    return rk_error_set(err, RK_ETOO_LARGE, "message '%s': %zu fields; at most %d are allowed",
                        name, count, RK_SCHEMA_FIELDS_MAX);
  }
  rk_schema *made = alloc_schema(name, fields, count);
  if (made == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "message '%s': out of memory", name);
  }
  made->align = 1;
  for (size_t i = 0; i < count; i++) {
    status = add_field(made, fields[i].type, err);
    if (status != RK_OK) {
      rk_error_prefix(err, "message '%s'", name);
      rk_schema_close(made);
      return status;
    }
  }
  /* The limit is a multiple of every alignment, so padding at the end cannot pass it. */
  made->size = count == 0 ? 1 : (uint32_t)rk_align_up(made->size, made->align);
  made->id = hash_layout(made, fields);
  *schema = made;
  return RK_OK;
}

void rk_schema_close(rk_schema *schema)
{
  rk_free(schema);
}

/* ---- asking ---- */

const char *rk_schema_name(const rk_schema *schema)
{
  return schema->name;
}

uint32_t rk_schema_id(const rk_schema *schema)
{
  return schema->id;
}

size_t rk_schema_size(const rk_schema *schema)
{
  return schema->size;
}

size_t rk_schema_align(const rk_schema *schema)
{
  return schema->align;
}

size_t rk_schema_count(const rk_schema *schema)
{
  return schema->count;
}

const rk_schema_field *rk_schema_field_at(const rk_schema *schema, size_t index)
{
  assert(index < schema->count);
  return &schema->fields[index];
}

const char *rk_schema_type_name(rk_schema_type type)
{
  return types[type].text;
}

static bool is_named(const rk_schema_field *field, const char *name, size_t length)
{
  return field->name_length == length && memcmp(field->name, name, length) == 0;
}

ptrdiff_t rk_schema_find(const rk_schema *schema, const char *name, size_t length)
{
  if (schema->slots == NULL) {
    for (uint32_t i = 0; i < schema->count; i++) {
      if (is_named(&schema->fields[i], name, length)) {
        return (ptrdiff_t)i;
      }
    }
    return -1;
  }
  if (length > RK_SCHEMA_NAME_MAX) {
    return -1;
  }
  uint32_t slot = fnv_bytes(FNV_BASIS, name, length) & schema->slot_mask;
  for (; schema->slots[slot] != 0; slot = (slot + 1) & schema->slot_mask) {
    uint32_t i = schema->slots[slot] - 1u;
    if (is_named(&schema->fields[i], name, length)) {
      return (ptrdiff_t)i;
    }
  }
  return -1;
}
