/* SPDX-License-Identifier: MIT */
/*
 * Tests of core/schema.h: layout against what the C compiler does, names and types that are
 * refused, the id, and finding fields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"
#include "core/schema.h"

/* ---- helpers ---- */

static rk_schema *open_schema(const char *name, const rk_schema_spec *specs, size_t count)
{
  rk_schema *schema = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_schema_open(name, specs, count, &schema, &err) != RK_OK) {
    fail_msg("%s: %s", name, err.text);
  }
  return schema;
}

/* Expects opening to fail with `status` and a text that contains `part`. */
static void refuse(const char *name, const rk_schema_spec *specs, size_t count, int status,
                   const char *part)
{
  rk_schema *untouched = (rk_schema *)(void *)&status;
  rk_schema *schema = untouched;
  rk_error err = RK_ERROR_INIT;
  int got = rk_schema_open(name, specs, count, &schema, &err);
  if (got != status || err.status != status || strstr(err.text, part) == NULL) {
    fail_msg("'%s': got %d '%s', wanted %d '%s'", name, got, err.text, status, part);
  }
  assert_ptr_equal(schema, untouched);
  assert_int_equal(rk_schema_open(name, specs, count, &schema, NULL), status);
}

static void refuse_type(const char *type, int status, const char *part)
{
  rk_schema_spec spec = {"value", type};
  refuse("M", &spec, 1, status, part);
}

static void refuse_name(const char *name, const char *part)
{
  rk_schema_spec spec = {name, "u32"};
  refuse("M", &spec, 1, RK_EINVAL, part);
  refuse(name, NULL, 0, RK_EINVAL, part);
}

static uint32_t fnv(const char *text)
{
  uint32_t hash = 2166136261u;
  for (; *text != '\0'; text++) {
    hash = (hash ^ (unsigned char)*text) * 16777619u;
  }
  return hash;
}

/* ---- layout ---- */

typedef struct everything {
  rk_u8 a;
  rk_i8 b;
  rk_i16 c;
  rk_u8 d;
  rk_u16 e;
  rk_u8 f;
  rk_i32 g;
  rk_u8 h;
  rk_u32 i;
  rk_u8 j;
  rk_i64 k;
  rk_u8 l;
  rk_u64 m;
  rk_u8 n;
  rk_f32 o;
  rk_u8 p;
  rk_f64 q;
  rk_u8 flag;
  rk_u64 stamp;
  rk_u8 r;
  rk_u64 who;
  rk_u8 s;
  rk_buffer data;
  char text[13];
  rk_u16 many[5];
  rk_u8 t;
  rk_f64 window[3];
  rk_u8 last;
} everything;

static void test_layout_is_that_of_c(void **state)
{
  (void)state;
#define FIELD(name, type)                   \
  {                                         \
#name, type, offsetof(everything, name) \
  }
  static const struct {
    const char *name, *type;
    size_t offset;
  } all[] = {
      FIELD(a, "u8"),        FIELD(b, "i8"),      FIELD(c, "i16"),         FIELD(d, "u8"),
      FIELD(e, "u16"),       FIELD(f, "u8"),      FIELD(g, "i32"),         FIELD(h, "u8"),
      FIELD(i, "u32"),       FIELD(j, "u8"),      FIELD(k, "i64"),         FIELD(l, "u8"),
      FIELD(m, "u64"),       FIELD(n, "u8"),      FIELD(o, "f32"),         FIELD(p, "u8"),
      FIELD(q, "f64"),       FIELD(flag, "bool"), FIELD(stamp, "hlc"),     FIELD(r, "u8"),
      FIELD(who, "id"),      FIELD(s, "u8"),      FIELD(data, "buffer"),   FIELD(text, "char[13]"),
      FIELD(many, "u16[5]"), FIELD(t, "u8"),      FIELD(window, "f64[3]"), FIELD(last, "u8"),
  };
#undef FIELD
  rk_schema_spec specs[RK_ARRAY_LEN(all)];
  for (size_t i = 0; i < RK_ARRAY_LEN(all); i++) {
    specs[i] = (rk_schema_spec){all[i].name, all[i].type};
  }
  rk_schema *schema = open_schema("Everything", specs, RK_ARRAY_LEN(all));
  assert_string_equal(rk_schema_name(schema), "Everything");
  assert_int_equal(rk_schema_count(schema), RK_ARRAY_LEN(all));
  assert_int_equal(rk_schema_size(schema), sizeof(everything));
  assert_int_equal(rk_schema_align(schema), _Alignof(everything));
  for (size_t i = 0; i < RK_ARRAY_LEN(all); i++) {
    const rk_schema_field *field = rk_schema_field_at(schema, i);
    assert_string_equal(field->name, all[i].name);
    assert_int_equal(field->name_length, strlen(all[i].name));
    assert_int_equal(field->offset, all[i].offset);
    size_t length = strlen(rk_schema_type_name(field->type));
    assert_memory_equal(rk_schema_type_name(field->type), all[i].type, length);
    assert_true(all[i].type[length] == '\0' || all[i].type[length] == '[');
    assert_int_equal(rk_schema_find(schema, all[i].name, strlen(all[i].name)), i);
  }
  const rk_schema_field *many = rk_schema_field_at(schema, 24);
  assert_true(many->is_array && many->count == 5 && many->element_bytes == 2);
  const rk_schema_field *text = rk_schema_field_at(schema, 23);
  assert_true(!text->is_array && text->count == 13 && text->element_bytes == 1);
  const rk_schema_field *data = rk_schema_field_at(schema, 22);
  assert_true(!data->is_array && data->count == 1 && data->element_bytes == 16);
  rk_schema_close(schema);
}

