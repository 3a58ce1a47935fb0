# Mail: STARTTLS, login, headers that cannot be injected, servers that refuse,
# ask to come again, or fall silent.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $python = '/usr/bin/python3';
plan skip_all => 'python3 is not installed' if !-x $python;

my $node = finops_node('mail');
my @tls = ($node->basedir . '/certificate', $node->basedir . '/key');
my $made = eval {
	IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost
		-addext subjectAltName=DNS:localhost -out), $tls[0], '-keyout', $tls[1] ], '>&', \my $output);
};
plan skip_all => 'openssl made no certificate' if !$made;
my (@servers, %port, %log);
foreach my $kind (qw(plain tls))
{
	my $base = $node->basedir . "/$kind";
	append_to_file("$base.log", '');
	push @servers, IPC::Run::start([ $python, "$FindBin::RealBin/sink_server.py", "$base.port", "$base.log", $kind eq 'tls' ? @tls : () ]);
	sleep 0.05 while !-e "$base.port";
	$port{$kind} = (split ' ', slurp_file("$base.port"))[2];
	$log{$kind} = "$base.log";
}
END { local $?; $_->kill_kill foreach @servers; }

my $secrets = $node->basedir . '/secrets';
append_to_file($secrets, "[post]\nuser = clerk\npassword = pass word\n[wrong]\nuser = clerk\npassword = nope\n");
chmod 0600, $secrets;
$node->append_conf('postgresql.conf', qq{
finops.allowed_networks = '127.0.0.0/8, ::1'
finops.channel_secrets_file = '$secrets'
finops.ca_file = '$tls[0]'
finops.smtp_server = 'smtp://localhost:$port{tls}'
finops.smtp_sender = 'finops\@example.com'
finops.delivery_timeout = 3
finops.delivery_retry_delay = 1
});
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION finops');

