/*-------------------------------------------------------------------------
 *
 * finops.c
 *	  Module load: the magic block, the settings and the rooms' set-up.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"

#include <ctype.h>

FINOPS_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

int			finops_cost_basis = FINOPS_BASIS_EFFECTIVE;
bool		finops_keep_unknown_columns = true;
int			finops_max_rejects = 0;
char	   *finops_recon_amount_floor;
char	   *finops_reporting_currency;
char	   *finops_s3_endpoint;

static const struct config_enum_entry cost_basis_options[] = {
	{"effective", FINOPS_BASIS_EFFECTIVE, false},
	{"billed", FINOPS_BASIS_BILLED, false},
	{NULL, 0, false}
};

/* A non-negative decimal such as 1.00; settings never pass through float. */
static bool
check_amount(char **newval, void **extra pg_attribute_unused(),
			 GucSource source pg_attribute_unused())
{
	const char *p = *newval;
	int			digits = 0;

	for (; isdigit((unsigned char) *p); p++)
		digits++;
	if (*p == '.')
		for (p++; isdigit((unsigned char) *p); p++)
			digits++;
	if (*p != '\0' || digits == 0 || digits > 30)
	{
		GUC_check_errdetail("An amount is digits with an optional fraction, such as 1.00.");
		return false;
	}
	return true;
}

/* Three capital letters; whether the currency is known is checked on use. */
static bool
check_currency(char **newval, void **extra pg_attribute_unused(),
			   GucSource source pg_attribute_unused())
{
	const char *p = *newval;

	if (strlen(p) == 3 && strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3)
		return true;
	GUC_check_errdetail("A currency is its ISO 4217 code, such as USD.");
	return false;
}

/*
 * Settings in alphabetical order.  Anything that names files or hosts is
 * PGC_SUSET.
 */
static void
define_settings(void)
{
	DefineCustomEnumVariable("finops.cost_basis",
							 "Cost that is allocated: effective (amortised) or billed.",
							 "A period keeps the basis of its first allocation.",
							 &finops_cost_basis, FINOPS_BASIS_EFFECTIVE,
							 cost_basis_options, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("finops.keep_unknown_columns",
							 "Whether facts keep the columns of a bill that its format does not know.",
							 "In fact_cost_raw.other_columns; their names are logged either way.",
							 &finops_keep_unknown_columns, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("finops.max_rejects",
							"Lines of a bill that a load may reject before it fails.",
							"Rejected lines are in finops.bill_reject; -1: any number.",
							&finops_max_rejects, 0, -1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("finops.recon_amount_floor",
							   "Smallest variance amount that puts a service out of tolerance.",
							   "In the reporting currency; the total is judged by percent alone.",
							   &finops_recon_amount_floor, "1.00",
							   PGC_SUSET, 0, check_amount, NULL, NULL);
	DefineCustomStringVariable("finops.reporting_currency",
							   "Currency of the *_usd columns.",
							   "An ISO 4217 code.",
							   &finops_reporting_currency, "USD",
							   PGC_SUSET, 0, check_currency, NULL, NULL);
	DefineCustomStringVariable("finops.s3_endpoint",
							   "Where s3:// addresses are looked up.",
							   "A file:/// directory that holds one folder per bucket; empty: S3 is not reachable.",
							   &finops_s3_endpoint, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

void
_PG_init(void)
{
	define_settings();
	CompatInit();
	MarkGUCPrefixReserved("finops");
}
