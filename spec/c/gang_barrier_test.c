/* SPDX-License-Identifier: MIT */
/*
 * The barrier of a gang (rkd_gang_meet in kernels/include/rk_gang_dev.h): a model of it in which
 * every interleaving of three members is walked through, the same walk over barriers with a mistake
 * in them, which must be found, and the real one on threads, with and without a planted mistake in
 * its memory orders.
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
#include "base/platform.h"

/* ---- the model ---- */

#define MEMBERS 3u
#define BARRIERS 2u      /* that a handler has */
#define TABLE (1u << 18) /* states, a power of two */

/* What a member does next; one step each, one shared word a step. */
enum {
  READ_GENERATION,
  READ_BROKEN,
  ARRIVE,
  RESET,
  RELEASE,
  SPIN,
  WATCH_BROKEN,
  WATCH_DONE,
  WATCH_GENERATION,
  BREAK,
  RETURN,
  GONE
};

typedef enum mistake {
  NONE,
  RELEASES_BEFORE_RESET, /* the next barrier may find the old count */
  NEVER_RESETS,
  TRUSTS_DONE,  /* takes a member that passed and returned for one that never came */
  IGNORES_DONE, /* waits for a member that has returned */
  MISTAKES
} mistake;

typedef struct state {
  uint8_t step[MEMBERS], seen[MEMBERS]; /* generation that the member read */
  uint8_t passed[MEMBERS];              /* barriers behind it */
  uint8_t came[MEMBERS];                /* barriers it has arrived at */
  uint8_t arrived, generation, broken, done;
} state;

typedef struct walk {
  mistake mistake;
  uint8_t stops[MEMBERS]; /* barriers after which each member returns */
  state *table;           /* open addressing; used[i] says whether there is one */
  uint8_t *used, *ends;   /* ends[i]: a state where all have returned can be reached */
  uint32_t *order;        /* places in the table, as they were found */
  uint32_t count;
  const char *wrong; /* what was found, NULL = nothing */
} walk;

static uint32_t place_of(const walk *w, const state *s)
{
  uint32_t h = 2166136261u;
  const uint8_t *p = (const uint8_t *)s;
  for (size_t i = 0; i < sizeof(*s); ++i) {
    h = (h ^ p[i]) * 16777619u;
  }
  h ^= h >> 15;
  while (w->used[h % TABLE] && memcmp(&w->table[h % TABLE], s, sizeof(*s)) != 0) {
    h += 1;
  }
  return h % TABLE;
}

/* The member goes on behind the barrier; cleanly, if the barrier let it go. */
static void pass(walk *w, state *s, uint32_t i, bool cleanly)
{
  for (uint32_t k = 0; cleanly && k < MEMBERS; ++k) {
    if (s->came[k] <= s->passed[i]) {
      w->wrong = "a member left a barrier that another had not come to";
    }
  }
  s->passed[i] += 1;
  s->step[i] = s->passed[i] == w->stops[i] ? RETURN : READ_GENERATION;
}

static void arrive(const walk *w, state *s, uint32_t i)
{
  s->came[i] = (uint8_t)(s->passed[i] + 1);
  s->arrived += 1;
  s->step[i] = s->arrived != MEMBERS                 ? SPIN
               : w->mistake == RELEASES_BEFORE_RESET ? RELEASE
               : w->mistake == NEVER_RESETS          ? RELEASE
                                                     : RESET;
}

static void watch(const walk *w, state *s, uint32_t i)
{
  switch (s->step[i]) {
    case WATCH_DONE:
      s->step[i] = s->done == 0 || w->mistake == IGNORES_DONE ? SPIN
                   : w->mistake == TRUSTS_DONE                ? BREAK
                                                              : WATCH_GENERATION;
      break;
    default:
      s->step[i] = s->generation == s->seen[i] ? BREAK : SPIN;
      break;
  }
}

