#!/usr/bin/env bash
# tools/prove_bare.sh [root|user|both] [COMMAND...]: proves that the checkout needs nothing but itself. Makes
# a Debian 12 of nothing but its minimal base (debootstrap), clones the last commit into it, and runs COMMAND
# (default: `./enclave test`) there as root, as an ordinary user with sudo, or as both, each in a system of
# its own; prints how long each took. Slow; not part of CI. Needs root and debootstrap, and uses this machine's own package
# sources. KEEP=1 leaves the system behind, REUSE=DIR uses one that was left.
set -euo pipefail
cd "$(dirname "$0")/.."
who=${1:-both}
shift || true
command=("${@:-./enclave test}")
((EUID == 0)) || { echo "prove_bare: needs root for debootstrap and mounts" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "prove_bare: needs debootstrap (apt-get install debootstrap)" >&2; exit 1; }

mirror=$(awk '/^URIs:/ { print $2; exit } /^deb / { print $2; exit }' \
  /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true)

make_system() {
  local system=$1
  debootstrap --variant=minbase bookworm "$system" ${mirror:+"$mirror"} >"$system.log" 2>&1 ||
    { tail -n 20 "$system.log" >&2; echo "prove_bare: debootstrap failed" >&2; exit 1; }
  # How this machine reaches the archive and the npm registry: sources, proxies, certificates.
  rm -f "$system/etc/apt/sources.list"
  cp /etc/apt/sources.list.d/debian.sources "$system/etc/apt/sources.list.d/" 2>/dev/null ||
    cp /etc/apt/sources.list "$system/etc/apt/"
  grep -lsr '^ *Acquire' /etc/apt/apt.conf.d | xargs -r cp -t "$system/etc/apt/apt.conf.d"
  cp -rT /etc/apt/auth.conf.d "$system/etc/apt/auth.conf.d" 2>/dev/null || true
  cp /etc/resolv.conf /etc/hosts "$system/etc/"
  if [[ -d /etc/ssl/certs ]]; then cp -rL /etc/ssl/certs "$system/etc/ssl/" 2>/dev/null || true; fi
  if [[ -d /usr/local/share/ca-certificates ]]; then
    mkdir -p "$system/usr/local/share/ca-certificates"
    cp -r /usr/local/share/ca-certificates/. "$system/usr/local/share/ca-certificates/"
  fi
  if [[ -f ${NODE_EXTRA_CA_CERTS:-} ]]; then
    cp "$NODE_EXTRA_CA_CERTS" "$system/etc/host-ca.pem"
    echo 'export NODE_EXTRA_CA_CERTS=/etc/host-ca.pem' >"$system/etc/profile.d/host-ca.sh"
  fi
  local npmrc
  for npmrc in /etc/npmrc "$HOME/.npmrc" "$(npm config get globalconfig 2>/dev/null || true)"; do
    [[ -f $npmrc ]] && cat "$npmrc" >>"$system/etc/npmrc.host" || true
  done
}

prove() {
  local user=$1 system home=/root began ended outcome=0
  system=${REUSE:-}
  if [[ -z $system ]]; then
    system=$(mktemp -d "${TMPDIR:-/tmp}/bare-debian.XXXXXX")
    chmod 755 "$system"
    make_system "$system"
  fi
  if [[ $user != root ]]; then
    home=/home/$user
    # An ordinary user has sudo: that is the machine's part, not the checkout's.
    chroot "$system" sh -c "id $user || { useradd -m -s /bin/bash $user; apt-get -q update; apt-get -qy install --no-install-recommends sudo; echo '$user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/$user; }" \
      >>"$system.log" 2>&1
  fi
  rm -rf "$system$home/checkout"
  git clone -q --no-hardlinks . "$system$home/checkout"
  if [[ -f $system/etc/npmrc.host ]]; then
    cp "$system/etc/npmrc.host" "$system$home/.npmrc"
  fi
  chroot "$system" chown -R "$user" "$home"
  began=$(date +%s)
  # Namespaces of its own: what is mounted or started inside is gone with the shell that runs it.
  unshare --mount --pid --fork --kill-child bash -euc '
    system=$1; user=$2; home=$3; shift 3
    # A root of its own, as a machine has: in a chroot no program may make mounts private.
    mount --bind "$system" "$system"
    mount -t proc proc "$system/proc"
    mount --rbind /sys "$system/sys"
    mount --rbind /dev "$system/dev"
    mount -t tmpfs tmp "$system/tmp"
    chmod 1777 "$system/tmp"
    cd "$system"
    pivot_root . .
    umount -l .
    exec su - "$user" -c "cd $home/checkout && ${CI:+CI=$CI} $*"
  ' bash "$system" "$user" "$home" "${command[@]}" || outcome=$?
  ended=$(date +%s)
  printf 'prove_bare: as %s: exit code %s after %d min %d s: %s\n' "$user" "$outcome" \
    $(((ended - began) / 60)) $(((ended - began) % 60)) "${command[*]}"
  if [[ -z ${REUSE:-} && -z ${KEEP:-} ]]; then
    rm -rf --one-file-system "$system" "$system.log"
  else
    printf 'prove_bare: the system is left in %s\n' "$system"
  fi
  return "$outcome"
}

case $who in
  root) prove root ;;
  user) prove sre ;;
  both)
    prove root
    prove sre
    ;;
  *) echo "usage: tools/prove_bare.sh [root|user|both] [COMMAND...]" >&2; exit 2 ;;
esac
