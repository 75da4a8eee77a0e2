#!/usr/bin/env bash
# Runs every static check and sums up; `make lint` is the way to call it. Each check leaves a log
# in TAP under build/results/lint, as the tests do, so that .ci/run can add them up.
#
# From make: MAKE, LUA, JOBS (a -j for the compiling checks), PART (one step of several).
set -u
cd "$(dirname "$0")/.." || exit 2

lua=${LUA:-lua5.4}
make=${MAKE:-make}
results=build/results/lint
rm -rf "$results"
mkdir -p "$results"

# check NAME COMMAND...: one check, passed if the command says so
check() {
  local name=$1 log=$results/$1.log
  shift
  if "$@" >"$log" 2>&1 </dev/null; then
    printf '\nok 1 - %s\n1..1\n# exit 0\n' "$name" >>"$log"
    grep -i 'warning:' "$log"
  else
    printf '\nnot ok 1 - %s\n1..1\n# exit 1\n' "$name" >>"$log"
  fi
  "$lua" scripts/summary.lua --one "$log"
}

lua_files() {
  local folder
  for folder in lua scripts spec bench examples; do
    [ -d "$folder" ] && printf '%s\n' "$folder"
  done
}

shell_syntax() {
  local file status=0
  for file in scripts/*.sh .ci/run; do
    bash -n "$file" || status=1
  done
  return $status
}

# shellcheck disable=SC2046,SC2086  # lists of plain words
{
  check luacheck luacheck -q --no-color --codes $(lua_files)
  check shell shell_syntax
  check layers "$lua" scripts/check_layers.lua
  check size "$lua" scripts/check_size.lua
  check platform "$lua" scripts/check_platform.lua
  check prebuilt "$lua" scripts/prebuilt.lua check
  check headers "$make" --no-print-directory -k ${JOBS:-} lint-headers
  check gcc "$make" --no-print-directory -k ${JOBS:-} lint-gcc
  check clang "$make" --no-print-directory -k ${JOBS:-} lint-clang
}

"$lua" scripts/summary.lua ${PART:+--part lint} "$results"/*.log
