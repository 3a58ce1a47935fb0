/*-------------------------------------------------------------------------
 *
 * net_task.c
 *	  A request that is repeated when that can help, and an answer that is
 *	  known to be complete.
 *
 * An object that breaks off is asked for again from the byte where it broke
 * off, on condition that it is still the same one (If-Match, or
 * If-Unmodified-Since).  Pauses between attempts double from 0.25 s to 8 s,
 * or are what Retry-After asks for, up to a minute; attempts are counted
 * from the last byte that came in.
 *
 *-------------------------------------------------------------------------
 */
#include "core/network.h"

#include "mb/pg_wchar.h"

#define STEP_MS			100
#define FIRST_PAUSE_MS	250
#define LAST_PAUSE_MS	8000
#define LONGEST_WAIT_S	60
#define MAX_AGAIN		8
#define ENOUGH_PROGRESS 65536
#define GRACE_MS		250		/* for a byte too many */

/* ---------------------------------------------------------------------
 * Failures
 * ---------------------------------------------------------------------
 */

/* Texts of others are shown on one line. */
static void
plain(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char) *s < ' ' || (unsigned char) *s == 0x7f)
			*s = ' ';
}

bool
NetFail(NetTask *task, int sqlstate, const char *message,...)
{
	va_list		args;

	va_start(args, message);
	vsnprintf(task->failure.message, sizeof(task->failure.message), message, args);
	va_end(args);
	plain(task->failure.message);
	task->failure.detail[0] = task->failure.hint[0] = '\0';
	task->failure.sqlstate = sqlstate;
	task->state = NET_FAILED;
	return false;
}

void
NetDetail(NetTask *task, const char *detail,...)
{
	va_list		args;

	va_start(args, detail);
	vsnprintf(task->failure.detail, sizeof(task->failure.detail), detail, args);
	va_end(args);
	plain(task->failure.detail);
}

void
NetHint(NetTask *task, const char *hint,...)
{
	va_list		args;

	va_start(args, hint);
	vsnprintf(task->failure.hint, sizeof(task->failure.hint), hint, args);
	va_end(args);
	plain(task->failure.hint);
}

/* What is no text in the server's encoding, or was cut off within a character. */
static char *
readable(const char *text)
{
	char	   *copy = pstrdup(text);

	if (!pg_verifymbstr(copy, (int) strlen(copy), true))
		for (char *p = copy; *p != '\0'; p++)
			if ((unsigned char) *p >= 0x80)
				*p = '?';
	return copy;
}

void
NetRaise(const NetFailure *f)
{
	ereport(ERROR,
			(errcode(f->sqlstate), errmsg_internal("%s", readable(f->message)),
			 f->detail[0] != '\0' ? errdetail_internal("%s", readable(f->detail)) : 0,
			 f->hint[0] != '\0' ? errhint("%s", readable(f->hint)) : 0));
}

/* ---------------------------------------------------------------------
 * Sending again
 * ---------------------------------------------------------------------
 */

static void
pause_before_retry(NetTask *task)
{
	int64		ms = FIRST_PAUSE_MS;

	for (int i = 1; i < task->attempts && ms < LAST_PAUSE_MS; i++)
		ms *= 2;
	ms = Min(ms, LAST_PAUSE_MS);
	if (task->http->retry_after >= 0)
		ms = Max(ms, (int64) Min(task->http->retry_after, LONGEST_WAIT_S) * 1000);
	task->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	HttpStop(task->http);
	task->state = NET_START;
}

/* The failure stands if no attempt is left. */
static void
retry(NetTask *task)
{
	task->failed_at = task->offset;
	if (task->give_up_ms > 0 || task->attempts++ >= finops_max_retries)
	{
		task->state = NET_FAILED;
		return;
	}
	pause_before_retry(task);
}

static void
again(NetTask *task)
{
	HttpStop(task->http);
	task->retry_at = 0;
	task->state = NET_START;
	if (++task->again > MAX_AGAIN)
	{
		NetFail(task, ERRCODE_CONNECTION_FAILURE, "too many redirects from \"%s\"", task->what);
		NetHint(task, "Give the address that it leads to.");
	}
}

