/* SPDX-License-Identifier: MIT */
/*
 * Sections of a checkpoint to and from bytes: see checkpoint.h. The writing half of an actor's own
 * fields is in checkpoint.c, where they are known; field by field it mirrors rk__load_actor.
 */
#include "runtime/checkpoint.h"
#include "runtime/spill.h"

#include <string.h>

#include "base/alloc.h"

/* ---- writing --------------------------------------------------------------------------------- */

void rk__save_ref(rk_runtime *rt, rk_bytes *out, uint32_t reference, uint32_t self)
{
  const rk_actor *actor = NULL;
  if (reference == RK_ID_HOST) {
    rk_bytes_u8(out, RK_WHO_HOST);
  } else if (reference == self) {
    rk_bytes_u8(out, RK_WHO_SELF);
  } else if ((actor = rk__registry_by_reference(rt, reference)) != NULL) {
    rk_bytes_u8(out, RK_WHO_NAMED);
    rk_bytes_text(out, actor->name);
  } else {
    rk_bytes_u8(out, RK_WHO_GONE);
  }
}

void rk__save_tenant(rk_runtime *rt, rk_bytes *out, uint32_t as)
{
  const char *name = as != 0 ? rk_runtime_tenant_name(rt, as) : NULL;
  rk_bytes_text(out, name != NULL ? name : "");
}

void rk__save_message(rk_runtime *rt, rk_bytes *out, const rk_abi_msg *header, const void *data,
                      uint32_t self)
{
  rk_bytes_u64(out, header->id);
  rk_bytes_u64(out, header->correlation);
  rk_bytes_u64(out, header->hlc);
  rk_bytes_u64(out, header->deadline);
  rk_bytes_u32(out, header->type);
  rk_bytes_u32(out, header->checksum);
  rk_bytes_u32(out, header->size_bytes);
  rk_bytes_u16(out, header->flags);
  bool is_dead = (header->flags & RK_MSG_DEAD) != 0; /* else `reason` is a tenant's number */
  rk_bytes_u8(out, header->priority);
  rk_bytes_u8(out, is_dead ? header->reason : 0u);
  rk__save_ref(rt, out, header->source, self);
  rk__save_ref(rt, out, header->dest, self);
  rk__save_tenant(rt, out, is_dead || header->reason == 0 ? 0u : header->reason + 1u);
  rk_bytes_put(out, data, header->size_bytes);
}

void rk__save_mailbox(rk_runtime *rt, rk_bytes *out, const rk_mailbox *box, uint32_t self)
{
  rk_mailbox_place at = rk_mailbox_first(box);
  rk_bytes_u32(out, (uint32_t)rk_mailbox_waiting(box));
  for (const rk_abi_msg *record; (record = rk_mailbox_next(box, &at)) != NULL;) {
    rk__save_message(rt, out, record, record + 1, self);
  }
}

typedef struct save_behind {
  rk_bytes *out;
  const rk_actor *actor;
} save_behind;

static void save_one_behind(void *arg, const rk_abi_msg *header, const void *payload)
{
  const save_behind *s = arg;
  rk__save_message(s->actor->rt, s->out, header, payload, s->actor->id);
}

