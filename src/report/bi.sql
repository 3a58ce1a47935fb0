-- topic bi: star views for BI tools
--
-- Facts are the daily roll-up, the allocation and the documents.  Dimensions
-- are made from the same rows, so that an inner join of every key loses
-- nothing.  No key is NULL: what is missing has the key '', a key of two texts
-- differs for every two pairs.  Amounts add up within one currency_key only.

CREATE FUNCTION finops.bi_key(provider text, name text) RETURNS text
AS 'MODULE_PATHNAME', 'finops_bi_key'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION finops.bi_key(text, text) IS 'the key of what is named within a provider: provider/name, with % and / of the provider written as %25 and %2F; a name of NULL is none';

CREATE VIEW @extschema@.bi_fact_cost_day WITH (security_invoker = true) AS
SELECT k.billing_period, k.date_key, k.provider_key, k.account_key, k.service_key, k.region_key, k.tenant_key, k.charge_category_key, k.currency_key,
	pg_catalog.sum(k.billed_cost) AS billed_cost, pg_catalog.sum(k.effective_cost) AS effective_cost,
	pg_catalog.sum(k.list_cost) AS list_cost, pg_catalog.sum(k.line_items)::bigint AS line_items
FROM (
	SELECT d.billing_period, d.usage_date AS date_key, d.provider AS provider_key, finops.bi_key(d.provider, d.account_id) AS account_key,
		finops.bi_key(d.provider, d.service) AS service_key, COALESCE(d.region, '') AS region_key, COALESCE(d.tenant_id, '') AS tenant_key,
		d.charge_category AS charge_category_key, d.currency AS currency_key, d.billed_cost, d.effective_cost, d.list_cost, d.line_items
	FROM finops.cost_daily d
) k
GROUP BY k.billing_period, k.date_key, k.provider_key, k.account_key, k.service_key, k.region_key, k.tenant_key, k.charge_category_key, k.currency_key;
COMMENT ON VIEW @extschema@.bi_fact_cost_day IS 'fact: cost as billed. Grain: one row per billing period, day, provider, account, service, region, tenant, charge category and currency';

CREATE VIEW @extschema@.bi_fact_cost_month WITH (security_invoker = true) AS
SELECT k.billing_period, k.provider_key, k.account_key, k.service_key, k.region_key, k.tenant_key, k.charge_category_key, k.currency_key,
	pg_catalog.sum(k.billed_cost) AS billed_cost, pg_catalog.sum(k.effective_cost) AS effective_cost,
	pg_catalog.sum(k.list_cost) AS list_cost, pg_catalog.sum(k.line_items)::bigint AS line_items
FROM (
	SELECT d.billing_period, d.provider AS provider_key, finops.bi_key(d.provider, d.account_id) AS account_key,
		finops.bi_key(d.provider, d.service) AS service_key, COALESCE(d.region, '') AS region_key, COALESCE(d.tenant_id, '') AS tenant_key,
		d.charge_category AS charge_category_key, d.currency AS currency_key, d.billed_cost, d.effective_cost, d.list_cost, d.line_items
	FROM finops.cost_daily d
) k
GROUP BY k.billing_period, k.provider_key, k.account_key, k.service_key, k.region_key, k.tenant_key, k.charge_category_key, k.currency_key;
COMMENT ON VIEW @extschema@.bi_fact_cost_month IS 'fact: cost as billed. Grain: one row per billing period, provider, account, service, region, tenant, charge category and currency';

CREATE VIEW @extschema@.bi_fact_allocation_month WITH (security_invoker = true) AS
SELECT k.billing_period, k.tenant_key, k.allocation_kind, k.service, k.currency_key, pg_catalog.sum(k.amount) AS allocated_cost
FROM (
	SELECT a.period_start AS billing_period, COALESCE(a.tenant_id, '') AS tenant_key, a.kind AS allocation_kind, a.service,
		a.currency AS currency_key, a.amount
	FROM finops.allocation_current a
) k
GROUP BY k.billing_period, k.tenant_key, k.allocation_kind, k.service, k.currency_key;
COMMENT ON VIEW @extschema@.bi_fact_allocation_month IS 'fact: cost as allocated; of an allocated month its total is that of bi_fact_cost_month on the cost basis of the month. Grain: one row per billing period, tenant, kind of entry, service and currency';

