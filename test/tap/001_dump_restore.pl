# A dump takes everything along, and DROP EXTENSION leaves nothing behind.
#
# Every table gets rows: by a month that is closed through the public
# functions, and where those write nothing by a row made from the table's own
# definition.  So a table that somebody adds is covered without a word here,
# unless its checks ask for a particular value: that goes into %value.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# values that a check constraint asks for: table.column (without the schema)
my %value = (
	'allocation_policy.policy' => "'input_tax'",
	'allocation_policy.value' => "'cost'",
	'allocation_rules.key_metric' => "'direct_cost'",
	'commitment.ends_at' => "'2025-06-30'",
	'commitment_rate.discount' => '0.5',
	'currency.code' => "'XTS'",
	'dunning_block.tenant_id' => 'NULL',
	'fact_cost_delta.bill_period' => "'2025-06'",
	'incident.status' => "'resolved'",
	'invoice_phrase.language' => "'de'",
	'known_step.ends_on' => "'2025-06-02'",
	'plan_master.billing_cycle' => "'monthly'",
	'job.guard' => "'last day'",
	'job.schedule' => "'0 3 * * *'",
	'job.time_zone' => "'UTC'",
	'journal_entry.credit' => '0',
	'budget_threshold.threshold_usd' => 'NULL',
	'budget_master.thresholds_json' => 'NULL',
	'payment_application.reverses' => 'NULL',
	'receivable_adjustment.approved_by' => "'y'",
	'receivable_adjustment.other_invoice_id' => 'NULL',
	'plan_pause.resumed_at' => "'2025-06-02'",
	'plan_price.basis' => "'usage'",
	'plan_price.tiers' => 'NULL',
	'quality_rule.columns' => "'{x}'",
	'recon_run.stage' => '2',
	'rightsizing_condition.per_day' => 'false',
	'rightsizing_condition.rule_id' => "'x'",
	'role_grant.class' => "'reader'",
	'role_grant.tenant_id' => "''",
	'tag_policy.allowed_values' => "'{x}'",
	'tenant_billing.language' => "'de'",
	'tenant_successor.successor_id' => "'y'",
	'virtual_tag_rule.from_keys' => 'NULL',
	'virtual_tag_rule.letter_case' => 'NULL',
	'virtual_tag_rule.pattern' => 'NULL',
	'virtual_tag_rule.replacement' => 'NULL',
	'virtual_tag_rule.synonyms' => 'NULL',
);

# text for a column from its type, or from a check that lists its values
sub column_value
{
	my ($table, $column, $type, $choice, $parent) = @_;
	return $value{"$table.$column"} if defined $value{"$table.$column"};
	return $parent if $parent ne '';
	return $choice if $choice ne '';
	return "'2025-06-30'" if $type =~ /^(date|timestamp)/ and $column =~ /(^|_)(end|to|until)(_|$)/;
	return "'2025-06-01'" if $type =~ /^(date|timestamp)/;
	return "'1 day'" if $type eq 'interval';
	return "'{}'" if $type =~ /\[\]$/ or $type =~ /^jsonb?$/;
	return "'t'" if $type eq 'boolean';
	return "'7c0c8f4a-5b6f-4a8e-9f0d-1c2b3a4d5e6f'" if $type eq 'uuid';
	return "'\\x00'" if $type eq 'bytea';
	return '1' if $type =~ /^(numeric|double|real|bigint|integer|smallint)/;
	return "'USD'" if $column =~ /currency/;
	return "'x'";
}

# An INSERT that fits the table's definition.
sub synthetic_row
{
	my ($node, $database, $table) = @_;
	my $short = $table =~ s/^.*\.//r =~ s/"//gr;
	my (@columns, @values);

	foreach my $row (split /\n/, $node->safe_psql($database, qq{
		SELECT a.attname, format_type(a.atttypid, a.atttypmod),
			coalesce((SELECT quote_literal((regexp_match(pg_get_constraintdef(c.oid), 'ARRAY\\[''([^'']*)'''))[1])
				FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'c'
				AND c.conkey = ARRAY[a.attnum] AND pg_get_constraintdef(c.oid) ~ 'ANY' LIMIT 1), ''),
			coalesce((SELECT format('(SELECT %I FROM %s ORDER BY %s LIMIT 1)', r.attname, c.confrelid::regclass,
					(SELECT string_agg(quote_ident(o.attname), ', ') FROM pg_attribute o
						WHERE o.attrelid = c.confrelid AND o.attnum = ANY (c.confkey)))
				FROM pg_constraint c
				JOIN pg_attribute r ON r.attrelid = c.confrelid AND r.attnum = c.confkey[array_position(c.conkey, a.attnum)]
				WHERE c.conrelid = a.attrelid AND c.contype = 'f' AND a.attnum = ANY (c.conkey) LIMIT 1), '')
		FROM pg_attribute a
		WHERE a.attrelid = '$table'::regclass AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attgenerated = '' AND a.attidentity = '' AND a.attname <> 'shipped'}))
	{
		my ($column, $type, $choice, $parent) = split /\|/, $row, 4;
		push @columns, qq("$column");
		push @values, column_value($short, $column, $type, $choice, $parent);
	}
	return "INSERT INTO $table (" . join(', ', @columns) . ') VALUES (' . join(', ', @values) . ')';
}

