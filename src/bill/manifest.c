/*-------------------------------------------------------------------------
 *
 * manifest.c
 *	  Manifests of bill deliveries: which files make one up.
 *
 * Three kinds are known by the list of files that they carry:
 *
 *	reportKeys	AWS cost and usage report ("Organizing and naming conventions",
 *				AWS Data Exports User Guide): keys within the bucket
 *	dataFiles	AWS Data Exports: s3:// addresses; the month stands in the
 *				path, BILLING_PERIOD=YYYY-MM
 *	blobs		Azure Cost Management exports: names within the container,
 *				with the number of rows of each
 *
 * What a manifest says is foreign text.  A name may only lead to a file
 * beside the manifest: the same bucket, the same host, or below the same
 * directory.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/manifest.h"

#include <stdlib.h>

/* ---------------------------------------------------------------------
 * JSON
 * ---------------------------------------------------------------------
 */

/* The text of a string, on the heap; NULL for anything else. */
static char *
string_of(BillManifest *m, const JsonMember *member)
{
	OutBuf		scratch = {0};
	Slice		text;
	char	   *result = NULL;

	if (!member->is_string)
		return NULL;
	OutReserve(&scratch, (size_t) member->value.len + 1);
	if (scratch.ok)
	{
		text = JsonScalarText(member, &scratch);
		result = malloc((size_t) text.len + 1);
		if (result != NULL)
		{
			memcpy(result, text.data, (size_t) text.len);
			result[text.len] = '\0';
		}
	}
	OutFree(&scratch);
	if (result == NULL)
		m->status = MANIFEST_NO_MEMORY;
	return result;
}

static void
take_string(BillManifest *m, char **to, const JsonMember *member)
{
	if (*to == NULL)
		*to = string_of(m, member);
}

/*
 * The elements of an array in a text that JsonObject has accepted, so that
 * nothing but commas, brackets and quotes need to be looked at.
 */
typedef void (*ElementVisit) (BillManifest *m, const JsonMember *element);

static Slice
without_space(const char *p, const char *end)
{
	while (p < end && (unsigned char) *p <= ' ')
		p++;
	while (p < end && (unsigned char) end[-1] <= ' ')
		end--;
	return (Slice) {p, (int) (end - p)};
}

static const char *
end_of_element(const char *p, const char *end)
{
	int			depth = 0;

	for (; p < end; p++)
	{
		if (*p == '"')
			for (p++; *p != '"'; p++)
				p += *p == '\\';
		else if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if (*p == ',' && depth == 0)
			break;
	}
	return p;
}

static int
visit_array(BillManifest *m, Slice array, ElementVisit visit)
{
	const char *p = array.data + 1;
	const char *end = array.data + array.len - 1;
	int			n = 0;

	if (array.len < 2 || array.data[0] != '[')
		return 0;
	if (without_space(p, end).len == 0)
		return 0;
	while (p <= end && m->status == MANIFEST_OK)
	{
		const char *stop = end_of_element(p, end);
		JsonMember	element = {.value = without_space(p, stop)};

		element.is_string = element.value.len > 0 && element.value.data[0] == '"';
		if (visit != NULL)
			visit(m, &element);
		n++;
		p = stop + 1;
	}
	return n;
}

/* ---------------------------------------------------------------------
 * The three kinds
 * ---------------------------------------------------------------------
 */

static bool
digits(const char *p, int n, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++)
	{
		if (p[i] < '0' || p[i] > '9')
			return false;
		*value = *value * 10 + (p[i] - '0');
	}
	return true;
}

/* 20181001T000000.000Z, 2018-10-01T00:00:00, 2018-10 */
static bool
parse_month(const char *text, BillPeriod *period)
{
	int			year,
				month;
	const char *p = text;

	if (strlen(text) < 6 || !digits(p, 4, &year))
		return false;
	p += 4;
	p += *p == '-';
	if (!digits(p, 2, &month) || month < 1 || month > 12 || year < 1900)
		return false;
	period->year = year;
	period->month = month;
	return true;
}

