-- SPDX-License-Identifier: MIT
--- What the machine and its driver say about themselves, as text for whoever reads a run from far
--- away. Used by check.lua: at the start, after a stage that went wrong, at the end.

local shell = require "shell"

local M = {}

local LOG_LINES = "dmesg 2>&1 | grep -iE 'nvrm|xid|nvidia|vfio|iommu|oom|killed' | tail -60"
-- Names, not arguments: those may hold what is none of a report's business.
local PROCESSES = "ps -eo pid,ppid,stat,wchan:24,etimes,pcpu,rss,comm 2>&1 | awk '$2 != 2' "
  .. "| tail -60"

-- Once: what does not change.
local MACHINE = {
  "date -u", "uname -a", "cat /etc/os-release", "nproc",
  "head -30 /proc/cpuinfo", "lscpu", "head -5 /proc/meminfo", "df -h . /tmp /dev/shm",
  "sh -c 'ulimit -a'", "cat /sys/devices/system/clocksource/clocksource0/current_clocksource",
  "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max",
  "env | grep -E '^(CUDA|NVIDIA|RINGKERNEL|GPU|RKFAKE|LD_LIBRARY|VIRTUAL_ENV|PATH=)' | sort",
  "cat /proc/driver/nvidia/version", "cat /proc/driver/nvidia/params",
  "ls -la /dev/nvidia* /dev/vfio",
  "ldconfig -p | grep -E 'libcuda|libnvrtc|libnvidia-ptxjit'",
  "ls -la /usr/local/cuda /usr/local/cuda/lib64/libnvrtc*",
  "for name in nvcc g++ gcc cc make python3 lua5.4 compute-sanitizer cuda-gdb cuobjdump "
    .. "nvidia-smi; do command -v $name; done",
  "nvidia-smi", "nvidia-smi -q", "nvidia-smi topo -m", LOG_LINES,
}

-- What may say why something went wrong.
local TROUBLE = {
  "date -u", LOG_LINES, PROCESSES, "nvidia-smi",
  "nvidia-smi -q -d CLOCK,PERFORMANCE,TEMPERATURE,POWER,ECC,PAGE_RETIREMENT,COMPUTE",
  "for pid in $(ps -eo pid,stat | awk '$2 ~ /^D/ {print $1}'); do echo \"pid $pid\"; "
    .. "cat /proc/$pid/stack; done",
}

local function run(out, command, limit_s, environment)
  out[#out + 1] = ("$ %s\n%s\n\n"):format(command,
    shell.output(("%stimeout -k 2 %d sh -c %s 2>&1"):format(environment or "", limit_s,
      shell.quoted(command))))
end

local function section(job, title, commands)
  local out = job.system
  out[#out + 1] = ("######## %s, %.1f s\n\n"):format(title, job.clock() - job.started)
  for _, command in ipairs(commands) do
    run(out, command, 10)
  end
end

--- The machine, and what the library says of it.
function M.begin(job)
  section(job, "at the start", MACHINE)
  local words = {}
  for key, value in pairs(job.environment) do
    words[#words + 1] = shell.quoted(key .. "=" .. value)
  end
  local environment = "env " .. table.concat(words, " ") .. " "
  for _, option in ipairs { "--devices", "--env", "--doctor" } do
    run(job.system, job.rkl .. " " .. option, 60, environment)
  end
end

function M.trouble(job, stage)
  section(job, "after " .. stage, TROUBLE)
end

function M.finish(job)
  section(job, "at the end", TROUBLE)
end

return M
