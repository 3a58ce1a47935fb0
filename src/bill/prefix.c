/*-------------------------------------------------------------------------
 *
 * prefix.c
 *	  What load_bill was pointed at: the deliveries and their files.
 *
 * A file is a delivery.  A manifest names the files of one.  A prefix, or a
 * directory with a slash behind it, holds manifests, or else files:
 *
 * - Of the manifests of one report and month the one nearest to the prefix
 *	 counts: providers keep a copy of the latest there, and the assemblies
 *	 before it further down.  Of several at the same depth it is the last by
 *	 name, which begins with the time where executions are kept apart.
 * - Files below a folder of one month (BILLING_PERIOD=YYYY-MM or
 *	 YYYYMMDD-YYYYMMDD) are the delivery of that month; all others together
 *	 are one delivery.  A month's files in several folders are refused: they
 *	 are likely versions of one bill, and which one holds is not known.
 *
 * Whatever the order in which a listing arrives, the same files make the
 * same delivery.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/load.h"

#include "catalog/pg_type.h"

#include <sys/stat.h>

#include "bill/manifest.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#define SHOWN_ADDRESS	500

/* A manifest that was found below a prefix. */
typedef struct FoundManifest
{
	const SourceAddress *address;
	BillManifest manifest;
	char	   *report;
	int			depth;
	bool		superseded;
} FoundManifest;

/* An address for a message: its end tells more than its beginning. */
static char *
place(const char *address)
{
	size_t		len = strlen(address);

	return len <= SHOWN_ADDRESS ? pstrdup(address) :
		psprintf("...%s", address + pg_mbcliplen(address, len, len - SHOWN_ADDRESS));
}

static void
free_manifest(void *arg)
{
	ManifestFree(arg);
}

/* The file is one manifest: read it; its texts live as long as the context. */
static BillManifest *
read_manifest(const SourceAddress *address)
{
	StringInfo	text = FinopsReadSmall(address, (int) MANIFEST_MAX_BYTES);
	BillManifest *m = palloc0(sizeof(BillManifest));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_manifest;
	callback->arg = m;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	ManifestParse(m, text->data, text->len);
	pfree(text->data);
	if (m->period.year == 0)
		(void) ManifestPathPeriod(address->path, &m->period);
	return m;
}

static void
check_manifest(const BillManifest *m, const SourceAddress *address)
{
	static const char *const messages[] = {
		[MANIFEST_NOT_JSON] = "\"%s\" is not a JSON object in UTF-8",
		[MANIFEST_UNKNOWN] = "\"%s\" is not the manifest of a bill",
		[MANIFEST_NO_FILES] = "the manifest \"%s\" names no files",
		[MANIFEST_TOO_MANY_FILES] = "the manifest \"%s\" names too many files",
		[MANIFEST_BAD_FILE] = "an entry in the list of files of \"%s\" is no file name",
		[MANIFEST_BAD_PERIOD] = "the manifest \"%s\" names no valid billing period",
	};

	if (m->status == MANIFEST_NO_MEMORY)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (m->status != MANIFEST_OK)
		ereport(ERROR,
				(errcode(m->status == MANIFEST_TOO_MANY_FILES ?
						 ERRCODE_PROGRAM_LIMIT_EXCEEDED : ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg(messages[m->status], place(address->text)),
				 errdetail("A manifest lists its files under reportKeys (AWS cost and usage report), dataFiles (AWS Data Exports) or blobs (Azure)."),
				 errhint("Fetch the manifest again, or load the bill files themselves.")));
}

/* ---------------------------------------------------------------------
 * The files of a manifest
 * ---------------------------------------------------------------------
 */

static bool
exists(const SourceAddress *address)
{
	struct stat st;

	return address->kind != SOURCE_FILE || stat(address->path, &st) == 0;
}

pg_noreturn static void
raise_unsafe(const SourceAddress *manifest, const char *name, ResolveStatus status)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the manifest \"%s\" names a file in another place",
					place(manifest->text)),
			 errdetail(status == RESOLVE_ESCAPES ?
					   "\"%s\" does not lead down from the manifest." :
					   "\"%s\" is not in the bucket, or on the host, of the manifest.",
					   place(name)),
			 errhint("Keep a delivery together with its manifest.")));
}

