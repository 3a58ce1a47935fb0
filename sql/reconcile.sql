-- The control of a billing period, on hand-made facts and entries.
\set VERBOSITY default
\set SHOW_CONTEXT never

-- variance: signed percent of abs(expected), NULL where nothing is expected
SELECT finops.variance_pct(100, 150), finops.variance_pct(150, 100), finops.variance_pct(-110, -100),
	finops.variance_pct(-90, -100), finops.variance_pct(5, 0), finops.variance_pct(0, 0), finops.variance_pct(NULL, 1);
SELECT finops.recon_variance(a, e) FROM (VALUES (100, 150), (50, NULL), (NULL, 50)) AS v(a, e);
SELECT finops.recon_variance(a, e) FROM (VALUES (1, 0)) AS v(a, e);
SELECT finops.recon_variance(1, 1) WHERE false;
-- the aggregate's state is checked, whoever calls its functions
SELECT finops.recon_variance_accum('{1,2,3}', 1, 1);
SELECT finops.recon_variance_accum('{{1,2},{3,4}}', 1, 1);
SELECT finops.recon_variance_combine('{1,NULL}', '{1,2}');
SELECT finops.recon_variance_final('{}');
SELECT finops.recon_variance_combine('{1,2}', '{3,4}'), finops.recon_variance_final('{4,6}');

-- arguments
SELECT finops.reconcile(NULL);
SELECT finops.reconcile('2023-01-15');
SELECT finops.reconcile('9999-01-01');
SELECT finops.reconcile('2023-01-01', 3);
SELECT finops.reconcile('2023-01-01');

