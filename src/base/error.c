/* SPDX-License-Identifier: MIT */
/*
 * Filling and prefixing of rk_error. Texts are built aside first, so that an argument may point
 * into the error that is being changed.
 */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Adds as much of `more` to `text`, of RK_ERROR_TEXT_BYTES, as fits. */
static void append_text(char *text, const char *more)
{
  size_t used = strlen(text);
  size_t room = RK_ERROR_TEXT_BYTES - 1 - used;
  size_t length = strlen(more);
  size_t fits = length < room ? length : room;
  memcpy(text + used, more, fits);
  text[used + fits] = '\0';
}

int rk_error_set(rk_error *err, int status, const char *format, ...)
{
  if (err != NULL) {
    char text[RK_ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (written < 0) {
      text[0] = '\0';
    }
    memcpy(err->text, text, strlen(text) + 1);
    err->status = status;
  }
  return status;
}

int rk_error_prefix(rk_error *err, const char *format, ...)
{
  if (err == NULL) {
    return RK_OK;
  }
  char text[RK_ERROR_TEXT_BYTES];
  va_list args;
  va_start(args, format);
  int written = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (written >= 0) {
    /* What does not fit is cut from the end: the prefix says where, which matters more. */
    append_text(text, ": ");
    append_text(text, err->text);
    memcpy(err->text, text, strlen(text) + 1);
  }
  return err->status;
}

void rk_error_clear(rk_error *err)
{
  if (err != NULL) {
    err->status = RK_OK;
    err->text[0] = '\0';
  }
}
