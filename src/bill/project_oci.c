/*-------------------------------------------------------------------------
 *
 * project_oci.c
 *	  Lines of an Oracle Cloud Infrastructure cost report.
 *
 * A correction is a line of its own, in the report of the day it was made,
 * that names the line it corrects.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

void
ProjectOci(BillProjector *p)
{
	static const BillField services[] = {
		BF_PRODUCT_CODE, BF_DESCRIPTION, BF_SKU_ID, BF_NONE,
	};
	bool		correction = is_set(p, BF_CORRECTION) &&
		ProjectSame(p->value[BF_CORRECTION], "true");

	p->value[BF_EFFECTIVE] = p->value[BF_BILLED] = ProjectCost(p, BF_UNBLENDED_COST);
	p->value[BF_PROVIDER] = constant("Oracle");
	p->value[BF_CATEGORY] = constant("Usage");
	p->value[BF_CHARGE_CLASS] = constant(correction ? "Correction" : NULL);
	p->value[BF_CHARGE_FREQUENCY] = constant("Usage-Based");
	ProjectService(p, services);
}
