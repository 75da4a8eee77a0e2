/* SPDX-License-Identifier: MIT */
/*
 * Chains and series of checkpoint files: see checkpoint_chain.h.
 */
#include "core/checkpoint_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/idmap.h"
#include "base/platform.h"

const char *rk_ckpt_folder(const char *path, char *folder)
{
  const char *slash = strrchr(path, '/');
  size_t size = slash != NULL ? (size_t)(slash - path) + 1u : 0;
  if (size >= RK_PATH_BYTES) {
    size = 0; /* the system will not open it either */
  }
  memcpy(folder, path, size);
  folder[size] = '\0';
  return path + (slash != NULL ? (size_t)(slash - path) + 1u : 0);
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* Half of a digest serves as a key; the whole is compared. */
static uint64_t key_of(const uint8_t *digest)
{
  uint64_t key;
  memcpy(&key, digest, sizeof(key));
  return key;
}

/* Sections of actors by digest, of one more file. The sections stay where they are from now on. */
static int learn(rk_idmap *known, const rk_ckpt_file *file, rk_error *err)
{
  int rc = RK_OK;
  for (size_t i = 0; i < file->section_count && rc == RK_OK; ++i) {
    rk_ckpt_section *section = &file->sections[i];
    if (section->kind == RK_CKPT_ACTOR && rk_idmap_get(known, key_of(section->digest)) == NULL) {
      rc = rk_idmap_put(known, key_of(section->digest), section, err);
    }
  }
  return rc;
}

/* Finds what is still missing; returns how many are. */
static size_t find(rk_ckpt_chain *chain, const rk_idmap *known)
{
  size_t missing = 0;
  for (size_t i = 0; i < chain->actor_count; ++i) {
    if (chain->actors[i] == NULL) {
      const uint8_t *digest = chain->files[0].index.entries[i].digest;
      const rk_ckpt_section *section = rk_idmap_get(known, key_of(digest));
      if (section != NULL && rk_sha256_same(section->digest, digest)) {
        chain->actors[i] = section;
      } else {
        ++missing;
      }
    }
  }
  return missing;
}

static int add_file(rk_ckpt_chain *chain, const char *path, rk_error *err)
{
  rk_ckpt_file *larger = rk_realloc(chain->files, (chain->file_count + 1u) * sizeof(*larger));
  if (larger == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint '%.300s': out of memory", path);
  }
  chain->files = larger;
  int rc = rk_ckpt_read(path, &chain->files[chain->file_count], err);
  if (rc == RK_OK) {
    chain->file_count += 1;
  }
  return rc;
}

/* Adds the parent of the last file, a delta. */
static int add_parent(rk_ckpt_chain *chain, const char *path, rk_error *err)
{
  char folder[RK_PATH_BYTES], parent[RK_PATH_BYTES * 2];
  const rk_ckpt_file *child = &chain->files[chain->file_count - 1u];
  uint64_t number = child->header.number;
  uint8_t wanted[RK_SHA256_BYTES];
  memcpy(wanted, child->header.parent, sizeof(wanted));
  (void)rk_ckpt_folder(path, folder);
  (void)snprintf(parent, sizeof(parent), "%s%s", folder, child->index.parent);
  int rc = add_file(chain, parent, err);
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "checkpoint '%.200s' builds on another", path);
    return rc;
  }
  const rk_ckpt_file *file = &chain->files[chain->file_count - 1u];
  if (!rk_sha256_same(file->digest, wanted) || file->header.number + 1u != number) {
    return rk_error_set(err, RK_ECORRUPT,
                        "checkpoint '%.200s': corrupt at byte 32: '%.200s' is not the checkpoint "
                        "that it was made from",
                        path, parent);
  }
  return RK_OK;
}

