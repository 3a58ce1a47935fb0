# Bills from web servers and S3 that truncate, stall, redirect, refuse, lie
# about lengths and change objects while they are read; who may use the
# network, with whose keys, and which hosts and addresses are visited.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('network', conf => "log_statement = none\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

# A bill of 4000 lines, 1.2 MB, and its total in hundredths.
my $files = $node->basedir . '/files';
mkdir $files or die;
my $bill = "identity_line_item_id,bill_payer_account_id,bill_billing_period_start_date,line_item_usage_account_id,"
  . "line_item_line_item_type,line_item_usage_start_date,line_item_product_code,line_item_usage_type,"
  . "line_item_usage_amount,line_item_currency_code,line_item_unblended_cost,line_item_line_item_description\n";
my $total = 0;
foreach my $i (1 .. 4000)
{
	my $cents = $i * 7919 % 10007;
	$total += $cents;
	$bill .= sprintf "id-%d,123456789012,2024-01-01T00:00:00Z,111111111111,Usage,2024-01-%02dT00:00:00Z,"
	  . "AmazonEC2,BoxUsage:m5.large,1,USD,%d.%02d,%s\n",
	  $i, 1 + $i % 31, $cents / 100, $cents % 100, 'x' x 180;
}
append_to_file("$files/bill.csv", $bill);
$total = sprintf '%d.%02d', $total / 100, $total % 100;

my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/requests');
append_to_file($log, '');

# a certificate of its own, where there is a program that makes one
my @tls = ($node->basedir . '/certificate', $node->basedir . '/key');
my $made = eval {
	IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost
		-addext subjectAltName=DNS:localhost -out), $tls[0], '-keyout', $tls[1] ], '>&', \my $output);
};
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/fault_server.py", $port_file, $log, $files, $made ? @tls : () ]);
END { $server->kill_kill if $server; }
sleep 0.05 while !-e $port_file;
my ($port, $silent, $secure) = split ' ', slurp_file($port_file);
my $web = "http://127.0.0.1:$port";

# Settings are given per session, as a superuser may.
my %base = (
	'finops.allowed_hosts' => $web,
	'finops.allowed_networks' => '127.0.0.1/32, ::1',
	'finops.max_retries' => 3,
	'finops.stall_timeout' => 1,
	'finops.s3_endpoint' => $web,
	'finops.aws_endpoint' => $web);

# run(SQL, role => NAME, SETTING => VALUE, ...): stdout, stderr, seconds
sub run
{
	my ($sql, %set) = @_;
	my $role = delete $set{role};
	%set = (%base, %set);
	my $all = join '', map { "SET $_ = '$set{$_}';\n" } sort keys %set;
	$all .= "SET ROLE $role;\n" if $role;
	my ($out, $err) = ('', '');
	my $start = time;
	$node->psql('postgres', "\\set VERBOSITY verbose\n$all$sql",
		stdout => \$out, stderr => \$err, on_error_stop => 1);
	return ($out, $err, time - $start);
}

my $source = 0;

sub load_sql
{
	my ($address) = @_;
	$source++;
	return "SELECT status, rows_loaded, billed_cost FROM finops.load_bill('$address', 'auto', NULL, 's$source')";
}

sub loads
{
	my ($address, $title, %set) = @_;
	my ($out, $err) = run(load_sql($address), %set);
	is($out, "loaded|4000|$total", $title) or diag($err);
	return;
}

sub fails
{
	my ($address, $pattern, $title, %set) = @_;
	my ($out, $err, $seconds) = run(load_sql($address), %set);
	like($err, $pattern, $title) or diag($out);
	unlike($err, qr/secret of the body|SECRET/, "$title: nothing secret in the message");
	return $seconds;
}

sub requests
{
	my ($pattern) = @_;
	return scalar grep { /$pattern/ } split /\n/, slurp_file($log);
}

