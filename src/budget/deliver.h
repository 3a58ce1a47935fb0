/*-------------------------------------------------------------------------
 *
 * deliver.h
 *	  Sending messages: shared by deliver.c, deliver_send.c, deliver_text.c
 *	  and channel_secret.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_DELIVER_H
#define FINOPS_DELIVER_H

#include "core/network.h"

/* A message as it is to be sent, in the current memory context. */
typedef struct Outgoing
{
	int64		id;
	char	   *channel;
	char	   *kind;			/* slack, webhook, ticket, sns, email */
	char	   *target;			/* may be NULL */
	char	   *secret;			/* name of a section, may be NULL */
	char	   *key;			/* idempotency key */
	char	   *severity;
	int			attempts;
	int			max_attempts;
	char	   *title;			/* one line */
	char	   *text;			/* plain text */
	char	   *json;			/* all of it */
	char	   *short_json;		/* without the list of a summary's messages */
} Outgoing;

/* What came of an attempt. */
typedef struct Outcome
{
	bool		sent;
	bool		permanent;		/* it would be refused again */
	int			status;			/* of HTTP or SMTP; 0: no answer */
	int			retry_after;	/* s; -1: not said */
	char		error[600];		/* never with a secret */
} Outcome;

typedef struct ChannelSecret
{
	char		url[2048];
	char		key[512];
	char		token[1024];
	char		user[256];
	char		password[512];
} ChannelSecret;

/*
 * The section of finops.channel_secrets_file, or FINOPS_CHANNEL_<NAME>_URL and
 * so on of the server's environment; wiped with the current memory context.
 * 28000 where there is none.
 */
extern const ChannelSecret *ChannelFindSecret(const char *name);

/* Text and JSON of a claimed message; within a session. */
extern void DeliverRender(Outgoing *message);

/* Send it; may raise, with nothing sent. */
extern void DeliverSend(const Outgoing *message, Outcome *outcome);

#endif							/* FINOPS_DELIVER_H */
