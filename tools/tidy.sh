#!/usr/bin/env bash
# tools/tidy.sh: clang-tidy over the product's sources, on all cores. A unit that passed is not looked at again until
# a file of ours that it reads, or .clang-tidy, changes: what passed is remembered by content, beyond this
# checkout. Needs a built build/release, whose dependencies tell which headers a source includes.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
passed=${XDG_CACHE_HOME:-$HOME/.cache}/enclave-tidy
mkdir -p "$passed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Of each unit that is compiled: the file given to the compiler, then every file of ours that it reads.
ninja -C build/release -t deps 2>/dev/null | awk -v root="$PWD/" '
  function flush() { if (unit != "" && line != "") print unit line }
  /^[^ ]/ {
    flush()
    line = ""; unit = $1; sub(/\.o:$/, "", unit); unit = "build/release/" unit
    # A file that stands for a folder is compiled under its own name, any other beside it.
    if (unit !~ /\/Unity\//) unit = ""
    skip = $1 ~ /(_test|_bench|_fuzz|_pch)\.dir\// || $1 !~ /^(src|sim)\//
    if (skip) unit = ""
  }
  /^ / && !skip {
    path = $1
    if (path !~ /^\//) path = root "build/release/" path
    while (sub(/\/[^\/]+\/\.\.\//, "/", path)) {}
    if (index(path, root) != 1) next
    path = substr(path, length(root) + 1)
    if (path !~ /^(src|sim)\//) next
    if (unit == "") unit = path
    line = line " " path
  }
  END { flush() }' | sort -u >"$work/deps"

common=$({ cat .clang-tidy; clang-tidy-19 --version; } | sha256sum | cut -c1-16)
: >"$work/todo"
count=0
while read -r unit files; do
  [[ -f $unit ]] || continue
  count=$((count + 1))
  # shellcheck disable=SC2086  # a list of paths without spaces
  key=$(cat $files 2>/dev/null | sha256sum | cut -c1-40)-$common
  [[ -e $passed/$key ]] || printf '%s %s\n' "$unit" "$key" >>"$work/todo"
done <"$work/deps"
((count > 0)) || { echo "tidy: build/release is not built" >&2; exit 1; }
printf 'tidy: %s of %s units changed since they passed\n' "$(wc -l <"$work/todo")" "$count"

check() {
  if clang-tidy-19 -p build/release --quiet "$1" >"$work/$2.out" 2>&1; then
    : >"$passed/$2"
  else
    grep -v 'warnings generated' "$work/$2.out"
    return 1
  fi
}
export -f check
export work passed
xargs -r -P "$(nproc)" -n 2 bash -c 'check "$1" "$2"' bash <"$work/todo" || {
  echo "tidy: the findings stand above" >&2
  exit 1
}
# What passed long ago is forgotten, so that the memory stays small.
find "$passed" -type f -mtime +60 -delete
