/* SPDX-License-Identifier: MIT */
/*
 * Compiled device images on disk, found by what they were made of.
 *
 * The folder is "cuda" inside the folder of compiled kernels (rk_cache_dir). An image is two files:
 * KEY.cubin, machine code or PTX behind a header with the full key, usage figures, the compile
 * log and a checksum; and KEY.cu, the source, for people and for a driver without a device. KEY is
 * 16 digits of a 128-bit hash of all that decides the result: source, the headers it can include,
 * architecture, form, options, NVRTC's version, RK_ABI_VERSION. The source that is compiled and
 * stored ends with a variable `rk_build_KEY`, so that an image tells which source it came from.
 *
 * Files are put in place whole, the source first, so several processes can share a folder. What
 * is torn, changed or made by another version is not used and is written anew.
 *
 * Used by the CUDA backend for every image that is not built in.
 */
#ifndef RK_BACKEND_CUDA_CACHE_H
#define RK_BACKEND_CUDA_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/cuda/cuda_nvrtc.h"
#include "base/error.h"

#define RK_CUDA_KEY_BYTES 17

/* A folder of images. Opaque. */
typedef struct rk_cuda_cache rk_cuda_cache;

/* What an image was made of. */
typedef struct rk_cuda_key {
  uint64_t words[2];           /* the hash */
  char hex[RK_CUDA_KEY_BYTES]; /* 16 digits that name the files and the marker */
} rk_cuda_key;

/* An image and where it comes from. Give it back with rk_cuda_image_release. */
typedef struct rk_cuda_image {
  rk_nvrtc_result result;
  rk_cuda_key key;
  bool is_cached; /* found, not compiled */
} rk_cuda_image;

/* A cache in `folder` (NULL: rk_cache_dir). Nothing is made or looked at yet, and a folder that
 * cannot be used is no error: images are then compiled each time. Close it with
 * rk_cuda_cache_close. Errors: RK_EOUT_OF_MEMORY. Threads: any; the cache too. */
int rk_cuda_cache_open(const char *folder, rk_cuda_cache **out, rk_error *err);

/* Frees the cache; its files stay. NULL is allowed. Threads: one. */
void rk_cuda_cache_close(rk_cuda_cache *cache);

/* The folder of the files, or "" if there is none. Valid until the cache is closed. Threads: any. */
const char *rk_cuda_cache_folder(const rk_cuda_cache *cache);

/* The key of a request, whose source has no marker yet. `about` is the NVRTC that would compile
 * it. Threads: any. */
void rk_cuda_cache_key(const rk_nvrtc_request *request, const rk_nvrtc_info *about,
                       rk_cuda_key *out);

/* Puts the source of an image, marker included, in place as HEX.cu, for an image that was not made
 * through the cache (cuda_prebuilt.h). Nothing happens if a file of that name and size is there.
 * Errors: as rk_platform's file_write. Threads: any. */
int rk_cuda_cache_put_source(const rk_cuda_cache *cache, const char *hex, const char *source,
                             rk_error *err);

/* Finds the image of `request`, or compiles its source (with the marker at the end) and keeps it.
 * `cache` may be NULL: compile. *log (may be NULL) as in rk_nvrtc_compile, also for a found image;
 * where the folder cannot be written, its first line says so. Set for RK_OK and RK_ECOMPILE; give
 * it back with rk_free. Errors: as rk_nvrtc_compile. Threads: any. */
int rk_cuda_image_get(const rk_cuda_cache *cache, const rk_nvrtc_request *request,
                      rk_cuda_image *out, char **log, rk_error *err);

/* Frees what `image` owns and clears it. A cleared one is allowed. Threads: owner. */
void rk_cuda_image_release(rk_cuda_image *image);

#endif
