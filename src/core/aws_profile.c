/*-------------------------------------------------------------------------
 *
 * aws_profile.c
 *	  The credentials file of the AWS command line: an INI file of profiles.
 *
 *-------------------------------------------------------------------------
 */
#include "core/aws_profile.h"

typedef struct Span
{
	const char *data;
	size_t		len;
} Span;

static Span
trim(const char *data, size_t len)
{
	while (len > 0 && (*data == ' ' || *data == '\t'))
	{
		data++;
		len--;
	}
	while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\t' || data[len - 1] == '\r'))
		len--;
	return (Span) {data, len};
}

static bool
equals(Span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* "[name]", or "[profile name]" as in the configuration file. */
static bool
is_section(Span line, const char *profile)
{
	Span		name = trim(line.data + 1, line.len - 2);
	static const char word[] = "profile ";

	if (name.len > strlen(word) && memcmp(name.data, word, strlen(word)) == 0 &&
		!equals(name, profile))
		name = trim(name.data + strlen(word), name.len - strlen(word));
	return equals(name, profile);
}

bool
AwsProfileValue(char *to, size_t size, const char *value, size_t len)
{
	if (len >= size || memchr(value, '\0', len) != NULL)
		return false;
	memcpy(to, value, len);
	to[len] = '\0';
	return true;
}

/* A setting of the profile; false when its value is too long. */
static bool
take_key(void *arg, const char *name, size_t name_len, const char *value, size_t len)
{
	AwsCredentials *c = arg;
	Span		given = {name, name_len};

	if (equals(given, "aws_access_key_id"))
		return AwsProfileValue(c->access_key_id, sizeof(c->access_key_id), value, len);
	if (equals(given, "aws_secret_access_key"))
		return AwsProfileValue(c->secret, sizeof(c->secret), value, len);
	if (equals(given, "aws_session_token"))
		return AwsProfileValue(c->session_token, sizeof(c->session_token), value, len);
	return true;
}

AwsProfileStatus
AwsProfileSettings(const char *text, size_t len, const char *section, AwsProfileTake take,
				   void *arg, int *line)
{
	const char *end = text + len;
	bool		found = false,
				within = false;

	*line = 0;
	while (text < end)
	{
		const char *newline = memchr(text, '\n', (size_t) (end - text));
		const char *stop = newline != NULL ? newline : end;
		/* a setting below another one is indented; it is passed over */
		bool		nested = text < stop && (*text == ' ' || *text == '\t');
		Span		s = trim(text, (size_t) (stop - text));
		const char *equal = s.len > 0 ? memchr(s.data, '=', s.len) : NULL;

		(*line)++;
		text = newline != NULL ? newline + 1 : end;
		if (s.len == 0 || s.data[0] == '#' || s.data[0] == ';')
			continue;
		if (s.data[0] == '[' && s.data[s.len - 1] == ']' && s.len > 2)
		{
			within = is_section(s, section);
			found = found || within;
			continue;
		}
		if (equal == NULL || equal == s.data)
			return AWS_PROFILE_MALFORMED;
		if (within && !nested)
		{
			Span		name = trim(s.data, (size_t) (equal - s.data));
			Span		value = trim(equal + 1, s.len - (size_t) (equal + 1 - s.data));

			if (!take(arg, name.data, name.len, value.data, value.len))
				return AWS_PROFILE_TOO_LONG;
		}
	}
	return found ? AWS_PROFILE_OK : AWS_PROFILE_NOT_FOUND;
}

AwsProfileStatus
AwsProfileRead(const char *text, size_t len, const char *profile,
			   AwsCredentials *credentials, int *line)
{
	AwsProfileStatus status;

	memset(credentials, 0, sizeof(*credentials));
	status = AwsProfileSettings(text, len, profile, take_key, credentials, line);
	if (status != AWS_PROFILE_OK)
		return status;
	return credentials->access_key_id[0] != '\0' && credentials->secret[0] != '\0' ?
		AWS_PROFILE_OK : AWS_PROFILE_INCOMPLETE;
}

static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

bool
AwsCredentialsClean(const AwsCredentials *c)
{
	return is_printable(c->access_key_id) && is_printable(c->secret) &&
		is_printable(c->session_token);
}