int
NetRangeHeaders(const NetTask *task, char (*headers)[320])
{
	int			n = 0;

	if (task->offset == 0 || !task->exact)
		return 0;
	snprintf(headers[n++], 320, "Range: bytes=" INT64_FORMAT "-", task->offset);
	if (task->etag[0] == '"')
		snprintf(headers[n++], 320, "If-Match: %s", task->etag);
	else
		snprintf(headers[n++], 320, "If-Unmodified-Since: %s", task->last_modified);
	return n;
}

/* ---------------------------------------------------------------------
 * Answers
 * ---------------------------------------------------------------------
 */

static bool
fail_changed(NetTask *task)
{
	NetFail(task, ERRCODE_OBJECT_IN_USE, "\"%s\" changed while it was read", task->what);
	NetHint(task, "Load it again when it is complete.");
	return false;
}

static bool
fail_too_large(NetTask *task)
{
	if (!task->exact)
		return NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the answer of \"%s\" is too large",
					   task->who);
	NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "\"%s\" is larger than %d MB",
			task->what, finops_max_download_size);
	NetHint(task, "A superuser may raise finops.max_download_size.");
	return false;
}

/* The first good answer says what the object is. */
static bool
accept_first(NetTask *task)
{
	HttpTransfer *h = task->http;

	if (h->status != 200)
		return NetFail(task, ERRCODE_PROTOCOL_VIOLATION,
					   "unexpected answer %d for \"%s\"", h->status, task->what);
	task->restarts++;
	strlcpy(task->etag, h->etag, sizeof(task->etag));
	strlcpy(task->last_modified, h->last_modified, sizeof(task->last_modified));
	if (!task->exact)
		return true;
	if (h->content_length < 0)
	{
		NetFail(task, ERRCODE_PROTOCOL_VIOLATION,
				"the server does not say how long \"%s\" is", task->what);
		NetDetail(task, "Whether all of it arrived could not be known.");
		NetHint(task, "Copy the file to the server and give its absolute path.");
		return false;
	}
	if (h->content_length / (1024 * 1024) >= finops_max_download_size)
		return fail_too_large(task);
	task->total = h->content_length;
	return true;
}

/* An answer that goes on must do so at the right byte of the same object. */
static bool
accept_rest(NetTask *task)
{
	HttpTransfer *h = task->http;

	if (h->etag[0] != '\0' && task->etag[0] != '\0' && strcmp(h->etag, task->etag) != 0)
		return fail_changed(task);
	if (h->status == 200)		/* ranges are not served here */
		return h->content_length == task->total && h->etag[0] != '\0' ? true : fail_changed(task);
	if (h->range_from != task->offset || h->range_total != task->total ||
		(h->content_length >= 0 && h->content_length != task->total - task->offset))
		return fail_changed(task);
	return true;
}

static void
take_answer(NetTask *task)
{
	HttpTransfer *h = task->http;

	if (h->status != 200 && h->status != 206)
		return;					/* judged when its body is here */
	if (task->offset > 0 ? accept_rest(task) : accept_first(task))
	{
		task->state = NET_BODY;
		task->again = 0;
	}
}

/* Why a transfer ended without an answer, or in the middle of one. */
static void
describe_break(NetTask *task)
{
	HttpTransfer *h = task->http;
	const char *why = h->error[0] != '\0' ? h->error : curl_easy_strerror(h->result);

	switch (h->result)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
			NetFail(task, ERRCODE_CONNECTION_FAILURE, "could not resolve host \"%s\"", task->who);
			break;
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CACERT_BADFILE:
			NetFail(task, ERRCODE_CONNECTION_FAILURE,
					"could not make a trusted connection to \"%s\"", task->who);
			NetDetail(task, "%s", why);
			break;
		case CURLE_COULDNT_CONNECT:
		case CURLE_OPERATION_TIMEDOUT:
			NetFail(task, ERRCODE_CONNECTION_FAILURE, "could not connect to \"%s\"", task->who);
			NetDetail(task, "%s", why);
			break;
		default:
			NetFail(task, ERRCODE_CONNECTION_FAILURE, "the transfer of \"%s\" broke off", task->what);
			if (task->total >= 0)
				NetDetail(task, "%lld of %lld bytes arrived.",
						  (long long) task->offset, (long long) task->total);
			else
				NetDetail(task, "%s", why);
	}
}

static bool
can_resume(const NetTask *task)
{
	if (task->offset == 0)
		return true;
	return task->etag[0] == '"' || task->last_modified[0] != '\0';
}

