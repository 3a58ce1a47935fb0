/*-------------------------------------------------------------------------
 *
 * project.h
 *	  What the files that project records share: project.c reads a record
 *	  into fields, project_tags.c puts its JSON objects together, one file
 *	  for each provider fills the fields that its rules decide (cost above
 *	  all), project_out.c says which field each column of the facts is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_PROJECT_H
#define FINOPS_BILL_PROJECT_H

#include "bill/bill.h"

static const Slice null_slice = {NULL, 0};

static inline Slice
constant(const char *text)
{
	return text == NULL ? null_slice : (Slice) {text, (int) strlen(text)};
}

static inline bool
is_set(const BillProjector *p, int field)
{
	return p->value[field].data != NULL;
}

/* The first of two fields that says something. */
static inline Slice
either(const BillProjector *p, int first, int second)
{
	return p->value[first].data != NULL ? p->value[first] : p->value[second];
}

static inline bool
is_blank(Slice s)
{
	return SliceTrim(s).len == 0;
}

extern bool ProjectProblem(BillProjector *p, ValueStatus status, int field,
						   Slice value);

/* Remember line types that the table does not have, for the log. */
extern void ProjectNoteOddType(BillProjector *p, Slice name);

/* a + sign * b, nothing counting as 0; lives as long as the record */
extern Slice ProjectSum(BillProjector *p, Slice a, Slice b, int sign);

/* Text equal but for the case of its letters. */
extern bool ProjectSame(Slice s, const char *text);

/* A cost as delivered; a blank one is counted and 0. */
extern Slice ProjectCost(BillProjector *p, BillField field);

/* The first of these fields, up to BF_NONE, that is not blank, as service. */
extern void ProjectService(BillProjector *p, const BillField *order);

/* project_tags.c: false with a problem where JSON is none */
extern bool ProjectObjects(BillProjector *p, const CsvField *fields);

/* The rules of the formats; false with a problem. */
extern void ProjectAws(BillProjector *p);
extern void ProjectFocus(BillProjector *p);
extern void ProjectAzure(BillProjector *p);
extern bool ProjectGcp(BillProjector *p);
extern void ProjectOci(BillProjector *p);

#endif							/* FINOPS_BILL_PROJECT_H */
