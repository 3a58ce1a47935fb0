/*-------------------------------------------------------------------------
 *
 * xlsx.c
 *	  Workbooks: a zip archive of XML parts, read with libxml2's streaming
 *	  reader.  ECMA-376 parts 1 (SpreadsheetML) and 2 (packages).
 *
 * The archive is in memory, packed as it came.  One pass over it checks all
 * of it and notes where each part begins; then the parts that matter are
 * inflated on the fly, one after the other: the workbook, its relationships,
 * the number formats, the shared strings, and the sheet while its rows are
 * asked for.
 *
 * A part is data from strangers.  Nothing outside the archive is ever
 * loaded, a document type (and with it every entity) is refused, and what a
 * part may inflate to is bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "core/xlsx.h"

#include "core/memory_source.h"
#include "core/zip.h"

#include <libxml/xmlreader.h>
#include <stdlib.h>

#define MAX_PARTS		10000
#define MAX_ROWS		1048576
#define MAX_COLUMNS		16384
#define MAX_PART_SIZE	((int64) 512 * 1024 * 1024)
#define MAX_FORMATS		65536

typedef struct Part
{
	char	   *name;
	uint64		offset;
} Part;

/* A growing run of bytes. */
typedef struct Bytes
{
	char	   *data;
	size_t		len;
	size_t		room;
} Bytes;

struct XlsxReader
{
	const char *data;
	size_t		len;
	bool		(*interrupted) (void);
	XlsxStatus	status;
	SourceError source_error;

	Part	   *parts;
	int			nparts;
	char	   *workbook;		/* names of parts */
	char	   *styles;
	char	   *strings;
	char	   *sheet;
	char	   *sheet_id;		/* relationship */
	bool		sheet_found;	/* by its name */
	bool		from_1904;

	/* cell formats: does the style show a date?  Codes by their id. */
	bool	   *date_style;
	int			nstyles;
	bool	   *date_code;

	/* shared strings, one after the other */
	Bytes		string_text;
	size_t	   *string_end;
	int			nstrings;
	int			string_room;

	/* the part that is read */
	MemorySource memory;
	ByteSource *zip;
	int64		inflated;
	xmlTextReaderPtr xml;

	/* the row */
	int			row;
	Bytes		row_text;
	XlsxCell   *cells;
	int			ncells;
};

/* ---------------------------------------------------------------------
 * Small things
 * ---------------------------------------------------------------------
 */

static bool
fail(XlsxReader *x, XlsxStatus status)
{
	if (x->status == XLSX_READY)
		x->status = status;
	return false;
}

static bool
append(XlsxReader *x, Bytes *bytes, const char *data, size_t len)
{
	if (bytes->room - bytes->len <= len)
	{
		size_t		room = Max(bytes->room * 2, bytes->len + len + 256);
		char	   *more = realloc(bytes->data, room);

		if (more == NULL)
			return fail(x, XLSX_NO_MEMORY);
		bytes->data = more;
		bytes->room = room;
	}
	if (len > 0)
		memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	bytes->data[bytes->len] = '\0';
	return true;
}

static bool
set_text(XlsxReader *x, char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
	return *to != NULL || fail(x, XLSX_NO_MEMORY);
}

/* Names of parts and sheets are compared in ASCII without case. */
static bool
same_name(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
	{
		char		ca = *a >= 'A' && *a <= 'Z' ? (char) (*a + 32) : *a;
		char		cb = *b >= 'A' && *b <= 'Z' ? (char) (*b + 32) : *b;

		if (ca != cb)
			return false;
	}
	return *a == *b;
}

static bool
ends_with(const char *s, const char *suffix)
{
	size_t		len = strlen(s);
	size_t		n = strlen(suffix);

	return len >= n && strcmp(s + len - n, suffix) == 0;
}

/* ---------------------------------------------------------------------
 * The archive
 * ---------------------------------------------------------------------
 */

static bool
open_archive(XlsxReader *x, size_t at)
{
	MemorySourceInit(&x->memory, x->data, x->len);
	x->memory.at = at;
	x->inflated = 0;
	x->zip = ZipSourceOpen(&x->memory.base);
	return x->zip != NULL || fail(x, XLSX_NO_MEMORY);
}

static void
close_archive(XlsxReader *x)
{
	if (x->xml != NULL)
		xmlFreeTextReader(x->xml);
	x->xml = NULL;
	if (x->zip != NULL)
		x->zip->close(x->zip);
	x->zip = NULL;
}

