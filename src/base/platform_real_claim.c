/* SPDX-License-Identifier: MIT */
/*
 * The real platform: claims, which are record locks on files that all users share.
 *
 * A record lock is the process's own: a child does not inherit it, the system gives it up with the
 * process however that ends, and it says whose it is. Its one trap, that closing any descriptor of
 * the file gives it up, is why nothing here opens a file that the process has claimed.
 *
 * The file lies where everybody may write, so whatever is found there is looked at before it is
 * used: no links, nothing but regular files. An existing one is opened without O_CREAT, which some
 * systems refuse for files of others in such a folder (fs.protected_regular).
 *
 * Who gives up the last lock removes the file. Another process may have opened it just before that:
 * it finds that what it has locked has no name any more and begins again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* O_CLOEXEC, O_NOFOLLOW */
#endif

#include "base/platform_real.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAFE_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define TRIES 16 /* at a file that others make and remove meanwhile */

static struct flock whole_file(bool is_shared)
{
  return (struct flock){.l_type = is_shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
}

/* Opens the file, made if need be. Returns the descriptor, or -1 with errno. */
static int open_claim(const char *path)
{
  int fd = -1;
  for (int i = 0; i < TRIES; i++) {
    fd = open(path, O_RDWR | SAFE_FLAGS);
    if (fd >= 0 || (errno != ENOENT && errno != EINTR)) {
      break;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | SAFE_FLAGS, 0666);
    if (fd >= 0) {
      (void)fchmod(fd, 0666); /* for other users, whatever our umask is */
      break;
    }
    if (errno != EEXIST && errno != EINTR) {
      break;
    }
  }
  struct stat info;
  if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
    close(fd);
    fd = -1;
    errno = EACCES;
  }
  return fd;
}

/* Locks the open file. 0, or an errno: EAGAIN with *holder when it is another's, ENOENT when it is
 * to be tried again. */
static int lock_claim(int fd, bool is_shared, uint64_t *holder)
{
  struct flock lock = whole_file(is_shared);
  /* Not for others but for those who tidy temporary folders: they leave such files alone. Taken
   * first, for there are file systems where both kinds are one. */
  (void)flock(fd, LOCK_SH | LOCK_NB);
  if (fcntl(fd, F_SETLK, &lock) == 0) {
    return 0;
  }
  int error = errno == EACCES ? EAGAIN : errno;
  lock = whole_file(is_shared);
  if (error == EAGAIN && fcntl(fd, F_GETLK, &lock) == 0) {
    if (lock.l_type == F_UNLCK) { /* it has just gone */
      return ENOENT;
    }
    *holder = lock.l_pid > 0 ? (uint64_t)lock.l_pid : 0;
  }
  return error;
}

int rk__os_claim_take(const char *path, bool is_shared, int *claim, uint64_t *holder, rk_error *err)
{
  uint64_t other = 0;
  int error = EAGAIN;
  for (int i = 0; i < TRIES; i++) {
    int fd = open_claim(path);
    if (fd < 0) {
      return rk__os_fail(err, errno, "cannot claim", path);
    }
    struct stat info;
    error = lock_claim(fd, is_shared, &other);
    if (error == 0 && fstat(fd, &info) == 0 && info.st_nlink > 0) {
      *claim = fd;
      return RK_OK;
    }
    close(fd);
    if (error == EAGAIN) {
      *holder = other;
      return rk_error_set(err, RK_EEXISTS, "'%.300s' is claimed by another process", path);
    }
    if (error != 0 && error != ENOENT) {
      break;
    }
    error = EAGAIN; /* removed or given up meanwhile: again */
  }
  return rk__os_fail(err, error, "cannot claim", path);
}

void rk__os_claim_drop(const char *path, int claim)
{
  struct flock lock = whole_file(false);
  struct stat ours, named;
  if (fcntl(claim, F_SETLK, &lock) == 0 && fstat(claim, &ours) == 0 && lstat(path, &named) == 0 &&
      ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
    (void)unlink(path); /* not ours to remove if another user made it: then it stays */
  }
  close(claim);
}

int rk__os_claim_holder(const char *path, bool *is_shared, uint64_t *holder, rk_error *err)
{
  int status = RK_OK;
  struct stat info;
  struct flock lock = whole_file(false);
  int fd = open(path, O_RDONLY | SAFE_FLAGS);
  if (fd < 0) {
    return rk__os_fail(err, errno, "cannot look at", path);
  }
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    status = rk__os_fail(err, EACCES, "cannot look at", path);
  } else if (fcntl(fd, F_GETLK, &lock) != 0) {
    status = rk__os_fail(err, errno, "cannot look at", path);
  } else if (lock.l_type == F_UNLCK) {
    status = rk_error_set(err, RK_ENOT_FOUND, "nobody claims '%.300s'", path);
  } else {
    *is_shared = lock.l_type == F_RDLCK;
    *holder = lock.l_pid > 0 ? (uint64_t)lock.l_pid : 0;
  }
  close(fd);
  return status;
}
