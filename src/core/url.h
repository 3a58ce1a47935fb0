/*-------------------------------------------------------------------------
 *
 * url.h
 *	  Web addresses, and whether they may be visited.  Pure.
 *
 * An address is taken apart here and put together again for libcurl, so
 * that both see the same host.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_URL_H
#define FINOPS_URL_H

#include "core/textbuf.h"

#define URL_HOST_MAX	254

typedef enum UrlStatus
{
	URL_OK,
	URL_NO_SCHEME,				/* neither http:// nor https:// */
	URL_BAD_HOST,
	URL_BAD_PORT,
	URL_HAS_USER,				/* user:password@ does not belong here */
	URL_BAD_CHARACTER,			/* blank, control or not ASCII: must be encoded */
	URL_TOO_LONG
} UrlStatus;

typedef struct Url
{
	bool		https;
	char		host[URL_HOST_MAX]; /* lower case; IPv6 without brackets */
	bool		ipv6;
	int			port;
	const char *target;			/* path and query within the text given; may be "" */
	size_t		target_len;
} Url;

#define URL_TEXT_MAX	8192

extern UrlStatus UrlParse(const char *text, Url *url);
extern const char *UrlStatusText(UrlStatus status);
extern void UrlOrigin(const Url *url, TextBuf *text);	/* https://host:port */
extern void UrlHostHeader(const Url *url, TextBuf *text);
extern bool UrlSameOrigin(const Url *a, const Url *b);

/*
 * Comma-separated hosts: "host", "*.domain" (anything below it), with
 * ":port" for another than the scheme's own, and with "http://" in front
 * where unencrypted connections are wanted.
 */
extern bool HostListValid(const char *list);
extern bool HostListAllows(const char *list, const Url *url);

/*
 * Whether an address (4 or 16 bytes, network order) is one of the public
 * internet, and whether a comma-separated list of networks in CIDR notation
 * holds it.  IPv4 in IPv6 is judged as IPv4.
 */
extern bool AddressIsPublic(const unsigned char *address, int len);
extern bool NetworkListValid(const char *list);
extern bool NetworkListHolds(const char *list, const unsigned char *address, int len);

#endif							/* FINOPS_URL_H */
