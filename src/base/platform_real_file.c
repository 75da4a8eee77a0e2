/* SPDX-License-Identifier: MIT */
/*
 * The real platform: files and folders.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* O_CLOEXEC, O_DIRECTORY, mkdtemp, st_mtim */
#endif

#include "base/platform_real.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define FIRST_READ_BYTES 4096u
#define EARLY_BYTES ((off_t)4 << 20)  /* written before the system is told to begin with the disk */
#define KEPT_BYTES ((off_t)256 << 20) /* of a file being written that stay in the page cache */

/* open(2) through signals, never inherited by programs that we start. */
static int open_file(const char *path, int flags, mode_t mode)
{
  int fd;
  do {
    fd = open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

static int sync_file(int fd)
{
  int result;
  do {
    result = fsync(fd);
  } while (result < 0 && errno == EINTR);
  return result;
}

/* Reads at most `bytes` bytes; 0 at the end of the file, -1 with errno. */
static ssize_t read_some(int fd, void *into, size_t bytes)
{
  ssize_t got;
  do {
    got = read(fd, into, bytes);
  } while (got < 0 && errno == EINTR);
  return got;
}

/* Writes all of it; 0, or -1 with errno. */
static int write_all(int fd, const char *from, size_t bytes)
{
  while (bytes > 0) {
    ssize_t done = write(fd, from, bytes);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done < 0) {
      return -1;
    }
    from += done;
    bytes -= (size_t)done;
  }
  return 0;
}

int rk__os_file_read(const char *path, size_t limit, void **data, size_t *size, rk_error *err)
{
  char *block = NULL;
  size_t used = 0;
  int status = RK_OK;
  struct stat info;

  int fd = open_file(path, O_RDONLY, 0);
  if (fd < 0) {
    return rk__os_fail(err, errno, "cannot open", path);
  }
  if (fstat(fd, &info) != 0) {
    status = rk__os_fail(err, errno, "cannot look at", path);
    goto done;
  }
  /* The size is a hint: files in /proc say 0, others may grow. One byte is for the final 0, and
   * one more lets the read that finds the end of the file come without growing. */
  size_t capacity = info.st_size > 0 && (uint64_t)info.st_size <= limit ? (size_t)info.st_size + 2
                                                                        : FIRST_READ_BYTES;
  block = rk_alloc(capacity);
  for (;;) {
    if (block == NULL) {
      status = rk_error_set(err, RK_EOUT_OF_MEMORY, "cannot read '%.300s': out of memory", path);
      goto done;
    }
    ssize_t got = read_some(fd, block + used, capacity - 1 - used);
    if (got < 0) {
      status = rk__os_fail(err, errno, "cannot read", path);
      goto done;
    }
    if (got == 0) {
      break;
    }
    used += (size_t)got;
    if (used > limit) {
      status = rk_error_set(err, RK_ETOO_LARGE, "cannot read '%.300s': larger than %zu bytes", path,
                            limit);
      goto done;
    }
    if (used == capacity - 1) {
      size_t doubled = 0;
      char *larger = rk_size_mul(capacity, 2, &doubled) ? NULL : rk_realloc(block, doubled);
      if (larger == NULL) {
        rk_free(block);
      }
      block = larger;
      capacity = doubled;
    }
  }
  block[used] = '\0';
  *data = block;
  *size = used;
  block = NULL;

done:
  rk_free(block);
  close(fd);
  return status;
}

/* The folder that `path` lies in, into `folder` of RK_PATH_BYTES; `path` is shorter than that. */
static void parent_of(const char *path, char *folder)
{
  const char *slash = strrchr(path, '/');
  if (slash == NULL) {
    memcpy(folder, ".", 2);
    return;
  }
  size_t length = slash == path ? 1 : (size_t)(slash - path);
  memcpy(folder, path, length);
  folder[length] = '\0';
}

int rk__os_file_read_at(const char *path, uint64_t offset, void *into, size_t size, rk_error *err)
{
  int status = RK_OK;
  int fd = open_file(path, O_RDONLY, 0);
  if (fd < 0) {
    return rk__os_fail(err, errno, "cannot open", path);
  }
  if (lseek(fd, (off_t)offset, SEEK_SET) < 0) {
    status = rk__os_fail(err, errno, "cannot read", path);
  }
  for (size_t done = 0; status == RK_OK && done < size;) {
    ssize_t got = read_some(fd, (char *)into + done, size - done);
    if (got < 0) {
      status = rk__os_fail(err, errno, "cannot read", path);
    } else if (got == 0) {
      status = rk_error_set(err, RK_EIO, "cannot read '%.300s': it ends at byte %" PRIu64, path,
                            offset + done);
    }
    done += got > 0 ? (size_t)got : 0;
  }
  close(fd);
  return status;
}

/* Writes all that the source says; 0, or a status. */
static int write_pieces(int fd, const char *path, rk_file_source source, void *arg, rk_error *err)
{
  off_t dropped = 0, started = 0, written = 0;
  for (;;) {
    const void *data = NULL;
    size_t size = 0;
    int status = source(arg, &data, &size, err);
    if (status != RK_OK) {
      return status;
    }
    if (size == 0) {
      break;
    }
    if (write_all(fd, data, size) != 0) {
      return rk__os_fail(err, errno, "cannot write", path);
    }
    written += (off_t)size;
    if (written - started >= EARLY_BYTES) { /* a hint: fsync does what counts */
      (void)sync_file_range(fd, started, written - started, SYNC_FILE_RANGE_WRITE);
      started = written;
    }
    if (started - dropped > KEPT_BYTES) { /* a large file does not push everything else out */
      off_t done = started - KEPT_BYTES / 2;
      (void)sync_file_range(fd, dropped, done - dropped,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                SYNC_FILE_RANGE_WAIT_AFTER);
      (void)posix_fadvise(fd, dropped, done - dropped, POSIX_FADV_DONTNEED);
      dropped = done;
    }
  }
  return sync_file(fd) != 0 ? rk__os_fail(err, errno, "cannot write", path) : RK_OK;
}

int rk__os_file_write_from(const char *path, rk_file_source source, void *arg, rk_error *err)
{
  char temporary[RK_PATH_BYTES];
  char folder[RK_PATH_BYTES];
  uint64_t random = 0;
  int status = rk_platform_current()->random_u64(&random, err);
  if (status != RK_OK) {
    return status;
  }
  int length = snprintf(temporary, sizeof temporary, "%s.%08" PRIx32 ".tmp", path,
                        (uint32_t)random);
  if (length < 0 || (size_t)length >= sizeof temporary) {
    return rk__os_fail(err, ENAMETOOLONG, "cannot write", path);
  }
  int fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0) {
    return rk__os_fail(err, errno, "cannot write", path);
  }
  status = write_pieces(fd, path, source, arg, err);
  if (status != RK_OK) {
    close(fd);
    goto remove_temporary;
  }
  /* Some file systems tell only here that the disk is full. */
  if (close(fd) != 0 && errno != EINTR) {
    status = rk__os_fail(err, errno, "cannot write", path);
    goto remove_temporary;
  }
  if (rename(temporary, path) != 0) {
    status = rk__os_fail(err, errno, "cannot write", path);
    goto remove_temporary;
  }
  parent_of(path, folder);
  fd = open_file(folder, O_RDONLY | O_DIRECTORY, 0);
  if (fd >= 0) {
    /* Not all file systems can sync a folder, and the file is in place already. */
    sync_file(fd);
    close(fd);
  }
  return RK_OK;

remove_temporary:
  unlink(temporary);
  return status;
}

