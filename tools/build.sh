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
# A preset that changed reaches build directories that are already there.
if [[ ! -f $dir/build.ninja || CMakePresets.json -nt $dir/build.ninja ]]; then
  cmake --preset "$preset" >"$dir/configure.log" 2>&1 || {
    cat "$dir/configure.log" >&2
    printf 'enclave: cannot configure the build (preset %s); the lines above say why\n' "$preset" >&2
    exit 1
  }
fi

# One line that is drawn again on a terminal, a line per tenth of the work elsewhere.
terminal=''
[[ -t 2 && -z ${CI:-} ]] && terminal=1
NINJA_STATUS='[%f/%t %es] ' ninja -C "$dir" "$@" 2>&1 | {
  shown=-1
  while IFS= read -r line; do
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\ ([0-9]+) ]]; then
      done=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]} seconds=${BASH_REMATCH[3]}
      if [[ $terminal ]]; then
        printf '\r\033[Kenclave: building %s %s/%s, %s s' "$preset" "$done" "$all" "$seconds" >&2
      elif ((done * 10 / all != shown)); then
        shown=$((done * 10 / all))
        printf 'enclave: building %s %s/%s\n' "$preset" "$done" "$all" >&2
      fi
    elif [[ $line != 'ninja: Entering'* && $line != 'ninja: no work'* ]]; then
      printf '%s%s\n' "${terminal:+$'\r\033[K'}" "$line" >&2
    fi
  done
  [[ -z $terminal ]] || printf '\r\033[K' >&2
}
