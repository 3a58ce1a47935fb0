/*-------------------------------------------------------------------------
 *
 * project.c
 *	  One record of a bill becomes one fact: its fields are read, checked
 *	  and completed by the rules of its format.
 *
 * What a header has is planned once (header.c); a record costs one step for
 * each column that is read and none for those that are not there.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/project.h"

/* Room for the computed values of one record, which must not move. */
#define SCRATCH_SIZE	(16 * (2 * NUMBER_MAX_DIGITS + 8))

BillFieldKind
BillKindOfField(BillField field)
{
	switch (field)
	{
		case BF_UNBLENDED_COST:
		case BF_EFFECTIVE_COST:
		case BF_USAGE_AMOUNT:
		case BF_UNBLENDED_RATE:
		case BF_BLENDED_COST:
		case BF_NET_UNBLENDED_COST:
		case BF_LIST_COST:
		case BF_CONTRACTED_COST:
		case BF_RI_EFFECTIVE:
		case BF_RI_EFFECTIVE_NET:
		case BF_RI_UPFRONT:
		case BF_RI_UPFRONT_NET:
		case BF_RI_UNUSED_UPFRONT:
		case BF_RI_UNUSED_UPFRONT_NET:
		case BF_RI_UNUSED_RECURRING:
		case BF_RI_UNUSED_RECURRING_NET:
		case BF_SP_EFFECTIVE:
		case BF_SP_EFFECTIVE_NET:
		case BF_SP_UPFRONT:
		case BF_SP_UPFRONT_NET:
		case BF_SP_TOTAL:
		case BF_SP_USED:
		case BF_COMMITMENT_QUANTITY:
		case BF_LIST_PRICE:
		case BF_CONTRACTED_PRICE:
		case BF_PRICING_QUANTITY:
		case BF_CONSUMED_QUANTITY:
		case BF_PRICING_CURRENCY_CONTRACTED_PRICE:
		case BF_PRICING_CURRENCY_EFFECTIVE_COST:
		case BF_PRICING_CURRENCY_LIST_PRICE:
		case BF_CREDIT:
		case BF_CREDIT_2:
		case BF_CREDIT_3:
		case BF_CREDIT_4:
		case BF_BILLED:
		case BF_EFFECTIVE:
		case BF_UPFRONT:
		case BF_CREDIT_AMOUNT:
			return FIELD_NUMBER;
		case BF_PERIOD_START:
		case BF_PERIOD_END:
		case BF_USAGE_START:
		case BF_USAGE_END:
			return FIELD_TIME;
		case BF_SKU_PRICE_DETAILS:
		case BF_CONTRACT_APPLIED:
		case BF_ALLOCATED_METHOD_DETAILS:
		case BF_ALLOCATED_TAGS:
		case BF_ELIGIBILITY:
		case BF_CREDITS:
			return FIELD_JSON;
		default:
			return FIELD_TEXT;
	}
}

bool
ProjectProblem(BillProjector *p, ValueStatus status, int field, Slice value)
{
	int			column = p->header->column[field];

	p->problem.status = status;
	p->problem.column = column >= 0 ? p->header->names[column] : "";
	p->problem.value = value;
	return false;
}

void
ProjectorFree(BillProjector *p)
{
	OutFree(&p->scratch);
	OutFree(&p->text);
	OutFree(&p->braces);
	OutFree(&p->json);
	OutFree(&p->product);
	for (int i = 0; i < BO_COUNT; i++)
		OutFree(&p->object[i]);
	for (size_t i = 0; i < lengthof(p->sum); i++)
		OutFree(&p->sum[i]);
	for (int i = 0; i < BF_COUNT; i++)
		OutFree(&p->parted[i]);
}

bool
ProjectorOk(const BillProjector *p)
{
	const OutBuf *all[] = {&p->scratch, &p->text, &p->braces, &p->json,
		&p->product, &p->sum[0], &p->sum[1]};

	for (size_t i = 0; i < lengthof(all); i++)
		if (all[i]->data != NULL && !all[i]->ok)
			return false;
	for (int i = 0; i < BO_COUNT; i++)
		if (p->object[i].data != NULL && !p->object[i].ok)
			return false;
	return true;
}

/* ---------------------------------------------------------------------
 * Helpers of the rules
 * ---------------------------------------------------------------------
 */

