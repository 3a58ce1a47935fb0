#!/bin/bash
# What a stranger sees: a bare Debian with make, gcc and git, a clone of the
# last commit, and the two commands.  First as an ordinary user with sudo,
# then as root in a checkout that no other user may enter.
#
#   clean-room.sh [user|root|both] [TARGETS...]   default: both, demo demo-stop test
#
# The bare system is kept as a tar below FINOPS_CHROOTS (default
# /var/tmp/finops-chroot) and unpacked anew for each room.  Needs root.
set -eu
cd "$(dirname "$0")/.."
who=${1:-both}
[ $# = 0 ] || shift
targets=("$@")
[ $# -gt 0 ] || targets=(demo demo-stop test)
base=${FINOPS_CHROOTS:-/var/tmp/finops-chroot}
suite=${FINOPS_CLEAN_SUITE:-bookworm}
room=$base/clean-$suite
bare=$base/$suite-bare.tar

skip() { echo "skipped: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "a chroot needs root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
if [ -z "${FINOPS_UNSHARED:-}" ]; then
  unshare --mount --pid --fork true 2>/dev/null || skip "this machine allows no mount namespaces"
  FINOPS_UNSHARED=1 exec unshare --mount --pid --fork --kill-child "$0" "$who" "${targets[@]}"
fi

mkdir -p "$base"
if [ ! -e "$bare" ]; then
  rm -rf --one-file-system "$room"
  debootstrap --variant=minbase --include=ca-certificates,make,gcc,libc6-dev,git,sudo "$suite" "$room" >/dev/null || skip "debootstrap $suite failed"
  # else the package scripts would start a cluster on the host's port
  printf '#!/bin/sh\nexit 101\n' >"$room/usr/sbin/policy-rc.d"
  chmod 755 "$room/usr/sbin/policy-rc.d"
  tar cf "$bare.new" -C "$room" .
  mv "$bare.new" "$bare"
fi

run() {
  chroot "$room" env -i LANG=C.UTF-8 TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

failed=0
visit() {
  local user=$1 home=$2 target start
  umount -R "$room/proc" "$room/dev/shm" 2>/dev/null || true
  rm -rf --one-file-system "$room"
  mkdir -p "$room"
  tar xf "$bare" -C "$room"
  mount -t proc proc "$room/proc"
  mkdir -p "$room/dev/shm"
  mount -t tmpfs tmpfs "$room/dev/shm"
  if [ "$user" != root ]; then
    run useradd -m -s /bin/bash "$user"
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$room/etc/sudoers.d/$user"
  fi
  git clone -q . "$room$home/finops"
  run chown -R "$user": "$home/finops"
  for target in "${targets[@]}"; do
    start=$SECONDS
    echo "=== $user: make $target"
    if run runuser -u "$user" -- env HOME="$home" make -C "$home/finops" "$target"; then
      echo "=== $user: make $target took $((SECONDS - start)) s"
    else
      echo "=== $user: make $target FAILED after $((SECONDS - start)) s"
      failed=1
    fi
  done
}

case $who in
user) visit dev /home/dev ;;
root) visit root /root ;;
both)
  visit dev /home/dev
  visit root /root
  ;;
*) echo "usage: $0 [user|root|both] [targets]" >&2; exit 2 ;;
esac
exit "$failed"
