/* links: src/core/s3_xml.c src/core/aws_profile.c */
/*-------------------------------------------------------------------------
 *
 * s3_xml_test.c
 *	  The XML of S3, and the credentials file.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_profile.h"
#include "core/s3_xml.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

static char seen[4096];

static bool
note(void *arg, const char *path, const char *text, size_t len)
{
	(void) arg;
	if (strcmp(path, "a/stop") == 0)
		return false;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s=%.*s;", path, (int) len, text);
	return true;
}

/* What is seen of a document; NULL: it is refused. */
static void
gives(const char *xml, const char *expected, const char *title)
{
	size_t		len = strlen(xml);
	char	   *copy = malloc(len + 1);	/* of this size: reading on is found */
	bool		good;

	memcpy(copy, xml, len);
	seen[0] = '\0';
	good = S3XmlScan(copy, len, note, NULL);
	if (good != (expected != NULL) || (good && strcmp(seen, expected) != 0))
		printf("# %s\n", seen);
	ok(good == (expected != NULL) && (!good || strcmp(seen, expected) == 0), title);
	free(copy);
}

static void
xml(void)
{
	gives("<a>b</a>", "a=b;", "one element");
	gives("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns='u' x=\"&amp;>\"><b>1</b> <b/>\n</a>\n",
		  "a/b=1;a/b=;a=;", "declaration, attributes, an empty element");
	gives("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x20ac;&#x1F600;</a>",
		  "a=<&>\"'A\xe2\x82\xac\xf0\x9f\x98\x80;", "entities and character references");
	gives("\xef\xbb\xbf<a > \n<b >x</b ></a >", "a/b=x;a=;", "byte-order mark and blanks in tags");
	gives("<a><b><c>1</c></b><b>2</b></a>", "a/b/c=1;a/b=;a/b=2;a=;", "paths");
	gives("", NULL, "nothing");
	gives("text", NULL, "no element");
	gives("<a>", NULL, "an element that does not end");
	gives("<a></b>", NULL, "another end");
	gives("<a></ab>", NULL, "a longer end");
	gives("<a/><a/>", NULL, "two roots");
	gives("<a>x<b/></a>", NULL, "text before an element");
	gives("<a><b/>x</a>", NULL, "text after an element");
	gives("<a>&nbsp;</a>", NULL, "an unknown entity");
	gives("<a>&#0;</a>", NULL, "a NUL character");
	gives("<a>&#xD800;</a>", NULL, "half a surrogate pair");
	gives("<a>&#x110000;</a>", NULL, "no character");
	gives("<a>&#99999999999;</a>", NULL, "a number that is too long");
	gives("<a>&#;</a>", NULL, "no number");
	gives("<a>&", NULL, "an ampersand at the end");
	gives("<a>\x01</a>", NULL, "a control character");
	gives("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", NULL, "a DOCTYPE");
	gives("<a><![CDATA[x]]></a>", NULL, "CDATA");
	gives("<a><!-- x --></a>", NULL, "a comment");
	gives("<a><?x y?></a>", NULL, "a processing instruction");
	gives("<a x></a>", NULL, "an attribute without value");
	gives("<a x=\"1></a>", NULL, "quotes that do not close");
	gives("<a x=\"1\"y=\"2\"/>", NULL, "attributes without a blank");
	gives("<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>", NULL, "too deep");
	gives("<a><stop>1</stop><b/></a>", NULL, "a reader that refuses");
	gives("</a>", NULL, "an end alone");
	gives("<a", NULL, "half a tag");
}

static void
errors(void)
{
	S3Error		e;
	char		text[] = "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code>"
		"<Message>line\nbreak</Message><Region>eu-central-1</Region><RequestId>1</RequestId></Error>";
	char		other[] = "<html><Code>x</Code></html>";
	char		longest[1024];

	ok(S3ErrorParse(text, strlen(text), &e) && strcmp(e.code, "AuthorizationHeaderMalformed") == 0 &&
	   strcmp(e.message, "line break") == 0 && strcmp(e.region, "eu-central-1") == 0, "an error");
	ok(!S3ErrorParse(other, strlen(other), &e), "another document");
	strcpy(longest, "<Error><Code>C</Code><Message>");
	for (int i = 0; i < 200; i++)
		strcat(longest, "\xc3\xa9");
	strcat(longest, "</Message></Error>");
	ok(S3ErrorParse(longest, strlen(longest), &e) && strlen(e.message) == 254, "a long message is cut at a character");
}

static void
decodes(const char *text, const char *expected)
{
	char		copy[64];
	size_t		n;

	strcpy(copy, text);
	n = S3UrlDecode(copy, strlen(copy));
	ok(n == strlen(expected) && memcmp(copy, expected, n) == 0, text);
}

static const char file[] =
"# comment\r\n[other]\naws_access_key_id=OTHER\n\n[default]\r\n"
" ; another\naws_access_key_id = AKIA \r\naws_secret_access_key=a=b/c+d\n"
"s3 =\n  aws_secret_access_key = nested\nregion = x\n[profile dev]\n"
"aws_access_key_id = DEV\naws_secret_access_key = DEVSECRET\naws_session_token = T\n";

static void
profile(const char *text, const char *name, AwsProfileStatus expected, int line, const char *secret,
		const char *title)
{
	AwsCredentials c;
	int			at;
	AwsProfileStatus status = AwsProfileRead(text, strlen(text), name, &c, &at);

	ok(status == expected && (line == 0 || at == line) &&
	   (secret == NULL || strcmp(c.secret, secret) == 0), title);
}

static void
credentials(void)
{
	static char longest[9000];
	AwsCredentials c;

	profile(file, "default", AWS_PROFILE_OK, 0, "a=b/c+d", "the default profile");
	profile(file, "dev", AWS_PROFILE_OK, 0, "DEVSECRET", "a section [profile name]");
	profile(file, "other", AWS_PROFILE_INCOMPLETE, 0, NULL, "a profile without secret");
	profile(file, "none", AWS_PROFILE_NOT_FOUND, 0, NULL, "no such profile");
	profile("", "default", AWS_PROFILE_NOT_FOUND, 0, NULL, "an empty file");
	profile("[default]\nno setting\n", "default", AWS_PROFILE_MALFORMED, 2, NULL, "a line that is nothing");
	profile("[default\n", "default", AWS_PROFILE_MALFORMED, 1, NULL, "a section that does not close");
	profile("[default]\n=x\n", "default", AWS_PROFILE_MALFORMED, 2, NULL, "a setting without name");
	profile("[default]\naws_access_key_id=a\naws_secret_access_key=b", "default", AWS_PROFILE_OK, 0, "b",
			"no newline at the end");
	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, "[default]\naws_session_token=", 28);
	profile(longest, "default", AWS_PROFILE_TOO_LONG, 2, NULL, "a value that is too long");
	memset(&c, 0, sizeof(c));
	strcpy(c.access_key_id, "AKIA");
	strcpy(c.secret, "a+/=");
	ok(AwsCredentialsClean(&c), "keys as they are");
	strcpy(c.session_token, "a\rb");
	ok(!AwsCredentialsClean(&c), "a token with a line break");
}

int
main(void)
{
	xml();
	errors();
	decodes("a%20b+c%2B%2f", "a b c+/");
	decodes("%", "%");
	decodes("%4", "%4");
	decodes("%zz%41", "%zzA");
	credentials();
	printf("1..%d\n", number);
	return failed != 0;
}
