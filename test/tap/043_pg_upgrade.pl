# pg_upgrade keeps every row: locked months, partitions, sequences, jobs, roles.
#
# FINOPS_OLD_INSTALL names the installation of an older server, with finops
# in it; scripts/pg-upgrade.sh makes one available in a chroot.
use strict;
use warnings FATAL => 'all';

use Cwd;
use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $install = $ENV{FINOPS_OLD_INSTALL} // '';
plan skip_all => 'FINOPS_OLD_INSTALL names no older server (scripts/pg-upgrade.sh does)' if $install eq '';

# libraries that the older server needs may stand beside its own
$ENV{LD_LIBRARY_PATH} = join ':', "$install/lib", grep { $_ } $ENV{LD_LIBRARY_PATH};

my $preload = ($ENV{FINOPS_PRELOAD} // 'finops') =~ /pg_cron/ && -e "$install/lib/pg_cron.so" ? 'pg_cron,finops' : 'finops';
my $cron = $preload =~ /pg_cron/;

sub node
{
	my ($name, @options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, @options);
	# newer servers make checksums unless told not to, and both must be alike
	$node->init(extra => [ '-E', 'UTF8', '--locale=C.UTF-8', $node->pg_version >= 18 ? '--no-data-checksums' : () ]);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'\njit = off\nmax_worker_processes = 20\n"
		. ($cron ? "cron.use_background_workers = on\n" : ''));
	return $node;
}

my $old = node('old', install_path => $install);
$old->start;
my $from = $old->safe_psql('postgres', 'SHOW server_version_num');
$old->safe_psql('postgres', 'CREATE EXTENSION pg_cron') if $cron;
$old->safe_psql('postgres', 'CREATE EXTENSION finops SCHEMA public');
is( $old->psql('postgres', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is closed');
$old->safe_psql('postgres', q{
	CREATE ROLE acme LOGIN;
	SELECT finops.grant_role('tenant', 'acme', min(tenant_id)) FROM tenant_master;
	SELECT finops.generate_bill('2025-07-01', 1000, 6, 8);
	SELECT finops.allocate('2025-07-01');
	SELECT finops.record_payment('pay-1', 10, 'USD', 'bank_transfer', 'ref-1', min(invoice_id)) FROM invoice_header;
	INSERT INTO finops.job (job_name, schedule, command, description) VALUES ('mine', '5 4 * * *', 'SELECT 1', 'a job of the user')});
# a job that the end of the server breaks off would leave its sequences moved
$old->safe_psql('postgres', 'BEGIN; SELECT finops.schedule_jobs(); UPDATE cron.job SET active = false; COMMIT') if $cron;
my $before = picture($old, 'postgres');
my $crontab = $cron ? $old->safe_psql('postgres', 'SELECT jobname, schedule, command, active FROM cron.job ORDER BY 1') : '';
my $matrix = $old->safe_psql('postgres', 'SELECT kind, object, object_group FROM finops.access_matrix ORDER BY 1, 2');
my $policies = q{SELECT string_agg(concat(polrelid::regclass, polname, pg_get_expr(polqual, polrelid)), '; ' ORDER BY polrelid::regclass::text COLLATE "C", polname) FROM pg_policy};
my $secured = $old->safe_psql('postgres', $policies);
cmp_ok(scalar(grep { /fact_cost_(raw|allocated)_2025_0[67]/ && $before->{$_} ne '' } keys %$before), '==', 4, 'four partitions hold rows');
# What updates of the older server write into columns, and the newer server
# does not know where it was not updated since: then no upgrade can work.
my @written = split /\n/, $old->safe_psql('postgres', q{SELECT DISTINCT split_part(o, '=', 1) FROM pg_attribute, unnest(attoptions) AS o});
$old->stop;

my $new = node('new');
if (@written)
{
	$new->start;
	my (undef, undef, $said) = $new->psql('postgres', join '', 'BEGIN; CREATE TABLE t (a int);', map { qq{ALTER TABLE t ALTER a SET ("$_" = 1);} } @written);
	my $minor = $new->safe_psql('postgres', 'SHOW server_version');
	$new->stop;
	if ($said =~ /unrecognized parameter "(.*)"/)
	{
	  SKIP: { skip "PostgreSQL $minor is too old an update: it does not know $1, which the older server writes", 1; }
		done_testing();
		exit;
	}
}
my $bindir = $new->config_data('--bindir');
my $home = getcwd;
chdir $new->basedir or die $!; # pg_upgrade leaves a script where it runs
command_ok(
	[ "$bindir/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', "$install/bin", '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port, '-U', $ENV{PGUSER} // scalar(getpwuid($>)) ],
	'pg_upgrade');
chdir $home or die $!;
die 'nothing to look at' unless Test::More->builder->is_passing;
$new->start;
my $to = $new->safe_psql('postgres', 'SHOW server_version_num');
cmp_ok($to, '>', $from, "from $from to $to");

pictures_equal(picture($new, 'postgres'), $before, 'every row and every sequence is there');
is($new->safe_psql('postgres', 'SELECT kind, object, object_group FROM finops.access_matrix ORDER BY 1, 2'), $matrix, 'every object belongs to the extension');
is($new->safe_psql('postgres', $policies), $secured, 'row security stands');
is($new->safe_psql('postgres', 'SELECT jobname, schedule, command, active FROM cron.job ORDER BY 1'), $crontab, 'jobs stay in pg_cron') if $cron;

# and it goes on working
is($new->safe_psql('postgres', q{SELECT state FROM period_lock WHERE period_start = '2025-06-01'}), 'LOCKED', 'the month stays locked');
is($new->safe_psql('postgres', q{SELECT count(*) FROM finops.verify_period('2025-06-01')}), 0, 'and verifies');
my ($code, $out, $error) = $new->psql('postgres', q{UPDATE fact_cost_raw SET effective_cost = 0 WHERE bill_billing_period_start_date = '2025-06-01'},
	extra_params => [ '-U', 'acme' ]);
like($error, qr/permission denied/, 'a tenant stays a tenant');
is(($new->psql('postgres', 'SELECT count(*) FROM tenant_master', extra_params => [ '-U', 'acme' ]))[1], 1, 'and sees itself');
is($new->safe_psql('postgres', q{SELECT status FROM finops.generate_bill('2025-08-01', 500, 6, 9)}), 'loaded', 'the next bill loads');
is($new->safe_psql('postgres', q{SELECT finops.allocate('2025-08-01') IS NOT NULL}), 't', 'and is allocated');
is($new->safe_psql('postgres', q{SELECT count(*) FROM finops.schedule_jobs() WHERE job = 'mine'}), 1, 'jobs are scheduled') if $cron;
$new->safe_psql('postgres', 'DROP EXTENSION finops CASCADE');
is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'finops'}), 0, 'DROP EXTENSION leaves nothing');

$new->stop;
done_testing();
