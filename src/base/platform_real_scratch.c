/* SPDX-License-Identifier: MIT */
/*
 * The real platform: scratch files, which have no name and are gone with their descriptor, however
 * the process ends.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* O_TMPFILE, fallocate */
#endif

#include "base/platform_real.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_file(const char *path, int flags)
{
  int fd;
  do {
    fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/* For file systems that cannot make a file without a name: it has one for a moment. */
static int open_and_unlink(const char *folder, int *fd, rk_error *err)
{
  char path[RK_PATH_BYTES];
  uint64_t random = 0;
  int status = rk_platform_current()->random_u64(&random, err);
  if (status != RK_OK) {
    return status;
  }
  int length = snprintf(path, sizeof path, "%s/rk-%016" PRIx64 ".tmp", folder, random);
  if (length < 0 || (size_t)length >= sizeof path) {
    return rk__os_fail(err, ENAMETOOLONG, "cannot make a file in", folder);
  }
  int opened = open_file(path, O_CREAT | O_EXCL);
  if (opened < 0) {
    return rk__os_fail(err, errno, "cannot make a file in", folder);
  }
  if (unlink(path) != 0) {
    status = rk__os_fail(err, errno, "cannot remove", path);
    close(opened);
    return status;
  }
  *fd = opened;
  return RK_OK;
}

int rk__os_scratch_open(const char *folder, int *fd, rk_error *err)
{
  int opened = open_file(folder, O_TMPFILE | O_EXCL);
  if (opened < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    return open_and_unlink(folder, fd, err);
  }
  if (opened < 0) {
    return rk__os_fail(err, errno, "cannot make a file in", folder);
  }
  *fd = opened;
  return RK_OK;
}

int rk__os_scratch_write(int fd, uint64_t offset, const void *data, size_t size, rk_error *err)
{
  for (size_t done = 0; done < size;) {
    ssize_t wrote = pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));
    if (wrote < 0 && errno != EINTR) {
      return rk__os_fail(err, errno, "cannot write", "a scratch file");
    }
    done += wrote > 0 ? (size_t)wrote : 0;
  }
  return RK_OK;
}

int rk__os_scratch_read(int fd, uint64_t offset, void *into, size_t size, rk_error *err)
{
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(fd, (char *)into + done, size - done, (off_t)(offset + done));
    if (got < 0 && errno != EINTR) {
      return rk__os_fail(err, errno, "cannot read", "a scratch file");
    }
    if (got == 0) {
      return rk_error_set(err, RK_EIO, "cannot read a scratch file: it ends at byte %" PRIu64,
                          offset + done);
    }
    done += got > 0 ? (size_t)got : 0;
  }
  return RK_OK;
}

void rk__os_scratch_free(int fd, uint64_t offset, uint64_t size)
{
  (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
}

void rk__os_scratch_close(int fd)
{
  if (fd >= 0) {
    close(fd);
  }
}
