/*-------------------------------------------------------------------------
 *
 * manifest.h
 *	  Manifests of bill deliveries: which files make one up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_BILL_MANIFEST_H
#define FINOPS_BILL_MANIFEST_H

#include "bill/bill.h"

#define MANIFEST_MAX_BYTES	((size_t) 16 * 1024 * 1024)
#define MANIFEST_MAX_FILES	10000

typedef enum ManifestKind
{
	MANIFEST_CUR,				/* AWS cost and usage report: reportKeys */
	MANIFEST_DATA_EXPORT,		/* AWS Data Exports: dataFiles */
	MANIFEST_AZURE				/* Azure Cost Management export: blobs */
} ManifestKind;

typedef enum ManifestStatus
{
	MANIFEST_OK,
	MANIFEST_NOT_JSON,
	MANIFEST_UNKNOWN,			/* an object that names no files of a bill */
	MANIFEST_NO_FILES,
	MANIFEST_TOO_MANY_FILES,
	MANIFEST_BAD_FILE,			/* an entry of the list is no file name */
	MANIFEST_BAD_PERIOD,
	MANIFEST_NO_MEMORY
} ManifestStatus;

typedef struct ManifestFile
{
	char	   *name;			/* as the manifest writes it */
	int64		lines;			/* announced, -1: not */
} ManifestFile;

typedef struct BillManifest
{
	ManifestStatus status;
	ManifestKind kind;
	char	   *assembly;		/* assembly, execution or run; may be NULL */
	char	   *account;
	char	   *report;			/* what is delivered month after month */
	BillPeriod	period;			/* year 0: it does not say */
	ManifestFile *files;
	int			nfiles;
	int			ncolumns;		/* 0: it does not say */
	int			room;			/* of files */
} BillManifest;

extern void ManifestParse(BillManifest *m, const char *text, size_t len);
extern void ManifestFree(BillManifest *m);

/* The month in a path component BILLING_PERIOD=YYYY-MM or YYYYMMDD-YYYYMMDD. */
extern bool ManifestPathPeriod(const char *path, BillPeriod *period);

/* By its name: a manifest; a file that may be a bill. */
extern bool ManifestName(const char *path);
extern bool BillFileName(const char *path);

typedef enum ResolveStatus
{
	RESOLVE_OK,
	RESOLVE_ESCAPES,			/* "..", an absolute path, control characters */
	RESOLVE_OTHER_PLACE			/* another bucket, host or scheme */
} ResolveStatus;

/*
 * Where a file named in the manifest at an address may be, best first, each
 * with a NUL behind it: below the manifest's directory (or, where that is
 * the metadata folder of an export, below the export), in its bucket, on its
 * host.  Appends to out.
 */
extern ResolveStatus ManifestResolve(OutBuf *out, const char *address,
									 const char *name);

#endif							/* FINOPS_BILL_MANIFEST_H */
