#!/bin/bash
# What the hooks cost on pgbench select-only: CPU time of the server for a
# transaction, on a server that does not preload finops, one that does, and
# one with every finops.track_... setting on.  The three run in turn, PAIRS
# times; a ratio is of neighbours, and the median is told.
#
# CPU time is that of ended backends, which the kernel adds to the postmaster
# in steps of 10 ms: 0.3 % of a run of 6 s.
set -eu
cd "$(dirname "$0")/../.."
. scripts/server.sh
pairs=${PAIRS:-7} seconds=${RUN_SECONDS:-6}
dir=$FINOPS_BUILD/bench_hooks
finops_tree >/dev/null

finish() {
  local kind
  for kind in plain loaded tracking; do stop_server "$dir/$kind"; done
}
trap finish EXIT

mkdir -p "$dir"
start_server "$dir/plain"
pgbench -i -q -s 10 postgres 2>/dev/null
start_server "$dir/loaded" "shared_preload_libraries = 'finops'"
pgbench -i -q -s 10 postgres 2>/dev/null
start_server "$dir/tracking" "shared_preload_libraries = 'finops'" "finops.track_statements = on" \
  "finops.track_access = on" "finops.track_logins = on"
pgbench -i -q -s 10 postgres 2>/dev/null
psql -X -q -d postgres -c 'CREATE EXTENSION finops SCHEMA public'

# microseconds of server CPU for a transaction
cpu_of() {
  local pid before after transactions
  use_server "$dir/$1"
  pid=$(head -n 1 "$dir/$1/data/postmaster.pid")
  before=$(awk '{print $16 + $17}' "/proc/$pid/stat")
  transactions=$(pgbench -S -n -T "$seconds" postgres 2>/dev/null | awk '/transactions actually/ {print $NF}')
  # the postmaster has to see the end of its backend
  sleep 0.5
  after=$(awk '{print $16 + $17}' "/proc/$pid/stat")
  awk -v t="$((after - before))" -v n="$transactions" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.3f\n", t / hz * 1e6 / n}'
}

median() { sort -n | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }

: >"$dir/loaded.ratios"
: >"$dir/tracking.ratios"
for i in $(seq "$pairs"); do
  plain=$(cpu_of plain)
  loaded=$(cpu_of loaded)
  tracking=$(cpu_of tracking)
  again=$(cpu_of plain)
  echo "run $i: plain $plain and $again, preloaded $loaded, tracking $tracking us"
  awk -v a="$plain" -v b="$again" -v x="$loaded" 'BEGIN {print x / ((a + b) / 2)}' >>"$dir/loaded.ratios"
  awk -v a="$plain" -v b="$again" -v x="$tracking" 'BEGIN {print x / ((a + b) / 2)}' >>"$dir/tracking.ratios"
done
echo "preloaded / plain $(median <"$dir/loaded.ratios"), tracking / plain $(median <"$dir/tracking.ratios")"
