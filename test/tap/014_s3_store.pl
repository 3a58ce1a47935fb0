# Bills from an S3 store that verifies signatures: OpenStack Swift.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use SwiftStore;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

plan skip_all => 'OpenStack Swift is not installed (CI=true scripts/deps.sh test brings it)'
  if !SwiftStore::available() || !-x '/usr/bin/python3';

my $node = finops_node('s3store');
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
my $dir = $node->basedir;
my $store = SwiftStore->start("$dir/swift", 'localhost');
END { $store->stop if $store; }
my $endpoint = "http://127.0.0.1:$store->{port}";

sub put
{
	my ($path, @file) = @_;
	IPC::Run::run([ '/usr/bin/python3', "$FindBin::RealBin/s3_put.py", $endpoint, 'test:tester', 'TESTING+/=SECRET', $path, @file ],
		'>', \my $status);
	chomp $status;
	return $status;
}

# the proxy answers before the servers behind it do
my $tries = 0;
sleep 0.2 while put('/bills') !~ /^(200|409)$/ && ++$tries < 150;
if ($tries >= 150)
{
	diag(slurp_file("$dir/swift/log"));
	BAIL_OUT('the store does not answer');
}

my @lines = map { sprintf '%s,2024-01-01T00:00:00Z,Usage,AmazonEC2,%d.25,2024-01-0%dT00:00:00Z', '123456789012', $_, 1 + $_ % 9 } 1 .. 3000;
my $header = 'bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,line_item_product_code,'
  . 'line_item_unblended_cost,line_item_usage_start_date';
append_to_file("$dir/bill.csv", join("\n", $header, @lines) . "\n");
my $total = 3000 * 3001 / 2 + 750;

my %base = (
	'finops.allowed_networks' => '127.0.0.0/8, ::1',
	'finops.s3_endpoint' => $endpoint,
	'finops.aws_credentials_file' => "$dir/keys",
	'finops.max_retries' => 1);
append_to_file("$dir/keys", "[default]\naws_access_key_id = test:tester\naws_secret_access_key = TESTING+/=SECRET\n"
	  . "[wrong]\naws_access_key_id = test:tester\naws_secret_access_key = TESTING\n"
	  . "[nobody]\naws_access_key_id = test:nobody\naws_secret_access_key = TESTING\n");
chmod 0600, "$dir/keys";

sub run
{
	my ($sql, %set) = @_;
	%set = (%base, %set);
	my ($out, $err) = ('', '');
	$node->psql('postgres', "\\set VERBOSITY verbose\n" . join('', map { "SET $_ = '$set{$_}';\n" } sort keys %set) . $sql,
		stdout => \$out, stderr => \$err, on_error_stop => 1);
	return ($out, $err);
}

my $n = 0;

sub loads
{
	my ($address, $title, %set) = @_;
	$n++;
	my ($out, $err) = run("SELECT status, rows_loaded, billed_cost FROM finops.load_bill('$address', 'auto', NULL, 's$n')", %set);
	is($out, "loaded|3000|$total.00", $title) or diag($err);
	return;
}

sub fails
{
	my ($address, $pattern, $title, %set) = @_;
	my ($out, $err) = run("SELECT * FROM finops.load_bill('$address')", %set);
	like($err, $pattern, $title) or diag($out);
	return;
}

foreach my $key ('bill.csv', 'a b/c+d&e=f.csv', 'über/%41?x#y;z.csv', q{(!*)$,:@~_-.csv})
{
	is(put("/bills/$key", "$dir/bill.csv"), '200', "$key is put there");
	(my $quoted = $key) =~ s/'/''/g;
	loads("s3://bills/$quoted", "$key is read");
}
loads('s3://bills/bill.csv', 'the bucket in the host name',
	'finops.s3_endpoint' => "http://localhost:$store->{port}", 'finops.s3_url_style' => 'virtual');
loads('s3://bills/bill.csv', 'signed for another region, corrected by the store', 'finops.s3_region' => 'eu-west-3');
fails('s3://bills/bill.csv', qr/28000: .*SignatureDoesNotMatch/s, 'a wrong secret', 'finops.aws_profile' => 'wrong');
fails('s3://bills/bill.csv', qr/(28000|42501): .*(InvalidAccessKeyId|SignatureDoesNotMatch)/s, 'an unknown key', 'finops.aws_profile' => 'nobody');
fails('s3://bills/none.csv', qr/58P01: .*NoSuchKey/s, 'no such object');
fails('s3://none/bill.csv', qr/58P01: .*NoSuchBucket/s, 'no such bucket');

# a list of several pages
put('/bills/report/');
put('/bills/report-not/x.csv');
is(put("/bills/report/part $_+é.csv", "$dir/bill.csv"), '200', "part $_ is put there") foreach 1 .. 9;
my ($out, $err) = run("SELECT status, rows_loaded, billed_cost FROM finops.load_bill('s3://bills/report/', 'auto', NULL, 'prefix')");
is($out, 'loaded|27000|' . 9 * $total . '.00', 'a prefix of three pages is one bill') or diag($err);

$store->stop;
undef $store;
$node->stop;
done_testing();
