/* links: src/core/aws_profile.c */
/*-------------------------------------------------------------------------
 *
 * aws_profile_fuzz.c
 *	  The credentials file: its reader stays within the file and its buffers.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_profile.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char	   *text = malloc(size == 0 ? 1 : size);
	AwsCredentials c;
	int			line;

	memcpy(text, data, size);
	if (AwsProfileRead(text, size, "default", &c, &line) == AWS_PROFILE_OK &&
		(strlen(c.access_key_id) >= sizeof(c.access_key_id) || strlen(c.secret) >= sizeof(c.secret)))
		abort();
	AwsCredentialsClean(&c);
	free(text);
	return 0;
}
