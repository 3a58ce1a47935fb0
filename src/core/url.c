/*-------------------------------------------------------------------------
 *
 * url.c
 *	  Web addresses, and whether they may be visited.
 *
 *-------------------------------------------------------------------------
 */
#include "core/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

/* ---------------------------------------------------------------------
 * Parsing
 * ---------------------------------------------------------------------
 */

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + 'a' - 'A') : c;
}

/* Labels of 1 to 63 characters with one dot between them. */
static bool
is_host_name(const char *s, size_t len)
{
	size_t		label = 0;

	if (len == 0 || len >= URL_HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (!is_host_char(s[i]) || (s[i] == '.' && label == 0))
			return false;
		label = s[i] == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return label > 0;
}

/* The host at s: its end, or NULL.  IPv6 stands in brackets. */
static const char *
parse_host(const char *s, Url *url)
{
	const char *end;
	size_t		len;

	url->ipv6 = *s == '[';
	if (url->ipv6)
	{
		unsigned char address[16];

		end = strchr(++s, ']');
		if (end == NULL || (size_t) (end - s) >= sizeof("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"))
			return NULL;
		len = (size_t) (end - s);
		memcpy(url->host, s, len);
		url->host[len] = '\0';
		return inet_pton(AF_INET6, url->host, address) == 1 ? end + 1 : NULL;
	}
	for (end = s; is_host_char(*end); end++)
		;
	len = (size_t) (end - s);
	if (len > 1 && s[len - 1] == '.')
		len--;
	if (!is_host_name(s, len))
		return NULL;
	for (size_t i = 0; i < len; i++)
		url->host[i] = lower(s[i]);
	url->host[len] = '\0';
	return end;
}

/* ":port" or nothing; NULL for a bad one. */
static const char *
parse_port(const char *s, Url *url)
{
	int			port = 0;

	url->port = url->https ? 443 : 80;
	if (*s != ':')
		return s;
	for (s++; *s >= '0' && *s <= '9' && port <= 65535; s++)
		port = port * 10 + *s - '0';
	if (port < 1 || port > 65535)
		return NULL;
	url->port = port;
	return s;
}

static bool
starts_with(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

UrlStatus
UrlParse(const char *text, Url *url)
{
	const char *at;
	size_t		authority;

	memset(url, 0, sizeof(*url));
	url->https = starts_with(text, "https://");
	if (!url->https && !starts_with(text, "http://"))
		return URL_NO_SCHEME;
	if (strlen(text) >= URL_TEXT_MAX)
		return URL_TOO_LONG;
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f || *p == '\\' || (unsigned char) *p >= 0x80)
			return URL_BAD_CHARACTER;
	at = text + (url->https ? 8 : 7);
	authority = strcspn(at, "/?#");
	if (memchr(at, '@', authority) != NULL)
		return URL_HAS_USER;
	at = parse_host(at, url);
	if (at == NULL)
		return URL_BAD_HOST;
	if (*at == ':')
	{
		at = parse_port(at, url);
		if (at == NULL)
			return URL_BAD_PORT;
	}
	else
		url->port = url->https ? 443 : 80;
	if (*at != '\0' && strchr("/?#", *at) == NULL)
		return URL_BAD_HOST;
	url->target = at;
	url->target_len = strcspn(at, "#");
	return URL_OK;
}

const char *
UrlStatusText(UrlStatus status)
{
	switch (status)
	{
		case URL_OK:
			break;
		case URL_NO_SCHEME:
			return "An address begins with https:// or http://.";
		case URL_BAD_HOST:
			return "Its host is not a host name or address.";
		case URL_BAD_PORT:
			return "Its port is not a number from 1 to 65535.";
		case URL_HAS_USER:
			return "User and password do not belong into an address.";
		case URL_BAD_CHARACTER:
			return "Blanks, control characters, backslashes and what is not ASCII must be percent-encoded.";
		case URL_TOO_LONG:
			return "It is too long.";
	}
	return "";
}

void
UrlHostHeader(const Url *url, TextBuf *text)
{
	char		port[16];

	TextString(text, url->ipv6 ? "[" : "");
	TextString(text, url->host);
	TextString(text, url->ipv6 ? "]" : "");
	if (url->port != (url->https ? 443 : 80))
	{
		snprintf(port, sizeof(port), ":%d", url->port);
		TextString(text, port);
	}
}

void
UrlOrigin(const Url *url, TextBuf *text)
{
	TextString(text, url->https ? "https://" : "http://");
	UrlHostHeader(url, text);
}

bool
UrlSameOrigin(const Url *a, const Url *b)
{
	return a->https == b->https && a->port == b->port && a->ipv6 == b->ipv6 &&
		strcmp(a->host, b->host) == 0;
}

/* ---------------------------------------------------------------------
 * Lists
 * ---------------------------------------------------------------------
 */

/* The next entry of a comma-separated list without blanks; false at the end. */
static bool
next_entry(const char **list, char *entry, size_t size, bool *fits)
{
	const char *s = *list + strspn(*list, ", \t\n\r");
	size_t		len = strcspn(s, ", \t\n\r");

	*fits = len < size;
	if (len == 0)
		return false;
	if (*fits)
	{
		memcpy(entry, s, len);
		entry[len] = '\0';
	}
	*list = s + len;
	return true;
}

typedef struct HostRule
{
	bool		below;			/* "*.domain" */
	Url			url;
} HostRule;

static bool
parse_rule(const char *entry, HostRule *rule)
{
	const char *at = entry;

	memset(rule, 0, sizeof(*rule));
	rule->url.https = true;
	if (starts_with(at, "https://"))
		at += 8;
	else if (starts_with(at, "http://"))
	{
		rule->url.https = false;
		at += 7;
	}
	rule->below = at[0] == '*' && at[1] == '.';
	if (rule->below)
		at += 2;
	at = parse_host(at, &rule->url);
	if (at != NULL)
		at = parse_port(at, &rule->url);
	return at != NULL && *at == '\0' && !(rule->below && rule->url.ipv6);
}

bool
HostListValid(const char *list)
{
	char		entry[URL_HOST_MAX + 32];
	HostRule	rule;
	bool		fits;

	while (next_entry(&list, entry, sizeof(entry), &fits))
		if (!fits || !parse_rule(entry, &rule))
			return false;
	return true;
}

static bool
rule_allows(const HostRule *rule, const Url *url)
{
	size_t		len = strlen(url->host),
				domain = strlen(rule->url.host);

	if (rule->url.https != url->https || rule->url.port != url->port ||
		rule->url.ipv6 != url->ipv6)
		return false;
	if (!rule->below)
		return strcmp(rule->url.host, url->host) == 0;
	return len > domain + 1 && url->host[len - domain - 1] == '.' &&
		strcmp(url->host + len - domain, rule->url.host) == 0;
}

bool
HostListAllows(const char *list, const Url *url)
{
	char		entry[URL_HOST_MAX + 32];
	HostRule	rule;
	bool		fits;

	while (next_entry(&list, entry, sizeof(entry), &fits))
		if (fits && parse_rule(entry, &rule) && rule_allows(&rule, url))
			return true;
	return false;
}

/* ---------------------------------------------------------------------
 * Addresses
 * ---------------------------------------------------------------------
 */
typedef struct Network
{
	unsigned char address[16];
	int			len;			/* bytes: 4 or 16 */
	int			bits;
} Network;

static bool
parse_network(const char *entry, Network *network)
{
	char		address[64];
	size_t		len = strcspn(entry, "/");
	int			bits = 0;

	if (len >= sizeof(address))
		return false;
	memcpy(address, entry, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, network->address) == 1)
		network->len = 4;
	else if (inet_pton(AF_INET6, address, network->address) == 1)
		network->len = 16;
	else
		return false;
	network->bits = network->len * 8;
	if (entry[len] == '\0')
		return true;
	entry += len + 1;
	if (*entry == '\0' || strlen(entry) > 3)
		return false;
	for (; *entry >= '0' && *entry <= '9'; entry++)
		bits = bits * 10 + *entry - '0';
	if (*entry != '\0' || bits > network->bits)
		return false;
	network->bits = bits;
	return true;
}

