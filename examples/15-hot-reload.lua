#!/usr/bin/env rkl
-- New code for a living actor while messages stream through it: none is lost, none handled twice,
-- the order stays. A version that is wrong changes nothing; one can go back.

local rk = require "ringkernel"

local Price = rk.message("Price", { { "n", "i64" }, { "cents", "i64" } })

--- Sends itself through the numbers 1..n and each of them to its port.
local Source = rk.kernel {
  name = "source", accepts = { Price }, emits = { Price }, ports = { "next" },
  state = { { "at", "i64" } },
  source = [[
    RK_ON(Price) {
      Price out = { ++state->at, 100 };
      (void)rk_send(ctx, RK_PORT_next, Price, &out);
      if (state->at < msg->n) { (void)rk_send_to(ctx, rk_self(ctx), Price, msg); }
    }
  ]],
}

--- Version `extra`: adds so many cents to each price.
local function tax(extra, changes)
  local spec = {
    name = "tax", accepts = { Price }, emits = { Price }, ports = { "next" },
    state = { { "seen", "i64" } },
    source = ([[
      RK_ON(Price) {
        Price out = *msg;
        state->seen += 1;
        out.cents += %d;
        (void)rk_send(ctx, RK_PORT_next, Price, &out);
      }
    ]]):format(extra),
  }
  for key, value in pairs(changes or {}) do
    spec[key] = value
  end
  return rk.kernel(spec)
end

local Till = rk.kernel {
  name = "till", accepts = { Price },
  state = { { "seen", "i64" }, { "out_of_order", "i64" }, { "old", "i64" }, { "later", "i64" } },
  source = [[
    RK_ON(Price) {
      (void)ctx;
      state->seen += 1;
      state->out_of_order += msg->n != state->seen;
      if (msg->cents == 107) { state->old += 1; } else { state->later += 1; }
    }
  ]],
}

local rt <close> = rk.open()
local source, till = rt:launch(Source), rt:launch(Till)
local Old, New = tax(7), tax(19)
local actor = rt:launch(Old)
rt:connect(source, "next", actor)
rt:connect(actor, "next", till)
assert(New:compile(rt)) -- so that the first reload is as quick as the others

local TOTAL, reloads = 50000, 0
source:send(Price { n = TOTAL })
while till:peek_state().seen < TOTAL do
  reloads = reloads + 1
  assert(actor:reload(reloads % 2 == 1 and New or Old))
end

local result = till:peek_state()
print("prices:", result.seen, "out of order:", result.out_of_order)
print("handled:", actor:peek_state().seen, "by old and new:", result.old + result.later)
print("reloads:", reloads > 0 and "some" or "none", "version is theirs plus one:",
  actor:version() == reloads + 1)

-- What cannot take its place does not.
local number = actor:version()
local function try(what, changes)
  local _, _, code = actor:reload(tax(0, changes))
  print(what, code)
end
try("source:", { source = "RK_ON(Price) { (void)ctx; state->sen += msg->n; }" })
try("state:", { state = { { "total", "f64" } },
  source = "RK_ON(Price) { (void)ctx; state->total += (double)msg->cents; }" })
try("port:", { ports = {}, source = "RK_ON(Price) { (void)ctx; state->seen += msg->n; }" })
try("start handler:", { source = [[
  RK_ON_START() { state->seen = 0; rk_fail(ctx, 1); }
  RK_ON(Price) { (void)ctx; state->seen += msg->n; }
]] })
print("as it was:", actor:version() == number, actor:peek_state().seen)

-- Another layout of the state: a function makes the new one of the old.
local info = assert(actor:reload(tax(19, { state = { { "seen", "i64" }, { "since", "f64" } } }), {
  migrate = function(old)
    return { seen = old.seen, since = 1.5 }
  end,
}))
local state = actor:peek_state()
print("migrated:", info.state, state.seen, state.since)
print("back:", assert(actor:rollback()).state, actor:version() == number)
