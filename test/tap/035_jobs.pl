# Jobs against real servers: a run whose session is killed, schedules in other
# time zones, jobs that left the registry, the log, overrides through a dump,
# and the exit status of the guardrail.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('jobs', conf => "cron.database_name = 'postgres'\n");
my $cron = has_cron();
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron') if $cron;
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

# a job whose back end is killed, then a server that is killed
$node->safe_psql('postgres', q{SELECT finops.set_job('sleep', command => 'SELECT pg_sleep(600)', schedule => '* * * * *')});
my $session = start_session($node, 'sleeper', "CALL finops.run_job('sleep');");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM finops.job_run WHERE job_name = 'sleep' AND status = 'started'}), 'a job runs');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(backend_pid) FROM finops.job_run WHERE job_name = 'sleep'});
$session->{handle}->finish;
$node->safe_psql('postgres', q{SELECT finops.set_job('quick', command => 'SELECT 1'); });
$node->safe_psql('postgres', q{CALL finops.run_job('quick')});
is( $node->safe_psql('postgres', q{SELECT status || ': ' || error_message FROM finops.job_run WHERE job_name = 'sleep'}),
	'failed: the session ended before the job did', 'the next job of any name finds the run that was lost');
$session = start_session($node, 'sleeper2', "CALL finops.run_job('sleep');");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM finops.job_run WHERE job_name = 'sleep' AND status = 'started'}), 'it runs again: no lock is stuck');
crash($node, $session);
is($node->safe_psql('postgres', 'SELECT finops.close_lost_runs()'), '1', 'after a crash the run is closed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'and nothing is locked');

# a dependency that runs is waited for
$node->safe_psql('postgres', q{
	SELECT finops.set_job('slow', schedule => '0 0 1 1 *', command => 'SELECT pg_sleep(2)'), finops.set_job('after', schedule => '0 0 1 1 *', command => 'SELECT 1', depends_on => '{slow}')});
$session = start_session($node, 'slow', "CALL finops.run_job('slow', true);");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM finops.job_run WHERE job_name = 'slow' AND status = 'started'}), 'a dependency runs');
$node->safe_psql('postgres', q{CALL finops.run_job('after', true)});
is($node->safe_psql('postgres', q{SELECT string_agg(job_name || ' ' || status, ', ' ORDER BY finished_at) FROM finops.job_run WHERE job_name IN ('slow', 'after')}),
	'slow succeeded, after succeeded', 'what depends on it waits for its end');
$session->{handle}->finish;

# a procedure that commits runs in a session of its own
$node->safe_psql('postgres', q{
	CREATE TABLE public.step (n int);
	CREATE PROCEDURE public.steps(fails boolean, sleeps float8) LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.step VALUES (1);
		COMMIT;
		PERFORM pg_catalog.pg_sleep(sleeps);
		INSERT INTO public.step VALUES (2);
		IF fails THEN
			RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'no step three', DETAIL = 'Some detail.', HINT = 'Some hint.';
		END IF;
	END $$;
	SELECT finops.set_job('steps', command => 'CALL public.steps(false, 0)'), finops.set_job('missteps', command => 'CALL public.steps(true, 0)'),
		finops.set_job('longsteps', command => 'CALL public.steps(false, 600)', time_limit => '1 second'), finops.set_job('twosteps', command => 'VACUUM; VACUUM'),
		finops.set_job('long', command => 'CALL public.steps(false, 601)')});
$node->safe_psql('postgres', q{CALL finops.run_job('steps')});
is($node->safe_psql('postgres', q{SELECT string_agg(n::text, ',' ORDER BY n) FROM public.step}), '1,2', 'a procedure that commits');
$node->safe_psql('postgres', 'TRUNCATE public.step');
(undef, undef, my $said) = $node->psql('postgres', q{CALL finops.run_job('missteps')});
like($said, qr/job "missteps" failed: no step three\nDETAIL:  Some detail.\nHINT:  Some hint./, 'its error is raised');
is($node->safe_psql('postgres', q{SELECT status || ' ' || error_message FROM finops.job_run WHERE job_name = 'missteps'}),
	"failed 22023: no step three\nDETAIL: Some detail.\nHINT: Some hint.", 'and recorded');
