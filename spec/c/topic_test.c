/* SPDX-License-Identifier: MIT */
/*
 * Tests of core/topic.h: what is a topic and a pattern, matching, and the tree, which is compared
 * with the plain function on random patterns and topics.
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
#include "base/clock.h"
#include "core/topic.h"

/* ---- helpers ---- */

static uint32_t random_state;

static uint32_t next_random(uint32_t below)
{
  random_state = random_state * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)(random_state >> 4) * below) >> 28);
}

typedef struct seen {
  void *values[64];
  size_t count;
} seen;

static void note(void *value, void *user)
{
  seen *s = user;
  assert_true(s->count < RK_ARRAY_LEN(s->values));
  s->values[s->count++] = value;
}

static void bump(void *value, void *user)
{
  (void)user;
  ++*(int *)value;
}

static size_t match_count(rk_topic_tree *tree, const char *topic)
{
  seen s = {.count = 0};
  size_t calls = rk_topic_tree_match(tree, topic, note, &s);
  assert_int_equal(calls, s.count);
  return calls;
}

static void add(rk_topic_tree *tree, const char *pattern, void *value)
{
  rk_error err = RK_ERROR_INIT;
  if (rk_topic_tree_add(tree, pattern, value, &err) != RK_OK) {
    fail_msg("%s: %s", pattern, err.text);
  }
}

/* ---- texts ---- */

static void test_valid_texts(void **state)
{
  (void)state;
  static const char *const topics[] = {"a", "a/b", "sensors/7/temp", "x y/\xc3\xa4", "$sys/+"};
  for (size_t i = 0; i < RK_ARRAY_LEN(topics); i++) {
    assert_int_equal(rk_topic_check(topics[i], NULL), RK_OK);
    assert_int_equal(rk_topic_check_pattern(topics[i], NULL), RK_OK);
  }
  static const char *const patterns[] = {"*", "#", "a/*", "*/a", "a/#", "*/*/#", "a/*/b/#"};
  for (size_t i = 0; i < RK_ARRAY_LEN(patterns); i++) {
    assert_int_equal(rk_topic_check_pattern(patterns[i], NULL), RK_OK);
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(rk_topic_check(patterns[i], &err), RK_EINVAL);
    assert_non_null(strstr(err.text, "has a wildcard"));
  }
}

static void test_invalid_texts(void **state)
{
  (void)state;
  static const struct {
    const char *text, *part;
  } cases[] = {
      {"", "empty level"},          {"/", "empty level"},         {"/a", "empty level"},
      {"a/", "empty level"},        {"a//b", "empty level"},      {"a*", "level of its own"},
      {"*a/b", "level of its own"}, {"a/b#", "level of its own"}, {"**", "level of its own"},
      {"#/a", "the last level"},    {"a/#/b", "the last level"},  {"#/", "the last level"},
      {"a/*#", "level of its own"}, {"##", "level of its own"},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(rk_topic_check_pattern(cases[i].text, &err), RK_EINVAL);
    if (strstr(err.text, cases[i].part) == NULL) {
      fail_msg("'%s': got '%s', wanted '%s'", cases[i].text, err.text, cases[i].part);
    }
    assert_int_equal(rk_topic_check(cases[i].text, NULL), RK_EINVAL);
  }
}

static void test_length_limit(void **state)
{
  (void)state;
  char text[80];
  memset(text, 'a', sizeof text);
  text[63] = '\0';
  assert_int_equal(rk_topic_check(text, NULL), RK_OK);
  assert_true(rk_topic_matches(text, text));
  text[63] = 'a';
  text[64] = '\0';
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_topic_check(text, &err), RK_ETOO_LARGE);
  assert_non_null(strstr(err.text, "longer than 63 bytes"));
  assert_int_equal(rk_topic_check_pattern(text, NULL), RK_ETOO_LARGE);
  assert_false(rk_topic_matches(text, text));
  assert_false(rk_topic_matches("#", text));
}

