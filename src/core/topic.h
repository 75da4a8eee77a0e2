/* SPDX-License-Identifier: MIT */
/*
 * Topics and topic patterns: checking, matching, and a tree that finds all patterns that match.
 *
 * A topic is text of one or more levels divided by '/': "sensors/7/temp". In a pattern the level
 * `*` matches any one level and `#`, which only the last level can be, matches one or more levels
 * to the end: "sensors/#" matches "sensors/7" and "sensors/7/temp" but not "sensors". Levels are
 * never empty; a whole text has at most RK_TOPIC_MAX bytes.
 *
 * The tree is a trie whose children are found through one hash table for the whole tree, so that
 * a match costs a few look-ups for each level however many subscriptions there are. Used by the
 * runtime for its subscriptions and retained messages.
 */
#ifndef RK_CORE_TOPIC_H
#define RK_CORE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#include "rk_abi.h"

/* Bytes of the longest topic or pattern, without the terminator. */
#define RK_TOPIC_MAX (RK_TOPIC_BYTES - 1u)

/* Checks a topic to publish to. RK_EINVAL, RK_ETOO_LARGE. Threads: any. */
int rk_topic_check(const char *topic, rk_error *err);

/* Checks a pattern. RK_EINVAL, RK_ETOO_LARGE. Threads: any. */
int rk_topic_check_pattern(const char *pattern, rk_error *err);

/* Whether `pattern` matches `topic`; false if either is not valid. Threads: any. */
bool rk_topic_matches(const char *pattern, const char *topic);

typedef struct rk_topic_tree rk_topic_tree;

/* Called for each value that matches; must not change the tree. */
typedef void (*rk_topic_fn)(void *value, void *user);

/* A new empty tree, or NULL when out of memory. Ownership: rk_topic_tree_close. */
rk_topic_tree *rk_topic_tree_new(void);

/* Frees the tree, not the values. NULL is allowed. */
void rk_topic_tree_close(rk_topic_tree *tree);

/* Adds a value, which is not NULL and stays the caller's, under a pattern. RK_EINVAL and
 * RK_ETOO_LARGE for the pattern, RK_EEXISTS if the value is there under this pattern already,
 * RK_EOUT_OF_MEMORY; the tree is then unchanged. */
int rk_topic_tree_add(rk_topic_tree *tree, const char *pattern, void *value, rk_error *err);

/* Removes a value from under a pattern. RK_ENOT_FOUND if it is not there. Never fails otherwise. */
int rk_topic_tree_remove(rk_topic_tree *tree, const char *pattern, const void *value);

/* Calls `fn` once for each value with a pattern that matches, also where several of its patterns
 * do; values of one pattern in the order in which they were added. Returns how many calls it made;
 * none for a topic that is not valid. Threads: owner, for it marks what it has visited. */
size_t rk_topic_tree_match(rk_topic_tree *tree, const char *topic, rk_topic_fn fn, void *user);

/* Number of pairs of a pattern and a value. */
size_t rk_topic_tree_count(const rk_topic_tree *tree);

#endif
