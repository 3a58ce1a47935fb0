# What a tenant sees: its own rows and nothing of another's, wherever it looks.
#
# Every table gets a row of each of two tenants, whose texts and numbers tell
# whose they are.  Checks and foreign keys are dropped for that: what the rows
# mean is not looked at here, only who sees them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = finops_node('tenants');
my %number = (alder => '4711.25', birch => '8822.75');

sub as
{
	my ($role, $sql, @more) = @_;
	return $node->psql('books', $sql, extra_params => [ '-U', $role, @more ]);
}

# A row of a tenant in every table but those that everybody may read.
sub fill
{
	my ($tenant) = @_;
	$node->safe_psql('books', q{
		DO $$
		DECLARE t record; columns text; vals text;
		BEGIN
			SET LOCAL session_replication_role = replica;
			FOR t IN SELECT c.oid::regclass AS name FROM finops.access_matrix m JOIN pg_class c ON c.oid = m.object_id
				WHERE c.relkind IN ('r', 'p') AND m.object !~ '^finops\.(access_|tenant_rows|role_grant)'
				AND m.object_group NOT IN ('reference', 'catalogue')
			LOOP
				SELECT string_agg(quote_ident(a.attname), ', '), string_agg(CASE
					WHEN y.typname = 'text' THEN quote_literal(CASE WHEN a.attname = 'scope_type' THEN 'tenant' ELSE 'TENANT' END)
					WHEN y.typname = '_text' THEN '''{TENANT}'''
					WHEN y.typname = 'jsonb' THEN '''{"of": "TENANT", "cost": NUMBER}'''
					WHEN y.typname = 'int8' THEN '90000000000ORDINAL'
					WHEN y.typname IN ('int4', 'int2') THEN 'ORDINAL'
					WHEN y.typname IN ('numeric', 'float8') THEN 'NUMBER'
					WHEN y.typname IN ('date', 'timestamp', 'timestamptz') THEN '''2025-06-01'''
					WHEN y.typname = 'daterange' THEN '''[2025-06-01,2025-07-01)'''
					WHEN y.typname = 'interval' THEN '''1 day'''
					WHEN y.typname = 'bool' THEN CASE WHEN a.attname = 'shipped' THEN 'false' ELSE 'true' END
					WHEN y.typname = 'bytea' THEN '''TENANT'''
					WHEN y.typname = 'uuid' THEN 'gen_random_uuid()'
					WHEN y.typcategory = 'A' THEN '''{}'''
					ELSE 'NULL' END, ', ')
				INTO columns, vals FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
				WHERE a.attrelid = t.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a';
				EXECUTE format('INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING', t.name, columns, vals);
			END LOOP;
		END $$} =~ s/TENANT/$tenant/gr =~ s/NUMBER/$number{$tenant}/gr =~ s/ORDINAL/$tenant eq 'alder' ? 1 : 2/ger);
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE books');
$node->safe_psql('books', q{
	CREATE EXTENSION finops SCHEMA public;
	SELECT finops.generate_bill('2025-06-01', 500, 3);
	SELECT finops.allocate('2025-06-01')});
my @generated = split /\n/, $node->safe_psql('books', 'SELECT tenant_id FROM tenant_master');
$node->safe_psql('books', q{
	DO $$
	DECLARE c record;
	BEGIN
		FOR c IN SELECT o.conrelid::regclass AS relation, o.conname FROM pg_constraint o
			JOIN finops.access_matrix m ON m.object_id = o.conrelid AND m.kind = 'relation'
			WHERE o.contype IN ('c', 'f', 'u', 'x') AND m.object !~ '^finops\.(access_|tenant_rows|role_grant)' ORDER BY o.contype = 'u'
		LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', c.relation, c.conname);
		END LOOP;
	END $$});
fill($_) foreach sort keys %number;
foreach my $tenant (sort keys %number)
{
	$node->safe_psql('books', "CREATE ROLE $tenant LOGIN; SELECT finops.grant_role('tenant', '$tenant', '$tenant')");
}
$node->safe_psql('books', "CREATE ROLE nobody LOGIN; CREATE ROLE clerk LOGIN; SELECT finops.grant_role('reader', 'clerk'); ANALYZE");

# what may be read, and whether its rows are of one tenant
my @readable = split /\n/, $node->safe_psql('books', q{
	SELECT m.object_id::regclass, c.relkind, m.object_group IN ('reference', 'catalogue')
		OR m.object IN ('period_lock', 'finops.caller_rights') FROM finops.access_matrix m
	JOIN pg_class c ON c.oid = m.object_id WHERE m.kind = 'relation' AND m.tenant <> '' ORDER BY 1});
my @partitions = split /\n/, $node->safe_psql('books',
	"SELECT i.inhrelid::regclass FROM pg_inherits i JOIN finops.access_matrix m ON m.object_id = i.inhparent");
my @all = split /\n/, $node->safe_psql('books',
	"SELECT m.object_id::regclass FROM finops.access_matrix m WHERE m.kind = 'relation' ORDER BY 1");

foreach my $tenant (sort keys %number)
{
	my $other = $tenant eq 'alder' ? 'birch' : 'alder';
	my $foreign = join '|', $other, quotemeta $number{$other}, map { quotemeta } @generated;
	my (@leaks, @blind);

	# every relation by name; with other statements than SELECT too
	foreach my $row (@readable)
	{
		my ($relation, $kind, $common) = split /\|/, $row;
		my ($code, $out, $error) = as($tenant, "SELECT t::text FROM $relation t");

		push @leaks, "$relation: $error" if $code != 0;
		next if $common eq 't';
		push @leaks, "$relation: $out" if $out =~ /$foreign/;
		push @blind, $relation if $kind ne 'v' and $out !~ /$tenant/;
		($code, $out, $error) = as($tenant, "COPY (SELECT * FROM $relation) TO STDOUT");
		push @leaks, "COPY $relation" if $out =~ /$foreign/;
		($code, $out, $error) = as($tenant, "EXPLAIN (VERBOSE) SELECT * FROM $relation");
		push @leaks, "EXPLAIN $relation: $out" if $out =~ /$foreign/;
	}
	is(join("\n", @leaks), '', "$tenant reads nothing of others in " . @readable . ' relations');
	is(join("\n", @blind), '', "$tenant reads its own rows in each table");

	# tables granted by hand, partitions among them, show no more
	my @others = grep { my $r = $_; !grep { /^\Q$r\E\|/ } @readable } @all, @partitions;
	$node->safe_psql('books', "GRANT SELECT ON $_ TO $tenant") foreach @others;
	@leaks = ();
	foreach my $relation (@others)
	{
		my ($code, $out, $error) = as($tenant, "SELECT t::text FROM $relation t");
		push @leaks, "$relation: $out" if "$out$error" =~ /$foreign/;
	}
	is(join("\n", @leaks), '', "$tenant reads nothing of others in what was granted by hand");
	$node->safe_psql('books', "REVOKE SELECT ON $_ FROM $tenant") foreach @others;

	# a predicate that tells what it is shown
	my (undef, undef, $notice) = as($tenant, q{
		CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
		AS $$ BEGIN RAISE NOTICE 'saw %', t; RETURN true; END $$;
		SELECT count(*) FROM fact_cost_raw WHERE pg_temp.tell(tenant_id);
		SELECT count(*) FROM invoice_detail d WHERE pg_temp.tell(d::text);
		SELECT count(*) FROM finops.invoice_balance b WHERE pg_temp.tell(b::text);
		SELECT count(*) FROM finops.payment_application p WHERE pg_temp.tell(p::text)});
	like($notice, qr/saw .*$tenant/, "$tenant: a predicate is shown own rows");
	unlike($notice, qr/$foreign/, "$tenant: and no others");
	(undef, undef, $notice) = as($tenant, 'SELECT count(*) FROM tenant_master WHERE (tenant_id || $$ is no number$$)::int > 0');
	unlike($notice, qr/$foreign/, "$tenant: an error quotes no other row");

	# statistics
	my (undef, $out) = as($tenant, "SELECT s::text FROM pg_stats s WHERE schemaname <> 'pg_catalog'; SELECT s::text FROM pg_stats_ext s");
	is(join("\n", grep { /$foreign/ } split /\n/, $out), '', "$tenant: pg_stats shows nothing of others");
	my ($code, undef, $error) = as($tenant, 'SELECT * FROM pg_statistic');
	like($error, qr/permission denied/, "$tenant: pg_statistic is closed");

	# functions, for itself and for others: no word differs but the name
	foreach my $call ("finops.explain_allocation('%s', '2025-06-01')", "finops.account_statement('%s', '2025-06-01', '2025-06-30')",
		"finops.invoice_html('%s')", "finops.invoice_ubl('%s')")
	{
		(undef, undef, my $refused) = as($tenant, 'SELECT * FROM ' . sprintf($call, $other), '-v', 'VERBOSITY=verbose');
		(undef, undef, my $unknown) = as($tenant, 'SELECT * FROM ' . sprintf($call, 'nowhere'), '-v', 'VERBOSITY=verbose');
		like($refused, qr/42501: permission denied for (tenant|document) "$other"/, sprintf("$tenant: $call", 'of another'));
		is($refused =~ s/$other/nowhere/gr, $unknown, "$tenant: the same words as for nobody");
		(undef, undef, $error) = as($tenant, 'SELECT * FROM ' . sprintf($call, $tenant), '-v', 'VERBOSITY=verbose');
		unlike($error, qr/42501/, sprintf("$tenant: $call", 'of itself'));
	}

	# no way out of one's role, and no way in
	foreach my $statement ('SET SESSION AUTHORIZATION postgres', 'SET ROLE clerk', "SET ROLE $other",
		"SELECT finops.grant_role('reader', '$tenant')", "SELECT finops.revoke_role('tenant', '$tenant')",
		"INSERT INTO finops.role_grant VALUES ('$tenant', 'reader', '', '$tenant')", 'SELECT * FROM finops.role_grant',
		"CREATE POLICY mine ON fact_cost_raw USING (true)", 'ALTER TABLE invoice_header DISABLE ROW LEVEL SECURITY',
		"ALTER FUNCTION finops.sees_all_tenants() OWNER TO $tenant", "GRANT USAGE ON TYPE finops.role_class TO $tenant")
	{
		($code, undef, $error) = as($tenant, $statement, '-v', 'VERBOSITY=sqlstate');
		like($error, qr/42501|0LP01|01007|no privileges were granted/, "$tenant: $statement");
	}
	($code, undef, $error) = as($tenant, 'SET row_security = off; SELECT * FROM invoice_header', '-v', 'VERBOSITY=verbose');
	like($error, qr/42501: query would be affected by row-level security/, "$tenant: row_security = off is an error");
	($code, $out, $error) = as($tenant, 'CREATE TEMP VIEW mine AS SELECT * FROM invoice_header; SELECT tenant_id FROM mine');
	is($out, $tenant, "$tenant: nor does a view of its own help");
	($code, $out, $error) = as($tenant, qq{SET search_path = pg_temp, public, finops;
		CREATE FUNCTION pg_temp.sees_all_tenants() RETURNS boolean LANGUAGE sql AS 'SELECT true';
		CREATE TEMP TABLE role_grant (role_name text, class text, tenant_id text, granted_by text, granted_at timestamptz);
		INSERT INTO role_grant VALUES ('$tenant', 'reader', '', '', now());
		SELECT tenant_id FROM public.tenant_master});
	is($out, $tenant, "$tenant: nor do objects of the same name");
}

# nobody and the owner
my (undef, undef, $error) = as('nobody', 'SELECT * FROM tenant_master');
like($error, qr/permission denied/, 'nobody reads no tenant');
is((as('clerk', "SELECT count(*) FROM tenant_master WHERE tenant_id IN ('alder', 'birch')"))[1], 2, 'a reader sees both');
is($node->safe_psql('books', "SELECT count(*) FROM tenant_master WHERE tenant_id IN ('alder', 'birch')"), 2, 'and so does the owner');

# a tenant's views say of its rows what they say to the owner
foreach my $view (map { (split /\|/)[0] } grep { /\|v\|f$/ } @readable)
{
	my $has = $node->safe_psql('books', "SELECT count(*) FROM pg_attribute WHERE attrelid = '$view'::regclass AND attname = 'tenant_id'");
	next if $has == 0;
	is((as('alder', "SELECT v::text FROM $view v ORDER BY 1"))[1],
		$node->safe_psql('books', "SELECT v::text FROM $view v WHERE tenant_id = 'alder' ORDER BY 1"), "$view is the same for a tenant");
}

# a dump keeps the mapping, and the restored one works
my $file = $node->basedir . '/rights.dump';
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', q{
	CREATE EXTENSION finops SCHEMA public;
	SELECT finops.register_tenant('alder', 'Alder'), finops.register_tenant('birch', 'Birch');
	SELECT finops.grant_role('tenant', 'alder', 'alder'), finops.grant_role('reader', 'clerk');
	SELECT finops.generate_bill('2025-06-01', 100, 2)});
$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, 'fresh' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-1', '--exit-on-error', '-d', 'restored', $file ], 'pg_restore');
foreach my $database ('fresh', 'restored')
{
	is( ($node->psql($database, 'SELECT tenant_id FROM tenant_master', extra_params => [ '-U', 'alder' ]))[1],
		'alder', "$database: a tenant sees itself");
	is( ($node->psql($database, 'SELECT count(*) FROM fact_cost_raw', extra_params => [ '-U', 'clerk' ]))[1],
		100, "$database: a reader sees the facts");
	is( $node->safe_psql($database, q{SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
			WHERE c.relname = 'fact_cost_raw_2025_06' AND c.relrowsecurity}), 2, "$database: partitions keep their policies");
}

$node->stop;
done_testing();
