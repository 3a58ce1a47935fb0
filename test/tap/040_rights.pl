# The table of docs/security.md, tried: every relation by every verb and every
# function, as a role of each class and as one of none.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @classes = qw(reader operator billing approver auditor tenant);
my %verb = (S => 'select', I => 'insert', U => 'update', D => 'delete', X => 'execute');

# the document: object -> [letters by class]
my %documented;
foreach my $line (split /\n/, slurp_file(source_file('docs/security.md')))
{
	my (undef, $object, $group, @letters) = split / ?\| ?/, $line, -1;
	next unless defined $object and $object =~ /^`(.+)`(\(\))?$/ and @letters >= 6;
	$documented{ $1 . ($2 // '') } = { group => $group, letters => [ @letters[ 0 .. 5 ] ] };
}
cmp_ok(scalar(keys %documented), '>', 300, 'the document names every object');

my $node = finops_node('rights');
$node->safe_psql('postgres', 'CREATE DATABASE books');
$node->safe_psql('books', 'CREATE EXTENSION finops SCHEMA public');
is( $node->psql('books', undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=public', '-v', 'stop=prepared', '-f', source_file('test/tap/closed_month.sql') ]),
	0, 'a month is there');
my $tenant = $node->safe_psql('books', 'SELECT min(tenant_id) FROM tenant_master');
foreach my $class (@classes)
{
	my $of = $class eq 'tenant' ? ", '$tenant'" : '';
	$node->safe_psql('books', "CREATE ROLE m_$class LOGIN; SELECT finops.grant_role('$class', 'm_$class'$of)");
}
$node->safe_psql('books', 'CREATE ROLE m_nobody LOGIN');

# One statement for each verb and object.  What a statement does is undone.
# Arguments are subqueries: a strict function of constants is never called.
my $statements = q{
	WITH f AS (
		SELECT m.object || '()' AS object, p.oid, format(CASE WHEN p.prokind = 'p' THEN 'CALL %s(%s)'
			WHEN p.prokind = 'w' THEN 'SELECT %s(%s) OVER ()' ELSE 'SELECT %s(%s)' END, p.oid::regproc,
			(SELECT string_agg(CASE WHEN p.provariadic <> 0 AND a.n = p.pronargs THEN 'VARIADIC ' ELSE '' END
				|| format(CASE WHEN p.prokind = 'p' THEN 'NULL::%s' ELSE '(SELECT NULL::%s)' END, a.type::regtype), ', ' ORDER BY a.n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n))) AS statement,
			EXISTS (SELECT FROM unnest(p.proargtypes) AS a(type) JOIN pg_type t ON t.oid = a.type WHERE t.typtype = 'p') AS pseudo
		FROM finops.access_matrix m JOIN pg_proc p ON p.oid = m.object_id WHERE m.kind = 'function')
	SELECT object, 'X' AS letter, CASE WHEN pseudo THEN
		format('SELECT 1 / has_function_privilege(%s::oid, ''execute'')::integer', oid) ELSE statement END AS statement FROM f
	UNION ALL
	SELECT m.object, v.letter, format(v.statement, m.object_id::regclass, (SELECT a.attname FROM pg_attribute a
		WHERE a.attrelid = m.object_id AND a.attnum > 0 AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum LIMIT 1))
	FROM finops.access_matrix m, (VALUES ('S', 'SELECT * FROM %s LIMIT 1'), ('I', 'INSERT INTO %s DEFAULT VALUES'),
		('U', 'UPDATE %s SET %I = NULL WHERE false'), ('D', 'DELETE FROM %s WHERE false')) AS v(letter, statement)
	WHERE m.kind = 'relation'};
$node->safe_psql('books', "CREATE TABLE attempt AS $statements; GRANT SELECT ON attempt TO PUBLIC");

# 42501 that comes from the object itself, and what a view answers to a write
my $try = q{
	SET client_min_messages = error;
	SET statement_timeout = '60s';
	CREATE TEMP TABLE outcome (object text, letter text, allowed boolean, said text);
	DO $$
	DECLARE a record; state text; said text;
	BEGIN
		FOR a IN SELECT * FROM attempt ORDER BY object, letter LOOP
			BEGIN
				EXECUTE a.statement;
				RAISE EXCEPTION USING ERRCODE = 'ZZ001';
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT;
			END;
			INSERT INTO outcome VALUES (a.object, a.letter, NOT (state = '22012'
				OR state = '42501' AND said ~ (CASE a.letter WHEN 'X' THEN format('^permission denied for (function|procedure|aggregate) %s$',
					replace(split_part(a.object, '.', -1), '()', '')) ELSE '^permission denied for (table|view) ' END)
				OR state IN ('55000', '0A000') AND said ~ '^cannot (insert|update|delete)'), said);
		END LOOP;
	END $$;
	SELECT object, bool_or(allowed) AS any, letter, string_agg(said, '; ') FROM outcome GROUP BY object, letter};

foreach my $i (0 .. @classes)
{
	my $class = $classes[$i] // 'nobody';
	my %seen;
	my @wrong;
	my $tries = 0;
	my ($code, $out, $error) = $node->psql('books', $try, extra_params => [ '-U', "m_$class" ]);

	is($code, 0, "$class tries everything") or diag($error);
	foreach my $row (split /\n/, $out)
	{
		my ($object, $allowed, $letter, $said) = split /\|/, $row, 4;
		next unless defined $allowed and defined $letter and $letter =~ /^[SIUDX]$/;
		my $doc = $documented{$object} or next;
		my $letters = $doc->{letters}[$i] // ($doc->{group} eq 'everybody' ? 'X'
			: $doc->{group} =~ /^(reference|catalogue)$/ ? 'S' : '');
		my $should = index($letters, $letter) >= 0 ? 't' : 'f';

		$tries++;
		$seen{$object} = 1;
		push @wrong, "$verb{$letter} $object: " . ($should eq 't' ? 'refused' : 'allowed') . ($said ? " ($said)" : '')
		  if $should ne $allowed;
	}
	is(join("\n", @wrong), '', "$class: $tries attempts end as docs/security.md says");
	is_deeply([ grep { !$seen{$_} } sort keys %documented ], [], "$class: no object was left out");
}

# what one needs besides
my ($code, $out, $error) = $node->psql('books', "SELECT * FROM finops.load_bill('/etc/passwd')", extra_params => [ '-U', 'm_operator' ]);
like($error, qr/pg_read_server_files/, 'an operator reads no server files');
($code, $out, $error) = $node->psql('books', "SELECT * FROM finops.fact_cost_raw_2025_06", extra_params => [ '-U', 'm_reader' ]);
like($error, qr/permission denied for table fact_cost_raw_2025_06/, 'partitions are not read by themselves');
($code, $out, $error) = $node->psql('books', 'CALL finops.run_job(\'no such job\')', extra_params => [ '-U', 'm_operator' ]);
like($error, qr/there is no job/, 'an operator runs jobs');

$node->stop;
done_testing();
