# The forecast-drivers runbook as it is written, from the file in the bucket to
# the message in the channel, and back: rollback and the prior forecast, byte
# for byte.
#
# The bill has four months whose cost of 1,000 calls is 0.10, 0.11, 0.09 and
# 0.10: 0.10 on average, which goes on, as there are too few for a model.
use strict;
use warnings FATAL => 'all';
use utf8;

use Encode ();
use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('drivers_runbook');
my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/sink');
append_to_file($log, '');
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/sink_server.py", $port_file, $log ]);
END { local $?; $server->kill_kill if $server; }
sleep 0.05 while !-s $port_file;
my ($port) = split ' ', slurp_file($port_file);

my $secrets = $node->basedir . '/secrets';
append_to_file($secrets, "[chat]\nurl = http://127.0.0.1:$port/ok/finops\n");
chmod 0600, $secrets;
my $store = $node->basedir . '/s3';
my $bucket = "$store/finops-data/forecast/drivers";
mkdir $_ or die foreach $store, "$store/finops-data", "$store/finops-data/forecast", $bucket;
$node->append_conf('postgresql.conf', qq{
finops.s3_endpoint = 'file://$store'
finops.allowed_networks = '127.0.0.0/8'
finops.notification_hosts = 'http://127.0.0.1:$port'
finops.channel_secrets_file = '$secrets'
});
$node->restart;
sub sql { return $node->safe_psql('postgres', $_[0]); }

# Step 1 and 2: one file for each roadmap, twelve months from the first on
sub upload
{
	my ($name, $year, $month, $calls) = @_;
	my $text = "driver_code,period_start,value,unit\n";
	foreach my $n (0 .. 11)
	{
		$text .= sprintf "api_calls,%d-%02d,%s,calls\n", $year + int(($month - 1 + $n) / 12), ($month - 1 + $n) % 12 + 1, $calls;
	}
	append_to_file("$bucket/drivers_$name.csv", $text);
	return;
}
upload('2025-06-01', 2025, 6, 2000000);
upload('2025-07-01', 2025, 7, 2040000);
upload('2025-07-15', 2025, 7, 20400000);

my $bill = $node->basedir . '/bill.csv';
append_to_file($bill, "BilledCost,EffectiveCost,BillingCurrency,BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ProviderName\n");
my @cost = (100, 110, 90, 100);
foreach my $n (0 .. 3)
{
	my ($from, $to) = map { sprintf '2025-%02d-01T00:00:00Z', $_ } $n + 2, $n + 3;
	append_to_file($bill, "$cost[$n],$cost[$n],USD,1,$from,$to,$from,$to,Usage,Gateway,AWS\n");
}
sql('CREATE EXTENSION finops');
is(sql("SELECT count(*), sum(billed_cost) FROM finops.load_bill('$bill')"), '4|400', 'four months of cost');
sql(q{
	INSERT INTO forecast.unit_kpi SELECT m::date, 'api_calls', 1000000, 1000 FROM generate_series(timestamp '2025-02-01', '2025-05-01', '1 month') m;
	INSERT INTO finops.channel (channel_id, kind, topics, secret) VALUES ('finops', 'slack', '{forecast_refreshed}', 'chat');
});
is(sql('SELECT month, unit_cost FROM vw_unit_cost ORDER BY month') =~ s/0+$//mgr,
	"2025-02-01|0.1\n2025-03-01|0.11\n2025-04-01|0.09\n2025-05-01|0.1", 'what 1,000 calls cost');

# what a run says, without its identity and time
sub forecast
{
	my ($run) = @_;
	return sql(qq{SELECT md5(string_agg(concat_ws('|', driver_code, scenario, month, quantity, unit_cost, total_cost, lower_usd, upper_usd, fixed_cost, variable_cost), E'\\n'
		ORDER BY driver_code, scenario, month)) || ' ' || count(*) FROM unit_cost_forecast WHERE run_id = '$run'});
}

# recalc(ARGUMENTS): (run_id, status, drivers_of, rows, total, variance)
sub recalc
{
	my ($arguments) = @_;
	return split /\|/, sql("SET client_min_messages = error; SELECT run_id, status, drivers_of, forecast_rows, trim_scale(total_cost), trim_scale(variance_pct) FROM finops.recalc_forecast($arguments)");
}

