# Monitors that the server feeds: slow statements, access, logins, backups, the
# archive and cost, by the hooks of a preloaded library; what is kept over a
# restart, and what is said where the library is not preloaded.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('monitors', preload => 'finops', conf => "wal_level = replica\nmax_wal_senders = 4\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub set
{
	my (%setting) = @_;
	sql("ALTER SYSTEM SET $_ = '$setting{$_}'") foreach sort keys %setting;
	$node->reload;
	return;
}

sql('CREATE EXTENSION finops SCHEMA public');
sql("CREATE ROLE carol LOGIN PASSWORD 'right'; CREATE ROLE analysts; GRANT analysts TO carol; CREATE TABLE own (a int)");
sql("SELECT finops.grant_role('reader', 'carol')");
sql('CREATE TABLE cost_of_carol (a int)');
sql('GRANT SELECT, INSERT ON cost_of_carol TO carol');

# nothing is on

sql('SELECT pg_sleep(0.02)');
is(sql('SELECT count(*) FROM vw_performance_monitoring'), 0, 'off: no statements');
is(sql('SELECT count(*) FROM vw_data_access_monitoring'), 0, 'off: no access');
is(sql('SELECT count(*) FROM vw_user_access_monitoring'), 0, 'off: no logins');
is(sql("SELECT string_agg(monitor || ' ' || state, ', ' ORDER BY monitor) FROM finops.monitor_source WHERE monitor IN ('access', 'logins', 'statements')"),
	'access off, logins off, statements off', 'and it is said');

# statements

set('finops.track_statements' => 'on', 'finops.track_min_duration' => '300ms');
sql(<<'SQL');
CREATE FUNCTION slow(s float8) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(s); PERFORM pg_sleep(s); RETURN 1; END $$;
SELECT pg_sleep(0.001), 'quick';
SELECT pg_sleep(0.4), 'secret-1' AS "kept name", 4711 /* secret-2 */;
SELECT slow(0.2);
ALTER ROLE carol PASSWORD 'right';
DO $$ BEGIN PERFORM pg_sleep(0.4); PERFORM 'secret-3'; END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT g, pg_sleep(0.2) FROM generate_series(1, 3) g;
FETCH 1 FROM c;
SELECT 1;
FETCH 2 FROM c;
COMMIT;
PREPARE p(float8) AS SELECT pg_sleep($1) AS prepared;
EXECUTE p(0.4);
SELECT count(*) AS many FROM (SELECT pg_sleep(0.4)) s, generate_series(1, 1000);
SQL
$node->psql('postgres', "SELECT pg_sleep(0.4), 1 / 0 AS broken");
my $seen = sql("SELECT string_agg(query_type || ': ' || query_text || ' ' || rows_produced, E'\n' ORDER BY start_time) FROM vw_performance_monitoring");
is($seen, join("\n",
		'SELECT: SELECT pg_sleep(?), ? AS "kept name", ? 1',
		'SELECT: SELECT slow(?) 1',
		'DO: DO ? 0',
		'SELECT: DECLARE c CURSOR FOR SELECT g, pg_sleep(?) FROM generate_series(?, ?) g 3',
		'SELECT: PREPARE p(float8) AS SELECT pg_sleep($1) AS prepared 1',
		'SELECT: SELECT count(*) AS many FROM (SELECT pg_sleep(?)) s, generate_series(?, ?) 1'),
	'slow statements of the client, once each, a cursor as a whole, without what they were given');
is(sql("SELECT count(*) FROM vw_performance_monitoring WHERE total_elapsed_time_seconds BETWEEN 0.3 AND 60 AND user_name = 'postgres' AND start_time > now() - interval '5 minutes'"),
	6, 'with their time and user');
