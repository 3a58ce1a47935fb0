# What promtool and amtool say to the metrics, the rules and the examples, and
# what a role that only monitors may do.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# program(NAME): whether it is installed
sub program
{
	my ($name) = @_;
	return scalar grep { -x "$_/$name" } split /:/, $ENV{PATH};
}

sub runs
{
	my ($title, $input, @command) = @_;
	my ($out, $err) = ('', '');

	ok(IPC::Run::run([@command], '<', \$input, '>', \$out, '2>', \$err), $title) or diag("$out$err");
	return $out . $err;
}

my $node = finops_node('metrics', conf => "max_wal_senders = 4\nwal_level = replica\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }
sql('CREATE EXTENSION finops');

# a role that may monitor, and one that may not
sql(q{
	CREATE ROLE monitor LOGIN; CREATE ROLE nobody LOGIN;
	GRANT USAGE ON SCHEMA finops TO monitor, nobody;
	GRANT EXECUTE ON FUNCTION finops.health_check(), finops.metric_samples(text), finops.prometheus_metrics() TO monitor;
});
my $health = decode_json(sql('SET ROLE monitor; SELECT finops.health_check()'));
is($health->{status}, 'ok', 'an empty database is healthy');
is_deeply([ sort keys %{ $health->{checks} } ],
	[qw(cache connections disk ingest jobs messages scheduler transactions wal)], 'what is checked');
my ($code, $out, $err) = $node->psql('postgres', 'SET ROLE monitor; SELECT * FROM finops.job_run');
like($err, qr/permission denied/, 'a monitoring role reads no table');
foreach my $function (qw(health_check() prometheus_metrics() metric_samples()))
{
	($code, $out, $err) = $node->psql('postgres', "SET ROLE nobody; SELECT finops.$function");
	like($err, qr/permission denied/, "$function is not for everybody");
}

# also where nothing may be written, and while somebody holds what is looked at
is(sql('BEGIN READ ONLY; SELECT finops.health_check() ->> \'status\'; COMMIT'), 'ok', 'a read-only transaction');
my $blocker = start_session($node, 'blocker', "BEGIN; LOCK TABLE finops.delivery; SELECT pg_sleep(600);\n");
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'finops.delivery'::regclass AND mode = 'AccessExclusiveLock' AND granted})
  or die 'no lock';
$health = decode_json(sql('SELECT finops.health_check()'));
is($health->{checks}{ingest}{status}, 'failed', 'a check that has to wait has failed');
like($health->{checks}{ingest}{error}, qr/^55P03/, 'and says why');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()});
$blocker->{handle}->finish;

# the pool of the dashboard, by the statement of its runbook
sql('CREATE DATABASE dashboard');
my $pool = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('dashboard'), '-c', 'BEGIN', '-c', 'SELECT pg_sleep(600)' ], '<', \undef, '>', \my $ignored, '2>', \my $dropped);
ok($node->poll_query_until('postgres', q{SELECT result::jsonb = '{"state": "active", "count": 1}' FROM finops.run_runbook('S001-Q12')}), 'one connection is active');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'dashboard'});
$pool->finish;

# a standby answers as well
$node->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'standby', has_streaming => 1);
$standby->start;
$health = decode_json($standby->safe_psql('postgres', 'SELECT finops.health_check()'));
ok($health->{checks}{transactions}{in_recovery}, 'it knows what it is') and is($health->{status}, 'ok', 'and is well');
like($standby->safe_psql('postgres', 'SELECT finops.prometheus_metrics()'), qr/^finops_health_status\{check="disk"\} \d$/m, 'with its metrics');
$standby->stop;

# lost sessions are connection errors; killed by hand is none
$node->poll_query_until('postgres', 'SELECT sessions_killed > 0 FROM pg_stat_database WHERE datname = current_database()') or die 'not told';
my $errors = sql(q{SELECT value FROM finops.metric_samples('dashboard_database_connection_errors_total')});
$node->psql('postgres', "SET idle_session_timeout = '10ms';\n\\! sleep 0.5\nSELECT 1;\n");
ok($node->poll_query_until('postgres', qq{SELECT value = $errors + 1 FROM finops.metric_samples('dashboard_database_connection_errors_total')}),
	'a session that ends with a fatal error');

