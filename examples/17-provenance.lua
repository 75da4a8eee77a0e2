#!/usr/bin/env rkl
-- Which reading led to which alarm? Provenance of a topology as a W3C PROV document, snapshots of
-- its actors while they work, and a graceful end.
-- Usage: rkl examples/17-provenance.lua [FILE.json]; without FILE the document is thrown away.

local rk = require "ringkernel"

local Reading = rk.message("Reading", { { "sensor", "u32" }, { "value", "f64" } })
local Alarm = rk.message("Alarm", { { "sensor", "u32" } })

local Guard = rk.kernel {
  name = "guard", accepts = { Reading }, emits = { Alarm }, ports = { "alarm" },
  source = [[
RK_ON(Reading) {
  (void)state;
  if (msg->value > 100.0) {
    Alarm out;
    out.sensor = msg->sensor;
    (void)rk_send(ctx, RK_PORT_alarm, Alarm, &out);
  }
}
]],
}

local alarms = {} -- what the siren heard: id of the message -> sensor
local function siren(ctx, msg)
  alarms[ctx:envelope().id] = msg.sensor
end

-- Provenance comes from the trace: a ring of 4096 records for each block.
local rt <close> = assert(rk.open { blocks = 2, trace = 4096 })
local sys = assert(rt:deploy {
  name = "plant", provenance = true,
  actors = { guard = Guard, siren = siren },
  links = { "guard.alarm -> siren" },
})

-- A snapshot of all actors every 5 ms; at most 16 wait, older ones are dropped and counted.
local stream <close> = assert(rt:stream { every = 0.005, what = "plant/*", limit = 16 })
for i = 1, 20 do
  assert(sys.guard:send(Reading { sensor = i, value = i * 10.0 }))
end
local snapshot
repeat
  snapshot = assert(stream:receive(5))
until snapshot.actors[1].processed + snapshot.actors[2].processed == 20 + 10
for _, actor in ipairs(snapshot.actors) do
  print(actor.name, actor.state, actor.processed, actor.handled[60] > 0)
end

-- Senders end first, so nothing is lost on the way.
local info = assert(sys:drain { order = "parent_first", deadline = 10 })
print("drained:", table.concat(info.drained, " "), "left:", info.left_messages)

local document = assert(sys:provenance())
print("complete:", document.complete)
local origin = {} -- message -> the message it was derived from
for _, relation in pairs(document.data.wasDerivedFrom) do
  origin[relation["prov:generatedEntity"]] = relation["prov:usedEntity"]
end
local traced = 0
for id in pairs(alarms) do
  local reading = origin[("rk:message/%d"):format(id)]
  traced = traced + (document.data.entity[reading]["rk:type"] == "Reading" and 1 or 0)
end
print("alarms that lead back to a reading:", traced)
if arg[1] then
  assert(document:save(arg[1]))
end
