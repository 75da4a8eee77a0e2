---@meta
-- Class supervision: a running supervisor, from rt:supervise.

---The actor of a child is a field: `sup.reader`. Methods win over children of the same name; then
---`sup:actor "stop"`. Every method that asks the supervisor waits for its answer, and only inside
---functions of events and subscriptions says "timeout" instead.
---@class ringkernel.supervision
local supervision = {}

---Adds a child and starts it. Under simple_one_for_one: the list of arguments for its start (for a
---definition, one table of options of rt:launch).
---@param child ringkernel.supervisor_child | any[]
---@return ringkernel.actor | ringkernel.supervision | nil
---@return string? message
---@return ringkernel.code? code exists, terminated, empty (its start said so), that of its start
function supervision:start_child(child) end

---Stops a child as its `shutdown` says; a temporary one is forgotten.
---@param which string | ringkernel.actor
---@return true?
---@return string? message
---@return ringkernel.code? code not_found, invalid_state, terminated
function supervision:terminate_child(which) end

---Starts a child that was stopped or has ended, under its handle.
---@param id string
---@return ringkernel.actor | ringkernel.supervision | nil
---@return string? message
---@return ringkernel.code? code not_found, invalid_state, terminated, that of its start
function supervision:restart_child(id) end

---Forgets a child that does not run.
---@param id string
---@return true?
---@return string? message
---@return ringkernel.code? code not_found, invalid_state, terminated
function supervision:delete_child(id) end

---What was said of a child.
---@param id string
---@return ringkernel.supervisor_child?
---@return string? message
---@return ringkernel.code? code not_found, terminated
function supervision:get_child(id) end

---@class ringkernel.supervised
---@field id string? none under simple_one_for_one
---@field actor ringkernel.actor? none of a supervisor
---@field type "worker" | "supervisor"
---@field state "running" | "restarting" | "stopped"

---Children, oldest first.
---@return ringkernel.supervised[]?
---@return string? message
---@return ringkernel.code? code terminated
function supervision:which_children() end

---@return { specs: integer, active: integer, supervisors: integer, workers: integer }?
---@return string? message
---@return ringkernel.code? code terminated
function supervision:count_children() end

---Stops the children, newest first, and the supervisor. A stopped one stays so.
---@param reason? string "shutdown"
---@return true?
---@return string? message
---@return ringkernel.code? code timeout
function supervision:stop(reason) end

---@return "running" | "stopped"
---@return string? reason it has stopped for
function supervision:state() end

---The actor of a child, of this supervisor or one below it, whether it runs or not.
---@param id string
---@return ringkernel.actor?
function supervision:actor(id) end

---The supervisor that is a child; it stays good through its restarts.
---@param id string
---@return ringkernel.supervision?
function supervision:supervisor(id) end

---Sends a dead letter to its child again. The same message is tried `quarantine` times, the first
---time included; then the event quarantine tells of it and it is refused.
---@param letter table of rt:dead_letters
---@return true?
---@return string? message
---@return ringkernel.code? code denied (in quarantine), not_found, corrupt, that of send
function supervision:replay(letter) end

---Messages in quarantine: { id, actor, letter, tries }.
---@return table[]
function supervision:quarantined() end

---Lets a message out of quarantine.
---@param letter table
---@return true?
---@return string? message
---@return ringkernel.code? code not_found
function supervision:release(letter) end

---The tree and what runs of it as text, one line a child.
---@return string
function supervision:tree() end

return supervision
