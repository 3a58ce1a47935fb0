# Cost Explorer and Athena against a server that verifies every signature:
# pages, the cache, the rate over several sessions, the meter, refusals.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('aws_api', conf => "log_statement = none\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/requests');
append_to_file($log, '');
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/aws_server.py", $port_file, $log ]);
END { local $?; $server->kill_kill if $server; }
sleep 0.05 while !-e $port_file;
chomp(my $port = slurp_file($port_file));
my $keys = $node->basedir . '/credentials';
append_to_file($keys, "[default]\naws_access_key_id = AKIATESTSERVER\n"
	  . "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+tests\naws_session_token = token/with+signs=\n"
	  . "[wrong]\naws_access_key_id = AKIATESTSERVER\naws_secret_access_key = wrong\n");
chmod 0600, $keys;

my %base = (
	'finops.allowed_hosts' => "http://127.0.0.1:$port",
	'finops.allowed_networks' => '127.0.0.1/32',
	'finops.aws_endpoint' => "http://127.0.0.1:$port",
	'finops.aws_credentials_file' => $keys,
	'finops.cost_explorer_rate' => 1000,
	'finops.max_retries' => 3);

sub settings
{
	my (%set) = (%base, @_);
	return join '', map { "SET $_ = '$set{$_}';\n" } sort keys %set;
}

sub answer
{
	my ($sql, %set) = @_;
	return $node->safe_psql('postgres', settings(%set) . $sql);
}

sub fails
{
	my ($sql, $pattern, $title, %set) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n" . settings(%set) . $sql, on_error_stop => 1);
	like($err, $pattern, $title) or diag($out);
	unlike($err, qr/MDENG|token.with/, "$title: without a secret");
	return;
}

sub requests
{
	my ($pattern) = @_;
	return grep { $_->{target} =~ /$pattern/ } map { decode_json($_) } split /\n/, slurp_file($log);
}

sub control
{
	my ($what) = @_;
	my $out = '';
	IPC::Run::run([ $python, '-c', 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])',
		"http://127.0.0.1:$port/control?$what" ]) or die;
	return;
}

# five days by service: three pages of at most two days, amounts with all their digits
my $days = "SELECT * FROM finops.fetch_cost_explorer('2024-01-01', '2024-01-06')";
is( answer("SELECT period_start, period_end, keys, metric, amount, unit, estimated FROM ($days) AS c WHERE period_start >= '2024-01-03' AND period_start < '2024-01-05'"),
	join("\n",
		'2024-01-03 00:00:00|2024-01-04 00:00:00|{"Amazon Simple Storage Service"}|UnblendedCost|3.000000000000000001|USD|f',
		'2024-01-03 00:00:00|2024-01-04 00:00:00|{"AWS Lambda"}|UnblendedCost|3.100000000000000002|USD|f',
		'2024-01-04 00:00:00|2024-01-05 00:00:00|{"Amazon Simple Storage Service"}|UnblendedCost|4.000000000000000001|USD|t',
		'2024-01-04 00:00:00|2024-01-05 00:00:00|{"AWS Lambda"}|UnblendedCost|4.100000000000000002|USD|t'),
	'cost by day and service');
is(scalar(requests('GetCostAndUsage')), 3, 'in three pages, every one with a correct signature');
# 2 (1 + 2 + 3 + 4 + 5) + 5 0.1 + 5 (10^-18 + 2 10^-18)
is(answer("SELECT count(*), sum(amount) FROM ($days) AS c"), '10|30.500000000000000015', 'the whole, exactly');
is(scalar(requests('GetCostAndUsage')), 3, 'the second time from the cache');
is( answer('SELECT source, count(*), bool_and(expires_at = created_at + interval \'6 hours\') FROM cost_cache GROUP BY 1'),
	'cost-explorer|1|t', 'kept for six hours');
