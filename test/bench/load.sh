#!/bin/bash
# finops.load_bill against what else loads the same bill: load.sh [FILE [RUNS]]
# compares, in each run, on the same server:
#   COPY      the unpacked file into an unlogged table of text columns, which
#             is the least that a loader in SQL can cost
#   pipeline  that COPY and INSERT ... SELECT of the same facts, in the columns
#             that load_bill fills for a cost and usage report, and their roll-up
#   load      finops.load_bill of the file as delivered into facts, roll-up, log
#   replace   finops.load_bill of the same month, restated by one more line
# load.sh rate [LINES [RUNS]]: lines a second of generated bills of a hundred
# thousand and of LINES (10000000) lines.
# load.sh memory [GB]: private memory of the backend while a bill of that size
# is read from a gzip file.
# Prints seconds of each run, medians and ratios; the server is a private one.
set -eu
cd "$(dirname "$0")/../.."
. scripts/server.sh
mode=load
case ${1:-} in rate | memory) mode=$1; shift ;; esac
finops_tree
work=$FINOPS_BUILD/bench_load
trap 'stop_server "$work"' EXIT
start_server "$work" "shared_preload_libraries = 'finops'" "shared_buffers = 1GB" \
  "max_wal_size = 8GB" "autovacuum = off" "jit = off"

sql() { psql -X -q -At -d bench -v ON_ERROR_STOP=1 "$@"; }
fresh() {
  dropdb --if-exists bench 2>/dev/null
  createdb bench
  sql -c 'CREATE EXTENSION finops'
}
# seconds COMMAND...: of all its statements, measured by psql
seconds() {
  sql -c CHECKPOINT
  psql -X -q -d bench -v ON_ERROR_STOP=1 -c '\timing on' "$@" |
    sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk '{ s += $1 } END { printf "%.3f\n", s / 1000 }'
}
median() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
machine() { echo "$("$PG_CONFIG" --version), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"; }

bench_rate() {
  local lines=$1 runs=$2 small=() large=() s l
  machine
  for _ in $(seq "$runs"); do
    fresh
    small+=("$(seconds -c "SELECT * FROM finops.generate_bill('2024-01-01', 100000)")")
    large+=("$(seconds -c "SELECT * FROM finops.generate_bill('2024-02-01', $lines)")")
  done
  s=$(median "${small[@]}") l=$(median "${large[@]}")
  echo "100000 lines   ${small[*]}  median $s"
  echo "$lines lines ${large[*]}  median $l"
  awk -v s="$s" -v l="$l" -v n="$lines" \
    'BEGIN { printf "%.0f and %.0f lines/s; the large bill loads at %.2f x the rate\n", 100000 / s, n / l, (n / l) / (100000 / s) }'
}

# Anonymous memory of a backend in KB: what it holds itself, without the
# buffers that all share.
anonymous() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null || echo 0; }

bench_memory() {
  local gigabytes=$1 lines pid before peak=0 now psql_pid
  lines=$((gigabytes * 2400000))
  fresh
  sql -c "COPY (SELECT finops.generated_bill_lines('2024-01-01', $lines)) TO PROGRAM 'tr -d ''\\\\'' | gzip -1 >$work/large.csv.gz'" ||
    return 1
  sql -c "SELECT pg_backend_pid()" -c "SELECT pg_sleep(2)" \
    -c "SELECT rows_loaded FROM finops.load_bill('$work/large.csv.gz')" >"$work/memory.out" &
  psql_pid=$!
  sleep 1
  pid=$(head -n 1 "$work/memory.out")
  before=$(anonymous "$pid")
  while kill -0 "$psql_pid" 2>/dev/null; do
    now=$(anonymous "$pid")
    [ "${now:-0}" -le "$peak" ] || peak=$now
    sleep 0.2
  done
  wait "$psql_pid"
  echo "$(machine); $(sed -n '3p' "$work/memory.out") lines, $(gzip -dc "$work/large.csv.gz" | wc -c) bytes unpacked"
  echo "private memory of the backend: $before KB before, at most $peak KB, $(((peak - before) / 1024)) MB more"
}