is($node->safe_psql('postgres', q{SELECT string_agg(n::text, ',' ORDER BY n) FROM public.step}), '1', 'what it committed stays');
(undef, undef, $said) = $node->psql('postgres', q{CALL finops.run_job('longsteps')});
like($said, qr/job "longsteps" failed: canceled at its time limit/, 'its time limit ends it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'finops job'}), '0', 'and its session');
(undef, undef, $said) = $node->psql('postgres', q{CALL finops.run_job('twosteps')});
like($said, qr/the command of a job must be one statement/, 'several statements are refused');
$session = start_session($node, 'long', "CALL finops.run_job('long');");
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'CALL public.steps(false, 601)' AND backend_type = 'finops job'}), 'one runs');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(backend_pid) FROM finops.job_run WHERE job_name = 'long'});
$session->{handle}->finish;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'finops job'}), 'it ends with the session that waits for it');
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.asserts() RETURNS void LANGUAGE plpgsql AS 'BEGIN ASSERT false, ''one is not two''; END';
	SELECT finops.set_job('asserts', command => 'SELECT public.asserts()')});
(undef, undef, $said) = $node->psql('postgres', q{CALL finops.run_job('asserts')});
like($said, qr/job "asserts" failed: one is not two/, 'an assertion that fails, which no handler of others takes');
is($node->safe_psql('postgres', q{SELECT string_agg(status, ',') FROM finops.job_run WHERE job_name = 'asserts'}), 'failed', 'is recorded');
$node->safe_psql('postgres', q{CALL finops.run_job('cache-vacuum')});
is($node->safe_psql('postgres', q{SELECT status FROM finops.job_run WHERE job_name = 'cache-vacuum'}), 'succeeded', 'VACUUM');

# the log
my $log = slurp_file($node->logfile);
like($log, qr/LOG:  finops job: \{"job": "quick", .*"status": "succeeded"/, 'a run is a line of JSON in the log');
like($log, qr/LOG:  finops job: \{"job": "sleep", .*"error": "the session ended before the job did"/, 'so is a run that was lost');

# the guardrail of a pipeline
$node->safe_psql('postgres', q{SELECT finops.set_budget('env-prod', 1000)});
my ($code, undef, $error) = $node->psql('postgres', q{SELECT finops.budget_guardrail('env-prod', 1000.01)}, on_error_stop => 1);
is($code, 3, 'psql ends with status 3 where the predicted cost exceeds the budget');
like($error, qr/predicted cost 1000.01 exceeds budget "env-prod" by 0.01/, 'and says why');
($code) = $node->psql('postgres', q{SELECT finops.budget_guardrail('env-prod', 1000)}, on_error_stop => 1);
is($code, 0, 'and with 0 where it does not');

# overrides survive a dump, also of a shipped job
$node->safe_psql('postgres', q{SELECT finops.set_job('budgets', schedule => '0 5 * * *', time_zone => 'Europe/Berlin', guard => 'hours 00-24')});
my $registry = q{SELECT j::text FROM finops.job_registry j ORDER BY job_name};
my $before = $node->safe_psql('postgres', $registry);
my $file = $node->basedir . '/jobs.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-T', 'cron.*', '-N', 'cron', '-f', $file, 'postgres' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'bash', '-c', "pg_restore -l '$file' | grep -v -i pg_cron > '$file.list' && pg_restore -1 --exit-on-error -L '$file.list' -d copy '$file'" ], 'pg_restore');
is($node->safe_psql('copy', $registry), $before, 'the registry is what it was');

