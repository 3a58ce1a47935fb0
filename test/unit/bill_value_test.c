/* links: src/bill/value.c src/bill/json.c src/bill/header.c src/bill/header_columns.c src/bill/project*.c src/bill/csv.c */
/*-------------------------------------------------------------------------
 *
 * bill_value_test.c
 *	  Numbers, moments, text and tags of bills.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/bill.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

static Slice
slice(const char *text)
{
	return (Slice) {text, (int) strlen(text)};
}

/* ---------------------------------------------------------------------
 * Numbers
 * ---------------------------------------------------------------------
 */

static void
check_numbers(ValueStatus status, const char *const *texts, const char *label)
{
	bool		good = true;

	for (; *texts != NULL; texts++)
		if (NumberCheck(slice(*texts)) != status)
		{
			printf("# %s gives %d\n", *texts, (int) NumberCheck(slice(*texts)));
			good = false;
		}
	ok(good, label);
}

static bool
adds(const char *a, const char *b, int sign, const char *sum)
{
	OutBuf		out = {0};
	bool		good;

	NumberAdd(&out, slice(a), slice(b), sign);
	good = out.len == strlen(sum) && memcmp(out.data, sum, out.len) == 0;
	if (!good)
		printf("# %s %s %s gives %.*s, not %s\n", a, sign < 0 ? "-" : "+", b,
			   (int) out.len, out.data, sum);
	OutFree(&out);
	return good;
}

static void
test_numbers(void)
{
	static const char *const good[] = {
		"0", "-0", "12", "1.5", "-1.5", ".5", "5.", "007", "1e3", "1E-6", "1.4724E-6",
		"1.4724e+06", "-2.5e0", "0.000000000000000000000001", "1e99", "1e-100",
		NULL
	};
	static const char *const bad[] = {
		"", "-", ".", "e5", "1e", "1e+", "1.2.3", "+1", "--1", "1,5", "$1", "1 ", " 1",
		"NaN", "nan", "Infinity", "-inf", "0x1F", "1_000", "1e5.0", "(1)", "1-",
		NULL
	};
	static const char *const large[] = {
		"1e100", "1e101", "1e-101", "1e999999999999", "1e-999999999999", "12345e98",
		NULL
	};
	char		many[300];

	check_numbers(VALUE_OK, good, "numbers");
	check_numbers(VALUE_NOT_A_NUMBER, bad, "no numbers");
	check_numbers(VALUE_NUMBER_TOO_LONG, large, "numbers beyond the limit");
	memset(many, '1', sizeof(many));
	many[1] = '.';
	many[102] = '\0';
	ok(NumberCheck(slice(many)) == VALUE_OK, "a hundred decimals");
	many[102] = '1';
	many[103] = '\0';
	ok(NumberCheck(slice(many)) == VALUE_NUMBER_TOO_LONG, "one more is too many");

	ok(adds("0.1", "0.2", 1, "0.3") && adds("1", "2.50", 1, "3.50") &&
	   adds("99.99", "0.01", 1, "100.00"), "sums keep the larger scale");
	ok(adds("3", "1.25", -1, "1.75") && adds("1.25", "3", -1, "-1.75") &&
	   adds("-1", "-1", -1, "0") && adds("-1", "1", 1, "0") && adds("1", "-1", -1, "2"),
	   "differences and signs");
	ok(adds("1.4724E-6", "2e-6", 1, "0.0000034724") && adds("1.5e3", "0.5", 1, "1500.5") &&
	   adds("5.", ".5", 1, "5.5") && adds("-0", "0", 1, "0"), "notations");
	memset(many, '0', sizeof(many));
	many[0] = '1';
	many[101] = '\0';
	ok(adds("9e99", "1e99", 1, many), "a carry beyond the largest number");
	ok(adds("1e-100", "1e-100", 1,
			"0.0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000002"),
	   "the smallest numbers");
	/* 0.1 + 0.2 ... in units of 1e-10 against 64-bit integers */
	{
		uint64		seed = 42;
		bool		same = true;

		for (int i = 0; i < 20000 && same; i++)
		{
			int64		a,
						b,
						c;
			char		x[64],
						y[64],
						z[64];

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			a = (int64) (seed >> 20) % 100000000000000 - 50000000000000;
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			b = (int64) (seed >> 20) % 100000000000000 - 50000000000000;
			c = i % 2 == 0 ? a + b : a - b;
			sprintf(x, "%s%lld.%010lld", a < 0 ? "-" : "", llabs(a) / 10000000000, llabs(a) % 10000000000);
			sprintf(y, "%s%lld.%010lld", b < 0 ? "-" : "", llabs(b) / 10000000000, llabs(b) % 10000000000);
			sprintf(z, "%s%lld.%010lld", c < 0 ? "-" : "", llabs(c) / 10000000000, llabs(c) % 10000000000);
			same = adds(x, y, i % 2 == 0 ? 1 : -1, z);
		}
		ok(same, "20000 sums and differences against integer arithmetic");
	}
}