# typed facts and roll-up in SQL, for a cost and usage report in table plain
pipeline_sql() {
  cat <<'SQL'
INSERT INTO typed SELECT nextval('typed_id'), line_item_id, period::date, period_end::timestamp::date, span, bill_id, bill_type,
 entity, payer, account, line_start::timestamp, line_end::timestamp, line_type, code, service_code, region, instance_type, zone,
 usage_type, operation, resource, description, legal_entity, unit, currency, reservation, nullif(amount, '')::numeric,
 nullif(rate, '')::numeric, nullif(blended, '')::numeric, nullif(list_cost, '')::numeric, nullif(unblended, '')::numeric,
 CASE line_type WHEN 'DiscountedUsage' THEN coalesce(nullif(ri_effective, '')::numeric, 0) ELSE nullif(unblended, '')::numeric END,
 tags, 'AWS', coalesce(nullif(code, ''), service_code),
 CASE line_type WHEN 'RIFee' THEN 'Purchase' WHEN 'Fee' THEN 'Purchase' WHEN 'Tax' THEN 'Tax' WHEN 'Credit' THEN 'Credit' ELSE 'Usage' END,
 CASE line_type WHEN 'RIFee' THEN 'Recurring' WHEN 'Fee' THEN 'One-Time' ELSE 'Usage-Based' END,
 nullif(reservation, ''), CASE WHEN reservation <> '' THEN CASE line_type WHEN 'DiscountedUsage' THEN 'Used' END END,
 CASE WHEN reservation <> '' THEN 'Usage' END, nullif(unblended, '')::numeric, nullif(list_rate, '')::numeric, nullif(sku, ''),
 nullif(btrim(tags ->> 'resource_tags_user_environment'), ''), nullif(btrim(tags ->> 'resource_tags_user_cost_center'), ''),
 'AWS/' || payer, 1, now() FROM source;
INSERT INTO typed_daily SELECT period, line_start::date, account, code, region, line_type, sum(unblended), sum(effective), count(*)
 FROM typed GROUP BY 1, 2, 3, 4, 5, 6;
SQL
}

make_pipeline() {
  local header=$1 tags
  tags=$(tr ',' '\n' <<<"$header" | awk '/^resource_tags_/ { printf "%s%c%s%c, nullif(%s, %c%c)", n++ ? ", " : "", 39, $0, 39, $0, 39, 39 }')
  sql -c "CREATE SEQUENCE typed_id CACHE 64" \
    -c "CREATE TABLE typed (id bigint PRIMARY KEY, line_item_id text, period date, period_end date, span text, bill_id text,
   bill_type text, entity text, payer text, account text, line_start timestamp, line_end timestamp, line_type text, code text,
   service_code text, region text, instance_type text, zone text, usage_type text, operation text, resource text,
   description text, legal_entity text, unit text, currency text, reservation text, amount numeric, rate numeric,
   blended numeric, list_cost numeric, unblended numeric, effective numeric, tags jsonb, provider text, service text, category text, frequency text, commitment text, commitment_status text,
   commitment_category text, billed numeric, list_unit_price numeric, sku text, environment text, cost_center text, origin text,
   delivery_id bigint, ingested_at timestamptz)" \
    -c "CREATE INDEX ON typed USING brin (delivery_id)" \
    -c "CREATE TABLE typed_daily (period date, day date, account text, code text, region text, line_type text, unblended numeric, effective numeric, n bigint)" \
    -c "CREATE VIEW source AS SELECT identity_line_item_id AS line_item_id, bill_billing_period_start_date AS period,
   bill_billing_period_end_date AS period_end, identity_time_interval AS span, bill_bill_type AS bill_type,
   bill_billing_entity AS entity, product_servicecode AS service_code, product_instance_type AS instance_type,
   line_item_availability_zone AS zone, line_item_legal_entity AS legal_entity, pricing_unit AS unit,
   line_item_currency_code AS currency, reservation_reservation_a_r_n AS reservation, line_item_unblended_rate AS rate,
   line_item_blended_cost AS blended, pricing_public_on_demand_cost AS list_cost,
   pricing_public_on_demand_rate AS list_rate, product_sku AS sku, bill_invoice_id AS bill_id, bill_payer_account_id AS payer, line_item_usage_account_id AS account,
   line_item_usage_start_date AS line_start, line_item_usage_end_date AS line_end, line_item_line_item_type AS line_type,
   line_item_product_code AS code, product_region AS region, line_item_usage_type AS usage_type, line_item_operation AS operation,
   line_item_resource_id AS resource, line_item_line_item_description AS description, line_item_usage_amount AS amount,
   line_item_unblended_cost AS unblended, reservation_effective_cost AS ri_effective,
   jsonb_strip_nulls(jsonb_build_object($tags)) AS tags FROM plain"
}

