# SPDX-License-Identifier: MIT
#
# Builds and runs the benchmarks; `make bench` calls it from the top folder with the variables of
# the Makefile. bench/c/NAME.c becomes a program with the harness and the library; peers are built
# when their Debian packages are installed, and named as skipped by the campaigns otherwise.
#
#   make bench                        all campaigns, then the table of goals
#   make bench ONLY=ring              campaigns whose name has "ring" in it
#   make bench BENCH_SAMPLES=3 BENCH_DIVISOR=10    a quick look
#   make bench RESUME=1               go on where a run was cut off
#   make bench-build                  only what the campaigns start

CC    ?= gcc
CXX   ?= g++
BUILD ?= build
LIB   ?= $(BUILD)/libringkernel.a
RKL   ?= $(BUILD)/rkl
LIBS  ?= -ldl -lm -lpthread
ONLY   ?=
RESUME ?=
BENCH_SAMPLES ?=
OUT   := $(BUILD)/bench

WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wconversion -Wstrict-prototypes \
          -Wmissing-prototypes -Wwrite-strings -Wpointer-arith -Wvla -Wno-overlength-strings
CFLAGS := -std=gnu11 -O2 -g -pthread -D_GNU_SOURCE -Isrc -Ikernels/include
CXXFLAGS := -std=c++17 -O2 -g -pthread -Wall -Wextra

# Queues are built once for each size of payload, as NAME_BYTES.
PAYLOADS := 8 64 256 1024 4032
SIZED    := ring_spsc inbox_mpsc
NO_MAIN  := bench rt
PROGRAMS := $(filter-out $(NO_MAIN) $(SIZED) lua_floor,$(patsubst bench/c/%.c,%,$(wildcard bench/c/*.c)))
HEADERS  := $(wildcard bench/c/*.h bench/peers/*.h kernels/include/*.h src/*.h src/*/*.h)
sized     = $(PAYLOADS:%=$(OUT)/$(1)_%)

# $(call has,COMPILER,LANGUAGE,HEADER): whether a header is there.
has = $(shell printf '\#include <$(3)>\n' | $(1) -x $(2) -E -o /dev/null - 2>/dev/null && echo yes)
QUEUES := $(if $(call has,$(CXX),c++,boost/lockfree/queue.hpp),boost_spsc boost_queue) \
          $(if $(call has,$(CC),c,ck_ring.h),ck_ring ck_ring_mpsc) \
          $(if $(shell pkg-config --exists libdpdk 2>/dev/null && echo yes),rte_ring rte_ring_mpsc)
FRAMEWORKS := $(if $(call has,$(CXX),c++,caf/all.hpp),caf) $(if $(shell command -v escript),erlang)

run: build
	@RINGKERNEL_LUA= BENCH_PROGRAMS=$(OUT) BENCH_CACHE=$(OUT)/cache $(RKL) bench/run.lua --rkl $(RKL) \
	  $(if $(ONLY),--only $(ONLY)) $(if $(BENCH_SAMPLES),--samples $(BENCH_SAMPLES)) $(if $(RESUME),--resume yes)

build: $(PROGRAMS:%=$(OUT)/%) $(foreach name,$(SIZED) $(QUEUES:%=peer_%),$(call sized,$(name))) \
       $(FRAMEWORKS:%=$(OUT)/peer_%) $(OUT)/lua_floor.so

$(OUT)/%.o: bench/c/%.c $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARN) -c -o $@ $<

$(PROGRAMS:%=$(OUT)/%): $(OUT)/%: $(OUT)/%.o $(OUT)/bench.o $(OUT)/rt.o $(LIB)
	@$(CC) -pthread -o $@ $^ $(LIBS)

$(call sized,ring_spsc): $(OUT)/ring_spsc_%: bench/c/ring_spsc.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) $(WARN) -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o

$(call sized,inbox_mpsc): $(OUT)/inbox_mpsc_%: bench/c/inbox_mpsc.c $(OUT)/bench.o $(LIB) $(HEADERS)
	@$(CC) $(CFLAGS) $(WARN) -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o $(LIB) $(LIBS)

$(OUT)/lua_floor.so: bench/c/lua_floor.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(WARN) -fPIC -shared $(shell pkg-config --cflags lua5.4 2>/dev/null) -o $@ $<

# ---- peers; one source for a queue with one producer and with many ------------------------------

$(call sized,peer_boost_spsc): $(OUT)/peer_boost_spsc_%: bench/peers/boost_spsc.cc $(OUT)/bench.o $(HEADERS)
	@$(CXX) $(CXXFLAGS) -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o

$(call sized,peer_boost_queue): $(OUT)/peer_boost_queue_%: bench/peers/boost_queue.cc $(OUT)/bench.o $(HEADERS)
	@$(CXX) $(CXXFLAGS) -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o

$(call sized,peer_ck_ring): $(OUT)/peer_ck_ring_%: bench/peers/ck_ring.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) -Wall -Wextra -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o -lck

$(call sized,peer_ck_ring_mpsc): $(OUT)/peer_ck_ring_mpsc_%: bench/peers/ck_ring.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) -Wall -Wextra -DPEER_MANY -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o -lck

DPDK_CFLAGS = $(shell pkg-config --cflags libdpdk)
$(call sized,peer_rte_ring): $(OUT)/peer_rte_ring_%: bench/peers/rte_ring.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) -Wall -Wextra $(DPDK_CFLAGS) -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o -lrte_ring -lrte_eal

$(call sized,peer_rte_ring_mpsc): $(OUT)/peer_rte_ring_mpsc_%: bench/peers/rte_ring.c $(OUT)/bench.o $(HEADERS)
	@$(CC) $(CFLAGS) -Wall -Wextra $(DPDK_CFLAGS) -DPEER_MANY -DBENCH_PAYLOAD=$* -o $@ $< $(OUT)/bench.o \
	  -lrte_ring -lrte_eal

$(OUT)/peer_caf: bench/peers/caf.cc $(OUT)/bench.o $(HEADERS)
	@$(CXX) $(CXXFLAGS) -o $@ $< $(OUT)/bench.o -lcaf_core

$(OUT)/peer_erlang: bench/peers/erlang.escript
	@mkdir -p $(@D)
	@install -m 755 $< $@

.PHONY: run build
.SECONDARY:
