# Many sessions issue invoices of the same tenants, one call for each; some of
# them abort, and the server is killed in between.  Each tenant has one
# invoice, every session gets the same one, and no number is missing.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tenants = 120;
my $sessions = 8;
my $node = finops_node('emission', conf => "fsync = on\nautovacuum = off\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
$node->safe_psql('postgres', <<"SQL");
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1', number_format => 'E{SEQ:6}');
SELECT finops.set_plan('E', 99.99, 5);
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'E-' || n, 'T', '{"address": "x"}', jsonb_build_object('rate_pct', (ARRAY[19, 7])[1 + n % 2]) FROM generate_series(1, $tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'E-' || n, 'E', '2022-09-01' FROM generate_series(1, $tenants) n;
CREATE TABLE finops.fact_cost_allocated_2022_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-09-01') TO ('2022-10-01');
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'E-' || n, '2022-09-01', '2022-09-30', 'S' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', n * s * 0.0123 FROM generate_series(1, $tenants) n, generate_series(1, 4) s;
SELECT count(*) FROM finops.prepare_invoices('2022-09-01') WHERE tenant_id = 'E-1';
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-09-01', 'reconciliation', 3, 'ok')
ON CONFLICT (period_start, gate) DO UPDATE SET status = 'ok';
SQL

# Calls for tenants from .. to in an order of the session's own, one
# transaction each; every tenth is rolled back.
sub calls
{
	my ($session, $from, $to) = @_;
	my @order = sort { (($a * 7919 + $session * 31) % 997) <=> (($b * 7919 + $session * 31) % 997) } $from .. $to;
	my $sql = '';
	foreach my $n (@order)
	{
		my $call = "SELECT invoice_id || ' ' || invoice_number FROM finops.issue_invoices('2022-09-01', 'E-$n');\n";
		$sql .= ($n * 13 + $session) % 10 == 0 ? "BEGIN;\n\\o /dev/null\n$call\\o\nROLLBACK;\n" : $call;
	}
	return $sql;
}

sub sound
{
	my ($what) = @_;
	is( $node->safe_psql('postgres', <<'SQL'), 't|t|t|0', $what);
SELECT count(*) = count(DISTINCT tenant_id), count(*) = count(DISTINCT invoice_number),
	count(*) = 0 OR (count(*) = max(number_seq) - min(number_seq) + 1 AND min(number_seq) = 1
	AND max(number_seq) = (SELECT last_number FROM finops.number_series)),
	(SELECT count(*) FROM finops.verify_invoices())
FROM invoice_header WHERE status = 'issued'
SQL
	is( $node->safe_psql('postgres', <<'SQL'), '0', "$what: no part of an invoice");
SELECT count(*) FROM invoice_header h WHERE h.subtotal <> (SELECT coalesce(sum(d.amount), 0) FROM invoice_detail d WHERE d.invoice_id = h.invoice_id)
	OR h.tax <> (SELECT coalesce(sum(t.tax_amount), 0) FROM finops.invoice_tax t WHERE t.invoice_id = h.invoice_id)
SQL
}

# all sessions over the same tenants
my $half = $tenants / 2;
my @running = map { start_session($node, "first$_", calls($_, 1, $half)) } 1 .. $sessions;
$_->{handle}->finish foreach @running;
my %number;
my $answers = 0;
foreach my $session (@running)
{
	foreach my $line (split /\n/, slurp_file($session->{out}))
	{
		my ($id, $number) = split / /, $line;
		$answers++;
		$number{$id} //= $number;
		is($number, $number{$id}, "$id: the same number for every session") if $number ne $number{$id};
	}
}
cmp_ok($answers, '>', $sessions * $half * 0.8, 'sessions were answered');
is(scalar(keys %number), $half, 'each tenant has one invoice');
sound('after aborts');

# and the server dies in between
my $answered = 0;
@running = map { start_session($node, "second$_", calls($_, $half + 1, $tenants)) } 1 .. $sessions;
$node->poll_query_until('postgres', "SELECT count(*) > $half + 10 FROM invoice_header WHERE status = 'issued'");
crash($node, @running);
sound('after a crash');
# whoever was answered has its invoice
my %stored = map { split / / } split /\n/, $node->safe_psql('postgres', "SELECT invoice_id || ' ' || invoice_number FROM invoice_header WHERE status = 'issued'");
my @lost;
foreach my $session (@running)
{
	foreach my $line (split /\n/, slurp_file($session->{out}))
	{
		my ($id, $number) = split / /, $line;
		next if !defined $number;
		$answered++;
		push @lost, $id if ($stored{$id} // '') ne $number;
	}
}
is("@lost", '', "none of $answered answers is lost");

# the rest is issued afterwards
$node->safe_psql('postgres', "SELECT count(*) FROM finops.issue_invoices('2022-09-01')");
is($node->safe_psql('postgres', "SELECT count(*) FROM invoice_header WHERE status = 'issued'"), "$tenants", 'all tenants have an invoice');
sound('at the end');
$node->stop;
done_testing();
