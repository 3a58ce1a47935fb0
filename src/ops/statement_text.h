/*-------------------------------------------------------------------------
 *
 * statement_text.h
 *	  The text of a statement without what it was given.  Pure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_STATEMENT_TEXT_H
#define FINOPS_STATEMENT_TEXT_H

#include "core/pure.h"

/*
 * Writes at most size - 1 bytes and a NUL; returns how many.  backslash:
 * whether '\' escapes in plain strings (standard_conforming_strings = off).
 * The end may be within a character of several bytes; *cut tells that the
 * text goes on.
 */
extern size_t StatementMask(const char *sql, size_t len, bool backslash, char *out, size_t size, bool *cut);

/* The first word in capitals, at most size - 1 bytes: SELECT, INSERT, ... */
extern void StatementKind(const char *masked, char *out, size_t size);

#endif							/* FINOPS_STATEMENT_TEXT_H */
