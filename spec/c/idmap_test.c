/* SPDX-License-Identifier: MIT */
/*
 * The two hash maps against a plain array, with random operations, failures of memory and walks.
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
#include "base/idmap.h"

enum { KEYS = 3000, OPERATIONS = 200000, MANY_NAMES = 100000 };

/* The model: for each key its value (0: none) and when it arrived. */
typedef struct model {
  uintptr_t value[KEYS];
  uint64_t arrival[KEYS];
  uint64_t clock;
  size_t count;
} model;

static uint64_t seed;
static uint64_t live_before;

static uint64_t next_random(void)
{
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static int begin(void **state)
{
  (void)state;
  seed = UINT64_C(0x2545F4914F6CDD1D);
  live_before = rk_alloc_live();
  return 0;
}

static int end(void **state)
{
  (void)state;
  rk_alloc_fail_at(0, false);
  return rk_alloc_live() == live_before ? 0 : -1; /* nothing may be left */
}

static void *as_value(uintptr_t number)
{
  return (void *)number;
}

static void name_of(size_t key, char text[32])
{
  snprintf(text, 32, "actor/%zu", key);
}

/* Ids that agree in many bits, and the extremes among them. */
static uint64_t id_of(size_t key)
{
  if (key == 0) {
    return 0;
  }
  return key == 1 ? UINT64_MAX : (uint64_t)key << 32;
}

static void model_put(model *m, size_t key, uintptr_t value)
{
  if (m->value[key] == 0) {
    m->arrival[key] = ++m->clock;
    m->count++;
  }
  m->value[key] = value;
}

static uintptr_t model_del(model *m, size_t key)
{
  uintptr_t old = m->value[key];
  m->count -= old != 0 ? 1 : 0;
  m->value[key] = 0;
  return old;
}

/* One map behind two functions' worth of differences, so that both get the same test. */
typedef struct subject {
  rk_namemap *names; /* one of the two is NULL */
  rk_idmap *ids;
} subject;

static void *subject_get(const subject *s, size_t key)
{
  char name[32];
  name_of(key, name);
  return s->names != NULL ? rk_namemap_get(s->names, name) : rk_idmap_get(s->ids, id_of(key));
}

static int subject_put(const subject *s, size_t key, uintptr_t value)
{
  char name[32];
  name_of(key, name);
  return s->names != NULL ? rk_namemap_put(s->names, name, as_value(value), NULL)
                          : rk_idmap_put(s->ids, id_of(key), as_value(value), NULL);
}

static void *subject_del(const subject *s, size_t key)
{
  char name[32];
  name_of(key, name);
  return s->names != NULL ? rk_namemap_del(s->names, name) : rk_idmap_del(s->ids, id_of(key));
}

static size_t subject_count(const subject *s)
{
  return s->names != NULL ? rk_namemap_count(s->names) : rk_idmap_count(s->ids);
}

/* A walk step; returns the key's number. */
static bool subject_next(const subject *s, size_t *cursor, size_t *key, void **value)
{
  if (s->names != NULL) {
    const char *name = NULL;
    if (!rk_namemap_next(s->names, cursor, &name, value)) {
      return false;
    }
    assert_int_equal(sscanf(name, "actor/%zu", key), 1);
    return true;
  }
  uint64_t id = 0;
  if (!rk_idmap_next(s->ids, cursor, &id, value)) {
    return false;
  }
  *key = id == UINT64_MAX ? 1 : (size_t)(id >> 32);
  return true;
}

static void check_walk(const subject *s, const model *m)
{
  size_t cursor = 0;
  size_t key = 0;
  size_t seen = 0;
  uint64_t last = 0;
  void *value = NULL;
  while (subject_next(s, &cursor, &key, &value)) {
    assert_true(key < KEYS);
    assert_true(m->value[key] != 0);
    assert_ptr_equal(value, as_value(m->value[key]));
    assert_true(m->arrival[key] > last); /* order of arrival, so nobody twice either */
    last = m->arrival[key];
    seen++;
  }
  assert_int_equal(seen, m->count);
  assert_false(subject_next(s, &cursor, &key, &value)); /* the end stays the end */
}

static void run_random_operations(const subject *s)
{
  model *m = calloc(1, sizeof *m);
  assert_non_null(m);
  for (uint64_t i = 0; i < OPERATIONS; i++) {
    /* Phases of growth and of shrinking, and a small set of keys that is hit often. */
    bool is_growing = (i / 20000) % 2 == 0;
    size_t key = (size_t)(next_random() % (i % 3 == 0 ? 20 : KEYS));
    uint64_t dice = next_random() % 10;
    if (dice < 3) {
      assert_ptr_equal(subject_get(s, key), as_value(m->value[key]));
    } else if (dice < (is_growing ? 8u : 5u)) {
      uintptr_t value = (uintptr_t)i + 1;
      assert_int_equal(subject_put(s, key, value), RK_OK);
      model_put(m, key, value);
    } else {
      assert_ptr_equal(subject_del(s, key), as_value(model_del(m, key)));
    }
    assert_int_equal(subject_count(s), m->count);
    if (i % 5000 == 0) {
      check_walk(s, m);
    }
  }
  check_walk(s, m);
  for (size_t key = 0; key < KEYS; key++) {
    assert_ptr_equal(subject_get(s, key), as_value(m->value[key]));
  }
  free(m);
}

static void names_behave_as_the_model(void **state)
{
  (void)state;
  subject s = {.names = rk_namemap_new()};
  assert_non_null(s.names);
  run_random_operations(&s);
  rk_namemap_close(s.names);
}

static void ids_behave_as_the_model(void **state)
{
  (void)state;
  subject s = {.ids = rk_idmap_new()};
  assert_non_null(s.ids);
  run_random_operations(&s);
  rk_idmap_close(s.ids);
}

static void hundred_thousand_names(void **state)
{
  (void)state;
  rk_namemap *map = rk_namemap_new();
  assert_non_null(map);
  char name[32];
  for (size_t i = 0; i < MANY_NAMES; i++) {
    name_of(i, name);
    assert_int_equal(rk_namemap_put(map, name, as_value(i + 1), NULL), RK_OK);
  }
  assert_int_equal(rk_namemap_count(map), MANY_NAMES);
  for (size_t i = 0; i < MANY_NAMES; i++) {
    name_of(i, name);
    assert_ptr_equal(rk_namemap_get(map, name), as_value(i + 1));
  }
  name_of(MANY_NAMES, name);
  assert_null(rk_namemap_get(map, name));
  rk_namemap_close(map);
}

static void names_are_copied_and_compared_whole(void **state)
{
  (void)state;
  rk_namemap *map = rk_namemap_new();
  assert_non_null(map);
  char name[] = "abc";
  assert_int_equal(rk_namemap_put(map, name, as_value(1), NULL), RK_OK);
  name[0] = 'x';
  assert_ptr_equal(rk_namemap_get(map, "abc"), as_value(1));
  assert_null(rk_namemap_get(map, "xbc"));
  assert_null(rk_namemap_get(map, "ab"));
  assert_null(rk_namemap_get(map, "abcd"));
  assert_null(rk_namemap_get(map, ""));
  assert_int_equal(rk_namemap_put(map, "", as_value(2), NULL), RK_OK);
  assert_ptr_equal(rk_namemap_get(map, ""), as_value(2));
  rk_namemap_close(map);
}

/* The map hands the callers' own pointers out, the last one of equal names, and frees none. */
static void lent_names_stay_the_callers(void **state)
{
  (void)state;
  enum { NAMES = 100 };
  char names[NAMES][32], again[32];
  rk_namemap *map = rk_namemap_new_lent();
  assert_non_null(map);
  for (size_t i = 0; i < NAMES; i++) {
    name_of(i, names[i]);
    assert_int_equal(rk_namemap_put(map, names[i], as_value(i + 1), NULL), RK_OK);
  }
  for (size_t i = 0; i < NAMES; i += 2) { /* names of values that have gone may go, too */
    assert_ptr_equal(rk_namemap_del(map, names[i]), as_value(i + 1));
    memset(names[i], 0, sizeof(names[i]));
  }
  name_of(1, again);
  assert_int_equal(rk_namemap_put(map, again, as_value(NAMES + 1), NULL), RK_OK);
  memset(names[1], 0, sizeof(names[1]));
  size_t cursor = 0;
  const char *at = NULL;
  void *value = NULL;
  for (size_t i = 1; i < NAMES; i += 2) {
    assert_true(rk_namemap_next(map, &cursor, &at, &value));
    assert_ptr_equal(at, i == 1 ? again : names[i]);
    assert_ptr_equal(value, as_value(i == 1 ? NAMES + 1 : i + 1));
    assert_ptr_equal(rk_namemap_get(map, at), value);
  }
  assert_false(rk_namemap_next(map, &cursor, &at, &value));
  rk_alloc_fail_at(1, true);
  int status = RK_OK;
  for (size_t i = 0; status == RK_OK; i += 2) { /* as long as there is room */
    assert_true(i < NAMES);
    name_of(i, names[i]);
    status = rk_namemap_put(map, names[i], as_value(i + 1), NULL);
    assert_ptr_equal(rk_namemap_get(map, names[i]), status == RK_OK ? as_value(i + 1) : NULL);
  }
  assert_int_equal(status, RK_EOUT_OF_MEMORY);
  rk_alloc_fail_at(0, false);
  rk_namemap_close(map);
}

static void null_values_are_refused(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  rk_namemap *names = rk_namemap_new();
  rk_idmap *ids = rk_idmap_new();
  assert_non_null(names);
  assert_non_null(ids);
  assert_int_equal(rk_namemap_put(names, "a", NULL, &err), RK_EINVAL);
  assert_non_null(strstr(err.text, "\"a\""));
  assert_int_equal(rk_idmap_put(ids, 7, NULL, &err), RK_EINVAL);
  assert_non_null(strstr(err.text, "7"));
  assert_int_equal(rk_namemap_count(names), 0);
  rk_namemap_close(names);
  rk_idmap_close(ids);
  rk_namemap_close(NULL);
  rk_idmap_close(NULL);
}

/* Every entry removed from inside the walk, by the very name that the walk handed out. */
static void removal_during_a_walk(void **state)
{
  (void)state;
  rk_namemap *map = rk_namemap_new();
  assert_non_null(map);
  char name[32];
  for (size_t i = 0; i < 100; i++) {
    name_of(i, name);
    assert_int_equal(rk_namemap_put(map, name, as_value(i + 1), NULL), RK_OK);
  }
  size_t cursor = 0;
  const char *at = NULL;
  void *value = NULL;
  uintptr_t expected = 1;
  while (rk_namemap_next(map, &cursor, &at, &value)) {
    assert_ptr_equal(value, as_value(expected++));
    assert_ptr_equal(rk_namemap_del(map, at), value);
  }
  assert_int_equal(expected, 101);
  assert_int_equal(rk_namemap_count(map), 0);
  rk_namemap_close(map);
}

/* Coming and going at a constant count must not take ever more memory. */
static void churn_does_not_grow(void **state)
{
  (void)state;
  rk_idmap *map = rk_idmap_new();
  assert_non_null(map);
  for (uint64_t id = 0; id < 64; id++) {
    assert_int_equal(rk_idmap_put(map, id, as_value(1), NULL), RK_OK);
  }
  for (uint64_t id = 64; id < 1000; id++) {
    assert_int_equal(rk_idmap_put(map, id, as_value(1), NULL), RK_OK);
    assert_non_null(rk_idmap_del(map, id - 64));
  }
  uint64_t before = rk_alloc_count();
  for (uint64_t id = 1000; id < 100000; id++) {
    assert_int_equal(rk_idmap_put(map, id, as_value(1), NULL), RK_OK);
    assert_non_null(rk_idmap_del(map, id - 64));
  }
  assert_int_equal(rk_alloc_count(), before);
  assert_int_equal(rk_idmap_count(map), 64);
  rk_idmap_close(map);
}

/* Builds a map with the k-th allocation failing, for every k; what went in before stays whole. */
static void failures_of_memory_leave_the_map_whole(void **state)
{
  (void)state;
  enum { NAMES = 40 };
  bool is_done = false;
  for (uint64_t k = 1; !is_done; k++) {
    rk_alloc_fail_at(k, false);
    rk_namemap *map = rk_namemap_new();
    if (map == NULL) {
      assert_int_equal(k, 1);
      continue;
    }
    bool is_present[NAMES] = {false};
    size_t failed = 0;
    char name[32];
    for (size_t i = 0; i < NAMES; i++) {
      rk_error err = RK_ERROR_INIT;
      name_of(i, name);
      int status = rk_namemap_put(map, name, as_value(i + 1), &err);
      is_present[i] = status == RK_OK;
      if (status != RK_OK) {
        assert_int_equal(status, RK_EOUT_OF_MEMORY);
        assert_int_equal(err.status, RK_EOUT_OF_MEMORY);
        failed++;
      }
    }
    assert_int_equal(rk_namemap_count(map), NAMES - failed);
    for (size_t i = 0; i < NAMES; i++) {
      name_of(i, name);
      assert_ptr_equal(rk_namemap_get(map, name), is_present[i] ? as_value(i + 1) : NULL);
    }
    rk_namemap_close(map);
    assert_true(failed <= 1);
    is_done = failed == 0;
  }
  rk_alloc_fail_at(1, true);
  assert_null(rk_idmap_new());
  rk_alloc_fail_at(2, true);
  rk_idmap *ids = rk_idmap_new();
  assert_non_null(ids);
  assert_int_equal(rk_idmap_put(ids, 1, as_value(1), NULL), RK_EOUT_OF_MEMORY);
  assert_null(rk_idmap_get(ids, 1));
  rk_alloc_fail_at(0, false);
  assert_int_equal(rk_idmap_put(ids, 1, as_value(1), NULL), RK_OK);
  rk_idmap_close(ids);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(names_behave_as_the_model, begin, end),
      cmocka_unit_test_setup_teardown(ids_behave_as_the_model, begin, end),
      cmocka_unit_test_setup_teardown(hundred_thousand_names, begin, end),
      cmocka_unit_test_setup_teardown(names_are_copied_and_compared_whole, begin, end),
      cmocka_unit_test_setup_teardown(lent_names_stay_the_callers, begin, end),
      cmocka_unit_test_setup_teardown(null_values_are_refused, begin, end),
      cmocka_unit_test_setup_teardown(removal_during_a_walk, begin, end),
      cmocka_unit_test_setup_teardown(churn_does_not_grow, begin, end),
      cmocka_unit_test_setup_teardown(failures_of_memory_leave_the_map_whole, begin, end),
  };
  return cmocka_run_group_tests_name("idmap", tests, NULL, NULL);
}