my %read = (plain => 0, tls => 0);
sub taken
{
	my ($kind) = @_;
	my @lines = split /\n/, slurp_file($log{$kind});
	my @new = map { decode_json($_)->{mail} } @lines[$read{$kind} .. $#lines];
	$read{$kind} = @lines;
	return @new;
}

sub sql { return $node->safe_psql('postgres', $_[0]); }

# deliver(SETTING => VALUE, ...)
sub deliver
{
	my (%set) = @_;
	return sql(join('', map { "SET $_ = '$set{$_}';" } sort keys %set) . "\nCALL finops.deliver_notifications()");
}

sub post
{
	my ($name, $key, $payload) = @_;
	sql("INSERT INTO finops.outbox (topic, dedup_key, severity, channels, payload) VALUES ('alert', '$key', 'critical', '{$name}', \$p\$$payload\$p\$)");
	return;
}

sub channel
{
	my ($name, $target, $secret) = @_;
	sql("INSERT INTO finops.channel (channel_id, kind, target, secret, topics) VALUES ('$name', 'email', '$target', " . ($secret ? "'$secret'" : 'NULL') . ", '{}')");
	return;
}

sub message { return sql("SELECT $_[1] FROM finops.notification_message WHERE channel_id = '$_[0]' ORDER BY message_id DESC LIMIT 1"); }

channel('team', 'ops@example.com, finance@example.com', 'post');
post('team', 'k1', '{"event": "firing", "title": "Müller\r\nBcc: thief@example.com\r\n\r\n.\r\nQUIT", "scope": "2025-09", "value": 2.5, "operator": ">", "threshold": 1, "detail": {"line": ".\r\n."}}');
deliver();
my ($mail) = taken('tls');
ok($mail, 'a mail arrives') or diag(message('team', 'error'));
ok($mail->{tls}, 'encrypted');
is_deeply($mail->{login}, [ 'clerk', 'pass word' ], 'after a login');
is($mail->{from} =~ s/ SIZE.*//r, 'MAIL FROM:<finops@example.com>', 'from the sender of the setting');
is_deeply($mail->{recipients}, [ 'RCPT TO:<ops@example.com>', 'RCPT TO:<finance@example.com>' ], 'to both, and nobody else');
my ($head, $body) = split /\n\n/, $mail->{text}, 2;
is(scalar(grep { /^Bcc/i } split /\n/, $head), 0, 'a line end in a title makes no header');
like($head, qr/^Subject: =\?UTF-8\?B\?/m, 'the subject is encoded');
my $subject = join '', map { decode_base64($_) } $head =~ /^(?:Subject:)? =\?UTF-8\?B\?(.*)\?=$/mg;
like($subject, qr/^CRITICAL firing: Müller  Bcc: thief/, 'and says what it is');
like($head, qr/^Message-ID: <[0-9a-f-]{36}\@finops\.invalid>$/m, 'known by its key');
like($head, qr/^Date: \w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/m, 'with its date');
like(decode_base64($body), qr/^value 2\.5 > 1$/m, 'the body has the facts');
is(message('team', 'status'), 'sent', 'it is recorded');

post('team', 'k2', '{"title": "x"}');
deliver('finops.smtp_server' => "smtp://localhost:$port{plain}");
is(message('team', 'status'), 'retry', 'without STARTTLS nothing is sent');
is(scalar(taken('plain')), 0, 'nor a password');
sql("UPDATE finops.channel_state SET paused_until = NULL; UPDATE finops.notification_message SET next_attempt_at = now() WHERE status = 'retry'");
deliver('finops.smtp_server' => "smtp://localhost:$port{plain}", 'finops.smtp_require_tls' => 'off');
is(message('team', 'status'), 'sent', 'unless a superuser allows it');

foreach my $case (
	[ 'refused', 'refused@example.com', undef, 'dead', '550', 'an address that is refused' ],
	[ 'later', 'later@example.com', undef, 'retry', '451', 'a server that asks to come again' ],
	[ 'silent', 'silent@example.com', undef, 'retry', undef, 'a server that falls silent' ],
	[ 'login', 'ops@example.com', 'wrong', 'dead', '535', 'a password that is wrong' ])
{
	my ($name, $target, $secret, $status, $code, $title) = @$case;
	channel($name, $target, $secret);
	post($name, "$name 1", '{"title": "x"}');
	my $began = time;
	deliver();
	is(message($name, 'status'), $status, $title) or diag(message($name, 'error'));
	is(sql("SELECT status_code FROM finops.delivery_attempt WHERE channel_id = '$name'"), $code, "$title: its code") if $code;
	cmp_ok(time - $began, '<', 9, "$title: in time");
	unlike(message($name, 'error'), qr/nope/, "$title: no secret in the error");
	sql("UPDATE finops.channel SET enabled = false WHERE channel_id <> 'later'") if $name ne 'later';
}
sql("UPDATE finops.channel_state SET paused_until = NULL; UPDATE finops.notification_message SET next_attempt_at = now() WHERE status = 'retry'");
deliver();
is(message('later', 'status'), 'sent', 'which is done');
is(scalar(grep { $_->{recipients}[0] =~ /later@/ } taken('tls')), 1, 'once');

foreach my $target ('ops@example.com>\r\nRCPT TO:<thief@example.com', 'Name <ops@example.com>', 'ops')
{
	sql("UPDATE finops.channel SET enabled = false");
	my $name = 'bad' . length $target;
	sql("INSERT INTO finops.channel (channel_id, kind, target, topics) VALUES ('$name', 'email', E'$target', '{}')");
	post($name, $name, '{"title": "x"}');
	deliver();
	like(message($name, 'error'), qr/no list of mail addresses/, "refused as target: $target");
}
my ($code, undef, $error) = $node->psql('postgres', q(SET finops.smtp_server = 'http://mail.example.com'));
like($error, qr/invalid value/, 'another protocol is refused');
unlike(slurp_file($node->logfile), qr/pass word|nope/, 'no password in the log');

done_testing();
