/* SPDX-License-Identifier: MIT */
/*
 * Definitions and ordinary kernels on the CPU: from source text to functions.
 *
 * Generated source includes our kernel headers by name. The compiler is given one self-contained
 * text, in which those lines are replaced by the embedded headers, so nothing has to be installed
 * where the kernel is compiled, and the cache key covers the headers too.
 */
#include "backend/cpu/cpu_internal.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu_compile.h"
#include "backend/cpu/cpu_toolchain.h"
#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/embed.h"
#include "base/log.h"

/* ---- one self-contained text ----------------------------------------------------------------- */

#define INCLUDES_MAX 32

typedef struct text_buffer {
  char *text;
  size_t size, capacity;
  bool failed;
  const rk_embed_file *seen[INCLUDES_MAX];
  size_t seen_count;
} text_buffer;

static void text_add(text_buffer *out, const char *text, size_t bytes)
{
  if (out->failed) {
    return;
  }
  if (out->size + bytes + 1 > out->capacity) {
    size_t capacity = (out->size + bytes + 1) * 2;
    char *grown = rk_realloc(out->text, capacity);
    if (grown == NULL) {
      out->failed = true;
      return;
    }
    out->text = grown;
    out->capacity = capacity;
  }
  memcpy(out->text + out->size, text, bytes);
  out->size += bytes;
  out->text[out->size] = '\0';
}

static void text_add_line_mark(text_buffer *out, size_t line, const char *name)
{
  char mark[160];
  int n = snprintf(mark, sizeof(mark), "#line %zu \"%.100s\"\n", line, name);
  text_add(out, mark, (size_t)n);
}

/* The embedded header that an include line names, or NULL. */
static const rk_embed_file *included(const char *line, size_t bytes)
{
  char name[64];
  char path[96];
  if (bytes >= 100 || sscanf(line, "#include \"%63[a-z_.]\"", name) != 1) {
    return NULL;
  }
  (void)snprintf(path, sizeof(path), "include/%s", name);
  const rk_embed_file *file = rk_embed_find(rk_embed_kernels, name);
  return file != NULL ? file : rk_embed_find(rk_embed_kernels, path);
}

static void expand(text_buffer *out, const char *name, const char *text, bool mark)
{
  size_t number = 1;
  if (mark) {
    text_add_line_mark(out, 1, name);
  }
  for (const char *line = text; *line != '\0'; ++number) {
    const char *end = strchr(line, '\n');
    size_t bytes = end != NULL ? (size_t)(end - line) + 1 : strlen(line);
    const rk_embed_file *file = included(line, bytes);
    bool is_new = file != NULL;
    for (size_t i = 0; is_new && i < out->seen_count; ++i) {
      is_new = out->seen[i] != file;
    }
    if (file == NULL) {
      text_add(out, line, bytes);
    } else if (is_new && out->seen_count < INCLUDES_MAX) {
      out->seen[out->seen_count++] = file;
      expand(out, file->name, (const char *)file->data, true);
      text_add(out, "\n", 1);
      text_add_line_mark(out, number + 1, name);
    } else {
      text_add(out, "\n", 1);
    }
    line += bytes;
  }
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Compiles `source` and looks `symbol` up. */
static int build(rk_backend *backend, const char *name, const char *source, const char *symbol,
                 rk_backend_module *module, void **found, char **log, rk_error *err)
{
  text_buffer whole = {0};
  char *output = NULL; /* of the compiler */
  int rc = RK_OK;
  expand(&whole, "rk-generated", source, false);
  if (whole.failed) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", name);
    goto done;
  }
  rk_cpu_compile_request request = {
      .name = name,
      .source = whole.text,
      .cache_dir = backend->cache_dir,
      .abi_version = RK_ABI_VERSION,
  };
  rc = rk_cpu_compile(&request, &module->path, &output, err);
  if (rc == RK_ECOMPILE && log != NULL) {
    *log = output;
    output = NULL;
  } else if (rc == RK_OK && output != NULL && output[0] != '\0') {
    rk_log(RK_LOG_INFO, "cpu", "kernel '%s': %s", name, output);
  }
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "kernel '%s'", name);
    goto done;
  }
  rc = rk_cpu_module_load(module->path, symbol, &module->handle, found, err);
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "kernel '%s'", name);
  }
done:
  rk_free(output);
  rk_free(whole.text);
  return rc;
}

static int check_abi(const char *name, uint32_t version, rk_error *err)
{
  if (version == RK_ABI_VERSION) {
    return RK_OK;
  }
  return rk_error_set(err, RK_EVERSION,
                      "kernel '%s' was made for ABI version %u, this library has %u", name, version,
                      RK_ABI_VERSION);
}

uint64_t rk__cpu_handler_address(const rk_module *module, uint32_t index)
{
  rk_handler_fn function = index < module->type_count         ? module->types[index].on
                           : index == module->type_count      ? module->on_start
                           : index == module->type_count + 1u ? module->on_stop
                                                              : module->on_migrate;
  return (uint64_t)(uintptr_t)function;
}

/* What a crash report will say of each handler. */
static int name_handlers(rk_backend_module *module, rk_error *err)
{
  const rk_module *m = module->module;
  module->scopes = rk_calloc(m->type_count + 2u, sizeof(*module->scopes));
  if (module->scopes == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", m->name);
  }
  for (uint32_t i = 0; i < m->type_count + 2u; ++i) {
    rk_crash_scope *scope = &module->scopes[i];
    scope->kernel = m->name;
    scope->handler = i < m->type_count ? m->types[i].name : i == m->type_count ? "start" : "stop";
    uint64_t address = rk__cpu_handler_address(m, i);
    if (address != 0) {
      (void)rk_crash_scope_locate(scope, (const void *)(uintptr_t)address);
    }
  }
  return RK_OK;
}

