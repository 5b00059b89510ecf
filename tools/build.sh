#!/usr/bin/env bash
# tools/build.sh PRESET TARGET...: configures build/PRESET when it must and builds the targets, showing
# progress: one line on a terminal, a line per tenth of the work elsewhere, the compiler's words on failure.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
dir=build/$preset
# Compilations are shared between build directories and checkouts.
if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

mkdir -p "$dir"
if [[ ! -f $dir/build.ninja ]]; then
  cmake --preset "$preset" >"$dir/configure.log" 2>&1 || {
    cat "$dir/configure.log" >&2
    printf 'enclave: cannot configure the build (preset %s); the lines above say why\n' "$preset" >&2
    exit 1
  }
fi

if [[ -t 2 && -z ${CI:-} ]]; then
  NINJA_STATUS="enclave: building $preset %f/%t, %es  " ninja -C "$dir" --quiet "$@" 2>&1 >/dev/null ||
    { NINJA_STATUS='' ninja -C "$dir" "$@" >&2; exit 1; }
  exit 0
fi
NINJA_STATUS='[%f/%t] ' ninja -C "$dir" "$@" 2>&1 | {
  shown=-1
  while IFS= read -r line; do
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
      tenth=$((BASH_REMATCH[1] * 10 / BASH_REMATCH[2]))
      if ((tenth != shown)); then
        printf 'enclave: building %s %s/%s\n' "$preset" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" >&2
        shown=$tenth
      fi
    elif [[ $line != 'ninja: Entering'* && $line != 'ninja: no work'* ]]; then
      printf '%s\n' "$line" >&2
    fi
  done
}