static SourceAddress
manifest_file(const SourceAddress *manifest, const char *name)
{
	bool		is_path = strncmp(manifest->text, "file://", 7) == 0;
	const char *base = is_path ? manifest->path : manifest->text;
	OutBuf		candidates = {0};
	ResolveStatus status = ManifestResolve(&candidates, base, name);
	List	   *texts = NIL;
	ListCell   *cell;

	if (status == RESOLVE_OK && candidates.ok)
		for (const char *p = candidates.data; p < candidates.data + candidates.len; p += strlen(p) + 1)
			texts = lappend(texts, pstrdup(p));
	OutFree(&candidates);
	if (status != RESOLVE_OK)
		raise_unsafe(manifest, name, status);
	foreach(cell, texts)
	{
		SourceAddress address = FinopsSourceAddress(lfirst(cell));

		if (exists(&address))
			return address;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("the file \"%s\" of manifest \"%s\" is missing",
					place(name), place(manifest->text)),
			 errdetail("A delivery is loaded whole or not at all."),
			 errhint("Load it again when all its files have arrived.")));
}

static void
take_period(BillLoad *load, const BillManifest *m, const SourceAddress *address)
{
	DateADT		period;

	if (m->period.year == 0)
		return;
	period = BillPeriodDate(m->period);
	if (load->has_want_period && load->want_period != period)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the manifest \"%s\" belongs to billing period %s, not %s",
						place(address->text), FinopsPeriodText(period),
						FinopsPeriodText(load->want_period)),
				 errhint("Leave billing_period out, or name the manifest of that month.")));
	load->has_want_period = true;
	load->want_period = period;
}

static void
load_manifest(BillLoad *load, const BillManifest *m, const SourceAddress *address)
{
	MemoryContext old = MemoryContextSwitchTo(load->context);

	check_manifest(m, address);
	take_period(load, m, address);
	load->address = pstrdup(address->text);
	load->assembly_id = m->assembly == NULL ? NULL : pstrdup(m->assembly);
	load->group_name = m->report == NULL ? NULL : pstrdup(m->report);
	for (int i = 0; i < m->nfiles; i++)
	{
		BillAddFile(load, manifest_file(address, m->files[i].name));
		load->files[load->nfiles - 1].announced = m->files[i].lines;
	}
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------------
 * Below a prefix
 * ---------------------------------------------------------------------
 */

static int
depth_of(const char *path)
{
	int			n = 0;

	for (; *path != '\0'; path++)
		n += *path == '/';
	return n;
}

/* Entries with a component that is hidden are none of a delivery. */
static bool
is_hidden(const SourceEntry *entry, const SourceAddress *prefix)
{
	const char *p = entry->address.text + strlen(prefix->text);

	while (p != NULL)
	{
		p += *p == '/';
		if (*p == '.' || *p == '_')
			return true;
		p = strchr(p, '/');
	}
	return false;
}

static bool
better(const FoundManifest *a, const FoundManifest *b)
{
	if (a->depth != b->depth)
		return a->depth < b->depth;
	return strcmp(a->address->text, b->address->text) > 0;
}

static List *
find_manifests(List *entries)
{
	List	   *found = NIL;
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, entries)
	{
		SourceEntry *entry = lfirst(cell);
		FoundManifest *f;

		if (!ManifestName(entry->address.path))
			continue;
		f = palloc0(sizeof(FoundManifest));
		f->address = &entry->address;
		f->manifest = *read_manifest(&entry->address);
		/* other things are called manifest.json, too */
		if (f->manifest.status == MANIFEST_UNKNOWN)
			continue;
		check_manifest(&f->manifest, f->address);
		f->depth = depth_of(entry->address.path);
		f->report = psprintf("%s|%s|%d-%d",
							 f->manifest.report == NULL ? "" : f->manifest.report,
							 f->manifest.account == NULL ? "" : f->manifest.account,
							 f->manifest.period.year, f->manifest.period.month);
		foreach(other, found)
		{
			FoundManifest *o = lfirst(other);

			if (o->superseded || strcmp(o->report, f->report) != 0)
				continue;
			if (better(f, o))
				o->superseded = true;
			else
				f->superseded = true;
		}
		found = lappend(found, f);
	}
	return found;
}

