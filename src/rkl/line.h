/* SPDX-License-Identifier: MIT */
/*
 * Reading lines from a person: the line editor behind four functions and a completion hook.
 *
 * On a terminal the editor is libedit; with -DRK_LINE_NONE, or when stdin or stdout is no usable
 * terminal, lines come from stdin as they are. There is one terminal, so there is one rk_line.
 * Used by repl.c, from the main thread only.
 */
#ifndef RK_RKL_LINE_H
#define RK_RKL_LINE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef RK_LINE_NONE
#define RK_LINE_EDITOR "none"
#else
#define RK_LINE_EDITOR "libedit"
#endif

typedef struct rk_line rk_line;

/* What the completion hook answers. Both texts belong to the hook and live until it runs again. */
typedef struct rk_line_hint {
  const char *insert;  /* text to put at the cursor; NULL or "": nothing */
  const char *choices; /* text to show below the line; NULL or "": nothing */
} rk_line_hint;

/* Called for the Tab key with the text left of the cursor (not zero-terminated). */
typedef void rk_line_complete(void *user, const char *text, size_t size, rk_line_hint *hint);

typedef enum rk_line_status {
  RK_LINE_TEXT,        /* a whole line */
  RK_LINE_PART,        /* the first part of a longer line; read again for the rest */
  RK_LINE_END,         /* end of input, or a read error */
  RK_LINE_INTERRUPTED, /* SIGINT came: rk_interrupt_flag is set and what was typed is dropped */
} rk_line_status;

/*
 * Opens the editor. `complete` may be NULL; `user` is handed to it. `plain` asks for the fallback
 * even on a terminal. Never fails: without a terminal or memory the fallback is used.
 */
rk_line *rk_line_open(rk_line_complete *complete, void *user, bool plain);

/*
 * Shows `prompt` ("" for none) and reads one line into `*text` (`*size` bytes, zero-terminated,
 * without the line end), valid until the next call. `*text` is set only for TEXT and PART.
 */
rk_line_status rk_line_read(rk_line *line, const char *prompt, const char **text, size_t *size);

/* Adds a line to what the arrow keys recall. Does nothing in the fallback. */
void rk_line_add_history(rk_line *line, const char *text);

/* Closes the editor and restores the terminal. NULL is ignored. */
void rk_line_close(rk_line *line);

#endif
