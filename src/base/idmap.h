/* SPDX-License-Identifier: MIT */
/*
 * Two hash maps to pointers: by name (rk_namemap) and by 64-bit number (rk_idmap).
 *
 * Entries lie in one array in the order in which they came; a table of 32-bit positions with open
 * addressing finds them. So get, put and del take constant time on average, and a walk goes in
 * order of arrival, the same on every run. Removed entries leave a hole that the next growth
 * closes. Values are not NULL and stay the caller's; names are copied, unless the map was made to
 * refer to the caller's. Used by the registries.
 *
 * Threads: owner, or any number of readers while nobody writes.
 */
#ifndef RK_BASE_IDMAP_H
#define RK_BASE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_namemap rk_namemap;
typedef struct rk_idmap rk_idmap;

/* A new empty map, or NULL when out of memory. Give it back with rk_namemap_close. */
rk_namemap *rk_namemap_new(void);

/* The same, of a map that copies no names: a name has to stay where it is until its entry has been
 * removed or the map is closed (which looks at no name), or the same name was put again from
 * elsewhere. For values that have their names. */
rk_namemap *rk_namemap_new_lent(void);

/* Frees the map and its names; the values are the caller's. NULL is allowed. */
void rk_namemap_close(rk_namemap *map);

/* The value of `name`, or NULL if there is none. */
void *rk_namemap_get(const rk_namemap *map, const char *name);

/* Sets the value of `name`. A name that is there keeps its place in the order, and only its value
 * changes (ask with get first where that would be a mistake). RK_EOUT_OF_MEMORY, RK_EINVAL for a
 * NULL value; the map is then unchanged. */
int rk_namemap_put(rk_namemap *map, const char *name, void *value, rk_error *err);

/* Removes `name` and returns its value, or NULL if it was not there. Never fails. */
void *rk_namemap_del(rk_namemap *map, const char *name);

/* Number of entries. */
size_t rk_namemap_count(const rk_namemap *map);

/* Walks in order of arrival: start with *cursor = 0, call until it returns false. `name` (valid as
 * long as its entry is) and `value` may be NULL. Removing entries during a walk is allowed, adding
 * is not. */
bool rk_namemap_next(const rk_namemap *map, size_t *cursor, const char **name, void **value);

/* The same for 64-bit numbers; every number is a valid key. */
rk_idmap *rk_idmap_new(void);
void rk_idmap_close(rk_idmap *map);
void *rk_idmap_get(const rk_idmap *map, uint64_t id);
int rk_idmap_put(rk_idmap *map, uint64_t id, void *value, rk_error *err);
void *rk_idmap_del(rk_idmap *map, uint64_t id);
size_t rk_idmap_count(const rk_idmap *map);
bool rk_idmap_next(const rk_idmap *map, size_t *cursor, uint64_t *id, void **value);

#endif
