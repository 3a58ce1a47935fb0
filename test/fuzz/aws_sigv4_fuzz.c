/* links: src/core/aws_sigv4.c */
/*-------------------------------------------------------------------------
 *
 * aws_sigv4_fuzz.c
 *	  The signer: no input overruns a buffer, and no value becomes a line of
 *	  the canonical request.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_sigv4.h"

#include <stdlib.h>

#include "../unit/digest.h"

#define PARTS	12

int			LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* The input in pieces at its bytes 0xff, the later ones empty. */
int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char	   *copy = malloc(size + 1);
	const char *part[PARTS];
	char		canonical_space[AWS_CANONICAL_MAX],
				names_space[512],
				query_space[512],
				answer_space[1024];
	TextBuf		canonical = TextBufOver(canonical_space, sizeof(canonical_space));
	TextBuf		names = TextBufOver(names_space, sizeof(names_space));
	TextBuf		query = TextBufOver(query_space, sizeof(query_space));
	TextBuf		answer = TextBufOver(answer_space, sizeof(answer_space));
	int			n = 0;

	memcpy(copy, data, size);
	copy[size] = '\0';
	for (int i = 0; i < PARTS; i++)
		part[i] = copy + size;
	part[n++] = copy;
	for (size_t i = 0; i < size && n < PARTS; i++)
		if (data[i] == 0xff)
		{
			copy[i] = '\0';
			part[n++] = copy + i + 1;
		}

	AwsPair		pairs[3] = {{part[0], part[1]}, {part[2], part[3]}, {part[4], part[5]}};

	if (!SigV4Query(&query, pairs, 3))
		query_space[0] = '\0';

	SigV4Request request = {part[6], part[7], query_space, pairs, 3, part[8]};
	SigV4Key	key = {part[9], part[10], "us-east-1", size % 2 ? "s3" : "ce", part[11]};

	if (SigV4CanonicalRequest(&request, &key, &canonical, &names))
	{
		int			lines = 1,
					different = 3;

		for (int i = 1; i < 3; i++)
			for (int j = 0; j < i; j++)
				if (strcmp(pairs[i].name, pairs[j].name) == 0)
				{
					different--;
					break;
				}
		for (size_t i = 0; i < canonical.len; i++)
			lines += canonical_space[i] == '\n';
		/* method, path, query, headers, blank, names, hash */
		if (lines != 6 + different || strlen(canonical_space) != canonical.len)
			abort();
	}
	SigV4Authorization(&request, &key, &answer);
	free(copy);
	return 0;
}
