/*-------------------------------------------------------------------------
 *
 * aws.c
 *	  Signed requests to AWS, and calls of its services that speak JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws.h"

#include <time.h>

#include "core/network.h"
#include "mb/pg_wchar.h"

#define MAX_ANSWER		(64 * 1024 * 1024)
#define MAX_LINE		(AWS_TOKEN_MAX + 64)

/* ---------------------------------------------------------------------
 * Signing and sending
 * ---------------------------------------------------------------------
 */

static void
now_text(char *text, size_t size)
{
	time_t		now = time(NULL);
	struct tm	utc;

	gmtime_r(&now, &utc);
	strftime(text, size, "%Y%m%dT%H%M%SZ", &utc);
}

static bool
sign(const AwsRequest *r, const AwsCredentials *c, const AwsPair *headers, int n,
	 const char *timestamp, const char *hash, TextBuf *authorization)
{
	SigV4Request request = {r->method, r->path, r->query, headers, n, hash};
	SigV4Key	key = {c->access_key_id, c->secret, r->region, r->service, timestamp};

	return SigV4Authorization(&request, &key, authorization);
}

/*
 * Every header is signed but Connection and those that libcurl adds.  Called
 * from read(), so nothing here raises.
 */
bool
AwsSend(NetTask *task, const AwsRequest *r, const AwsCredentials *c)
{
	AwsPair		headers[AWS_MAX_HEADERS];
	char		lines[AWS_MAX_HEADERS][320];
	char		token_line[MAX_LINE];
	const char *list[AWS_MAX_HEADERS + 2];
	char		timestamp[32],
				hash[AWS_HEX_LEN + 1],
				range[2][320],
				authorization_space[1024],
				url_space[URL_TEXT_MAX + 4096];
	TextBuf		authorization = TextBufOver(authorization_space, sizeof(authorization_space));
	TextBuf		url = TextBufOver(url_space, sizeof(url_space));
	int			nrange = NetRangeHeaders(task, range);
	int			n = 0,
				nlist = 0;
	HttpRequest request = {.method = r->method, .url = url.data, .headers = list,
	.body = r->body, .body_len = r->body_len, .skip = task->offset, .exact = task->exact};
	bool		ok;

	now_text(timestamp, sizeof(timestamp));
	if (!AwsHexSha256(r->body != NULL ? r->body : "", r->body_len, hash))
		return false;
	headers[n++] = (AwsPair) {"host", r->host};
	headers[n++] = (AwsPair) {"x-amz-date", timestamp};
	headers[n++] = (AwsPair) {"x-amz-content-sha256", hash};
	if (c->session_token[0] != '\0')
		headers[n++] = (AwsPair) {"x-amz-security-token", c->session_token};
	for (int i = 0; i < nrange; i++)
	{
		char	   *colon = strchr(range[i], ':');

		*colon = '\0';
		for (char *p = range[i]; *p != '\0'; p++)
			*p = pg_tolower((unsigned char) *p);
		headers[n++] = (AwsPair) {range[i], colon + 2};
	}
	for (int i = 0; i < r->nheaders; i++)
		headers[n++] = r->headers[i];
	if (!sign(r, c, headers, n, timestamp, hash, &authorization))
	{
		NetFail(task, ERRCODE_INVALID_PARAMETER_VALUE,
				"the request for \"%s\" cannot be signed", task->what);
		NetHint(task, "Check finops.s3_region.");
		return false;
	}
	/* libcurl makes Host from the address */
	for (int i = 1; i < n; i++)
	{
		bool		token = headers[i].value == c->session_token;
		char	   *line = token ? token_line : lines[i];

		if (snprintf(line, token ? sizeof(token_line) : sizeof(lines[i]), "%s: %s",
					 headers[i].name, headers[i].value) >=
			(int) (token ? sizeof(token_line) : sizeof(lines[i])))
			return NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						   "a header of the request for \"%s\" is too long", task->what);
		list[nlist++] = line;
	}
	if (snprintf(lines[0], sizeof(lines[0]), "Authorization: %s", authorization.data) >=
		(int) sizeof(lines[0]))
		return NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					   "a header of the request for \"%s\" is too long", task->what);
	list[nlist++] = lines[0];
	list[nlist] = NULL;
	TextString(&url, r->origin);
	TextString(&url, r->path);
	TextString(&url, *r->query != '\0' ? "?" : "");
	TextString(&url, r->query);
	if (url.overflow)
		return NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the address \"%s\" is too long", task->what);
	request.max_bytes = task->exact ? (int64) finops_max_download_size * 1024 * 1024 : MAX_ANSWER;
	ok = HttpStart(task->http, &request);
	explicit_bzero(token_line, sizeof(token_line));
	return ok;
}

