/*-------------------------------------------------------------------------
 *
 * s3.c
 *	  Requests to S3: where a bucket is, signing, what its errors mean, lists.
 *
 * Source: Amazon S3 API Reference (GetObject, ListObjectsV2, Error
 * responses, Request redirection).
 *
 *-------------------------------------------------------------------------
 */
#include "core/network.h"

#include "core/s3_xml.h"
#include "mb/pg_wchar.h"

#define MAX_PATH_TEXT	4096
#define MAX_QUERY_TEXT	8192
#define MAX_LIST_PAGE	(16 * 1024 * 1024)
#define MAX_LISTED		1000000

/* ---------------------------------------------------------------------
 * Where
 * ---------------------------------------------------------------------
 */

/* Endpoint of one's own, or AWS; false when the setting is no endpoint. */
static bool
endpoint(const S3Task *s3, Url *url, bool *own)
{
	char		text[URL_HOST_MAX];
	bool		good;

	*own = *finops_s3_endpoint != '\0';
	if (*own)
		return UrlParse(finops_s3_endpoint, url) == URL_OK &&
			(url->target_len == 0 || (url->target_len == 1 && url->target[0] == '/'));
	snprintf(text, sizeof(text), "https://s3.%s.amazonaws.com%s", s3->region,
			 strncmp(s3->region, "cn-", 3) == 0 ? ".cn" : "");
	good = UrlParse(text, url) == URL_OK;
	url->target = "";
	return good;
}

/* A bucket that can stand in a host name under a wildcard certificate. */
static bool
fits_host(const char *bucket)
{
	size_t		len = strlen(bucket);

	return len >= 3 && len <= 63 &&
		strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool
use_virtual_host(const S3Task *s3, bool own, bool ipv6)
{
	if (ipv6 || !fits_host(s3->bucket) || finops_s3_url_style == S3_STYLE_PATH)
		return false;
	return finops_s3_url_style == S3_STYLE_VIRTUAL || !own;
}

/* ---------------------------------------------------------------------
 * Sending
 * ---------------------------------------------------------------------
 */

static bool
list_query(const S3Task *s3, TextBuf *query)
{
	AwsPair		params[5];
	int			n = 0;

	params[n++] = (AwsPair) {"list-type", "2"};
	params[n++] = (AwsPair) {"encoding-type", "url"};
	params[n++] = (AwsPair) {"prefix", s3->prefix};
	if (s3->continuation != NULL)
		params[n++] = (AwsPair) {"continuation-token", s3->continuation};
	return SigV4Query(query, params, n);
}

static bool
send_s3(NetTask *task)
{
	S3Task	   *s3 = (S3Task *) task;
	char		path_space[MAX_PATH_TEXT],
				query_space[MAX_QUERY_TEXT],
				origin_space[URL_HOST_MAX + 32];
	TextBuf		path = TextBufOver(path_space, sizeof(path_space));
	TextBuf		query = TextBufOver(query_space, sizeof(query_space));
	TextBuf		origin = TextBufOver(origin_space, sizeof(origin_space));
	TextBuf		host = TextBufOver(s3->host, sizeof(s3->host));
	AwsRequest	request = {.service = "s3", .region = s3->region, .method = "GET"};
	Url			url;
	bool		own;

	if (!endpoint(s3, &url, &own))
	{
		NetFail(task, ERRCODE_CONFIG_FILE_ERROR, "finops.s3_endpoint is no endpoint");
		NetHint(task, "Set it to https://host, https://host:port or a file:/// directory.");
		return false;
	}
	if (use_virtual_host(s3, own, url.ipv6) &&
		strlen(url.host) + strlen(s3->bucket) + 2 < sizeof(url.host))
	{
		char		name[URL_HOST_MAX];

		strlcpy(name, url.host, sizeof(name));
		snprintf(url.host, sizeof(url.host), "%.63s.%.180s", s3->bucket, name);
	}
	else
	{
		TextChar(&path, '/');
		AwsUriEncode(&path, s3->bucket, strlen(s3->bucket), false);
	}
	if (s3->key != NULL || path.len == 0)
		TextChar(&path, '/');
	if (s3->key != NULL)
		AwsUriEncode(&path, s3->key, strlen(s3->key), true);
	UrlOrigin(&url, &origin);
	UrlHostHeader(&url, &host);
	task->who = s3->host;
	if (!own && !NetHostAllowed(&url))
	{
		NetFail(task, ERRCODE_INSUFFICIENT_PRIVILEGE, "host \"%s\" is not allowed", s3->host);
		NetHint(task, "A superuser may add it to finops.allowed_hosts.");
		return false;
	}
	if (path.overflow || (s3->key == NULL && !list_query(s3, &query)))
		return NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the address \"%s\" is too long", task->what);
	request.origin = origin.data;
	request.host = s3->host;
	request.path = path.data;
	request.query = query.data;
	return AwsSend(task, &request, s3->credentials);
}