typedef struct whole { /* a file in one piece */
  const void *data;
  size_t size;
} whole;

static int say_whole(void *arg, const void **data, size_t *size, rk_error *err)
{
  whole *piece = arg;
  (void)err;
  *data = piece->data;
  *size = piece->size;
  piece->size = 0;
  return RK_OK;
}

int rk__os_file_write(const char *path, const void *data, size_t size, rk_error *err)
{
  whole piece = {data, size};
  return rk__os_file_write_from(path, say_whole, &piece, err);
}

int rk__os_file_stat(const char *path, rk_file_info *info, rk_error *err)
{
  struct stat found;
  if (stat(path, &found) != 0) {
    return rk__os_fail(err, errno, "cannot look at", path);
  }
  if (info != NULL) {
    info->size_bytes = (uint64_t)found.st_size;
    info->mtime_ns = (uint64_t)found.st_mtim.tv_sec * RK_NS_PER_S + (uint64_t)found.st_mtim.tv_nsec;
    info->is_dir = S_ISDIR(found.st_mode);
  }
  return RK_OK;
}

int rk__os_file_rename(const char *from, const char *to, rk_error *err)
{
  if (rename(from, to) != 0) {
    return rk__os_fail(err, errno, "cannot rename", from);
  }
  return RK_OK;
}

