/* SPDX-License-Identifier: MIT */
/*
 * Topic patterns and the tree of them (see topic.h).
 *
 * Each node of the trie stands for the levels that lead to it. Its values are those of the pattern
 * that ends there; values of "…/#" are kept apart at the node before the '#'. Named children are
 * found in the tree's hash table by (parent, level); the child of `*` has a pointer of its own.
 * Nodes go when neither values nor children need them.
 *
 * One topic reaches each node on at most one way, so a pair of pattern and value is met once; a
 * value under several patterns has one record, which remembers the match that visited it last.
 */
#include "core/topic.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/idmap.h"

#include <string.h>

#define FIRST_BUCKETS 16
#define FIRST_VALUES 2

typedef struct record { /* of a value, shared by its patterns */
  void *value;
  size_t uses;
  uint64_t visit; /* number of the match that visited it last */
} record;

typedef struct record_list {
  record **items;
  size_t count, capacity;
} record_list;

typedef struct node node;

struct node {
  node *parent;
  node *next; /* in its bucket */
  node *star; /* the child of `*` */
  size_t children;
  record_list exact; /* patterns that end here */
  record_list rest;  /* patterns that go on with "#" and end */
  uint32_t hash;
  unsigned char length;
  char level[]; /* not terminated */
};

struct rk_topic_tree {
  node *root;
  node **buckets; /* of named nodes */
  size_t bucket_count;
  size_t node_count; /* in the buckets */
  size_t pair_count;
  rk_idmap *records; /* by address of the value */
  uint64_t visit;
};

/* ---- texts ---- */

/* The level that starts at `text` ends where this points: at '/' or at the end. */
static const char *level_end(const char *text)
{
  return text + strcspn(text, "/");
}

static bool is_wildcard(const char *level, size_t length, char wildcard)
{
  return length == 1 && level[0] == wildcard;
}

/* Checks one level. `what` is "topic" or "pattern". */
static int check_level(const char *what, const char *text, const char *level, const char *end,
                       rk_error *err)
{
  size_t length = (size_t)(end - level);
  if (length == 0) {
    return rk_error_set(err, RK_EINVAL, "%s '%s' has an empty level", what, text);
  }
  bool has_star = memchr(level, '*', length) != NULL;
  bool has_hash = memchr(level, '#', length) != NULL;
  if (!has_star && !has_hash) {
    return RK_OK;
  }
  if (what[0] == 't') {
    return rk_error_set(err, RK_EINVAL, "topic '%s' has a wildcard; only patterns may", text);
  }
  if (length > 1) {
    return rk_error_set(err, RK_EINVAL, "pattern '%s': '%c' must be a level of its own", text,
                        has_star ? '*' : '#');
  }
  if (has_hash && *end != '\0') {
    return rk_error_set(err, RK_EINVAL, "pattern '%s': '#' must be the last level", text);
  }
  return RK_OK;
}

static int check_text(const char *what, const char *text, rk_error *err)
{
  if (strnlen(text, RK_TOPIC_BYTES) > RK_TOPIC_MAX) {
    return rk_error_set(err, RK_ETOO_LARGE, "%s '%.*s...' is longer than %u bytes", what,
                        (int)RK_TOPIC_MAX, text, RK_TOPIC_MAX);
  }
  const char *level = text;
  for (;;) {
    const char *end = level_end(level);
    int status = check_level(what, text, level, end, err);
    if (status != RK_OK || *end == '\0') {
      return status;
    }
    level = end + 1;
  }
}

int rk_topic_check(const char *topic, rk_error *err)
{
  return check_text("topic", topic, err);
}

int rk_topic_check_pattern(const char *pattern, rk_error *err)
{
  return check_text("pattern", pattern, err);
}

