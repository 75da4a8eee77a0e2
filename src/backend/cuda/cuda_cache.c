/* SPDX-License-Identifier: MIT */
/*
 * Compiled device images on disk (see cuda_cache.h).
 *
 * KEY.cubin is a header of fixed size, the image, the compile log. The header ends with a hash of
 * all the rest, so one check finds a file that is torn, changed, of another version or of another
 * request whose key begins with the same digits.
 */
#include "backend/cuda/cuda_cache.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/params.h"
#include "base/platform.h"
#include "rk_abi.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define SOURCE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define MARKER_FORMAT "\nextern \"C\" { __device__ unsigned char rk_build_%s = 1; }\n"
#define FOLDER "cuda"

struct rk_cuda_cache {
  char folder[RK_PATH_BYTES]; /* "" if it is unknown */
  rk_error why;               /* then: why */
};

typedef struct header {
  char magic[8];
  uint64_t key[2];
  uint64_t image_bytes;
  uint64_t log_bytes;
  uint32_t abi_version;
  uint32_t is_cubin;
  uint32_t arch;
  uint32_t arch_letter;
  rk_nvrtc_usage usage;
  uint32_t zero;
  uint64_t check[2]; /* hash of the fields above, the image and the log */
} header;

_Static_assert(sizeof(rk_nvrtc_usage) == 28 && sizeof(header) == 104, "the header has no holes");

static const char header_magic[8] = {'r', 'k', 'c', 'u', 'd', 'a', '0', '1'};

/* ---- keys ---------------------------------------------------------------------------------- */

static rk_hash128 hash_headers(rk_hash128 hash, const rk_embed_file *table)
{
  for (const rk_embed_file *file = table; file->name != NULL; file++) {
    size_t length = strlen(file->name);
    if (length > 2 && strcmp(file->name + length - 2, ".h") == 0) {
      const uint64_t bytes = file->size;
      hash = rk_hash_text(hash, file->name);
      hash = rk_hash_bytes(hash, &bytes, sizeof(bytes));
      hash = rk_hash_bytes(hash, file->data, file->size);
    }
  }
  return hash;
}

void rk_cuda_cache_key(const rk_nvrtc_request *request, const rk_nvrtc_info *about,
                       rk_cuda_key *out)
{
  rk_hash128 hash = rk_hash_text(rk_hash_start(), "ringkernel cuda 1");
  hash = rk_hash_text(hash, request->name != NULL ? request->name : "");
  hash = rk_hash_text(hash, request->source);
  hash = hash_headers(hash, request->headers != NULL ? request->headers : rk_embed_kernels);
  hash = rk_hash_text(hash, "options");
  for (const char *const *option = request->options; option != NULL && *option != NULL; option++) {
    hash = rk_hash_text(hash, *option);
  }
  const uint64_t numbers[] = {
      request->arch,           (uint64_t)(unsigned char)request->arch_letter,
      (uint64_t)request->form, (uint64_t)about->major,
      (uint64_t)about->minor,  RK_ABI_VERSION,
  };
  hash = rk_hash_bytes(hash, numbers, sizeof(numbers));
  memset(out, 0, sizeof(*out));
  out->words[0] = (uint64_t)(hash >> 64);
  out->words[1] = (uint64_t)hash;
  /* Both halves: the last bytes hashed change few bits of the upper one. */
  snprintf(out->hex, sizeof(out->hex), "%016" PRIx64, out->words[0] ^ out->words[1]);
}

/* ---- folder -------------------------------------------------------------------------------- */

int rk_cuda_cache_open(const char *folder, rk_cuda_cache **out, rk_error *err)
{
  rk_cuda_cache *cache = rk_calloc(1, sizeof(*cache));
  if (cache == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for the cache of device images");
  }
  char root[RK_PATH_BYTES];
  int status = RK_OK;
  if (folder == NULL) {
    status = rk_cache_dir(root, sizeof(root), &cache->why);
    folder = root;
  }
  if (status == RK_OK) {
    int n = snprintf(cache->folder, sizeof(cache->folder), "%s/" FOLDER, folder);
    if (n < 0 || (size_t)n >= sizeof(cache->folder)) {
      cache->folder[0] = '\0';
      rk_error_set(&cache->why, RK_ETOO_LARGE, "the path of the cache folder is too long");
    }
  }
  *out = cache;
  return RK_OK;
}

void rk_cuda_cache_close(rk_cuda_cache *cache)
{
  rk_free(cache);
}

const char *rk_cuda_cache_folder(const rk_cuda_cache *cache)
{
  return cache->folder;
}

