/*-------------------------------------------------------------------------
 *
 * aws_sigv4.c
 *	  AWS Signature Version 4.
 *
 * Source: "Signature Version 4 signing process" in the AWS General
 * Reference, and for S3 "Authenticating Requests: Using the Authorization
 * Header" in the S3 API Reference, whose worked examples are the unit tests.
 *
 *	  canonical request = method, path, query, headers, names of the signed
 *						  headers, hash of the payload; one per line
 *	  string to sign	= AWS4-HMAC-SHA256, time, scope, hash of that
 *	  signature			= HMAC of it under a key derived from the secret,
 *						  day, region and service
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_sigv4.h"

#include <stdlib.h>
#include <strings.h>

#define MAX_ENCODED		8192
#define MAX_SECRET		256

static void
to_hex(const unsigned char *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++)
	{
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

bool
AwsHexSha256(const void *data, size_t len, char *hex)
{
	unsigned char digest[AWS_DIGEST_LEN];

	if (!AwsSha256(data, len, digest))
		return false;
	to_hex(digest, AWS_DIGEST_LEN, hex);
	return true;
}

void
AwsUriEncode(TextBuf *text, const char *s, size_t len, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash))
			TextChar(text, (char) c);
		else
		{
			char		escape[3] = {'%', digits[c >> 4], digits[c & 15]};

			TextBytes(text, escape, 3);
		}
	}
}

typedef struct EncodedParam
{
	const char *name;			/* NUL-terminated, in the buffer of all */
	const char *value;
} EncodedParam;

static int
compare_params(const void *a, const void *b)
{
	const EncodedParam *p = a;
	const EncodedParam *q = b;
	int			order = strcmp(p->name, q->name);

	return order != 0 ? order : strcmp(p->value, q->value);
}

/* S3 sorts what has been encoded, by name, then by value. */
bool
SigV4Query(TextBuf *query, const AwsPair *params, int nparams)
{
	char		space[MAX_ENCODED];
	TextBuf		encoded = TextBufOver(space, sizeof(space));
	EncodedParam sorted[AWS_MAX_PARAMS];

	if (nparams > AWS_MAX_PARAMS)
		return false;
	for (int i = 0; i < nparams; i++)
	{
		sorted[i].name = space + encoded.len;
		AwsUriEncode(&encoded, params[i].name, strlen(params[i].name), false);
		TextChar(&encoded, '\0');
		sorted[i].value = space + encoded.len;
		AwsUriEncode(&encoded, params[i].value, strlen(params[i].value), false);
		TextChar(&encoded, '\0');
	}
	if (encoded.overflow)
		return false;
	qsort(sorted, nparams, sizeof(EncodedParam), compare_params);
	for (int i = 0; i < nparams; i++)
	{
		if (i > 0)
			TextChar(query, '&');
		TextString(query, sorted[i].name);
		TextChar(query, '=');
		TextString(query, sorted[i].value);
	}
	return !query->overflow;
}

