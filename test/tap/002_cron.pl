# pg_cron fires a job of finops, the run is recorded, and unscheduling removes
# every job.  The schedule @reboot saves waiting for the next full minute.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'pg_cron is not installed' unless has_cron();

my $node = finops_node('cron', conf => "cron.database_name = 'desk'\n");
$node->safe_psql('postgres', 'CREATE DATABASE desk');
$node->safe_psql('desk', 'CREATE EXTENSION pg_cron; CREATE EXTENSION finops');
$node->safe_psql('desk', q{
	INSERT INTO finops.job (job_name, schedule, command, description)
	VALUES ('count-tenants', '0 3 * * *', 'SELECT count(*) AS tenants FROM public.tenant_master', 'how many tenants there are'),
		('fail', '0 4 * * *', 'SELECT 1/0', 'a job that fails')});

$node->safe_psql('desk', 'SELECT finops.schedule_jobs()');
my $scheduled = $node->safe_psql('desk', q{SELECT count(*) FROM cron.job WHERE jobname LIKE 'finops:desk:%'});
is( $scheduled, $node->safe_psql('desk', 'SELECT count(DISTINCT job_name) FROM finops.job WHERE enabled'),
	'every enabled job is scheduled under the name of its database');
$node->safe_psql('desk', 'SELECT finops.schedule_jobs()');
is( $node->safe_psql('desk', 'SELECT count(*) FROM cron.job'), $scheduled,
	'scheduling again adds nothing');

$node->safe_psql('desk', q{
	UPDATE cron.job SET schedule = '@reboot' WHERE jobname IN ('finops:desk:count-tenants', 'finops:desk:fail')});
$node->restart;
ok( $node->poll_query_until('desk', q{
		SELECT count(*) = 2 FROM finops.job_run
		WHERE job_name IN ('count-tenants', 'fail') AND status IN ('succeeded', 'failed')}),
	'pg_cron fires the jobs');
is( $node->safe_psql('desk', q{SELECT status || ' ' || detail::text FROM finops.job_run WHERE job_name = 'count-tenants'}),
	'succeeded [{"tenants": 0}]', 'the run is recorded with its rows');
like( $node->safe_psql('desk', q{SELECT status || ' ' || error_message FROM finops.job_run WHERE job_name = 'fail'}),
	qr/^failed 22012: division by zero/, 'a failure is recorded with its error');
ok( $node->poll_query_until('desk', q{
		SELECT count(*) = 1 FROM cron.job_run_details d JOIN cron.job j USING (jobid)
		WHERE j.jobname = 'finops:desk:fail' AND d.status = 'failed'}),
	'pg_cron sees the failure too');

$node->safe_psql('desk', 'SELECT finops.unschedule_jobs()');
is($node->safe_psql('desk', 'SELECT count(*) FROM cron.job'), '0', 'unscheduling removes all jobs');

$node->stop;
done_testing();
