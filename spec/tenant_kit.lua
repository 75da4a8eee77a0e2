-- What the specs of tenants share: actors that send and say what came of it.
-- Used as `local kit = dofile("spec/tenant_kit.lua")`.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number = support.Number

local M = { FULL = -2, DENIED = -19, MISMATCH = -20 }

M.Target = rk.message("Target", { { "to", "id" }, { "n", "i64" } })

--- Sends what it gets through its port, to an id or to a topic, and answers the host with the code.
M.Sender = rk.kernel {
  name = "sender",
  accepts = { Number, M.Target },
  emits = { Number },
  ports = { "next", burst = 2 },
  source = [[
RK_ON(Number) {
  Number out = *msg;
  (void)state;
  out.n = msg->n >= 1000 ? rk_publish(ctx, "numbers/all", Number, msg)
                         : rk_send(ctx, RK_PORT_next, Number, msg);
  rk_send_to(ctx, 0, Number, &out);
}
RK_ON(Target) {
  Number out;
  (void)state;
  out.n = msg->n;
  out.n = rk_send_to(ctx, msg->to, Number, &out);
  rk_send_to(ctx, 0, Number, &out);
}
]],
}

--- Answers whoever asks, and tells the host what the answer came to.
M.Answerer = rk.kernel {
  name = "answerer",
  accepts = { Number },
  emits = { Number },
  ports = { burst = 2 },
  source = [[
RK_ON(Number) {
  Number out;
  (void)state;
  out.n = rk_reply(ctx, Number, msg);
  rk_send_to(ctx, 0, Number, &out);
}
]],
}


--- Launches an actor in a tenant.
function M.launch(rt, definition, tenant, options)
  options = options or {}
  options.tenant = tenant
  return assert(rt:launch(definition, options))
end

--- The code that a send of the actor's came to.
function M.code_of(actor)
  return assert(actor:receive(5)).n
end

function M.count_of(actor)
  return assert(actor:peek_state()).n
end

--- Dead letters of a reason.
function M.letters(rt, reason)
  local out = {}
  for _, letter in ipairs(rt:dead_letters()) do
    if letter.reason == reason then
      out[#out + 1] = letter
    end
  end
  return out
end

--- What the audit has, as "action code".
function M.actions(rt)
  local out = {}
  for index, entry in ipairs(rt:audit()) do
    out[index] = entry.action .. " " .. entry.code
  end
  return out
end

return M