# whole, and in pieces
loads("$web/ok/bill.csv", 'a bill from the web');
loads("$web/cut/bill.csv", 'a transfer that breaks off three times goes on where it broke off');
is(requests(qr{^GET /cut/bill.csv 206}), 3, 'by ranges');
loads("$web/cut-no-range/bill.csv", 'where ranges are not served, what is known is passed over');
loads("$web/busy/bill.csv", '500 and 503 are tried again');
loads("$web/stall-once/bill.csv", 'a connection that falls silent is replaced');
loads("$web/to-same/bill.csv", 'a redirect on the same host is followed');
my ($out, $err, $seconds);
(undef, $err, $seconds) = run(load_sql("$web/retry-after/bill.csv"));
cmp_ok($seconds, '>', 1, 'Retry-After is waited for') or diag($err);
is(requests(qr{^GET /retry-after/}), 2, 'and then it is asked again');
is( $node->safe_psql('postgres', "SELECT count(*), count(DISTINCT digest), sum(billed_cost) / $total FROM finops.delivery"),
	"7|1|7.0000000000000000", 'every load holds the same bytes')
  or diag($node->safe_psql('postgres', 'SELECT source, digest, billed_cost FROM finops.delivery'));

# what cannot be whole is not loaded
fails("$web/cut-always/bill.csv", qr/08006: the transfer of .* broke off.*\d+ of \d+ bytes arrived/s, 'a transfer that always breaks off');
fails("$web/cut-no-etag/bill.csv", qr/08006: the transfer of .* broke off/, 'without ETag there is no going on');
fails("$web/changes/bill.csv", qr/55006: .* changed while it was read/, 'an object that changes (412)');
fails("$web/changes-silently/bill.csv", qr/55006: .* changed while it was read/, 'an object that changes (another ETag)');
fails("$web/wrong-range/bill.csv", qr/55006: .* changed while it was read/, 'an answer that goes on elsewhere');
fails("$web/longer/bill.csv", qr/08P01: .* is longer than its server says/, 'more bytes than promised');
fails("$web/shorter/bill.csv", qr/08006: the transfer of .* broke off/, 'fewer bytes than promised');
fails("$web/no-length/bill.csv", qr/08P01: the server does not say how long/, 'no promise');
fails("$web/huge/bill.csv", qr/54000: .* is larger than 102400 MB/, 'a promise that is too large');
fails("$web/ok/bill.csv", qr/54000: .* is larger than 1 MB/, 'a bill over the cap', 'finops.max_download_size' => 1);
fails("$web/endless-headers/bill.csv", qr/54000: the answer of .* has too many headers/, 'endless headers');
fails("$web/gone/bill.csv", qr/08006: the transfer of/, 'no answer');
fails("$web/403/bill.csv", qr/42501: .* refuses to give/, '403');
fails("$web/404/bill.csv", qr/58P01: .* does not exist/, '404');
fails("$web/500/bill.csv", qr/58000: .* answered 500 .*It was asked 4 times/s, '500');
fails("$web/429/bill.csv", qr/53400: .* answered 429/, '429');
fails("$web/to-other/bill.csv", qr/08006: .* leads to another host, "localhost.example"/, 'a redirect to another host');
fails("$web/to-port/bill.csv", qr/08006: .* leads to another host/, 'a redirect to another port');
fails("$web/to-slashes/bill.csv", qr/08P01: .* cannot be followed|08006: .* another host/, 'a redirect without scheme');
fails("$web/to-file/bill.csv", qr/08P01: .* cannot be followed/, 'a redirect to a file');
fails("$web/loop/bill.csv", qr/08006: too many redirects/, 'redirects without end');
is($node->safe_psql('postgres', 'SELECT count(*) FROM finops.delivery'), '7', 'nothing of these was loaded');

# certificates
SKIP:
{
	skip 'openssl is not installed', 5 if !$made;
	my %trust = ('finops.allowed_hosts' => "localhost:$secure, 127.0.0.1:$secure", 'finops.ca_file' => $tls[0]);
	loads("https://localhost:$secure/ok/bill.csv", 'a trusted certificate', %trust);
	fails("https://127.0.0.1:$secure/ok/bill.csv", qr/08006: could not make a trusted connection/, 'a certificate for another host', %trust);
	fails("https://localhost:$secure/ok/bill.csv", qr/08006: could not make a trusted connection/, 'an unknown authority',
		%trust, 'finops.ca_file' => '');
}

