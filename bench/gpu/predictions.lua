-- SPDX-License-Identifier: MIT
--- What the experiments E1 to E7 are expected to show on a Hopper GPU, written down before any of
--- them ran on one, and what is decided by them. Read by check.lua.
--
-- A prediction: { case, returns = true } (the call came back while the kernel ran), { case, waits =
-- true } (only once it had ended), or { case, from, to } in the case's unit, with a reason.
-- `decide` gets the outcomes by case, a figure { median =, ... } or a note { text = }, and returns
-- a sentence. Nothing here is changed after a run: a prediction that failed stays and is told.

local M = {}

local function returns(case, why)
  return { case, returns = true, why = why }
end
local function waits(case, why)
  return { case, waits = true, why = why }
end
local function within(case, from, to, why)
  return { case, from = from, to = to, why = why }
end

--- Median of a case, or nil.
local function value(cases, case)
  return cases[case] and cases[case].median
end

M.E1 = {
  question = "Does loading a module return while a kernel stays resident?",
  decides = "whether new code can be loaded beside a running generation",
  predictions = {
    waits("same context: cuModuleLoadData", "loading takes the context's lock and lets it drain"),
    waits("kernel in a green context, load in the primary one: cuModuleLoadData",
      "code is loaded for the device, not for a part of it"),
    within("another process opens the device, loads, launches", 100, 4000,
      "processes share the device in time slices; most of it is opening"),
  },
  decide = function(cases)
    if value(cases, "same context: cuModuleLoadData")
      and value(cases, "same context: first launch, until its end") then
      return "a module loads beside the grid: the next generation's code can be loaded before "
        .. "the running one ends, and the seal may go"
    end
    local green = "kernel in a green context, load in the primary one: cuModuleLoadData"
    if value(cases, green) then
      return "a module loads beside a grid in a green context: run the grid in one"
    end
    return "nothing is loaded while a grid runs: the seal stays"
  end,
}

