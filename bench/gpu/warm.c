/* SPDX-License-Identifier: MIT */
/*
 * Compiles grids before they are needed: all processors at once, into the cache of images.
 *
 *   warm CC UNITS      CC as 90 for 9.0; UNITS: the sources, a zero byte behind each
 *
 * The specs need some two hundred grids, one after the other and seconds of NVRTC each. Their sources
 * were kept when they ran elsewhere (pack_units.lua), and here every processor takes the next one.
 * A process for each, because NVRTC compiles one program at a time in a process. No device is
 * needed.
 *
 * Environment: GPU_LIMIT_S (90): no compile begins after that; GPU_SHORT=1: two units.
 */
#include "gpu_common.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

enum { WORKERS_MAX = 32, UNITS_MAX = 4096 };

/* Between the processes. */
typedef struct board {
  atomic_uint next, compiled, found, failed;
  atomic_ullong compile_ns;
} board;

typedef struct work {
  gpu g; /* for its lines; no device */
  board *board;
  const char *units[UNITS_MAX];
  unsigned count;
  uint32_t cc;
  uint64_t end_ns;
} work;

static work all; /* large */

static bool read_units(work *w, const char *path)
{
  struct stat facts;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &facts) != 0 || facts.st_size == 0) {
    return false;
  }
  size_t bytes = (size_t)facts.st_size;
  char *text = malloc(bytes + 1);
  if (text == NULL || read(file, text, bytes) != (ssize_t)bytes) {
    return false;
  }
  (void)close(file);
  text[bytes] = '\0';
  for (size_t at = 0; at < bytes && w->count < UNITS_MAX; at += strlen(text + at) + 1) {
    w->units[w->count++] = text + at;
  }
  return true;
}

static void compile(work *w)
{
  rk_cuda_cache *cache = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_cuda_cache_open(NULL, &cache, &err) != RK_OK) {
    gpu_die(&w->g, "%s", err.text);
  }
  for (;;) {
    unsigned index = atomic_fetch_add(&w->board->next, 1);
    uint64_t start_ns = gpu_now_ns();
    if (index >= w->count || start_ns > w->end_ns) {
      break;
    }
    rk_cuda_image image;
    const rk_nvrtc_request request = {
        .name = "ringkernel.cu", .source = w->units[index], .arch = w->cc};
    if (rk_cuda_image_get(cache, &request, &image, NULL, &err) != RK_OK) {
      if (atomic_fetch_add(&w->board->failed, 1) == 0) {
        gpu_note(&w->g, "first failure", "unit %u: %s", index, err.text);
      }
      continue;
    }
    if (image.is_cached) {
      atomic_fetch_add(&w->board->found, 1);
    } else {
      atomic_fetch_add(&w->board->compiled, 1);
      atomic_fetch_add(&w->board->compile_ns, gpu_now_ns() - start_ns);
    }
    rk_cuda_image_release(&image);
  }
  rk_cuda_cache_close(cache);
}

static void tell(const work *w, unsigned workers, uint64_t start_ns)
{
  const board *b = w->board;
  unsigned compiled = atomic_load(&b->compiled), found = atomic_load(&b->found);
  double each_s = compiled != 0 ? (double)atomic_load(&b->compile_ns) / 1e9 / compiled : 0;
  gpu_note(&w->g, "compiled",
           "%u of %u grids by %u processes in %.1f s, %.2f s each; %u were there, %u failed",
           compiled, w->count, workers, (double)(gpu_now_ns() - start_ns) / 1e9, each_s, found,
           atomic_load(&b->failed));
}

int main(int argc, char **argv)
{
  work *w = &all;
  const char *limit = getenv("GPU_LIMIT_S");
  long limit_s = limit != NULL && *limit != '\0' ? strtol(limit, NULL, 10) : 90;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  uint64_t start_ns = gpu_now_ns();
  w->g.experiment = "units";
  if (argc != 3 || !read_units(w, argv[2])) {
    gpu_note(&w->g, "skipped", "no sources of grids were kept: compiled when they are needed");
    return GPU_SKIPPED;
  }
  w->cc = (uint32_t)strtoul(argv[1], NULL, 10);
  w->end_ns = start_ns + (uint64_t)limit_s * 1000000000u;
  if (getenv("GPU_SHORT") != NULL && w->count > 2) {
    w->count = 2;
  }
  w->board = mmap(NULL, sizeof(*w->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                  0);
  if (w->board == MAP_FAILED) {
    gpu_die(&w->g, "out of memory");
  }
  unsigned workers = processors < 1             ? 1u
                     : processors > WORKERS_MAX ? WORKERS_MAX
                                                : (unsigned)processors;
  workers = workers > w->count ? w->count : workers;
  for (unsigned i = 0; i < workers; ++i) {
    pid_t pid = fork(); /* nothing was opened yet */
    if (pid == 0) {
      compile(w);
      _exit(0);
    }
    if (pid < 0) {
      workers = i;
    }
  }
  int status = 0, died = 0;
  while (wait(&status) > 0) {
    died += WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
  }
  tell(w, workers, start_ns);
  if (died != 0) {
    gpu_note(&w->g, "died", "%d of %u processes", died, workers);
  }
  return died != 0 || atomic_load(&w->board->failed) != 0 ? 1 : 0;
}
