# The diagnosis of what waits: jobs, checklists, messages, approvals, sessions,
# months, drivers and models; and of a server whose connections are taken.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use DiagnosisTest;
use FinopsTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('waiting');
my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/sink');
append_to_file($log, '');
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/sink_server.py", $port_file, $log ]);
END { local $?; $server->kill_kill if $server; }
sleep 0.05 while !-e $port_file;
my ($port) = split ' ', slurp_file($port_file);
my $web = "http://127.0.0.1:$port";
$node->append_conf('postgresql.conf', "finops.allowed_networks = '127.0.0.0/8'\nfinops.notification_hosts = '$web'\nfinops.delivery_timeout = 5\n");
$node->restart;
diagnose_on($node);
sql('CREATE EXTENSION finops; CREATE ROLE second LOGIN SUPERUSER');
healthy('nothing waits');

# jobs and checklists, which come due by the clock
sql(q{SELECT finops.set_job('hourly', schedule => '0 * * * *', command => 'SELECT 1')});
failure('job-late', 'hourly', q{INSERT INTO finops.job_schedule (job_name, scheduled_at) VALUES ('hourly', now() - interval '3 hours')});
sql(q{DELETE FROM finops.job WHERE job_name = 'hourly'});
sql(q{INSERT INTO finops.checklist (name, title, document, schedule) VALUES ('own_daily', 'Ours', 'Our runbook', '0 * * * *');
	INSERT INTO finops.checklist_step (checklist, step_no, step, query, pass_when) VALUES ('own_daily', 1, 'one', 'SELECT 1 AS n', 'rows')});
sql(q{INSERT INTO finops.checklist_run (checklist, started_at, finished_at, run_by, due_at) VALUES ('own_daily', now() - interval '2 hours', now(), 'job', now() - interval '2 hours')});
healthy('a checklist that ran two hours ago');
failure('checklist-overdue', 'checklists', q{UPDATE finops.checklist_run SET started_at = now() - interval '1 day', due_at = now() - interval '1 day'});
is(sql(q{SELECT verdict FROM finops.checklist_result ORDER BY run_id DESC LIMIT 1}), 'pass', 'the checklist has run');

# messages: nobody routes, nobody sends, the other side gave no answer
sub taken { return scalar grep { decode_json($_)->{path} eq $_[0] } split /\n/, slurp_file($log); }
sql(qq{INSERT INTO finops.channel (channel_id, kind, target, topics) VALUES ('hook', 'webhook', '$web/ok/hook', '{a}')});
sql(q{INSERT INTO finops.outbox (topic, dedup_key, payload, created_at) VALUES ('b', 'k', '{}', now() - interval '2 hours'), ('a', 'young', '{}', now() - interval '30 minutes')});
healthy('a message that no channel takes, and a young one');
failure('message-waiting', 'outbox', q{UPDATE finops.outbox SET created_at = now() - interval '2 hours' WHERE topic = 'a'});
is(taken('/ok/hook'), 1, 'the message has arrived');
failure('message-waiting', 'outbox', [ q{INSERT INTO finops.outbox (topic, dedup_key, payload, created_at, status) VALUES ('a', 'queued', '{}', now() - interval '2 hours', 'queued')},
		q{INSERT INTO finops.notification (outbox_id, channel_id) SELECT max(outbox_id), 'hook' FROM finops.outbox}, q{UPDATE finops.delivery_attempt SET started_at = now() - interval '1 day'} ],
	title => 'a message that was routed and not sent');
is(taken('/ok/hook'), 2, 'it has arrived, too');
sql(q{UPDATE finops.channel SET digest_interval = '1 day'; UPDATE finops.channel_state SET last_summary_at = now() - interval '3 hours';
	INSERT INTO finops.outbox (topic, dedup_key, payload, created_at) VALUES ('a', 'digest', '{}', now() - interval '2 hours')});
healthy('a message for the digest of tomorrow');
sql(q{UPDATE finops.channel SET digest_interval = NULL, rate_limit = 1, rate_interval = '1 day'});
healthy('a message beyond the limit of its channel');
sql(q{UPDATE finops.channel SET rate_limit = 1000; UPDATE finops.channel_state SET paused_until = now() + interval '1 minute'});
healthy('a message for a channel that pauses');
sql(q{UPDATE finops.channel_state SET paused_until = NULL; UPDATE finops.channel SET enabled = false});
healthy('a message for a channel that is off');
sql(q{UPDATE finops.channel SET enabled = true});
sql('CALL finops.deliver_notifications()');
sql(qq{UPDATE finops.channel SET target = '$web/gone/hook'});
failure('delivery-failed', 'hook', [ q{INSERT INTO finops.outbox (topic, dedup_key, payload) VALUES ('a', 'lost', '{}')}, 'CALL finops.deliver_notifications()' ],
	done => sub { sql(qq{UPDATE finops.channel SET target = '$web/ok/hook'}) });
