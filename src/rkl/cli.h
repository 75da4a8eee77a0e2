/* SPDX-License-Identifier: MIT */
/*
 * The command line of `rkl`: the short options of lua(1), plus long ones.
 *
 * lua(1) has no long options, so every addition is one. Parsing (no Lua state needed) is kept
 * apart from running: a wrong option is refused before anything runs. Used by main.c.
 */
#ifndef RK_RKL_CLI_H
#define RK_RKL_CLI_H

#include <stdbool.h>

#include <lua.h>

/* Options that print something and leave without a Lua state. */
typedef enum rk_cli_info { RK_CLI_INFO_NONE, RK_CLI_INFO_HELP, RK_CLI_INFO_VERSION } rk_cli_info;

typedef struct rk_cli {
  int argc;
  char **argv;         /* borrowed from main() */
  int script;          /* index of the script name in argv, or argc when there is none */
  rk_cli_info info;    /* --help or --version, whichever came first */
  bool interactive;    /* -i */
  bool show_version;   /* -v */
  bool has_statement;  /* -e */
  bool has_action;     /* --env, --devices or --doctor: leaves when its turn has come */
  bool has_bench;      /* --bench: what follows, from `script` on, is for it */
  bool no_environment; /* -E */
} rk_cli;

/*
 * Fills `cli` from the arguments of main(). `--backend X` takes effect here: it sets
 * RINGKERNEL_BACKEND for this process. Returns 0, or -1 after the mistake and the usage were
 * written to stderr.
 */
int rk_cli_parse(int argc, char **argv, rk_cli *cli);

/* Prints the answer to --help or --version on stdout. */
void rk_cli_print_info(const rk_cli *cli);

/*
 * Does what the command line asks, in the order of lua(1): LUA_INIT, options from left to right,
 * the script, the prompt. `L` has its libraries open. Returns the exit status of the process.
 */
int rk_cli_run(lua_State *L, const rk_cli *cli);

#endif