void
ProjectNoteOddType(BillProjector *p, Slice name)
{
	size_t		len = Min((size_t) name.len, sizeof(p->odd_types[0]) - 1);

	for (int i = 0; i < p->nodd_types; i++)
		if (strlen(p->odd_types[i]) == len &&
			memcmp(p->odd_types[i], name.data, len) == 0)
			return;
	if (p->nodd_types == BILL_MAX_ODD_TYPES ||
		!Utf8Valid(name.data, (int) len))
		return;
	memcpy(p->odd_types[p->nodd_types], name.data, len);
	p->odd_types[p->nodd_types++][len] = '\0';
}

Slice
ProjectSum(BillProjector *p, Slice a, Slice b, int sign)
{
	size_t		start = p->scratch.len;
	Slice		result;

	if (b.data == NULL)
		return a;
	if (a.data == NULL && sign > 0)
		return b;
	if (a.data == NULL)
		a = constant("0");
	NumberAdd(&p->scratch, a, b, sign);
	result.data = p->scratch.data + start;
	result.len = (int) (p->scratch.len - start);
	return result;
}

bool
ProjectSame(Slice s, const char *text)
{
	int			len = (int) strlen(text);

	if (s.len != len)
		return false;
	for (int i = 0; i < len; i++)
		if ((s.data[i] | 0x20) != (text[i] | 0x20))
			return false;
	return true;
}

Slice
ProjectCost(BillProjector *p, BillField field)
{
	if (is_set(p, field))
		return p->value[field];
	p->blank_costs++;
	return constant("0");
}

void
ProjectService(BillProjector *p, const BillField *order)
{
	for (; *order != BF_NONE; order++)
		if (is_set(p, *order) && !is_blank(p->value[*order]))
		{
			p->value[BF_SERVICE] = p->value[*order];
			return;
		}
	p->value[BF_SERVICE] = constant("unknown");
}

/* ---------------------------------------------------------------------
 * Reading
 * ---------------------------------------------------------------------
 */

/*
 * JSON values go to jsonb as delivered.  What is not JSON becomes a JSON
 * string, so that nothing is lost of columns that no rule depends on.
 */
static void
read_json(BillProjector *p)
{
	const BillHeader *h = p->header;
	size_t		room = 0;

	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < h->nreads; i++)
		{
			Slice	   *value = &p->value[h->reads[i].field];
			size_t		start = p->json.len;

			if (h->reads[i].kind != FIELD_JSON || value->data == NULL || JsonValid(*value))
				continue;
			if (pass == 0)
			{
				room += 6 * (size_t) value->len + 2;
				continue;
			}
			JsonQuote(&p->json, *value);
			*value = (Slice) {p->json.data + start, (int) (p->json.len - start)};
		}
		if (room == 0)
			return;
		p->json.len = 0;
		OutReserve(&p->json, room);
		if (!p->json.ok)
			return;
	}
}

/*
 * The console of Google Cloud parts thousands by commas.  "1,234.56" and
 * "1,234,567" are that; "1,234" may as well have a decimal comma, and nobody
 * is to guess by a factor of a thousand.
 */
static ValueStatus
check_parted(OutBuf *plain, Slice *value)
{
	const char *end = value->data + value->len;
	const char *p = value->data + (value->data[0] == '-');
	int			commas = 0;
	int			digits;
	ValueStatus status;

	plain->len = 0;
	OutBytes(plain, value->data, (size_t) (p - value->data));
	for (;;)
	{
		for (digits = 0; p + digits < end && p[digits] >= '0' && p[digits] <= '9';)
			digits++;
		if (digits == 0 || digits > 3 || (commas > 0 && digits < 3))
			return VALUE_NOT_A_NUMBER;
		OutBytes(plain, p, (size_t) digits);
		p += digits;
		if (p == end || *p != ',')
			break;
		commas++;
		p++;
	}
	if (commas == 0 || (commas == 1 && (p == end || *p != '.')))
		return VALUE_NOT_A_NUMBER;
	OutBytes(plain, p, (size_t) (end - p));
	if (!plain->ok)
		return VALUE_NOT_A_NUMBER;
	status = NumberCheck((Slice) {plain->data, (int) plain->len});
	if (status == VALUE_OK)
		*value = (Slice) {plain->data, (int) plain->len};
	return status;
}

