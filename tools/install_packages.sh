#!/usr/bin/env bash
# tools/install_packages.sh [test]: installs what tools/packages.txt lists and this machine lacks, with `test` its
# section [test]; silent when nothing is missing. Never removes a package. Exits 1, saying what is in the way, when
# it cannot do its work.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'enclave: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

wanted=${1:-} section='' missing=()
while read -r package unless command; do
  [[ -z $package || $package == \#* ]] && continue
  [[ $package == \[* ]] && { section=${package//[\[\]]/}; continue; }
  [[ $section == "$wanted" ]] || continue
  [[ $unless == unless ]] && command -v "$command" >/dev/null && continue
  status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $status == ii* ]] || missing+=("$package")
done <tools/packages.txt
((${#missing[@]})) || exit 0

system=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}-${VERSION_ID:-}" || true)
[[ $system == debian-12 ]] || fail "these packages are missing: ${missing[*]}
  Only on Debian 12 can they be installed from here, and this system is '${system:-unknown}'."

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null ||
    fail "these packages are missing, and there is no sudo to install them with; as root, run
  apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
  [[ -t 0 ]] || as_root=(sudo -n)
  "${as_root[@]}" true ||
    fail "sudo refuses; as root, run
  apt-get install --no-install-recommends ${missing[*]}"
fi

export LC_ALL=C
options=(-y --no-install-recommends -o DPkg::Lock::Timeout=300)
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

refresh_lists() {
  say "refreshing the package lists"
  apt -q update >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed; the lines above say why"; }
}
# What apt would do, removals included, so that they can be named instead of happening.
plan() { apt-get -s "${options[@]}" install "${missing[@]}" >"$log" 2>&1; }

if ! plan; then
  refresh_lists
  plan || {
    cat "$log" >&2
    fail "apt cannot install ${missing[*]}; the lines above say what is in the way"
  }
fi
removals=$(awk '$1 == "Remv" { print $2 }' "$log" | tr '\n' ' ')
[[ -z $removals ]] ||
  fail "the packages ${missing[*]} exclude these installed ones, which are left as they are: ${removals% }
  Remove them yourself if nothing needs them (apt-get remove ${removals% }), then run ./enclave again."

fetch=$(apt-get --print-uris "${options[@]}" install "${missing[@]}" 2>/dev/null |
  awk -v quote="'" 'index($0, quote) == 1 { bytes += $3 } END { if (bytes) printf ", %d MB to fetch", bytes / 1e6 }' || true)
say "installing ${#missing[@]} Debian packages (about a minute$fetch):"
printf '%s ' "${missing[@]}" | fold -s -w 96 | sed 's/^/  /' >&2
printf '\n' >&2

install() { apt -q "${options[@]}" --no-remove install "${missing[@]}" >"$log" 2>&1; }
if ! install; then
  # Lists older than the archive name versions that are gone.
  refresh_lists
  install || {
    tail -n 30 "$log" >&2
    fail "apt-get install failed; the lines above say why"
  }
fi
