# SPDX-License-Identifier: MIT
#
# Builds build/libringkernel.a (src/base .. src/runtime), build/ringkernel/core.so (the Lua module)
# and build/rkl (the interpreter), runs the tests and installs. `make` alone lists the targets.
#
# Sources are found by wildcard: a new file in the right folder is part of the build. Every build
# variant has its own folder (build, build/asan, build/tsan), and an object is rebuilt when the
# command that makes it changes, so switches can be mixed freely.

# ---- switches -----------------------------------------------------------------------------------

CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
LUA     ?= lua5.4
BUSTED  ?= busted
PREFIX  ?= /usr/local
DESTDIR ?=
DEBUG   ?=
ASAN    ?=
UBSAN   ?=
TSAN    ?=
WERROR  ?=
V       ?=
# $(call on,$(SWITCH)): 0 and no mean off.
on = $(filter-out 0 no,$(1))
# Line editor of rkl: edit (libedit) or none.
LINE    ?= edit
BUILD   ?= build$(if $(call on,$(TSAN)),/tsan,$(if $(call on,$(ASAN) $(UBSAN)),/asan))
# Seconds one test program or spec file may take.
TEST_TIMEOUT ?= 300
# Only `make test`, `make demo` and the like use this; a -j of the caller wins.
JOBS    ?= $(shell nproc 2>/dev/null || echo 1)

Q := $(if $(call on,$(V)),,@)

# ---- flags --------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wpointer-arith -Wvla
INCLUDES := -Isrc -Ikernels/include

sanitizers := $(if $(call on,$(ASAN)),-fsanitize=address) \
              $(if $(call on,$(UBSAN)),-fsanitize=undefined -fno-sanitize-recover=all -DRK_UBSAN=1) \
              $(if $(call on,$(TSAN)),-fsanitize=thread)
sanitizers := $(strip $(sanitizers))

BASE_FLAGS := -std=gnu11 $(if $(call on,$(DEBUG)),-O0 -g3,-O2 -g) -fPIC -pthread \
              -D_GNU_SOURCE $(INCLUDES) $(WARNINGS) $(if $(call on,$(WERROR)),-Werror) \
              $(if $(sanitizers),-fno-omit-frame-pointer)

LUA_CFLAGS  := $(shell pkg-config --cflags lua5.4 2>/dev/null)
LUA_ARCHIVE := $(wildcard $(shell pkg-config --variable=libdir lua5.4 2>/dev/null)/liblua5.4.a)
LUA_LINK    := $(or $(LUA_ARCHIVE),-llua5.4)

line_editor := $(if $(filter edit,$(LINE)),$(shell pkg-config --exists libedit 2>/dev/null && echo y))
LINE_CFLAGS := $(if $(line_editor),$(shell pkg-config --cflags libedit),-DRK_LINE_NONE)
LINE_LIBS   := $(if $(line_editor),$(shell pkg-config --libs libedit))
LIBS        := -ldl -lm -lpthread

# ---- sources ------------------------------------------------------------------------------------

