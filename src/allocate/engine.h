/*-------------------------------------------------------------------------
 *
 * engine.h
 *	  What makes entries from inputs; shared by inputs.c, keys.c, graph.c,
 *	  engine.c, parts.c, trace.c, sinks.c, entries.c and packing.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_ENGINE_H
#define FINOPS_ENGINE_H

#include "allocate/allocate.h"
#include "allocate/pools.h"
#include "core/money.h"
#include "lib/ilist.h"
#include "storage/buffile.h"
#include "utils/array.h"
#include "utils/hsearch.h"

/* core/apportion.c */
extern Datum finops_apportion(PG_FUNCTION_ARGS);

/* Parts of origins that are split in several steps are units of 1e-9. */
#define ENGINE_SCALE	9
#define SHARE_SCALE		18

/*
 * A vector of weights.  What is below total is there while it is held in
 * memory only; EngineUseKey sees to it.
 */
typedef struct Key
{
	char	   *name;
	int			n;
	bool		integral;		/* the weights are units of 10^-scale */
	bool		exact;			/* and nothing else need be known of them */
	bool		uniform;		/* all have that many digits */
	int			scale;
	int		   *pools;			/* numbers of the rules among the targets */
	int			n_pools;
	uint64		total_units;
	Datum		total;			/* numeric */

	int		   *targets;		/* tenants in byte order, then pools, o, u; pools as -no */
	uint64	   *units;			/* NULL: do not fit */
	uint8	   *scales;			/* digits of each weight; NULL: uniform */
	Datum	   *weights;		/* numeric; NULL: exact */
	uint64	   *shares;			/* units of 1e-18, made when first asked for */

	char	   *vector;
	Size		size;
	bool		written;		/* to the file, at */
	int			fileno;
	off_t		offset;
	dlist_node	place;			/* among those held, last used first */
} Key;

/* Keys in memory, as far as work_mem reaches, and in a file; keys.c. */
typedef struct KeyStore
{
	dlist_head	recent;
	Size		held;
	BufFile    *file;
	int			end_file;
	off_t		end;
} KeyStore;

typedef struct PoolNode
{
	int			index;			/* among the nodes */
	char	   *rule_id;
	int			no;
	int32		rule_version;
	char	   *stage;
	char	   *category;		/* NULL: the charge category */
	char	   *currency;
	bool		whole;			/* neither slice nor anchor: a pool of others */
	char	   *metric;
	int			rung;
	int			last;			/* target when nothing else is left */
	int			residual;		/* target of what bounds keep out */
	char	   *caps;			/* jsonb text */
	Key		   *amount;			/* fixed amounts, or NULL */
	Key		   *percent;		/* percents of the original, or NULL */
	FinopsReal percents;		/* their sum / 100 */
	int			n_legs;
	Key		  **legs;			/* NULL: what earlier stages placed */
	FinopsReal *fractions;		/* add up to 1 */
	bool		sink;			/* split after the pools are solved */
	bool		late;			/* split after all other sinks */
	int			pool;			/* index in the solver, or -1 */
	bool		closed;			/* gave to its own circle only */
	int		   *received;		/* received parts, while it is a sink */
	int			n_received;
	int			max_received;
} PoolNode;

typedef struct Bucket
{
	char	   *origin;
	PoolNode	   *node;
	char	   *service;
	char	   *charge_category;
	char	   *origin_period;	/* NULL for own cost of the period */
	Datum		lines;			/* text[], or 0 */
	Datum		cost;
	int			scale;
	bool		simple;			/* split in one step */
	bool		traced;			/* through pools to targets only, trace.c */
} Bucket;

/* Tagged cost of a group: provider, service, charge category, currency. */
typedef struct DirectCost
{
	char	   *name;
	char	   *service;
	char	   *charge_category;
	char	   *currency;
	char	   *origin_period;
	int			heir;			/* target, or -1 */
	int			n;
	Datum	   *tenants;		/* text */
	Datum	   *costs;
} DirectCost;

/* A part of an origin that is split in several steps. */
typedef struct Part
{
	int			bucket;
	int			target;
	int64		units;
	Datum		extra;			/* what 1e-9 cannot hold, or 0 */
	Key		   *key;			/* whose weight gave it, or NULL */
	int			at;				/* position in the key */
	const PoolNode *measure;	/* whose metric it is; NULL: a fixed amount */
	int			rung;
} Part;

/* What is placed on the targets of a currency, in units of 1e-12. */
typedef struct Placed
{
	const char *currency;
	int128	   *units;
} Placed;

typedef struct PlacedList
{
	Placed	   *items;
	int			n;
} PlacedList;

/* The targets of a currency that have less than the minimum charge. */
typedef struct BelowMinimum
{
	const char *currency;
	bool	   *targets;
} BelowMinimum;

typedef struct EntrySink EntrySink;

