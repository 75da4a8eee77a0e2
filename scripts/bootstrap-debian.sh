#!/usr/bin/env bash
# Installs what building and testing need on Debian and Ubuntu, if anything is missing.
#
#   scripts/bootstrap-debian.sh [build|all] [--check]
#
# `build` is what `make demo` needs, `all` (the default) adds tests and checks. When everything is
# there it says nothing and calls no package manager. It installs as root or through a sudo that
# asks for no password; otherwise it prints the one command to run and fails. With --check it
# installs nothing: it lists what is missing and fails if something is.
set -u

what=all
check_only=
for word in "$@"; do
  case "$word" in
    build|all) what=$word ;;
    --check) check_only=1 ;;
    *) echo "usage: bootstrap-debian.sh [build|all] [--check]" >&2; exit 2 ;;
  esac
done

lua=lua5.4
missing=()

# need PACKAGE TEST...: the package is missing if the test fails
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
have() { command -v "$1"; }
have_header() { printf '#include <%s>\n' "$1" | gcc -E -x c - ; }
have_module() { "$lua" -e "require '$1'"; }

look() {
  missing=()
  need gcc have gcc
  need libc6-dev have_header stdio.h
  need make have make
  need pkg-config have pkg-config
  need lua5.4 have "$lua"
  need liblua5.4-dev pkg-config --exists lua5.4
  need libedit-dev pkg-config --exists libedit
  [ "$what" = all ] || return
  need lua-busted have busted
  need lua-check have luacheck
  need lua-luv have_module luv
  need lua-cqueues have_module cqueues
  need lua-dkjson have_module dkjson
  need libcmocka-dev pkg-config --exists cmocka
  need clang have clang
  need erlang-base have erlc
}

look
[ ${#missing[@]} -eq 0 ] && exit 0
if [ -n "$check_only" ]; then
  echo "missing: ${missing[*]}"
  exit 1
fi

if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]} (Debian package names); install them with your package manager" >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  echo "missing: ${missing[*]}; run:" >&2
  echo "  sudo apt-get install -y ${missing[*]}" >&2
  exit 1
fi

apt() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be absent or stale; then fetch them and try once more.
if ! apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  apt update >>"$log" 2>&1
  if ! apt install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    tail -n 25 "$log" >&2
    echo "could not install: ${missing[*]}" >&2
    exit 1
  fi
fi

look
if [ ${#missing[@]} -ne 0 ]; then
  echo "installed, but still not usable: ${missing[*]}" >&2
  exit 1
fi