static void
add_file(BillManifest *m, char *name, int64 lines)
{
	if (name == NULL || name[0] == '\0')
	{
		if (m->status == MANIFEST_OK)
			m->status = MANIFEST_BAD_FILE;
		free(name);
		return;
	}
	if (m->nfiles == m->room)
	{
		int			room = Max(16, m->room * 2);
		ManifestFile *files = realloc(m->files, sizeof(ManifestFile) * (size_t) room);

		if (m->nfiles == MANIFEST_MAX_FILES || files == NULL)
		{
			m->status = files == NULL ? MANIFEST_NO_MEMORY : MANIFEST_TOO_MANY_FILES;
			m->files = files != NULL ? files : m->files;
			free(name);
			return;
		}
		m->files = files;
		m->room = room;
	}
	m->files[m->nfiles++] = (ManifestFile) {name, lines};
}

typedef struct Blob
{
	BillManifest *m;
	char	   *name;
	int64		lines;
} Blob;

static void
visit_blob(void *arg, const JsonMember *member)
{
	Blob	   *blob = arg;

	if (SliceEqual(member->key, "blobName") || SliceEqual(member->key, "name") ||
		SliceEqual(member->key, "key"))
		take_string(blob->m, &blob->name, member);
	else if (SliceEqual(member->key, "dataRowCount") && !member->is_string &&
			 member->value.len <= 18)
	{
		blob->lines = 0;
		for (int i = 0; i < member->value.len; i++)
		{
			if (member->value.data[i] < '0' || member->value.data[i] > '9')
			{
				blob->lines = -1;
				break;
			}
			blob->lines = blob->lines * 10 + (member->value.data[i] - '0');
		}
	}
}

/* An element of a list of files: a name, or an object that has one. */
static void
visit_file(BillManifest *m, const JsonMember *element)
{
	Blob		blob = {.m = m, .lines = -1};

	if (element->is_string)
		add_file(m, string_of(m, element), -1);
	else if (JsonObject(element->value, visit_blob, &blob))
		add_file(m, blob.name, blob.lines);
	else if (m->status == MANIFEST_OK)
		m->status = MANIFEST_BAD_FILE;
}

static void
visit_period(void *arg, const JsonMember *member)
{
	BillManifest *m = arg;
	char	   *start;

	if (!SliceEqual(member->key, "start"))
		return;
	start = string_of(m, member);
	if ((start == NULL || !parse_month(start, &m->period)) && m->status == MANIFEST_OK)
		m->status = MANIFEST_BAD_PERIOD;
	free(start);
}

static void
visit_run(void *arg, const JsonMember *member)
{
	BillManifest *m = arg;

	if (SliceEqual(member->key, "runId"))
		take_string(m, &m->assembly, member);
}

static void
visit_export(void *arg, const JsonMember *member)
{
	BillManifest *m = arg;

	if (SliceEqual(member->key, "resourceId") || SliceEqual(member->key, "exportArn"))
	{
		free(m->report);
		m->report = string_of(m, member);
	}
	else if (SliceEqual(member->key, "exportName"))
		take_string(m, &m->report, member);
}

static void
visit_list(BillManifest *m, ManifestKind kind, Slice list)
{
	m->kind = kind;
	m->room = m->room > 0 ? m->room : 1;
	if (m->files == NULL)
		m->files = malloc(sizeof(ManifestFile) * (size_t) m->room);
	if (m->files == NULL)
		m->status = MANIFEST_NO_MEMORY;
	else
		(void) visit_array(m, list, visit_file);
}

