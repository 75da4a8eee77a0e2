/* SPDX-License-Identifier: MIT */
/*
 * Threads of a block as fibers (see fake_exec.h): who runs next, barriers, warps, pauses.
 *
 * Threads that can run stand in one queue. A thread runs until it waits at a barrier or pauses; the
 * one that completes a barrier puts the others back into the queue. A pause with nobody else to run
 * gives the processor away, the longer the more often it happens, so that an idle grid of many
 * blocks leaves the machine to the host. Followers that wait at a barrier cost nothing.
 *
 * What a GPU would answer with a hang or with wrong data is found here: when no thread can run and
 * some have not returned, they wait for threads that never come, and the kernel dies.
 *
 * A kernel that dies (rkf_grid.dead) is left where its threads call the executor next; their stacks
 * are given up, nothing on them is unwound.
 *
 * This file and cpu_fiber.c are compiled without -fsanitize=thread (cpu_fiber.h says why). What it
 * tells ThreadSanitizer: barriers order what is around them, votes and shuffles order nothing.
 */
#include "fake_exec.h"
#include "fake.h"

#include "backend/cpu/cpu_fiber.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
  WARP = 32,
  BARRIERS = 16,
  IDLE_PAUSE_NS = 1000, /* a pause as long as this says that there is nothing to do */
  SHORT_PAUSE_NS = 100,
  LONG_YIELD_NS = 200000, /* a yield as long as this gave the processor to another program */
  CROWDED_RESTS = 64,     /* so many rests after one are sleeps */
  CROWDED_SLEEP_US = 20,
};

typedef struct thread thread;
typedef struct block block;

typedef struct queue {
  thread *first, *last;
} queue;

struct thread {
  rk_fiber fiber;
  block *block;
  thread *next;
  rkfake_ids ids;
  uint32_t index;
  uint64_t value; /* given to a warp operation, then its result */
  uint32_t source;
};

/* order[] is used in turn: see cpu_fiber.c. */
typedef struct barrier {
  queue waiting;
  uint32_t arrived, needed, turn;
  bool counts_all; /* needs all that have not returned */
  char order[2];
} barrier;

typedef enum warp_op { MEET, SHUFFLE, BALLOT } warp_op;

/* Threads of a warp that meet with the same mask for the same operation. */
typedef struct warp_gate {
  queue waiting;
  warp_op op;
  uint32_t mask, arrived, turn;
  char order[2];
} warp_gate;

typedef struct warp {
  warp_gate gates[WARP];
} warp;

struct block {
  const rkf_grid *grid;
  char *why;
  rk_fiber home;
  queue ready;
  uint32_t ready_count, living, thread_count, index;
  uint32_t idle; /* idle pauses since the last one that was not */
  uint32_t spins, crowded, dice;
  barrier barriers[BARRIERS];
  thread *threads;
  warp *warps;
  rk_fiber_stacks stacks;
  void *memory; /* as the entry wants it */
  char start_order, end_order;
};

#if defined(__GLIBC__)
#define FAST_TLS __attribute__((tls_model("initial-exec")))
#else
#define FAST_TLS
#endif

static _Thread_local thread *current FAST_TLS;

/* ---- queues and switches ---- */

static void push(queue *q, thread *t)
{
  t->next = NULL;
  if (q->first == NULL) {
    q->first = t;
  } else {
    q->last->next = t;
  }
  q->last = t;
}

static thread *pop(queue *q)
{
  thread *t = q->first;
  q->first = t->next;
  return t;
}

static void make_ready(block *b, thread *t)
{
  push(&b->ready, t);
  b->ready_count++;
}

/* xorshift; the same numbers in each run of a seed, but blocks run as they come. */
static uint32_t roll(block *b)
{
  b->dice ^= b->dice << 13;
  b->dice ^= b->dice >> 17;
  b->dice ^= b->dice << 5;
  return b->dice >> 3;
}

/* The first of those that can run or, with dice, any. */
static thread *pop_ready(block *b)
{
  for (uint32_t i = b->dice != 0 ? roll(b) % b->ready_count : 0; i > 0; i--) {
    push(&b->ready, pop(&b->ready));
  }
  b->ready_count--;
  return pop(&b->ready);
}

