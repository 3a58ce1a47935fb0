# kill -9 at every step of the month close: nothing half-written, and a second
# call completes the close.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('close_crash', conf => "fsync = on\nautovacuum = off\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
is( $node->psql('postgres', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-v', 'stop=prepared', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is prepared');
# from the beginning: as if only the bill were there
$node->safe_psql('postgres', "DELETE FROM finops.period_gate WHERE position > 0");

# Each table that a step writes last: a lock on it holds the close there.
my @steps = (
	[ readiness => 'finops.readiness_log' ],
	[ tags => 'tag_validation_log' ],
	[ allocation => 'rule_version_map' ],
	[ reconciliation => 'finops.recon_stage' ],
	[ issue => 'finops.number_series' ],
	[ lock => 'finops.period_seal' ]);

# What must hold at any time: entries add up or there are none of this run,
# no number without its document issued, no lock without its seal.
my $whole = q{
	SELECT (SELECT count(*) FROM invoice_header WHERE (status = 'open') <> (invoice_number IS NULL)) = 0
		AND (SELECT count(*) FROM finops.run WHERE status = 'started') = 0
		AND (SELECT (state = 'LOCKED') = EXISTS (SELECT FROM finops.period_seal WHERE period_start = '2025-06-01')
			FROM period_lock WHERE period_start = '2025-06-01')
		AND (SELECT coalesce(sum(effective_cost), 0) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2025-06-01')
			= (SELECT coalesce(sum(allocated_cost_usd), 0) FROM fact_cost_allocated WHERE period_start = '2025-06-01')
		AND (SELECT count(*) FROM finops.recon_run) = (SELECT count(*) FROM recon_summary WHERE service = 'ALL')};

foreach my $step (@steps)
{
	my ($name, $table) = @$step;
	my $waits = "FROM pg_locks WHERE relation = '$table'::regclass AND";
	my $hold = start_session($node, "hold_$name", "BEGIN; LOCK TABLE $table IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600);");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 $waits granted AND mode = 'AccessExclusiveLock'");
	my $close = start_session($node, "close_$name", "CALL finops.close_month('2025-06-01');");
	ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $waits NOT granted"), "$name: the close stands at $table");
	crash($node, $close, $hold);
	unlike(slurp_file($close->{out}), qr/closed 2025-06/, "$name: the close did not finish");
	is($node->safe_psql('postgres', $whole), 't', "$name: nothing is half-written");
}
like($node->safe_psql('postgres', "CALL finops.close_month('2025-06-01')"), qr/closed 2025-06/, 'the next call completes the close');
is($node->safe_psql('postgres', "SELECT * FROM finops.verify_period('2025-06-01')"), '', 'the seal holds');
is($node->safe_psql('postgres', 'SELECT * FROM finops.verify_invoices()'), '', 'the documents hold');
is( $node->safe_psql('postgres', q{SELECT count(*) = max(number_seq) AND count(DISTINCT number_seq) = count(*) FROM invoice_header WHERE invoice_number IS NOT NULL}),
	't', 'numbers have no gap');

$node->stop;
done_testing();