int rk__os_file_remove(const char *path, rk_error *err)
{
  if (remove(path) != 0) {
    return rk__os_fail(err, errno, "cannot remove", path);
  }
  return RK_OK;
}

int rk__os_dir_make(const char *path, rk_error *err)
{
  char part[RK_PATH_BYTES];
  size_t length = strlen(path);
  if (length >= sizeof part) {
    return rk__os_fail(err, ENAMETOOLONG, "cannot make the folder", path);
  }
  if (length == 0) {
    return rk__os_fail(err, ENOENT, "cannot make the folder", path);
  }
  memcpy(part, path, length + 1);
  /* Each part in turn, the whole path last. The first character is skipped: "/" is there. */
  for (size_t i = 1; i <= length; i++) {
    if (part[i] != '/' && part[i] != '\0') {
      continue;
    }
    part[i] = '\0';
    /* What is there already is fine here; whether it is a folder shows at the end. */
    if (mkdir(part, 0700) != 0 && errno != EEXIST) {
      int error = errno == ENOTDIR ? EEXIST : errno;
      return rk__os_fail(err, error, "cannot make the folder", part);
    }
    part[i] = path[i];
  }
  rk_file_info info;
  int status = rk__os_file_stat(path, &info, err);
  if (status == RK_OK && !info.is_dir) {
    status = rk__os_fail(err, EEXIST, "cannot make the folder", path);
  }
  return status == RK_ENOT_FOUND ? rk__os_fail(err, EEXIST, "cannot make the folder", path)
                                 : status;
}

int rk__os_dir_make_temp(const char *prefix, char *path, size_t path_bytes, rk_error *err)
{
  const char *base = rk_platform_current()->env_get("TMPDIR");
  if (base == NULL || base[0] == '\0') {
    base = "/tmp";
  }
  char pattern[RK_PATH_BYTES];
  int length = snprintf(pattern, sizeof pattern, "%s/%sXXXXXX", base, prefix);
  if (length < 0 || (size_t)length >= sizeof pattern || (size_t)length >= path_bytes) {
    return rk__os_fail(err, ENAMETOOLONG, "cannot make a folder in", base);
  }
  if (mkdtemp(pattern) == NULL) {
    return rk__os_fail(err, errno, "cannot make a folder in", base);
  }
  memcpy(path, pattern, (size_t)length + 1);
  return RK_OK;
}

int rk__os_dir_each(const char *path, rk_dir_fn fn, void *arg, rk_error *err)
{
  int status = RK_OK;
  DIR *dir = opendir(path);
  if (dir == NULL) {
    return rk__os_fail(err, errno, "cannot list", path);
  }
  for (;;) {
    errno = 0;
    struct dirent *found = readdir(dir);
    if (found == NULL) {
      if (errno != 0) {
        status = rk__os_fail(err, errno, "cannot list", path);
      }
      break;
    }
    if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
        !fn(arg, found->d_name)) {
      break;
    }
  }
  closedir(dir);
  return status;
}