static void run_next(thread *self)
{
  block *b = self->block;
  if (b->ready.first == NULL) {
    current = NULL;
    rk_fiber_switch(&self->fiber, &b->home);
    return;
  }
  thread *next = pop_ready(b);
  current = next;
  if (next != self) {
    rk_fiber_switch(&self->fiber, &next->fiber);
  }
}

static int dead_code(const block *b)
{
  return __atomic_load_n(b->grid->dead, __ATOMIC_RELAXED);
}

/* Ends the block where it stands, if the kernel is dead. */
static void stop_if_dead(thread *self)
{
  if (dead_code(self->block) != 0) {
    current = NULL;
    rk_fiber_switch(&self->fiber, &self->block->home); /* never comes back */
  }
}

static void die(thread *self, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void die(thread *self, int code, const char *format, ...)
{
  block *b = self->block;
  int none = 0;
  if (__atomic_compare_exchange_n(b->grid->dead, &none, code, 0, __ATOMIC_RELAXED,
                                  __ATOMIC_RELAXED)) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(b->why, RKF_WHY_BYTES, format, args);
    va_end(args);
  }
  stop_if_dead(self);
}

/* ---- barriers ---- */

static void open_barrier(block *b, barrier *g)
{
  g->arrived = 0;
  g->turn++;
  while (g->waiting.first != NULL) {
    make_ready(b, pop(&g->waiting));
  }
}

static void meet(uint32_t number, uint32_t count)
{
  thread *self = current;
  block *b = self->block;
  stop_if_dead(self);
  if (number >= BARRIERS || count % WARP != 0 ||
      count > (b->thread_count + WARP - 1) / WARP * WARP) {
    die(self, CUDA_ERROR_ILLEGAL_INSTRUCTION, "barrier %u of %u threads: no such barrier", number,
        count);
  }
  barrier *g = &b->barriers[number];
  uint32_t needed = count == 0 ? b->living : count;
  if (g->arrived != 0 && (g->counts_all != (count == 0) || (count != 0 && g->needed != needed))) {
    die(self, CUDA_ERROR_LAUNCH_FAILED, "threads wait at barrier %u for %u threads and for %u",
        number, g->needed, needed);
  }
  char *word = &g->order[g->turn & 1];
  rk_fiber_release(word);
  g->counts_all = count == 0;
  g->needed = needed;
  if (++g->arrived == needed) {
    open_barrier(b, g);
  } else {
    push(&g->waiting, self);
    run_next(self);
  }
  rk_fiber_acquire(word);
}

/* ---- warps ---- */

static warp_gate *find_gate(block *b, const thread *self, warp_op op, uint32_t mask)
{
  warp *w = &b->warps[self->index / WARP];
  warp_gate *idle = NULL;
  for (int i = 0; i < WARP; i++) {
    warp_gate *g = &w->gates[i];
    if (g->mask == mask && g->op == op) {
      return g;
    }
    if (g->arrived == 0 && (idle == NULL || g->mask == 0)) {
      idle = idle != NULL && idle->mask == 0 ? idle : g;
    }
  }
  if (idle != NULL) { /* a warp has 32 threads and this one waits nowhere, so there is one */
    idle->mask = mask;
    idle->op = op;
  }
  return idle;
}

/* Results of all threads of the gate, from what each brought. */
static void finish_gate(block *b, const thread *self, warp_gate *g)
{
  thread *first = &b->threads[self->index / WARP * WARP];
  uint64_t values[WARP] = {0};
  uint32_t votes = 0;
  for (uint32_t i = 0; i < WARP; i++) {
    if ((g->mask >> i & 1u) != 0) {
      values[i] = first[i].value;
      votes |= (uint32_t)(first[i].value != 0) << i;
    }
  }
  for (uint32_t i = 0; i < WARP; i++) {
    if ((g->mask >> i & 1u) != 0) {
      first[i].value = g->op == BALLOT ? votes : values[first[i].source];
    }
  }
}

