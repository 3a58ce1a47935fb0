-- Room bill: which lines of a restated bill are new, changed or gone, for
-- lines that share a key and for rows that are not as a load writes them
BEGIN;
SELECT no_plan();
SET LOCAL statement_timeout = '120s';

CREATE TEMP TABLE line (no int, id text, span text, cost text, what text);
CREATE TEMP TABLE stated (LIKE line);

-- load the lines and say "new changed gone cost difference"
CREATE FUNCTION pg_temp.load() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_restated_lines.csv';
	object oid;
	result text;
BEGIN
	SELECT lo_from_bytea(0, convert_to('identity/LineItemId,identity/TimeInterval,bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/LineItemType,lineItem/ProductCode,lineItem/CurrencyCode,lineItem/UnblendedCost,lineItem/LineItemDescription' || E'\n'
		|| string_agg(format(E'%s,%s,111122223333,2017-04-01T00:00:00Z,2017-04-02T00:00:00Z,Usage,AmazonS3,USD,%s,"%s"\n', id, span, cost, what), '' ORDER BY no), 'UTF8'))
	INTO object FROM line;
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	PERFORM finops.load_bill(path, source_id => 'restated');
	SELECT concat_ws(' ', sum(record_count) FILTER (WHERE change_type = 'new'), sum(record_count) FILTER (WHERE change_type = 'update'),
		sum(record_count) FILTER (WHERE change_type = 'delete'), trim_scale(sum(billed_cost_difference))) INTO result
	FROM fact_cost_delta WHERE source = 'restated' AND delivery_id = (SELECT max(delivery_id) FROM finops.delivery WHERE source = 'restated');
	RETURN result;
END $$;

-- The same by SQL: lines of a key that both sides have cancel out; what is
-- left on both sides is changed.
CREATE FUNCTION pg_temp.wanted() RETURNS text LANGUAGE sql AS $$
	WITH content AS (
		SELECT id, nullif(span, '') AS span, cost::numeric AS cost, what, sum(n) AS n
		FROM (SELECT *, 1 AS n FROM line UNION ALL SELECT *, -1 FROM stated) u
		GROUP BY 1, 2, 3, 4),
	keyed AS (
		SELECT coalesce(sum(n) FILTER (WHERE n > 0), 0) AS more, coalesce(- sum(n) FILTER (WHERE n < 0), 0) AS less, sum(n * cost) AS cost
		FROM content GROUP BY id, span, CASE WHEN id = '' THEN ROW(cost, what) END)
	SELECT concat_ws(' ', sum(greatest(more - less, 0)), sum(least(more, less)), sum(greatest(less - more, 0)), trim_scale(sum(cost))) FROM keyed
$$;