-- the bill and the entries of a month; service, tenant or kind, amount
BEGIN;
CREATE FUNCTION pg_temp.facts(period date, lines text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('finops.fact_cost_raw_' || to_char(period, 'YYYY_MM')) IS NULL THEN
		EXECUTE format('CREATE TABLE finops.fact_cost_raw_%s PARTITION OF fact_cost_raw FOR VALUES FROM (%L) TO (%L)',
			to_char(period, 'YYYY_MM'), period, (period + interval '1 month')::date);
	END IF;
	INSERT INTO fact_cost_raw (bill_billing_period_start_date, line_item_usage_start_date, provider, service, charge_category,
		billed_cost, effective_cost, tenant_id, source, delivery_id)
	SELECT period, period + 4, 'AWS', split_part(l, ' ', 1), 'Usage', split_part(l, ' ', 3)::numeric, split_part(l, ' ', 3)::numeric,
		nullif(split_part(l, ' ', 2), '-'), 'test', 1
	FROM regexp_split_to_table(lines, ', ') AS l;
END $$;
CREATE FUNCTION pg_temp.entries(period date, lines text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('finops.fact_cost_allocated_' || to_char(period, 'YYYY_MM')) IS NULL THEN
		EXECUTE format('CREATE TABLE finops.fact_cost_allocated_%s PARTITION OF fact_cost_allocated FOR VALUES FROM (%L) TO (%L)',
			to_char(period, 'YYYY_MM'), period, (period + interval '1 month')::date);
	END IF;
	INSERT INTO fact_cost_allocated (tenant_id, period_start, period_end, service, category, rule_id, rule_version, run_id, kind, origin,
		currency, allocated_cost_usd)
	SELECT CASE WHEN t NOT IN ('overhead', 'unallocated') THEN t END, period, (period + interval '1 month')::date - 1,
		split_part(l, ' ', 1), 'OTHER', CASE WHEN t = 'unallocated' THEN t ELSE 'rule' END, 1, 1,
		CASE WHEN t IN ('overhead', 'unallocated') THEN t ELSE 'direct' END, 'test', 'USD', split_part(l, ' ', 3)::numeric
	FROM regexp_split_to_table(lines, ', ') AS l, split_part(l, ' ', 2) AS t;
	DELETE FROM finops.period_gate WHERE period_start = period;
	INSERT INTO finops.period_gate (period_start, gate, position, status) VALUES (period, 'allocation', 2, 'completed');
END $$;
CREATE VIEW pg_temp.summary AS
SELECT recon_id, service, aws_total_usd AS cost_in, allocated_total_usd AS allocated, operator_overhead_usd AS overhead,
	unallocated_usd AS unallocated, invoiced_total_usd AS invoiced, variance_usd, round(variance_pct, 4) AS variance_pct, status
FROM recon_summary ORDER BY recon_id, service COLLATE "C";
CREATE VIEW pg_temp.exceptions AS
SELECT exception_id, category, service, tenant_id, description, variance_usd, round(variance_pct, 4) AS variance_pct, severity, status
FROM recon_exceptions ORDER BY exception_id;

-- everything placed: variance exactly 0, overhead is no variance
SELECT pg_temp.facts('2023-01-01', 'EC2 a 100.123456789012345678, EC2 - 50, S3 b 200, Support - 10');
SELECT pg_temp.entries('2023-01-01', 'EC2 a 100.123456789012345678, EC2 a 25, EC2 b 25, S3 b 200, Support overhead 10');
SELECT finops.reconcile('2023-01-01');
SELECT * FROM pg_temp.summary;
SELECT * FROM pg_temp.exceptions;
SELECT status, detail FROM finops.period_gate WHERE period_start = '2023-01-01' AND gate = 'reconciliation';
SELECT revision, stage, provisional, cost_basis, currency, status FROM finops.recon_run;

-- 0.5 % of the cost placed by no rule is still ok, 0.6 % a warning, 1 % too, 1.2 % has failed;
-- the services have equal parts of it, so that all are judged alike
CREATE FUNCTION pg_temp.unplaced(period date, pct numeric) RETURNS SETOF pg_temp.summary LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.facts(period, 'EC2 a 3000, S3 b 2000');
	PERFORM pg_temp.facts(period, 'EC2 - 7000, S3 - 8000');
	PERFORM pg_temp.entries(period, format('EC2 a 3000, S3 b 2000, EC2 a %s, S3 b %s, EC2 unallocated %s, S3 unallocated %s',
		7000 - 100 * pct, 8000 - 100 * pct, 100 * pct, 100 * pct));
	PERFORM finops.reconcile(period);
	RETURN QUERY SELECT * FROM pg_temp.summary s WHERE s.recon_id = 'RECON-' || to_char(period, 'YYYY-MM');
END $$;
SELECT * FROM pg_temp.unplaced('2023-02-01', 0.5);
SELECT * FROM pg_temp.unplaced('2023-03-01', 0.6);
SELECT * FROM pg_temp.unplaced('2023-04-01', 1.0);
SELECT * FROM pg_temp.unplaced('2023-05-01', 1.2);
SELECT * FROM pg_temp.exceptions WHERE exception_id LIKE 'RX-202305%';
SELECT period_start, status, detail FROM finops.period_gate WHERE gate = 'reconciliation' AND period_start >= '2023-02-01' ORDER BY 1;

-- three lines of 150 against two entries of 100: a join before the sums says 0 %, true is a third
SELECT pg_temp.facts('2023-06-01', 'EC2 a 50, EC2 a 50, EC2 a 50');
SELECT pg_temp.entries('2023-06-01', 'EC2 a 50, EC2 a 50, EC2 unallocated 50');
SELECT finops.variance_pct(sum(a.allocated_cost_usd) FILTER (WHERE a.tenant_id IS NOT NULL), sum(f.effective_cost)) AS joined_first
FROM fact_cost_raw f JOIN fact_cost_allocated a ON a.service = f.service AND a.period_start = f.bill_billing_period_start_date
WHERE f.bill_billing_period_start_date = '2023-06-01' AND a.kind <> 'unallocated';
SELECT finops.reconcile('2023-06-01');
SELECT * FROM pg_temp.summary WHERE recon_id = 'RECON-2023-06';

-- a service that the bill calls ALL does not collide with the row of the total
SAVEPOINT a;
SELECT pg_temp.facts('2023-06-01', 'ALL - 40');
SELECT pg_temp.entries('2023-06-01', 'ALL unallocated 40');
SELECT finops.reconcile('2023-06-01');
SELECT service, aws_total_usd, status FROM recon_summary WHERE recon_id = 'RECON-2023-06' ORDER BY 1;
SELECT service, variance_usd FROM pg_temp.exceptions WHERE exception_id LIKE 'RX-202306%' AND severity <> 'info' ORDER BY 1;
ROLLBACK TO a;

-- a service with credits above its usage; one where nothing is expected but something is placed;
-- one out of tolerance by percent but below the amount floor
SELECT pg_temp.facts('2023-07-01', 'Credit a 100, Credit a -300, Nothing a 10, Nothing - -10, Small a 9.5, Small - 0.5, Big a 100000');
SELECT pg_temp.entries('2023-07-01', 'Credit a -197, Credit unallocated -3, Nothing a 10, Nothing unallocated -10, Small a 9.5, Small unallocated 0.5, Big a 100000');
SELECT finops.reconcile('2023-07-01');
SELECT * FROM pg_temp.summary WHERE recon_id = 'RECON-2023-07';
SELECT service, variance_usd, round(variance_pct, 4) AS variance_pct, status FROM finops.recon_detail WHERE recon_id = 'RECON-2023-07' ORDER BY service;
SELECT * FROM pg_temp.exceptions WHERE exception_id LIKE 'RX-202307%';
-- with a floor of 0.50 the small one is out of tolerance; a stricter policy of the user comes before ours
SET LOCAL finops.recon_amount_floor = '0.50';
INSERT INTO finops.recon_policy (stage, policy_version, warning_pct, failed_pct, effective_from) VALUES ('allocation', 'mine', 0.1, 10, '2023-07-01');
SELECT finops.reconcile('2023-07-01');
SELECT service, status FROM pg_temp.summary WHERE recon_id = 'RECON-2023-07';
SELECT revision, evidence #> '{policy,allocation}' AS policy, evidence -> 'amount_floor' AS floor FROM finops.recon_run WHERE recon_id = 'RECON-2023-07';
RESET finops.recon_amount_floor;

-- entries that do not add up are an error, and the run before them stays
SAVEPOINT a;
SELECT pg_temp.entries('2023-01-01', 'S3 b 1.50');
SELECT finops.reconcile('2023-01-01');
ROLLBACK TO a;
SELECT count(*) FROM pg_temp.summary WHERE recon_id = 'RECON-2023-01';

-- documents: invoiced at cost against allocated, per tenant
INSERT INTO tenant_master (tenant_id, tenant_name, billing_mode) VALUES ('a', 'Tenant A', 'invoice'), ('b', 'Tenant B', 'invoice'), ('c', 'Tenant C', 'showback');
SELECT pg_temp.facts('2023-08-01', 'EC2 a 1000, EC2 b 2000, S3 c 500');
SELECT pg_temp.entries('2023-08-01', 'EC2 a 1000, EC2 b 2000, S3 c 500');
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end) VALUES ('INV-A', 'a', '2023-08-01', '2023-08-31');
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service, description, quantity, unit, unit_price, unit_price_usd,
	amount, amount_usd, tax_rate, cost, cost_currency, cost_usd)