static bool
note_part(XlsxReader *x)
{
	Part	   *more;

	if (x->nparts == MAX_PARTS)
		return fail(x, XLSX_TOO_LARGE);
	more = realloc(x->parts, sizeof(Part) * (size_t) (x->nparts + 1));
	if (more == NULL)
		return fail(x, XLSX_NO_MEMORY);
	x->parts = more;
	more[x->nparts].name = strdup(ZipMemberName(x->zip));
	more[x->nparts].offset = ZipMemberOffset(x->zip);
	if (more[x->nparts].name == NULL)
		return fail(x, XLSX_NO_MEMORY);
	x->nparts++;
	return true;
}

/* The bytes of the current part: their number, 0 at the end, -1 failed. */
static int
read_part(XlsxReader *x, char *buf, int len)
{
	int			got;

	if (x->interrupted != NULL && x->interrupted())
	{
		fail(x, XLSX_INTERRUPTED);
		return -1;
	}
	got = x->zip->read(x->zip, buf, len);
	if (got < 0)
	{
		x->source_error = x->zip->error;
		fail(x, XLSX_BAD_ARCHIVE);
		return -1;
	}
	x->inflated += got;
	if (x->inflated > MAX_PART_SIZE)
	{
		fail(x, XLSX_TOO_LARGE);
		return -1;
	}
	return got;
}

/* Look at every part once: where it begins, and that all are whole. */
static bool
list_parts(XlsxReader *x)
{
	char		buf[16384];
	int			rc;

	if (!open_archive(x, 0))
		return false;
	while ((rc = ZipNextMember(x->zip)) > 0)
	{
		if (!note_part(x))
			return false;
		while ((rc = read_part(x, buf, sizeof(buf))) > 0)
			;
		if (rc < 0)
			return false;
	}
	if (rc < 0)
	{
		x->source_error = x->zip->error;
		return fail(x, XLSX_BAD_ARCHIVE);
	}
	close_archive(x);
	return true;
}

/* ---------------------------------------------------------------------
 * XML
 * ---------------------------------------------------------------------
 */

static int
xml_read(void *context, char *buf, int len)
{
	return read_part(context, buf, len);
}

static int
xml_close(void *context)
{
	(void) context;
	return 0;
}

static bool
has_part(const XlsxReader *x, const char *name)
{
	for (int i = 0; name != NULL && i < x->nparts; i++)
		if (same_name(x->parts[i].name, name))
			return true;
	return false;
}

