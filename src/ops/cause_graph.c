/*-------------------------------------------------------------------------
 *
 * cause_graph.c
 *	  Which of several findings explain the others.
 *
 * The closure of a graph of n nodes in n^3 steps (Warshall); n is a few
 * hundred at most.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/cause_graph.h"

#define REACHES(graph, from, to) ((graph)->cells[(size_t) (from) * (graph)->n + (to)])
#define ROOT(graph, node) ((graph)->cells[(size_t) (graph)->n * (graph)->n + (node)])
#define MARK(graph, node) ((graph)->cells[(size_t) (graph)->n * (graph)->n + (graph)->n + (node)])

size_t
CauseGraphSize(int n)
{
	return offsetof(CauseGraph, cells) + sizeof(bool) * ((size_t) n * n + 2 * (size_t) n);
}

void
CauseGraphInit(CauseGraph *graph, int n)
{
	memset(graph, 0, CauseGraphSize(n));
	graph->n = n;
}

void
CauseGraphAdd(CauseGraph *graph, int cause, int effect)
{
	REACHES(graph, cause, effect) = true;
}

static void
make_root(CauseGraph *graph, int node)
{
	ROOT(graph, node) = true;
	MARK(graph, node) = true;
	for (int i = 0; i < graph->n; i++)
		if (REACHES(graph, node, i))
			MARK(graph, i) = true;
}

void
CauseGraphSolve(CauseGraph *graph)
{
	int			n = graph->n;

	for (int i = 0; i < n; i++)
	{
		bool		has_cause = false;

		for (int j = 0; j < n; j++)
			has_cause = has_cause || (j != i && REACHES(graph, j, i));
		ROOT(graph, i) = !has_cause;
	}
	for (int k = 0; k < n; k++)
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n && REACHES(graph, i, k); j++)
				if (REACHES(graph, k, j))
					REACHES(graph, i, j) = true;
	for (int i = 0; i < n; i++)
		if (ROOT(graph, i))
			make_root(graph, i);
	/* circles */
	for (int i = 0; i < n; i++)
		if (!MARK(graph, i))
			make_root(graph, i);
}

bool
CauseGraphIsRoot(const CauseGraph *graph, int node)
{
	return ROOT(graph, node);
}

bool
CauseGraphReaches(const CauseGraph *graph, int from, int to)
{
	return REACHES(graph, from, to);
}

static bool
contains(const char *outer, const char *inner)
{
	size_t		len = strlen(outer);

	return len == 0 || (strncmp(outer, inner, len) == 0 && (inner[len] == '\0' || inner[len] == '/'));
}

bool
CauseMatches(const char *pattern, const char *check, const char *scope, const char *effect_scope)
{
	size_t		len = strcspn(pattern, "=");
	const char *wanted = pattern + len + 1;

	if (strlen(check) != len || strncmp(pattern, check, len) != 0)
		return false;
	if (pattern[len] == '\0')
		return contains(scope, effect_scope) || contains(effect_scope, scope);
	return strcmp(wanted, "*") == 0 || strcmp(wanted, scope) == 0;
}
