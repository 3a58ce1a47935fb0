#!/bin/bash
# finops.load_bill against plain COPY of the same bill: load.sh [FILE [RUNS]].
# COPY reads the unpacked file into an unlogged table of text columns, which is
# the least that any loader in the server can cost; load_bill reads the file as
# delivered into facts, roll-up and log.  Then the month is replaced by the
# same bill with one line more.  Prints seconds of each run, medians and ratios.
set -eu
cd "$(dirname "$0")/../.."
. scripts/server.sh
bill=${1:-${FINOPS_SHARED:-../shared}/data/cur/Oct2018-WorkshopCUR.csv.gz} runs=${2:-5}
[ -r "$bill" ] || { echo "skipped: no bill at $bill"; exit 0; }
bill=$(realpath "$bill")
finops_tree
work=$FINOPS_BUILD/bench_load
trap 'stop_server "$work"' EXIT
start_server "$work" "shared_preload_libraries = 'finops'" "shared_buffers = 1GB" \
  "max_wal_size = 8GB" "autovacuum = off" "jit = off"
case $bill in *.gz) gzip -dc "$bill" ;; *) cat "$bill" ;; esac >"$work/plain.csv"
{ cat "$work/plain.csv"; tail -n 1 "$work/plain.csv"; } >"$work/restated.csv"
cp "$bill" "$work/delivered"
[ "$(id -u)" != 0 ] || chown "$SERVER_USER" "$work"/*.csv "$work/delivered"

# seconds COMMAND: of its last statement, measured by psql
seconds() {
  psql -X -q -d bench -v ON_ERROR_STOP=1 -c '\timing on' "$@" |
    sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1 | awk '{ printf "%.3f\n", $1 / 1000 }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

columns=$(head -n 1 "$work/plain.csv" | tr -d '\r' | tr ',' '\n' | wc -l)
lines=0 copy=() load=() replace=()
for _ in $(seq "$runs"); do
  dropdb --if-exists bench 2>/dev/null
  createdb bench
  psql -X -q -d bench -c 'CREATE EXTENSION finops' \
    -c "DO \$\$ BEGIN EXECUTE (SELECT format('CREATE UNLOGGED TABLE plain (%s)', string_agg('c' || n || ' text', ', ')) FROM generate_series(1, $columns) n); END \$\$"
  psql -X -q -d bench -c CHECKPOINT
  copy+=("$(seconds -c "COPY plain FROM '$work/plain.csv' (FORMAT csv, HEADER)")")
  psql -X -q -d bench -c CHECKPOINT
  load+=("$(seconds -c "SELECT * FROM finops.load_bill('$work/delivered')")")
  psql -X -q -d bench -c CHECKPOINT
  replace+=("$(seconds -c "SELECT * FROM finops.load_bill('$work/restated.csv')")")
  lines=$(psql -X -At -d bench -c 'SELECT count(*) FROM plain')
done
c=$(printf '%s\n' "${copy[@]}" | median) l=$(printf '%s\n' "${load[@]}" | median) r=$(printf '%s\n' "${replace[@]}" | median)
echo "$("$PG_CONFIG" --version), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg); $lines lines, $columns columns"
echo "COPY    ${copy[*]}  median $c"
echo "load    ${load[*]}  median $l"
echo "replace ${replace[*]}  median $r"
awk -v c="$c" -v l="$l" -v r="$r" -v n="$lines" \
  'BEGIN { printf "load_bill %.0f lines/s, %.2f x the speed of COPY; replacing costs %.2f x a first load\n", n / l, c / l, r / l }'
