# Bank statements are loaded once, however often they come; the server is
# killed while payments are matched, and nothing is half applied.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $invoices = 400;
my $node = finops_node('payments', conf => "fsync = on\nautovacuum = off\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
$node->safe_psql('postgres', <<"SQL");
INSERT INTO tenant_master (tenant_id, tenant_name, currency) SELECT 'P-' || n, 'Payer ' || n || ' GmbH', 'EUR' FROM generate_series(1, 20) n;
SELECT count(*) FROM finops.set_fx_rate('EUR', '2020-01-01', 1.1);
INSERT INTO invoice_header (invoice_id, invoice_number, tenant_id, period_start, period_end, revision, status, currency, subtotal, total, fx_rate, subtotal_usd, total_usd,
	issuer, recipient, issued_at, due_at, number_series, number_seq, prev_hash, hash)
SELECT 'I-' || n, 'INV-2026-' || to_char(n, 'FM000000'), 'P-' || 1 + n % 20, '2026-01-01', '2026-01-31', n, 'issued', 'EUR', 100 + n, 100 + n, 1.1, (100 + n) * 1.1, (100 + n) * 1.1,
	'{"legal_name": "Example Ltd"}', '{"name": "x"}', '2026-02-01', '2026-03-03', 'tap', n, repeat('0', 64), repeat('0', 64) FROM generate_series(1, $invoices) n;
SQL

# Half of the invoices are paid by a CAMT statement, half by a CSV file.
my $half = $invoices / 2;
my $camt = $node->basedir . '/statement.xml';
my $csv = $node->basedir . '/statement.csv';
my ($entries, $closing) = ('', 0);
foreach my $n (1 .. $half)
{
	my ($amount, $number) = (100 + $n, sprintf('INV-2026-%06d', $n));
	$closing += $amount;
	$entries .= "<Ntry><Amt Ccy=\"EUR\">$amount.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-02-20</Dt></BookgDt>"
	  . "<AcctSvcrRef>R$n</AcctSvcrRef><NtryDtls><TxDtls><RmtInf><Ustrd>Rechnung $number</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>";
}
sub balance
{
	my ($code, $amount) = @_;
	return "<Bal><Tp><CdOrPrtry><Cd>$code</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">$amount.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-02-20</Dt></Dt></Bal>";
}
append_to_file($camt, '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S1</Id>'
	  . '<Acct><Id><IBAN>DE99TAP</IBAN></Id><Ccy>EUR</Ccy></Acct>' . balance('OPBD', 0) . balance('CLBD', $closing) . "$entries</Stmt></BkToCstmrStmt></Document>");
append_to_file($csv, "Buchungstag;Betrag;Währung;Auftraggeber;Verwendungszweck;IBAN\n");
append_to_file($csv, sprintf("20.02.2026;%d,00;EUR;Payer %d;Rechnung INV-2026-%06d;\n", 100 + $_, 1 + $_ % 20, $_)) foreach $half + 1 .. $invoices;

my $load_camt = "SELECT lines, payments, duplicates, status FROM finops.load_bank_statement('$camt')";
my $load_csv = "SELECT lines, payments, duplicates FROM finops.load_bank_statement('$csv', account => 'DE98TAP')";
is($node->safe_psql('postgres', $load_camt), "$half|$half|0|loaded", 'a CAMT statement');
is($node->safe_psql('postgres', $load_csv), "$half|$half|0", 'a CSV file');
is($node->safe_psql('postgres', $load_camt), "$half|0|$half|unchanged", 'the statement again');
is($node->safe_psql('postgres', $load_csv), "$half|0|$half", 'the file again');
system('gzip', '-k', $camt, $csv) == 0 or die 'gzip failed';
is($node->safe_psql('postgres', $load_camt =~ s/xml'/xml.gz'/r), "$half|0|$half|unchanged", 'the statement as gzip');
is($node->safe_psql('postgres', $load_csv =~ s/csv'/csv.gz'/r), "$half|0|$half", 'the file as gzip');
truncate("$csv.gz", (-s "$csv.gz") - 20);
my ($code, $out, $err) = $node->psql('postgres', $load_csv =~ s/csv'/csv.gz'/r);
isnt($code, 0, 'a gzip file that was cut is refused');
crash($node);
is($node->safe_psql('postgres', $load_camt), "$half|0|$half|unchanged", 'the statement again after a crash');
is($node->safe_psql('postgres', "SELECT count(*), sum(amount) FROM payment_txn"), $invoices . '|' . (100 * $invoices + $invoices * ($invoices + 1) / 2), 'each line is one payment');

# A trigger of the test stops the matching where applications and invoices are
# written and half of the payments are not.
$node->safe_psql('postgres', <<"SQL");
CREATE SEQUENCE written;
CREATE FUNCTION wait_in_the_middle() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	IF nextval('public.written') = $half THEN PERFORM pg_sleep(300); END IF;
	RETURN NEW;
END \$\$;
CREATE TRIGGER wait_in_the_middle BEFORE UPDATE ON payment_txn FOR EACH ROW EXECUTE FUNCTION wait_in_the_middle();
SQL
my $session = start_session($node, 'match', 'SELECT * FROM finops.match_payments();');
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 'the matching is in the middle');
crash($node, $session);
is($node->safe_psql('postgres', <<'SQL'), '0|0|0|0|0', 'nothing is half applied');
SELECT (SELECT count(*) FROM finops.payment_application), (SELECT count(*) FROM invoice_header WHERE status = 'paid'),
	(SELECT count(*) FROM payment_txn WHERE invoice_id IS NOT NULL), (SELECT count(*) FROM finops.payment_suggestion), (SELECT count(*) FROM finops.verify_payments())
SQL
$node->safe_psql('postgres', 'DROP TRIGGER wait_in_the_middle ON payment_txn');

# Two sessions at once: each payment is applied once.
my @sessions = map { start_session($node, "match$_", 'SELECT * FROM finops.match_payments();') } 1 .. 2;
$_->{handle}->finish foreach @sessions;
is($node->safe_psql('postgres', <<'SQL'), "$invoices|$invoices|$invoices|0|0", 'then every payment pays its invoice, once');
SELECT (SELECT count(*) FROM finops.payment_application a JOIN payment_txn p USING (payment_id) JOIN invoice_header h ON h.invoice_id = a.invoice_id
	WHERE a.amount = h.total AND p.invoice_id = h.invoice_id AND position(h.invoice_number IN p.remittance) > 0),
	(SELECT count(*) FROM invoice_header WHERE status = 'paid'), (SELECT count(*) FROM finops.payment_application),
	(SELECT count(*) FROM finops.payment_balance WHERE unapplied <> 0), (SELECT count(*) FROM finops.verify_payments())
SQL
$node->stop;
done_testing();