static void test_padding_at_the_end(void **state)
{
  (void)state;
  static const rk_schema_spec wide[] = {{"value", "u64"}, {"flag", "u8"}};
  rk_schema *schema = open_schema("Wide", wide, 2);
  assert_int_equal(rk_schema_size(schema), 16);
  rk_schema_close(schema);
  static const rk_schema_spec narrow[] = {{"text", "char[3]"}};
  schema = open_schema("Narrow", narrow, 1);
  assert_int_equal(rk_schema_size(schema), 3);
  assert_int_equal(rk_schema_align(schema), 1);
  rk_schema_close(schema);
}

static void test_empty(void **state)
{
  (void)state;
  rk_schema *schema = open_schema("Reset", NULL, 0);
  assert_int_equal(rk_schema_size(schema), 1);
  assert_int_equal(rk_schema_count(schema), 0);
  assert_int_equal(rk_schema_id(schema), fnv("Reset{}"));
  assert_int_equal(rk_schema_find(schema, "x", 1), -1);
  rk_schema_close(schema);
  rk_schema_close(NULL);
}

static void test_single_element_array(void **state)
{
  (void)state;
  static const rk_schema_spec specs[] = {{"one", "f32[1]"}, {"plain", "f32"}};
  rk_schema *schema = open_schema("M", specs, 2);
  assert_true(rk_schema_field_at(schema, 0)->is_array);
  assert_false(rk_schema_field_at(schema, 1)->is_array);
  rk_schema_close(schema);
}

static void test_size_limit(void **state)
{
  (void)state;
  static const rk_schema_spec fits[] = {{"data", "u8[65536]"}};
  rk_schema *schema = open_schema("Fits", fits, 1);
  assert_int_equal(rk_schema_size(schema), 65536);
  rk_schema_close(schema);
  static const rk_schema_spec padded[] = {{"value", "u64"}, {"data", "u8[65527]"}};
  schema = open_schema("Padded", padded, 2);
  assert_int_equal(rk_schema_size(schema), 65536);
  rk_schema_close(schema);
  static const rk_schema_spec large[] = {{"data", "u8[65536]"}, {"more", "u8"}};
  refuse("Large", large, 2, RK_ETOO_LARGE, "message 'Large': field 'more'");
  static const rk_schema_spec huge[] = {{"data", "f64[65536]"}};
  refuse("Huge", huge, 1, RK_ETOO_LARGE, "524288 bytes");
}

