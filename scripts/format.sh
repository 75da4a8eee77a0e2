#!/usr/bin/env bash
# Formats the sources: C with clang-format, Lua with stylua, each if it is installed.
# With --check nothing is written; the exit status says whether something would change.
set -u
cd "$(dirname "$0")/.." || exit 2

case "${1:-}" in
  "") clang_args=(-i) stylua_args=() ;;
  --check) clang_args=(--dry-run --Werror) stylua_args=(--check) ;;
  *) echo "usage: format.sh [--check]" >&2; exit 2 ;;
esac

status=0
if command -v clang-format >/dev/null; then
  find src kernels spec/c -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' \) -print0 |
    xargs -0 -r clang-format "${clang_args[@]}" || status=1
else
  echo "clang-format is missing, C is left alone (apt-get install clang-format)" >&2
fi
if command -v stylua >/dev/null; then
  stylua ${stylua_args[@]+"${stylua_args[@]}"} lua scripts spec bench examples || status=1
else
  echo "stylua is missing, Lua is left alone" >&2
fi
exit $status
