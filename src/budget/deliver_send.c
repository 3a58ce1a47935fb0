/*-------------------------------------------------------------------------
 *
 * deliver_send.c
 *	  One attempt to send a message: Slack, webhooks, tickets, SNS, mail.
 *
 * An attempt takes no longer than finops.delivery_timeout and can be
 * cancelled.  Hosts have to be in finops.notification_hosts, addresses must
 * be public ones or in finops.allowed_networks; redirects are not followed.
 *
 * The other side has a message when it answered 2xx, whatever became of the
 * rest of its answer.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/deliver.h"

#include <time.h>

#include "budget/mail.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#define MAX_ANSWER		65536
#define MAX_HEADERS		10
#define SNS_MAX_BYTES	250000	/* of 262144 */
#define SLACK_MAX_CHARS 8000
#define TITLE_CHARS		200

/* ---------------------------------------------------------------------
 * HTTP
 * ---------------------------------------------------------------------
 */
typedef struct Post
{
	NetTask		task;
	const char *url;
	const char *headers[MAX_HEADERS + 1];
	int			nheaders;
	const char *body;			/* UTF-8 */
	size_t		body_len;
	const AwsRequest *aws;		/* signed by AWS's rules */
	const AwsCredentials *credentials;
} Post;

static bool
send_post(NetTask *task)
{
	Post	   *post = (Post *) task;
	HttpRequest request = {.method = "POST", .url = post->url, .headers = post->headers,
	.body = post->body, .body_len = post->body_len, .max_bytes = MAX_ANSWER};

	if (post->aws != NULL)
		return AwsSend(task, post->aws, post->credentials);
	return HttpStart(task->http, &request);
}

static NetVerdict
judge_post(NetTask *task)
{
	NetFail(task, ERRCODE_SYSTEM_ERROR, "\"%s\" answered %d", task->who, task->http->status);
	return NET_FAIL;
}

/* What the other side says of its reason, on one line. */
static void
add_answer(Outcome *outcome, const HttpTransfer *h)
{
	size_t		used = strlen(outcome->error);
	size_t		room = sizeof(outcome->error) - used - 1;
	size_t		n = Min(Min(h->error_len, (size_t) 200), room > 2 ? room - 2 : 0);
	char	   *to = outcome->error + used;

	if (n == 0)
		return;
	*to++ = ':';
	*to++ = ' ';
	for (size_t i = 0; i < n; i++)
	{
		unsigned char c = (unsigned char) h->error_body[i];

		*to++ = c < ' ' || c >= 0x7f ? ' ' : (char) c;
	}
	*to = '\0';
}

static bool
is_throttled(const HttpTransfer *h)
{
	char		text[512];
	size_t		n = Min(h->error_len, sizeof(text) - 1);

	memcpy(text, h->error_body, n);
	text[n] = '\0';
	return strstr(text, "Throttl") != NULL;
}

static void
judge_answer(const NetTask *task, Outcome *outcome)
{
	const HttpTransfer *h = task->http;
	int			status = h->answered ? h->status : 0;

	outcome->status = status;
	outcome->retry_after = h->answered ? h->retry_after : -1;
	outcome->sent = status >= 200 && status < 300;
	if (outcome->sent)
		return;
	strlcpy(outcome->error, task->failure.message, sizeof(outcome->error));
	if (task->failure.detail[0] != '\0' && status == 0)
	{
		strlcat(outcome->error, ": ", sizeof(outcome->error));
		strlcat(outcome->error, task->failure.detail, sizeof(outcome->error));
	}
	if (status != 0)
		add_answer(outcome, h);
	outcome->permanent = h->refused ||
		(status >= 300 && status < 500 && status != 408 && status != 425 && status != 429 &&
		 !is_throttled(h));
}

static void
run_post(Post *post, const char *who, Outcome *outcome)
{
	char		ignored[4096];

	post->task.what = post->task.who = who;
	post->task.send = send_post;
	post->task.judge = judge_post;
	post->task.give_up_ms = finops_delivery_timeout * 1000;
	NetTaskInit(&post->task, NetOpenTransfer());
	while (post->task.state != NET_ENDED && post->task.state != NET_FAILED)
	{
		CHECK_FOR_INTERRUPTS();
		NetAdvance(&post->task);
		while (HttpTake(post->task.http, ignored, sizeof(ignored)) > 0)
			;
	}
	judge_answer(&post->task, outcome);
}

