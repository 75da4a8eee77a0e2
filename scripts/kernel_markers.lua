-- What scripts/check_kernels.lua reads the PTX of: marker kernels and planted mistakes.
--
-- `markers.list` are kernels that hold one function of the queues each, with the word that carries
-- its memory order and the accesses to it that there must be. `markers.plants` are mistakes in the
-- headers that the check of a marker must find.

local M = {}

-- ---- marker kernels ----

-- name: kernel and function of the queues it holds. code: parameters and body. base, offset: the
-- word that carries the order, in the form of ptx.lua. ops: exactly the accesses to that word.
-- order: "after": every plain access to the slot comes after the word's (a reader); "before": every
-- plain store comes before it (a writer).
local READY_ENTRY = "param_0+shl(and(param_1,param_2),4)"
local NEW_READY_ENTRY = "[param_0+24]+shl(and([param_0+128],[param_0+48]),4)"

M.list = {
  { name = "rkd_ring_peek", base = "param_0", offset = 0, ops = { "ld.acquire.sys.u64" },
    order = "after", code = [[(rk_u64 units, rk_u64 head, rk_u64 *out) {
  rk_ring_rx rx = { 0u, units, head, 0u, 1u, 0u };
  if (rkd_ring_peek(&rx) != 0) { *out = rx.header.id + rx.header.hlc; }
}]] },
  { name = "rkd_ring_commit", base = "param_0", offset = 0, ops = { "st.release.sys.u64" },
    order = "before", code = [[(rk_u64 units, rk_u64 tail, rk_u64 id) {
  rk_ring_tx tx = { 0u, units, tail, 0u, 1u, 0u };
  rk_abi_msg header = {};
  header.id = id;
  rkd_ring_commit(&tx, &header);
}]] },
  { name = "rkd_ring_finish_tagged", base = "param_0", offset = 0,
    ops = { "st.relaxed.sys.v2.u64" }, code = [[(rk_u64 heads, rk_u64 first) {
  rk_ring_tx tx = {};
  tx.heads = heads;
  tx.capacity = 1u;
  rkd_ring_finish_tagged(&tx, 0u, first, 1);
}]] },
  { name = "rkd_head_waits", base = "param_0", offset = 0, ops = { "ld.relaxed.sys.v2.u64" },
    code = [[(const rk_u64 *head, rk_u64 lap, int *out) {
  *out = rkd_head_waits(head, rkd_head_tag(lap));
}]] },
  { name = "rkd_ring_free", base = "param_0", offset = 128, ops = { "ld.acquire.sys.u64" },
    code = [[(rk_u64 ring, rk_u64 tail, rk_u32 *out) {
  rk_ring_tx tx = { ring, 0u, tail, 0u, 64u, 63u };
  *out = rkd_ring_free(&tx, 4u);
}]] },
  { name = "rkd_ring_give_back", base = "param_0", offset = 128, ops = { "st.release.sys.u64" },
    code = [[(rk_u64 ring, rk_u64 head) {
  rk_ring_rx rx = { ring, 0u, head, 0u, 64u, 63u };
  rkd_ring_give_back(&rx);
}]] },
  { name = "rkd_ring_consume", base = "param_1", offset = 128, ops = { "st.relaxed.sys.u64" },
    code = [[(rk_u64 ring, rk_u64 units) {
  rk_ring_rx rx = { ring, units, 0u, 0u, 8u, 7u };
  rkd_ring_consume(&rx, RK_UNIT_INLINE_BYTES + 1u);
}]] },
  { name = "rkd_slot_publish", base = "param_0", offset = 0, ops = { "st.release.gpu.u64" },
    order = "before", code = [[(rk_abi_msg *slot, rk_u64 position, rk_u64 id) {
  rk_abi_msg header = {};
  header.id = id;
  rkd_slot_publish(slot, position, &header, 0);
}]] },
  { name = "rkd_slot_ready", base = "param_0", offset = 0, ops = { "ld.acquire.gpu.u64" },
    order = "after", code = [[(rk_abi_msg *slot, rk_u64 position, rk_u64 *out) {
  if (rkd_slot_ready(slot, position)) { *out = slot->id + *(rk_u64 *)rkd_slot_payload(slot); }
}]] },
  { name = "rkd_inbox_ticket", base = "param_0", offset = 64,
    ops = { "ld.relaxed.gpu.u64", "atom.acq_rel.gpu.global.cas.b64" },
    code = [[(rk_abi_actor *to, rk_u64 *out) {
  rk_u64 ticket = 0;
  if (rkd_inbox_ticket(to, &ticket)) { *out = ticket; }
}]] },
  { name = "rkd_room_take", base = "param_0", offset = 72,
    ops = { "ld.relaxed.gpu.u64", "atom.acquire.gpu.global.cas.b64" },
    code = "(rk_abi_actor *to, rk_u32 *out) { *out = rkd_room_take(to, 1u, 4u); }" },
  { name = "rkd_room_give", base = "param_1", offset = 72,
    ops = { "red.release.gpu.global.add.u64" },
    code = "(rk_block *b, rk_abi_actor *to, rk_u32 credits) { rkd_room_give(b, to, credits); }" },
  { name = "rkd_signal", base = "param_1", offset = 80,
    ops = { "atom.acq_rel.gpu.global.exch.b32" },
    code = "(rk_block *b, rk_abi_actor *to) { rkd_signal(b, to); }" },
  { name = "rkd_ready_push", base = NEW_READY_ENTRY, offset = 0,
    ops = { "st.release.gpu.u64" }, order = "before",
    code = "(rk_abi_block *block, rk_u32 slot) { rkd_ready_push(block, slot); }" },
  { name = "rkd_ready_pop", base = READY_ENTRY, offset = 0,
    ops = { "ld.acquire.gpu.u64" }, order = "after",
    code = [[(rk_u64 ready, rk_u32 mask, rk_u64 head, rk_u64 *out) {
  rk_u32 slot;
  if (rkd_ready_pop(ready, mask, &head, &slot)) { *out = head + slot; }
}]] },
  { name = "rkd_ready_waits", base = READY_ENTRY, offset = 0,
    ops = { "ld.acquire.gpu.u64" },
    code = [[(rk_u64 ready, rk_u32 mask, rk_u64 head, int *out) {
  *out = rkd_ready_waits(ready, mask, head);
}]] },
  { name = "rkd_gang_call_one", base = "param_0", offset = 128,
    ops = { "ld.relaxed.gpu.u64", "st.release.gpu.u64" }, order = "before",
    code = [[(rk_abi_gang *gang, rk_u64 ctx) {
  gang->ctx = ctx;
  rkd_gang_call_one(gang, 3u);
}]] },
  { name = "rkd_gang_free", base = "param_1", offset = 0, ops = { "st.release.gpu.u64" },
    code = "(rk_block *b, rk_abi_gang *gang) { rkd_gang_free(b, gang); }" },
  { name = "rkd_gang_arrive", base = "param_0", offset = 512,
    ops = { "atom.acq_rel.gpu.global.add.u64", "st.release.gpu.u64" },
    code = "(rk_abi_gang *gang, rk_u64 g, int *out) { *out = rkd_gang_arrive(gang, 4u, g); }" },
  { name = "rkd_gang_arrive_last", base = "param_0", offset = 520, ops = { "st.release.gpu.u64" },
    code = "(rk_abi_gang *gang, rk_u64 g, int *out) { *out = rkd_gang_arrive(gang, 4u, g); }" },
  { name = "rkd_gang_is_past", base = "param_0", offset = 520, ops = { "ld.acquire.gpu.u64" },
    order = "after", code = [[(rk_abi_gang *gang, rk_u64 g, rk_u64 *out) {
  if (rkd_gang_is_past(gang, g)) { *out = gang->msg; }
}]] },
  { name = "rkd_trace_claim", base = "param_0", offset = 128, ops = { "st.relaxed.sys.u64" },
    code = [[(rk_u64 ring, rk_u64 next) {
  rk_trace_tx tx = { (rk_abi_trace_ring *)ring, 0, next, next, next, 0u, 63u, 0u, 1u, 0u };
  rkd_trace_mark(&tx, RK_TRACE_SEND, 0u, 1u, 2u, 3u, 4u);
}]] },
  { name = "rkd_trace_publish", base = "param_0", offset = 136, ops = { "st.release.sys.u64" },
    order = "before", code = [[(rk_u64 ring, rk_u64 next, rk_u64 published) {
  rk_trace_tx tx = { (rk_abi_trace_ring *)ring, 0, next, 0u, published, 0u, 63u, 0u, 1u, 0u };
  rkd_trace_publish(&tx);
}]] },
  { name = "rkd_latency_record", base = "param_0", offset = 992,
    ops = { "ld.global.u64", "st.relaxed.sys.u64" }, -- its own word, so a plain load
    code = "(rk_abi_latency *h) { rkd_latency_record(h, 1234u); }" },
  { name = "rkd_lane_write", arch = 90, base = "param_0", offset = 0,
    ops = { "st.release.cluster.u64" }, order = "before",
    code = [[(rk_lane_slot *entry, rk_u64 position, rk_u64 id) {
  rk_abi_msg header = {};
  header.id = id;
  rkd_lane_write(entry, position, id, &header, 0);
}]] },
  { name = "rkd_lane_ready", arch = 90, base = "param_0", offset = 0,
    ops = { "ld.acquire.cluster.u64" }, order = "after",
    code = [[(const rk_lane_slot *entry, rk_u64 position, rk_u64 *out) {
  if (rkd_lane_ready(entry, position)) { *out = entry->header.id + entry->ticket; }
}]] },
  { name = "rkd_lane_give_back", arch = 90, base = "param_0", offset = 0,
    ops = { "st.release.cluster.u64" },
    code = "(rk_u64 *taken, rk_u64 position) { rkd_lane_give_back(taken, position); }" },
}