sql('CREATE TABLE scanned AS SELECT g, repeat(\'x\', 100) AS filler FROM generate_series(1, 10000) g; VACUUM scanned');
my $bytes = sql("SELECT pg_relation_size('scanned')");
sql('SET finops.track_min_duration = 0; SELECT count(*) AS of_scanned FROM scanned; SELECT 41 AS v; SELECT  42 AS v');
cmp_ok(sql("SELECT bytes_scanned - $bytes FROM vw_performance_monitoring WHERE query_text LIKE '%of_scanned%'"), '<', 100000, 'bytes scanned are the blocks of the table');
cmp_ok(sql("SELECT bytes_scanned FROM vw_performance_monitoring WHERE query_text LIKE '%of_scanned%'"), '>=', $bytes, 'all of them');
is(sql("SELECT count(*) || ' ' || count(DISTINCT fingerprint) FROM vw_performance_monitoring WHERE query_text = 'SELECT ? AS v'"), '2 1', 'other values, the same fingerprint');
is($node->psql('postgres', 'SET finops.track_statements = off', extra_params => [ '-U', 'carol' ]), 3, 'users do not switch it off');
is(sql("SELECT count(*) FROM finops.run_runbook('S004-Q30')"), sql("SELECT count(DISTINCT query_type) FROM vw_performance_monitoring"), 'the runbook reads them');

# errors that a transaction goes on after leave nothing in the way
my $many = join '', map { "SAVEPOINT s; SELECT 1 / (SELECT 0 WHERE $_ > 0); ROLLBACK TO s;\n" } 1 .. 40;
$node->psql('postgres', "BEGIN;\n$many SELECT pg_sleep(0.4) AS after_errors; COMMIT", on_error_stop => 0);
is(sql("SELECT count(*) FROM vw_performance_monitoring WHERE query_text LIKE '%after_errors'"), 1, 'a statement after many errors');

# another database has its own

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION finops SCHEMA public');
is($node->safe_psql('other', q{SELECT count(*) FROM vw_performance_monitoring WHERE query_type <> 'CREATE'}), 0, 'statements are of their database');

# the ring

set('finops.track_min_duration' => '0');
sql('SELECT ' . join('; SELECT ', 1 .. 1200));
set('finops.track_min_duration' => '300ms');
is(sql("SELECT used || ' of ' || capacity || ', ' || (lost >= 200) FROM finops.tracking() WHERE kind = 'statements'"), '1000 of 1000, true', 'old ones make room, and are counted');

# access

set('finops.track_access' => 'on');
sql("INSERT INTO finops.source_sync (table_name) VALUES ('x'); UPDATE finops.source_sync SET sla_minutes = 5; DELETE FROM finops.source_sync");
sql('SELECT count(*) FROM own; SELECT count(*) FROM pg_class');
my $carol = "SET ROLE carol; SELECT count(*) FROM fact_cost_raw; SELECT max(line_item_usage_end_date) FROM fact_cost_raw; SELECT count(*) FROM cost_of_carol;";
sql($carol);
is(sql("SELECT string_agg(access_type || ' ' || access_count, ', ' ORDER BY access_type) FROM vw_data_access_monitoring WHERE table_name = 'finops.source_sync' AND user_name = 'postgres'"),
	'DELETE 1, INSERT 1, UPDATE 1', 'what a user does to a relation');
is(sql("SELECT string_agg(concat_ws(' ', table_name, access_type, access_count), ', ' ORDER BY table_name) FROM vw_data_access_monitoring WHERE user_name = 'carol'"),
	'fact_cost_raw SELECT 2', 'by role, relations of the extension only');
sql("SELECT * FROM finops.generate_bill(date '2025-05-01', 500)");
my ($partition) = split /\n/, sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'fact_cost_raw'::regclass");
sql("SELECT count(*) FROM $partition");
is(sql("SELECT access_count FROM vw_data_access_monitoring WHERE user_name = 'postgres' AND table_name = 'fact_cost_raw'"), 1,
	'a partition is its table; what a function of finops reads is not its caller\'s');
is(sql("SELECT count(*) FROM vw_data_access_monitoring WHERE table_name LIKE 'own%' OR table_name LIKE 'pg_%' OR table_name LIKE 'scanned%'"), 0, 'nothing else is looked at');

# logins

