# Real clients read the views and call the functions: psycopg, psycopg2, JDBC,
# ODBC and pg for Node.  Each says what it got; all must have got the same.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = source_file('test/clients');
my $node = finops_node('clients', conf => "listen_addresses = '127.0.0.1'\npassword_encryption = 'scram-sha-256'\n");
my $hebrew = "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d";

# clients come by TCP, with a password
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
$hba =~ s/^(host\s+all\s+all\s+127\.\S+\s+)\S+/$1scram-sha-256/mg;
unlink $node->data_dir . '/pg_hba.conf';
append_to_file($node->data_dir . '/pg_hba.conf', $hba);
$node->reload;

$node->safe_psql('postgres', 'CREATE DATABASE books');
$node->safe_psql('books', "CREATE EXTENSION finops SCHEMA public; SELECT finops.set_tenant_key('tenant_id')");
my $bill = $node->basedir . '/bill.csv';
append_to_file($bill, <<"BILL");
bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_product_code,line_item_unblended_cost,line_item_currency_code,line_item_usage_start_date,line_item_usage_amount,resource_tags_user_tenant_id,resource_tags_user_team
123456789012,2026-05-01,Usage,AmazonEC2,0.000000000000000000000001,USD,2026-05-03T00:00:00Z,,,
123456789012,2026-05-01,Usage,AmazonEC2,123456789012345.5,USD,2026-05-04T11:00:00Z,0.000000000000000000000125,"O'Brien ""x"" $hebrew","a,b"
123456789012,2026-05-01,Tax,AmazonEC2Tax,17.25,USD,2026-05-31T23:00:00Z,1,,
123456789012,2026-05-01,Credit,AWSSupport,-2.75,USD,2026-05-01T00:00:00Z,1,,
BILL
is($node->safe_psql('books', "SELECT status, rows_loaded FROM finops.load_bill('$bill')"), 'loaded|4', 'the bill is there');
$node->safe_psql('books', "CREATE ROLE analyst LOGIN PASSWORD 'six-words-for-a-test'; SELECT finops.grant_role('reader', 'analyst')");

# 0.000000000000000000000001 + 123456789012345.5 + 17.25 - 2.75
my @expected = (
	'total=123456789012360.000000000000000000000001',
	'small=0.000000000000000000000001',
	'tenant=<null>', 'usage=<null>', 'start=2026-05-03T00:00:00', 'team=<none>',
	"tenant=O'Brien \"x\" $hebrew", 'usage=0.000000000000000000000125', 'start=2026-05-04T11:00:00', 'team=a,b',
	'day=2026-05-03 true 7',
	'parts=33.34,33.33,33.33',
	'steps=1:2,2:2,3:2',
	'model=True',
	'residual=0',
	'page=<!DOCTYPE html',
	'error=22023',
	'denied=42501',
	'after=1',
	'many=1000');
my $remarks = 'remarks=what providers bill, unrounded, in currency_key';

sub client
{
	my ($name, $missing, $command, @more) = @_;
  SKIP:
	{
		skip "$name: $missing", 1 if $missing;
		local %ENV = (%ENV, PGHOST => '127.0.0.1', PGPORT => $node->port, PGUSER => 'analyst', PGDATABASE => 'books',
			PGPASSWORD => 'six-words-for-a-test', PYTHONIOENCODING => 'utf-8', LC_ALL => 'C.UTF-8',
			NODE_PATH => join(':', $ENV{FINOPS_CLIENTS} ? "$ENV{FINOPS_CLIENTS}/node_modules" : (), '/usr/share/nodejs'));
		my ($out, $error) = ('', '');
		IPC::Run::run($command, '>', \$out, '2>', \$error, IPC::Run::timeout(120));
		is_deeply([ split /\n/, $out ], [ @expected, @more ], $name) or diag($error);
	}
	return;
}

# Whether a command ends well.
sub runs
{
	my @command = @_;
	my $ok = eval { IPC::Run::run(\@command, '>', \my $out, '2>', \my $error) };
	return $ok ? 1 : 0;
}

my $python = '/usr/bin/python3';
my $none = runs($python, '-c', 'import psycopg') ? '' : 'python3-psycopg is not installed';
client("psycopg, $_", $none, [ $python, "$clients/psycopg_client.py", $_ ]) foreach qw(text binary);

$none = runs($python, '-c', 'import psycopg2') ? '' : 'python3-psycopg2 is not installed';
client('psycopg2', $none, [ $python, "$clients/psycopg2_client.py" ]);

my ($driver) = glob('/usr/lib/*/odbc/psqlodbcw.so');
$none = !$driver ? 'odbc-postgresql is not installed' : runs($python, '-c', 'import pyodbc') ? '' : 'python3-pyodbc is not installed';
client('ODBC', $none, [ $python, "$clients/odbc_client.py", $driver // '' ]);

my $jar = '/usr/share/java/postgresql.jar';
$none = !-e $jar ? 'libpostgresql-jdbc-java is not installed' : runs('java', '--list-modules') ? '' : 'no Java is installed';
client('JDBC', $none, [ 'java', '-cp', $jar, "$clients/JdbcClient.java",
		'jdbc:postgresql://127.0.0.1:' . $node->port . '/books?prepareThreshold=1&binaryTransfer=true' ], $remarks, 'hidden=0');

{
	local $ENV{NODE_PATH} = join(':', $ENV{FINOPS_CLIENTS} ? "$ENV{FINOPS_CLIENTS}/node_modules" : (), '/usr/share/nodejs');
	$none = runs('node', '-e', "require('pg')") ? '' : 'pg for Node is not installed';
}
client('pg for Node', $none, [ 'node', "$clients/node_client.js" ]);

$node->stop;
done_testing();
