#!/usr/bin/env bash
# ./enclave test [--quick] [--slow] [FILTER]: every check and test, ending in the line `N passed, N failed`.
#   --quick  format, rules and unit tests only
#   --slow   the long versions of the system tests as well
#   FILTER   only tests with FILTER in their name (Suite.Name)
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
quick='' filter='' slow=''
for argument; do
  case $argument in
    --quick) quick=1 ;;
    --slow) slow=1 ;;
    -h | --help) sed -n '2,5s/^# *//p' "$0"; exit 0 ;;
    -*) printf 'enclave test: unknown option %s (see --help)\n' "$argument" >&2; exit 2 ;;
    *) filter=$argument ;;
  esac
done

logs=$root/build/test
mkdir -p "$logs" && [[ -w $logs ]] || { echo "enclave test: cannot write $logs" >&2; exit 1; }
exec 9>"$logs/.lock"
flock -n 9 || { echo 'enclave test: another test run is under way here; waiting for it' >&2; flock 9; }
jobs=$(nproc)
passed=0 failed=0 skipped=0 failures=()

stage() { printf '\n== %s (%s s in)\n' "$*" "$SECONDS"; }
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); failures+=("$1"); printf 'FAILED: %s\n' "$1"; }
# check NAME COMMAND...: one test that passes when the command does; its output is shown when not.
check() {
  local name=$1 log=$logs/$1.log
  shift
  if "$@" >"$log" 2>&1 9>&-; then pass; else tail -n 60 "$log"; fail "$name"; fi
}
# build PRESET TARGET...: a failed build is a failed test.
build() {
  if tools/build.sh "$@" 9>&-; then return 0; fi
  fail "build of preset $1"
  return 1
}

