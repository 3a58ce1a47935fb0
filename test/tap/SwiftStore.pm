# An S3 store of OpenStack Swift with its s3api, which verifies signatures as
# S3 does: four servers and a cache as the user of the tests, on one machine.
package SwiftStore;

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);

# Whether the programs are here.
sub available
{
	foreach my $program (qw(swift-proxy-server swift-object-server swift-container-server
		swift-account-server swift-ring-builder memcached))
	{
		return 0 if !grep { -x "$_/$program" } qw(/usr/bin /bin /usr/local/bin);
	}
	return 1;
}

sub free_port
{
	my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
	return $socket->sockport;
}

# start(DIRECTORY, DOMAIN): access key test:tester, secret TESTING+/=SECRET,
# region us-east-1, four keys per page of a list; buckets also as hosts
# below DOMAIN
sub start
{
	my ($class, $dir, $domain) = @_;
	my $user = getpwuid($>);
	my %port = map { $_ => free_port() } qw(proxy object container account cache);
	my $self = bless { dir => $dir, port => $port{proxy}, running => [] }, $class;

	mkdir "$dir/$_" foreach '', qw(etc node node/disk);
	append_to_file("$dir/etc/swift.conf", "[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n"
		  . "[storage-policy:0]\nname = gold\ndefault = yes\n");
	foreach my $kind (qw(object container account))
	{
		append_to_file("$dir/etc/$kind.conf",
			"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = $port{$kind}\nworkers = 0\nuser = $user\n"
			  . "swift_dir = $dir/etc\ndevices = $dir/node\nmount_check = false\n"
			  . "fallocate_reserve = 0\ndisable_fallocate = true\n"
			  . "[pipeline:main]\npipeline = $kind-server\n[app:$kind-server]\nuse = egg:swift#$kind\n");
		my @ring = ('swift-ring-builder', "$dir/etc/$kind.builder");
		IPC::Run::run([ @ring, 'create', '4', '1', '1' ], '>&', \my $out);
		IPC::Run::run([ @ring, 'add', "r1z1-127.0.0.1:$port{$kind}/disk", '1' ], '>&', \$out);
		IPC::Run::run([ @ring, 'rebalance' ], '>&', \$out);
	}
	append_to_file("$dir/etc/proxy.conf",
		"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = $port{proxy}\nworkers = 0\nuser = $user\nswift_dir = $dir/etc\n"
		  . "[pipeline:main]\npipeline = catch_errors cache s3api tempauth copy slo dlo versioned_writes proxy-server\n"
		  . "[app:proxy-server]\nuse = egg:swift#proxy\nallow_account_management = true\naccount_autocreate = true\n"
		  . "[filter:catch_errors]\nuse = egg:swift#catch_errors\n"
		  . "[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:$port{cache}\n"
		  . "[filter:s3api]\nuse = egg:swift#s3api\ns3_acl = false\nlocation = us-east-1\nmax_bucket_listing = 4\nstorage_domain = $domain\n"
		  . "[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = TESTING+/=SECRET .admin\n"
		  . join('', map { "[filter:$_]\nuse = egg:swift#$_\n" } qw(copy slo dlo))
		  . "[filter:versioned_writes]\nuse = egg:swift#versioned_writes\nallow_versioned_writes = true\n");
	$self->run_server('memcached', '-l', '127.0.0.1', '-p', $port{cache}, '-m', '16');
	$self->run_server("swift-$_-server", "$dir/etc/$_.conf") foreach qw(object container account proxy);
	return $self;
}

sub run_server
{
	my ($self, @command) = @_;
	push @{ $self->{running} },
	  IPC::Run::start(\@command, '<', \undef, '>>', "$self->{dir}/log", '2>>', "$self->{dir}/log");
	return;
}

sub stop
{
	my ($self) = @_;
	$_->kill_kill(grace => 1) foreach @{ $self->{running} };
	$self->{running} = [];
	return;
}

1;
