-- Room bill: facts, roll-up and counted changes after random sequences of
-- loads, restatements and increments, worked out beside them in plain SQL
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';

CREATE FUNCTION pg_temp.rnd(i bigint, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint8extended(i, salt) & 9223372036854775807) $$;

-- what the month consists of: lines of the bill, and of what comes on top
CREATE TEMP TABLE line (kind text, service text, resource text, cost numeric);
CREATE TEMP TABLE wanted (LIKE line);

CREATE FUNCTION pg_temp.load(mode text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_load_random.csv';
	object oid;
	result text;
BEGIN
	SELECT lo_from_bytea(0, convert_to('BillingPeriodStart,BillingAccountId,ProviderName,ServiceName,ChargePeriodStart,ResourceId,BilledCost,EffectiveCost,ListCost,ChargeCategory,BillingCurrency' || E'\n'
		|| string_agg(format(E'2017-03-01,acc,Acme Cloud,%s,2017-03-0%s,%s,%s,%s,%s,Usage,USD\n', service, 1 + length(resource) % 9, resource, cost, cost, cost), ''), 'UTF8'))
	INTO object FROM wanted;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	SELECT string_agg(l.status, ',') INTO result FROM finops.load_bill(path, mode => mode, source_id => 'random') l;
	RETURN result;
END $$;

-- load what is wanted, and take note of it
CREATE FUNCTION pg_temp.step(mode text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	n record;
	delta text;
	again boolean;
BEGIN
	SELECT (SELECT count(*) FROM (SELECT service, resource, cost FROM wanted EXCEPT ALL SELECT service, resource, cost FROM line WHERE kind = 'bill') a) AS more,
		(SELECT count(*) FROM (SELECT service, resource, cost FROM line WHERE kind = 'bill' EXCEPT ALL SELECT service, resource, cost FROM wanted) a) AS gone,
		(SELECT sum(cost) FROM wanted) - (SELECT sum(cost) FROM line WHERE kind = 'bill') AS cost INTO n;
	again := EXISTS (SELECT FROM line);
	IF mode = 'replace' THEN
		DELETE FROM line;
	END IF;
	INSERT INTO line SELECT CASE mode WHEN 'replace' THEN 'bill' ELSE 'increment' END, service, resource, cost FROM wanted;
	RETURN NEXT is(pg_temp.load(mode), CASE WHEN mode = 'append' THEN 'appended' WHEN again THEN 'replaced' ELSE 'loaded' END, what);
	IF mode = 'replace' AND again THEN
		SELECT concat_ws(' ', sum(record_count) FILTER (WHERE change_type = 'new'), sum(record_count) FILTER (WHERE change_type = 'update'),
			sum(record_count) FILTER (WHERE change_type = 'delete'), trim_scale(sum(billed_cost_difference))) INTO delta
		FROM fact_cost_delta WHERE source = 'random' AND delivery_id = (SELECT max(delivery_id) FROM finops.delivery WHERE source = 'random');
		RETURN NEXT is(delta, concat_ws(' ', n.more, 0, n.gone, trim_scale(n.cost)), what || ': what it changed');
	END IF;
	RETURN NEXT ok(NOT EXISTS (SELECT service, line_item_resource_id, billed_cost FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-03-01'
			EXCEPT ALL SELECT service, resource, cost FROM line)
		AND (SELECT count(*) FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-03-01') = (SELECT count(*) FROM line), what || ': the facts');
	RETURN NEXT is_empty($q$
		(SELECT f.*, true FROM daily f EXCEPT ALL SELECT *, true FROM stored) UNION ALL (SELECT *, false FROM stored EXCEPT ALL SELECT f.*, false FROM daily f)
	$q$, what || ': the roll-up');
	RETURN NEXT is_empty($q$
		(SELECT f.*, true FROM kind f EXCEPT ALL SELECT *, true FROM kept) UNION ALL (SELECT *, false FROM kept EXCEPT ALL SELECT f.*, false FROM kind f)
	$q$, what || ': the kinds');
END $$;

CREATE TEMP VIEW daily AS
	SELECT line_item_usage_start_date::date AS day, source, provider, line_item_usage_account_id IS NULL AS payer, service, product_region, tenant_id,
		charge_category, line_item_currency_code, sum(billed_cost) AS billed, sum(effective_cost) AS effective, sum(list_cost) AS list, count(*)
	FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-03-01' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
CREATE TEMP VIEW stored AS
	SELECT usage_date, source, provider, account_id = 'acc', service, region, tenant_id, charge_category, currency,
		billed_cost, effective_cost, list_cost, line_items FROM finops.cost_daily WHERE billing_period = '2017-03-01';

CREATE TEMP VIEW kind AS
	SELECT source, charge_category, effective_cost = 0 AS free, line_item_currency_code, sum(billed_cost)::text AS billed, sum(effective_cost)::text AS effective, count(*)
	FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-03-01' GROUP BY 1, 2, 3, 4;
CREATE TEMP VIEW kept AS
	SELECT source, line_type, free, currency, billed_cost::text, effective_cost::text, line_items FROM finops.cost_kind WHERE billing_period = '2017-03-01';

-- ten steps, with lines that repeat, change their cost, come and go
CREATE FUNCTION pg_temp.run() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	FOR s IN 1..10 LOOP
		DELETE FROM wanted;
		INSERT INTO wanted SELECT NULL, 's' || pg_temp.rnd(i, 3) % 4, 'r' || repeat('x', (pg_temp.rnd(i, 5) % 5)::int) || i % 50,
			(pg_temp.rnd(i, CASE WHEN pg_temp.rnd(i, s) % 4 = 0 THEN s * 7 ELSE 7 END) % 1000000 - 200000) / 10.0 ^ (pg_temp.rnd(i, 11) % 9)::int
		FROM generate_series(1, 120) i WHERE pg_temp.rnd(i, s * 13) % 5 > 0;
		INSERT INTO wanted VALUES (NULL, 'once', 'step' || s, s);
		RETURN QUERY SELECT * FROM pg_temp.step(CASE WHEN s > 1 AND pg_temp.rnd(s, 17) % 3 = 0 THEN 'append' ELSE 'replace' END, 'step ' || s);
	END LOOP;
END $$;
SELECT * FROM pg_temp.run();

-- the key of the month was built after its rows, and is one
SELECT ok(bool_and(indisvalid AND indisready), 'the indexes are valid') FROM pg_index WHERE indrelid = 'finops.fact_cost_raw_2017_03'::regclass;
SELECT throws_ok($$ INSERT INTO fact_cost_raw SELECT (f).* FROM (SELECT f FROM fact_cost_raw f WHERE bill_billing_period_start_date = '2017-03-01' LIMIT 1) x $$,
	'23505', NULL, 'a row_id exists once');

-- a trigger of the operator sees each row that a restatement deletes
CREATE TEMP TABLE seen (n bigint);
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pg_temp.seen VALUES (old.row_id); RETURN old; END $$;
CREATE TRIGGER note BEFORE DELETE ON finops.fact_cost_raw_2017_03 FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
CREATE TEMP TABLE before AS SELECT count(*) AS n FROM line;
UPDATE wanted SET cost = cost + 1 WHERE service = 's1';
SELECT * FROM pg_temp.step('replace', 'with a trigger');
SELECT is((SELECT count(DISTINCT n) FROM seen), (SELECT n FROM before), 'the trigger saw all of them');
DROP TRIGGER note ON finops.fact_cost_raw_2017_03;

-- amounts that are not sums of 128 bits: more digits than fit
UPDATE wanted SET cost = cost + 0.000000000000000000000000000001 WHERE service = 's2';
SELECT * FROM pg_temp.step('replace', 'thirty decimals');
UPDATE wanted SET cost = cost + 0.00000000000000000000000000001 WHERE service = 's3';
SELECT * FROM pg_temp.step('replace', 'and other ones');

-- more groups than the roll-up keeps in memory
UPDATE wanted SET cost = round(cost, 2);
INSERT INTO wanted SELECT NULL, repeat('long ', 800) || i, 'r', i / 100.0 FROM generate_series(1, 4400) i;
SELECT * FROM pg_temp.step('replace', 'long names');
DELETE FROM wanted WHERE length(service) > 100;
SELECT * FROM pg_temp.step('replace', 'without them');

-- more lines than the difference keeps in memory
DELETE FROM wanted;
INSERT INTO wanted SELECT NULL, 'many', 'a' || i, i / 1000.0 FROM generate_series(1, 100000) i;
SELECT * FROM pg_temp.step('replace', 'many lines');
UPDATE wanted SET resource = 'b' || resource WHERE resource <> 'a77';
SELECT * FROM pg_temp.step('replace', 'and all but one of them changed');

SELECT * FROM finish();
ROLLBACK;
