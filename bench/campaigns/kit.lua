-- SPDX-License-Identifier: MIT
--- What the campaigns of this folder have in common: sizes of a quick run, one runtime for all
--- cases of a file, and kernels that more than one of them uses.
--
--   BENCH_QUICK=1   two samples of the first cases, with little work: does it run, is it right?
--   BENCH_FULL=1    the cases that take long, too (--only names one of them alone)
--   BENCH_CACHE     folder of compiled kernels
--
-- The backend is that of rk.open: RINGKERNEL_BACKEND, else "auto"; blocks are pinned where a file
-- says so.

local rk = require "ringkernel"

local M = {}

--- Seconds of a clock that never steps.
M.clock = require("ringkernel.core").clock

M.quick = os.getenv("BENCH_QUICK") == "1"
M.full = os.getenv("BENCH_FULL") == "1"

--- Operations of a sample: `n`, in a quick run `few` (a fiftieth).
function M.count(n, few)
  return M.quick and (few or math.max(1, n // 50)) or n
end

--- Values of a factor: all, in a quick run the first `few` (1).
function M.values(list, few)
  return M.quick and table.move(list, 1, few or 1, 1, {}) or list
end

--- rk.campaign, with what a quick run changes.
function M.campaign(options)
  if M.quick then
    options.samples, options.warmup, options.warmup_max = 2, 1, 1
  end
  return rk.campaign(options)
end

--- The reason to leave out a case that takes long, unless it was asked for.
function M.long(only, factor, value)
  if not M.full and only[factor] ~= tostring(value) then
    return ("takes long: BENCH_FULL=1, or --only %s=%s"):format(factor, tostring(value))
  end
end

--- What rk.open will choose, before it has: sizes of a grid depend on it. Returns the backend and
-- its processors.
function M.backend()
  local wish = os.getenv("RINGKERNEL_BACKEND") or "auto"
  local found = {}
  for _, device in ipairs(rk.devices()) do
    if device.is_usable and not found[device.backend] then
      found[device.backend] = device.processors
    end
  end
  local backend = wish ~= "auto" and wish or found.cuda and "cuda" or "cpu"
  return backend, found[backend] or 1
end

-- ---- the runtime --------------------------------------------------------------------------------

local Shared = {}
Shared.__index = Shared

--- One runtime for all cases of a campaign, because a device has room for one grid. Options: those
-- of rk.open, and `load`, a list of definitions that are compiled when it is opened: compiled
-- later, each would stop the grid once.
function M.shared(options)
  local load = options.load
  options.load = nil
  options.cache = os.getenv("BENCH_CACHE")
  options.blocks = options.blocks or 2
  return setmetatable({ options = options, definitions = load or {}, users = 0 }, Shared)
end

--- The runtime; opens it the first time.
function Shared:get()
  if not self.rt then
    self.rt = assert(rk.open(self.options))
    assert(self.rt:load(self.definitions))
  end
  return self.rt
end

--- The same for a case's setup, whose teardown says `release`.
function Shared:use()
  local rt = self:get()
  self.users = self.users + 1
  return rt
end

function Shared:release()
  self.users = self.users - 1
  if self.users == 0 then
    self.rt:close()
    self.rt = nil
  end
end

-- ---- messages and kernels -----------------------------------------------------------------------

--- 64 bytes.
M.Token = rk.message("Token", { { "hops", "u64" }, { "words", "u64[7]" } })

--- Reads every word and counts. At a token with hops = 1 it gives the host the count and the sum,
-- that token included; to a call this is the reply.
M.sink = rk.kernel {
  name = "bench_sink",
  accepts = { M.Token },
  emits = { M.Token },
  state = { { "count", "u64" }, { "sum", "u64" } },
  source = [[
RK_ON(Token) {
  for (int i = 0; i < 7; ++i) { state->sum += msg->words[i]; }
  state->count += 1u;
  if (msg->hops == 1u) {
    Token out = *msg;
    out.words[0] = state->count;
    out.words[1] = state->sum;
    if (rk_send_to(ctx, RK_HOST, Token, &out) != 0) { rk_fail(ctx, 1); }
  }
}
]],
}

M.BURST = 8

--- Sends BURST numbered messages on for each of the `hops` handlings that one token starts, six
-- words of 1 behind the number. The last of all has hops = 1.
M.source = rk.kernel {
  name = "bench_source",
  accepts = { M.Token },
  emits = { M.Token },
  ports = { "next", burst = M.BURST + 1 },
  state = { { "next", "u64" } },
  source = [[
RK_ON(Token) {
  Token out = { 0u, { 0u, 1u, 1u, 1u, 1u, 1u, 1u } };
  for (rk_u32 k = 0u; k < 8u; ++k) {
    out.words[0] = state->next;
    out.hops = msg->hops <= 1u && k == 7u;
    state->next += 1u;
    if (rk_send(ctx, RK_PORT_next, Token, &out) != 0) { rk_fail(ctx, 1); return; }
  }
  if (msg->hops > 1u) {
    out.hops = msg->hops - 1u;
    if (rk_send_to(ctx, rk_self(ctx), Token, &out) != 0) { rk_fail(ctx, 2); }
  }
}
]],
}

--- What the words of the first `count` messages of a source add up to.
function M.sum_of(count)
  return count * (count - 1) // 2 + 6 * count
end

--- Passes a token on while it has hops left and counts them in words[0], then gives it to the host.
M.pass = rk.kernel {
  name = "bench_pass",
  accepts = { M.Token },
  emits = { M.Token },
  ports = { "next" },
  state = { { "handled", "u64" } },
  source = [[
RK_ON(Token) {
  Token out = *msg;
  state->handled += 1u;
  if (msg->hops == 0u) { rk_send_to(ctx, RK_HOST, Token, &out); return; }
  out.hops -= 1u;
  out.words[0] += 1u;
  if (rk_send(ctx, RK_PORT_next, Token, &out) != 0) { rk_fail(ctx, 1); }
}
]],
}

--- A sink as a case has it: counts what it is sent, so that its answer can be compared.
local Sink = {}
Sink.__index = Sink

function M.launch_sink(rt, options)
  local actor = assert(rt:launch(M.sink, options))
  return setmetatable({ actor = actor, count = 0, sum = 0 }, Sink)
end

--- Says that `messages` were sent whose words add up to `sum` together.
function Sink:sent(messages, sum)
  self.count, self.sum = self.count + messages, self.sum + sum
end

--- Asks the sink, which answers after all that was sent before; whether it read just that.
function Sink:is_right()
  self:sent(1, 0)
  local reply = assert(self.actor:call(M.Token { hops = 1 }, 20))
  return reply.words[1] == self.count and reply.words[2] == self.sum
end

--- Sends a token around a ring of `pass` actors, each of which handles it `per_actor` times for all
-- `hops`, and times that. The first has it last and gives it to the host. `words`: what the token
-- carries instead of numbers.
function M.travel(meter, first, hops, per_actor, words)
  local token = M.Token { hops = hops, words = { 0, 2, 3, 4, 5, 6, 7 } }
  for i, word in pairs(words or {}) do
    token.words[i] = word
  end
  meter:watch(first, per_actor + 1)
  meter:count(hops)
  meter:start()
  local back = assert(first:call(token, 20))
  meter:settle()
  meter:stop()
  local good = back.hops == 0 and back.words[1] == hops
  for i = 2, 7 do
    good = good and back.words[i] == token.words[i]
  end
  meter:verified(good, "hops counted by the actors, the token whole")
end

return M
