-- topic tax: rates by jurisdiction, kind of supply and day; how a tenant is taxed

CREATE TABLE finops.tax_rate (
	jurisdiction text NOT NULL,
	tax_code text NOT NULL DEFAULT 'standard',
	name text NOT NULL DEFAULT 'VAT',
	valid_from date NOT NULL,
	rate_pct numeric NOT NULL,
	compound boolean NOT NULL DEFAULT false,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT tax_rate_pkey PRIMARY KEY (jurisdiction, tax_code, name, valid_from),
	CONSTRAINT tax_rate_text_check CHECK (pg_catalog.btrim(jurisdiction) OPERATOR(pg_catalog.<>) '' AND pg_catalog.btrim(tax_code) OPERATOR(pg_catalog.<>) '' AND pg_catalog.btrim(name) OPERATOR(pg_catalog.<>) ''),
	CONSTRAINT tax_rate_day_check CHECK (pg_catalog.isfinite(valid_from)),
	CONSTRAINT tax_rate_pct_check CHECK (rate_pct OPERATOR(pg_catalog.>=) 0 AND rate_pct OPERATOR(pg_catalog.<=) 100 AND pg_catalog.scale(pg_catalog.trim_scale(rate_pct)) OPERATOR(pg_catalog.<=) 6)
);
COMMENT ON TABLE finops.tax_rate IS 'tax rates of jurisdictions by kind of supply (tax_code); of each name the row with the latest valid_from on or before the tax point holds (finops.set_tax_rate)';
COMMENT ON COLUMN finops.tax_rate.jurisdiction IS 'as tax_profile.jurisdiction of the tenants names it, such as DE or CA-QC';
COMMENT ON COLUMN finops.tax_rate.tax_code IS 'kind of supply: standard, reduced or any other name (finops.set_tax_code)';
COMMENT ON COLUMN finops.tax_rate.name IS 'which tax, where a jurisdiction has several, such as GST and QST';
COMMENT ON COLUMN finops.tax_rate.compound IS 'computed on the net amount with the other taxes';