my $hba = $node->data_dir . '/pg_hba.conf';
PostgreSQL::Test::Utils::append_to_file("$hba.new", "local all carol,nobody_at_all scram-sha-256\n" . PostgreSQL::Test::Utils::slurp_file($hba));
rename "$hba.new", $hba or die;
set('finops.track_logins' => 'on');
$ENV{PGPASSWORD} = 'wrong';
$node->psql('postgres', 'SELECT 1', extra_params => [ '-w', '-U', 'carol' ]) foreach 1 .. 6;
$node->psql('postgres', 'SELECT 1', extra_params => [ '-w', '-U', 'nobody_at_all' ]);
$ENV{PGPASSWORD} = 'right';
is($node->psql('postgres', 'SELECT 1', extra_params => [ '-w', '-U', 'carol' ]), 0, 'the right password');
delete $ENV{PGPASSWORD};
$node->psql('postgres', 'SELECT 1', extra_params => [ '-w', '-U', 'carol' ]);
is(sql("SELECT concat_ws(' ', role_name, last_login_time > now() - interval '1 minute', failed_login_count) FROM vw_user_access_monitoring WHERE user_name = 'carol'"),
	'analysts t 6', 'failed logins and the last one; no password is no failure');
is(sql("SELECT concat_ws(' ', coalesce(last_login_time::text, 'never'), failed_login_count) FROM vw_user_access_monitoring WHERE user_name = '(unknown role)'"),
	'never 1', 'names that are no role are one row');
is(sql("SELECT count(*) FROM finops.run_runbook('S004-Q33') WHERE result->>'user_name' = 'carol'"), 1, 'the runbook reads them');

# kept

sql("INSERT INTO finops.warehouse (warehouse_name, database_name, credits_per_hour, credits_per_tb, cost_per_credit) VALUES ('pg', 'postgres', 3600, 1, 2)");
my $before = sql("SELECT string_agg(v::text, E'\n' ORDER BY v::text) FROM (SELECT user_name, table_name, access_type, access_count FROM vw_data_access_monitoring WHERE user_name = 'carol') v");
my $statements = sql("SELECT count(*) FROM vw_performance_monitoring");
set('finops.track_statements' => 'off', 'finops.track_access' => 'off');
is(sql("SELECT string_agg(monitor || ' ' || source, ', ') FROM finops.collect_monitors()"),
	'statements hook, access hook, logins hook, security catalogues, backups hook, cost pg_stat_database', 'what is collected');
sql('SELECT count(*) FROM finops.collect_monitors()') foreach 1 .. 2;
is(sql("SELECT string_agg(v::text, E'\n' ORDER BY v::text) FROM (SELECT user_name, table_name, access_type, access_count FROM vw_data_access_monitoring WHERE user_name = 'carol') v"),
	$before, 'collecting again counts nothing twice');
is(sql("SELECT failed_login_count FROM vw_user_access_monitoring WHERE user_name = 'carol'"), 6, 'failures neither');
cmp_ok(sql('SELECT count(*) FROM vw_performance_monitoring'), '>=', $statements, 'statements are in the view once');
is(sql('SELECT count(*) - count(DISTINCT query_id) FROM vw_performance_monitoring'), 0, 'by their id');
is(sql("SELECT current_value || ' ' || threshold || ' ' || status FROM vw_security_monitoring WHERE security_metric = 'failed_logins'"), '7 5 FAIL', 'failures of the day against their threshold');
sql("UPDATE finops.security_metric SET threshold = 10 WHERE security_metric = 'failed_logins'");
sql('SELECT count(*) FROM finops.collect_monitors()');
is(sql("SELECT current_value || ' ' || threshold || ' ' || status FROM vw_security_monitoring WHERE security_metric = 'failed_logins'"), '7 10 PASS', 'a threshold that was changed stays');

# cost: a busy second is a credit here

my $credits = sql("SELECT coalesce(sum(credits_used_compute), 0) FROM vw_cost_monitoring");
sql('SELECT pg_sleep(1.5)');
$node->poll_query_until('postgres', "SELECT sum(credits_used_compute) - $credits BETWEEN 1.4 AND 30 FROM vw_cost_monitoring, (SELECT count(*) FROM finops.collect_monitors()) c")
  or diag('credits: ' . sql('SELECT * FROM vw_cost_monitoring'));
is(sql("SELECT daily_cost_usd = daily_credits_used * 2 AND daily_credits_used - $credits >= 1.4 FROM vw_cost_monitoring"), 't', 'the time of sessions is credits, and credits are money');

