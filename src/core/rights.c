/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  Classes of roles, and the tenants whose rows a role sees.
 *
 * A role has a class where finops.role_grant says so and the role has USAGE
 * on type finops.role_class, which only finops.grant_role() gives.  The
 * second condition makes a row worthless once its role was dropped, also
 * when another role of that name comes later; both parts are in a dump.
 *
 * A role of class tenant, or a member of one, sees the rows of its tenants
 * and no others, whatever else it was granted; one that has the USAGE
 * without a row sees none.  Of several classes the wider one counts.  Roles
 * that are of no class are ruled by their grants alone.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(finops_sees_all_tenants);
PG_FUNCTION_INFO_V1(finops_own_tenants);
PG_FUNCTION_INFO_V1(finops_grant_role);
PG_FUNCTION_INFO_V1(finops_revoke_role);
PG_FUNCTION_INFO_V1(finops_secure_relations);

typedef struct Rights
{
	bool		all;			/* sees every tenant */
	List	   *tenants;		/* of char *, where not all */
} Rights;

/* Columns of finops.role_grant. */
enum
{
	GRANT_ROLE = 1,
	GRANT_CLASS,
	GRANT_TENANT
};

/* The roles that have USAGE on type finops.role_class by themselves. */
static List *
marked_roles(Oid schema)
{
	HeapTuple	tuple = SearchSysCache2(TYPENAMENSP, CStringGetDatum("role_class"),
									ObjectIdGetDatum(schema));
	List	   *roles = NIL;
	bool		isnull;
	Datum		value;

	if (!HeapTupleIsValid(tuple))
		return NIL;
	value = SysCacheGetAttr(TYPENAMENSP, tuple, Anum_pg_type_typacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclPCopy(value);

		for (int i = 0; i < ACL_NUM(acl); i++)
			if (ACLITEM_GET_PRIVS(ACL_DAT(acl)[i]) & ACL_USAGE)
				roles = lappend_oid(roles, ACL_DAT(acl)[i].ai_grantee);
	}
	ReleaseSysCache(tuple);
	return roles;
}

static char *
grant_text(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? pstrdup("") : TextDatumGetCString(value);
}

/* What the rows of finops.role_grant say of a role; marked ones are in *left. */
static Rights
read_grants(Oid role, Oid schema, List *marked, List **left)
{
	Rights		rights = {false, NIL};
	Relation	rel = table_open(get_relname_relid("role_grant", schema), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	*left = list_copy(marked);
	while (!rights.all && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			granted = get_role_oid(grant_text(tuple, RelationGetDescr(rel), GRANT_ROLE), true);

		if (!list_member_oid(marked, granted))
			continue;
		*left = list_delete_oid(*left, granted);
		if (!has_privs_of_role(role, granted))
			continue;
		if (strcmp(grant_text(tuple, RelationGetDescr(rel), GRANT_CLASS), "tenant") == 0)
			rights.tenants = lappend(rights.tenants, grant_text(tuple, RelationGetDescr(rel), GRANT_TENANT));
		else
			rights.all = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rights;
}

/*
 * Read without SPI: it runs in policies, in parallel workers too, for a
 * caller who may not read the table.
 */
static Rights
read_rights(Oid role)
{
	Rights		rights = {true, NIL};
	Oid			schema = get_namespace_oid("finops", false);
	List	   *marked;
	List	   *left;
	ListCell   *cell;

	if (has_bypassrls_privilege(role) || has_privs_of_role(role, FinopsOwner()))
		return rights;
	marked = marked_roles(schema);
	if (marked == NIL)
		return rights;
	rights = read_grants(role, schema, marked, &left);
	if (rights.all || rights.tenants != NIL)
		return rights;
	rights.all = true;
	foreach(cell, left)
		if (has_privs_of_role(role, lfirst_oid(cell)))
			rights.all = false;
	return rights;
}

/* finops.sees_all_tenants() → boolean, of the current role */
Datum
finops_sees_all_tenants(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(read_rights(GetUserId()).all);
}

/* finops.own_tenants() → text[], of the current role */
Datum
finops_own_tenants(PG_FUNCTION_ARGS)
{
	Rights		rights = read_rights(GetUserId());
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ListCell   *cell;

	if (!rights.all)
		foreach(cell, rights.tenants)
			state = accumArrayResult(state, CStringGetTextDatum(lfirst(cell)), false, TEXTOID,
									 CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(state, CurrentMemoryContext));
}

/*
 * What is not there and what belongs to somebody else read the same for a
 * tenant: NULL is no tenant.
 */
void
FinopsRequireTenant(const char *tenant, const char *what, const char *name)
{
	Rights		rights = read_rights(FinopsCaller());
	ListCell   *cell;

	if (rights.all)
		return;
	foreach(cell, rights.tenants)
		if (tenant != NULL && strcmp(tenant, lfirst(cell)) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for %s \"%s\"", what, FinopsQuoteForMessage(name)),
			 errhint("SELECT own_tenants FROM finops.caller_rights says for whom you may ask.")));
}

