/* links: src/core/url.c */
/*-------------------------------------------------------------------------
 *
 * url_test.c
 *	  Web addresses, lists of hosts and networks, public addresses.
 *
 *-------------------------------------------------------------------------
 */
#include "core/url.h"
#include "tap.h"

#include <arpa/inet.h>
#include <stdio.h>

/* "origin|host header|target", or the number of the status. */
static void
parses(const char *text, const char *expected)
{
	static char longest[URL_TEXT_MAX + 1];
	Url			url;
	UrlStatus	status;
	char		space[URL_TEXT_MAX];
	TextBuf		got = TextBufOver(space, sizeof(space));

	if (strcmp(text, "long") == 0)
	{
		memset(longest, 'a', sizeof(longest) - 1);
		memcpy(longest, "http://h/", 9);
		text = longest;
	}
	status = UrlParse(text, &url);
	if (status == URL_OK)
	{
		UrlOrigin(&url, &got);
		TextChar(&got, '|');
		UrlHostHeader(&url, &got);
		TextChar(&got, '|');
		TextBytes(&got, url.target, url.target_len);
	}
	else
		snprintf(space, sizeof(space), "%d", (int) status);
	if (strcmp(space, expected) != 0)
		printf("# %.60s gives %s\n", text, space);
	ok(strcmp(space, expected) == 0, text == longest ? "long" : text);
}

static void
addresses(void)
{
	parses("https://Example.COM/a/b?c=d#e", "https://example.com|example.com|/a/b?c=d");
	parses("HTTP://h:8080", "http://h:8080|h:8080|");
	parses("https://h:443/", "https://h|h|/");
	parses("http://h:443/", "http://h:443|h:443|/");
	parses("https://h.?q", "https://h|h|?q");
	parses("http://[::1]:9/x", "http://[::1]:9|[::1]:9|/x");
	parses("http://[fe80::1%25eth0]/", "2");
	parses("http://[::1", "2");
	parses("http://[::1]x/", "2");
	parses("ftp://h/", "1");
	parses("//h/", "1");
	parses("", "1");
	parses("https://", "2");
	parses("https:///path", "2");
	parses("https://a..b/", "2");
	parses("https://.a/", "2");
	parses("https://h:/", "3");
	parses("https://h:0/", "3");
	parses("https://h:65536/", "3");
	parses("https://h:1234567890123/", "3");
	parses("https://h:80x/", "2");
	parses("https://user@h/", "4");
	parses("https://good.com@evil.com/", "4");
	parses("https://user:password@h/", "4");
	parses("https://h/a@b", "https://h|h|/a@b");
	parses("https://good.com\\@evil.com/", "5");
	parses("https://h/a b", "5");
	parses("https://h/\xc3\xa9", "5");
	parses("https://h/a\r\nHost: x", "5");
	parses("https://good.com#@evil.com/", "https://good.com|good.com|");
	parses("https://good.com%2eevil.com/", "2");
	parses("long", "6");
}

static void
allows(const char *list, const char *text, bool expected)
{
	Url			url;
	char		title[256];

	snprintf(title, sizeof(title), "\"%s\" %s %s", list, expected ? "allows" : "refuses", text);
	ok(UrlParse(text, &url) == URL_OK && HostListAllows(list, &url) == expected, title);
}

static void
hosts(void)
{
	allows("", "https://h/", false);
	allows("h", "https://h/", true);
	allows("H", "https://h/", true);
	allows("h", "https://h:8443/", false);
	allows("h:8443", "https://h:8443/", true);
	allows("h:8443", "https://h/", false);
	allows("h", "http://h/", false);
	allows("http://h", "http://h/", true);
	allows("http://h", "https://h/", false);
	allows("a, b,,c ", "https://c/", true);
	allows("*.amazonaws.com", "https://s3.eu-west-1.amazonaws.com/", true);
	allows("*.amazonaws.com", "https://amazonaws.com/", false);
	allows("*.amazonaws.com", "https://evilamazonaws.com/", false);
	allows("*.amazonaws.com", "https://s3.amazonaws.com.evil.org/", false);
	allows("*.amazonaws.com", "https://s3.amazonaws.com./", true);
	allows("http://[::1]:80", "http://[::1]/", true);
	allows("[::1]", "https://[::1]/", true);
	ok(HostListValid("") && HostListValid("a,*.b:1 http://c"), "lists that are valid");
	ok(!HostListValid("*") && !HostListValid("a/b") && !HostListValid("*.") &&
	   !HostListValid("ftp://a") && !HostListValid("a:b") && !HostListValid("a,*b"),
	   "lists that are not");
}

static bool
is_public(const char *text)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return AddressIsPublic(bytes, 4);
	return inet_pton(AF_INET6, text, bytes) == 1 && AddressIsPublic(bytes, 16);
}

static bool
holds(const char *list, const char *text)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return NetworkListHolds(list, bytes, 4);
	return inet_pton(AF_INET6, text, bytes) == 1 && NetworkListHolds(list, bytes, 16);
}

static void
networks(void)
{
	static const char *const private_ones[] = {
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.0.1",
		"198.18.0.1", "198.19.255.255", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "::127.0.0.1",
		"fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2001::1"
	};
	static const char *const public_ones[] = {
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2600:1f18::1", "2a00:1450::1"
	};
	char		title[128];

	for (size_t i = 0; i < lengthof(private_ones); i++)
	{
		snprintf(title, sizeof(title), "%s is not public", private_ones[i]);
		ok(!is_public(private_ones[i]), title);
	}
	for (size_t i = 0; i < lengthof(public_ones); i++)
	{
		snprintf(title, sizeof(title), "%s is public", public_ones[i]);
		ok(is_public(public_ones[i]), title);
	}
	ok(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1") &&
	   holds("10.0.0.0/9", "10.127.0.1") && !holds("10.0.0.0/9", "10.128.0.1"), "a network by its bits");
	ok(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"), "one address");
	ok(holds("0.0.0.0/0", "10.0.0.1") && !holds("0.0.0.0/0", "fc00::1"), "all of IPv4 is none of IPv6");
	ok(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "IPv4 within IPv6");
	ok(holds("a, fc00::/7", "fd00::1"), "a list");
	ok(NetworkListValid("") && NetworkListValid("10.0.0.0/8, ::1 fc00::/7"), "lists that are valid");
	ok(!NetworkListValid("10.0.0.0/33") && !NetworkListValid("::/129") && !NetworkListValid("10.0.0/8") &&
	   !NetworkListValid("h") && !NetworkListValid("10.0.0.0/") && !NetworkListValid("10.0.0.0/-1") &&
	   !NetworkListValid("10.0.0.0/8/8"), "lists that are not");
}

int
main(void)
{
	addresses();
	hosts();
	networks();
	printf("1..%d\n", number);
	return failed != 0;
}
