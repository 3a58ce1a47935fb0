/*-------------------------------------------------------------------------
 *
 * project_focus.c
 *	  Lines of a FOCUS bill, which bring their costs with them.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

/* The names under which the large providers appear. */
static const char *const provider_names[][2] = {
	{"AWS", "AWS"},
	{"Amazon Web Services", "AWS"},
	{"Amazon Web Services, Inc.", "AWS"},
	{"Amazon Web Services EMEA SARL", "AWS"},
	{"Microsoft", "Microsoft"},
	{"Microsoft Azure", "Microsoft"},
	{"Microsoft Corporation", "Microsoft"},
	{"Azure", "Microsoft"},
	{"Google Cloud", "Google Cloud"},
	{"Google Cloud Platform", "Google Cloud"},
	{"Google", "Google Cloud"},
	{"GCP", "Google Cloud"},
	{"Oracle", "Oracle"},
	{"Oracle Cloud", "Oracle"},
	{"Oracle Cloud Infrastructure", "Oracle"},
	{"OCI", "Oracle"},
};

static const char *
usual_name(Slice name)
{
	for (size_t i = 0; i < lengthof(provider_names); i++)
		if (SliceEqual(name, provider_names[i][0]))
			return provider_names[i][1];
	return NULL;
}

/* Most bills name one provider, line after line. */
static Slice
provider_name(BillProjector *p, Slice name)
{
	name = SliceTrim(name);
	if (name.len == 0)
		return constant("unknown");
	if (name.len > (int) sizeof(p->provider_text))
		return name;
	if (p->provider_len != name.len ||
		memcmp(p->provider_text, name.data, (size_t) name.len) != 0)
	{
		p->provider_usual = usual_name(name);
		p->provider_len = name.len;
		memcpy(p->provider_text, name.data, (size_t) name.len);
	}
	return p->provider_usual != NULL ? constant(p->provider_usual) : name;
}

static Slice
provider(BillProjector *p)
{
	static const BillField order[] = {
		BF_PROVIDER_NAME, BF_SERVICE_PROVIDER, BF_ISSUER, BF_PUBLISHER, BF_HOST_PROVIDER,
	};

	for (size_t i = 0; i < lengthof(order); i++)
		if (is_set(p, order[i]))
			return provider_name(p, p->value[order[i]]);
	return constant("unknown");
}

static Slice
charge_category(BillProjector *p)
{
	static const char *const categories[] = {
		"Usage", "Purchase", "Tax", "Credit", "Adjustment",
	};
	Slice		type = p->value[BF_LINE_TYPE];

	if (type.data == NULL)
		return constant("Usage");
	for (size_t i = 0; i < lengthof(categories); i++)
		if (ProjectSame(type, categories[i]))
			return constant(categories[i]);
	ProjectNoteOddType(p, type);
	return constant("Usage");
}

void
ProjectFocus(BillProjector *p)
{
	static const BillField services[] = {
		BF_PRODUCT_CODE, BF_PRODUCT_NAME, BF_LEGAL_ENTITY, BF_NONE,
	};

	if (!is_set(p, BF_UNBLENDED_COST) || !is_set(p, BF_EFFECTIVE_COST))
		p->blank_costs++;
	p->value[BF_BILLED] = is_set(p, BF_UNBLENDED_COST) ? p->value[BF_UNBLENDED_COST] : constant("0");
	p->value[BF_EFFECTIVE] = is_set(p, BF_EFFECTIVE_COST) ? p->value[BF_EFFECTIVE_COST] : constant("0");
	p->value[BF_PROVIDER] = provider(p);
	p->value[BF_CATEGORY] = charge_category(p);
	p->fees |= is_set(p, BF_COMMITMENT_ID) && !is_set(p, BF_COMMITMENT_STATUS);
	ProjectService(p, services);
}