/* ---------------------------------------------------------------------
 * Moments
 * ---------------------------------------------------------------------
 */

static bool
is_time(const char *text, const char *utc)
{
	BillTime	time;
	OutBuf		out = {0};
	bool		good;

	if (TimeParse(slice(text), &time) != VALUE_OK)
		return utc == NULL;
	TimeWrite(&out, &time);
	good = utc != NULL && out.len == strlen(utc) && memcmp(out.data, utc, out.len) == 0;
	if (!good)
		printf("# %s gives %.*s\n", text, (int) out.len, out.data);
	OutFree(&out);
	return good;
}

static void
test_times(void)
{
	static const char *const bad[] = {
		"", "2018", "2018-10", "2018-10-1", "2018-13-01", "2018-00-01", "2018-02-29",
		"2018-10-32", "2018-10-01T", "2018-10-01T30:00:00Z", "2018-10-01T10", "2018-10-01T10:60",
		"2018-10-01T10:00:60Z", "2018-10-01 13:00:00 PM", "2018-10-01 0:00 AM", "20181301", "2018100", "2018-10-01T10:00:00+25", "1/2", "1/2/333",
		"13/1/2020", "0/1/2020", "yesterday", "2018-10-01x", "2018-10-01T00:00:00.Z", "99999-01-01",
		"1899-12-31", "2018/10/01", "-018-10-01", "2018-10-01T00:00:00Z/2018-10-02T00:00:00Z",
	};
	bool		all = true;

	ok(is_time("2018-10-01T00:00:00Z", "2018-10-01 00:00:00") &&
	   is_time("2019-11-29 21:00:00", "2019-11-29 21:00:00") &&
	   is_time("2023-11-01T00:00:00.000Z", "2023-11-01 00:00:00") &&
	   is_time("2024-09-18 22:00:00 UTC", "2024-09-18 22:00:00") &&
	   is_time("2021-02-02", "2021-02-02 00:00:00") &&
	   is_time("2020-02-29T23:59", "2020-02-29 23:59:00"), "ISO forms");
	ok(is_time("9/2/2023", "2023-09-02 00:00:00") && is_time("09/21/2023", "2023-09-21 00:00:00") &&
	   is_time("10/1/2018 12:05:00 AM", "2018-10-01 00:05:00") && is_time("10/1/2018 1:05 pm", "2018-10-01 13:05:00") &&
	   is_time("20181001", "2018-10-01 00:00:00") && is_time("4/1/25", "2025-04-01 00:00:00") && is_time("4/1/25 7:05", "2025-04-01 07:05:00"),
	   "month first");
	ok(is_time("2020-01-01T00:30:00+01:00", "2019-12-31 23:30:00") &&
	   is_time("2019-12-31T23:30:00-0130", "2020-01-01 01:00:00") &&
	   is_time("2020-03-01T01:00:00+02", "2020-02-29 23:00:00") &&
	   is_time("2019-02-28 23:00:00-05:00", "2019-03-01 04:00:00"), "offsets");
	ok(is_time("2020-01-01T00:00:00.5Z", "2020-01-01 00:00:00.500000") &&
	   is_time("2020-01-01T00:00:00.123456789Z", "2020-01-01 00:00:00.123456"), "fractions");
	for (size_t i = 0; i < lengthof(bad); i++)
		if (!is_time(bad[i], NULL))
			all = false;
	ok(all, "what is no time");
}

/* ---------------------------------------------------------------------
 * Text and JSON
 * ---------------------------------------------------------------------
 */

static void
test_text(void)
{
	static const char *const bad[] = {
		"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff", "a\xe2\x82", "\xe2\x28\xa1",
	};
	bool		all = true;

	for (size_t i = 0; i < lengthof(bad); i++)
		if (Utf8Valid(bad[i], (int) strlen(bad[i])))
			all = false;
	ok(all && !Utf8Valid("a\0b", 3), "what is not UTF-8");
	ok(Utf8Valid("\xc2\x80 \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", 24),
	   "the edges of UTF-8");
}

