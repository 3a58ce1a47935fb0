#!/bin/bash
# Invoices issued by one call per tenant and transaction: 1, 8 and 32 clients
# of pgbench, each invoice once, then 8 clients over the same tenants.
# The server is a private one.  TENANTS: how many (20000).
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
CREATE INDEX ON finops.fact_cost_allocated_2022_09 (tenant_id);
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1');
SELECT finops.set_plan('BENCH', 99.99, 5);
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'B-' || to_char(n, 'FM0000000'), 'T', '{"address": "x"}', jsonb_build_object('rate_pct', (ARRAY[19, 7])[1 + n % 2]) FROM generate_series(1, :tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'B-' || to_char(n, 'FM0000000'), 'BENCH', date '2022-09-01' FROM generate_series(1, :tenants) n;
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'B-' || to_char(n, 'FM0000000'), '2022-09-01', '2022-09-30', 'Service' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', ((n * 7919 + s * 104729) % 100003) * 0.0012345678
FROM generate_series(1, :tenants) n, generate_series(1, 9) s;
SELECT count(*) FROM finops.prepare_invoices('2022-09-01');
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-09-01', 'reconciliation', 3, 'ok');
CREATE SEQUENCE bench_tenant;
VACUUM ANALYZE;
CHECKPOINT;
SQL

echo "SELECT invoice_id FROM finops.issue_invoices('2022-09-01', 'B-' || to_char(nextval('bench_tenant'), 'FM0000000'));" >"$script/each.sql"
printf '%s\n' "\\set n random(1, $tenants)" \
  "SELECT invoice_id FROM finops.issue_invoices('2022-09-01', 'B-' || to_char(:n::int, 'FM0000000'));" >"$script/same.sql"
for clients in 1 8 32; do
  echo "each invoice once, $clients clients:" \
    "$(pgbench -n -M prepared -c "$clients" -j 2 -t $((tenants / 4 / clients)) -f "$script/each.sql" 2>&1 | grep -E "^tps|ERROR" | head -3)"
done
echo "the same tenants, 8 clients: $(pgbench -n -M prepared -c 8 -j 2 -t 1000 -f "$script/same.sql" 2>&1 | grep -E "^tps|ERROR" | head -3)"
run -c "SELECT format('%s issued, %s tenants, numbers 1 to %s, %s problems', count(*), count(DISTINCT tenant_id), max(number_seq), (SELECT count(*) FROM finops.verify_invoices())) FROM invoice_header WHERE status = 'issued'"
