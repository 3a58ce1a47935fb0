# 10,000 breaches at once, eight evaluators, two deliverers and loss of power:
# each crossing is told once, the sink gets no more than the channel's limit,
# nothing is lost and nothing comes under two keys.
use strict;
use warnings FATAL => 'all';

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
my ($breaches, $limit) = (10000, 20);

my $node = finops_node('flood');
my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/sink');
append_to_file($log, '');
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/sink_server.py", $port_file, $log ]);
END { local $?; $server->kill_kill if $server; }
sleep 0.05 while !-e $port_file;
my ($port) = split ' ', slurp_file($port_file);
my $web = "http://127.0.0.1:$port";
$node->append_conf('postgresql.conf', qq{
finops.allowed_networks = '127.0.0.0/8'
finops.notification_hosts = '$web'
finops.delivery_timeout = 60
finops.delivery_retry_delay = 1
});
$node->restart;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub sink
{
	my ($path) = @_;
	return grep { $_->{path} eq $path } map { decode_json($_) } split /\n/, slurp_file($log);
}

my $session = 0;
sub start_all
{
	my ($count, $text) = @_;
	return map { start_session($node, 'session' . ++$session, $text) } 1 .. $count;
}

sql("CREATE EXTENSION finops;
	CREATE TABLE flood AS SELECT 'budget-' || n AS scope, 0::numeric AS value FROM generate_series(1, $breaches) n;
	INSERT INTO finops.alert_policy (policy_id, enabled) SELECT policy_id, false FROM finops.alert_policy;
	INSERT INTO finops.alert_policy (policy_id, title, severity, operator, threshold, notify_resolved, query)
		VALUES ('flood', 'Flood', 'critical', '>=', 100, false, 'SELECT f.scope, f.value, ''{}''::jsonb AS detail FROM public.flood f')");
is(sql('SELECT finops.evaluate_alerts()'), 0, 'nothing is wrong at first');

# all at once, and the power fails at different moments of the evaluation
foreach my $round (1 .. 4)
{
	sql('UPDATE flood SET value = 100') if $round == 1;
	my @evaluators = start_all(8, "SELECT finops.evaluate_alerts();\n");
	sleep 0.15 * $round;
	# the last time one of them has committed, and the others are at work
	sleep 0.05 while $round == 4 and sql('SELECT count(*) FROM finops.outbox') == 0;
	crash($node, @evaluators);
	my $told = sql("SELECT count(*) FROM finops.outbox");
	is(sql("SELECT count(*) FROM finops.alert WHERE notified_crossing = 1"), $told, "power failure $round: state and messages agree ($told)");
}
my @evaluators = start_all(8, "SELECT finops.evaluate_alerts();\n");
$_->{handle}->finish foreach @evaluators;
is(sql("SELECT count(*) || ' ' || count(DISTINCT payload ->> 'scope') FROM finops.outbox WHERE topic = 'alert'"), "$breaches $breaches", 'each breach is told once');
is(sql("SELECT count(*) FROM finops.alert WHERE state = 'firing' AND crossing = 1 AND notified_crossing = 1"), $breaches, 'each fires once');
is(sql("SELECT count(*) FROM finops.alert_event WHERE event = 'notified'"), $breaches, 'the history has each once');

# two deliverers; the sink takes the first message, then the power fails
sql("INSERT INTO finops.channel (channel_id, kind, target, rate_limit) VALUES ('ops', 'webhook', '$web/linger-first', $limit)");
my @deliverers = start_all(2, "CALL finops.deliver_notifications();\n");
my $tries = 0;
sleep 0.1 while !sink('/linger-first') && $tries++ < 600;
crash($node, @deliverers);
@deliverers = start_all(2, "CALL finops.deliver_notifications();\n");
$_->{handle}->finish foreach @deliverers;
sql('CALL finops.deliver_notifications()');

my @got = sink('/linger-first');
my %message = map { $_->{headers}{'idempotency-key'} => decode_json($_->{body}) } @got;
cmp_ok(scalar @got, '<=', $limit, 'no more requests than the limit: ' . scalar @got);
is(scalar @got - scalar keys %message, 1, 'the one whose fate was unknown came again, under its key');
my @keys = map { $_->{kind} eq 'single' ? $_->{key} : map { $_->{key} } @{ $_->{messages} } } values %message;
is(scalar @keys, $breaches, 'all breaches arrived');
is(scalar(keys %{ { map { $_ => 1 } @keys } }), $breaches, 'none of them twice');
is(sql("SELECT count(*) FROM finops.outbox WHERE status = 'sent'"), $breaches, 'the outbox knows');
is(sql("SELECT count(*) FILTER (WHERE outcome = 'lost') || ' ' || count(*) FILTER (WHERE outcome = 'sent') || ' ' || count(*) FROM finops.delivery_attempt"),
	'1 ' . (scalar(@got) - 1) . ' ' . scalar(@got), 'every attempt is on record');

# where a repetition must not be, the message is held
sql("UPDATE finops.channel SET target = '$web/linger-first/held', on_doubt = 'hold';
	UPDATE finops.delivery_attempt SET started_at = started_at - interval '1 day';
	INSERT INTO finops.outbox (topic, dedup_key, payload) VALUES ('x', 'held', '{}')");
my @deliverer = start_all(1, "CALL finops.deliver_notifications();\n");
$tries = 0;
sleep 0.1 while !sink('/linger-first/held') && $tries++ < 600;
crash($node, @deliverer);
sql('CALL finops.deliver_notifications()');
is(scalar(sink('/linger-first/held')), 1, 'a held message does not come twice');
is(sql("SELECT status || ': ' || error FROM finops.notification_message ORDER BY message_id DESC LIMIT 1"),
	'dead: the sender went away; it is not known whether the message arrived', 'it waits for a decision');

done_testing();