-- The same for a unit with counted lanes, whose words are barriers. steps: the instructions with
-- mbarrier, async or fence in their names, each kind where it is first needed. never: what no other
-- instruction may begin with; unless_after: or only behind the last step. within: part of the name
-- of the function that is looked at, if it is not the kernel.
M.counted = {
  { name = "rkd_lane_write", within = "rkd_lane_write", never = "st.", steps = {
    "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64",
    "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64",
  }, code = [[(rk_u32 entry, rk_u32 gate, rk_u64 id, rk_abi_msg *header, const void *data) {
  rkd_lane_write(entry, gate, id, header, data);
}]] },
  { name = "rkd_lane_waits", never = "ld.shared", unless_after = true, steps = {
    "mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64",
  }, code = [[(rk_u32 rank, rk_u64 position, rk_u64 *out) {
  if (rkd_lane_waits(rank, position)) { *out = rkd_lanes.slots[rank][position % 8u].header.id; }
}]] },
  { name = "rkd_lanes_empty", never = "barrier.", steps = {
    "mbarrier.init.shared::cta.b64",
    "fence.mbarrier_init.release.cluster",
  }, code = "(void) { rkd_lanes_empty(); }" },
}

--- One source with a kernel `mark_<name>` for each marker of `list`, from its `arch` on if it has
--- one; `counted`: with lanes of that form.
function M.source(list, counted)
  local out = {
    "#if __CUDA_ARCH__ >= 900",
    "#define RK_CLUSTER 2",
    "#endif",
    counted and "#define RK_LANES_COUNTED 1" or "",
    '#include "rk_grid_dev.h"',
    '#include "rk_histogram_dev.h"',
    '#include "rk_trace_dev.h"',
    "static __device__ void rkd_dispatch(rk_ctx *, const rk_abi_def *, rk_u32, const void *,",
    "                                    void *) {}",
  }
  for _, marker in ipairs(list) do
    out[#out + 1] = ("#if __CUDA_ARCH__ >= %d"):format((marker.arch or 0) * 10)
    out[#out + 1] = ('extern "C" __global__ void mark_%s%s'):format(marker.name, marker.code)
    out[#out + 1] = "#endif"
  end
  return table.concat(out, "\n") .. "\n"
end

-- ---- planted mistakes ----

-- In `file`, the text `find` (which stands there once) becomes `replace`; the check of `marker`
-- must fail then. `counted`: of that marker of M.counted.
M.plants = {
  { what = "plain store of a record's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_ring_commit", find = "rk_st_release_sys_u64(&unit->seq, tx->tail + 1u);",
    replace = "unit->seq = tx->tail + 1u;" },
  { what = "volatile store of a record's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_ring_commit", find = "rk_st_release_sys_u64(&unit->seq, tx->tail + 1u);",
    replace = "*(volatile rk_u64 *)&unit->seq = tx->tail + 1u;" },
  { what = "device-scope release of a record for the host", file = "rk_ring_dev.h",
    marker = "rkd_ring_commit", find = "rk_st_release_sys_u64(&unit->seq, tx->tail + 1u);",
    replace = "rk_st_release_gpu_u64(&unit->seq, tx->tail + 1u);" },
  { what = "relaxed load of a record's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_ring_peek", find = "if (rk_ld_acquire_sys_u64(&unit->seq) !=",
    replace = "if (rk_ld_relaxed_sys_u64(&unit->seq) !=" },
  { what = "read-only cached load of a record's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_ring_peek", find = "if (rk_ld_acquire_sys_u64(&unit->seq) !=",
    replace = "if (__ldg(&unit->seq) !=" },
  { what = "record copied before its sequence word is looked at", file = "rk_ring_dev.h",
    marker = "rkd_ring_peek",
    find = [[
  if (rk_ld_acquire_sys_u64(&unit->seq) != rx->head + 1u) {
    return (rk_abi_msg *)0;
  }
#if RK_HOST_IS_FAR
  rkd_ring_copy_unit(rx, unit);]],
    replace = [[
  rkd_ring_copy_unit(rx, unit);
  if (rk_ld_acquire_sys_u64(&unit->seq) != rx->head + 1u) {
    return (rk_abi_msg *)0;
  }
#if RK_HOST_IS_FAR]] },
  { what = "credits given back without a release", file = "rk_room_dev.h",
    marker = "rkd_room_give", find = "rk_red_release_gpu_u64((rk_u64 *)&to->room, credits);",
    replace = "atomicAdd((unsigned long long *)&to->room, credits);" },
  { what = "plain store of the words that finish a tagged head", file = "rk_ring_tagged_dev.h",
    marker = "rkd_ring_finish_tagged",
    find = "rk_st_relaxed_sys_2u64(at + 2u * pair, (value & 0xffffffffu) | tag,",
    replace = "*(ulonglong2 *)(at + 2u * pair) = make_ulonglong2((value & 0xffffffffu) | tag," },
  { what = "plain store of a slot's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_slot_publish", find = "rk_st_release_gpu_u64(&slot->seq, position + 1u);",
    replace = "slot->seq = position + 1u;" },
  { what = "header field written after the slot is published", file = "rk_ring_dev.h",
    marker = "rkd_slot_publish", find = "rk_st_release_gpu_u64(&slot->seq, position + 1u);",
    replace = "rk_st_release_gpu_u64(&slot->seq, position + 1u); slot->id = header->id;" },
  { what = "plain load of a slot's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_slot_ready", find = "return rk_ld_acquire_gpu_u64(&slot->seq) ==",
    replace = "return slot->seq ==" },
  { what = "second, plain look at a ready entry's sequence word", file = "rk_ring_dev.h",
    marker = "rkd_ready_pop", find = "*slot = entry->slot;",
    replace = "*slot = entry->slot + (rk_u32)entry->seq;" },
  { what = "ready entry read before its sequence word", file = "rk_ring_dev.h",
    marker = "rkd_ready_pop",
    find = [[
  if (rk_ld_acquire_gpu_u64(&entry->seq) != *head + 1u) {
    return 0;
  }
  *slot = entry->slot;]],
    replace = [[
  *slot = entry->slot;
  if (rk_ld_acquire_gpu_u64(&entry->seq) != *head + 1u) {
    return 0;
  }]] },
  { what = "volatile store of a gang's generation", file = "rk_gang_dev.h",
    marker = "rkd_gang_arrive_last",
    find = "rk_st_release_gpu_u64(&gang->generation, generation + 1u);",
    replace = "*(volatile rk_u64 *)&gang->generation = generation + 1u;" },
  { what = "relaxed load of a gang's generation", file = "rk_gang_dev.h",
    marker = "rkd_gang_is_past",
    find = "return rk_ld_acquire_gpu_u64(&gang->generation) != generation;",
    replace = "return rk_ld_relaxed_gpu_u64(&gang->generation) != generation;" },
  { what = "release that is spelled relaxed", file = "rk_atomic.h", marker = "rkd_ring_give_back",
    find = 'RK_DEFINE_STORE(rk_st_release_sys_u64, "release.sys"',
    replace = 'RK_DEFINE_STORE(rk_st_release_sys_u64, "relaxed.sys"' },
  { what = "device-scope release of an entry in a lane", file = "rk_lane_dev.h",
    marker = "rkd_lane_write",
    find = "rk_ptx_cluster_store_release(&entry->header.seq, position + 1u);",
    replace = "rk_st_release_gpu_u64(&entry->header.seq, position + 1u);" },
  { what = "ticket of an entry in a lane written after its release", file = "rk_lane_dev.h",
    marker = "rkd_lane_write",
    find = "rk_ptx_cluster_store_release(&entry->header.seq, position + 1u);",
    replace = "rk_ptx_cluster_store_release(&entry->header.seq, position + 1u); "
      .. "entry->ticket = ticket + 1u;" },
  { what = "plain look at an entry in a lane", file = "rk_lane_dev.h", marker = "rkd_lane_ready",
    find = "return rk_ptx_cluster_load_acquire(&entry->header.seq) ==",
    replace = "return entry->header.seq ==" },
  { what = "arrival at a gate that other blocks need not see", file = "rk_ptx_dev.h",
    counted = "rkd_lane_write", find = "mbarrier.arrive.expect_tx.release.cluster",
    replace = "mbarrier.arrive.expect_tx.release.cta" },
  { what = "bytes set out before their gate expects them", file = "rk_lane_counted_dev.h",
    counted = "rkd_lane_write",
    find = "  rk_u32 pieces = (size + RK_LANE_PIECE - 1u) / RK_LANE_PIECE;",
    replace = "  rk_u32 pieces = (size + RK_LANE_PIECE - 1u) / RK_LANE_PIECE;"
      .. "  rk_ptx_gate_store(entry, gate, ticket, h->id);" },
  { what = "look at a gate that acquires nothing of other blocks", file = "rk_ptx_dev.h",
    counted = "rkd_lane_waits", find = "mbarrier.test_wait.parity.acquire.cluster",
    replace = "mbarrier.test_wait.parity.acquire.cta" },
  { what = "ticket read before the gate is looked at", file = "rk_lane_counted_dev.h",
    counted = "rkd_lane_waits",
    find = "  return rk_ptx_gate_is_past(&rkd_lanes.gates[rank]",
    replace = "  if (rkd_lanes.slots[rank][position % 8u].header.seq == 5u) { return 0; }"
      .. "  return rk_ptx_gate_is_past(&rkd_lanes.gates[rank]" },
  { what = "gates that peers are not told of", file = "rk_lane_counted_dev.h",
    counted = "rkd_lanes_empty", find = "  rk_ptx_gates_tell();", replace = "" },
}

return M