/* Puts "FOLDER/HEX.SUFFIX" into `path` of RK_PATH_BYTES. */
static int make_path(const rk_cuda_cache *cache, const char *hex, const char *suffix, char *path,
                     rk_error *err)
{
  if (cache->folder[0] == '\0') {
    return rk_error_set(err, cache->why.status, "%s", cache->why.text);
  }
  int n = snprintf(path, RK_PATH_BYTES, "%s/%s.%s", cache->folder, hex, suffix);
  if (n < 0 || n >= RK_PATH_BYTES) {
    return rk_error_set(err, RK_ETOO_LARGE, "the path of the cache folder is too long");
  }
  return RK_OK;
}

int rk_cuda_cache_put_source(const rk_cuda_cache *cache, const char *hex, const char *source,
                             rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  char path[RK_PATH_BYTES];
  void *found = NULL;
  size_t found_bytes = 0;
  size_t bytes = strlen(source);
  int status = make_path(cache, hex, "cu", path, err);
  if (status != RK_OK) {
    return status;
  }
  if (os->file_read(path, SOURCE_BYTES_MAX, &found, &found_bytes, NULL) == RK_OK) {
    bool is_same = found_bytes == bytes && memcmp(found, source, bytes) == 0;
    rk_free(found);
    if (is_same) {
      return RK_OK;
    }
  }
  status = os->dir_make(cache->folder, err);
  return status == RK_OK ? os->file_write(path, source, bytes, err) : status;
}

/* ---- entries ------------------------------------------------------------------------------- */

static void hash_entry(const header *h, const char *image, const char *log, uint64_t check[2])
{
  rk_hash128 hash = rk_hash_bytes(rk_hash_start(), h, offsetof(header, check));
  hash = rk_hash_bytes(hash, image, h->image_bytes);
  hash = rk_hash_bytes(hash, log, h->log_bytes);
  check[0] = (uint64_t)(hash >> 64);
  check[1] = (uint64_t)hash;
}

/* Whether the `size` bytes at `data` are a whole entry of `key`; its header into *h. */
static bool is_whole(const char *data, size_t size, const rk_cuda_key *key, header *h)
{
  uint64_t check[2];
  if (size < sizeof(*h)) {
    return false;
  }
  memcpy(h, data, sizeof(*h));
  size_t rest = size - sizeof(*h);
  if (memcmp(h->magic, header_magic, sizeof(h->magic)) != 0 || h->abi_version != RK_ABI_VERSION ||
      h->key[0] != key->words[0] || h->key[1] != key->words[1] || h->image_bytes > rest ||
      h->log_bytes != rest - h->image_bytes || h->image_bytes == 0) {
    return false;
  }
  const char *image = data + sizeof(*h);
  hash_entry(h, image, image + h->image_bytes, check);
  return check[0] == h->check[0] && check[1] == h->check[1];
}

static char *copy_bytes(const char *data, size_t size)
{
  char *copy = rk_alloc(size + 1);
  if (copy != NULL) {
    memcpy(copy, data, size);
    copy[size] = '\0';
  }
  return copy;
}

/* Looks `key` up. Whatever is wrong with the file, memory included: not found. */
static bool find_entry(const rk_cuda_cache *cache, const rk_cuda_key *key, rk_nvrtc_result *result,
                       char **log)
{
  char path[RK_PATH_BYTES];
  void *data = NULL;
  size_t size = 0;
  header h;
  if (make_path(cache, key->hex, "cubin", path, NULL) != RK_OK ||
      rk_platform_current()->file_read(path, FILE_BYTES_MAX, &data, &size, NULL) != RK_OK) {
    return false;
  }
  char *image_copy = NULL;
  char *log_copy = NULL;
  if (is_whole(data, size, key, &h)) {
    const char *image = (const char *)data + sizeof(h);
    image_copy = copy_bytes(image, h.image_bytes);
    log_copy = copy_bytes(image + h.image_bytes, h.log_bytes);
  }
  rk_free(data);
  if (image_copy == NULL || log_copy == NULL) {
    rk_free(image_copy);
    rk_free(log_copy);
    return false;
  }
  *result = (rk_nvrtc_result){.image = image_copy,
                              .image_bytes = h.image_bytes,
                              .is_cubin = h.is_cubin != 0,
                              .arch = h.arch,
                              .arch_letter = (char)h.arch_letter,
                              .usage = h.usage};
  *log = log_copy;
  return true;
}