VALUES ('INV-A', 1, 'a', '2023-08-01', 'allocation', 'EC2', 'EC2', 1, 'month', 1010, 1010, 1010, 1010, 0, 994, 'USD', 994),
	('INV-A', 2, 'a', '2023-08-01', 'subscription', NULL, 'plan', 1, 'month', 99, 99, 99, 99, 0, NULL, NULL, NULL);
SELECT finops.reconcile('2023-08-01');
SELECT * FROM pg_temp.summary WHERE recon_id = 'RECON-2023-08';
SELECT * FROM pg_temp.exceptions WHERE exception_id LIKE 'RX-202308%';
SELECT stage, invoiced_total_usd, not_yet_invoiced_usd, status, detail FROM finops.recon_run WHERE recon_id = 'RECON-2023-08';
-- a credit note takes back what it credits
INSERT INTO invoice_header (invoice_id, tenant_id, period_start, period_end, kind, original_invoice_id) VALUES ('CN-A', 'a', '2023-08-01', '2023-08-31', 'credit_note', 'INV-A');
INSERT INTO invoice_detail (invoice_id, line_no, tenant_id, period_start, line_type, service, description, quantity, unit, unit_price, unit_price_usd,
	amount, amount_usd, tax_rate, cost, cost_currency, cost_usd)
