/* links: src/core/xlsx.c src/core/xlsx_value.c src/core/source_memory.c src/core/source_zip.c -I/usr/include/libxml2 -lxml2 -lz */
/*-------------------------------------------------------------------------
 *
 * xlsx_test.c
 *	  Workbooks: values as ECMA-376 has them, sheets, and what is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "core/xlsx.h"

#include <stdio.h>

#include "../unit/zip_writer.h"
#include "tap.h"

static void
is_text(const char *got, const char *expected, const char *title)
{
	if (strcmp(got, expected) != 0)
		printf("# got %s, expected %s\n", got, expected);
	ok(strcmp(got, expected) == 0, title);
}

/* ---------------------------------------------------------------------
 * Values
 * ---------------------------------------------------------------------
 */

static void
test_dates(void)
{
	static const struct
	{
		double		serial;
		bool		from_1904;
		const char *date;
	}			days[] = {
		/* the examples of 18.17.4.1, and what spreadsheets show */
		{1, false, "1900-01-01"}, {59, false, "1900-02-28"}, {60, false, ""}, {61, false, "1900-03-01"},
		{25569, false, "1970-01-01"}, {45839, false, "2025-07-01"}, {45351, false, "2024-02-29"},
		{2958465, false, "9999-12-31"}, {2958466, false, ""}, {0, false, ""}, {-1, false, ""},
		{0, true, "1904-01-01"}, {44377, true, "2025-07-01"}, {39448.5, false, "2008-01-01 12:00:00"},
		{45839.75, false, "2025-07-01 18:00:00"}, {45838.9999999, false, "2025-07-01"}
	};
	char		buf[XLSX_DATE_SIZE];
	bool		good = true;

	for (size_t i = 0; i < lengthof(days); i++)
	{
		if (!XlsxDateText(days[i].serial, days[i].from_1904, buf))
			buf[0] = '\0';
		if (strcmp(buf, days[i].date) != 0)
		{
			printf("# %f: %s\n", days[i].serial, buf);
			good = false;
		}
	}
	ok(good, "day numbers in both systems");
}

static void
test_formats(void)
{
	static const char *const dates[] = {
		"yyyy-mm-dd", "m/d/yy", "[$-409]mmmm yyyy;@", "[h]:mm:ss", "[mm]:ss", "\"on\" dd", "0;yy" + 2, "h AM/PM"
	};
	static const char *const others[] = {
		"General", "0.00", "#,##0", "0.00E+00", "@", "\"days\" 0", "[Red]0.00", "0\\d", "_d0", "[$USD] 0", "", "0%;yy"
	};
	bool		good = true;

	for (size_t i = 0; i < lengthof(dates); i++)
		good = good && XlsxIsDateFormat(dates[i]);
	for (size_t i = 0; i < lengthof(others); i++)
		if (XlsxIsDateFormat(others[i]))
		{
			printf("# %s\n", others[i]);
			good = false;
		}
	ok(good, "formats that show dates, and others");
}

static void
test_numbers(void)
{
	static const char *const pairs[][2] = {
		{"1", "1"}, {"-0.5", "-0.5"}, {"+3", "3"}, {"12345.678000000002", "12345.678"},
		{"0.30000000000000004", "0.3"}, {"123456789012345", "123456789012345"}, {"1E-3", "1E-3"},
		{"100000000000000000000", "100000000000000000000"}, {"1234567890123456789", "1.23456789012346e+18"}
	};
	static const char *const refused[] = {"", "-", "1,5", "nan", "inf", "0x10", "1e", "1 ", "."};
	char		buf[64];
	bool		good = true;

	for (size_t i = 0; i < lengthof(pairs); i++)
		if (!XlsxNumberText(pairs[i][0], buf) || strcmp(buf, pairs[i][1]) != 0)
		{
			printf("# %s: %s\n", pairs[i][0], buf);
			good = false;
		}
	for (size_t i = 0; i < lengthof(refused); i++)
		good = good && !XlsxNumberText(refused[i], buf);
	ok(good, "numbers as they are shown");
}

static void
test_names(void)
{
	char		buf[16];
	char		text[64];

	ok(XlsxColumnOf("A1") == 0 && XlsxColumnOf("Z9") == 25 && XlsxColumnOf("AA10") == 26 && XlsxColumnOf("XFD1") == 16383 &&
	   XlsxColumnOf("XFE1") == -1 && XlsxColumnOf("1") == -1 && XlsxColumnOf("A1B") == -1, "columns");
	is_text(XlsxCellName(0, 1, buf), "A1", "the first cell");
	is_text(XlsxCellName(702, 17, buf), "AAA17", "a later cell");
	strcpy(text, "a_x000D_b_x00e9_c_x20AC_d_xD800_e_x0041");
	text[XlsxUnescape(text, (int) strlen(text))] = '\0';
	is_text(text, "a\rb\303\251c\342\202\254d_xD800_e_x0041", "escapes");
}

/* ---------------------------------------------------------------------
 * Workbooks
 * ---------------------------------------------------------------------
 */

#define RELS	"http://schemas.openxmlformats.org/officeDocument/2006/relationships/"

