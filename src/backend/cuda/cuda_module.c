/* SPDX-License-Identifier: MIT */
/*
 * Definitions on the device: all that a grid can run is one image.
 *
 * Loading a definition adds it to the list, compiles the image that holds the whole list, and
 * leaves the loading of that image to the start of the next generation: a module cannot be loaded
 * while a grid runs. So a mistake in a handler is told to whoever brought it, and the running grid
 * goes on.
 *
 * The number of a definition never changes, for it is in device memory (rk_abi_def.index). Stock
 * definitions have the numbers of the built-in image; in a compiled image the numbers of those
 * nobody asked for stay empty. Others are numbered as they come.
 */
#include "backend/cuda/cuda_internal.h"

#include <stdio.h>
#include <string.h>

#include "backend/cuda/cuda_error.h"
#include "backend/cuda/cuda_prebuilt.h"
#include "backend/cuda/cuda_unit.h"
#include "base/alloc.h"
#include "base/log.h"

/* For the functions that a kernel calls, where the driver does not count them as its own. */
#define CALLS_BYTES ((size_t)1024)

/* ---- the image ------------------------------------------------------------------------------- */

/* The list as the assembler wants it, from number 0 to the highest. */
static rk_cuda_part *make_parts(const rk_backend *backend, size_t *count)
{
  size_t n = 0;
  for (const rk_backend_module *m = backend->modules; m != NULL; m = m->next) {
    if (m->def != NULL && m->number >= n) {
      n = (size_t)m->number + 1u;
    }
  }
  rk_cuda_part *parts = rk_calloc(n + 1u, sizeof(*parts));
  for (const rk_backend_module *m = backend->modules; parts != NULL && m != NULL; m = m->next) {
    if (m->def != NULL) {
      parts[m->number] = (rk_cuda_part){
          .name = m->def->name, .fragment = m->fragment, .lanes = m->def->lanes};
    }
  }
  *count = n;
  return parts;
}

static bool has_only_stock(const rk_backend *backend)
{
  for (const rk_backend_module *m = backend->modules; m != NULL; m = m->next) {
    if (m->def != NULL && m->number >= rk_cuda_prebuilt_stock()->def_count) {
      return false;
    }
  }
  return true;
}

/* The source of the built-in image goes to the cache as those of compiled ones do. */
static int use_prebuilt(rk_backend *backend, rk_error *err)
{
  const rk_cuda_prebuilt *built_in = rk_cuda_prebuilt_stock();
  char *ptx = NULL;
  int rc = rk_cuda_prebuilt_ptx(built_in, &ptx, err);
  if (rc != RK_OK) {
    return rc;
  }
  (void)rk_cuda_cache_put_source(backend->cache, built_in->key_hex, built_in->source, NULL);
  rk_cuda_image_release(&backend->image);
  backend->image.result = (rk_nvrtc_result){
      .image = ptx, .image_bytes = built_in->ptx_bytes, .arch = built_in->arch};
  backend->image_threads = built_in->block_threads;
  backend->has_image = true;
  return RK_OK;
}

/* Compiles the image of all definitions on the list. */
static int make_image(rk_backend *backend, char **log, rk_error *err)
{
  size_t count = 0;
  char *source = NULL;
  rk_cuda_image image = {0};
  const rk_cuda_shape shape = {.cluster = backend->cluster,
                               .counted_lanes = backend->counted_lanes};
  rk_cuda_part *parts = make_parts(backend, &count);
  if (parts == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "device source: out of memory");
  }
  int rc = rk_cuda_unit_assemble(parts, count, &shape, &source, NULL, err);
  if (rc == RK_OK) {
    const rk_nvrtc_request request = {
        .name = "ringkernel.cu",
        .source = source,
        .arch = backend->device.cc,
        .options = backend->options,
    };
    rc = rk_cuda_image_get(backend->cache, &request, &image, log, err);
  }
  if (rc == RK_OK) {
    rk_cuda_image_release(&backend->image);
    backend->image = image;
    backend->image_threads = rk_cuda_unit_threads(parts, count);
    backend->has_image = true;
  }
  rk_free(source);
  rk_free(parts);
  if (rc == RK_ENO_COMPILER && backend->cluster > 1) {
    (void)rk_error_prefix(err, "cluster: the built-in image has no lanes for clusters");
  } else if (rc == RK_ENO_COMPILER && has_only_stock(backend)) {
    rc = use_prebuilt(backend, err);
  }
  return rc;
}

/* ---- definitions ----------------------------------------------------------------------------- */

