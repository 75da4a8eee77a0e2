/* SPDX-License-Identifier: MIT */
/*
 * Reading NVRTC's log: what the user needs of it in the form of other compilers, and the figures of
 * the assembler (--ptxas-options=-v) that stand between.
 *
 * The front end writes
 *   user.cu(12): error: identifier "x" is undefined
 *   user.cu(14): warning #177-D: variable "y" was declared but never referenced
 *   user.cu(1): catastrophic error: cannot open source file "z.h"
 * with the source line and a caret below, and sums and advice at the end. The assembler writes
 *   ptxas info    : Compiling entry function 'rk_grid' for 'sm_90'
 *   ptxas info    : Function properties for rk_grid
 *   ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
 *   ptxas info    : Used 28 registers, used 1 barriers, 1192 bytes smem
 *   ptxas error   : Entry function 'rk_grid' uses too much shared data (...)
 *   ptxas application ptx input, line 29; error   : Unknown modifier '.op'
 * in which versions of NVRTC before 13 leave out the "ptxas         ." of the third line. A zero
 * byte may stand where the assembler starts another message.
 */
#include "backend/cuda/cuda_nvrtc_internal.h"

#include "base/base.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A part of the log; not terminated. */
typedef struct span {
  const char *text;
  size_t size;
} span;

static bool starts_with(span s, const char *prefix)
{
  size_t length = strlen(prefix);
  return s.size >= length && memcmp(s.text, prefix, length) == 0;
}

static span from(span s, size_t start)
{
  return (span){s.text + start, s.size - start};
}

/* Where `word` starts in `s`, or s.size. */
static size_t find(span s, const char *word)
{
  size_t length = strlen(word);
  for (size_t i = 0; i + length <= s.size; i++) {
    if (memcmp(s.text + i, word, length) == 0) {
      return i;
    }
  }
  return s.size;
}

static size_t skip_digits(span s, size_t at)
{
  while (at < s.size && isdigit((unsigned char)s.text[at])) {
    at++;
  }
  return at;
}

static size_t skip_spaces(span s, size_t at)
{
  while (at < s.size && s.text[at] == ' ') {
    at++;
  }
  return at;
}

/* Takes the next line off `rest`, less zero bytes at its start and its end. */
static span next_line(span *rest)
{
  const char *end = memchr(rest->text, '\n', rest->size);
  size_t size = end != NULL ? (size_t)(end - rest->text) : rest->size;
  span line = {rest->text, size};
  size_t taken = end != NULL ? size + 1 : size;
  *rest = from(*rest, taken);
  while (line.size > 0 && line.text[0] == '\0') {
    line = from(line, 1);
  }
  while (line.size > 0 && (line.text[line.size - 1] == '\0' || line.text[line.size - 1] == '\r')) {
    line.size--;
  }
  return line;
}

/* ---- diagnostics --------------------------------------------------------------------------- */

/* How a message begins in the log, and in other compilers' words. */
static const struct {
  const char *theirs;
  const char *ours;
} severities[] = {
    {"catastrophic error", "fatal error"},
    {"internal error", "fatal error"},
    {"error", "error"},
    {"warning", "warning"},
    {"remark", "note"},
    {"fatal", "fatal error"},
    {"info", NULL},
};

/* A message with its place. */
typedef struct message {
  span file;
  span line; /* its number; empty: none */
  const char *severity;
  span number; /* "#177-D" or empty */
  span text;
} message;

/* Reads "severity #number : text" at `at`; spaces before the colon do not count. */
static bool read_severity(span line, size_t at, message *out)
{
  span rest = from(line, at);
  for (size_t i = 0; i < RK_ARRAY_LEN(severities); i++) {
    if (!starts_with(rest, severities[i].theirs)) {
      continue;
    }
    size_t next = skip_spaces(rest, strlen(severities[i].theirs));
    size_t number = next;
    while (next < rest.size && rest.text[number] == '#' && rest.text[next] != ':' &&
           rest.text[next] != ' ') {
      next++;
    }
    out->number = (span){rest.text + number, next - number};
    next = skip_spaces(rest, next);
    if (next < rest.size && rest.text[next] == ':') {
      out->severity = severities[i].ours;
      out->text = from(rest, skip_spaces(rest, next + 1));
      return true;
    }
  }
  return false;
}

/* Reads "file(12): severity: text". The file's name may hold parentheses. */
static bool read_front_end(span line, message *out)
{
  for (size_t open = 1; open + 4 < line.size; open++) {
    if (line.text[open] != '(') {
      continue;
    }
    size_t close = skip_digits(line, open + 1);
    if (close > open + 1 && starts_with(from(line, close), "): ") &&
        read_severity(line, close + 3, out)) {
      out->file = (span){line.text, open};
      out->line = (span){line.text + open + 1, close - open - 1};
      return true;
    }
  }
  return false;
}

/* Reads "ptxas severity : text" and "ptxas application ptx input, line 29; severity : text". */
static bool read_assembler(span line, message *out)
{
  static const char input[] = "ptxas application ptx input, line ";
  if (starts_with(line, input)) {
    size_t start = strlen(input);
    size_t end = skip_digits(line, start);
    out->file = (span){"ptx", 3};
    out->line = (span){line.text + start, end - start};
    return starts_with(from(line, end), "; ") && read_severity(line, end + 2, out);
  }
  if (starts_with(line, "ptxas ")) {
    out->file = (span){"ptxas", 5};
    out->line = (span){line.text, 0};
    return read_severity(line, skip_spaces(line, strlen("ptxas ")), out);
  }
  return false;
}

