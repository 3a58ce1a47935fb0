/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Monthly partitions of the facts, made on demand.
 *
 * The parent carries columns, defaults and checks only, so that a dump can
 * be restored: a key or an index on it would be created by the extension
 * and then again with each dumped partition.  Key and indexes are made per
 * partition here.  CREATE TABLE LIKE and ATTACH under an advisory lock take
 * weaker locks than CREATE TABLE PARTITION OF: readers of other months go on.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"

static void
create_partition(const char *name, DateADT period)
{
	char	   *from = psprintf("%s-01", FinopsPeriodText(period));
	char	   *to = psprintf("%s-01", FinopsPeriodText(FinopsPeriodEnd(period)));

	FINOPS_RUN0(psprintf("CREATE TABLE finops.%s"
						 " (LIKE @s@.fact_cost_raw INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
						 " CONSTRAINT %s_pkey PRIMARY KEY (row_id))", name, name));
	FINOPS_RUN0(psprintf("CREATE INDEX %s_delivery_idx ON finops.%s (delivery_id)",
						 name, name));
	FINOPS_RUN0(psprintf("ALTER TABLE @s@.fact_cost_raw ATTACH PARTITION finops.%s"
						 " FOR VALUES FROM ('%s') TO ('%s')", name, from, to));
}

Oid
BillEnsurePartition(DateADT period)
{
	char	   *month = FinopsPeriodText(period);
	char	   *name;
	Oid			schema = get_namespace_oid("finops", false);
	Oid			partition;

	FinopsCheckPeriodStart(period);
	month[4] = '_';
	name = psprintf("fact_cost_raw_%s", month);
	partition = get_relname_relid(name, schema);
	if (OidIsValid(partition))
		return partition;
	FinopsLock(FINOPS_LOCK_PARTITION, 0);
	partition = get_relname_relid(name, schema);
	if (!OidIsValid(partition))
	{
		create_partition(name, period);
		partition = get_relname_relid(name, schema);
	}
	return partition;
}
