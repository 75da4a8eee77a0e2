#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Checkpoints: writing and restoring the state of running actors, beside what the disk takes when
--- the same bytes are simply written.
--
-- The cases of a size take turns on the same actors and the same bytes, because a disk that others
-- use is not the same disk for long. The files lie in BENCH_CACHE, else in TMPDIR, else in /tmp:
-- where that is memory, so is the "disk".

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local rk = require "ringkernel"

local MIB = 1 << 20
local ACTOR_BYTES = 4 * MIB
local CHUNK = MIB
local WAIT_S = 60

local Fill = rk.message("Fill", { { "seed", "u64" }, { "sum", "u64" } })

--- seed > 0: fills its state with numbers that follow from it. Answers with their sum.
local Store = rk.kernel {
  name = "bench_store",
  accepts = { Fill },
  emits = { Fill },
  state = { { "words", "u64[524288]" } },
  source = [[
RK_ON(Fill) {
  Fill out = *msg;
  rk_u64 x = msg->seed;
  out.sum = 0u;
  for (int i = 0; i < 524288; ++i) {
    if (msg->seed != 0u) {
      x = x * 6364136223846793005ull + 1442695040888963407ull;
      state->words[i] = x;
    }
    out.sum = out.sum * 31u + state->words[i];
  }
  rk_reply(ctx, Fill, &out);
}
]],
}

local shared = kit.shared { load = { Store } }
local folder = os.getenv("BENCH_CACHE") or os.getenv("TMPDIR") or "/tmp"

--- The actors of a size, which its cases share: { actors, names, users, sums }.
local stores = {}

local function sums_of(store, seed)
  local sums = {}
  for i, actor in ipairs(store.actors) do
    sums[i] = assert(actor:call(Fill { seed = seed and seed + i or 0 }, WAIT_S)).sum
  end
  return sums
end

local function same(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then
      return false
    end
  end
  return #a == #b
end

local function use_store(mib)
  local rt = shared:use()
  local store = stores[mib]
  if not store then
    local count = math.max(1, mib * MIB // ACTOR_BYTES)
    store = { actors = {}, names = {}, users = 0, bytes = count * ACTOR_BYTES }
    for i = 1, count do
      store.names[i] = ("store_%d_%d"):format(mib, i)
      store.actors[i] = assert(rt:launch(Store, { name = store.names[i], queue = 16 }))
    end
    store.sums = sums_of(store, 1)
    stores[mib] = store
  end
  store.users = store.users + 1
  return store
end

local function release_store(mib)
  local store = stores[mib]
  store.users = store.users - 1
  if store.users == 0 then
    for _, actor in ipairs(store.actors) do
      assert(actor:terminate())
    end
    stores[mib] = nil
  end
  shared:release()
end

--- The state's bytes in pieces, as an ordinary program would have them.
local function pieces_of(store)
  local pieces, words = {}, {}
  for _, actor in ipairs(store.actors) do
    table.move(assert(actor:peek_state()).words, 1, ACTOR_BYTES // 8, 1, words)
    for from = 1, #words, CHUNK // 8 do
      local parts = {}
      for at = from, from + CHUNK // 8 - 1, 128 do
        parts[#parts + 1] = string.pack("<" .. ("i8"):rep(128), table.unpack(words, at, at + 127))
      end
      pieces[#pieces + 1] = table.concat(parts)
    end
  end
  return pieces
end

local RUN = {
  plain = function(case, meter)
    meter:includes("the same bytes from memory in writes of 1 MiB, close, sync(1) of the file, "
      .. "which is a process of its own")
    meter:start()
    local file = assert(io.open(case.path, "wb"))
    for _, piece in ipairs(case.pieces) do
      assert(file:write(piece))
    end
    assert(file:close())
    assert(os.execute(case.sync))
    meter:stop()
  end,
  write = function(case, meter)
    meter:includes("rt:checkpoint: the grid stands still while states and queues are copied, then "
      .. "they are hashed, written, fsync, rename, fsync of the folder")
    meter:start()
    local info = assert(shared:get():checkpoint(case.path, { actors = case.store.names }))
    meter:stop()
    meter:value("pause", info.pause_s * 1e9, "ns")
    meter:value("written", info.bytes / info.write_s / 1e6, "MB/s")
    meter:verified(info.actors == #case.store.actors and info.bytes >= case.store.bytes,
      "all actors are in the file; what restore reads of it is compared in the case restore")
  end,
  restore = function(case, meter)
    meter:includes("rt:restore: the file read (mostly from memory), checked, put into the same "
      .. "actors, whose state was another one")
    local changed = sums_of(case.store, 1000)
    meter:start()
    local info = assert(shared:get():restore(case.path))
    meter:stop()
    meter:value("pause", info.pause_s * 1e9, "ns")
    meter:verified(not same(changed, case.store.sums)
      and same(sums_of(case.store), case.store.sums), "sums of all states, computed by the actors")
  end,
}

return kit.campaign {
  name = "checkpoint",
  answers = "the goal of half the disk's sequential speed: the bandwidth of `write` against that "
    .. "of `plain`; RustCompute has a format, but nothing saves a kernel's state with it",
  includes = "a file",
  matrix = {
    { "mib", kit.quick and { 4 } or { 64, 1024 } },
    { "what", { "plain", "write", "restore" } },
  },
  samples = 15, warmup = 1, warmup_max = 5,
  limit_s = 60,
  hang_s = 300,
  skip = function(case, only)
    return case.mib >= 1024 and kit.long(only, "mib", case.mib) or nil
  end,
  setup = function(case)
    case.store = use_store(case.mib)
    case.path = ("%s/bench-%s-%d.ckpt"):format(folder, case.what, case.mib)
    if case.what == "plain" then
      case.sync = "sync '" .. case.path:gsub("'", "'\\''") .. "'"
      case.pieces = pieces_of(case.store)
    elseif case.what == "restore" then
      assert(shared:get():checkpoint(case.path, { actors = case.store.names }))
    end
  end,
  run = function(case, meter)
    meter:bytes(case.store.bytes)
    RUN[case.what](case, meter)
  end,
  check = function(case)
    if case.what ~= "plain" then
      assert(shared:get():restore(case.path))
      return same(sums_of(case.store), case.store.sums), "the file holds another state"
    end
    local file = assert(io.open(case.path, "rb"))
    for i, piece in ipairs(case.pieces) do
      if file:read(CHUNK) ~= piece then
        return false, ("piece %d of the file is another one"):format(i)
      end
    end
    return file:close()
  end,
  teardown = function(case)
    os.remove(case.path)
    release_store(case.mib)
  end,
}