sql('CALL finops.deliver_notifications()');
is(sql(q{SELECT status FROM finops.outbox WHERE dedup_key = 'lost'}), 'sent', 'what was given up arrives when it is let go again');
healthy('and is found no more');

# an alert policy whose table is gone
sql(q{CREATE TABLE public.watched (scope text, value numeric, detail jsonb); INSERT INTO finops.alert_policy (policy_id, severity, operator, threshold, query) VALUES ('own', 'warning', '>', 1, 'SELECT scope, value, detail FROM public.watched');
	SELECT finops.evaluate_alerts()});
failure('policy-failed', 'own', [ 'DROP TABLE public.watched', 'SELECT finops.evaluate_alerts()' ]);
sql('SELECT finops.evaluate_alerts()');
is(sql(q{SELECT count(*) FROM finops.alert WHERE policy_id = 'alert-policy-failed' AND state = 'firing'}), '0', 'its alarm is over, too');

# sessions; the hour of the shipped check is a second of this one
sql(q{INSERT INTO finops.diagnosis_check (check_id, position, section, severity, cause, caused_by, query)
	SELECT check_id, position, section, severity, cause, caused_by, replace(query, '1 hour', '1 second') FROM finops.diagnosis_check WHERE check_id = 'idle-in-transaction'});
is(sql(q{SELECT count(DISTINCT query) FROM finops.diagnosis_check WHERE check_id = 'idle-in-transaction'}), '2', 'a check of a second');
my $idle = $node->background_psql('postgres');
my $pid = $idle->query_safe('BEGIN; SELECT pg_backend_pid()');
sleep 1.5;
failure('idle-in-transaction', $pid, 'SELECT 1');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), '0', 'the session is gone');
eval { $idle->quit };
sql(q{DELETE FROM finops.diagnosis_check WHERE NOT shipped});

# a month that ended, its drivers and its usage
my ($month, $period) = split /\|/, sql(q{SELECT to_char(m, 'YYYY-MM') || '|' || to_char(m, 'YYYY-MM-DD') FROM date_trunc('month', now() AT TIME ZONE 'UTC' - interval '4 months') m});
my $day = "$month-10T10:00:00Z";
my $bill = $node->basedir . '/bill.csv';
append_to_file($bill, join("\n", 'identity_line_item_id,identity_time_interval,bill_payer_account_id,bill_invoice_id,bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,'
		. 'line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,line_item_usage_type,line_item_resource_id,line_item_usage_amount,line_item_currency_code,line_item_unblended_cost,resource_tags_user_tenant_id',
		map { "l$_,$day/$day,100000000001,I-1,${period}T00:00:00Z,1,Usage,$day,$day,AmazonEC2,Box,r$_,1,USD,10.00,$_" } qw(t1 t2)) . "\n");
sql(qq{SELECT finops.set_issuer(legal_name => 'Issuer Ltd', address => '1 Street', vat_id => 'VAT-1', currency => 'USD', number_format => 'D-{YYYY}-{SEQ:4}');
	SELECT finops.set_plan('team', 10);
	SELECT finops.register_tenant(t, t || ' Ltd', '{"address": "2 Street", "email": "ap\@example.com"}', '{"rate_pct": 20}', 'invoice', 'USD') FROM unnest(ARRAY['t1', 't2']) AS t;
	SELECT finops.bind_plan(t, 'team', '2020-01-01') FROM unnest(ARRAY['t1', 't2']) AS t;
	SELECT status FROM finops.load_bill('$bill'); SELECT * FROM finops.reprocess_period('$period')});
healthy('an old month that is allocated and not billed');
sql(qq{INSERT INTO finops.driver (driver, grain) VALUES ('gigabytes', 'day');
	SELECT finops.record_driver_values('gigabytes', d, '{"t1": 3, "t2": 1}') FROM generate_series('$period'::timestamp, '$period'::timestamp + interval '1 month - 1 day', '1 day') d;
	SELECT finops.add_allocation_rule('by-gigabytes', 'driver', '$period', service_match => 'AmazonS3', driver => 'gigabytes'); SELECT * FROM finops.reprocess_period('$period')});
