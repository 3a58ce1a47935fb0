# Random invoices and their credit notes, some thousand documents, as e-invoices, read by a
# checker of EN 16931 that is not ours to please: structure, totals, taxes.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('documents');
my $data = "$FindBin::RealBin/../data";
my $directory = $node->basedir;
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

# one session: the second script uses temporary tables of the first
sub run_scripts
{
	my ($documents, $query, $out) = @_;
	my @command = ('psql', '-X', '-q', '-At', '-R', "\x1e", '-v', 'ON_ERROR_STOP=1', '-v', "documents=$documents",
		'-d', $node->connstr('postgres'), '-c', '\\o /dev/null', '-f', "$data/random_documents.sql",
		'-f', "$data/credit_documents.sql", '-c', '\\o', '-c', $query);

	my $errors;

	ok(IPC::Run::run(\@command, '>', $out, '2>', \$errors), 'documents are written') or diag $errors;
}

sub checked
{
	my ($file) = @_;
	my $result;

	IPC::Run::run([ $python, "$FindBin::RealBin/en16931.py" ], '<', $file, '>', \$result);
	return $result;
}

my $all = "$directory/all.xml";
run_scripts(300, 'SELECT finops.invoice_ubl(invoice_id) FROM invoice_header WHERE number_seq IS NOT NULL', $all);
my $result = checked($all);
like($result, qr/^checked \d{4,} documents, 0 failures$/, 'no rule of EN 16931 fails') or diag $result;
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM invoice_header WHERE kind = 'credit_note'}), '>', 1000, 'credit notes among them');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT tax_category) FROM finops.invoice_tax}), '7', 'all categories of tax');

# the checker sees what it should see
my $one = $node->safe_psql('postgres', q{SELECT finops.invoice_ubl('INV-UB-3')});
my %broken = (
	'another tax' => sub { $_[0] =~ s{(<cac:TaxTotal><cbc:TaxAmount[^>]*>\d+\.\d)\d}{$1 . '9'}e },
	'another amount due' => sub { $_[0] =~ s{(<cbc:PayableAmount[^>]*>)}{${1}1} },
	'another price' => sub { $_[0] =~ s{(<cbc:PriceAmount[^>]*>)}{${1}1} },
	'no country' => sub { $_[0] =~ s{<cac:Country>.*?</cac:Country>}{} },
	'three decimals' => sub { $_[0] =~ s{(<cbc:LineExtensionAmount[^>]*>\d+\.\d\d)}{${1}1} },
	'another order' => sub { $_[0] =~ s{(<cbc:ID>[^<]*</cbc:ID>)(<cbc:IssueDate>[^<]*</cbc:IssueDate>)}{$2$1} },
	'an unknown unit' => sub { $_[0] =~ s{unitCode="[^"]*"}{unitCode="XYZ1"} });
for my $name (sort keys %broken)
{
	my $copy = $one;
	my $file = "$directory/" . $name =~ s/ /_/gr;

	$broken{$name}->($copy);
	isnt($copy, $one, "$name: made");
	append_to_file($file, $copy);
	unlike(checked($file) // '', qr/, 0 failures$/, "$name: found");
}
like(checked_text($one), qr/1 documents, 0 failures/, 'the document itself is right');
my $dollars = $node->safe_psql('postgres', q{SELECT finops.invoice_ubl('INV-UB-2')});
like($dollars, qr{<cbc:TaxCurrencyCode>EUR<}, 'tax of another currency is stated in that of the issuer');
$dollars =~ s{<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">[^<]*</cbc:TaxAmount></cac:TaxTotal>}{};
append_to_file("$directory/no_accounting_tax", $dollars);
unlike(checked("$directory/no_accounting_tax") // '', qr/, 0 failures$/, 'without it the checker complains');

sub checked_text
{
	my ($text) = @_;
	my $file = "$directory/right.xml";

	append_to_file($file, $text);
	return checked($file);
}

# dumped and restored documents read the same
my $before = $node->safe_psql('postgres', q{SELECT md5(string_agg(finops.invoice_ubl(invoice_id)::text, '' ORDER BY invoice_id)) FROM invoice_header WHERE number_seq IS NOT NULL});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$directory/dump", $node->connstr('postgres') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-1', '--exit-on-error', '-d', $node->connstr('restored'), "$directory/dump" ], 'restored');
is($node->safe_psql('restored', q{SELECT md5(string_agg(finops.invoice_ubl(invoice_id)::text, '' ORDER BY invoice_id)) FROM invoice_header WHERE number_seq IS NOT NULL}),
	$before, 'e-invoices are the same after a restore');

done_testing();
