/* SPDX-License-Identifier: MIT */
/*
 * Tenants, for the files of the runtime: tenant.c (who there is, what they may use), grants.c (who
 * may send to whom, and the end of that), audit.c (what was refused).
 *
 * "As" is in whose name the host does something: a tenant's number + 1, or 0 for nobody's, which is
 * the host's own right to do anything. Without tenants `rk_runtime.tenants` is NULL, and whoever
 * sends looks at that only.
 */
#ifndef RK_RUNTIME_TENANT_H
#define RK_RUNTIME_TENANT_H

#include "runtime/internal.h"

#include "rk_bucket_dev.h"

#define RK_TENANT_NAME_BYTES 64u
#define RK_AUDIT_MAX 1024u /* refusals kept */

typedef struct rk_tenant {
  rk_abi_bucket bucket; /* of what the host sends in its name */
  char name[RK_TENANT_NAME_BYTES];
  rk_tenant_limits limits;
  uint64_t actors;       /* living */
  uint64_t memory_bytes; /* of these, and of its buffers */
  uint64_t refused;
} rk_tenant;

struct rk_tenants {
  uint32_t count;
  rk_tenant *list[RK_TENANTS_MAX];                        /* [count]; 0 is the default tenant */
  uint64_t granted[RK_TENANTS_MAX][RK_TENANTS_MAX / 64u]; /* bit g of row o: g may send to o */
  bool is_revoking; /* messages become dead letters that were allowed when they were sent */
  uint64_t letters; /* dead for their tenant, ever */
  struct {
    rk_audit_entry *kept; /* [RK_AUDIT_MAX], a circular list */
    uint64_t count;       /* ever; entry n lies at n modulo the size, n from 0 */
    uint64_t unkept;      /* that no memory was found for */
  } audit;
};

/* What a refusal is about; all but `action` may be missing. */
typedef struct rk_refusal {
  const char *action; /* static text */
  const char *quota;  /* static text; NULL: two tenants */
  int code;
  uint32_t as;     /* in whose name it was tried */
  uint32_t other;  /* whose the receiver is, likewise */
  rk_actor *actor; /* that tried it, or was to be made */
  uint32_t dest;   /* reference of the receiver */
} rk_refusal;

/* audit.c */
void rk__audit(rk_runtime *rt, const rk_refusal *refusal);
/* A block has refused a send. Called by drain. */
void rk__audit_told(rk_runtime *rt, const rk_abi_response *response);
/* A message became a dead letter because of its tenant. */
void rk__audit_dead(rk_runtime *rt, const rk_abi_msg *header);
void rk__audit_close(rk_runtime *rt);

/* tenant.c */
void rk__tenants_close(rk_runtime *rt);
const char *rk__tenant_name(const rk_runtime *rt, uint32_t as);
/* not_found for a number that is no tenant's. */
int rk__tenant_check(const rk_runtime *rt, uint32_t as, rk_error *err);
/* Room for an actor, or a buffer (NULL), of so much memory. denied. */
int rk__tenant_room(rk_runtime *rt, uint32_t tenant, const char *action, rk_actor *actor,
                    uint64_t bytes, rk_error *err);
/* It has them now, or no more. */
void rk__tenant_uses(rk_runtime *rt, uint32_t tenant, int actors, int64_t bytes);
/* Takes one message from what a tenant may send through the host. denied. */
int rk__tenant_allowance(rk_runtime *rt, uint32_t tenant, const char *action, rk_actor *to,
                         rk_error *err);

/* grants.c */
bool rk__tenant_accepts(const rk_runtime *rt, uint32_t owner, uint32_t guest);
/* In whose name a message with these options is sent to `to`: *tenant, if that is allowed. */
int rk__tenant_of_send(rk_actor *to, const rk_send_options *options, uint8_t *tenant,
                       rk_error *err);
/* Whether `from` may be tied to `to`. */
int rk__tenant_may_tie(rk_actor *from, rk_actor *to, const char *port, rk_error *err);

#endif
