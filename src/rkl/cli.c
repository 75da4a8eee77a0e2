/* SPDX-License-Identifier: MIT */
/*
 * The command line of `rkl`: parsing, the table `arg`, and running what was asked (see cli.h).
 *
 * One table describes the options; parsing, running and the usage text all read it. Both passes
 * walk the arguments with next_option, so they cannot disagree about which argument is an
 * option's value.
 */
#include "rkl/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "rkl/rkl.h"

typedef enum option_id {
  OPT_STATEMENT,
  OPT_INTERACTIVE,
  OPT_LIBRARY,
  OPT_SHOW_VERSION,
  OPT_NO_ENVIRONMENT,
  OPT_WARNINGS,
  OPT_BACKEND,
  OPT_HELP,
  OPT_VERSION,
  OPT_ENV,
  OPT_DEVICES,
  OPT_DOCTOR,
  OPT_BENCH,
  OPT_NONE /* the end of the options */
} option_id;

typedef struct option_spec {
  const char *name;  /* as written, with its dashes */
  bool has_value;    /* short: -eX or -e X; long: --x X or --x=X */
  const char *usage; /* name and value as the help shows them */
  const char *help;
} option_spec;

static const option_spec options[OPT_NONE] = {
    [OPT_STATEMENT] = {"-e", true, "-e stat", "execute string 'stat'"},
    [OPT_INTERACTIVE] = {"-i", false, "-i", "enter interactive mode after executing 'script'"},
    [OPT_LIBRARY] = {"-l", true, "-l [g=]mod",
                     "require library 'mod' into global 'mod' (or into global 'g')"},
    [OPT_SHOW_VERSION] = {"-v", false, "-v", "show the version of Lua"},
    [OPT_NO_ENVIRONMENT] = {"-E", false, "-E",
                            "ignore the environment variables of Lua and RINGKERNEL_LUA"},
    [OPT_WARNINGS] = {"-W", false, "-W", "turn warnings on"},
    [OPT_BACKEND] = {"--backend", true, "--backend NAME",
                     "where kernels run: cpu, cuda or auto (sets RINGKERNEL_BACKEND)"},
    [OPT_HELP] = {"--help", false, "--help", "show this text and leave"},
    [OPT_VERSION] = {"--version", false, "--version", "show the version of ringkernel and leave"},
    [OPT_ENV] = {"--env", false, "--env", "list the RINGKERNEL_* parameters and leave"},
    [OPT_DEVICES] = {"--devices", false, "--devices", "list the devices and leave"},
    [OPT_DOCTOR] = {"--doctor", false, "--doctor",
                    "check this machine, advise, and leave (status 1: something is missing)"},
    [OPT_BENCH] = {"--bench", false, "--bench FILE...",
                   "run benchmark campaigns; what follows is for them (--bench --help)"},
};

typedef struct option_match {
  option_id id;
  const char *value; /* NULL when the option takes none */
} option_match;

/* What read_option found. */
enum { READ_OPTION, READ_END, READ_UNKNOWN, READ_NO_VALUE };

static void print_usage(FILE *out)
{
  fputs("usage: rkl [options] [script [args]]\nAvailable options are:\n", out);
  for (int id = 0; id < OPT_NONE; id++) {
    fprintf(out, "  %-16s %s\n", options[id].usage, options[id].help);
  }
  fputs("  --               stop handling options\n"
        "  -                stop handling options and execute stdin\n",
        out);
}

/*
 * Compares one argument with one option. Returns whether it is that option; then `*value` is the
 * value that the same argument carries, or NULL.
 */
static bool match_option(const option_spec *option, const char *argument, const char **value)
{
  size_t length = strlen(option->name);
  if (strncmp(argument, option->name, length) != 0) {
    return false;
  }
  const char *rest = argument + length;
  *value = NULL;
  if (*rest == '\0') {
    return true;
  }
  if (!option->has_value) {
    return false;
  }
  if (option->name[1] == '-') { /* long: --name=value */
    if (*rest != '=') {
      return false;
    }
    rest++;
  }
  *value = rest;
  return true;
}

/*
 * Reads the option at argv[*index] and moves *index behind it and its value. At the end of the
 * options *index becomes the place of the script name, if there is one. After a mistake *index
 * stays on the argument to blame.
 */
static int read_option(char **argv, int *index, option_match *match)
{
  const char *argument = argv[*index];
  if (argument == NULL || argument[0] != '-' || argument[1] == '\0') {
    return READ_END;
  }
  if (strcmp(argument, "--") == 0) {
    *index += 1;
    return READ_END;
  }
  int id = 0;
  while (id < OPT_NONE && !match_option(&options[id], argument, &match->value)) {
    id++;
  }
  if (id == OPT_NONE) {
    return READ_UNKNOWN;
  }
  match->id = (option_id)id;
  if (options[id].has_value && match->value == NULL) {
    const char *next = argv[*index + 1];
    if (next == NULL || next[0] == '-') {
      return READ_NO_VALUE;
    }
    match->value = next;
    *index += 1;
  }
  *index += 1;
  return READ_OPTION;
}