SKIP:
{
	skip 'prometheus is not installed', 5 if !program('promtool');
	sql(q{
		SELECT finops.generate_bill('2024-01-01', 1000, 3);
		INSERT INTO api_metrics (endpoint, status_code, response_time_ms) VALUES ('/api/costs', 200, 12.5), ('/api/costs', 500, 1e300), ('GetCostAndUsage', NULL, 0);
		INSERT INTO cost_cache (cache_key, source, last_updated) VALUES ('a', E'q"b\\\\n\nü', now()), ('b', 'cost-explorer', '-infinity'), ('c', '', 'infinity');
		INSERT INTO athena_query_executions (query_execution_id, status, data_scanned_in_bytes, execution_time_millis, scan_cost_usd) VALUES ('q', 'SUCCEEDED', 1e30, 0.001, 5);
		INSERT INTO finops.job_run (job_name, status, executed_by) VALUES ('ingest', 'failed', 'me');
	});
	runs('promtool accepts the metrics', sql('SELECT finops.prometheus_metrics()') . "\n", 'promtool', 'check', 'metrics');
	like(runs('and the rules', '', 'promtool', 'check', 'rules', source_file('monitoring/finops.rules.yml')), qr/SUCCESS: 2[0-9] rules/, 'all of them');
	runs('each rule waits, fires and ends', '', 'promtool', 'test', 'rules', source_file('monitoring/finops.rules.test.yml'));
	runs('the configuration', '', 'promtool', 'check', 'config', source_file('monitoring/prometheus.yml'));
}
SKIP:
{
	skip 'prometheus-alertmanager is not installed', 1 if !program('amtool');
	runs('the routes', '', 'amtool', 'check-config', source_file('monitoring/alertmanager.yml'));
}

# every metric that a rule asks for is one that there is
my $rules = slurp_file(source_file('monitoring/finops.rules.yml'));
my %family = map { $_ => 1 } split /\n/, sql(q{SELECT split_part(l, ' ', 3) FROM string_to_table(finops.prometheus_metrics(), E'\n') l WHERE l LIKE '# TYPE%'});
$family{$_} = 1 foreach $rules =~ /record: (\S+)/g;
my %asked = map { $_ => 1 } map { /\b((?:finops|dashboard|aws|athena)_[a-z_]+)/g } grep { /expr:|^ {6,}\S.*rate\(/ } split /\n/, $rules;
is_deeply([ grep { !$family{$_} } sort keys %asked ], [], 'rules ask for metrics that there are');
cmp_ok(scalar(keys %asked), '>', 15, 'for many');

# and every label is one that the exporters hand on
my @labels = split /\n/, sql('SELECT DISTINCT k FROM finops.metric_samples() s, jsonb_object_keys(s.labels) k');
foreach my $file (qw(sql_exporter.yml postgres_exporter.yml))
{
	my $text = slurp_file(source_file("monitoring/$file"));
	is_deeply([ grep { $text !~ /labels ->> '$_'/ && $_ ne 'server' } @labels ], [], "labels of $file");
}

# the statements of the runbook pages are ones that the server takes
foreach my $page (qw(dashboard forecast-drivers))
{
	my $text = slurp_file(source_file("docs/runbooks/$page.md"));
	my @statements = grep { !/\xE2\x80\xA6/ } $text =~ /`(SELECT [^`]*)`/g;
	cmp_ok(scalar(@statements), '>', 5, "statements in $page.md");
	foreach my $statement (@statements)
	{
		($code, $out, $err) = $node->psql('postgres', "EXPLAIN $statement");
		is($err, '', $statement);
	}
}
$node->stop;
done_testing();
