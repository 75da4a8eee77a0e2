---@meta
-- What rt:checkpoint and rt:restore take and give back.

---@class ringkernel.checkpoint_options
---@field parent? ringkernel.checkpoint_info | string an earlier one in the same folder
---@field keep? integer n: files path.1, path.2, ...; the newest n stay, and what they build on
---@field actors? string | (string | ringkernel.actor)[] names, patterns, handles; default: all

---@class ringkernel.checkpoint_info
---@field path string of the file
---@field digest string SHA-256 of the file
---@field parent? string digest of the parent
---@field number integer deltas between it and a full one
---@field bytes integer
---@field actors integer that it shows
---@field written integer of these, in this file
---@field deleted integer that the parent had and it has not
---@field messages integer that waited
---@field dead_letters integer
---@field retained integer topics
---@field pause_s number how long the grid stood still
---@field write_s number from there until the file was safe
---@field hlc ringkernel.timestamp the moment it shows

---@class ringkernel.restore_options
---@field kernels? table definitions for actors that are not there, by name of actor or definition

---@class ringkernel.restore_info
---@field path string of the file
---@field skipped { path: string, message: string }[] newer files of the series that are corrupt
---@field launched integer actors that were not there
---@field actors integer
---@field messages integer
---@field dead_letters integer
---@field retained integer topics
---@field unconnected integer ports whose receiver is neither saved nor alive
---@field pause_s number how long the grid stood still
---@field hlc ringkernel.timestamp the moment it shows
