# Slow statements where pg_stat_statements is and the hook is off.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $libdir = qx(pg_config --pkglibdir);
chomp $libdir;
plan skip_all => 'pg_stat_statements is not installed' unless -e "$libdir/pg_stat_statements.so";

my $node = finops_node('statements', preload => 'pg_stat_statements,finops', conf => "finops.track_min_duration = 200ms\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub collect { return sql("SELECT row_count || ' ' || source FROM finops.collect_monitors() WHERE monitor = 'statements'"); }

sql('CREATE EXTENSION finops SCHEMA public; CREATE SCHEMA "odd name"; CREATE EXTENSION pg_stat_statements SCHEMA "odd name"');
is(sql("SELECT source || ', ' || state FROM finops.monitor_source WHERE monitor = 'statements'"), 'pg_stat_statements, by finops.collect_monitors', 'where statements come from');
sql('SELECT pg_sleep(0.3)');
is(collect(), '0 pg_stat_statements', 'the first collection takes the counters only');
sql(q{SELECT pg_sleep(0.3), 'a' AS first; SELECT pg_sleep(0.3), 'b' AS first; SELECT pg_sleep(0.01) AS quick; SELECT count(*) AS counted, pg_sleep(0.25) FROM generate_series(1, 3)});
sql(q{ALTER ROLE postgres PASSWORD 'secret'; DO $$ BEGIN PERFORM pg_sleep(0.3), 'secret'; END $$});
is(collect(), '3 pg_stat_statements', 'slow statements since');
is(sql("SELECT string_agg(concat_ws('|', query_type, query_text, executions, rows_produced, user_name, total_elapsed_time_seconds BETWEEN 0.25 AND 30), E'\n' ORDER BY query_text COLLATE \"C\") FROM vw_performance_monitoring"),
	join("\n", 'DO|DO ?|1|0|postgres|t', 'SELECT|SELECT count(*) AS counted, pg_sleep($1) FROM generate_series($2, $3)|1|1|postgres|t', 'SELECT|SELECT pg_sleep($1), $2 AS first|2|2|postgres|t'),
	'one row each, without what they were given');
is(collect(), '0 pg_stat_statements', 'and once');
sql(q{SELECT pg_sleep(0.4), 'c' AS first});
is(collect(), '1 pg_stat_statements', 'a record');
is(sql("SELECT concat_ws(' ', executions, total_elapsed_time_seconds >= 0.4) FROM vw_performance_monitoring WHERE query_text LIKE '%first' ORDER BY start_time DESC LIMIT 1"), '1 t', 'is told as such');
sql(q{SELECT "odd name".pg_stat_statements_reset(); SELECT pg_sleep(0.3), 'd' AS first});
is(collect(), '1 pg_stat_statements', 'counters that were reset begin at 0');

# the hook, where it is on

sql('ALTER SYSTEM SET finops.track_statements = on');
$node->reload;
sql(q{SELECT pg_sleep(0.3), 'e' AS first});
is(sql("SELECT source || ', ' || state FROM finops.monitor_source WHERE monitor = 'statements'"), 'hook, live', 'the hook is preferred');
is(sql("SELECT concat_ws(' ', source, executions) FROM vw_performance_monitoring WHERE query_text ~ 'first' ORDER BY start_time DESC LIMIT 1"), 'hook 1', 'and at once');
is(collect(), '1 hook', 'it is kept');
is(sql("SELECT count(*) FROM vw_performance_monitoring WHERE source = 'hook' AND query_text ~ 'first'"), 1, 'and told once');
$node->stop;
done_testing();
