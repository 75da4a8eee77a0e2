/* SPDX-License-Identifier: MIT */
/*
 * The line editor of the prompt (see line.h), over the native interface of libedit.
 *
 * libedit's own reading retries after a signal, so Ctrl-C could not clear the line. read_char
 * waits in pselect instead, with the signals let through only there: no window in which a signal
 * is missed. rkl keeps the "C" locale, as lua(1) does; only while the editor runs does the thread
 * use the character set of the environment.
 */
#include "rkl/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <unistd.h>

#include "rkl/rkl.h"

#ifndef RK_LINE_NONE
#include <locale.h>
#include <wchar.h>

#include <sys/select.h>

#include <histedit.h>
#endif

enum { PLAIN_BYTES = 4096, HISTORY_LINES = 1000 };

struct rk_line {
  rk_line_complete *complete;
  void *user;
  const char *prompt;
  char plain[PLAIN_BYTES]; /* the line, in the fallback */
#ifndef RK_LINE_NONE
  EditLine *editor; /* NULL: fallback */
  History *history;
  locale_t locale; /* character set of the environment, or 0 */
#endif
};

static rk_line the_line;

/* The fallback: stdin through stdio, which a running statement may read as well. */
static rk_line_status read_plain(rk_line *line, const char **text, size_t *size)
{
  fputs(line->prompt, stdout);
  fflush(stdout);
  errno = 0;
  if (fgets(line->plain, PLAIN_BYTES, stdin) == NULL) {
    bool interrupted = ferror(stdin) && errno == EINTR && rk_interrupt_flag;
    clearerr(stdin);
    if (interrupted) {
      fputs("\n", stdout); /* the terminal has shown ^C */
    }
    return interrupted ? RK_LINE_INTERRUPTED : RK_LINE_END;
  }
  size_t length = strlen(line->plain);
  bool whole = length > 0 && line->plain[length - 1] == '\n';
  if (whole) {
    line->plain[--length] = '\0';
  }
  *text = line->plain;
  *size = length;
  return whole || feof(stdin) ? RK_LINE_TEXT : RK_LINE_PART;
}

#ifdef RK_LINE_NONE

rk_line *rk_line_open(rk_line_complete *complete, void *user, bool plain)
{
  (void)plain;
  the_line = (rk_line){.complete = complete, .user = user};
  return &the_line;
}

rk_line_status rk_line_read(rk_line *line, const char *prompt, const char **text, size_t *size)
{
  line->prompt = prompt;
  return read_plain(line, text, size);
}

void rk_line_add_history(rk_line *line, const char *text)
{
  (void)line;
  (void)text;
}

void rk_line_close(rk_line *line)
{
  (void)line;
}

#else

static volatile sig_atomic_t window_changed;
static volatile sig_atomic_t continued;

static void note_terminal(int signo)
{
  if (signo == SIGWINCH) {
    window_changed = 1;
  } else {
    continued = 1;
  }
}

static char *get_prompt(EditLine *editor)
{
  rk_line *line = NULL;
  el_get(editor, EL_CLIENTDATA, &line);
  return (char *)(size_t)line->prompt; /* libedit only reads it */
}

/* Reacts to what signal handlers noted. Returns whether Ctrl-C was pressed. */
static bool handle_signals(EditLine *editor)
{
  if (window_changed) {
    window_changed = 0;
    el_resize(editor);
  }
  if (continued) { /* after Ctrl-Z and fg the shell may have left the terminal in its own mode */
    continued = 0;
    el_set(editor, EL_PREP_TERM, 0);
    el_set(editor, EL_PREP_TERM, 1);
    el_set(editor, EL_REFRESH);
  }
  return rk_interrupt_flag != 0;
}

/* Waits for one byte. Returns 1, 0 at the end of input, -1 after Ctrl-C or an error. */
static int read_byte(EditLine *editor, char *byte)
{
  sigset_t blocked;
  sigset_t before;
  int result = -1;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGWINCH);
  sigaddset(&blocked, SIGCONT);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  while (!handle_signals(editor)) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(STDIN_FILENO, &readable);
    if (pselect(STDIN_FILENO + 1, &readable, NULL, NULL, NULL, &before) > 0) {
      result = (int)read(STDIN_FILENO, byte, 1);
      break;
    }
    if (errno != EINTR) {
      break;
    }
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  return result;
}

/* libedit's way to get a character: one that bytes from the terminal make up. */
static int read_char(EditLine *editor, wchar_t *out)
{
  mbstate_t state;
  memset(&state, 0, sizeof state);
  for (;;) {
    char byte = 0;
    int count = read_byte(editor, &byte);
    if (count != 1) {
      return count;
    }
    size_t used = mbrtowc(out, &byte, 1, &state);
    if (used == (size_t)-1) { /* not a character in this locale: drop what was collected */
      memset(&state, 0, sizeof state);
    } else if (used != (size_t)-2) {
      return 1;
    }
  }
}