VALUES ('CN-A', 1, 'a', '2023-08-01', 'credit', 'EC2', 'EC2', -1, 'month', 100, 100, -100, -100, 0, -94, 'USD', -94);
SELECT finops.reconcile('2023-08-01');
SELECT * FROM pg_temp.exceptions WHERE exception_id LIKE 'RX-202308%';
-- a control of bill and allocation only does not look at documents
SELECT finops.reconcile('2023-08-01', 2);
SELECT stage, status FROM finops.recon_run WHERE recon_id = 'RECON-2023-08';

-- resolving: with evidence only, by function or by the UPDATE of a runbook
SAVEPOINT a;
SELECT finops.resolve_recon(NULL);
ROLLBACK TO a;
SELECT finops.resolve_recon('RECON-1999-01');
ROLLBACK TO a;
SELECT finops.resolve_recon('RECON-2023-05', 'Lambda');
ROLLBACK TO a;
SELECT finops.resolve_recon('RECON-2023-05');
ROLLBACK TO a;
UPDATE recon_summary SET status = 'resolved' WHERE recon_id = 'RECON-2023-05';
ROLLBACK TO a;
UPDATE recon_summary SET status = 'ok' WHERE recon_id = 'RECON-2023-05';
ROLLBACK TO a;
UPDATE recon_summary SET variance_usd = 0 WHERE recon_id = 'RECON-2023-05';
ROLLBACK TO a;
UPDATE recon_summary SET resolved_by = 'somebody else' WHERE recon_id = 'RECON-2023-05';
ROLLBACK TO a;
UPDATE recon_exceptions SET variance_usd = 0 WHERE recon_id = 'RECON-2023-05';
ROLLBACK TO a;
SELECT finops.resolve_exception('RX-202305-0001', 'late tags', '', 'cfo');
ROLLBACK TO a;
SELECT finops.resolve_exception('RX-202305-0099', 'late tags', 'JE-7', 'cfo');
ROLLBACK TO a;
SELECT finops.resolve_exception('RX-202305-0001', 'late tags', 'JE-7', 'cfo');
SELECT finops.resolve_recon('RECON-2023-05', 'EC2', 'one of two');
SAVEPOINT a;
SELECT finops.resolve_recon('RECON-2023-05');
ROLLBACK TO a;
SELECT finops.resolve_exception('RX-202305-0002', 'late tags', 'JE-7', 'cfo');
UPDATE recon_summary SET status = 'resolved' WHERE recon_id = 'RECON-2023-05';
SELECT service, status, resolved_by = current_user AS by_me, note FROM recon_summary WHERE recon_id = 'RECON-2023-05' ORDER BY service COLLATE "C";
SELECT status FROM finops.period_gate WHERE period_start = '2023-05-01' AND gate = 'reconciliation';
-- the same amounts again stay resolved, other amounts do not
SELECT finops.reconcile('2023-05-01');
SELECT service, status, note FROM recon_summary WHERE recon_id = 'RECON-2023-05' ORDER BY service COLLATE "C";
SELECT relation, count(*) FROM finops.recon_history WHERE recon_id = 'RECON-2023-05' GROUP BY 1 ORDER BY 1;
SELECT pg_temp.facts('2023-05-01', 'EC2 - 1');
SELECT pg_temp.entries('2023-05-01', 'EC2 unallocated 1');
SELECT finops.reconcile('2023-05-01');
SELECT service, status, variance_usd FROM recon_summary WHERE recon_id = 'RECON-2023-05' ORDER BY service COLLATE "C";
SELECT action, object_type, metadata FROM audit_event WHERE object_id IN ('RECON-2023-05', 'RX-202305-0001') ORDER BY occurred_at;
ROLLBACK;