static void
visit_manifest(void *arg, const JsonMember *member)
{
	BillManifest *m = arg;
	Slice		key = member->key;

	if (m->status != MANIFEST_OK)
		return;
	if (SliceEqual(key, "reportKeys"))
		visit_list(m, MANIFEST_CUR, member->value);
	else if (SliceEqual(key, "dataFiles"))
		visit_list(m, MANIFEST_DATA_EXPORT, member->value);
	else if (SliceEqual(key, "blobs"))
		visit_list(m, MANIFEST_AZURE, member->value);
	else if (SliceEqual(key, "assemblyId") || SliceEqual(key, "executionId"))
		take_string(m, &m->assembly, member);
	else if (SliceEqual(key, "account") || SliceEqual(key, "accountId"))
		take_string(m, &m->account, member);
	else if (SliceEqual(key, "reportName") || SliceEqual(key, "exportName") ||
			 SliceEqual(key, "exportArn"))
		take_string(m, &m->report, member);
	else if (SliceEqual(key, "columns"))
		m->ncolumns = visit_array(m, member->value, NULL);
	else if (SliceEqual(key, "billingPeriod"))
		(void) JsonObject(member->value, visit_period, m);
	else if (SliceEqual(key, "runInfo"))
		(void) JsonObject(member->value, visit_run, m);
	else if (SliceEqual(key, "exportConfig") || SliceEqual(key, "export"))
		(void) JsonObject(member->value, visit_export, m);
}

void
ManifestParse(BillManifest *m, const char *text, size_t len)
{
	memset(m, 0, sizeof(*m));
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
	{
		text += 3;
		len -= 3;
	}
	if (len > MANIFEST_MAX_BYTES || !Utf8Valid(text, (int) len) ||
		!JsonObject((Slice) {text, (int) len}, NULL, NULL))
	{
		m->status = MANIFEST_NOT_JSON;
		return;
	}
	(void) JsonObject((Slice) {text, (int) len}, visit_manifest, m);
	if (m->status == MANIFEST_OK && m->nfiles == 0)
		m->status = m->files == NULL ? MANIFEST_UNKNOWN : MANIFEST_NO_FILES;
}

void
ManifestFree(BillManifest *m)
{
	for (int i = 0; i < m->nfiles; i++)
		free(m->files[i].name);
	free(m->files);
	free(m->assembly);
	free(m->account);
	free(m->report);
	memset(m, 0, sizeof(*m));
}

/* ---------------------------------------------------------------------
 * Names
 * ---------------------------------------------------------------------
 */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool
ends_with(const char *s, const char *suffix)
{
	size_t		len = strlen(s);
	size_t		n = strlen(suffix);

	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		char		c = s[len - n + i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c + ('a' - 'A'));
		if (c != suffix[i])
			return false;
	}
	return true;
}

/* Reports for Redshift bring a ...-RedshiftManifest.json, which is another thing. */
bool
ManifestName(const char *path)
{
	const char *name = base_name(path);

	return ends_with(name, "-manifest.json") ||
		(ends_with(name, "manifest.json") && strlen(name) == strlen("manifest.json"));
}

bool
BillFileName(const char *path)
{
	static const char *const suffixes[] = {
		".csv", ".csv.gz", ".csv.zip", ".zip", ".gz", ".tsv", ".tsv.gz", ".txt.gz",
		".parquet", ".snappy.parquet",
	};
	const char *name = base_name(path);

	if (name[0] == '.' || name[0] == '_')
		return false;
	for (size_t i = 0; i < lengthof(suffixes); i++)
		if (ends_with(name, suffixes[i]))
			return !ends_with(name, ".tar.gz");
	return false;
}

bool
ManifestPathPeriod(const char *path, BillPeriod *period)
{
	static const char label[] = "BILLING_PERIOD=";
	const char *at = strstr(path, label);

	if (at != NULL)
		return parse_month(at + sizeof(label) - 1, period);
	for (at = path; at != NULL; at = strchr(at, '/'))
	{
		int			from,
					to;

		at += *at == '/';
		if (strlen(at) >= 18 && digits(at, 8, &from) && at[8] == '-' &&
			digits(at + 9, 8, &to) && at[17] == '/' && from < to)
			return parse_month(at, period);
	}
	return false;
}

/* ---------------------------------------------------------------------
 * Where the files are
 * ---------------------------------------------------------------------
 */

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* No way up, no control characters, nothing but a way down. */
static bool
is_way_down(const char *name)
{
	const char *p = name;

	for (const char *c = name; *c != '\0'; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == '\\')
			return false;
	while (p != NULL)
	{
		const char *slash = strchr(p, '/');
		size_t		n = slash == NULL ? strlen(p) : (size_t) (slash - p);

		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p = slash == NULL ? NULL : slash + 1;
	}
	return name[0] != '\0' && name[strlen(name) - 1] != '/';
}

