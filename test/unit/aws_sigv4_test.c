/* links: src/core/aws_sigv4.c */
/*-------------------------------------------------------------------------
 *
 * aws_sigv4_test.c
 *	  The signer against published signatures: the worked examples of the S3
 *	  API Reference, the example of the AWS General Reference, the AWS
 *	  Signature Version 4 test suite; and some worked out with Python's hmac
 *	  and hashlib from the specification.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_sigv4.h"

#include <stdio.h>

#include "digest.h"
#include "tap.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const SigV4Key example = {
	"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3",
	"20130524T000000Z"
};
static const SigV4Key suite = {
	"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service",
	"20150830T123600Z"
};

/* Whether the Authorization header ends in the signature. */
static bool
signs(const SigV4Request *request, const SigV4Key *key, const char *signature)
{
	char		space[2048];
	TextBuf		text = TextBufOver(space, sizeof(space));

	if (!SigV4Authorization(request, key, &text))
		return false;
	if (strcmp(space + text.len - 64, signature) != 0)
	{
		printf("# %s\n", space);
		return false;
	}
	return true;
}

static void
s3_case(const char *method, const char *path, const char *query, const char *hash,
		const AwsPair *more, int nmore, const char *signature, const char *text)
{
	AwsPair		headers[8] = {
		{"host", "examplebucket.s3.amazonaws.com"},
		{"x-amz-content-sha256", hash},
		{"x-amz-date", "20130524T000000Z"}
	};
	SigV4Request request = {method, path, query, headers, 3 + nmore, hash};

	if (nmore > 0)
		memcpy(headers + 3, more, nmore * sizeof(AwsPair));
	ok(signs(&request, &example, signature), text);
}

