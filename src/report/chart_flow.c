/*-------------------------------------------------------------------------
 *
 * chart_flow.c
 *	  Flows from nodes on the left to nodes on the right, such as from pools
 *	  to tenants.  Pure.
 *
 * A node is as high as its share of the whole, and has at least the room
 * that its text needs.  The largest is on top; the links of a node follow
 * the order of the nodes at their other end, so that few of them cross.
 *
 *-------------------------------------------------------------------------
 */
#include "report/chart.h"

#include <stdio.h>

#define NODE_WIDTH 12
#define NODE_SLOT 18 /* least height of a node with its text */
#define NODE_GAP 6

static void
rank(ChartNode *nodes, int n)
{
	for (int i = 0; i < n; i++)
	{
		nodes[i].rank = 0;
		for (int k = 0; k < n; k++)
			if (nodes[k].value > nodes[i].value || (k < i && nodes[k].value == nodes[i].value))
				nodes[i].rank++;
	}
}

static int
at_rank(const ChartNode *nodes, int n, int wanted)
{
	for (int i = 0; i < n; i++)
		if (nodes[i].rank == wanted)
			return i;
	return 0;
}

/* Places for the nodes of a side; returns where it ends. */
static double
place(ChartNode *nodes, int n, double top, double per_unit)
{
	double y = top;

	rank(nodes, n);
	for (int r = 0; r < n; r++)
	{
		ChartNode *node = &nodes[at_rank(nodes, n, r)];

		node->height = Max(node->value * per_unit, 0.5);
		node->y = y;
		node->used = 0;
		y += Max(node->height + NODE_GAP, NODE_SLOT);
	}
	return y;
}

static void
draw_nodes(const Chart *chart, const ChartNode *nodes, int n, bool left, double x)
{
	double names = chart->width * 0.3;

	for (int i = 0; i < n; i++)
	{
		char number[CHART_NUMBER_SIZE];
		double middle = nodes[i].y + Max(nodes[i].height / 2, 6) + 4;
		double value_room;

		ChartPrint(chart, "<rect style=\"fill:var(--fc-%d)\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\">",
				   left ? nodes[i].rank % CHART_SERIES_MAX : CHART_SERIES_MAX - 1, x, nodes[i].y, NODE_WIDTH,
				   nodes[i].height);
		ChartTip(chart, NULL, nodes[i].name, nodes[i].value);
		ChartPrint(chart, "</rect>");
		ChartShortNumber(nodes[i].value, number);
		value_room = CHART_CELL * (double) strlen(number) + 8;
		/* the value is at the outer edge, the name between it and the node */
		if (left)
		{
			ChartPrint(chart, "<text class=\"fc-soft\" x=\"6\" y=\"%.1f\">%s</text>", middle, number);
			ChartText(chart, "fc-end", x - 6, middle, names - value_room - NODE_WIDTH - 12, nodes[i].name);
		}
		else
		{
			ChartPrint(chart, "<text class=\"fc-soft-end\" x=\"%d\" y=\"%.1f\">%s</text>", chart->width - 6, middle, number);
			ChartText(chart, "fc-label", x + NODE_WIDTH + 6, middle, names - value_room - 14, nodes[i].name);
		}
	}
}

static void
draw_link(const Chart *chart, ChartNode *source, ChartNode *target, double value, double from, double to)
{
	double height = value * source->height / source->value;
	double y0 = source->y + source->used;
	double y1 = target->y + target->used;
	double middle = (from + to) / 2;

	source->used += height;
	target->used += height;
	height = Max(height, 0.4);
	ChartPrint(chart, "<path class=\"fc-flow\" style=\"fill:var(--fc-%d)\" d=\"M%.1f %.2fC%.1f %.2f %.1f %.2f %.1f %.2f"
					  "V%.2fC%.1f %.2f %.1f %.2f %.1f %.2fZ\">",
			   source->rank % CHART_SERIES_MAX,
			   from, y0, middle, y0, middle, y1, to, y1,
			   y1 + height, middle, y1 + height, middle, y0 + height, from, y0 + height);
	ChartTip(chart, target->name, source->name, value);
	ChartPrint(chart, "</path>");
}

static void
draw_links(const Chart *chart, ChartNode *sources, int nsources, ChartNode *targets, int ntargets,
		   const ChartLink *links, int nlinks)
{
	double from = chart->width * 0.3;
	double to = chart->width * 0.7 - NODE_WIDTH;

	for (int s = 0; s < nsources; s++)
	{
		int source = at_rank(sources, nsources, s);

		for (int t = 0; t < ntargets; t++)
		{
			int target = at_rank(targets, ntargets, t);

			for (int i = 0; i < nlinks; i++)
				if (links[i].source == source && links[i].target == target && links[i].value > 0)
					draw_link(chart, &sources[source], &targets[target], links[i].value, from, to);
		}
	}
}

static const char *
sum_links(ChartNode *sources, int nsources, ChartNode *targets, int ntargets,
		  const ChartLink *links, int nlinks, double *whole)
{
	*whole = 0;
	for (int i = 0; i < nsources; i++)
		sources[i].value = 0;
	for (int i = 0; i < ntargets; i++)
		targets[i].value = 0;
	for (int i = 0; i < nlinks; i++)
	{
		ChartValue value = { links[i].value, true };
		const char *problem = ChartCheck(&value, 1);

		if (problem != NULL)
			return problem;
		if (value.value < 0)
			return "A flow is below zero.";
		sources[links[i].source].value += value.value;
		targets[links[i].target].value += value.value;
		*whole += value.value;
	}
	return NULL;
}

const char *
ChartFlow(const Chart *chart, ChartNode *sources, int nsources, ChartNode *targets, int ntargets,
		  const ChartLink *links, int nlinks)
{
	double whole;
	const char *problem = sum_links(sources, nsources, targets, ntargets, links, nlinks, &whole);
	double top = ChartTop(chart) + 4;
	double per_unit;
	double bottom;
	char description[160];

	if (problem != NULL)
		return problem;
	if (whole == 0)
	{
		ChartNothing(chart);
		return NULL;
	}
	per_unit = chart->height / whole;
	bottom = place(sources, nsources, top, per_unit);
	bottom = Max(bottom, place(targets, ntargets, top, per_unit));
	snprintf(description, sizeof(description), "Flow from %d sources to %d targets.", nsources, ntargets);
	ChartBegin(chart, bottom + 6, description);
	draw_links(chart, sources, nsources, targets, ntargets, links, nlinks);
	draw_nodes(chart, sources, nsources, true, chart->width * 0.3 - NODE_WIDTH);
	draw_nodes(chart, targets, ntargets, false, chart->width * 0.7 - NODE_WIDTH);
	ChartEnd(chart);
	return NULL;
}
