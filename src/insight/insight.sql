-- room insight: recommendations

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
	CONSTRAINT recommendation_pkey PRIMARY KEY (recommendation_id),
	CONSTRAINT recommendation_current_cost_check CHECK (current_cost_usd OPERATOR(pg_catalog.>) '-Infinity' AND current_cost_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT recommendation_savings_check CHECK (potential_savings_usd OPERATOR(pg_catalog.>) '-Infinity' AND potential_savings_usd OPERATOR(pg_catalog.<) 'Infinity'),
	CONSTRAINT recommendation_confidence_check CHECK (confidence_score OPERATOR(pg_catalog.>=) 0 AND confidence_score OPERATOR(pg_catalog.<=) 1),
	CONSTRAINT recommendation_status_check CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['ACTIVE', 'APPROVED', 'IMPLEMENTED', 'DISMISSED', 'EXPIRED']))
);
COMMENT ON TABLE finops.recommendation IS 'ways to save cost and what became of them';
COMMENT ON COLUMN finops.recommendation.optimization_type IS 'such as rightsizing, terminate, scheduling, savings_plan, reserved_instance';
COMMENT ON COLUMN finops.recommendation.potential_savings_usd IS 'expected saving per month; an estimate';
COMMENT ON COLUMN finops.recommendation.confidence_score IS 'how sure the estimate is, 0..1';

CREATE VIEW @extschema@.vw_cost_optimization_opportunities AS
SELECT r.optimization_type, r.potential_savings_usd, r.implementation_effort, r.priority_level, r.status,
	r.recommendation_id, r.resource_id, r.action_required, r.confidence_score, r.created_at
FROM finops.recommendation r;
COMMENT ON VIEW @extschema@.vw_cost_optimization_opportunities IS 'recommendations with their expected saving; ACTIVE ones wait for a decision';

REVOKE ALL ON finops.recommendation, @extschema@.vw_cost_optimization_opportunities FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('finops.recommendation', '');

