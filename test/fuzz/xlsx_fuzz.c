/* links: src/core/xlsx.c src/core/xlsx_value.c src/core/source_memory.c src/core/source_zip.c -I/usr/include/libxml2 -lxml2 -lz */
/*
 * Parts of a workbook of any bytes, in an archive that is whole: the input is
 * cut at each byte 255 into sheet, shared strings, styles, workbook and
 * relationships.  What stands in a row lies within its text.
 */
#include "core/xlsx.h"

#include <stdlib.h>

#include "../unit/zip_writer.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml",
	"xl/workbook.xml", "xl/_rels/workbook.xml.rels"
};

static const char package[] = "<R><Relationship Id=\"a\" Type=\"/officeDocument\" Target=\"xl/workbook.xml\"/></R>";
static const char workbook[] = "<w xmlns:r=\"r\"><sheet name=\"drivers\" r:id=\"1\"/></w>";
static const char relations[] = "<R><Relationship Id=\"1\" Target=\"worksheets/sheet1.xml\"/>"
"<Relationship Id=\"2\" Type=\"/styles\" Target=\"styles.xml\"/>"
"<Relationship Id=\"3\" Type=\"/sharedStrings\" Target=\"sharedStrings.xml\"/></R>";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Archive    *a = new_archive();
	const char *at = (const char *) data;
	size_t		left = Min(size, (size_t) 100000);
	XlsxReader *x;
	XlsxRow		row;
	int			previous = 0;
	int			i = 0;

	add(a, "_rels/.rels", package, sizeof(package) - 1, 0, IN_HEADER);
	for (; i < (int) lengthof(names) && left > 0; i++)
	{
		const char *cut = memchr(at, 255, left);
		size_t		len = cut != NULL ? (size_t) (cut - at) : left;

		add(a, names[i], at, len, 0, IN_HEADER);
		len += cut != NULL ? 1 : 0;
		at += len;
		left -= len;
	}
	if (i <= 3)
		add(a, names[3], workbook, sizeof(workbook) - 1, 0, IN_HEADER);
	if (i <= 4)
		add(a, names[4], relations, sizeof(relations) - 1, 0, IN_HEADER);
	finish(a, false, "");
	x = XlsxOpen((const char *) a->data, a->len, "drivers", NULL);
	if (x == NULL)
		abort();
	while (XlsxNextRow(x, &row) == XLSX_ROW)
	{
		if (row.number <= previous)
			abort();
		previous = row.number;
		for (int c = 0; c < row.ncells; c++)
			if (row.cells[c].len > 0 &&
				memchr(row.text + row.cells[c].at, 0, (size_t) row.cells[c].len) != NULL)
				abort();
	}
	XlsxClose(x);
	free(a);
	return 0;
}
