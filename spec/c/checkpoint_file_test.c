/* SPDX-License-Identifier: MIT */
/*
 * Files of checkpoints: what is written is read again; every truncation, every flipped bit and every
 * later version is refused; chains find what they need; series keep the newest by number.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/platform.h"
#include "core/checkpoint_chain.h"

static char folder[RK_PATH_BYTES];
static char path[RK_PATH_BYTES + 64];

static const char *at(const char *name)
{
  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static int set_up(void **state)
{
  (void)state;
  return rk_platform_current()->dir_make_temp("rk-ckpt-", folder, sizeof(folder), NULL);
}

static bool remove_one(void *arg, const char *name)
{
  (void)arg;
  (void)rk_platform_current()->file_remove(at(name), NULL);
  return true;
}

static int tear_down(void **state)
{
  (void)state;
  for (int i = 0; i < 3; ++i) { /* a walk over what is being removed may miss some */
    (void)rk_platform_current()->dir_each(folder, remove_one, NULL, NULL);
  }
  return rk_platform_current()->file_remove(folder, NULL);
}

/* Three sections; the second, an actor "a", has what `text` says. */
static void write_one(const char *name, const char *text, const char *parent, uint64_t number,
                      bool has_it, uint8_t *digest)
{
  rk_ckpt_piece pieces[] = {
      {.kind = RK_CKPT_RUNTIME, .data = "runtime", .size = 7},
      {.kind = RK_CKPT_ACTOR, .data = text, .size = strlen(text), .name = "a"},
      {.kind = RK_CKPT_ACTOR, .data = "", .size = 0, .name = "b"},
  };
  const char *deleted[] = {"gone"};
  rk_ckpt_draft draft = {.header = {.hlc = 77, .number = number},
                         .pieces = pieces,
                         .count = 3,
                         .parent = parent,
                         .deleted = deleted,
                         .deleted_count = number != 0 ? 1 : 0};
  uint64_t bytes = 0;
  if (number != 0) {
    draft.header.is_delta = true;
    memcpy(draft.header.parent, digest, RK_SHA256_BYTES);
    for (int i = 1; i < 3; ++i) {
      rk_sha256_of(pieces[i].data, pieces[i].size, pieces[i].digest);
      pieces[i].has_digest = true;
      pieces[i].is_elsewhere = i == 2 || !has_it;
    }
  }
  assert_int_equal(rk_ckpt_write(at(name), &draft, digest, &bytes, NULL), RK_OK);
  rk_file_info info;
  assert_int_equal(rk_platform_current()->file_stat(at(name), &info, NULL), RK_OK);
  assert_int_equal(info.size_bytes, bytes);
}

static unsigned char *load(const char *name, size_t *size)
{
  void *data = NULL;
  assert_int_equal(rk_platform_current()->file_read(at(name), 1u << 20, &data, size, NULL), RK_OK);
  return data;
}

static void test_round_trip(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES], other[RK_SHA256_BYTES];
  rk_ckpt_file file;
  rk_ckpt_header header;
  rk_ckpt_index index;
  write_one("one", "hello", "", 0, true, digest);
  assert_int_equal(rk_ckpt_read(at("one"), &file, NULL), RK_OK);
  assert_int_equal(file.section_count, 3);
  assert_int_equal(file.sections[1].size, 5);
  assert_memory_equal(file.sections[1].data, "hello", 5);
  assert_int_equal(file.header.hlc, 77);
  assert_false(file.header.is_delta);
  assert_int_equal(file.index.entry_count, 2);
  assert_string_equal(file.index.entries[1].name, "b");
  assert_true(rk_sha256_same(file.digest, digest));
  assert_int_equal(rk_ckpt_read_index(at("one"), &header, &index, other, NULL), RK_OK);
  assert_true(rk_sha256_same(other, digest));
  assert_string_equal(index.entries[0].name, "a");
  rk_ckpt_index_close(&index);
  rk_ckpt_file_close(&file);
}

#define LARGE_BYTES ((size_t)9 << 20) /* past what a thread hashes ahead of the writer */

static int take_some(const char *name, rk_file_source source, void *arg, rk_error *err)
{
  for (int i = 0; i < 3; ++i) {
    const void *data = NULL;
    size_t size = 0;
    assert_int_equal(source(arg, &data, &size, err), RK_OK);
  }
  return rk_error_set(err, RK_EIO, "cannot write '%s': the disk is gone", name);
}

/* Hashed by a thread: the same file as without one, whichever sections are known or elsewhere; and
 * the thread is no more once writing has failed. */