/* ---------------------------------------------------------------------
 * Services that speak JSON
 * ---------------------------------------------------------------------
 */
typedef struct CallTask
{
	NetTask		task;
	const AwsCredentials *credentials;
	const char *service;
	const char *region;
	const char *target;
	const char *content_type;
	const char *body;			/* UTF-8 */
	const AwsWatch *watch;
	char		code[96];		/* the service's name of its error */
	TimestampTz sent_at;
	Url			url;
	char		host[URL_HOST_MAX + 16];
	char		origin[URL_HOST_MAX + 32];
} CallTask;

static bool
send_call(NetTask *task)
{
	CallTask   *call = (CallTask *) task;
	AwsPair		headers[2] = {
		{"content-type", call->content_type},
		{"x-amz-target", call->target}
	};
	AwsRequest	request = {
		.service = call->service, .region = call->region, .method = "POST",
		.origin = call->origin, .host = call->host, .path = "/", .query = "",
		.headers = headers, .nheaders = 2,
		.body = call->body, .body_len = strlen(call->body)
	};

	return AwsSend(task, &request, call->credentials);
}

/*
 * {"__type": "prefix#ThrottlingException", "message": "..."}: the name after
 * the last '#' and the message, without parsing what may be anything.
 */
static void
member_text(const char *json, size_t len, const char *name, char *to, size_t size)
{
	char		pattern[32];
	const char *end = json + len;
	size_t		n = 0;
	const char *p;

	to[0] = '\0';
	snprintf(pattern, sizeof(pattern), "\"%s\"", name);
	for (p = json; p + strlen(pattern) < end; p++)
		if (pg_strncasecmp(p, pattern, strlen(pattern)) == 0)
			break;
	p += strlen(pattern);
	while (p < end && (*p == ' ' || *p == ':'))
		p++;
	if (p >= end || *p != '"')
		return;
	for (p++; p < end && *p != '"' && n < size - 1; p++)
	{
		if (*p == '\\' && p + 1 < end)
			p++;
		to[n++] = (unsigned char) *p < ' ' || (unsigned char) *p >= 0x7f ? '?' : *p;
	}
	to[n] = '\0';
}

typedef struct CallMeaning
{
	const char *part;			/* of the exception's name */
	int			sqlstate;
	NetVerdict	verdict;
	const char *hint;
} CallMeaning;

