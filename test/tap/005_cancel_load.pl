# A load that is cancelled or fails leaves nothing behind: no line, no
# delivery, no open file, whatever it was doing; and it ends soon.
use strict;
use warnings FATAL => 'all';

use FinopsTest;
use List::Util qw(min);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = finops_node('cancel', preload => 'finops');
$node->safe_psql('postgres', 'CREATE EXTENSION finops SCHEMA public');

my $dir = PostgreSQL::Test::Utils::tempdir();

# A bill that takes some seconds, and that gives its lines at once.
my $large = "$dir/large.csv";
open my $file, '>', $large or die $!;
print $file "BilledCost,EffectiveCost,BillingAccountId,ChargeDescription,BillingPeriodStart\n";
printf $file "%d.%d,1,acct,%s,2019-0%d-01\n", $_ % 100, $_, 'x' x 300, 1 + $_ % 3 for 1 .. 400_000;
close $file;
system('gzip', '-k', '-1', $large) == 0 or die "gzip failed";
system('cp', "$large.gz", "$dir/cut.csv.gz") == 0 or die "cp failed";
truncate "$dir/cut.csv.gz", 20_000;

sub rows
{
	return $node->safe_psql('postgres',
		'SELECT (SELECT count(*) FROM fact_cost_raw) + (SELECT count(*) FROM finops.cost_daily) + (SELECT count(*) FROM finops.delivery)');
}

# seconds from the cancel to the prompt, of three loads each
my %took;

for my $bill (($large, "$large.gz") x 3)
{
	my ($out, $err) = ('', '');
	my $h = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=verbose',
			'-c', "SELECT * FROM finops.load_bill('$bill')" ],
		'<', \undef, '>', \$out, '2>', \$err);
	# one statement waits for the load, looks at it and ends it
	my $begun;
	is($node->safe_psql('postgres', q{
		DO $$ BEGIN
			FOR i IN 1 .. 3000 LOOP
				EXIT WHEN EXISTS (SELECT FROM pg_stat_progress_copy WHERE tuples_processed > 0);
				PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
			END LOOP;
		END $$;
		SELECT relid <> 0 AND bytes_total > bytes_processed AND pg_cancel_backend(pid) FROM pg_stat_progress_copy}),
		't', 'pg_stat_progress_copy shows the load, and it is cancelled');
	$begun = time;
	$h->finish;
	push @{ $took{$bill} }, time - $begun;
	like($err, qr/57014/, 'as a cancelled query');
	is(rows(), 0, 'and leaves nothing');
}

# the machine may be busy with something else during one of them
for my $bill ($large, "$large.gz")
{
	cmp_ok(min(@{ $took{$bill} }), '<', 0.5, 'a cancelled load ends within half a second: ' . join ' ', map { sprintf '%.3f', $_ } @{ $took{$bill} });
}

# what is cut off fails again and again, in one session
my $cut = "SELECT finops.load_bill('$dir/cut.csv.gz');\n";
my $script = $cut x 20 . "SELECT count(*) FROM pg_ls_dir('/proc/self/fd') \\gset before_\n"
  . $cut x 280
  . "SELECT :before_count, count(*) FROM pg_ls_dir('/proc/self/fd');\n";
my ($code, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0);
my ($before, $after) = $out =~ /^(\d+)\|(\d+)$/m;
is(() = $err =~ /unexpected end of gzip data/g, 300, '300 loads of a cut file fail');
# the files of tables stay open between statements; one for each load would be 280
cmp_ok($after, '<', $before + 100, "without leaving descriptors open ($before, $after)");
is(rows(), 0, 'and nothing is left of them');

# the roll-up and the facts of what does load, as plain SQL sees them
$node->safe_psql('postgres', "SET finops.progress_interval = 1; SELECT finops.load_bill('$large')");
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (
		SELECT bill_billing_period_start_date AS period, sum(billed_cost) AS billed, sum(effective_cost) AS effective, count(*) AS n
		FROM fact_cost_raw GROUP BY 1) f
	FULL JOIN (
		SELECT billing_period AS period, sum(billed_cost) AS billed, sum(effective_cost) AS effective, sum(line_items) AS n
		FROM finops.cost_daily GROUP BY 1) r USING (period)
	WHERE f.billed IS NOT DISTINCT FROM r.billed AND f.effective = r.effective AND f.n = r.n}), 3, 'three months, each equal to its roll-up');

$node->stop;
done_testing();
