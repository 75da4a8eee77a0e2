-- What the specs of checkpoints share.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number = support.Number

local M = {}

--- Passes numbers on as they come.
M.Relay = rk.kernel {
  name = "relay",
  accepts = { Number },
  emits = { Number },
  ports = { "next" },
  state = { { "n", "u64" } },
  source = "RK_ON(Number) { state->n += 1; (void)rk_send(ctx, RK_PORT_next, Number, msg); }",
}

--- Counts on by itself: sends n and the next tick until `limit`.
M.Tick = rk.message("Tick", { { "limit", "i64" } })
M.Counter = rk.kernel {
  name = "counter",
  accepts = { M.Tick },
  emits = { M.Tick, Number },
  ports = { "again", "next" },
  state = { { "n", "i64" } },
  source = [[
RK_ON(Tick) {
  if (state->n >= msg->limit) { return; }
  state->n += 1;
  Number out;
  out.n = state->n;
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
  (void)rk_send(ctx, RK_PORT_again, Tick, msg);
}
]],
}

--- Adds up and checks that numbers come one after the other.
M.Checker = rk.kernel {
  name = "checker",
  accepts = { Number },
  state = { { "last", "i64" }, { "sum", "i64" }, { "wrong", "u64" } },
  source = [[
RK_ON(Number) {
  (void)ctx;
  if (msg->n != state->last + 1) { state->wrong += 1; }
  state->last = msg->n;
  state->sum += msg->n;
}
]],
}

--- What a file holds.
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

return M