typedef struct Book
{
	const char *properties;		/* of the workbook */
	const char *sheets;
	const char *styles;
	const char *strings;
	const char *sheet1;
	const char *sheet2;
} Book;

static void
add_text(Archive *a, const char *name, const char *text)
{
	if (text != NULL)
		add(a, name, text, strlen(text), 8, IN_HEADER);
}

static Archive *
make_book(const Book *book)
{
	Archive    *a = new_archive();
	char		workbook[4000];

	snprintf(workbook, sizeof(workbook),
			 "<?xml version=\"1.0\"?><workbook xmlns:r=\"" RELS "\">%s<sheets>%s</sheets></workbook>",
			 book->properties != NULL ? book->properties : "",
			 book->sheets != NULL ? book->sheets : "<sheet name=\"S1\" sheetId=\"1\" r:id=\"rId1\"/>");
	add_text(a, "[Content_Types].xml", "<Types/>");
	/* before the rest: parts may stand in any order */
	add_text(a, "xl/worksheets/sheet1.xml", book->sheet1);
	add_text(a, "xl/worksheets/sheet2.xml", book->sheet2);
	add_text(a, "_rels/.rels", "<Relationships><Relationship Id=\"a\" Type=\"" RELS "officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>");
	add_text(a, "xl/workbook.xml", workbook);
	add_text(a, "xl/_rels/workbook.xml.rels",
			 "<Relationships>"
			 "<Relationship Id=\"rId1\" Type=\"" RELS "worksheet\" Target=\"worksheets/sheet1.xml\"/>"
			 "<Relationship Id=\"rId2\" Type=\"" RELS "worksheet\" Target=\"/xl/worksheets/sheet2.xml\"/>"
			 "<Relationship Id=\"rId3\" Type=\"" RELS "styles\" Target=\"../xl/styles.xml\"/>"
			 "<Relationship Id=\"rId4\" Type=\"" RELS "sharedStrings\" Target=\"sharedStrings.xml\"/>"
			 "</Relationships>");
	add_text(a, "xl/styles.xml", book->styles);
	add_text(a, "xl/sharedStrings.xml", book->strings);
	finish(a, false, "");
	return a;
}

/* "1: T|a N|2 ;" for each row: kind and text of each cell. */
static char *
show(const char *data, size_t len, const char *sheet, XlsxStatus *status)
{
	static char out[1 << 16];
	static const char kinds[] = "-TNDBEU";
	XlsxReader *x = XlsxOpen(data, len, sheet, NULL);
	XlsxRow		row;
	size_t		n = 0;

	out[0] = '\0';
	while ((*status = XlsxNextRow(x, &row)) == XLSX_ROW)
	{
		n += (size_t) sprintf(out + n, "%d:", row.number);
		for (int i = 0; i < row.ncells; i++)
			n += (size_t) sprintf(out + n, " %c|%.*s", kinds[row.cells[i].kind],
								  row.cells[i].len, row.text + row.cells[i].at);
		n += (size_t) sprintf(out + n, ";");
	}
	XlsxClose(x);
	return out;
}

static void
book_is(const Book *book, const char *sheet, const char *expected, const char *title)
{
	Archive    *a = make_book(book);
	XlsxStatus	status;
	char	   *got = show((const char *) a->data, a->len, sheet, &status);

	if (status != XLSX_END)
		printf("# status %d\n", (int) status);
	is_text(status == XLSX_END ? got : "failed", expected, title);
	free(a);
}

static void
book_fails(const Book *book, XlsxStatus expected, const char *title)
{
	Archive    *a = make_book(book);
	XlsxStatus	status;

	(void) show((const char *) a->data, a->len, NULL, &status);
	if (status != expected)
		printf("# status %d\n", (int) status);
	ok(status == expected, title);
	free(a);
}

#define SHEET(rows)	"<worksheet><sheetData>" rows "</sheetData></worksheet>"

static const char styles[] = "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\"/>"
"<numFmt numFmtId=\"165\" formatCode=\"0.00\"/></numFmts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>"
"<cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>";