/* No line of the canonical request may come from within a value. */
static bool
is_clean(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char) *s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static bool
is_header_name(const char *s)
{
	return *s != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static bool
is_scope_part(const char *s)
{
	return *s != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static bool
is_timestamp(const char *s)
{
	for (int i = 0; i < 16; i++)
		if (i == 8 ? s[i] != 'T' : i == 15 ? s[i] != 'Z' : s[i] < '0' || s[i] > '9')
			return false;
	return s[16] == '\0';
}

static bool
request_is_clean(const SigV4Request *r, const SigV4Key *key)
{
	if (!is_clean(r->method) || !is_clean(r->path) || r->path[0] != '/' ||
		!is_clean(r->query) || !is_clean(r->payload_hash) ||
		r->nheaders > AWS_MAX_HEADERS || !is_scope_part(key->region) ||
		!is_scope_part(key->service) || !is_timestamp(key->timestamp) ||
		!is_clean(key->access_key_id) || strlen(key->secret) > MAX_SECRET)
		return false;
	for (int i = 0; i < r->nheaders; i++)
		if (!is_header_name(r->headers[i].name) || !is_clean(r->headers[i].value))
			return false;
	return true;
}

/* Without blanks around it, runs of blanks as one. */
static void
trimmed_value(TextBuf *text, const char *value)
{
	bool		gap = false;

	value += strspn(value, " ");
	for (; *value != '\0'; value++)
	{
		if (*value == ' ')
		{
			gap = true;
			continue;
		}
		if (gap)
			TextChar(text, ' ');
		gap = false;
		TextChar(text, *value);
	}
}

bool
SigV4CanonicalRequest(const SigV4Request *r, const SigV4Key *key,
					  TextBuf *canonical, TextBuf *signed_headers)
{
	const AwsPair *sorted[AWS_MAX_HEADERS];

	if (!request_is_clean(r, key))
		return false;
	/* insertion keeps headers of one name in the order given */
	for (int i = 0; i < r->nheaders; i++)
	{
		int			at = i;

		for (; at > 0 && strcmp(sorted[at - 1]->name, r->headers[i].name) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &r->headers[i];
	}
	TextString(canonical, r->method);
	TextChar(canonical, '\n');
	if (strcmp(key->service, "s3") == 0)
		TextString(canonical, r->path);
	else
		AwsUriEncode(canonical, r->path, strlen(r->path), true);
	TextChar(canonical, '\n');
	TextString(canonical, r->query);
	for (int i = 0; i < r->nheaders; i++)
	{
		bool		again = i > 0 && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0;

		if (again)
			TextChar(canonical, ',');
		else
		{
			TextChar(canonical, '\n');
			TextString(canonical, sorted[i]->name);
			TextChar(canonical, ':');
			if (i > 0)
				TextChar(signed_headers, ';');
			TextString(signed_headers, sorted[i]->name);
		}
		trimmed_value(canonical, sorted[i]->value);
	}
	TextString(canonical, "\n\n");
	TextString(canonical, signed_headers->data);
	TextChar(canonical, '\n');
	TextString(canonical, r->payload_hash);
	return !canonical->overflow && !signed_headers->overflow;
}

/* day/region/service/aws4_request */
static void
scope(TextBuf *text, const SigV4Key *key)
{
	TextBytes(text, key->timestamp, 8);
	TextChar(text, '/');
	TextString(text, key->region);
	TextChar(text, '/');
	TextString(text, key->service);
	TextString(text, "/aws4_request");
}

bool
SigV4StringToSign(const char *canonical, size_t len, const SigV4Key *key, TextBuf *text)
{
	char		hash[AWS_HEX_LEN + 1];

	if (!AwsHexSha256(canonical, len, hash))
		return false;
	TextString(text, "AWS4-HMAC-SHA256\n");
	TextString(text, key->timestamp);
	TextChar(text, '\n');
	scope(text, key);
	TextChar(text, '\n');
	TextString(text, hash);
	return !text->overflow;
}

bool
SigV4Signature(const char *string_to_sign, const SigV4Key *key, char *hex)
{
	char		first[MAX_SECRET + 5];
	TextBuf		secret = TextBufOver(first, sizeof(first));
	unsigned char digest[AWS_DIGEST_LEN];
	bool		ok;

	TextString(&secret, "AWS4");
	TextString(&secret, key->secret);
	ok = !secret.overflow &&
		AwsHmacSha256(first, secret.len, key->timestamp, 8, digest) &&
		AwsHmacSha256(digest, AWS_DIGEST_LEN, key->region, strlen(key->region), digest) &&
		AwsHmacSha256(digest, AWS_DIGEST_LEN, key->service, strlen(key->service), digest) &&
		AwsHmacSha256(digest, AWS_DIGEST_LEN, "aws4_request", 12, digest) &&
		AwsHmacSha256(digest, AWS_DIGEST_LEN, string_to_sign, strlen(string_to_sign), digest);
	if (ok)
		to_hex(digest, AWS_DIGEST_LEN, hex);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(digest, sizeof(digest));
	return ok;
}

bool
SigV4Authorization(const SigV4Request *request, const SigV4Key *key,
				   TextBuf *authorization)
{
	char		canonical_space[AWS_CANONICAL_MAX];
	char		names_space[512];
	char		sign_space[512];
	char		signature[AWS_HEX_LEN + 1];
	TextBuf		canonical = TextBufOver(canonical_space, sizeof(canonical_space));
	TextBuf		names = TextBufOver(names_space, sizeof(names_space));
	TextBuf		to_sign = TextBufOver(sign_space, sizeof(sign_space));

	if (!SigV4CanonicalRequest(request, key, &canonical, &names) ||
		!SigV4StringToSign(canonical.data, canonical.len, key, &to_sign) ||
		!SigV4Signature(to_sign.data, key, signature))
		return false;
	TextString(authorization, "AWS4-HMAC-SHA256 Credential=");
	TextString(authorization, key->access_key_id);
	TextChar(authorization, '/');
	scope(authorization, key);
	TextString(authorization, ",SignedHeaders=");
	TextString(authorization, names.data);
	TextString(authorization, ",Signature=");
	TextString(authorization, signature);
	return !authorization->overflow;
}