static void test_matching(void **state)
{
  (void)state;
  static const struct {
    const char *pattern, *topic;
    bool is_match;
  } cases[] = {
      {"a", "a", true},          {"a", "b", false},         {"a", "aa", false},
      {"aa", "a", false},        {"a/b", "a/b", true},      {"a/b", "a", false},
      {"a", "a/b", false},       {"*", "a", true},          {"*", "a/b", false},
      {"*/*", "a/b", true},      {"*/*", "a", false},       {"a/*/c", "a/b/c", true},
      {"a/*/c", "a/b/d", false}, {"a/*/c", "a/c", false},   {"#", "a", true},
      {"#", "a/b/c", true},      {"a/#", "a", false},       {"a/#", "a/b", true},
      {"a/#", "a/b/c", true},    {"a/#", "b/c", false},     {"a/#", "ab/c", false},
      {"*/#", "a", false},       {"*/#", "a/b", true},      {"a/*/#", "a/b", false},
      {"a/*/#", "a/b/c", true},  {"a/#/b", "a/x/b", false}, /* no pattern */
      {"a", "*", false},                                    /* no topic */
      {"*", "*", false},         {"#", "a//b", false},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    if (rk_topic_matches(cases[i].pattern, cases[i].topic) != cases[i].is_match) {
      fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].topic);
    }
  }
}

/* ---- the tree ---- */

static void test_tree_add_and_remove(void **state)
{
  (void)state;
  rk_topic_tree *tree = rk_topic_tree_new();
  assert_non_null(tree);
  int a;
  int b;
  assert_int_equal(match_count(tree, "x/y"), 0);
  add(tree, "x/*", &a);
  add(tree, "x/#", &b);
  add(tree, "x/y", &b);
  assert_int_equal(rk_topic_tree_count(tree), 3);
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_topic_tree_add(tree, "x/y", &b, &err), RK_EEXISTS);
  assert_int_equal(rk_topic_tree_add(tree, "x//y", &a, &err), RK_EINVAL);
  assert_int_equal(rk_topic_tree_count(tree), 3);

  assert_int_equal(match_count(tree, "x/y"), 2); /* b once, though two of its patterns match */
  assert_int_equal(match_count(tree, "x/z"), 2);
  assert_int_equal(match_count(tree, "x/y/z"), 1);
  assert_int_equal(match_count(tree, "x"), 0);
  assert_int_equal(match_count(tree, "x/*"), 0);
  assert_int_equal(match_count(tree, "x//y"), 0);

  assert_int_equal(rk_topic_tree_remove(tree, "x/y", &a), RK_ENOT_FOUND);
  assert_int_equal(rk_topic_tree_remove(tree, "x/y/z", &b), RK_ENOT_FOUND);
  assert_int_equal(rk_topic_tree_remove(tree, "x", &b), RK_ENOT_FOUND);
  assert_int_equal(rk_topic_tree_remove(tree, "#/x", &b), RK_ENOT_FOUND);
  assert_int_equal(rk_topic_tree_remove(tree, "x/#", &b), RK_OK);
  assert_int_equal(rk_topic_tree_remove(tree, "x/#", &b), RK_ENOT_FOUND);
  assert_int_equal(match_count(tree, "x/y"), 2);
  assert_int_equal(match_count(tree, "x/y/z"), 0);
  assert_int_equal(rk_topic_tree_remove(tree, "x/y", &b), RK_OK);
  assert_int_equal(rk_topic_tree_remove(tree, "x/*", &a), RK_OK);
  assert_int_equal(rk_topic_tree_count(tree), 0);
  assert_int_equal(match_count(tree, "x/y"), 0);
  rk_topic_tree_close(tree);
  rk_topic_tree_close(NULL);
}

static void test_tree_keeps_order(void **state)
{
  (void)state;
  rk_topic_tree *tree = rk_topic_tree_new();
  int values[5];
  for (size_t i = 0; i < 5; i++) {
    add(tree, "t", &values[i]);
  }
  assert_int_equal(rk_topic_tree_remove(tree, "t", &values[1]), RK_OK);
  seen s = {.count = 0};
  assert_int_equal(rk_topic_tree_match(tree, "t", note, &s), 4);
  void *wanted[] = {&values[0], &values[2], &values[3], &values[4]};
  assert_memory_equal(s.values, wanted, sizeof wanted);
  rk_topic_tree_close(tree);
}