static bool
is_wanted(const BillLoad *template, BillPeriod period)
{
	return !template->has_want_period || period.year == 0 ||
		BillPeriodDate(period) == template->want_period;
}

static BillLoad *
same_request(const BillLoad *template)
{
	BillLoad   *load = BillNewLoad();

	load->want = template->want;
	load->mode = template->mode;
	load->has_want_period = template->has_want_period;
	load->want_period = template->want_period;
	load->source_id = template->source_id;
	load->columns = template->columns;
	load->ncolumns = template->ncolumns;
	return load;
}

static int
by_period(const ListCell *a, const ListCell *b)
{
	const BillLoad *x = lfirst(a);
	const BillLoad *y = lfirst(b);

	if (x->want_period != y->want_period)
		return x->want_period < y->want_period ? -1 : 1;
	return strcmp(x->address, y->address);
}

static List *
loads_of_manifests(const BillLoad *template, List *manifests)
{
	List	   *loads = NIL;
	ListCell   *cell;

	foreach(cell, manifests)
	{
		FoundManifest *f = lfirst(cell);
		BillLoad   *load;

		if (f->superseded || !is_wanted(template, f->manifest.period))
			continue;
		load = same_request(template);
		load_manifest(load, &f->manifest, f->address);
		loads = lappend(loads, load);
	}
	list_sort(loads, by_period);
	return loads;
}

static char *
folder_of(const char *path)
{
	return pnstrdup(path, strrchr(path, '/') == NULL ? 0 : strrchr(path, '/') - path);
}

/* The files of a month without a manifest must stand in one folder. */
static void
check_one_folder(const BillLoad *load, const SourceEntry *entry)
{
	char	   *folder = folder_of(entry->address.text);
	char	   *other = folder_of(load->files[0].address.text);

	if (strcmp(folder, other) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the bill of %s stands in several folders", FinopsPeriodText(load->want_period)),
			 errdetail("\"%s\" and \"%s\"; there is no manifest to tell which of them holds.",
					   place(other), place(folder)),
			 errhint("Give the folder that holds, with a slash behind it.")));
}

static List *
loads_of_files(const BillLoad *template, const SourceAddress *prefix, List *entries)
{
	List	   *loads = NIL;
	ListCell   *cell;
	ListCell   *other;

	foreach(cell, entries)
	{
		SourceEntry *entry = lfirst(cell);
		BillPeriod	period = {0, 0};
		BillLoad   *load = NULL;
		bool		dated;

		if (entry->size == 0 || !BillFileName(entry->address.path))
			continue;
		dated = ManifestPathPeriod(entry->address.text + strlen(prefix->text), &period);
		if (!is_wanted(template, period))
			continue;
		foreach(other, loads)
		{
			BillLoad   *o = lfirst(other);

			if (dated == o->dated && (!dated || o->want_period == BillPeriodDate(period)))
				load = o;
		}
		if (load == NULL)
		{
			load = same_request(template);
			load->address = MemoryContextStrdup(load->context, prefix->text);
			load->dated = dated;
			if (dated)
			{
				load->has_want_period = true;
				load->want_period = BillPeriodDate(period);
			}
			loads = lappend(loads, load);
		}
		else if (dated)
			check_one_folder(load, entry);
		BillAddFile(load, entry->address);
	}
	list_sort(loads, by_period);
	return loads;
}

static int
by_address(const ListCell *a, const ListCell *b)
{
	const SourceEntry *x = lfirst(a);
	const SourceEntry *y = lfirst(b);

	return strcmp(x->address.text, y->address.text);
}

