-- Fails on C code that reaches around the platform seam.
--
--   lua5.4 scripts/check_platform.lua [ROOT]
--
-- Memory, clocks, randomness, files and threads come from base/ (platform.h, alloc.h, clock.h,
-- thread.h), so that the tests can simulate them. This reads src/ and kernels/ without comments and
-- strings and reports every direct call of the C library that goes around it. Members
-- (`x->free(p)`) and longer names (`rk_free`) are not calls of the C library.

local root = arg[1] or "."

local function set(words)
  local result = {}
  for word in words:gmatch("%S+") do
    result[word] = true
  end
  return result
end

local GROUPS = {
  memory = set [[malloc calloc realloc reallocarray free aligned_alloc posix_memalign memalign
                 valloc strdup strndup asprintf vasprintf]],
  clock = set [[time clock clock_gettime clock_getres clock_nanosleep gettimeofday timespec_get
                nanosleep usleep sleep]],
  random = set [[rand srand rand_r random srandom drand48 lrand48 getrandom getentropy
                 arc4random arc4random_buf]],
  files = set [[open openat creat fopen fdopen freopen tmpfile mkstemp mkdtemp read write pread
                pwrite readv writev fread fgets fgetc getline unlink unlinkat rename remove mkdir
                rmdir opendir readdir stat lstat fstat ftruncate truncate]],
  threads = set [[syscall sched_yield sched_setaffinity thrd_create thrd_join thrd_yield mtx_lock
                  mtx_unlock cnd_wait cnd_signal]],
  mapping = set [[mmap munmap mremap shm_open memfd_create]],
}

-- Where a group may be used directly, and why.
local ALLOWED = {
  { start = "src/base/platform_real", groups = "memory clock random files threads mapping" },
  { start = "src/base/alloc.c", groups = "memory mapping" },
  -- A signal handler may call the system and nothing else, so no table of functions either.
  { start = "src/backend/cpu/cpu_crash.c", groups = "clock files threads mapping" },
  { start = "src/rkl/", groups = "memory files" },   -- terminal, scripts; libedit mallocs its lines
}
for _, entry in ipairs(ALLOWED) do
  entry.groups = set(entry.groups)
end

local group_of = {}
for group, names in pairs(GROUPS) do
  for name in pairs(names) do
    group_of[name] = group
  end
end

local function group_for(name)
  if name:find("^pthread_") then
    return "threads"
  end
  return group_of[name]
end

local function is_allowed(path, group)
  for _, entry in ipairs(ALLOWED) do
    if path:sub(1, #entry.start) == entry.start and entry.groups[group] then
      return true
    end
  end
  return false
end

local function blank(text)
  return (text:gsub("[^\n]", " "))
end

-- Replaces comments, strings, character constants and #include lines by blanks, keeps line breaks.
local function strip(source)
  local out = {}
  local at = 1
  while at <= #source do
    local next_at = source:find("[/\"'#]", at)
    if not next_at then
      break
    end
    out[#out + 1] = source:sub(at, next_at - 1)
    local two = source:sub(next_at, next_at + 1)
    local char = two:sub(1, 1)
    local last = next_at
    if two == "/*" then
      local _, close = source:find("*/", next_at + 2, true)
      last = close or #source
    elseif two == "//" then
      last = (source:find("\n", next_at, true) or #source + 1) - 1
    elseif char == '"' or char == "'" then
      last = next_at + 1
      while last <= #source and source:sub(last, last) ~= char do
        last = last + (source:sub(last, last) == "\\" and 2 or 1)
      end
    elseif source:find("^#%s*include[^\n]*", next_at) then
      last = (source:find("\n", next_at, true) or #source + 1) - 1
    end
    local text = source:sub(next_at, last)
    out[#out + 1] = (#text > 1) and blank(text) or (char == "#" and "#" or text)
    at = last + 1
  end
  out[#out + 1] = source:sub(at)
  return table.concat(out)
end

-- True if the name at [first, last] is used as the C library's function: called, or (for what
-- cannot well be a variable's name) handed on as a value.
local function is_use(code, name, first, last)
  local before = code:sub(1, first - 1):match("(%S?%S)%s*$") or ""
  if before:find("%.$") or before == "->" then
    return false
  end
  local after = code:match("^%s*(%S)", last + 1)
  if after == "(" or name:find("^pthread_") then
    return true
  end
  return GROUPS.memory[name] and before:find("[=,(?:&]$") ~= nil
    and (after == "," or after == ";" or after == ")" or after == "}" or after == ":")
end

local problems = 0
local command = ("cd '%s' && find src kernels -type f -name '*.[ch]*' 2>/dev/null | sort"):format(
  root:gsub("'", "'\\''"))
local pipe = assert(io.popen(command))
for path in pipe:lines() do
  local file = assert(io.open(root .. "/" .. path, "rb"))
  local number = 0
  for line in (strip(file:read("a")) .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    for first, name, after in line:gmatch("%f[%w_]()([%a_][%w_]*)()") do
      local group = group_for(name)
      if group and is_use(line, name, first, after - 1) and not is_allowed(path, group) then
        problems = problems + 1
        print(("%s:%d: %s goes around the platform seam (%s); use what base/ offers"):format(
          path, number, name, group))
      end
    end
  end
  file:close()
end
pipe:close()

if problems > 0 then
  print(("%d direct call(s) outside the platform seam"):format(problems))
  os.exit(1)
end
