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
 * NVRTC is looked for in RINGKERNEL_NVRTC, by its name in the loader's path (13, then 12), in
 * lib64 of CUDA_HOME and of /usr/local/cuda, and in the wheels of VIRTUAL_ENV and of the system's
 * Python. It opens its builtins by bare name, which fails outside the loader's path even for a
 * file beside it: they are opened first, by full path.
 *
 * Exit status: 0 all compiled, 1 some did not, 2 misuse or a file could not be read or written,
 * 3 there is no NVRTC.
 *
 * Used by scripts/check_kernels.lua.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARCHS = 64, MAX_HEADERS = 256, MAX_OPTIONS = 64 };

/* ---- the part of nvrtc.h that is used ---- */

typedef struct nvrtc_program nvrtc_program;

static struct {
  int (*version)(int *major, int *minor);
  int (*arch_count)(int *count);
  int (*archs)(int *list);
  int (*create)(nvrtc_program **program, const char *source, const char *name, int header_count,
                const char *const *texts, const char *const *names);
  int (*destroy)(nvrtc_program **program);
  int (*compile)(nvrtc_program *program, int option_count, const char *const *options);
  int (*log_size)(nvrtc_program *program, size_t *size);
  int (*log)(nvrtc_program *program, char *text);
  int (*ptx_size)(nvrtc_program *program, size_t *size);
  int (*ptx)(nvrtc_program *program, char *text);
  int (*cubin_size)(nvrtc_program *program, size_t *size);
  int (*cubin)(nvrtc_program *program, char *image);
  const char *(*error_text)(int code);
} nvrtc;

static const struct {
  const char *name;
  void *slot;
} symbols[] = {
  { "nvrtcVersion", &nvrtc.version },
  { "nvrtcGetNumSupportedArchs", &nvrtc.arch_count },
  { "nvrtcGetSupportedArchs", &nvrtc.archs },
  { "nvrtcCreateProgram", &nvrtc.create },
  { "nvrtcDestroyProgram", &nvrtc.destroy },
  { "nvrtcCompileProgram", &nvrtc.compile },
  { "nvrtcGetProgramLogSize", &nvrtc.log_size },
  { "nvrtcGetProgramLog", &nvrtc.log },
  { "nvrtcGetPTXSize", &nvrtc.ptx_size },
  { "nvrtcGetPTX", &nvrtc.ptx },
  { "nvrtcGetCUBINSize", &nvrtc.cubin_size },
  { "nvrtcGetCUBIN", &nvrtc.cubin },
  { "nvrtcGetErrorString", &nvrtc.error_text },
};

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

/* ---- finding NVRTC ---- */

/* Opens libnvrtc-builtins.so.* in the folder of `path`; not having any is no failure yet. */
static void open_builtins(const char *path)
{
  char real[PATH_MAX];
  char pattern[PATH_MAX + 32];
  glob_t found;
  if (realpath(path, real) == NULL) {
    return;
  }
  (void)snprintf(pattern, sizeof(pattern), "%s/libnvrtc-builtins.so.*", dirname(real));
  if (glob(pattern, 0, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; i++) {
      (void)dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
    }
    globfree(&found);
  }
}

static void *open_path(const char *path, char *where)
{
  if (strchr(path, '/') != NULL) {
    open_builtins(path);
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library != NULL) {
    (void)snprintf(where, PATH_MAX, "%s", path);
  }
  return library;
}

/* Opens the last file that matches `pattern`, which is the newest version. */
static void *open_pattern(const char *folder, const char *pattern, char *where)
{
  char full[PATH_MAX];
  glob_t found;
  void *library = NULL;
  int length = snprintf(full, sizeof(full), "%s/%s", folder, pattern);
  if (length < 0 || (size_t)length >= sizeof(full) || glob(full, 0, NULL, &found) != 0) {
    return NULL;
  }
  for (size_t i = found.gl_pathc; i > 0 && library == NULL; i--) {
    library = open_path(found.gl_pathv[i - 1], where);
  }
  globfree(&found);
  return library;
}