static bool
network_holds(const Network *network, const unsigned char *address, int len)
{
	int			whole = network->bits / 8,
				rest = network->bits % 8;

	if (network->len != len || memcmp(network->address, address, (size_t) whole) != 0)
		return false;
	return rest == 0 || ((network->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

/* IPv4 that travels as IPv6: mapped, or translated (RFC 6052). */
static void
unwrap(const unsigned char **address, int *len)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};

	if (*len == 16 &&
		(memcmp(*address, mapped, 12) == 0 || memcmp(*address, nat64, 12) == 0))
	{
		*address += 12;
		*len = 4;
	}
}

bool
NetworkListValid(const char *list)
{
	char		entry[80];
	Network		network;
	bool		fits;

	while (next_entry(&list, entry, sizeof(entry), &fits))
		if (!fits || !parse_network(entry, &network))
			return false;
	return true;
}

bool
NetworkListHolds(const char *list, const unsigned char *address, int len)
{
	char		entry[80];
	Network		network;
	bool		fits;

	unwrap(&address, &len);
	while (next_entry(&list, entry, sizeof(entry), &fits))
		if (fits && parse_network(entry, &network) && network_holds(&network, address, len))
			return true;
	return false;
}

/*
 * Source: the IANA registries of special-purpose addresses; everything there
 * that is not globally reachable, and multicast.  Of IPv6 only 2000::/3 is
 * handed out at all.
 */
bool
AddressIsPublic(const unsigned char *address, int len)
{
	static const char not_public4[] = "0.0.0.0/8,10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,"
		"169.254.0.0/16,172.16.0.0/12,192.0.0.0/24,192.0.2.0/24,192.88.99.0/24,192.168.0.0/16,"
		"198.18.0.0/15,198.51.100.0/24,203.0.113.0/24,224.0.0.0/3";
	static const char not_public6[] = "2001::/23,2001:db8::/32,2002::/16,3fff::/20";

	unwrap(&address, &len);
	if (len == 4)
		return !NetworkListHolds(not_public4, address, len);
	return len == 16 && (address[0] & 0xe0) == 0x20 &&
		!NetworkListHolds(not_public6, address, len);
}