is( answer('SELECT endpoint, status_code, count(*), sum(request_cost_usd), bool_and(response_time_ms > 0) FROM api_metrics GROUP BY 1, 2'),
	'AWSInsightsIndexService.GetCostAndUsage|200|3|0.03|t', 'three requests are metered, a cent each');
is( $node->safe_psql('postgres', settings() . "SET default_transaction_read_only = on;\nSELECT count(*) FROM ($days) AS c"),
	10, 'the cache answers read-only transactions');

my ($request) = requests('GetCostAndUsage');
is_deeply($request->{body}, {
		TimePeriod => { Start => '2024-01-01', End => '2024-01-06' }, Granularity => 'DAILY',
		Metrics => ['UnblendedCost'], GroupBy => [ { Type => 'DIMENSION', Key => 'SERVICE' } ] }, 'what is asked for');
answer(q{SELECT finops.fetch_cost_explorer('2024-01-01', '2024-03-01', 'monthly', '{service,TAG:team:x}',
	'{amortizedcost,UsageQuantity}', '{"Dimensions": {"Key": "REGION", "Values": ["us-east-1"]}}')});
is_deeply((requests('GetCostAndUsage'))[-1]->{body}, {
		TimePeriod => { Start => '2024-01-01', End => '2024-03-01' }, Granularity => 'MONTHLY',
		Metrics => [ 'AmortizedCost', 'UsageQuantity' ],
		GroupBy => [ { Type => 'DIMENSION', Key => 'SERVICE' }, { Type => 'TAG', Key => 'team:x' } ],
		Filter => { Dimensions => { Key => 'REGION', Values => ['us-east-1'] } } }, 'months, tags, metrics and a filter');
is( answer(q{SELECT period_start, keys, amount FROM finops.fetch_cost_explorer('2024-01-02', '2024-01-03', 'HOURLY', '{}')}),
	'2024-01-02 00:00:00|{}|2.000000000000000001', 'the total without groups');
is((requests('GetCostAndUsage'))[-1]->{body}{TimePeriod}{Start}, '2024-01-02T00:00:00Z', 'hours begin at a time');

# the cache: a new answer after its time, no more rows than are allowed, none at all
my $before = () = requests('GetCostAndUsage');
my $counted = "SELECT string_agg(value::text, ' ' ORDER BY metric) FROM finops.metric_samples() WHERE metric LIKE 'dashboard_cache_%'";
my ($hits, $misses) = split ' ', answer($counted);
is($misses, scalar(my @fetched = answer("SELECT DISTINCT cache_key FROM cost_cache") =~ /\S+/g), 'what is kept was fetched');
answer("UPDATE cost_cache SET expires_at = now() - interval '1 second'; $days");
is(answer($counted), "$hits " . ($misses + 1), 'a miss is counted');
answer("BEGIN; $days; $days; ROLLBACK");
answer("BEGIN READ ONLY; $days; COMMIT");
is(answer($counted), ($hits + 2) . ' ' . ($misses + 1), 'hits, too, also of a transaction that is rolled back, not of one that only reads');
is(scalar(requests('GetCostAndUsage')), $before + 3, 'an answer that has expired is asked for again');
answer("INSERT INTO cost_cache (cache_key, source) VALUES ('mine', 'athena')");
answer($_) foreach map { "SELECT finops.fetch_cost_explorer('2024-01-0$_', '2024-01-09')" } 1 .. 4;
answer("SELECT finops.fetch_cost_explorer('2024-01-05', '2024-01-09')", 'finops.cache_max_rows' => 2);
is(answer('SELECT source, count(*) FROM cost_cache GROUP BY 1 ORDER BY 1'), "athena|1\ncost-explorer|2",
	'the newest two remain, and what others keep there');
answer('DELETE FROM cost_cache');
answer("$days; $days", 'finops.cache_ttl' => 0);
is(answer('SELECT count(*) FROM cost_cache'), 0, 'a time of 0 keeps nothing');

