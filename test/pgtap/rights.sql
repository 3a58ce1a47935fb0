-- Every object has its place in finops.access_right and in docs/security.md,
-- and row security where it belongs.  test/tap/040_rights tries it all.
BEGIN;
SELECT * FROM no_plan();

SELECT is_empty($$
	SELECT format('add %s to the list of its group in src/rights.sql (%s groups are %s)', m.object, m.kind,
		(SELECT string_agg(g.object_group, ', ' ORDER BY g.object_group) FROM finops.access_group g
			WHERE g.kind = m.kind AND g.object_group NOT IN ('part', 'everybody')))
	FROM finops.access_matrix m WHERE m.object_group IS NULL
$$, 'every relation and function has a group');

SELECT is_empty($$
	SELECT format('remove %s from src/rights.sql', r.object) FROM finops.access_right r
	WHERE NOT EXISTS (SELECT FROM finops.access_matrix m WHERE m.kind = r.kind AND m.object = r.object)
	UNION ALL SELECT format('remove %s from finops.tenant_rows', t.object) FROM finops.tenant_rows t
	WHERE NOT EXISTS (SELECT FROM finops.access_matrix m WHERE m.kind = 'relation' AND m.object = t.object)
$$, 'every name in src/rights.sql is that of an object');

SELECT is_empty($$
	SELECT m.object FROM finops.access_matrix m
	WHERE m.kind = 'function' AND (m.object_group = 'everybody') <> has_function_privilege('public', m.object_id, 'EXECUTE')
$$, 'functions of group everybody are those that PUBLIC may execute');

SELECT is_empty($$
	SELECT m.object FROM finops.access_matrix m
	WHERE m.kind = 'relation' AND (m.object_group IN ('reference', 'catalogue')) <> has_table_privilege('public', m.object_id, 'SELECT')
$$, 'relations of groups reference and catalogue are those that PUBLIC may read');

-- the document

CREATE TEMP TABLE doc_line (line text);
\copy doc_line FROM 'docs/security.md' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
\i test/rights_line.sql
SELECT is_empty($$
	SELECT 'run scripts/security_doc.sh, or add', line FROM (SELECT r.line FROM right_line r EXCEPT SELECT d.line FROM doc_line d) x
	UNION ALL
	SELECT 'run scripts/security_doc.sh, or remove', line FROM (SELECT d.line FROM doc_line d WHERE d.line ~ '^\| `.*\|.*\|.*\|.*\|' EXCEPT SELECT r.line FROM right_line r) x
$$, 'docs/security.md has every line of finops.access_matrix');

-- row security

SELECT is_empty($$
	SELECT m.object FROM finops.access_matrix m JOIN pg_class c ON c.oid = m.object_id AND c.relkind IN ('r', 'p')
	WHERE m.object_group NOT IN ('reference', 'catalogue')
	AND NOT (c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'finops_staff_rows'))
$$, 'every table that not everybody may read is under row security');

SELECT is_empty($$
	SELECT m.object FROM finops.access_matrix m JOIN pg_class c ON c.oid = m.object_id
	WHERE c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
$$, 'every view reads with the rights of its caller');

SELECT is_empty($$
	SELECT m.object FROM finops.access_matrix m
	JOIN pg_class c ON c.oid = m.object_id AND c.relkind IN ('r', 'p')
	WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
	AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'finops_own_rows'
		AND pg_get_expr(p.polqual, p.polrelid) ~ 'tenant_id = ANY')
$$, 'a table with a tenant_id shows a tenant the rows of its own');

SELECT is_empty($$
	SELECT m.object FROM finops.access_matrix m
	JOIN pg_class c ON c.oid = m.object_id AND c.relkind IN ('r', 'p')
	WHERE m.tenant <> '' AND m.object_group NOT IN ('reference', 'catalogue')
	AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'finops_own_rows')
$$, 'what a tenant may read says which rows are its own');

-- all that its views read: relations and functions
CREATE TEMP VIEW read_by_view AS
SELECT m.object, d.refclassid, d.refobjid FROM finops.access_matrix m
JOIN pg_rewrite r ON r.ev_class = m.object_id
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid <> m.object_id
WHERE m.tenant <> '' AND m.kind = 'relation';

SELECT is_empty($$
	SELECT DISTINCT v.object, x.object FROM read_by_view v JOIN finops.access_matrix x ON x.object_id = v.refobjid
	AND v.refclassid = CASE x.kind WHEN 'relation' THEN 'pg_class'::regclass ELSE 'pg_proc'::regclass END
	WHERE coalesce(x.tenant, '') = ''
$$, 'a view that a tenant may read reads only what it may');