CREATE VIEW @extschema@.bi_fact_invoice WITH (security_invoker = true) AS
SELECT i.invoice_id, i.invoice_number, i.period_start AS billing_period, (pg_catalog.timezone('UTC', i.issued_at))::date AS date_key,
	i.tenant_id AS tenant_key, i.currency AS currency_key, i.kind, i.status, i.subtotal, i.tax, i.total, b.open_amount
FROM @extschema@.invoice_header i
LEFT JOIN finops.invoice_balance b ON b.invoice_id OPERATOR(pg_catalog.=) i.invoice_id;
COMMENT ON VIEW @extschema@.bi_fact_invoice IS 'fact: documents. Grain: one row per invoice or credit note, void ones too; amounts of credit notes are negative';

CREATE VIEW @extschema@.bi_dim_date WITH (security_invoker = true) AS
SELECT d.day AS date_key, pg_catalog.date_part('year', d.day)::integer AS year, pg_catalog.date_part('quarter', d.day)::integer AS quarter,
	pg_catalog.date_part('month', d.day)::integer AS month, pg_catalog.date_trunc('month', d.day::timestamp)::date AS month_start,
	pg_catalog.to_char(d.day::timestamp, 'YYYY-MM') AS year_month, pg_catalog.date_part('day', d.day)::integer AS day_of_month,
	pg_catalog.date_part('isoyear', d.day)::integer AS iso_year, pg_catalog.date_part('week', d.day)::integer AS iso_week,
	pg_catalog.date_part('isodow', d.day)::integer AS day_of_week, pg_catalog.to_char(d.day::timestamp, 'FMDay') AS day_name,
	pg_catalog.date_part('isodow', d.day) OPERATOR(pg_catalog.>=) 6 AS is_weekend
FROM (
	SELECT c.usage_date AS day FROM finops.cost_daily c
	UNION
	SELECT g.day::date
	FROM (SELECT DISTINCT c.billing_period FROM finops.cost_daily c) p,
		pg_catalog.generate_series(p.billing_period::timestamp, p.billing_period::timestamp OPERATOR(pg_catalog.+) interval '1 month' OPERATOR(pg_catalog.-) interval '1 day', interval '1 day') AS g(day)
	UNION
	SELECT (pg_catalog.timezone('UTC', i.issued_at))::date FROM @extschema@.invoice_header i WHERE i.issued_at IS NOT NULL
) d;
COMMENT ON VIEW @extschema@.bi_dim_date IS 'dimension: every day of every billing period, every other day that has cost, and the days on which documents were issued';

CREATE VIEW @extschema@.bi_dim_billing_period WITH (security_invoker = true) AS
SELECT p.billing_period, (p.billing_period::timestamp OPERATOR(pg_catalog.+) interval '1 month' OPERATOR(pg_catalog.-) interval '1 day')::date AS last_day,
	pg_catalog.to_char(p.billing_period::timestamp, 'YYYY-MM') AS year_month, COALESCE(l.state, 'OPEN') AS state, l.locked_at
FROM (
	SELECT c.billing_period FROM finops.cost_daily c
	UNION
	SELECT o.period_start FROM @extschema@.period_lock o
	UNION
	SELECT i.period_start FROM @extschema@.invoice_header i
) p
LEFT JOIN @extschema@.period_lock l ON l.period_start OPERATOR(pg_catalog.=) p.billing_period;
COMMENT ON VIEW @extschema@.bi_dim_billing_period IS 'dimension: billing periods that have cost or documents, or were opened';

CREATE VIEW @extschema@.bi_dim_provider WITH (security_invoker = true) AS
SELECT DISTINCT c.provider AS provider_key, c.provider AS provider_name
FROM finops.cost_daily c;
COMMENT ON VIEW @extschema@.bi_dim_provider IS 'dimension: providers';

CREATE VIEW @extschema@.bi_dim_account WITH (security_invoker = true) AS
SELECT finops.bi_key(a.provider, a.account) AS account_key, a.provider AS provider_key, NULLIF(a.account, '') AS account_id,
	COALESCE(NULLIF(a.account, ''), '(none)') AS account_name
FROM (SELECT DISTINCT c.provider, COALESCE(c.account_id, '') AS account FROM finops.cost_daily c) a;
COMMENT ON VIEW @extschema@.bi_dim_account IS 'dimension: the accounts that caused cost, within their providers';