static void
test_cells(void)
{
	static const char strings[] = "<sst><si><t>plain</t></si><si><r><t>two </t></r><r><rPr/><t xml:space=\"preserve\">runs </t></r>"
	"<rPh sb=\"0\" eb=\"1\"><t>unsaid</t></rPh></si><si><t/></si><si/></sst>";

	book_is(&(Book) {.styles = styles, .strings = strings, .sheet1 = SHEET("<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c><c r=\"D1\" t=\"s\"><v>2</v></c>"
			"<c r=\"E1\" t=\"s\"><v>3</v></c></row>")}, NULL,
			"1: T|plain T|two runs  -| T| T|;", "shared strings");
	book_is(&(Book) {.styles = styles, .sheet1 = SHEET("<row><c t=\"inlineStr\"><is><t>in</t><r><t>line</t></r></is></c><c t=\"str\"><f>A1</f><v>a&amp;b</v></c><c t=\"str\"><f>B1</f><v></v></c>"
			"<c t=\"b\"><v>1</v></c><c t=\"b\"><v>0</v></c><c t=\"e\"><v>#N/A</v></c><c t=\"d\"><v>2025-07-01</v></c><c><f>NOW()</f></c><c/></row>")}, NULL,
			"1: T|inline T|a&b T| B|TRUE B|FALSE E|#N/A D|2025-07-01 U| -|;", "other kinds");
	book_is(&(Book) {.styles = styles, .sheet1 = SHEET("<row r=\"3\"><c><v>1.50</v></c><c s=\"1\"><v>45839</v></c><c s=\"2\"><v>0.30000000000000004</v></c><c s=\"3\"><v>45839.5</v></c>"
			"<c s=\"99\"><v>7</v></c><c><v>x</v></c></row><row/><row r=\"9\"/>")}, NULL,
			"3: N|1.50 D|2025-07-01 N|0.3 D|2025-07-01 12:00:00 N|7 N|x;4:;9:;", "numbers and dates");
	book_is(&(Book) {.properties = "<workbookPr date1904=\"1\"/>", .styles = styles, .sheet1 = SHEET("<row><c s=\"1\"><v>44377</v></c></row>")}, NULL,
			"1: D|2025-07-01;", "days from 1904");
	book_is(&(Book) {.sheet1 = "<x:worksheet xmlns:x=\"http://purl.oclc.org/ooxml/spreadsheetml/main\"><x:sheetData><x:row><x:c><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>"}, NULL,
			"1: N|1;", "the strict namespace, with a prefix");
}

static void
test_sheets(void)
{
	Book		book = {.sheet1 = SHEET("<row><c><v>1</v></c></row>"), .sheet2 = SHEET("<row><c><v>2</v></c></row>")};

	book.sheets = "<sheet name=\"Cover\" sheetId=\"1\" r:id=\"rId1\"/><sheet name=\"Drivers\" sheetId=\"2\" r:id=\"rId2\"/>";
	book_is(&book, "drivers", "1: N|2;", "the sheet of that name");
	book_is(&book, "others", "1: N|1;", "else the first one");
	book.sheets = "<sheet name=\"Cover\" sheetId=\"1\" state=\"hidden\" r:id=\"rId1\"/><sheet name=\"Data\" sheetId=\"2\" r:id=\"rId2\"/>";
	book_is(&book, "drivers", "1: N|2;", "that is not hidden");
	book.sheets = "<sheet name=\"Cover\" sheetId=\"1\" state=\"hidden\" r:id=\"rId1\"/>";
	book_fails(&book, XLSX_NO_SHEET, "no sheet at all");
	book.sheets = "<sheet name=\"Cover\" sheetId=\"1\" r:id=\"rId77\"/>";
	book_fails(&book, XLSX_NO_SHEET, "a sheet that leads nowhere");
}

static bool
stop(void)
{
	return true;
}

static void
test_refusals(void)
{
	Book		book = {.sheet1 = SHEET("<row><c t=\"s\"><v>0</v></c></row>")};
	Archive    *a;
	XlsxReader *x;
	XlsxStatus	status;
	bool		good = true;

	book_fails(&book, XLSX_BAD_XML, "a shared string that is not there");
	book.sheet1 = SHEET("<row><c r=\"B1\"/><c r=\"A1\"/></row>");
	book_fails(&book, XLSX_BAD_XML, "cells out of order");
	book.sheet1 = SHEET("<row r=\"2\"/><row r=\"2\"/>");
	book_fails(&book, XLSX_BAD_XML, "rows out of order");
	book.sheet1 = "<worksheet><sheetData><row><c><v>1</v></c>";
	book_fails(&book, XLSX_BAD_XML, "XML that ends too early");
	book.sheet1 = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]>"
		"<worksheet><sheetData><row><c t=\"str\"><v>&b;&a;</v></c></row></sheetData></worksheet>";
	book_fails(&book, XLSX_DOCTYPE, "a document type");
	book.sheet1 = SHEET("<row><c><v>1</v></c></row>");
	a = make_book(&book);
	for (size_t cut = 0; cut < a->len; cut += 7)
	{
		(void) show((const char *) a->data, cut, NULL, &status);
		good = good && status == XLSX_BAD_ARCHIVE;
	}
	ok(good, "a cut anywhere");
	x = XlsxOpen((const char *) a->data, a->len, NULL, stop);
	ok(XlsxReady(x) == XLSX_INTERRUPTED, "an interruption");
	XlsxClose(x);
	ok(XlsxMagic((const char *) a->data, a->len) && !XlsxMagic("PK\003\004", 4) && !XlsxMagic("text", 4), "a workbook is told from other archives");
	free(a);
	a = new_archive();
	add_text(a, "a.csv", "x\n");
	finish(a, false, "");
	(void) show((const char *) a->data, a->len, NULL, &status);
	ok(status == XLSX_NOT_A_WORKBOOK && !XlsxMagic((const char *) a->data, a->len), "another archive");
	free(a);
}

int
main(void)
{
	test_dates();
	test_formats();
	test_numbers();
	test_names();
	test_cells();
	test_sheets();
	test_refusals();
	printf("1..%d\n", number);
	return failed != 0;
}