static int stock_number(const char *name, uint32_t *number, rk_error *err)
{
  const rk_cuda_prebuilt *built_in = rk_cuda_prebuilt_stock();
  for (uint32_t i = 0; i < built_in->def_count; ++i) {
    if (strcmp(built_in->names[i], name) == 0) {
      *number = i;
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_EUNSUPPORTED, "stock kernel '%s' has no device form", name);
}

static void free_module(rk_backend_module *m)
{
  if (m != NULL) {
    rk_free(m->def);
    rk_free(m->fragment);
    rk_free(m->name);
    rk_free(m);
  }
}

static void append(rk_backend *backend, rk_backend_module *m)
{
  rk_backend_module **at = &backend->modules;
  while (*at != NULL) {
    at = &(*at)->next;
  }
  *at = m;
}

static void take_out(rk_backend *backend, const rk_backend_module *m)
{
  for (rk_backend_module **at = &backend->modules; *at != NULL; at = &(*at)->next) {
    if (*at == m) {
      *at = m->next;
      return;
    }
  }
}

/* Puts a definition on the list, without compiling it. */
static int add_module(rk_backend *backend, const rk_backend_source *source, rk_backend_module **out,
                      rk_error *err)
{
  if (source->described == NULL || source->device_fragment == NULL) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "kernel '%s' has no device form: describe it (rk_kernel_describe)",
                        source->name);
  }
  int rc = RK_OK;
  rk_backend_module *m = rk_calloc(1, sizeof(*m));
  if (m != NULL) {
    m->fragment = rk_strdup(source->device_fragment);
    rc = rk_backend_def_copy(source->described, &m->def, err);
  }
  if (rc == RK_OK && (m == NULL || m->fragment == NULL)) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", source->name);
  }
  if (rc == RK_OK && source->stock != NULL) {
    rc = stock_number(source->name, &m->number, err);
  }
  if (rc != RK_OK) {
    free_module(m);
    return rc;
  }
  if (source->stock == NULL) {
    m->number = rk_cuda_prebuilt_stock()->def_count + backend->next_number;
    backend->next_number += 1;
  }
  append(backend, m);
  *out = m;
  return RK_OK;
}

/* The module that was compiled because this definition was expected, or NULL. */
static rk_backend_module *find_expected(const rk_backend *backend, const rk_backend_source *source)
{
  rk_backend_module *m = source->device_fragment != NULL ? backend->modules : NULL;
  while (m != NULL && !(m->is_expected && strcmp(m->def->name, source->name) == 0 &&
                        strcmp(m->fragment, source->device_fragment) == 0)) {
    m = m->next;
  }
  return m;
}

void rk__cuda_modules_expect(rk_backend *backend, const rk_backend_source *sources, size_t count)
{
  rk_backend_module **added = rk_calloc(count + 1u, sizeof(*added));
  size_t n = 0;
  int rc = added != NULL ? RK_OK : RK_EOUT_OF_MEMORY;
  for (size_t i = 0; i < count && rc == RK_OK; ++i) {
    if (find_expected(backend, &sources[i]) == NULL) {
      rc = add_module(backend, &sources[i], &added[n], NULL);
      if (rc == RK_OK) {
        added[n++]->is_expected = true;
      }
    }
  }
  if (n != 0 && rc == RK_OK) {
    rc = make_image(backend, NULL, NULL);
  }
  for (; rc != RK_OK && n != 0; --n) { /* each is tried by itself when it is loaded */
    rk__cuda_module_unload(backend, added[n - 1u]);
  }
  rk_free(added);
}

int rk__cuda_module_load(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                         char **log, rk_error *err)
{
  rk_backend_module *m = find_expected(backend, source);
  if (m != NULL) {
    m->is_expected = false;
  } else {
    int rc = add_module(backend, source, &m, err);
    if (rc != RK_OK) {
      return rc;
    }
    rc = make_image(backend, log, err);
    if (rc != RK_OK) {
      /* what was there before compiles; the image of a cluster lacks a compiler, whatever the kernel */
      if (rc == RK_ECOMPILE || (rc == RK_ENO_COMPILER && backend->cluster <= 1)) {
        (void)rk_error_prefix(err, "kernel '%s'", source->name);
      }
      rk__cuda_module_unload(backend, m);
      return rc;
    }
  }
  *out = *m->def;
  out->module = m;
  return RK_OK;
}

void rk__cuda_module_unload(rk_backend *backend, rk_backend_module *module)
{
  take_out(backend, module);
  if (module->def != NULL && backend->next_number != 0 &&
      module->number + 1u == rk_cuda_prebuilt_stock()->def_count + backend->next_number) {
    backend->next_number -= 1; /* nobody has come to use it */
  }
  if (module->module != NULL && !rk__cuda_is_held()) { /* only called while no grid runs */
    rk__cuda_enter(backend);
    (void)rk__cuda_check(backend, backend->api->module_unload(module->module), "cuModuleUnload",
                         NULL);
  }
  free_module(module);
}

