/* SPDX-License-Identifier: MIT */
/*
 * Wake-up objects over the platform's events.
 */
#include "base/wake.h"

#include "base/platform.h"

int rk_wake_open(rk_wake *wake, rk_error *err)
{
  int fd = -1;
  int status = rk_platform_current()->event_open(&fd, err);
  if (status == RK_OK) {
    wake->fd = fd;
  }
  return status;
}

void rk_wake_close(rk_wake *wake)
{
  rk_platform_current()->event_close(wake->fd);
  wake->fd = -1;
}

int rk_wake_fd(const rk_wake *wake)
{
  return wake->fd;
}

void rk_wake_signal(const rk_wake *wake)
{
  rk_platform_current()->event_signal(wake->fd);
}

bool rk_wake_drain(const rk_wake *wake)
{
  return rk_platform_current()->event_drain(wake->fd);
}

int rk_wake_wait(const rk_wake *wake, uint64_t timeout_ns)
{
  return rk_platform_current()->fd_poll(wake->fd, timeout_ns);
}