healthy('every day has a value of the driver');
failure('driver-late', "$month/gigabytes", "DELETE FROM finops.driver_value WHERE slice = '$month-11'");
is(sql("SELECT item FROM finops.readiness_waiver WHERE period_start = '$period'"), 'drivers', 'the day is waived');
sql(qq{SELECT finops.set_metric('gb', 'GB', 'sum_daily'); SELECT finops.set_cap('team', 'gb', 100, '$period');
	INSERT INTO usage_snapshot_daily (tenant_id, metric_code, usage_date, metric_value) SELECT t, 'gb', d, 1 FROM unnest(ARRAY['t1', 't2']) t, generate_series('$period'::timestamp, '$period'::timestamp + interval '1 month - 1 day', '1 day') d;
	UPDATE plan_metric_map SET effective_to = '$period'::date + interval '1 month - 1 day'; SELECT finops.refresh_usage('$period')});
healthy('every day has a snapshot of the usage');
failure('usage-incomplete', $month, "DELETE FROM usage_snapshot_daily WHERE usage_date = '$month-12' AND tenant_id = 't2'");
failure('period-attention', $month, "UPDATE period_lock SET state = 'ATTENTION_REQUIRED' WHERE period_start = '$period'");
is(sql("SELECT state FROM period_lock WHERE period_start = '$period'"), 'LOCKED', 'the month that needed attention is closed');

# a person who has to say yes; the call has to come from another one
my $invoice = sql("SELECT invoice_id FROM invoice_header WHERE period_start = '$period' AND tenant_id = 't1'");
sql("SET finops.four_eyes = on; SELECT finops.write_off('$invoice', 1, 'small'); UPDATE finops.approval_request SET requested_by = 'first', requested_session = 'first'");
healthy('a write-off that was asked for just now');
failure('approval-waiting', sql('SELECT max(request_id) FROM finops.approval_request'), q{UPDATE finops.approval_request SET requested_at = now() - interval '2 days'});
is(sql("SELECT amount FROM finops.receivable_adjustment WHERE invoice_id = '$invoice'"), '1', 'it is written off');

# forecasts: drivers that change it much, and a series that left its model
sql(q{INSERT INTO forecast.driver_scope (driver_code, services) VALUES ('calls', '{FcApi}');
	INSERT INTO forecast.unit_kpi SELECT m::date, 'calls', 1000 * extract(month FROM m), 1000 FROM generate_series(timestamp '2020-01-01', '2020-12-01', '1 month') AS m;
	INSERT INTO finops.cost_daily SELECT k.kpi_date, k.kpi_date, 'test', 'AWS', '1', 'FcApi', NULL, NULL, 'Usage', current_setting('finops.reporting_currency'), k.quantity / 100, k.quantity / 100, NULL, 1 FROM forecast.unit_kpi k;
	INSERT INTO forecast.drivers (driver_code, scenario, period_start, value, load_dt) SELECT 'calls', 'base', m::date, 20000, date '2021-01-02' FROM generate_series(timestamp '2021-01-01', '2021-12-01', '1 month') AS m;
	SELECT finops.recalc_forecast('2021-01-15')});
healthy('the drivers are in the forecast');
failure('drivers-unused', '2021-01-10', q{INSERT INTO forecast.drivers (driver_code, scenario, period_start, value, load_dt) SELECT driver_code, scenario, period_start, 3 * value, '2021-01-10' FROM forecast.drivers});
is(sql('SELECT status FROM forecast.run WHERE driver_load_dt = (SELECT max(driver_load_dt) FROM forecast.run) ORDER BY started_at DESC LIMIT 1'), 'warning', 'though they treble it');
sql(q{CREATE TABLE public.series AS SELECT (date '2015-01-01' + i * interval '1 month')::date AS month, (200 + 2 * i + (hashint4(i) & 255) / 32.0)::numeric AS cost FROM generate_series(0, 71) AS i;
	SELECT finops.train_model('own', 'public.series', 'month', 'cost', '{"horizon": 6, "models": ["ets", "naive"]}')});
healthy('a model that was just trained');
failure('model-drift', 'own', [ q{INSERT INTO public.series SELECT (date '2021-01-01' + i * interval '1 month')::date, 900 + i FROM generate_series(0, 23) AS i},
		q{INSERT INTO forecast.prediction (model_id, model_name, model_version, origin_at, step, target_at, mean, lower_80, upper_80, lower_95, upper_95)
		SELECT r.model_id, 'own', r.model_version, date '2021-07-01' + o * interval '1 month', s, date '2021-07-01' + (o + s) * interval '1 month', 350, 340, 360, 330, 370 FROM tbl_ml_model_registry r, generate_series(0, 5) o, generate_series(1, 6) s WHERE r.model_name = 'own'},
		q{SELECT finops.score_predictions('own')} ]);
