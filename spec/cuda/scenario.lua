-- A short life of a runtime that touches every part of the CUDA backend, step by step, for the
-- specs in this folder: each step returns something true, or nil, message, code.
-- Used as `local scenario = dofile("spec/cuda/scenario.lua")`.

local rk = require "ringkernel"
local shared = dofile("spec/support.lua")

local M = {}

local Echo = rk.stock.echo.messages.Echo

M.Scale = rk.global {
  name = "scale",
  params = { { "x", "f32*" }, { "n", "u32" }, { "a", "f32" } },
  source = [[RK_GLOBAL() { RK_FOR_GRID(i, n) { x[i] *= a; } }]],
}

--- The steps in order. Each gets a table that carries what earlier ones made, which may be missing.
M.steps = {
  { "open", function(w)
    local rt, text, code = rk.open { backend = "cuda", blocks = 2, max_actors = 64,
      ring_units = 128 }
    w.rt = rt
    return rt, text, code
  end },
  { "launch stock", function(w)
    local a, text, code = w.rt:launch("echo", { queue = 16 })
    w.echo = a
    return a, text, code
  end },
  { "launch own", function(w)
    local a, text, code = w.rt:launch(shared.Smooth, { queue = 16 })
    w.smooth = a
    return a, text, code
  end },
  { "launch sink", function(w)
    local a, text, code = w.rt:launch(shared.Sink, { queue = 16 })
    w.sink = a
    return a, text, code
  end },
  { "call", function(w)
    if w.echo then
      return w.echo:call(Echo { seq = 1 }, 5)
    end
  end },
  { "connect", function(w)
    if w.smooth and w.sink then
      return w.rt:connect(w.smooth, "next", w.sink)
    end
  end },
  { "send", function(w)
    if w.smooth then
      return w.smooth:send(shared.Reading { sensor = 1, value = 2 })
    end
  end },
  { "receive", function(w)
    if w.smooth then
      return w.smooth:receive(5)
    end
  end },
  { "publish", function(w)
    local sub, text, code = w.rt:subscribe("x", function() end)
    if not sub then
      return sub, text, code
    end
    return w.rt:publish("x", Echo { seq = 2 })
  end },
  { "stats", function(w)
    if w.echo then
      return w.echo:stats()
    end
  end },
  { "state", function(w)
    if w.smooth then
      return w.smooth:peek_state()
    end
  end },
  { "buffer", function(w)
    local b, text, code = w.rt:buffer("f32", 1000)
    w.buffer = b
    return b, text, code
  end },
  { "write", function(w)
    if w.buffer then
      return w.buffer:write({ 1, 2, 3 }, 0)
    end
  end },
  { "read", function(w)
    if w.buffer then
      return w.buffer:read(0, 3)
    end
  end },
  { "fill", function(w)
    if w.buffer then
      return w.buffer:fill(1)
    end
  end },
  { "run", function(w)
    if w.buffer then
      return w.rt:run(M.Scale, { grid = 2, block = 32 }, w.buffer, 10, 2.0)
    end
  end },
  { "renew", function(w)
    return w.rt:renew()
  end },
  { "call again", function(w)
    if w.echo then
      return w.echo:call(Echo { seq = 3 }, 5)
    end
  end },
  { "terminate", function(w)
    if w.sink then
      return w.sink:terminate()
    end
  end },
}

--- Runs all of it, or the steps whose names are keys of `only`, and closes. A step that fails is
-- tried a second time. Returns the list of what went wrong: { step =, text =, code =, again = code
-- of the second attempt or nil }; a step that an earlier failure has made impossible is left out.
function M.run(only)
  local world, wrong = {}, {}
  for _, step in ipairs(M.steps) do
    local ok, text, code = true, nil, nil
    if not only or only[step[1]] then
      ok, text, code = step[2](world)
    end
    if not ok and (text or code) then
      local fault = { step = step[1], text = text, code = code }
      wrong[#wrong + 1] = fault
      ok, text, code = step[2](world)
      if not ok then
        fault.again, fault.again_text = code or "nothing", text
      end
    end
    if not world.rt then
      break
    end
  end
  if world.rt then
    world.rt:close()
  end
  return wrong
end

return M