# hosts and addresses
fails("$web/ok/bill.csv", qr/42501: host "127.0.0.1:$port" is not allowed/, 'a host that is not on the list', 'finops.allowed_hosts' => '');
fails("$web/ok/bill.csv", qr/42501: host .* is not allowed/, 'http where https is allowed', 'finops.allowed_hosts' => "127.0.0.1:$port");
fails("$web/ok/bill.csv", qr/42501: host .* is at address 127.0.0.1, which is not allowed/, 'a loopback address', 'finops.allowed_networks' => '');
foreach my $host ('localhost', '2130706433', '0x7f000001', '127.1', '[::1]', '[::ffff:127.0.0.1]')
{
	fails("http://$host:$port/ok/bill.csv", qr/42501: host .* is at address [0-9a-f.:]*, which is not allowed|08006: could not (resolve|connect)|22023/,
		"a loopback address written as $host",
		'finops.allowed_hosts' => "http://$host:$port", 'finops.allowed_networks' => '10.0.0.0/8');
}
fails("http://169.254.169.254/latest/meta-data", qr/42501: host .* is at address 169.254.169.254, which is not allowed/,
	'the metadata of a cloud machine', 'finops.allowed_hosts' => 'http://169.254.169.254');
fails("http://user:SECRET\@127.0.0.1:$port/ok/bill.csv", qr/22023: .*User and password do not belong/s, 'a password in the address');
fails("$web/404/bill.csv?X-Amz-Signature=SECRET", qr/58P01/, 'a query is not shown');
fails("$web/ok/", qr/0A000: cannot list|42809: .* is a prefix/, 'a web server has no list');
fails("ftp://127.0.0.1/x", qr/22023/, 'another scheme');
foreach my $bad ([ 'finops.allowed_hosts', 'http://a b/' ], [ 'finops.allowed_networks', '10.0.0.0/33' ],
	[ 'finops.s3_endpoint', 'http://h/path' ], [ 'finops.aws_endpoint', 'h' ])
{
	(undef, $err) = run('SELECT 1', $bad->[0] => $bad->[1]);
	like($err, qr/22023: invalid value for parameter "$bad->[0]"/, "$bad->[0] is checked");
}

# S3: without keys, with a file that others can read, with one that is right
fails('s3://bucket/bill.csv', qr/28000: no AWS credentials/, 'S3 without keys');
my $keys = $node->basedir . '/credentials';
append_to_file($keys, "# keys\n[other]\naws_access_key_id = AKIAFAULTSERVER\naws_secret_access_key = wrongSECRET\n"
	  . "[default]\naws_access_key_id=AKIAFAULTSERVER\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+fault\n"
	  . "[session]\naws_access_key_id=AKIAFAULTSERVER\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+fault\n"
	  . "aws_session_token = session/token+with=signs\n[empty]\nregion = x\n");
$base{'finops.aws_credentials_file'} = $keys;
chmod 0644, $keys;
fails('s3://bucket/bill.csv', qr/28000: the credentials file can be read by others.*chmod 600/s, 'a credentials file that others can read');
chmod 0600, $keys;
loads('s3://bucket/bill.csv', 'an object of S3');
loads('s3://bucket/dir one/a+b=c&d%20é/bill.csv', 'a key with everything that is encoded');
loads('s3://bucket/a/./b/../bill.csv', 'a key is not a path');
loads('s3://cut/cut/bill.csv', 'a transfer from S3 that breaks off, signed anew');
loads('s3://slow/bill.csv', 'SlowDown is waited for');
loads('s3://elsewhere/bill.csv', 'a bucket in another region (301)', 'finops.s3_region' => 'us-west-2');
loads('s3://elsewhere/bill.csv', 'a bucket in another region (400)', 'finops.s3_region' => 'us-west-2');
loads('s3://token/bill.csv', 'with a session token', 'finops.aws_profile' => 'session');
loads('s3://bucket/bill.csv', 'the bucket in the host name',
	'finops.s3_url_style' => 'virtual', 'finops.s3_endpoint' => "http://localhost:$port");