/* One step of member i. */
static void advance(walk *w, state *s, uint32_t i)
{
  switch (s->step[i]) {
    case READ_GENERATION:
      s->seen[i] = s->generation;
      s->step[i] = READ_BROKEN;
      break;
    case READ_BROKEN:
    case WATCH_BROKEN:
      if (s->broken) {
        pass(w, s, i, false);
      } else {
        s->step[i] = s->step[i] == READ_BROKEN ? ARRIVE : WATCH_DONE;
      }
      break;
    case ARRIVE:
      arrive(w, s, i);
      break;
    case RESET:
      s->arrived = 0;
      if (w->mistake == RELEASES_BEFORE_RESET) {
        pass(w, s, i, true);
      } else {
        s->step[i] = RELEASE;
      }
      break;
    case RELEASE:
      s->generation = (uint8_t)(s->seen[i] + 1);
      if (w->mistake == RELEASES_BEFORE_RESET) {
        s->step[i] = RESET;
      } else {
        pass(w, s, i, true);
      }
      break;
    case SPIN:
      if (s->generation != s->seen[i]) {
        pass(w, s, i, true);
      } else {
        s->step[i] = WATCH_BROKEN;
      }
      break;
    case WATCH_DONE:
    case WATCH_GENERATION:
      watch(w, s, i);
      break;
    case BREAK:
      s->broken = 1;
      if (memcmp(w->stops, (const uint8_t[MEMBERS]){BARRIERS, BARRIERS, BARRIERS}, MEMBERS) == 0) {
        w->wrong = "the barrier was broken though all members come to it";
      }
      pass(w, s, i, false);
      break;
    case RETURN:
      s->done += 1;
      s->step[i] = GONE;
      break;
    default:
      break;
  }
}

static void find(walk *w, const state *s)
{
  uint32_t at = place_of(w, s);
  if (!w->used[at]) {
    assert_true(w->count < TABLE / 2);
    w->used[at] = 1;
    w->table[at] = *s;
    w->order[w->count++] = at;
  }
}

/* Which states lead to the end: from the last found backwards, until nothing changes. */
static void mark_ends(walk *w)
{
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t n = w->count; n-- > 0;) {
      uint32_t at = w->order[n];
      bool ends = w->table[at].done == MEMBERS;
      for (uint32_t i = 0; i < MEMBERS && !ends && !w->ends[at]; ++i) {
        state next = w->table[at];
        advance(w, &next, i);
        ends = w->ends[place_of(w, &next)];
      }
      if (ends && !w->ends[at]) {
        w->ends[at] = 1;
        changed = true;
      }
    }
  }
  for (uint32_t n = 0; n < w->count; ++n) {
    if (!w->ends[w->order[n]]) {
      w->wrong = "a member waits for ever";
    }
  }
}

/* Walks through all interleavings of members that return after `stops` barriers. Returns what is
 * wrong, or NULL; *states counts what was seen. */
static const char *explore(mistake kind, const uint8_t stops[MEMBERS], uint32_t *states)
{
  walk w = {.mistake = kind};
  state start;
  memcpy(w.stops, stops, MEMBERS);
  w.table = rk_calloc(TABLE, sizeof(*w.table));
  w.used = rk_calloc(TABLE, 1);
  w.ends = rk_calloc(TABLE, 1);
  w.order = rk_calloc(TABLE, sizeof(*w.order));
  assert_true(w.table != NULL && w.used != NULL && w.ends != NULL && w.order != NULL);
  memset(&start, 0, sizeof(start));
  for (uint32_t i = 0; i < MEMBERS; ++i) {
    start.step[i] = stops[i] == 0 ? RETURN : READ_GENERATION;
  }
  find(&w, &start);
  for (uint32_t n = 0; n < w.count && w.wrong == NULL; ++n) {
    for (uint32_t i = 0; i < MEMBERS; ++i) {
      state next = w.table[w.order[n]];
      advance(&w, &next, i);
      find(&w, &next);
    }
  }
  if (w.wrong == NULL) {
    mark_ends(&w);
  }
  *states += w.count;
  rk_free(w.table);
  rk_free(w.used);
  rk_free(w.ends);
  rk_free(w.order);
  return w.wrong;
}