static void test_large(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES], own[RK_SHA256_BYTES];
  unsigned char *bytes = rk_alloc(LARGE_BYTES);
  assert_non_null(bytes);
  for (size_t i = 0; i < LARGE_BYTES; ++i) {
    bytes[i] = (unsigned char)(i * 7u + (i >> 9));
  }
  for (int known = 0; known < 3; ++known) {
    rk_ckpt_piece pieces[] = {
        {.kind = RK_CKPT_RUNTIME, .data = "runtime", .size = 7},
        {.kind = RK_CKPT_ACTOR, .data = bytes, .size = LARGE_BYTES, .name = "a"},
        {.kind = RK_CKPT_ACTOR, .data = "", .size = 0, .name = "b"},
        {.kind = RK_CKPT_ACTOR, .data = bytes + 1, .size = LARGE_BYTES - 1, .name = "c"},
    };
    rk_ckpt_draft draft = {.header = {.hlc = 77}, .parent = "", .pieces = pieces, .count = 4};
    uint64_t size = 0;
    rk_ckpt_file file;
    if (known != 0) {
      rk_sha256_of(bytes, LARGE_BYTES, pieces[1].digest);
      pieces[1].has_digest = true;
      pieces[1].is_elsewhere = known == 2;
      draft.header.is_delta = known == 2;
    }
    assert_int_equal(rk_ckpt_write(at("large"), &draft, digest, &size, NULL), RK_OK);
    assert_int_equal(rk_ckpt_read(at("large"), &file, NULL), RK_OK);
    assert_true(rk_sha256_same(file.digest, digest));
    assert_int_equal(file.section_count, known == 2 ? 3 : 4);
    const rk_ckpt_section *last = &file.sections[file.section_count - 1];
    assert_int_equal(last->size, LARGE_BYTES - 1);
    assert_memory_equal(last->data, bytes + 1, LARGE_BYTES - 1);
    rk_sha256_of(bytes + 1, LARGE_BYTES - 1, own);
    assert_true(rk_sha256_same(file.index.entries[2].digest, own));
    rk_ckpt_file_close(&file);

    rk_platform broken = *rk_platform_real();
    broken.file_write_from = take_some;
    rk_platform_set(&broken);
    pieces[3].has_digest = false;
    assert_int_equal(rk_ckpt_write(at("none"), &draft, digest, &size, NULL), RK_EIO);
    rk_platform_set(NULL);
  }
  rk_free(bytes);
}

static void test_every_truncation(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  size_t size = 0;
  write_one("cut", "some bytes of an actor", "", 0, true, digest);
  unsigned char *data = load("cut", &size);
  for (size_t n = 0; n < size; ++n) {
    rk_ckpt_file file;
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(rk_ckpt_parse(data, n, &file, &err), RK_ECORRUPT);
    assert_non_null(strstr(err.text, "corrupt at byte "));
  }
  /* the same on the disk, for who reads only both ends */
  for (size_t n = 0; n < size; n += 7) {
    rk_ckpt_header header;
    rk_ckpt_index index;
    assert_int_equal(rk_platform_current()->file_write(at("cut"), data, n, NULL), RK_OK);
    assert_int_equal(rk_ckpt_read_index(at("cut"), &header, &index, digest, NULL), RK_ECORRUPT);
  }
  rk_free(data);
}

static void test_every_bit(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  size_t size = 0;
  write_one("flip", "some bytes of an actor", "", 0, true, digest);
  unsigned char *data = load("flip", &size);
  for (size_t bit = 0; bit < size * 8u; ++bit) {
    rk_ckpt_file file;
    rk_error err = RK_ERROR_INIT;
    data[bit / 8u] ^= (unsigned char)(1u << bit % 8u);
    assert_int_equal(rk_ckpt_parse(data, size, &file, &err), RK_ECORRUPT);
    unsigned long long named = 0;
    assert_int_equal(sscanf(strstr(err.text, "byte "), "byte %llu", &named), 1);
    assert_true(named <= size);
    data[bit / 8u] ^= (unsigned char)(1u << bit % 8u);
  }
  rk_free(data);
}

static void test_bytes_behind(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  size_t size = 0;
  write_one("behind", "x", "", 0, true, digest);
  unsigned char *data = load("behind", &size);
  rk_ckpt_file file;
  data = rk_realloc(data, size + 9);
  memset(data + size, 0, 9);
  assert_int_equal(rk_ckpt_parse(data, size + 9, &file, NULL), RK_ECORRUPT);
  rk_free(data);
}

static void test_other_version(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  size_t size = 0;
  rk_error err = RK_ERROR_INIT;
  rk_ckpt_file file;
  write_one("later", "x", "", 0, true, digest);
  unsigned char *data = load("later", &size);
  for (unsigned char version = 1; version <= 3; version = (unsigned char)(version + 2u)) {
    char said[32];
    data[8] = version; /* every version seals its header as this one does */
    rk_sha256_of(data, 64, data + 64);
    assert_int_equal(rk_ckpt_parse(data, size, &file, &err), RK_EVERSION);
    (void)snprintf(said, sizeof(said), "format %d", version);
    assert_non_null(strstr(err.text, said));
  }
  rk_free(data);
}

