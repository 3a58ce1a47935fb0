/*-------------------------------------------------------------------------
 *
 * insight.h
 *	  What room insight shares among its files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_INSIGHT_H
#define FINOPS_INSIGHT_H

#include "core/core.h"

/*
 * What usage of two months is compared by: the item of a line f of
 * fact_cost_raw, the unit of its quantity, and the quantity.
 */
#define INSIGHT_ITEM_SQL \
	"concat_ws(E'\\x01', f.provider, f.service, f.product_region, f.line_item_usage_type, f.sku_id, f.line_item_operation)"
#define INSIGHT_UNIT_SQL "coalesce(f.pricing_unit, f.consumed_unit, '')"
#define INSIGHT_QUANTITY_SQL "coalesce(f.line_item_usage_amount, f.consumed_quantity, f.pricing_quantity)"

extern void InsightStageKpi(DateADT period, bool with_lines);
extern void InsightStageUnitMonths(DateADT period, int months, const char *cost);

#endif							/* FINOPS_INSIGHT_H */
