/*-------------------------------------------------------------------------
 *
 * aws_credentials.c
 *	  Who may use the network, and with whose keys.
 *
 * The right is USAGE on the foreign-data wrapper finops_aws, which the
 * extension brings; nobody but superusers has it at first.  Keys come from
 * the first of these that is set:
 *
 *	  finops.aws_server		the caller's user mapping on that foreign server
 *	  finops.aws_credentials_file	a file that only the server can read
 *	  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *							in the environment of the server
 *
 * Keys are held in memory that is wiped when it is freed, and are never part
 * of a message.
 *
 *-------------------------------------------------------------------------
 */
#include "core/network.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/reloptions.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "storage/fd.h"
#include "utils/acl.h"

#define WRAPPER			"finops_aws"
#define MAX_FILE		(64 * 1024)

/* ---------------------------------------------------------------------
 * The right
 * ---------------------------------------------------------------------
 */

void
FinopsCheckNetworkAccess(void)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapperByName(WRAPPER, true);
	Oid			caller = FinopsCaller();

	if (wrapper == NULL ||
		FINOPS_ACLCHECK(ForeignDataWrapperRelationId, wrapper->fdwid, caller, ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read from the network"),
				 errdetail("Only roles with USAGE on foreign-data wrapper \"%s\" may.", WRAPPER),
				 errhint("GRANT USAGE ON FOREIGN DATA WRAPPER %s TO %s.", WRAPPER,
						 quote_identifier(GetUserNameFromId(caller, false)))));
}

/* ---------------------------------------------------------------------
 * Options of servers and user mappings
 * ---------------------------------------------------------------------
 */
typedef struct AwsOption
{
	const char *name;
	Oid			catalog;
	size_t		max;
} AwsOption;

static const AwsOption aws_options[] = {
	{"access_key_id", UserMappingRelationId, AWS_KEY_ID_MAX},
	{"region", ForeignServerRelationId, 64},
	{"secret_access_key", UserMappingRelationId, AWS_SECRET_MAX},
	{"session_token", UserMappingRelationId, AWS_TOKEN_MAX},
};

static const AwsOption *
find_option(const char *name, Oid catalog)
{
	for (size_t i = 0; i < lengthof(aws_options); i++)
		if (aws_options[i].catalog == catalog && strcmp(aws_options[i].name, name) == 0)
			return &aws_options[i];
	return NULL;
}

static bool
is_region(const char *s)
{
	return *s != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

PG_FUNCTION_INFO_V1(finops_aws_options_validator);

/*
 * finops.aws_options_validator(text[], oid): servers have region; user
 * mappings access_key_id, secret_access_key, session_token.  HV00D, HV00C
 * and HV00J; the value never appears.
 */
Datum
finops_aws_options_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *def = lfirst(cell);
		const AwsOption *option = find_option(def->defname, catalog);
		const char *value;

		if (option == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", FinopsQuoteForMessage(def->defname)),
					 errhint("A server has region; a user mapping has access_key_id, secret_access_key and session_token.")));
		value = defGetString(def);
		if (strlen(value) >= option->max ||
			!(catalog == ForeignServerRelationId ? is_region(value) : is_printable(value)))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"%s\"", option->name)));
	}
	PG_RETURN_VOID();
}

static const char *
option_value(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *def = lfirst(cell);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

static void
from_user_mapping(AwsCredentials *c, char **region)
{
	ForeignServer *server = GetForeignServerByName(finops_aws_server, false);
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	Oid			caller = FinopsCaller();
	UserMapping *mapping;
	const char *id,
			   *secret,
			   *token;

	if (strcmp(wrapper->fdwname, WRAPPER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one of foreign-data wrapper \"%s\"",
						finops_aws_server, WRAPPER),
				 errhint("Set finops.aws_server to a server of that wrapper.")));
	if (FINOPS_ACLCHECK(ForeignServerRelationId, server->serverid, caller, ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, finops_aws_server);
	mapping = GetUserMapping(caller, server->serverid);
	id = option_value(mapping->options, "access_key_id");
	secret = option_value(mapping->options, "secret_access_key");
	token = option_value(mapping->options, "session_token");
	if (id == NULL || secret == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("the user mapping on server \"%s\" has no keys", finops_aws_server),
				 errhint("Give it the options access_key_id and secret_access_key.")));
	strlcpy(c->access_key_id, id, sizeof(c->access_key_id));
	strlcpy(c->secret, secret, sizeof(c->secret));
	strlcpy(c->session_token, token != NULL ? token : "", sizeof(c->session_token));
	if (option_value(server->options, "region") != NULL)
		*region = pstrdup(option_value(server->options, "region"));
}

/* ---------------------------------------------------------------------
 * The credentials file
 * ---------------------------------------------------------------------
 */

pg_noreturn static void
raise_named(const char *setting, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("%s", problem),
			 errdetail("The file is the one that %s names.", setting),
			 errhint("%s", hint)));
}

