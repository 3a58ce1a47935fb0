-- topic watch: which tables documents are computed from, and whether any has changed

CREATE SEQUENCE finops.document_input_seq;
COMMENT ON SEQUENCE finops.document_input_seq IS 'moves with every statement that changes what documents are computed from, but for added usage';
CREATE SEQUENCE finops.document_usage_seq;
COMMENT ON SEQUENCE finops.document_usage_seq IS 'moves with every statement that adds or changes usage and top-ups';

CREATE FUNCTION finops.note_document_input()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'finops_note_document_input';
COMMENT ON FUNCTION finops.note_document_input() IS 'trigger: what prepared documents were computed from has changed';
REVOKE ALL ON FUNCTION finops.note_document_input() FROM PUBLIC;

-- usage arrives all the time: it has a sequence of its own
DO $$
DECLARE
	watched record;
BEGIN
	FOR watched IN
		SELECT pg_catalog.unnest(v.tables) AS name, v.arguments
		FROM (VALUES
			(ARRAY[
			'@extschema@.tenant_master', 'finops.tenant_billing', 'finops.issuer', '@extschema@.tenant_plan_binding', '@extschema@.plan_master',
			'finops.plan_price', '@extschema@.plan_metric_map', '@extschema@.metric_catalog', 'finops.plan_pause', 'finops.seat_count',
			'finops.currency', 'finops.fx_rate', 'finops.tax_rate', 'finops.tax_code', 'finops.invoice_phrase', 'finops.invoice_replacement',
			'@extschema@.fact_cost_allocated', 'finops.dunning_notice'], ''),
			(ARRAY[
			'@extschema@.usage_snapshot_daily', 'finops.usage_event', 'finops.usage_balance_entry', '@extschema@.topup_catalog',
			'finops.topup_consent', '@extschema@.topup_ledger', 'finops.late_usage'], '''usage''')) AS v (tables, arguments)
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s'
			' FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input(%s)', watched.name, watched.arguments);
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER document_input ON %s IS %L', watched.name, 'documents are computed from this table');
		EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER document_input', watched.name);
	END LOOP;
END
$$;

REVOKE ALL ON SEQUENCE finops.document_input_seq, finops.document_usage_seq FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.document_input_seq', '');
SELECT pg_catalog.pg_extension_config_dump('finops.document_usage_seq', '');
