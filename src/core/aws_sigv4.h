/*-------------------------------------------------------------------------
 *
 * aws_sigv4.h
 *	  AWS Signature Version 4 in the Authorization header.  Pure, but for the
 *	  two digests, which the server's come from aws_digest.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_AWS_SIGV4_H
#define FINOPS_AWS_SIGV4_H

#include "core/textbuf.h"

#define AWS_DIGEST_LEN		32
#define AWS_HEX_LEN			64
#define AWS_CANONICAL_MAX	24576
#define AWS_MAX_HEADERS		16
#define AWS_MAX_PARAMS		16

extern bool AwsSha256(const void *data, size_t len, unsigned char *digest);
extern bool AwsHmacSha256(const void *key, size_t key_len, const void *data,
						  size_t len, unsigned char *digest);

/* A header, its name in lower case, or a query parameter, not encoded. */
typedef struct AwsPair
{
	const char *name;
	const char *value;
} AwsPair;

typedef struct SigV4Request
{
	const char *method;
	const char *path;			/* as it is sent: encoded once */
	const char *query;			/* as it is sent: SigV4Query() */
	const AwsPair *headers;		/* with host and x-amz-date */
	int			nheaders;
	const char *payload_hash;	/* hex, or UNSIGNED-PAYLOAD */
} SigV4Request;

typedef struct SigV4Key
{
	const char *access_key_id;
	const char *secret;
	const char *region;
	const char *service;		/* "s3" signs the path as sent, others encode it again */
	const char *timestamp;		/* 20130524T000000Z */
} SigV4Key;

/* RFC 3986: everything but unreserved characters; '/' too unless kept. */
extern void AwsUriEncode(TextBuf *text, const char *s, size_t len, bool keep_slash);

/* Parameters encoded and in canonical order; false when there are too many. */
extern bool SigV4Query(TextBuf *query, const AwsPair *params, int nparams);

extern bool AwsHexSha256(const void *data, size_t len, char *hex);	/* 65 bytes */
extern bool SigV4CanonicalRequest(const SigV4Request *request, const SigV4Key *key,
								  TextBuf *canonical, TextBuf *signed_headers);
extern bool SigV4StringToSign(const char *canonical, size_t len,
							  const SigV4Key *key, TextBuf *text);
extern bool SigV4Signature(const char *string_to_sign, const SigV4Key *key,
						   char *hex);

/*
 * The Authorization header's value; false when a part is malformed or too
 * long, or a digest failed.
 */
extern bool SigV4Authorization(const SigV4Request *request, const SigV4Key *key,
							   TextBuf *authorization);

#endif							/* FINOPS_AWS_SIGV4_H */
