# What the Perl tests share: a node with finops preloaded, a crash, and a
# picture of everything that a database holds.
package FinopsTest;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Exporter 'import';
our @EXPORT = qw(finops_node has_cron start_session crash tables picture pictures_equal source_file);

# Whether the server's packages brought pg_cron.
sub has_cron
{
	return ($ENV{FINOPS_PRELOAD} // '') =~ /pg_cron/;
}

# finops_node(NAME, preload => LIST, conf => TEXT, init => [OPTIONS])
sub finops_node
{
	my ($name, %options) = @_;
	my $preload = $options{preload} // $ENV{FINOPS_PRELOAD} // 'finops';
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '$preload'\n"
		  . "max_worker_processes = 20\n"
		  . "max_prepared_transactions = 0\n"
		  . ($options{conf} // ''));
	$node->append_conf('postgresql.conf', "cron.use_background_workers = on\n")
	  if $preload =~ /pg_cron/;
	$node->start;
	return $node;
}

# Runs a script in a session of its own that ends with the server.
sub start_session
{
	my ($node, $name, $sql) = @_;
	my $base = $node->basedir . "/$name";

	append_to_file("$base.sql", $sql);
	my $handle = IPC::Run::start(
		[ 'psql', '-X', '-q', '-At', '-d', $node->connstr('postgres'), '-f', "$base.sql" ],
		'>', "$base.out", '2>', "$base.err");
	return { handle => $handle, out => "$base.out" };
}

# Kills the postmaster and then every process of it, as a loss of power does:
# a back end that is at work does not notice that its postmaster is gone.
# The sessions end with it; the server starts again.
sub crash
{
	my ($node, @sessions) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	my @children = split /\n/, $node->safe_psql('postgres',
		'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');

	$node->kill9;
	kill 'KILL', @children;
	my $tries = 0;
	while (grep { kill 0, $_ } $postmaster, @children)
	{
		die "processes outlive SIGKILL" if $tries++ > 600;
		select undef, undef, undef, 0.1;
	}
	$_->{handle}->finish foreach @sessions;
	$node->start;
	return;
}

# A file of the checkout, by the path that the server's user can read.
sub source_file
{
	my ($path) = @_;
	return "$ENV{PG_ABS_SRCDIR}/$path";
}

# Tables and sequences of the extension and, as they came later, of its
# schemas: quoted names in a stable order.
sub tables
{
	my ($node, $database, $kinds) = @_;
	return split /\n/, $node->safe_psql($database, qq{
		SELECT format('%I.%I', n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = ANY ('$kinds')
		AND (n.nspname IN ('finops', 'forecast', 'cur_database') OR EXISTS (
			SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
			WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
			AND d.deptype = 'e' AND e.extname = 'finops'))
		ORDER BY 1});
}

# picture(NODE, DATABASE): every row of every table as text, and every
# sequence's state.  Returns name => [rows].
sub picture
{
	my ($node, $database) = @_;
	my %seen;

	foreach my $table (tables($node, $database, '{r}'))
	{
		$seen{$table} = $node->safe_psql($database,
			qq{SET extra_float_digits = 3; SELECT t::text FROM ONLY $table t ORDER BY t::text COLLATE "C"});
	}
	foreach my $sequence (tables($node, $database, '{S}'))
	{
		$seen{$sequence} = $node->safe_psql($database, "SELECT last_value, is_called FROM $sequence");
	}
	return \%seen;
}

# One test case: both pictures show the same.
sub pictures_equal
{
	my ($got, $expected, $title) = @_;
	my @different;

	foreach my $name (sort keys %{ { %$got, %$expected } })
	{
		next if ($got->{$name} // "missing\n") eq ($expected->{$name} // "missing\n");
		my $old = () = ($expected->{$name} // '') =~ /^/mg;
		my $new = () = ($got->{$name} // '') =~ /^/mg;
		push @different, "$name: $old rows before, $new after";
	}
	ok(!@different, $title);
	diag($_) foreach @different;
	return;
}

1;
