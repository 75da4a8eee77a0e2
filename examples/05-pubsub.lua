#!/usr/bin/env rkl
-- Publish and subscribe: topics have levels, as in "house/kitchen/temperature". In a pattern `*`
-- stands for one level, `#` at the end for all the rest. Functions and actors can subscribe; the
-- host and handlers can publish.

local rk = require "ringkernel"

local Sample = rk.message("Sample", { { "value", "f64" } })

-- An actor that publishes an alarm for every sample above its limit.
local Guard = rk.kernel {
  name = "guard",
  accepts = { Sample },
  emits = { Sample },
  source = [[
    RK_ON(Sample) {
      (void)state;
      if (msg->value > 30.0) {
        rk_publish(ctx, "alarms/heat", Sample, msg);
      }
    }
  ]],
}

local rt <close> = rk.open()
local guard = assert(rt:launch(Guard))
assert(rt:subscribe("house/*/temperature", guard))

-- Functions run inside poll, drain and calls that wait; never between two lines of yours.
local alarms = 0
local seen = {}
assert(rt:subscribe("house/#", function(sample, topic)
  seen[#seen + 1] = ("%s = %g"):format(topic, sample.value)
end))
assert(rt:subscribe("alarms/#", function(sample, topic)
  alarms = alarms + 1
  print("alarm:", topic, sample.value)
end))

rt:publish("house/kitchen/temperature", Sample { value = 21 })
rt:publish("house/kitchen/humidity", Sample { value = 60 }) -- not for guard
rt:publish("house/attic/temperature", Sample { value = 35.5 })

while alarms == 0 and rt:poll(1) > 0 do end
print(table.concat(seen, "\n"))

-- A retained message reaches those who come later.
rt:publish("house/door/state", Sample { value = 1 }, { retain = true })
local late <close> = assert(rt:subscribe("house/door/*", function(sample, topic)
  print("late:", topic, sample.value)
end))
rt:poll(0)
print("delivered:", late:stats().delivered)
