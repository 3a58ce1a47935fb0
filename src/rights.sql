-- over all rooms: who may do what, and which rows a tenant sees

CREATE TABLE finops.access_group (
	object_group text NOT NULL,
	kind text NOT NULL,
	reader text NOT NULL,
	operator text NOT NULL,
	billing text NOT NULL,
	approver text NOT NULL,
	auditor text NOT NULL,
	tenant text NOT NULL,
	description text NOT NULL,
	CONSTRAINT access_group_pkey PRIMARY KEY (object_group),
	CONSTRAINT access_group_kind_check CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['relation', 'function'])),
	CONSTRAINT access_group_letters_check CHECK (
		pg_catalog.concat(reader, operator, billing, approver, auditor, tenant) OPERATOR(pg_catalog.~)
			CASE kind OPERATOR(pg_catalog.=) 'relation' WHEN true THEN '^[SIUD]*$' ELSE '^X*$' END)
);
COMMENT ON TABLE finops.access_group IS 'what each class of roles may do with the objects of a group: S select, I insert, U update, D delete, X execute';

INSERT INTO finops.access_group (object_group, kind, reader, operator, billing, approver, auditor, tenant, description) VALUES
	('own', 'relation', 'S', 'S', 'S', 'S', 'S', 'S', 'rows of one tenant each; a tenant sees its own'),
	('month', 'relation', 'S', 'S', 'S', 'S', 'S', '', 'cost, allocation, reconciliation, documents, forecasts'),
	('decision', 'relation', 'S', 'SU', 'S', 'SU', 'S', '', 'rows whose status people set by UPDATE, which triggers judge'),
	('setting', 'relation', 'S', 'SIUD', 'S', 'S', 'S', '', 'policies and registries that are edited as tables'),
	('reference', 'relation', 'S', 'SIUD', 'S', 'S', 'S', 'S', 'settings that everybody may read'),
	('catalogue', 'relation', 'S', 'S', 'S', 'S', 'S', 'S', 'what the extension ships and everybody may read'),
	('telemetry', 'relation', 'S', 'SIUD', 'S', 'S', 'S', '', 'measurements that collectors write'),
	('bank', 'relation', '', '', 'S', 'S', 'S', '', 'bank accounts, payers and dunning'),
	('log', 'relation', '', 'S', 'S', 'S', 'S', '', 'runs, requests, messages and who did what'),
	('code', 'relation', '', 'S', '', 'S', 'S', '', 'tables that hold statements which are run: whoever writes them acts as who runs them'),
	('internal', 'relation', '', '', '', '', 'S', '', 'seals, counters and rights'),
	('own call', 'function', 'X', 'X', 'X', 'X', 'X', 'X', 'a tenant calls them for itself only'),
	('read', 'function', 'X', 'X', 'X', 'X', 'X', '', 'answers without a change'),
	('verify', 'function', '', 'X', 'X', 'X', 'X', '', 'recomputes and compares'),
	('operate', 'function', '', 'X', '', '', '', '', 'loads, runs the month up to its documents, runs jobs'),
	('bill', 'function', '', '', 'X', '', '', '', 'plans, prices, documents, payments, dunning'),
	('usage', 'function', '', 'X', 'X', '', '', '', 'usage, open documents, and what both desks do'),
	('request', 'function', '', 'X', 'X', 'X', '', '', 'asks for what another person approves'),
	('approve', 'function', '', '', '', 'X', '', '', 'approves, locks, closes'),
	('everybody', 'function', 'X', 'X', 'X', 'X', 'X', 'X', 'computes from its arguments, or reads with the rights of its caller; PUBLIC may execute it'),
	('owner', 'function', '', '', '', '', '', '', 'the owner of the extension and superusers'),
	('part', 'function', '', '', '', '', '', '', 'trigger functions and the parts of aggregates; they need no line below');

CREATE TABLE finops.access_right (
	kind text NOT NULL,
	object text NOT NULL,
	object_group text NOT NULL,
	CONSTRAINT access_right_pkey PRIMARY KEY (kind, object),
	CONSTRAINT access_right_group_fkey FOREIGN KEY (object_group) REFERENCES finops.access_group (object_group)
);
COMMENT ON TABLE finops.access_right IS 'the group of every relation and function, by which finops.grant_role grants; aggregates'' parts and trigger functions need no row';
COMMENT ON COLUMN finops.access_right.object IS 'name with its schema, without it where that is the one of CREATE EXTENSION; a function stands for all of its signatures';