/* The Tab key. */
static unsigned char complete_word(EditLine *editor, int key)
{
  rk_line *line = NULL;
  rk_line_hint hint = {NULL, NULL};
  unsigned char answer = CC_ERROR;
  (void)key;
  el_get(editor, EL_CLIENTDATA, &line);
  if (line->complete == NULL) {
    return CC_ERROR;
  }
  const LineInfo *info = el_line(editor);
  line->complete(line->user, info->buffer, (size_t)(info->cursor - info->buffer), &hint);
  if (hint.insert != NULL && hint.insert[0] != '\0' && el_insertstr(editor, hint.insert) == 0) {
    answer = CC_REFRESH;
  }
  if (hint.choices != NULL && hint.choices[0] != '\0') {
    printf("\n%s\n", hint.choices);
    fflush(stdout);
    answer = CC_REDISPLAY;
  }
  return answer;
}

/* Whether libedit can move the cursor here. */
static bool is_editable(void)
{
  const char *terminal = getenv("TERM");
  return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && terminal != NULL &&
         terminal[0] != '\0' && strcmp(terminal, "dumb") != 0;
}

rk_line *rk_line_open(rk_line_complete *complete, void *user, bool plain)
{
  rk_line *line = &the_line;
  HistEvent event;
  *line = (rk_line){.complete = complete, .user = user};
  if (plain || !is_editable()) {
    return line;
  }
  line->locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
  locale_t before = line->locale != (locale_t)0 ? uselocale(line->locale) : (locale_t)0;
  line->history = history_init();
  line->editor = el_init("rkl", stdin, stdout, stderr);
  if (line->editor != NULL) {
    el_set(line->editor, EL_CLIENTDATA, line);
    el_set(line->editor, EL_PROMPT, get_prompt);
    el_set(line->editor, EL_SIGNAL, 0);
    el_set(line->editor, EL_EDITOR, "emacs");
    el_set(line->editor, EL_GETCFN, read_char);
    /* The wide call: the other one leaks its copies of the two texts. */
    el_wset(line->editor, EL_ADDFN, L"rkl-complete", L"complete the word", complete_word);
    el_set(line->editor, EL_BIND, "^I", "rkl-complete", NULL);
    el_set(line->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    if (line->history != NULL) {
      history(line->history, &event, H_SETSIZE, HISTORY_LINES);
      history(line->history, &event, H_SETUNIQUE, 1);
      el_set(line->editor, EL_HIST, history, line->history);
    }
    el_source(line->editor, NULL); /* the user's ~/.editrc */
  }
  if (before != (locale_t)0) {
    uselocale(before);
  }
  return line;
}

/* Reads with libedit; the character set and the signals are set up by the caller. */
static rk_line_status read_edited(rk_line *line, const char **text, size_t *size)
{
  int count = 0;
  el_resize(line->editor);
  const char *got = el_gets(line->editor, &count);
  if (rk_interrupt_flag) {
    el_reset(line->editor);
    fputs("^C\n", stdout);
    fflush(stdout);
    return RK_LINE_INTERRUPTED;
  }
  if (got == NULL || count <= 0) {
    return RK_LINE_END;
  }
  *size = (size_t)count;
  if (got[*size - 1] == '\n') {
    *size -= 1;
  }
  *text = got;
  return RK_LINE_TEXT;
}

rk_line_status rk_line_read(rk_line *line, const char *prompt, const char **text, size_t *size)
{
  struct sigaction note = {.sa_handler = note_terminal};
  struct sigaction window_before;
  struct sigaction continue_before;
  line->prompt = prompt;
  if (line->editor == NULL) {
    return read_plain(line, text, size);
  }
  fflush(stdout);
  sigemptyset(&note.sa_mask);
  sigaction(SIGWINCH, &note, &window_before);
  sigaction(SIGCONT, &note, &continue_before);
  locale_t before = line->locale != (locale_t)0 ? uselocale(line->locale) : (locale_t)0;
  rk_line_status status = read_edited(line, text, size);
  if (before != (locale_t)0) {
    uselocale(before);
  }
  sigaction(SIGWINCH, &window_before, NULL);
  sigaction(SIGCONT, &continue_before, NULL);
  return status;
}

void rk_line_add_history(rk_line *line, const char *text)
{
  HistEvent event;
  if (line->history != NULL) {
    history(line->history, &event, H_ENTER, text);
  }
}

void rk_line_close(rk_line *line)
{
  if (line == NULL) {
    return;
  }
  if (line->editor != NULL) {
    el_end(line->editor);
    line->editor = NULL;
  }
  if (line->history != NULL) {
    history_end(line->history);
    line->history = NULL;
  }
  if (line->locale != (locale_t)0) {
    freelocale(line->locale);
    line->locale = (locale_t)0;
  }
}

#endif