($out, $err) = run("SELECT status, rows_loaded, billed_cost = 7 * $total FROM finops.load_bill('s3://bucket/cur/2018-10/', 'auto', NULL, 'prefix')");
is($out, 'loaded|28000|t', 'a prefix of three pages is one bill') or diag($err);
my $fetched = requests(qr{^GET /\S*2018-10/[^? ]+\S* 20});
cmp_ok($fetched, '>=', 7, 'whose objects were fetched');
($out, $err) = run("SELECT status, rows_loaded FROM finops.load_bill('s3://bucket/cur/2018-10/', 'auto', NULL, 'prefix')");
is($out, 'unchanged|0', 'objects of the same ETags and sizes') or diag($err);
is(requests(qr{^GET /\S*2018-10/[^? ]+\S* 20}), $fetched, 'are not fetched again');
$node->safe_psql('postgres', "UPDATE finops.delivery_file SET etag = 'another' WHERE address LIKE 's3://bucket/cur/2018-10/%' AND position = 3");
($out, $err) = run("SELECT status, rows_loaded FROM finops.load_bill('s3://bucket/cur/2018-10/', 'auto', NULL, 'prefix')");
is($out, 'unchanged|0', 'an object of another ETag is what it was') or diag($err);
cmp_ok(requests(qr{^GET /\S*2018-10/[^? ]+\S* 20}), '>', $fetched, 'which is known when it was fetched');
fails('s3://bucket/bill.csv', qr/28000: .*SignatureDoesNotMatch.*Check the secret key/s, 'a wrong secret', 'finops.aws_profile' => 'other');
fails('s3://bucket/bill.csv', qr/28000: the credentials file has no profile "nobody"/, 'no such profile', 'finops.aws_profile' => 'nobody');
fails('s3://bucket/bill.csv', qr/28000: profile "empty" of the credentials file has no keys/, 'a profile without keys', 'finops.aws_profile' => 'empty');
fails('s3://token/bill.csv', qr/28000: .*InvalidToken/s, 'without its session token');
fails('s3://bucket/none.csv', qr/58P01: "s3:..bucket.none.csv" does not exist.*NoSuchKey/s, 'no such key');
fails('s3://bucket/denied.csv', qr/42501: .*AccessDenied: Access Denied.*s3:GetObject/s, 'access denied');
fails('s3://nowhere/bill.csv', qr/08006: .* leads to another host/, 'a redirect of S3 to another host');
fails('s3://stranger/cur/2018-10/', qr/08P01: the answer of .* is no list of objects/, 'a list of what was not asked for');
fails('s3://latin/bill.csv', qr/42501: .*\n.*DETAIL:  S3 answered 403 AccessDenied: Zugriff verwehrt f\?r/, 'a message that is no UTF-8');
fails('s3://broken-list/cur/', qr/08P01: the answer of .* is no list of objects/, 'a list that is cut off');
fails('s3://entities/cur/', qr/08P01: the answer of .* is no list of objects/, 'a list with a DOCTYPE');
fails('s3://endless-xml/cur/', qr/54000: the answer of .* is (too large|larger than)/, 'a list without end');
fails('s3://same-token/cur/', qr/08P01: the list of .* does not end/, 'pages without end');
foreach my $given ('s3://', 's3://bucket', 's3:///key')
{
	fails($given, qr/22023: .* does not name a bucket and an object/, "the address $given");
}

# who may, and keys of one's own
$node->safe_psql('postgres', q{
	CREATE ROLE loader LOGIN;
	GRANT EXECUTE ON FUNCTION finops.load_bill TO loader;
	CREATE SERVER billing FOREIGN DATA WRAPPER finops_aws OPTIONS (region 'eu-central-1');
	CREATE SERVER foreign_one FOREIGN DATA WRAPPER finops_aws;
	CREATE USER MAPPING FOR loader SERVER billing OPTIONS (access_key_id 'AKIAFAULTSERVER', secret_access_key 'wJalrXUtnFEMI/K7MDENG+fault')});
fails("$web/ok/bill.csv", qr/42501: permission denied to read from the network.*GRANT USAGE ON FOREIGN DATA WRAPPER finops_aws TO loader/s,
	'a role without the right', role => 'loader');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER finops_aws TO loader');