-- An object has one line here, in the list of its group.
INSERT INTO finops.access_right (kind, object, object_group)
SELECT g.kind, o.object, v.object_group
FROM (VALUES
	('own', 'fact_cost_raw fact_cost_allocated invoice_detail invoice_header payment_txn period_lock tenant_master'),
	('own', 'tenant_plan_binding tenant_usage_snapshot_daily topup_ledger upgrade_ledger usage_snapshot_daily'),
	('own', 'finops.allocation_current finops.caller_rights finops.cost_daily finops.dunning_notice finops.invoice_balance finops.invoice_replacement'),
	('own', 'finops.invoice_tax finops.payment_application finops.payment_balance finops.payment_outflow finops.plan_pause'),
	('own', 'finops.receivable_adjustment finops.seat_count finops.tenant_billing finops.topup_consent finops.usage_balance'),
	('own', 'finops.usage_balance_entry finops.usage_event'),
	('own', 'finops.late_usage'),
	('own', 'bi_dim_account bi_dim_billing_period bi_dim_charge_category bi_dim_currency bi_dim_date bi_dim_provider'),
	('own', 'bi_dim_region bi_dim_service bi_dim_tenant bi_fact_allocation_month bi_fact_cost_day bi_fact_cost_month bi_fact_invoice'),

	('month', 'allocation_rules cur_database.cur_table cur_ingestion_log fact_cost_delta metric_catalog'),
	('month', 'plan_master plan_metric_map recon_exceptions rule_version_map tag_validation_log topup_catalog'),
	('month', 'unit_cost_forecast vw_budget_monitoring vw_cost_monitoring vw_unit_cost'),
	('month', 'finops.accrual_entry finops.allocation_entry finops.allocation_input finops.allocation_packed finops.allocation_target'),
	('month', 'finops.bill_reject finops.cost_kind finops.delivery finops.delivery_file finops.delivery_flag finops.driver_value'),
	('month', 'finops.focus_1_3_cost_and_usage finops.focus_1_4_cost_and_usage finops.focus_billing_period'),
	('month', 'finops.focus_contract_commitment finops.focus_cost_and_usage finops.focus_invoice_detail finops.focus_line'),
	('month', 'finops.focus_line_allocated finops.focus_share finops.forecast_progress finops.fx_rate finops.issuer'),
	('month', 'finops.journal_account finops.journal_entry finops.period_gate finops.period_rate finops.plan_price'),
	('month', 'finops.prepaid_opening finops.provider_invoice finops.recon_currency finops.recon_detail finops.recon_history finops.recon_run'),
	('month', 'finops.recon_stage finops.schema_drift finops.settlement_policy finops.tag_quarantine finops.tax_code'),
	('month', 'finops.tax_rate finops.tenant_key'),
	('month', 'forecast.account_monthly_cost forecast.accuracy forecast.backtest forecast.daily_cost forecast.drivers'),
	('month', 'forecast.hourly_gpu_cost forecast.outlier forecast.prediction forecast.run forecast.service_daily_cost'),
	('month', 'forecast.vw_unit_cost forecast.day_seen'),
	('month', 'forecast.unit_cost_current'),

	('decision', 'recon_summary'),

	('setting', 'budget_master tbl_ml_model_registry finops.allocation_policy finops.driver finops.dunning_policy'),
	('setting', 'finops.expected_delivery finops.invoice_phrase finops.pool finops.resource_tag finops.tenant_successor'),
	('setting', 'finops.virtual_tag_rule finops.warehouse forecast.driver_scope forecast.unit_kpi forecast.known_step forecast.commitment_end'),
	('setting', 'finops.severity_scale'),

	('reference', 'tag_policy finops.close_policy finops.currency finops.holiday finops.recon_policy finops.service_catalog'),
	('catalogue', 'finops.checklist finops.focus_rule finops.focus_subcategory finops.runbook'),

	('telemetry', 'api_metrics athena_query_executions cost_cache tbl_fact_shipments tbl_ml_consolidated_feature_store'),
	('telemetry', 'finops.backup_log finops.dq_check finops.feature_drift finops.fk_check finops.prediction_log'),
	('telemetry', 'finops.source_sync finops.warehouse_metering'),
	('month', 'test_foreign_key_constraints vw_backup_status vw_consolidated_dashboard vw_cost_optimization_opportunities'),
	('month', 'vw_data_freshness_monitoring vw_data_quality_sla vw_data_quality_summary'),
	('month', 'vw_ml_feature_monitoring vw_ml_real_time_features'),
	('month', 'finops.budget_threshold finops.budget_plan finops.budget_history finops.budget_finding'),
	('month', 'finops.budget_status'),
	('log', 'finops.watched_month'),

	('bank', 'finops.bank_line finops.bank_statement finops.dunning_block finops.invoice_failure finops.payer_account'),
	('bank', 'finops.payment_mismatch finops.payment_suggestion'),

	('log', 'audit_event finops.approval_request finops.data_access_stat finops.job_run finops.login_stat finops.outbox'),
	('log', 'finops.period_reopening finops.query_log finops.readiness_log finops.readiness_waiver finops.run'),
	('log', 'finops.security_metric vw_data_access_monitoring vw_performance_monitoring vw_security_monitoring'),
	('log', 'vw_dbt_run_results vw_user_access_monitoring'),
	('log', 'finops.alert finops.alert_event finops.alert_sample finops.alert_policy_state'),
	('log', 'finops.channel_state finops.delivery_attempt finops.notification finops.notification_message'),
	('log', 'finops.checklist_run finops.checklist_result finops.incident finops.incident_event finops.view_refresh finops.runner_backlog'),

	('code', 'finops.job finops.recon_query forecast.model_source'),
	('month', 'finops.alert_silence finops.credit_balance'),
	('code', 'finops.alert_policy finops.alert_policy_in_force finops.checklist_step finops.diagnosis_check finops.channel'),

	('internal', 'finops.access_group finops.access_matrix finops.access_right finops.invoice_input finops.number_series'),
	('internal', 'finops.period_seal finops.role_grant finops.tenant_rows'),

	('own call', 'finops.account_statement finops.explain_allocation finops.invoice_html finops.invoice_ubl'),

	('read', 'external_table finops.close_calendar finops.commitment_coverage finops.commitment_identity finops.compare_provider_invoice'),
	('read', 'finops.completion_curve finops.cost_bridge finops.cost_forecast finops.explain_cost_forecast finops.entry_lines finops.explain_invoice_line finops.export_focus'),
	('read', 'finops.fx_rate_of finops.journal finops.journal_csv finops.late_drivers finops.model_drift finops.plan_of_family finops.predict'),
	('read', 'finops.preview_allocation finops.price_preview finops.receivables_ageing finops.tag_coverage_figures'),
	('read', 'finops.tag_coverage_report finops.tag_key_candidates finops.tax_of finops.usage_projection finops.validate_rules'),
	('read', 'finops.budget_guardrail finops.checklist_report finops.diagnose finops.entry_cost_daily finops.postmortem_html finops.report_html finops.report_csv'),

	('verify', 'finops.journal_check finops.rebuild_invoice finops.replay_allocation finops.verify_invoices'),
	('verify', 'finops.verify_payments finops.verify_period'),

	('operate', 'finops.activate_model finops.add_allocation_rule finops.allocate finops.athena_query finops.check_forecasts'),
	('operate', 'finops.close_reminders finops.evaluate_feature_drift finops.fail_job finops.fetch_athena_history'),
	('operate', 'finops.fetch_cost_explorer finops.finish_job finops.forecast_scenario finops.generate_bill finops.load_bill finops.load_drivers'),
	('operate', 'finops.load_provider_invoice finops.open_periods finops.purge_job_runs finops.readiness finops.rebuild_rollup'),
	('operate', 'finops.recalc_forecast finops.reconcile finops.record_driver_values finops.refresh_features'),
	('operate', 'finops.retrain_drifted finops.rollback_drivers finops.rollback_model finops.run_job finops.score_predictions'),
	('operate', 'finops.setup finops.start_job finops.tag_sync finops.train_model finops.validate_tags'),
	('operate', 'finops.detect_anomalies finops.judge_anomaly finops.deliver_notifications finops.redeliver'),
	('operate', 'finops.route_notifications finops.claim_message finops.send_message'),
	('month', 'finops.anomaly finops.anomaly_day'),
	('setting', 'finops.anomaly_policy finops.kpi_target'),
	('internal', 'finops.anomaly_series'),
	('read', 'finops.anomaly_next finops.change_causes finops.explain_change finops.explain_unit_cost finops.kpi finops.tenant_margin finops.unit_economics'),
	('setting', 'finops.commitment finops.commitment_offer finops.commitment_rate'),
	('setting', 'finops.instance_type finops.rightsizing_condition finops.rightsizing_rule'),
	('telemetry', 'finops.resource_metric'),
	('month', 'finops.open_recommendation finops.recommendation'),
	('read', 'finops.find_rightsizing'),
	('operate', 'finops.assign_recommendation finops.complete_recommendation finops.load_resource_metrics finops.refresh_recommendations'),
	('operate', 'finops.verify_recommendations'),
	('request', 'finops.propose_recommendation finops.dismiss_recommendation'),
	('approve', 'finops.approve_recommendation finops.send_shutdown_list'),
	('read', 'finops.commitment_curve finops.commitment_ladder finops.recommend_commitments'),
	('operate', 'finops.open_alert_incidents finops.purge_alerts finops.refresh_budgets'),
	('operate', 'finops.set_budget finops.plan_budget finops.reingest finops.reprocess_period'),
	('operate', 'finops.run_checklist finops.run_due_checklists finops.sign_step finops.purge_checklists'),
	('operate', 'finops.evaluate_alerts finops.escalate_finding finops.refresh_views finops.open_incident'),
	('operate', 'finops.note_incident finops.notify_tenants finops.file_postmortem finops.incident_digest'),
	('operate', 'finops.acknowledge_incident finops.resolve_incident finops.acknowledge_alert'),
	('operate', 'finops.silence_alert finops.end_silence finops.place_unallocated finops.index_lines'),
	('operate', 'finops.tell_quota finops.disable_check'),

	('bill', 'finops.accept_suggestion finops.apply_credit finops.apply_payment finops.bind_plan finops.block_dunning'),
	('bill', 'finops.change_plan finops.charge_back finops.credit_invoice finops.dismiss_suggestion finops.issue_invoices'),
	('bill', 'finops.load_bank_statement finops.match_payments finops.pause_plan finops.post_journal finops.record_payment'),
	('bill', 'finops.refund_payment finops.register_payer_account finops.register_tenant finops.reissue_invoice'),
	('bill', 'finops.resume_plan finops.run_dunning finops.set_billing finops.set_cap finops.set_dunning_level'),
	('bill', 'finops.set_fx_rate finops.set_issuer finops.set_issuer_policy finops.set_journal_account finops.set_metric'),
	('bill', 'finops.set_plan finops.set_plan_price finops.set_prepaid_opening finops.set_seats finops.set_settlement_policy finops.set_tax_code'),
	('bill', 'finops.set_tax_rate finops.set_topup_sku finops.unapply_payment finops.unblock_dunning finops.write_off'),
	('bill', 'finops.pay_out finops.settle_credits finops.set_invoice_phrase finops.settle_invoice'),
	('bill', 'finops.emit_invoices'),

	('usage', 'finops.consent_topup finops.load_usage finops.prepare_invoices finops.record_usage finops.refresh_usage'),
	('usage', 'finops.settle_topup finops.top_up finops.void_invoice'),
	('usage', 'finops.recommend_upgrades finops.record_late_usage'),

	('request', 'finops.book_accrual finops.reopen_period finops.require_no_transaction finops.resolve_exception'),
	('request', 'finops.resolve_recon finops.waive_readiness'),
	('request', 'finops.accept_recon'),

	('approve', 'finops.approve finops.approve_reopen finops.approve_rule finops.begin_close finops.close_month'),
	('approve', 'finops.close_step finops.close_verdict finops.end_close finops.lock_period finops.reject'),

	('owner', 'finops.daily_costs finops.sum_daily_costs'),
	('owner', 'finops.first_tags finops.tags_bytes'),
	('owner', 'finops.line_sums finops.line_sums_amounts finops.line_sums_keys finops.pack_texts finops.unpack_texts'),
	('owner', 'finops.grant_role finops.msck_repair_table finops.nonzero_sums finops.packed_amount finops.packed_total'),
	('owner', 'finops.place_units finops.revoke_role finops.schedule_jobs finops.seal_digest finops.secure_relations'),
	('owner', 'finops.set_tenant_key finops.sum_units finops.unschedule_jobs'),
	('owner', 'finops.set_job'),
	('log', 'finops.live_access finops.live_login finops.live_statement finops.monitor_source finops.backup_progress'),
	('internal', 'finops.statement_mark finops.warehouse_meter'),
	('verify', 'finops.tracked_access finops.tracked_backups finops.tracked_logins finops.tracked_statements finops.tracking'),
	('operate', 'finops.accept_baseline finops.collect_monitors finops.run_quality_rules'),
	('code', 'finops.quality_rule'),
	('month', 'finops.quality_baseline finops.quality_result'),
	('code', 'finops.job_registry finops.job_late finops.job_schedule finops.bill_source'),
	('setting', 'finops.retention_policy'),
	('log', 'finops.request_total finops.request_count finops.athena_total finops.athena_count'),
	('operate', 'finops.count_requests'),
	('month', 'forecast.cost_outlook'),
	('read', 'finops.guard_refusal'),
	('read', 'finops.athena_cost finops.health_check finops.metric_samples finops.prometheus_metrics'),
	('operate', 'finops.attempt_job finops.limit_job finops.run_in_worker finops.due_jobs finops.run_nightly finops.close_lost_runs'),
	('operate', 'finops.bill_sources finops.ingest_bills finops.note_days finops.refresh_known_steps finops.refresh_outlook finops.registered_models finops.run_forecasts'),
	('operate', 'finops.retrain_all finops.apply_retention finops.purge_logs finops.cache_cleanup finops.rotate_partitions')
) AS v(object_group, objects)
	JOIN finops.access_group g ON g.object_group OPERATOR(pg_catalog.=) v.object_group,
	pg_catalog.string_to_table(v.objects, ' ') AS o(object);

