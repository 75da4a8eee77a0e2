---@meta
-- Tables of actor:reload and rt:apply_rules.

---@class ringkernel.reload_options
---@field migrate? fun(old: table, actor: ringkernel.actor): table makes the new state of the old
---one while the actor rests; without it both definitions have the same layout, or the source of the
---new one has RK_MIGRATE for the old (option `old_state` of rk.kernel)
---@field timeout? number seconds until it has come to a message boundary; 5

---@class ringkernel.reload_info
---@field version integer of the actor: 1 at launch
---@field pause_s number in which it could not be given messages because of the swap
---@field load_s number in which the grid stood still before that, to load new code or map memory
---@field total_s number? all of the call, compiling included; not in rule sets
---@field state string "kept", "migrated", "restored" (as it was before) or "zero" (there was none)

---@class ringkernel.rules_info
---@field name string
---@field version integer
---@field former integer? the version before
---@field pause_s number in which actors of the set could not be given messages
---@field actors table<string, ringkernel.reload_info> by name
