/* SPDX-License-Identifier: MIT */
/*
 * Part of rk_abi.h: what blocks know of tenants (rk_tenant_dev.h). Included by it, for the macros
 * and types that it defines come first.
 */
#ifndef RK_ABI_TENANT_H
#define RK_ABI_TENANT_H

#define RK_TENANTS_MAX 256u /* numbers of tenants, which a message carries in a byte */

/* Who may send to whom, besides itself; each block has a copy. Bit g of row o: tenant g to o. */
typedef struct RK_ALIGN(128) rk_abi_tenants {           /* B */
  rk_u64 accepts[RK_TENANTS_MAX][RK_TENANTS_MAX / 64u]; /* looked at where messages are handled */
  rk_u64 sends[RK_TENANTS_MAX][RK_TENANTS_MAX / 64u];   /* looked at where they are sent */
} rk_abi_tenants;
RK_CHECK_SIZE(rk_abi_tenants, 16384);
RK_CHECK_OFFSET(rk_abi_tenants, sends, 8192);

typedef struct RK_ALIGN(128) rk_abi_bucket { /* of the messages that a tenant's actors send */
  rk_u64 full_ns;                            /* P: when it is full again */
  rk_u64 pad0[7];
  rk_u64 period_ns; /* block 0: what a message takes; 0 = there is no limit */
  rk_u64 depth_ns;  /* block 0: what a full bucket holds */
  rk_u64 pad1[6];
} rk_abi_bucket;
RK_CHECK_SIZE(rk_abi_bucket, 128);
RK_CHECK_OFFSET(rk_abi_bucket, period_ns, 64);

#endif