CREATE TABLE finops.tenant_rows (
	object text NOT NULL,
	rows_of text NOT NULL,
	CONSTRAINT tenant_rows_pkey PRIMARY KEY (object),
	CONSTRAINT tenant_rows_rows_of_check CHECK (rows_of OPERATOR(pg_catalog.=) ANY (ARRAY['every', 'invoice', 'payment', 'application', 'scope', 'none']))
);
COMMENT ON TABLE finops.tenant_rows IS 'tables in which a tenant''s rows are not those of column tenant_id: every row, those of its invoices or payments, or of its scope (scope_type tenant, scope_ref), or none';

INSERT INTO finops.tenant_rows (object, rows_of) VALUES
	('period_lock', 'every'),
	('budget_master', 'scope'),
	('finops.invoice_tax', 'invoice'),
	('finops.invoice_replacement', 'invoice'),
	('finops.receivable_adjustment', 'invoice'),
	('finops.payment_outflow', 'payment'),
	('finops.payment_application', 'application');

CREATE DOMAIN finops.role_class AS text
	CONSTRAINT role_class_check CHECK (VALUE OPERATOR(pg_catalog.=) ANY (ARRAY['reader', 'operator', 'billing', 'approver', 'auditor', 'tenant']));
COMMENT ON DOMAIN finops.role_class IS 'a class of roles; USAGE on it marks the roles that have one (finops.grant_role)';
REVOKE ALL ON TYPE finops.role_class FROM PUBLIC;

