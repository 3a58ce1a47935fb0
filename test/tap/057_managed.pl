# A managed service that takes no C library, and a server of our own beside it:
# the bill comes by postgres_fdw or logical replication, the answers go back
# by postgres_fdw.  What docs/managed-services.md says.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FinopsTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $managed = PostgreSQL::Test::Cluster->new('managed');
$managed->init(allows_streaming => 'logical', extra => [ '-E', 'UTF8', '--locale=C.UTF-8' ]);
$managed->start;
my $own = finops_node('own');
my $out = $own->basedir . '/bills';
mkdir $out;

plan skip_all => 'postgres_fdw is not installed for this server'
  if $own->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'") eq '0';

# the bill as an import from S3 leaves it there: text columns, names of the report
$managed->safe_psql('postgres', q{
	CREATE DATABASE shop;
	});
$managed->safe_psql('shop', q{
	CREATE SCHEMA billing;
	CREATE TABLE billing.cur (
		line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		bill_payer_account_id text, bill_billing_period_start_date timestamp, line_item_line_item_type text, line_item_product_code text,
		line_item_unblended_cost text, line_item_currency_code text, line_item_usage_start_date timestamp, resource_tags_user_tenant_id text);
	INSERT INTO billing.cur (bill_payer_account_id, bill_billing_period_start_date, line_item_line_item_type, line_item_product_code,
		line_item_unblended_cost, line_item_currency_code, line_item_usage_start_date, resource_tags_user_tenant_id)
	SELECT '123456789012', '2026-05-01', 'Usage', 'AmazonEC2', (n + 0.000000000000000000000001)::text, 'USD', timestamp '2026-05-01' + n * interval '1 hour',
		CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN 'acme, "inc"' ELSE E'two\nlines' END
	FROM generate_series(1, 600) AS n;
	INSERT INTO billing.cur (bill_payer_account_id, bill_billing_period_start_date, line_item_line_item_type, line_item_product_code,
		line_item_unblended_cost, line_item_currency_code, line_item_usage_start_date)
	VALUES ('123456789012', '2026-05-01', 'Credit', 'AmazonEC2', '-0.25', 'USD', '2026-05-02');
	CREATE ROLE feeder LOGIN PASSWORD 'six-words-for-a-test';
	GRANT USAGE ON SCHEMA billing TO feeder;
	GRANT SELECT ON billing.cur TO feeder;
	CREATE PUBLICATION bills FOR TABLE billing.cur});
# 600 * 601 / 2 + 600e-24 - 0.25
my $total = '180299.750000000000000000000600';

$own->safe_psql('postgres', 'CREATE DATABASE books');
$own->safe_psql('books', 'CREATE EXTENSION finops SCHEMA public');
my ($host, $port) = ($managed->host, $managed->port);

# a: postgres_fdw
$own->safe_psql('books', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER shop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'shop', fetch_size '10000');
	CREATE USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (user 'feeder', password 'six-words-for-a-test');
	CREATE SCHEMA shop;
	IMPORT FOREIGN SCHEMA billing LIMIT TO (cur) FROM SERVER shop INTO shop});

# What docs/managed-services.md says to run: the table as a bill.
sub load
{
	my ($table, $file) = @_;
	$own->safe_psql('books', qq{
		COPY (SELECT bill_payer_account_id, bill_billing_period_start_date, line_item_line_item_type, line_item_product_code, line_item_unblended_cost,
			line_item_currency_code, line_item_usage_start_date, resource_tags_user_tenant_id FROM $table
			WHERE bill_billing_period_start_date = '2026-05-01' ORDER BY line) TO '$out/$file' (FORMAT csv, HEADER)});
	return $own->safe_psql('books', "SELECT status, rows_loaded, rows_rejected, billed_cost FROM finops.load_bill('$out/$file')");
}

is(load('shop.cur', 'cur.csv'), "loaded|601|0|$total", 'the foreign table is loaded as a bill, with every digit');
is(load('shop.cur', 'cur.csv'), "unchanged|0|0|$total", 'the same again changes nothing');
is($own->safe_psql('books', q{SELECT string_agg(DISTINCT resource_tags_user_tenant_id, '; ' ORDER BY resource_tags_user_tenant_id) FROM fact_cost_raw}),
	qq{acme, "inc"; two\nlines}, 'tags arrive as they are');
$managed->safe_psql('shop', q{UPDATE billing.cur SET line_item_unblended_cost = '0' WHERE line = 600});
is(load('shop.cur', 'cur.csv'), 'replaced|601|0|179699.750000000000000000000599', 'a restated bill replaces it');
is($own->safe_psql('books', 'SELECT change_type, record_count, billed_cost_difference FROM fact_cost_delta WHERE previous_delivery_id IS NOT NULL AND record_count > 0 ORDER BY 1'),
	"delete|1|-600.000000000000000000000001\nnew|1|0", 'and says what has changed');

# b: logical replication of the table
$own->safe_psql('books', q{
	CREATE SCHEMA billing;
	CREATE TABLE billing.cur (
		line bigint PRIMARY KEY,
		bill_payer_account_id text, bill_billing_period_start_date timestamp, line_item_line_item_type text, line_item_product_code text,
		line_item_unblended_cost text, line_item_currency_code text, line_item_usage_start_date timestamp, resource_tags_user_tenant_id text)});
$own->safe_psql('books', 'CREATE SUBSCRIPTION bills CONNECTION ' . "'host=$host port=$port dbname=shop' PUBLICATION bills");
$own->wait_for_subscription_sync($managed, 'bills', 'books');
is(load('billing.cur', 'replicated.csv'), 'unchanged|0|0|179699.750000000000000000000599', 'the replicated table is the same bill');
$managed->safe_psql('shop', q{UPDATE billing.cur SET line_item_unblended_cost = '600' WHERE line = 600; DELETE FROM billing.cur WHERE line = 1});
$managed->wait_for_catchup('bills');
is(load('billing.cur', 'replicated.csv'), 'replaced|600|0|180298.750000000000000000000598', 'changes follow, and are loaded');

# the answers go back: the star views as foreign tables of the managed server
$own->safe_psql('books', "CREATE ROLE answers LOGIN PASSWORD 'six-words-for-a-test'; SELECT finops.grant_role('reader', 'answers')");
($host, $port) = ($own->host, $own->port);
$managed->safe_psql('shop', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER finops FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'books');
	CREATE USER MAPPING FOR CURRENT_USER SERVER finops OPTIONS (user 'answers', password 'six-words-for-a-test');
	CREATE SCHEMA finops;
	IMPORT FOREIGN SCHEMA public LIMIT TO (bi_fact_cost_day, bi_dim_tenant, bi_fact_allocation_month, invoice_header) FROM SERVER finops INTO finops});
is($managed->safe_psql('shop', 'SELECT sum(billed_cost) FROM finops.bi_fact_cost_day JOIN finops.bi_dim_tenant USING (tenant_key)'),
	'180298.750000000000000000000598', 'the managed server reads the star views');
my ($code, $said, $error) = $managed->psql('shop', q{
	CREATE FOREIGN TABLE finops.hidden (role_name text) SERVER finops OPTIONS (schema_name 'finops', table_name 'role_grant');
	SELECT * FROM finops.hidden});
like($error, qr/permission denied for table role_grant/, 'but nothing that a reader may not');

$own->safe_psql('books', 'DROP SUBSCRIPTION bills');
$own->stop;
$managed->stop;
done_testing();
