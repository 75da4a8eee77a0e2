/* SPDX-License-Identifier: MIT */
/*
 * From an image to a shared object that runs here: what the two ways of making one share.
 *
 * rkf_unit_open (fake_unit.c) finds out what is to be built and where it lies when it is there
 * already; fake_compile.c builds it from the source of the device code, fake_ptx.c from the PTX in
 * the image. fake_build.c has the tools of both.
 */
#ifndef FAKE_BUILD_H
#define FAKE_BUILD_H

#include "fake.h"

#include <limits.h>

enum { RKF_HEX = 16 };

typedef struct rkf_build {
  char hex[RKF_HEX + 1];
  char source[PATH_MAX]; /* <hex>.cu, where it is built from that */
  char folder[PATH_MAX]; /* where the object is to lie */
  char object[PATH_MAX]; /* the shared object */
  const char *ptx;       /* the image, where it is built from that */
  size_t ptx_bytes;
  const char *include, *prelude, *compiler;
  char flags[1024];
  char *why; /* RKF_LOG_BYTES */
} rkf_build;

/* Files of one build, with names of this process and thread. */
typedef struct rkf_build_files {
  char text[PATH_MAX]; /* what is compiled */
  char made[PATH_MAX];
  char log[PATH_MAX];
} rkf_build_files;

const char *rkf_env_or(const char *name, const char *otherwise);
/* The file with a zero behind it, from malloc; NULL if it cannot be read. */
char *rkf_file_read(const char *path, size_t *bytes);
bool rkf_path_join(char out[PATH_MAX], const char *a, const char *b, const char *c, const char *d);

#define RKF_HASH_START 0xcbf29ce484222325u
uint64_t rkf_hash(uint64_t hash, const void *data, size_t bytes);
/* Mixes in all files of a folder whose names end with `suffix`; false: no such folder. */
bool rkf_hash_folder(uint64_t *hash, const char *folder, const char *suffix);
uint64_t rkf_hash_file(uint64_t hash, const char *folder, const char *name);

/* False, with `why`, where a path is too long. */
bool rkf_build_begin(const rkf_build *b, const char *suffix, rkf_build_files *files);
/* Runs a program, its output into the log; 0, or what it exited with. */
int rkf_build_run(const char *const *args, const rkf_build_files *files);
/* Runs a compiler: `args`, which has `count` and room for RKF_ARGS_MAX, then the extra flags, and
 * what to make of what. Returns as rkf_build_run. */
enum { RKF_ARGS_MAX = 64 };
int rkf_build_compile(const rkf_build *b, const char **args, size_t count,
                      const rkf_build_files *files);
/* Puts what was made in its place or the log into `why`; removes the files. */
CUresult rkf_build_end(const rkf_build *b, const rkf_build_files *files, int status);

bool rkf_source_find(rkf_build *b);
bool rkf_source_hash(const rkf_build *b, uint64_t *out);
CUresult rkf_source_compile(const rkf_build *b);

bool rkf_ptx_hash(const rkf_build *b, uint64_t *out);
CUresult rkf_ptx_compile(const rkf_build *b);

#endif
