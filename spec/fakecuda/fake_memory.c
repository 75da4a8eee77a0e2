/* SPDX-License-Identifier: MIT */
/*
 * Memory of the device and pinned memory of the host: what there is, where, and what it holds.
 *
 * Each allocation has pages of its own with an inaccessible one behind. Fresh memory is full of
 * 0xA5, the rest of its last page too, and that rest is looked at when it is given back: whoever
 * wrote there wrote past the end. Large allocations are many private mappings of one poisoned file
 * in memory, so they cost memory only where they are written.
 *
 * Addresses of the device carry RKFAKE_TAG; the host cannot follow them. With unified addresses
 * pinned memory has the host's own address on both sides, without (RKFAKE_UVA=0) it is mapped
 * twice.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { POISON = 0xa5, PAGE = 4096 };

#define POISON_FILE_BYTES ((size_t)16 << 20)
#define SHARED_POISON_BYTES ((size_t)1 << 20) /* from here on the file is mapped */

static struct {
  rkf_memory *list; /* by address */
  size_t count, room;
  size_t used[RKF_DEVICES_MAX];
  int poison_file; /* 0: not made yet */
  uint64_t turn;   /* grows whenever the list changes; read without the lock */
} memory = {.turn = 1};

/* ---- pages ---- */

static size_t whole_pages(size_t bytes)
{
  return (bytes + PAGE - 1) / PAGE * PAGE;
}

static int poison_file_locked(void)
{
  if (memory.poison_file == 0) {
    int file = memfd_create("rkfake-poison", MFD_CLOEXEC);
    void *view = MAP_FAILED;
    if (file >= 0 && ftruncate(file, (off_t)POISON_FILE_BYTES) == 0) {
      view = mmap(NULL, POISON_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    if (view == MAP_FAILED) {
      if (file >= 0) {
        close(file);
      }
      return -1;
    }
    memset(view, POISON, POISON_FILE_BYTES);
    munmap(view, POISON_FILE_BYTES);
    memory.poison_file = file;
  }
  return memory.poison_file;
}

/* Pages full of poison, and one behind them that cannot be touched. */
static unsigned char *map_locked(size_t bytes)
{
  unsigned char *start = mmap(NULL, bytes + PAGE, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    return NULL;
  }
  if (bytes < SHARED_POISON_BYTES) {
    if (mprotect(start, bytes, PROT_READ | PROT_WRITE) != 0) {
      munmap(start, bytes + PAGE);
      return NULL;
    }
    memset(start, POISON, bytes);
    return start;
  }
  int file = poison_file_locked();
  for (size_t at = 0; at < bytes; at += POISON_FILE_BYTES) {
    size_t piece = bytes - at < POISON_FILE_BYTES ? bytes - at : POISON_FILE_BYTES;
    if (file < 0 || mmap(start + at, piece, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file, 0) == MAP_FAILED) {
      munmap(start, bytes + PAGE);
      return NULL;
    }
  }
  return start;
}

/* The same pages at two places. */
static unsigned char *map_twice_locked(size_t bytes, unsigned char **second)
{
  int file = memfd_create("rkfake-pinned", MFD_CLOEXEC);
  void *views[2] = {MAP_FAILED, MAP_FAILED};
  if (file >= 0 && ftruncate(file, (off_t)bytes) == 0) {
    for (int i = 0; i < 2; i++) {
      views[i] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
  }
  if (file >= 0) {
    close(file);
  }
  if (views[0] == MAP_FAILED || views[1] == MAP_FAILED) {
    for (int i = 0; i < 2; i++) {
      if (views[i] != MAP_FAILED) {
        munmap(views[i], bytes);
      }
    }
    return NULL;
  }
  memset(views[0], POISON, bytes);
  *second = views[1];
  return views[0];
}

void rkf_memory_fill(unsigned char *start, uint32_t word, size_t word_bytes, size_t count)
{
  size_t bytes = word_bytes * count;
  if (word == 0 && bytes >= SHARED_POISON_BYTES) {
    unsigned char *first = (unsigned char *)whole_pages((uintptr_t)start);
    size_t pages = (bytes - (size_t)(first - start)) / PAGE * PAGE;
    if (mmap(first, pages, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED) {
      memset(start, 0, (size_t)(first - start));
      memset(first + pages, 0, bytes - pages - (size_t)(first - start));
      return;
    }
  }
  if (word_bytes == 1) {
    memset(start, (int)word, count);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    memcpy(start + i * word_bytes, &word, word_bytes);
  }
}

/* ---- the list ---- */

static void changed_locked(void)
{
  (void)__atomic_add_fetch(&memory.turn, 1, __ATOMIC_RELAXED);
}

/* Index of the last allocation that begins at or below `address`, or -1. */
static ptrdiff_t below_locked(CUdeviceptr address)
{
  size_t low = 0;
  size_t high = memory.count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (memory.list[middle].address <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return (ptrdiff_t)low - 1;
}

static bool insert_locked(const rkf_memory *m)
{
  if (memory.count == memory.room) {
    size_t room = memory.room == 0 ? 64 : memory.room * 2;
    rkf_memory *list = realloc(memory.list, room * sizeof(*list));
    if (list == NULL) {
      return false;
    }
    memory.list = list;
    memory.room = room;
  }
  size_t at = (size_t)(below_locked(m->address) + 1);
  memmove(&memory.list[at + 1], &memory.list[at], (memory.count - at) * sizeof(*m));
  memory.list[at] = *m;
  memory.count++;
  changed_locked();
  return true;
}

static void remove_locked(size_t at)
{
  memory.count--;
  memmove(&memory.list[at], &memory.list[at + 1], (memory.count - at) * sizeof(memory.list[0]));
  changed_locked();
}

/* The allocation that the host's `start` lies in. */
static rkf_memory *host_locked(const void *start)
{
  uintptr_t at = (uintptr_t)start;
  for (size_t i = 0; i < memory.count; i++) {
    rkf_memory *m = &memory.list[i];
    if ((m->kind == RKF_HOST || m->kind == RKF_REGISTERED) && at >= m->start &&
        at - m->start < m->bytes) {
      return m;
    }
  }
  return NULL;
}

static void unmap(const rkf_memory *m)
{
  unsigned char *start = (unsigned char *)m->start;
  if (m->mapped_bytes == 0) {
    return;
  }
  for (size_t i = m->bytes; i < m->mapped_bytes; i++) {
    if (start[i] != POISON) {
      rkf_lint("something wrote %zu bytes past the end of an allocation of %zu bytes",
               i - m->bytes + 1, m->bytes);
      break;
    }
  }
  if (m->device_side != m->start) {
    munmap((void *)m->device_side, m->mapped_bytes);
    munmap(start, m->mapped_bytes);
  } else {
    munmap(start, m->mapped_bytes + PAGE);
  }
}

CUresult rkf_memory_new(size_t bytes, rkf_kind kind, unsigned flags, CUmemoryPool pool,
                        rkf_memory *made)
{
  CUresult code = CUDA_ERROR_OUT_OF_MEMORY;
  int device = rkf_context() != NULL ? rkf_context()->device : 0;
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (bytes > (size_t)1 << 46) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  rkf_lock();
  rkf_memory m = {.bytes = bytes,
                  .mapped_bytes = whole_pages(bytes),
                  .kind = kind,
                  .flags = flags,
                  .device = device,
                  .pool = pool};
  unsigned char *second = NULL;
  unsigned char *start = NULL;
  if (kind == RKF_DEVICE &&
      (bytes > rkf.config.memory || memory.used[device] > rkf.config.memory - bytes)) {
    goto done;
  }
  start = kind == RKF_HOST && !rkf.config.uva ? map_twice_locked(m.mapped_bytes, &second)
                                              : map_locked(m.mapped_bytes);
  if (start == NULL) {
    goto done;
  }
  m.start = (uintptr_t)start;
  m.device_side = second != NULL ? (uintptr_t)second : m.start;
  m.address = kind == RKF_HOST && second == NULL ? m.start : m.device_side | RKFAKE_TAG;
  if (!insert_locked(&m)) {
    unmap(&m);
    goto done;
  }
  memory.used[device] += kind == RKF_DEVICE ? bytes : 0;
  rkf.live.memory++;
  *made = m;
  code = CUDA_SUCCESS;
done:
  rkf_unlock();
  return code;
}

CUresult rkf_memory_end(CUdeviceptr address, rkf_kind kind, const char *call)
{
  rkf_memory m;
  rkf_lock();
  ptrdiff_t at = below_locked(address);
  bool is_there = at >= 0 && memory.list[at].address == address && memory.list[at].kind == kind;
  if (is_there) {
    m = memory.list[at];
    remove_locked((size_t)at);
    memory.used[m.device] -= kind == RKF_DEVICE ? m.bytes : 0;
    rkf.live.memory--;
  }
  rkf_unlock();
  if (!is_there) {
    rkf_lint("%s of 0x%llx, where no allocation begins", call, address);
    return CUDA_ERROR_INVALID_VALUE;
  }
  unmap(&m);
  return CUDA_SUCCESS;
}

CUresult rkf_memory_add_global(void *start, size_t bytes, CUdeviceptr *address)
{
  rkf_memory m = {.start = (uintptr_t)start,
                  .device_side = (uintptr_t)start,
                  .bytes = bytes,
                  .kind = RKF_GLOBAL,
                  .address = (uintptr_t)start | RKFAKE_TAG};
  CUresult code = CUDA_SUCCESS;
  rkf_lock();
  ptrdiff_t at = below_locked(m.address);
  if (at < 0 || memory.list[at].address != m.address) {
    code = insert_locked(&m) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  }
  rkf_unlock();
  *address = m.address;
  return code;
}

void rkf_memory_drop_globals(uintptr_t start, uintptr_t end)
{
  rkf_lock();
  for (size_t i = memory.count; i > 0; i--) {
    const rkf_memory *m = &memory.list[i - 1];
    if (m->kind == RKF_GLOBAL && m->start >= start && m->start < end) {
      remove_locked(i - 1);
    }
  }
  rkf_unlock();
}

void rkf_memory_forget_all(void)
{
  rkf_lock();
  memory.count = 0;
  changed_locked();
  memset(memory.used, 0, sizeof(memory.used));
  rkf_unlock();
}

bool rkf_memory_find(CUdeviceptr address, rkf_memory *found)
{
  rkf_lock();
  ptrdiff_t at = below_locked(address);
  bool is_there = at >= 0 && address - memory.list[at].address < memory.list[at].bytes;
  if (is_there) {
    *found = memory.list[at];
  }
  rkf_unlock();
  return is_there;
}

uint64_t rkf_memory_turn(void)
{
  return __atomic_load_n(&memory.turn, __ATOMIC_RELAXED);
}

int rkf_memory_extent(uint64_t address, uint64_t *low, uint64_t *high)
{
  rkf_memory m;
  if (!rkf_memory_find(address, &m)) {
    return 0;
  }
  *low = m.address;
  *high = m.address + m.bytes;
  return 1;
}

unsigned char *rkf_memory_at(CUdeviceptr address, size_t bytes, const char *call)
{
  rkf_memory m;
  if (!rkf_memory_find(address, &m)) {
    rkf_lint("%s: 0x%llx is no memory of the device", call, address);
    return NULL;
  }
  if (bytes > m.bytes - (address - m.address)) {
    rkf_lint("%s: %zu bytes from 0x%llx are %llu more than its allocation of %zu has", call, bytes,
             address, (unsigned long long)(address - m.address + bytes - m.bytes), m.bytes);
    return NULL;
  }
  return (unsigned char *)(m.device_side + (address - m.address));
}

bool rkf_host_ok(const void *start, size_t bytes, const char *call, bool *is_pinned)
{
  if (((uintptr_t)start & RKFAKE_TAG) != 0 || start == NULL) {
    rkf_lint("%s: %p is no memory of the host", call, start);
    return false;
  }
  rkf_lock();
  const rkf_memory *m = host_locked(start);
  *is_pinned = m != NULL;
  size_t room = m != NULL ? m->bytes - ((uintptr_t)start - m->start) : bytes;
  rkf_unlock();
  if (bytes > room) {
    rkf_lint("%s: %zu bytes at %p are more than its pinned allocation has", call, bytes, start);
    return false;
  }
  return true;
}

/* ---- device memory ---- */

RKF_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_memory m;
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code == CUDA_SUCCESS) {
    code = rkf_memory_new(bytes, RKF_DEVICE, 0, NULL, &m);
  }
  if (code == CUDA_SUCCESS) {
    *address = m.address;
  }
  return code;
}

RKF_EXPORT CUresult cuMemFree_v2(CUdeviceptr address)
{
  RKF_ENTER(RKF_CONTEXT);
  if (address == 0) {
    return CUDA_SUCCESS;
  }
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code == CUDA_SUCCESS) {
    rkf_streams_drain();
    code = rkf_memory_end(address, RKF_DEVICE, "cuMemFree");
  }
  return code;
}

RKF_EXPORT CUresult cuMemGetInfo_v2(size_t *free, size_t *total)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_lock();
  *total = rkf.config.memory;
  size_t used = memory.used[rkf_context()->device];
  *free = used < *total ? *total - used : 0;
  rkf_unlock();
  return CUDA_SUCCESS;
}

/* ---- pinned host memory ---- */

RKF_EXPORT CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_memory m;
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code == CUDA_SUCCESS &&
      ((flags & ~7u) != 0 || (!rkf.config.map && (flags & CU_MEMHOSTALLOC_DEVICEMAP) != 0))) {
    code = CUDA_ERROR_INVALID_VALUE;
  }
  if (code == CUDA_SUCCESS) {
    code = rkf_memory_new(bytes, RKF_HOST, flags, NULL, &m);
  }
  if (code == CUDA_SUCCESS) {
    *out = (void *)m.start;
  }
  return code;
}

