-- luacheck settings: Lua 5.4, 100 columns, and busted's globals in the specs.
std = "lua54"
max_line_length = 100
unused_args = true
self = false          -- a method may leave its object alone
codes = true

exclude_files = {
  "build",
  "spec/**/golden",     -- input and expected output of the translator, not programs
  "spec/**/fixtures",
}

-- Descriptions for editors: functions without bodies.
files["lua/ringkernel/meta"] = { unused = false, unused_args = false }
files["spec"] = { std = "+busted" }
files[".luacheckrc"] = { ignore = { "111", "112", "131" } }
