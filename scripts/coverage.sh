#!/bin/bash
# The coverage gate: runs the tests (or the suites that are named) on a build
# that counts its lines, and wants 90 % of those of pure C files and 80 % of
# all.  What each file has is in build/coverage/files, what was never run in
# build/coverage/missing.  The build is one of its own, below build/coverage.
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh
room=$FINOPS_BUILD/coverage
tree=$room/tree

rm -rf --one-file-system "$room"
mkdir -p "$tree"
tar cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' --exclude='*.bc' . | tar xf - -C "$tree" --no-same-owner
# the server writes its counts next to the objects
[ "$(id -un)" = "$SERVER_USER" ] || chown -R "$SERVER_USER": "$tree"
chmod -R u+rwX,go+rX "$tree"
if [ -z "${FINOPS_SHARED:-}" ] && [ -d ../shared/data ]; then
  FINOPS_SHARED=$(cd ../shared && pwd)
  export FINOPS_SHARED
fi

# a compiler cache would answer with objects that count elsewhere
code=0
env -u FINOPS_BUILD CCACHE_DISABLE=1 MAKEFLAGS="-j$(nproc)" COPT='--coverage -Og' FINOPS_UNIT_FLAGS='--coverage -fprofile-update=atomic' \
  "$tree/scripts/test.sh" "$@" >"$room/tests" 2>&1 || code=$?
grep -E '^not ok|^[0-9]+ passed' "$room/tests" || tail -n 20 "$room/tests"
[ "$code" = 0 ] || echo "note: tests failed on the build that counts; $room/tests says which"

/usr/bin/python3 scripts/coverage.py "$tree" "$room"