/* Whether a line that is no message tells the user nothing: reports, sums, advice. */
static bool is_idle(span line)
{
  static const char *const starts[] = {
      "Remark: The warnings can be suppressed",
      "Compilation terminated.",
      "Compilation aborted",
      "ptxas         .",
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(starts); i++) {
    if (starts_with(line, starts[i])) {
      return true;
    }
  }
  size_t first = skip_spaces(line, 0);
  size_t digits = skip_digits(line, first);
  return first == line.size ||
         (digits > first && (find(line, " detected in the compilation of ") < line.size ||
                             starts_with(from(line, digits), " bytes stack frame")));
}

static char *put(char *to, span s)
{
  for (size_t i = 0; i < s.size; i++) {
    if (s.text[i] != '\0') {
      *to++ = s.text[i];
    }
  }
  return to;
}

static char *put_text(char *to, const char *text)
{
  return put(to, (span){text, strlen(text)});
}

void rk__nvrtc_log_clean(const char *log, size_t size, char *text)
{
  span rest = {log, size};
  char *to = text;
  while (rest.size > 0) {
    span line = next_line(&rest);
    message m;
    memset(&m, 0, sizeof(m));
    bool is_message = read_front_end(line, &m) || read_assembler(line, &m);
    if (is_message && m.severity == NULL) {
      continue;
    }
    if (!is_message) {
      if (!is_idle(line)) {
        to = put_text(put(to, line), "\n");
      }
      continue;
    }
    to = put(to, m.file);
    if (m.line.size > 0) {
      to = put(put_text(to, ":"), m.line);
    }
    to = put(put_text(put_text(put_text(to, ": "), m.severity), ": "), m.text);
    if (m.number.size > 0) {
      to = put_text(put(put_text(to, " ["), m.number), "]");
    }
    to = put_text(to, "\n");
  }
  *to = '\0';
}

int rk__nvrtc_log_first_error(const char *text, rk_error *err)
{
  static const char *const marks[] = {": error: ", ": fatal error: "};
  const char *best = NULL;
  size_t mark_length = 0;
  for (size_t i = 0; i < RK_ARRAY_LEN(marks); i++) {
    const char *found = strstr(text, marks[i]);
    if (found != NULL && (best == NULL || found < best)) {
      best = found;
      mark_length = strlen(marks[i]);
    }
  }
  if (best == NULL) {
    const char *why = text[0] != '\0' ? text : "it does not say why";
    return rk_error_set(err, RK_ECOMPILE, "NVRTC did not compile the source: %.*s",
                        (int)strcspn(why, "\n"), why);
  }
  const char *line = best;
  while (line > text && line[-1] != '\n') {
    line--;
  }
  const char *rest = best + mark_length;
  return rk_error_set(err, RK_ECOMPILE, "%.*s: %.*s", (int)(best - line), line,
                      (int)strcspn(rest, "\n"), rest);
}

/* ---- usage --------------------------------------------------------------------------------- */

/* The number before `unit` in a list like "28 registers, used 1 barriers, 8 bytes smem"; 0 if the
 * list has none. */
static uint32_t number_before(span line, const char *unit)
{
  size_t end = find(line, unit);
  if (end == line.size) {
    return 0;
  }
  size_t start = end;
  while (start > 0 && isdigit((unsigned char)line.text[start - 1])) {
    start--;
  }
  uint64_t value = 0;
  for (size_t i = start; i < end && value < UINT32_MAX; i++) {
    value = value * 10 + (uint64_t)(line.text[i] - '0');
  }
  return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* Whether `line` holds `word`'s text, then `name`, then `after`. */
static bool names(span line, const char *word, const char *name, const char *after)
{
  size_t at = find(line, word);
  if (at == line.size) {
    return false;
  }
  span rest = from(line, at + strlen(word));
  size_t length = strlen(name);
  if (!starts_with(rest, name)) {
    return false;
  }
  rest = from(rest, length);
  return after[0] == '\0' ? rest.size == 0 : starts_with(rest, after);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

void rk__nvrtc_log_usage(const char *log, size_t size, const char *entry, rk_nvrtc_usage *usage)
{
  span rest = {log, size};
  bool in_entry = false;    /* the entry is being assembled */
  bool in_function = false; /* the next properties are the entry's own */
  memset(usage, 0, sizeof(*usage));
  while (rest.size > 0) {
    span line = next_line(&rest);
    if (find(line, "Compiling entry function '") < line.size) {
      in_entry = names(line, "Compiling entry function '", entry, "'");
    } else if (find(line, "Function properties for ") < line.size) {
      in_function = names(line, "Function properties for ", entry, "");
    } else if (find(line, " bytes stack frame, ") < line.size) {
      usage->spill_store_bytes += number_before(line, " bytes spill stores");
      usage->spill_load_bytes += number_before(line, " bytes spill loads");
      if (in_function) {
        usage->stack_bytes = larger(usage->stack_bytes, number_before(line, " bytes stack frame"));
      }
    } else if (in_entry && find(line, ": Used ") < line.size) {
      usage->is_known = 1;
      usage->registers = number_before(line, " registers");
      usage->barriers = number_before(line, " barriers");
      usage->shared_bytes = number_before(line, " bytes smem");
      usage->stack_bytes = larger(usage->stack_bytes,
                                  number_before(line, " bytes cumulative stack size"));
      in_entry = false;
    }
  }
  if (usage->is_known == 0) {
    memset(usage, 0, sizeof(*usage));
  }
}