static uint64_t warp_operation(warp_op op, uint32_t mask, uint64_t value, uint32_t source)
{
  thread *self = current;
  block *b = self->block;
  uint32_t first = self->index / WARP * WARP;
  uint32_t there = b->thread_count - first < WARP ? b->thread_count - first : WARP;
  uint32_t bit = 1u << (self->index - first);
  stop_if_dead(self);
  /* Threads that a partial warp lacks do not count. */
  mask &= 0xffffffffu >> (WARP - there);
  if ((mask & bit) == 0) {
    die(self, CUDA_ERROR_LAUNCH_FAILED, "thread %u is not in the mask 0x%08x of its warp",
        self->index, mask);
  }
  if (op == SHUFFLE && (mask >> source % WARP & 1u) == 0) {
    die(self, CUDA_ERROR_LAUNCH_FAILED,
        "thread %u asks for a value of lane %u, which is not in 0x%08x", self->index, source % WARP,
        mask);
  }
  self->value = value;
  self->source = source % WARP;
  warp_gate *g = find_gate(b, self, op, mask);
  char *word = &g->order[g->turn & 1];
  if (op == MEET) {
    rk_fiber_release(word);
  }
  g->arrived |= bit;
  if (g->arrived == mask) {
    finish_gate(b, self, g);
    g->arrived = 0;
    g->turn++;
    while (g->waiting.first != NULL) {
      make_ready(b, pop(&g->waiting));
    }
  } else {
    push(&g->waiting, self);
    run_next(self);
  }
  if (op == MEET) {
    rk_fiber_acquire(word);
  }
  return self->value;
}

static void warp_meet(uint32_t mask)
{
  (void)warp_operation(MEET, mask, 0, current->index % WARP);
}

static uint64_t shuffle(uint32_t mask, uint64_t value, uint32_t source)
{
  return warp_operation(SHUFFLE, mask, value, source);
}

static uint32_t ballot(uint32_t mask, int predicate)
{
  return (uint32_t)warp_operation(BALLOT, mask, predicate != 0, current->index % WARP);
}

/* ---- time ---- */

static uint64_t time_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t ahead_ns = (int64_t)current->block->grid->clock_ms * 1000000;
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + (uint64_t)ahead_ns;
}

static uint64_t monotonic_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_us(uint32_t us)
{
  struct timespec wait = {us / 1000000u, (long)(us % 1000000u) * 1000};
  nanosleep(&wait, NULL);
}

/* How long a block that has nothing to do sleeps: more, the longer it has had nothing to do and the
 * more blocks there are. */
static uint32_t idle_sleep_us(const block *b)
{
  uint32_t blocks = b->grid->blocks[0] * b->grid->blocks[1] * b->grid->blocks[2];
  uint32_t longest = 100u + 25u * blocks;
  uint32_t us = 5u + b->idle;
  return us < longest ? us : longest;
}

/* A yield to a processor that others want costs their whole time slice, and at a barrier of blocks
 * each waits for each: a kernel that waits often enough then takes seconds. Who sleeps instead is
 * scheduled soon after it wakes. */
static void yield(block *b)
{
  if (b->crowded != 0) {
    b->crowded--;
    sleep_us(CROWDED_SLEEP_US);
    return;
  }
  uint64_t before_ns = monotonic_ns();
  sched_yield();
  if (monotonic_ns() - before_ns > LONG_YIELD_NS) {
    b->crowded = CROWDED_RESTS;
  }
}

static void rest(block *b, uint32_t ns)
{
  if (b->grid->slow_us != 0) {
    sleep_us(b->grid->slow_us);
  } else if (ns >= IDLE_PAUSE_NS) {
    sleep_us(idle_sleep_us(b));
  } else if (ns >= SHORT_PAUSE_NS || ++b->spins % 16u == 0) {
    yield(b);
  }
}

static void pause_thread(uint32_t ns)
{
  thread *self = current;
  block *b = self->block;
  stop_if_dead(self);
  if (ns != 0) { /* 0: only the others' turn */
    b->idle = ns >= IDLE_PAUSE_NS ? b->idle + 1 : 0;
  }
  /* Once for all threads that can run. */
  if (b->ready_count == 0 || (ns >= IDLE_PAUSE_NS && b->idle % (b->ready_count + 1) == 0)) {
    rest(b, ns);
  }
  if (b->ready_count != 0) {
    make_ready(b, self);
    run_next(self);
  }
}

/* ---- clusters ---- */

static rkf_cluster *cluster_of(const block *b)
{
  return &b->grid->clusters[b->index / b->grid->cluster_size];
}

