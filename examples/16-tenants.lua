#!/usr/bin/env rkl
-- Two tenants in one runtime: what belongs to one cannot send to what belongs to the other, in the
-- grid or through the host, until that is granted; taking it back stops what is under way. Each has
-- its limits, and what was refused is on record.

local rk = require "ringkernel"

local Order = rk.message("Order", { { "to", "id" }, { "amount", "i64" } })
local Answer = rk.message("Answer", { { "code", "i64" } })

--- Forwards an order to the actor it names, and says what came of that.
local Clerk = rk.kernel {
  name = "clerk",
  accepts = { Order },
  emits = { Order, Answer },
  source = [[
RK_ON(Order) {
  Answer answer;
  (void)state;
  answer.code = rk_send_to(ctx, msg->to, Order, msg);   /* 0, or RK_ETENANT_MISMATCH */
  rk_reply(ctx, Answer, &answer);
}
]],
}

local Ledger = rk.kernel {
  name = "ledger",
  accepts = { Order },
  state = { { "sum", "i64" }, { "orders", "u64" } },
  source = "RK_ON(Order) { (void)ctx; state->sum += msg->amount; state->orders += 1; }",
}

local rt <close> = rk.open { blocks = 2 }
local bank = assert(rt:tenant("bank"))
local shop = assert(rt:tenant("shop", { actors = 2, memory = 4 << 20, rate = 1000 }))

local ledger = assert(bank:launch(Ledger, { name = "ledger" }))
local clerk = assert(shop:launch(Clerk, { name = "clerk" }))

local function order(amount)
  return assert(clerk:call(Order { to = ledger.id, amount = amount }, 5)).code
end

print("strangers:", order(10) ~= 0)
print("through the host:", select(3, shop:send(ledger, Order { amount = 10 })))

assert(bank:grant(shop)) -- one way: the bank's actors still cannot send to the shop's
print("granted:", order(20))
while ledger:peek_state().orders < 1 do -- another block handles it
  rt:poll(0.001)
end

assert(ledger:suspend()) -- what comes now waits in its queue
local before = ledger:stats().processed
for _ = 1, 3 do
  order(5)
end
print("taken back with the grant:", (assert(bank:revoke(shop))))
assert(ledger:resume())
print("refused again:", order(30) ~= 0)
print("handled meanwhile:", ledger:stats().processed - before)
while #rt:audit() < 3 do -- refusals in the grid are told as they are found
  rt:poll(0.001)
end
print("dead letters:", #rt:dead_letters(), rt:dead_letters()[1].reason)

assert(shop:launch(Clerk))
print("a third actor:", (select(3, shop:launch(Clerk))))

for _, entry in ipairs(rt:audit()) do
  print("audit:", entry.action, entry.tenant, entry.quota or entry.other, entry.code)
end
