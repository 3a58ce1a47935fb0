#!/bin/bash
# What the hooks cost on the statement of pgbench select-only, in instructions
# of the server's process, which a busy machine does not change: a server
# without finops, one that preloads it, one with every finops.track_... on.
# Counted by valgrind in single-user mode, as the difference of two runs; the
# network and the kernel, which are the same for all, are left out, so that the
# ratios are above those of time.
set -eu
cd "$(dirname "$0")/../.."
. scripts/server.sh
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 0; }
dir=$FINOPS_BUILD/bench_instructions
finops_tree >/dev/null
stop_server "$dir"
start_server "$dir" "shared_preload_libraries = 'finops'"
trap 'rm -rf "$dir"' EXIT
pgbench -i -q -s 1 postgres 2>/dev/null
psql -X -q -d postgres -c 'CREATE EXTENSION finops SCHEMA public'
as_server_user "$PGBIN/pg_ctl" -D "$dir/data" -w -m fast stop >/dev/null

statements() {
  awk -v n="$1" 'BEGIN {
    for (i = 1; i <= n; i++) print "SELECT abalance FROM pgbench_accounts WHERE aid = " i * 7919 % 100000 + 1 ";\n"}'
}

# instructions of a run of that many statements
count() {
  local n=$1
  shift
  statements "$n" |
    as_server_user valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
      "$PGBIN/postgres" --single -j -D "$dir/data" "$@" postgres 2>&1 >/dev/null |
    sed -n 's/.*I *refs: *\([0-9,]*\).*/\1/p' | tr -d ,
}

each() {
  local few many
  few=$(count 500 "$@")
  many=$(count 2500 "$@")
  echo $(((many - few) / 2000))
}

plain=$(each -c shared_preload_libraries=)
loaded=$(each -c shared_preload_libraries=finops)
tracking=$(each -c shared_preload_libraries=finops -c finops.track_statements=on -c finops.track_access=on -c finops.track_logins=on)
awk -v p="$plain" -v l="$loaded" -v t="$tracking" 'BEGIN {
  printf "instructions of a statement: plain %d, preloaded %d (%.2f %%), tracking %d (%.2f %%)\n", p, l, (l / p - 1) * 100, t, (t / p - 1) * 100}'
