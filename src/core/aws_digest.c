/*-------------------------------------------------------------------------
 *
 * aws_digest.c
 *	  The digests of the signer, by the server's own cryptography.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_sigv4.h"

#include "common/cryptohash.h"
#include "common/hmac.h"
#include "common/sha2.h"

bool
AwsSha256(const void *data, size_t len, unsigned char *digest)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	bool		ok;

	if (ctx == NULL)
		return false;
	ok = pg_cryptohash_init(ctx) >= 0 && pg_cryptohash_update(ctx, data, len) >= 0 &&
		pg_cryptohash_final(ctx, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
	pg_cryptohash_free(ctx);
	return ok;
}

bool
AwsHmacSha256(const void *key, size_t key_len, const void *data, size_t len,
			  unsigned char *digest)
{
	pg_hmac_ctx *ctx = pg_hmac_create(PG_SHA256);
	bool		ok;

	if (ctx == NULL)
		return false;
	ok = pg_hmac_init(ctx, key, key_len) >= 0 && pg_hmac_update(ctx, data, len) >= 0 &&
		pg_hmac_final(ctx, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
	pg_hmac_free(ctx);
	return ok;
}