void
FinopsRequireInvoiceTenant(const char *invoice)
{
	char	   *tenant = NULL;

	if (read_rights(FinopsCaller()).all)
		return;
	if (FINOPS_RUN("SELECT h.tenant_id FROM @s@.invoice_header h WHERE h.invoice_id = $1", ARG_TEXT(invoice)) > 0)
		tenant = FinopsText(0, 1);
	FinopsRequireTenant(tenant, "document", invoice);
}

/* ---------------------------------------------------------------------
 * Granting
 * ---------------------------------------------------------------------
 */

/* Run every statement that a query returns. */
static void
run_all(const char *sql, int nargs, const FinopsArg *args)
{
	uint64		n = FinopsRun(sql, nargs, args);
	char	  **statements = palloc_array(char *, Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		statements[i] = FinopsText(i, 1);
	for (uint64 i = 0; i < n; i++)
		FINOPS_RUN0(statements[i]);
}

/* GRANT statements of a class for a role, $1 and $2. */
static const char grant_sql[] =
"SELECT format('GRANT %s ON %s %s TO %I', p.privilege, CASE m.kind WHEN 'relation' THEN 'TABLE' ELSE 'ROUTINE' END,"
"  string_agg(CASE m.kind WHEN 'relation' THEN m.object_id::regclass::text ELSE m.object_id::regprocedure::text END, ', '), $2)"
" FROM (SELECT m.kind, m.object_id, to_jsonb(m) ->> $1 AS letters FROM finops.access_matrix m) m,"
" (VALUES ('S', 'SELECT'), ('I', 'INSERT'), ('U', 'UPDATE'), ('D', 'DELETE'), ('X', 'EXECUTE')) AS p(letter, privilege)"
" WHERE strpos(m.letters, p.letter) > 0 GROUP BY m.kind, p.privilege";

/* and of the mark, and of the schema where not everybody may use it */
static const char mark_sql[] =
"SELECT format('GRANT USAGE ON TYPE finops.role_class TO %I', $1)"
" UNION ALL SELECT format('GRANT USAGE ON SCHEMA %s TO %I', e.extnamespace::regnamespace, $1) FROM pg_extension e"
" WHERE e.extname = 'finops' AND NOT has_schema_privilege($1::name, e.extnamespace, 'USAGE')";

static const char revoke_sql[] =
"SELECT format('REVOKE ALL ON %s %s FROM %I', CASE m.kind WHEN 'relation' THEN 'TABLE' ELSE 'ROUTINE' END,"
"  string_agg(CASE m.kind WHEN 'relation' THEN m.object_id::regclass::text ELSE m.object_id::regprocedure::text END, ', '), $1)"
" FROM finops.access_matrix m GROUP BY m.kind"
" UNION ALL SELECT format('REVOKE ALL ON TYPE finops.role_class FROM %I', $1)"
" WHERE NOT EXISTS (SELECT FROM finops.role_grant g WHERE g.role_name = $1)";

/* The arguments of grant_role and revoke_role. */
typedef struct RoleGrant
{
	char	   *class;
	char	   *role;
	char	   *tenant;			/* NULL: none */
} RoleGrant;

static RoleGrant
read_arguments(FunctionCallInfo fcinfo)
{
	static const char *const classes[] = {"reader", "operator", "billing", "approver", "auditor", "tenant"};
	RoleGrant	grant;
	bool		known = false;

	FinopsRequireArg(fcinfo, 0, "class");
	FinopsRequireArg(fcinfo, 1, "role_name");
	grant.class = text_to_cstring(PG_GETARG_TEXT_PP(0));
	grant.role = text_to_cstring(PG_GETARG_TEXT_PP(1));
	grant.tenant = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	for (size_t i = 0; i < lengthof(classes); i++)
		known |= strcmp(grant.class, classes[i]) == 0;
	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no class \"%s\" of roles", FinopsQuoteForMessage(grant.class)),
				 errhint("Classes are reader, operator, billing, approver, auditor and tenant.")));
	if (grant.tenant != NULL && strcmp(grant.class, "tenant") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("class \"%s\" takes no tenant_id", grant.class),
				 errhint("Run finops.grant_role('tenant', role_name, tenant_id).")));
	return grant;
}

