/*-------------------------------------------------------------------------
 *
 * exposition.h
 *	  The text format of Prometheus.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_EXPOSITION_H
#define FINOPS_EXPOSITION_H

#include "core/pure.h"

typedef void (*ExpositionSink) (void *arg, const char *bytes, size_t len);

/* "# HELP name help" and "# TYPE name type". */
extern void ExpositionHead(ExpositionSink write, void *arg, const char *name,
						   const char *type, const char *help);

/*
 * name suffix{label="value",...} value; labels are names and values in turn,
 * and names are as the format wants them.
 */
extern void ExpositionSample(ExpositionSink write, void *arg, const char *name, const char *suffix,
							 const char *const *labels, int nlabels, const char *value);

#endif							/* FINOPS_EXPOSITION_H */
