/*-------------------------------------------------------------------------
 *
 * bank_csv.c
 *	  Bank statements as banks offer them for spreadsheets.  Pure.
 *
 * The header is the first line, within the first lines of the file, that
 * names a date and an amount, under any of the usual delimiters.  How numbers
 * and days are written is found from all values of the column, because one
 * alone says little; where all of them leave two readings the file is refused
 * unless the caller says which.
 *
 *-------------------------------------------------------------------------
 */
#include "invoice/bank_csv.h"

#include <stdio.h>

#define PREAMBLE	40			/* lines in which the header is looked for */

typedef struct Memory
{
	const char *data;
	size_t		left;
} Memory;

static int
read_memory(void *arg, char *buf, int len)
{
	Memory	   *memory = arg;
	int			n = (int) Min((size_t) len, memory->left);

	memcpy(buf, memory->data, (size_t) n);
	memory->data += n;
	memory->left -= (size_t) n;
	return n;
}

static bool
fail(BankError *error, int64 line, const char *reason, const char *value, int len)
{
	error->line = line;
	snprintf(error->reason, sizeof(error->reason), reason, Min(len, 60), value);
	return false;
}

static const char *
csv_failure(CsvStatus status)
{
	switch (status)
	{
		case CSV_NUL_BYTE:
			return "it has a NUL byte%.*s";
		case CSV_UNTERMINATED:
			return "it ends inside quotes%.*s";
		case CSV_AFTER_QUOTE:
			return "something follows a closing quote%.*s";
		case CSV_NO_MEMORY:
			return "out of memory%.*s";
		default:
			return "a line is too long%.*s";
	}
}

