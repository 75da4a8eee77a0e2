/* SPDX-License-Identifier: MIT */
/*
 * Modules: what an image says of itself, its kernels and variables.
 *
 * A real image (machine code as an ELF file, or PTX) is looked at as far as a driver would refuse
 * it: for another architecture, or PTX newer than the driver. What runs is the host's build of the
 * same source, or of the PTX (fake_unit.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CUmodule modules;

/* ---- images ---- */

typedef struct image {
  const char *start;
  size_t bytes;
  int sm;
  bool is_ptx;
} image;

/* Extent and architecture of an ELF file in memory. The header of the machine code tells the
 * architecture in byte 1 of its flags since version 8 of its ABI, in byte 0 before. */
static CUresult read_elf(const char *start, image *out)
{
  Elf64_Ehdr header;
  memcpy(&header, start, sizeof(header));
  size_t end = header.e_shoff + (size_t)header.e_shentsize * header.e_shnum;
  for (unsigned i = 0; i < header.e_shnum; i++) {
    Elf64_Shdr section;
    memcpy(&section, start + header.e_shoff + (size_t)i * header.e_shentsize, sizeof(section));
    if (section.sh_type != SHT_NOBITS && section.sh_offset + section.sh_size > end) {
      end = section.sh_offset + section.sh_size;
    }
  }
  bool is_new = header.e_ident[EI_ABIVERSION] >= 8;
  *out = (image){start, end, (int)(header.e_flags >> (is_new ? 8 : 0) & 0xffu), false};
  if (is_new && rkf.config.driver < 13000) { /* of CUDA 13; a driver of 12 knows no such file */
    return CUDA_ERROR_INVALID_IMAGE;
  }
  return out->sm / 10 == rkf.config.cc / 10 && out->sm <= rkf.config.cc
             ? CUDA_SUCCESS
             : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

/* Newest version of PTX that a driver takes, 90 for 9.0. */
static int newest_ptx(int driver)
{
  static const struct {
    int driver, ptx;
  } table[] = {{13000, 90}, {12090, 88}, {12080, 87}, {12070, 86}, {12050, 85}, {12040, 84},
               {12030, 83}, {12020, 82}, {12010, 81}, {12000, 80}, {11080, 78}, {0, 70}};
  size_t i = 0;
  while (driver < table[i].driver) {
    i++;
  }
  return table[i].ptx;
}

static CUresult read_ptx(const char *text, image *out)
{
  int major = 0;
  int minor = 0;
  int sm = 0;
  const char *version = strstr(text, ".version");
  const char *target = strstr(text, ".target sm_");
  *out = (image){text, strlen(text), 0, true};
  if (version == NULL || target == NULL || sscanf(version, ".version %d.%d", &major, &minor) != 2 ||
      sscanf(target, ".target sm_%d", &sm) != 1) {
    return CUDA_ERROR_INVALID_PTX;
  }
  out->sm = sm;
  if (major * 10 + minor > newest_ptx(rkf.config.driver)) {
    return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  }
  return sm <= rkf.config.cc ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

static CUresult read_image(const void *data, image *out, char *why)
{
  const char *start = data;
  CUresult code = CUDA_ERROR_INVALID_IMAGE;
  if (start == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (memcmp(start, ELFMAG, SELFMAG) == 0) {
    code = read_elf(start, out);
  } else if (start[0] == '/' || start[0] == '.' || start[0] == '\n' || start[0] == ' ') {
    code = read_ptx(start, out);
  }
  if (code != CUDA_SUCCESS) {
    (void)snprintf(why, RKF_LOG_BYTES, "the image is none for sm_%d with driver %d", rkf.config.cc,
                   rkf.config.driver);
  }
  return code;
}

/* ---- loading ---- */

/* Where the library lies in memory. */
static int find_extent(struct dl_phdr_info *info, size_t size, void *arg)
{
  CUmodule module = arg;
  const struct link_map *map = NULL;
  (void)size;
  if (dlinfo(module->library, RTLD_DI_LINKMAP, &map) != 0 || map->l_addr != info->dlpi_addr) {
    return 0;
  }
  module->start = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_LOAD) {
      module->start = start < module->start ? start : module->start;
      module->end = start + part->p_memsz > module->end ? start + part->p_memsz : module->end;
    }
  }
  return 1;
}

static CUresult load(CUmodule *out, const void *data, char *why)
{
  image img;
  CUmodule module = NULL;
  CUresult code = read_image(data, &img, why);
  if (code != CUDA_SUCCESS) {
    return code;
  }
  module = calloc(1, sizeof(*module));
  if (module == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  module->sm = img.sm;
  code = rkf_unit_open(img.start, img.bytes, img.is_ptx, &module->library, why);
  if (code != CUDA_SUCCESS) {
    free(module);
    return code;
  }
  const rkfake_device_api **api = dlsym(module->library, RKFAKE_API_SYMBOL);
  if (api == NULL) {
    dlclose(module->library);
    free(module);
    return CUDA_ERROR_INVALID_IMAGE;
  }
  *api = &rkf_device_api;
  (void)dl_iterate_phdr(find_extent, module);
  rkf_lock();
  module->next = modules;
  modules = module;
  rkf.live.modules++;
  rkf_unlock();
  *out = module;
  return CUDA_SUCCESS;
}

static CUresult load_and_tell(CUmodule *out, const void *data, char *why)
{
  why[0] = '\0';
  CUresult code = load(out, data, why);
  if (code != CUDA_SUCCESS) {
    rkf_say("module: %s", why);
  }
  return code;
}

RKF_EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *data)
{
  RKF_ENTER(RKF_CONTEXT);
  char why[RKF_LOG_BYTES];
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  return code == CUDA_SUCCESS ? load_and_tell(module, data, why) : code;
}

/* Texts of the just-in-time compiler: what went wrong goes into the error log. */
RKF_EXPORT CUresult cuModuleLoadDataEx(CUmodule *module, const void *data, unsigned option_count,
                                       CUjit_option *options, void **option_values)
{
  RKF_ENTER(RKF_CONTEXT);
  char why[RKF_LOG_BYTES];
  char *logs[2] = {NULL, NULL};
  size_t rooms[2] = {0, 0};
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  for (unsigned i = 0; i < option_count; i++) {
    int option = (int)options[i];
    logs[0] = option == CU_JIT_INFO_LOG_BUFFER ? option_values[i] : logs[0];
    logs[1] = option == CU_JIT_ERROR_LOG_BUFFER ? option_values[i] : logs[1];
    rooms[0] = option == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES ? (size_t)option_values[i] : rooms[0];
    rooms[1] = option == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES ? (size_t)option_values[i] : rooms[1];
  }
  code = load_and_tell(module, data, why);
  for (int i = 0; i < 2; i++) {
    if (logs[i] != NULL && rooms[i] > 0) {
      (void)snprintf(logs[i], rooms[i], "%s", i == 1 ? why : "");
    }
  }
  return code;
}

RKF_EXPORT CUresult cuModuleUnload(CUmodule module)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  rkf_streams_drain();
  rkf_lock();
  CUmodule *at = &modules;
  while (*at != NULL && *at != module) {
    at = &(*at)->next;
  }
  bool is_there = *at != NULL;
  if (is_there) {
    *at = module->next;
    rkf.live.modules--;
  }
  rkf_unlock();
  if (!is_there) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  rkf_memory_drop_globals(module->start, module->end);
  while (module->functions != NULL) {
    CUfunction function = module->functions;
    module->functions = function->next;
    free(function);
  }
  dlclose(module->library);
  free(module);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
  RKF_ENTER(RKF_INIT);
  const char *text = getenv("CUDA_MODULE_LOADING");
  *mode = text != NULL && strcmp(text, "EAGER") == 0 ? CU_MODULE_EAGER_LOADING
                                                     : CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

/* ---- functions and variables ---- */

static CUfunction known_function(CUmodule module, const char *name)
{
  rkf_lock();
  CUfunction function = module->functions;
  while (function != NULL && strcmp(function->name, name) != 0) {
    function = function->next;
  }
  rkf_unlock();
  return function;
}

bool rkf_function_is(CUfunction wanted)
{
  bool is_there = false;
  rkf_lock();
  for (CUmodule m = modules; m != NULL && !is_there; m = m->next) {
    for (CUfunction f = m->functions; f != NULL && !is_there; f = f->next) {
      is_there = f == wanted;
    }
  }
  rkf_unlock();
  return is_there;
}

RKF_EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
  RKF_ENTER(RKF_CONTEXT);
  char symbol[128];
  if (module == NULL || name == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *function = known_function(module, name);
  if (*function != NULL) {
    return CUDA_SUCCESS;
  }
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  (void)snprintf(symbol, sizeof(symbol), RKFAKE_ENTRY_PREFIX "%s", name);
  const rkfake_entry *entry = dlsym(module->library, symbol);
  if (entry == NULL || strlen(name) >= sizeof((*function)->name)) {
    return CUDA_ERROR_NOT_FOUND;
  }
  CUfunction made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  made->module = module;
  made->entry = entry;
  (void)snprintf(made->name, sizeof(made->name), "%s", name);
  rkf_lock();
  made->next = module->functions;
  module->functions = made;
  rkf_unlock();
  *function = made;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module,
                                         const char *name)
{
  RKF_ENTER(RKF_CONTEXT);
  Dl_info info;
  const ElfW(Sym) *symbol = NULL;
  CUdeviceptr found = 0;
  void *variable = module != NULL && name != NULL ? dlsym(module->library, name) : NULL;
  if (variable == NULL || dladdr1(variable, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 ||
      symbol == NULL) {
    return CUDA_ERROR_NOT_FOUND;
  }
  CUresult code = rkf_memory_add_global(variable, symbol->st_size, &found);
  if (code == CUDA_SUCCESS && address != NULL) {
    *address = found;
  }
  if (code == CUDA_SUCCESS && bytes != NULL) {
    *bytes = symbol->st_size;
  }
  return code;
}

RKF_EXPORT CUresult cuFuncLoad(CUfunction function)
{
  RKF_ENTER(RKF_CONTEXT);
  return rkf_function_is(function) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

RKF_EXPORT CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute,
                                       CUfunction function)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_function_is(function)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = 1024;
      break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = rkf.config.registers;
      break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = function->module->sm;
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = function->dynamic_shared_bytes;
      break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = rkf_local_bytes(function->name);
      break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
      *value = 0;
      break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = -1;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute,
                                       int value)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  if (!rkf_function_is(function)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      function->dynamic_shared_bytes = value;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
      return rkf.config.cc >= 90 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}