# gtest NAME PROGRAM ARGUMENT...: runs a GoogleTest program; its tests are counted by `tally NAME`.
gtest() {
  local name=$1 program=$2
  shift 2
  [[ -n $filter ]] && set -- "$@" --gtest_filter="*$filter*"
  local began=$SECONDS
  # A program that hangs is a failure that says so (exit code 124).
  timeout -k 30 "${ENCLAVE_TEST_TIMEOUT_S:-$((slow ? 3600 : 1200))}" "$program" --gtest_color=no "$@" >"$logs/$name.log" 2>&1 </dev/null 9>&-
  printf '%s %s\n' "$?" "$((SECONDS - began))" >"$logs/$name.exit"
}
# gtest_filtered NAME SUITES PROGRAM ARGUMENT...: the same for the tests of SUITES only.
gtest_filtered() {
  local name=$1 suites=$2 program=$3
  shift 3
  if [[ -n $filter ]]; then
    # Tests of these suites that match: GoogleTest has no "and" between filters.
    local tests
    tests=$("$program" --gtest_list_tests --gtest_filter="$suites" |
      awk -v want="$filter" '/^[A-Za-z0-9_]+\.$/ { suite = $1; next }
        /^  / { name = suite $1; if (index(name, want)) printf "%s:", name }')
    [[ -n $tests ]] || { : >"$logs/$name.log"; echo '0 0' >"$logs/$name.exit"; return; }
    suites=$tests
  fi
  filter='' gtest "$name" "$program" --gtest_filter="$suites" "$@"
}
# system_suites PROGRAM ARGUMENT...: runs suites of it that file descriptor 7 names, one after the other,
# until there are none; more than one may do so.
system_suites() {
  local suite
  exec 8>"$logs/.suites"
  while flock 8 && read -r -u 7 suite; do
    flock -u 8
    gtest_filtered "system.$suite" "$suite.*" "$@" 7<&- 8>&-
  done
}
tally() {
  local name=$1 log=$logs/$1.log code seconds ok bad skip
  read -r code seconds <"$logs/$name.exit" || code=1 seconds=0
  ok=$(grep -c '^\[       OK \] ' "$log")
  skip=$(grep -c '^\[  SKIPPED \] .*([0-9]* ms)$' "$log")
  bad=$(grep -c '^\[  FAILED  \] .*([0-9]* ms)$' "$log")
  passed=$((passed + ok)) skipped=$((skipped + skip)) failed=$((failed + bad))
  printf '%-34s %5s passed %3s failed %3s skipped %4s s\n' "$name" "$ok" "$bad" "$skip" "$seconds"
  if ((bad > 0)); then
    # Each failed test from its beginning to its end.
    awk '/^\[ RUN      \] / { text = "" } { text = text $0 "\n" }
         /^\[  FAILED  \] .*\([0-9]* ms\)$/ { printf "%s", text }' "$log" | tail -n 200
    while IFS= read -r test; do failures+=("$name: $test"); done < <(
      sed -n 's/^\[  FAILED  \] \(.*\) ([0-9]* ms)$/\1/p' "$log")
  elif ((code != 0)); then
    tail -n 60 "$log"
    fail "$name: ended with exit code $code"
  fi
}
# unit SUFFIX PROGRAM...: unit-test programs of one build, side by side on all cores.
unit() {
  local suffix=$1 program name running=0 names=()
  shift
  for program; do
    name=$(basename "$program")$suffix
    names+=("$name")
    rm -f "$logs/$name.exit"
    gtest "$name" "$program" &
    running=$((running + 1))
    if ((running >= jobs)); then wait -n; running=$((running - 1)); fi
  done
  wait
  for name in "${names[@]}"; do tally "$name"; done
}

finish() {
  stage 'result'
  local failure
  for failure in "${failures[@]}"; do printf 'failed: %s\n' "$failure"; done
  printf 'logs: %s\n\n' "$logs"
  if ((skipped > 0)); then
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  else
    printf '%d passed, %d failed\n' "$passed" "$failed"
  fi
  ((failed == 0 && passed > 0)) && exit 0
  exit 1
}

formatted() {
  find src sim bench tests -name node_modules -prune -o \( -name '*.cc' -o -name '*.h' \) -print0 |
    xargs -0 -P "$jobs" -n 32 clang-format-19 --dry-run -Werror
}
# A fuzzer and its exit code, within the seconds given; findings are kept in the logs.
fuzz() {
  local program=$1 seconds=$2 findings=$logs/fuzz-$(basename "$1")
  mkdir -p "$findings/corpus"
  ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=4096 -print_final_stats=1 -artifact_prefix="$findings/" "$findings/corpus"
}
canary_dies() {
  local findings=$logs/fuzz-$(basename "$1")
  rm -f "$findings"/crash-*
  fuzz "$1" 60
  # libFuzzer's own exit code for a crash, and the input that caused it.
  [[ $? == 77 && -n $(find "$findings" -name 'crash-*' -print -quit) ]] && return 0
  echo 'the canary lived: the fuzzers find nothing, not even a planted bug'
  return 1
}
fuzz_program() {  # src/kube/selector_fuzz.cc -> build/fuzz/src/kube/enclave_kube_selector_fuzz
  local folder
  folder=$(dirname "$1")
  printf 'build/fuzz/%s/enclave_%s_%s' "$folder" "$(sed 's,^src/,,; s,/,_,g' <<<"$folder")" "$(basename "$1" .cc)"
}

# Interrupted: what was started ends as well.
interrupted() {
  trap - INT TERM
  local job
  for job in $(jobs -p); do kill $(cat "/proc/$job/task/$job/children") "$job"; done 2>/dev/null
  wait
  exit 130
}
trap interrupted INT TERM

# Read as a whole before it runs, so that an edit meanwhile changes nothing.
main() {
stage 'packages'
tools/install_packages.sh 9>&- || { fail 'installing packages'; finish; }
# What only later stages need is installed beside the first build.
tools/install_packages.sh test 9>&- &
installing=$!

if [[ -z $filter ]]; then
  stage 'format'
  check format formatted
fi

stage 'build with the address and undefined-behaviour sanitizers, tests and fuzzers'
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1} UBSAN_OPTIONS=print_stacktrace=1
build fuzz enclave_checks enclave_programs
built=$?
wait "$installing" || { fail 'installing packages'; finish; }
if ((built == 0)); then
  stage 'unit tests and house rules'
  mapfile -t programs < <(find build/fuzz -name '*_test' -type f -perm -u+x ! -name enclave_system_test ! -name enclave_sim_test | sort)
  unit .asan "${programs[@]}"
  if [[ -z $filter && -z $quick ]]; then
    stage 'fuzzers'
    # Side by side on all cores; each leaves its exit code.
    names=()
    while read -r source kind; do
      [[ -z $source || $source == \#* ]] && continue
      program=$(fuzz_program "$source")
      name=fuzz-$(basename "$program")
      names+=("$name")
      {
        if [[ $kind == canary ]]; then canary_dies "$program"; else fuzz "$program" "${ENCLAVE_FUZZ_SECONDS:-3}"; fi
        echo "$?" >"$logs/$name.exit"
      } >"$logs/$name.log" 2>&1 9>&- &
      if (($(jobs -rp | wc -l) >= jobs)); then wait -n; fi
    done <tools/fuzzers.txt
    wait
    for name in "${names[@]}"; do
      if [[ $(<"$logs/$name.exit") == 0 ]]; then pass; else tail -n 60 "$logs/$name.log"; fail "$name"; fi
    done
    printf '%s fuzzers\n' "${#names[@]}"
  fi
fi
[[ -n $quick ]] && finish

# Where threads meet: the loops of net, the store's writer, the API server between them, evidence that is frozen by two.
# (RocksDB and gRPC are not built for it.)
threaded=(enclave_net_test enclave_cluster_store_test enclave_cluster_api_test enclave_incident_test)
stage 'build with the thread sanitizer'
if build tsan "${threaded[@]}"; then
  stage 'unit tests of the threaded parts'
  mapfile -t programs < <(for name in "${threaded[@]}"; do find build/tsan -name "$name" -type f; done)
  TSAN_OPTIONS=second_deadlock_stack=1 unit .tsan "${programs[@]}"
fi

stage 'build of the program'
if build release enclave enclave-shim enclave-testweb enclave-boutique enclave_sim_test enclave_system_test ${slow:+enclave_sim_run}; then
  # The system tests wait more than they compute, so the simulation and clang-tidy run beside them.
  stage 'the whole, with kubectl; simulation and clang-tidy beside it'
  rm -f "$logs/enclave_sim_test.exit"
  { renice -n 10 "$BASHPID" >/dev/null; gtest enclave_sim_test build/release/sim/enclave_sim_test; } &
  simulation=$!
  if [[ -z $filter ]]; then
    nice -n 15 tools/tidy.sh >"$logs/tidy.log" 2>&1 9>&- &
    tidy=$!
  fi
  system=build/release/tests/enclave_system_test
  # Suite by suite, three side by side; those that took longest the last time begin, so that none is
  # waited for alone at the end. What has not run yet may take long too, a whole kubectl surely does.
  mapfile -t suites < <("$system" --gtest_list_tests | sed -n 's/^\([A-Za-z0-9_]*\)\.$/\1/p' |
    while read -r suite; do
      seconds=9998
      [[ $suite == Kubectl_* ]] && seconds=9999
      read -r _ seconds 2>/dev/null <"$logs/system.$suite.exit"
      printf '%s %s\n' "$seconds" "$suite"
    done | sort -s -k1,1nr | cut -d' ' -f2)
  rm -f "$logs"/system.*
  exec 7< <(printf '%s\n' "${suites[@]}")
  workers=()
  for _ in 1 2 3; do
    system_suites "$system" ${slow:+--slow} &
    workers+=("$!")
  done
  exec 7<&-
  wait "${workers[@]}"
  cat "$logs"/system.*.log | grep -a '^enclave tests: ' | sort -u
  for suite in "${suites[@]}"; do
    if [[ -s $logs/system.$suite.log || -z $filter ]]; then tally "system.$suite"; fi
  done
  wait "$simulation"
  tally enclave_sim_test
  if [[ $slow ]]; then check simulation-million build/release/sim/enclave_sim_run --steps 1000000; fi
  if [[ -n ${tidy:-} ]]; then
    stage 'clang-tidy, the rest'
    if wait "$tidy"; then pass; else tail -n 80 "$logs/tidy.log"; fail tidy; fi
  fi
fi
finish
}
main
