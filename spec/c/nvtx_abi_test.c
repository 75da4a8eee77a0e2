/* SPDX-License-Identifier: MIT */
/*
 * Our declarations of the NVTX injection protocol against the real headers, where the machine has
 * them; without them the one test says that it was skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nvtx_abi.h"

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>

#define SAME(ours, theirs) assert_int_equal((long long)(ours), (long long)(theirs))
#define SAME_FIELD(ours, our_field, theirs, their_field)                      \
  do {                                                                        \
    SAME(offsetof(ours, our_field), offsetof(theirs, their_field));           \
    SAME(sizeof(((ours *)0)->our_field), sizeof(((theirs *)0)->their_field)); \
  } while (0)

static void numbers_are_the_same(void **state)
{
  (void)state;
  SAME(RK_NVTX_ABI_VERSION, NVTX_VERSION);
  SAME(RK_NVTX_ABI_TABLE_CALLBACKS, NVTX_ETID_CALLBACKS);
  SAME(RK_NVTX_ABI_TABLE_VERSION, NVTX_ETID_VERSIONINFO);
  SAME(RK_NVTX_ABI_MODULE_CORE, NVTX_CB_MODULE_CORE);
  SAME(RK_NVTX_ABI_MODULE_CUDA, NVTX_CB_MODULE_CUDA);
  SAME(RK_NVTX_ABI_MODULE_OPENCL, NVTX_CB_MODULE_OPENCL);
  SAME(RK_NVTX_ABI_MODULE_CUDART, NVTX_CB_MODULE_CUDART);
  SAME(RK_NVTX_ABI_MODULE_CORE2, NVTX_CB_MODULE_CORE2);
  SAME(RK_NVTX_ABI_MODULE_SYNC, NVTX_CB_MODULE_SYNC);
  SAME(RK_NVTX_ABI_MODULES, NVTX_CB_MODULE_SIZE);
  SAME(RK_NVTX_ABI_CORE_SIZE, NVTX_CBID_CORE_SIZE);
  SAME(RK_NVTX_ABI_CUDA_SIZE, NVTX_CBID_CUDA_SIZE);
  SAME(RK_NVTX_ABI_OPENCL_SIZE, NVTX_CBID_OPENCL_SIZE);
  SAME(RK_NVTX_ABI_CUDART_SIZE, NVTX_CBID_CUDART_SIZE);
  SAME(RK_NVTX_ABI_CORE2_SIZE, NVTX_CBID_CORE2_SIZE);
  SAME(RK_NVTX_ABI_SYNC_SIZE, NVTX_CBID_SYNC_SIZE);
  SAME(RK_NVTX_ABI_DOMAIN_MARK, NVTX_CBID_CORE2_DomainMarkEx);
  SAME(RK_NVTX_ABI_DOMAIN_RANGE_START, NVTX_CBID_CORE2_DomainRangeStartEx);
  SAME(RK_NVTX_ABI_DOMAIN_RANGE_END, NVTX_CBID_CORE2_DomainRangeEnd);
  SAME(RK_NVTX_ABI_DOMAIN_RANGE_PUSH, NVTX_CBID_CORE2_DomainRangePushEx);
  SAME(RK_NVTX_ABI_DOMAIN_RANGE_POP, NVTX_CBID_CORE2_DomainRangePop);
  SAME(RK_NVTX_ABI_DOMAIN_REGISTER_STRING, NVTX_CBID_CORE2_DomainRegisterStringA);
  SAME(RK_NVTX_ABI_DOMAIN_CREATE, NVTX_CBID_CORE2_DomainCreateA);
  SAME(RK_NVTX_ABI_PAYLOAD_NONE, NVTX_PAYLOAD_UNKNOWN);
  SAME(RK_NVTX_ABI_PAYLOAD_U64, NVTX_PAYLOAD_TYPE_UNSIGNED_INT64);
  SAME(RK_NVTX_ABI_MESSAGE_NONE, NVTX_MESSAGE_UNKNOWN);
  SAME(RK_NVTX_ABI_MESSAGE_ASCII, NVTX_MESSAGE_TYPE_ASCII);
  SAME(RK_NVTX_ABI_MESSAGE_HANDLE, NVTX_MESSAGE_TYPE_REGISTERED);
}

static void layouts_are_the_same(void **state)
{
  (void)state;
  SAME(sizeof(rk_nvtx_abi_event), sizeof(nvtxEventAttributes_t));
  SAME_FIELD(rk_nvtx_abi_event, version, nvtxEventAttributes_t, version);
  SAME_FIELD(rk_nvtx_abi_event, size, nvtxEventAttributes_t, size);
  SAME_FIELD(rk_nvtx_abi_event, category, nvtxEventAttributes_t, category);
  SAME_FIELD(rk_nvtx_abi_event, color_type, nvtxEventAttributes_t, colorType);
  SAME_FIELD(rk_nvtx_abi_event, color, nvtxEventAttributes_t, color);
  SAME_FIELD(rk_nvtx_abi_event, payload_type, nvtxEventAttributes_t, payloadType);
  SAME_FIELD(rk_nvtx_abi_event, payload, nvtxEventAttributes_t, payload);
  SAME_FIELD(rk_nvtx_abi_event, payload.u64, nvtxEventAttributes_t, payload.ullValue);
  SAME_FIELD(rk_nvtx_abi_event, message_type, nvtxEventAttributes_t, messageType);
  SAME_FIELD(rk_nvtx_abi_event, message, nvtxEventAttributes_t, message);
  SAME_FIELD(rk_nvtx_abi_event, message.handle, nvtxEventAttributes_t, message.registered);
  SAME(sizeof(rk_nvtx_abi_callbacks), sizeof(NvtxExportTableCallbacks));
  SAME_FIELD(rk_nvtx_abi_callbacks, struct_size, NvtxExportTableCallbacks, struct_size);
  SAME_FIELD(rk_nvtx_abi_callbacks, module_table, NvtxExportTableCallbacks, GetModuleFunctionTable);
  SAME(sizeof(rk_nvtx_abi_version), sizeof(NvtxExportTableVersionInfo));
  SAME_FIELD(rk_nvtx_abi_version, version, NvtxExportTableVersionInfo, version);
  SAME_FIELD(rk_nvtx_abi_version, set_injection_version, NvtxExportTableVersionInfo,
             SetInjectionNvtxVersion);
  SAME(sizeof(uint64_t), sizeof(nvtxRangeId_t));
}

/* The real headers' own client must be able to work with our idea of a tool: its tables are walked
 * through our declarations. */
static void real_tables_read_through_ours(void **state)
{
  rk_nvtx_abi_fn **table = NULL;
  unsigned int size = 0;
  const rk_nvtx_abi_callbacks *callbacks = NVTX_VERSIONED_IDENTIFIER(nvtxGetExportTable)(
      RK_NVTX_ABI_TABLE_CALLBACKS);
  (void)state;
  assert_non_null(callbacks);
  for (int module = 1; module < RK_NVTX_ABI_MODULES; ++module) {
    assert_int_equal(callbacks->module_table(module, &table, &size), 1);
    assert_null(table[0]);
    assert_null(table[size]);
    for (unsigned int i = 1; i < size; ++i) {
      assert_non_null(table[i]);
    }
  }
  assert_int_equal(callbacks->module_table(RK_NVTX_ABI_MODULE_CORE2, &table, &size), 1);
  assert_int_equal(size, RK_NVTX_ABI_CORE2_SIZE);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_the_same),
      cmocka_unit_test(layouts_are_the_same),
      cmocka_unit_test(real_tables_read_through_ours),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void compared_with_the_real_headers(void **state)
{
  (void)state;
  skip(); /* no nvtx3/nvToolsExt.h */
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(compared_with_the_real_headers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
