-- Bills without a header line: the names of their columns are part of what is
-- delivered
BEGIN;
SELECT * FROM no_plan();

CREATE FUNCTION pg_temp.load(content text, columns text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/finops_test_nameless.csv';
	object oid := lo_from_bytea(0, convert_to(content, 'UTF8'));
BEGIN
	PERFORM lo_export(object, path);
	PERFORM lo_unlink(object);
	RETURN (SELECT concat_ws(' ', l.status, l.rows_loaded, l.billed_cost) FROM finops.load_bill(path, columns => columns::text[]) l);
END $$;

SELECT is(pg_temp.load(E'2021-03-01,Usage,5,7\n', '{bill_billing_period_start_date,line_item_line_item_type,line_item_blended_cost,line_item_unblended_cost}'), 'loaded 1 7', 'a bill under wrong names');
SELECT is(pg_temp.load(E'2021-03-01,Usage,5,7\n', '{bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,line_item_blended_cost}'), 'replaced 1 5', 'the same bytes under the right ones');
SELECT is(pg_temp.load(E'2021-03-01,Usage,5,7\n', '{bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,line_item_blended_cost}'), 'unchanged 0 5', 'and again');
SELECT is(pg_temp.load(E'2021-03-01,Usage,6,7\n', '{bill_billing_period_start_date,line_item_line_item_type,line_item_unblended_cost,line_item_blended_cost}'), 'replaced 1 6', 'other bytes under the same names');
SELECT isnt(d.digest, f.digest, 'the digest of the file is that of its bytes') FROM finops.delivery d JOIN finops.delivery_file f USING (delivery_id) WHERE d.status = 'current';
SELECT is(f.digest, encode(sha256(E'2021-03-01,Usage,6,7\n'), 'hex'), 'which are these') FROM finops.delivery d JOIN finops.delivery_file f USING (delivery_id) WHERE d.status = 'current';

SELECT * FROM finish();
ROLLBACK;
