/* SPDX-License-Identifier: MIT */
/*
 * Compiles one device source with NVRTC, the way the library does: NVRTC is opened at run time and
 * every header is handed over in memory, so that neither CUDA nor a GPU is needed to build this.
 *
 *   nvrtc_compile --archs                     library, version and architectures, a line each
 *   nvrtc_compile [--headers DIR] [--arch N]... --out PREFIX SOURCE [-- OPTION...]
 *
 * The second form compiles for each architecture N and writes PREFIX.sm_N.ptx, PREFIX.sm_N.cubin
 * and PREFIX.sm_N.log; a line "sm_N ok" or "sm_N failed: why" goes to standard output. Every *.h
 * of DIR can be included by its name. Options after -- are NVRTC's. N may carry a letter: 90a.
 *
 * NVRTC is looked for as the library does (src/backend/cuda/cuda_nvrtc.h).
 *
 * Exit status: 0 all compiled, 1 some did not, 2 misuse or a file could not be read or written,
 * 3 there is no NVRTC.
 *
 * Used by scripts/check_kernels.lua and by `make prebuilt`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend/cuda/cuda_nvrtc_internal.h"

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARCHS = 64, MAX_HEADERS = 256, MAX_OPTIONS = 64 };

static rk_nvrtc nvrtc;

/* ---- small things ---- */

__attribute__((noreturn, format(printf, 2, 3))) static void quit(int status, const char *format,
                                                                 ...)
{
  va_list args;
  va_start(args, format);
  fputs("nvrtc_compile: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(status);
}

static void *allocate(size_t bytes)
{
  void *memory = malloc(bytes);
  if (memory == NULL) {
    quit(2, "out of memory");
  }
  return memory;
}

static char *copy_text(const char *text)
{
  size_t size = strlen(text) + 1;
  return memcpy(allocate(size), text, size);
}

static char *read_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  long size = -1;
  if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
    quit(2, "cannot read %s", path);
  }
  rewind(file);
  char *text = allocate((size_t)size + 1);
  if (fread(text, 1, (size_t)size, file) != (size_t)size) {
    quit(2, "cannot read %s", path);
  }
  text[size] = '\0';
  fclose(file);
  return text;
}

static void write_file(const char *prefix, const char *arch, const char *suffix, const char *data,
                       size_t size)
{
  char path[PATH_MAX];
  int length = snprintf(path, sizeof(path), "%s.sm_%s.%s", prefix, arch, suffix);
  FILE *file = length > 0 && (size_t)length < sizeof(path) ? fopen(path, "wb") : NULL;
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
    quit(2, "cannot write %s.sm_%s.%s", prefix, arch, suffix);
  }
}

static void load_nvrtc(void)
{
  rk_error err = RK_ERROR_INIT;
  if (rk__nvrtc_load(&nvrtc, 0, &err) != RK_OK) {
    quit(3, "%s", err.text);
  }
}

/* ---- what it does ---- */

static int list_archs(void)
{
  printf("library %s\nversion %d.%d\n", nvrtc.path, nvrtc.info.major, nvrtc.info.minor);
  for (size_t i = 0; i < nvrtc.info.arch_count; i++) {
    printf("arch %u\n", (unsigned)nvrtc.info.archs[i]);
  }
  return 0;
}

static struct {
  int count;
  char *names[MAX_HEADERS];
  char *texts[MAX_HEADERS];
} headers;

static void read_headers(const char *folder)
{
  char path[PATH_MAX];
  DIR *open = opendir(folder);
  if (open == NULL) {
    quit(2, "cannot read the folder %s", folder);
  }
  for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
    size_t length = strlen(entry->d_name);
    if (length < 3 || strcmp(entry->d_name + length - 2, ".h") != 0) {
      continue;
    }
    if (headers.count == MAX_HEADERS) {
      quit(2, "more than %d headers in %s", (int)MAX_HEADERS, folder);
    }
    int size = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
    if (size < 0 || (size_t)size >= sizeof(path)) {
      quit(2, "path too long: %s", folder);
    }
    headers.names[headers.count] = copy_text(entry->d_name);
    headers.texts[headers.count] = read_file(path);
    headers.count++;
  }
  closedir(open);
}

