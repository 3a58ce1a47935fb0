/*-------------------------------------------------------------------------
 *
 * digest.h
 *	  SHA-256 (FIPS 180-4) and HMAC (RFC 2104), in place of the server's, for
 *	  tests and fuzzers of the signer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_DIGEST_H
#define TEST_DIGEST_H

#include "core/aws_sigv4.h"

static uint32
rotate(uint32 x, int n)
{
	return x >> n | x << (32 - n);
}

/* The first 32 bits of the fractional part of a root of a prime. */
static uint32
root_bits(int prime, bool cube)
{
	unsigned __int128 lo = 0,
				hi = (unsigned __int128) 1 << 40;

	/* the largest x with x^k <= prime * 2^(32k) */
	while (hi - lo > 1)
	{
		unsigned __int128 mid = (lo + hi) / 2;
		unsigned __int128 bound = (unsigned __int128) prime << (cube ? 32 * 3 : 32 * 2);
		bool		below = cube ? mid * mid <= bound / mid : mid * mid <= bound;

		if (below)
			lo = mid;
		else
			hi = mid;
	}
	return (uint32) lo;
}

static void
sha256_block(uint32 *h, const unsigned char *p, const uint32 *k)
{
	uint32		w[64],
				v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32) p[4 * i] << 24 | (uint32) p[4 * i + 1] << 16 |
			(uint32) p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
			(rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
			(rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++)
	{
		uint32		t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
		uint32		t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(uint32));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

bool
AwsSha256(const void *data, size_t len, unsigned char *digest)
{
	static uint32 k[64],
				start[8];
	uint32		h[8];
	unsigned char last[128] = {0};
	const unsigned char *p = data;
	size_t		rest = len % 64,
				tail = rest < 56 ? 64 : 128;

	if (k[0] == 0)
		for (int n = 0, prime = 2; n < 64; prime++)
		{
			bool		composite = false;

			for (int i = 2; i * i <= prime; i++)
				composite |= prime % i == 0;
			if (composite)
				continue;
			k[n] = root_bits(prime, true);
			if (n < 8)
				start[n] = root_bits(prime, false);
			n++;
		}
	memcpy(h, start, sizeof(h));
	for (size_t i = 0; i < len / 64; i++)
		sha256_block(h, p + 64 * i, k);
	if (rest > 0)
		memcpy(last, p + (len - rest), rest);
	last[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		last[tail - 1 - i] = (unsigned char) ((uint64) len * 8 >> (8 * i));
	sha256_block(h, last, k);
	if (tail == 128)
		sha256_block(h, last + 64, k);
	for (int i = 0; i < 32; i++)
		digest[i] = (unsigned char) (h[i / 4] >> (24 - 8 * (i % 4)));
	return true;
}

bool
AwsHmacSha256(const void *key, size_t key_len, const void *data, size_t len,
			  unsigned char *digest)
{
	unsigned char pad[64] = {0},
				buffer[64 + 65536];

	if (len > 65536)
		return false;
	if (key_len > 64)
		AwsSha256(key, key_len, pad);
	else
		memcpy(pad, key, key_len);
	for (int i = 0; i < 64; i++)
		buffer[i] = pad[i] ^ 0x36;
	memcpy(buffer + 64, data, len);
	AwsSha256(buffer, 64 + len, digest);
	for (int i = 0; i < 64; i++)
		buffer[i] = pad[i] ^ 0x5c;
	memcpy(buffer + 64, digest, 32);
	return AwsSha256(buffer, 96, digest);
}

#endif							/* TEST_DIGEST_H */
