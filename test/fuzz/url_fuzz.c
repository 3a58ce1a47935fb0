/* links: src/core/url.c */
/*-------------------------------------------------------------------------
 *
 * url_fuzz.c
 *	  Web addresses and lists: what is taken apart and put together again is
 *	  the same address, and no list allows what it should not.
 *
 *-------------------------------------------------------------------------
 */
#include "core/url.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char	   *text = malloc(size + 1);
	Url			url,
				again;
	char		space[URL_TEXT_MAX + 64];
	TextBuf		built = TextBufOver(space, sizeof(space));

	memcpy(text, data, size);
	text[size] = '\0';
	HostListValid(text);
	NetworkListValid(text);
	NetworkListHolds(text, (const unsigned char *) "\x0a\x00\x00\x01", 4);
	AddressIsPublic(data, size >= 16 ? 16 : size >= 4 ? 4 : 0);
	if (UrlParse(text, &url) == URL_OK)
	{
		UrlOrigin(&url, &built);
		TextBytes(&built, url.target, url.target_len);
		if (built.overflow || UrlParse(space, &again) != URL_OK || !UrlSameOrigin(&url, &again) ||
			again.target_len != url.target_len)
			abort();
		if (HostListAllows("good.example, *.below.example", &url) &&
			strcmp(url.host, "good.example") != 0 && strstr(url.host, ".below.example") == NULL)
			abort();
		HostListAllows(text, &url);
	}
	free(text);
	return 0;
}