/* What the listing said of the objects that are to be loaded. */
static void
note_etags(const List *loads, List *entries)
{
	ListCell   *cell;

	list_sort(entries, by_address);
	foreach(cell, loads)
	{
		BillLoad   *load = lfirst(cell);

		for (int i = 0; i < load->nfiles; i++)
		{
			BillFile   *file = &load->files[i];
			int			first = 0;
			int			last = list_length(entries);

			while (first < last)
			{
				int			middle = first + (last - first) / 2;
				const SourceEntry *entry = list_nth(entries, middle);
				int			order = strcmp(entry->address.text, file->address.text);

				if (order == 0)
				{
					file->etag = entry->etag;
					file->listed = entry->size;
					break;
				}
				if (order < 0)
					first = middle + 1;
				else
					last = middle;
			}
		}
	}
}

static List *
loads_below(const BillLoad *template, const SourceAddress *prefix)
{
	List	   *entries = NIL;
	List	   *manifests;
	List	   *loads;
	ListCell   *cell;

	foreach(cell, FinopsListAddress(prefix))
		if (!is_hidden(lfirst(cell), prefix))
			entries = lappend(entries, lfirst(cell));
	manifests = find_manifests(entries);
	loads = manifests != NIL ? loads_of_manifests(template, manifests) :
		loads_of_files(template, prefix, entries);
	if (loads == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("no bill below \"%s\"", place(prefix->text)),
				 template->has_want_period ?
				 errdetail("None of %s among %d files.", FinopsPeriodText(template->want_period),
						   list_length(entries)) :
				 errdetail("There are %d files, and neither a manifest nor a file named like a bill (.csv, .csv.gz, .zip, .parquet) among them.",
						   list_length(entries)),
				 errhint("Give the prefix up to the report's name, or one file.")));
	note_etags(loads, entries);
	return loads;
}

/* The loads, in the order of their months, that an address stands for. */
List *
BillLoadsOf(BillLoad *load, const SourceAddress *address)
{
	if (address->is_prefix)
		return loads_below(load, address);
	load->address = address->text;
	if (ManifestName(address->path))
		load_manifest(load, read_manifest(address), address);
	else
		BillAddFile(load, *address);
	return list_make1(load);
}

/* ---------------------------------------------------------------------
 * Objects that were loaded before
 * ---------------------------------------------------------------------
 */

