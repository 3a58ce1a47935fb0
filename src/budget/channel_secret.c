/*-------------------------------------------------------------------------
 *
 * channel_secret.c
 *	  Secrets of channels: addresses that are secrets, keys that sign, tokens
 *	  and logins.
 *
 * They stand in a file that only the server can read, one section for each
 * name in finops.channel.secret:
 *
 *	  [ops-slack]
 *	  url = https://hooks.slack.com/services/...
 *
 * or in the environment of the server: FINOPS_CHANNEL_OPS_SLACK_URL.
 *
 *-------------------------------------------------------------------------
 */
#include "budget/deliver.h"

typedef struct Field
{
	const char *name;
	size_t		offset;
	size_t		size;
} Field;

#define FIELD(f)	#f, offsetof(ChannelSecret, f), sizeof(((ChannelSecret *) 0)->f)

static const Field fields[] = {
	{FIELD(url)}, {FIELD(key)}, {FIELD(token)}, {FIELD(user)}, {FIELD(password)}
};

static bool
take_field(void *arg, const char *name, size_t name_len, const char *value, size_t len)
{
	for (size_t i = 0; i < lengthof(fields); i++)
		if (strlen(fields[i].name) == name_len && memcmp(fields[i].name, name, name_len) == 0)
			return AwsProfileValue((char *) arg + fields[i].offset, fields[i].size, value, len);
	return true;
}

static void
wipe(void *arg)
{
	explicit_bzero(arg, sizeof(ChannelSecret));
}

static bool
from_environment(ChannelSecret *secret, const char *name)
{
	bool		found = false;

	for (size_t i = 0; i < lengthof(fields); i++)
	{
		char	   *variable = psprintf("FINOPS_CHANNEL_%s_%s", name, fields[i].name);
		const char *value;

		for (char *p = variable; *p != '\0'; p++)
			*p = *p == '-' ? '_' : (char) pg_toupper((unsigned char) *p);
		value = getenv(variable);
		if (value == NULL || *value == '\0')
			continue;
		if (strlcpy((char *) secret + fields[i].offset, value, fields[i].size) >= fields[i].size)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					 errmsg("%s in the environment of the server is too long", variable)));
		found = true;
	}
	return found;
}

static bool
from_file(ChannelSecret *secret, const char *name)
{
	int			len,
				line;
	char	   *text = FinopsReadPrivateFile(finops_channel_secrets_file,
											 "finops.channel_secrets_file", &len);
	AwsProfileStatus status = AwsProfileSettings(text, len, name, take_field, secret, &line);

	explicit_bzero(text, PRIVATE_FILE_SIZE);
	pfree(text);
	if (status == AWS_PROFILE_MALFORMED || status == AWS_PROFILE_TOO_LONG)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("line %d of the file of finops.channel_secrets_file is neither a section nor a setting, or too long",
						line)));
	return status == AWS_PROFILE_OK;
}

const ChannelSecret *
ChannelFindSecret(const char *name)
{
	ChannelSecret *secret = palloc0(sizeof(ChannelSecret));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = wipe;
	callback->arg = secret;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	if (!(*finops_channel_secrets_file != '\0' && from_file(secret, name)) &&
		!from_environment(secret, name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("there is no secret \"%s\"", FinopsQuoteForMessage(name)),
				 errdetail("Neither the file of finops.channel_secrets_file has a section of this name nor the environment of the server such a variable."),
				 errhint("See docs/notifications.md.")));
	return secret;
}