void rk__cuda_module_bind(rk_backend *backend, rk_backend_module *module, rk_abi_handler *handlers,
                          rk_abi_def *def)
{
  (void)backend;
  for (uint32_t i = 0; i < module->def->type_count; ++i) {
    handlers[i] = (rk_abi_handler){.type = module->def->types[i].id,
                                   .size_bytes = module->def->types[i].size_bytes};
  }
  def->index = module->number;
  def->on_start = module->def->has_start ? 1u : 0u; /* called by number: anything but 0 will do */
  def->on_stop = module->def->has_stop ? 1u : 0u;
  def->on_migrate = module->def->has_migrate ? 1u : 0u;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Why a driver may not take what was compiled: machine code of a later major version of CUDA, and PTX
 * of any later one, are not for it. *text is empty where that is not so. */
static void explain_refusal(const rk_backend *backend, CUresult result, char *text,
                            size_t text_bytes)
{
  const rk_nvrtc *nvrtc = NULL;
  int driver = backend->api->driver_version;
  text[0] = '\0';
  if ((result != CUDA_ERROR_UNSUPPORTED_PTX_VERSION && result != CUDA_ERROR_INVALID_IMAGE &&
       result != CUDA_ERROR_NO_BINARY_FOR_GPU) ||
      rk_nvrtc_open(&nvrtc, NULL) != RK_OK) {
    return;
  }
  const rk_nvrtc_info *about = rk_nvrtc_about(nvrtc);
  if (about->major * 1000 + about->minor * 10 > driver) {
    (void)snprintf(
        text, text_bytes,
        "; NVRTC %d.%d (%.100s) is newer than the driver (CUDA %d.%d): update the driver, "
        "or set RINGKERNEL_NVRTC to an older one",
        about->major, about->minor, about->path, driver / 1000, driver % 1000 / 10);
  }
}

int rk__cuda_image_load(rk_backend *backend, const void *image, CUmodule *out, rk_error *err)
{
  char said[2048];
  CUmodule module = NULL;
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {said, (void *)(uintptr_t)(sizeof(said) - 1u)};
  said[0] = '\0';
  CUresult result = backend->api->module_load_data_ex(&module, image, 2, options, values);
  if (result == CUDA_SUCCESS) {
    *out = module;
    return RK_OK;
  }
  said[sizeof(said) - 1u] = '\0';
  char newer[320];
  rk_error why = RK_ERROR_INIT;
  int rc = rk__cuda_check(backend, result, "cuModuleLoadDataEx", &why);
  explain_refusal(backend, result, newer, sizeof(newer));
  rc = newer[0] != '\0' ? RK_EVERSION : rc; /* not a broken file, as the driver may have it */
  said[strcspn(said, "\n")] = '\0';         /* the first line says it, and the advice has to fit */
  return rk_error_set(err, rc, "%s%s%.200s%s", why.text, said[0] != '\0' ? ": " : "", said, newer);
}

/* Has the context keep as much local memory for each thread as the kernel uses. The driver would do
 * so by itself at the first launch that needs more than all before it, and wait until the device is
 * idle: behind a resident grid for ever. */
static int reserve_local(rk_backend *backend, CUfunction function, rk_error *err)
{
  int local = 0;
  size_t kept = 0;
  int rc = rk__cuda_check(
      backend,
      backend->api->func_get_attribute(&local, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, function),
      "cuFuncGetAttribute", err);
  if (rc == RK_OK) {
    rc = rk__cuda_check(backend, backend->api->ctx_get_limit(&kept, CU_LIMIT_STACK_SIZE),
                        "cuCtxGetLimit", err);
  }
  size_t wanted = local > 0 ? (size_t)local : 0;
  if (rc != RK_OK || wanted <= kept) {
    return rc;
  }
  rc = rk__cuda_check(backend,
                      backend->api->ctx_set_limit(CU_LIMIT_STACK_SIZE, wanted + CALLS_BYTES),
                      "cuCtxSetLimit", err);
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "%zu bytes of local memory for each thread", wanted);
  }
  return rc;
}

int rk__cuda_function_find(rk_backend *backend, CUmodule module, const char *name, CUfunction *out,
                           rk_error *err)
{
  CUfunction function = NULL;
  int rc = rk__cuda_check(backend, backend->api->module_get_function(&function, module, name),
                          "cuModuleGetFunction", err);
  if (rc == RK_OK) {
    rc = reserve_local(backend, function, err);
  }
  if (rc == RK_OK) {
    *out = function;
  }
  return rc;
}

int rk__cuda_code_load(rk_backend *backend, rk_error *err)
{
  rk_cuda_code next = {.block_threads = backend->image_threads};
  if (!backend->has_image) {
    if (backend->code.module != NULL) {
      return RK_OK;
    }
    int rc = make_image(backend, NULL, err); /* a grid without definitions */
    if (rc != RK_OK) {
      return rc;
    }
    next.block_threads = backend->image_threads;
  }
  backend->has_image = false;
  int rc = rk__cuda_check_held(backend, err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = rk__cuda_image_load(backend, backend->image.result.image, &next.module, err);
  if (rc == RK_OK) {
    rc = rk__cuda_function_find(backend, next.module, "rk_grid", &next.entry, err);
    if (rc == RK_OK) {
      rc = rk__cuda_grid_fits(backend, &next, err);
    }
    if (rc != RK_OK) {
      (void)backend->api->module_unload(next.module);
    }
  }
  if (rc != RK_OK) {
    return rc;
  }
  rk__cuda_code_unload(backend);
  backend->code = next;
  return RK_OK;
}

void rk__cuda_code_unload(rk_backend *backend)
{
  if (backend->code.module != NULL) {
    (void)rk__cuda_check(backend, backend->api->module_unload(backend->code.module),
                         "cuModuleUnload", NULL);
    backend->code = (rk_cuda_code){0};
  }
}
