-- room report: FOCUS as lines of CSV

CREATE FUNCTION finops.csv_field(value text) RETURNS text
AS 'MODULE_PATHNAME', 'finops_csv_field'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.csv_field(text) IS 'a value as a field of CSV by RFC 4180: in quotes where it holds a comma, a quote or a line break, or is empty; nothing for NULL';

CREATE FUNCTION finops.require_period(period date) RETURNS void
AS 'MODULE_PATHNAME', 'finops_require_period'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.require_period(date) IS 'refuses what is no billing period that has begun';

CREATE FUNCTION finops.export_focus(period date, version text DEFAULT '1.2', dataset text DEFAULT 'CostAndUsage', allocated boolean DEFAULT true)
RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 100000
SET search_path = pg_catalog, finops, pg_temp
AS $$
DECLARE
	source text;
	wanted text[];
	fields text;
	header text;
BEGIN
	PERFORM finops.require_feature('data_export');
	PERFORM finops.require_period(period);
	source := CASE
		WHEN dataset = 'CostAndUsage' AND version = '1.2' THEN 'finops.focus_line'
		WHEN dataset = 'CostAndUsage' AND version IN ('1.3', '1.4') THEN CASE WHEN allocated THEN 'finops.focus_line_allocated' ELSE 'finops.focus_line' END
		WHEN dataset = 'ContractCommitment' AND version IN ('1.3', '1.4') THEN 'finops.focus_contract_commitment'
		WHEN dataset = 'InvoiceDetail' AND version = '1.4' THEN 'finops.focus_invoice_detail'
		WHEN dataset = 'BillingPeriod' AND version = '1.4' THEN 'finops.focus_billing_period'
	END;
	IF source IS NULL THEN
		RAISE EXCEPTION 'no dataset "%" in FOCUS "%"', left(dataset, 60), left(version, 60)
			USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'Datasets are CostAndUsage of 1.2 to 1.4, ContractCommitment of 1.3 and 1.4, InvoiceDetail and BillingPeriod of 1.4.',
			HINT = format('Run SELECT finops.export_focus(%L, ''1.2'', ''CostAndUsage'').', period);
	END IF;

	-- columns in the order of their names, times in UTC
	SELECT array_agg(DISTINCT r.parameter COLLATE "C") INTO wanted
	FROM finops.focus_rules_of(version, dataset) r WHERE r.kind = 'present';
	SELECT string_agg(w.name, ',' ORDER BY w.name COLLATE "C"),
		string_agg(CASE c.type
			WHEN 'time' THEN format($f$to_char(l.%I AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')$f$, w.name)
			WHEN 'number' THEN format('trim_scale(l.%I)::text', w.name)
			ELSE CASE WHEN c.name IS NULL THEN 'NULL' ELSE format('finops.csv_field(l.%I::text)', w.name) END
		END, $f$, '')||','||coalesce($f$ ORDER BY w.name COLLATE "C")
	INTO header, fields
	FROM unnest(wanted) w(name)
	LEFT JOIN finops.focus_columns_of(source::regclass) c ON c.name = w.name;

	RETURN NEXT header;
	RETURN QUERY EXECUTE format('SELECT coalesce(%s, '''') FROM %s l WHERE %s', fields, source, CASE
			WHEN dataset = 'CostAndUsage' THEN 'l.billing_period = $1'
			WHEN dataset = 'ContractCommitment' THEN 'l."ContractCommitmentPeriodStart" < timezone(''UTC'', $1 + interval ''1 month'') AND l."ContractCommitmentPeriodEnd" > timezone(''UTC'', $1::timestamp)'
			ELSE 'l."BillingPeriodStart" = timezone(''UTC'', $1::timestamp)'
		END) USING period;
END
$$;
COMMENT ON FUNCTION finops.export_focus(date, text, text, boolean) IS 'one month of a dataset of FOCUS 1.2, 1.3 or 1.4 as lines of CSV (RFC 4180) with a header; allocated: from 1.3 on, shared cost is split over tenants';
REVOKE ALL ON FUNCTION finops.export_focus(date, text, text, boolean) FROM PUBLIC;