CREATE TABLE finops.role_grant (
	role_name text NOT NULL,
	class finops.role_class NOT NULL,
	tenant_id text NOT NULL DEFAULT '',
	granted_by text NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT role_grant_pkey PRIMARY KEY (role_name, class, tenant_id),
	CONSTRAINT role_grant_tenant_check CHECK ((class::text OPERATOR(pg_catalog.=) 'tenant') OPERATOR(pg_catalog.=) (tenant_id OPERATOR(pg_catalog.<>) ''))
);
COMMENT ON TABLE finops.role_grant IS 'roles by class (finops.grant_role); a row counts while its role by itself has USAGE on type finops.role_class, which a role that was dropped and made again has not';
COMMENT ON COLUMN finops.role_grant.tenant_id IS 'whose rows a role of class tenant sees; empty for the others';

-- whose rows the caller sees; policies ask once for each statement

CREATE FUNCTION finops.sees_all_tenants()
RETURNS boolean
AS 'MODULE_PATHNAME', 'finops_sees_all_tenants'
LANGUAGE C STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION finops.sees_all_tenants() IS 'whether the current role sees the rows of every tenant that its grants let it read: false for roles of class tenant alone';

CREATE FUNCTION finops.own_tenants()
RETURNS text[]
AS 'MODULE_PATHNAME', 'finops_own_tenants'
LANGUAGE C STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION finops.own_tenants() IS 'the tenants of the current role, where it is of class tenant alone; empty for others';

