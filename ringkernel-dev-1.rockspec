rockspec_format = "3.0"
package = "ringkernel"
version = "dev-1"
source = {
  url = "git+file://.",   -- the working tree: `luarocks make` builds where it stands
}
description = {
  summary = "Actors inside one long-running GPU kernel, driven from Lua",
  detailed = [[
Persistent actors on the GPU, or on the CPU where there is none, with message types, topologies
and supervision described in Lua. Needs no CUDA to build; finds the driver and NVRTC at run time.
]],
  license = "MIT",
  labels = { "gpu", "cuda", "actors", "concurrency" },
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.5",
}
build = {
  type = "make",
  build_variables = {
    LUA = "$(LUA)",
    CFLAGS = "$(CFLAGS)",
  },
  install_variables = {
    LUA = "$(LUA)",
    CFLAGS = "$(CFLAGS)",
    PREFIX = "$(PREFIX)",
    INST_BINDIR = "$(BINDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
  },
  build_target = "build",
}
