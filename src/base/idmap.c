/* SPDX-License-Identifier: MIT */
/*
 * The hash maps by name and by number: one table type serves both.
 *
 * `entries` holds the entries in order of arrival, removed ones as holes (value NULL). `slots` has
 * a power of two of 32-bit numbers: 0 is empty, n + 1 stands for entries[n]. A search starts at the
 * hash and goes on slot by slot until an empty one. A hole keeps its slot, so that searches pass
 * it by, and every slot in use has its entry, so `entries` being full bounds the load of `slots`
 * too: capacity is half of the slots.
 */
#include "base/idmap.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

#define FIRST_CAPACITY 8u
#define MAX_CAPACITY (UINT32_C(1) << 31)

typedef union table_key {
  const char *name;
  char *copy; /* the same, of a map that copies names */
  uint64_t id;
} table_key;

typedef struct entry {
  uint64_t hash;
  table_key key;
  void *value; /* NULL: a hole */
} entry;

typedef struct table {
  entry *entries;
  uint32_t *slots;
  size_t capacity; /* of entries; there are twice as many slots */
  size_t used;     /* entries, holes included */
  size_t count;    /* entries without holes */
} table;

struct rk_namemap {
  table table;
  bool is_lent; /* its names are the callers' */
};

struct rk_idmap {
  table table;
};

/* Spreads all bits over all bits: the last step of splitmix64. */
static uint64_t mix_bits(uint64_t value)
{
  value ^= value >> 30;
  value *= UINT64_C(0xbf58476d1ce4e5b9);
  value ^= value >> 27;
  value *= UINT64_C(0x94d049bb133111eb);
  value ^= value >> 31;
  return value;
}

/* FNV-1a over the bytes, then mixed, since the low bits choose the slot. */
static uint64_t hash_name(const char *name)
{
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (const char *at = name; *at != '\0'; at++) {
    hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
  }
  return mix_bits(hash);
}

/* The entry with this hash and key, or NULL. `name` is NULL in tables by number, where equal
 * hashes mean equal numbers because the mix is a bijection. */
static entry *find_entry(const table *t, uint64_t hash, const char *name)
{
  if (t->capacity == 0) {
    return NULL;
  }
  size_t mask = t->capacity * 2 - 1;
  for (size_t i = (size_t)hash & mask; t->slots[i] != 0; i = (i + 1) & mask) {
    entry *e = &t->entries[t->slots[i] - 1];
    if (e->hash == hash && e->value != NULL && (name == NULL || strcmp(e->key.name, name) == 0)) {
      return e;
    }
  }
  return NULL;
}

static void place_slot(uint32_t *slots, size_t capacity, uint64_t hash, size_t index)
{
  size_t mask = capacity * 2 - 1;
  size_t i = (size_t)hash & mask;
  while (slots[i] != 0) {
    i = (i + 1) & mask;
  }
  slots[i] = (uint32_t)(index + 1);
}

/* Moves the entries without holes to `entries` (the same array or a larger one) and gives each its
 * place in the cleared `slots`. */
static void rebuild(table *t, entry *entries, uint32_t *slots, size_t capacity)
{
  size_t kept = 0;
  for (size_t i = 0; i < t->used; i++) {
    if (t->entries[i].value != NULL) {
      entries[kept] = t->entries[i];
      place_slot(slots, capacity, entries[kept].hash, kept);
      kept++;
    }
  }
  t->used = kept;
}

/* Makes room for one more entry. On failure the table is as it was. */
static int make_room(table *t, rk_error *err)
{
  if (t->used < t->capacity) {
    return RK_OK;
  }
  if (t->capacity != 0 && t->count <= t->capacity / 2) {
    /* Half are holes: closing them is enough, and takes no memory. */
    memset(t->slots, 0, t->capacity * 2 * sizeof *t->slots);
    rebuild(t, t->entries, t->slots, t->capacity);
    return RK_OK;
  }
  if (t->capacity >= MAX_CAPACITY) {
    return rk_error_set(err, RK_ETOO_LARGE, "map: no room for more than %zu entries", t->capacity);
  }
  size_t capacity = t->capacity == 0 ? FIRST_CAPACITY : t->capacity * 2;
  entry *entries = rk_calloc(capacity, sizeof *entries);
  uint32_t *slots = rk_calloc(capacity * 2, sizeof *slots);
  if (entries == NULL || slots == NULL) {
    rk_free(entries);
    rk_free(slots);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "map: no memory for %zu entries", capacity);
  }
  rebuild(t, entries, slots, capacity);
  rk_free(t->entries);
  rk_free(t->slots);
  t->entries = entries;
  t->slots = slots;
  t->capacity = capacity;
  return RK_OK;
}

/* Puts a new entry, for which make_room was called, at the end. */
static void append_entry(table *t, uint64_t hash, table_key key, void *value)
{
  t->entries[t->used] = (entry){.hash = hash, .key = key, .value = value};
  place_slot(t->slots, t->capacity, hash, t->used);
  t->used++;
  t->count++;
}

