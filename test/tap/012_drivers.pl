# Driver files and zipped bills from the web and from S3, the archives and the
# workbook written by programs that are not ours.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('drivers');
$node->safe_psql('postgres', 'CREATE EXTENSION finops; CREATE ROLE planner');

my $files = $node->basedir . '/files';
mkdir $files or die;
my $csv = "driver_code,period_start,value,unit\napi_calls,2025-07,2000000,calls\napi_calls,2025-08,2100000.5,calls\n";
append_to_file("$files/drivers_2025-07-01.csv", $csv);

# a bill of 20,000 lines as a stream (sizes behind the members), and a workbook
my $make = <<'PYTHON';
import io, sys, zipfile
directory = sys.argv[1]
class Pipe(io.RawIOBase):
    def __init__(self, out): self.out = out
    def writable(self): return True
    def seekable(self): return False
    def write(self, data): return self.out.write(data)
with open(directory + "/bill.zip", "wb") as out, zipfile.ZipFile(Pipe(out), "w", zipfile.ZIP_DEFLATED) as z:
    for part in (1, 2):
        lines = ["BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ChargeDescription"]
        lines += ["0.%02d,0.%02d,web,2024-01-01,line %d" % (i % 100, i % 100, i) for i in range(10000)]
        z.writestr("bill/part_%d.csv" % part, "\n".join(lines))
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
with zipfile.ZipFile(directory + "/drivers_2025-08-01.xlsx", "w", zipfile.ZIP_STORED) as z:
    z.writestr("_rels/.rels", '<Relationships><Relationship Id="a" Type="%s/officeDocument" Target="xl/workbook.xml"/></Relationships>' % R)
    z.writestr("xl/workbook.xml", '<workbook xmlns:r="%s"><sheets><sheet name="Plan" sheetId="1" r:id="b"/></sheets></workbook>' % R)
    z.writestr("xl/_rels/workbook.xml.rels", '<Relationships><Relationship Id="b" Type="%s/worksheet" Target="worksheets/a.xml"/></Relationships>' % R)
    cell = '<c t="inlineStr"><is><t>%s</t></is></c>'
    rows = "".join("<row>%s</row>" % "".join(cell % c for c in r) for r in [("KPI", "Month", "Amount"), ("mau", "2025-08", "17"), ("mau", "2025-09", "19")])
    z.writestr("xl/worksheets/a.xml", "<worksheet><sheetData>%s</sheetData></worksheet>" % rows)
PYTHON
IPC::Run::run([ $python, '-c', $make, $files ]) or die;

my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/requests');
append_to_file($log, '');
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/fault_server.py", $port_file, $log, $files ]);
END { local $?; $server->kill_kill if $server; }
sleep 0.05 while !-e $port_file;
my ($port) = split ' ', slurp_file($port_file);
my $web = "http://127.0.0.1:$port";
my $keys = $node->basedir . '/credentials';
append_to_file($keys, "[default]\naws_access_key_id = AKIAFAULTSERVER\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+fault\n");
chmod 0600, $keys;
my $settings = "SET finops.allowed_hosts = '$web'; SET finops.allowed_networks = '127.0.0.1/32';"
  . " SET finops.s3_endpoint = '$web'; SET finops.aws_credentials_file = '$keys'; SET finops.max_retries = 3;\n";

sub answer
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $settings . $sql);
}

sub fails
{
	my ($sql, $pattern, $title) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$settings$sql", on_error_stop => 1);
	like($err, $pattern, $title) or diag($out);
	return;
}

sub load
{
	my ($address, $more) = @_;
	$more //= '';
	return answer("SELECT * FROM finops.load_drivers('$address'$more)");
}

is(load("$web/ok/drivers_2025-07-01.csv"), '2025-07-01|loaded|2|1|2', 'drivers from the web');
is(load("$web/cut/drivers_2025-07-01.csv"), '2025-07-01|unchanged|2|1|2', 'the same over a connection that breaks off');
is(load("$web/ok/drivers_2025-08-01.xlsx"), '2025-08-01|loaded|2|1|2', 'a workbook from the web');
is(load('s3://bucket/plans/drivers_2025-07-01.csv'), '2025-07-01|unchanged|2|1|2', 'the same from S3, signed');
is(load('s3://bucket/drivers_2025-08-01.xlsx', ", '2025-10-01'"), '2025-10-01|loaded|2|1|2', 'a workbook from S3, for another date');
is(answer("SELECT load_dt, sum(value), min(source_file) FROM forecast.drivers GROUP BY 1 ORDER BY 1"),
	"2025-07-01|4100000.5|drivers_2025-07-01.csv\n2025-08-01|36|drivers_2025-08-01.xlsx\n2025-10-01|36|drivers_2025-08-01.xlsx", 'what was loaded');
is(answer("SELECT count(*) FROM external_table('s3://bucket/drivers_2025-07-01.csv')"), 2, 'external_table reads S3');
fails("SELECT finops.load_drivers('$web/404/drivers_2025-07-01.csv')", qr/58P01: /, 'drivers that are not there');
fails("SELECT finops.load_drivers('$web/shorter/drivers_2025-07-01.csv')", qr/08006: /, 'drivers that never arrive whole');
fails("SELECT finops.load_drivers('s3://bucket/plans/', '2025-07-01')", qr/42809: /, 'a prefix');
fails("SELECT finops.load_drivers('https://other.example/drivers_2025-07-01.csv')", qr/42501: host .* is not allowed/, 'another host');
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION finops.load_drivers(text, date) TO planner');
fails("SET ROLE planner; SELECT finops.load_drivers('$web/ok/drivers_2025-07-01.csv')", qr/42501: permission denied to read from the network/, 'a role without the network');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER finops_aws TO planner');
is($node->safe_psql('postgres', "${settings}SET ROLE planner; SELECT status FROM finops.load_drivers('$web/ok/drivers_2025-07-01.csv')"),
	'unchanged', 'and one with it');

# 2 x 100 x (0.00 + 0.01 + ... + 0.99) = 200 x 49.50
my $bill = "SELECT status, rows_loaded, billed_cost FROM finops.load_bill";
is(answer("$bill('$web/ok/bill.zip')"), 'loaded|20000|9900.00', 'a zipped bill from the web');
is(answer("$bill('s3://bucket/bill.zip')"), 'unchanged|0|9900.00', 'the same from S3');
fails("$bill('$web/shorter/bill.zip')", qr/08006: /, 'a zipped bill that is cut off');
SKIP:
{
	skip 'zip is not installed', 2 if !-x '/usr/bin/zip';
	append_to_file("$files/part.csv", "BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart\n5,5,zip,2024-02-01\n");
	IPC::Run::run([ '/usr/bin/zip', '-q', '-j', "$files/tool.zip", "$files/part.csv" ]) or die;
	is(answer("$bill('$files/tool.zip')"), 'loaded|1|5', 'an archive of Info-ZIP');
	IPC::Run::run([ '/usr/bin/zip', '-q', '-j', '-P', 'secret', "$files/locked.zip", "$files/part.csv" ]) or die;
	fails("$bill('$files/locked.zip')", qr/0A000: .* is encrypted.*HINT/s, 'an encrypted one');
}
$node->stop;
done_testing();
