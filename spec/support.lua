-- What several specs share: message types, definitions, and waiting with a limit.
-- Used as `local support = dofile("spec/support.lua")`.

local rk = require "ringkernel"
local core = require "ringkernel.core"

local M = {}

M.Reading = rk.message("Reading", { { "sensor", "u32" }, { "value", "f64" } })
M.Reset = rk.message("Reset", {})
M.Number = rk.message("Number", { { "n", "i64" } })

--- Running mean; answers and passes on through the port "next".
M.Smooth = rk.kernel {
  name = "smooth",
  accepts = { M.Reading, M.Reset },
  emits = { M.Reading },
  state = { { "sum", "f64" }, { "n", "u64" } },
  ports = { "next", burst = 4 },
  source = [[
RK_ON(Reading) {
  state->sum += msg->value;
  state->n += 1;
  Reading out = *msg;
  out.value = state->sum / (double)state->n;
  rk_reply(ctx, Reading, &out);
  (void)rk_send(ctx, RK_PORT_next, Reading, &out);
}
RK_ON(Reset) { (void)ctx; (void)msg; state->sum = 0; state->n = 0; }
]],
}

--- Adds up numbers and answers with the sum; -13 makes it fail with 77, -99 stops it.
M.Adder = rk.kernel {
  name = "adder",
  accepts = { M.Number },
  emits = { M.Number },
  state = { { "sum", "i64" }, { "started", "u32" } },
  source = [[
RK_ON_START() { (void)ctx; state->started += 1; }
RK_ON(Number) {
  if (msg->n == -13) { rk_fail(ctx, 77); return; }
  if (msg->n == -99) { rk_stop(ctx); return; }
  state->sum += msg->n;
  Number out;
  out.n = state->sum;
  rk_reply(ctx, Number, &out);
}
]],
}

--- Publishes every number under "numbers/even" or "numbers/odd".
M.Publisher = rk.kernel {
  name = "publisher",
  accepts = { M.Number },
  emits = { M.Number },
  source = [[
RK_ON(Number) {
  (void)state;
  rk_publish(ctx, msg->n % 2 == 0 ? "numbers/even" : "numbers/odd", Number, msg);
}
]],
}

--- Keeps what it got, answers nothing.
M.Sink = rk.kernel {
  name = "sink",
  accepts = { M.Number, M.Reading },
  state = { { "sum", "f64" }, { "n", "u64" }, { "last", "i64" } },
  source = [[
RK_ON(Number) { (void)ctx; state->sum += (double)msg->n; state->n += 1; state->last = msg->n; }
RK_ON(Reading) { (void)ctx; state->sum += msg->value; state->n += 1; }
]],
}

--- Calls fn until it returns something true, for at most 5 seconds, or `limit`. Returns that.
function M.eventually(fn, limit)
  local deadline = core.clock() + (limit or 5)
  repeat
    local value = fn()
    if value then
      return value
    end
  until core.clock() > deadline
  return nil
end

--- Whether the driver is that of the tests, which can be told to spoil things.
M.is_fake = (os.getenv("RINGKERNEL_LIBCUDA") or ""):find("fakecuda", 1, true) ~= nil

--- The message of the error that fn raises, or nil.
function M.error_of(fn, ...)
  local ok, message = pcall(fn, ...)
  return not ok and tostring(message) or nil
end

return M
