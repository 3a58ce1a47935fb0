-- room insight: recommendations, from their proposal to what they saved

CREATE TABLE finops.recommendation (
	recommendation_id text NOT NULL DEFAULT pg_catalog.gen_random_uuid()::text,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	optimization_type text NOT NULL,
	resource_id text,
	current_cost_usd numeric,
	potential_savings_usd numeric,
	confidence_score float8,
	implementation_effort text,
	priority_level text,
	action_required text,
	status text NOT NULL DEFAULT 'ACTIVE',
	implemented_at timestamptz,
	verified_at timestamptz,
	state text NOT NULL GENERATED ALWAYS AS (CASE status WHEN 'ACTIVE' THEN 'proposed' WHEN 'APPROVED' THEN 'approved' WHEN 'IMPLEMENTED' THEN 'done' WHEN 'VERIFIED' THEN 'verified' WHEN 'DISMISSED' THEN 'dismissed' ELSE 'expired' END) STORED,
	currency text NOT NULL DEFAULT 'USD',
	provider text,
	account_id text,
	service text,
	region text,
	rule_id text,
	dedup_key text,
	frees_commitment numeric,
	owner text,
	reason text,
	not_before date,
	proposed_by text,
	proposed_session text,
	decided_by text,
	decided_at timestamptz,
	reference text,
	listed_at timestamptz,
	verified_savings numeric,
	verified_from date,
	verified_to date,
	details jsonb,
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT recommendation_pkey PRIMARY KEY (recommendation_id),
	CONSTRAINT recommendation_current_cost_check CHECK (current_cost_usd OPERATOR(pg_catalog.>) '-Infinity' AND current_cost_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT recommendation_savings_check CHECK (potential_savings_usd OPERATOR(pg_catalog.>) '-Infinity' AND potential_savings_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT recommendation_freed_check CHECK (frees_commitment OPERATOR(pg_catalog.>) '-Infinity' AND frees_commitment OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT recommendation_verified_check CHECK (verified_savings OPERATOR(pg_catalog.>) '-Infinity' AND verified_savings OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT recommendation_confidence_check CHECK (confidence_score OPERATOR(pg_catalog.>=) 0 AND confidence_score OPERATOR(pg_catalog.<=) 1),
	CONSTRAINT recommendation_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ACTIVE', 'APPROVED', 'IMPLEMENTED', 'VERIFIED', 'DISMISSED', 'EXPIRED']))
);
CREATE UNIQUE INDEX recommendation_open_key ON finops.recommendation (dedup_key) WHERE status OPERATOR(pg_catalog.=) ANY (ARRAY['ACTIVE', 'APPROVED', 'IMPLEMENTED']);
COMMENT ON TABLE finops.recommendation IS 'ways to save cost and what became of them: proposed, approved, done, verified, or dismissed or expired';
COMMENT ON COLUMN finops.recommendation.optimization_type IS 'such as terminate, rightsizing, generation, storage, scheduling, savings_plan, reserved_instance';
COMMENT ON COLUMN finops.recommendation.current_cost_usd IS 'a month, of what no commitment covers; amounts are in currency, the name is that of the runbooks';
COMMENT ON COLUMN finops.recommendation.potential_savings_usd IS 'expected saving per month, net of commitments; an estimate';
COMMENT ON COLUMN finops.recommendation.confidence_score IS 'how sure the estimate is, 0..1';
COMMENT ON COLUMN finops.recommendation.status IS 'the state in the words of the runbooks: ACTIVE is proposed, IMPLEMENTED is done';
COMMENT ON COLUMN finops.recommendation.dedup_key IS 'what finops.refresh_recommendations knows it by; NULL: a person proposed it';
COMMENT ON COLUMN finops.recommendation.frees_commitment IS 'a month, cost under commitments that would be free for other usage';
COMMENT ON COLUMN finops.recommendation.not_before IS 'of what was dismissed: not proposed again before this day; NULL: never';
COMMENT ON COLUMN finops.recommendation.reference IS 'what was done: of a commitment its id in the bill, else the resource that took the place';
COMMENT ON COLUMN finops.recommendation.listed_at IS 'when it was put on a shutdown list (finops.send_shutdown_list)';
COMMENT ON COLUMN finops.recommendation.verified_savings IS 'per month, from the bills of verified_from to verified_to (inclusive)';

CREATE VIEW @extschema@.vw_cost_optimization_opportunities AS
SELECT r.optimization_type, r.potential_savings_usd, r.implementation_effort, r.priority_level, r.status,
	r.recommendation_id, r.resource_id, r.action_required, r.confidence_score, r.created_at
FROM finops.recommendation r;
COMMENT ON VIEW @extschema@.vw_cost_optimization_opportunities IS 'recommendations with their expected saving; ACTIVE ones wait for a decision';

CREATE VIEW finops.open_recommendation AS
SELECT r.recommendation_id, r.state, r.optimization_type, r.provider, r.account_id, r.service, r.region, r.resource_id, r.currency,
	r.current_cost_usd AS current_cost, r.potential_savings_usd AS savings, r.frees_commitment, r.confidence_score AS confidence, r.implementation_effort AS effort,
	r.priority_level AS priority, r.action_required AS action, r.owner, r.created_at, r.decided_by, r.decided_at, r.implemented_at, r.details
FROM finops.recommendation r
WHERE r.status OPERATOR(pg_catalog.=) ANY (ARRAY['ACTIVE', 'APPROVED', 'IMPLEMENTED']);
COMMENT ON VIEW finops.open_recommendation IS 'recommendations that wait: proposed for a decision, approved to be done, done to be verified; amounts are of a month, in currency';
COMMENT ON COLUMN finops.open_recommendation.recommendation_id IS 'its id, for the functions of each step';
COMMENT ON COLUMN finops.open_recommendation.state IS 'proposed, approved or done';
COMMENT ON COLUMN finops.open_recommendation.region IS 'as in the bill; NULL where the bill has none';
COMMENT ON COLUMN finops.open_recommendation.current_cost IS 'a month, of what no commitment covers';
COMMENT ON COLUMN finops.open_recommendation.savings IS 'expected saving per month, net of commitments; an estimate';
COMMENT ON COLUMN finops.open_recommendation.confidence IS 'how sure the estimate is, 0..1';
COMMENT ON COLUMN finops.open_recommendation.effort IS 'LOW, MEDIUM or HIGH';
COMMENT ON COLUMN finops.open_recommendation.priority IS 'HIGH, MEDIUM or LOW';
COMMENT ON COLUMN finops.open_recommendation.action IS 'what to do';
COMMENT ON COLUMN finops.open_recommendation.owner IS 'who sees to it';
COMMENT ON COLUMN finops.open_recommendation.decided_by IS 'who approved it';
COMMENT ON COLUMN finops.open_recommendation.decided_at IS 'when it was approved';
COMMENT ON COLUMN finops.open_recommendation.implemented_at IS 'when it was done';
COMMENT ON COLUMN finops.open_recommendation.details IS 'what was measured and by which rule, or the figures of the offer';

CREATE FUNCTION finops.propose_recommendation(optimization_type text, resource_id text, potential_savings numeric, action_required text,
	currency text DEFAULT 'USD', current_cost numeric DEFAULT NULL, owner text DEFAULT NULL, details jsonb DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'finops_propose_recommendation';
COMMENT ON FUNCTION finops.propose_recommendation(text, text, numeric, text, text, numeric, text, jsonb) IS 'writes down what a person proposes; amounts of a month. Returns its id';

CREATE FUNCTION finops.assign_recommendation(recommendation_id text, owner text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'finops_assign_recommendation';
COMMENT ON FUNCTION finops.assign_recommendation(text, text) IS 'says who sees to an open recommendation';

CREATE FUNCTION finops.approve_recommendation(recommendation_id text, note text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'finops_approve_recommendation';
COMMENT ON FUNCTION finops.approve_recommendation(text, text) IS 'a proposed recommendation shall be done; where finops.four_eyes is on, by another person than the one who proposed it';

CREATE FUNCTION finops.complete_recommendation(recommendation_id text, reference text DEFAULT NULL, done_at timestamptz DEFAULT pg_catalog.now())
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'finops_complete_recommendation';
COMMENT ON FUNCTION finops.complete_recommendation(text, text, timestamptz) IS 'an approved recommendation is done; reference: the id of the commitment that was bought, or the resource that took the place';

CREATE FUNCTION finops.dismiss_recommendation(recommendation_id text, reason text, not_before date DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'finops_dismiss_recommendation';
COMMENT ON FUNCTION finops.dismiss_recommendation(text, text, date) IS 'a proposed or approved recommendation shall not be done, and not be proposed again before a day, or ever';

CREATE FUNCTION finops.verify_recommendations(as_of date DEFAULT CURRENT_DATE)
RETURNS TABLE (recommendation_id text, optimization_type text, currency text, potential_savings numeric, verified_savings numeric, verified_from date, verified_to date)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
AS 'MODULE_PATHNAME', 'finops_verify_recommendations';
COMMENT ON FUNCTION finops.verify_recommendations(date) IS 'what recommendations that are done have saved, from at least seven days of bills since; returns those verified now';

CREATE FUNCTION finops.refresh_recommendations(as_of date DEFAULT CURRENT_DATE, options jsonb DEFAULT NULL)
RETURNS TABLE (proposed bigint, updated bigint, expired bigint, verified bigint, open bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1
AS 'MODULE_PATHNAME', 'finops_refresh_recommendations';
COMMENT ON FUNCTION finops.refresh_recommendations(date, jsonb) IS 'proposes what finops.find_rightsizing and finops.recommend_commitments (with the options) find, brings open proposals up to date, expires those that are not found any more, and verifies what is done';

CREATE FUNCTION finops.send_shutdown_list(dry_run boolean DEFAULT true)
RETURNS TABLE (recommendation_id text, optimization_type text, provider text, account_id text, region text, service text, resource_id text, action_required text, currency text, savings numeric)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10
AS 'MODULE_PATHNAME', 'finops_send_shutdown_list';
COMMENT ON FUNCTION finops.send_shutdown_list(boolean) IS 'approved recommendations to stop something that were on no list yet; with dry_run false they go to the outbox, topic shutdown_list, once';

REVOKE ALL ON FUNCTION finops.propose_recommendation(text, text, numeric, text, text, numeric, text, jsonb), finops.assign_recommendation(text, text),
	finops.approve_recommendation(text, text), finops.complete_recommendation(text, text, timestamptz), finops.dismiss_recommendation(text, text, date),
	finops.verify_recommendations(date), finops.refresh_recommendations(date, jsonb), finops.send_shutdown_list(boolean) FROM PUBLIC;
REVOKE ALL ON finops.recommendation, finops.open_recommendation, @extschema@.vw_cost_optimization_opportunities FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.recommendation', '');
