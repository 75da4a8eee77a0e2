# SPDX-License-Identifier: MIT
#
# What `make gpu-check` needs, in $(BUILD)/gpu: everything, so that on a machine with a GPU only that
# folder, the sources of the repository, a driver and NVRTC have to be there, and no compiler. The
# Makefile includes this; bench/gpu/README.md explains the rest.

GPU := $(BUILD)/gpu

GPU_SRC    := $(sort $(wildcard bench/gpu/*.c))
GPU_SHARED := bench/gpu/gpu_common.c bench/gpu/gpu_device.c
GPU_LOOPS  := bench/gpu/gpu_loops.c
GPU_PROGRAMS := $(patsubst bench/gpu/%.c,$(GPU)/%,$(filter-out $(GPU_SHARED) $(GPU_LOOPS),$(GPU_SRC)))
GPU_OBJ    := $(call obj_of,$(GPU_SRC))

# Kernels are texts in these files, longer than C promises to take.
$(GPU_OBJ): obj_flags += -Wno-overlength-strings
$(call obj_of,$(GPU_LOOPS)): obj_flags += $(LUA_CFLAGS)

$(GPU_PROGRAMS): $(GPU)/%: $(OBJ)/bench/gpu/%.o $(call obj_of,$(GPU_SHARED)) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(sanitizers) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(LIBS)