static void
trimmed(const CsvField *field, const char **s, int *len)
{
	*s = field->data;
	*len = field->len;
	while (*len > 0 && (**s == ' ' || **s == '\t'))
		(*s)++, (*len)--;
	while (*len > 0 && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\t' || (*s)[*len - 1] == '\r'))
		(*len)--;
}

/* Which column of the file is what; remittance may be several. */
static int
map_header(const CsvReader *csv, BankMap *map)
{
	int			n = 0;

	memset(map, 0xff, sizeof(*map));
	map->nremittance = 0;
	for (int i = 0; i < csv->nfields; i++)
	{
		const char *s;
		int			len;
		int			column;

		trimmed(&csv->fields[i], &s, &len);
		column = BankColumnOf(s, len);
		if (column < 0)
			continue;
		n++;
		if (column == BANK_REMITTANCE && map->nremittance < BANK_REMITTANCES)
			map->remittance[map->nremittance++] = i;
		else if (map->at[column] < 0)
			map->at[column] = i;
	}
	if (map->at[BANK_BOOKED] < 0)
		map->at[BANK_BOOKED] = map->at[BANK_VALUED];
	if (map->at[BANK_BOOKED] < 0 || (map->at[BANK_AMOUNT] < 0 && map->at[BANK_CREDIT] < 0))
		return 0;
	return n;
}

static bool
find_header(const char *data, size_t len, BankMap *map)
{
	static const char delimiters[] = {';', ',', '\t', '|'};
	int			best = 0;

	for (size_t d = 0; d < lengthof(delimiters); d++)
	{
		Memory		memory = {data, len};
		CsvReader	csv;
		BankMap		found;

		CsvInit(&csv, read_memory, &memory, delimiters[d]);
		for (int record = 0; record < PREAMBLE && CsvNext(&csv) == CSV_RECORD; record++)
		{
			int			n = map_header(&csv, &found);

			if (n > best)
			{
				best = n;
				*map = found;
				map->delimiter = delimiters[d];
				map->header = record;
			}
		}
		CsvFree(&csv);
	}
	return best > 0;
}

static bool
field(const CsvReader *csv, int at, const char **s, int *len)
{
	if (at < 0 || at >= csv->nfields)
		return false;
	trimmed(&csv->fields[at], s, len);
	return *len > 0;
}

/* ---------------------------------------------------------------------
 * First reading: how values are written
 * ---------------------------------------------------------------------
 */
static bool
learn_style(const CsvReader *csv, const BankMap *map, BankStyle *seen, BankError *error)
{
	static const BankColumn amounts[] = {BANK_AMOUNT, BANK_CREDIT, BANK_DEBIT, BANK_BALANCE};
	const char *s;
	int			len;

	for (size_t i = 0; i < lengthof(amounts); i++)
	{
		char		decimal;

		if (!field(csv, map->at[amounts[i]], &s, &len))
			continue;
		decimal = BankDecimalOf(s, len);
		if (decimal == '!')
			return fail(error, csv->line, "\"%.*s\" is no amount", s, len);
		if (decimal != '\0' && seen->decimal != '\0' && seen->decimal != decimal)
			return fail(error, csv->line, "\"%.*s\" has another decimal sign than the lines before", s, len);
		if (decimal != '\0')
			seen->decimal = decimal;
	}
	if (field(csv, map->at[BANK_BOOKED], &s, &len))
	{
		char		order = BankDateOrderOf(s, len);

		if (order == '!')
			return fail(error, csv->line, "\"%.*s\" is no date", s, len);
		if (order != '\0' && order != 'Y' && seen->order != '\0' && seen->order != 'Y' &&
			seen->order != order)
			return fail(error, csv->line, "\"%.*s\" has the day where the lines before have the month", s, len);
		if (order != '\0')
			seen->order = order;
	}
	return true;
}

/* ---------------------------------------------------------------------
 * Second reading: lines
 * ---------------------------------------------------------------------
 */
static void
put(char *to, size_t size, const char *s, int len)
{
	size_t		at = strlen(to);

	if (at > 0 && at < size - 1)
		to[at++] = ' ';
	len = (int) Min((size_t) len, size - 1 - at);
	while (len > 0 && ((unsigned char) s[len] & 0xC0) == 0x80 && at + (size_t) len == size - 1)
		len--;
	memcpy(to + at, s, (size_t) len);
	to[at + (size_t) len] = '\0';
}

static bool
read_amount(const CsvReader *csv, const BankMap *map, const BankStyle *style, BankLine *line,
			BankError *error)
{
	const char *s;
	int			len;
	BankAmount	amount;

	if (field(csv, map->at[BANK_AMOUNT], &s, &len))
	{
		if (!BankCsvAmount(s, len, style->decimal, &line->amount))
			return fail(error, csv->line, "\"%.*s\" is no amount", s, len);
		if (field(csv, map->at[BANK_SIGN], &s, &len))
		{
			int			sign = BankSignOf(s, len);

			if (sign < 0 && line->amount.units > 0)
				line->amount.units = -line->amount.units;
		}
		return true;
	}
	for (int debit = 0; debit < 2; debit++)
	{
		if (!field(csv, map->at[debit ? BANK_DEBIT : BANK_CREDIT], &s, &len))
			continue;
		if (!BankCsvAmount(s, len, style->decimal, &amount))
			return fail(error, csv->line, "\"%.*s\" is no amount", s, len);
		if (amount.units == 0)
			continue;
		if (line->amount.set)
			return fail(error, csv->line, "the line has a credit and a debit%.*s", "", 0);
		line->amount = amount;
		if (debit && amount.units > 0)
			line->amount.units = -amount.units;
	}
	return line->amount.set || fail(error, csv->line, "the line has no amount%.*s", "", 0);
}

static bool
read_line(const CsvReader *csv, const BankMap *map, const BankStyle *style,
		  BankStatement *statement, BankLine *line, BankError *error)
{
	const char *s;
	int			len;

	memset(line, 0, sizeof(*line));
	line->line = csv->line;
	if (!field(csv, map->at[BANK_BOOKED], &s, &len))
		return fail(error, csv->line, "the line has no date%.*s", "", 0);
	if (!BankCsvDate(s, len, style->order, line->booked))
		return fail(error, csv->line, "\"%.*s\" is no date", s, len);
	if (field(csv, map->at[BANK_VALUED], &s, &len) && !BankCsvDate(s, len, style->order, line->valued))
		return fail(error, csv->line, "\"%.*s\" is no date", s, len);
	if (!read_amount(csv, map, style, line, error))
		return false;
	if (field(csv, map->at[BANK_CURRENCY], &s, &len))
	{
		if (len != 3)
			return fail(error, csv->line, "\"%.*s\" is no currency", s, len);
		put(line->currency, sizeof(line->currency), s, len);
	}
	if (field(csv, map->at[BANK_PAYER], &s, &len))
		put(line->name, sizeof(line->name), s, len);
	if (field(csv, map->at[BANK_ACCOUNT], &s, &len))
		put(line->account, sizeof(line->account), s, len);
	for (int i = 0; i < map->nremittance; i++)
		if (field(csv, map->remittance[i], &s, &len))
			put(line->text, sizeof(line->text), s, len);
	if (field(csv, map->at[BANK_END_TO_END], &s, &len))
		put(line->end_to_end, sizeof(line->end_to_end), s, len);
	if (field(csv, map->at[BANK_REFERENCE], &s, &len))
		put(line->bank_ref, sizeof(line->bank_ref), s, len);
	if (field(csv, map->at[BANK_OWN_ACCOUNT], &s, &len) && statement->account[0] == '\0')
		put(statement->account, sizeof(statement->account), s, len);
	return true;
}

/*
 * Balances after each line, newest or oldest first: each is the one before
 * and the amount.  Leaves opening and closing.
 */
typedef struct Balances
{
	bool		up;				/* oldest first is possible */
	bool		down;
	int64		n;
	int128		first;
	int128		first_amount;
	int128		last;
	int128		last_amount;
} Balances;

static void
follow_balance(Balances *b, int128 balance, int128 amount)
{
	if (b->n++ == 0)
	{
		b->first = balance;
		b->first_amount = amount;
		b->up = b->down = true;
	}
	else
	{
		b->up &= b->last + amount == balance;
		b->down &= balance + b->last_amount == b->last;
	}
	b->last = balance;
	b->last_amount = amount;
}

static bool
take_balances(const Balances *b, BankStatement *statement, BankError *error)
{
	if (b->n == 0 || b->n != statement->entries)
		return true;
	if (!b->up && !b->down)
		return fail(error, 0, "balances and amounts do not add up from line to line%.*s", "", 0);
	statement->opening.set = statement->closing.set = true;
	statement->opening.units = b->up ? b->first - b->first_amount : b->last - b->last_amount;
	statement->closing.units = b->up ? b->last : b->first;
	return true;
}

static bool
is_blank(const CsvReader *csv)
{
	const char *s;
	int			len;

	for (int i = 0; i < csv->nfields; i++)
		if (field(csv, i, &s, &len))
			return false;
	return true;
}

bool
BankCsvRead(BankCsv *b)
{
	BankError  *error = b->error;
	Balances	balances = {0};
	BankStyle	seen = {0};
	BankStatement statement = b->statement;

	memset(error, 0, sizeof(*error));
	if (!find_header(b->data, b->len, &b->map))
		return fail(error, 0, "no line names a date and an amount%.*s", "", 0);
	for (int reading = 0; reading < 2; reading++)
	{
		Memory		memory = {b->data, b->len};
		CsvStatus	status;
		int64		records = 0;

		CsvInit(&b->csv, read_memory, &memory, b->map.delimiter);
		b->open = true;
		while ((status = CsvNext(&b->csv)) == CSV_RECORD)
		{
			BankLine	line;
			const char *s;
			int			len;

			if (records++ <= b->map.header || is_blank(&b->csv))
				continue;
			if (reading == 0)
			{
				if (!learn_style(&b->csv, &b->map, &seen, error))
					return false;
				continue;
			}
			if (!read_line(&b->csv, &b->map, &b->style, &statement, &line, error))
				return false;
			if (field(&b->csv, b->map.at[BANK_BALANCE], &s, &len))
			{
				BankAmount	balance;

				if (!BankCsvAmount(s, len, b->style.decimal, &balance))
					return fail(error, b->csv.line, "\"%.*s\" is no amount", s, len);
				follow_balance(&balances, balance.units, line.amount.units);
			}
			statement.entries++;
			statement.sum += line.amount.units;
			if (statement.from[0] == '\0' || strcmp(line.booked, statement.from) < 0)
				memcpy(statement.from, line.booked, sizeof(line.booked));
			if (strcmp(line.booked, statement.to) > 0)
				memcpy(statement.to, line.booked, sizeof(line.booked));
			b->sink->line(b->sink->arg, &statement, &line);
			if (statement.entries % 4096 == 0 && b->sink->interrupt != NULL)
				b->sink->interrupt();
		}
		if (status != CSV_END)
			return fail(error, b->csv.line, csv_failure(status), "", 0);
		BankCsvClose(b);
		if (b->style.decimal == '\0')
			b->style.decimal = seen.decimal;
		if (b->style.order == '\0')
			b->style.order = seen.order;
		if (reading == 0 && records <= b->map.header + 1)
			return fail(error, 0, "it has no lines%.*s", "", 0);
		if (b->style.decimal == '\0')
			b->style.decimal = b->map.delimiter == ';' ? ',' : '.';
		if (b->style.order == '\0')
			return fail(error, 0, "all dates can be read as day/month and as month/day%.*s", "", 0);
	}
	if (!take_balances(&balances, &statement, error))
		return false;
	b->sink->end(b->sink->arg, &statement);
	return true;
}

void
BankCsvClose(BankCsv *b)
{
	if (b->open)
		CsvFree(&b->csv);
	b->open = false;
}
