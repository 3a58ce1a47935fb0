# The page of a month as people see it: in a browser at the width of a phone
# and of a desk, light and dark, on paper, and before a validator; with names
# that try to be more than text.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('page');
my $dir = $node->basedir;

# Whether a program is there.
sub program
{
	my ($name) = @_;
	return grep { -x "$_/$name" } split /:/, $ENV{PATH};
}

$node->safe_psql('postgres', 'CREATE DATABASE books');
$node->safe_psql('books', 'CREATE EXTENSION finops SCHEMA public');
is( $node->psql('books', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is there');
$node->safe_psql('books', q{
	INSERT INTO finops.cost_daily (billing_period, usage_date, source, provider, service, tenant_id, charge_category, currency, billed_cost, effective_cost, line_items)
	SELECT '2025-06-01', '2025-06-03', 's', 'aws', n.name, n.name, 'Usage', 'USD', 98765432109876.54 / i, 98765432109876.54 / i, 1
	FROM (VALUES (1, '<script>foreign = 1</script>'), (2, '"><img src=x onerror="foreign=1">'), (3, '''; DROP TABLE invoice_header; --'),
		(4, '</style></svg></title><svg onload=foreign=1>'), (5, E'\u202E\u05E9\u05DC\u05D5\u05DD \u0645\u0631\u062D\u0628\u0627 abc'),
		(6, repeat('w', 300)), (7, repeat('long name ', 30)), (8, '&lt;b&gt;&amp;'), (9, E'a\tb\nc')) AS n(i, name);
	INSERT INTO forecast.cost_outlook (dimension, key, currency, day, mean, lower_95, upper_95)
	SELECT 'total', '', 'USD', d, 100000000000, 80000000000, 130000000000 FROM generate_series(date '2025-07-01', date '2025-07-31', interval '1 day') d
	ON CONFLICT DO NOTHING;
	INSERT INTO budget_master (budget_id, target_usd, period_start, actual_usd, forecast_usd)
	SELECT name, 1000000, '2025-06-01', 1234567, 2345678 FROM (VALUES ('<b>all</b> of it'), (repeat('w', 300))) AS v(name);
	INSERT INTO finops.recommendation (optimization_type, resource_id, potential_savings_usd)
	SELECT d.service, d.service, 98765432109876.54 FROM finops.cost_daily d WHERE d.source = 's';
	INSERT INTO forecast.unit_kpi (kpi_date, driver_code, quantity) SELECT '2025-06-10', d.service, 1234567.89 FROM finops.cost_daily d WHERE d.source = 's';
	INSERT INTO finops.kpi_target (kpi, title, unit, crawl) SELECT 'allocation_coverage', string_agg(d.service, ' '), '</td>', 50 FROM finops.cost_daily d WHERE d.source = 's';
	INSERT INTO finops.kpi_target (kpi, title, unit) SELECT 'our own', repeat('w', 300), repeat('%', 30)});
my %page = (
	hostile => $node->safe_psql('books', "SELECT finops.report_html('2025-06-01')") . "\n",
	empty => $node->safe_psql('books', "SELECT finops.report_html('2011-01-01')") . "\n");
foreach my $name (sort keys %page)
{
	append_to_file("$dir/$name.html", $page{$name});
}
like($page{hostile}, qr/&lt;script&gt;foreign = 1&lt;\/script&gt;/, 'a name with an element in it is text');
ok($page{hostile} !~ /<(?:script|img|a|link|iframe|object|base)\b|<svg[^>]*onload|url\(|\@import/i, 'no element came out of a name, and nothing is loaded');

# the stylesheet by itself: every colour of text on every colour below it
sub contrast
{
	my @luminance = map {
		my @c = map { hex(length == 1 ? $_ x 2 : $_) / 255 } /^#([0-9a-f]{1,2})([0-9a-f]{1,2})([0-9a-f]{1,2})$/i;
		my @l = map { $_ <= 0.04045 ? $_ / 12.92 : (($_ + 0.055) / 1.055)**2.4 } @c;
		0.2126 * $l[0] + 0.7152 * $l[1] + 0.0722 * $l[2];
	} @_;
	my ($low, $high) = sort { $a <=> $b } @luminance;
	return ($high + 0.05) / ($low + 0.05);
}
my ($style) = $page{hostile} =~ m{<style>(.*?)</style>}s;
my (@faint, $pairs);
my %text = ('--' => [ [qw(ink soft good warn bad)], [qw(paper page)] ], '--fc-' => [ [qw(ink soft)], ['paper'] ]);
while ($style =~ /\{((?:--[a-z0-9-]+:#[0-9a-f]{3,6};?)+)/gi)
{
	my %colour = $1 =~ /(--[a-z0-9-]+):(#[0-9a-f]+)/gi;
	foreach my $prefix (sort keys %text)
	{
		foreach my $ink (grep { defined $colour{"$prefix$_"} } @{ $text{$prefix}[0] })
		{
			foreach my $paper (grep { defined $colour{"$prefix$_"} } @{ $text{$prefix}[1] })
			{
				$pairs++;
				my $ratio = contrast($colour{"$prefix$ink"}, $colour{"$prefix$paper"});
				push @faint, "$prefix$ink on $prefix$paper: $ratio" if $ratio < 4.5;
			}
		}
	}
}
cmp_ok($pairs, '>=', 24, 'pairs of colours, light and dark');
is_deeply(\@faint, [], 'every text has a contrast of 4.5 and more');

SKIP:
{
	skip 'tidy is not installed', scalar keys %page unless program('tidy');
	foreach my $name (sort keys %page)
	{
		IPC::Run::run([ 'tidy', '-q', '-e', '-utf8', "$dir/$name.html" ], '>', \my $out, '2>', \my $said);
		is($said, '', "tidy has nothing to say about the $name page");
	}
}

my $vnu = ($ENV{FINOPS_CLIENTS} // '') . '/node_modules/vnu-jar/build/dist/vnu.jar';
SKIP:
{
	skip 'the Nu HTML checker (npm package vnu-jar) or Java is not installed', scalar keys %page unless -e $vnu and program('java');
	foreach my $name (sort keys %page)
	{
		IPC::Run::run([ 'java', '-jar', $vnu, "$dir/$name.html" ], '>', \my $out, '2>', \my $said, IPC::Run::timeout(120));
		is($said, '', "the Nu HTML checker has nothing to say about the $name page");
	}
}

sub chromium
{
	my ($file, @options) = @_;
	my ($out, $error) = ('', '');
	IPC::Run::run([ 'chromium', qw(--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --enable-logging=stderr),
			"--user-data-dir=$dir/chromium", @options, "file://$file" ], '>', \$out, '2>', \$error, IPC::Run::timeout(120));
	return ($out, join "\n", grep { /CONSOLE/ } split /\n/, $error);
}

SKIP:
{
	skip 'Chromium is not installed', 1 unless program('chromium');
	my $probe = slurp_file("$FindBin::RealBin/page_probe.js");
	local $ENV{HOME} = $dir;

	foreach my $name (sort keys %page)
	{
		# no window is narrower than 500 pixels, but a frame may be
		my $probed = $page{$name} =~ s{</body>}{<script>$probe</script></body>}r;
		append_to_file("$dir/$name.1280.html", $probed);
		append_to_file("$dir/$name.390.html", '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
			  . '</head><body style="margin:0"><iframe style="border:0;width:390px;height:1900px" srcdoc="'
			  . ($probed =~ s/&/&amp;/gr =~ s/"/&quot;/gr) . '"></iframe></body></html>');
		foreach my $look ([ 390, 'light' ], [ 1280, 'light' ], [ 390, 'dark' ], [ 1280, 'dark' ])
		{
			my ($width, $scheme) = @$look;
			my ($dom, $console) = chromium("$dir/$name.$width.html", '--window-size=1280,2000', '--dump-dom',
				'--blink-settings=preferredColorScheme=' . ($scheme eq 'dark' ? 0 : 1));
			my $seen = $dom =~ /PROBE(\{.*?\})EBORP/ ? decode_json($1 =~ s/&lt;/</gr =~ s/&gt;/>/gr =~ s/&amp;/&/gr) : {};
			my $title = "$name page, $width pixels, $scheme";

			diag($dom eq '' ? 'no page' : substr $dom, -300) if !defined $seen->{width};
			is($seen->{width}, $width, "$title: the window");
			is(!!$seen->{dark}, $scheme eq 'dark', "$title: the scheme");
			is("$seen->{overflow} $seen->{wide}", '0 0', "$title: nothing is wider than it");
			cmp_ok($seen->{contrast}, '>=', 4.5, "$title: the faintest of $seen->{texts} texts is \"$seen->{faintest}\"");
			is("$seen->{loaded} $seen->{scripts} $seen->{handlers} $seen->{foreign}", '0 1 0 0', "$title: nothing was loaded, no other script ran");
			is($console, '', "$title: the console is empty");
		}
		chromium("$dir/$name.html", '--no-pdf-header-footer', "--print-to-pdf=$dir/$name.pdf");
		my @boxes = slurp_file("$dir/$name.pdf") =~ m{/MediaBox ?\[0 0 ([\d.]+ [\d.]+)\]}g;
		cmp_ok(scalar(@boxes), '>=', 1, "$name page: printed");
		is_deeply([ grep { my ($w, $h) = split / /; abs($w - 595.28) > 1 || abs($h - 841.89) > 1 } @boxes ], [], "$name page: on A4");
	}
}

$node->stop;
done_testing();
