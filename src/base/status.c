/* SPDX-License-Identifier: MIT */
/*
 * Names and texts of the status codes, made from the list in status.h.
 */
#include "base/status.h"

const char *rk_status_name(int status)
{
  switch (status) {
#define RK_STATUS_CASE(name, number, code, text) \
  case number:                                   \
    return code;
    RK_STATUS_LIST(RK_STATUS_CASE)
#undef RK_STATUS_CASE
    default:
      return "unknown";
  }
}

const char *rk_status_text(int status)
{
  switch (status) {
#define RK_STATUS_CASE(name, number, code, text) \
  case number:                                   \
    return text;
    RK_STATUS_LIST(RK_STATUS_CASE)
#undef RK_STATUS_CASE
    default:
      return "unknown status";
  }
}
