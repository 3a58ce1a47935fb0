/*-------------------------------------------------------------------------
 *
 * http.c
 *	  One HTTP transfer by libcurl, pulled by its reader.
 *
 * libcurl fills a buffer of fixed size and is paused while that is full.  It
 * follows no redirect, undoes no compression, uses no proxy, cookie or
 * .netrc, and connects only to addresses that are allowed: the address is
 * looked at when the socket is made, so a name that is resolved anew cannot
 * lead elsewhere.
 *
 * libcurl stops at the promised Content-Length and passes over what comes
 * after it, which would cut a bill off without a trace.  For objects it is
 * told to ignore the promise, the connection is closed after the answer, and
 * net_task.c compares.
 *
 *-------------------------------------------------------------------------
 */
#include "core/network.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "storage/fd.h"
#include "utils/wait_event.h"

#define SKIP_TOO_MUCH	(1024 * 1024)

static bool curl_is_ready = false;

/* ---------------------------------------------------------------------
 * Callbacks
 * ---------------------------------------------------------------------
 */

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	HttpTransfer *t = arg;
	const void *bytes = NULL;
	int			len = 0;

	if (purpose == CURLSOCKTYPE_IPCXN && address->family == AF_INET)
	{
		bytes = &((struct sockaddr_in *) &address->addr)->sin_addr;
		len = 4;
	}
	else if (purpose == CURLSOCKTYPE_IPCXN && address->family == AF_INET6)
	{
		bytes = &((struct sockaddr_in6 *) &address->addr)->sin6_addr;
		len = 16;
	}
	if (bytes == NULL ||
		(!AddressIsPublic(bytes, len) &&
		 !NetworkListHolds(finops_allowed_networks, bytes, len)))
	{
		t->refused = !t->visited;
		if (bytes != NULL)
			inet_ntop(address->family, bytes, t->refused_address, sizeof(t->refused_address));
		return CURL_SOCKET_BAD;
	}
	/* of a host with several addresses one that may be visited is enough */
	t->visited = true;
	t->refused = false;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void
copy_value(char *to, size_t size, const char *value, size_t len)
{
	size_t		n = Min(len, size - 1);

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char) value[i] < ' ' ? ' ' : value[i];
	to[n] = '\0';
}

/* A count; -1 for anything else. */
static int64
parse_count(const char *s, size_t len)
{
	int64		n = 0;

	if (len == 0 || len > 18)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + s[i] - '0';
	}
	return n;
}

/* "bytes 10-99/100" */
static void
parse_range(HttpTransfer *t, const char *s, size_t len)
{
	const char *dash,
			   *slash;

	if (len < 6 || pg_strncasecmp(s, "bytes ", 6) != 0)
		return;
	s += 6;
	len -= 6;
	dash = memchr(s, '-', len);
	slash = memchr(s, '/', len);
	if (dash == NULL || slash == NULL || slash < dash)
		return;
	t->range_from = parse_count(s, dash - s);
	t->range_total = parse_count(slash + 1, len - (slash + 1 - s));
}

/* Seconds, or a date. */
static void
parse_retry_after(HttpTransfer *t, const char *s, size_t len)
{
	int64		seconds = parse_count(s, len);
	char		date[64];

	if (seconds < 0)
	{
		copy_value(date, sizeof(date), s, len);
		seconds = curl_getdate(date, NULL);
		seconds = seconds < 0 ? -1 : Max(seconds - (int64) time(NULL), 0);
	}
	t->retry_after = (int) Min(seconds, 86400);
}

static void
header_line(HttpTransfer *t, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	const char *value;
	size_t		name_len;

	if (colon == NULL)
		return;
	name_len = colon - line;
	value = colon + 1;
	len -= name_len + 1;
	while (len > 0 && (*value == ' ' || *value == '\t'))
	{
		value++;
		len--;
	}
	while (len > 0 && (unsigned char) value[len - 1] <= ' ')
		len--;
#define IS(name)	(name_len == strlen(name) && pg_strncasecmp(line, name, name_len) == 0)
	if (IS("content-length"))
		t->content_length = parse_count(value, len);
	else if (IS("content-range"))
		parse_range(t, value, len);
	else if (IS("etag"))
		copy_value(t->etag, sizeof(t->etag), value, len);
	else if (IS("last-modified"))
		copy_value(t->last_modified, sizeof(t->last_modified), value, len);
	else if (IS("location") && len < sizeof(t->location))
		copy_value(t->location, sizeof(t->location), value, len);
	else if (IS("retry-after"))
		parse_retry_after(t, value, len);
	else if (IS("x-amz-bucket-region"))
		copy_value(t->region, sizeof(t->region), value, len);
#undef IS
}

