/* links: src/forecast/regular.c */
/*
 * Regular series: whatever times a server can hold, values and bucket, the
 * series is as long as its buckets say, gaps stand where there is nothing, and
 * the rows in another order make the same.
 */
#include "forecast/regular.h"

#include <stdlib.h>

#define LEAST_TIME	REGULAR_MICROS(-211813488000000000)
#define END_TIME	REGULAR_MICROS(9223371331200000000)
#define MAX_ROWS	200

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static RegularStatus
build(const RegularEntry *rows, int n, bool backwards, RegularBucket bucket, RegularSeries *s)
{
	RegularEntry e[MAX_ROWS];

	for (int i = 0; i < n; i++)
		e[i] = rows[backwards ? n - 1 - i : i];
	n = RegularCompact(e, n);
	return RegularBuild(e, n, bucket, NULL, NULL, s);
}

static void
check(const RegularSeries *s)
{
	if (s->n < 1 || s->n > REGULAR_MAX_LENGTH || s->gaps < 0 || s->gaps >= s->n + 1)
		abort();
	for (int i = 0; i < s->gaps; i++)
		if (s->gap_at[i] < 2 || s->gap_at[i] >= s->n || s->values[s->gap_at[i] - 1] != 0 ||
			(i > 0 && s->gap_at[i] <= s->gap_at[i - 1]))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RegularEntry rows[MAX_ROWS];
	RegularBucket bucket = {0, 0, 0};
	RegularSeries a,
				b;
	char		text[17] = {0};
	int			n = 0;

	if (size < 17)
		return 0;
	memcpy(text, data + 1, 16);
	switch (data[0] % 5)
	{
		case 0:
			if (!RegularParseBucket(text, &bucket))
				return 0;
			break;
		case 1:
			memcpy(&bucket.months, text, sizeof(int32));
			bucket.months &= 0x7fffffff;
			break;
		case 2:
			memcpy(&bucket.days, text, sizeof(int32));
			bucket.days &= 0x7fffffff;
			break;
		case 3:
			memcpy(&bucket.micros, text, sizeof(int64));
			bucket.micros &= INT64_MAX;
			break;
	}
	data += 17;
	size -= 17;
	for (; size >= 10 && n < MAX_ROWS; data += 10, size -= 10, n++)
	{
		int64		at;
		int16_t		value;

		memcpy(&at, data, sizeof(at));
		memcpy(&value, data + 8, sizeof(value));
		/* near each other, or anywhere */
		if (data[0] % 2 == 0)
			at = at % (400 * REGULAR_DAY);
		if (at < LEAST_TIME || at >= END_TIME)
			at = n % 2 == 0 ? LEAST_TIME : END_TIME - 1;
		rows[n] = (RegularEntry) {at, value, 0, 1 + (data[9] & 3)};
	}
	if (build(rows, n, false, bucket, &a) != REGULAR_OK)
		return 0;
	check(&a);
	if (build(rows, n, true, bucket, &b) != REGULAR_OK || a.n != b.n || a.start != b.start ||
		memcmp(a.values, b.values, a.n * sizeof(double)) != 0)
		abort();
	for (int h = 0; h < 10001; h += 5000)
		(void) RegularStart(&a.bucket, RegularNumber(&a.bucket, a.start) + a.n + h);
	free(a.values);
	free(a.gap_at);
	free(b.values);
	free(b.gap_at);
	return 0;
}