# Tables that are empty, or hold shipped rows only, get a row of their own;
# several passes, as foreign keys want an order.
sub fill_empty_tables
{
	my ($node, $database) = @_;
	my %error;
	my @todo = grep {
		my $shipped = $node->safe_psql($database,
			"SELECT count(*) FROM pg_attribute WHERE attrelid = '$_'::regclass AND attname = 'shipped'");
		my $rows = $node->safe_psql($database,
			"SELECT EXISTS (SELECT FROM $_" . ($shipped ? ' WHERE NOT shipped)' : ')'));
		$rows eq 'f';
	} tables($node, $database, '{r}');

	foreach my $pass (1 .. 4)
	{
		my @left;
		foreach my $table (@todo)
		{
			my ($code, undef, $error) = $node->psql($database, synthetic_row($node, $database, $table));
			push @left, $table if $code != 0;
			$error{$table} = $error;
		}
		@todo = @left;
	}
	ok(!@todo, 'every table has rows');
	diag("$_: give %value what its check wants: $error{$_}") foreach @todo;
	return;
}

my $node = finops_node('dump');

sub round_trip
{
	my ($schema, $source) = @_;
	my $title = "extension in schema $schema";

	$node->safe_psql('postgres', "CREATE DATABASE $source");
	$node->safe_psql($source, "CREATE SCHEMA IF NOT EXISTS $schema; CREATE EXTENSION finops SCHEMA $schema");
	my $closed = $node->psql($source, undef, on_error_stop => 1,
		extra_params => [ '-v', 'schema=' . $schema, '-f', source_file('test/tap/closed_month.sql') ]);
	is($closed, 0, "$title: a month is closed");
	fill_empty_tables($node, $source);

	my $before = picture($node, $source);
	cmp_ok(scalar(grep { /fact_cost_raw_\d{4}_\d\d/ && $before->{$_} ne '' } keys %$before),
		'>', 0, "$title: a partition made after the installation holds rows");

	my $file = $node->basedir . "/$source.dump";
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, $source ], "$title: pg_dump -Fc");
	$node->safe_psql('postgres', "CREATE DATABASE ${source}_custom");
	$node->command_ok([ 'pg_restore', '-1', '--exit-on-error', '-d', "${source}_custom", $file ],
		"$title: pg_restore in one transaction");
	pictures_equal(picture($node, "${source}_custom"), $before, "$title: custom format loses nothing");

	$node->command_ok([ 'pg_dump', '-f', "$file.sql", $source ], "$title: plain pg_dump");
	$node->safe_psql('postgres', "CREATE DATABASE ${source}_plain");
	$node->command_ok([ 'psql', '-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-d', "${source}_plain", '-f', "$file.sql" ],
		"$title: the script runs in one transaction");
	pictures_equal(picture($node, "${source}_plain"), $before, "$title: plain format loses nothing");

	# a second generation proves that the restored extension is a whole one
	$node->command_ok([ 'pg_dump', '-f', "$file.again.sql", "${source}_custom" ], "$title: dump of the restored database");

	$node->safe_psql("${source}_custom", 'DROP EXTENSION finops');
	is( $node->safe_psql("${source}_custom", qq{
			SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'}),
		'', "$title: DROP EXTENSION leaves no relation");
	is( $node->safe_psql("${source}_custom", qq{
			SELECT string_agg(nspname, ', ') FROM pg_namespace
			WHERE nspname IN ('finops', 'forecast', 'cur_database')}),
		'', "$title: DROP EXTENSION leaves no schema");
	return;
}

round_trip('public', 'first');
round_trip('desk', 'second');

$node->stop;
done_testing();
