/*-------------------------------------------------------------------------
 *
 * cause_graph.h
 *	  Which of several findings explain the others.  Pure.
 *
 * Nodes are numbered from 0; an edge leads from a cause to its effect.  A
 * root is a node without a cause.  Where causes go in a circle, the node of
 * the lowest number that no root reaches is made one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_CAUSE_GRAPH_H
#define FINOPS_CAUSE_GRAPH_H

#include "core/pure.h"

typedef struct CauseGraph
{
	int			n;
	bool		cells[];	/* n rows of n: edges, then n roots, n marks */
} CauseGraph;

extern size_t CauseGraphSize(int n);
extern void CauseGraphInit(CauseGraph *graph, int n);
extern void CauseGraphAdd(CauseGraph *graph, int cause, int effect);

/* Finds the roots and what each node reaches; once, after all edges. */
extern void CauseGraphSolve(CauseGraph *graph);
extern bool CauseGraphIsRoot(const CauseGraph *graph, int node);
extern bool CauseGraphReaches(const CauseGraph *graph, int from, int to);

/*
 * Whether "check", "check=scope" or "check=*" names a finding of this check
 * and scope as cause of one of the other scope.  Without a scope of its own
 * the two must be the same, or one contain the other: "" contains everything,
 * "2025-06" contains "2025-06/TEN-1".
 */
extern bool CauseMatches(const char *pattern, const char *check, const char *scope,
						 const char *effect_scope);

#endif							/* FINOPS_CAUSE_GRAPH_H */