/* All ways in which three members may return early. */
static const char *explore_all(mistake kind, uint32_t *states)
{
  const char *wrong = NULL;
  for (uint32_t k = 0; k < 27 && wrong == NULL; ++k) {
    const uint8_t stops[MEMBERS] = {(uint8_t)(k % 3), (uint8_t)(k / 3 % 3), (uint8_t)(k / 9)};
    wrong = explore(kind, stops, states);
  }
  return wrong;
}

static void model_holds_in_every_order(void **unused)
{
  (void)unused;
  uint32_t states = 0;
  const char *wrong = explore_all(NONE, &states);
  if (wrong != NULL) {
    fail_msg("%s", wrong);
  }
  assert_true(states > 5000); /* it went somewhere */
}

static void model_finds_mistakes(void **unused)
{
  (void)unused;
  for (mistake m = NONE + 1; m < MISTAKES; ++m) {
    uint32_t states = 0;
    if (explore_all(m, &states) == NULL) {
      fail_msg("mistake %d was not found in %u states", (int)m, states);
    }
  }
}

/* ---- the real one ---- */

#define OUTPUT_BYTES 32768

static int run_shell(const char *command, char *output)
{
  rk_spawn program = {.argv = (const char *const[]){"sh", "-c", command, NULL},
                      .timeout_ns = UINT64_C(120000000000),
                      .output = output,
                      .output_bytes = OUTPUT_BYTES};
  rk_spawn_result result;
  rk_error err = RK_ERROR_INIT;
  if (rk_platform_current()->spawn(&program, &result, &err) != RK_OK) {
    (void)snprintf(output, OUTPUT_BYTES, "%s", err.text);
    return -1;
  }
  return result.exit_code;
}

/* Builds planted/gang_barrier.c and runs it. Returns its exit status, -1 where it cannot be built.
 */
static int run_planted(const char *flags, char *output)
{
  char folder[256], command[1024];
  assert_int_equal(
      rk_platform_current()->dir_make_temp("rk-barrier-", folder, sizeof(folder), NULL), RK_OK);
  (void)snprintf(command, sizeof(command),
                 "${CC:-cc} -std=gnu11 -O1 -g -Isrc -Ikernels/include -pthread %s -o %s/program "
                 "spec/c/planted/gang_barrier.c",
                 flags, folder);
  int code = run_shell(command, output) == 0 ? 0 : -1;
  if (code == 0) {
    (void)snprintf(command, sizeof(command), "TSAN_OPTIONS= %s/program", folder);
    code = run_shell(command, output);
  }
  char removed[300], nothing[OUTPUT_BYTES];
  (void)snprintf(removed, sizeof(removed), "rm -rf %s", folder);
  (void)run_shell(removed, nothing);
  return code;
}

static void threads_meet(void **unused)
{
  (void)unused;
  char output[OUTPUT_BYTES];
  if (run_planted("", output) != 0) {
    fail_msg("%s", output);
  }
  assert_string_equal(output, "0\n");
}

static void memory_is_ordered(void **unused)
{
  (void)unused;
  char output[OUTPUT_BYTES];
  int code = run_planted("-fsanitize=thread", output);
  if (code == -1 || strstr(output, "unexpected memory mapping") != NULL) {
    print_message("ThreadSanitizer does not work here: %s\n", output);
    skip();
  }
  if (code != 0) {
    fail_msg("no bug, but reported: %s", output);
  }
  code = run_planted("-fsanitize=thread -DRK_PLANT_RELAXED_PUBLISH=1", output);
  if (code != 66 || strstr(output, "data race") == NULL) {
    fail_msg("the planted bug was not reported: exit status %d\n%s", code, output);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(model_holds_in_every_order),
      cmocka_unit_test(model_finds_mistakes),
      cmocka_unit_test(threads_meet),
      cmocka_unit_test(memory_is_ordered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