/* The address as it is sent, its host checked; who is the host for messages. */
static const char *
check_url(const char *text, char **who)
{
	Url			url;
	UrlStatus	status = UrlParse(text, &url);
	StringInfoData clean;
	char		origin[URL_HOST_MAX + 32];
	TextBuf		buf = TextBufOver(origin, sizeof(origin));

	if (status != URL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the address of the channel cannot be used: %s", UrlStatusText(status))));
	*who = pstrdup(url.host);
	if (!HostListAllows(finops_notification_hosts, &url))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("host \"%s\" is not allowed", url.host),
				 errhint("A superuser may add it to finops.notification_hosts.")));
	UrlOrigin(&url, &buf);
	initStringInfo(&clean);
	appendStringInfoString(&clean, origin);
	if (url.target_len == 0 || url.target[0] != '/')
		appendStringInfoChar(&clean, '/');
	appendBinaryStringInfo(&clean, url.target, (int) url.target_len);
	return clean.data;
}

static void
add_header(Post *post, const char *name, const char *value)
{
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					 errmsg("the value of header %s has a control character", name)));
	Assert(post->nheaders < MAX_HEADERS);
	post->headers[post->nheaders++] = psprintf("%s: %s", name, value);
	post->headers[post->nheaders] = NULL;
}

static void
set_body(Post *post, const char *body)
{
	post->body = pg_server_to_any(body, (int) strlen(body), PG_UTF8);
	post->body_len = strlen(post->body);
}

/* HMAC-SHA256 over "timestamp.body", in hexadecimal. */
static void
add_signature(Post *post, const char *key)
{
	char	   *timestamp = psprintf("%lld", (long long) time(NULL));
	char	   *text = psprintf("%s.%s", timestamp, post->body);
	unsigned char digest[AWS_DIGEST_LEN];
	char		hex[AWS_HEX_LEN + 1];

	if (!AwsHmacSha256(key, strlen(key), text, strlen(text), digest))
		elog(ERROR, "could not compute HMAC");
	for (int i = 0; i < AWS_DIGEST_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	add_header(post, "X-Timestamp", timestamp);
	add_header(post, "X-Signature", hex);
}

static char *
json_string(const char *s)
{
	StringInfoData buf;

	initStringInfo(&buf);
	escape_json(&buf, s);
	return buf.data;
}

/* At most n characters, cut between characters. */
static char *
cut(const char *s, int n)
{
	int			len = (int) strlen(s);
	int			bytes = pg_mbcharcliplen(s, len, n);

	return bytes == len ? pstrdup(s) : psprintf("%.*s...", bytes, s);
}

/* ---------------------------------------------------------------------
 * Slack, webhooks and tickets
 * ---------------------------------------------------------------------
 */

/* Slack's three characters; no markup of a scope or an error becomes a link. */
static char *
slack_escape(const char *s)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (; *s != '\0'; s++)
		switch (*s)
		{
			case '&':
				appendStringInfoString(&buf, "&amp;");
				break;
			case '<':
				appendStringInfoString(&buf, "&lt;");
				break;
			case '>':
				appendStringInfoString(&buf, "&gt;");
				break;
			default:
				appendStringInfoChar(&buf, *s);
		}
	return buf.data;
}

static const ChannelSecret *
find_secret(const Outgoing *m)
{
	static const ChannelSecret none;

	return m->secret == NULL ? &none : ChannelFindSecret(m->secret);
}

static void
send_slack(const Outgoing *m, Outcome *outcome)
{
	const ChannelSecret *secret = find_secret(m);
	Post		post = {0};
	char	   *who;

	if (secret->url[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("secret \"%s\" has no url", m->secret)));
	post.url = check_url(secret->url, &who);
	set_body(&post, psprintf("{\"text\": %s}", json_string(slack_escape(cut(m->text, SLACK_MAX_CHARS)))));
	add_header(&post, "Content-Type", "application/json; charset=utf-8");
	add_header(&post, "Idempotency-Key", m->key);
	run_post(&post, who, outcome);
}

static char *
ticket_body(const Outgoing *m)
{
	return psprintf("{\"external_id\": %s, \"summary\": %s, \"description\": %s, \"severity\": %s, \"labels\": [\"finops\"]}",
					json_string(m->key), json_string(cut(m->title, TITLE_CHARS)), json_string(m->text),
					json_string(m->severity));
}

static void
send_webhook(const Outgoing *m, Outcome *outcome, bool ticket)
{
	const ChannelSecret *secret = find_secret(m);
	Post		post = {0};
	char	   *who;

	post.url = check_url(m->target, &who);
	set_body(&post, ticket ? ticket_body(m) : m->json);
	add_header(&post, "Content-Type", "application/json; charset=utf-8");
	add_header(&post, "Idempotency-Key", m->key);
	if (secret->token[0] != '\0')
		add_header(&post, "Authorization", psprintf("Bearer %s", secret->token));
	if (secret->key[0] != '\0')
		add_signature(&post, secret->key);
	run_post(&post, who, outcome);
}