# What the channel got since the last call.
my $read = 0;
sub posted
{
	sql('CALL finops.deliver_notifications()');
	my @lines = split /\n/, slurp_file($log);
	my @new = map { decode_json($_) } @lines[ $read .. $#lines ];
	$read = @lines;
	return map { decode_json(Encode::encode('UTF-8', $_->{body}))->{text} } @new;
}

# the month before
is(sql("SELECT status, rows_loaded FROM finops.load_drivers('s3://finops-data/forecast/drivers/drivers_2025-06-01.csv')"), 'loaded|12', 'the drivers of June');
my ($june, @june) = recalc(q{'2025-06-15'});
is_deeply(\@june, [ 'completed', '2025-06-01', 12, 2400 ], 'twelve months of 2,000 times 0.10');
my $june_forecast = forecast($june);
my @posts = posted();
is(scalar(@posts), 1, 'one message');
like($posts[0], qr/Forecast drivers updated \(2025-06-01\)\. Dashboard refreshed\. No earlier run to compare with\./, 'of the first run');

# Step 3, as it is written
sql(sql("SELECT sql_verbatim FROM finops.runbook WHERE id = 'S000-Q1' AND shipped"));
is(sql("SELECT count(*), sum(value), min(environment), max(environment), min(source_file) FROM forecast.drivers WHERE load_dt = '2025-07-01'"),
	'12|24480000|FinOps|FinOps|drivers_2025-07-01.csv', 'the statement loads the drivers of July');

# Step 4: eleven months in common, 204 instead of 200 each
my ($july, @july) = recalc(q{'2025-07-01'});
is_deeply(\@july, [ 'completed', '2025-07-01', 12, 2448, 2 ], 'two percent more');
like(sql("SELECT run_name, machine_version, as_of FROM forecast.run WHERE run_id = '$july'"), qr/^Reforecast_\d{8}_\d{6}\|v1\.3\|2025-07-01$/, 'its name');

# Step 5
is(sql("SELECT count(*), count(DISTINCT last_refresh), bool_and(last_refresh = (SELECT max(last_refresh) FROM unit_cost_forecast)), bool_and(now() - last_refresh < interval '1 minute') FROM unit_cost_forecast WHERE run_id = '$july'"),
	'12|1|t|t', 'one last refresh, and it is current');
is(sql('SELECT count(*), min(month), max(month), trim_scale(min(unit_cost)), trim_scale(max(unit_cost)), trim_scale(sum(total_cost)), min(driver_load_dt) FROM forecast.unit_cost_current'),
	'12|2025-07-01|2026-06-01|0.1|0.1|2448|2025-07-01', 'cost of 1 k API calls, twelve months on');
is(sql("SELECT string_agg(verdict, ' ' ORDER BY step_no) FROM finops.run_checklist('forecast_drivers')"), 'manual outside pass pass pass pass', 'the checklist of the runbook');

# Step 6
@posts = posted();
is(scalar(@posts), 1, 'one message');
like($posts[0], qr/^INFO: Forecast drivers updated \(2025-07-01\)\. Dashboard refreshed\. Variance within ±3 % \(\+2\.00 %\)\./, 'as the runbook words it');

# a file that is ten times too large
sql("SELECT finops.load_drivers('s3://finops-data/forecast/drivers/drivers_2025-07-15.csv')");
my ($bad, @bad) = recalc(q{'2025-07-15'});
is_deeply(\@bad, [ 'warning', '2025-07-15', 12, 24480, 900 ], 'is seen by its variance');
is(sql("SELECT string_agg(verdict, ' ' ORDER BY step_no) FROM finops.run_checklist('forecast_drivers')"), 'manual outside pass pass pass fail', 'by the checklist');
@posts = posted();
like($posts[0], qr/^WARNING: .*\(2025-07-15\).*Variance outside ±3 % \(\+900\.00 %\)/, 'and in the channel');

# Rollback: the bad set by the function, July by the statement of the runbook
is(sql("SELECT finops.rollback_drivers('2025-07-15')"), 12, 'rolled back');
my ($again, @again) = recalc(q{'2025-07-15'});
is($again[1], '2025-07-01', 'the prior drivers are the newest again');
is(forecast($again), forecast($july), 'and give the prior forecast, byte for byte');
sql(sql("SELECT sql_verbatim FROM finops.runbook WHERE id = 'S000-Q2' AND shipped"));
is(sql('SELECT DISTINCT load_dt FROM forecast.drivers'), '2025-06-01', 'July is gone');
my ($prior) = recalc(q{'2025-06-15'});
is(forecast($prior), $june_forecast, 'with the prior date June is as it was, byte for byte');
($prior) = recalc(q{'2025-06-20', '2025-06-01'});
is(forecast($prior), $june_forecast, 'also by the date of its drivers');
is(sql('SELECT run_id FROM forecast.unit_cost_current LIMIT 1'), $prior, 'the dashboard shows it');
is(sql("SELECT count(*), count(DISTINCT run_id) FROM unit_cost_forecast"), '72|6', 'every run is kept');
my ($code, $out, $err) = $node->psql('postgres', "SELECT finops.rollback_drivers('2025-07-01')");
like($err, qr/no drivers were loaded for 2025-07-01.*latest load dates are: 2025-06-01/s, 'twice is an error with what there is');
($code, $out, $err) = $node->psql('postgres', "SELECT * FROM finops.recalc_forecast('2025-07-01', '2025-07-01')");
like($err, qr/no drivers were loaded for 2025-07-01/, 'as is a forecast from them');

# the same file again: the statement would double it, the function does not
is(sql("SELECT status FROM finops.load_drivers('s3://finops-data/forecast/drivers/drivers_2025-06-01.csv')"), 'unchanged', 'a file that is loaded already');
($code, $out, $err) = $node->psql('postgres', "INSERT INTO forecast.drivers SELECT * FROM EXTERNAL_TABLE('s3://finops-data/forecast/drivers/drivers_2025-06-01.csv')");
like($err, qr/duplicate key/, 'the statement says so');

# in another encoding
sql(q{CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin1', q{CREATE EXTENSION finops;
	INSERT INTO forecast.drivers (driver_code, period_start, value, load_dt) VALUES ('x', '2025-07-01', 1, '2025-07-01'); SET client_min_messages = error;
	SELECT finops.recalc_forecast('2025-07-01')});
like($node->safe_psql('latin1', q{SET client_min_messages = error; SELECT message FROM finops.recalc_forecast('2025-07-01')}), qr/Dashboard refreshed/, 'a message without the sign');
$node->stop;
done_testing();