M.E2 = {
  question = "Which calls of the driver wait for a kernel that stays resident?",
  decides = "which calls the runtime may make while a grid runs",
  predictions = {
    returns("cuStreamQuery"), returns("cuMemGetInfo"),
    returns("cuMemcpyHtoDAsync, pinned, and its end", "its stream does not block; a copy engine"),
    returns("cuMemcpyDtoHAsync, pinned, and its end"),
    returns("cuMemsetD8Async and its end", "a kernel: there are multiprocessors left"),
    returns("cuLaunchKernel and its end", "the grid leaves room"),
    returns("cuLaunchKernel, 512 bytes of local memory, and its end", "below the limit of 1024"),
    waits("cuLaunchKernel, 16 KiB of local memory, and its end", "the driver has to take more"),
    waits("cuCtxSetLimit, a stack of 33 KiB", "documented"),
    returns("cuLaunchKernel, 32 KiB, the limit raised, and its end", "cuda_module.c relies on it"),
    returns("cuLaunchCooperativeKernel and its end"),
    returns("cuEventRecord and its end"), returns("cuStreamSynchronize, other stream"),
    returns("cuStreamCreate"), returns("cuEventCreate"),
    waits("cuFuncSetAttribute", "reported to synchronise"),
    returns("cuMemAlloc 4 MiB", "mostly a table of pages"), waits("cuMemFree"),
    waits("cuMemHostAlloc"), waits("cuMemFreeHost", "both may have to unmap from the device"),
    returns("cuMemAllocAsync and its end", "a pool"), returns("cuMemFreeAsync and its end"),
    returns("cuGraphLaunch and its end"),
    returns("cuMemcpyHtoD (waits for its own copy)", "the grid's stream does not block this one"),
    returns("cuLaunchKernel, legacy stream, and its end"),
  },
  decide = function(cases)
    local list = {}
    for case, outcome in pairs(cases) do
      if outcome.text and outcome.text:find("^blocked") then
        list[#list + 1] = case
      end
    end
    table.sort(list)
    return #list == 0 and "no call waited: the rules of the sealed state can be loosened"
      or "these stay forbidden while a grid runs: " .. table.concat(list, "; ")
  end,
}

M.E3 = {
  question = "How long does a message take to a polling kernel and back?",
  decides = "tags or a flag in the host's rings, and how many warps poll",
  predictions = {
    within("tags, 64 B, 1 polling", 1.5, 2.5, "a read of the host in flight, a posted write back"),
    within("tags, 64 B, 4 polling", 1.2, 2.2, "a read is on its way more often"),
    within("tags, 256 B, 1 polling", 1.5, 2.8),
    within("flag, 64 B, 1 polling", 2.2, 4, "flag, then payload: two reads one after the other"),
    within("flag, 256 B, 1 polling", 2.2, 4.5),
  },
  decide = function(cases)
    local tags, flag = value(cases, "tags, 64 B, 1 polling"), value(cases, "flag, 64 B, 1 polling")
    local four = value(cases, "tags, 64 B, 4 polling")
    if not (tags and flag and four) then
      return nil
    end
    return ("a tag in each 16 bytes is %.2f times as fast as a flag at 64 B (worth it from 1.2 "
      .. "on); four polling warps %.2f times as fast as one (worth it from 1.15 on)"):format(
      flag / tags, tags / four)
  end,
}

M.E4 = {
  question = "How fast can warps send messages of 64 B to the host?",
  decides = "how often the ring to the host is published",
  predictions = {
    within("a release for each message, 1 warp", 0.3, 1.2, "each waits for the bus once"),
    within("a release for each message, 4 warps", 0.6, 4),
    within("tags, no fence, 1 warp", 15, 120), within("tags, no fence, 4 warps", 25, 200,
      "then the host's reading is the limit"),
    within("a release for 32 messages, 1 warp", 8, 40),
    within("a release for 32 messages, 4 warps", 20, 120),
  },
  decide = function(cases)
    local tags = value(cases, "tags, no fence, 1 warp")
    local batch = value(cases, "a release for 32 messages, 1 warp")
    local each = value(cases, "a release for each message, 1 warp")
    if not (tags and batch and each) then
      return nil
    end
    return batch >= 20
      and "a release for each batch reaches 20 M/s: the ring stays as it is, batches grow"
      or ("a release costs %.2f us: batches reach %.1f M/s, tags %.1f M/s: tags are needed for 20")
        :format(1 / each, batch, tags)
  end,
}

M.E5 = {
  question = "What does a word cost there and back, by distance?",
  decides = "whether grids are launched in clusters",
  predictions = {
    within("same block, shared memory", 50, 200, "four accesses of about 30 cycles and two loops"),
    within("same cluster, flag", 350, 700, "180 cycles each for a store and its being seen"),
    within("same cluster, mbarrier", 350, 800),
    within("cluster barrier", 100, 400),
    within("same grid, neighbour blocks", 800, 1800, "four accesses of the L2 cache and a release"),
    within("same grid, first and last block", 800, 2200, "and perhaps the far half of it"),
  },
  decide = function(cases)
    local near = value(cases, "same cluster, flag")
    local far = value(cases, "same grid, neighbour blocks")
    if not (near and far) then
      return nil
    end
    return ("a cluster is %.1f times as fast as the L2 cache: %s"):format(far / near,
      far / near >= 2 and "a ring in distributed shared memory is worth building"
        or "not worth a second kind of ring")
  end,
}

M.E6 = {
  question = "How good is the device's nanosecond clock?",
  decides = "whether stamps made on the device need more than one comparison of the clocks",
  predictions = {
    within("step of the clock", 1, 1024, "32 ns or 1 us, by chip and driver"),
    within("reading the clock and storing it", 10, 400),
    within("drift against the host's clock", -50, 50, "two quartzes"),
    within("error of one comparison", 300, 1500, "half a round trip"),
  },
  decide = function(cases)
    local step, drift = value(cases, "step of the clock"),
      value(cases, "drift against the host's clock")
    if not (step and drift) then
      return nil
    end
    return ("steps of %.0f ns %s for stamps of 1 us; at %.2f ppm the clocks part by 1 us in %s: "
      .. "compare them %s"):format(step, step <= 1024 and "are fine enough" or "are too coarse",
      drift, drift == 0 and "no time" or ("%.2f s"):format(1 / math.abs(drift)),
      math.abs(drift) < 0.1 and "once in 10 s" or "several times a second, or correct the slope")
  end,
}

M.E7 = {
  question = "Does a green context hold a kernel on its multiprocessors and leave the others free?",
  decides = "whether the grid runs in a green context beside other kernels of a program",
  predictions = {
    within("multiprocessors seen in both parts", 0, 0, "that is what they are for"),
    within("launch and end in the small part, alone", 4, 12),
    within("launch and end in the small part, beside a resident kernel", 4, 13, "1 us more"),
    within("launch and end in the primary context, beside a resident kernel", 4, 13,
      "it finds the free part"),
  },
  decide = function(cases)
    local both = value(cases, "multiprocessors seen in both parts")
    local beside = value(cases, "launch and end in the small part, beside a resident kernel")
    if not both then
      return nil
    end
    return both == 0 and beside and "green contexts confine: offer them for grids beside other work"
      or "green contexts do not do it: the grid leaves multiprocessors free by its size only"
  end,
}

M.order = { "E1", "E2", "E3", "E4", "E5", "E6", "E7" }

--- "as predicted", "NOT as predicted", "not measured"; the outcome as text; the prediction as text.
function M.judge(prediction, outcome, number)
  local expected = prediction.returns and "returns" or prediction.waits and "waits"
    or ("%s to %s"):format(number(prediction.from), number(prediction.to))
  if not outcome then
    return "not measured", "-", expected
  end
  local got = outcome.text or ("%s %s"):format(number(outcome.median), outcome.unit)
  local good
  if prediction.returns then
    good = outcome.median ~= nil
  elseif prediction.waits then
    good = outcome.text ~= nil and outcome.text:find("^blocked") ~= nil
  elseif outcome.median then
    good = outcome.median >= prediction.from and outcome.median <= prediction.to
  elseif not outcome.text:find("^blocked") then
    return "not measured", got, expected
  end
  return good and "as predicted" or "NOT as predicted", got, expected
end

return M
