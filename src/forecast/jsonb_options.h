/*-------------------------------------------------------------------------
 *
 * jsonb_options.h
 *	  Options given as one jsonb object.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_JSONB_OPTIONS_H
#define FINOPS_JSONB_OPTIONS_H

#include "core/core.h"

#include "utils/jsonb.h"

/*
 * The object of an argument, NULL for SQL NULL.  Another kind of value, or a
 * key that is not in the list (comma and blank between names), is 22023.
 */
extern Jsonb *OptionsArg(FunctionCallInfo fcinfo, int argno, const char *names);

/* Each answers the default where the key is missing or null. */
extern char *OptionText(Jsonb *options, const char *key, const char *otherwise);
extern double OptionNumber(Jsonb *options, const char *key, double otherwise,
						   double least, double most);
extern int	OptionInt(Jsonb *options, const char *key, int otherwise, int least,
					  int most);
extern bool OptionBool(Jsonb *options, const char *key, bool otherwise);

/* NULL where the key is missing; an array of numbers, or of texts. */
extern double *OptionNumbers(Jsonb *options, const char *key, int *n);
extern char **OptionTexts(Jsonb *options, const char *key, int *n);

/* One of a list of names; 22023 with the list otherwise. */
extern int	OptionChoice(Jsonb *options, const char *key, const char *const *names,
						 int n, int otherwise);

#endif							/* FINOPS_JSONB_OPTIONS_H */
