# What goes wrong on the first day gives an error that says what to do next.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The error of a statement: SQLSTATE, message, and that a hint is there.
sub fails_with
{
	my ($node, $database, $sql, $expected, $title) = @_;
	my ($code, $out, $error) = $node->psql($database, "\\set VERBOSITY verbose\n$sql");

	isnt($code, 0, "$title: fails");
	like($error, $expected, "$title: says what and what next");
	return;
}

# a server whose administrator has not changed anything yet
my $plain = finops_node('plain', preload => '');
$plain->safe_psql('postgres', 'CREATE EXTENSION finops');
is( $plain->safe_psql('postgres', 'SELECT finops.variance_pct(101, 100) = 1'), 't',
	'without preloading functions work');
fails_with($plain, 'postgres', 'SELECT finops.schedule_jobs()',
	qr/55000: pg_cron is not loaded.*HINT: .*shared_preload_libraries = 'pg_cron,finops'/s,
	'pg_cron is not loaded');

# files that the server may not read
my $directory = PostgreSQL::Test::Utils::tempdir;
my $secret = "$directory/secret.csv";
PostgreSQL::Test::Utils::append_to_file($secret, "bill/BillingPeriodStartDate\n");
chmod 0000, $secret;
SKIP:
{
	skip 'this user may read every file', 2 if -r $secret;
	fails_with($plain, 'postgres', "SELECT * FROM finops.load_bill('$secret')",
		qr/42501: .*HINT: /s, 'a file that the server may not read');
}
fails_with($plain, 'postgres', "SELECT * FROM finops.load_bill('$directory/absent.csv')",
	qr/58P01: .*HINT: /s, 'a file that does not exist');
fails_with($plain, 'postgres', "SELECT * FROM finops.load_bill('$directory')",
	qr/42809: .*HINT: /s, 'a directory');

# roles
$plain->safe_psql('postgres', 'CREATE ROLE analyst LOGIN');
fails_with($plain, 'postgres', "SET ROLE analyst; SELECT * FROM finops.load_bill('$secret')",
	qr/42501: permission denied for function load_bill/, 'a role without EXECUTE');
fails_with($plain, 'postgres', 'SET ROLE analyst; SELECT * FROM fact_cost_raw',
	qr/42501: permission denied for table fact_cost_raw/, 'a role without SELECT');
$plain->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION finops.load_bill(text, text, date, text, text, text[]) TO analyst');
fails_with($plain, 'postgres', "SET ROLE analyst; SELECT * FROM finops.load_bill('$secret')",
	qr/42501: .*pg_read_server_files/s, 'EXECUTE alone does not open the server\'s files');
$plain->stop;

SKIP:
{
	skip 'pg_cron is not installed', 4 unless has_cron();
	my $node = finops_node('elsewhere', conf => "cron.database_name = 'postgres'\n");
	$node->safe_psql('postgres', 'CREATE DATABASE desk');
	$node->safe_psql('desk', 'CREATE EXTENSION finops');
	fails_with($node, 'desk', 'SELECT finops.schedule_jobs()',
		qr/55000: extension pg_cron is not created in database "postgres".*HINT: .*CREATE EXTENSION pg_cron/s,
		'pg_cron belongs into another database and is not there');
	$node->safe_psql('postgres', 'CREATE EXTENSION finops');
	fails_with($node, 'postgres', 'SELECT finops.schedule_jobs()',
		qr/55000: extension pg_cron is not created.*HINT: .*CREATE EXTENSION pg_cron/s,
		'pg_cron is not created');
	$node->stop;
}

done_testing();
