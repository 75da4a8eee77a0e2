# SPDX-License-Identifier: MIT
#
# What `make gpu-check` needs, in $(BUILD)/gpu: everything, so that on a machine with a GPU only that
# folder, the sources of the repository, a driver and NVRTC have to be there, and no compiler. The
# Makefile includes this; bench/gpu/README.md explains the rest.

GPU := $(BUILD)/gpu

GPU_SRC    := $(sort $(wildcard bench/gpu/*.c))
GPU_SHARED := bench/gpu/gpu_common.c bench/gpu/gpu_device.c
GPU_LOOPS  := bench/gpu/gpu_loops.c bench/gpu/gpu_hold.c
GPU_PROGRAMS := $(patsubst bench/gpu/%.c,$(GPU)/%,$(filter-out $(GPU_SHARED) $(GPU_LOOPS),$(GPU_SRC)))
GPU_OBJ    := $(call obj_of,$(GPU_SRC))

# Kernels are texts in these files, longer than C promises to take.
$(GPU_OBJ): obj_flags += -Wno-overlength-strings
$(call obj_of,$(GPU_LOOPS)): obj_flags += $(LUA_CFLAGS)

$(GPU_PROGRAMS): $(GPU)/%: $(OBJ)/bench/gpu/%.o $(call obj_of,$(GPU_SHARED)) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(sanitizers) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LIBS)

# A Lua module that takes the library from the rkl that loads it; names of codes are not exported.
$(GPU)/gpu_loops.so: $(call obj_of,bench/gpu/gpu_loops.c src/base/status.c)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(sanitizers) $(LDFLAGS) -o $@ $^

# This one takes the driver itself.
$(GPU)/gpu_hold.so: $(call obj_of,bench/gpu/gpu_hold.c)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(sanitizers) $(LDFLAGS) -o $@ $^ $(LIBS)

# rkl without a line editor: it needs libc and nothing else.
GPU_RKL_OBJ := $(RKL_SRC:%.c=$(OBJ)/gpu/%.o)

$(GPU_RKL_OBJ): $(OBJ)/gpu/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_FLAGS) $(sanitizers) -fvisibility=hidden $(LUA_CFLAGS) -DRK_LINE_NONE $(CPPFLAGS) \
	  $(CFLAGS) -MMD -MP -c -o $@ $<

$(GPU)/rkl: $(GPU_RKL_OBJ) $(OBJ)/gen/embed_lua.o $(MOD_OBJ) $(LIB) $(BUILD)/link
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(sanitizers) -Wl,-E $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LUA_LINK) $(LIBS)

# busted with all that it stands on.
$(GPU)/busted/runner.lua: bench/gpu/pack_busted.lua
	$(call say,PACK,$@)
	$(Q)$(LUA) $< $(@D)

# What the folder was built from; check.lua compares. Written last.
gpu-build: $(GPU)/rkl $(GPU)/gpu_loops.so $(GPU)/gpu_hold.so $(GPU)/busted/runner.lua $(GPU_PROGRAMS)
	@$(LUA) bench/gpu/pack_units.lua $(GPU)/units $(GPU)-fake/cache/cuda $(BUILD)/cuda-cache/cuda
	@$(GPU)/rkl bench/gpu/built.lua write $(GPU) "$(CC)"

# Whether the folder is there and fits the sources: then nothing has to be built.
gpu-current = test -x $(GPU)/rkl && $(GPU)/rkl bench/gpu/built.lua check $(GPU)
