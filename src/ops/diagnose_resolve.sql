-- room ops: the calls that put findings right, where no other room has them

CREATE FUNCTION finops.reprocess_period(period date)
RETURNS TABLE (step text, result text)
LANGUAGE c VOLATILE ROWS 4
AS 'MODULE_PATHNAME', 'finops_reprocess_period';
COMMENT ON FUNCTION finops.reprocess_period(date) IS 'does a month that is open again, as far as it had come: tags (with those the registry knows), allocation, open documents, reconciliation';

CREATE FUNCTION finops.reingest(delivery_id bigint)
RETURNS TABLE (run_id bigint, delivery_id bigint, billing_period date, status text, rows_loaded bigint, rows_rejected bigint, billed_cost numeric, effective_cost numeric)
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_reingest';
COMMENT ON FUNCTION finops.reingest(bigint) IS 'loads a delivery again from its address, also where the bill has not changed, and does its month again where that was allocated; the caller needs the right to read it';

CREATE FUNCTION finops.place_unallocated(period date, service text DEFAULT NULL)
RETURNS TABLE (step text, result text)
LANGUAGE c VOLATILE ROWS 4
AS 'MODULE_PATHNAME', 'finops_place_unallocated';
COMMENT ON FUNCTION finops.place_unallocated(date, text) IS 'adds a rule of the last priority, for this month and service (NULL: every one), that spreads cost without an owner by direct cost, and does the month again';

CREATE FUNCTION finops.accept_recon(recon_id text, cause text, approver text)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_accept_recon';
COMMENT ON FUNCTION finops.accept_recon(text, text, text) IS 'gives every open exception of a reconciliation this cause and approver, and resolves it; returns the status of the gate';

CREATE FUNCTION finops.emit_invoices(period date, tenant_id text DEFAULT NULL, fix text DEFAULT NULL)
RETURNS TABLE (step text, result text)
LANGUAGE c VOLATILE ROWS 4
AS 'MODULE_PATHNAME', 'finops_emit_invoices';
COMMENT ON FUNCTION finops.emit_invoices(date, text, text) IS 'computes the documents of a month, of one tenant or all, reconciles, and issues them where the month has ended and its reconciliation is ok or resolved; fix is a query that is run before, as the caller';

CREATE FUNCTION finops.settle_invoice(invoice_id text)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_settle_invoice';
COMMENT ON FUNCTION finops.settle_invoice(text) IS 'makes the status of an issued invoice what its payments say, paid or issued, and returns it';

CREATE FUNCTION finops.tell_quota(tenant_id text, metric_code text, period date)
RETURNS text
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_tell_quota';
COMMENT ON FUNCTION finops.tell_quota(text, text, date) IS 'a cap that is reached: buys top-ups where the plan and the tenant agreed to it, computes the month''s usage anew, and sends the tenant a notice where the cap is still reached';

CREATE FUNCTION finops.refresh_views()
RETURNS TABLE (view_name text, seconds numeric)
LANGUAGE c VOLATILE ROWS 5
AS 'MODULE_PATHNAME', 'finops_refresh_views';
COMMENT ON FUNCTION finops.refresh_views() IS 'refreshes every materialized view that reads a relation of finops, as the caller, and notes when';

CREATE TABLE finops.view_refresh (
	view_name text NOT NULL,
	refreshed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	refreshed_by text NOT NULL,
	CONSTRAINT view_refresh_pkey PRIMARY KEY (view_name)
);
COMMENT ON TABLE finops.view_refresh IS 'when finops.refresh_views() last refreshed each materialized view';

REVOKE ALL ON finops.view_refresh FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.reprocess_period(date), finops.reingest(bigint), finops.place_unallocated(date, text),
	finops.accept_recon(text, text, text), finops.emit_invoices(date, text, text), finops.settle_invoice(text),
	finops.tell_quota(text, text, date), finops.refresh_views() FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.view_refresh', '');
