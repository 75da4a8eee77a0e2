/* SPDX-License-Identifier: MIT */
/*
 * Finding the CUDA driver and filling the table of its functions.
 *
 * The library is loaded by its SONAME, never as libcuda.so, which is where toolkits put a stub to
 * link against. The stub has the same SONAME though, so it can still be what the loader finds: it
 * is recognised by what its cuInit returns, or by a lookup that knows no function at all.
 */
#include "backend/cuda/cuda_api.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/params.h"
#include "base/thread.h"

#include "backend/cuda/cuda_error.h"

#define DEFAULT_LIBRARY "libcuda.so.1"

/* ---- the functions --------------------------------------------------------------------------- */

typedef struct symbol {
  const char *name;     /* for cuGetProcAddress, with `version` */
  const char *exported; /* for dlsym */
  int version;          /* 11020 for CUDA 11.2 */
  rk_cuda_group group;
  size_t offset; /* of its pointer in rk_cuda_api */
} symbol;

static const symbol symbols[] = {
#define RK_CUDA_SYMBOL(group, field, name, suffix, version, arguments) \
  {#name, #name #suffix, version, RK_CUDA_##group, offsetof(rk_cuda_api, field)},
    RK_CUDA_FUNCTIONS(RK_CUDA_SYMBOL)
#undef RK_CUDA_SYMBOL
};

typedef CUresult (*get_proc_fn)(const char *name, void **function, int version, uint64_t flags,
                                CUdriverProcAddressQueryResult *found);

/* The address of an exported symbol, or NULL. */
static void *exported_symbol(void *lib, const char *name)
{
  void *address = NULL;
  return rk_platform_current()->lib_symbol(lib, name, &address, NULL) == RK_OK ? address : NULL;
}

/* The address of a function in the version that we know, or NULL. */
static void *find_symbol(void *lib, get_proc_fn get_proc, const symbol *wanted)
{
  if (get_proc == NULL) {
    return exported_symbol(lib, wanted->exported);
  }
  void *address = NULL;
  CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  CUresult result = get_proc(wanted->name, &address, wanted->version,
                             CU_GET_PROC_ADDRESS_LEGACY_STREAM, &found);
  return result == CUDA_SUCCESS && found == CU_GET_PROC_ADDRESS_SUCCESS ? address : NULL;
}

/* Code and data pointers have one size here, but no conversion in C. */
static void set_function(rk_cuda_api *api, size_t offset, void *address)
{
  memcpy((char *)api + offset, &address, sizeof(address));
}

static int stub_error(const char *library, rk_error *err)
{
  return rk_error_set(err, RK_ENO_DEVICE,
                      "'%.200s' is the stub library of a CUDA toolkit, not a driver; install the "
                      "NVIDIA driver, and take the toolkit's folder 'stubs' out of LD_LIBRARY_PATH",
                      library);
}

static int missing_error(const symbol *missing, const rk_cuda_driver *driver, rk_error *err)
{
  return rk_error_set(err, RK_EVERSION,
                      "the CUDA driver '%.200s' (CUDA %d.%d) has no %s of CUDA %d.%d, which is "
                      "needed; update the driver",
                      driver->library, driver->version / 1000, driver->version % 1000 / 10,
                      missing->name, missing->version / 1000, missing->version % 1000 / 10);
}

/* Fills in all functions of a loaded and initialised library. */
static int find_functions(void *lib, rk_cuda_api *api, const rk_cuda_driver *driver, rk_error *err)
{
  get_proc_fn get_proc = NULL;
  void *address = exported_symbol(lib, "cuGetProcAddress_v2");
  memcpy(&get_proc, &address, sizeof(address));

  const symbol *missing = NULL;
  size_t found = 0;
  uint32_t incomplete = 0;
  for (size_t i = 0; i < RK_ARRAY_LEN(symbols); ++i) {
    address = find_symbol(lib, get_proc, &symbols[i]);
    set_function(api, symbols[i].offset, address);
    if (address != NULL) {
      ++found;
    } else {
      incomplete |= 1u << symbols[i].group;
      if (symbols[i].group == RK_CUDA_CORE && missing == NULL) {
        missing = &symbols[i];
      }
    }
  }
  if (found == 0) {
    return stub_error(driver->library, err);
  }
  if (missing != NULL) {
    return missing_error(missing, driver, err);
  }
  /* Half a group is none: whoever asks rk_cuda_has need not look at single pointers. */
  for (size_t i = 0; i < RK_ARRAY_LEN(symbols); ++i) {
    if ((incomplete >> symbols[i].group & 1u) != 0) {
      set_function(api, symbols[i].offset, NULL);
    }
  }
  api->groups = ((1u << RK_CUDA_GROUP_COUNT) - 1) & ~incomplete;
  return RK_OK;
}

/* ---- starting the driver --------------------------------------------------------------------- */

/* What to do about a result of cuInit; NULL if nothing helpful is known. */
static const char *init_advice(CUresult result)
{
  switch (result) {
    case CUDA_ERROR_NO_DEVICE:
    case CUDA_ERROR_INVALID_DEVICE:
      return "the driver sees no GPU: look at nvidia-smi and CUDA_VISIBLE_DEVICES, and give a "
             "container its devices";
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
      return "the driver's library and its kernel module are of different versions: reboot after "
             "an update, or give a container the host's library";
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
      return "this GPU does not take the compatibility library: take its folder 'compat' out of "
             "LD_LIBRARY_PATH, or update the driver";
    case CUDA_ERROR_SYSTEM_NOT_READY:
      return "the system is not ready yet: try again, and start nvidia-fabricmanager where the "
             "machine needs it";
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
      return "the GPU is taken or closed to programs: look at its compute mode (nvidia-smi -q -d "
             "COMPUTE)";
    case CUDA_ERROR_OPERATING_SYSTEM:
    case CUDA_ERROR_NOT_PERMITTED:
    case CUDA_ERROR_UNKNOWN:
      return "the driver cannot reach its kernel module: check that /dev/nvidia* and "
             "/dev/nvidia-uvm are there and open to you (nvidia-modprobe -u makes them)";
    case CUDA_ERROR_MPS_CONNECTION_FAILED:
    case CUDA_ERROR_MPS_RPC_FAILURE:
    case CUDA_ERROR_MPS_SERVER_NOT_READY:
    case CUDA_ERROR_MPS_MAX_CLIENTS_REACHED:
    case CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED:
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
      return "the multi-process service (MPS) refuses: restart it, or unset "
             "CUDA_MPS_PIPE_DIRECTORY";
    default:
      return NULL;
  }
}

static int init_error(const rk_cuda_api *api, CUresult result, rk_error *err)
{
  const char *advice = init_advice(result);
  if (advice == NULL) {
    return rk_cuda_check(api, result, "cuInit", err);
  }
  return rk_error_set(err, rk_cuda_status(result), "cuInit: %s (%d): %s",
                      rk_cuda_result_name(api, result), (int)result, advice);
}

int rk__cuda_open_at(const char *library, rk_cuda_api *api, rk_cuda_driver *driver, rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  void *lib = NULL;
  memset(api, 0, sizeof(*api));
  memset(driver, 0, sizeof(*driver));
  (void)snprintf(driver->library, sizeof(driver->library), "%s", library);

  rk_error why = RK_ERROR_INIT;
  if (os->lib_open(library, &lib, &why) != RK_OK) {
    return rk_error_set(err, RK_ENO_DEVICE,
                        "no CUDA driver: %.350s; install the NVIDIA driver, or use backend = "
                        "\"cpu\"",
                        why.text);
  }
  driver->is_loaded = true;

  /* These two come first and by plain name: they never changed, and what they say is the better
   * explanation if nothing else is found. */
  void *init = exported_symbol(lib, "cuInit");
  void *get_version = exported_symbol(lib, "cuDriverGetVersion");
  if (init == NULL || get_version == NULL) {
    return rk_error_set(err, RK_ENO_DEVICE, "'%.200s' is no CUDA driver: it has no %s", library,
                        init == NULL ? "cuInit" : "cuDriverGetVersion");
  }
  set_function(api, offsetof(rk_cuda_api, init), init);
  set_function(api, offsetof(rk_cuda_api, driver_get_version), get_version);
  set_function(api, offsetof(rk_cuda_api, get_error_string),
               exported_symbol(lib, "cuGetErrorString"));

  /* By default the driver loads a kernel's code when it is first used. Loading waits until the GPU
   * is idle and holds the context's lock meanwhile. With a kernel that never ends that is a
   * deadlock, and the copy that would end it waits for the lock too. So everything is loaded when
   * its module is. A user who set the variable is left alone: the backend also touches every kernel
   * before the grid starts. */
  int rc = os->env_default("CUDA_MODULE_LOADING", "EAGER", err);
  if (rc != RK_OK) {
    return rc;
  }
  CUresult result = api->init(0);
  if (result == CUDA_ERROR_STUB_LIBRARY) {
    return stub_error(library, err);
  }
  int version = 0;
  if (api->driver_get_version(&version) == CUDA_SUCCESS) {
    driver->version = version;
    api->driver_version = version;
  }
  if (result != CUDA_SUCCESS) {
    return init_error(api, result, err);
  }
  return find_functions(lib, api, driver, err);
}

/* ---- once in a process ----------------------------------------------------------------------- */

/* Written by open_once alone; whoever reads them has come back from rk_once_run. */
static struct {
  rk_once once;
  rk_cuda_api api;
  rk_cuda_driver driver;
  rk_error err; /* its status is that of opening */
  uint64_t pid;
} the_driver;

static void open_once(void *arg)
{
  (void)arg;
  const char *chosen = rk_param_text(RK_PARAM_LIBCUDA);
  bool is_chosen = chosen[0] != '\0';
  the_driver.pid = rk_platform_current()->pid();
  (void)rk__cuda_open_at(is_chosen ? chosen : DEFAULT_LIBRARY, &the_driver.api, &the_driver.driver,
                         &the_driver.err);
  the_driver.driver.is_chosen = is_chosen;
  if (is_chosen && the_driver.err.status != RK_OK) {
    (void)rk_error_prefix(&the_driver.err, "RINGKERNEL_LIBCUDA");
  }
}

int rk_cuda_open(const rk_cuda_api **out, rk_error *err)
{
  rk_once_run(&the_driver.once, open_once, NULL);
  if (the_driver.err.status != RK_OK) {
    return rk_error_set(err, the_driver.err.status, "%s", the_driver.err.text);
  }
  if (the_driver.pid != rk_platform_current()->pid()) {
    return rk_error_set(err, RK_EFORKED,
                        "the CUDA driver was opened before this process was forked and does not "
                        "work in a child; start a new program instead");
  }
  *out = &the_driver.api;
  return RK_OK;
}

void rk_cuda_driver_get(rk_cuda_driver *out)
{
  rk_once_run(&the_driver.once, open_once, NULL);
  *out = the_driver.driver;
}

const char *rk_cuda_environment_problem(void)
{
  const char *value = rk_platform_current()->env_get("CUDA_LAUNCH_BLOCKING");
  if (value == NULL || value[0] == '\0' || strcmp(value, "0") == 0) {
    return NULL;
  }
  return "CUDA_LAUNCH_BLOCKING is set: each launch would wait for the end of a kernel that stays; "
         "unset it";
}
