#!/bin/bash
# Runs the test suite on another PostgreSQL version in a Debian chroot:
#
#   pg-chroot.sh SUITE MAJOR [test|build] [suites]    trixie 17 | sid 18
#
# The chroot is made once, in FINOPS_CHROOTS (default /var/tmp/finops-chroot);
# "build" only compiles there with warnings as errors.  "test" takes along the
# server of this machine where that is an older one, to be upgraded by
# test/tap/043_pg_upgrade.  Needs root.
set -eu
cd "$(dirname "$0")/.."
suite=${1:?suite} major=${2:?major} action=${3:-test}
if [ $# -gt 3 ]; then shift 3; else set --; fi
room=${FINOPS_CHROOTS:-/var/tmp/finops-chroot}/$suite

skip() { echo "skipped: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "a chroot needs root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"

# Mounts live in a namespace of this run and go away with it, as does every
# process that is left over.
if [ -z "${FINOPS_UNSHARED:-}" ]; then
  unshare --mount --pid --fork true 2>/dev/null || skip "this machine allows no mount namespaces"
  FINOPS_UNSHARED=1 exec unshare --mount --pid --fork --kill-child "$0" "$suite" "$major" "$action" "$@"
fi

run() {
  chroot "$room" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

if [ ! -e "$room/.ready" ]; then
  mkdir -p "$(dirname "$room")"
  rm -rf --one-file-system "$room"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$room" >/dev/null || skip "debootstrap $suite failed"
  # no services and no default cluster in here
  printf '#!/bin/sh\nexit 101\n' >"$room/usr/sbin/policy-rc.d"
  chmod 755 "$room/usr/sbin/policy-rc.d"
  mkdir -p "$room/etc/postgresql-common"
  echo 'create_main_cluster = false' >"$room/etc/postgresql-common/createcluster.conf"
  # the index of sid may be past its date on a mirror
  echo 'Acquire::Check-Valid-Until "false";' >"$room/etc/apt/apt.conf.d/99valid-until"
  printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' >"$room/etc/dpkg/dpkg.cfg.d/99slim"
  touch "$room/.ready"
fi

mount -t proc proc "$room/proc"
mkdir -p "$room/dev/shm"
mount -t tmpfs tmpfs "$room/dev/shm"

# with security updates, as the server here has them: pg_upgrade from a server
# that was updated goes to one that was
if [ "$suite" != sid ] && [ ! -e "$room/etc/apt/sources.list.d/security.list" ]; then
  echo "deb http://deb.debian.org/debian-security $suite-security main" >"$room/etc/apt/sources.list.d/security.list"
  run bash -c 'apt-get -qq update && apt-get -qq -y --no-install-recommends upgrade' >/dev/null
fi

rm -rf "$room/srv/finops"
mkdir -p "$room/srv/finops" "$room/srv/shared/data"
tar cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' --exclude='*.bc' . | tar xf - -C "$room/srv/finops" --no-same-owner
if [ -d "${FINOPS_SHARED:-../shared}/data" ]; then
  mount --bind -o ro "${FINOPS_SHARED:-../shared}/data" "$room/srv/shared/data"
fi
chmod -R go+rX "$room/srv/finops"

# The older server in a copy of its own, and the libraries that it needs and
# the chroot has not.
old_install=
take_old_server() {
  local tree=$1 bindir=$2 file library
  mkdir -p "$room/srv/old"
  cp -a "$tree/." "$room/srv/old/"
  for file in "$room/srv/old$bindir"/postgres "$room/srv/old$bindir"/pg_dump "$room/srv/old$(dirname "$bindir")"/lib/finops.so; do
    ldd "$file" 2>/dev/null | awk '$3 ~ "^/" { print $3 }' | while read -r library; do
      run ldconfig -p | grep -q "$(basename "$library")" ||
        cp -Ln "$library" "$room/srv/old$(dirname "$bindir")/lib/"
    done
  done
  old_install=/srv/old$(dirname "$bindir")
}

# a suite that moves may be unable to install for a day; that is no fault of ours
if ! run bash -c 'cd /srv/finops && scripts/deps.sh test && apt-get -qq clean'; then
  [ "$action" = test ] || skip "the packages of PostgreSQL $major cannot be installed from $suite"
  exit 1
fi
config=/usr/lib/postgresql/$major/bin/pg_config
[ -x "$room$config" ] || { echo "$suite has no PostgreSQL $major" >&2; exit 1; }
case $action in
build) run make -C /srv/finops -s PG_CONFIG="$config" with_llvm=no WERROR=1 && echo "builds on PostgreSQL $major ($suite)" ;;
test)
  rm -rf "$room/srv/old"
  here=$(pg_config --version 2>/dev/null | sed 's/^PostgreSQL \([0-9]*\).*/\1/') || here=
  if [ -n "$here" ] && [ "$here" -lt "$major" ]; then
    old=$(. scripts/server.sh && finops_tree >&2 && echo "$FINOPS_TREE")
    take_old_server "$old" "$(pg_config --bindir)"
  fi
  run env PG_CONFIG="$config" FINOPS_OLD_INSTALL="$old_install" FINOPS_TAP="${FINOPS_TAP:-}" /srv/finops/scripts/test.sh "$@"
  ;;
*) echo "usage: $0 SUITE MAJOR [test|build] [suites]" >&2; exit 2 ;;
esac