SELECT count(*) FROM finops.generate_bill('2016-02-01', 200, 3) \g /dev/null
SELECT set_eq($$
	SELECT c.oid::regclass::text, c.relrowsecurity, c.relacl IS NULL, (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'fact_cost_raw'::regclass AND c.relname LIKE '%\_2016\_02'
$$, $$ VALUES ('finops.fact_cost_raw_2016_02', true, true, 2::bigint) $$, 'a new partition has the policies of its parent and no grants');

-- granting

CREATE ROLE rights_desk;
SELECT throws_ok($$ SELECT finops.grant_role('king', 'rights_desk') $$, '22023', 'there is no class "king" of roles', 'an unknown class');
SELECT throws_ok($$ SELECT finops.grant_role('reader', 'rights_nobody') $$, '42704', NULL, 'an unknown role');
SELECT throws_ok($$ SELECT finops.grant_role('tenant', 'rights_desk') $$, '22004', NULL, 'a tenant wants a tenant_id');
SELECT throws_ok($$ SELECT finops.grant_role('tenant', 'rights_desk', 'r-none') $$, 'P0002', NULL, 'an unknown tenant');
SELECT throws_ok($$ SELECT finops.grant_role('reader', 'rights_desk', 'r-none') $$, '22023', NULL, 'a reader takes no tenant_id');
SELECT throws_ok($$ SELECT finops.grant_role(NULL, 'rights_desk') $$, '22004', NULL, 'no class');
SELECT throws_ok($$ SELECT finops.revoke_role('reader', NULL) $$, '22004', NULL, 'no role');
SELECT is(finops.revoke_role('reader', 'rights_desk'), false, 'nothing to revoke');

INSERT INTO tenant_master (tenant_id, tenant_name) VALUES ('r-a', 'Alder'), ('r-b', 'Birch'), ('r-c', 'Cedar');
SELECT finops.grant_role('tenant', 'rights_desk', 'r-a') \g /dev/null
SELECT finops.grant_role('tenant', 'rights_desk', 'r-c') \g /dev/null
CREATE ROLE rights_member;
GRANT rights_desk TO rights_member;
GRANT SELECT ON finops.outbox, pg_temp.doc_line TO rights_member;
SET LOCAL ROLE rights_member;
SELECT is((SELECT array_agg(tenant_id ORDER BY tenant_id) FROM tenant_master), '{r-a,r-c}', 'a member of the role sees its tenants');
SELECT is((SELECT c::text FROM finops.caller_rights c), '(rights_member,f,"{r-a,r-c}")', 'and can ask which they are');
RESET ROLE;
SELECT finops.grant_role('billing', 'rights_desk') \g /dev/null
SELECT finops.grant_role('billing', 'rights_desk') \g /dev/null
SET LOCAL ROLE rights_member;
SELECT is((SELECT count(*) FROM tenant_master WHERE tenant_id LIKE 'r-_'), 3::bigint, 'of two classes the wider one counts');
RESET ROLE;
SELECT is(finops.revoke_role('billing', 'rights_desk'), true, 'a class goes');
SELECT is(has_table_privilege('rights_desk', 'finops.bank_line', 'SELECT'), false, 'with its rights');
SELECT is(has_table_privilege('rights_desk', 'invoice_header', 'SELECT'), true, 'but not those of the other class');
SELECT is(finops.revoke_role('tenant', 'rights_desk', 'r-a'), true, 'a tenant goes');
SET LOCAL ROLE rights_member;
SELECT is((SELECT array_agg(tenant_id) FROM tenant_master), '{r-c}', 'the other stays');
RESET ROLE;

-- the rights without the row, as after a restore that failed
DELETE FROM finops.role_grant;
SET LOCAL ROLE rights_member;
SELECT is((SELECT count(*) FROM tenant_master), 0::bigint, 'who holds the rights without a row sees no tenant');
RESET ROLE;

-- the row without the rights, as after DROP OWNED, DROP ROLE and CREATE ROLE
SELECT finops.grant_role('tenant', 'rights_desk', 'r-b') \g /dev/null
DROP OWNED BY rights_desk;
DROP ROLE rights_desk;
CREATE ROLE rights_desk;
SELECT is((SELECT count(*) FROM finops.role_grant WHERE role_name = 'rights_desk'), 1::bigint, 'the row outlives its role');
SELECT finops.grant_role('tenant', 'rights_desk', 'r-a') \g /dev/null
SET LOCAL ROLE rights_desk;
SELECT is((SELECT array_agg(tenant_id) FROM tenant_master), '{r-a}', 'and means nothing to another one of that name');
RESET ROLE;
SELECT is((SELECT array_agg(tenant_id) FROM finops.role_grant WHERE role_name = 'rights_desk'), '{r-a}', 'nor does it stay');
SELECT is(finops.revoke_role('tenant', 'rights_desk'), true, 'without tenant_id all of them go');
SELECT lives_ok('DROP ROLE rights_desk', 'with all rights');
SELECT is((SELECT array_agg(DISTINCT action ORDER BY action) FROM audit_event WHERE object_type = 'role'), '{grant_role,revoke_role}', 'the audit has them');

-- a role that is of no class is ruled by its grants
CREATE ROLE rights_stranger;
GRANT SELECT ON tenant_master TO rights_stranger;
SET LOCAL ROLE rights_stranger;
SELECT is((SELECT count(*) FROM tenant_master WHERE tenant_id LIKE 'r-_'), 3::bigint, 'a grant by hand shows all tenants');
SELECT throws_ok($$ SELECT count(*) FROM invoice_header $$, '42501', NULL, 'and no other table');
SELECT throws_ok($$ SELECT finops.grant_role('reader', 'rights_stranger') $$, '42501', NULL, 'nobody gives rights to himself');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