static void
on_break(NetTask *task)
{
	HttpTransfer *h = task->http;

	if (h->refused)
	{
		NetFail(task, ERRCODE_INSUFFICIENT_PRIVILEGE,
				"host \"%s\" is at address %s, which is not allowed", task->who,
				h->refused_address[0] != '\0' ? h->refused_address : "of another kind");
		NetDetail(task, "Private, local and reserved addresses are not visited.");
		NetHint(task, "A superuser may add its network to finops.allowed_networks.");
		return;
	}
	if (h->too_large || h->result == CURLE_FILESIZE_EXCEEDED)
	{
		fail_too_large(task);
		return;
	}
	if (h->header_bytes > HTTP_MAX_HEADERS)
	{
		NetFail(task, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
				"the answer of \"%s\" has too many headers", task->who);
		return;
	}
	describe_break(task);
	if (h->result == CURLE_PEER_FAILED_VERIFICATION || h->result == CURLE_SSL_CERTPROBLEM ||
		h->result == CURLE_SSL_CACERT_BADFILE || h->result == CURLE_UNSUPPORTED_PROTOCOL ||
		h->result == CURLE_URL_MALFORMAT || h->result == CURLE_OUT_OF_MEMORY)
		return;
	if (!task->exact)
	{
		/* a small answer starts over */
		h->start = h->len = 0;
		task->offset = 0;
	}
	if (can_resume(task))
		retry(task);
}

/* All of an answer that is no success is here. */
static void
on_refusal(NetTask *task)
{
	task->state = NET_FAILED;
	switch (task->judge(task))
	{
		case NET_FAIL:
			break;
		case NET_RETRY:
			retry(task);
			break;
		case NET_AGAIN:
			again(task);
			break;
	}
}

static void
on_end(NetTask *task)
{
	HttpTransfer *h = task->http;

	if (!task->exact || task->offset == task->total)
		task->state = NET_ENDED;
	else if (task->offset > task->total)
	{
		NetFail(task, ERRCODE_PROTOCOL_VIOLATION,
				"\"%s\" is longer than its server says", task->what);
		NetDetail(task, "%lld bytes were promised.", (long long) task->total);
		NetHint(task, "Load it again; if that does not help, ask whoever runs \"%s\".", task->who);
	}
	else
	{
		h->result = CURLE_PARTIAL_FILE;
		on_break(task);
	}
	if (task->state == NET_ENDED)
		HttpStop(h);
}

/* ---------------------------------------------------------------------
 * One step
 * ---------------------------------------------------------------------
 */

static void
start(NetTask *task)
{
	int64		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), task->retry_at);

	if (task->retry_at != 0 && ms > 0)
	{
		HttpSleep(task->http, (int) Min(ms, STEP_MS));
		return;
	}
	if (task->before != NULL)
		task->before(task);
	task->sent_at = GetCurrentTimestamp();
	task->counted = 0;
	task->waited_ms = 0;
	task->activity = 0;
	task->state = NET_SENT;
	task->underway = true;
	if (!task->send(task) && task->state != NET_FAILED)
		NetFail(task, ERRCODE_OUT_OF_MEMORY, "out of memory");
}

/* Bytes that came in make the attempts before them forgotten. */
static void
count_bytes(NetTask *task)
{
	int64		got = Max(task->http->received - task->http->skip, 0);

	if (task->state != NET_BODY || got <= task->counted)
		return;
	task->offset += got - task->counted;
	task->counted = got;
	if (task->offset - task->failed_at >= ENOUGH_PROGRESS)
		task->attempts = 0;
}

/*
 * Only time spent here counts as waiting, not the time in which the reader
 * is busy with what it was given.
 */
static void
count_waiting(NetTask *task, TimestampTz since)
{
	HttpTransfer *h = task->http;
	int64		activity = h->received + (int64) h->header_bytes;

	if (activity != task->activity || h->len > 0)
		task->waited_ms = 0;
	else
		task->waited_ms += TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());
	task->activity = activity;
	if (task->state == NET_BODY && task->exact && task->offset == task->total &&
		task->waited_ms >= GRACE_MS)
		on_end(task);
	else if (task->waited_ms >= finops_stall_timeout * INT64CONST(1000) ||
			 (task->give_up_ms > 0 &&
			  TimestampDifferenceExceeds(task->sent_at, GetCurrentTimestamp(), task->give_up_ms)))
	{
		snprintf(h->error, sizeof(h->error), "no answer in time");
		h->result = CURLE_RECV_ERROR;
		on_break(task);
	}
}