bool rk_topic_matches(const char *pattern, const char *topic)
{
  if (rk_topic_check_pattern(pattern, NULL) != RK_OK || rk_topic_check(topic, NULL) != RK_OK) {
    return false;
  }
  for (;;) {
    const char *pattern_end = level_end(pattern);
    const char *topic_end = level_end(topic);
    size_t length = (size_t)(pattern_end - pattern);
    if (is_wildcard(pattern, length, '#')) {
      return true;
    }
    bool is_same = length == (size_t)(topic_end - topic) && memcmp(pattern, topic, length) == 0;
    if (!is_same && !is_wildcard(pattern, length, '*')) {
      return false;
    }
    if (*pattern_end == '\0' || *topic_end == '\0') {
      return *pattern_end == *topic_end;
    }
    pattern = pattern_end + 1;
    topic = topic_end + 1;
  }
}

/* ---- nodes ---- */

static uint32_t hash_level(const node *parent, const char *level, size_t length)
{
  uint64_t hash = (uint64_t)(uintptr_t)parent * UINT64_C(0x9e3779b97f4a7c15);
  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ (unsigned char)level[i]) * UINT64_C(0x100000001b3);
  }
  return (uint32_t)(hash ^ hash >> 32);
}

/* The child of a named level, or NULL. */
static node *find_named(const rk_topic_tree *tree, const node *parent, const char *level,
                        size_t length)
{
  if (parent->children == 0) {
    return NULL;
  }
  uint32_t hash = hash_level(parent, level, length);
  node *n = tree->buckets[hash & (tree->bucket_count - 1)];
  while (n != NULL && (n->hash != hash || n->parent != parent || n->length != length ||
                       memcmp(n->level, level, length) != 0)) {
    n = n->next;
  }
  return n;
}

static node *find_child(const rk_topic_tree *tree, const node *parent, const char *level,
                        size_t length)
{
  return is_wildcard(level, length, '*') ? parent->star : find_named(tree, parent, level, length);
}

static node *new_node(node *parent, const char *level, size_t length)
{
  node *n = rk_calloc(1, sizeof(node) + length);
  if (n != NULL) {
    n->parent = parent;
    n->length = (unsigned char)length;
    memcpy(n->level, level, length);
  }
  return n;
}

/* Doubles the buckets; a tree that cannot grow only gets slower. */
static void grow_buckets(rk_topic_tree *tree)
{
  size_t count = tree->bucket_count * 2;
  node **buckets = rk_calloc(count, sizeof *buckets);
  if (buckets == NULL) {
    return;
  }
  for (size_t i = 0; i < tree->bucket_count; i++) {
    node *n = tree->buckets[i];
    while (n != NULL) {
      node *next = n->next;
      node **bucket = &buckets[n->hash & (count - 1)];
      n->next = *bucket;
      *bucket = n;
      n = next;
    }
  }
  rk_free(tree->buckets);
  tree->buckets = buckets;
  tree->bucket_count = count;
}

/* Makes the child of a level that is not there yet. NULL when out of memory. */
static node *add_child(rk_topic_tree *tree, node *parent, const char *level, size_t length)
{
  node *n = new_node(parent, level, length);
  if (n == NULL) {
    return NULL;
  }
  parent->children++;
  if (is_wildcard(level, length, '*')) {
    parent->star = n;
    return n;
  }
  if (tree->node_count >= tree->bucket_count) {
    grow_buckets(tree);
  }
  n->hash = hash_level(parent, level, length);
  node **bucket = &tree->buckets[n->hash & (tree->bucket_count - 1)];
  n->next = *bucket;
  *bucket = n;
  tree->node_count++;
  return n;
}

static void free_node(node *n)
{
  rk_free(n->exact.items);
  rk_free(n->rest.items);
  rk_free(n);
}

/* Takes a node without children out of the tree and frees it. */
static void drop_node(rk_topic_tree *tree, node *n)
{
  node *parent = n->parent;
  if (parent->star == n) {
    parent->star = NULL;
  } else {
    node **link = &tree->buckets[n->hash & (tree->bucket_count - 1)];
    while (*link != n) {
      link = &(*link)->next;
    }
    *link = n->next;
    tree->node_count--;
  }
  parent->children--;
  free_node(n);
}