CREATE VIEW finops.caller_rights AS
SELECT CURRENT_USER::text AS role_name, finops.sees_all_tenants() AS sees_all_tenants, finops.own_tenants() AS own_tenants;
COMMENT ON VIEW finops.caller_rights IS 'whose rows the current role sees';

CREATE FUNCTION finops.grant_role(class text, role_name text, tenant_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'finops_grant_role'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.grant_role(text, text, text) IS 'gives a role the rights of a class: reader, operator, billing, approver, auditor or, with a tenant_id, tenant; a role may have several. Errors: 22023 for another class, 42704 for an unknown role, P0002 for an unknown tenant';

CREATE FUNCTION finops.revoke_role(class text, role_name text, tenant_id text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'finops_revoke_role'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.revoke_role(text, text, text) IS 'takes the rights of a class from a role, also from one that was dropped; false where it had them not. Without tenant_id a role of class tenant loses all of its tenants. What its other classes give stays';

CREATE VIEW finops.access_matrix AS
SELECT m.kind, m.object, m.object_id, m.object_group, g.reader, g.operator, g.billing, g.approver, g.auditor, g.tenant
FROM (
	SELECT o.kind, o.object, o.object_id,
		coalesce(r.object_group, CASE WHEN o.is_public THEN 'everybody' WHEN o.is_part THEN 'part' END) AS object_group
	FROM (
		SELECT 'relation' AS kind, c.oid AS object_id, false AS is_public, false AS is_part,
			CASE WHEN n.oid OPERATOR(pg_catalog.=) e.extnamespace THEN '' ELSE pg_catalog.concat(n.nspname, '.') END OPERATOR(pg_catalog.||) c.relname::text AS object
		FROM pg_catalog.pg_extension e
		JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::regclass AND d.refobjid OPERATOR(pg_catalog.=) e.oid
			AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::regclass AND d.deptype OPERATOR(pg_catalog.=) 'e'
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f']::"char"[])
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE e.extname OPERATOR(pg_catalog.=) 'finops'
		UNION ALL
		SELECT 'function', p.oid, pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE'),
			p.prorettype OPERATOR(pg_catalog.=) 'pg_catalog.trigger'::regtype
				OR p.oid OPERATOR(pg_catalog.=) ANY (a.parts) OR 'pg_catalog.internal'::regtype OPERATOR(pg_catalog.=) ANY (p.proargtypes::oid[])
				OR EXISTS (SELECT FROM pg_catalog.pg_foreign_data_wrapper w WHERE w.fdwvalidator OPERATOR(pg_catalog.=) p.oid),
			CASE WHEN n.oid OPERATOR(pg_catalog.=) e.extnamespace THEN '' ELSE pg_catalog.concat(n.nspname, '.') END OPERATOR(pg_catalog.||) p.proname::text
		FROM pg_catalog.pg_extension e
		JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::regclass AND d.refobjid OPERATOR(pg_catalog.=) e.oid
			AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::regclass AND d.deptype OPERATOR(pg_catalog.=) 'e'
		JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
		CROSS JOIN (SELECT pg_catalog.array_agg(f.oid) AS parts
			FROM pg_catalog.pg_aggregate g, pg_catalog.unnest(ARRAY[g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn]::oid[]) AS f(oid)) a
		WHERE e.extname OPERATOR(pg_catalog.=) 'finops') o
	LEFT JOIN finops.access_right r ON r.kind OPERATOR(pg_catalog.=) o.kind AND r.object OPERATOR(pg_catalog.=) o.object) m
LEFT JOIN finops.access_group g ON g.object_group OPERATOR(pg_catalog.=) m.object_group;
COMMENT ON VIEW finops.access_matrix IS 'every relation and function of the extension with its group and what each class of roles may do; a group of NULL is one that finops.access_right lacks, which nobody may use';

CREATE FUNCTION finops.secure_relations()
RETURNS void
AS 'MODULE_PATHNAME', 'finops_secure_relations'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION finops.secure_relations() IS 'puts row security on every table of the extension that not everybody may read, and lets views read with the rights of their caller; install and upgrade scripts end with it';

REVOKE ALL ON finops.access_group, finops.access_right, finops.tenant_rows, finops.role_grant, finops.caller_rights, finops.access_matrix FROM PUBLIC;
REVOKE ALL ON FUNCTION finops.grant_role(text, text, text), finops.revoke_role(text, text, text), finops.secure_relations() FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.access_group', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('finops.access_right', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('finops.tenant_rows', 'WHERE false');
SELECT pg_catalog.pg_extension_config_dump('finops.role_grant', '');

SELECT finops.secure_relations();