/* ---------------------------------------------------------------------
 * What its errors mean
 * ---------------------------------------------------------------------
 */
typedef struct S3Meaning
{
	const char *code;
	int			sqlstate;
	NetVerdict	verdict;
	const char *hint;
} S3Meaning;

static const S3Meaning meanings[] = {
	{"AccessDenied", ERRCODE_INSUFFICIENT_PRIVILEGE, NET_FAIL,
	"The keys need s3:GetObject on the object and s3:ListBucket on the bucket."},
	{"AllAccessDisabled", ERRCODE_INSUFFICIENT_PRIVILEGE, NET_FAIL, "The bucket's owner has closed it."},
	{"ExpiredToken", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Renew the session token."},
	{"InternalError", ERRCODE_SYSTEM_ERROR, NET_RETRY, "Try again later."},
	{"InvalidAccessKeyId", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Check the access key; keys of a session need their session token."},
	{"InvalidObjectState", ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, NET_FAIL,
	"The object is archived: restore it first."},
	{"InvalidToken", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Check the session token."},
	{"NoSuchBucket", ERRCODE_UNDEFINED_FILE, NET_FAIL, "Check the name of the bucket."},
	{"NoSuchKey", ERRCODE_UNDEFINED_FILE, NET_FAIL, "Check the key; upper and lower case matter."},
	{"OperationAborted", ERRCODE_SYSTEM_ERROR, NET_RETRY, "Try again later."},
	{"RequestTimeTooSkewed", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"The server's clock is wrong: set it right."},
	{"RequestTimeout", ERRCODE_SYSTEM_ERROR, NET_RETRY, "Try again later."},
	{"ServiceUnavailable", ERRCODE_SYSTEM_ERROR, NET_RETRY, "Try again later."},
	{"SignatureDoesNotMatch", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Check the secret key."},
	{"SlowDown", ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, NET_RETRY, "Try again later."},
};

/* The bucket is elsewhere: sign for that region, once or twice. */
static bool
move_to_region(S3Task *s3, const S3Error *error)
{
	const char *region = s3->task.http->region;

	if (*region == '\0')
		region = error->region;
	if (*region == '\0' || strlen(region) >= sizeof(s3->region) ||
		strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region) ||
		strcmp(region, s3->region) == 0 || s3->moves >= 2)
		return false;
	s3->moves++;
	strlcpy(s3->region, region, sizeof(s3->region));
	return true;
}

static NetVerdict
judge_s3(NetTask *task)
{
	S3Task	   *s3 = (S3Task *) task;
	HttpTransfer *h = task->http;
	const AwsCredentials *c = s3->credentials;
	S3Error		error;
	bool		said = S3ErrorParse(h->error_body, h->error_len, &error);
	NetVerdict	verdict = NetJudgeStatus(task);

	if (h->status == 412 || h->status == 416)
		return NET_FAIL;
	if ((h->status == 301 || h->status == 307 || h->status == 400) && move_to_region(s3, &error))
		return NET_AGAIN;
	if (h->status >= 300 && h->status < 400)
	{
		NetFail(task, ERRCODE_CONNECTION_FAILURE, "\"%s\" leads to another host", task->what);
		NetHint(task, "Set finops.s3_region, or finops.s3_endpoint, to where the bucket is.");
		return NET_FAIL;
	}
	if (!said)
		return verdict;
	for (size_t i = 0; i < lengthof(meanings); i++)
		if (strcmp(error.code, meanings[i].code) == 0)
		{
			task->failure.sqlstate = meanings[i].sqlstate;
			NetHint(task, "%s", meanings[i].hint);
			verdict = meanings[i].verdict;
		}
	if (strstr(error.message, c->access_key_id) != NULL || strstr(error.message, c->secret) != NULL)
		error.message[0] = '\0';
	NetDetail(task, "S3 answered %d %s%s%s", h->status, error.code,
			  error.message[0] != '\0' ? ": " : ".", error.message);
	return verdict;
}

static char *
as_utf8(const char *s)
{
	return pg_server_to_any(s, strlen(s), PG_UTF8);
}

void
S3TaskInit(S3Task *s3, const SourceAddress *address)
{
	char	   *region;

	memset(s3, 0, sizeof(*s3));
	s3->credentials = AwsFindCredentials(&region);
	strlcpy(s3->region, region, sizeof(s3->region));
	s3->bucket = as_utf8(address->bucket);
	s3->key = as_utf8(address->key);
	s3->task.what = address->text;
	s3->task.who = "S3";
	s3->task.send = send_s3;
	s3->task.judge = judge_s3;
	s3->task.exact = true;
}

/* ---------------------------------------------------------------------
 * Lists
 * ---------------------------------------------------------------------
 */
typedef struct ListPage
{
	MemoryContext context;
	const char *bucket;
	const char *prefix;
	List	  **entries;
	char	   *key;			/* of the object that is being read */
	char	   *etag;
	int64		size;
	bool		encoded;
	bool		truncated;
	char	   *next;
} ListPage;

static char *
from_utf8(const char *text, size_t len, bool encoded)
{
	char	   *copy = pnstrdup(text, len);

	if (encoded)
	{
		len = S3UrlDecode(copy, len);
		copy[len] = '\0';
		if (strlen(copy) != len)
			return NULL;
	}
	return pg_any_to_server(copy, (int) len, PG_UTF8);
}

static bool
add_entry(ListPage *page)
{
	SourceEntry *entry;
	SourceAddress *a;
	size_t		len;

	/* callers look behind the prefix */
	if (page->key == NULL || page->size < 0 ||
		strncmp(page->key, page->prefix, strlen(page->prefix)) != 0)
		return false;
	entry = palloc0(sizeof(SourceEntry));
	a = &entry->address;
	len = strlen(page->key);
	a->kind = SOURCE_S3;
	a->bucket = pstrdup(page->bucket);
	a->key = page->key;
	a->text = a->path = psprintf("s3://%s/%s", a->bucket, a->key);
	a->is_prefix = len > 0 && a->key[len - 1] == '/';
	entry->size = page->size;
	entry->etag = page->etag;
	page->key = page->etag = NULL;
	page->size = -1;
	/* consoles mark folders by empty objects of that name */
	if (!a->is_prefix)
		*page->entries = lappend(*page->entries, entry);
	return true;
}

static int64
parse_size(const char *text, size_t len)
{
	int64		n = 0;

	if (len == 0 || len > 18)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + text[i] - '0';
	}
	return n;
}

/* Names may come before the element that says how they are encoded. */
static bool
find_encoding(void *arg, const char *path, const char *text, size_t len)
{
	ListPage   *page = arg;

	if (strcmp(path, "ListBucketResult/EncodingType") == 0)
		page->encoded = len == 3 && memcmp(text, "url", 3) == 0;
	return true;
}

static bool
list_element(void *arg, const char *path, const char *text, size_t len)
{
	static const char root[] = "ListBucketResult/";
	ListPage   *page = arg;

	if (strncmp(path, root, strlen(root)) != 0)
		return strcmp(path, "ListBucketResult") == 0;
	path += strlen(root);
	if (strcmp(path, "Contents/Key") == 0)
		page->key = from_utf8(text, len, page->encoded);
	else if (strcmp(path, "Contents/Size") == 0)
		page->size = parse_size(text, len);
	else if (strcmp(path, "Contents/ETag") == 0)
		page->etag = from_utf8(text, len, false);
	else if (strcmp(path, "Contents") == 0)
		return add_entry(page);
	else if (strcmp(path, "IsTruncated") == 0)
		page->truncated = len == 4 && memcmp(text, "true", 4) == 0;
	else if (strcmp(path, "NextContinuationToken") == 0)
		page->next = pnstrdup(text, len);
	return true;
}

static void
read_page(ListPage *page, StringInfo answer, const char *who)
{
	char	   *copy = pnstrdup(answer->data, answer->len);

	page->key = page->etag = page->next = NULL;
	page->size = -1;
	page->encoded = page->truncated = false;
	if (!S3XmlScan(copy, answer->len, find_encoding, page) ||
		!S3XmlScan(answer->data, answer->len, list_element, page) ||
		(page->truncated && page->next == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the answer of \"%s\" is no list of objects", who),
				 errhint("Check finops.s3_endpoint.")));
	pfree(copy);
}

List *
S3List(const SourceAddress *prefix)
{
	List	   *entries = NIL;
	S3Task		s3;
	ListPage	page = {.entries = &entries, .bucket = prefix->bucket, .prefix = prefix->key};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "finops list",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HttpTransfer *http = NetOpenTransfer();
	char	   *previous;

	S3TaskInit(&s3, prefix);
	s3.prefix = s3.key;
	s3.key = NULL;
	s3.task.exact = false;
	do
	{
		StringInfo	answer;

		NetTaskInit(&s3.task, http);
		answer = NetFetch(&s3.task, MAX_LIST_PAGE);
		MemoryContextSwitchTo(old);
		read_page(&page, answer, s3.task.who);
		MemoryContextSwitchTo(context);
		pfree(answer->data);
		pfree(answer);
		previous = s3.continuation;
		s3.continuation = page.next;
		if (page.truncated && previous != NULL && strcmp(previous, page.next) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_PROTOCOL_VIOLATION),
					 errmsg("the list of \"%s\" does not end", FinopsQuoteForMessage(prefix->text))));
		if (list_length(entries) > MAX_LISTED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("more than %d objects below \"%s\"", MAX_LISTED,
							FinopsQuoteForMessage(prefix->text)),
					 errhint("Give a longer prefix.")));
	} while (page.truncated);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return entries;
}