/* Drops `n` and the nodes above it that nobody needs any more. */
static void prune(rk_topic_tree *tree, node *n)
{
  while (n->parent != NULL && n->children == 0 && n->exact.count == 0 && n->rest.count == 0) {
    node *parent = n->parent;
    drop_node(tree, n);
    n = parent;
  }
}

/* ---- values ---- */

static bool reserve_item(record_list *list)
{
  if (list->count < list->capacity) {
    return true;
  }
  size_t capacity = list->capacity == 0 ? FIRST_VALUES : list->capacity * 2;
  record **items = rk_realloc(list->items, capacity * sizeof *items);
  if (items == NULL) {
    return false;
  }
  list->items = items;
  list->capacity = capacity;
  return true;
}

/* The position of a record, or the count. */
static size_t find_item(const record_list *list, const record *item)
{
  size_t i = 0;
  while (i < list->count && list->items[i] != item) {
    i++;
  }
  return i;
}

static uint64_t record_key(const void *value)
{
  return (uint64_t)(uintptr_t)value;
}

/* The record of a value, made if need be; NULL when out of memory. */
static record *get_record(rk_topic_tree *tree, void *value)
{
  record *r = rk_idmap_get(tree->records, record_key(value));
  if (r != NULL) {
    return r;
  }
  r = rk_calloc(1, sizeof *r);
  if (r == NULL) {
    return NULL;
  }
  r->value = value;
  if (rk_idmap_put(tree->records, record_key(value), r, NULL) != RK_OK) {
    rk_free(r);
    return NULL;
  }
  return r;
}

/* Forgets a record that no pattern uses. */
static void release_record(rk_topic_tree *tree, record *r)
{
  if (r != NULL && r->uses == 0) {
    rk_idmap_del(tree->records, record_key(r->value));
    rk_free(r);
  }
}

/* Walks to the node of a valid pattern and returns the list its values belong to; *at is the node
 * reached, also where the walk stops. With `make`, missing nodes are made; NULL: one is missing. */
static record_list *find_list(rk_topic_tree *tree, const char *pattern, bool make, node **at)
{
  node *n = tree->root;
  *at = n;
  for (;;) {
    const char *end = level_end(pattern);
    size_t length = (size_t)(end - pattern);
    if (is_wildcard(pattern, length, '#')) {
      return &n->rest;
    }
    node *child = find_child(tree, n, pattern, length);
    if (child == NULL && make) {
      child = add_child(tree, n, pattern, length);
    }
    if (child == NULL) {
      return NULL;
    }
    n = child;
    *at = n;
    if (*end == '\0') {
      return &n->exact;
    }
    pattern = end + 1;
  }
}

/* ---- the tree ---- */

rk_topic_tree *rk_topic_tree_new(void)
{
  rk_topic_tree *tree = rk_calloc(1, sizeof *tree);
  if (tree == NULL) {
    return NULL;
  }
  tree->bucket_count = FIRST_BUCKETS;
  tree->buckets = rk_calloc(FIRST_BUCKETS, sizeof(node *));
  tree->root = new_node(NULL, "", 0);
  tree->records = rk_idmap_new();
  if (tree->buckets == NULL || tree->root == NULL || tree->records == NULL) {
    rk_topic_tree_close(tree);
    return NULL;
  }
  return tree;
}

/* Frees a chain of `*` nodes; what hangs below them by name is freed from the buckets. */
static void free_stars(node *n)
{
  while (n != NULL) {
    node *star = n->star;
    free_node(n);
    n = star;
  }
}