/* Puts source and image in place, the source first: who finds the image finds its source. */
static int store_entry(const rk_cuda_cache *cache, const rk_cuda_key *key, const char *source,
                       const rk_nvrtc_result *result, const char *log, rk_error *err)
{
  char path[RK_PATH_BYTES];
  int status = rk_cuda_cache_put_source(cache, key->hex, source, err);
  if (status == RK_OK) {
    status = make_path(cache, key->hex, "cubin", path, err);
  }
  if (status != RK_OK) {
    return status;
  }
  header h;
  memset(&h, 0, sizeof(h));
  memcpy(h.magic, header_magic, sizeof(h.magic));
  h.key[0] = key->words[0];
  h.key[1] = key->words[1];
  h.image_bytes = result->image_bytes;
  h.log_bytes = strlen(log);
  h.abi_version = RK_ABI_VERSION;
  h.is_cubin = result->is_cubin ? 1 : 0;
  h.arch = result->arch;
  h.arch_letter = (unsigned char)result->arch_letter;
  h.usage = result->usage;
  hash_entry(&h, result->image, log, h.check);

  size_t bytes = sizeof(h) + h.image_bytes + h.log_bytes;
  char *file = rk_alloc(bytes);
  if (file == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for an image of %zu bytes", bytes);
  }
  memcpy(file, &h, sizeof(h));
  memcpy(file + sizeof(h), result->image, h.image_bytes);
  memcpy(file + sizeof(h) + h.image_bytes, log, h.log_bytes);
  status = rk_platform_current()->file_write(path, file, bytes, err);
  rk_free(file);
  return status;
}

/* ---- images -------------------------------------------------------------------------------- */

/* A new text: the source with the marker at its end. NULL: out of memory. */
static char *mark_source(const char *source, const rk_cuda_key *key)
{
  size_t length = strlen(source);
  size_t room = length + sizeof(MARKER_FORMAT) + RK_CUDA_KEY_BYTES;
  char *marked = rk_alloc(room);
  if (marked != NULL) {
    memcpy(marked, source, length);
    snprintf(marked + length, room - length, MARKER_FORMAT, key->hex);
  }
  return marked;
}

/* Says that nothing is kept: in a new log, which replaces *log, or in the records of the library if
 * the caller wants no log or there is no memory for a longer one. */
static void warn_unkept(char **log, bool has_caller, const char *name, const rk_error *why)
{
  static const char format[] = "ringkernel: warning: the cache folder cannot be used: %s; '%s' is "
                               "compiled anew each time\n%s";
  size_t room = sizeof(format) + strlen(why->text) + strlen(name) + strlen(*log);
  char *longer = has_caller ? rk_alloc(room) : NULL;
  if (longer == NULL) {
    rk_log(RK_LOG_WARN, "cuda", "the cache folder cannot be used: %s", why->text);
    return;
  }
  snprintf(longer, room, format, why->text, name, *log);
  rk_free(*log);
  *log = longer;
}

int rk_cuda_image_get(const rk_cuda_cache *cache, const rk_nvrtc_request *request,
                      rk_cuda_image *out, char **log, rk_error *err)
{
  const rk_nvrtc *nvrtc = NULL;
  rk_cuda_image image;
  char *text = NULL;
  memset(&image, 0, sizeof(image));
  int status = rk_nvrtc_open(&nvrtc, err);
  if (status != RK_OK) {
    return status;
  }
  rk_cuda_cache_key(request, rk_nvrtc_about(nvrtc), &image.key);
  char *marked = mark_source(request->source, &image.key);
  if (marked == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for a device source");
  }
  if (cache != NULL && find_entry(cache, &image.key, &image.result, &text)) {
    image.is_cached = true;
    /* Somebody may have taken the source away; that it cannot be put back harms nobody. */
    rk_cuda_cache_put_source(cache, image.key.hex, marked, NULL);
  } else {
    rk_nvrtc_request with_marker = *request;
    with_marker.source = marked;
    status = rk_nvrtc_compile(&with_marker, &image.result, &text, err);
    rk_error why = RK_ERROR_INIT;
    if (status == RK_OK && cache != NULL &&
        store_entry(cache, &image.key, marked, &image.result, text, &why) != RK_OK) {
      warn_unkept(&text, log != NULL, request->name != NULL ? request->name : image.key.hex, &why);
    }
  }
  if (status == RK_OK) {
    *out = image;
  }
  if (log != NULL && (status == RK_OK || status == RK_ECOMPILE)) {
    *log = text;
    text = NULL;
  }
  rk_free(text);
  rk_free(marked);
  return status;
}

void rk_cuda_image_release(rk_cuda_image *image)
{
  rk_nvrtc_result_release(&image->result);
  memset(image, 0, sizeof(*image));
}
