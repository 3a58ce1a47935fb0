# A postmaster that dies during a load or while invoices are issued leaves
# nothing half-written, and invoice numbers have no gap afterwards.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('crash', conf => "fsync = on\nautovacuum = off\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

# a first, small delivery, so that the second one replaces it
$node->safe_psql('postgres', "SELECT * FROM finops.generate_bill('2025-07-01', 3000, 8, 5)");
my $before = picture($node, 'postgres');

# in the middle of the copy, and when all is written but not committed
my %moment = (
	copy => [
		"SELECT * FROM finops.generate_bill('2025-07-01', 400000, 8, 5);",
		'SELECT coalesce(max(tuples_processed), 0) > 20000 FROM pg_stat_progress_copy' ],
	commit => [
		"BEGIN; SELECT count(*) FROM finops.generate_bill('2025-07-01', 40000, 8, 5); SELECT pg_sleep(600);",
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'" ]);
foreach my $name (sort keys %moment)
{
	my ($sql, $reached) = @{ $moment{$name} };
	my $load = start_session($node, $name, $sql);
	ok($node->poll_query_until('postgres', $reached), "$name: the load is at work");
	crash($node, $load);
	unlike(slurp_file($load->{out}), qr/2025-07-01/, "$name: the load did not finish");
	my $after = picture($node, 'postgres');
	# sequences may skip, tables may not differ
	delete @{$_}{ grep { /_seq"?$/ } keys %$_ } foreach $before, $after;
	pictures_equal($after, $before, "$name: a crash during a load leaves the old delivery");
}
my ($code) = $node->psql('postgres', "SELECT * FROM finops.generate_bill('2025-07-01', 3000, 8, 6)");
is($code, 0, 'the next load works');

# an allocation, at work and when all is written but not committed
$node->safe_psql('postgres', "SELECT finops.add_allocation_rule('july', 'proportional', '2025-07-01')");
$before = picture($node, 'postgres');
%moment = (
	entries => [
		"DO 'BEGIN FOR i IN 1 .. 1000 LOOP PERFORM finops.allocate(date ''2025-07-01''); END LOOP; END';",
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active' AND backend_xid IS NOT NULL" ],
	uncommitted => [
		"BEGIN; SELECT finops.allocate('2025-07-01') > 0; SELECT pg_sleep(600);",
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'" ]);
foreach my $name (sort keys %moment)
{
	my ($sql, $reached) = @{ $moment{$name} };
	my $allocation = start_session($node, $name, $sql);
	ok($node->poll_query_until('postgres', $reached), "$name: the allocation is at work");
	crash($node, $allocation);
	my $after = picture($node, 'postgres');
	delete @{$_}{ grep { /_seq"?$/ } keys %$_ } foreach $before, $after;
	pictures_equal($after, $before, "$name: a crash during an allocation leaves nothing of it");
}
is( $node->safe_psql('postgres', "SELECT identical FROM finops.replay_allocation(finops.allocate('2025-07-01'))"),
	't', 'the next allocation works and replays');

# documents of the month before, ready to be issued
is( $node->psql('postgres', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-v', 'stop=prepared', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is prepared');
my $documents = $node->safe_psql('postgres', "SELECT count(*) FROM invoice_header WHERE period_start = '2025-06-01'");
cmp_ok($documents, '>', 3, 'there are documents');

my $issue = start_session($node, 'issue', "BEGIN; SELECT count(*) FROM finops.issue_invoices('2025-06-01'); SELECT pg_sleep(600)");
ok( $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
	'all documents are issued but not committed');
crash($node, $issue);
is( $node->safe_psql('postgres', "SELECT count(*) FROM invoice_header WHERE invoice_number IS NOT NULL"),
	'0', 'a crash before the commit gives no number');

# one by one, and the crash somewhere in between
my $one_by_one = join "\n", map { "SELECT count(*) FROM finops.issue_invoices('2025-06-01', '$_');" }
  split /\n/, $node->safe_psql('postgres',
	"SELECT tenant_id FROM invoice_header WHERE period_start = '2025-06-01' ORDER BY 1");
my $series = start_session($node, 'series', "$one_by_one\nSELECT pg_sleep(600);");
ok( $node->poll_query_until('postgres', "SELECT count(*) >= 2 FROM invoice_header WHERE invoice_number IS NOT NULL"),
	'documents are issued one by one');
crash($node, $series);
$node->safe_psql('postgres', "SELECT count(*) FROM finops.issue_invoices('2025-06-01')");
is( $node->safe_psql('postgres', qq{
		SELECT count(*) = $documents AND min(number_seq) = 1 AND max(number_seq) = $documents
			AND count(DISTINCT number_seq) = $documents
		FROM invoice_header WHERE period_start = '2025-06-01'}),
	't', 'numbers have no gap and no duplicate after a crash');
is($node->safe_psql('postgres', 'SELECT * FROM finops.verify_invoices()'), '', 'the chain of documents holds');

$node->stop;
done_testing();