/* 42704 where there is no such role. */
static void
require_role(const char *role)
{
	(void) get_role_oid(role, false);
}

static void
audit(const FinopsSession *session, const char *action, const RoleGrant *grant)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"class\": ");
	escape_json(&json, grant->class);
	if (grant->tenant != NULL)
	{
		appendStringInfoString(&json, ", \"tenant_id\": ");
		escape_json(&json, grant->tenant);
	}
	appendStringInfoChar(&json, '}');
	FinopsAudit(session, action, "role", grant->role, json.data);
}

/*
 * One at a time: each changes the privileges of every object.  Rows of roles
 * that are gone, or are others of the same name, go first.
 */
static void
lock_and_clean(void)
{
	FINOPS_RUN0("LOCK TABLE finops.role_grant IN SHARE ROW EXCLUSIVE MODE");
	FINOPS_RUN0("DELETE FROM finops.role_grant g WHERE NOT EXISTS ("
				"SELECT FROM pg_type t, aclexplode(t.typacl) a, pg_roles r"
				" WHERE t.oid = 'finops.role_class'::regtype AND r.oid = a.grantee AND r.rolname::text = g.role_name)");
}

static void
grant_class(const char *class, const char *role)
{
	FinopsArg	args[] = {ARG_TEXT(class), ARG_TEXT(role)};

	run_all(grant_sql, 2, args);
}

/*
 * finops.grant_role(class text, role_name text, tenant_id text DEFAULT NULL)
 *
 * Gives the role the rights of a class, by finops.access_matrix, and writes
 * it down; repeated it brings the rights up to date.  Errors: 22023 for an
 * unknown class or a tenant_id where none belongs, 22004 where one is
 * missing, 42704 for an unknown role, P0002 for an unknown tenant.
 */
Datum
finops_grant_role(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	RoleGrant	grant = read_arguments(fcinfo);
	FinopsArg	role = ARG_TEXT(grant.role);

	FinopsRequireWritable("finops.grant_role()");
	require_role(grant.role);
	if (strcmp(grant.class, "tenant") == 0)
		FinopsRequireArg(fcinfo, 2, "tenant_id");
	FinopsBegin(&session);
	if (grant.tenant != NULL &&
		FINOPS_RUN("SELECT FROM @s@.tenant_master t WHERE t.tenant_id = $1", ARG_TEXT(grant.tenant)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("there is no tenant \"%s\"", FinopsQuoteForMessage(grant.tenant)),
				 errhint("Run finops.register_tenant() first.")));
	lock_and_clean();
	FINOPS_RUN("INSERT INTO finops.role_grant (role_name, class, tenant_id, granted_by) VALUES ($1, $2, coalesce($3, ''), $4)"
			   " ON CONFLICT DO NOTHING",
			   role, ARG_TEXT(grant.class), ARG_TEXT(grant.tenant), ARG_TEXT(FinopsCallerName(&session)));
	grant_class(grant.class, grant.role);
	run_all(mark_sql, 1, &role);
	audit(&session, "grant_role", &grant);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}

/*
 * finops.revoke_role(class text, role_name text, tenant_id text DEFAULT NULL)
 *	→ boolean
 *
 * Takes the rights of a class; those of the role's other classes are given
 * anew.  Errors: 22023 as above.
 */
Datum
finops_revoke_role(PG_FUNCTION_ARGS)
{
	FinopsSession session;
	RoleGrant	grant = read_arguments(fcinfo);
	FinopsArg	role = ARG_TEXT(grant.role);
	uint64		removed;
	uint64		left;
	char	  **classes;

	FinopsRequireWritable("finops.revoke_role()");
	FinopsBegin(&session);
	FINOPS_RUN0("LOCK TABLE finops.role_grant IN SHARE ROW EXCLUSIVE MODE");
	removed = FINOPS_RUN("DELETE FROM finops.role_grant WHERE role_name = $1 AND class = $2 AND ($3 IS NULL OR tenant_id = $3)",
						 role, ARG_TEXT(grant.class), ARG_TEXT(grant.tenant));
	if (removed > 0 && OidIsValid(get_role_oid(grant.role, true)))
	{
		run_all(revoke_sql, 1, &role);
		left = FINOPS_RUN("SELECT DISTINCT class FROM finops.role_grant WHERE role_name = $1", role);
		classes = palloc_array(char *, Max(left, 1));
		for (uint64 i = 0; i < left; i++)
			classes[i] = FinopsText(i, 1);
		for (uint64 i = 0; i < left; i++)
			grant_class(classes[i], grant.role);
	}
	lock_and_clean();
	if (removed > 0)
		audit(&session, "revoke_role", &grant);
	FinopsEnd(&session);
	PG_RETURN_BOOL(removed > 0);
}