static void *open_nvrtc(char *where)
{
  static const char *const names[] = { "libnvrtc.so.13", "libnvrtc.so.12" };
  static const char *const wheels[] = {
    "nvidia/cu13/lib/libnvrtc.so.1[0-9]",
    "nvidia/cuda_nvrtc/lib/libnvrtc.so.1[0-9]",
  };
  static const char *const sites[] = {
    "/usr/local/lib/python3*/site-packages",
    "/usr/local/lib/python3*/dist-packages",
    "/usr/lib/python3/dist-packages",
  };
  const char *named = getenv("RINGKERNEL_NVRTC");
  const char *home = getenv("CUDA_HOME");
  const char *virtual_env = getenv("VIRTUAL_ENV");
  char folder[PATH_MAX - 64];
  void *library = NULL;
  if (named != NULL && named[0] != '\0') {
    return open_path(named, where); /* what was asked for, or nothing */
  }
  for (size_t i = 0; i < 2 && library == NULL; i++) {
    library = open_path(names[i], where);
  }
  if (library == NULL && home != NULL && home[0] == '/') {
    library = open_pattern(home, "lib64/libnvrtc.so.1[0-9]", where);
  }
  if (library == NULL) {
    library = open_pattern("/usr/local/cuda", "lib64/libnvrtc.so.1[0-9]", where);
  }
  for (size_t i = 0; i < 2 && library == NULL; i++) {
    if (virtual_env != NULL && virtual_env[0] == '/') {
      (void)snprintf(folder, sizeof(folder), "%s/lib/python3*/site-packages", virtual_env);
      library = open_pattern(folder, wheels[i], where);
    }
    for (size_t site = 0; site < 3 && library == NULL; site++) {
      library = open_pattern(sites[site], wheels[i], where);
    }
  }
  return library;
}

static void load_nvrtc(char *where)
{
  void *library = open_nvrtc(where);
  if (library == NULL) {
    quit(3, "no NVRTC found (%s); set RINGKERNEL_NVRTC to the path of libnvrtc.so.13 or .12",
         dlerror());
  }
  for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
    void *address = dlsym(library, symbols[i].name);
    if (address == NULL) {
      quit(3, "%s lacks %s", where, symbols[i].name);
    }
    memcpy(symbols[i].slot, &address, sizeof(address));
  }
}

/* ---- what it does ---- */

static int list_archs(const char *where)
{
  int major = 0;
  int minor = 0;
  int count = 0;
  int list[MAX_ARCHS];
  if (nvrtc.version(&major, &minor) != 0 || nvrtc.arch_count(&count) != 0 || count > MAX_ARCHS ||
      nvrtc.archs(list) != 0) {
    quit(3, "%s does not tell its architectures", where);
  }
  printf("library %s\nversion %d.%d\n", where, major, minor);
  for (int i = 0; i < count; i++) {
    printf("arch %d\n", list[i]);
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

typedef int size_fn(nvrtc_program *program, size_t *size);
typedef int get_fn(nvrtc_program *program, char *data);

/* Writes one product of a compilation; `text`: it ends with a zero byte that is not written. */
static void save(nvrtc_program *program, size_fn *get_size, get_fn *get, const char *prefix,
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
  nvrtc_program *program = NULL;
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
  char where[PATH_MAX];
  int arch_count = 0;
  int option_count = 0;
  int i = 1;
  bool all_compiled = true;
  if (argc == 2 && strcmp(argv[1], "--archs") == 0) {
    load_nvrtc(where);
    return list_archs(where);
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
  load_nvrtc(where);
  char *source = read_file(path);
  for (int a = 0; a < arch_count; a++) {
    all_compiled = compile(source, path, archs[a], prefix, option_count, options) && all_compiled;
  }
  return all_compiled ? 0 : 1;
}
