# From a table to a pager: both exporters and the text itself are scraped by a
# Prometheus, whose rules fire on injected failures, and whose Alertmanager
# tells a sink.  The rules wait for nothing here; 053_metrics tries their times.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;
foreach my $program (qw(prometheus prometheus-alertmanager prometheus-postgres-exporter prometheus-sql-exporter))
{
	plan skip_all => "$program is not installed" if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

my $node = finops_node('prometheus', conf => "listen_addresses = '127.0.0.1'\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }
sql(q{
	CREATE EXTENSION finops;
	CREATE ROLE monitor LOGIN;
	GRANT USAGE ON SCHEMA finops TO monitor;
	GRANT EXECUTE ON FUNCTION finops.metric_samples(text), finops.prometheus_metrics() TO monitor;
});
my $dir = $node->basedir . '/prometheus';
mkdir $dir or die;
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() } qw(sql postgres text prometheus alertmanager);

my @running;
END { local $?; $_->kill_kill foreach @running; }
sub start
{
	my ($name, @command) = @_;
	push @running, IPC::Run::start([@command], '<', \undef, '>', "$dir/$name.out", '2>', "$dir/$name.log");
	return;
}

# until(WHAT, CODE): waits for a true value, for at most two minutes
sub until_true
{
	my ($what, $code) = @_;
	my $deadline = time + 120;
	my $answer;

	until ($answer = $code->())
	{
		if (time > $deadline)
		{
			diag("$_: " . substr(slurp_file("$dir/$_.log"), -1000)) foreach grep { -e "$dir/$_.log" } qw(sql postgres text prometheus alertmanager);
			die "no $what";
		}
		sleep 0.1;
	}
	return $answer;
}

# GET of one of the programs: the body, empty while it does not answer
sub get
{
	my ($port, $path) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return '';
	print $socket "GET $path HTTP/1.0\r\nHost: localhost\r\n\r\n";
	local $/;
	my $answer = <$socket> // '';
	return $answer =~ /^HTTP\S+ 200.*?\r\n\r\n(.*)/s ? $1 : '';
}

# the value of an instant query: result rows
sub query
{
	my ($expression) = @_;
	$expression =~ s/([^A-Za-z0-9_])/sprintf '%%%02X', ord $1/ge;
	my $answer = get($port{prometheus}, "/api/v1/query?query=$expression") or return ();
	return @{ decode_json($answer)->{data}{result} };
}

# the shipped files, with the addresses of this test
sub configure
{
	my ($file, %change) = @_;
	my $text = slurp_file(source_file("monitoring/$file"));
	foreach my $from (keys %change)
	{
		$text =~ s/$from/$change{$from}/g or die "$file has no $from";
	}
	append_to_file("$dir/$file", $text);
	return "$dir/$file";
}

my ($port_file, $log) = ("$dir/sink.port", "$dir/sink");
append_to_file($log, '');
start('sink', $python, "$FindBin::RealBin/sink_server.py", $port_file, $log);
my ($sink) = split ' ', until_true('sink', sub { -s $port_file && slurp_file($port_file) });

my $database = 'monitor@127.0.0.1:' . $node->port . '/postgres\?sslmode=disable' =~ s/\\//r;
start('sql', 'prometheus-sql-exporter', '-config.file',
	configure('sql_exporter.yml', 'monitor@127.0.0.1:5432/postgres.sslmode=disable' => $database, "'30s'" => "'1s'"),
	'-web.listen-address', "127.0.0.1:$port{sql}");
{
	local $ENV{DATA_SOURCE_NAME} = "postgresql://$database";
	start('postgres', 'prometheus-postgres-exporter', '--extend.query-path=' . configure('postgres_exporter.yml'),
		"--web.listen-address=127.0.0.1:$port{postgres}");
}
my $text_server = <<'PYTHON';
import http.server, subprocess, sys
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        run = subprocess.run(["psql", "-XAt", "-U", "monitor", "-d", sys.argv[2], "-c", "SELECT finops.prometheus_metrics()"], stdout=subprocess.PIPE)
        self.send_response(200 if run.returncode == 0 else 500)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(run.stdout)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics).serve_forever()
PYTHON
start('text', $python, '-c', $text_server, $port{text}, $node->connstr('postgres'));

# what is there before the failures, so that an increase is one
sql(q{
	INSERT INTO api_metrics (endpoint, status_code, response_time_ms) SELECT '/api/costs', 200, 20 FROM generate_series(1, 5);
	SELECT finops.generate_bill('2024-01-01', 1000, 3);
});

configure('finops.rules.yml', 'for: \w+' => 'for: 0s');
my $config = configure('prometheus.yml', '30s' => '1s', '127.0.0.1:9093' => "127.0.0.1:$port{alertmanager}",
	'127.0.0.1:9237' => "127.0.0.1:$port{sql}", '127.0.0.1:9187' => "127.0.0.1:$port{postgres}", '127.0.0.1:3001' => '127.0.0.1:1');