static Datum
file_array(const BillLoad *load, bool etags)
{
	Datum	   *elements = palloc(sizeof(Datum) * (Size) load->nfiles);

	for (int i = 0; i < load->nfiles; i++)
		elements[i] = CStringGetTextDatum(etags ?
										  psprintf("%s " INT64_FORMAT, load->files[i].etag, load->files[i].listed) :
										  load->files[i].address.text);
	return PointerGetDatum(construct_array(elements, load->nfiles, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * All files are objects that a current delivery was read from, under the ETags
 * and with the sizes that the store lists: then its digest is theirs, and
 * nothing needs to be fetched to know it.
 */
bool
BillFilesAreKnown(BillLoad *load)
{
	if (load->columns != NULL || load->nfiles == 0)
		return false;
	for (int i = 0; i < load->nfiles; i++)
		if (load->files[i].etag == NULL)
			return false;
	if (FINOPS_RUN("SELECT d.digest FROM finops.delivery d JOIN finops.delivery_file f USING (delivery_id)"
				   " WHERE d.status = 'current' AND d.delivery_id IN (SELECT o.delivery_id FROM finops.delivery_file o"
				   "  WHERE o.address = ($1)[1] AND o.\"position\" = 1)"
				   " GROUP BY d.delivery_id, d.digest HAVING count(*) = cardinality($1)"
				   " AND bool_and(f.address = ($1)[f.\"position\"] AND f.etag || ' ' || f.byte_count = ($2)[f.\"position\"])"
				   " AND d.digest = CASE count(*) WHEN 1 THEN min(f.digest) ELSE"
				   "  encode(sha256(convert_to(string_agg(f.digest, '' ORDER BY f.\"position\"), 'UTF8')), 'hex') END"
				   " ORDER BY d.delivery_id DESC LIMIT 1",
				   ARG_DATUM(TEXTARRAYOID, file_array(load, false), false),
				   ARG_DATUM(TEXTARRAYOID, file_array(load, true), false)) == 0)
		return false;
	strlcpy(load->digest, FinopsText(0, 1), sizeof(load->digest));
	return true;
}

/* ---------------------------------------------------------------------
 * Afterwards
 * ---------------------------------------------------------------------
 */

/* What the manifest announced must have arrived. */
void
BillCheckAnnounced(const BillLoad *load)
{
	for (int i = 0; i < load->nfiles; i++)
	{
		const BillFile *file = &load->files[i];

		if (file->announced >= 0 && file->lines != file->announced)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("\"%s\" has " INT64_FORMAT " line%s, its manifest says " INT64_FORMAT,
							place(file->address.text), file->lines, file->lines == 1 ? "" : "s",
							file->announced),
					 errhint("Fetch the delivery again; it is incomplete.")));
	}
}

/* A final bill does not become provisional again. */
static void
warn_provisional(const BillTarget *target)
{
	if (FINOPS_RUN("SELECT FROM finops.delivery WHERE bill_state = 'final' AND (superseded_by = $1"
				   " OR ($2 IS NOT NULL AND source = $2 AND billing_period = $3 AND status = 'current'))",
				   ARG_INT8(target->delivery_id), ARG_TEXT(target->closed ? target->base_source : NULL),
				   ARG_DATE(target->period)) == 0)
		return;
	FINOPS_RUN("INSERT INTO finops.delivery_flag (delivery_id, source, billing_period, flag, detail)"
			   " VALUES ($1, $2, $3, 'provisional_after_final', $4)",
			   ARG_INT8(target->delivery_id), ARG_TEXT(target->source), ARG_DATE(target->period),
			   ARG_TEXT("the bill before it was final"));
	ereport(WARNING,
			(errmsg("a provisional bill of %s for %s comes after a final one", target->source,
					FinopsPeriodText(target->period)),
			 errdetail(UINT64_FORMAT " lines with a cost carry no invoice id.", target->uninvoiced),
			 errhint("Check that the delivery is not an older one; the final bill can be loaded again.")));
}

/* The files of the delivery and what else only this load knows of it. */
void
BillDescribeDelivery(const BillLoad *load, const BillTarget *target)
{
	const char *state = NULL;

	if (target->has_invoice_column)
		state = target->invoiced > 0 && target->uninvoiced == 0 ? "final" : "provisional";
	FINOPS_RUN("UPDATE finops.delivery SET bill_state = $2, assembly_id = $3, rejected_lines = $4,"
			   " kind = coalesce($5, kind), base_source = coalesce($6, base_source)"
			   " WHERE delivery_id = $1",
			   ARG_INT8(target->delivery_id), ARG_TEXT(state), ARG_TEXT(load->assembly_id),
			   ARG_INT8(BillRejectsOf(load, target->delivery_id)), ARG_TEXT(target->kind),
			   ARG_TEXT(target->base_source));
	if (state != NULL && strcmp(state, "provisional") == 0)
		warn_provisional(target);
	if (load->nrejected > 0)
		FINOPS_RUN("UPDATE @s@.cur_ingestion_log l SET rejected_count = d.rejected_lines"
				   " FROM finops.delivery d"
				   " WHERE d.delivery_id = $1 AND l.delivery_id = $1 AND l.status = 'completed'",
				   ARG_INT8(target->delivery_id));
	if (load->generated != NULL)
		return;
	for (int i = 0; i < load->nfiles; i++)
		FINOPS_RUN("INSERT INTO finops.delivery_file"
				   " (delivery_id, position, address, digest, byte_count, line_count, etag)"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7)",
				   ARG_INT8(target->delivery_id), ARG_INT4(i + 1),
				   ARG_TEXT(load->files[i].address.text), ARG_TEXT(load->files[i].digest),
				   ARG_INT8(load->files[i].bytes), ARG_INT8(load->files[i].lines),
				   ARG_TEXT(load->files[i].etag));
}