is(sql(q{SELECT string_agg(model_version, ',') FROM tbl_ml_model_registry WHERE model_name = 'own' AND status = 'ACTIVE'}), 'v2', 'a new version is active');

# a table that a job fills
sql(q{CREATE TABLE public.orders (n int); SELECT finops.set_job('orders-sync', command => 'WITH done AS (UPDATE finops.source_sync SET last_sync_at = now() WHERE table_name = ''orders'' RETURNING 1) SELECT * FROM done')});
failure('job-failed', 'orders-sync', [ q{CREATE RULE r AS ON UPDATE TO finops.source_sync DO INSTEAD SELECT 1 / 0}, q{CALL finops.run_job('orders-sync')} ], done => sub { sql('DROP RULE r ON finops.source_sync') });
failure('source-stale', 'orders', q{INSERT INTO finops.source_sync (table_name, last_sync_at) VALUES ('orders', now() - interval '1 day')});

# data and measures that are judged again when they are mended
sql(q{CREATE TABLE public.customers (id int, email text); CREATE TABLE public.invoices (customer_id int); INSERT INTO public.customers VALUES (1, 'a'); INSERT INTO public.invoices VALUES (1);
	INSERT INTO finops.quality_rule (rule_name, relation, kind, columns, reference_relation, reference_columns) VALUES ('email', 'public.customers', 'null_ratio', '{email}', NULL, NULL), ('customer', 'public.invoices', 'referential', '{customer_id}', 'public.customers', '{id}');
	SELECT finops.run_quality_rules(); SELECT finops.collect_monitors()});
healthy('rules that hold, and measures of the server');
failure('quality-failed', 'email', [ q{UPDATE public.customers SET email = NULL}, 'SELECT finops.run_quality_rules()' ], done => sub { sql(q{UPDATE public.customers SET email = 'b'}) });
failure('quality-failed', 'customer', [ 'INSERT INTO public.invoices VALUES (2)', 'SELECT finops.run_quality_rules()' ], consequences => qr/reference-broken/, done => sub { sql('DELETE FROM public.invoices WHERE customer_id = 2') },
	title => 'rows that refer to nothing');
failure('security-failed', 'schemas_public_may_write', [ 'CREATE SCHEMA open; GRANT CREATE ON SCHEMA open TO PUBLIC', 'SELECT finops.collect_monitors()' ], done => sub { sql('DROP SCHEMA open') });

# a job that holds its lock for hours; the cancel is seen when its session looks
sql(q{SELECT finops.set_job('endless', command => 'SELECT pg_sleep(600)')});
my $session = start_session($node, 'endless', "CALL finops.run_job('endless');");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM finops.job_run WHERE job_name = 'endless' AND status = 'started'}), 'a job runs');
healthy('it may');
sql(q{UPDATE finops.job_run SET started_at = now() - interval '3 hours' WHERE job_name = 'endless'});
is(sql(q{SELECT finding || ' ' || scope || ' ' || (resolve_call = format('SELECT pg_catalog.pg_cancel_backend(%s)', (SELECT backend_pid FROM finops.job_run WHERE job_name = 'endless'))) FROM finops.diagnose()}),
	'job-stuck endless true', 'job-stuck: one root finding that names its session');
sql(sql(q{SELECT resolve_call FROM finops.diagnose()}));
ok($node->poll_query_until('postgres', q{SELECT string_agg(finding, ',') = 'job-failed' FROM finops.diagnose()}), 'it is cancelled, and recorded as failed');
$session->{handle}->finish;
sql(q{SELECT finops.set_job('endless', command => 'SELECT 1'); CALL finops.run_job('endless')});
healthy('and runs again');

# a server whose connections are taken, all but one of them by clients that idle
$node->append_conf('postgresql.conf', "max_connections = 10\nmax_wal_senders = 0\nsuperuser_reserved_connections = 2\n");
$node->restart;
healthy('ten connections are few, and free');
my @clients = map { my $client = $node->background_psql('postgres'); $client->query_safe('SELECT 1'); $client } 1 .. 8;
failure('connections-full', 'connections', 'SELECT 1');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'}), '1', 'who idles is gone');
eval { $_->quit } foreach @clients;

my @missing = grep { my $check = $_; !grep { $_ eq $check } failures_repaired() } qw(job-late checklist-overdue message-waiting delivery-failed policy-failed idle-in-transaction driver-late usage-incomplete
	period-attention approval-waiting drivers-unused model-drift job-failed source-stale quality-failed security-failed connections-full);
is("@missing", '', 'all of them by calls that put them right');
$node->stop;
done_testing();