static void
forget_answer(HttpTransfer *t)
{
	t->status = 0;
	t->answered = false;
	t->content_length = t->range_from = t->range_total = -1;
	t->retry_after = -1;
	t->etag[0] = t->last_modified[0] = t->region[0] = t->location[0] = '\0';
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	HttpTransfer *t = arg;
	size_t		len = size * n;

	t->header_bytes += len;
	if (t->header_bytes > HTTP_MAX_HEADERS)
		return 0;
	if (len > 9 && strncmp(line, "HTTP/", 5) == 0)
	{
		const char *space = memchr(line, ' ', len);

		forget_answer(t);
		if (space != NULL && line + len - space > 3)
			t->status = (int) parse_count(space + 1, 3);
	}
	else if (len <= 2)
	{
		t->answered = t->status >= 200;
		/* the whole, although a range was asked for */
		t->skip = t->status == 200 ? t->skip_whole : 0;
	}
	else if (!t->answered)
		header_line(t, line, len);
	return len;
}

static bool
is_success(const HttpTransfer *t)
{
	return t->status == 200 || t->status == 206;
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	HttpTransfer *t = arg;
	size_t		len = size * n,
				rest = len;

	if (!is_success(t))
	{
		size_t		room = Min(len, sizeof(t->error_body) - t->error_len);

		memcpy(t->error_body + t->error_len, data, room);
		t->error_len += room;
		t->received += len;
		return t->received > SKIP_TOO_MUCH ? 0 : len;
	}
	if (t->received + (int64) len - t->skip > t->max_bytes)
	{
		t->too_large = true;
		return 0;
	}
	if (t->received < t->skip)
		rest -= (size_t) Min((int64) len, t->skip - t->received);
	if (rest > HTTP_BUFFER - t->start - t->len)
	{
		memmove(t->buffer, t->buffer + t->start, t->len);
		t->start = 0;
	}
	if (rest > HTTP_BUFFER - t->len)
	{
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(t->buffer + t->start + t->len, data + (len - rest), rest);
	t->len += rest;
	t->received += len;
	return len;
}

/* The text of a mail, as the server asks for it. */
static size_t
on_upload(char *to, size_t size, size_t n, void *arg)
{
	HttpTransfer *t = arg;
	size_t		len = Min(size * n, t->upload_len - t->upload_at);

	memcpy(to, t->upload + t->upload_at, len);
	t->upload_at += len;
	return len;
}

/* ---------------------------------------------------------------------
 * The transfer
 * ---------------------------------------------------------------------
 */

HttpTransfer *
HttpOpen(void)
{
	HttpTransfer *t;

	/* not when the library is preloaded: it would be done before the fork */
	if (!curl_is_ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	curl_is_ready = true;
	t = calloc(1, sizeof(HttpTransfer));
	if (t == NULL)
		return NULL;
	ReserveExternalFD();
	t->buffer = malloc(HTTP_BUFFER);
	t->easy = curl_easy_init();
	t->multi = curl_multi_init();
	forget_answer(t);
	if (t->buffer == NULL || t->easy == NULL || t->multi == NULL)
	{
		HttpClose(t);
		return NULL;
	}
	return t;
}

void
HttpStop(HttpTransfer *t)
{
	if (t->added)
		curl_multi_remove_handle(t->multi, t->easy);
	t->added = false;
	if (t->headers != NULL)
	{
		/* they may hold a session token */
		for (struct curl_slist *h = t->headers; h != NULL; h = h->next)
			explicit_bzero(h->data, strlen(h->data));
		curl_slist_free_all(t->headers);
	}
	t->headers = NULL;
	curl_slist_free_all(t->recipients);
	t->recipients = NULL;
}

void
HttpClose(HttpTransfer *t)
{
	HttpStop(t);
	if (t->easy != NULL)
		curl_easy_cleanup(t->easy);
	if (t->multi != NULL)
		curl_multi_cleanup(t->multi);
	free(t->buffer);
	free(t);
	ReleaseExternalFD();
}

static bool
add_headers(HttpTransfer *t, const HttpRequest *request)
{
	/* libcurl would wait for leave to send a body */
	static const char *const usual[] = {"Accept:", "Expect:", NULL};
	static const char *const once[] = {"Connection: close", NULL};
	static const char *const none[] = {NULL};
	const char *const *lists[] = {usual, request->exact ? once : none, request->headers};

	for (size_t i = 0; i < lengthof(lists); i++)
		for (const char *const *header = lists[i]; *header != NULL; header++)
		{
			struct curl_slist *longer = curl_slist_append(t->headers, *header);

			if (longer == NULL)
				return false;
			t->headers = longer;
		}
	return true;
}

#define SET(option, value)	(ok = ok && curl_easy_setopt(t->easy, option, value) == CURLE_OK)

static bool
set_safety(HttpTransfer *t)
{
	bool		ok = true;

	/* signals are the server's: statement_timeout is SIGALRM */
	SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	/* as it was signed and checked: keys may hold "./" */
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (*finops_ca_file != '\0')
		SET(CURLOPT_CAINFO, finops_ca_file);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) finops_connect_timeout * 1000L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* a cancel does not wait for the thread that resolves a name */
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_USERAGENT, "finops/" FINOPS_VERSION);
	return ok;
}

