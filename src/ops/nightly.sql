-- room ops: what jobs call that no other room has; bills to load, forecasts, retention

-- bills

CREATE TABLE finops.bill_source (
	address text NOT NULL,
	format text NOT NULL DEFAULT 'auto',
	source_id text,
	enabled boolean NOT NULL DEFAULT true,
	CONSTRAINT bill_source_pkey PRIMARY KEY (address),
	CONSTRAINT bill_source_address_check CHECK (pg_catalog.btrim(address) OPERATOR(pg_catalog.<>) '')
);
COMMENT ON TABLE finops.bill_source IS 'bills that the job ingest loads: files, prefixes and manifests; what has not changed costs a look only';
COMMENT ON COLUMN finops.bill_source.address IS 'as for finops.load_bill';
COMMENT ON COLUMN finops.bill_source.source_id IS 'as for finops.load_bill; NULL: from the bill';

CREATE FUNCTION finops.bill_sources()
RETURNS TABLE (address_of text, format_of text, source_id_of text)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_bill_sources';
COMMENT ON FUNCTION finops.bill_sources() IS 'part of finops.ingest_bills: what to load';

CREATE FUNCTION finops.ingest_bills()
RETURNS TABLE (address text, billing_period date, status text, rows_loaded bigint, rows_rejected bigint, error text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bill record;
BEGIN
	FOR bill IN SELECT * FROM finops.bill_sources() LOOP
		BEGIN
			RETURN QUERY SELECT bill.address_of, l.billing_period, l.status, l.rows_loaded, l.rows_rejected, NULL::text
			FROM finops.load_bill(bill.address_of, bill.format_of, NULL, bill.source_id_of) AS l;
		EXCEPTION WHEN OTHERS THEN
			RETURN QUERY SELECT bill.address_of, NULL::date, 'failed', NULL::bigint, NULL::bigint, SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION finops.ingest_bills() IS 'loads every bill of finops.bill_source; one that fails stops no other';

-- forecasts

CREATE TABLE forecast.cost_outlook (
	dimension text NOT NULL,
	key text NOT NULL,
	currency text NOT NULL,
	day date NOT NULL,
	mean float8 NOT NULL,
	lower_80 float8,
	upper_80 float8,
	lower_95 float8,
	upper_95 float8,
	model text,
	made_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT cost_outlook_pkey PRIMARY KEY (dimension, key, currency, day),
	CONSTRAINT cost_outlook_dimension_check CHECK (dimension OPERATOR(pg_catalog.=) ANY (ARRAY['account', 'service', 'tenant', 'total']))
);
COMMENT ON TABLE forecast.cost_outlook IS 'the last nightly forecast of effective usage cost by day: in all, by service, by account and by tenant';
COMMENT ON COLUMN forecast.cost_outlook.key IS 'service, account_id or tenant_id; empty for the total';

CREATE FUNCTION finops.refresh_outlook(as_of date DEFAULT CURRENT_DATE, horizon integer DEFAULT 92, max_series integer DEFAULT 1000)
RETURNS TABLE (dimension text, series bigint, days bigint)
LANGUAGE c VOLATILE COST 1000000 ROWS 4
AS 'MODULE_PATHNAME', 'finops_refresh_outlook';
COMMENT ON FUNCTION finops.refresh_outlook(date, integer, integer) IS 'forecasts the days to come of the largest series of cost and keeps them in forecast.cost_outlook';

CREATE FUNCTION finops.registered_models()
RETURNS TABLE (model text, active boolean)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_registered_models';
COMMENT ON FUNCTION finops.registered_models() IS 'models with a source to train on, and whether a version of them is active';

CREATE FUNCTION finops.run_forecasts()
RETURNS TABLE (forecast text, series bigint, steps bigint, error text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	PERFORM finops.note_days();
	PERFORM finops.refresh_known_steps();
	RETURN QUERY SELECT 'cost by ' OPERATOR(pg_catalog.||) o.dimension, o.series, o.days, NULL::text FROM finops.refresh_outlook() AS o;
	FOR name IN SELECT m.model FROM finops.registered_models() AS m WHERE m.active LOOP
		BEGIN
			PERFORM finops.score_predictions(name);
			RETURN QUERY SELECT 'model ' OPERATOR(pg_catalog.||) name, 1::bigint, pg_catalog.count(*), NULL::text FROM finops.predict(name) AS p;
		EXCEPTION WHEN OTHERS THEN
			RETURN QUERY SELECT 'model ' OPERATOR(pg_catalog.||) name, 1::bigint, 0::bigint, SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION finops.run_forecasts() IS 'the nightly forecasts: how days fill up and ends of commitments noted, the cost outlook, and every active model scored and run';

CREATE FUNCTION finops.retrain_all()
RETURNS TABLE (model_of text, new_version text, error text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT m.model FROM finops.registered_models() AS m LOOP
		BEGIN
			RETURN QUERY SELECT name, t.model_version, NULL::text FROM finops.train_model(name) AS t;
		EXCEPTION WHEN OTHERS THEN
			RETURN QUERY SELECT name, NULL::text, SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION finops.retrain_all() IS 'trains every registered model anew; one that fails stops no other';

-- retention

CREATE TABLE finops.retention_policy (
	object text NOT NULL,
	keep interval,
	action text,
	enabled boolean DEFAULT true,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT retention_policy_pkey PRIMARY KEY (object, shipped),
	CONSTRAINT retention_policy_object_check CHECK (object OPERATOR(pg_catalog.=) ANY (ARRAY['fact_cost_raw', 'fact_cost_allocated', 'usage_snapshot_daily', 'cost_cache', 'api_metrics',
		'athena_query_executions', 'query_log', 'dq_check', 'fk_check', 'cur_ingestion_log', 'job_run'])),
	CONSTRAINT retention_policy_keep_check CHECK (keep OPERATOR(pg_catalog.>=) '1 day'),
	CONSTRAINT retention_policy_action_check CHECK (action OPERATOR(pg_catalog.=) ANY (ARRAY['delete', 'drop', 'detach'])),
	CONSTRAINT retention_policy_whole_check CHECK (NOT shipped OR keep IS NOT NULL AND action IS NOT NULL AND enabled IS NOT NULL)
);
COMMENT ON TABLE finops.retention_policy IS 'how long rows are kept; a row with shipped = false overrides what is not NULL in it of the shipped one. Locked months are evidence and are always kept';
COMMENT ON COLUMN finops.retention_policy.action IS 'delete rows; drop or detach whole months (fact_cost_raw, fact_cost_allocated): detached partitions stay as tables for the archive';

INSERT INTO finops.retention_policy (object, keep, action, enabled, shipped) VALUES
	('fact_cost_raw', '1825 days', 'detach', true, true),
	('fact_cost_allocated', '1825 days', 'detach', true, true),
	('usage_snapshot_daily', '395 days', 'delete', true, true),
	('cost_cache', '7 days', 'delete', true, true),
	('api_metrics', '90 days', 'delete', true, true),
	('athena_query_executions', '90 days', 'delete', true, true),
	('query_log', '90 days', 'delete', true, true),
	('dq_check', '395 days', 'delete', true, true),
	('fk_check', '395 days', 'delete', true, true),
	('cur_ingestion_log', '730 days', 'delete', true, true),
	('job_run', '90 days', 'delete', true, true);

CREATE FUNCTION finops.apply_retention(as_of date DEFAULT CURRENT_DATE)
RETURNS TABLE (object text, action text, removed bigint, kept_locked bigint)
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'finops_apply_retention';
COMMENT ON FUNCTION finops.apply_retention(date) IS 'deletes, drops or detaches what is older than finops.retention_policy keeps: rows, or months; never those of a locked month';

CREATE FUNCTION finops.purge_logs(keep interval DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_purge_logs';
COMMENT ON FUNCTION finops.purge_logs(interval) IS 'deletes old runs of jobs, pg_cron''s log of them, and the logs of requests and queries; NULL: as finops.retention_policy keeps each; returns the number of rows';

CREATE FUNCTION finops.cache_cleanup(keep interval DEFAULT '7 days')
RETURNS bigint
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'finops_cache_cleanup';
COMMENT ON FUNCTION finops.cache_cleanup(interval) IS 'deletes cached answers that were fetched longer ago, and expired ones but for the newest of a source; returns their number';

CREATE FUNCTION finops.rotate_partitions(as_of date DEFAULT CURRENT_DATE)
RETURNS TABLE (relation text, partition text, created boolean)
LANGUAGE c VOLATILE ROWS 4
AS 'MODULE_PATHNAME', 'finops_rotate_partitions';
COMMENT ON FUNCTION finops.rotate_partitions(date) IS 'makes the partitions of the facts for the month of a day and the next one';

REVOKE ALL ON FUNCTION finops.bill_sources(), finops.ingest_bills(), finops.refresh_outlook(date, integer, integer), finops.registered_models(), finops.run_forecasts(),
	finops.retrain_all(), finops.apply_retention(date), finops.purge_logs(interval), finops.cache_cleanup(interval), finops.rotate_partitions(date) FROM PUBLIC;
REVOKE ALL ON finops.bill_source, forecast.cost_outlook, finops.retention_policy FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.bill_source', '');
SELECT pg_catalog.pg_extension_config_dump('forecast.cost_outlook', '');
SELECT pg_catalog.pg_extension_config_dump('finops.retention_policy', 'WHERE NOT shipped');

