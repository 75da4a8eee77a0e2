/* SPDX-License-Identifier: MIT */
/*
 * The environment parameters: the table from params.h and the readers of its kinds.
 */
#include "base/params.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/platform.h"

static const rk_param table[RK_PARAM_COUNT] = {
#define RK_PARAM_ENTRY(id, kind, fallback, choices, minimum, maximum, help) \
  [RK_PARAM_##id] = {"RINGKERNEL_" #id, RK_PARAM_##kind, fallback, choices, minimum, maximum, help},
    RK_PARAM_LIST(RK_PARAM_ENTRY)
#undef RK_PARAM_ENTRY
};

const rk_param *rk_param_at(rk_param_id id)
{
  return (unsigned)id < RK_PARAM_COUNT ? &table[id] : NULL;
}

bool rk_param_is_set(rk_param_id id)
{
  const char *value = rk_platform_current()->env_get(table[id].name);
  return value != NULL && value[0] != '\0';
}

const char *rk_param_text(rk_param_id id)
{
  const char *value = rk_platform_current()->env_get(table[id].name);
  return value != NULL && value[0] != '\0' ? value : table[id].fallback;
}

int rk_param_int(rk_param_id id, int64_t *value, rk_error *err)
{
  const rk_param *param = &table[id];
  const char *text = rk_param_text(id);
  char *end = NULL;
  /* Only digits with a sign: strtoll alone would let leading blanks through. */
  bool is_number = strspn(text, "+-0123456789") == strlen(text);
  errno = 0;
  long long number = is_number ? strtoll(text, &end, 10) : 0;
  if (!is_number || end == text || *end != '\0' || errno != 0 || number < param->minimum ||
      number > param->maximum) {
    return rk_error_set(err, RK_EINVAL,
                        "%s: expected a whole number from %" PRId64 " to %" PRId64 ", got \"%s\"",
                        param->name, param->minimum, param->maximum, text);
  }
  *value = number;
  return RK_OK;
}

int rk_param_choice(rk_param_id id, size_t *index, rk_error *err)
{
  const rk_param *param = &table[id];
  const char *text = rk_param_text(id);
  size_t length = strlen(text);
  size_t position = 0;
  for (const char *word = param->choices; word != NULL; position++) {
    const char *bar = strchr(word, '|');
    size_t word_length = bar != NULL ? (size_t)(bar - word) : strlen(word);
    if (word_length == length && memcmp(word, text, length) == 0) {
      *index = position;
      return RK_OK;
    }
    word = bar != NULL ? bar + 1 : NULL;
  }
  return rk_error_set(err, RK_EINVAL, "%s: expected one of %s, got \"%s\"", param->name,
                      param->choices, text);
}

int rk_param_check(rk_error *err)
{
  for (int id = 0; id < RK_PARAM_COUNT; id++) {
    int status = RK_OK;
    int64_t number = 0;
    size_t index = 0;
    switch (table[id].kind) {
      case RK_PARAM_INT:
        status = rk_param_int((rk_param_id)id, &number, err);
        break;
      case RK_PARAM_CHOICE:
        status = rk_param_choice((rk_param_id)id, &index, err);
        break;
      case RK_PARAM_TEXT:
        break;
    }
    if (status != RK_OK) {
      return status;
    }
  }
  uint64_t k = 0;
  bool is_forever = false;
  const char *text = rk_param_text(RK_PARAM_ALLOC_FAIL);
  if (text[0] != '\0' && !rk_param_parse_alloc_fail(text, &k, &is_forever)) {
    return rk_error_set(err, RK_EINVAL,
                        "%s: expected a number from 1 with or without a + after it, got \"%s\"",
                        table[RK_PARAM_ALLOC_FAIL].name, text);
  }
  return RK_OK;
}

bool rk_param_parse_alloc_fail(const char *text, uint64_t *k, bool *is_forever)
{
  if (text[0] < '0' || text[0] > '9') {
    return false;
  }
  char *end = NULL;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (errno != 0 || number == 0 || (*end != '\0' && strcmp(end, "+") != 0)) {
    return false;
  }
  *k = number;
  *is_forever = *end == '+';
  return true;
}

int rk_cache_dir(char *path, size_t path_bytes, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  char home[RK_PATH_BYTES];
  const char *base = rk_param_text(RK_PARAM_CACHE);
  const char *below = "";
  if (base[0] == '\0') {
    base = os->env_get("XDG_CACHE_HOME");
    below = "/ringkernel";
    /* A relative path there is to be ignored, says the specification of these folders. */
    if (base == NULL || base[0] != '/') {
      int status = os->home_dir(home, sizeof home, err);
      if (status != RK_OK) {
        rk_error_prefix(err, "no folder for compiled kernels (set RINGKERNEL_CACHE)");
        return status;
      }
      base = home;
      below = "/.cache/ringkernel";
    }
  }
  /* Measured first: the result is to be untouched on failure. */
  size_t needed = strlen(base) + strlen(below) + 1;
  if (needed > path_bytes) {
    return rk_error_set(err, RK_ETOO_LARGE, "cache folder \"%.200s...\": the path is too long",
                        base);
  }
  snprintf(path, path_bytes, "%s%s", base, below);
  return RK_OK;
}
