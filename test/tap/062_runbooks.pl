# The runbooks of docs/runbooks: every block of SQL in them runs, in its order,
# on a month that was loaded, allocated and prepared; every statement of the
# originals that has an id is there.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('runbooks');
# the pages beside them: links only
foreach my $page (qw(faq bi managed-services month-page adr/0001-forecast-models adr/0002-money adr/0003-in-the-database))
{
	my ($dir) = "docs/$page" =~ m{(.*)/};
	foreach my $link (slurp_file(source_file("docs/$page.md")) =~ /\]\(([^)#:]+)(?:#[^)]*)?\)/g)
	{
		ok(-e source_file("$dir/$link"), "$page: $link");
	}
}

my %document = ('commercial-ops' => 'S002', logistics => 'S004');

foreach my $file (sort glob(source_file('docs/runbooks/*.md')))
{
	my ($name) = $file =~ m{([^/]+)\.md$};
	my $text = slurp_file($file);
	my @blocks = $text =~ /^```sql\n(.*?)^```/msg;

	# what it links to is there
	foreach my $link ($text =~ /\]\(([^)#:]+)(?:#[^)]*)?\)/g)
	{
		ok(-e source_file("docs/runbooks/$link"), "$name: $link");
	}
	next if !@blocks;

	$node->safe_psql('postgres', "CREATE DATABASE \"$name\"");
	$node->safe_psql($name, 'CREATE EXTENSION finops SCHEMA public');
	is( $node->psql($name, undef, on_error_stop => 1,
			extra_params => [ '-v', 'schema=public', '-v', 'stop=prepared', '-f', source_file('test/tap/closed_month.sql') ]),
		0, "$name: a month is there");
	# two roadmaps, of which the pages speak
	$node->safe_psql($name, q{INSERT INTO forecast.drivers (driver_code, period_start, value, load_dt)
		SELECT 'api_calls', m::date, 1000000, l FROM generate_series(timestamp '2025-07-01', '2026-06-01', '1 month') m, unnest('{2025-06-01,2025-07-01}'::date[]) l});
	my $n = 0;
	foreach my $block (@blocks)
	{
		my ($out, $error) = ('', '');
		my $code = $node->psql($name, $block, stdout => \$out, stderr => \$error, on_error_stop => 1);
		$n++;
		ok($code == 0, "$name, block $n: " . ($block =~ s/\s+/ /gr =~ s/^(.{60}).*/$1/r)) or diag($error);
	}
	next unless $document{$name};
	my @missing = grep { my ($id) = /-(Q\d+)$/; $text !~ /\b\Q$_\E\b|\b$id\b/ } split /\n/,
	  $node->safe_psql($name, "SELECT id FROM finops.runbook WHERE id LIKE '$document{$name}-%' AND shipped");
	is(join(' ', @missing), '', "$name: every statement of the original is there");
}

$node->stop;
done_testing();