typedef int size_fn(rk_nvrtc_program *program, size_t *size);
typedef int get_fn(rk_nvrtc_program *program, char *data);

/* Writes one product of a compilation; `text`: it ends with a zero byte that is not written. */
static void save(rk_nvrtc_program *program, size_fn *get_size, get_fn *get, const char *prefix,
                 const char *arch, const char *suffix, bool text)
{
  size_t size = 0;
  if (get_size(program, &size) != 0 || size == 0) {
    return;
  }
  char *data = allocate(size);
  if (get(program, data) != 0) {
    quit(2, "no %s from NVRTC for sm_%s", suffix, arch);
  }
  write_file(prefix, arch, suffix, data, text ? size - 1 : size);
  free(data);
}

static bool compile(const char *source, const char *name, const char *arch, const char *prefix,
                    int option_count, const char **options)
{
  rk_nvrtc_program *program = NULL;
  char arch_option[64];
  (void)snprintf(arch_option, sizeof(arch_option), "--gpu-architecture=sm_%s", arch);
  options[option_count] = arch_option;
  int rc = nvrtc.create(&program, source, name, headers.count,
                        (const char *const *)headers.texts, (const char *const *)headers.names);
  if (rc != 0) {
    quit(2, "nvrtcCreateProgram: %s", nvrtc.error_text(rc));
  }
  rc = nvrtc.compile(program, option_count + 1, options);
  save(program, nvrtc.log_size, nvrtc.log, prefix, arch, "log", true);
  if (rc == 0) {
    save(program, nvrtc.ptx_size, nvrtc.ptx, prefix, arch, "ptx", true);
    save(program, nvrtc.cubin_size, nvrtc.cubin, prefix, arch, "cubin", false);
    printf("sm_%s ok\n", arch);
  } else {
    printf("sm_%s failed: %s\n", arch, nvrtc.error_text(rc));
  }
  fflush(stdout);
  nvrtc.destroy(&program);
  return rc == 0;
}

int main(int argc, char **argv)
{
  const char *archs[MAX_ARCHS];
  const char *options[MAX_OPTIONS + 1];
  const char *prefix = NULL;
  const char *path = NULL;
  int arch_count = 0;
  int option_count = 0;
  int i = 1;
  bool all_compiled = true;
  if (argc == 2 && strcmp(argv[1], "--archs") == 0) {
    load_nvrtc();
    return list_archs();
  }
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--headers") == 0 && has_value) {
      read_headers(argv[++i]);
    } else if (strcmp(argv[i], "--arch") == 0 && has_value && arch_count < MAX_ARCHS) {
      archs[arch_count++] = argv[++i];
    } else if (strcmp(argv[i], "--out") == 0 && has_value) {
      prefix = argv[++i];
    } else if (argv[i][0] != '-' && path == NULL) {
      path = argv[i];
    } else {
      quit(2, "unexpected argument %s", argv[i]);
    }
  }
  for (i++; i < argc; i++) {
    if (option_count == MAX_OPTIONS) {
      quit(2, "more than %d options", (int)MAX_OPTIONS);
    }
    options[option_count++] = argv[i];
  }
  if (path == NULL || prefix == NULL || arch_count == 0) {
    quit(2, "usage: nvrtc_compile --archs | [--headers DIR] --arch N... --out PREFIX SOURCE "
            "[-- OPTION...]");
  }
  load_nvrtc();
  char *source = read_file(path);
  for (int a = 0; a < arch_count; a++) {
    all_compiled = compile(source, path, archs[a], prefix, option_count, options) && all_compiled;
  }
  return all_compiled ? 0 : 1;
}
