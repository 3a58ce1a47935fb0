/* links: src/ops/exposition.c */
#include "ops/exposition.h"
#include "tap.h"

static char out[1024];
static size_t out_len;

static void
sink(void *arg, const char *bytes, size_t len)
{
	(void) arg;
	if (out_len + len >= sizeof(out))
		return;
	memcpy(out + out_len, bytes, len);
	out_len += len;
	out[out_len] = '\0';
}

static void
begin(void)
{
	out_len = 0;
	out[0] = '\0';
}

int
main(void)
{
	static const char *const labels[] = {"job", "a\\b\"c\nd", "status", ""};

	begin();
	ExpositionHead(sink, NULL, "m_total", "counter", "a \"quoted\" \\ and\na line");
	ok(strcmp(out, "# HELP m_total a \"quoted\" \\\\ and\\na line\n# TYPE m_total counter\n") == 0,
	   "a help escapes backslash and line feed");

	begin();
	ExpositionSample(sink, NULL, "m", "", NULL, 0, "1.5");
	ok(strcmp(out, "m 1.5\n") == 0, "a sample without labels");

	begin();
	ExpositionSample(sink, NULL, "m", "_sum", labels, 2, "0");
	ok(strcmp(out, "m_sum{job=\"a\\\\b\\\"c\\nd\",status=\"\"} 0\n") == 0, "label values escape the quote too");

	begin();
	ExpositionSample(sink, NULL, "m", "", NULL, 0, "Infinity");
	ExpositionSample(sink, NULL, "m", "", NULL, 0, "-Infinity");
	ExpositionSample(sink, NULL, "m", "", NULL, 0, "NaN");
	ok(strcmp(out, "m +Inf\nm -Inf\nm NaN\n") == 0, "what is no finite number");
	printf("1..%d\n", number);
	return failed != 0;
}