/* ---------------------------------------------------------------------
 * SNS
 * ---------------------------------------------------------------------
 */

static void
add_parameter(StringInfo body, const char *name, const char *value)
{
	size_t		size = strlen(value) * 3 + 1;
	char	   *space = palloc(size + 1);
	TextBuf		encoded = TextBufOver(space, size + 1);

	AwsUriEncode(&encoded, value, strlen(value), false);
	appendStringInfo(body, "%s%s=%s", body->len > 0 ? "&" : "", name, encoded.data);
}

/* Subjects are short printable ASCII that begins with a letter or a digit. */
static char *
sns_subject(const char *title)
{
	char	   *subject = cut(title, 90);

	for (char *p = subject; *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
	subject[Min(strlen(subject), 99)] = '\0';
	return subject;
}

/* arn:aws:sns:eu-central-1:123456789012:topic */
static char *
sns_region(const char *arn)
{
	char	   *region = pstrdup(arn);
	char	   *end;

	for (int i = 0; i < 3 && region != NULL; i++)
		region = strchr(region, ':') == NULL ? NULL : strchr(region, ':') + 1;
	end = region == NULL ? NULL : strchr(region, ':');
	if (strncmp(arn, "arn:", 4) != 0 || strstr(arn, ":sns:") == NULL || end == NULL || end == region ||
		strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != (size_t) (end - region) ||
		strspn(arn, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:.") != strlen(arn))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no topic of SNS", FinopsQuoteForMessage(arn)),
				 errhint("Give its ARN, such as arn:aws:sns:eu-central-1:123456789012:tenant-budget-alerts.")));
	*end = '\0';
	return region;
}

static void
send_sns(const Outgoing *m, Outcome *outcome)
{
	AwsPair		headers[] = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
	char		host[URL_HOST_MAX + 16],
				origin[URL_HOST_MAX + 32];
	const char *json = strlen(m->json) > SNS_MAX_BYTES ? m->short_json : m->json;
	char	   *region = sns_region(m->target),
			   *own_region;
	size_t		arn_len = strlen(m->target);
	StringInfoData body;
	AwsRequest	request = {.service = "sns", .method = "POST", .path = "/", .query = "",
	.headers = headers, .nheaders = 1, .origin = origin, .host = host};
	Post		post = {.aws = &request};
	Url			url;

	post.credentials = AwsFindCredentials(&own_region);
	request.region = region;
	AwsFindHost("sns", region, &url, host, sizeof(host), origin, sizeof(origin));
	initStringInfo(&body);
	add_parameter(&body, "Action", "Publish");
	add_parameter(&body, "Version", "2010-03-31");
	add_parameter(&body, "TopicArn", m->target);
	add_parameter(&body, "Subject", sns_subject(m->title));
	add_parameter(&body, "Message", pg_server_to_any(json, (int) strlen(json), PG_UTF8));
	if (arn_len > 5 && strcmp(m->target + arn_len - 5, ".fifo") == 0)
	{
		add_parameter(&body, "MessageGroupId", m->channel);
		add_parameter(&body, "MessageDeduplicationId", m->key);
	}
	request.body = body.data;
	request.body_len = body.len;
	run_post(&post, host, outcome);
}

/* ---------------------------------------------------------------------
 * Mail
 * ---------------------------------------------------------------------
 */

