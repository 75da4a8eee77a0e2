/* SPDX-License-Identifier: MIT */
/*
 * Compiling with NVRTC (see cuda_nvrtc.h).
 *
 * --no-cache always, where NVRTC knows it: its own cache would open whatever library is called
 * libcuda.so.1, and ours (cuda_cache.h) does not depend on it.
 */
#include "backend/cuda/cuda_nvrtc.h"

#include "backend/cuda/cuda_api.h"
#include "backend/cuda/cuda_nvrtc_internal.h"
#include "base/alloc.h"
#include "base/base.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>

#define ENTRY "rk_grid"
#define DEFAULT_NAME "ringkernel.cu"
/* Options that are ours: see make_options. */
#define OWN_OPTIONS_MAX 8
#define OUTPUT_BYTES_MAX ((size_t)1024 * 1024 * 1024)

/* ---- the one NVRTC of the process ---------------------------------------------------------- */

static rk_mutex open_lock = RK_MUTEX_INIT;
/* Written under open_lock, once; the lock is the barrier for the readers, who come through it. */
static rk_nvrtc the_nvrtc;
static bool is_open;

int rk_nvrtc_open(const rk_nvrtc **out, rk_error *err)
{
  int status = RK_OK;
  rk_mutex_lock(&open_lock);
  if (!is_open) {
    rk_cuda_driver driver;
    rk_cuda_driver_get(&driver);
    status = rk__nvrtc_load(&the_nvrtc, driver.version, err);
    is_open = status == RK_OK;
  }
  rk_mutex_unlock(&open_lock);
  if (status == RK_OK) {
    *out = &the_nvrtc;
  }
  return status;
}

const rk_nvrtc_info *rk_nvrtc_about(const rk_nvrtc *nvrtc)
{
  return &nvrtc->info;
}

bool rk_nvrtc_describe(char *text, size_t text_bytes)
{
  const rk_nvrtc *nvrtc = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_nvrtc_open(&nvrtc, &err) != RK_OK) {
    snprintf(text, text_bytes, "%s", err.text);
    return false;
  }
  const rk_nvrtc_info *info = &nvrtc->info;
  snprintf(text, text_bytes, "NVRTC %d.%d (%s), sm_%u to sm_%u", info->major, info->minor,
           info->path, (unsigned)info->archs[0], (unsigned)info->archs[info->arch_count - 1]);
  return true;
}

/* ---- what to compile for ------------------------------------------------------------------- */

int rk_nvrtc_target(const rk_nvrtc *nvrtc, uint32_t arch, rk_nvrtc_form form, uint32_t *target,
                    bool *is_cubin, rk_error *err)
{
  const rk_nvrtc_info *info = &nvrtc->info;
  uint32_t best = 0;
  for (size_t i = 0; i < info->arch_count && info->archs[i] <= arch; i++) {
    best = info->archs[i];
  }
  if (best == 0) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "compute capability %u.%u is older than all that NVRTC %d.%d compiles for "
                        "(from %u.%u on); an older NVRTC may know it: set RINGKERNEL_NVRTC",
                        (unsigned)arch / 10, (unsigned)arch % 10, info->major, info->minor,
                        (unsigned)info->archs[0] / 10, (unsigned)info->archs[0] % 10);
  }
  if (form == RK_NVRTC_CUBIN && best != arch) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "NVRTC %d.%d makes no machine code for compute capability %u.%u; PTX for "
                        "%u.%u would do, or a newer NVRTC (pip install nvidia-cuda-nvrtc)",
                        info->major, info->minor, (unsigned)arch / 10, (unsigned)arch % 10,
                        (unsigned)best / 10, (unsigned)best % 10);
  }
  *target = best;
  *is_cubin = form != RK_NVRTC_PTX && best == arch;
  return RK_OK;
}

/* ---- one compile --------------------------------------------------------------------------- */

typedef struct job {
  const rk_nvrtc *nvrtc;
  const rk_nvrtc_request *request;
  uint32_t arch;
  char arch_letter;
  bool is_cubin;
  char arch_option[64];
  const char **options; /* option_count of them */
  int option_count;
  const char **headers; /* header_count texts, then their names */
  int header_count;
  rk_nvrtc_program *program;
  char *raw; /* NVRTC's log */
  size_t raw_bytes;
  char *log; /* cleaned */
} job;

static bool is_header(const char *name)
{
  size_t length = strlen(name);
  return length > 2 && strcmp(name + length - 2, ".h") == 0;
}