static void test_many_fields(void **state)
{
  (void)state;
  enum { COUNT = RK_SCHEMA_FIELDS_MAX };
  static char names[COUNT + 1][16];
  static rk_schema_spec specs[COUNT + 1];
  for (int i = 0; i <= COUNT; i++) {
    snprintf(names[i], sizeof names[i], "f%d", i);
    specs[i] = (rk_schema_spec){names[i], i % 2 == 0 ? "u8" : "u32"};
  }
  rk_schema *schema = open_schema("Many", specs, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(rk_schema_find(schema, names[i], strlen(names[i])), i);
  }
  assert_int_equal(rk_schema_find(schema, "f1024", 5), -1);
  assert_int_equal(rk_schema_find(schema, "f1", 1), -1);
  assert_int_equal(rk_schema_find(schema, "f10x", 3), 10);
  rk_schema_close(schema);
  refuse("Many", specs, COUNT + 1, RK_ETOO_LARGE, "1025 fields");
}

/* ---- id ---- */

static void test_id(void **state)
{
  (void)state;
  static const rk_schema_spec specs[] = {{"sensor", "u32"}, {"value", "f64"}, {"window", "f32[8]"}};
  rk_schema *schema = open_schema("Reading", specs, 3);
  uint32_t id = rk_schema_id(schema);
  assert_int_equal(id, fnv("Reading{sensor:u32;value:f64;window:f32[8];}"));
  assert_int_equal(rk_schema_size(schema), 48);
  rk_schema_close(schema);
  static const rk_schema_spec other[] = {{"sensor", "u32"}, {"value", "f64"}, {"window", "f32[7]"}};
  schema = open_schema("Reading", other, 3);
  assert_int_not_equal(rk_schema_id(schema), id);
  rk_schema_close(schema);
  schema = open_schema("Reading2", specs, 3);
  assert_int_not_equal(rk_schema_id(schema), id);
  rk_schema_close(schema);
}

/* A name whose text hashes to 0, found by search: the id must not be 0. */
static void test_id_is_never_zero(void **state)
{
  (void)state;
  /* hash(name + "{}") == 0  <=>  hash(name) is the state from which "{}" leads to 0. Undo both
   * steps with the inverse of the prime, then meet that state from the front with five letters:
   * three are tried, the other two follow from a table of all two-letter ends. */
  const uint32_t inverse = 0x359c449bu;
  assert_int_equal(inverse * 16777619u, 1);
  uint32_t goal = 0u * inverse ^ (unsigned char)'}';
  goal = goal * inverse ^ (unsigned char)'{';
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  const size_t n = sizeof letters - 1;
  char name[8] = "N";
  char found[8] = "";
  for (size_t i = 0; i < n * n * n && found[0] == '\0'; i++) {
    name[1] = letters[i % n];
    name[2] = letters[i / n % n];
    name[3] = letters[i / n / n];
    name[4] = '\0';
    uint32_t front = fnv(name);
    for (size_t j = 0; j < n * n; j++) {
      /* goal = ((((front ^ c5) p) ^ c6) p ^ c7) p; so c5 is the only letter left to solve for. */
      uint32_t back = goal * inverse ^ (unsigned char)letters[j % n];
      back = back * inverse ^ (unsigned char)letters[j / n];
      uint32_t c5 = back * inverse ^ front;
      if (c5 < 128 && c5 != 0 && strchr(letters, (int)c5) != NULL) {
        name[4] = (char)c5;
        name[5] = letters[j / n];
        name[6] = letters[j % n];
        name[7] = '\0';
        memcpy(found, name, sizeof found);
        break;
      }
    }
  }
  assert_true(found[0] != '\0');
  char text[16];
  snprintf(text, sizeof text, "%s{}", found);
  assert_int_equal(fnv(text), 0);
  rk_schema *schema = open_schema(found, NULL, 0);
  assert_int_equal(rk_schema_id(schema), 1);
  rk_schema_close(schema);
}

/* ---- what is refused ---- */

static void test_bad_names(void **state)
{
  (void)state;
  refuse_name("", "not a name");
  refuse_name("7up", "not a name");
  refuse_name("a-b", "not a name");
  refuse_name("a b", "not a name");
  refuse_name("a.b", "not a name");
  refuse_name("\xc3\xa4", "not a name");
  static const char *const taken[] = {"int",     "while",  "_Bool",     "class",         "template",
                                      "bool",    "inline", "constexpr", "static_assert", "xor_eq",
                                      "alignas", "NULL",   "linux",     "typeof"};
  for (size_t i = 0; i < RK_ARRAY_LEN(taken); i++) {
    refuse_name(taken[i], taken[i][0] == '_' ? "C compiler" : "C or C++");
  }
  refuse_name("rk_state", "start with rk_");
  refuse_name("RK_LANES", "start with rk_");
  refuse_name("Rk_x", "start with rk_");
  refuse_name("__x", "C compiler");
  refuse_name("_Atomic", "C compiler");
  char name[RK_SCHEMA_NAME_MAX + 2];
  memset(name, 'x', sizeof name);
  name[RK_SCHEMA_NAME_MAX + 1] = '\0';
  refuse_name(name, "longer than 63");
}