/* The next entry that is no hole, from *cursor on, or NULL. */
static const entry *next_entry(const table *t, size_t *cursor)
{
  while (*cursor < t->used) {
    const entry *e = &t->entries[(*cursor)++];
    if (e->value != NULL) {
      return e;
    }
  }
  return NULL;
}

static void free_table(table *t)
{
  rk_free(t->entries);
  rk_free(t->slots);
}

rk_namemap *rk_namemap_new(void)
{
  return rk_calloc(1, sizeof(rk_namemap));
}

rk_namemap *rk_namemap_new_lent(void)
{
  rk_namemap *map = rk_namemap_new();
  if (map != NULL) {
    map->is_lent = true;
  }
  return map;
}

void rk_namemap_close(rk_namemap *map)
{
  if (map == NULL) {
    return;
  }
  size_t cursor = 0;
  for (const entry *e = NULL; !map->is_lent && (e = next_entry(&map->table, &cursor)) != NULL;) {
    rk_free(e->key.copy);
  }
  free_table(&map->table);
  rk_free(map);
}

void *rk_namemap_get(const rk_namemap *map, const char *name)
{
  const entry *e = find_entry(&map->table, hash_name(name), name);
  return e != NULL ? e->value : NULL;
}

int rk_namemap_put(rk_namemap *map, const char *name, void *value, rk_error *err)
{
  if (value == NULL) {
    return rk_error_set(err, RK_EINVAL, "map: the value of \"%s\" is NULL", name);
  }
  uint64_t hash = hash_name(name);
  entry *e = find_entry(&map->table, hash, name);
  if (e != NULL) {
    e->value = value;
    if (map->is_lent) {
      e->key.name = name; /* the former value may go with the former name */
    }
    return RK_OK;
  }
  table_key key = {.name = name};
  if (!map->is_lent) {
    key.copy = rk_strdup(name);
  }
  if (key.name == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "map: no memory for the name \"%s\"", name);
  }
  int status = make_room(&map->table, err);
  if (status != RK_OK) {
    if (!map->is_lent) {
      rk_free(key.copy);
    }
    return status;
  }
  append_entry(&map->table, hash, key, value);
  return RK_OK;
}

void *rk_namemap_del(rk_namemap *map, const char *name)
{
  entry *e = find_entry(&map->table, hash_name(name), name);
  if (e == NULL) {
    return NULL;
  }
  void *value = e->value;
  e->value = NULL;
  map->table.count--;
  /* Last: `name` may be the map's own copy, as a walk hands it out. */
  if (!map->is_lent) {
    rk_free(e->key.copy);
  }
  e->key.name = NULL;
  return value;
}

size_t rk_namemap_count(const rk_namemap *map)
{
  return map->table.count;
}

bool rk_namemap_next(const rk_namemap *map, size_t *cursor, const char **name, void **value)
{
  const entry *e = next_entry(&map->table, cursor);
  if (e == NULL) {
    return false;
  }
  if (name != NULL) {
    *name = e->key.name;
  }
  if (value != NULL) {
    *value = e->value;
  }
  return true;
}

rk_idmap *rk_idmap_new(void)
{
  return rk_calloc(1, sizeof(rk_idmap));
}

void rk_idmap_close(rk_idmap *map)
{
  if (map != NULL) {
    free_table(&map->table);
    rk_free(map);
  }
}

void *rk_idmap_get(const rk_idmap *map, uint64_t id)
{
  const entry *e = find_entry(&map->table, mix_bits(id), NULL);
  return e != NULL ? e->value : NULL;
}

int rk_idmap_put(rk_idmap *map, uint64_t id, void *value, rk_error *err)
{
  if (value == NULL) {
    return rk_error_set(err, RK_EINVAL, "map: the value of id %llu is NULL",
                        (unsigned long long)id);
  }
  uint64_t hash = mix_bits(id);
  entry *e = find_entry(&map->table, hash, NULL);
  if (e != NULL) {
    e->value = value;
    return RK_OK;
  }
  int status = make_room(&map->table, err);
  if (status == RK_OK) {
    append_entry(&map->table, hash, (table_key){.id = id}, value);
  }
  return status;
}

void *rk_idmap_del(rk_idmap *map, uint64_t id)
{
  entry *e = find_entry(&map->table, mix_bits(id), NULL);
  if (e == NULL) {
    return NULL;
  }
  void *value = e->value;
  e->value = NULL;
  map->table.count--;
  return value;
}

size_t rk_idmap_count(const rk_idmap *map)
{
  return map->table.count;
}

bool rk_idmap_next(const rk_idmap *map, size_t *cursor, uint64_t *id, void **value)
{
  const entry *e = next_entry(&map->table, cursor);
  if (e == NULL) {
    return false;
  }
  if (id != NULL) {
    *id = e->key.id;
  }
  if (value != NULL) {
    *value = e->value;
  }
  return true;
}