static int collect_headers(job *j, rk_error *err)
{
  const rk_embed_file *table = j->request->headers != NULL ? j->request->headers : rk_embed_kernels;
  size_t count = 0;
  for (const rk_embed_file *file = table; file->name != NULL; file++) {
    count += is_header(file->name) ? 1 : 0;
  }
  j->headers = rk_calloc(2 * count + 1, sizeof(*j->headers));
  if (j->headers == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for %zu device headers", count);
  }
  for (const rk_embed_file *file = table; file->name != NULL; file++) {
    if (is_header(file->name)) {
      j->headers[j->header_count] = (const char *)file->data;
      j->headers[count + (size_t)j->header_count] = file->name;
      j->header_count++;
    }
  }
  return RK_OK;
}

static int collect_options(job *j, rk_error *err)
{
  size_t count = 0;
  for (const char *const *option = j->request->options; option != NULL && *option != NULL;
       option++) {
    count++;
  }
  j->options = rk_calloc(count + OWN_OPTIONS_MAX, sizeof(*j->options));
  if (j->options == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for %zu options", count);
  }
  size_t n = 0;
  if (j->arch_letter != 0) {
    snprintf(j->arch_option, sizeof(j->arch_option), "--gpu-architecture=%s_%u%c",
             j->is_cubin ? "sm" : "compute", (unsigned)j->arch, j->arch_letter);
  } else {
    snprintf(j->arch_option, sizeof(j->arch_option), "--gpu-architecture=%s_%u",
             j->is_cubin ? "sm" : "compute", (unsigned)j->arch);
  }
  j->options[n++] = j->arch_option;
  j->options[n++] = "--std=c++17";
  j->options[n++] = "--device-as-default-execution-space";
  if (j->nvrtc->info.major > 12 || j->nvrtc->info.minor >= 9) {
    j->options[n++] = "--no-cache"; /* older ones have no cache, nor the option */
  }
  if (j->is_cubin) {
    j->options[n++] = "--ptxas-options=-v"; /* the usage figures */
  }
  for (size_t i = 0; i < count; i++) {
    j->options[n++] = j->request->options[i];
  }
  j->option_count = (int)n;
  return RK_OK;
}

/* Finds out what to compile, for what and with what. */
static int prepare(job *j, rk_error *err)
{
  int status = rk_nvrtc_open(&j->nvrtc, err);
  if (status == RK_OK) {
    status = rk_nvrtc_target(j->nvrtc, j->request->arch, j->request->form, &j->arch, &j->is_cubin,
                             err);
  }
  if (status != RK_OK) {
    return status;
  }
  /* Code for one architecture only is code for no other. */
  j->arch_letter = j->arch == j->request->arch ? j->request->arch_letter : '\0';
  status = collect_headers(j, err);
  return status == RK_OK ? collect_options(j, err) : status;
}

typedef int size_fn(rk_nvrtc_program *program, size_t *size);
typedef int get_fn(rk_nvrtc_program *program, char *data);

static int refuse_output(const job *j, int rc, rk_error *err)
{
  return rk_error_set(err, rc == RK_NVRTC_OUT_OF_MEMORY ? RK_EOUT_OF_MEMORY : RK_EIO,
                      "NVRTC does not hand its output over: %s", j->nvrtc->error_text(rc));
}

/* Copies one product of the program into a new block that ends with a 0 byte not counted in
 * *bytes. */
static int fetch(const job *j, size_fn *get_size, get_fn *get, char **data, size_t *bytes,
                 rk_error *err)
{
  size_t size = 0;
  int rc = get_size(j->program, &size);
  if (rc != RK_NVRTC_SUCCESS || size > OUTPUT_BYTES_MAX) {
    return refuse_output(j, rc, err);
  }
  char *block = rk_alloc(size + 1);
  if (block == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for %zu bytes from NVRTC", size);
  }
  block[0] = '\0';
  rc = size > 0 ? get(j->program, block) : RK_NVRTC_SUCCESS;
  if (rc != RK_NVRTC_SUCCESS) {
    rk_free(block);
    return refuse_output(j, rc, err);
  }
  block[size] = '\0';
  *data = block;
  *bytes = size;
  return RK_OK;
}