pg_noreturn static void
raise_file(const char *problem, const char *hint)
{
	raise_named("finops.aws_credentials_file", problem, hint);
}

static void
check_file(int fd, const char *setting)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		raise_named(setting, "the credentials file is not a regular file", "Name a file.");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		raise_named(setting, "the credentials file belongs to somebody else",
				   "It must belong to the operating system user of the server, or to root.");
	/* root's file may be readable by the server's group, as a TLS key may */
	if ((st.st_mode & (st.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO)) != 0)
		raise_named(setting, "the credentials file can be read by others",
				   "Run chmod 600 on it.");
	if (st.st_size > MAX_FILE)
		raise_named(setting, "the credentials file is too large", "It may have 64 kB.");
}

char *
FinopsReadPrivateFile(const char *path, const char *setting, int *len)
{
	char	   *text = palloc(MAX_FILE + 1);
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	ssize_t		got;

	if (fd < 0)
		raise_named(setting, "the credentials file cannot be opened",
					"Let the operating system user of the server, and nobody else, read it.");
	check_file(fd, setting);
	got = read(fd, text, MAX_FILE);
	CloseTransientFile(fd);
	if (got < 0)
		raise_named(setting, "the credentials file cannot be read", "Check the file.");
	*len = (int) got;
	return text;
}

static void
raise_profile(AwsProfileStatus status, int line)
{
	switch (status)
	{
		case AWS_PROFILE_OK:
			break;
		case AWS_PROFILE_NOT_FOUND:
			raise_file(psprintf("the credentials file has no profile \"%s\"",
								FinopsQuoteForMessage(finops_aws_profile)),
					   "Set finops.aws_profile to one that it has.");
			break;
		case AWS_PROFILE_INCOMPLETE:
			raise_file(psprintf("profile \"%s\" of the credentials file has no keys",
								FinopsQuoteForMessage(finops_aws_profile)),
					   "It needs aws_access_key_id and aws_secret_access_key.");
			break;
		case AWS_PROFILE_MALFORMED:
			raise_file(psprintf("line %d of the credentials file is neither a section nor a setting", line),
					   "A section is [name], a setting is name = value.");
			break;
		case AWS_PROFILE_TOO_LONG:
			raise_file(psprintf("line %d of the credentials file has too long a value", line),
					   "Check what was pasted there.");
			break;
	}
}

static void
from_file(AwsCredentials *c)
{
	int			len,
				line;
	char	   *text = FinopsReadPrivateFile(finops_aws_credentials_file,
											 "finops.aws_credentials_file", &len);
	AwsProfileStatus status = AwsProfileRead(text, len, finops_aws_profile, c, &line);

	explicit_bzero(text, MAX_FILE + 1);
	pfree(text);
	raise_profile(status, line);
}

/* ---------------------------------------------------------------------
 * What is used
 * ---------------------------------------------------------------------
 */

static bool
from_environment(AwsCredentials *c)
{
	const char *id = getenv("AWS_ACCESS_KEY_ID");
	const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = getenv("AWS_SESSION_TOKEN");

	if (id == NULL || secret == NULL || *id == '\0' || *secret == '\0')
		return false;
	if (strlcpy(c->access_key_id, id, sizeof(c->access_key_id)) >= sizeof(c->access_key_id) ||
		strlcpy(c->secret, secret, sizeof(c->secret)) >= sizeof(c->secret) ||
		strlcpy(c->session_token, token != NULL ? token : "",
				sizeof(c->session_token)) >= sizeof(c->session_token))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("the AWS keys in the environment of the server are too long")));
	return true;
}

const char *
AwsDefaultRegion(void)
{
	const char *region = finops_s3_region;

	if (*region == '\0')
		region = getenv("AWS_REGION");
	if (region == NULL || *region == '\0')
		region = getenv("AWS_DEFAULT_REGION");
	return region != NULL && is_region(region) && strlen(region) < 64 ? region : "us-east-1";
}

static void
wipe(void *arg)
{
	explicit_bzero(arg, sizeof(AwsCredentials));
}

const AwsCredentials *
AwsFindCredentials(char **region)
{
	AwsCredentials *c = palloc0(sizeof(AwsCredentials));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = wipe;
	callback->arg = c;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	*region = pstrdup(AwsDefaultRegion());
	if (*finops_aws_server != '\0')
		from_user_mapping(c, region);
	else if (*finops_aws_credentials_file != '\0')
		from_file(c);
	else if (!from_environment(c))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("no AWS credentials"),
				 errdetail("There is neither a user mapping, nor a credentials file, nor AWS_ACCESS_KEY_ID in the environment of the server."),
				 errhint("Set finops.aws_credentials_file, or see docs/network.md for the other ways.")));
	if (!AwsCredentialsClean(c))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("the AWS keys have characters that no key has"),
				 errhint("Check what was pasted there.")));
	return c;
}