SKIP:
{
	skip 'pg_cron is not installed', 14 unless $cron;
	$node->safe_psql('postgres', q{SELECT finops.set_job('berlin', schedule => '30 8 * * 1', time_zone => 'Europe/Berlin', command => 'SELECT 1')});
	$node->safe_psql('postgres', 'SELECT finops.schedule_jobs()');
	is($node->safe_psql('postgres', q{SELECT schedule || ' ' || command FROM cron.job WHERE jobname = 'finops:postgres:berlin'}),
		q{30 6,7 * * 1 CALL finops.run_job('berlin', true, '20 minutes')}, 'a job in Berlin fires at both hours and looks whether it is due');
	is($node->safe_psql('postgres', q{SELECT command FROM cron.job WHERE jobname = 'finops:postgres:cache-vacuum'}),
		q{CALL finops.run_job('cache-vacuum', true)}, 'so does a statement that is no query');
	# a job that another version shipped, and one of somebody else
	$node->safe_psql('postgres', q{
		SELECT cron.schedule('finops:postgres:gone-in-this-version', '0 1 * * *', 'SELECT 1');
		SELECT cron.schedule('somebody-elses', '0 1 * * *', 'SELECT 1');
		SELECT finops.schedule_jobs()});
	is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job WHERE jobname LIKE '%gone-in-this-version'}), '0', 'what left the registry leaves pg_cron');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM finops.job_schedule}),
		$node->safe_psql('postgres', q{SELECT count(*) FROM cron.job WHERE jobname LIKE 'finops:%'}), 'every scheduled job is expected to run');
	$node->safe_psql('postgres', q{SELECT finops.set_job('cache-vacuum', depends_on => '{}'); UPDATE cron.job SET schedule = '@reboot' WHERE jobname = 'finops:postgres:cache-vacuum'});
	$node->restart;
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM finops.job_run WHERE job_name = 'cache-vacuum' AND scheduled AND status = 'succeeded'}),
		'VACUUM runs from pg_cron');
	is($node->safe_psql('postgres', 'SELECT finops.unschedule_jobs() > 20'), 't', 'all of ours are removed');
	is($node->safe_psql('postgres', 'SELECT string_agg(jobname, $$,$$) FROM cron.job'), 'somebody-elses', 'and nobody else\'s');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM finops.job_schedule'), '0', 'none is expected to run any more');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM finops.job_late'), '0', 'or late');

	# from a database that pg_cron does not live in
	is( $node->safe_psql('copy', q{SELECT string_agg(job || ' ' || cron_name || ' ' || (jobid > 0), ',') FROM finops.schedule_jobs() WHERE job = 'budgets'}),
		'budgets finops:copy:budgets true', 'jobs of another database are scheduled from there');
	is($node->safe_psql('postgres', q{SELECT DISTINCT database FROM cron.job WHERE jobname LIKE 'finops:copy:%'}), 'copy', 'and run there');
	$node->safe_psql('copy', 'SELECT finops.schedule_jobs()');
	$node->safe_psql('postgres', q{UPDATE cron.job SET schedule = '@reboot' WHERE jobname = 'finops:copy:tag-sync'; SELECT cron.schedule('finops:postgres:mine', '0 1 * * *', 'SELECT 1')});
	$node->safe_psql('copy', q{SELECT finops.set_job('tag-sync', depends_on => '{}')});
	$node->restart;
	ok($node->poll_query_until('copy', q{SELECT count(*) = 1 FROM finops.job_run WHERE job_name = 'tag-sync' AND status = 'succeeded'}), 'pg_cron runs one there');
	is($node->safe_psql('copy', 'SELECT finops.unschedule_jobs() > 20'), 't', 'they are removed from there');
	is($node->safe_psql('postgres', q{SELECT string_agg(jobname::text, ',' ORDER BY jobname::text) FROM cron.job}), 'finops:postgres:mine,somebody-elses', 'and no others');
}

$node->stop;
done_testing();
