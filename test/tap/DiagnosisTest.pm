# What tests of the diagnosis share: a failure is put in, is found as the one
# root finding, and the call that this names clears it.
package DiagnosisTest;

use strict;
use warnings FATAL => 'all';

use Test::More;

use Exporter 'import';
our @EXPORT = qw(diagnose_on sql findings healthy failure failures_seen failures_repaired);

my $node;
my (%seen, %repaired);

# The node whose database "postgres" is diagnosed from now on.
sub diagnose_on { ($node) = @_; return; }

# Checks whose failure was found, and those whose call does more than to hand
# the finding to a person.
sub failures_seen { return sort keys %seen; }
sub failures_repaired { return sort keys %repaired; }

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub findings { return sql(q{SELECT string_agg(finding || ' ' || scope || ': ' || seen, E'\n') FROM finops.diagnose()}); }

sub healthy
{
	my ($title) = @_;
	is(findings(), '', $title);
	return;
}

# One failure: what puts it in, the check that finds it and its scope.  done:
# what somebody outside does before the call, such as delivering the file.
sub failure
{
	my ($finding, $scope, $inject, %o) = @_;
	my $title = $o{title} // $finding;
	$seen{$finding}++;
	$node->psql('postgres', $_) foreach ref $inject ? @$inject : $inject;
	my $found = sql(q{SELECT count(*) || ' ' || string_agg(finding || ' ' || scope, ', ') FROM finops.diagnose()});
	is($found, "1 $finding $scope", "$title: one root finding") or diag(findings());
	like(sql(q{SELECT string_agg(c ->> 'finding', ',') FROM finops.diagnose() d, jsonb_array_elements(d.consequences) c}), $o{consequences}, "$title: its consequences")
	  if defined $o{consequences};
	$o{done}->() if defined $o{done};
	for my $round (1 .. ($o{calls} // 1))
	{
		my $call = sql(q{SELECT resolve_call FROM finops.diagnose() LIMIT 1});
		return fail("$title: no call is named") if $call eq '';
		my ($code, $out, $error) = $node->psql('postgres', $call);
		$repaired{$finding}++ if $call !~ /finops\.(escalate_finding|disable_check)\(/;
		is($code, 0, "$title: $call runs") or diag($error);
		is(sql("SELECT count(*) FROM finops.diagnose() WHERE finding = '$finding' AND scope = '$scope'"), '0', "$title: the call clears it")
		  or diag(findings())
		  if $round == 1;
	}
	return like(findings(), $o{then}, "$title: what it had hidden remains") if defined $o{then};
	healthy("$title: healthy again");
	return;
}

1;