-- load, compare with the same by SQL, and what it is known to be
CREATE FUNCTION pg_temp.step(known text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is(pg_temp.load(), known, what);
	RETURN NEXT is(pg_temp.wanted(), known, what || ', by SQL');
	DELETE FROM stated;
	INSERT INTO stated SELECT * FROM line;
	RETURN NEXT ok((SELECT sum(billed_cost) = (SELECT sum(cost::numeric) FROM line) AND count(*) = (SELECT count(*) FROM line)
		AND count(DISTINCT delivery_id) = 1 FROM fact_cost_raw WHERE bill_billing_period_start_date = '2017-04-01'), what || ': the facts');
END $$;

INSERT INTO line SELECT i, 'id' || i % 7, 'span' || i % 3, i || '.25', 'line ' || i FROM generate_series(1, 84) i;
INSERT INTO line SELECT 100 + i, '', '', '1e-3', 'without an id' FROM generate_series(1, 5) i;
INSERT INTO stated SELECT * FROM line;
SELECT is(pg_temp.load(), '', 'a first load changes nothing');

-- four lines share each key
UPDATE line SET cost = '1000.25' WHERE no = 11;
SELECT * FROM pg_temp.step('0 1 0 989', 'one of the lines of a key');
DELETE FROM line WHERE no IN (3, 24, 45, 66);
SELECT * FROM pg_temp.step('0 0 4 -139', 'a key with all of its lines');
DELETE FROM line WHERE no = 1;
UPDATE line SET cost = '21.5' WHERE no = 22;
SELECT * FROM pg_temp.step('0 1 1 -2', 'one line gone and one changed');
INSERT INTO line VALUES (200, 'id1', 'span1', '7', 'line 22'), (201, '', '', '0.001', 'without an id');
DELETE FROM line WHERE no = 101;
SELECT * FROM pg_temp.step('1 0 0 7', 'one more of a key, and a number in other words');
UPDATE line SET no = - no;
SELECT * FROM pg_temp.step('0 0 0 0', 'the other way round');
UPDATE line SET no = no * 37 % 89;
DELETE FROM line WHERE what = 'line 9';
SELECT * FROM pg_temp.step('0 0 1 -9.25', 'in no order');

-- rows that are the same lines and other bytes
UPDATE line SET cost = cost || '00' WHERE cost ~ '[.]';
SELECT * FROM pg_temp.step('0 0 0 0', 'more zeros');
UPDATE fact_cost_raw SET billed_cost = trim_scale(billed_cost), virtual_tags = '{"a": "b"}' WHERE source = 'restated' AND row_id % 2 = 0;
UPDATE line SET what = 'another' WHERE what = 'line 30';
SELECT * FROM pg_temp.step('0 1 0 0', 'rows that were updated');
CREATE TEMP TABLE kept AS SELECT * FROM fact_cost_raw WHERE source = 'restated';
DELETE FROM fact_cost_raw WHERE source = 'restated';
INSERT INTO fact_cost_raw SELECT * FROM kept ORDER BY row_id DESC;
UPDATE line SET cost = '0' WHERE what = 'another';
SELECT * FROM pg_temp.step('0 1 0 -30.25', 'rows that were copied');
UPDATE line SET what = (SELECT string_agg(md5(i::text || no), '') FROM generate_series(1, 400) i) WHERE no % 10 = 0;
SELECT is(split_part(pg_temp.load(), ' ', 2), '7', 'long text in seven lines');
DELETE FROM stated;
INSERT INTO stated SELECT * FROM line;
INSERT INTO line VALUES (300, 'more', '', '1', 'more');
SELECT ok(pg_relation_size(reltoastrelid) > 0, 'some text is stored elsewhere') FROM pg_class WHERE oid = 'finops.fact_cost_raw_2017_04'::regclass;
SELECT * FROM pg_temp.step('1 0 0 1', 'text that is stored elsewhere');
ALTER TABLE fact_cost_raw ADD COLUMN my_note text DEFAULT 'none';
DELETE FROM line WHERE id = 'more';
SELECT * FROM pg_temp.step('0 0 1 -1', 'a column that somebody added');

-- one line of a key on each side, and what tells them apart
INSERT INTO line SELECT 400 + i, 'one' || i, 'hour', '2', 'single ' || i FROM generate_series(1, 9) i;
SELECT * FROM pg_temp.step('9 0 0 18', 'keys of one line');
UPDATE line SET cost = '3' WHERE id = 'one1';
UPDATE line SET cost = '2.000' WHERE id = 'one3';
UPDATE line SET span = 'day' WHERE id = 'one4';
SELECT * FROM pg_temp.step('1 1 1 1', 'keys of one line: cost, zeros and span');
UPDATE line SET what = 'other' WHERE id = 'one2';
UPDATE line SET cost = '2.00' WHERE id = 'one5';
UPDATE line SET cost = '4' WHERE id = 'one6';
INSERT INTO line SELECT 410 + i, 'one7', 'hour', '0', 'single ' || i FROM generate_series(1, 2) i;
SELECT * FROM pg_temp.step('2 2 0 2', 'keys of one line: text, zeros, cost and more lines');

-- ids of one line and of several, lines that change, move, come and go
CREATE FUNCTION pg_temp.rounds() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(0.25);
	FOR i IN 1..16 LOOP
		UPDATE line SET cost = (random() * 3)::int::text WHERE random() < 0.2;
		UPDATE line SET what = 'text ' || (random() * 3)::int WHERE random() < 0.1;
		UPDATE line SET id = 'r' || (random() * 60)::int, span = '' WHERE random() < 0.1;
		UPDATE line SET no = (random() * 1000)::int WHERE random() < 0.02 * (i % 4);
		DELETE FROM line WHERE random() < 0.05;
		INSERT INTO line SELECT (random() * 1000)::int, 'r' || (random() * 60)::int, '', '1', 'text 1' FROM generate_series(1, 6);
		RETURN NEXT is(pg_temp.load(), pg_temp.wanted(), 'round ' || i);
		DELETE FROM stated;
		INSERT INTO stated SELECT * FROM line;
	END LOOP;
END $$;
CREATE TEMP TABLE before_rounds AS SELECT * FROM line;
SELECT * FROM pg_temp.rounds();
DELETE FROM line;
INSERT INTO line SELECT * FROM before_rounds;
SELECT is(pg_temp.load(), pg_temp.wanted(), 'back to what it was');
DELETE FROM stated;
INSERT INTO stated SELECT * FROM line;

-- amounts that the sums in memory cannot hold are compared by SQL
UPDATE line SET cost = '0.0000000000000000000000000000000000000001' WHERE what = 'line 40';
UPDATE line SET cost = '5' WHERE what = 'line 41';
SELECT * FROM pg_temp.step('0 2 0 -76.4999999999999999999999999999999999999999', 'forty decimals');
UPDATE line SET cost = '6' WHERE what = 'line 41';
SELECT * FROM pg_temp.step('0 1 0 1', 'a line with forty decimals that stays as it is');

-- more keys in doubt than can be named, and no cost to tell
DELETE FROM line WHERE what = 'line 40';
SELECT is(split_part(pg_temp.load(), ' ', 3), '1', 'without the forty decimals');
DELETE FROM stated;
INSERT INTO line SELECT 1000 + i, 'doubt' || i, '', '0', 'text' FROM generate_series(1, 49500) i;
INSERT INTO stated SELECT * FROM line WHERE id !~ 'doubt';
SELECT * FROM pg_temp.step('49500 0 0 0', 'many lines');
UPDATE line SET what = 'other text' WHERE no > 1000 AND no % 100 <> 0;
UPDATE line SET cost = '0.00' WHERE no > 1000 AND no % 100 = 0;
UPDATE line SET cost = '1' WHERE id = 'one9';
SELECT * FROM pg_temp.step('0 49006 0 -1', 'many lines of which only the text has changed');

SELECT * FROM finish();
ROLLBACK;