typedef struct Engine
{
	int64		run_id;
	const char *from;			/* relation of the form of finops_input */
	MemoryContext context;
	Key		   *keys;
	int			n_keys;
	PoolNode	   *nodes;
	int			n_nodes;
	Bucket	   *buckets;
	int			n_buckets;
	KeyStore	store;

	char	  **target_names;	/* without t: */
	char	   *target_kinds;	/* t, o, u, n */
	int			n_targets;		/* nodes as targets follow: n_targets + node */
	HTAB	   *target_index;

	PoolSolver	solver;
	int		   *pool_nodes;
	bool		has_target_edges;	/* the pools' edges to targets are held */

	Part	   *parts;			/* just made, of targets; parts.c */
	int			n_parts;
	int			max_parts;
	Part	   *received;		/* of nodes that are split later */
	int			n_received;
	int			max_received;
	struct PartSort *sort;

	bool		any_late;		/* some node follows the cost placed so far */
	PlacedList	placed;

	bool		only_sums;		/* no entries: what comes to tenants by rules, in */
	PlacedList	shared;
	BelowMinimum *below;		/* whose shared cost is the operator's */
	int			n_below;

	EntrySink  *sink;
	struct Packing *packing;
	bool		may_pack;
	uint64		entries;		/* packed ones included */
	uint64		rows;			/* written, sums of packed ones included */
	uint64		packed;			/* rows of stage finops_packed */
	StringInfoData findings;
	int			n_findings;
	MemoryContext row;			/* reset per entry batch */
} Engine;

/* inputs.c */
extern void EngineLoad(Engine *e);
extern int	EngineTarget(const Engine *e, const char *name);
extern void EngineReadDirect(Engine *e, void (*take) (Engine *e, const DirectCost *d));

/* keys.c */
extern void EngineKeepKey(Engine *e, Key *key, const int *targets, Datum *weights);
extern Key *EngineUseKey(Engine *e, Key *key);
extern Datum EngineWeight(const Key *key, int i);
extern ArrayType *EngineWeights(const Key *key);
extern FinopsReal EngineRealWeight(const Key *key, int i);
extern const uint64 *EngineKeyShares(Engine *e, Key *key, FinopsInterrupt interrupt);
extern void EngineEndKeys(Engine *e);

/* Room for one split over all targets and nodes, and over any key. */
typedef struct EngineWork
{
	FinopsReal *shares;
	uint64	   *weights;
	uint64	   *parts;
	uint64	   *scratch;		/* twice as much */
	int			n;				/* targets and nodes */
} EngineWork;

/* engine.c */
extern void EngineRun(Engine *e, const AllocateTable *table);
extern bool EngineUnits(Datum value, int scale, MoneyUnits *m);
extern bool EngineIsAlone(const Engine *e, int bucket);
pg_noreturn extern void EngineTooLarge(const Bucket *b);

/* minimum.c */
extern void EngineFindBelow(Engine *e);
extern const bool *EngineBelow(const Engine *e, const char *currency);

/* parts.c */
extern void EngineBeginParts(Engine *e);
extern Part *EngineAddPart(Engine *e, int bucket, int target, int64 units);
extern void EngineFlushParts(Engine *e);
extern void EnginePutParts(Engine *e, EngineWork *w);

/* graph.c */
extern void EngineBuildPools(Engine *e);
extern void EngineShares(Engine *e, PoolNode *node, FinopsReal scale,
						 FinopsReal *shares, int n);

extern PoolNode *EnginePoolNode(const Engine *e, int no, const char *currency);
extern void EngineNodeEdges(Engine *e, const PoolNode *node, Pool *pool);
extern const Pool *EnginePoolEdges(Engine *e, int p, Pool *made);

/* trace.c */
extern void EngineSplitTraced(Engine *e, EngineWork *w);

/* sinks.c */
extern int128 *EnginePlacedOn(Engine *e, PlacedList *list, const char *currency);
extern void EngineAddPlaced(int128 *units, Datum amount);
extern void EngineSplitSinks(Engine *e, EngineWork *w);

/* entries.c */
typedef struct EntryOf
{
	const char *origin;
	const char *service;
	const char *category;
	const char *rule_id;
	int32		rule_version;
	const char *currency;
	const char *stage;
	const char *origin_period;
	Datum		lines;			/* text[], or 0 */
} EntryOf;

extern EntryOf EngineEntryOf(const Bucket *b);
extern void EntriesBegin(Engine *e, const AllocateTable *table);
extern void EntriesOrigin(Engine *e, const EntryOf *of);
extern void EntriesPut(Engine *e, int target, Datum amount, Datum share,
					   const char *metric, Datum key_value, Datum key_total,
					   int rung);
extern void EntriesPutDirect(Engine *e, char *origin, const char *tenant,
							 int heir, Datum amount);
extern void EntriesCountPacked(Engine *e, int target, const char *amount);
extern void EntriesPutSum(Engine *e, int target, Datum amount);
extern char *EntriesEnd(Engine *e);
extern void EngineFinding(Engine *e, const char *check, const char *rule_id,
						  const char *currency, const char *detail);

/*
 * packing.c: parts of traced origins, in units of 1e-9, become entries or
 * packed rows.  What they come to by currency and target is kept for the
 * nodes that follow it.
 */
typedef struct TracedSum
{
	const char *currency;
	int128	   *units;			/* by target */
} TracedSum;

extern void EntriesBeginTraced(Engine *e, const int *buckets, int n);
extern void EntriesTraced(Engine *e, const Bucket *b, const uint64 *parts,
						  bool negative, EngineWork *w);
extern void EntriesEndTraced(Engine *e);
extern const TracedSum *EntriesTracedSums(const Engine *e, int *n);

#endif							/* FINOPS_ENGINE_H */
