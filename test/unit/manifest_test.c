/* links: src/bill/manifest.c src/bill/value.c src/bill/json.c */
/*-------------------------------------------------------------------------
 *
 * manifest_test.c
 *	  Manifests: the three kinds, what is none, and where their files are.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/manifest.h"
#include "tap.h"

#include <stdio.h>

static bool
same(const char *a, const char *b)
{
	return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static ManifestStatus
status_of(const char *text)
{
	BillManifest m;
	ManifestStatus status;

	ManifestParse(&m, text, strlen(text));
	status = m.status;
	ManifestFree(&m);
	return status;
}

static void
test_cur(void)
{
	BillManifest m;
	const char *text =
		"\xef\xbb\xbf{ \"assemblyId\" : \"a-1\", \"account\":\"123\","
		" \"columns\":[{\"category\":\"lineItem\",\"name\":\"A,\\\"]\"}, {\"name\":\"B\"}],"
		" \"billingPeriod\":{\"start\":\"20181001T000000.000Z\",\"end\":\"20181101T000000.000Z\"},"
		" \"reportName\":\"daily\", \"bucket\":\"bills\",\n"
		" \"reportKeys\":[\n\t\"p/1.csv.gz\" ,\"p\\/caf\\u00e9.csv\" ], \"additionalArtifactKeys\":[]}";

	ManifestParse(&m, text, strlen(text));
	ok(m.status == MANIFEST_OK && m.kind == MANIFEST_CUR, "a report's manifest");
	ok(same(m.assembly, "a-1") && same(m.account, "123") && same(m.report, "daily"),
	   "assembly, account, report");
	ok(m.period.year == 2018 && m.period.month == 10, "its month");
	ok(m.ncolumns == 2, "its columns");
	ok(m.nfiles == 2 && same(m.files[0].name, "p/1.csv.gz") && m.files[0].lines == -1 &&
	   same(m.files[1].name, "p/caf\xc3\xa9.csv"), "its files, without escapes");
	ManifestFree(&m);
}

static void
test_others(void)
{
	BillManifest m;
	const char *export =
		"{\"executionId\":\"e\",\"exportArn\":\"arn:x\",\"dataFiles\":[\"s3://b/k\",{\"key\":\"l\"}]}";
	const char *azure =
		"{\"blobCount\":1,\"exportConfig\":{\"exportName\":\"n\",\"resourceId\":\"/s/1\"},"
		"\"runInfo\":{\"runId\":\"r\"},\"blobs\":[{\"blobName\":\"d/p.csv\",\"byteCount\":1,\"dataRowCount\":12}]}";

	ManifestParse(&m, export, strlen(export));
	ok(m.status == MANIFEST_OK && m.kind == MANIFEST_DATA_EXPORT && m.nfiles == 2 &&
	   same(m.files[0].name, "s3://b/k") && same(m.files[1].name, "l"), "a data export");
	ok(same(m.assembly, "e") && same(m.report, "arn:x") && m.period.year == 0, "its execution");
	ManifestFree(&m);
	ManifestParse(&m, azure, strlen(azure));
	ok(m.status == MANIFEST_OK && m.kind == MANIFEST_AZURE && m.nfiles == 1 &&
	   same(m.files[0].name, "d/p.csv") && m.files[0].lines == 12, "an export of Azure");
	ok(same(m.assembly, "r") && same(m.report, "/s/1"), "its run and export");
	ManifestFree(&m);
}

static void
test_refused(void)
{
	ok(status_of("") == MANIFEST_NOT_JSON, "nothing");
	ok(status_of("{\"reportKeys\":[\"a\"]") == MANIFEST_NOT_JSON, "cut off");
	ok(status_of("[\"a\"]") == MANIFEST_NOT_JSON, "no object");
	ok(status_of("{\"reportKeys\":[\"\xff\"]}") == MANIFEST_NOT_JSON, "not UTF-8");
	ok(status_of("{\"a\":1}") == MANIFEST_UNKNOWN, "no files named");
	ok(status_of("{\"reportKeys\":[]}") == MANIFEST_NO_FILES, "an empty list");
	ok(status_of("{\"reportKeys\":[ \n]}") == MANIFEST_NO_FILES, "an empty list with blanks");
	ok(status_of("{\"reportKeys\":{}}") == MANIFEST_NO_FILES, "no list");
	ok(status_of("{\"reportKeys\":[1]}") == MANIFEST_BAD_FILE, "a number for a name");
	ok(status_of("{\"reportKeys\":[\"\"]}") == MANIFEST_BAD_FILE, "an empty name");
	ok(status_of("{\"blobs\":[{\"x\":1}]}") == MANIFEST_BAD_FILE, "a blob without a name");
	ok(status_of("{\"reportKeys\":[\"a\"],\"billingPeriod\":{\"start\":\"2018\"}}") == MANIFEST_BAD_PERIOD,
	   "half a month");
	ok(status_of("{\"reportKeys\":[\"a\"],\"billingPeriod\":{\"start\":\"20181301\"}}") == MANIFEST_BAD_PERIOD,
	   "month 13");
}

static const char *
resolved(const char *address, const char *name, int n)
{
	static char text[300];
	OutBuf		out = {0};
	const char *p;

	if (ManifestResolve(&out, address, name) != RESOLVE_OK)
		return "";
	p = out.data;
	while (n-- > 0 && p < out.data + out.len)
		p += strlen(p) + 1;
	(void) snprintf(text, sizeof(text), "%s", p < out.data + out.len ? p : "");
	OutFree(&out);
	return text;
}

static void
test_resolve(void)
{
	const char *s3 = "s3://b/p/x-Manifest.json";
	const char *web = "https://h/c/e/m/manifest.json";
	const char *file = "/d/r/x-Manifest.json";
	const char *meta = "/d/x/metadata/BILLING_PERIOD=2024-01/x-Manifest.json";

	ok(same(resolved(s3, "q/1.csv", 0), "s3://b/q/1.csv"), "a key is one of the bucket");
	ok(same(resolved(s3, "s3://b/q/1.csv", 0), "s3://b/q/1.csv"), "an address in the bucket");
	ok(same(resolved(s3, "s3://c/q/1.csv", 0), ""), "not in another bucket");
	ok(same(resolved(s3, "s3://b", 0), ""), "not the bucket itself");
	ok(same(resolved(s3, "file:///etc/passwd", 0), ""), "not a file");
	ok(same(resolved(s3, "q/../../1.csv", 0), ""), "no way up");
	ok(same(resolved(s3, "q/..", 0), "") && same(resolved(s3, "./q", 0), "") &&
	   same(resolved(s3, "q/", 0), "") && same(resolved(s3, "q\n", 0), ""), "nothing odd");
	ok(same(resolved(web, "e/m/1.csv", 0), "https://h/c/e/m/1.csv"), "a blob of the container");
	ok(same(resolved(web, "z/1.csv", 0), "https://h/c/e/m/1.csv"), "else beside the manifest");
	ok(same(resolved(web, "https://h/a/1.csv", 0), "https://h/a/1.csv"), "the same host");
	ok(same(resolved(web, "https://i/a/1.csv", 0), "") &&
	   same(resolved(web, "https://h.evil/1.csv", 0), "") &&
	   same(resolved(web, "http://h/1.csv", 0), ""), "no other host or scheme");
	ok(same(resolved(web, "1.csv?x", 0), ""), "no query");
	ok(same(resolved(file, "p/a/1.csv", 0), "/d/r/p/a/1.csv") &&
	   same(resolved(file, "p/a/1.csv", 1), "/d/r/a/1.csv") &&
	   same(resolved(file, "p/a/1.csv", 2), "/d/r/1.csv") &&
	   same(resolved(file, "p/a/1.csv", 3), ""), "below the manifest's directory");
	ok(same(resolved(file, "/etc/passwd", 0), "/d/r/etc/passwd"), "never an absolute path");
	ok(same(resolved(file, "s3://b/k/1.csv", 0), "/d/r/k/1.csv"), "a copy of a bucket");
	ok(same(resolved(file, "https://h/1.csv", 0), ""), "not the web");
	ok(same(resolved(meta, "s3://b/x/data/1.csv", 3), "/d/x/data/1.csv"), "the data of an export");
}

static void
test_names(void)
{
	BillPeriod	p = {0, 0};

	ok(ManifestName("a/x-Manifest.json") && ManifestName("manifest.json"), "manifests");
	ok(!ManifestName("x-RedshiftManifest.json") && !ManifestName("a/b.json"), "no manifests");
	ok(BillFileName("a/x-1.csv.gz") && BillFileName("x.CSV") && BillFileName("x.zip") &&
	   BillFileName("x.snappy.parquet"), "bills");
	ok(!BillFileName("x-Manifest.json") && !BillFileName(".x.csv") && !BillFileName("_x.csv") &&
	   !BillFileName("x.sql") && !BillFileName("x.tar.gz"), "no bills");
	ok(ManifestPathPeriod("a/BILLING_PERIOD=2024-02/x", &p) && p.year == 2024 && p.month == 2,
	   "the month of a partition");
	ok(ManifestPathPeriod("a/20181201-20190101/x", &p) && p.year == 2018 && p.month == 12,
	   "the month of a folder");
	ok(!ManifestPathPeriod("a/20181201/x", &p) && !ManifestPathPeriod("", &p) &&
	   !ManifestPathPeriod("BILLING_PERIOD=2024-13/", &p), "no month");
}

int
main(void)
{
	test_cur();
	test_others();
	test_refused();
	test_resolve();
	test_names();
	printf("1..%d\n", number);
	return failed != 0;
}
