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

CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.tenant_master
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON @extschema@.tenant_master IS 'documents are computed from this table';
ALTER TABLE @extschema@.tenant_master ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.tenant_billing
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.tenant_billing IS 'documents are computed from this table';
ALTER TABLE finops.tenant_billing ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.issuer
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.issuer IS 'documents are computed from this table';
ALTER TABLE finops.issuer ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.tenant_plan_binding
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON @extschema@.tenant_plan_binding IS 'documents are computed from this table';
ALTER TABLE @extschema@.tenant_plan_binding ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.plan_master
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON @extschema@.plan_master IS 'documents are computed from this table';
ALTER TABLE @extschema@.plan_master ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.plan_price
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.plan_price IS 'documents are computed from this table';
ALTER TABLE finops.plan_price ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.plan_metric_map
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON @extschema@.plan_metric_map IS 'documents are computed from this table';
ALTER TABLE @extschema@.plan_metric_map ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.metric_catalog
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON @extschema@.metric_catalog IS 'documents are computed from this table';
ALTER TABLE @extschema@.metric_catalog ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.plan_pause
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.plan_pause IS 'documents are computed from this table';
ALTER TABLE finops.plan_pause ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.seat_count
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.seat_count IS 'documents are computed from this table';
ALTER TABLE finops.seat_count ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.currency
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.currency IS 'documents are computed from this table';
ALTER TABLE finops.currency ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.fx_rate
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.fx_rate IS 'documents are computed from this table';
ALTER TABLE finops.fx_rate ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.tax_rate
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.tax_rate IS 'documents are computed from this table';
ALTER TABLE finops.tax_rate ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.tax_code
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.tax_code IS 'documents are computed from this table';
ALTER TABLE finops.tax_code ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.invoice_phrase
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.invoice_phrase IS 'documents are computed from this table';
ALTER TABLE finops.invoice_phrase ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.invoice_replacement
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.invoice_replacement IS 'documents are computed from this table';
ALTER TABLE finops.invoice_replacement ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.fact_cost_allocated
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON @extschema@.fact_cost_allocated IS 'documents are computed from this table';
ALTER TABLE @extschema@.fact_cost_allocated ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.usage_snapshot_daily
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON @extschema@.usage_snapshot_daily IS 'documents are computed from this table';
ALTER TABLE @extschema@.usage_snapshot_daily ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.usage_event
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON finops.usage_event IS 'documents are computed from this table';
ALTER TABLE finops.usage_event ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.usage_balance_entry
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON finops.usage_balance_entry IS 'documents are computed from this table';
ALTER TABLE finops.usage_balance_entry ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.topup_catalog
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON @extschema@.topup_catalog IS 'documents are computed from this table';
ALTER TABLE @extschema@.topup_catalog ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.topup_consent
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON finops.topup_consent IS 'documents are computed from this table';
ALTER TABLE finops.topup_consent ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.topup_ledger
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON @extschema@.topup_ledger IS 'documents are computed from this table';
ALTER TABLE @extschema@.topup_ledger ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.late_usage
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input('usage');
COMMENT ON TRIGGER document_input ON finops.late_usage IS 'documents are computed from this table';
ALTER TABLE finops.late_usage ENABLE ALWAYS TRIGGER document_input;
CREATE TRIGGER document_input AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON finops.dunning_notice
	FOR EACH STATEMENT EXECUTE FUNCTION finops.note_document_input();
COMMENT ON TRIGGER document_input ON finops.dunning_notice IS 'documents are computed from this table';
ALTER TABLE finops.dunning_notice ENABLE ALWAYS TRIGGER document_input;

REVOKE ALL ON SEQUENCE finops.document_input_seq, finops.document_usage_seq FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.document_input_seq', '');
SELECT pg_catalog.pg_extension_config_dump('finops.document_usage_seq', '');
