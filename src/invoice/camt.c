/*-------------------------------------------------------------------------
 *
 * camt.c
 *	  Bank statements as ISO 20022 has them: camt.053.001.01 and later.  Pure.
 *
 * The versions differ in where a few names stand: a party is "Dbtr/Nm", since
 * .001.08 "Dbtr/Pty/Nm", a status "Sts", then "Sts/Cd".  So elements are known
 * by their local names and the path below the statement, with the steps that
 * came later left out, and namespaces do not matter beyond the kind of message.
 *
 * An entry is one line, or one for each of its transactions where each has an
 * amount and they add up to the entry, with charges or without.  Read with
 * libxml2's streaming reader; document types are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/bank.h"

#include <libxml/xmlreader.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_DEPTH		64
#define MAX_PATH_LEN	512
#define MAX_PARTS		100000	/* transactions of one entry */

struct Camt
{
	const BankSink *sink;
	BankError  *error;
	xmlTextReaderPtr xml;
	char		path[MAX_PATH_LEN]; /* below the statement, "/Ntry/Amt" */
	int			path_len;
	int			length_at[MAX_DEPTH];	/* of the path before each level */
	int			depth;
	bool		in_statement;
	bool		any;
	BankStatement statement;

	char		balance_code[8];	/* of the balance that is read */
	BankAmount	balance;
	bool		balance_debit;
	char		balance_date[11];
	bool		opening_is_booked;

	BankLine	entry;
	BankAmount	entry_amount;
	bool		entry_debit;
	BankLine	part;			/* a transaction of it */
	bool		part_debit;
	bool		part_sign;		/* it says so itself */
	char		debtor[BANK_NAME + 1];
	char		debtor_account[BANK_ID + 1];
	char		creditor[BANK_NAME + 1];
	char		creditor_account[BANK_ID + 1];
	BankLine   *parts;
	int			nparts;
	int			size;
	char		currency[4];	/* attribute of the amount that is open */
	char		value[BANK_TEXT + 1];
	int			value_len;
};

static bool
fail(Camt *c, const char *reason, const char *detail)
{
	if (c->error->reason[0] == '\0')
	{
		c->error->line = c->xml != NULL ? xmlTextReaderGetParserLineNumber(c->xml) : 0;
		snprintf(c->error->reason, sizeof(c->error->reason), reason, detail);
	}
	return false;
}