/* Writes a mistake in the words of lua(1), then the usage. Returns -1. */
static int refuse(const char *before, const char *option, const char *after)
{
  fprintf(stderr, "rkl: %s'%s'%s\n", before, option, after);
  print_usage(stderr);
  return -1;
}

static int set_backend(const char *name)
{
  if (strcmp(name, "cpu") != 0 && strcmp(name, "cuda") != 0 && strcmp(name, "auto") != 0) {
    fprintf(stderr, "rkl: option '--backend': cpu, cuda or auto expected, got '%s'\n", name);
    return -1;
  }
  if (setenv("RINGKERNEL_BACKEND", name, 1) != 0) {
    perror("rkl: cannot set RINGKERNEL_BACKEND");
    return -1;
  }
  return 0;
}

/* Notes one option in `cli`. Returns 0, or -1 after a message. */
static int note_option(rk_cli *cli, const option_match *match)
{
  switch (match->id) {
    case OPT_STATEMENT:
      cli->has_statement = true;
      break;
    case OPT_INTERACTIVE:
      cli->interactive = true;
      break;
    case OPT_SHOW_VERSION:
      cli->show_version = true;
      break;
    case OPT_NO_ENVIRONMENT:
      cli->no_environment = true;
      break;
    case OPT_BACKEND:
      return set_backend(match->value);
    case OPT_HELP:
    case OPT_VERSION:
      if (cli->info == RK_CLI_INFO_NONE) {
        cli->info = match->id == OPT_HELP ? RK_CLI_INFO_HELP : RK_CLI_INFO_VERSION;
      }
      break;
    case OPT_ENV:
    case OPT_DEVICES:
    case OPT_DOCTOR:
      cli->has_action = true;
      break;
    case OPT_BENCH:
      cli->has_bench = true;
      break;
    case OPT_LIBRARY:
    case OPT_WARNINGS:
    case OPT_NONE:
      break; /* matter only when they run */
  }
  return 0;
}

int rk_cli_parse(int argc, char **argv, rk_cli *cli)
{
  option_match match = {OPT_NONE, NULL};
  int index = argc > 0 ? 1 : 0;
  int found = READ_END;
  *cli = (rk_cli){.argc = argc, .argv = argv};
  while (!cli->has_bench && (found = read_option(argv, &index, &match)) == READ_OPTION) {
    if (note_option(cli, &match) != 0) {
      return -1;
    }
  }
  if (found == READ_UNKNOWN) {
    return refuse("unrecognized option ", argv[index], "");
  }
  if (found == READ_NO_VALUE) {
    return refuse("", argv[index], " needs argument");
  }
  cli->script = index;
  return 0;
}

static void print_version(void)
{
  puts("ringkernel " RK_VERSION " (" LUA_RELEASE ")");
}

void rk_cli_print_info(const rk_cli *cli)
{
  if (cli->info == RK_CLI_INFO_VERSION) {
    print_version();
  } else {
    print_usage(stdout);
    fputs("Without a script, -e, -v or an option that leaves, rkl reads statements from the\n"
          "terminal, or runs stdin when that is no terminal.\n",
          stdout);
  }
}

/* Sets the global `arg`: the script at 0, its arguments above, what stands before it below. */
static void set_arg_table(lua_State *L, const rk_cli *cli)
{
  int origin = cli->script < cli->argc ? cli->script : 0;
  lua_createtable(L, cli->argc - origin, origin + 1);
  for (int i = 0; i < cli->argc; i++) {
    lua_pushstring(L, cli->argv[i]);
    lua_rawseti(L, -2, i - origin);
  }
  lua_setglobal(L, "arg");
}

/* Calls what a luaL_load function left on the stack (`status` is its answer); results dropped. */
static int run_chunk(lua_State *L, int status)
{
  if (status == LUA_OK) {
    status = rk_host_call(L, 0, 0);
  }
  return rk_host_report(L, status, 1);
}

static int run_text(lua_State *L, const char *text, const char *chunkname)
{
  return run_chunk(L, luaL_loadbuffer(L, text, strlen(text), chunkname));
}

/* LUA_INIT_5_4, or else LUA_INIT: a statement, or @ and a file name. */
static int run_init(lua_State *L)
{
  const char *chunkname = "=LUA_INIT" LUA_VERSUFFIX;
  const char *init = getenv(chunkname + 1);
  if (init == NULL) {
    chunkname = "=LUA_INIT";
    init = getenv(chunkname + 1);
  }
  if (init == NULL) {
    return LUA_OK;
  }
  return init[0] == '@' ? run_chunk(L, luaL_loadfile(L, init + 1)) : run_text(L, init, chunkname);
}