static int choose_sections(rk_ckpt_chain *chain, const char *path, rk_error *err)
{
  const rk_ckpt_file *file = &chain->files[0];
  for (size_t i = 0; i < file->section_count; ++i) {
    const rk_ckpt_section *section = &file->sections[i];
    if (section->kind == RK_CKPT_RUNTIME) {
      chain->runtime = section;
    } else if (section->kind == RK_CKPT_LETTERS) {
      chain->letters = section;
    } else if (section->kind == RK_CKPT_TOPICS) {
      chain->topics = section;
    }
  }
  return chain->runtime != NULL
             ? RK_OK
             : rk_error_set(err, RK_ECORRUPT,
                            "checkpoint '%.300s': corrupt at byte %u: there is no section of the "
                            "runtime",
                            path, RK_CKPT_HEADER_BYTES);
}

int rk_ckpt_chain_open(const char *path, rk_ckpt_chain *out, rk_error *err)
{
  rk_ckpt_chain chain = {0};
  size_t learnt = 0, missing = 0;
  rk_idmap *known = rk_idmap_new();
  int rc = known != NULL ? add_file(&chain, path, err)
                         : rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
  if (rc == RK_OK) {
    chain.actor_count = chain.files[0].index.entry_count;
    chain.actors = rk_calloc(chain.actor_count + 1u, sizeof(rk_ckpt_section *));
    if (chain.actors == NULL) {
      rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
    }
  }
  while (rc == RK_OK) {
    rc = learn(known, &chain.files[learnt++], err);
    missing = rc == RK_OK ? find(&chain, known) : 0;
    if (rc != RK_OK || missing == 0) {
      break;
    }
    if (!chain.files[learnt - 1u].header.is_delta) {
      rc = rk_error_set(err, RK_ECORRUPT,
                        "checkpoint '%.300s': corrupt at byte %u: %zu sections of its index are in "
                        "no file",
                        path, RK_CKPT_HEADER_BYTES, missing);
    } else {
      rc = add_parent(&chain, path, err);
    }
  }
  if (rc == RK_OK) {
    rc = choose_sections(&chain, path, err);
  }
  rk_idmap_close(known);
  if (rc != RK_OK) {
    rk_ckpt_chain_close(&chain);
    return rc;
  }
  *out = chain;
  return RK_OK;
}

void rk_ckpt_chain_close(rk_ckpt_chain *chain)
{
  for (size_t i = 0; i < chain->file_count; ++i) {
    rk_ckpt_file_close(&chain->files[i]);
  }
  rk_free(chain->files);
  rk_free(chain->actors);
  *chain = (rk_ckpt_chain){0};
}

/* ---- series ---------------------------------------------------------------------------------- */

typedef struct walk {
  const char *name; /* of the stem, without its folder */
  size_t length;
  uint64_t *numbers;
  size_t count, capacity;
  char *left; /* names of left-over temporary files, each with its zero */
  size_t left_bytes;
  bool failed;
} walk;

/* Reads a number as this library writes it; returns what follows, NULL for anything else. */
static const char *read_number(const char *text, uint64_t *out)
{
  size_t n = 0;
  uint64_t value = 0;
  for (; text[n] >= '0' && text[n] <= '9'; ++n) {
    if (n == 18) {
      return NULL;
    }
    value = value * 10u + (uint64_t)(text[n] - '0');
  }
  if (n == 0 || (text[0] == '0' && n > 1)) {
    return NULL;
  }
  *out = value;
  return text + n;
}

/* What rk_platform's file_write makes of a name. */
static bool is_temporary(const char *rest)
{
  size_t n = rest[0] == '.' ? strspn(rest + 1, "0123456789abcdef") : 0;
  return n == 8 && strcmp(rest + 9, ".tmp") == 0;
}

static void remember_left(walk *w, const char *name)
{
  size_t size = strlen(name) + 1u;
  char *larger = rk_realloc(w->left, w->left_bytes + size);
  if (larger == NULL) {
    w->failed = true;
    return;
  }
  memcpy(larger + w->left_bytes, name, size);
  w->left = larger;
  w->left_bytes += size;
}

static bool see(void *arg, const char *name)
{
  walk *w = arg;
  uint64_t number = 0;
  if (strncmp(name, w->name, w->length) != 0 || name[w->length] != '.') {
    return true;
  }
  const char *rest = read_number(name + w->length + 1u, &number);
  if (rest == NULL) {
    return true;
  }
  if (*rest != '\0') {
    if (is_temporary(rest)) {
      remember_left(w, name);
    }
    return !w->failed;
  }
  if (w->count == w->capacity) {
    size_t capacity = w->capacity * 2u + 16u;
    uint64_t *larger = rk_realloc(w->numbers, capacity * sizeof(*larger));
    if (larger == NULL) {
      w->failed = true;
      return false;
    }
    w->numbers = larger;
    w->capacity = capacity;
  }
  w->numbers[w->count++] = number;
  return true;
}