/* Memory goes back when subscriptions do, not only when the tree closes. */
static void test_tree_forgets(void **state)
{
  (void)state;
  rk_topic_tree *tree = rk_topic_tree_new();
  int value;
  add(tree, "keep/*/#", &value);
  uint64_t live = rk_alloc_live();
  static const char *const patterns[] = {"a/b/c/d", "a/*/c/#", "*/*/*", "#", "keep/*", "keep/*/x"};
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < RK_ARRAY_LEN(patterns); i++) {
      add(tree, patterns[i], &value);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(patterns); i++) {
      assert_int_equal(rk_topic_tree_remove(tree, patterns[i], &value), RK_OK);
    }
  }
  /* The lists of two nodes that stay have grown. */
  assert_true(rk_alloc_live() <= live + 2);
  assert_int_equal(match_count(tree, "keep/1/2"), 1);
  rk_topic_tree_close(tree);
}

static void test_tree_without_memory(void **state)
{
  (void)state;
  uint64_t live_before = rk_alloc_live();
  int values[3];
  for (uint64_t k = 1; k < 6; k++) { /* opening */
    rk_alloc_fail_at(k, false);
    rk_topic_tree *tree = rk_topic_tree_new();
    rk_alloc_fail_at(0, false);
    rk_topic_tree_close(tree);
    assert_true(rk_alloc_live() == live_before);
  }
  for (uint64_t k = 1;; k++) { /* adding: the tree is as before, and usable */
    rk_topic_tree *tree = rk_topic_tree_new();
    assert_non_null(tree);
    add(tree, "a/b", &values[0]);
    uint64_t live = rk_alloc_live();
    rk_alloc_fail_at(k, false);
    rk_error err = RK_ERROR_INIT;
    int status = rk_topic_tree_add(tree, "a/*/c/#", &values[1], &err);
    rk_alloc_fail_at(0, false);
    bool is_done = status == RK_OK;
    if (!is_done) {
      assert_int_equal(status, RK_EOUT_OF_MEMORY);
      assert_true(rk_alloc_live() == live);
      assert_int_equal(rk_topic_tree_count(tree), 1);
      assert_int_equal(match_count(tree, "a/b"), 1);
      assert_int_equal(match_count(tree, "a/b/c/d"), 0);
      assert_int_equal(rk_topic_tree_remove(tree, "a/*/c/#", &values[1]), RK_ENOT_FOUND);
      add(tree, "a/*/c/#", &values[1]);
    }
    assert_int_equal(match_count(tree, "a/b/c/d"), 1);
    rk_topic_tree_close(tree);
    assert_true(rk_alloc_live() == live_before);
    if (is_done) {
      assert_true(k > 4);
      break;
    }
  }
}

/* Random text of up to `levels` levels of the letters a to c, with wildcards if asked for. */
static void random_text(char *text, uint32_t levels, bool with_wildcards)
{
  uint32_t count = 1 + next_random(levels);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t r = next_random(8);
    if (i > 0) {
      *text++ = '/';
    }
    if (with_wildcards && r == 0 && i + 1 == count) {
      *text++ = '#';
    } else if (with_wildcards && r <= 2) {
      *text++ = '*';
    } else {
      *text++ = (char)('a' + (char)next_random(3));
      if (r == 3) {
        *text++ = 'a';
      }
    }
  }
  *text = '\0';
}

#define SUBSCRIPTIONS 200
#define VALUES 150
#define TOPICS 20000

typedef struct subscription {
  char pattern[RK_TOPIC_BYTES];
  int *value; /* NULL: free */
} subscription;

/* Subscribes or unsubscribes at random. */
static void change_one(rk_topic_tree *tree, subscription *subs, int *hits)
{
  subscription *sub = &subs[next_random(SUBSCRIPTIONS)];
  if (sub->value != NULL) {
    assert_int_equal(rk_topic_tree_remove(tree, sub->pattern, sub->value), RK_OK);
    sub->value = NULL;
    return;
  }
  random_text(sub->pattern, 5, true);
  int *value = &hits[next_random(VALUES)];
  bool is_there = false;
  for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
    is_there = is_there || (subs[i].value == value && strcmp(subs[i].pattern, sub->pattern) == 0);
  }
  assert_int_equal(rk_topic_tree_add(tree, sub->pattern, value, NULL),
                   is_there ? RK_EEXISTS : RK_OK);
  if (!is_there) {
    sub->value = value;
  }
}

