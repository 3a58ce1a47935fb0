# Messages over Slack, webhooks, tickets and SNS, to a sink that is busy,
# broken, slow, silent, or not to be visited.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256_hex);
use Encode ();
use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('delivery');
my ($port_file, $log) = ($node->basedir . '/port', $node->basedir . '/sink');
append_to_file($log, '');
my @tls = ($node->basedir . '/certificate', $node->basedir . '/key');
my $made = eval {
	IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost
		-addext subjectAltName=DNS:localhost -out), $tls[0], '-keyout', $tls[1] ], '>&', \my $output);
};
my $server = IPC::Run::start([ $python, "$FindBin::RealBin/sink_server.py", $port_file, $log, $made ? @tls : () ]);
END { local $?; $server->kill_kill if $server; }
sleep 0.05 while !-e $port_file;
my ($port, $secure) = split ' ', slurp_file($port_file);
my $web = "http://127.0.0.1:$port";

my $secrets = $node->basedir . '/secrets';
append_to_file($secrets, "[chat]\nurl = $web/ok/slack-secret\n[signer]\nkey = k3y\n[tickets]\ntoken = t0ken\n");
chmod 0600, $secrets;
my $keys = $node->basedir . '/aws';
append_to_file($keys, "[default]\naws_access_key_id = AKIASINK\naws_secret_access_key = secretofsink\n");
chmod 0600, $keys;
$node->append_conf('postgresql.conf', qq{
finops.allowed_networks = '127.0.0.0/8'
finops.notification_hosts = '$web, localhost:$secure'
finops.channel_secrets_file = '$secrets'
finops.aws_credentials_file = '$keys'
finops.aws_endpoint = '$web'
finops.delivery_timeout = 2
finops.delivery_retry_delay = 1
});
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

