/* SPDX-License-Identifier: MIT */
/*
 * Part of the public C contract, included by ringkernel.h, whose rules hold: tenants.
 *
 * Every actor belongs to one tenant; those launched without say belong to "default", which is there
 * from the start. Between tenants nothing is sent but what a grant allows: not through ports, by id,
 * as an answer, nor by publishing. The host itself may send to anybody, in the receiver's own name;
 * with `as` it does so in a tenant's, and is held to what that one may.
 *
 * A tenant is named by a number that is never 0 ("as"), and lives as long as its runtime.
 */
#ifndef RINGKERNEL_TENANT_H
#define RINGKERNEL_TENANT_H

#include "ringkernel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_tenant_limits { /* 0 = none */
  uint64_t actors;                /* living */
  uint64_t memory_bytes;          /* of their queues, state and routes, and of buffers */
  double rate;                    /* messages a second that its actors send to actors or publish, */
                                  /* and as many that the host sends in its name */
  double burst;                   /* messages at once; 0 = a second's, at least 1 */
} rk_tenant_limits;

/* Makes the tenant `name` (1..63 bytes), or changes the limits of the one that is there; `limits`
 * NULL: none, or as they are. At most 256. Errors: invalid, out_of_memory, timeout (a handler keeps
 * a block busy), device_lost. Threads: the runtime's. */
RK_API int rk_runtime_tenant(rk_runtime *rt, const char *name, const rk_tenant_limits *limits,
                             uint32_t *as, rk_error *err);
/* 0: there is none of that name; NULL: of that number. Threads: the runtime's. */
RK_API uint32_t rk_runtime_tenant_find(const rk_runtime *rt, const char *name);
RK_API const char *rk_runtime_tenant_name(const rk_runtime *rt, uint32_t as);
RK_API uint32_t rk_actor_tenant(const rk_actor *actor);

typedef struct rk_tenant_stats {
  uint64_t actors, memory_bytes;
  uint64_t refused; /* what it tried and was refused, as far as blocks could tell */
  rk_tenant_limits limits;
} rk_tenant_stats;
/* Errors: not_found. Threads: the runtime's. */
RK_API int rk_runtime_tenant_stats(rk_runtime *rt, uint32_t as, rk_tenant_stats *out);

/* From now on what belongs to `guest` may send to what belongs to `owner`; not the other way.
 * Errors: not_found, invalid (the same tenant twice), timeout (a handler keeps a block busy; nothing
 * is granted then), device_lost. Threads: the runtime's. */
RK_API int rk_runtime_grant(rk_runtime *rt, uint32_t owner, uint32_t guest, rk_error *err);
/* Takes it back. Once this has returned RK_OK nothing that the guest sent is handled any more; what
 * was still queued, *swept messages (may be NULL), is in the dead letters. Errors: as above; after
 * timeout the blocks that answer do without the grant, and it can be called again; full. Threads:
 * the runtime's. */
RK_API int rk_runtime_revoke(rk_runtime *rt, uint32_t owner, uint32_t guest, uint64_t *swept,
                             rk_error *err);
RK_API bool rk_runtime_granted(const rk_runtime *rt, uint32_t owner, uint32_t guest);

/* rk_runtime_publish and rk_runtime_subscribe in a tenant's name. Subscribers hear of what their own
 * tenant publishes, of its guests and of the host; functions of the host (as = 0) of everything.
 * Errors: tenant_mismatch (a retained message of somebody else; another tenant's actor), denied,
 * not_found too. Threads: the runtime's. */
RK_API int rk_runtime_publish_as(rk_runtime *rt, uint32_t as, const char *topic, uint32_t type,
                                 const void *data, size_t size, bool retain, size_t *count,
                                 rk_error *err);
RK_API int rk_runtime_subscribe_as(rk_runtime *rt, uint32_t as, const char *pattern,
                                   rk_actor *actor, uint32_t limit, rk_subscription **out,
                                   rk_error *err);

typedef struct rk_audit_entry { /* one thing that was refused */
  uint64_t number;              /* from 1 */
  uint64_t hlc;                 /* when the host learned of it */
  const char *action;           /* send publish deliver connect subscribe launch buffer */
  const char *quota;            /* actors memory rate; NULL: for want of a grant */
  const char *tenant, *other;   /* who tried it, whose the receiver is; NULL: not known */
  int code;                     /* RK_EDENIED or RK_ETENANT_MISMATCH */
  uint32_t actor, dest;         /* ids; 0: the host, none */
  char name[64];                /* of `actor`, or "" */
} rk_audit_entry;
/* Walks the newest 1024, oldest first: index 0.. until false. Threads: the runtime's. */
RK_API bool rk_runtime_audit(rk_runtime *rt, size_t index, rk_audit_entry *out);
RK_API bool rk_runtime_audit_find(rk_runtime *rt, uint64_t number, rk_audit_entry *out);
/* Refusals that are not kept, or that a block had no room to tell of. */
RK_API uint64_t rk_runtime_audit_dropped(rk_runtime *rt);

#ifdef __cplusplus
}
#endif
#endif
