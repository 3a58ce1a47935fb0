# A month whose documents have thousands of lines: the memory of the run does
# not grow with them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no /proc/self/status' if !-r '/proc/self/status';

my ($tenants, $services) = (60, 3000);
my $node = finops_node('month_memory', conf => "fsync = off\nautovacuum = off\nwork_mem = 4MB\nmaintenance_work_mem = 16MB\n");
$node->safe_psql('postgres', 'CREATE EXTENSION finops');
$node->safe_psql('postgres', <<"SQL");
SELECT finops.set_issuer('Example Ltd', '1 High Street', 'DE1');
SELECT finops.set_plan('M', 99.99, 5);
INSERT INTO tenant_master (tenant_id, tenant_name, billing_contact, tax_profile)
SELECT 'M-' || n, 'T', '{"address": "x"}', '{"rate_pct": 19}' FROM generate_series(1, $tenants) n;
INSERT INTO tenant_plan_binding (tenant_id, plan_code, period_start) SELECT 'M-' || n, 'M', '2022-09-01' FROM generate_series(1, $tenants) n;
CREATE TABLE finops.fact_cost_allocated_2022_09 PARTITION OF fact_cost_allocated FOR VALUES FROM ('2022-09-01') TO ('2022-10-01');
INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin, currency, allocated_cost_usd)
SELECT 'M-' || n, '2022-09-01', '2022-09-30', 'S' || s, 'OTHER', 'direct-tag', 1, 1, 'direct', 'o', 'USD', s * 0.0123 FROM generate_series(1, $tenants) n, generate_series(1, $services) s;
INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES ('2022-09-01', 'reconciliation', 3, 'ok');
SQL

# Address space: what is there from the start, the server's shared memory too, does not count.
my $kilobytes = "SELECT (regexp_match(pg_read_file('/proc/self/status'), '%s:\\s+(\\d+)'))[1];\n";
my @lines = split /\n/, $node->safe_psql('postgres', sprintf($kilobytes, 'VmSize')
	  . "SELECT count(*) FROM finops.issue_invoices('2022-09-01');\n" . sprintf($kilobytes, 'VmPeak'));
is($lines[1], $tenants, 'all documents are issued');
my $grown = ($lines[2] - $lines[0]) / 1024;
cmp_ok($grown, '<', 100, sprintf('%d lines took %.0f MB', $tenants * ($services + 1), $grown));
is($node->safe_psql('postgres', 'SELECT count(*) FROM finops.verify_invoices()'), '0', 'and are sound');
$node->stop;
done_testing();