static int larger_first(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

static int look(const char *stem, walk *w, rk_error *err)
{
  char folder[RK_PATH_BYTES];
  w->name = rk_ckpt_folder(stem, folder);
  w->length = strlen(w->name);
  int rc = rk_platform_current()->dir_each(folder[0] != '\0' ? folder : ".", see, w, err);
  if (rc == RK_OK && w->failed) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint '%.300s': out of memory", stem);
  }
  if (rc != RK_OK) {
    rk_free(w->numbers);
    rk_free(w->left);
    w->numbers = NULL;
    w->left = NULL;
    return rc;
  }
  if (w->count != 0) {
    qsort(w->numbers, w->count, sizeof(*w->numbers), larger_first);
  }
  return RK_OK;
}

int rk_ckpt_series_list(const char *stem, uint64_t **numbers, size_t *count, rk_error *err)
{
  walk w = {0};
  int rc = look(stem, &w, err);
  if (rc != RK_OK && rc != RK_ENOT_FOUND) {
    return rc;
  }
  rk_free(w.left);
  *numbers = w.numbers;
  *count = w.count;
  return RK_OK;
}

/* Position of the parent of number `i`, or w->count: none in this series. */
static size_t parent_of(const walk *w, const char *stem, size_t i)
{
  char path[RK_PATH_BYTES + 32];
  rk_ckpt_header header;
  rk_ckpt_index index;
  uint8_t digest[RK_SHA256_BYTES];
  uint64_t number = 0;
  size_t found = w->count;
  (void)snprintf(path, sizeof(path), "%s.%" PRIu64, stem, w->numbers[i]);
  if (rk_ckpt_read_index(path, &header, &index, digest, NULL) != RK_OK) {
    return found;
  }
  if (header.is_delta && strncmp(index.parent, w->name, w->length) == 0 &&
      index.parent[w->length] == '.') {
    const char *rest = read_number(index.parent + w->length + 1u, &number);
    for (size_t k = 0; rest != NULL && *rest == '\0' && k < w->count; ++k) {
      found = w->numbers[k] == number ? k : found;
    }
  }
  rk_ckpt_index_close(&index);
  return found;
}

int rk_ckpt_series_prune(const char *stem, size_t keep, rk_error *err)
{
  walk w = {0};
  char path[RK_PATH_BYTES * 2];
  char folder[RK_PATH_BYTES];
  const rk_platform *os = rk_platform_current();
  int rc = look(stem, &w, err);
  if (rc != RK_OK) {
    return rc;
  }
  bool *needed = rk_calloc(w.count + 1u, sizeof(*needed));
  if (needed == NULL) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint '%.300s': out of memory", stem);
    goto done;
  }
  for (size_t i = 0; i < keep && i < w.count; ++i) {
    for (size_t at = i; at < w.count && !needed[at]; at = parent_of(&w, stem, at)) {
      needed[at] = true;
    }
  }
  /* oldest first: if this is cut short, what is left can still be read */
  for (size_t i = w.count; i-- > 0;) {
    if (!needed[i]) {
      (void)snprintf(path, sizeof(path), "%s.%" PRIu64, stem, w.numbers[i]);
      int removed = os->file_remove(path, err);
      rc = removed == RK_ENOT_FOUND ? rc : removed != RK_OK ? removed : rc;
    }
  }
  (void)rk_ckpt_folder(stem, folder);
  for (size_t at = 0; at < w.left_bytes; at += strlen(w.left + at) + 1u) {
    (void)snprintf(path, sizeof(path), "%s%s", folder, w.left + at);
    (void)os->file_remove(path, NULL);
  }
done:
  rk_free(needed);
  rk_free(w.numbers);
  rk_free(w.left);
  return rc;
}