LIB_SRC  := $(sort $(wildcard src/base/*.c src/core/*.c src/backend/*.c src/backend/*/*.c \
                              src/runtime/*.c))
MOD_SRC  := $(sort $(wildcard src/lua/*.c))
RKL_SRC  := $(sort $(wildcard src/rkl/*.c))
TEST_SRC := $(sort $(wildcard spec/c/*_test.c))
# A profiler that spec/nvtx_spec.lua loads; see there.
NVTX_TOOL_SRC := spec/c/nvtx_injection.c
# Files of spec/c that are no test themselves are linked into every test.
TEST_AUX := $(filter-out $(TEST_SRC) $(NVTX_TOOL_SRC),$(sort $(wildcard spec/c/*.c)))
HEADERS  := $(sort $(shell find src -name '*.h' 2>/dev/null))
LUA_SRC  := $(sort $(shell find lua/ringkernel -name '*.lua' 2>/dev/null))
# Text files (help pages) travel in rkl like Lua files.
LUA_TEXT := $(sort $(shell find lua/ringkernel -name '*.txt' 2>/dev/null))
KERNELS  := $(sort $(wildcard kernels/*.cu))
KERNEL_H := $(sort $(wildcard kernels/include/*.h))
# The specs of spec/cuda are about that backend: only test-cuda runs them.
SPECS    := $(sort $(filter-out spec/cuda/%,$(shell find spec -name '*_spec.lua' 2>/dev/null)))

GEN := $(BUILD)/gen
OBJ := $(BUILD)/obj
# scripts/gen_stock.lua OUTDIR writes one stock_<name>.c for each kernels/<name>.cu.
STOCK_GEN := $(wildcard scripts/gen_stock.lua)
STOCK_SRC := $(if $(STOCK_GEN),$(KERNELS:kernels/%.cu=$(GEN)/stock_%.c))

obj_of    = $(patsubst %.c,$(OBJ)/%.o,$(1))
gen_obj   = $(patsubst $(GEN)/%.c,$(OBJ)/gen/%.o,$(1))
LIB_OBJ  := $(call obj_of,$(LIB_SRC)) $(OBJ)/gen/embed_kernels.o $(call gen_obj,$(STOCK_SRC)) \
            $(OBJ)/gen/prebuilt_stock.o
MOD_OBJ  := $(call obj_of,$(MOD_SRC))
RKL_OBJ  := $(call obj_of,$(RKL_SRC)) $(OBJ)/gen/embed_lua.o
AUX_OBJ  := $(call obj_of,$(TEST_AUX))
TEST_OBJ := $(call obj_of,$(TEST_SRC))
TESTS    := $(patsubst spec/c/%.c,$(BUILD)/test/%,$(TEST_SRC))
# Libraries that play a CUDA driver, for what only looks at the driver: a new one and an old one.
TINY     := $(BUILD)/test/tiny_driver.so $(BUILD)/test/tiny_driver_old.so

# The CUDA driver of the tests (spec/fakecuda): it has the library's fibers, and nothing else of it.
FAKE_SRC := $(sort $(wildcard spec/fakecuda/*.c))
FAKE_OBJ := $(call obj_of,$(FAKE_SRC))
FAKE_LIB := $(BUILD)/libringkernel_fakecuda.so

LIB  := $(BUILD)/libringkernel.a
CORE := $(BUILD)/ringkernel/core.so
RKL  := $(BUILD)/rkl
NVTX_TOOL := $(BUILD)/spec/libnvtx_injection.so
# Lua modules that steer the driver of the tests and, for NVRTC, hand its calls on or let them fail;
# and a quick NVRTC.
FAKE_TOOL_SRC := spec/cuda/rkfake.c spec/cuda/nvrtc_faults.c spec/cuda/nvrtc_quick.c
FAKE_TOOL := $(FAKE_TOOL_SRC:spec/cuda/%.c=$(BUILD)/spec/%.so)

# Objects that switch stacks: ThreadSanitizer must not instrument them, but they tell it what they
# do (RK_TSAN). And stores on their way between blocks, whose lock is to order nothing. The list is
# all there is to exempting another file.
NO_TSAN_OBJS := $(OBJ)/src/backend/cpu/cpu_fiber.o $(OBJ)/src/backend/cpu/cpu_team.o \
                $(OBJ)/spec/fakecuda/fake_exec.o $(OBJ)/spec/fakecuda/fake_far.o

# ---- what each object adds to the flags ---------------------------------------------------------

obj_flags = $(BASE_FLAGS) $(sanitizers)
$(LIB_OBJ): obj_flags += -fvisibility=hidden
$(MOD_OBJ): obj_flags += $(LUA_CFLAGS)
$(RKL_OBJ): obj_flags += -fvisibility=hidden $(LUA_CFLAGS) $(LINE_CFLAGS)
$(OBJ)/gen/%.o: obj_flags += -Wno-overlength-strings
$(TEST_OBJ) $(AUX_OBJ): obj_flags += -Ispec/c
$(FAKE_OBJ): obj_flags += -fvisibility=hidden
$(call obj_of,$(FAKE_TOOL_SRC)): obj_flags += $(LUA_CFLAGS)
# Where the fake finds what it compiles device units with, and with which flags: most units run for
# less time than it takes to optimise them, but not under a sanitizer.
$(OBJ)/spec/fakecuda/fake_unit.o $(OBJ)/spec/fakecuda/fake_ptx.o: obj_flags += -DRKF_DEFAULT_FLAGS='"$(or $(sanitizers),-O0)"' \
  -DRKF_DEFAULT_CXX='"$(if $(findstring clang,$(CC)),clang++,g++)"' \
  -DRKF_DEFAULT_INCLUDE='"$(CURDIR)/kernels/include"' -DRKF_DEFAULT_PRELUDE='"$(CURDIR)/spec/fakecuda"' \
  -DRKF_DEFAULT_LUA='"$(LUA)"'
# The objects that may see a CUDA toolkit: they compare our declarations with the real ones.
cuda_h := $(firstword $(wildcard $(addsuffix /include/cuda.h,$(CUDA_HOME) /usr/local/cuda)))
$(OBJ)/spec/c/cuda_decl_test.o $(OBJ)/spec/c/nvtx_abi_test.o: \
  obj_flags += $(if $(cuda_h),-isystem $(dir $(cuda_h)))
ifneq ($(call on,$(TSAN)),)
$(NO_TSAN_OBJS): obj_flags := $(BASE_FLAGS) $(filter-out -fsanitize=thread,$(sanitizers)) \
                              -fvisibility=hidden -DRK_TSAN=1
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
FORCE:

# $(call say,TOOL,TEXT): the one line a command shows, nothing when V=1 shows the command itself.
say = $(if $(call on,$(V)),,@printf '  %-7s %s\n' $(1) $(2))
# $(call keep,TEXT): writes the target only if its content changes, so that what depends on it
# is rebuilt exactly when the text does.
define keep
@mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@
endef

$(BUILD)/flags: FORCE
	$(call keep,$(CC) $(BASE_FLAGS) $(sanitizers) $(LUA_CFLAGS) $(LINE_CFLAGS) $(CPPFLAGS) $(CFLAGS))
$(BUILD)/link: FORCE
	$(call keep,$(CC) $(sanitizers) $(LDFLAGS) $(LUA_LINK) $(LINE_LIBS) $(RKL_OBJ) $(MOD_OBJ) $(LIB_OBJ))
$(BUILD)/embedded: FORCE
	$(call keep,$(LUA_SRC) $(LUA_TEXT) $(KERNELS) $(KERNEL_H))

include $(dir $(lastword $(MAKEFILE_LIST)))bench/gpu/gpu.mk

# ---- building -----------------------------------------------------------------------------------

build: $(LIB) $(CORE) $(RKL) ## compile the library, the Lua module and rkl
	@:

objects: $(LIB_OBJ) $(MOD_OBJ) $(RKL_OBJ) $(TEST_OBJ) $(AUX_OBJ) $(FAKE_OBJ) \
         $(call obj_of,$(NVTX_TOOL_SRC) $(FAKE_TOOL_SRC)) $(GPU_OBJ)
	@:

test-programs: $(TESTS) tiny-drivers fakecuda spec-tools
	@:

fakecuda: $(FAKE_LIB) ## build the CUDA driver of the tests, which runs device code on the CPU
	@:

$(FAKE_LIB): $(FAKE_OBJ) $(OBJ)/src/backend/cpu/cpu_fiber.o spec/fakecuda/fakecuda.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(sanitizers) -Wl,-soname,$(@F) -Wl,--version-script=spec/fakecuda/fakecuda.map \
	  $(LDFLAGS) -o $@ $(filter %.o,$^) -ldl -lpthread

tiny-drivers: $(TINY)
	@:

spec-tools: $(NVTX_TOOL) $(FAKE_TOOL)
	@:

$(OBJ)/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(obj_flags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/gen/%.o: $(GEN)/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(obj_flags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ) $(BUILD)/link
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_OBJ)

# Only luaopen_ringkernel_core leaves the module. It does not link liblua: the process that loads
# it brings the one Lua there may be.
$(GEN)/core.map: FORCE
	$(call keep,{ global: luaopen_ringkernel_core; local: *; };)

$(CORE): $(MOD_OBJ) $(LIB) $(GEN)/core.map $(BUILD)/link
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(sanitizers) -Wl,--version-script=$(GEN)/core.map $(LDFLAGS) -o $@ \
	  $(MOD_OBJ) $(LIB) $(LIBS)

# Static liblua with its symbols exported, so that C modules loaded by scripts find them.
$(RKL): $(RKL_OBJ) $(MOD_OBJ) $(LIB) $(BUILD)/link
	$(call say,LINK,$@)
	$(Q)$(CC) $(sanitizers) -Wl,-E $(LDFLAGS) -o $@ $(RKL_OBJ) $(MOD_OBJ) $(LIB) \
	  $(LUA_LINK) $(LINE_LIBS) $(LIBS)

$(BUILD)/test/%: $(OBJ)/spec/c/%.o $(AUX_OBJ) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(sanitizers) $(LDFLAGS) -o $@ $< $(AUX_OBJ) $(LIB) -lcmocka $(LIBS)

tiny_src := $(wildcard spec/c/driver/*.c)
$(TINY): $(tiny_src) $(wildcard src/backend/cuda/*.h) $(BUILD)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_FLAGS) $(if $(findstring _old,$@),-DTINY_OLD) -shared -o $@ $(tiny_src)

$(NVTX_TOOL): $(call obj_of,$(NVTX_TOOL_SRC)) $(BUILD)/link
$(FAKE_TOOL): $(BUILD)/spec/%.so: $(OBJ)/spec/cuda/%.o $(BUILD)/link
$(NVTX_TOOL) $(FAKE_TOOL):
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(sanitizers) $(LDFLAGS) -o $@ $< -ldl

# ---- generated sources --------------------------------------------------------------------------

# Lua files are embedded under their path below lua/, kernels and headers under their file name. What
# runs is compiled already, by the Lua that is linked in; where that one can change (a shared
# library), it travels as text, as do the files of meta, which are read and not run.
PRECOMPILED := $(if $(LUA_ARCHIVE),$(filter-out lua/ringkernel/meta/%,$(LUA_SRC)))

$(BUILD)/precompile: scripts/precompile.c $(BUILD)/flags $(BUILD)/link
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -fPIC,$(BASE_FLAGS)) $(sanitizers) $(LUA_CFLAGS) $(CPPFLAGS) $(CFLAGS) -o $@ $< \
	  $(LUA_LINK) $(LIBS)

$(GEN)/embed_lua.c: scripts/embed.lua $(LUA_SRC) $(LUA_TEXT) $(BUILD)/embedded $(BUILD)/precompile
	$(call say,EMBED,$@)
	@mkdir -p $(sort $(dir $(PRECOMPILED:lua/%=$(GEN)/lua/%))) $(@D)
	$(Q)$(BUILD)/precompile lua $(GEN)/lua $(PRECOMPILED)
	$(Q)$(LUA) scripts/embed.lua --root lua/ $@ rk_embed_lua \
	  $(foreach f,$(PRECOMPILED),$(GEN)/$(f)=$(f:lua/%=%)) \
	  $(filter-out $(PRECOMPILED),$(LUA_SRC)) $(LUA_TEXT)

$(GEN)/embed_kernels.c: scripts/embed.lua $(KERNELS) $(KERNEL_H) $(BUILD)/embedded
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)$(LUA) scripts/embed.lua $@ rk_embed_kernels \
	  $(foreach f,$(KERNEL_H) $(KERNELS),$(f)=$(notdir $(f)))

ifneq ($(STOCK_SRC),)
$(STOCK_SRC) &: $(STOCK_GEN) $(KERNELS) $(KERNEL_H) $(LUA_SRC) $(BUILD)/embedded
	$(call say,GEN,$(GEN)/stock_*.c)
	@mkdir -p $(GEN)
	$(Q)$(LUA) $(STOCK_GEN) $(GEN)
	@touch $(STOCK_SRC)
endif

# The stock kernels as PTX, for machines without NVRTC.
PREBUILT := kernels/prebuilt/stock.ptx

$(GEN)/prebuilt_stock.c: scripts/prebuilt.lua scripts/pack.lua $(PREBUILT) $(KERNELS) $(KERNEL_H) $(LUA_SRC) \
                         $(BUILD)/embedded
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q)$(LUA) scripts/prebuilt.lua c $@

# ---- using it -----------------------------------------------------------------------------------

# A caller's -j is kept; without one, compiling uses every core.
jobs = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))
submake = $(MAKE) --no-print-directory

bootstrap:
	@scripts/bootstrap-debian.sh all

demo: ## set up, build and run the main example
	@scripts/bootstrap-debian.sh build
	+@$(submake) $(jobs) build
	@$(RKL) examples/event-log.lua

bench: build ## run the campaigns (ONLY=NAME: some), show them beside their goals, keep them in bench/results
	+@$(bench_make) run

bench-build: build ## build what the campaigns of bench/ start: C programs, and peers that are installed
	+@$(bench_make) build

bench_make = $(submake) -f bench/bench.mk CC="$(CC)" BUILD=$(BUILD) LIB=$(LIB) RKL=$(RKL) LIBS="$(LIBS)" \
  ONLY="$(ONLY)"

gpu-check: ## check and measure the CUDA backend on this machine's GPU (FAKE=1: rehearse without one)
	+@$(gpu-current) || { command -v $(firstword $(CC)) >/dev/null || { \
	  echo "gpu-check: $(GPU) is missing or does not fit the sources, and there is no $(CC): run" \
	    "\`make gpu-build\` where there is one and bring $(GPU)"; exit 1; }; \
	  $(submake) $(jobs) gpu-build; }
	+@$(if $(call on,$(FAKE)),$(submake) $(jobs) fakecuda)
	@$(GPU)/rkl bench/gpu/check.lua --tree $(GPU) --only "$(ONLY)" --out "$(GPU_OUT)" --limit "$(GPU_LIMIT)" \
	  $(if $(call on,$(FAKE)),--fake $(abspath $(FAKE_LIB)) --specs close)

docs: ## write the reference of the Lua API to build/docs/reference.md
	$(call say,DOCS,build/docs/reference.md)
	@mkdir -p build/docs
	$(Q)$(LUA) scripts/docs.lua build/docs/reference.md $(sort $(wildcard lua/ringkernel/meta/*.lua))

# ---- tests --------------------------------------------------------------------------------------
#
# Every test program and spec file runs in a process of its own and leaves a log in TAP with its
# exit status; scripts/summary.lua reads the logs. A crash or a hang costs one file, not the run.

RESULTS     ?= build/results/test
# Any of c, lua, rkl, cuda, ptx.
SUITES      ?= c lua rkl
# Programs and spec files at a time: a grid keeps several processors busy by itself.
TEST_JOBS   ?= $(or $(filter 1,$(JOBS)),2)
TESTS_RUN   ?= $(TESTS)
SPECS_RUN   ?= $(SPECS)
BUSTED_ARGS ?=
# A prefix for tests that run in this variant. ThreadSanitizer of some versions wants fixed addresses.
no_aslr     := $(if $(call on,$(TSAN)),$(shell setarch -R true 2>/dev/null && echo setarch -R))
# What the specs get: which build they test, and no Lua settings of the caller.
spec_env     = env -u LUA_INIT -u LUA_INIT_5_4 -u LUA_PATH_5_4 -u LUA_CPATH_5_4 \
               -u LUA_PATH -u LUA_CPATH -u MAKEFLAGS -u MAKELEVEL \
               BUILD=$(BUILD) RKL=$(RKL) LUA=$(LUA)

# Without the last one the leak check itself may crash where a library with thread-local memory has
# come and gone, as NVRTC does ("Tracer caught signal 11").
export ASAN_OPTIONS  ?= detect_leaks=1:detect_stack_use_after_return=0:intercept_tls_get_addr=0
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS  ?= halt_on_error=0:second_deadlock_stack=1

# $(call logged,NAME,COMMAND): runs a command with a time limit and keeps what it says. Without a
# terminal the limit also ends the command's children; with one, Ctrl-C must reach the command.
define logged
  log=$(RESULTS)/$(1).log; \
  timeout $$(test -t 2 && echo --foreground) -k 5 $(TEST_TIMEOUT) $(2) >$$log 2>&1 </dev/null; \
  printf '\n# exit %d\n' $$? >>$$log; $(LUA) scripts/summary.lua --one $$log;
endef

# spec/bench/stats_spec.lua: bench.stats_spec
spec_name = $(subst /,.,$(basename $(1:spec/%=%)))

run-c/%: FORCE
	@$(call logged,c-$(notdir $*),env CMOCKA_MESSAGE_OUTPUT=TAP BUILD=$(BUILD) $(no_aslr) $*) :

run-lua/%: FORCE
	@$(call logged,lua-$(call spec_name,$*),$(spec_env) LUA_PATH="lua/?.lua;lua/?/init.lua;;" \
	  LUA_CPATH="$(BUILD)/?.so;;" $(BUSTED) --lua=$(LUA) $(BUSTED_ARGS) -o TAP $*) :

run-rkl/%: FORCE
	@$(call logged,rkl-$(call spec_name,$*),$(spec_env) $(no_aslr) \
	  $(BUSTED) --run=rkl --lua=$(RKL) $(BUSTED_ARGS) -o TAP $*) :

# The specs of everything that opens a runtime, unchanged, on the CUDA backend over the tests' own
# driver. What NVRTC compiled is kept, as is what the driver made of it. The device is newer than any
# NVRTC knows, so that PTX is made, which the driver compiles at load time: a sixth of the work of
# machine code, which spec/cuda and check-kernels have made.
no_runtime := definition hlc lint message meta pretty status
cuda_specs  = $(filter-out $(no_runtime:%=spec/%_spec.lua),$(wildcard spec/*_spec.lua)) \
              $(filter-out spec/cuda/tsan_spec.lua,$(wildcard spec/cuda/*_spec.lua))
# NVRTC is called through spec/cuda/nvrtc_quick.c, which asks it to be quick rather than good. A call
# that would wait behind the resident grid ends the test (RKFAKE_LINT).
cuda_env    = RINGKERNEL_BACKEND=cuda RINGKERNEL_LIBCUDA=$(abspath $(FAKE_LIB)) \
              RINGKERNEL_CACHE=$(abspath $(BUILD))/cuda-cache RKFAKE_LINT=abort \
              $(if $(nvrtc),RKFAKE_NVRTC=$(nvrtc) RINGKERNEL_NVRTC=$(abspath $(BUILD)/spec/nvrtc_quick.so))
CUDA_SPECS_RUN ?= $(if $(BUSTED_ARGS),$(filter $(cuda_specs),$(SPECS_RUN)),$(cuda_specs))
# The file of NVRTC, nothing where there is none; only looked for when it is needed.
find_nvrtc  = $(no_aslr) $(RKL) -e 'local is_there, text = require("ringkernel.core").nvrtc() \
  print(is_there and text:match("%((.-)%)") or "")' 2>/dev/null
ifneq ($(and $(filter run-suites,$(MAKECMDGOALS)),$(filter cuda ptx,$(SUITES))),)
nvrtc := $(shell $(find_nvrtc))
endif

run-cuda/%: FORCE
	@$(call logged,cuda-$(call spec_name,$*),$(spec_env) $(cuda_env) \
	  $(if $(filter spec/cuda/%,$*),,RKFAKE_CC=990) $(no_aslr) \
	  $(BUSTED) --run=rkl --lua=$(RKL) $(BUSTED_ARGS) -o TAP $*) :

# The same specs, but what runs is what NVRTC made of the device code, instruction by instruction
# (RKFAKE_RUN=ptx): PTX for sm_90, by the real NVRTC, threads in an order that the seed DICE chooses.
# A few of them in CI, LONG=1 takes all.
ptx_specs = $(addprefix spec/,messaging_spec.lua lanes_spec.lua gang_spec.lua transport_spec.lua \
                              links_spec.lua)
ptx_env   = RINGKERNEL_BACKEND=cuda RINGKERNEL_LIBCUDA=$(abspath $(FAKE_LIB)) RKFAKE_LINT=abort \
            RINGKERNEL_CACHE=$(abspath $(BUILD))/ptx-cache RKFAKE_RUN=ptx RKFAKE_CC=99 \
            RKFAKE_DICE=$(or $(DICE),1)
PTX_SPECS_RUN ?= $(if $(LONG),$(filter-out spec/cuda/%,$(cuda_specs)),$(ptx_specs))

run-ptx/%: FORCE
	@$(call logged,ptx-$(call spec_name,$*),$(spec_env) $(ptx_env) $(no_aslr) \
	  $(BUSTED) --run=rkl --lua=$(RKL) $(BUSTED_ARGS) -o TAP $*) :

run-cuda-nothing run-ptx-nothing: FORCE
	@printf 'ok 1 - specs on the CUDA backend # SKIP no NVRTC\n1..1\n# exit 0\n' \
	  >$(RESULTS)/$(@:run-%-nothing=%).log

runs_c    = $(TESTS_RUN:%=run-c/%)
runs_lua  = $(SPECS_RUN:%=run-lua/%)
runs_rkl  = $(SPECS_RUN:%=run-rkl/%)
runs_cuda = $(if $(or $(CI),$(nvrtc)),$(CUDA_SPECS_RUN:%=run-cuda/%),run-cuda-nothing)
runs_ptx  = $(if $(or $(CI),$(nvrtc)),$(PTX_SPECS_RUN:%=run-ptx/%),run-ptx-nothing)
# What takes longest begins first, so that at the end no processor waits for it.
long_runs = run-lua/spec/bench/gpu_check_spec.lua run-cuda/spec/examples_spec.lua
runs     := $(foreach suite,$(SUITES),$(runs_$(suite)))

# Internal: runs the suites; whether they passed is in the logs.
run-suites: $(filter $(long_runs),$(runs)) $(filter-out $(long_runs),$(runs))
	@:

# $(call suite,NAME,SWITCHES,GOALS TO BUILD,SUITES): builds, runs and sums up. With PART=1 the sum
# is one step of several (.ci/run) and does not look like the last line of a run.
define suite
  @rm -rf build/results/$(1); mkdir -p build/results/$(1)
  +@if $(submake) $(jobs) $(2) $(3); then \
    $(submake) $(jobs:-j%=-j$(TEST_JOBS)) $(2) run-suites RESULTS=build/results/$(1) SUITES="$(4)"; \
  else printf 'not ok 1 - build\n1..1\n# exit 2\n' >build/results/$(1)/build.log; fi
  @$(LUA) scripts/summary.lua $(if $(PART),--part $(1)) build/results/$(1)/*.log
endef

tsan_tests = $(sort $(foreach word,ring hot room k2k gang executor hlc runtime base_thread base_alloc cuda_api fakecuda \
                                   trace latency checkpoint_file,\
  $(foreach test,$(TESTS),$(if $(findstring $(word),$(notdir $(test))),$(test)))))
oom_tests  = $(foreach test,$(TESTS),$(if $(findstring oom,$(notdir $(test))),$(test)))
# $(call tagged,TAG): the spec files that use a tag.
hash      := \#
tagged     = $(if $(SPECS),$(shell grep -l '$(hash)$(1)\b' $(SPECS)))

# What runs as PTX need not run from source too, but with LONG=1.
test: bootstrap ## set up, build, run every test; ends with "N passed, N failed, N skipped"
	$(call suite,test,$(if $(LONG),,CUDA_SPECS_RUN="$(filter-out $(ptx_specs),$(cuda_specs))"),build test-programs gpu-build,cuda ptx c lua rkl)

test-c: ## run the C tests
	$(call suite,test-c,,test-programs,c)

test-lua: ## run the Lua specs, under lua5.4 and under rkl
	$(call suite,test-lua,,build tiny-drivers fakecuda spec-tools gpu-build,lua rkl)

test-cuda: ## run the specs on the CUDA backend over the tests' own driver
	$(call suite,test-cuda,,build fakecuda spec-tools,cuda)

test-ptx: ## run specs on the PTX that NVRTC makes, over the tests' own driver; LONG=1: all of them
	$(call suite,test-ptx,,build fakecuda spec-tools,ptx)

# The host's side of the CUDA backend, and its device code as the tests' driver runs it.
sanitized_cuda := spec/buffer_spec.lua spec/cuda/bad_luck_spec.lua

test-asan: bootstrap ## run C tests and specs with AddressSanitizer and UBSan
	$(call suite,test-asan,BUILD=build/asan ASAN=1 UBSAN=1 CUDA_SPECS_RUN="$(sanitized_cuda)", \
	  build test-programs,cuda c rkl)

# Device code of both kinds of rings and lanes, gangs, queues, traces and histograms against the
# host's side.
tsan_cuda := $(addprefix spec/,cuda/tsan_spec.lua transport_spec.lua gang_spec.lua messaging_spec.lua \
                               trace_grid_spec.lua latency_spec.lua cluster_lanes_spec.lua)

test-tsan: bootstrap ## run the concurrent C tests and specs tagged tsan with ThreadSanitizer
	$(call suite,test-tsan,BUILD=build/tsan TSAN=1 \
	  TESTS_RUN="$(tsan_tests:$(BUILD)/%=build/tsan/%)" SPECS_RUN="$(call tagged,tsan)" \
	  CUDA_SPECS_RUN="$(tsan_cuda)" BUSTED_ARGS=--tags=tsan,build test-programs,cuda c rkl)

test-oom: ## run the tests in which allocations fail
	$(call suite,test-oom,TESTS_RUN="$(oom_tests)" SPECS_RUN="$(call tagged,oom)" \
	  BUSTED_ARGS=--tags=oom,build test-programs,c lua)

# ---- checks -------------------------------------------------------------------------------------

lint: bootstrap ## luacheck, layers, sizes, platform seam, headers alone, -Werror with gcc and clang
	+@LUA="$(LUA)" MAKE="$(MAKE)" JOBS="$(jobs)" PART="$(PART)" scripts/lint.sh

format: ## format C with clang-format and Lua with stylua
	@scripts/format.sh

check: ## lint, test and both sanitizer passes
	+@failed=; for step in lint test test-asan test-tsan; do \
	  echo "== $$step"; $(submake) $$step PART=1 || failed=1; done; \
	$(LUA) scripts/summary.lua $(foreach step,lint test test-asan test-tsan,build/results/$(step)/*.log); \
	test -z "$$failed"

# The device code, proved without a GPU: C and C++ compilers, NVRTC where there is one.
check-kernels: $(BUILD)/nvrtc_compile ## compile the device code for every GPU architecture, read its PTX
	@rm -rf build/results/check-kernels; mkdir -p build/results/check-kernels
	@$(LUA) scripts/check_kernels.lua --tool $< --work $(BUILD)/check-kernels \
	  --log build/results/check-kernels/kernels.log $(if $(PART),--part check-kernels)

# Only what looks for NVRTC and what that stands on: `make prebuilt` runs before there is a library.
nvrtc_tool_objs := $(call obj_of,src/backend/cuda/cuda_nvrtc_load.c $(wildcard src/base/*.c))

$(BUILD)/nvrtc_compile: scripts/nvrtc_compile.c $(nvrtc_tool_objs) $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -fPIC,$(BASE_FLAGS)) $(sanitizers) $(CPPFLAGS) $(CFLAGS) -o $@ $< \
	  $(nvrtc_tool_objs) $(LIBS)

# What the machine code of the grid is made of; bench/gpu/SASS.md. Needs NVRTC and nvdisasm.
ARCH     ?= sm_90
NVDISASM ?= nvdisasm
sass: $(BUILD)/nvrtc_compile ## count what the grid's machine code is made of (ARCH=sm_90, NVDISASM, ONLY=function)
	@$(LUA) scripts/sass.lua --tool $< --work $(BUILD)/sass --arch $(ARCH) --nvdisasm "$(NVDISASM)" \
	  $(if $(ONLY),--only $(ONLY))

# What a hop within a block runs of the PTX that NVRTC makes, over the tests' own driver; bench/gpu/PTX.md.
HOPS ?= 1000
ptx-count: build fakecuda ## count the instructions of PTX that a message between two actors runs (HOPS, TOP; needs NVRTC)
	@mkdir -p $(BUILD)/ptx-cache
	@$(ptx_env) RKFAKE_COUNT=$(abspath $(BUILD))/ptx-count.txt RINGKERNEL_LINEINFO=1 \
	  $(BUILD)/rkl bench/gpu/hop.lua $(HOPS)
	@$(LUA) scripts/ptx_count.lua $(BUILD)/ptx-count.txt --per $(HOPS) --top $(or $(TOP),30)

prebuilt: $(BUILD)/nvrtc_compile ## compile the stock kernels to kernels/prebuilt (needs NVRTC)
	@mkdir -p $(BUILD)/prebuilt $(dir $(PREBUILT))
	$(call say,NVRTC,$(PREBUILT))
	$(Q)$(LUA) scripts/prebuilt.lua unit $(BUILD)/prebuilt/stock.cu
	$(Q)$< --headers kernels/include --arch 75 --out $(BUILD)/prebuilt/stock \
	  $(BUILD)/prebuilt/stock.cu -- --std=c++17 --device-as-default-execution-space --no-cache
	$(Q)$(LUA) scripts/prebuilt.lua pack $(BUILD)/prebuilt/stock.sm_75.ptx
	$(Q)if command -v ptxas >/dev/null; then ptxas -arch=sm_75 -o /dev/null $(PREBUILT); fi

syntax_flags = $(filter-out -g -O2,$(BASE_FLAGS)) $(LUA_CFLAGS) $(LINE_CFLAGS) -Ispec/c -Werror
LINT := $(BUILD)/lint

$(LINT)/clang/bench/gpu/%.ok: syntax_flags += -Wno-overlength-strings

lint-headers: $(HEADERS:%=$(LINT)/headers/%.ok)
lint-gcc:
	+@$(submake) BUILD=build/werror CC=gcc WERROR=1 objects
lint-clang: $(patsubst %,$(LINT)/clang/%.ok,$(LIB_SRC) $(MOD_SRC) $(RKL_SRC) $(TEST_SRC) $(TEST_AUX) \
                                             $(FAKE_SRC) $(NVTX_TOOL_SRC) $(FAKE_TOOL_SRC) $(GPU_SRC))

# A header stands alone when a file that includes nothing else compiles.
$(LINT)/headers/%.ok: % $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)printf '#include "%s"\n' '$(<:src/%=%)' | $(CC) $(syntax_flags) -MMD -MP -MF $(@:.ok=.d) -MT $@ \
	  -fsyntax-only -x c -
	@touch $@

$(LINT)/clang/%.ok: % $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)clang $(syntax_flags) -MMD -MP -MF $(@:.ok=.d) -MT $@ -fsyntax-only $<
	@touch $@

# ---- installing, cleaning, help -----------------------------------------------------------------

INST_BINDIR ?= $(PREFIX)/bin
INST_LIBDIR ?= $(PREFIX)/lib/lua/5.4
INST_LUADIR ?= $(PREFIX)/share/lua/5.4
install_to   = install -d $(DESTDIR)$(dir $(2)) && install -m $(3) $(1) $(DESTDIR)$(2)

install: build ## install rkl, the module, the library and its headers below PREFIX
	@$(call install_to,$(RKL),$(INST_BINDIR)/rkl,755)
	@$(call install_to,$(CORE),$(INST_LIBDIR)/ringkernel/core.so,755)
	@$(foreach f,$(LUA_SRC) $(LUA_TEXT),$(call install_to,$(f),$(INST_LUADIR)/$(f:lua/%=%),644) &&) true
	@$(call install_to,$(LIB),$(PREFIX)/lib/libringkernel.a,644)
	@$(foreach h,$(notdir $(wildcard src/ringkernel*.h)) base/status.h base/error.h,\
	  $(call install_to,src/$(h),$(PREFIX)/include/$(h),644) &&) true
	@echo "installed below $(DESTDIR)$(PREFIX)"
	@$(LUA) -e 'os.exit((";" .. package.path):find(";" .. arg[1] .. "/?.lua", 1, true) ~= nil)' \
	  - $(INST_LUADIR) </dev/null || printf '%s\n' 'where $(LUA) finds it:' \
	  '  export LUA_PATH="$(INST_LUADIR)/?.lua;$(INST_LUADIR)/?/init.lua;;"' \
	  '  export LUA_CPATH="$(INST_LIBDIR)/?.so;;"'

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@echo "usage: make TARGET [SWITCH=1 ...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "switches: DEBUG ASAN UBSAN TSAN WERROR V; variables: CC LUA LINE PREFIX DESTDIR BUILD JOBS"

.PHONY: FORCE build objects test-programs fakecuda tiny-drivers spec-tools bootstrap demo bench bench-build gpu-check \
  gpu-build docs run-suites test test-c test-lua test-cuda test-ptx test-asan test-tsan test-oom lint lint-headers \
  lint-gcc lint-clang format check check-kernels prebuilt ptx-count sass install clean help

-include $(shell find $(BUILD)/obj $(BUILD)/lint -name '*.d' 2>/dev/null)