static void
step(NetTask *task)
{
	HttpTransfer *h = task->http;
	TimestampTz since;

	if (task->state == NET_START)
		start(task);
	if (task->state != NET_SENT && task->state != NET_BODY)
		return;
	since = GetCurrentTimestamp();
	HttpPump(h, STEP_MS);
	if (task->state == NET_SENT && h->answered)
		take_answer(task);
	if (task->state == NET_FAILED)
		return;
	count_bytes(task);
	if (task->exact && task->state == NET_BODY && task->offset > task->total)
		on_end(task);
	else if (!h->done)
		count_waiting(task, since);
	/* where every byte is here, how the connection ended does not matter */
	else if (task->state == NET_BODY &&
			 (h->result == CURLE_OK || (task->exact && task->offset == task->total)))
		on_end(task);
	else if (task->state == NET_SENT && h->answered)
		on_refusal(task);
	else
		on_break(task);
}

void
NetAdvance(NetTask *task)
{
	step(task);
	if (task->underway && task->state != NET_SENT && task->state != NET_BODY)
	{
		task->underway = false;
		if (task->after != NULL)
			task->after(task);
	}
}

void
NetTaskInit(NetTask *task, HttpTransfer *http)
{
	task->http = http;
	task->state = NET_START;
	task->attempts = task->again = 0;
	task->retry_at = 0;
	task->failed_at = task->offset = 0;
	task->total = -1;
	task->etag[0] = task->last_modified[0] = '\0';
}

/* ---------------------------------------------------------------------
 * Answers that are no success, as any web server gives them
 * ---------------------------------------------------------------------
 */

NetVerdict
NetJudgeStatus(NetTask *task)
{
	int			status = task->http->status;

	if (status == 412 || status == 416)
	{
		fail_changed(task);
		return NET_FAIL;
	}
	if (status == 401 || status == 403)
	{
		NetFail(task, ERRCODE_INSUFFICIENT_PRIVILEGE, "\"%s\" refuses to give \"%s\"",
				task->who, task->what);
		NetDetail(task, "It answered %d.", status);
		return NET_FAIL;
	}
	if (status == 404 || status == 410)
	{
		NetFail(task, ERRCODE_UNDEFINED_FILE, "\"%s\" does not exist", task->what);
		NetDetail(task, "\"%s\" answered %d.", task->who, status);
		return NET_FAIL;
	}
	NetFail(task, status == 429 ? ERRCODE_CONFIGURATION_LIMIT_EXCEEDED : ERRCODE_SYSTEM_ERROR,
			"\"%s\" answered %d for \"%s\"", task->who, status, task->what);
	if (status == 408 || status == 429 || status >= 500)
	{
		NetDetail(task, "It was asked %d times.", task->attempts + 1);
		NetHint(task, "Try again later.");
		return NET_RETRY;
	}
	return NET_FAIL;
}

/* ---------------------------------------------------------------------
 * For the server's code: these raise
 * ---------------------------------------------------------------------
 */

static void
close_transfer(void *arg)
{
	HttpClose(arg);
}

HttpTransfer *
NetOpenTransfer(void)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	HttpTransfer *http = HttpOpen();

	if (http == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	callback->func = close_transfer;
	callback->arg = http;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return http;
}

StringInfo
NetFetch(NetTask *task, int max)
{
	StringInfo	answer = makeStringInfo();
	int			restarts = 0;

	while (task->state != NET_ENDED || task->http->len > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (task->state != NET_ENDED)
			NetAdvance(task);
		if (task->state == NET_FAILED)
			NetRaise(&task->failure);
		if (restarts != task->restarts)
			resetStringInfo(answer);
		restarts = task->restarts;
		if (answer->len + (int64) task->http->len > max)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the answer of \"%s\" is larger than %d bytes", task->who, max)));
		enlargeStringInfo(answer, (int) task->http->len);
		answer->len += (int) HttpTake(task->http, answer->data + answer->len, task->http->len);
		answer->data[answer->len] = '\0';
	}
	return answer;
}
