# Cost Explorer and Athena of moto, an emulator of AWS: python3-moto where it
# is installed, or a moto_server that runs at FINOPS_MOTO.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $python = '/usr/bin/python3';
my ($program) = grep { -x } map { "$_/moto_server" } split /:/, $ENV{PATH};
my $moto = $ENV{FINOPS_MOTO};
plan skip_all => 'moto_server is not installed' if !$program && !$moto;

my $server;
END { local $?; $server->kill_kill if $server; }

# get(PATH, BODY): does the server answer?
sub get
{
	my ($path, $body) = @_;
	my ($out, $err) = ('', '');
	return IPC::Run::run([ $python, '-c',
			'import sys, urllib.request as u; u.urlopen(sys.argv[1], sys.argv[2].encode() or None, 5).read()',
			"$moto$path", $body // '' ], '>', \$out, '2>', \$err);
}

if (!$moto)
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($out, $err) = ('', '');
	$moto = "http://127.0.0.1:$port";
	$server = IPC::Run::start([ $program, '-H', '127.0.0.1', '-p', $port ], '>', \$out, '2>', \$err);
	for (1 .. 100) { last if get('/moto-api/'); sleep 0.2; }
}

my $node = finops_node('moto');
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
my $keys = $node->basedir . '/credentials';
append_to_file($keys, "[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n");
chmod 0600, $keys;
my $settings = "SET finops.allowed_hosts = '$moto'; SET finops.allowed_networks = '127.0.0.1/32';"
  . " SET finops.aws_endpoint = '$moto'; SET finops.aws_credentials_file = '$keys';\n";

ok(get('/moto-api/static/ce/cost-and-usage-results', '{"results": [{"ResultsByTime": [{"TimePeriod": {"Start": "2026-01-01", "End": "2026-02-01"},'
	  . ' "Total": {"BlendedCost": {"Amount": "1.23", "Unit": "USD"}}, "Groups": [], "Estimated": false}], "DimensionValueAttributes": []}]}'),
	'moto knows a cost');
is($node->safe_psql('postgres', "${settings}SELECT * FROM finops.fetch_cost_explorer('2026-01-01', '2026-02-01', 'MONTHLY', '{}', '{BlendedCost}')"),
	'2026-01-01 00:00:00|2026-02-01 00:00:00|{}|BlendedCost|1.23|USD|f', 'Cost Explorer');
ok(get('/moto-api/static/athena/query-results', '{"results": [{"rows": [{"Data": [{"VarCharValue": "service"}, {"VarCharValue": "cost"}]},'
	  . ' {"Data": [{"VarCharValue": "AmazonS3"}, {"VarCharValue": "1.25"}]}], "column_info": [{"Name": "service", "Type": "varchar"}, {"Name": "cost", "Type": "decimal"}]}]}'),
	'moto knows a result');
is($node->safe_psql('postgres', "${settings}SELECT finops.athena_query('SELECT service, cost FROM cur', 'billing', output_location => 's3://results/')"),
	'{"cost": 1.25, "service": "AmazonS3"}', 'Athena');
is($node->safe_psql('postgres', "SELECT query, status FROM athena_query_executions"), 'SELECT service, cost FROM cur|SUCCEEDED', 'and its history');
$node->stop;
done_testing();