/*
 * libcurl waits for the last answer of a mail server within its own frames;
 * it asks here, about once a second, whether to go on.
 */
static int
on_progress(void *arg pg_attribute_unused(), curl_off_t total pg_attribute_unused(),
			curl_off_t now pg_attribute_unused(), curl_off_t up_total pg_attribute_unused(),
			curl_off_t up_now pg_attribute_unused())
{
	return QueryCancelPending || ProcDiePending;
}

/* STARTTLS unless it is not required; the address of the server is the URL. */
static bool
set_mail(HttpTransfer *t, const HttpRequest *request)
{
	const HttpMail *mail = request->mail;
	bool		ok = true;

#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
#else
	SET(CURLOPT_PROTOCOLS, (long) (CURLPROTO_SMTP | CURLPROTO_SMTPS));
#endif
	SET(CURLOPT_USE_SSL, (long) (mail->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
	for (const char *const *to = mail->to; ok && *to != NULL; to++)
	{
		struct curl_slist *longer = curl_slist_append(t->recipients, *to);

		ok = longer != NULL;
		t->recipients = ok ? longer : t->recipients;
	}
	SET(CURLOPT_TIMEOUT_MS, (long) mail->give_up_ms);
	SET(CURLOPT_FTP_RESPONSE_TIMEOUT, (long) Max(mail->give_up_ms / 1000, 1));
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_MAIL_FROM, mail->from);
	SET(CURLOPT_MAIL_RCPT, t->recipients);
	if (mail->user != NULL)
	{
		SET(CURLOPT_USERNAME, mail->user);
		SET(CURLOPT_PASSWORD, mail->password);
	}
	t->upload = request->body;
	t->upload_len = request->body_len;
	t->upload_at = 0;
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, on_upload);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t) request->body_len);
	return ok;
}

/* What is in the buffer stays there, for an answer that goes on. */
bool
HttpStart(HttpTransfer *t, const HttpRequest *request)
{
	bool		ok;

	HttpStop(t);
	curl_easy_reset(t->easy);
	forget_answer(t);
	t->done = t->too_large = t->refused = t->visited = t->paused = false;
	t->header_bytes = t->error_len = 0;
	t->received = 0;
	t->skip = 0;
	t->skip_whole = request->skip;
	t->max_bytes = request->max_bytes;
	t->error[0] = t->refused_address[0] = '\0';
	ok = set_safety(t) && (request->mail != NULL || add_headers(t, request));
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_HTTPHEADER, t->headers);
	if (request->mail != NULL)
		ok = ok && set_mail(t, request);
	else if (strcmp(request->method, "POST") == 0)
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, request->body);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len);
	}
	else
		SET(CURLOPT_HTTPGET, 1L);
	if (request->exact)
	{
		SET(CURLOPT_IGNORE_CONTENT_LENGTH, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
	else
		SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) request->max_bytes);
	if (!ok || curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
		return false;
	t->added = true;
	return true;
}

#undef SET

/* One step: waits until something happens, at most wait_ms or a signal. */
void
HttpPump(HttpTransfer *t, int wait_ms)
{
	int			running,
				queued;
	CURLMsg    *message;

	if (t->paused && HTTP_BUFFER - t->len >= CURL_MAX_WRITE_SIZE)
	{
		t->paused = false;
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
	}
	curl_multi_perform(t->multi, &running);
	while ((message = curl_multi_info_read(t->multi, &queued)) != NULL)
		if (message->msg == CURLMSG_DONE)
		{
			t->done = true;
			t->result = message->data.result;
		}
	if (!t->done && t->len == 0 && wait_ms > 0)
		HttpSleep(t, wait_ms);
}

void
HttpSleep(HttpTransfer *t, int ms)
{
	pgstat_report_wait_start(PG_WAIT_EXTENSION);
	curl_multi_poll(t->multi, NULL, 0, ms, NULL);
	pgstat_report_wait_end();
}

size_t
HttpTake(HttpTransfer *t, char *buf, size_t len)
{
	len = Min(len, t->len);
	memcpy(buf, t->buffer + t->start, len);
	t->start += len;
	t->len -= len;
	if (t->len == 0)
		t->start = 0;
	return len;
}
