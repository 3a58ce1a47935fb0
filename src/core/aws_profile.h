/*-------------------------------------------------------------------------
 *
 * aws_profile.h
 *	  Keys of an AWS account, and the credentials file they stand in.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_AWS_PROFILE_H
#define FINOPS_AWS_PROFILE_H

#include "core/pure.h"

#define AWS_KEY_ID_MAX	129
#define AWS_SECRET_MAX	257
#define AWS_TOKEN_MAX	4097

typedef struct AwsCredentials
{
	char		access_key_id[AWS_KEY_ID_MAX];
	char		secret[AWS_SECRET_MAX];
	char		session_token[AWS_TOKEN_MAX];	/* empty: none */
} AwsCredentials;

typedef enum AwsProfileStatus
{
	AWS_PROFILE_OK,
	AWS_PROFILE_NOT_FOUND,
	AWS_PROFILE_INCOMPLETE,		/* no key id or no secret */
	AWS_PROFILE_MALFORMED,		/* a line is neither section, setting nor comment */
	AWS_PROFILE_TOO_LONG		/* a value is longer than any key */
} AwsProfileStatus;

/*
 * The settings of one section of such a file, "[name]" or "[profile name]";
 * take() answers false for a value that is too long.  Names and values are not
 * terminated.
 */
typedef bool (*AwsProfileTake) (void *arg, const char *name, size_t name_len,
								const char *value, size_t value_len);
extern AwsProfileStatus AwsProfileSettings(const char *text, size_t len, const char *section,
										   AwsProfileTake take, void *arg, int *line);

/* A value into a buffer, terminated; false when it does not fit. */
extern bool AwsProfileValue(char *to, size_t size, const char *value, size_t len);

/*
 * The keys of a profile in the text of a credentials file: "[name]", then
 * aws_access_key_id, aws_secret_access_key, aws_session_token; other
 * settings are passed over.  *line is the line of a malformed one.
 */
extern AwsProfileStatus AwsProfileRead(const char *text, size_t len, const char *profile,
									   AwsCredentials *credentials, int *line);

/* What can be sent in a header: printable ASCII without blanks. */
extern bool AwsCredentialsClean(const AwsCredentials *credentials);

#endif							/* FINOPS_AWS_PROFILE_H */
