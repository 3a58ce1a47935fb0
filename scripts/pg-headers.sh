#!/bin/bash
# Compiles every C file against the headers of another PostgreSQL version,
# with warnings as errors: pg-headers.sh SUITE MAJOR    trixie 17 | sid 18
#
# The headers come from that Debian suite, unpacked below build/; nothing is
# installed, and neither root nor a chroot is needed.
set -eu
cd "$(dirname "$0")/.."
suite=${1:?suite} major=${2:?major}
dir=$PWD/build/headers/$suite

skip() { echo "skipped: $1"; exit 0; }
command -v apt-get >/dev/null || skip "headers of PostgreSQL $major need apt"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keys" ] || skip "headers of PostgreSQL $major need the keys of Debian's archive"

headers=$dir/root/usr/include/postgresql/$major/server
if [ ! -e "$headers/postgres.h" ]; then
  # the mirror that this machine uses
  # shellcheck disable=SC2016 # apt expands it
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/\?$' | head -n 1)
  [ -n "$mirror" ] || skip "this machine uses no Debian mirror"
  rm -rf "$dir"
  mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial" "$dir/root"
  echo "deb [signed-by=$keys] $mirror $suite main" >"$dir/sources.list"
  apt=(apt-get -qq -o "Dir::State=$dir/state" -o "Dir::Cache=$dir/cache" -o "Dir::Etc::sourcelist=$dir/sources.list"
    -o Dir::Etc::sourceparts=- -o Acquire::Check-Valid-Until=false -o "APT::Sandbox::User=$(id -un)")
  "${apt[@]}" update || skip "the packages of $suite cannot be reached"
  (cd "$dir" && "${apt[@]}" download "postgresql-server-dev-$major") || skip "$suite has no PostgreSQL $major"
  dpkg -x "$dir"/postgresql-server-dev-*.deb "$dir/root"
fi

# what the C library of that suite declares and an older one here may lack
printf '%s\n' '#include <stddef.h>' 'extern size_t strlcpy(char *, const char *, size_t);' \
  'extern size_t strlcat(char *, const char *, size_t);' >"$dir/libc.h"

version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" finops.control)
code=0
for file in src/*/*.c; do
  gcc -O2 -Wall -Wextra -Wmissing-prototypes -Wdeclaration-after-statement -Werror=vla -Werror -ffp-contract=off -fPIC \
    -D_GNU_SOURCE -include "$dir/libc.h" -Isrc -I/usr/include/libxml2 -isystem "$headers" "-DFINOPS_VERSION=\"$version\"" -c -o /dev/null "$file" || code=1
done
[ "$code" != 0 ] || echo "compiles with the headers of PostgreSQL $major ($suite)"
exit "$code"