# backups

is(sql('SELECT count(*) FROM vw_backup_status'), 0, 'no backup yet');
$node->backup('one');
sql('SELECT count(*) FROM finops.collect_monitors()') foreach 1 .. 2;
is(sql("SELECT string_agg(table_name || ' ' || backup_status, ', ') FROM vw_backup_status WHERE last_backup_time > now() - interval '5 minutes'"), 'base backup SUCCESS', 'a base backup');
my $stop = $node->basedir . '/broken';
$node->command_fails([ 'pg_basebackup', '-D', $stop, '-c', 'fast', '--no-sync', '-X', 'none', '-Ft', '--target', 'server:/no/such/place', '-h', $node->host, '-p', $node->port ], 'one that fails');
sql('SELECT count(*) FROM finops.collect_monitors()');
is(sql("SELECT string_agg(backup_status, ', ' ORDER BY last_backup_time) FROM vw_backup_status"), 'SUCCESS', 'before it began is no backup');

# a restart

set('finops.track_statements' => 'on', 'finops.track_access' => 'on', 'archive_mode' => 'on', 'archive_command' => 'true');
$node->restart;
sql($carol);
$ENV{PGPASSWORD} = 'wrong';
$node->psql('postgres', 'SELECT 1', extra_params => [ '-w', '-U', 'carol' ]);
delete $ENV{PGPASSWORD};
is(sql("SELECT access_count FROM vw_data_access_monitoring WHERE user_name = 'carol' AND table_name = 'fact_cost_raw'"), 4, 'access counts on');
is(sql("SELECT failed_login_count FROM vw_user_access_monitoring WHERE user_name = 'carol'"), 7, 'so do failures');
sql('SELECT count(*) FROM finops.collect_monitors()') foreach 1 .. 2;
is(sql("SELECT access_count FROM vw_data_access_monitoring WHERE user_name = 'carol' AND table_name = 'fact_cost_raw'"), 4, 'and they are kept');
sql('CREATE TABLE wal AS SELECT 1; SELECT pg_switch_wal()');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM vw_backup_status WHERE table_name = 'WAL archive' AND backup_status = 'SUCCESS'"), 'the archive');
set('archive_command' => 'false');
sql('CREATE TABLE wal2 AS SELECT 1; SELECT pg_switch_wal()');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM vw_backup_status WHERE table_name = 'WAL archive' AND backup_status = 'FAILED'"), 'an archive that fails');
set('archive_command' => 'true');

# a crash of a session that counts does not take the others with it

my ($ret, $out) = $node->psql('postgres', 'SELECT pg_terminate_backend(pg_backend_pid())');
is(sql('SELECT 1'), 1, 'a session that is ended leaves no lock');

# not preloaded

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(sql("SELECT access_count FROM vw_data_access_monitoring WHERE user_name = 'carol' AND table_name = 'fact_cost_raw'"), 4, 'without the library the views tell what is kept');
is(sql("SELECT string_agg(monitor || ' ' || state, ', ' ORDER BY monitor) FROM finops.monitor_source WHERE hint ~ 'shared_preload'"),
	'access not preloaded, logins not preloaded, statements not preloaded', 'and it is said why nothing comes');
is(sql("SELECT count(*) FROM finops.tracked_statements(), finops.tracked_access(), finops.tracked_logins()"), 0, 'the hooks have nothing');
$node->backup('two');
sql("INSERT INTO finops.backup_progress VALUES (1, now() + interval '1 minute', now() + interval '2 minutes', 'streaming database files', 100, 10)");
sql('SELECT count(*) FROM finops.collect_monitors()') foreach 1 .. 2;
is(sql("SELECT string_agg(backup_status, ', ' ORDER BY last_backup_time) FROM vw_backup_status WHERE table_name = 'base backup'"), 'SUCCESS, SUCCESS, FAILED',
	'a backup by its file in the archive; one that was seen and is gone without has failed');
is(sql("SELECT string_agg(source, ', ' ORDER BY source) FROM finops.collect_monitors() WHERE monitor IN ('access', 'logins', 'statements')"),
	'not preloaded, not preloaded, not preloaded', 'nor is anything collected');
$node->stop;
done_testing();