int rk__save_out(rk_runtime *rt, rk_bytes *out, const rk_actor *actor, rk_error *err)
{
  size_t count_at = out->size;
  rk__save_mailbox(rt, out, &actor->mailbox, actor->id);
  if (actor->spilled == NULL) {
    return RK_OK;
  }
  rk_bytes_u32_at(out, count_at, (uint32_t)rk__out_waiting(actor));
  return rk__out_each_behind(actor, save_one_behind, &(save_behind){out, actor}, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

static rk_saved_ref read_ref(rk_cursor *c)
{
  rk_saved_ref ref = {.who = (rk_saved_who)rk_cursor_u8(c)};
  if (ref.who > RK_WHO_SELF) {
    c->failed = true;
  } else if (ref.who == RK_WHO_NAMED) {
    ref.name = rk_cursor_text(c);
  }
  return ref;
}

static void read_message(rk_cursor *c, rk_saved_message *m)
{
  m->header.id = rk_cursor_u64(c);
  m->header.correlation = rk_cursor_u64(c);
  m->header.hlc = rk_cursor_u64(c);
  m->header.deadline = rk_cursor_u64(c);
  m->header.type = rk_cursor_u32(c);
  m->header.checksum = rk_cursor_u32(c);
  m->header.size_bytes = rk_cursor_u32(c);
  m->header.flags = rk_cursor_u16(c);
  m->header.priority = rk_cursor_u8(c);
  m->header.reason = rk_cursor_u8(c);
  m->source = read_ref(c);
  m->dest = read_ref(c);
  m->tenant = rk_cursor_text(c);
  if (m->header.size_bytes > RK_PAYLOAD_MAX_BYTES) {
    c->failed = true;
  }
  m->data = rk_cursor_block(c, m->header.size_bytes);
}

#define MESSAGE_BYTES 55u /* at least, in a section */

/* A table of `count` elements for what takes `least` bytes each in the rest of a section; NULL when
 * it cannot be so many (then the cursor has failed) or memory has run out. */
static void *table(rk_cursor *c, uint32_t count, size_t least, size_t element)
{
  if (c->failed || count > (c->size - c->at) / least) {
    c->failed = true;
    return NULL;
  }
  return rk_calloc((size_t)count + 1u, element);
}

/* false: out of memory. */
static bool read_queue(rk_cursor *c, rk_saved_queue *queue)
{
  uint32_t count = rk_cursor_u32(c);
  queue->messages = table(c, count, MESSAGE_BYTES, sizeof(*queue->messages));
  if (queue->messages == NULL) {
    return c->failed;
  }
  queue->count = count;
  for (uint32_t i = 0; i < count && !c->failed; ++i) {
    read_message(c, &queue->messages[i]);
  }
  return true;
}

static int ended(const rk_ckpt_section *section, const rk_cursor *c, bool had_memory, rk_error *err)
{
  if (!had_memory) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
  }
  return rk_cursor_ended(c) ? RK_OK : rk_ckpt_bad(section, c, err);
}

static bool read_types(rk_cursor *c, rk_saved_actor *a)
{
  uint32_t count = rk_cursor_u32(c);
  a->types = table(c, count, 13u, sizeof(*a->types));
  if (a->types == NULL) {
    return c->failed;
  }
  a->type_count = count;
  for (uint32_t i = 0; i < count; ++i) {
    a->types[i].id = rk_cursor_u32(c);
    a->types[i].size_bytes = rk_cursor_u32(c);
    a->types[i].name = rk_cursor_text(c);
  }
  return true;
}

#define PORT_BYTES 75u /* at least, in a section */

static bool is_port(const rk_saved_port *p)
{
  bool has_buffer = p->policy == RK_LINK_BUFFER || p->policy == RK_LINK_DROP_OLDEST;
  return p->is_host <= 1u && p->policy < RK_LINK_POLICIES && (p->limit != 0) == has_buffer &&
         p->limit <= RK_QUEUE_MAX_MSGS && p->waiting.count <= p->limit &&
         (p->deadline_ns == 0 || p->policy == RK_LINK_BLOCK) &&
         p->credits <= 2u * RK_QUEUE_MAX_MSGS;
}

static bool read_ports(rk_cursor *c, rk_saved_actor *a)
{
  uint32_t count = rk_cursor_u32(c);
  a->ports = table(c, count, PORT_BYTES, sizeof(*a->ports));
  if (a->ports == NULL) {
    return c->failed;
  }
  a->port_count = count;
  for (uint32_t i = 0; i < count && !c->failed; ++i) {
    rk_saved_port *p = &a->ports[i];
    size_t at = c->at;
    p->name = rk_cursor_text(c);
    p->dest = rk_cursor_text(c);
    p->is_host = rk_cursor_u8(c);
    p->policy = rk_cursor_u32(c);
    p->limit = rk_cursor_u32(c);
    p->credits = rk_cursor_u32(c);
    p->deadline_ns = rk_cursor_u64(c);
    p->sent = rk_cursor_u64(c);
    p->high = rk_cursor_u64(c);
    p->stalls = rk_cursor_u64(c);
    p->dropped = rk_cursor_u64(c);
    p->dead = rk_cursor_u64(c);
    if (!read_queue(c, &p->waiting)) {
      return false;
    }
    if (!c->failed && !is_port(p)) {
      c->failed = true;
      c->at = at;
    }
  }
  return true;
}

void rk__saved_actor_close(rk_saved_actor *a)
{
  for (size_t i = 0; i < a->port_count; ++i) {
    rk_free(a->ports[i].waiting.messages);
  }
  rk_free(a->types);
  rk_free(a->ports);
  for (size_t i = 0; i < RK_QUEUES; ++i) {
    rk_free(a->queues[i].messages);
  }
  *a = (rk_saved_actor){0};
}

int rk__load_actor(const rk_ckpt_section *section, rk_saved_actor *out, rk_error *err)
{
  rk_cursor c = {.data = section->data, .size = section->size};
  rk_saved_actor a = {0};
  a.name = rk_cursor_text(&c);
  a.definition = rk_cursor_text(&c);
  a.tenant = rk_cursor_text(&c);
  a.queue = rk_cursor_u32(&c);
  a.blocks = rk_cursor_u32(&c);
  a.life = rk_cursor_u32(&c);
  a.started = rk_cursor_u32(&c);
  a.last_error = (int32_t)rk_cursor_u32(&c);
  a.errors = (int32_t)rk_cursor_u32(&c);
  a.host_head = rk_cursor_u64(&c);
  a.urgent_head = rk_cursor_u64(&c);
  a.handled = rk_cursor_u64(&c);
  a.dropped = rk_cursor_u64(&c);
  a.received = rk_cursor_u64(&c);
  a.latency_total = rk_cursor_u64(&c);
  a.latency_max = rk_cursor_u64(&c);
  a.latency_min = rk_cursor_u64(&c);
  bool memory = read_types(&c, &a) && read_ports(&c, &a);
  a.note_bytes = rk_cursor_u32(&c);
  a.note = rk_cursor_block(&c, a.note_bytes);
  for (size_t i = 0; i < RK_QUEUES && memory; ++i) {
    memory = read_queue(&c, &a.queues[i]);
  }
  a.state_bytes = rk_cursor_u32(&c);
  a.state = rk_cursor_block(&c, a.state_bytes);
  bool fits = a.name[0] != '\0' && strlen(a.name) <= RK_NAME_MAX_BYTES && a.queue != 0 &&
              a.queue <= RK_QUEUE_MAX_MSGS && a.blocks != 0 && a.started <= 1u &&
              (a.life == RK_STATE_LAUNCHED || a.life == RK_STATE_ACTIVE ||
               a.life == RK_STATE_DEACTIVATED || a.life == RK_STATE_FAILED);
  if (memory && rk_cursor_ended(&c) && !fits) {
    c.failed = true;
    c.at = 0;
  }
  int rc = ended(section, &c, memory, err);
  if (rc != RK_OK) {
    rk__saved_actor_close(&a);
    return rc;
  }
  *out = a;
  return RK_OK;
}

int rk__load_queue(const rk_ckpt_section *section, rk_saved_queue *out, rk_error *err)
{
  rk_cursor c = {.data = section->data, .size = section->size};
  rk_saved_queue queue = {0};
  bool memory = read_queue(&c, &queue);
  int rc = ended(section, &c, memory, err);
  if (rc != RK_OK) {
    rk_free(queue.messages);
    return rc;
  }
  *out = queue;
  return RK_OK;
}

int rk__load_topics(const rk_ckpt_section *section, rk_saved_topic **out, size_t *count,
                    rk_error *err)
{
  rk_cursor c = {.data = section->data, .size = section->size};
  uint32_t n = rk_cursor_u32(&c);
  rk_saved_topic *topics = table(&c, n, 34u, sizeof(*topics));
  for (uint32_t i = 0; topics != NULL && i < n && !c.failed; ++i) {
    topics[i].topic = rk_cursor_text(&c);
    topics[i].type = rk_cursor_u32(&c);
    topics[i].size = rk_cursor_u32(&c);
    topics[i].hlc = rk_cursor_u64(&c);
    topics[i].id = rk_cursor_u64(&c);
    topics[i].sender = read_ref(&c);
    topics[i].tenant = rk_cursor_text(&c);
    topics[i].data = rk_cursor_block(&c, topics[i].size);
    if (!c.failed && (rk_topic_check(topics[i].topic, NULL) != RK_OK || topics[i].size == 0 ||
                      topics[i].size > RK_PAYLOAD_MAX_BYTES)) {
      c.failed = true;
    }
  }
  int rc = ended(section, &c, topics != NULL || c.failed, err);
  if (rc != RK_OK) {
    rk_free(topics);
    return rc;
  }
  *out = topics;
  *count = n;
  return RK_OK;
}

int rk__load_runtime(const rk_ckpt_section *section, rk_saved_runtime *out, rk_error *err)
{
  rk_cursor c = {.data = section->data, .size = section->size};
  rk_saved_runtime r = {0};
  r.hlc = rk_cursor_u64(&c);
  r.next_id = rk_cursor_u64(&c);
  r.next_call = rk_cursor_u64(&c);
  r.backend = rk_cursor_text(&c);
  r.blocks = rk_cursor_u32(&c);
  r.block_ids = table(&c, r.blocks, 8u, sizeof(*r.block_ids));
  for (uint32_t i = 0; r.block_ids != NULL && i < r.blocks; ++i) {
    r.block_ids[i] = rk_cursor_u64(&c);
  }
  int rc = ended(section, &c, r.block_ids != NULL || c.failed, err);
  if (rc != RK_OK) {
    rk_free(r.block_ids);
    return rc;
  }
  *out = r;
  return RK_OK;
}