/* ---------------------------------------------------------------------
 * Row security
 * ---------------------------------------------------------------------
 */

#define ALL_ROWS	"(SELECT finops.sees_all_tenants())"
#define TENANT_ROWS	"tenant_id = ANY ((SELECT finops.own_tenants())::text[])"

/*
 * Policies of every table that not everybody may read.  The subqueries are
 * evaluated once for each statement; all that they compare is text, whose
 * equality tells nothing about rows that are not returned.  The server takes
 * the last name first, so who sees everything pays for one test.
 */
static const char policies_sql[] =
"WITH t AS (SELECT m.object_id, m.object_id::regclass::text AS name, coalesce(x.rows_of, CASE WHEN EXISTS ("
"   SELECT FROM pg_attribute a WHERE a.attrelid = m.object_id AND a.attname = 'tenant_id' AND NOT a.attisdropped)"
"   THEN 'tenant' ELSE 'none' END) AS rows_of"
"  FROM finops.access_matrix m JOIN pg_class c ON c.oid = m.object_id AND c.relkind IN ('r', 'p')"
"  LEFT JOIN finops.tenant_rows x ON x.object = m.object"
"  WHERE m.kind = 'relation' AND coalesce(m.object_group, '') NOT IN ('reference', 'catalogue')),"
" condition (rows_of, condition) AS (VALUES"
"  ('tenant', '" TENANT_ROWS "'),"
"  ('scope', 'scope_type = ''tenant'' AND scope_ref = ANY ((SELECT finops.own_tenants())::text[])'),"
"  ('every', 'true'),"
"  ('invoice', 'invoice_id IN (SELECT h.invoice_id FROM @s@.invoice_header h)'),"
"  ('payment', 'payment_id IN (SELECT p.payment_id FROM @s@.payment_txn p)'),"
"  ('application', 'invoice_id IN (SELECT h.invoice_id FROM @s@.invoice_header h)"
" OR payment_id IN (SELECT p.payment_id FROM @s@.payment_txn p)'))"
" SELECT s.statement FROM ("
"  SELECT 1 AS step, t.name, format('DROP POLICY %I ON %s', p.polname, t.name) AS statement"
"  FROM t JOIN pg_policy p ON p.polrelid = t.object_id AND p.polname IN ('finops_own_rows', 'finops_staff_rows')"
"  UNION ALL SELECT 2, t.name, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.name) FROM t"
"  UNION ALL SELECT 3, t.name, format('CREATE POLICY finops_staff_rows ON %s USING (" ALL_ROWS ")', t.name) FROM t"
"  UNION ALL SELECT 4, t.name, format('CREATE POLICY finops_own_rows ON %s FOR SELECT USING (%s)', t.name, c.condition)"
"  FROM t JOIN condition c ON c.rows_of = t.rows_of) s ORDER BY s.step, s.name";

static const char views_sql[] =
"SELECT format('ALTER VIEW %s SET (security_invoker = true)', m.object_id::regclass)"
" FROM finops.access_matrix m JOIN pg_class c ON c.oid = m.object_id AND c.relkind = 'v' WHERE m.kind = 'relation'";

/* A partition of schema finops that is read by itself: what its parent has. */
void
FinopsSecurePartition(const char *name)
{
	FINOPS_RUN0(psprintf("ALTER TABLE finops.%s ENABLE ROW LEVEL SECURITY", name));
	FINOPS_RUN0(psprintf("CREATE POLICY finops_staff_rows ON finops.%s USING (" ALL_ROWS ")", name));
	FINOPS_RUN0(psprintf("CREATE POLICY finops_own_rows ON finops.%s FOR SELECT USING (" TENANT_ROWS ")", name));
}

/* finops.secure_relations(): repeated it changes nothing. */
Datum
finops_secure_relations(PG_FUNCTION_ARGS)
{
	FinopsSession session;

	FinopsRequireWritable("finops.secure_relations()");
	FinopsBegin(&session);
	run_all(policies_sql, 0, NULL);
	run_all(views_sql, 0, NULL);
	FinopsEnd(&session);
	PG_RETURN_VOID();
}