static void test_good_names(void **state)
{
  (void)state;
  static const char *const good[] = {"x",   "_x",   "_",     "rk", "rkx", "int_",
                                     "Int", "a1_b", "bool_", "b",  "msg", "state"};
  for (size_t i = 0; i < RK_ARRAY_LEN(good); i++) {
    rk_schema_spec spec = {good[i], "u32"};
    rk_schema_close(open_schema(good[i], &spec, 1));
  }
  char name[RK_SCHEMA_NAME_MAX + 1];
  memset(name, 'x', sizeof name);
  name[RK_SCHEMA_NAME_MAX] = '\0';
  rk_schema_spec spec = {name, "u32"};
  rk_schema_close(open_schema(name, &spec, 1));
}

static void test_bad_types(void **state)
{
  (void)state;
  static const char *const unknown[] = {"",      "u33",  "U32",    "u32 ", " u32", "int",
                                        "float", "u32*", "f32(8)", "[8]",  "f16",  "string"};
  for (size_t i = 0; i < RK_ARRAY_LEN(unknown); i++) {
    refuse_type(unknown[i], RK_EINVAL, "is no type");
  }
  static const char *const lengths[] = {"f32[0]",
                                        "f32[]",
                                        "f32[-1]",
                                        "f32[8",
                                        "f32[8]]",
                                        "f32[08]",
                                        "f32[8][2]",
                                        "f32[ 8]",
                                        "f32[65537]",
                                        "char[]",
                                        "f32[99999999999999999999]",
                                        "char[x]",
                                        "f32["};
  for (size_t i = 0; i < RK_ARRAY_LEN(lengths); i++) {
    refuse_type(lengths[i], RK_EINVAL, "needs a length between 1 and 65536");
  }
  refuse_type("char", RK_EINVAL, "field 'value': char needs a length");
  refuse_type("bool[2]", RK_EINVAL, "no arrays of bool");
  refuse_type("hlc[2]", RK_EINVAL, "no arrays of hlc");
  refuse_type("id[2]", RK_EINVAL, "no arrays of id");
  refuse_type("buffer[2]", RK_EINVAL, "no arrays of buffer");
}

static void test_duplicates(void **state)
{
  (void)state;
  static const rk_schema_spec twice[] = {{"a", "u8"}, {"b", "u8"}, {"a", "u16"}};
  refuse("Twice", twice, 3, RK_EEXISTS, "message 'Twice': field 'a': there are two");
  static const rk_schema_spec many[] = {{"a", "u8"}, {"b", "u8"}, {"c", "u8"}, {"d", "u8"},
                                        {"e", "u8"}, {"f", "u8"}, {"g", "u8"}, {"h", "u8"},
                                        {"i", "u8"}, {"b", "u8"}};
  refuse("Many", many, 10, RK_EEXISTS, "field 'b'");
}

static void test_out_of_memory(void **state)
{
  (void)state;
  static const rk_schema_spec specs[] = {{"a", "u8"}};
  rk_schema *schema = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_alloc_fail_at(1, false);
  assert_int_equal(rk_schema_open("M", specs, 1, &schema, &err), RK_EOUT_OF_MEMORY);
  assert_null(schema);
  assert_non_null(strstr(err.text, "out of memory"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layout_is_that_of_c),
      cmocka_unit_test(test_padding_at_the_end),
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_single_element_array),
      cmocka_unit_test(test_size_limit),
      cmocka_unit_test(test_many_fields),
      cmocka_unit_test(test_id),
      cmocka_unit_test(test_id_is_never_zero),
      cmocka_unit_test(test_bad_names),
      cmocka_unit_test(test_good_names),
      cmocka_unit_test(test_bad_types),
      cmocka_unit_test(test_duplicates),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