static void free_module(rk_backend_module *module)
{
  rk_free(module->scopes);
  rk_cpu_module_close(module->handle);
  if (module->path != NULL) {
    rk_cpu_compile_release(module->path);
  }
  rk_free(module->types);
  rk_free(module);
}

int rk__cpu_module_load(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                        char **log, rk_error *err)
{
  const char *name = source->name;
  int rc = RK_OK;
  void *found = NULL;
  rk_backend_module *module = rk_calloc(1, sizeof(*module));
  if (module == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", name);
  }
  if (source->c_source != NULL) {
    rc = build(backend, name, source->c_source, "rk_module_export", module, &found, log, err);
    if (rc != RK_OK) {
      goto fail;
    }
    module->module = found;
  } else {
    module->module = source->stock;
  }
  const rk_module *m = module->module;
  rc = check_abi(name, m->abi_version, err);
  if (rc != RK_OK) {
    goto fail;
  }
  module->types = rk_calloc(m->type_count + 1u, sizeof(*module->types));
  if (module->types == NULL) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", name);
    goto fail;
  }
  rc = name_handlers(module, err);
  if (rc != RK_OK) {
    goto fail;
  }
  rk_backend_def loaded = rk_backend_def_of_module(m, module->types);
  loaded.module = module;
  if (source->described != NULL) {
    rc = rk_backend_def_match(source->described, &loaded, err);
    if (rc != RK_OK) {
      goto fail;
    }
  }
  *m->port = &rk__cpu_port_api;
  *out = loaded;
  module->next = backend->modules;
  backend->modules = module;
  return RK_OK;
fail:
  free_module(module);
  return rc;
}

void rk__cpu_module_unload(rk_backend *backend, rk_backend_module *module)
{
  for (rk_backend_module **at = &backend->modules; *at != NULL; at = &(*at)->next) {
    if (*at == module) {
      *at = module->next;
      free_module(module);
      return;
    }
  }
}

void rk__cpu_module_bind(rk_backend *backend, rk_backend_module *module, rk_abi_handler *handlers,
                         rk_abi_def *def)
{
  const rk_module *m = module->module;
  (void)backend;
  for (uint32_t i = 0; i < m->type_count; ++i) {
    handlers[i].type = m->types[i].id;
    handlers[i].size_bytes = m->types[i].size_bytes;
    handlers[i].function = rk__cpu_handler_address(m, i);
  }
  def->on_start = rk__cpu_handler_address(m, m->type_count);
  def->on_stop = rk__cpu_handler_address(m, m->type_count + 1u);
  def->on_migrate = rk__cpu_handler_address(m, m->type_count + 2u);
}

/* ---- ordinary kernels ------------------------------------------------------------------------ */

int rk__cpu_global_load(rk_backend *backend, const rk_backend_global_source *source,
                        rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err)
{
  const char *name = source->name;
  int rc = RK_OK;
  void *found = NULL;
  rk_backend_module *module = rk_calloc(1, sizeof(*module));
  if (module == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "kernel '%s': out of memory", name);
  }
  rc = build(backend, name, source->c_source, "rk_global_export", module, &found, log, err);
  if (rc != RK_OK) {
    goto fail;
  }
  module->global = found;
  rc = check_abi(name, module->global->abi_version, err);
  if (rc != RK_OK) {
    goto fail;
  }
  *module->global->port = &rk__cpu_port_api;
  module->next = backend->modules;
  backend->modules = module;
  *param_bytes = module->global->param_bytes;
  *out = module;
  return RK_OK;
fail:
  free_module(module);
  return rc;
}

typedef struct global_launch {
  const rk_global_module *global;
  const void *params;
} global_launch;

static void run_lane(void *arg, uint32_t lane)
{
  const global_launch *launch = arg;
  (void)lane;
  launch->global->run(launch->params);
}

int rk__cpu_global_run(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                       uint32_t block, const void *params, rk_error *err)
{
  global_launch launch = {module->global, params};
  int rc = RK_OK;
  if (backend->team == NULL) {
    rc = rk_team_open(RK_TEAM_LANES_MAX, err, &backend->team);
    if (rc != RK_OK) {
      return rc;
    }
  }
  rk__cpu_blocks = grid;
  for (uint32_t i = 0; i < grid && rc == RK_OK; ++i) {
    rk__cpu_block = i;
    rc = rk_team_run(backend->team, block, run_lane, &launch, err);
  }
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "kernel '%s'", module->global->name);
  }
  return rc;
}

/* The host's processors are the device: there is one clock, and nothing to queue launches in. */
int rk__cpu_global_time(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                        uint32_t block, const void *params, rk_backend_pace pace, uint32_t times,
                        rk_backend_timing *out, rk_error *err)
{
  if (pace != RK_PACE_LAUNCH) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "kernel '%s': the cpu backend has neither streams nor graphs; use mode = "
                        "\"launch\"",
                        module->global->name);
  }
  int rc = rk__cpu_global_run(backend, module, grid, block, params, err);
  uint64_t start_ns = rk_clock_mono_ns();
  for (uint32_t i = 0; i < times && rc == RK_OK; ++i) {
    rc = rk__cpu_global_run(backend, module, grid, block, params, err);
  }
  if (rc == RK_OK) {
    uint64_t ns = rk_clock_mono_ns() - start_ns;
    *out = (rk_backend_timing){times, ns, (double)ns / 1e9};
  }
  return rc;
}
