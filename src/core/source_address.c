/*-------------------------------------------------------------------------
 *
 * source_address.c
 *	  The addresses that users give, and what lies below a prefix.
 *
 *-------------------------------------------------------------------------
 */
#include "core/core.h"
#include "core/source.h"

#include <sys/stat.h>

#include "storage/fd.h"

/* The path of a file:// address: %XX becomes its byte. */
static char *
decode_path(const char *path)
{
	char	   *result = palloc(strlen(path) + 1);
	char	   *to = result;

	while (*path != '\0')
	{
		if (path[0] == '%' && FinopsHexDigit(path[1]) >= 0 && FinopsHexDigit(path[2]) >= 0 &&
			(path[1] != '0' || path[2] != '0'))
		{
			*to++ = (char) (FinopsHexDigit(path[1]) * 16 + FinopsHexDigit(path[2]));
			path += 3;
		}
		else
			*to++ = *path++;
	}
	*to = '\0';
	return result;
}

static bool
has_scheme(const char *given, const char *scheme)
{
	return pg_strncasecmp(given, scheme, strlen(scheme)) == 0;
}

static bool
s3_is_directory(void)
{
	return has_scheme(finops_s3_endpoint, "file:///");
}

/* Where finops.s3_endpoint is a directory, it holds one folder per bucket. */
static char *
s3_path(const char *given)
{
	const char *key = given + strlen("s3://");

	for (const char *p = strstr(key, ".."); p != NULL; p = strstr(p + 2, ".."))
		if ((p == key || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("object key must not contain \"..\"")));
	return psprintf("%s/%s", decode_path(finops_s3_endpoint + strlen("file://")), key);
}

static void
s3_address(SourceAddress *address, const char *given)
{
	const char *bucket = given + strlen("s3://");
	const char *slash = strchr(bucket, '/');

	if (slash == NULL || slash == bucket)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" does not name a bucket and an object",
						FinopsQuoteForMessage(given)),
				 errhint("Give s3://bucket/key or s3://bucket/prefix/.")));
	address->kind = SOURCE_S3;
	address->bucket = pnstrdup(bucket, slash - bucket);
	address->key = pstrdup(slash + 1);
	address->text = address->path = psprintf("s3://%s/%s", address->bucket, address->key);
}

/* A query may hold a signature and a user a password: no text shows them. */
static void
http_address(SourceAddress *address, const char *given)
{
	const char *host = strstr(given, "//") + 2;
	size_t		authority = strcspn(host, "/?#");
	const char *shown = host;

	for (size_t i = 0; i < authority; i++)
		if (host[i] == '@')
			shown = host + i + 1;
	address->kind = SOURCE_HTTP;
	address->url = pnstrdup(given, strcspn(given, "#"));
	address->text = address->path = psprintf("%.*s%.*s", (int) (host - given), given,
											 (int) strcspn(shown, "?#"), shown);
}

SourceAddress
FinopsSourceAddress(const char *given)
{
	SourceAddress address = {.kind = SOURCE_FILE};
	size_t		len = strlen(given);

	address.is_prefix = len > 0 && given[len - 1] == '/';
	if (has_scheme(given, "http://") || has_scheme(given, "https://"))
	{
		http_address(&address, given);
		return address;
	}
	if (has_scheme(given, "s3://") && !s3_is_directory())
	{
		s3_address(&address, given);
		return address;
	}
	if (has_scheme(given, "s3://"))
		address.path = s3_path(given);
	else if (has_scheme(given, "file://localhost/"))
		address.path = decode_path(given + strlen("file://localhost"));
	else if (has_scheme(given, "file:///"))
		address.path = decode_path(given + strlen("file://"));
	else
		address.path = pstrdup(given);
	if (!is_absolute_path(address.path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not an absolute path",
						FinopsQuoteForMessage(given)),
				 errdetail("Files are read by the server, which has no current directory of yours."),
				 errhint("Give the absolute path of a file on the server, or file:///path.")));
	canonicalize_path(address.path);
	address.text = has_scheme(given, "s3://") ? pstrdup(given) :
		psprintf("file://%s", address.path);
	return address;
}

/* ---------------------------------------------------------------------
 * Directories
 * ---------------------------------------------------------------------
 */
#define MAX_LISTED		100000
#define MAX_DEPTH		32

static void
list_directory(List **entries, const SourceAddress *directory, int depth)
{
	DIR		   *dir = AllocateDir(directory->path);
	struct dirent *found;

	while ((found = ReadDir(dir, directory->path)) != NULL)
	{
		SourceAddress below = *directory;
		SourceEntry *entry;
		struct stat st;
		size_t		len = strlen(directory->text);
		bool		closed = len > 0 && directory->text[len - 1] == '/';

		CHECK_FOR_INTERRUPTS();
		if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
			continue;
		below.path = psprintf("%s/%s", directory->path, found->d_name);
		below.text = psprintf("%s%s%s", directory->text, closed ? "" : "/", found->d_name);
		below.is_prefix = false;
		/* a file may go away at any time; links to directories are not followed */
		if (lstat(below.path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
		{
			list_directory(entries, &below, depth + 1);
			continue;
		}
		if ((S_ISLNK(st.st_mode) && stat(below.path, &st) != 0) || !S_ISREG(st.st_mode))
			continue;
		if (list_length(*entries) >= MAX_LISTED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("more than %d files below \"%s\"", MAX_LISTED,
							FinopsQuoteForMessage(directory->text)),
					 errhint("Give a directory further down.")));
		entry = palloc0(sizeof(SourceEntry));
		entry->address = below;
		entry->size = st.st_size;
		*entries = lappend(*entries, entry);
	}
	FreeDir(dir);
}

static int
compare_entries(const ListCell *a, const ListCell *b)
{
	return strcmp(((SourceEntry *) lfirst(a))->address.text,
				  ((SourceEntry *) lfirst(b))->address.text);
}

List *
FinopsListAddress(const SourceAddress *prefix)
{
	List	   *entries = NIL;

	FinopsCheckSourceAccess(prefix);
	if (prefix->kind != SOURCE_FILE)
		return FinopsListRemote(prefix);
	list_directory(&entries, prefix, 0);
	list_sort(entries, compare_entries);
	return entries;
}
