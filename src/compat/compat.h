/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Room compat: the translator and the date formatter (pure C), and what
 *	  the room sets up at module load.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FINOPS_COMPAT_H
#define FINOPS_COMPAT_H

#include "core/pure.h"

/* Receives output in pieces; sink is the caller's. */
typedef void (*CompatEmit) (void *sink, const char *data, size_t len);

/* ---------------------------------------------------------------------
 * SQL of other dialects as PostgreSQL text, sql_tokens.c and translate.c
 * ---------------------------------------------------------------------
 */
typedef enum TranslateDialect
{
	TRANSLATE_ATHENA,
	TRANSLATE_HIVE,
	TRANSLATE_MYSQL,
	TRANSLATE_POSTGRESQL,
	TRANSLATE_SNOWFLAKE,
	TRANSLATE_TRINO
} TranslateDialect;

#define TRANSLATE_DIALECTS	"athena, hive, mysql, postgresql, snowflake, trino"
#define TRANSLATE_MAX_INPUT	(1024 * 1024)	/* bytes */
#define TRANSLATE_MAX_OUTPUT	(16 * 1024 * 1024)	/* bytes */

typedef enum SqlTokenKind
{
	SQL_SPACE,
	SQL_COMMENT,
	SQL_STRING,					/* 'x', $$x$$ and, where it is a string, "x" */
	SQL_QUOTED,					/* "x" and `x` as names */
	SQL_WORD,
	SQL_NUMBER,
	SQL_SYMBOL					/* one character */
} SqlTokenKind;

typedef struct SqlToken
{
	uint32		start;			/* offset in the text */
	uint32		length;
	SqlTokenKind kind;
} SqlToken;

extern size_t SqlScan(const char *sql, size_t len, TranslateDialect dialect,
					  SqlToken *tokens);
extern bool SqlBackslashEscapes(TranslateDialect dialect);
extern bool SqlIsWordByte(char c);

extern bool TranslateDialectByName(const char *name, TranslateDialect *dialect);
extern size_t TranslateWorkspace(const char *sql, size_t len,
								 TranslateDialect dialect);
extern bool TranslateSql(const char *sql, size_t len, TranslateDialect dialect,
						 void *workspace, FinopsInterrupt interrupt,
						 CompatEmit emit, void *sink);

/* ---------------------------------------------------------------------
 * MySQL's and Trino's DATE_FORMAT, date_format.c
 * ---------------------------------------------------------------------
 */
typedef struct DateFormatFields
{
	int			year;			/* proleptic Gregorian, 0 is 1 BC */
	int			month;			/* 1..12 */
	int			day;			/* 1..31 */
	int			hour;			/* 0..23 */
	int			minute;
	int			second;
	int			microsecond;
	int			weekday;		/* 0 is Sunday */
	int			yearday;		/* 1..366 */
} DateFormatFields;

extern void DateFormat(const DateFormatFields *fields, const char *format,
					   size_t len, CompatEmit emit, void *sink);

#ifndef FINOPS_STANDALONE
/* The setting behind SHOW WAREHOUSES, warehouses.c */
extern void WarehousesInit(void);
#endif

#endif							/* FINOPS_COMPAT_H */
