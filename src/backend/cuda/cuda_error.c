/* SPDX-License-Identifier: MIT */
/*
 * From the driver's results to our status codes and texts.
 */
#include "backend/cuda/cuda_error.h"

#include <stddef.h>

int rk_cuda_status(CUresult result)
{
  switch (result) {
    case CUDA_SUCCESS:
      return RK_OK;
    case CUDA_ERROR_OUT_OF_MEMORY:
      return RK_EOUT_OF_MEMORY;
    case CUDA_ERROR_NOT_READY:
    case CUDA_ERROR_TIMEOUT:
      return RK_ETIMEOUT;

    case CUDA_ERROR_STUB_LIBRARY:
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
    case CUDA_ERROR_NO_DEVICE:
    case CUDA_ERROR_INVALID_DEVICE:
    case CUDA_ERROR_DEVICE_NOT_LICENSED:
    case CUDA_ERROR_SYSTEM_NOT_READY:
    case CUDA_ERROR_MPS_CONNECTION_FAILED:
    case CUDA_ERROR_MPS_RPC_FAILURE:
    case CUDA_ERROR_MPS_SERVER_NOT_READY:
    case CUDA_ERROR_MPS_MAX_CLIENTS_REACHED:
    case CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED:
      return RK_ENO_DEVICE;

    case CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER:
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
      return RK_EVERSION;

    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_INVALID_SOURCE:
      return RK_ECORRUPT;
    case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    case CUDA_ERROR_JIT_COMPILATION_DISABLED:
      return RK_ENO_COMPILER;

    case CUDA_ERROR_NOT_FOUND:
    case CUDA_ERROR_FILE_NOT_FOUND:
      return RK_ENOT_FOUND;
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
    case CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE:
    case CUDA_ERROR_INVALID_CLUSTER_SIZE:
      return RK_ETOO_LARGE;
    case CUDA_ERROR_NOT_PERMITTED:
      return RK_EDENIED;
    case CUDA_ERROR_NOT_SUPPORTED:
    case CUDA_ERROR_UNSUPPORTED_LIMIT:
    case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
    case CUDA_ERROR_INVALID_RESOURCE_TYPE:
    case CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION:
      return RK_EUNSUPPORTED;

    default:
      return rk_cuda_is_sticky(result) ? RK_EDEVICE_LOST : RK_EIO;
  }
}

bool rk_cuda_is_sticky(CUresult result)
{
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_CONTAINED:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_TENSOR_MEMORY_LEAK:
    case CUDA_ERROR_MPS_CLIENT_TERMINATED:
    case CUDA_ERROR_EXTERNAL_DEVICE:
    case CUDA_ERROR_DEINITIALIZED:
      return true;
    default:
      return false;
  }
}

const char *rk_cuda_result_name(const rk_cuda_api *api, CUresult result)
{
  static const struct {
    CUresult result;
    const char *name;
  } known[] = {
#define RK_CUDA_NAMED(name, value) {name, #name},
      RK_CUDA_RESULTS(RK_CUDA_NAMED)
#undef RK_CUDA_NAMED
  };
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); ++i) {
    if (known[i].result == result) {
      return known[i].name;
    }
  }
  const char *text = NULL;
  if (api != NULL && api->get_error_name != NULL &&
      api->get_error_name(result, &text) == CUDA_SUCCESS && text != NULL) {
    return text;
  }
  return "unknown result";
}

int rk_cuda_check(const rk_cuda_api *api, CUresult result, const char *call, rk_error *err)
{
  if (result == CUDA_SUCCESS) {
    return RK_OK;
  }
  int status = rk_cuda_status(result);
  const char *text = NULL;
  if (api == NULL || api->get_error_string == NULL ||
      api->get_error_string(result, &text) != CUDA_SUCCESS || text == NULL) {
    text = rk_status_text(status);
  }
  return rk_error_set(err, status, "%s: %s (%d): %s", call, rk_cuda_result_name(api, result),
                      (int)result, text);
}