static void
candidate(OutBuf *out, const char *base, size_t len, const char *rest)
{
	OutBytes(out, base, len);
	OutText(out, rest);
	OutBytes(out, "", 1);
}

/* scheme://place/path: the length of "scheme://place/" */
static size_t
place_length(const char *address)
{
	const char *p = strstr(address, "://");
	const char *slash = p == NULL ? NULL : strchr(p + 3, '/');

	return slash == NULL ? 0 : (size_t) (slash + 1 - address);
}

static ResolveStatus
resolve_s3(OutBuf *out, const char *address, const char *name)
{
	size_t		place = place_length(address);

	if (strstr(name, "://") != NULL)
	{
		if (place == 0 || strncmp(name, address, place) != 0)
			return RESOLVE_OTHER_PLACE;
		name += place;
	}
	if (!is_way_down(name))
		return RESOLVE_ESCAPES;
	candidate(out, address, place, name);
	return RESOLVE_OK;
}

/*
 * On a web server: an address on the same host, or a name below a directory
 * of the manifest's own path whose continuation the name repeats, or else
 * the plain name beside the manifest.
 */
static ResolveStatus
resolve_web(OutBuf *out, const char *address, const char *name)
{
	size_t		place = place_length(address);
	const char *last = base_name(name);
	size_t		dir;
	const char *repeat;

	if (strpbrk(name, "?#%@") != NULL)
		return RESOLVE_ESCAPES;
	if (strstr(name, "://") != NULL)
	{
		if (place == 0 || strncmp(name, address, place) != 0)
			return RESOLVE_OTHER_PLACE;
		if (!is_way_down(name + place))
			return RESOLVE_ESCAPES;
		candidate(out, name, strlen(name), "");
		return RESOLVE_OK;
	}
	if (!is_way_down(name))
		return RESOLVE_ESCAPES;
	dir = (size_t) (base_name(address) - address);
	for (repeat = address + place; place > 0 && repeat < address + dir; repeat++)
		if (repeat[-1] == '/' && (size_t) (last - name) == dir - (size_t) (repeat - address) &&
			strncmp(name, repeat, (size_t) (last - name)) == 0)
		{
			candidate(out, address, (size_t) (repeat - address), name);
			return RESOLVE_OK;
		}
	candidate(out, address, dir, last);
	return RESOLVE_OK;
}

/* The directory of an export whose metadata folder holds the manifest, or 0. */
static size_t
export_length(const char *path, size_t dir)
{
	static const char folder[] = "/metadata/";
	const size_t n = sizeof(folder) - 1;

	for (size_t i = dir; i >= n; i--)
		if (strncmp(path + i - n, folder, n) == 0)
			return i - n + 1;
	return 0;
}

static ResolveStatus
resolve_local(OutBuf *out, const char *path, const char *name)
{
	size_t		dir = (size_t) (base_name(path) - path);
	size_t		export = export_length(path, dir);

	if (strstr(name, "://") != NULL)
	{
		size_t		place = place_length(name);

		if (!has_prefix(name, "s3://") || place == 0)
			return RESOLVE_OTHER_PLACE;
		name += place;
	}
	while (*name == '/')
		name++;
	if (!is_way_down(name))
		return RESOLVE_ESCAPES;
	for (const char *p = name; p != NULL; p = strchr(p, '/'))
	{
		p += *p == '/';
		candidate(out, path, dir, p);
		if (export > 0)
			candidate(out, path, export, p);
	}
	return RESOLVE_OK;
}

ResolveStatus
ManifestResolve(OutBuf *out, const char *address, const char *name)
{
	if (has_prefix(address, "s3://"))
		return resolve_s3(out, address, name);
	if (strstr(address, "://") != NULL)
		return resolve_web(out, address, name);
	return resolve_local(out, address, name);
}