CREATE TABLE finops.tax_code (
	line_type text NOT NULL,
	service text NOT NULL DEFAULT '',
	tax_code text NOT NULL,
	CONSTRAINT tax_code_pkey PRIMARY KEY (line_type, service),
	CONSTRAINT tax_code_text_check CHECK (pg_catalog.btrim(line_type) OPERATOR(pg_catalog.<>) '' AND pg_catalog.btrim(tax_code) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.tax_code IS 'kind of supply of lines that are not taxed at the standard rate (finops.set_tax_code)';
COMMENT ON COLUMN finops.tax_code.service IS 'empty: all lines of the type that no other row names';

CREATE FUNCTION finops.set_tax_rate(jurisdiction text, rate_pct numeric, valid_from date, tax_code text DEFAULT 'standard',
	name text DEFAULT 'VAT', compound boolean DEFAULT false)
RETURNS SETOF finops.tax_rate
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_tax_rate';
COMMENT ON FUNCTION finops.set_tax_rate(text, numeric, date, text, text, boolean) IS 'tax rate in percent of a jurisdiction from a day on; several names are several taxes on the same line, a compound one on top of the others';
REVOKE ALL ON FUNCTION finops.set_tax_rate(text, numeric, date, text, text, boolean) FROM PUBLIC;

CREATE FUNCTION finops.set_tax_code(line_type text, tax_code text, service text DEFAULT NULL)
RETURNS SETOF finops.tax_code
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'finops_set_tax_code';
COMMENT ON FUNCTION finops.set_tax_code(text, text, text) IS 'kind of supply of the lines of a type, or of one service among them, such as reduced; standard takes it back';
REVOKE ALL ON FUNCTION finops.set_tax_code(text, text, text) FROM PUBLIC;

CREATE FUNCTION finops.tax_of(tax_profile jsonb, day date, tax_code text DEFAULT 'standard')
RETURNS TABLE (category text, rate numeric, parts jsonb, inclusive boolean, reason_code text, reason text, missing text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, finops, pg_temp
AS $$
	WITH profile AS (
		SELECT coalesce(p -> 'inclusive' = 'true', false) AS inclusive, nullif(p ->> 'reason', '') AS reason,
			nullif(p ->> 'reason_code', '') AS reason_code, nullif(p ->> 'jurisdiction', '') AS jurisdiction,
			CASE WHEN p -> 'category' IS NOT NULL THEN p ->> 'category' WHEN p -> 'exempt' = 'true' THEN 'E' END AS declared,
			CASE WHEN jsonb_typeof(p -> 'rate_pct') = 'number' THEN (p -> 'rate_pct')::numeric END AS rate_pct
		FROM (SELECT coalesce($1, '{}') AS p) x
	), found AS (
		SELECT DISTINCT ON (r.name) r.name, r.rate_pct, r.compound
		FROM profile p JOIN finops.tax_rate r ON r.jurisdiction = p.jurisdiction AND r.tax_code = $3 AND r.valid_from <= $2
		ORDER BY r.name, r.valid_from DESC
	), rates AS (
		SELECT count(*) AS found, coalesce(sum(f.rate_pct) FILTER (WHERE NOT f.compound), 0) * 0.01 AS plain,
			coalesce(sum(f.rate_pct) FILTER (WHERE f.compound), 0) * 0.01 AS compound,
			jsonb_agg(jsonb_build_object('name', f.name, 'rate', f.rate_pct * 0.01, 'compound', f.compound)
				ORDER BY f.compound, f.name COLLATE "C") FILTER (WHERE f.rate_pct > 0) AS parts
		FROM found f
	), rated AS (
		SELECT p.*, r.parts, r.found,
			CASE WHEN p.declared IS NOT NULL AND p.declared <> 'S' THEN 0
				WHEN p.rate_pct IS NOT NULL AND ($3 = 'standard' OR r.found = 0) THEN p.rate_pct * 0.01
				WHEN r.found > 0 THEN r.plain + r.compound * (1 + r.plain) END AS rate
		FROM profile p CROSS JOIN rates r
	), judged AS (
		SELECT r.*, coalesce(nullif(r.declared, 'S'), CASE WHEN r.rate > 0 THEN 'S' WHEN r.rate = 0 THEN 'Z' END) AS category FROM rated r
	)
	SELECT j.category, trim_scale(j.rate),
		CASE WHEN jsonb_array_length(j.parts) > 1 AND j.category = 'S' AND (j.rate_pct IS NULL OR $3 <> 'standard') THEN j.parts END,
		j.inclusive,
		CASE WHEN j.category IN ('S', 'Z') THEN NULL
			ELSE coalesce(j.reason_code, CASE j.category WHEN 'AE' THEN 'VATEX-EU-AE' WHEN 'K' THEN 'VATEX-EU-IC' WHEN 'G' THEN 'VATEX-EU-G' WHEN 'O' THEN 'VATEX-EU-O' END) END,
		CASE WHEN j.category IN ('S', 'Z') THEN NULL
			ELSE coalesce(j.reason, CASE j.category WHEN 'AE' THEN 'Reverse charge' WHEN 'K' THEN 'Intra-Community supply'
				WHEN 'G' THEN 'Export outside the EU' WHEN 'O' THEN 'Not subject to VAT' ELSE 'Exempt from tax' END) END,
		CASE WHEN j.rate IS NULL AND j.jurisdiction IS NOT NULL THEN format('tax rate of %s, %s, on %s', j.jurisdiction, $3, to_char($2, 'YYYY-MM-DD'))
			WHEN j.rate IS NULL THEN 'tax_profile.rate_pct, jurisdiction, category or exempt'
			WHEN j.declared = 'S' AND j.rate = 0 THEN 'tax_profile.rate_pct above 0 for category S' END
	FROM judged j
$$;
COMMENT ON FUNCTION finops.tax_of(jsonb, date, text) IS 'how a tenant with this tax profile is taxed on a day: EN 16931 category, rate as a ratio, its parts where there are several, reason of an exemption, and what is missing to tell';
REVOKE ALL ON FUNCTION finops.tax_of(jsonb, date, text) FROM PUBLIC;

REVOKE ALL ON finops.tax_rate, finops.tax_code FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.tax_rate', '');
SELECT pg_catalog.pg_extension_config_dump('finops.tax_code', '');
