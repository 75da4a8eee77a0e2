--- Commands that run beside each other, as many at a time as there are processors.
--
--   local queue = require("job_queue").new("build/check-kernels")
--   local job = queue:add("gcc -c %s", file)     heavy things first
--   queue:later(function() print(job.status, job.output) end)
--   queue:run()                                  everything, then the functions in their order
--
-- A command has files of its own in the folder. Used by scripts/check_kernels.lua.

local M = {}

local Queue = {}
Queue.__index = Queue

-- $0 is a job's file without its ending.
local RUN_ONE = [[sh "$0.sh" >"$0.out" 2>&1 </dev/null; echo $? >"$0.status"]]

--- The contents of a file, or nil.
function M.read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

--- Makes a file; raises if that fails.
function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

--- A queue whose files go to a folder that is there.
function M.new(folder)
  return setmetatable({ folder = folder, jobs = {}, reports = {} }, Queue)
end

--- Puts a command in the queue. Once it has run, the table has its `status` and `output`.
function Queue:add(format, ...)
  local job = { base = ("%s/job_%d"):format(self.folder, #self.jobs + 1) }
  M.write(job.base .. ".sh", format:format(...))
  os.remove(job.base .. ".status")
  self.jobs[#self.jobs + 1] = job
  return job
end

--- Keeps a function for when the queue has run.
function Queue:later(fn)
  self.reports[#self.reports + 1] = fn
end

--- Runs all commands, then calls what was kept.
function Queue:run()
  local names = {}
  for index, job in ipairs(self.jobs) do
    names[index] = job.base .. "\n"
  end
  local list = self.folder .. "/jobs"
  M.write(list, table.concat(names))
  os.execute(("xargs -a '%s' -P \"$(nproc)\" -n 1 sh -c '%s'"):format(list, RUN_ONE))
  for _, job in ipairs(self.jobs) do -- one that never ran has no status, which is no success
    job.status = tonumber(M.read(job.base .. ".status") or "")
    job.output = M.read(job.base .. ".out") or ""
  end
  for _, report in ipairs(self.reports) do
    report()
  end
end

return M
