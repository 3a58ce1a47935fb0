/* links: src/core/s3_xml.c */
/*-------------------------------------------------------------------------
 *
 * s3_xml_fuzz.c
 *	  The scanner for S3's XML: it stays within the document.
 *
 *-------------------------------------------------------------------------
 */
#include "core/s3_xml.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *from,
		   *to;

static bool
look(void *arg, const char *path, const char *text, size_t len)
{
	char		copy[64];

	(void) arg;
	if (*path == '\0' || (len > 0 && (text < from || text + len > to)))
		abort();
	if (len < sizeof(copy))
	{
		memcpy(copy, text, len);
		if (S3UrlDecode(copy, len) > len)
			abort();
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char	   *copy = malloc(size == 0 ? 1 : size);
	S3Error		error;

	memcpy(copy, data, size);
	from = copy;
	to = copy + size;
	S3XmlScan(copy, size, look, NULL);
	memcpy(copy, data, size);
	S3ErrorParse(copy, size, &error);
	if (strlen(error.code) >= sizeof(error.code) || strlen(error.message) >= sizeof(error.message))
		abort();
	free(copy);
	return 0;
}