append_to_file($config, "\n- job_name: text\n  static_configs:\n  - targets: ['127.0.0.1:$port{text}']\n");
start('alertmanager', 'prometheus-alertmanager',
	'--config.file=' . configure('alertmanager.yml', 'group_wait: 30s' => 'group_wait: 1s', 'group_interval: 5m' => 'group_interval: 1s',
		'127.0.0.1:9300/page' => "127.0.0.1:$sink/ok/page", '127.0.0.1:9300/slack' => "127.0.0.1:$sink/ok/slack"),
	"--storage.path=$dir/alertmanager", '--cluster.listen-address=', "--web.listen-address=127.0.0.1:$port{alertmanager}");
start('prometheus', 'prometheus', "--config.file=$config", "--storage.tsdb.path=$dir/data",
	"--web.listen-address=127.0.0.1:$port{prometheus}");

# each way of scraping gives the same series under the same names
foreach my $job (qw(text finops finops-postgres))
{
	my $row = until_true("scrape of $job", sub { (query(qq{dashboard_http_requests_total{job="$job",status="200"} == 5}))[0] });
	is($row->{value}[1], 5, "$job is scraped");
}
is_deeply([ sort map { $_->{metric}{job} } query('finops_build_info') ], [qw(finops finops-postgres text)], 'so are its labels');
my @names = map { { map { $_->{metric}{__name__} => 1 } query(qq{{__name__=~"(finops|dashboard|aws|athena)_.*",job="$_"}}) } } qw(text finops finops-postgres);
cmp_ok(scalar(keys %{ $names[0] }), '>', 35, 'many names');
foreach my $names (@names[ 1, 2 ])
{
	is_deeply([ sort grep { !$names->{$_} } keys %{ $names[0] } ], [], 'the exporters leave no name out');
}

# failures
sql(q{
	INSERT INTO api_metrics (endpoint, status_code, response_time_ms) SELECT '/api/costs', 503, 9000 FROM generate_series(1, 50);
	INSERT INTO api_metrics (endpoint, status_code, response_time_ms, error_code) SELECT 'AWSInsightsIndexService.GetCostAndUsage', 400, 5, 'ThrottlingException' FROM generate_series(1, 20);
	INSERT INTO cost_cache (cache_key, source, last_updated) VALUES ('k', 'cost-explorer', now() - interval '73 hours');
	INSERT INTO athena_query_executions (query_execution_id, status, data_scanned_in_bytes) VALUES ('q', 'SUCCEEDED', 1099511627777);
	INSERT INTO finops.job_run (job_name, status, executed_by) VALUES ('ingest', 'failed', 'me');
	UPDATE finops.delivery SET loaded_at = now() - interval '5 days';
});
$node->psql('postgres', "SET idle_session_timeout = '10ms';\n\\! sleep 0.5\nSELECT 1;\n");

my @expected = qw(AWSAPIThrottling AthenaScan BillLate DashboardDown DatabaseConnectionFailure HealthCheckDegraded
  HealthCheckFailed HighErrorRate JobFailed SlowAPIResponses StaleData);
my %firing;
until_true('alerts (' . join(' ', @expected) . ')', sub {
	%firing = map { $_->{metric}{alertname} => 1 } query('ALERTS{alertstate="firing"}');
	return !grep { !$firing{$_} } @expected;
});
ok($firing{$_}, "$_ fires") foreach @expected;
ok(!$firing{$_}, "$_ does not") foreach qw(FinopsMetricsMissing ReconciliationVariance ForecastVariance CriticalAlertFires MessagesWaiting JobsLate);

# they reach whoever is on call; what a dashboard that is down explains stays back
my %told;
until_true('messages', sub {
	foreach my $post (map { decode_json($_) } split /\n/, slurp_file($log))
	{
		my $body = decode_json($post->{body});
		$told{page}{ $_->{labels}{alertname} } = $_->{annotations}{summary} foreach @{ $body->{alerts} // [] };
		$told{slack} .= JSON::PP->new->encode($body->{attachments}) if $body->{attachments};
	}
	return $told{page}{HealthCheckFailed} && $told{page}{DatabaseConnectionFailure} && $told{page}{DashboardDown}
	  && !grep { ($told{slack} // '') !~ /$_/ } qw(JobFailed StaleData AthenaScan BillLate AWSAPIThrottling);
});
is($told{page}{DashboardDown}, 'The dashboard 127.0.0.1:1 does not answer', 'critical ones page');
is($told{page}{HealthCheckFailed}, 'Health check ingest failed', 'with what failed');
like($told{slack}, qr/Job ingest failed.*error_message/s, 'warnings go to Slack, with what to look at');
ok(!$told{page}{StaleData} && !$told{page}{JobFailed}, 'and page nobody');

# what was deleted is still counted
sql('DELETE FROM api_metrics');
until_true('scrape', sub { query('finops_cache_entries{job="text"} == 1') });
is(sql(q{SELECT value FROM finops.metric_samples('dashboard_http_requests_total') WHERE labels ->> 'status' = '503'}), 50, 'counters do not fall');
is_deeply([ query('resets(dashboard_http_requests_total[5m]) > 0') ], [], 'and Prometheus sees no reset');
$node->stop;
done_testing();
