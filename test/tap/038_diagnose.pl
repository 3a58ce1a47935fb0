# The diagnosis: a healthy system has no finding; each failure that is put in
# gives its one root finding, and the call that this names clears it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use DiagnosisTest;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('diagnose');
diagnose_on($node);
my $bills = PostgreSQL::Test::Utils::tempdir;
my %anchor;

# A month's bill of one payer: a line per day, tenant and service.  Options:
# until => last day, skip => days left out, untagged => percent of the amount
# without a tenant, currency, bad => a line that cannot be read, factor.
sub bill
{
	my ($month, $payer, %o) = @_;
	my $file = "$bills/cur$payer-$anchor{$month}.csv";
	my $until = defined $o{until} ? "date '$o{until}'" : "(date '$anchor{$month}-01' + interval '1 month' - interval '1 day')::date";
	my $skip = join ',', map { "'$_'" } @{ $o{skip} // [ '1900-01-01' ] };
	my $untagged = $o{untagged} // 0;
	my $currency = $o{currency} // 'USD';
	my $factor = $o{factor} // 1;

	sql(qq{COPY (
		SELECT format('li-%s-%s-%s', d.day, t.t, s.s) AS identity_line_item_id, d.day || 'T10:00:00Z/' || d.day || 'T11:00:00Z' AS identity_time_interval,
			'$payer' AS bill_payer_account_id, 'I-$anchor{$month}' AS bill_invoice_id, '$anchor{$month}-01T00:00:00.000Z' AS bill_billing_period_start_date,
			to_char(date '$anchor{$month}-01' + interval '1 month', 'YYYY-MM-DD') || 'T00:00:00.000Z' AS bill_billing_period_end_date,
			'111111111111' AS line_item_usage_account_id, 'Usage' AS line_item_line_item_type, d.day || 'T10:00:00Z' AS line_item_usage_start_date,
			d.day || 'T11:00:00Z' AS line_item_usage_end_date, s.s AS line_item_product_code, 'Box' AS line_item_usage_type, 'Run' AS line_item_operation,
			'r-' || coalesce(t.t, 'none') AS line_item_resource_id, '1' AS line_item_usage_amount, '$currency' AS line_item_currency_code, '1' AS line_item_unblended_rate,
			(t.cost * $factor)::text AS line_item_unblended_cost, t.t AS resource_tags_user_tenant_id
		FROM generate_series(date '$anchor{$month}-01', $until, interval '1 day') AS g(day), LATERAL (SELECT to_char(g.day, 'YYYY-MM-DD') AS day) d,
			(VALUES ('AmazonEC2'), ('AmazonS3')) AS s(s), (VALUES ('t1', 30.0), ('t2', 20.0), (NULL, 50.0 * $untagged / (100 - $untagged))) AS t(t, cost)
		WHERE t.cost <> 0 AND d.day <> ALL (ARRAY[$skip])) TO '$file' WITH (FORMAT csv, HEADER)});
	PostgreSQL::Test::Utils::append_to_file($file, $o{bad} . "\n") if defined $o{bad};
	return $file;
}

sub load { my ($file) = @_; return "SELECT * FROM finops.load_bill('$file');"; }

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron') if has_cron();
sql('CREATE EXTENSION finops');
healthy('nothing is wrong with a database that has just been made');

# yesterday's month is the current one, the one before is closed, an older one
# was loaded late and stays open
($anchor{now}, $anchor{before}, $anchor{old}, $anchor{older}) = split /\|/,
  sql(q{SELECT to_char(m, 'YYYY-MM') || '|' || to_char(m - interval '1 month', 'YYYY-MM') || '|' || to_char(m - interval '4 months', 'YYYY-MM') || '|' || to_char(m - interval '5 months', 'YYYY-MM')
	FROM (SELECT date_trunc('month', (now() AT TIME ZONE 'UTC') - interval '1 day') AS m) x});
my $yesterday = sql(q{SELECT to_char((now() AT TIME ZONE 'UTC') - interval '1 day', 'YYYY-MM-DD')});
my ($now, $before, $old) = map { "$anchor{$_}-01" } qw(now before old);

my $file_before = bill('before', '100000000001');
my $file_now = bill('now', '100000000001', until => $yesterday);
my $file_old = bill('old', '100000000001', untagged => 0.2);
sql(load($file_before) . load($file_now) . load($file_old) . qq{
	SELECT finops.set_issuer(legal_name => 'Issuer Ltd', address => '1 Street', vat_id => 'VAT-1', currency => 'USD', number_format => 'D-{YYYY}-{SEQ:4}');
	SELECT finops.set_plan('team', 10);
	SELECT finops.register_tenant(t, t || ' Ltd', '{"address": "2 Street", "email": "ap\@example.com"}', '{"rate_pct": 20}', 'invoice', 'USD') FROM unnest(ARRAY['t1', 't2']) AS t;
	SELECT finops.bind_plan(t, 'team', '2020-01-01') FROM unnest(ARRAY['t1', 't2']) AS t;});
sql("CALL finops.close_month('$before')");
is(sql("SELECT state FROM period_lock WHERE period_start = '$before'"), 'LOCKED', 'the month before is closed');
sql("SELECT * FROM finops.reprocess_period('$now'); SELECT * FROM finops.reprocess_period('$old');");
healthy('a closed month, a current one and an old one that is not billed');
sql('SELECT finops.refresh_features(); SELECT finops.evaluate_feature_drift(); SELECT finops.evaluate_alerts()');
is(sql(q{SELECT string_agg(concat(policy_id, ' ', scope, ': ', value), ', ') FROM finops.alert WHERE state IN ('pending', 'firing')}), '', 'no alarm either');
healthy('nor does the monitoring of features find anything');
sql('CALL finops.run_nightly()');
is(sql(q{SELECT string_agg(job_name || ': ' || error_message, ', ') FROM finops.job_run WHERE status <> 'succeeded'}), '', 'every job of a night succeeds');
is(sql(q{SELECT string_agg(concat(policy_id, ' ', scope, ': ', value), ', ') FROM finops.alert WHERE state IN ('pending', 'firing')}), '', 'raises no alarm');
healthy('and leaves nothing to find');

# 1: ingestion
sql("INSERT INTO finops.job (job_name, schedule, command, description) VALUES ('bill-load', '0 3 * * *', \$\$SELECT * FROM finops.load_bill('$file_now')\$\$, 'loads the bill')");
rename $file_now, "$file_now.away";
failure('load-job-failed', 'bill-load', "CALL finops.run_job('bill-load')", done => sub { rename "$file_now.away", $file_now });
my $source = sql("SELECT source FROM finops.delivery LIMIT 1");
SKIP:
{
	my $stale = sql(qq{SELECT to_char((now() AT TIME ZONE 'UTC')::date - 7, 'YYYY-MM-DD')});
	skip 'the month is too young', 4 if $stale lt "$anchor{now}-04";
	failure('cur-freshness', $source, [ load(bill('now', '100000000001', until => $stale)), "SELECT * FROM finops.reprocess_period('$now')" ],
		done => sub { bill('now', '100000000001', until => $yesterday) }, calls => 2);
}
bill($_, '100000000003') foreach qw(older old);
failure('bill-missing', "$anchor{old}/" . ($source =~ s/100000000001/100000000003/r), load("$bills/cur100000000003-$anchor{older}.csv"), calls => 2);
failure('control-total', "$anchor{now}/$source", "DELETE FROM fact_cost_raw WHERE bill_billing_period_start_date = '$now' AND line_item_resource_id = 'r-t2'");
failure('control-total', "$anchor{now}/$source", "UPDATE finops.cost_daily SET billed_cost = billed_cost + 1 WHERE billing_period = '$now' AND tenant_id = 't1'",
	title => 'the roll-up was written by hand');
failure('control-total', "$anchor{now}/$source", "UPDATE finops.cost_kind SET line_items = line_items + 1 WHERE billing_period = '$now'",
	title => 'so were the sums by kind');
failure('day-gap', "$anchor{old}/$source",
	[ load(bill('old', '100000000001', untagged => 0.2, skip => [ "$anchor{old}-11", "$anchor{old}-12" ])), "SELECT * FROM finops.reprocess_period('$old')" ],
	done => sub { bill('old', '100000000001', untagged => 0.2) });
failure('bill-rejects', "$anchor{now}/$source",
	[ 'SET finops.max_rejects = 5; ' . load(bill('now', '100000000001', until => $yesterday, bad => "li-bad,$yesterday" . 'T10:00:00Z/' . $yesterday . "T11:00:00Z,100000000001,I-1,$now" . 'T00:00:00.000Z,' . "$now" . 'T00:00:00.000Z,111111111111,Usage,' . "$yesterday" . 'T10:00:00Z,' . "$yesterday" . 'T11:00:00Z,AmazonEC2,Box,Run,r,1,USD,1,many,t1')),
		"SELECT * FROM finops.reprocess_period('$now')" ],
	done => sub { bill('now', '100000000001', until => $yesterday) });
SKIP:
{
	my ($this_month, $day) = split /\|/, sql(q{SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM|DD')});
	skip 'the month is too young', 4 if $this_month ne $anchor{now} || $day <= 4;
	bill('now', '100000000004', until => $yesterday);
	failure('bill-missing', "$anchor{now}/daily", qq{INSERT INTO finops.delivery (source, billing_period, status, format, digest, address, loaded_at)
		SELECT 'daily', billing_period, status, format, 'of the test', replace(address, '100000000001', '100000000004'), '$now'::date - 1 FROM finops.delivery WHERE billing_period = '$before' LIMIT 1},
		calls => 2, title => 'a bill that came every day comes no more');
	sql("DELETE FROM finops.delivery WHERE digest = 'of the test'");
}

# 2: allocation
failure('allocation-missing', $anchor{now}, load(bill('now', '100000000001', until => $yesterday, factor => 2)), consequences => qr/tags-unjudged/);
failure('allocation-lost', $anchor{now}, [ "ALTER TABLE fact_cost_allocated DISABLE TRIGGER USER; DELETE FROM fact_cost_allocated WHERE period_start = '$now'; ALTER TABLE fact_cost_allocated ENABLE TRIGGER USER" ]);
failure('rules-changed', $anchor{now}, "SELECT finops.add_allocation_rule('support', 'proportional', '$now', service_match => 'AWSSupport%', billable => false)");
failure('allocation-variance', $anchor{now}, [ load(bill('now', '100000000001', until => $yesterday, untagged => 3)), "SELECT * FROM finops.reprocess_period('$now')" ],
	consequences => qr/recon-failed/);

# 3: budgets and alerts
sql("INSERT INTO budget_master (budget_id, target_usd, last_refreshed_at, enabled, effective_from, effective_to) VALUES ('off', 1, now() - interval '2 days', false, NULL, NULL),
	('over', 1, now() - interval '2 days', true, NULL, now()::date - 30), ('to-come', 1, now() - interval '2 days', true, now()::date + 30, NULL)");
healthy('budgets that are off, over and to come are not refreshed');
failure('budget-stale', 'budgets', "INSERT INTO budget_master (budget_id, target_usd, last_refreshed_at) VALUES ('b-1', 1000000, now() - interval '2 days')");
failure('alert-unanswered', 'budget-stale/b-1', "INSERT INTO finops.alert (policy_id, scope, state, since, acknowledge_by) VALUES ('budget-stale', 'b-1', 'firing', now() - interval '1 day', now() - interval '1 minute')");

# 4: reconciliation
failure('recon-missing', $anchor{now}, "SELECT finops.allocate('$now')");
sql("SELECT finops.set_fx_rate('EUR', '$now', 1.2);" . load(bill('now', '100000000002', until => $yesterday, currency => 'EUR'))
	. "SELECT * FROM finops.reprocess_period('$now')");
healthy('a second payer, in euro');
failure('fx-rate-missing', "$anchor{now}/EUR", "UPDATE finops.fx_rate SET valid_from = '$now'::date + interval '1 month'");
failure('recon-failed', $anchor{old}, [ qq{SELECT finops.load_provider_invoice('$old', '[{"invoice_id": "I-$anchor{old}", "amount": 12345}]')}, "SELECT * FROM finops.reprocess_period('$old')" ]);

sql("DELETE FROM finops.provider_invoice; SELECT finops.reconcile('$old')");

# 5: tags
failure('tags-unjudged', $anchor{now}, "DELETE FROM finops.period_gate WHERE period_start = '$now' AND gate = 'tags'");
failure('tag-sync-pending', $anchor{old}, "INSERT INTO finops.resource_tag VALUES ('r-none', 'tenant_id', 't1', '$old', '$old'::date + interval '1 month')");
failure('tag-coverage-drop', $anchor{now}, [ load(bill('now', '100000000001', until => $yesterday, untagged => 40)), "SELECT * FROM finops.reprocess_period('$now')" ]);
sql("SELECT count(*) FROM finops.incident i, LATERAL finops.resolve_incident(i.incident_id, 'tagged') r;" . load(bill('now', '100000000001', until => $yesterday)) . "SELECT * FROM finops.reprocess_period('$now')");
healthy('the tags came');

# 8: quotas
my $today = sql(q{SELECT (now() AT TIME ZONE 'UTC')::date});
my $month = substr($today, 0, 7) . '-01';
sql(qq{SELECT finops.set_metric('gb', 'GB', 'sum_daily'); SELECT finops.set_cap('team', 'gb', 100, '$month');
	INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value) SELECT t, 'gb', d, 1 FROM unnest(ARRAY['t1', 't2']) t, generate_series('$month'::date, '$today', interval '1 day') d;
	SELECT finops.refresh_usage('$month')});
healthy('usage below its cap');
failure('usage-unrefreshed', substr($today, 0, 7), "UPDATE usage_snapshot_daily SET utilization = NULL WHERE usage_date = '$today'");
failure('quota-reached', 't1/gb', qq{SELECT finops.record_usage('t1', 'gb', 500, '$today'); SELECT finops.refresh_usage('$month')});
is(sql(q{SELECT payload ->> 'contact' FROM finops.outbox WHERE topic = 'tenant_notice'}), 'ap@example.com', 'the tenant gets a notice');

# 6: invoices of the old month
sql("SELECT finops.register_tenant('t3', 't3 Ltd', '{\"address\": \"3 Street\"}', '{\"rate_pct\": 20}', 'invoice', 'USD')");
sql("SELECT * FROM finops.reprocess_period('$old'); SELECT count(*) FROM finops.prepare_invoices('$old'); SELECT finops.reconcile('$old')");
failure('documents-stale', $anchor{old}, "SELECT finops.allocate('$old')", consequences => qr/recon-missing.*invoice-lag/s, then => qr/^invoice-lag/);
failure('invoice-failed', "$anchor{old}/t2", [ "DELETE FROM tenant_plan_binding WHERE tenant_id = 't2'", "SELECT * FROM finops.emit_invoices('$old')" ]);
is(sql("SELECT count(*) FROM invoice_header WHERE period_start = '$old' AND status = 'issued'"), '2', 'both tenants have their invoice');

# 7: payments
my ($invoice, $total, $number) = split /\|/, sql("SELECT invoice_id, total, invoice_number FROM invoice_header WHERE period_start = '$old' AND tenant_id = 't1'");
failure('payment-unmatched', 'P-1', "INSERT INTO payment_txn (payment_id, method, currency, amount, amount_usd, provider_ref, tenant_id, remittance) VALUES ('P-1', 'bank_transfer', 'USD', $total, $total, 'ref', 't1', 'pays $number')");
is(sql("SELECT status FROM invoice_header WHERE invoice_id = '$invoice'"), 'paid', 'the invoice is paid');
failure('payment-mismatch', $invoice, "UPDATE invoice_header SET status = 'issued', paid_at = NULL WHERE invoice_id = '$invoice'");
my ($second, $half) = split /\|/, sql("SELECT invoice_id, round(total / 2, 2) FROM invoice_header WHERE period_start = '$old' AND tenant_id = 't2'");
failure('payment-suggested', 'P-2', [ "INSERT INTO payment_txn (payment_id, method, currency, amount, amount_usd, provider_ref, tenant_id) VALUES ('P-2', 'bank_transfer', 'USD', $half, $half, 'ref2', 't2')",
	"INSERT INTO finops.payment_suggestion (payment_id, invoice_id, reason) VALUES ('P-2', '$second', 'the payer has this invoice open')" ]);

# 6: the due day of the month
failure('close-late', $anchor{old}, "UPDATE finops.delivery SET loaded_at = '$old'::date + interval '40 days' WHERE billing_period = '$old' AND source = '$source'");

# 9, 10: jobs and recovery
failure('job-stuck', 'job-purge', "INSERT INTO finops.job_run (job_name, started_at, executed_by) VALUES ('job-purge', now() - interval '1 hour', 'x')");
sql("INSERT INTO finops.job (job_name, schedule, command, description) VALUES ('own-job', '0 3 * * *', 'SELECT * FROM public.own_table', 'reads a table')");
failure('job-failed', 'own-job', "CALL finops.run_job('own-job')", done => sub { sql('CREATE TABLE public.own_table (a int)') });
SKIP:
{
	skip 'pg_cron is not installed', 4 if !has_cron();
	sql('SELECT * FROM finops.schedule_jobs()');
	failure('jobs-unscheduled', 'schedule', "INSERT INTO finops.job (job_name, schedule, command, description) VALUES ('later-job', '0 3 * * *', 'SELECT 1', 'one')");
	sql('SELECT finops.unschedule_jobs()');
}
failure('api-throttled', 'GetCostAndUsage', "INSERT INTO api_metrics (endpoint, response_time_ms, error_code) SELECT 'GetCostAndUsage', 10, 'ThrottlingException' FROM generate_series(1, 6)");
sql('CREATE MATERIALIZED VIEW public.cost_by_day AS SELECT usage_date, sum(effective_cost) AS cost FROM finops.cost_daily GROUP BY 1; SELECT * FROM finops.refresh_views()');
failure('views-stale', 'public.cost_by_day', "UPDATE finops.period_gate SET set_at = now() WHERE period_start = '$now'");
sql('DROP MATERIALIZED VIEW public.cost_by_day');

# 11, 12: incidents
sql("SELECT finops.open_incident('SEV-2', 'the bank feed is down')");
healthy('an incident that was opened just now');
my $incident = sql("SELECT max(incident_id) FROM finops.incident");
failure('incident-unanswered', $incident, "UPDATE finops.incident SET acknowledge_by = now() - interval '1 minute' WHERE incident_id = $incident");
failure('postmortem-overdue', $incident, "UPDATE finops.incident SET postmortem_due = now() - interval '1 minute' WHERE incident_id = $incident");
failure('incident-overdue', $incident, "UPDATE finops.incident SET resolve_by = now() - interval '1 minute' WHERE incident_id = $incident");

# the other runbooks
failure('cache-stale', 'cost-explorer', "INSERT INTO cost_cache (cache_key, source, created_at, last_updated) VALUES ('k', 'cost-explorer', now() - interval '5 days', now() - interval '5 days')");
failure('api-errors', '/api/costs', "INSERT INTO api_metrics (endpoint, response_time_ms, status_code) SELECT '/api/costs', 10, CASE WHEN n < 5 THEN 502 ELSE 200 END FROM generate_series(1, 20) n");
failure('athena-scan-limit', 'q-1', "INSERT INTO athena_query_executions (query_execution_id, query, status, data_scanned_in_bytes, execution_time_millis, creation_time) VALUES ('q-1', 'SELECT *', 'SUCCEEDED', 2e12, 1, now())");
failure('source-stale', 'tbl_fact_shipments', "INSERT INTO finops.source_sync (table_name, last_sync_at) VALUES ('tbl_fact_shipments', now() - interval '1 day')");
failure('quality-failed', 'customers/completeness', "INSERT INTO finops.dq_check (table_name, row_count, null_keys, sla_result) VALUES ('customers', 10, 3, 'FAIL')");
failure('reference-broken', 'orders_customer', "INSERT INTO finops.fk_check (constraint_name, child_table, parent_table, orphan_count, test_result) VALUES ('orders_customer', 'orders', 'customers', 2, 'FAIL')");
failure('backup-failed', 'fact_cost_raw', "INSERT INTO finops.backup_log VALUES ('fact_cost_raw', now() - interval '2 days', 1, 'SUCCESS')");
failure('security-failed', 'failed_logins', "INSERT INTO finops.security_metric (security_metric, current_value, threshold, status) VALUES ('failed_logins', 20, 5, 'FAIL')");
failure('feature-drift', 'lag_7', "INSERT INTO finops.feature_drift VALUES ('lag_7', 0.4, 0.2, now())");

# checks of one's own
sql("INSERT INTO finops.diagnosis_check (check_id, section, cause, query) VALUES ('own', 'Ours 1', 'somebody left rows', 'SELECT ''rows'' AS scope, ''rows are left'' AS seen, ''TRUNCATE public.own_table'' AS resolve_call FROM public.own_table LIMIT 1')");
failure('own', 'rows', 'INSERT INTO public.own_table VALUES (1)');
sql("DELETE FROM finops.job WHERE job_name = 'own-job'");
failure('check-failed', 'own', 'DROP TABLE public.own_table');
sql("INSERT INTO finops.diagnosis_check (check_id, section, cause, query) VALUES ('writes', 'Ours 2', 'x', 'WITH d AS (DELETE FROM finops.job RETURNING 1) SELECT ''a'' AS scope, ''b'' AS seen FROM d')");
is(sql("SELECT finding || ' ' || (seen ~ '0A000|25006|read-only|non-volatile') FROM finops.diagnose()"), 'check-failed true', 'a check cannot write');
sql("DELETE FROM finops.diagnosis_check WHERE check_id = 'writes'");
is(sql('BEGIN READ ONLY; SELECT count(*) FROM finops.diagnose(); COMMIT;'), '0', 'it writes nothing');
my @repaired = failures_repaired();
cmp_ok(scalar @repaired, '>=', 25, 'at least 25 different failures are put right by the call') or diag("@repaired");

$node->stop;
done_testing();
