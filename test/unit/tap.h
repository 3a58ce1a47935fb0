/*-------------------------------------------------------------------------
 *
 * tap.h
 *	  What every unit test prints: one line of TAP for each assertion.  Its
 *	  main() ends with the plan, and fails where an assertion failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_TEST_TAP_H
#define FINOPS_TEST_TAP_H

#include <stdbool.h>
#include <stdio.h>

static int	number;
static int	failed;

static void
ok(bool good, const char *text)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, text);
	failed += !good;
}

#endif
