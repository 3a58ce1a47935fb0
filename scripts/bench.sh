#!/bin/bash
# Times test/bench/*.sql on a private server: bench.sh [NAME...].  Figures are
# for the side-by-side comparisons inside one file; no test depends on them.
# FINOPS_LINES is the size of a generated bill (default 100000).
set -eu
cd "$(dirname "$0")/.."
. scripts/server.sh
names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(find test/bench -name '*.sql' -exec basename {} .sql \; | LC_ALL=C sort)
finops_tree
finops_sources
trap 'stop_server "$FINOPS_BUILD/bench"' EXIT
start_server "$FINOPS_BUILD/bench" "shared_preload_libraries = 'finops'" "shared_buffers = 1GB" \
  "max_wal_size = 8GB" "wal_level = minimal" "max_wal_senders = 0" "synchronous_commit = off" \
  "work_mem = 256MB" "jit = off"
echo "$("$PG_CONFIG" --version), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
for name in "${names[@]}"; do
  echo "== $name"
  createdb "bench_$name"
  psql -X -q -d "bench_$name" -v ON_ERROR_STOP=1 -v lines="${FINOPS_LINES:-100000}" \
    -c 'CREATE EXTENSION finops' -f "$FINOPS_SRC/test/bench/$name.sql"
done