bool
CamtMagic(const char *data, size_t len)
{
	size_t		i = len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

	while (i < len && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t'))
		i++;
	return i < len && data[i] == '<';
}

/* Bytes that fit, cut at a character. */
static void
copy(char *to, size_t size, const char *from)
{
	size_t		len = strlen(from);

	if (len >= size)
	{
		len = size - 1;
		while (len > 0 && ((unsigned char) from[len] & 0xC0) == 0x80)
			len--;
	}
	memcpy(to, from, len);
	to[len] = '\0';
}

static void
append(char *to, size_t size, const char *from)
{
	size_t		len = strlen(to);

	if (len > 0 && len < size - 1)
		to[len++] = ' ';
	copy(to + len, size - len, from);
}

/* ---------------------------------------------------------------------
 * What a value is, by its path
 * ---------------------------------------------------------------------
 */
static bool
is(const Camt *c, const char *path)
{
	return strcmp(c->path, path) == 0;
}

static bool
take_amount(Camt *c, BankAmount *amount)
{
	if (!BankIsoAmount(c->value, amount) || amount->units < 0)
		return fail(c, "\"%.40s\" is no amount", c->value);
	return true;
}

static bool
take_date(Camt *c, char out[11])
{
	if (!BankIsoDate(c->value, out))
		return fail(c, "\"%.40s\" is no date", c->value);
	return true;
}

static bool
take_sign(Camt *c, bool *debit)
{
	if (strcmp(c->value, "CRDT") != 0 && strcmp(c->value, "DBIT") != 0)
		return fail(c, "\"%.40s\" is neither CRDT nor DBIT", c->value);
	*debit = c->value[0] == 'D';
	return true;
}

static bool
statement_value(Camt *c)
{
	if (is(c, "/Id"))
		copy(c->statement.id, sizeof(c->statement.id), c->value);
	else if (is(c, "/Acct/Id/IBAN") || is(c, "/Acct/Id/Othr/Id"))
		copy(c->statement.account, sizeof(c->statement.account), c->value);
	else if (is(c, "/Acct/Ccy"))
		copy(c->statement.currency, sizeof(c->statement.currency), c->value);
	else if (is(c, "/FrToDt/FrDtTm"))
		return take_date(c, c->statement.from);
	else if (is(c, "/FrToDt/ToDtTm"))
		return take_date(c, c->statement.to);
	else if (is(c, "/Bal/Tp/CdOrPrtry/Cd"))
		copy(c->balance_code, sizeof(c->balance_code), c->value);
	else if (is(c, "/Bal/Amt"))
		return take_amount(c, &c->balance);
	else if (is(c, "/Bal/CdtDbtInd"))
		return take_sign(c, &c->balance_debit);
	else if (is(c, "/Bal/Dt/Dt") || is(c, "/Bal/Dt/DtTm"))
		return take_date(c, c->balance_date);
	return true;
}

/* Texts of an entry or a transaction; path is below it. */
static void
party_value(Camt *c, const char *path)
{
	if (strcmp(path, "/RltdPties/Dbtr/Nm") == 0)
		copy(c->debtor, sizeof(c->debtor), c->value);
	else if (strcmp(path, "/RltdPties/DbtrAcct/Id/IBAN") == 0 || strcmp(path, "/RltdPties/DbtrAcct/Id/Othr/Id") == 0)
		copy(c->debtor_account, sizeof(c->debtor_account), c->value);
	else if (strcmp(path, "/RltdPties/Cdtr/Nm") == 0)
		copy(c->creditor, sizeof(c->creditor), c->value);
	else if (strcmp(path, "/RltdPties/CdtrAcct/Id/IBAN") == 0 || strcmp(path, "/RltdPties/CdtrAcct/Id/Othr/Id") == 0)
		copy(c->creditor_account, sizeof(c->creditor_account), c->value);
}

static bool
part_value(Camt *c, const char *path)
{
	BankLine   *part = &c->part;

	if (strcmp(path, "/Amt") == 0 || (strcmp(path, "/AmtDtls/TxAmt/Amt") == 0 && !part->amount.set))
	{
		copy(part->currency, sizeof(part->currency), c->currency);
		return take_amount(c, &part->amount);
	}
	if (strcmp(path, "/CdtDbtInd") == 0)
	{
		c->part_sign = true;
		return take_sign(c, &c->part_debit);
	}
	if (strcmp(path, "/Refs/EndToEndId") == 0)
		copy(part->end_to_end, sizeof(part->end_to_end), strcmp(c->value, "NOTPROVIDED") == 0 ? "" : c->value);
	else if (strcmp(path, "/Refs/AcctSvcrRef") == 0 || (strcmp(path, "/Refs/TxId") == 0 && part->bank_ref[0] == '\0'))
		copy(part->bank_ref, sizeof(part->bank_ref), c->value);
	else if (strcmp(path, "/RmtInf/Ustrd") == 0)
		append(part->text, sizeof(part->text), c->value);
	else if (strcmp(path, "/RmtInf/Strd/CdtrRefInf/Ref") == 0 || strcmp(path, "/RmtInf/Strd/RfrdDocInf/Nb") == 0)
		append(part->structured, sizeof(part->structured), c->value);
	else if (strcmp(path, "/RmtInf/Strd/AddtlRmtInf") == 0)
		append(part->text, sizeof(part->text), c->value);
	else if (strcmp(path, "/RtrInf/Rsn/Cd") == 0 || strcmp(path, "/RtrInf/Rsn/Prtry") == 0)
		part->reversal = true;
	else if (strcmp(path, "/Chrgs/Rcrd/Amt") == 0 || strcmp(path, "/Chrgs/Amt") == 0)
		return take_amount(c, &part->charges);
	else
		party_value(c, path);
	return true;
}

static bool
entry_value(Camt *c)
{
	if (strncmp(c->path, "/Ntry/NtryDtls/TxDtls/", 22) == 0)
		return part_value(c, c->path + 21);
	if (is(c, "/Ntry/Amt"))
	{
		copy(c->entry.currency, sizeof(c->entry.currency), c->currency);
		return take_amount(c, &c->entry_amount);
	}
	if (is(c, "/Ntry/CdtDbtInd"))
		return take_sign(c, &c->entry_debit);
	if (is(c, "/Ntry/RvslInd"))
		c->entry.reversal = strcmp(c->value, "true") == 0 || strcmp(c->value, "1") == 0;
	else if (is(c, "/Ntry/Sts"))
		c->entry.pending = strcmp(c->value, "BOOK") != 0;
	else if (is(c, "/Ntry/BookgDt/Dt") || is(c, "/Ntry/BookgDt/DtTm"))
		return take_date(c, c->entry.booked);
	else if (is(c, "/Ntry/ValDt/Dt") || is(c, "/Ntry/ValDt/DtTm"))
		return take_date(c, c->entry.valued);
	else if (is(c, "/Ntry/AcctSvcrRef"))
		copy(c->entry.bank_ref, sizeof(c->entry.bank_ref), c->value);
	else if (is(c, "/Ntry/NtryRef") && c->entry.bank_ref[0] == '\0')
		copy(c->entry.bank_ref, sizeof(c->entry.bank_ref), c->value);
	else if (is(c, "/Ntry/AddtlNtryInf"))
		append(c->entry.text, sizeof(c->entry.text), c->value);
	else if (is(c, "/Ntry/Chrgs/Rcrd/Amt") || is(c, "/Ntry/Chrgs/Amt"))
		return take_amount(c, &c->entry.charges);
	return true;
}

static bool
take_value(Camt *c)
{
	/* white space around a value is not of it */
	char	   *from = c->value;

	while (c->value_len > 0 && strchr(" \n\r\t", c->value[c->value_len - 1]) != NULL)
		c->value[--c->value_len] = '\0';
	while (*from != '\0' && strchr(" \n\r\t", *from) != NULL)
		from++;
	memmove(c->value, from, strlen(from) + 1);
	if (c->value[0] == '\0' || !c->in_statement)
		return true;
	return strncmp(c->path, "/Ntry", 5) == 0 ? entry_value(c) : statement_value(c);
}

/* ---------------------------------------------------------------------
 * Entries
 * ---------------------------------------------------------------------
 */
static void
other_side(Camt *c, BankLine *line, bool debit)
{
	copy(line->name, sizeof(line->name), debit ? c->creditor : c->debtor);
	copy(line->account, sizeof(line->account), debit ? c->creditor_account : c->debtor_account);
}

static void
begin_part(Camt *c)
{
	memset(&c->part, 0, sizeof(c->part));
	c->part_sign = false;
	c->debtor[0] = c->debtor_account[0] = c->creditor[0] = c->creditor_account[0] = '\0';
}

static bool
end_part(Camt *c)
{
	bool		debit = c->part_sign ? c->part_debit : c->entry_debit;

	if (c->nparts == c->size)
	{
		int			size = Max(16, c->size * 2);
		BankLine   *more = c->nparts >= MAX_PARTS ? NULL :
			realloc(c->parts, sizeof(BankLine) * (size_t) size);

		if (more == NULL)
			return fail(c, "%s", c->nparts >= MAX_PARTS ? "an entry has more than 100000 transactions" : "out of memory");
		c->parts = more;
		c->size = size;
	}
	/* whoever is on the other side of what the entry is, taken back or not */
	other_side(c, &c->part, debit != c->entry.reversal);
	if (c->part.amount.set && debit)
		c->part.amount.units = -c->part.amount.units;
	c->parts[c->nparts++] = c->part;
	return true;
}

/* Whether the transactions are the lines: all have amounts, of the entry's sum. */
static bool
parts_add_up(const Camt *c)
{
	int128		sum = 0;

	for (int i = 0; i < c->nparts; i++)
	{
		if (!c->parts[i].amount.set || strcmp(c->parts[i].currency, c->entry.currency) != 0)
			return false;
		sum += c->parts[i].amount.units;
	}
	return sum == c->entry.amount.units ||
		(c->entry.charges.set && (sum - c->entry.charges.units == c->entry.amount.units ||
								  sum + c->entry.charges.units == c->entry.amount.units));
}

static void
give_line(Camt *c, const BankLine *part, int n)
{
	BankLine	line = c->entry;

	line.part = n;
	line.line = xmlTextReaderGetParserLineNumber(c->xml);
	if (part != NULL)
	{
		line.amount = c->nparts == 1 ? c->entry.amount : part->amount;
		if (part->charges.set)
			line.charges = part->charges;
		line.reversal |= part->reversal;
		copy(line.name, sizeof(line.name), part->name);
		copy(line.account, sizeof(line.account), part->account);
		copy(line.text, sizeof(line.text), part->text);
		if (part->text[0] == '\0' && part->structured[0] == '\0')
			copy(line.text, sizeof(line.text), c->entry.text);
		copy(line.structured, sizeof(line.structured), part->structured);
		copy(line.end_to_end, sizeof(line.end_to_end), part->end_to_end);
		if (part->bank_ref[0] != '\0')
			append(line.bank_ref, sizeof(line.bank_ref), part->bank_ref);
	}
	c->sink->line(c->sink->arg, &c->statement, &line);
}

static bool
end_entry(Camt *c)
{
	BankLine	whole = {0};

	if (!c->entry_amount.set)
		return fail(c, "%s", "an entry has no amount");
	if (c->entry.booked[0] == '\0')
		copy(c->entry.booked, sizeof(c->entry.booked), c->entry.valued);
	if (c->entry.booked[0] == '\0' && !c->entry.pending)
		return fail(c, "%s", "an entry has no date");
	c->entry.amount = c->entry_amount;
	if (c->entry_debit)
		c->entry.amount.units = -c->entry.amount.units;
	if (c->entry.pending)
		return true;
	c->statement.entries++;
	c->statement.sum += c->entry.amount.units;
	if (c->nparts == 1 || (c->nparts > 1 && parts_add_up(c)))
	{
		for (int i = 0; i < c->nparts; i++)
			give_line(c, &c->parts[i], i);
		return true;
	}
	/* several transactions without amounts: one line with all their texts */
	for (int i = 0; i < c->nparts; i++)
	{
		append(whole.text, sizeof(whole.text), c->parts[i].text);
		append(whole.structured, sizeof(whole.structured), c->parts[i].structured);
	}
	if (whole.text[0] != '\0' || whole.structured[0] != '\0')
	{
		copy(c->entry.text, sizeof(c->entry.text), whole.text);
		copy(c->entry.structured, sizeof(c->entry.structured), whole.structured);
	}
	give_line(c, NULL, 0);
	return true;
}

static void
end_balance(Camt *c)
{
	BankAmount	balance = c->balance;

	if (c->balance_debit)
		balance.units = -balance.units;
	if (strcmp(c->balance_code, "OPBD") == 0 || (strcmp(c->balance_code, "PRCD") == 0 && !c->opening_is_booked))
	{
		c->opening_is_booked = c->balance_code[0] == 'O';
		c->statement.opening = balance;
		if (c->statement.from[0] == '\0')
			copy(c->statement.from, sizeof(c->statement.from), c->balance_date);
	}
	else if (strcmp(c->balance_code, "CLBD") == 0)
	{
		c->statement.closing = balance;
		if (c->statement.to[0] == '\0')
			copy(c->statement.to, sizeof(c->statement.to), c->balance_date);
	}
}

static bool
end_statement(Camt *c)
{
	BankStatement *s = &c->statement;

	if (s->id[0] == '\0')
		return fail(c, "%s", "a statement has no id");
	if (s->account[0] == '\0')
		return fail(c, "%s", "a statement has no account");
	if (s->opening.set && s->closing.set && s->opening.units + s->sum != s->closing.units)
	{
		char		reason[160];
		char		a[48];
		char		b[48];
		char		d[48];

		snprintf(reason, sizeof(reason), "opening %s and entries %s are not closing %s", BankAmountText(s->opening.units, a),
				 BankAmountText(s->sum, b), BankAmountText(s->closing.units, d));
		return fail(c, "%s", reason);
	}
	c->sink->end(c->sink->arg, s);
	return true;
}

/* ---------------------------------------------------------------------
 * Elements
 * ---------------------------------------------------------------------
 */

/* Steps that came with later versions and say nothing. */
static bool
is_later_step(const Camt *c, const char *name)
{
	return (strcmp(name, "Pty") == 0 && strstr(c->path, "/RltdPties") != NULL) || (strcmp(name, "Cd") == 0 && is(c, "/Ntry/Sts"));
}

static bool
begin_element(Camt *c, const char *name)
{
	int			len = (int) strlen(name);

	if (c->depth == MAX_DEPTH)
		return fail(c, "%s", "elements are nested too deeply");
	c->length_at[c->depth++] = c->path_len;
	c->value_len = 0;
	c->value[0] = '\0';
	if (!c->in_statement)
	{
		const char *other = c->depth == 2 && strncmp(name, "BkTo", 4) == 0 && strcmp(name, "BkToCstmrStmt") != 0 ? name : NULL;

		if (other != NULL)
			return fail(c, "the message is %.60s, not a bank statement (camt.053)", other);
		if (strcmp(name, "Stmt") == 0)
		{
			c->in_statement = c->any = true;
			c->opening_is_booked = false;
			memset(&c->statement, 0, sizeof(c->statement));
			c->length_at[c->depth - 1] = -1;
			c->path_len = 0;
			c->path[0] = '\0';
		}
		return true;
	}
	if (is_later_step(c, name))
		return true;
	if (c->path_len + len + 2 > MAX_PATH_LEN)
		return fail(c, "%s", "elements are nested too deeply");
	c->path[c->path_len++] = '/';
	memcpy(c->path + c->path_len, name, (size_t) len + 1);
	c->path_len += len;
	if (is(c, "/Ntry"))
	{
		memset(&c->entry, 0, sizeof(c->entry));
		memset(&c->entry_amount, 0, sizeof(c->entry_amount));
		c->entry_debit = false;
		c->nparts = 0;
	}
	else if (is(c, "/Ntry/NtryDtls/TxDtls"))
		begin_part(c);
	else if (is(c, "/Bal"))
	{
		memset(&c->balance, 0, sizeof(c->balance));
		c->balance_debit = false;
		c->balance_code[0] = c->balance_date[0] = '\0';
	}
	return true;
}

static bool
end_element(Camt *c)
{
	bool		good = take_value(c);

	c->value_len = 0;
	c->value[0] = '\0';
	if (good && c->in_statement)
	{
		if (c->length_at[c->depth - 1] < 0)
		{
			good = end_statement(c);
			c->in_statement = false;
			c->length_at[c->depth - 1] = 0;
		}
		else if (c->length_at[c->depth - 1] < c->path_len)
		{
			if (is(c, "/Ntry/NtryDtls/TxDtls"))
				good = end_part(c);
			else if (is(c, "/Ntry"))
				good = end_entry(c);
			else if (is(c, "/Bal"))
				end_balance(c);
		}
	}
	c->depth--;
	c->path_len = Max(c->length_at[c->depth], 0);
	c->path[c->path_len] = '\0';
	return good;
}

static void
read_currency(Camt *c)
{
	xmlChar    *value = xmlTextReaderGetAttribute(c->xml, (const xmlChar *) "Ccy");

	if (value == NULL)
		return;
	copy(c->currency, sizeof(c->currency), (const char *) value);
	xmlFree(value);
}

static bool
read_node(Camt *c)
{
	int			type = xmlTextReaderNodeType(c->xml);
	const char *text;

	switch (type)
	{
		case XML_READER_TYPE_DOCUMENT_TYPE:
		case XML_READER_TYPE_ENTITY_REFERENCE:
			return fail(c, "%s", "it has a document type, which no statement has");
		case XML_READER_TYPE_ELEMENT:
			{
				bool		empty = xmlTextReaderIsEmptyElement(c->xml) == 1;

				if (!begin_element(c, (const char *) xmlTextReaderConstLocalName(c->xml)))
					return false;
				read_currency(c);
				return !empty || end_element(c);
			}
		case XML_READER_TYPE_END_ELEMENT:
			return end_element(c);
		case XML_READER_TYPE_TEXT:
		case XML_READER_TYPE_CDATA:
			text = (const char *) xmlTextReaderConstValue(c->xml);
			if (text != NULL && c->value_len < BANK_TEXT)
			{
				copy(c->value + c->value_len, (size_t) (BANK_TEXT + 1 - c->value_len), text);
				c->value_len += (int) strlen(c->value + c->value_len);
			}
			return true;
		default:
			return true;
	}
}

Camt *
CamtOpen(const char *data, size_t len, const BankSink *sink, BankError *error)
{
	Camt	   *c = len < INT32_MAX ? calloc(1, sizeof(Camt)) : NULL;

	memset(error, 0, sizeof(*error));
	if (c != NULL)
	{
		c->sink = sink;
		c->error = error;
		c->xml = xmlReaderForMemory(data, (int) len, NULL, NULL,
									XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
		if (c->xml != NULL)
			return c;
		free(c);
	}
	snprintf(error->reason, sizeof(error->reason), "out of memory");
	return NULL;
}

bool
CamtRead(Camt *c)
{
	int			rc = -1;
	int64		nodes = 0;
	bool		good = true;

	while (good && (rc = xmlTextReaderRead(c->xml)) == 1)
	{
		good = read_node(c);
		if (++nodes % 65536 == 0 && c->sink->interrupt != NULL)
			c->sink->interrupt();
	}
	if (good && rc < 0)
		good = fail(c, "%s", "it is not well-formed XML");
	if (good && !c->any)
		good = fail(c, "%s", "it has no statement (Document/BkToCstmrStmt/Stmt)");
	return good;
}

void
CamtClose(Camt *c)
{
	if (c == NULL)
		return;
	xmlFreeTextReader(c->xml);
	free(c->parts);
	free(c);
}
