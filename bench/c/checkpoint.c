/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: how fast 64 MiB of state reach the disk, beside what the disk takes when the same
 * bytes are simply written; how long the grid stands still for them; and the way back.
 *
 * The files lie in BENCH_CACHE, so on the disk that the build is on. Writing and the plain write
 * take turns, because a disk that others use is not the same disk for long.
 */
#include "rt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"

#define ACTORS 16u
#define CHUNK ((size_t)1 << 20)

static char path[600];

/* MB/s of writing `bytes` bytes and making them safe. */
static double write_plain(const unsigned char *data, size_t bytes)
{
  char name[620];
  (void)snprintf(name, sizeof(name), "%s.plain", path);
  uint64_t began = bench_now_ns();
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  bench_check(fd >= 0, "a file can be made");
  for (size_t at = 0; at < bytes; at += CHUNK) {
    size_t n = bytes - at < CHUNK ? bytes - at : CHUNK;
    bench_check(write(fd, data + at, n) == (ssize_t)n, "a file can be written");
  }
  bench_check(fsync(fd) == 0 && close(fd) == 0, "a file can be made safe");
  double speed = (double)bytes * 1e3 / (double)(bench_now_ns() - began);
  (void)unlink(name);
  return speed;
}

static double hash_plain(const unsigned char *data, size_t bytes)
{
  uint8_t digest[RK_SHA256_BYTES];
  uint64_t began = bench_now_ns();
  rk_sha256_of(data, bytes, digest);
  return (double)bytes * 1e3 / (double)(bench_now_ns() - began);
}

/* Small checkpoints: what a pause costs when there is nothing to copy. */
static void pauses(size_t n)
{
  double *pause = calloc(n, sizeof(double));
  rk_error err = RK_ERROR_INIT;
  rk_checkpoint_info info;
  rk_runtime *rt = rt_open(2, 0);
  bench_check(pause != NULL, "out of memory");
  for (size_t i = 0; i < n; ++i) {
    rt_check(rk_runtime_checkpoint(rt, path, NULL, &info, &err), &err, "checkpoint");
    pause[i] = (double)info.pause_ns / 1e6;
  }
  bench_report("checkpoint.pause_empty", "ms",
               "the grid of 2 blocks parked, copied (no actors) and started again; each timed",
               pause, n);
  rk_runtime_close(rt);
  free(pause);
}

int main(void)
{
  size_t n = bench_samples();
  const char *folder = getenv("BENCH_CACHE");
  double *disk = calloc(n, sizeof(double)), *written = calloc(n, sizeof(double)),
         *hash = calloc(n, sizeof(double)), *pause = calloc(n, sizeof(double)),
         *restored = calloc(n, sizeof(double));
  unsigned char *data = malloc((size_t)ACTORS * RT_STORE_BYTES);
  rk_actor *actors[ACTORS];
  rk_error err = RK_ERROR_INIT;
  rk_checkpoint_info info;
  bench_check(disk != NULL && written != NULL && hash != NULL && pause != NULL &&
                  restored != NULL && data != NULL,
              "out of memory");
  (void)snprintf(path, sizeof(path), "%s/bench.ckpt", folder != NULL ? folder : ".");
  rk_runtime *rt = rt_open(2, 0);
  rk_kernel *kernel = rt_kernel("store", rt_store_source);
  for (unsigned i = 0; i < ACTORS; ++i) {
    size_t size = RT_STORE_BYTES;
    const rt_token fill = {.hops = i + 1u};
    actors[i] = rt_launch(rt, kernel, 64, -1);
    (void)rt_call(rt, actors[i], &fill);
    rt_check(rk_actor_peek_state(actors[i], data + (size_t)i * RT_STORE_BYTES, &size, &err), &err,
             "state");
  }
  for (size_t i = 0; i <= n; ++i) { /* the first round is thrown away */
    size_t at = i == 0 ? 0 : i - 1;
    disk[at] = write_plain(data, (size_t)ACTORS * RT_STORE_BYTES);
    hash[at] = hash_plain(data, (size_t)ACTORS * RT_STORE_BYTES);
    rt_check(rk_runtime_checkpoint(rt, path, NULL, &info, &err), &err, "checkpoint");
    written[at] = (double)info.bytes * 1e3 / (double)info.write_ns;
    pause[at] = (double)info.pause_ns / 1e6;
    uint64_t began = bench_now_ns();
    rk_restore *restore = NULL;
    rt_check(rk_restore_open(rt, path, &restore, &err), &err, "restore");
    rt_check(rk_restore_apply(restore, NULL, &err), &err, "restore");
    rk_restore_close(restore);
    restored[at] = (double)info.bytes * 1e3 / (double)(bench_now_ns() - began);
  }
  size_t size = RT_STORE_BYTES;
  unsigned char *state = malloc(size);
  bench_check(state != NULL, "out of memory");
  rt_check(rk_actor_peek_state(actors[3], state, &size, &err), &err, "state");
  bench_check(memcmp(state, data + (size_t)3 * RT_STORE_BYTES, size) == 0,
              "what was restored is what was saved");
  bench_truth(NULL, "the state of an actor, after the way back");
  bench_report("checkpoint.disk", "MB/s", "64 MiB in writes of 1 MiB, fsync; the disk's own speed",
               disk, n);
  bench_report(
      "checkpoint.write", "MB/s",
      "the same 64 MiB as states of 16 actors: hashed, written, fsync, rename, fsync of the "
      "folder; without the pause",
      written, n);
  bench_report("checkpoint.hash", "MB/s", "SHA-256 of the same 64 MiB", hash, n);
  bench_report("checkpoint.pause", "ms",
               "how long the grid of 2 blocks stood still for these 64 MiB; each timed", pause, n);
  bench_report("checkpoint.restore", "MB/s",
               "the file read (from memory, mostly), checked and put into the same actors",
               restored, n);
  for (unsigned i = 0; i < ACTORS; ++i) {
    rk_actor_release(actors[i]);
  }
  rk_kernel_close(kernel);
  rk_runtime_close(rt);
  bench_truth(NULL, NULL);
  pauses(n * 5u);
  (void)unlink(path);
  free(state);
  free(data);
  free(disk);
  free(written);
  free(hash);
  free(pause);
  free(restored);
  return 0;
}