/* Address of the pinned memory that begins at `start`; 0 and a finding if there is none. */
static CUdeviceptr pinned_address(const void *start, rkf_kind kind, const char *call)
{
  rkf_lock();
  const rkf_memory *m = host_locked(start);
  CUdeviceptr address = m != NULL && m->start == (uintptr_t)start && m->kind == kind ? m->address
                                                                                     : 0;
  rkf_unlock();
  if (address == 0) {
    rkf_lint("%s: no such memory begins at %p", call, start);
  }
  return address;
}

RKF_EXPORT CUresult cuMemFreeHost(void *start)
{
  RKF_ENTER(RKF_CONTEXT);
  if (start == NULL) {
    return CUDA_SUCCESS;
  }
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  CUdeviceptr address = pinned_address(start, RKF_HOST, __func__);
  if (address == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_streams_drain();
  return rkf_memory_end(address, RKF_HOST, __func__);
}

RKF_EXPORT CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *start, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_lock();
  const rkf_memory *m = flags == 0 && rkf.config.map ? host_locked(start) : NULL;
  bool is_mapped = m != NULL && (rkf.config.uva || (m->flags & CU_MEMHOSTALLOC_DEVICEMAP) != 0);
  if (is_mapped) {
    *address = m->address + ((uintptr_t)start - m->start);
  }
  rkf_unlock();
  return is_mapped ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

RKF_EXPORT CUresult cuMemHostGetFlags(unsigned *flags, void *start)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_lock();
  const rkf_memory *m = host_locked(start);
  bool is_there = m != NULL && m->kind == RKF_HOST;
  if (is_there) {
    *flags = m->flags | (rkf.config.uva ? CU_MEMHOSTALLOC_DEVICEMAP : 0u);
  }
  rkf_unlock();
  return is_there ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

RKF_EXPORT CUresult cuMemHostRegister_v2(void *start, size_t bytes, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  if (start == NULL || bytes == 0 || !rkf.config.map || ((uintptr_t)start & RKFAKE_TAG) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_memory m = {.start = (uintptr_t)start,
                  .device_side = (uintptr_t)start,
                  .bytes = bytes,
                  .kind = RKF_REGISTERED,
                  .flags = flags,
                  .address = (uintptr_t)start | (rkf.config.uva ? 0 : RKFAKE_TAG)};
  rkf_lock();
  if (host_locked(start) != NULL) {
    code = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  } else if (!insert_locked(&m)) {
    code = CUDA_ERROR_OUT_OF_MEMORY;
  } else {
    rkf.live.memory++;
  }
  rkf_unlock();
  return code;
}

RKF_EXPORT CUresult cuMemHostUnregister(void *start)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS) {
    return code;
  }
  CUdeviceptr address = pinned_address(start, RKF_REGISTERED, __func__);
  if (address == 0) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  rkf_streams_drain();
  return rkf_memory_end(address, RKF_REGISTERED, __func__);
}

RKF_EXPORT CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute,
                                          CUdeviceptr address)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_memory m;
  if (!rkf_memory_find(address, &m)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  bool is_device = m.kind == RKF_DEVICE || m.kind == RKF_GLOBAL;
  switch ((int)attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      *(unsigned *)data = is_device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      *(CUdeviceptr *)data = address;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (is_device) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      *(void **)data = (void *)(m.start + (address - m.address));
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}