loads("$web/ok/bill.csv", 'a role with the right', role => 'loader');
loads('s3://bucket/bill.csv', 'with the keys of the server', role => 'loader');
fails($files . '/bill.csv', qr/42501: permission denied to read a file of the server/, 'which is no right to files', role => 'loader');
fails('s3://bucket/bill.csv', qr/42501: permission denied for foreign server billing/, 'a server that is not granted',
	role => 'loader', 'finops.aws_server' => 'billing');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER billing, foreign_one TO loader');
loads('s3://elsewhere-no/bill.csv', 'keys of a user mapping', role => 'loader', 'finops.aws_server' => 'billing');
fails('s3://bucket/bill.csv', qr/42704: user mapping not found/, 'a server without a mapping', role => 'loader', 'finops.aws_server' => 'foreign_one');
fails('s3://bucket/bill.csv', qr/42704: server "none" does not exist/, 'no such server', 'finops.aws_server' => 'none');
foreach my $sql (q{CREATE SERVER x FOREIGN DATA WRAPPER finops_aws OPTIONS (endpoint 'http://h')},
	q{CREATE SERVER x FOREIGN DATA WRAPPER finops_aws OPTIONS (region 'SECRET/x')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER billing OPTIONS (secret_access_key E'SECRET\nx')})
{
	(undef, $err) = run($sql);
	like($err, qr/HV00D: invalid option|HV024: invalid value for option/, 'options are checked');
	unlike($err, qr/ERROR.*SECRET/, 'and not shown');
}

# cancel: during connect, before the answer, in the middle, while waiting to try again
foreach my $case ([ "$web/hang/bill.csv", 'no answer' ], [ "$web/stall/bill.csv", 'a stall' ],
	[ "$web/drip/bill.csv", 'a slow transfer' ],
	[ "http://127.0.0.1:$silent/x", 'a connection that is not made' ])
{
	(undef, $err, $seconds) = run("SET statement_timeout = 700; " . load_sql($case->[0]),
		'finops.stall_timeout' => 60, 'finops.allowed_hosts' => "$web, http://127.0.0.1:$silent");
	like($err, qr/57014: canceling statement due to statement timeout/, "$case->[1] is cancelled");
	cmp_ok($seconds, '<', 1.4, "$case->[1]: at once");
}
(undef, $err, $seconds) = run("SET statement_timeout = 700; " . load_sql("$web/500/bill.csv"), 'finops.max_retries' => 50);
like($err, qr/57014/, 'a pause is cancelled');
cmp_ok($seconds, '<', 1.4, 'at once');

# 300 failures in one session leave no descriptor and no memory behind
my $many = q{CREATE FUNCTION pg_temp.fds() RETURNS bigint LANGUAGE sql AS
	$$SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/fd')$$;
	CREATE FUNCTION pg_temp.once(address text) RETURNS void LANGUAGE plpgsql AS
	$$BEGIN PERFORM finops.load_bill(address); EXCEPTION WHEN OTHERS THEN NULL; END$$;
	CREATE FUNCTION pg_temp.many(n int) RETURNS void LANGUAGE sql AS
	$$SELECT pg_temp.once(a) FROM generate_series(1, n), unnest(ARRAY['%1$s/404/x', '%1$s/longer/bill.csv', '%1$s/changes-silently/bill.csv', 's3://bucket/none', 's3://broken-list/cur/', 's3://bucket/denied']) a$$;
	SELECT pg_temp.many(2); SELECT pg_temp.fds() AS before \gset
	SELECT pg_temp.many(50); SELECT pg_temp.fds() - :before;};
($out) = run(sprintf($many, $web), 'finops.max_retries' => 1);
cmp_ok((split /\n/, $out)[-1], '<=', 2, '300 failures leak no descriptor');

# nothing secret in the server's log, whatever happened
$server->kill_kill;
undef $server;
my $server_log = slurp_file($node->logfile);
unlike($server_log, qr/file leak/, 'every copy of an object is closed');
unlike($server_log, qr/ERROR.*(wJalrXUtnFEMI|session.token|Authorization|Signature=)/, 'no key in any message of the log');

$node->stop;
done_testing();