static void test_swapped_sections(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  size_t size = 0;
  rk_ckpt_file file;
  rk_error err = RK_ERROR_INIT;
  write_one("swap", "1234567", "", 0, true, digest); /* as long as the section before it */
  unsigned char *data = load("swap", &size);
  unsigned char copy[48 + 7 + 32];
  memcpy(copy, data + 96, sizeof(copy));
  memmove(data + 96, data + 96 + sizeof(copy), sizeof(copy));
  memcpy(data + 96 + sizeof(copy), copy, sizeof(copy));
  assert_int_equal(rk_ckpt_parse(data, size, &file, &err), RK_ECORRUPT);
  assert_non_null(strstr(err.text, "not those that were written"));
  rk_free(data);
}

static void test_chain(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  rk_ckpt_chain chain;
  rk_error err = RK_ERROR_INIT;
  write_one("base", "old", "", 0, true, digest);
  write_one("delta1", "new", "base", 1, true, digest);
  write_one("delta2", "new", "delta1", 2, false, digest);
  assert_int_equal(rk_ckpt_chain_open(at("delta2"), &chain, &err), RK_OK);
  assert_int_equal(chain.actor_count, 2);
  assert_memory_equal(chain.actors[0]->data, "new", 3);
  assert_int_equal(chain.actors[1]->size, 0);
  assert_int_equal(chain.file_count, 3);
  assert_string_equal(chain.files[0].index.deleted[0], "gone");
  rk_ckpt_chain_close(&chain);
  /* another file in the parent's place */
  write_one("delta1", "other", "", 0, true, digest);
  assert_int_equal(rk_ckpt_chain_open(at("delta2"), &chain, &err), RK_ECORRUPT);
  assert_non_null(strstr(err.text, "is not the checkpoint"));
  (void)rk_platform_current()->file_remove(at("delta1"), NULL);
  assert_int_equal(rk_ckpt_chain_open(at("delta2"), &chain, &err), RK_ENOT_FOUND);
}

static bool exists(const char *name)
{
  return rk_platform_current()->file_stat(at(name), NULL, NULL) == RK_OK;
}

static void touch(const char *name)
{
  assert_int_equal(rk_platform_current()->file_write(at(name), "x", 1, NULL), RK_OK);
}

static void test_series(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  uint64_t *numbers = NULL;
  size_t count = 0;
  char stem[RK_PATH_BYTES + 64];
  (void)snprintf(stem, sizeof(stem), "%s/job", folder);
  const char *names[] = {"job.2", "job.9", "job.10", "job.100", "job.0"};
  for (size_t i = 0; i < 5; ++i) {
    write_one(names[i], "x", "", 0, true, digest);
  }
  touch("job.07");
  touch("job.x");
  touch("job");
  touch("jobs.5");
  touch("job.11.0123abcd.tmp"); /* of a writer that was killed */
  touch("job.notes.tmp");
  assert_int_equal(rk_ckpt_series_list(stem, &numbers, &count, NULL), RK_OK);
  const uint64_t wanted[] = {100, 10, 9, 2, 0};
  assert_int_equal(count, 5);
  assert_memory_equal(numbers, wanted, sizeof(wanted));
  rk_free(numbers);
  /* the newest builds on 9, which builds on 2 */
  write_one("job.2", "x", "", 0, true, digest);
  write_one("job.9", "y", "job.2", 1, true, digest);
  write_one("job.100", "y", "job.9", 2, false, digest);
  assert_int_equal(rk_ckpt_series_prune(stem, 1, NULL), RK_OK);
  assert_true(exists("job.100") && exists("job.9") && exists("job.2"));
  assert_false(exists("job.10") || exists("job.0") || exists("job.11.0123abcd.tmp"));
  assert_true(exists("job.07") && exists("job.x") && exists("job") && exists("jobs.5"));
  assert_true(exists("job.notes.tmp"));
  assert_int_equal(rk_ckpt_series_list("/nowhere/at/all/job", &numbers, &count, NULL), RK_OK);
  assert_int_equal(count, 0);
}

/* Each allocation of writing and reading fails once: an error, and nothing is left. */
static void test_no_memory(void **state)
{
  (void)state;
  uint8_t digest[RK_SHA256_BYTES];
  write_one("oom-base", "old", "", 0, true, digest);
  write_one("oom", "new", "oom-base", 1, true, digest);
  uint64_t live = rk_alloc_live();
  int rc = RK_EOUT_OF_MEMORY;
  for (uint64_t k = 1; rc != RK_OK; ++k) {
    rk_ckpt_chain chain;
    assert_true(k < 1000);
    rk_alloc_fail_at(k, false);
    rc = rk_ckpt_chain_open(at("oom"), &chain, NULL);
    rk_alloc_fail_at(0, false);
    if (rc == RK_OK) {
      rk_ckpt_chain_close(&chain);
    } else {
      assert_int_equal(rc, RK_EOUT_OF_MEMORY);
    }
    assert_int_equal(rk_alloc_live(), live);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_every_truncation),
      cmocka_unit_test(test_every_bit),     cmocka_unit_test(test_bytes_behind),
      cmocka_unit_test(test_other_version), cmocka_unit_test(test_swapped_sections),
      cmocka_unit_test(test_chain),         cmocka_unit_test(test_series),
      cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_large),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
