/*-------------------------------------------------------------------------
 *
 * source_remote.c
 *	  Objects on the network as byte sources, and which hosts may be asked.
 *
 *-------------------------------------------------------------------------
 */
#include "core/network.h"

/* ---------------------------------------------------------------------
 * Settings
 * ---------------------------------------------------------------------
 */

bool
NetCheckHosts(char **newval, void **extra pg_attribute_unused(),
			  GucSource source pg_attribute_unused())
{
	if (HostListValid(*newval))
		return true;
	GUC_check_errdetail("A host is host, *.domain or host:port, with http:// in front for unencrypted connections.");
	return false;
}

bool
NetCheckNetworks(char **newval, void **extra pg_attribute_unused(),
				 GucSource source pg_attribute_unused())
{
	if (NetworkListValid(*newval))
		return true;
	GUC_check_errdetail("A network is an address with an optional length, such as 10.0.0.0/8.");
	return false;
}

bool
NetCheckMailServer(char **newval, void **extra pg_attribute_unused(), GucSource source pg_attribute_unused())
{
	const char *s = *newval;

	if (*s == '\0' || ((strncmp(s, "smtp://", 7) == 0 || strncmp(s, "smtps://", 8) == 0) &&
					   strlen(s) < 300 && strpbrk(s, " \t\r\n@?#\\") == NULL && strstr(s, "//")[2] != '\0'))
		return true;
	GUC_check_errdetail("It is smtp://host:587 or smtps://host:465, or empty.");
	return false;
}

bool
NetCheckEndpoint(char **newval, void **extra pg_attribute_unused(),
				 GucSource source pg_attribute_unused())
{
	Url			url;

	if (**newval == '\0' || pg_strncasecmp(*newval, "file:///", 8) == 0)
		return true;
	if (UrlParse(*newval, &url) == URL_OK &&
		(url.target_len == 0 || strcmp(url.target, "/") == 0))
		return true;
	GUC_check_errdetail("An endpoint is https://host or https://host:port.");
	return false;
}

bool
NetHostAllowed(const Url *url)
{
	return HostListAllows(finops_allowed_hosts, url);
}

/* ---------------------------------------------------------------------
 * Objects on the web
 * ---------------------------------------------------------------------
 */
typedef struct WebTask
{
	NetTask		task;
	Url			url;
	char		text[URL_TEXT_MAX]; /* the address of the current request */
	char		host[URL_HOST_MAX + 16];
} WebTask;

static bool
send_web(NetTask *task)
{
	WebTask    *web = (WebTask *) task;
	char		text[URL_TEXT_MAX + 8];
	TextBuf		url = TextBufOver(text, sizeof(text));
	char		range[2][320];
	const char *headers[3] = {NULL};
	int			n = NetRangeHeaders(task, range);
	HttpRequest request = {.method = "GET", .headers = headers, .skip = task->offset, .exact = true};

	for (int i = 0; i < n; i++)
		headers[i] = range[i];
	UrlOrigin(&web->url, &url);
	if (web->url.target_len == 0 || web->url.target[0] != '/')
		TextChar(&url, '/');
	TextBytes(&url, web->url.target, web->url.target_len);
	if (url.overflow)
		return NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the address \"%s\" is too long", task->what);
	request.url = text;
	request.max_bytes = (int64) finops_max_download_size * 1024 * 1024;
	return HttpStart(task->http, &request);
}

/* Only to another place on the same host: another one may not be allowed. */
static NetVerdict
follow(WebTask *web)
{
	const char *location = web->task.http->location;
	char		text[URL_TEXT_MAX];
	TextBuf		next = TextBufOver(text, sizeof(text));
	Url			url;

	if (location[0] == '/' && location[1] != '/')
		UrlOrigin(&web->url, &next);
	TextString(&next, location);
	if (next.overflow || UrlParse(text, &url) != URL_OK)
	{
		NetFail(&web->task, ERRCODE_PROTOCOL_VIOLATION,
				"\"%s\" leads to an address that cannot be followed", web->task.what);
		return NET_FAIL;
	}
	if (!UrlSameOrigin(&url, &web->url))
	{
		NetFail(&web->task, ERRCODE_CONNECTION_FAILURE,
				"\"%s\" leads to another host, \"%s\"", web->task.what, url.host);
		NetHint(&web->task, "Give the address there, if that host is to be trusted.");
		return NET_FAIL;
	}
	strlcpy(web->text, text, sizeof(web->text));
	UrlParse(web->text, &web->url);
	return NET_AGAIN;
}