static void
collect(void *arg, const JsonMember *member)
{
	OutBuf	   *out = arg;
	OutBuf		scratch = {0};
	Slice		text;

	OutReserve(&scratch, (size_t) (member->key.len + member->value.len + 1));
	text = JsonText(member->key, &scratch);
	OutBytes(out, text.data, (size_t) text.len);
	text = JsonScalarText(member, &scratch);
	OutText(out, "=");
	if (text.data == NULL)
		OutText(out, "NULL");
	else
		OutBytes(out, text.data, (size_t) text.len);
	OutText(out, ";");
	OutFree(&scratch);
}

static bool
object(const char *json, const char *members)
{
	OutBuf		out = {0};
	bool		good;

	OutReserve(&out, 1);
	good = JsonObject(slice(json), collect, &out);
	if (members != NULL)
		good = good && out.len == strlen(members) && memcmp(out.data, members, out.len) == 0;
	if (good != (members != NULL))
		printf("# %s gives %d %.*s\n", json, good, (int) out.len, out.data);
	OutFree(&out);
	return good == (members != NULL);
}

static void
test_json(void)
{
	static const char *const bad[] = {
		"", "[]", "\"a\"", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":01}", "{\"a\":1.}",
		"{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":1e9999}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\udc00\"}", "{\"a\":\"\\x\"}", "{\"a\":\"b}", "{\"a\":\"b\nc\"}", "{\"a\":tru}", "{\"a\":[1,2}",
		"{\"a\":{\"b\":1]}", "{\"a\":1}x", "{\"a\":1}{}", "{\"a\":[1,]}", "\"a\": \"b\"", "{\"a\" 1}", "{\"a\":\"\\u12\"}",
	};
	bool		all = true;
	char		deep[400];

	ok(object("{}", "") && object(" { } ", "") && object("{\"a\":\"b\"}", "a=b;") &&
	   object("{\"a\" : 1.5e3 , \"b\":true,\"c\":null}", "a=1.5e3;b=true;c=NULL;") &&
	   object("{\"a\":{\"x\":[1,{},[]]},\"b\":[]}", "a=NULL;b=NULL;"), "objects");
	ok(object("{\"k\":\"a\\\"b\\\\\\/\\n\\u00e9\\u20ac\\ud83d\\ude00\"}",
			  "k=a\"b\\/\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;") &&
	   object("{\"\\u00c4mter \\\"x\\\"\":\"\\u00e9\"}", "\xc3\x84mter \"x\"=\xc3\xa9;"), "escapes");
	for (size_t i = 0; i < lengthof(bad); i++)
		if (!object(bad[i], NULL))
			all = false;
	ok(all, "what jsonb would refuse, or is no object");
	memset(deep, 0, sizeof(deep));
	strcpy(deep, "{\"a\":");
	memset(deep + 5, '[', 100);
	memset(deep + 105, ']', 100);
	deep[205] = '}';
	ok(object(deep, NULL), "nesting has a bound");
}

static void
test_keys(void)
{
	bool		aws;
	Slice		key;

	ok(BillTagOfKey(slice("tenant_id")) == BT_TENANT_ID && BillTagOfKey(slice("Tenant-Id")) == BT_TENANT_ID &&
	   BillTagOfKey(slice("user:TenantID")) == BT_TENANT_ID && BillTagOfKey(slice("CostCenter")) == BT_COST_CENTER &&
	   BillTagOfKey(slice("environment")) == BT_ENVIRONMENT, "keys of the tag columns in any spelling");
	ok(BillTagOfKey(slice("aws:project")) == -1 && BillTagOfKey(slice("env")) == -1 &&
	   BillTagOfKey(slice("")) == -1, "and keys that are others");
	key = BillMapKey(slice("user_Team"), &aws);
	ok(!aws && SliceEqual(key, "Team"), "a user tag of a map");
	key = BillMapKey(slice("aws_created_by"), &aws);
	ok(aws && SliceEqual(key, "created_by"), "a provider tag of a map");
}

int
main(void)
{
	test_numbers();
	test_times();
	test_text();
	test_json();
	test_keys();
	printf("1..%d\n", number);
	return failed != 0;
}