/* Blocks are OS threads: a thread waits by pausing, so that others of its block can run, and looks
 * again. The last to arrive, or to see that those who have not returned are all there, opens. */
static void cluster_meet(void *shared)
{
  thread *self = current;
  block *b = self->block;
  rkf_cluster *c = cluster_of(b);
  stop_if_dead(self);
  __atomic_store_n(&c->bases[b->index % b->grid->cluster_size], (char *)shared, __ATOMIC_RELEASE);
  uint32_t turn = __atomic_load_n(&c->turn, __ATOMIC_ACQUIRE);
  char *word = &c->order[turn & 1];
  rk_fiber_release(word);
  (void)__atomic_add_fetch(&c->arrived, 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(&c->turn, __ATOMIC_ACQUIRE) == turn) {
    uint32_t all = __atomic_load_n(&c->living, __ATOMIC_ACQUIRE);
    if (__atomic_compare_exchange_n(&c->arrived, &all, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
      (void)__atomic_add_fetch(&c->turn, 1, __ATOMIC_ACQ_REL);
      break;
    }
    pause_thread(SHORT_PAUSE_NS);
  }
  rk_fiber_acquire(word);
}

static void *cluster_map(void *address, uint32_t rank)
{
  thread *self = current;
  block *b = self->block;
  const rkf_cluster *c = cluster_of(b);
  uint32_t size = b->grid->cluster_size;
  stop_if_dead(self);
  char *base = rank < size ? __atomic_load_n(&c->bases[rank], __ATOMIC_ACQUIRE) : NULL;
  if (base == NULL) {
    die(self, CUDA_ERROR_ILLEGAL_ADDRESS,
        "the shared memory of block %u of a cluster of %u, which has not started or has left", rank,
        size);
  }
  return base + ((char *)address - c->bases[b->index % size]);
}

static void refuse(const char *why)
{
  die(current, CUDA_ERROR_ILLEGAL_INSTRUCTION, "%s", why);
}

static void far_store(uint32_t rank, void *to, void *gate, uint64_t low, uint64_t high)
{
  thread *self = current;
  const block *b = self->block;
  const rkfake_store store = {to, gate, low, high};
  stop_if_dead(self);
  if (cluster_of(b)->flights == NULL || rank == b->index % b->grid->cluster_size) {
    die(self, CUDA_ERROR_ILLEGAL_INSTRUCTION, "an asynchronous store to the block's own memory");
  }
  if (!rkf_flight_add(&cluster_of(b)->flights[rank], &store)) {
    die(self, CUDA_ERROR_ILLEGAL_ADDRESS,
        "an asynchronous store to block %u, which has left or has %d on their way", rank,
        RKF_FLIGHT_MAX);
  }
}

static int far_land(void *gate, rkfake_store *store)
{
  const block *b = current->block;
  rkf_flight *flights = cluster_of(b)->flights;
  stop_if_dead(current);
  return flights != NULL &&
         rkf_flight_land(&flights[b->index % b->grid->cluster_size], gate, store);
}

static const rkfake_ids *ids(void)
{
  return &current->ids;
}

const rkfake_device_api rkf_device_api = {
    ids,       time_ns,  pause_thread,      meet,           warp_meet,
    shuffle,   ballot,   cluster_meet,      cluster_map,    refuse,
    far_store, far_land, rkf_memory_extent, rkf_memory_turn};

/* ---- a block ---- */

static void run_thread(void *arg)
{
  thread *self = arg;
  block *b = self->block;
  rk_fiber_acquire(&b->start_order);
  b->grid->entry->call(b->grid->params);
  rk_fiber_release(&b->end_order);
  b->living--;
  (void)__atomic_sub_fetch(&cluster_of(b)->living, 1, __ATOMIC_ACQ_REL);
  for (int i = 0; i < BARRIERS; i++) {
    barrier *g = &b->barriers[i];
    if (g->counts_all && g->arrived != 0 && g->arrived == b->living) {
      open_barrier(b, g);
    }
  }
  current = NULL;
  if (b->ready.first == NULL) {
    rk_fiber_leave(&self->fiber, &b->home);
  }
  thread *next = pop_ready(b);
  current = next;
  rk_fiber_leave(&self->fiber, &next->fiber);
}

static void split(uint32_t linear, const uint32_t extent[3], uint32_t out[3])
{
  out[0] = linear % extent[0];
  out[1] = linear / extent[0] % extent[1];
  out[2] = linear / extent[0] / extent[1];
}

static int fail_block(const rkf_grid *grid, char *why, const char *text)
{
  (void)snprintf(why, RKF_WHY_BYTES, "%s", text);
  __atomic_store_n(grid->dead, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, __ATOMIC_RELAXED);
  return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
}

int rkf_block_run(const rkf_grid *grid, uint32_t index, char *why)
{
  uint32_t count = grid->threads[0] * grid->threads[1] * grid->threads[2];
  block *b = calloc(1, sizeof(*b));
  if (b == NULL) {
    return fail_block(grid, why, "no memory for a block");
  }
  b->grid = grid;
  b->why = why;
  b->thread_count = b->living = count;
  b->index = index;
  b->dice = grid->dice != 0 ? (grid->dice + index) * 0x9e3779b9u | 1u : 0;
  b->threads = calloc((count + WARP - 1) / WARP * WARP, sizeof(*b->threads));
  b->warps = calloc((count + WARP - 1) / WARP, sizeof(*b->warps));
  if (grid->entry->block_bytes != 0) {
    b->memory = aligned_alloc(128, (grid->entry->block_bytes + 127) / 128 * 128);
  }
  if (b->threads == NULL || b->warps == NULL ||
      (grid->entry->block_bytes != 0 && b->memory == NULL) ||
      rk_fiber_stacks_open(count, NULL, &b->stacks) != 0) {
    free(b->memory);
    free(b->threads);
    free(b->warps);
    free(b);
    return fail_block(grid, why, "no memory for the threads of a block");
  }
  for (uint32_t i = 0; i < count; i++) {
    thread *t = &b->threads[i];
    t->block = b;
    t->index = i;
    split(i, grid->threads, t->ids.thread);
    split(index, grid->blocks, t->ids.block);
    t->ids.cluster_rank = index % grid->cluster_size;
    t->ids.cluster_size = grid->cluster_size;
    t->ids.memory = b->memory;
    t->ids.dice = grid->dice != 0 ? (grid->dice * 31u + index * 1024u + i) * 0x85ebca6bu | 1u : 0;
    for (int d = 0; d < 3; d++) {
      t->ids.threads[d] = grid->threads[d];
      t->ids.blocks[d] = grid->blocks[d];
    }
    rk_fiber_open(&t->fiber, &b->stacks, i, run_thread, t);
    make_ready(b, t);
  }
  if (b->memory != NULL) {
    grid->entry->begin(b->memory);
  }
  rk_fiber_adopt(&b->home);
  rk_fiber_release(&b->start_order);
  current = pop_ready(b);
  rk_fiber_switch(&b->home, &current->fiber);
  rk_fiber_acquire(&b->end_order);

  if (dead_code(b) == 0 && b->living != 0) {
    uint32_t waiting = b->living;
    (void)snprintf(why, RKF_WHY_BYTES,
                   "divergent barrier: %u of %u threads wait for others that have returned or wait "
                   "elsewhere",
                   waiting, count);
    __atomic_store_n(grid->dead, CUDA_ERROR_LAUNCH_FAILED, __ATOMIC_RELAXED);
  }
  rkf_flight *flights = cluster_of(b)->flights;
  uint32_t late = flights != NULL ? rkf_flight_close(&flights[index % grid->cluster_size]) : 0;
  if (dead_code(b) == 0 && late != 0) {
    (void)snprintf(why, RKF_WHY_BYTES,
                   "%u asynchronous stores are on their way to the block, which has left", late);
    __atomic_store_n(grid->dead, CUDA_ERROR_ILLEGAL_ADDRESS, __ATOMIC_RELAXED);
  }
  for (uint32_t i = 0; i < count; i++) {
    rk_fiber_close(&b->threads[i].fiber, &b->stacks, i);
  }
  int code = dead_code(b);
  __atomic_store_n(&cluster_of(b)->bases[index % grid->cluster_size], NULL, __ATOMIC_RELEASE);
  rk_fiber_stacks_close(&b->stacks);
  free(b->memory);
  free(b->threads);
  free(b->warps);
  free(b);
  return code;
}
