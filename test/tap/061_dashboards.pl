# The starter dashboards: every statement in them runs as a reader and answers,
# totals are those of the facts; and a BI layer, Cube, where it is installed,
# answers the same totals.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = finops_node('dashboards', conf => "listen_addresses = '127.0.0.1'\n");
$node->safe_psql('postgres', 'CREATE DATABASE books');
$node->safe_psql('books', 'CREATE EXTENSION finops SCHEMA public');
is( $node->psql('books', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is there');
$node->safe_psql('books', q{
	SELECT finops.refresh_outlook('2025-07-01', 31);
	INSERT INTO budget_master (budget_id, target_usd, period_start, actual_usd) VALUES ('all', 50000, '2025-06-01', 34000);
	CREATE ROLE analyst LOGIN PASSWORD 'six-words-for-a-test';
	SELECT finops.grant_role('reader', 'analyst')});

# What a reader gets: rows, or the error.
sub answer
{
	my ($sql) = @_;
	my ($out, $error) = ('', '');
	$node->psql('books', $sql, stdout => \$out, stderr => \$error, extra_params => [ '-U', 'analyst', '-v', 'ON_ERROR_STOP=1' ]);
	return ($out, $error);
}

my %quiet = map { $_ => 1 } ('Open exceptions', 'Anomalies', 'Against the month before', 'Age of the data, hours');

sub runs
{
	my ($where, $title, $sql) = @_;
	$sql =~ s/\$__timeFrom\(\)/'2025-06-01T00:00:00Z'/g;
	$sql =~ s/\$__timeTo\(\)/'2025-07-01T00:00:00Z'/g;
	$sql =~ s/\$month\b/2025-06-01/g;
	$sql =~ s/\$currency\b/USD/g;
	$sql =~ s/\{\{currency\}\}/'USD'/g;
	unlike($sql, qr/\$[a-z_{]|\{\{/i, "$where, $title: every variable is known");
	my ($rows, $error) = answer($sql);
	is($error, '', "$where, $title: runs");
	ok($rows ne '' || $quiet{$title}, "$where, $title: answers");
	return $rows;
}

my %got;
foreach my $file (sort glob(source_file('dashboards/grafana/*.json')))
{
	my $board = decode_json(slurp_file($file));
	my ($name) = $file =~ m{([^/]+)\.json$};
	is($board->{uid}, $name, "$name: its uid");
	my %ids = map { $_->{id} => 1 } @{ $board->{panels} };
	is(scalar(keys %ids), scalar @{ $board->{panels} }, "$name: panels have numbers of their own");
	runs($name, "variable $_->{name}", $_->{query}) foreach grep { $_->{type} eq 'query' } @{ $board->{templating}{list} };
	foreach my $panel (@{ $board->{panels} })
	{
		$got{ $panel->{title} } = runs($name, $panel->{title}, $_->{rawSql}) foreach @{ $panel->{targets} };
	}
}
foreach my $file (sort glob(source_file('dashboards/metabase/*.json')))
{
	foreach my $card (@{ decode_json(slurp_file($file))->{cards} })
	{
		my $native = $card->{dataset_query}{native};
		my %used = map { $_ => 1 } $native->{query} =~ /\{\{(\w+)\}\}/g;
		is(join(' ', sort keys %used), join(' ', sort keys %{ $native->{'template-tags'} }), "$card->{name}: its variables are declared");
		$got{"metabase $card->{name}"} = runs('metabase', $card->{name}, $native->{query});
	}
}

my $total = $node->safe_psql('books', "SELECT sum(effective_cost) FROM fact_cost_raw");
is(sprintf('%.6f', $got{'Effective cost of the month'}), sprintf('%.6f', $total), 'the headline is the sum of the facts');
is((split /\|/, $got{'metabase Cost by month'})[1], $total, 'to the last digit where no float is asked for');

# the plain text that people paste: the SQL of docs/bi.md
my $document = slurp_file(source_file('docs/bi.md'));
my $n = 0;
while ($document =~ /^```sql\n(.*?)^```/msg)
{
	my ($rows, $error) = answer($1);
	is($error, '', 'docs/bi.md, block ' . ++$n);
}
cmp_ok($n, '>=', 3, 'docs/bi.md has SQL');

SKIP:
{
	my $cube = $ENV{FINOPS_CLIENTS} ? "$ENV{FINOPS_CLIENTS}/../cube" : '';
	skip 'Cube is not installed (see docs/bi.md)', 5 unless -e "$cube/node_modules/.bin/cubejs-server";

	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $dir = $node->basedir . '/cube';
	mkdir $dir;
	symlink "$cube/node_modules", "$dir/node_modules";
	mkdir "$dir/schema";
	foreach my $file (glob(source_file('dashboards/cube/*.js')))
	{
		append_to_file("$dir/schema/" . ($file =~ s{.*/}{}r), slurp_file($file));
	}
	append_to_file("$dir/package.json", '{"name": "finops-cube", "version": "1.0.0"}');
	local %ENV = (%ENV, HOME => $dir, CUBEJS_DB_TYPE => 'postgres', CUBEJS_DB_HOST => '127.0.0.1', CUBEJS_DB_PORT => $node->port,
		CUBEJS_DB_NAME => 'books', CUBEJS_DB_USER => 'analyst', CUBEJS_DB_PASS => 'six-words-for-a-test', CUBEJS_DEV_MODE => 'true',
		CUBEJS_CACHE_AND_QUEUE_DRIVER => 'memory', CUBEJS_API_SECRET => 'x', CUBEJS_TELEMETRY => 'false', PORT => $port);
	my $server = IPC::Run::start([ 'sh', '-c', "cd '$dir' && exec node node_modules/.bin/cubejs-server server" ], '>', "$dir/log", '2>&1');
	my $http = HTTP::Tiny->new(timeout => 30);

	# The first answer may be "Continue wait".
	my $load = sub {
		my ($query) = @_;
		my $answer = {};
		for (1 .. 120)
		{
			my $response = $http->get("http://127.0.0.1:$port/cubejs-api/v1/load?" . $http->www_form_urlencode({ query => encode_json($query) }));
			$answer = eval { decode_json($response->{content}) } || {};
			return $answer->{data} if $answer->{data};
			last if $answer->{error} and $answer->{error} ne 'Continue wait';
			sleep 0.5;
		}
		diag($answer->{error} // slurp_file("$dir/log"));
		return [];
	};
	my $rows = $load->({ measures => [ 'Cost.effectiveCost', 'Cost.billedCost', 'Cost.lineItems' ], dimensions => ['Cost.currency'] });
	is(join('|', map { @$_{qw(Cost.currency Cost.effectiveCost Cost.billedCost Cost.lineItems)} } @$rows),
		$node->safe_psql('books', 'SELECT line_item_currency_code, sum(effective_cost), sum(billed_cost), count(*) FROM fact_cost_raw GROUP BY 1'),
		'Cube answers the total of the facts, to the last digit');
	foreach my $dimension ([ 'Cost', 'effectiveCost', 'Tenant.key', "coalesce(tenant_id, '')" ], [ 'Cost', 'effectiveCost', 'Service.key', "concat(provider, '/', service)" ],
		[ 'Cost', 'effectiveCost', 'Account.key', "concat(provider, '/', coalesce(line_item_usage_account_id, bill_payer_account_id))" ])
	{
		my ($fact, $measure, $key, $sql) = @$dimension;
		$rows = $load->({ measures => ["$fact.$measure"], dimensions => [ $key, 'Cost.currency' ],
				timeDimensions => [ { dimension => 'Cost.billingPeriod', granularity => 'month' } ], limit => 10000 });
		is(join("\n", sort map { "$_->{$key}|$_->{\"$fact.$measure\"}" } @$rows),
			join("\n", sort split /\n/, $node->safe_psql('books', "SELECT $sql, sum(effective_cost) FROM fact_cost_raw GROUP BY 1")), "and by $key");
	}
	$rows = $load->({ measures => ['Allocation.allocatedCost'], dimensions => ['Allocation.currency'] });
	is($rows->[0]{'Allocation.allocatedCost'}, $node->safe_psql('books', 'SELECT sum(amount) FROM finops.allocation_current'), 'and the total of the allocation');
	$server->kill_kill(grace => 2);
}

$node->stop;
done_testing();
