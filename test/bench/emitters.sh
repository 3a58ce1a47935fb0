#!/bin/bash
# Invoices issued by one call per tenant and transaction: 1, 8 and 32 clients
# of pgbench, each invoice once, then 8 clients that all ask for every tenant,
# in the same order and at random, and 8 and 32 sessions that each issue a whole
# month.
# The server is a private one; it writes to the disk.  TENANTS: how many (20000).
set -eu
cd "$(dirname "$0")/../.."
. scripts/server.sh
tenants=${TENANTS:-20000}
finops_tree
work=$FINOPS_BUILD/bench_emitters
script=$(mktemp -d)
trap 'stop_server "$work"; rm -rf "$script"' EXIT
start_server "$work" "shared_preload_libraries = 'finops'" "fsync = on" "max_wal_size = 8GB" "jit = off"
export PGDATABASE=postgres
run() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

run -v tenants="$tenants" <<'SQL' >/dev/null
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS finops;
CREATE TABLE finops.fact_cost_allocated_2022_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-09-01') TO ('2022-10-01');
CREATE TABLE finops.fact_cost_allocated_2022_10 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-10-01') TO ('2022-11-01');
CREATE TABLE finops.fact_cost_allocated_2022_11 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-11-01') TO ('2022-12-01');
CREATE INDEX ON finops.fact_cost_allocated_2022_09 (tenant_id);
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1');
SELECT finops.set_plan('BENCH', 99.99, 5);
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'B-' || to_char(n, 'FM0000000'), 'T', '{"address": "x"}', jsonb_build_object('rate_pct', (ARRAY[19, 7])[1 + n % 2]) FROM generate_series(1, :tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'B-' || to_char(n, 'FM0000000'), 'BENCH', date '2022-09-01' FROM generate_series(1, :tenants) n;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'B-' || to_char(n, 'FM0000000'), p, (p + interval '1 month - 1 day')::date, 'Service' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', ((n * 7919 + s * 104729) % 100003) * 0.0012345678
FROM unnest(ARRAY['2022-09-01', '2022-10-01', '2022-11-01']::date[]) p, generate_series(1, :tenants) n, generate_series(1, 9) s;
SELECT count(*) FROM finops.prepare_invoices('2022-09-01');
SELECT count(*) FROM finops.prepare_invoices('2022-10-01');
SELECT count(*) FROM finops.prepare_invoices('2022-11-01');
INSERT INTO finops.period_gate (period_start, gate, position, status) SELECT p, 'reconciliation', 3, 'ok' FROM unnest(ARRAY['2022-09-01', '2022-10-01', '2022-11-01']::date[]) p;
CREATE SEQUENCE bench_tenant;
VACUUM ANALYZE;
CHECKPOINT;
SQL

call() { echo "SELECT invoice_id FROM finops.issue_invoices('2022-09-01', 'B-' || to_char($1, 'FM0000000'));"; }
call "nextval('bench_tenant')" >"$script/each.sql"
{ echo "\\set n :n + 1"; call :n::int; } >"$script/all.sql"
{ echo "\\set n random(1, $tenants)"; call :n::int; } >"$script/same.sql"
bench() { pgbench -n -M prepared -j 2 "$@" 2>&1 | grep -E "^tps|ERROR" | head -3; }
for clients in 1 8 32; do
  echo "each invoice once, $clients clients: $(bench -c "$clients" -t $((tenants / 4 / clients)) -f "$script/each.sql")"
done
echo "8 clients ask for each of $((tenants / 4)) tenants: $(bench -c 8 -D n=$((tenants * 3 / 4)) -t $((tenants / 4)) -f "$script/all.sql")"
echo "the same tenants at random, 8 clients: $(bench -c 8 -t 1000 -f "$script/same.sql")"
# One line, "sessions rows|first number|last number", where all answer the same.
month() {
  local start
  start=$(date +%s%N)
  seq "$1" | xargs -P "$1" -I {} psql -X -q -At -c "SELECT count(*), min(invoice_number), max(invoice_number) FROM finops.issue_invoices('$2')" | sort | uniq -c
  echo "$1 sessions issue a month of $tenants: $((($(date +%s%N) - start) / 1000000)) ms"
}
month 8 2022-10-01
month 32 2022-11-01
run -c "SELECT format('%s issued, %s tenants, numbers 1 to %s, %s problems', count(*), count(DISTINCT tenant_id), max(number_seq), (SELECT count(*) FROM finops.verify_invoices())) FROM invoice_header WHERE status = 'issued'"