/* Sets j->raw and j->log. */
static int fetch_log(job *j, rk_error *err)
{
  int status = fetch(j, j->nvrtc->log_size, j->nvrtc->log, &j->raw, &j->raw_bytes, err);
  if (status != RK_OK) {
    return status;
  }
  j->log = rk_alloc(2 * j->raw_bytes + 1);
  if (j->log == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for the compile log");
  }
  rk__nvrtc_log_clean(j->raw, j->raw_bytes, j->log);
  return RK_OK;
}

/* What the code of a compile that failed means. The log is there. */
static int report_failure(const job *j, int rc, rk_error *err)
{
  switch (rc) {
    case RK_NVRTC_COMPILATION:
      return rk__nvrtc_log_first_error(j->log, err);
    case RK_NVRTC_INVALID_OPTION:
      return rk_error_set(err, RK_EINVAL, "NVRTC %d.%d for %s: %.*s", j->nvrtc->info.major,
                          j->nvrtc->info.minor, j->arch_option, (int)strcspn(j->log, "\n"), j->log);
    case RK_NVRTC_OUT_OF_MEMORY:
      return rk_error_set(err, RK_EOUT_OF_MEMORY, "NVRTC has no memory to compile '%.100s'",
                          j->request->name != NULL ? j->request->name : DEFAULT_NAME);
    case RK_NVRTC_BUILTINS:
      return rk_error_set(
          err, RK_ENO_COMPILER,
          "NVRTC ('%.200s') does not find its builtins, libnvrtc-builtins.so.%d.%d, "
          "beside itself; install it again (pip install nvidia-cuda-nvrtc)",
          j->nvrtc->info.path, j->nvrtc->info.major, j->nvrtc->info.minor);
    default:
      return rk_error_set(err, RK_ECOMPILE, "NVRTC failed: %s%s%.*s", j->nvrtc->error_text(rc),
                          j->log[0] != '\0' ? ": " : "", (int)strcspn(j->log, "\n"), j->log);
  }
}

static int run(job *j, rk_nvrtc_result *result, rk_error *err)
{
  const rk_nvrtc *nvrtc = j->nvrtc;
  const char *name = j->request->name != NULL ? j->request->name : DEFAULT_NAME;
  int rc = nvrtc->create(&j->program, j->request->source, name, j->header_count, j->headers,
                         j->headers + j->header_count);
  if (rc != RK_NVRTC_SUCCESS) {
    j->program = NULL;
    return rk_error_set(err, rc == RK_NVRTC_OUT_OF_MEMORY ? RK_EOUT_OF_MEMORY : RK_EIO,
                        "NVRTC does not take the source '%.100s': %s", name, nvrtc->error_text(rc));
  }
  rc = nvrtc->compile(j->program, j->option_count, j->options);
  int status = fetch_log(j, err);
  if (status != RK_OK) {
    return status;
  }
  if (rc != RK_NVRTC_SUCCESS) {
    return report_failure(j, rc, err);
  }
  char *image = NULL;
  status = fetch(j, j->is_cubin ? nvrtc->cubin_size : nvrtc->ptx_size,
                 j->is_cubin ? nvrtc->cubin : nvrtc->ptx, &image, &result->image_bytes, err);
  if (status != RK_OK) {
    return status;
  }
  if (!j->is_cubin && result->image_bytes > 0) {
    result->image_bytes--; /* NVRTC counts the terminator of PTX */
  }
  result->image = image;
  result->is_cubin = j->is_cubin;
  result->arch = j->arch;
  result->arch_letter = j->arch_letter;
  rk__nvrtc_log_usage(j->raw, j->raw_bytes, ENTRY, &result->usage);
  return RK_OK;
}

int rk_nvrtc_compile(const rk_nvrtc_request *request, rk_nvrtc_result *out, char **log,
                     rk_error *err)
{
  rk_nvrtc_result result;
  job j;
  memset(&result, 0, sizeof(result));
  memset(&j, 0, sizeof(j));
  j.request = request;
  int status = prepare(&j, err);
  if (status == RK_OK) {
    status = run(&j, &result, err);
  }
  if (status == RK_OK) {
    *out = result;
  }
  if (log != NULL && j.log != NULL && (status == RK_OK || status == RK_ECOMPILE)) {
    *log = j.log;
    j.log = NULL;
  }
  if (j.program != NULL) {
    j.nvrtc->destroy(&j.program);
  }
  rk_free(j.log);
  rk_free(j.raw);
  rk_free(j.headers);
  rk_free(j.options);
  return status;
}

void rk_nvrtc_result_release(rk_nvrtc_result *result)
{
  rk_free(result->image);
  memset(result, 0, sizeof(*result));
}