CREATE VIEW @extschema@.bi_dim_service WITH (security_invoker = true) AS
SELECT finops.bi_key(s.provider, s.service) AS service_key, s.provider AS provider_key, s.service, COALESCE(k.service_name, s.service) AS service_name,
	COALESCE(k.service_category, 'Other') AS service_category, COALESCE(k.service_subcategory, 'Other (Other)') AS service_subcategory
FROM (SELECT DISTINCT c.provider, c.service FROM finops.cost_daily c) s
LEFT JOIN (
	SELECT DISTINCT ON (c.provider, c.service) c.provider, c.service, c.service_name, c.service_category, c.service_subcategory
	FROM finops.service_catalog c
	ORDER BY c.provider, c.service, c.shipped
) k ON k.provider OPERATOR(pg_catalog.=) s.provider AND k.service OPERATOR(pg_catalog.=) s.service;
COMMENT ON VIEW @extschema@.bi_dim_service IS 'dimension: services within their providers, with the categories of FOCUS from finops.service_catalog';

CREATE VIEW @extschema@.bi_dim_region WITH (security_invoker = true) AS
SELECT r.region AS region_key, COALESCE(NULLIF(r.region, ''), '(none)') AS region_name
FROM (SELECT DISTINCT COALESCE(c.region, '') AS region FROM finops.cost_daily c) r;
COMMENT ON VIEW @extschema@.bi_dim_region IS 'dimension: regions';

CREATE VIEW @extschema@.bi_dim_tenant WITH (security_invoker = true) AS
SELECT k.tenant AS tenant_key, NULLIF(k.tenant, '') AS tenant_id, COALESCE(t.tenant_name, NULLIF(k.tenant, ''), '(none)') AS tenant_name,
	t.status, t.billing_mode, t.currency, t.tenant_id IS NOT NULL AS is_registered
FROM (
	SELECT COALESCE(c.tenant_id, '') AS tenant FROM finops.cost_daily c
	UNION
	SELECT COALESCE(a.tenant_id, '') FROM finops.allocation_current a
	UNION
	SELECT m.tenant_id FROM @extschema@.tenant_master m
) k
LEFT JOIN @extschema@.tenant_master t ON t.tenant_id OPERATOR(pg_catalog.=) k.tenant;
COMMENT ON VIEW @extschema@.bi_dim_tenant IS 'dimension: registered tenants, other values of the tenant tag that have cost, and cost without a tenant (key empty)';

CREATE VIEW @extschema@.bi_dim_charge_category WITH (security_invoker = true) AS
SELECT c.charge_category AS charge_category_key, c.charge_category AS charge_category_name
FROM finops.cost_daily c
UNION
SELECT v.name, v.name FROM (VALUES ('Usage'), ('Purchase'), ('Tax'), ('Credit'), ('Adjustment')) AS v(name);
COMMENT ON VIEW @extschema@.bi_dim_charge_category IS 'dimension: charge categories of FOCUS';

CREATE VIEW @extschema@.bi_dim_currency WITH (security_invoker = true) AS
SELECT k.currency AS currency_key, c.minor_unit
FROM (
	SELECT d.currency FROM finops.cost_daily d
	UNION
	SELECT a.currency FROM @extschema@.fact_cost_allocated a
	UNION
	SELECT i.currency FROM @extschema@.invoice_header i
) k
LEFT JOIN (
	SELECT DISTINCT ON (u.code) u.code, u.minor_unit FROM finops.currency u ORDER BY u.code, u.shipped
) c ON c.code OPERATOR(pg_catalog.=) k.currency;
COMMENT ON VIEW @extschema@.bi_dim_currency IS 'dimension: currencies of cost and of documents';

REVOKE ALL ON @extschema@.bi_fact_cost_day, @extschema@.bi_fact_cost_month, @extschema@.bi_fact_allocation_month, @extschema@.bi_fact_invoice,
	@extschema@.bi_dim_date, @extschema@.bi_dim_billing_period, @extschema@.bi_dim_provider, @extschema@.bi_dim_account, @extschema@.bi_dim_service,
	@extschema@.bi_dim_region, @extschema@.bi_dim_tenant, @extschema@.bi_dim_charge_category, @extschema@.bi_dim_currency FROM PUBLIC;