# throttled, busy: asked again, and every attempt is metered
answer('DELETE FROM api_metrics');
control('throttle=1&busy=1');
answer("SELECT finops.fetch_cost_explorer('2024-01-01', '2024-01-02')");
is( answer('SELECT status_code, error_code, request_cost_usd FROM api_metrics ORDER BY created_at'),
	"400|ThrottlingException|0\n503|ServiceUnavailable|0\n200||0.01", 'each attempt, its error and its cost');

# the attempts of a statement that failed are written with the next one
answer('DELETE FROM api_metrics');
control('throttle=4');
$node->psql('postgres', settings() . "SELECT count(*) FROM finops.fetch_cost_explorer('2021-01-01', '2021-01-02');\n"
	  . "SELECT count(*) FROM finops.fetch_cost_explorer('2021-02-01', '2021-02-02');", on_error_stop => 0);
is( answer('SELECT error_code, count(*), sum(request_cost_usd) FROM api_metrics GROUP BY 1 ORDER BY 1'),
	"ThrottlingException|4|0\n|1|0.01", 'four attempts that failed and one that did not');

# what is refused
my $other = "SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-04')";
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-01')", qr/22023: end_date must be after/, 'no days');
fails("SELECT finops.fetch_cost_explorer(NULL, '2024-02-01')", qr/22004: start_date must not be null/, 'NULL');
fails("SELECT finops.fetch_cost_explorer('-infinity', '2024-02-01')", qr/22023: /, 'infinity');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', 'weekly')", qr/22023: unknown granularity.*HINT:.*DAILY/s, 'a granularity');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', metrics => '{Cost}')", qr/22023: unknown metric "Cost".*HINT:.*UnblendedCost/s, 'a metric');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', metrics => '{}')", qr/22023: no metric/, 'no metric');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', group_by => '{SERVICE,REGION,AZ}')", qr/22023: cost can be grouped by 2/, 'three groups');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', group_by => '{SERVICE,NULL}')", qr/22004: /, 'NULL among the groups');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', filter => '[]')", qr/22023: filter must be an object/, 'a filter');
fails("SELECT finops.fetch_cost_explorer('2024-02-01', '2024-02-02', group_by => '{COLOUR}')", qr/22023: .*ValidationException: no dimension COLOUR/s, 'what the service refuses');
control('denied=1');
fails($other, qr/42501: .*AccessDeniedException/s, 'no right to the action');
control('throttle=9');
fails($other, qr/53400: .*ThrottlingException/s, 'throttled for good');
control('throttle=0&garbage=1');
fails($other, qr/22P04: .*no ResultsByTime/s, 'an answer without results');
control('nan=1');
fails($other, qr/22P04: .*not a number/s, 'an amount that is none');
control('same_page=3');
fails($other, qr/22P04: .*twice/s, 'pages without end');
control('same_page=0');
fails($other, qr/28000: .*InvalidSignature/s, 'a wrong secret', 'finops.aws_profile' => 'wrong');
is(answer('SELECT count(*) FROM cost_cache WHERE payload::text LIKE \'%2024-02%\''), 0, 'nothing of it is kept');
fails("BEGIN READ ONLY; $other", qr/25006: /, 'a read-only transaction');
$node->safe_psql('postgres', 'CREATE ROLE analyst; GRANT EXECUTE ON FUNCTION finops.fetch_cost_explorer TO analyst');
fails("SET ROLE analyst; $other", qr/42501: permission denied to read from the network/, 'a role without the network');