void rk_topic_tree_close(rk_topic_tree *tree)
{
  if (tree == NULL) {
    return;
  }
  for (size_t i = 0; tree->buckets != NULL && i < tree->bucket_count; i++) {
    node *n = tree->buckets[i];
    while (n != NULL) {
      node *next = n->next;
      free_stars(n);
      n = next;
    }
  }
  free_stars(tree->root);
  rk_free(tree->buckets);
  if (tree->records != NULL) {
    size_t cursor = 0;
    void *r;
    while (rk_idmap_next(tree->records, &cursor, NULL, &r)) {
      rk_free(r);
    }
    rk_idmap_close(tree->records);
  }
  rk_free(tree);
}

int rk_topic_tree_add(rk_topic_tree *tree, const char *pattern, void *value, rk_error *err)
{
  int status = rk_topic_check_pattern(pattern, err);
  if (status != RK_OK) {
    return status;
  }
  node *at = NULL;
  record *r = get_record(tree, value);
  record_list *list = r == NULL ? NULL : find_list(tree, pattern, true, &at);
  if (list == NULL) {
    status = rk_error_set(err, RK_EOUT_OF_MEMORY, "pattern '%s': out of memory", pattern);
    goto done;
  }
  if (r->uses > 0 && find_item(list, r) < list->count) {
    status = rk_error_set(err, RK_EEXISTS, "pattern '%s': subscribed already", pattern);
    goto done;
  }
  if (!reserve_item(list)) {
    status = rk_error_set(err, RK_EOUT_OF_MEMORY, "pattern '%s': out of memory", pattern);
    goto done;
  }
  list->items[list->count++] = r;
  r->uses++;
  tree->pair_count++;
done:
  if (status != RK_OK) {
    if (at != NULL) {
      prune(tree, at);
    }
    release_record(tree, r);
  }
  return status;
}

int rk_topic_tree_remove(rk_topic_tree *tree, const char *pattern, const void *value)
{
  record *r = rk_idmap_get(tree->records, record_key(value));
  if (r == NULL || rk_topic_check_pattern(pattern, NULL) != RK_OK) {
    return RK_ENOT_FOUND;
  }
  node *at;
  record_list *list = find_list(tree, pattern, false, &at);
  size_t i = list == NULL ? 0 : find_item(list, r);
  if (list == NULL || i == list->count) {
    return RK_ENOT_FOUND;
  }
  list->count--;
  memmove(&list->items[i], &list->items[i + 1], (list->count - i) * sizeof list->items[0]);
  r->uses--;
  tree->pair_count--;
  prune(tree, at);
  release_record(tree, r);
  return RK_OK;
}

typedef struct matching {
  const rk_topic_tree *tree;
  rk_topic_fn fn;
  void *user;
  size_t calls;
} matching;

static void visit_list(matching *m, const record_list *list)
{
  for (size_t i = 0; i < list->count; i++) {
    record *r = list->items[i];
    if (r->visit != m->tree->visit) {
      r->visit = m->tree->visit;
      m->calls++;
      m->fn(r->value, m->user);
    }
  }
}

/* Visits what matches the rest of a topic, which starts at `level`, below `n`. At most as deep as a
 * topic has levels, which is half of RK_TOPIC_BYTES. */
static void match_below(matching *m, const node *n, const char *level)
{
  visit_list(m, &n->rest);
  const char *end = level_end(level);
  node *next[2] = {find_named(m->tree, n, level, (size_t)(end - level)), n->star};
  for (size_t i = 0; i < RK_ARRAY_LEN(next); i++) {
    if (next[i] == NULL) {
      continue;
    }
    if (*end == '\0') {
      visit_list(m, &next[i]->exact);
    } else {
      match_below(m, next[i], end + 1);
    }
  }
}

size_t rk_topic_tree_match(rk_topic_tree *tree, const char *topic, rk_topic_fn fn, void *user)
{
  if (rk_topic_check(topic, NULL) != RK_OK) {
    return 0;
  }
  tree->visit++;
  matching m = {.tree = tree, .fn = fn, .user = user, .calls = 0};
  match_below(&m, tree->root, topic);
  return m.calls;
}

size_t rk_topic_tree_count(const rk_topic_tree *tree)
{
  return tree->pair_count;
}