static char *
mail_text(const Outgoing *m, const char *from, const char *to, size_t *len)
{
	char	   *shown = cut(m->title, TITLE_CHARS);
	char	   *title = pg_server_to_any(shown, (int) strlen(shown), PG_UTF8);
	char	   *text = pg_server_to_any(m->text, (int) strlen(m->text), PG_UTF8);
	size_t		size = MailSize(strlen(title) + strlen(from) + strlen(to), strlen(text));
	char	   *space = MemoryContextAllocHuge(CurrentMemoryContext, size);
	TextBuf		mail = TextBufOver(space, size);
	char		date[64];
	time_t		now = time(NULL);
	struct tm	utc;

	gmtime_r(&now, &utc);
	snprintf(date, sizeof(date), "%s, %d %s %d %02d:%02d:%02d +0000",
			 (const char *[]) {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}[utc.tm_wday], utc.tm_mday,
			 (const char *[]) {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}[utc.tm_mon],
			 utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
	MailHeader(&mail, "Date", date);
	MailHeader(&mail, "From", from);
	MailHeader(&mail, "To", to);
	MailHeader(&mail, "Subject", title);
	MailHeader(&mail, "Message-ID", psprintf("<%s@finops.invalid>", m->key));
	MailHeader(&mail, "X-Idempotency-Key", m->key);
	MailHeader(&mail, "Auto-Submitted", "auto-generated");
	MailHeader(&mail, "MIME-Version", "1.0");
	MailHeader(&mail, "Content-Type", "text/plain; charset=utf-8");
	MailHeader(&mail, "Content-Transfer-Encoding", "base64");
	MailBody(&mail, text, strlen(text));
	if (mail.overflow)
		elog(ERROR, "mail does not fit");
	*len = mail.len;
	return space;
}

/* The host of the server as url.c sees hosts: the list of hosts holds it. */
static void
check_mail_host(char **who)
{
	bool		tls = strncmp(finops_smtp_server, "smtps://", 8) == 0;
	char	   *as_web = psprintf("https://%s", finops_smtp_server + (tls ? 8 : 7));
	Url			url;

	if (UrlParse(as_web, &url) != URL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("finops.smtp_server has no usable host")));
	*who = pstrdup(url.host);
}

static void
judge_mail(HttpTransfer *h, bool in_time, const char *who, Outcome *outcome)
{
	long		code = 0;

	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &code);
	outcome->status = (int) code;
	outcome->sent = in_time && h->result == CURLE_OK;
	if (outcome->sent)
		return;
	outcome->permanent = h->refused || (in_time && code >= 500);
	if (h->refused)
		snprintf(outcome->error, sizeof(outcome->error), "mail server \"%s\" is at address %s, which is not allowed",
				 who, h->refused_address);
	else
		snprintf(outcome->error, sizeof(outcome->error), "mail server \"%s\": %s", who,
				 !in_time ? "no answer in time" : h->error[0] != '\0' ? h->error : curl_easy_strerror(h->result));
}

static void
send_mail(const Outgoing *m, Outcome *outcome)
{
	const ChannelSecret *secret = find_secret(m);
	char		(*list)[MAIL_ADDRESS_MAX] = palloc(MAIL_RECIPIENTS_MAX * MAIL_ADDRESS_MAX);
	char		from[1][MAIL_ADDRESS_MAX];
	const char *to[MAIL_RECIPIENTS_MAX + 1] = {0};
	int			n = MailAddresses(m->target, list, MAIL_RECIPIENTS_MAX);
	HttpMail	mail = {.from = from[0], .to = to, .require_tls = finops_smtp_require_tls,
	.give_up_ms = finops_delivery_timeout * 1000};
	HttpRequest request = {.method = "MAIL", .url = finops_smtp_server, .mail = &mail, .max_bytes = MAX_ANSWER};
	HttpTransfer *h;
	TimestampTz start = GetCurrentTimestamp();
	bool		in_time = true;
	char	   *who;

	if (*finops_smtp_server == '\0' || MailAddresses(finops_smtp_sender, from, 1) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("finops.smtp_server or finops.smtp_sender is not set"),
				 errhint("ALTER SYSTEM SET finops.smtp_server = 'smtp://mail.example.com:587'")));
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the target of the channel is no list of mail addresses"),
				 errhint("Up to %d plain addresses, separated by commas.", MAIL_RECIPIENTS_MAX)));
	for (int i = 0; i < n; i++)
		to[i] = list[i];
	check_mail_host(&who);
	if (secret->user[0] != '\0')
	{
		mail.user = secret->user;
		mail.password = secret->password;
	}
	request.body = mail_text(m, from[0], m->target, &request.body_len);
	h = NetOpenTransfer();
	if (!HttpStart(h, &request))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	while (!h->done && in_time)
	{
		CHECK_FOR_INTERRUPTS();
		HttpPump(h, 100);
		in_time = h->done ||
			!TimestampDifferenceExceeds(start, GetCurrentTimestamp(), finops_delivery_timeout * 1000);
	}
	CHECK_FOR_INTERRUPTS();
	judge_mail(h, in_time, who, outcome);
}

void
DeliverSend(const Outgoing *m, Outcome *outcome)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "finops send", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (strcmp(m->kind, "slack") == 0)
		send_slack(m, outcome);
	else if (strcmp(m->kind, "webhook") == 0 || strcmp(m->kind, "ticket") == 0)
		send_webhook(m, outcome, m->kind[0] == 't');
	else if (strcmp(m->kind, "sns") == 0)
		send_sns(m, outcome);
	else
		send_mail(m, outcome);
	MemoryContextSwitchTo(old);
	/* secrets are wiped and the connection is closed */
	MemoryContextDelete(context);
}