# the rate, over four sessions at once: turn i of n is not before i intervals
$node->safe_psql('postgres', 'DELETE FROM cost_cache; DELETE FROM api_metrics');
my ($start) = split /\|/, $node->safe_psql('postgres', 'SELECT extract(epoch FROM clock_timestamp())');
my $seen = () = requests('GetCostAndUsage');
my @sessions;
foreach my $session (1 .. 4)
{
	my ($in, $out, $err) = (settings('finops.cost_explorer_rate' => 40), '', '');
	$in .= "SELECT finops.fetch_cost_explorer('2023-0$session-0$_', '2023-0$session-1$_');\n" foreach 1 .. 2;
	my $run = { out => \$out, err => \$err };
	$run->{handle} = IPC::Run::start([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err);
	push @sessions, $run;
}
ok($_->{handle}->finish, 'a session finishes') || diag(${ $_->{err} }) foreach @sessions;
my @arrived = sort { $a <=> $b } map { $_->{at} } (requests('GetCostAndUsage'))[ $seen .. $seen + 39 ];
is(scalar(@arrived), 40, 'forty requests');
is(scalar(grep { $arrived[$_] < $start + $_ / 40 - 0.001 } 0 .. $#arrived), 0, 'none arrived before its turn');
is( answer("SELECT count(*) FROM (SELECT created_at, row_number() OVER (ORDER BY created_at) - 1 AS i FROM api_metrics) AS m"
		  . " WHERE extract(epoch FROM created_at) < $start + i / 40.0"), 0, 'none was sent before its turn');
# a turn is waited for without a lock and can be given up
my ($out, $err) = ('', '');
$node->psql('postgres', settings('finops.cost_explorer_rate' => 1)
	  . "SELECT count(*) FROM finops.fetch_cost_explorer('2022-01-01', '2022-01-02');\nSET statement_timeout = '100ms';\n"
	  . "SELECT count(*) FROM finops.fetch_cost_explorer('2022-02-01', '2022-02-02');", stdout => \$out, stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'waiting for a turn is cancelled');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no lock stays');
$node->safe_psql('postgres', "SELECT setval('finops.cost_explorer_clock', 9000000000000000000)");
is(answer("SELECT count(*) FROM finops.fetch_cost_explorer('2022-03-01', '2022-03-02')"), 2, 'a clock from far ahead is set right');

# Athena
answer('DELETE FROM api_metrics');
is( answer("SELECT r FROM finops.athena_query('SELECT * FROM cur', 'billing', output_location => 's3://results/') AS r"),
	join("\n",
		'{"n": 9223372036854775807, "n_2": 1, "cost": 12345678901234567.000000000000000001, "paid": true, "ratio": "NaN", "service": "AmazonS3"}',
		'{"n": 0, "n_2": null, "cost": null, "paid": false, "ratio": 0.00000015, "service": ""}',
		'{"n": 2, "n_2": 3, "cost": -1, "paid": null, "ratio": "Infinity", "service": "größe"}'),
	'rows of a query, over two pages, every digit');
is_deeply({ %{ (requests('StartQueryExecution'))[-1]->{body} }, ClientRequestToken => 1 }, {
		QueryString => 'SELECT * FROM cur', WorkGroup => 'primary', ClientRequestToken => 1,
		QueryExecutionContext => { Database => 'billing' }, ResultConfiguration => { OutputLocation => 's3://results/' } },
	'what is asked of Athena');
is( answer('SELECT query_execution_id, workgroup, query, status, data_scanned_in_bytes, execution_time_millis, creation_time AT TIME ZONE \'UTC\', '
		  . 'database_name, statement_type, output_location, scan_cost_usd = 10 * 5 / 1048576.0 FROM athena_query_executions'),
	'query-1|primary|SELECT * FROM cur|SUCCEEDED|123|1234|2024-01-01 00:00:00.125|billing|DML|s3://results/query-1.csv|t',
	'the query is kept; ten megabytes are charged');
is( answer('SELECT endpoint, count(*), sum(request_cost_usd) FROM api_metrics GROUP BY 1 ORDER BY 1'),
	"AmazonAthena.GetQueryExecution|3|0\nAmazonAthena.GetQueryResults|2|0\nAmazonAthena.StartQueryExecution|1|0", 'and its calls are metered');
is(answer("SELECT * FROM finops.athena_query('SHOW TABLES')"), "{\"tab_name\": \"tab_name\"}\n{\"tab_name\": \"cur\"}",
	'SHOW has no row of names');
control('lost_answer=1');
answer("SELECT finops.athena_query('SELECT big FROM cur')");
is(scalar(grep { $_->{body}{QueryString} =~ /big/ } requests('StartQueryExecution')), 2, 'a start whose answer is lost is repeated');
is( answer("SELECT count(*), min(scan_cost_usd) FROM athena_query_executions WHERE query LIKE '%big%'"),
	'1|15.0000000000000000', 'but the query runs once; three terabytes are fifteen dollars');
fails("SELECT finops.athena_query('SELECT fail')", qr/38000: the query failed in Athena.*DETAIL:  SYNTAX_ERROR.*HINT:.*fetch_athena_history/s, 'a query that fails');
is(answer("SELECT count(*) FROM athena_query_executions WHERE query LIKE '%fail%'"), 0, 'leaves nothing by itself');
is(answer('SELECT finops.fetch_athena_history()'), 4, 'the history of the workgroup, over two pages');
is( answer("SELECT query, status, status_reason, trim_scale(scan_cost_usd) FROM athena_query_executions ORDER BY query_execution_id"),
	join("\n", 'SELECT * FROM cur|SUCCEEDED||0.0000476837158203125', 'SHOW TABLES|SUCCEEDED||0',
		'SELECT big FROM cur|SUCCEEDED||15', 'SELECT fail|FAILED|SYNTAX_ERROR: line 1:8|0'),
	'failed queries too; DDL and failures are free');
is(answer('SELECT finops.fetch_athena_history(max_queries => 2)'), 2, 'as many as asked for');
fails("SET statement_timeout = '700ms'; SELECT finops.athena_query('SELECT sleep')", qr/57014: canceling statement/, 'a query is cancelled');
is_deeply([ map { $_->{body}{QueryExecutionId} } requests('StopQueryExecution') ], ['query-5'], 'and stopped in Athena');
is(answer("SELECT finops.fetch_athena_history(max_queries => 1)") . answer("SELECT status FROM athena_query_executions WHERE query LIKE '%sleep%'"),
	'1CANCELLED', 'as its history says');

fails("SELECT finops.athena_query('SELECT 1')", qr/55000: workgroup "primary" lets a query scan more.*HINT:.*10485760/s, 'a workgroup without a limit', 'finops.athena_scan_limit' => '10MB');
fails("SELECT finops.athena_query('SELECT 1', workgroup => 'limited')", qr/55000: .*Its limit per query is 10485760 bytes/s, 'a limit that is too high', 'finops.athena_scan_limit' => '9MB');
is(answer("SELECT count(*) FROM finops.athena_query('SELECT 1', workgroup => 'limited')", 'finops.athena_scan_limit' => '10MB'), 3, 'a limit that will do');
is(scalar(requests('StartQueryExecution')), 7, 'nothing was started in vain');
fails('SELECT finops.athena_query(NULL)', qr/22004: sql must not be null/, 'NULL');
fails("SELECT finops.athena_query('')", qr/22023: a query has 1 to 262144 bytes/, 'no query');
fails("SELECT finops.athena_query('SELECT 1', output_location => '/tmp')", qr/22023: .*s3:/, 'no place for results');
fails('SELECT finops.fetch_athena_history(max_queries => 0)', qr/22023: max_queries/, 'no history');

is($node->safe_psql('postgres', "SELECT sum(response_time_ms) >= 0, count(*) FILTER (WHERE request_cost_usd > 0) > 0 FROM api_metrics"), 't|f', 'the meter');
unlike(slurp_file($node->logfile), qr/MDENG|token.with/, 'no secret in the log of the server');
$node->stop;
done_testing();
