# Deliveries of several files: a postmaster that dies leaves the old month, a
# restated locked month is posted whole or not at all, and a nightly job may
# point at a prefix.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('deliveries', conf => "fsync = on\nautovacuum = off\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
my $root = $node->basedir . '/bills';
mkdir $root or die;

# Lines of a generated bill, header first.
sub generated
{
	my ($month, $lines, $seed) = @_;
	return split /\n/, $node->safe_psql('postgres',
		"SELECT * FROM finops.generated_bill_lines('$month', $lines, 6, $seed)");
}

# An assembly of a report: its lines in two files, and its manifest.
sub deliver
{
	my ($folder, $assembly, $month, $header, @lines) = @_;
	my $half = int(@lines / 2);
	my @keys = map { "p/daily/$folder/$assembly/daily-$_.csv" } 1, 2;
	my $start = $month =~ s/-//gr;

	mkdir "$root/$folder";
	mkdir "$root/$folder/$assembly" or die;
	append_to_file("$root/$folder/$assembly/daily-1.csv", join "\n", $header, @lines[ 0 .. $half - 1 ], '');
	append_to_file("$root/$folder/$assembly/daily-2.csv", join "\n", $header, @lines[ $half .. $#lines ], '');
	unlink "$root/$folder/daily-Manifest.json";
	append_to_file("$root/$folder/daily-Manifest.json",
		qq({"assemblyId": "$assembly", "account": "1", "reportName": "daily", "bucket": "b",
			"billingPeriod": {"start": "${start}T000000.000Z"}, "reportKeys": ["$keys[0]", "$keys[1]"]}));
	return;
}

# Every row of every table; sequences may skip.
sub rows
{
	my $picture = picture($node, 'postgres');
	delete @{$picture}{ grep { /_seq"?$/ } keys %$picture };
	return $picture;
}

# The bill of a month as the files say it, by plain SQL.
sub control
{
	my (@files) = @_;
	my $header = (split /\n/, slurp_file($files[0]))[0];
	my $columns = join ', ', map { "\"$_\" text" } split /,/, $header;
	my $copies = join '', map { "COPY c FROM '$_' WITH (FORMAT csv, HEADER);\n" } @files;

	return $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE c ($columns);
		$copies
		SELECT line_item_usage_account_id, line_item_product_code, trim_scale(sum(line_item_unblended_cost::numeric))
		FROM c GROUP BY 1, 2 HAVING sum(line_item_unblended_cost::numeric) <> 0 ORDER BY line_item_usage_account_id COLLATE "C", line_item_product_code COLLATE "C"});
}

my $facts_by_key = q{
	SELECT line_item_usage_account_id, line_item_product_code, trim_scale(sum(line_item_unblended_cost))
	FROM fact_cost_raw WHERE %s
	GROUP BY 1, 2 HAVING sum(line_item_unblended_cost) <> 0 ORDER BY line_item_usage_account_id COLLATE "C", line_item_product_code COLLATE "C"};

# a month that was closed for good, restated: every 50th line costs a tenth more
is( $node->psql('postgres', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is closed');
my $locked = $node->safe_psql('postgres', "SELECT md5(string_agg(f::text, '' ORDER BY row_id)) FROM fact_cost_raw f WHERE bill_billing_period_start_date = '2025-06-01'");
my ($june, @lines) = generated('2025-06-01', 3000, 7);
append_to_file("$root/june.csv", join "\n", $june, @lines, '');
my $columns = join ', ', map { "$_ text" } split /,/, $june;
$node->safe_psql('postgres', qq{
	CREATE TEMP TABLE c ($columns, n bigint GENERATED ALWAYS AS IDENTITY);
	COPY c (${\($june)}) FROM '$root/june.csv' WITH (FORMAT csv, HEADER);
	UPDATE c SET line_item_unblended_cost = 1.1 * line_item_unblended_cost::numeric WHERE n % 50 = 0;
	COPY (SELECT ${\($june)} FROM c ORDER BY n) TO '$root/june.csv' WITH (FORMAT csv, HEADER)});
my $before = rows();
my $restate = "SELECT status FROM finops.load_bill('$root/june.csv', source_id => 'generated/7')";
my $load = start_session($node, 'restate', "BEGIN; $restate; SELECT pg_sleep(600);");
ok( $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
	'the corrections are posted but not committed');
crash($node, $load);
pictures_equal(rows(), $before, 'a crash leaves no correction');
is($node->safe_psql('postgres', $restate), 'corrected', 'the restated month is posted');
is( $node->safe_psql('postgres', "SELECT count(*) > 10 AND bool_and(bill_billing_period_start_date = '2025-07-01') FROM fact_cost_raw WHERE origin_period = '2025-06-01'"),
	't', 'in the open month');
is( $node->safe_psql('postgres', "SELECT md5(string_agg(f::text, '' ORDER BY row_id)) FROM fact_cost_raw f WHERE bill_billing_period_start_date = '2025-06-01'"),
	$locked, 'the locked facts are what they were');
is($node->safe_psql('postgres', "SELECT * FROM finops.verify_period('2025-06-01')"), '', 'and so is the seal');
is( $node->safe_psql('postgres', sprintf $facts_by_key,
		"(bill_billing_period_start_date = '2025-06-01' OR origin_period = '2025-06-01')"),
	control("$root/june.csv"), 'locked facts and corrections are the restated bill, by account and service');
$before = rows();
is($node->safe_psql('postgres', $restate), 'unchanged', 'once more: nothing');
my $after = rows();
delete @{$_}{qw(public.cur_ingestion_log)} foreach $before, $after;
pictures_equal($after, $before, 'but a line of the log');

# a crash in the middle of the second file, and behind both
my ($header, @small) = generated('2025-05-01', 2000, 3);
my (undef, @large) = generated('2025-05-01', 60000, 3);
deliver('20250501-20250601', 'a1', '2025-05-01', $header, @small);
is( $node->safe_psql('postgres', "SELECT status, rows_loaded FROM finops.load_bill('$root/')"),
	'loaded|' . @small, 'a delivery of two files below a prefix');
is( $node->safe_psql('postgres', sprintf $facts_by_key, "bill_billing_period_start_date = '2025-05-01'"),
	control(glob "$root/20250501-20250601/a1/*.csv"), 'holds both of them');
$before = rows();
deliver('20250501-20250601', 'a2', '2025-05-01', $header, @large);
$load = start_session($node, 'commit', "BEGIN; SELECT count(*) FROM finops.load_bill('$root/'); SELECT pg_sleep(600);");
ok( $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
	'the second assembly is loaded but not committed');
crash($node, $load);
pictures_equal(rows(), $before, 'a crash leaves the first');

# a file that has not arrived
unlink "$root/20250501-20250601/a2/daily-2.csv";
my ($code, undef, $error) = $node->psql('postgres', "SELECT * FROM finops.load_bill('$root/')");
like($error, qr/daily-2\.csv" of manifest .* is missing/, 'a missing file is refused');
pictures_equal(rows(), $before, 'and the first assembly stays');

# a nightly job that points at a prefix
deliver('20250501-20250601', 'a3', '2025-05-01', $header, @large);
$node->safe_psql('postgres', qq{
	INSERT INTO finops.job (job_name, schedule, command, description)
	VALUES ('ingest-bills', '15 3 * * *', 'SELECT count(*) FROM finops.load_bill(''$root/'')', 'bills of the night')});
$node->safe_psql('postgres', "CALL finops.run_job('ingest-bills')");
is( $node->safe_psql('postgres', q{
		SELECT assembly_id, status, line_items FROM finops.delivery WHERE billing_period = '2025-05-01' ORDER BY delivery_id}),
	'a1|superseded|' . @small . "\na3|current|" . @large, 'the job loads what the prefix holds');
$node->safe_psql('postgres', "CALL finops.run_job('ingest-bills')");
is( $node->safe_psql('postgres', q{
		SELECT status, count(*) FROM cur_ingestion_log WHERE period_start = '2025-05-01' GROUP BY 1 ORDER BY 1}),
	"completed|2\nskipped|1", 'and has nothing to do when nothing is new');

$node->stop;
done_testing();