static void
s3_examples(void)
{
	static const AwsPair range[] = {{"range", "bytes=0-9"}};
	static const AwsPair put[] = {
		{"x-amz-storage-class", "REDUCED_REDUNDANCY"}, {"date", "Fri, 24 May 2013 00:00:00 GMT"}
	};
	static const AwsPair list[] = {{"prefix", "J"}, {"max-keys", "2"}};
	char		space[128],
				hash[65];
	TextBuf		query = TextBufOver(space, sizeof(space));

	s3_case("GET", "/test.txt", "", EMPTY, range, 1,
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "S3: GET object");
	s3_case("GET", "/", "lifecycle=", EMPTY, NULL, 0,
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", "S3: GET lifecycle");
	SigV4Query(&query, list, 2);
	s3_case("GET", "/", space, EMPTY, NULL, 0,
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", "S3: list objects");
	AwsHexSha256("Welcome to Amazon S3.", 21, hash);
	s3_case("PUT", "/test%24file.text", "", hash, put, 2,
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "S3: PUT object");
}

static void
suite_case(const char *method, const char *path, const AwsPair *params, int nparams,
		   const AwsPair *more, int nmore, const char *signature, const char *text)
{
	char		space[1024];
	TextBuf		query = TextBufOver(space, sizeof(space));
	AwsPair		headers[8] = {
		{"x-amz-date", "20150830T123600Z"}, {"host", "example.amazonaws.com"}
	};
	SigV4Request request = {method, path, space, headers, 2 + nmore, EMPTY};

	if (nmore > 0)
		memcpy(headers + 2, more, nmore * sizeof(AwsPair));
	ok(SigV4Query(&query, params, nparams) && signs(&request, &suite, signature), text);
}

static void
suite_examples(void)
{
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	static const AwsPair order[] = {{"Param2", "value2"}, {"Param1", "value1"}};
	static const AwsPair unreserved[] = {{UNRESERVED, UNRESERVED}};
	static const AwsPair utf8[] = {{"\xe1\x88\xb4", "bar"}};
	static const AwsPair trim[] = {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\" "}};
	static const AwsPair twice[] = {{"my-header1", "value2"}, {"my-header1", "value2"}, {"my-header1", "value1"}};

	suite_case("GET", "/", NULL, 0, NULL, 0,
			   "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", "suite: get-vanilla");
	suite_case("POST", "/", NULL, 0, NULL, 0,
			   "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "suite: post-vanilla");
	suite_case("GET", "/", order, 2, NULL, 0,
			   "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", "suite: query order");
	suite_case("GET", "/", unreserved, 1, NULL, 0,
			   "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197", "suite: unreserved characters");
	suite_case("GET", "/", utf8, 1, NULL, 0,
			   "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", "suite: UTF-8 in the query");
	suite_case("GET", "/", NULL, 0, trim, 2,
			   "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736", "suite: values are trimmed");
	suite_case("GET", "/", NULL, 0, twice, 3,
			   "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea", "suite: one header three times");
	suite_case("GET", "/\xe1\x88\xb4", NULL, 0, NULL, 0,
			   "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", "suite: UTF-8 in the path");
	suite_case("GET", "/example space/", NULL, 0, NULL, 0,
			   "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741", "suite: a space in the path");
}

static void
own_examples(void)
{
	static const char body[] = "{\"TimePeriod\":{\"Start\":\"2024-01-01\",\"End\":\"2024-02-01\"}}";
	static const char key_name[] = "a b+c/\xc3\xa9'(x)*!/&=?#%41.csv";
	static const char stamp[] = "20240229T235959Z";
	static const AwsPair list[] = {
		{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", "cur/2024 \xc3\xa9+&="},
		{"continuation-token", "1a/+="}
	};
	char		hash[65],
				path_space[256],
				query_space[256];
	TextBuf		path = TextBufOver(path_space, sizeof(path_space));
	TextBuf		query = TextBufOver(query_space, sizeof(query_space));
	SigV4Key	key = {example.access_key_id, example.secret, "us-east-1", "ce", stamp};
	SigV4Request request = {.method = "POST", .path = "/", .query = "", .payload_hash = hash};

	AwsHexSha256(body, strlen(body), hash);
	request.headers = (AwsPair[]) {
		{"host", "ce.us-east-1.amazonaws.com"}, {"x-amz-date", stamp},
		{"x-amz-content-sha256", hash}, {"x-amz-security-token", "AQoDYXdzEPT//////////wEXAMPLE"},
		{"content-type", "application/x-amz-json-1.1"},
		{"x-amz-target", "AWSInsightsIndexService.GetCostAndUsage"}
	};
	request.nheaders = 6;
	ok(signs(&request, &key, "07e0de15b1bdd1f89652389dffeb826e6e3a575ecf60fed77c8fad8d58d0d1b9"),
	   "a call of Cost Explorer with a session token");

	key.service = "s3";
	key.region = "eu-central-1";
	TextString(&path, "/bucket/");
	AwsUriEncode(&path, key_name, strlen(key_name), true);
	ok(strcmp(path_space, "/bucket/a%20b%2Bc/%C3%A9%27%28x%29%2A%21/%26%3D%3F%23%2541.csv") == 0,
	   "a key with everything that is encoded");
	request = (SigV4Request) {.method = "GET",.path = path_space,.query = "",.payload_hash = EMPTY};
	request.headers = (AwsPair[]) {
		{"host", "minio.local:9000"}, {"x-amz-date", stamp}, {"x-amz-content-sha256", EMPTY},
		{"range", "bytes=5-"}, {"if-match", "\"abc\""}
	};
	request.nheaders = 5;
	ok(signs(&request, &key, "0ef720629f1d43ba239eb1abc715698cc5a8ca60fcfef188b994911a05cb0c30"),
	   "that key, resumed");

	ok(SigV4Query(&query, list, 4), "the query of a list");
	request = (SigV4Request) {.method = "GET",.path = "/bucket/",.query = query_space,.payload_hash = EMPTY};
	request.headers = (AwsPair[]) {
		{"host", "h"}, {"x-amz-date", stamp}, {"x-amz-content-sha256", EMPTY}
	};
	request.nheaders = 3;
	ok(signs(&request, &key, "02825d21e0d55f1460d6580fa9c89f3c403da99cd2385cf0089c3345435f5b72"),
	   "a list with a continuation token");
}

static bool
refused(SigV4Request request, SigV4Key key)
{
	char		space[1024];
	TextBuf		text = TextBufOver(space, sizeof(space));

	return !SigV4Authorization(&request, &key, &text);
}

static void
bad_input(void)
{
	static const AwsPair good[] = {{"host", "h"}};
	static const AwsPair split[] = {{"host", "h\r\nx-evil: 1"}};
	static const AwsPair upper[] = {{"Host", "h"}};
	static char longest[AWS_CANONICAL_MAX + 2];
	char		small[40];
	TextBuf		text = TextBufOver(small, sizeof(small));
	AwsPair		many[AWS_MAX_PARAMS + 1] = {{0}};
	SigV4Request request = {"GET", "/", "", good, 1, EMPTY};
	SigV4Key	key = suite;

	ok(!refused(request, suite), "a plain request is signed");
	ok(!SigV4Authorization(&request, &suite, &text), "no room for the answer");
	request.headers = split;
	ok(refused(request, suite), "a line break in a value");
	request.headers = upper;
	ok(refused(request, suite), "a name in upper case");
	request.headers = good;
	request.path = "no slash";
	ok(refused(request, suite), "a path without slash");
	memset(longest, '/', sizeof(longest) - 1);
	request.path = longest;
	ok(refused(request, suite), "a path that is too long");
	request.path = "/";
	request.query = "a=b\nc";
	ok(refused(request, suite), "a line break in the query");
	request.query = "";
	key.region = "us/east";
	ok(refused(request, key), "a region that would change the scope");
	key.region = "";
	ok(refused(request, key), "no region");
	key = suite;
	key.timestamp = "20150830T12360Z";
	ok(refused(request, key), "a short time");
	key = suite;
	key.secret = longest;
	ok(refused(request, key), "a secret that is too long");
	for (int i = 0; i < AWS_MAX_PARAMS + 1; i++)
		many[i] = (AwsPair) {"a", "b"};
	ok(!SigV4Query(&text, many, AWS_MAX_PARAMS + 1), "too many parameters");
}

int
main(void)
{
	unsigned char digest[32];
	char		hex[65];

	AwsHexSha256("abc", 3, hex);
	ok(strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0,
	   "the digest of these tests is SHA-256");
	AwsHmacSha256("Jefe", 4, "what do ya want for nothing?", 28, digest);
	ok(digest[0] == 0x5b && digest[1] == 0xdc && digest[31] == 0x43, "and its HMAC that of RFC 4231");
	s3_examples();
	suite_examples();
	own_examples();
	bad_input();
	printf("1..%d\n", number);
	return failed != 0;
}
