/* links: src/ops/cause_graph.c */
/*
 * Roots and what they reach: chains, diamonds, circles, and random graphs
 * against a search by depth.
 */
#include <stdlib.h>

#include "ops/cause_graph.h"
#include "random.h"
#include "tap.h"

static void
visit(bool (*edge)[12], int n, int from, bool *seen)
{
	for (int i = 0; i < n; i++)
		if (edge[from][i] && !seen[i])
		{
			seen[i] = true;
			visit(edge, n, i, seen);
		}
}

static bool
random_graph_agrees(void)
{
	int			n = 1 + (int) (next_random() % 12);
	bool		edge[12][12] = {{false}};
	bool		covered[12] = {false};
	CauseGraph *graph = malloc(CauseGraphSize(n));
	bool		good = true;

	CauseGraphInit(graph, n);
	for (int i = 0; i < n * 2; i++)
	{
		int			a = (int) (next_random() % n);
		int			b = (int) (next_random() % n);

		if (a == b)
			continue;
		edge[a][b] = true;
		CauseGraphAdd(graph, a, b);
	}
	CauseGraphSolve(graph);
	for (int i = 0; i < n; i++)
	{
		bool		seen[12] = {false};
		bool		has_cause = false;

		visit(edge, n, i, seen);
		for (int j = 0; j < n; j++)
		{
			has_cause = has_cause || edge[j][i];
			good = good && CauseGraphReaches(graph, i, j) == seen[j];
			if (CauseGraphIsRoot(graph, i) && (seen[j] || i == j))
				covered[j] = true;
		}
		good = good && (has_cause || CauseGraphIsRoot(graph, i));
	}
	for (int i = 0; i < n; i++)
		good = good && covered[i];
	free(graph);
	return good;
}

int
main(void)
{
	CauseGraph *graph = malloc(CauseGraphSize(6));
	bool		good = true;

	/* 0 → 1 → 2, 0 → 2, and 4 ⇄ 5 in a circle beside the lone 3 */
	CauseGraphInit(graph, 6);
	CauseGraphAdd(graph, 0, 1);
	CauseGraphAdd(graph, 1, 2);
	CauseGraphAdd(graph, 0, 2);
	CauseGraphAdd(graph, 4, 5);
	CauseGraphAdd(graph, 5, 4);
	CauseGraphSolve(graph);
	ok(CauseGraphIsRoot(graph, 0) && !CauseGraphIsRoot(graph, 1) && !CauseGraphIsRoot(graph, 2), "the head of a chain is its root");
	ok(CauseGraphReaches(graph, 0, 2) && !CauseGraphReaches(graph, 2, 0), "what follows from what follows");
	ok(CauseGraphIsRoot(graph, 3), "a lone finding is a root");
	ok(CauseGraphIsRoot(graph, 4) && !CauseGraphIsRoot(graph, 5), "a circle has one root");
	free(graph);

	graph = malloc(CauseGraphSize(0));
	CauseGraphInit(graph, 0);
	CauseGraphSolve(graph);
	ok(graph->n == 0, "no finding");
	free(graph);

	for (int i = 0; i < 20000; i++)
		good = good && random_graph_agrees();
	ok(good, "20000 random graphs: reached as by depth-first search, and every node from a root");

	ok(CauseMatches("a", "a", "2025-06", "2025-06"), "the same scope");
	ok(CauseMatches("a", "a", "2025-06", "2025-06/T") && CauseMatches("a", "a", "2025-06/T", "2025-06"), "one contains the other");
	ok(CauseMatches("a", "a", "", "x") && !CauseMatches("a", "a", "2025-0", "2025-06"), "the empty scope contains all, a prefix of a word nothing");
	ok(!CauseMatches("a", "ab", "x", "x") && !CauseMatches("ab", "a", "x", "x"), "another check");
	ok(CauseMatches("a=*", "a", "x", "y") && CauseMatches("a=x", "a", "x", "y") && !CauseMatches("a=z", "a", "x", "y"), "a scope that is named");
	ok(!CauseMatches("a=", "a", "x", "y") && CauseMatches("a=", "a", "", "y"), "the empty scope that is named");
	printf("1..%d\n", number);
	return failed > 0;
}