static NetVerdict
judge_web(NetTask *task)
{
	int			status = task->http->status;

	if ((status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
		task->http->location[0] != '\0')
		return follow((WebTask *) task);
	return NetJudgeStatus(task);
}

static NetTask *
web_task(const SourceAddress *address)
{
	WebTask    *web = palloc0(sizeof(WebTask));
	UrlStatus	status = UrlParse(address->url, &web->url);
	TextBuf		host = TextBufOver(web->host, sizeof(web->host));

	if (status != URL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a web address", FinopsQuoteForMessage(address->text)),
				 errdetail("%s", UrlStatusText(status))));
	UrlHostHeader(&web->url, &host);
	if (!NetHostAllowed(&web->url))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("host \"%s\" is not allowed", web->host),
				 web->url.https ? 0 : errdetail("The connection would not be encrypted."),
				 errhint("A superuser may add it to finops.allowed_hosts%s.",
						 web->url.https ? "" : ", with http:// in front")));
	strlcpy(web->text, address->url, sizeof(web->text));
	UrlParse(web->text, &web->url);
	web->task.what = address->text;
	web->task.who = web->host;
	web->task.send = send_web;
	web->task.judge = judge_web;
	web->task.exact = true;
	return &web->task;
}

/* ---------------------------------------------------------------------
 * The source
 * ---------------------------------------------------------------------
 */
typedef struct RemoteSource
{
	ByteSource	base;
	NetTask    *task;
	HttpTransfer *http;			/* NULL when closed */
	MemoryContextCallback callback;
} RemoteSource;

static int
fail(RemoteSource *remote, SourceError error)
{
	remote->base.error = error;
	return -1;
}

static int
remote_read(ByteSource *source, char *buf, int len)
{
	RemoteSource *remote = (RemoteSource *) source;

	for (;;)
	{
		size_t		got;

		if (remote->task->state == NET_FAILED)
			return fail(remote, SOURCE_REMOTE_FAILED);
		got = HttpTake(remote->http, buf, len);
		source->offset += got;
		if (got > 0 || remote->task->state == NET_ENDED)
			return (int) got;
		/* first a step: an interrupt that is held off stays pending */
		NetAdvance(remote->task);
		if (InterruptPending)
			return fail(remote, SOURCE_INTERRUPTED);
	}
}

static void
remote_raise(const ByteSource *source)
{
	NetRaise(&((const RemoteSource *) source)->task->failure);
}

static void
remote_close(ByteSource *source)
{
	RemoteSource *remote = (RemoteSource *) source;

	if (remote->http != NULL)
		HttpClose(remote->http);
	remote->http = NULL;
}

static void
close_on_reset(void *arg)
{
	remote_close(arg);
}

ByteSource *
FinopsOpenRemoteSource(const SourceAddress *address)
{
	RemoteSource *remote = palloc0(sizeof(RemoteSource));

	if (address->kind == SOURCE_S3)
	{
		S3Task	   *s3 = palloc0(sizeof(S3Task));

		S3TaskInit(s3, address);
		remote->task = &s3->task;
	}
	else
		remote->task = web_task(address);
	remote->base.read = remote_read;
	remote->base.close = remote_close;
	remote->base.raise = remote_raise;
	remote->callback.func = close_on_reset;
	remote->callback.arg = remote;
	remote->http = HttpOpen();
	if (remote->http == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &remote->callback);
	NetTaskInit(remote->task, remote->http);
	while (remote->task->state == NET_START || remote->task->state == NET_SENT)
	{
		CHECK_FOR_INTERRUPTS();
		NetAdvance(remote->task);
	}
	if (remote->task->state == NET_FAILED)
		NetRaise(&remote->task->failure);
	return &remote->base;
}

List *
FinopsListRemote(const SourceAddress *prefix)
{
	if (prefix->kind != SOURCE_S3)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot list \"%s\"", FinopsQuoteForMessage(prefix->text)),
				 errdetail("Web servers have no list of what lies below an address."),
				 errhint("Give the address of one file.")));
	return S3List(prefix);
}