static const CallMeaning call_meanings[] = {
	{"Throttl", ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, NET_RETRY, "Ask less often."},
	{"TooManyRequests", ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, NET_RETRY, "Ask less often."},
	{"LimitExceeded", ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, NET_RETRY, "Ask less often."},
	{"RequestExpired", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Check the clock of the server."},
	{"InvalidSignature", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Check the secret key and the clock of the server."},
	{"UnrecognizedClient", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Check the access key; keys of a session need their session token."},
	{"ExpiredToken", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NET_FAIL,
	"Renew the session token."},
	{"AccessDenied", ERRCODE_INSUFFICIENT_PRIVILEGE, NET_FAIL,
	"The keys need the right to this action."},
	{"Validation", ERRCODE_INVALID_PARAMETER_VALUE, NET_FAIL, NULL},
	{"Invalid", ERRCODE_INVALID_PARAMETER_VALUE, NET_FAIL, NULL},
};

static NetVerdict
judge_call(NetTask *task)
{
	HttpTransfer *h = task->http;
	CallTask   *call = (CallTask *) task;
	NetVerdict	verdict = NetJudgeStatus(task);
	char		type[sizeof(call->code)],
				message[400];
	const char *name;

	member_text(h->error_body, h->error_len, "__type", type, sizeof(type));
	member_text(h->error_body, h->error_len, "message", message, sizeof(message));
	if (h->status == 404)
		NetFail(task, ERRCODE_SYSTEM_ERROR, "\"%s\" answered 404 for %s", task->who, task->what);
	if (type[0] == '\0')
		return verdict;
	name = strrchr(type, '#') != NULL ? strrchr(type, '#') + 1 : type;
	strlcpy(call->code, name, sizeof(call->code));
	NetFail(task, task->failure.sqlstate, "%s refused %s", task->who, task->what);
	for (size_t i = 0; i < lengthof(call_meanings); i++)
		if (strstr(name, call_meanings[i].part) != NULL)
		{
			task->failure.sqlstate = call_meanings[i].sqlstate;
			verdict = call_meanings[i].verdict;
			if (call_meanings[i].hint != NULL)
				NetHint(task, "%s", call_meanings[i].hint);
			break;
		}
	if (strstr(message, call->credentials->access_key_id) != NULL)
		message[0] = '\0';
	NetDetail(task, "It answered %d %s%s%s", h->status, name,
			  message[0] != '\0' ? ": " : ".", message);
	return verdict;
}

static void
before_attempt(NetTask *task)
{
	CallTask   *call = (CallTask *) task;

	call->code[0] = '\0';
	call->watch->before(call->watch->arg);
	call->sent_at = GetCurrentTimestamp();
}

static void
after_attempt(NetTask *task)
{
	CallTask   *call = (CallTask *) task;
	AwsAttempt	attempt = {
		.target = call->target,
		.status = task->http->status,
		.code = call->code[0] != '\0' ? call->code : NULL,
		.microseconds = GetCurrentTimestamp() - call->sent_at
	};

	call->watch->after(call->watch->arg, &attempt);
}

/* https://service.region.amazonaws.com, or the endpoint of the setting. */
void
AwsFindHost(const char *service, const char *region, Url *url,
			char *host, size_t host_size, char *origin, size_t origin_size)
{
	char	   *text = *finops_aws_endpoint != '\0' ? finops_aws_endpoint :
		psprintf("https://%s.%s.amazonaws.com%s", service, region,
				 strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
	TextBuf		host_text = TextBufOver(host, host_size);
	TextBuf		origin_text = TextBufOver(origin, origin_size);

	if (UrlParse(text, url) != URL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" in region \"%s\" is no host", service,
						FinopsQuoteForMessage(region))));
	UrlHostHeader(url, &host_text);
	UrlOrigin(url, &origin_text);
	if (*finops_aws_endpoint == '\0' && !NetHostAllowed(url))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("host \"%s\" is not allowed", host),
				 errhint("A superuser may add it to finops.allowed_hosts.")));
}

StringInfo
FinopsAwsCall(const char *service, const char *region, const char *target,
			  const char *content_type, const char *body, const AwsWatch *watch)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "finops call",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	CallTask	call = {.service = service, .target = target};
	StringInfo	answer,
				result;
	char	   *own_region,
			   *text;

	FinopsCheckNetworkAccess();
	call.credentials = AwsFindCredentials(&own_region);
	call.region = region != NULL ? region : own_region;
	call.content_type = content_type != NULL ? content_type : "application/x-amz-json-1.1";
	call.body = pg_server_to_any(body, strlen(body), PG_UTF8);
	AwsFindHost(service, call.region, &call.url, call.host, sizeof(call.host),
				call.origin, sizeof(call.origin));
	call.task.what = target;
	call.task.who = call.host;
	call.task.send = send_call;
	call.task.judge = judge_call;
	call.watch = watch;
	if (watch != NULL)
	{
		call.task.before = before_attempt;
		call.task.after = after_attempt;
		call.task.give_up_ms = watch->give_up_ms;
	}
	NetTaskInit(&call.task, NetOpenTransfer());
	answer = NetFetch(&call.task, MAX_ANSWER);
	MemoryContextSwitchTo(old);
	text = pg_any_to_server(answer->data, answer->len, PG_UTF8);
	result = makeStringInfo();
	appendStringInfoString(result, text);
	MemoryContextDelete(context);
	return result;
}