/* -l mod, -l global=mod */
static int run_library(lua_State *L, const char *text)
{
  const char *equals = strchr(text, '=');
  lua_getglobal(L, "require");
  lua_pushstring(L, equals != NULL ? equals + 1 : text);
  int status = rk_host_call(L, 1, 1);
  if (status == LUA_OK) {
    lua_pushglobaltable(L);
    lua_pushlstring(L, text, equals != NULL ? (size_t)(equals - text) : strlen(text));
    lua_rotate(L, -3, -1); /* global table, name, module */
    lua_settable(L, -3);
    lua_pop(L, 1);
  }
  return rk_host_report(L, status, 1);
}

/* Returns the exit status of the function `name` of lua/ringkernel/cli/doctor.lua. */
static int run_action(lua_State *L, const char *name)
{
  int answer = EXIT_FAILURE;
  int status = luaL_loadstring(L, "local name = ...\n"
                                  "return require('ringkernel.cli.doctor')[name]()");
  if (status == LUA_OK) {
    lua_pushstring(L, name);
    status = rk_host_call(L, 1, 1);
  }
  if (rk_host_report(L, status, 1) == LUA_OK) {
    answer = lua_toboolean(L, -1) ? EXIT_SUCCESS : EXIT_FAILURE;
    lua_pop(L, 1);
  }
  return answer;
}

/* Returns the exit status of lua/ringkernel/cli/bench.lua, which gets what stands behind --bench. */
static int run_bench(lua_State *L, const rk_cli *cli)
{
  int answer = EXIT_FAILURE;
  int count = cli->argc - cli->script;
  int status = luaL_loadstring(L, "return require('ringkernel.cli.bench').main(...)");
  if (status == LUA_OK) {
    luaL_checkstack(L, count + 3, "too many arguments to --bench");
    for (int i = cli->script; i < cli->argc; i++) {
      lua_pushstring(L, cli->argv[i]);
    }
    status = rk_host_call(L, count, 1);
  }
  if (rk_host_report(L, status, 1) == LUA_OK) {
    answer = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  return answer;
}

/* Runs the options from left to right. Returns -1 to go on, or the exit status to leave with. */
static int run_options(lua_State *L, const rk_cli *cli)
{
  option_match match = {OPT_NONE, NULL};
  int index = 1;
  int status = LUA_OK;
  while (status == LUA_OK && index < cli->script &&
         read_option(cli->argv, &index, &match) == READ_OPTION) {
    switch (match.id) {
      case OPT_STATEMENT:
        status = run_text(L, match.value, "=(command line)");
        break;
      case OPT_LIBRARY:
        status = run_library(L, match.value);
        break;
      case OPT_WARNINGS:
        lua_warning(L, "@on", 0);
        break;
      case OPT_ENV:
      case OPT_DEVICES:
      case OPT_DOCTOR:
        return run_action(L, options[match.id].name + 2);
      default:
        break; /* done while parsing */
    }
  }
  return status == LUA_OK ? -1 : EXIT_FAILURE;
}

/* Runs the script with the arguments that `arg` holds by now. */
static int run_script(lua_State *L, const rk_cli *cli)
{
  const char *name = cli->argv[cli->script];
  if (strcmp(name, "-") == 0 && strcmp(cli->argv[cli->script - 1], "--") != 0) {
    name = NULL; /* stdin */
  }
  int status = luaL_loadfile(L, name);
  if (status == LUA_OK) {
    if (lua_getglobal(L, "arg") != LUA_TTABLE) {
      return luaL_error(L, "'arg' is not a table");
    }
    int count = (int)luaL_len(L, -1);
    luaL_checkstack(L, count + 3, "too many arguments to script");
    for (int i = 1; i <= count; i++) {
      lua_rawgeti(L, -i, i);
    }
    lua_remove(L, -count - 1); /* the table */
    status = rk_host_call(L, count, 0);
  }
  return rk_host_report(L, status, 1);
}

int rk_cli_run(lua_State *L, const rk_cli *cli)
{
  bool on_terminal = isatty(STDIN_FILENO) == 1;
  bool has_script = cli->script < cli->argc;
  bool has_work = has_script || cli->has_bench || cli->has_statement || cli->show_version ||
                  cli->has_action;
  bool prompts = cli->interactive || (!has_work && on_terminal);

  if (cli->show_version) {
    puts(LUA_COPYRIGHT);
  }
  if (prompts && on_terminal && !cli->has_action) {
    print_version();
  }
  set_arg_table(L, cli);
  if (!cli->no_environment && run_init(L) != LUA_OK) {
    return EXIT_FAILURE;
  }
  int answer = run_options(L, cli);
  if (answer >= 0) {
    return answer;
  }
  if (cli->has_bench) {
    return run_bench(L, cli);
  }
  if (has_script && run_script(L, cli) != LUA_OK) {
    return EXIT_FAILURE;
  }
  if (prompts) {
    return rk_repl_run(L) == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (!has_work) {
    return run_chunk(L, luaL_loadfile(L, NULL)) == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