# What the sink has taken so far, since the last call.
my $read = 0;
sub taken
{
	my @lines = split /\n/, slurp_file($log);
	my @new = map { decode_json($_) } @lines[$read .. $#lines];
	$read = @lines;
	return @new;
}

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub deliver { return sql('CALL finops.deliver_notifications()'); }

sub post
{
	my ($topic, $key, $payload) = @_;
	sql("INSERT INTO finops.outbox (topic, dedup_key, severity, payload) VALUES ('$topic', '$key', 'warning', '$payload')");
	return;
}

sub channel
{
	my ($name, $kind, $target, %more) = @_;
	my @columns = ('channel_id', 'kind', 'target', 'topics', sort keys %more);
	my @values = ("'$name'", "'$kind'", defined $target ? "'$target'" : 'NULL', "'{$name}'", map { "'$more{$_}'" } sort keys %more);
	sql('INSERT INTO finops.channel (' . join(', ', @columns) . ') VALUES (' . join(', ', @values) . ')');
	return;
}

sub message
{
	my ($name, $column) = @_;
	return sql("SELECT $column FROM finops.notification_message WHERE channel_id = '$name' ORDER BY message_id DESC LIMIT 1");
}

# what each kind sends
channel('slack', 'slack', undef, secret => 'chat');
post('slack', 'k1', '{"who": "<!channel> & <https://evil.example|click>"}');
deliver();
my @got = taken();
is(scalar @got, 1, 'Slack: one message');
is($got[0]{path}, '/ok/slack-secret', 'at the address that is the secret');
like(decode_json(Encode::encode('UTF-8', $got[0]{body}))->{text}, qr/&lt;!channel&gt; &amp; &lt;https:/, 'no markup of others');
is(message('slack', 'status'), 'sent', 'it is recorded');
is(sql("SELECT status FROM finops.outbox WHERE topic = 'slack'"), 'sent', 'in the outbox too');
deliver();
is(scalar(taken()), 0, 'once');

channel('hook', 'webhook', "$web/ok/hook", secret => 'signer');
post('hook', 'k1', '{"amount": 12.50, "name": "Müller"}');
deliver();
@got = taken();
is($got[0]{headers}{'x-signature'}, hmac_sha256_hex($got[0]{headers}{'x-timestamp'} . '.' . Encode::encode('UTF-8', $got[0]{body}), 'k3y'),
	'webhook: signed over time and body');
cmp_ok(abs($got[0]{headers}{'x-timestamp'} - time), '<', 300, 'at this time');
is($got[0]{headers}{'idempotency-key'}, decode_json(Encode::encode('UTF-8', $got[0]{body}))->{id}, 'the key is in header and body');
like($got[0]{body}, qr/"amount": 12\.50/, 'amounts as they are');

channel('jira', 'ticket', "$web/created/issues", secret => 'tickets');
post('jira', 'k1', '{"x": "line\nbreak"}');
deliver();
@got = taken();
is($got[0]{headers}{authorization}, 'Bearer t0ken', 'ticket: the token');
is(decode_json(Encode::encode('UTF-8', $got[0]{body}))->{external_id}, $got[0]{headers}{'idempotency-key'}, 'the key makes one ticket of it');
is(message('jira', 'status'), 'sent', '201 is success');

channel('sns', 'sns', 'arn:aws:sns:eu-central-1:123456789012:tenant-budget-alerts');
post('sns', 'k1', '{"budget": "é"}');
deliver();
@got = taken();
like($got[0]{headers}{authorization}, qr{^AWS4-HMAC-SHA256 Credential=AKIASINK/\d{8}/eu-central-1/sns/aws4_request}, 'SNS: signed for the region of the topic');
like($got[0]{body}, qr/^Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Atenant-budget-alerts&Subject=WARNING%3A%20sns/, 'a request to publish');

# answers that are none
channel('busy', 'webhook', "$web/busy-once");
post('busy', 'k1', '{}');
my $start = time;
deliver();
is(message('busy', "status || ' ' || attempts"), 'retry 1', '429: later');
is(sql("SELECT paused_until - clock_timestamp() > '1 second' FROM finops.channel_state WHERE channel_id = 'busy'"), 't', 'as late as Retry-After says');
post('busy', 'k2', '{}');
deliver();
is(scalar(taken()), 1, 'until then nothing goes over the channel');
sleep 0.2 while time < $start + 2.6;
deliver();
@got = taken();
is(scalar @got, 2, 'then both');
is(message('busy', 'status'), 'retry', 'of which the second one is asked to wait too');

channel('broken', 'webhook', "$web/failing-twice");
post('broken', 'k1', '{}');
foreach my $attempt (1 .. 2)
{
	deliver();
	is(message('broken', "status || ' ' || attempts || ' ' || error"), "retry $attempt \"127.0.0.1\" answered 500: broken <b>", "500: attempt $attempt");
	sql("UPDATE finops.channel_state SET paused_until = NULL; UPDATE finops.notification_message SET next_attempt_at = now() WHERE channel_id = 'broken'");
}
deliver();
is(message('broken', "status || ' ' || attempts"), 'sent 3', 'sent in the end');
@got = grep { $_->{path} eq '/failing-twice' } taken();
is(scalar(keys %{ { map { $_->{headers}{'idempotency-key'} => 1 } @got } }), 1, 'always under the same key');
is(sql("SELECT string_agg(outcome || coalesce(' ' || status_code, ''), ', ' ORDER BY attempt_id) FROM finops.delivery_attempt WHERE channel_id = 'broken'"),
	'retry 500, retry 500, sent 200', 'every attempt is on record');

foreach my $case (
	[ 'bad', "$web/bad", 'dead', qr/answered 400: invalid_payload/, '400: given up at once' ],
	[ 'redirect', "$web/gone", 'dead', qr/answered 302/, 'a redirect is not followed' ],
	[ 'never', "$web/never", 'retry', qr/no answer in time/, 'a sink that never answers' ],
	[ 'slow', "$web/slow", 'sent', qr/^$/, 'a slow sink' ],
	[ 'half-body', "$web/half-body", 'sent', qr/^$/, 'an answer that breaks off after 200' ],
	[ 'endless', "$web/endless", 'sent', qr/^$/, 'an answer without end' ],
	[ 'half-head', "$web/half-head", 'retry', qr/./, 'half a status line' ],
	[ 'reset', "$web/reset", 'retry', qr/./, 'a connection that is closed' ],
	[ 'closed', 'http://127.0.0.1:1/x', 'dead', qr/host "127.0.0.1" is not allowed/, 'a port that is not listed' ],
	[ 'elsewhere', 'https://example.invalid/x', 'dead', qr/not allowed/, 'a host that is not listed' ],
	[ 'metadata', 'http://169.254.169.254/latest', 'dead', qr/not allowed/, 'the metadata of the cloud' ],
	[ 'user', "http://me:p4ssw\@127.0.0.1:$port/", 'retry', qr/cannot be used/, 'a password in the address' ],
	[ 'tls', "https://localhost:$secure/ok", 'retry', qr/trusted|SSL|TLS|connect/i, 'a certificate that nobody trusts' ])
{
	my ($name, $target, $status, $error, $title) = @$case;
	channel($name, 'webhook', $target);
	post($name, 'k1', '{}');
	my $began = time;
	deliver();
	is(message($name, 'status'), $status, $title) or diag(message($name, 'error'));
	like(message($name, "coalesce(error, '')"), $error, "$title: why");
	cmp_ok(time - $began, '<', 9, "$title: in time");
	unlike(message($name, "coalesce(error, '')"), qr/p4ssw/, "$title: no secret in the error");
	sql("UPDATE finops.channel SET enabled = false WHERE channel_id = '$name'");
}

# a channel that is not set up stops no other
channel('nosecret', 'slack', undef, secret => 'missing');
post('nosecret', 'k1', '{}');
post('hook', 'k2', '{}');
taken();
deliver();
is(scalar(grep { $_->{path} eq '/ok/hook' } taken()), 1, 'the other channel is served');
like(message('nosecret', 'error'), qr/^28000: there is no secret "missing"/, 'the error is recorded');
chmod 0644, $secrets;
post('hook', 'k3', '{}');
deliver();
like(message('hook', 'error'), qr/can be read by others/, 'secrets that others can read are not used');
chmod 0600, $secrets;

# given up, and sent again
channel('dying', 'webhook', "$web/always-500", max_attempts => 2);
post('dying', 'k1', '{}');
foreach (1 .. 2)
{
	deliver();
	sql("UPDATE finops.channel_state SET paused_until = NULL; UPDATE finops.notification_message SET next_attempt_at = now() WHERE channel_id = 'dying' AND status = 'retry'");
}
is(message('dying', 'status'), 'dead', 'given up after as many attempts as the channel says');
is(sql("SELECT status FROM finops.outbox WHERE topic = 'dying'"), 'failed', 'the outbox says so');
sql("SELECT finops.evaluate_alerts()");
is(sql("SELECT state FROM finops.alert WHERE policy_id = 'delivery-failed' AND scope = 'dying'"), 'firing', 'which is an alert');
my ($old) = message('dying', 'idempotency_key');
sql("UPDATE finops.channel SET target = '$web/ok/dying' WHERE channel_id = 'dying'");
is(sql("SELECT finops.redeliver(channel_id => 'dying')"), 1, 'sent again on demand');
taken();
deliver();
@got = grep { $_->{path} eq '/ok/dying' } taken();
is($got[0]{headers}{'idempotency-key'}, $old, 'under the same key');
is(sql("SELECT status FROM finops.outbox WHERE topic = 'dying'"), 'sent', 'and is sent');
my ($code, undef, $error) = $node->psql('postgres', 'SELECT finops.redeliver()');
like($error, qr/neither a message nor a channel/, 'redeliver asks what');

# limits, summaries and digests
channel('few', 'webhook', "$web/ok/few", rate_limit => 3);
sql("INSERT INTO finops.outbox (topic, dedup_key, severity, payload) SELECT 'few', n::text, CASE n WHEN 77 THEN 'critical' ELSE 'info' END, '{}' FROM generate_series(1, 100) n");
taken();
deliver();
@got = map { decode_json(Encode::encode('UTF-8', $_->{body})) } grep { $_->{path} eq '/ok/few' } taken();
is(join(' ', map { $_->{kind} . ':' . $_->{count} } @got), 'single:1 single:1 summary:98', 'two messages and a summary of the rest');
is($got[0]{key}, '77', 'the gravest first');
is(scalar(keys %{ { map { $_ => 1 } map { $_->{key} // map { $_->{key} } @{ $_->{messages} } } @got } }), 100, 'all of them are told');
post('few', 'more', '{}');
deliver();
is(scalar(grep { $_->{path} eq '/ok/few' } taken()), 0, 'no more than the limit');
sql("UPDATE finops.delivery_attempt SET started_at = started_at - interval '1 hour' WHERE channel_id = 'few'");
deliver();
is(scalar(grep { $_->{path} eq '/ok/few' } taken()), 1, 'until its time is over');

channel('daily', 'webhook', "$web/ok/daily", digest_interval => '1 day');
post('daily', "k$_", '{}') foreach 1 .. 3;
deliver();
post('daily', 'k4', '{}');
deliver();
@got = map { decode_json(Encode::encode('UTF-8', $_->{body})) } grep { $_->{path} eq '/ok/daily' } taken();
is(join(' ', map { $_->{kind} . ':' . $_->{count} } @got), 'summary:3', 'a digest waits for its time');

# who may, and where
(undef, undef, $error) = $node->psql('postgres', 'BEGIN; CALL finops.deliver_notifications()');
like($error, qr/cannot run inside a transaction/, 'not in a transaction');
sql('CREATE ROLE sender; GRANT USAGE ON SCHEMA finops TO sender;
	GRANT EXECUTE ON PROCEDURE finops.deliver_notifications(), finops.route_notifications() TO sender');
(undef, undef, $error) = $node->psql('postgres', 'SET ROLE sender; CALL finops.deliver_notifications()');
like($error, qr/permission denied/, 'not without the right to use the network');
is(sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no lock is left');
unlike(slurp_file($node->logfile), qr/slack-secret|k3y|t0ken|secretofsink/, 'no secret in the log');

done_testing();
