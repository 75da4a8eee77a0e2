#!/usr/bin/env rkl
-- A supervised pipeline that survives the end of each of its actors in turn: by a handler that
-- fails, by one that stops itself, by terminate. Handles stay good, routes are tied again.

local rk = require "ringkernel"

local Item = rk.message("Item", { { "value", "i64" } })

-- Adds 1 and passes it on; -1 makes it fail, -2 makes it stop.
local Stage = rk.kernel {
  name = "stage",
  accepts = { Item },
  emits = { Item },
  ports = { "next" },
  state = { { "seen", "u32" } },
  source = [[
    RK_ON(Item) {
      if (msg->value == -1) { rk_fail(ctx, 42); return; }
      if (msg->value == -2) { rk_stop(ctx); return; }
      state->seen += 1u;
      Item out = { msg->value + 1 };
      if (rk_send(ctx, RK_PORT_next, Item, &out) != 0) {
        rk_send_to(ctx, RK_HOST, Item, &out); /* the last one has no next */
      }
    }
  ]],
}

local rt <close> = rk.open()
local ends = 0
rt:on("restart", function(event)
  ends = ends + 1
  print("restart:", event.id, event.reason, event.code)
end)

local sup = assert(rt:supervise(rk.supervisor {
  intensity = 3, period = 5,
  children = {
    { id = "first", start = Stage },
    { id = "second", start = Stage, state = "keep" },
    { id = "third", start = Stage },
  },
}))
assert(rt:connect(sup.first, "next", sup.second))
assert(rt:connect(sup.second, "next", sup.third))

local function through(value)
  assert(sup.first:send(Item { value = value }))
  return assert(sup.third:receive(5)).value
end

local function wait_for_restart(count)
  while ends < count do
    rt:poll(1)
  end
end

print("through:", through(10))
sup.first:send(Item { value = -2 }) -- it stops itself: launched anew, its route tied again
wait_for_restart(1)
print("through:", through(20))
sup.second:send(Item { value = -1 }) -- its handler fails: what it was handling is a dead letter
wait_for_restart(2)
print("through:", through(30))
sup.third:terminate()
wait_for_restart(3)
print("through:", through(40))

local letter = rt:dead_letters()[1]
print("dead letter:", letter.message.value, letter.reason)
print("kept state:", sup.second:peek_state().seen)
io.write(sup:tree())
assert(sup:stop())
print("stopped:", sup.first:state(), (sup:state()))