static bool
open_part(XlsxReader *x, const char *name)
{
	for (int i = 0; i < x->nparts; i++)
	{
		if (!same_name(x->parts[i].name, name))
			continue;
		if (!open_archive(x, (size_t) x->parts[i].offset))
			return false;
		if (ZipNextMember(x->zip) <= 0)
		{
			x->source_error = x->zip->error;
			return fail(x, XLSX_BAD_ARCHIVE);
		}
		x->xml = xmlReaderForIO(xml_read, xml_close, x, NULL, NULL,
								XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
		if (x->xml == NULL)
			return fail(x, XLSX_NO_MEMORY);
		return true;
	}
	return fail(x, XLSX_NOT_A_WORKBOOK);
}

/* The next node of the part: its type, or 0 at the end and after a failure. */
static int
next_node(XlsxReader *x)
{
	int			rc,
				type;

	rc = xmlTextReaderRead(x->xml);
	if (rc < 0)
		fail(x, XLSX_BAD_XML);
	if (rc <= 0)
		return 0;
	type = xmlTextReaderNodeType(x->xml);
	if (type == XML_READER_TYPE_DOCUMENT_TYPE || type == XML_READER_TYPE_ENTITY_REFERENCE)
	{
		fail(x, XLSX_DOCTYPE);
		return 0;
	}
	return type;
}

static bool
is_element(const XlsxReader *x, const char *name)
{
	const xmlChar *local = xmlTextReaderConstLocalName(x->xml);

	return local != NULL && strcmp((const char *) local, name) == 0;
}

static bool
is_text(int type)
{
	return type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA ||
		type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE;
}

/* An attribute of the current element, of any namespace; valid until the next node. */
static const char *
attribute(XlsxReader *x, const char *name)
{
	const char *value = NULL;

	while (value == NULL && xmlTextReaderMoveToNextAttribute(x->xml) == 1)
		if (is_element(x, name))
			value = (const char *) xmlTextReaderConstValue(x->xml);
	xmlTextReaderMoveToElement(x->xml);
	return value;
}

static bool
is_true(const char *value)
{
	return value != NULL && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

/* ---------------------------------------------------------------------
 * Workbook, relationships, formats, strings
 * ---------------------------------------------------------------------
 */

/* The part that a relationship of another part leads to; NULL: no memory. */
static char *
resolve(const char *from, const char *target)
{
	size_t		room = strlen(from) + strlen(target) + 2;
	char	   *path = malloc(room);
	char	   *slash;

	if (path == NULL)
		return NULL;
	if (target[0] == '/')
		strcpy(path, target + 1);
	else
	{
		strcpy(path, from);
		slash = strrchr(path, '/');
		strcpy(slash != NULL ? slash + 1 : path, target);
	}
	while ((slash = strstr(path, "/../")) != NULL)
	{
		char	   *up = slash;

		while (up > path && up[-1] != '/')
			up--;
		memmove(up, slash + 4, strlen(slash + 4) + 1);
	}
	return path;
}

/* The relationships of a part are in _rels/<name>.rels beside it. */
static char *
relationships_of(const char *part)
{
	const char *slash = strrchr(part, '/');
	int			directory = slash != NULL ? (int) (slash - part) + 1 : 0;
	size_t		room = strlen(part) + 16;
	char	   *name = malloc(room);

	if (name != NULL)
		snprintf(name, room, "%.*s_rels/%s.rels", directory, part, part + directory);
	return name;
}

static bool
follow(XlsxReader *x, const char *from, const char *target, char **part)
{
	free(*part);
	*part = resolve(from, target);
	return *part != NULL || fail(x, XLSX_NO_MEMORY);
}

/*
 * What a part leads to; the package itself has no name.  Types are URIs of
 * two generations that end alike.
 */
static bool
read_relationships(XlsxReader *x, const char *from)
{
	char	   *name = relationships_of(from);
	bool		ok = name != NULL ? open_part(x, name) : fail(x, XLSX_NO_MEMORY);
	int			type;

	free(name);
	while (ok && (type = next_node(x)) != 0)
	{
		char	   *target;
		const char *value,
				   *id;

		if (type != XML_READER_TYPE_ELEMENT || !is_element(x, "Relationship"))
			continue;
		value = attribute(x, "Target");
		if (value == NULL)
			continue;
		target = strdup(value);
		if (target == NULL)
			return fail(x, XLSX_NO_MEMORY);
		id = attribute(x, "Id");
		if (id != NULL && x->sheet_id != NULL && strcmp(id, x->sheet_id) == 0)
			ok = follow(x, from, target, &x->sheet);
		value = attribute(x, "Type");
		if (value != NULL && from[0] == '\0' && ends_with(value, "/officeDocument"))
			ok = follow(x, from, target, &x->workbook);
		else if (value != NULL && ends_with(value, "/styles"))
			ok = follow(x, from, target, &x->styles);
		else if (value != NULL && ends_with(value, "/sharedStrings"))
			ok = follow(x, from, target, &x->strings);
		free(target);
	}
	close_archive(x);
	return x->status == XLSX_READY;
}

/* Which sheet: the one of that name, or the first that is not hidden. */
static bool
read_workbook(XlsxReader *x, const char *wanted)
{
	int			type;
	const char *value;

	if (!open_part(x, x->workbook))
		return false;
	while ((type = next_node(x)) != 0)
	{
		if (type != XML_READER_TYPE_ELEMENT)
			continue;
		if (is_element(x, "workbookPr"))
			x->from_1904 = is_true(attribute(x, "date1904"));
		if (!is_element(x, "sheet"))
			continue;
		value = attribute(x, "name");
		if (wanted != NULL && value != NULL && same_name(value, wanted))
			x->sheet_found = true;
		else
		{
			value = attribute(x, "state");
			if (x->sheet_id != NULL || (value != NULL && strcmp(value, "visible") != 0))
				continue;
		}
		value = attribute(x, "id");
		if (value != NULL && !set_text(x, &x->sheet_id, value))
			return false;
		if (x->sheet_found)
			break;
	}
	close_archive(x);
	if (x->status == XLSX_READY && x->sheet_id == NULL)
		fail(x, XLSX_NO_SHEET);
	return x->status == XLSX_READY;
}

/* numFmts give codes to ids; cellXfs are the formats that cells point at. */
static bool
read_styles(XlsxReader *x)
{
	bool		in_cells = false;
	int			type;

	x->date_code = calloc(MAX_FORMATS, sizeof(bool));
	x->date_style = calloc(MAX_FORMATS, sizeof(bool));
	if (x->date_code == NULL || x->date_style == NULL)
		return fail(x, XLSX_NO_MEMORY);
	for (int i = 0; i < 164; i++)
		x->date_code[i] = XlsxIsDateFormatId(i);
	if (!has_part(x, x->styles))
		return true;
	if (!open_part(x, x->styles))
		return false;
	while ((type = next_node(x)) != 0)
	{
		const char *value;
		int			id;

		if (is_element(x, "cellXfs"))
			in_cells = type == XML_READER_TYPE_ELEMENT;
		if (type != XML_READER_TYPE_ELEMENT ||
			(!is_element(x, "numFmt") && !(in_cells && is_element(x, "xf"))))
			continue;
		value = attribute(x, "numFmtId");
		id = value != NULL ? atoi(value) : 0;
		if (id < 0 || id >= MAX_FORMATS)
			id = 0;
		if (is_element(x, "numFmt"))
		{
			value = attribute(x, "formatCode");
			x->date_code[id] = value != NULL && XlsxIsDateFormat(value);
		}
		else if (x->nstyles < MAX_FORMATS)
			x->date_style[x->nstyles++] = x->date_code[id];
	}
	close_archive(x);
	return x->status == XLSX_READY;
}

static bool
end_string(XlsxReader *x)
{
	size_t		begin = x->nstrings > 0 ? x->string_end[x->nstrings - 1] : 0;

	if (x->nstrings == x->string_room)
	{
		int			room = Max(x->string_room * 2, 1024);
		size_t	   *more = realloc(x->string_end, sizeof(size_t) * (size_t) room);

		if (more == NULL)
			return fail(x, XLSX_NO_MEMORY);
		x->string_end = more;
		x->string_room = room;
	}
	if (x->string_text.len > begin)
		x->string_text.len = begin + (size_t) XlsxUnescape(x->string_text.data + begin,
														   (int) (x->string_text.len - begin));
	x->string_end[x->nstrings++] = x->string_text.len;
	return true;
}

/* Runs of one string are joined; how it is pronounced (rPh) is left out. */
static bool
read_strings(XlsxReader *x)
{
	bool		in_text = false;
	bool		phonetic = false;
	int			type;

	if (!has_part(x, x->strings))
		return true;
	if (!open_part(x, x->strings))
		return false;
	while ((type = next_node(x)) != 0)
	{
		bool		begins = type == XML_READER_TYPE_ELEMENT;
		bool		ends = type == XML_READER_TYPE_END_ELEMENT ||
			(begins && xmlTextReaderIsEmptyElement(x->xml));

		if (is_text(type))
		{
			const char *text = (const char *) xmlTextReaderConstValue(x->xml);

			if (in_text && !phonetic && text != NULL &&
				!append(x, &x->string_text, text, strlen(text)))
				return false;
			continue;
		}
		if (!begins && !ends)
			continue;
		if (is_element(x, "rPh"))
			phonetic = !ends;
		else if (is_element(x, "t"))
			in_text = !ends;
		else if (is_element(x, "si") && ends && !end_string(x))
			return false;
	}
	close_archive(x);
	return x->status == XLSX_READY;
}

/* ---------------------------------------------------------------------
 * The sheet
 * ---------------------------------------------------------------------
 */

/* What a c element and those in it say. */
typedef struct RawCell
{
	char		type[16];		/* t: n, s, str, inlineStr, b, e, d */
	int			style;
	int			column;
	bool		formula;
	bool		has_value;
	size_t		at;				/* of its text in that of the row */
} RawCell;

/* Put another text in the place of the cell's. */
static bool
replace(XlsxReader *x, const RawCell *raw, const char *text, size_t len)
{
	x->row_text.len = raw->at;
	return append(x, &x->row_text, text, len);
}

static bool
shared_string(XlsxReader *x, const RawCell *raw)
{
	char	   *end;
	long		index = strtol(x->row_text.data + raw->at, &end, 10);
	size_t		begin;

	if (end == x->row_text.data + raw->at || index < 0 || index >= x->nstrings)
		return fail(x, XLSX_BAD_XML);
	begin = index > 0 ? x->string_end[index - 1] : 0;
	return replace(x, raw, x->string_text.data == NULL ? "" : x->string_text.data + begin,
				   x->string_end[index] - begin);
}

/* A number, or the day that its format shows. */
static bool
number_cell(XlsxReader *x, const RawCell *raw, XlsxCell *cell)
{
	char		number[64];
	char		date[XLSX_DATE_SIZE];

	cell->kind = XLSX_NUMBER;
	if (!XlsxNumberText(x->row_text.data + raw->at, number))
		return true;			/* left for the reader to refuse */
	if (raw->style >= 0 && raw->style < x->nstyles && x->date_style[raw->style] &&
		XlsxDateText(strtod(number, NULL), x->from_1904, date))
	{
		cell->kind = XLSX_DATE;
		return replace(x, raw, date, strlen(date));
	}
	return replace(x, raw, number, strlen(number));
}

static bool
end_cell(XlsxReader *x, const RawCell *raw)
{
	XlsxCell   *cell = &x->cells[raw->column];
	bool		inline_text = strcmp(raw->type, "inlineStr") == 0;
	bool		ok = true;

	cell->at = (int) raw->at;
	if (!raw->has_value || (x->row_text.len == raw->at && strcmp(raw->type, "n") == 0))
		cell->kind = raw->formula ? XLSX_UNCALCULATED : XLSX_BLANK;
	else if (strcmp(raw->type, "s") == 0)
	{
		cell->kind = XLSX_TEXT;
		ok = shared_string(x, raw);
	}
	else if (inline_text || strcmp(raw->type, "str") == 0)
	{
		cell->kind = XLSX_TEXT;
		x->row_text.len = raw->at + (size_t) XlsxUnescape(x->row_text.data + raw->at,
														  (int) (x->row_text.len - raw->at));
	}
	else if (strcmp(raw->type, "b") == 0)
	{
		cell->kind = XLSX_BOOLEAN;
		ok = is_true(x->row_text.data + raw->at) ? replace(x, raw, "TRUE", 4) : replace(x, raw, "FALSE", 5);
	}
	else if (strcmp(raw->type, "e") == 0)
		cell->kind = XLSX_ERROR;
	else if (strcmp(raw->type, "d") == 0)
		cell->kind = XLSX_DATE;
	else
		ok = number_cell(x, raw, cell);
	if (!ok)
		return false;
	cell->len = (int) (x->row_text.len - raw->at);
	x->ncells = Max(x->ncells, raw->column + 1);
	return append(x, &x->row_text, "", 1);
}

static bool
begin_cell(XlsxReader *x, RawCell *raw, int previous)
{
	const char *value;

	memset(raw, 0, sizeof(*raw));
	value = attribute(x, "r");
	raw->column = value != NULL ? XlsxColumnOf(value) : previous + 1;
	if (raw->column <= previous || raw->column >= MAX_COLUMNS)
		return fail(x, XLSX_BAD_XML);
	value = attribute(x, "t");
	strcpy(raw->type, "n");
	if (value != NULL && strlen(value) < sizeof(raw->type))
		strcpy(raw->type, value);
	value = attribute(x, "s");
	raw->style = value != NULL ? atoi(value) : 0;
	raw->at = x->row_text.len;
	return x->row_text.len <= (size_t) MAX_PART_SIZE || fail(x, XLSX_TOO_LARGE);
}

static bool
begin_row(XlsxReader *x)
{
	const char *value = attribute(x, "r");
	long		number = value != NULL ? strtol(value, NULL, 10) : x->row + 1;

	if (number <= x->row || number > MAX_ROWS)
		return fail(x, XLSX_BAD_XML);
	x->row = (int) number;
	x->row_text.len = 0;
	memset(x->cells, 0, sizeof(XlsxCell) * (size_t) x->ncells);
	x->ncells = 0;
	return append(x, &x->row_text, "", 0);
}

/* The cells up to the end of the row; the reader stands on its beginning. */
static bool
read_row(XlsxReader *x)
{
	RawCell		raw = {.column = -1};
	bool		in_cell = false;
	bool		in_value = false;
	bool		phonetic = false;
	int			type;

	while ((type = next_node(x)) != 0)
	{
		bool		begins = type == XML_READER_TYPE_ELEMENT;
		bool		ends = type == XML_READER_TYPE_END_ELEMENT ||
			(begins && xmlTextReaderIsEmptyElement(x->xml));

		if (is_text(type) && in_value && !phonetic)
		{
			const char *text = (const char *) xmlTextReaderConstValue(x->xml);

			if (text != NULL && !append(x, &x->row_text, text, strlen(text)))
				return false;
		}
		if (!begins && !ends)
			continue;
		if (is_element(x, "row") && ends)
			return true;
		if (is_element(x, "c"))
		{
			if (begins && !begin_cell(x, &raw, raw.column))
				return false;
			if (ends && !end_cell(x, &raw))
				return false;
			in_cell = !ends;
		}
		else if (in_cell && is_element(x, "f"))
			raw.formula = true;
		else if (in_cell && is_element(x, "rPh"))
			phonetic = !ends;
		else if (in_cell && (is_element(x, "v") || is_element(x, "t")))
		{
			in_value = !ends;
			raw.has_value = true;
		}
	}
	return fail(x, XLSX_BAD_XML);
}

/* ---------------------------------------------------------------------
 * For the reader's user
 * ---------------------------------------------------------------------
 */

bool
XlsxMagic(const char *data, size_t len)
{
	ByteSource *zip;
	MemorySource memory;
	bool		found = false;

	if (!ZipMagic((const unsigned char *) data, (int) Min(len, 4)))
		return false;
	MemorySourceInit(&memory, data, len);
	zip = ZipSourceOpen(&memory.base);
	if (zip == NULL)
		return false;
	/* the content types may stand anywhere, but the parts of a workbook do not */
	for (int i = 0; i < 100 && !found && ZipNextMember(zip) > 0; i++)
		found = strncmp(ZipMemberName(zip), "xl/", 3) == 0 ||
			strcmp(ZipMemberName(zip), "[Content_Types].xml") == 0;
	zip->close(zip);
	return found;
}

XlsxReader *
XlsxOpen(const char *data, size_t len, const char *sheet, bool (*interrupted) (void))
{
	XlsxReader *x = calloc(1, sizeof(XlsxReader));
	bool		ok;

	if (x == NULL)
		return NULL;
	x->data = data;
	x->len = len;
	x->interrupted = interrupted;
	x->status = XLSX_READY;
	x->cells = calloc(MAX_COLUMNS, sizeof(XlsxCell));
	ok = x->cells != NULL || fail(x, XLSX_NO_MEMORY);
	ok = ok && list_parts(x) && read_relationships(x, "") &&
		(x->workbook != NULL || fail(x, XLSX_NOT_A_WORKBOOK)) &&
		read_workbook(x, sheet) && read_relationships(x, x->workbook) &&
		(x->sheet != NULL || fail(x, XLSX_NO_SHEET)) &&
		read_styles(x) && read_strings(x) && open_part(x, x->sheet);
	(void) ok;
	return x;
}

XlsxStatus
XlsxReady(const XlsxReader *reader)
{
	return reader->status;
}

SourceError
XlsxSourceError(const XlsxReader *reader)
{
	return reader->source_error;
}

XlsxStatus
XlsxNextRow(XlsxReader *x, XlsxRow *row)
{
	int			type;

	while (x->status == XLSX_READY && (type = next_node(x)) != 0)
	{
		if (type != XML_READER_TYPE_ELEMENT || !is_element(x, "row"))
			continue;
		if (!begin_row(x))
			break;
		if (!xmlTextReaderIsEmptyElement(x->xml) && !read_row(x))
			break;
		row->number = x->row;
		row->ncells = x->ncells;
		row->cells = x->cells;
		row->text = x->row_text.data;
		return XLSX_ROW;
	}
	return x->status == XLSX_READY ? XLSX_END : x->status;
}

void
XlsxClose(XlsxReader *x)
{
	close_archive(x);
	for (int i = 0; i < x->nparts; i++)
		free(x->parts[i].name);
	free(x->parts);
	free(x->workbook);
	free(x->styles);
	free(x->strings);
	free(x->sheet);
	free(x->sheet_id);
	free(x->date_style);
	free(x->date_code);
	free(x->string_text.data);
	free(x->string_end);
	free(x->row_text.data);
	free(x->cells);
	free(x);
}
