/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Monthly partitions of facts and entries, made on demand.
 *
 * The parents carry columns, defaults and checks only, so that a dump can be
 * restored: a key or an index on them would be created by the extension and
 * then again with each dumped partition.  Key and indexes are made per
 * partition here; where the rows of one value stand together, a BRIN index
 * costs next to nothing.  A check of year and month as text lets the planner
 * leave the partition out for conditions on them.  CREATE TABLE LIKE and ATTACH
 * under an advisory lock take weaker locks than CREATE TABLE PARTITION OF:
 * readers of other months go on.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"

static void
create_partition(const char *name, DateADT period, const FinopsPartitioned *table)
{
	char	   *from = psprintf("%s-01", FinopsPeriodText(period));
	char	   *to = psprintf("%s-01", FinopsPeriodText(FinopsPeriodEnd(period)));

	FINOPS_RUN0(psprintf("CREATE TABLE finops.%s"
						 " (LIKE @s@.%s INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
						 " CONSTRAINT %s_pkey PRIMARY KEY (%s))", name, table->name, name, table->key));
	for (int i = 0; i < (int) lengthof(table->indexed) && table->indexed[i] != NULL; i++)
		FINOPS_RUN0(psprintf("CREATE INDEX %s_%s_idx ON finops.%s (%s)",
							 name, table->indexed[i], name, table->indexed[i]));
	if (table->ranged != NULL)
		FINOPS_RUN0(psprintf("CREATE INDEX %s_%s_idx ON finops.%s USING brin (%s)",
							 name, table->ranged, name, table->ranged));
	if (table->year != NULL)
		FINOPS_RUN0(psprintf("ALTER TABLE finops.%s ADD CONSTRAINT %s_month_check"
							 " CHECK (%s = '%.4s' AND %s = '%.2s')",
							 name, name, table->year, from, table->month, from + 5));
	FinopsSecurePartition(name);
	FINOPS_RUN0(psprintf("ALTER TABLE @s@.%s ATTACH PARTITION finops.%s"
						 " FOR VALUES FROM ('%s') TO ('%s')", table->name, name, from, to));
}

Oid
FinopsEnsurePartition(const FinopsPartitioned *table, DateADT period)
{
	char	   *month = FinopsPeriodText(period);
	Oid			schema = get_namespace_oid("finops", false);
	char	   *name;
	Oid			partition;

	FinopsCheckPeriodStart(period);
	month[4] = '_';
	name = psprintf("%s_%s", table->name, month);
	partition = get_relname_relid(name, schema);
	if (!OidIsValid(partition))
	{
		FinopsLock(FINOPS_LOCK_PARTITION, 0);
		partition = get_relname_relid(name, schema);
	}
	if (!OidIsValid(partition))
	{
		create_partition(name, period, table);
		return get_relname_relid(name, schema);
	}
	/* rows put there would be in no sum */
	if (!get_rel_relispartition(partition))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table finops.%s is not attached to %s", name, table->name),
				 errhint("ALTER TABLE %s.%s ATTACH PARTITION finops.%s FOR VALUES FROM ('%s-01') TO ('%s-01').",
						 FinopsSchema(), table->name, name, FinopsPeriodText(period),
						 FinopsPeriodText(FinopsPeriodEnd(period)))));
	return partition;
}