bench_load() {
  local bill=$1 runs=$2 header copy=() pipeline=() load=() replace=() lines=0 columns c p l r
  [ -r "$bill" ] || { echo "skipped: no bill at $bill"; exit 0; }
  bill=$(realpath "$bill")
  case $bill in *.gz) gzip -dc "$bill" ;; *) cat "$bill" ;; esac >"$work/plain.csv"
  { cat "$work/plain.csv"; tail -n 1 "$work/plain.csv"; } | gzip >"$work/restated.csv.gz"
  cp "$bill" "$work/delivered"
  [ "$(id -u)" != 0 ] || chown "$SERVER_USER" "$work"/*.csv* "$work/delivered"
  header=$(head -n 1 "$work/plain.csv" | tr -d '\r')
  columns=$(tr ',' '\n' <<<"$header" | wc -l)
  for _ in $(seq "$runs"); do
    fresh
    sql -c "CREATE UNLOGGED TABLE plain ($(tr ',' '\n' <<<"$header" | awk '{ printf "%s\"%s\" text", n++ ? ", " : "", $0 }'))"
    make_pipeline "$header"
    copy+=("$(seconds -c "COPY plain FROM '$work/plain.csv' (FORMAT csv, HEADER)")")
    lines=$(sql -c 'SELECT count(*) FROM plain')
    sql -c 'TRUNCATE plain'
    pipeline_sql >"$work/pipeline.sql"
    pipeline+=("$(seconds -c "COPY plain FROM '$work/plain.csv' (FORMAT csv, HEADER)" -f "$work/pipeline.sql")")
    sql -c 'DROP TABLE plain, typed, typed_daily CASCADE' -c 'DROP SEQUENCE typed_id' 2>/dev/null
    load+=("$(seconds -c "SELECT * FROM finops.load_bill('$work/delivered')")")
    replace+=("$(seconds -c "SELECT * FROM finops.load_bill('$work/restated.csv.gz')")")
  done
  c=$(median "${copy[@]}") p=$(median "${pipeline[@]}") l=$(median "${load[@]}") r=$(median "${replace[@]}")
  echo "$(machine); $lines lines, $columns columns"
  echo "COPY     ${copy[*]}  median $c"
  echo "pipeline ${pipeline[*]}  median $p"
  echo "load     ${load[*]}  median $l"
  echo "replace  ${replace[*]}  median $r"
  awk -v c="$c" -v p="$p" -v l="$l" -v r="$r" -v n="$lines" \
    'BEGIN { printf "load_bill %.0f lines/s, %.2f x the speed of COPY, %.2f x that of the pipeline; replacing costs %.2f x a first load\n", n / l, c / l, p / l, r / l }'
}

case $mode in
rate) bench_rate "${1:-10000000}" "${2:-5}" ;;
memory) bench_memory "${1:-3}" ;;
*) bench_load "${1:-${FINOPS_SHARED:-../shared}/data/cur/Oct2018-WorkshopCUR.csv.gz}" "${2:-5}" ;;
esac