static bool
read_fields(BillProjector *p, const CsvField *fields)
{
	const BillRead *read = p->header->reads;
	const BillRead *end = read + p->header->nreads;
	bool		json = false;

	for (; read < end; read++)
	{
		const CsvField *field = &fields[read->column];
		Slice		value = {field->data, field->len};
		ValueStatus status;

		if (value.len == 0 || CsvIsNull(field, read->kind != FIELD_TEXT))
		{
			p->value[read->field] = null_slice;
			continue;
		}
		if (read->kind != FIELD_TEXT)
		{
			value = SliceTrim(value);
			if (value.len == 0)
				value = null_slice;
			else if (read->kind == FIELD_NUMBER)
			{
				status = NumberCheck(value);
				if (status != VALUE_OK && p->header->format == BILL_GCP)
					status = check_parted(&p->parted[read->field], &value);
				if (status != VALUE_OK)
					return ProjectProblem(p, status, read->field, value);
			}
			else if (read->kind == FIELD_JSON)
				json = true;
		}
		p->value[read->field] = value;
	}
	if (json)
		read_json(p);
	for (int i = 0; i < p->header->ncopies; i++)
	{
		const BillCopy *copy = &p->header->copies[i];

		if (copy->always || p->value[copy->to].data == NULL)
			p->value[copy->to] = p->value[copy->from];
	}
	return true;
}

/* 202309, 2023-09, 20230901, or any moment of the month */
static bool
parse_month(Slice text, BillPeriod *month)
{
	BillTime	time;
	int			digit[6];
	int			n = 0;

	text = SliceTrim(text);
	for (int i = 0; i < text.len && n < 6; i++)
		if (text.data[i] >= '0' && text.data[i] <= '9')
			digit[n++] = text.data[i] - '0';
		else if (text.data[i] != '-' || i != 4)
			break;
	if (n == 6 && (text.len == 6 || text.len == 7 || text.len == 8))
	{
		month->year = digit[0] * 1000 + digit[1] * 100 + digit[2] * 10 + digit[3];
		month->month = digit[4] * 10 + digit[5];
		return month->year >= 1900 && month->month >= 1 && month->month <= 12;
	}
	if (TimeParse(text, &time) != VALUE_OK)
		return false;
	month->year = time.year;
	month->month = time.month;
	return true;
}

static bool
read_time_month(BillProjector *p, BillField field)
{
	BillTime	time;

	if (TimeParse(p->value[field], &time) != VALUE_OK)
		return ProjectProblem(p, VALUE_NOT_A_TIME, field, p->value[field]);
	p->row.period.year = time.year;
	p->row.period.month = time.month;
	p->row.has_period = true;
	return true;
}

/* The month in which the line is billed, from the bill, else from its use. */
static bool
read_period(BillProjector *p)
{
	if (is_set(p, BF_PERIOD_START))
		return read_time_month(p, BF_PERIOD_START);
	if (is_set(p, BF_MONTH))
	{
		if (!parse_month(p->value[BF_MONTH], &p->row.period))
			return ProjectProblem(p, VALUE_NOT_A_TIME, BF_MONTH, p->value[BF_MONTH]);
		p->row.has_period = true;
		return true;
	}
	if (p->default_period.year != 0)
	{
		p->row.period = p->default_period;
		p->row.has_period = true;
		return true;
	}
	return !is_set(p, BF_USAGE_START) || read_time_month(p, BF_USAGE_START);
}

/* A header of the next file may fill other fields. */
static void
begin_header(BillProjector *p)
{
	p->header_id = p->header->id;
	memset(p->value, 0, sizeof(p->value));
	OutReserve(&p->scratch, SCRATCH_SIZE);
}

static bool
apply_rules(BillProjector *p)
{
	switch (p->header->format)
	{
		case BILL_FOCUS:
			ProjectFocus(p);
			return true;
		case BILL_AZURE:
			ProjectAzure(p);
			return true;
		case BILL_GCP:
			return ProjectGcp(p);
		case BILL_OCI:
			ProjectOci(p);
			return true;
		default:
			ProjectAws(p);
			return true;
	}
}

bool
ProjectRecord(BillProjector *p, const CsvField *fields)
{
	if (p->header_id != p->header->id)
		begin_header(p);
	p->scratch.len = 0;
	p->row.has_period = false;
	if (!read_fields(p, fields) || !read_period(p) ||
		!ProjectObjects(p, fields) || !apply_rules(p))
		return false;
	if (!is_set(p, BF_CURRENCY))
		p->value[BF_CURRENCY] = constant(p->header->currency);
	p->row.provider = p->value[BF_PROVIDER];
	p->row.payer = p->value[BF_PAYER];
	return true;
}
