# SPDX-License-Identifier: MIT
#
# Builds and runs the benchmarks; `make bench` calls it from the top folder with the variables of
# the Makefile. A program is bench/c/NAME.c with the harness and the library; peers are built when
# their Debian packages are installed, and named as skipped otherwise.
#
#   make bench                        everything
#   make bench ONLY=ring              programs whose name has "ring" in it
#   make bench BENCH_SAMPLES=5 BENCH_DIVISOR=10    a quick look

CC    ?= gcc
CXX   ?= g++
BUILD ?= build
LIB   ?= $(BUILD)/libringkernel.a
RKL   ?= $(BUILD)/rkl
LIBS  ?= -ldl -lm -lpthread
ONLY  ?=
OUT   := $(BUILD)/bench

WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wconversion -Wstrict-prototypes \
          -Wmissing-prototypes -Wwrite-strings -Wpointer-arith -Wvla -Wno-overlength-strings
CFLAGS := -std=gnu11 -O2 -g -pthread -D_GNU_SOURCE -Isrc -Ikernels/include

SHARED   := bench/c/bench.c bench/c/rt.c
PROGRAMS := $(patsubst bench/c/%.c,%,$(filter-out $(SHARED) bench/c/lua_floor.c,$(wildcard bench/c/*.c)))
HEADERS  := $(wildcard bench/c/*.h bench/peers/*.h kernels/include/*.h src/*.h src/*/*.h)

# $(call has,COMPILER,LANGUAGE,HEADER): whether a header is there.
has = $(shell printf '\#include <$(3)>\n' | $(1) -x $(2) -E -o /dev/null - 2>/dev/null && echo yes)
PEERS := $(if $(call has,$(CXX),c++,boost/lockfree/spsc_queue.hpp),boost_spsc) \
         $(if $(call has,$(CC),c,ck_ring.h),ck_ring) \
         $(if $(shell pkg-config --exists libdpdk 2>/dev/null && echo yes),rte_ring) \
         $(if $(shell command -v escript),erlang)

run: $(PROGRAMS:%=$(OUT)/%) $(patsubst %,$(OUT)/peer_%,$(PEERS)) $(OUT)/lua_floor.so
	@RINGKERNEL_LUA= BENCH_CACHE=$(OUT)/cache $(RKL) bench/run.lua --build $(BUILD) --rkl $(RKL) --cc "$(CC)" \
	  $(if $(ONLY),--only $(ONLY))

$(OUT)/%.o: bench/c/%.c $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARN) -c -o $@ $<

$(PROGRAMS:%=$(OUT)/%): $(OUT)/%: $(OUT)/%.o $(OUT)/bench.o $(OUT)/rt.o $(LIB)
	@$(CC) -pthread -o $@ $^ $(LIBS)

$(OUT)/lua_floor.so: bench/c/lua_floor.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARN) -fPIC -shared $(shell pkg-config --cflags lua5.4 2>/dev/null) -o $@ $<

$(OUT)/peer_boost_spsc: bench/peers/boost_spsc.cc $(OUT)/bench.o $(HEADERS)
	@$(CXX) -std=c++17 -O2 -Wall -Wextra -pthread -o $@ $< $(OUT)/bench.o

$(OUT)/peer_ck_ring: bench/peers/ck_ring.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) -Wall -Wextra -o $@ $< $(OUT)/bench.o -lck

$(OUT)/peer_rte_ring: bench/peers/rte_ring.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) -Wall -Wextra $(shell pkg-config --cflags libdpdk) -o $@ $< $(OUT)/bench.o -lrte_ring -lrte_eal

$(OUT)/peer_erlang: bench/peers/erlang.escript
	@mkdir -p $(@D)
	@install -m 755 $< $@

.PHONY: run
.SECONDARY:
