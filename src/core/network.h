/*-------------------------------------------------------------------------
 *
 * network.h
 *	  Requests to web servers, S3 and AWS services: shared by http.c,
 *	  net_task.c, source_remote.c, s3.c, aws.c and aws_credentials.c.
 *
 * libcurl's callbacks run between its own frames, so nothing in them raises
 * or uses the server's memory: they record, and whoever pumps the transfer
 * raises when libcurl has returned.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_NETWORK_H
#define FINOPS_NETWORK_H

#include "core/core.h"

#include <curl/curl.h>

#include "core/aws_profile.h"
#include "core/aws_sigv4.h"
#include "core/source.h"
#include "core/url.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

/* settings, finops.c */
typedef enum S3UrlStyle
{
	S3_STYLE_AUTO,				/* path on an endpoint of one's own, else virtual */
	S3_STYLE_PATH,				/* https://host/bucket/key */
	S3_STYLE_VIRTUAL			/* https://bucket.host/key */
} S3UrlStyle;

extern char *finops_allowed_hosts;
extern char *finops_allowed_networks;
extern char *finops_aws_credentials_file;
extern char *finops_aws_endpoint;
extern char *finops_aws_profile;
extern char *finops_aws_server;
extern char *finops_ca_file;
extern int	finops_connect_timeout; /* s */
extern int	finops_max_download_size;	/* MB */
extern int	finops_max_retries;
extern char *finops_s3_region;
extern int	finops_s3_url_style;
extern int	finops_stall_timeout;	/* s */

/* of sending messages */
extern char *finops_channel_secrets_file;
extern int	finops_delivery_retry_delay;	/* s */
extern int	finops_delivery_timeout;	/* s */
extern char *finops_notification_hosts;
extern bool finops_smtp_require_tls;
extern char *finops_smtp_sender;
extern char *finops_smtp_server;
extern bool NetCheckMailServer(char **newval, void **extra, GucSource source);

extern bool NetCheckHosts(char **newval, void **extra, GucSource source);
extern bool NetCheckNetworks(char **newval, void **extra, GucSource source);
extern bool NetCheckEndpoint(char **newval, void **extra, GucSource source);

/* What went wrong, until it can be raised. */
typedef struct NetFailure
{
	int			sqlstate;
	char		message[400];
	char		detail[640];
	char		hint[320];
} NetFailure;

/* ---------------------------------------------------------------------
 * One transfer, http.c
 * ---------------------------------------------------------------------
 */
#define HTTP_ERROR_BODY		16384
#define HTTP_MAX_HEADERS	65536
#define HTTP_BUFFER			(512 * 1024)

typedef struct HttpMail
{
	const char *from;			/* addresses without name and brackets */
	const char *const *to;		/* NULL at the end */
	const char *user;			/* NULL: no login */
	const char *password;
	bool		require_tls;
	int			give_up_ms;
} HttpMail;

typedef struct HttpRequest
{
	const char *method;			/* GET or POST */
	const char *url;
	const char *const *headers; /* "Name: value", NULL at the end */
	const char *body;			/* POST; must outlive the transfer */
	size_t		body_len;
	const HttpMail *mail;		/* hand the body to a mail server; NULL: a request */
	int64		skip;			/* bytes to pass over where no range is served */
	int64		max_bytes;		/* of the body */
	bool		exact;			/* compare the length with the promised one */
} HttpRequest;

typedef struct HttpTransfer
{
	CURLM	   *multi;
	CURL	   *easy;
	struct curl_slist *headers;
	struct curl_slist *recipients;	/* of a mail */
	const char *upload;			/* a mail, and how much of it is gone */
	size_t		upload_len;
	size_t		upload_at;
	char		error[CURL_ERROR_SIZE];
	bool		added;			/* easy is in multi */
	bool		done;
	CURLcode	result;

	/* the answer */
	int			status;			/* 0: none yet */
	bool		answered;		/* all its headers are here */
	size_t		header_bytes;
	int64		content_length; /* -1: not said */
	int64		range_from;		/* of Content-Range, -1: not said */
	int64		range_total;
	int			retry_after;	/* s, -1: not said */
	char		etag[256];
	char		last_modified[64];
	char		region[64];
	char		location[2048];
	int64		received;		/* bytes of the body, skipped ones too */
	int64		skip_whole;
	int64		skip;			/* of this answer */
	int64		max_bytes;
	bool		too_large;
	bool		refused;		/* no address of the host is allowed */
	bool		visited;		/* one is */
	char		refused_address[64];

	/* what was received and not taken yet */
	char	   *buffer;
	size_t		start;
	size_t		len;
	bool		paused;
	char		error_body[HTTP_ERROR_BODY];
	size_t		error_len;
} HttpTransfer;

extern HttpTransfer *HttpOpen(void);	/* NULL when memory is short */
extern void HttpClose(HttpTransfer *t);
extern bool HttpStart(HttpTransfer *t, const HttpRequest *request);
extern void HttpStop(HttpTransfer *t);
extern void HttpPump(HttpTransfer *t, int wait_ms);
extern size_t HttpTake(HttpTransfer *t, char *buf, size_t len);
extern void HttpSleep(HttpTransfer *t, int ms);

/* ---------------------------------------------------------------------
 * A request with its repetitions, net_task.c
 * ---------------------------------------------------------------------
 */
typedef enum NetState
{
	NET_START,					/* to be sent, at retry_at */
	NET_SENT,					/* no answer yet */
	NET_BODY,					/* a good answer is coming in */
	NET_ENDED,					/* all of it is in the buffer */
	NET_FAILED
} NetState;

typedef enum NetVerdict
{
	NET_FAIL,
	NET_RETRY,					/* later, a limited number of times */
	NET_AGAIN					/* at once: the request has been changed */
} NetVerdict;

typedef struct NetTask NetTask;

struct NetTask
{
	HttpTransfer *http;
	const char *what;			/* for messages: never with a query */
	const char *who;			/* the host */
	bool		(*send) (NetTask *task);	/* start the transfer, or fail */
	NetVerdict	(*judge) (NetTask *task);	/* an answer that is no success */
	void		(*before) (NetTask *task);	/* each attempt; may raise; or NULL */
	void		(*after) (NetTask *task);
	bool		exact;			/* an object: check length, resume by range */
	int			give_up_ms;		/* one attempt no longer than this; 0: as set */

	NetState	state;
	NetFailure	failure;
	int			attempts;		/* since the last 64 kB came in */
	int			again;			/* redirects and the like */
	int			restarts;		/* answers begun from their first byte */
	TimestampTz retry_at;
	int64		failed_at;		/* offset of the last failure */
	int64		counted;		/* bytes of this transfer that are in offset */
	int64		activity;
	TimestampTz sent_at;
	bool		underway;		/* an attempt */
	int64		waited_ms;		/* in vain */

	/* the object */
	int64		offset;			/* bytes in hand: taken, or in the buffer */
	int64		total;			/* -1: not known yet */
	char		etag[256];
	char		last_modified[64];
};

extern void NetTaskInit(NetTask *task, HttpTransfer *http);
extern void NetAdvance(NetTask *task);	/* one step, at most 0.1 s */
extern bool NetFail(NetTask *task, int sqlstate, const char *message,...)
			pg_attribute_printf(3, 4);	/* returns false */
extern void NetDetail(NetTask *task, const char *detail,...) pg_attribute_printf(2, 3);
extern void NetHint(NetTask *task, const char *hint,...) pg_attribute_printf(2, 3);
pg_noreturn extern void NetRaise(const NetFailure *failure);
extern NetVerdict NetJudgeStatus(NetTask *task);

/* Headers of a resumed request: "Range: …" and its condition; a count. */
extern int	NetRangeHeaders(const NetTask *task, char (*headers)[320]);

/* Answer in full, in the current memory context; raises. */
extern StringInfo NetFetch(NetTask *task, int max);

/* A transfer that ends with the current memory context; raises. */
extern HttpTransfer *NetOpenTransfer(void);

/* Whether the host may be visited: the allow-list. */
extern bool NetHostAllowed(const Url *url);

/* ---------------------------------------------------------------------
 * Credentials, aws_credentials.c
 * ---------------------------------------------------------------------
 */

/*
 * A file of secrets that only the server can read, to be wiped by the caller
 * (64 kB and a byte); setting names it in messages.  28000 where others can
 * read it.
 */
extern char *FinopsReadPrivateFile(const char *path, const char *setting, int *len);
#define PRIVATE_FILE_SIZE	(64 * 1024 + 1)

/* The caller's; wiped with the current memory context.  28000 without any. */
extern const AwsCredentials *AwsFindCredentials(char **region);
extern const char *AwsDefaultRegion(void);

/* ---------------------------------------------------------------------
 * S3, s3.c, and objects on the web, source_remote.c
 * ---------------------------------------------------------------------
 */
typedef struct S3Task
{
	NetTask		task;
	const AwsCredentials *credentials;
	char	   *bucket;
	char	   *key;			/* UTF-8; NULL: a list */
	char	   *prefix;			/* of a list, UTF-8 */
	char	   *continuation;	/* of a list, NULL at first */
	char		region[64];
	char		host[URL_HOST_MAX + 16];
	int			moves;			/* to another region */
} S3Task;

extern void S3TaskInit(S3Task *s3, const SourceAddress *address);
extern List *S3List(const SourceAddress *prefix);

/* Sign and start a request to an AWS host. */
typedef struct AwsRequest
{
	const char *service;
	const char *region;
	const char *method;
	const char *origin;			/* https://host:port */
	const char *host;			/* as the Host header has it */
	const char *path;			/* encoded */
	const char *query;			/* encoded, in canonical order */
	const AwsPair *headers;		/* signed besides the usual ones */
	int			nheaders;
	const char *body;
	size_t		body_len;
} AwsRequest;

/* The host of a service in a region, or of finops.aws_endpoint; raises. */
extern void AwsFindHost(const char *service, const char *region, Url *url,
						char *host, size_t host_size, char *origin, size_t origin_size);

extern bool AwsSend(NetTask *task, const AwsRequest *request,
					const AwsCredentials *credentials);

#endif							/* FINOPS_NETWORK_H */