static void test_tree_against_plain_matching(void **state)
{
  (void)state;
  static subscription subs[SUBSCRIPTIONS];
  static int hits[VALUES];
  random_state = 20240607;
  uint64_t live = rk_alloc_live();
  rk_topic_tree *tree = rk_topic_tree_new();
  for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
    change_one(tree, subs, hits);
  }
  size_t matches = 0;
  for (size_t n = 0; n < TOPICS; n++) {
    change_one(tree, subs, hits);
    char topic[RK_TOPIC_BYTES];
    random_text(topic, 5, false);
    memset(hits, 0, sizeof hits);
    size_t calls = rk_topic_tree_match(tree, topic, bump, NULL);
    matches += calls;
    static bool wanted[VALUES];
    memset(wanted, 0, sizeof wanted);
    size_t wanted_count = 0;
    size_t pairs = 0;
    for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
      if (subs[i].value == NULL) {
        continue;
      }
      pairs++;
      size_t value = (size_t)(subs[i].value - hits);
      if (!wanted[value] && rk_topic_matches(subs[i].pattern, topic)) {
        wanted[value] = true;
        wanted_count++;
      }
    }
    for (size_t i = 0; i < VALUES; i++) {
      if (hits[i] != (wanted[i] ? 1 : 0)) {
        fail_msg("topic '%s': value %zu visited %d times, wanted %d", topic, i, hits[i], wanted[i]);
      }
    }
    assert_int_equal(calls, wanted_count);
    assert_int_equal(rk_topic_tree_count(tree), pairs);
  }
  assert_true(matches > TOPICS); /* the random texts do meet */
  rk_topic_tree_close(tree);
  assert_true(rk_alloc_live() == live);
}

/* The deepest topic there can be, under every pattern of `*` and names: no way is missed. */
static void test_deep_topic(void **state)
{
  (void)state;
  char topic[RK_TOPIC_BYTES];
  char pattern[RK_TOPIC_BYTES];
  for (size_t i = 0; i < RK_TOPIC_MAX; i++) {
    topic[i] = i % 2 == 0 ? 'a' : '/';
    pattern[i] = i % 4 == 0 ? '*' : topic[i];
  }
  topic[RK_TOPIC_MAX] = '\0';
  pattern[RK_TOPIC_MAX] = '\0';
  rk_topic_tree *tree = rk_topic_tree_new();
  int values[3];
  add(tree, topic, &values[0]);
  add(tree, pattern, &values[1]);
  pattern[RK_TOPIC_MAX - 1] = '#';
  add(tree, pattern, &values[2]);
  assert_int_equal(match_count(tree, topic), 3);
  topic[RK_TOPIC_MAX - 1] = 'b';
  assert_int_equal(match_count(tree, topic), 1);
  rk_topic_tree_close(tree);
}

/* The cost of a match depends on the levels, not on how many subscriptions there are. */
static uint64_t best_match_ns(int subscriptions)
{
  static int values[10000];
  rk_topic_tree *tree = rk_topic_tree_new();
  char pattern[RK_TOPIC_BYTES];
  for (int i = 0; i < subscriptions; i++) {
    snprintf(pattern, sizeof pattern, "sensors/%d/temp", i);
    add(tree, pattern, &values[i]);
  }
  uint64_t best = UINT64_MAX;
  for (int round = 0; round < 20; round++) {
    uint64_t start = rk_clock_mono_ns();
    for (int i = 0; i < 1000; i++) {
      assert_int_equal(rk_topic_tree_match(tree, "sensors/7/temp", bump, NULL), 1);
    }
    uint64_t took = rk_clock_mono_ns() - start;
    best = took < best ? took : best;
  }
  rk_topic_tree_close(tree);
  return best / 1000;
}

static void test_cost_of_a_match(void **state)
{
  (void)state;
  uint64_t few = best_match_ns(10);
  uint64_t many = best_match_ns(10000);
  print_message("publish with 10 subscriptions: %llu ns, with 10000: %llu ns\n",
                (unsigned long long)few, (unsigned long long)many);
  assert_true(many < few * 10 + 1000); /* a walk over all would be 1000 times as much */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_valid_texts),
      cmocka_unit_test(test_invalid_texts),
      cmocka_unit_test(test_length_limit),
      cmocka_unit_test(test_matching),
      cmocka_unit_test(test_tree_add_and_remove),
      cmocka_unit_test(test_tree_keeps_order),
      cmocka_unit_test(test_tree_forgets),
      cmocka_unit_test(test_tree_without_memory),
      cmocka_unit_test(test_tree_against_plain_matching),
      cmocka_unit_test(test_deep_topic),
      cmocka_unit_test(test_cost_of_a_match),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
