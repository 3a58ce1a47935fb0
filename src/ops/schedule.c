/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Cron schedules and guards of jobs; see schedule.h.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/schedule.h"

#include <stdio.h>

static const char *const weekday_names[] = {
	"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
};

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
};

static const char *const nth_names[] = {
	"last", "first", "second", "third", "fourth", "fifth",
};

/* ---------------------------------------------------------------------
 * The calendar
 * ---------------------------------------------------------------------
 */

int
CivilMonthDays(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* Zeller's congruence, moved to Sunday = 0. */
int
CivilWeekday(CivilDay day)
{
	int			year = day.month < 3 ? day.year - 1 : day.year;
	int			month = day.month < 3 ? day.month + 12 : day.month;

	return (day.day + 13 * (month + 1) / 5 + year + year / 4 - year / 100 + year / 400 + 6) % 7;
}

CivilDay
CivilYesterday(CivilDay day)
{
	if (--day.day > 0)
		return day;
	if (--day.month == 0)
	{
		day.month = 12;
		day.year--;
	}
	day.day = CivilMonthDays(day.year, day.month);
	return day;
}

/* ---------------------------------------------------------------------
 * Reading
 * ---------------------------------------------------------------------
 */
typedef struct Reader
{
	const char *text;
	const char *at;
} Reader;

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_letter(char c)
{
	return lower(c) >= 'a' && lower(c) <= 'z';
}

static void
skip_space(Reader *reader)
{
	while (is_space(*reader->at))
		reader->at++;
}

static bool
read_char(Reader *reader, char c)
{
	if (*reader->at != c)
		return false;
	reader->at++;
	return true;
}

/* A number of up to four digits. */
static bool
read_number(Reader *reader, int *value)
{
	int			digits = 0;

	*value = 0;
	while (*reader->at >= '0' && *reader->at <= '9' && digits < 5)
	{
		*value = *value * 10 + (*reader->at++ - '0');
		digits++;
	}
	return digits > 0 && digits < 5;
}

/* One of n names, by at least its first three letters; its index or -1. */
static int
read_name(Reader *reader, const char *const *names, int n, bool in_full)
{
	for (int i = 0; i < n; i++)
	{
		size_t		length = 0;

		while (names[i][length] != '\0' && lower(reader->at[length]) == names[i][length])
			length++;
		if (is_letter(reader->at[length]) || length < 3 || (in_full && names[i][length] != '\0'))
			continue;
		reader->at += length;
		return i;
	}
	return -1;
}

/* A word as it stands, then the space after it. */
static bool
read_word(Reader *reader, const char *word)
{
	size_t		length = 0;

	while (word[length] != '\0' && lower(reader->at[length]) == word[length])
		length++;
	if (word[length] != '\0' || is_letter(reader->at[length]))
		return false;
	reader->at += length;
	skip_space(reader);
	return true;
}

/* ---------------------------------------------------------------------
 * Cron
 * ---------------------------------------------------------------------
 */
typedef struct Field
{
	int			low;
	int			high;
	const char *const *names;
	int			n;
	int			first;			/* value of the first name */
} Field;

static const Field fields[] = {
	{0, 59, NULL, 0, 0},
	{0, 23, NULL, 0, 0},
	{1, 31, NULL, 0, 0},
	{1, 12, month_names, 12, 1},
	{0, 7, weekday_names, 7, 0},
};

static bool
read_value(Reader *reader, const Field *field, int *value)
{
	int			name;

	if (field->names != NULL && is_letter(*reader->at))
	{
		name = read_name(reader, field->names, field->n, false);
		*value = name + field->first;
		return name >= 0;
	}
	return read_number(reader, value) && *value >= field->low && *value <= field->high;
}

/* "*", "7", "1-5", with a step after a slash, several between commas. */
static bool
read_field(Reader *reader, const Field *field, uint64 *bits, bool *any)
{
	*bits = 0;
	*any = *reader->at == '*';
	for (;;)
	{
		int			from = field->low;
		int			to = field->high;
		int			step = 1;

		if (*reader->at == '*')
			reader->at++;
		else
		{
			if (!read_value(reader, field, &from))
				return false;
			to = from;
			if (*reader->at == '-')
			{
				reader->at++;
				if (!read_value(reader, field, &to) || to < from)
					return false;
			}
			else if (*reader->at == '/')
				return false;
		}
		if (*reader->at == '/')
		{
			reader->at++;
			if (!read_number(reader, &step) || step == 0)
				return false;
		}
		for (int i = from; i <= to; i += step)
			*bits |= (uint64) 1 << i;
		if (*reader->at != ',')
			return *reader->at == '\0' || is_space(*reader->at);
		reader->at++;
	}
}

static bool
read_macro(Reader *reader, CronSchedule *schedule)
{
	static const struct
	{
		const char *name;
		const char *text;
	}			macros[] = {
		{"@hourly", "0 * * * *"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
	};
	size_t		at;

	if (read_word(reader, "@reboot"))
	{
		schedule->reboot = true;
		return *reader->at == '\0';
	}
	for (size_t i = 0; i < lengthof(macros); i++)
		if (read_word(reader, macros[i].name))
			return *reader->at == '\0' && CronParse(macros[i].text, schedule, &at);
	return false;
}

bool
CronParse(const char *text, CronSchedule *schedule, size_t *at)
{
	Reader		reader = {text, text};
	uint64		bits[5];
	bool		any[5];
	bool		good = true;

	memset(schedule, 0, sizeof(*schedule));
	skip_space(&reader);
	if (*reader.at == '@')
		good = read_macro(&reader, schedule);
	else
	{
		for (int i = 0; good && i < 5; i++)
		{
			good = read_field(&reader, &fields[i], &bits[i], &any[i]);
			if (good)
				skip_space(&reader);
		}
		good = good && *reader.at == '\0';
		if (good)
		{
			schedule->minutes = bits[0];
			schedule->hours = (uint32) bits[1];
			schedule->days = (uint32) bits[2];
			schedule->months = (uint32) bits[3];
			/* 7 is Sunday too */
			schedule->weekdays = (uint32) ((bits[4] | bits[4] >> 7) & 0x7f);
			schedule->any_day = any[2];
			schedule->any_weekday = any[4];
		}
	}
	*at = (size_t) (reader.at - text);
	return good;
}

bool
CronRunsOn(const CronSchedule *schedule, CivilDay day)
{
	bool		of_month = (schedule->days >> day.day & 1) != 0;
	bool		of_week = (schedule->weekdays >> CivilWeekday(day) & 1) != 0;

	if (schedule->reboot || (schedule->months >> day.month & 1) == 0)
		return false;
	if (schedule->any_day || schedule->any_weekday)
		return of_month && of_week;
	return of_month || of_week;
}

int
CronLastMinute(const CronSchedule *schedule, const Guard *guard, int latest)
{
	for (int minute = latest; minute >= 0; minute--)
	{
		bool		runs = (schedule->hours >> (minute / 60) & 1) != 0 &&
			(schedule->minutes >> (minute % 60) & 1) != 0;

		for (int i = 0; runs && i < guard->terms; i++)
			if (guard->term[i].kind == GUARD_HOURS)
				runs = GuardHourHolds(&guard->term[i], minute);
		if (runs)
			return minute;
	}
	return -1;
}

/* A set of numbers as a cron field: a star for all, else a list. */
static size_t
write_bits(char *buffer, size_t room, uint64 bits, int n)
{
	size_t		length = 0;

	if (bits == ((uint64) 1 << n) - 1)
		return (size_t) snprintf(buffer, room, "*");
	for (int i = 0; i < n; i++)
		if ((bits >> i & 1) != 0)
			length += (size_t) snprintf(buffer + length, room - length, "%s%d", length > 0 ? "," : "", i);
	return length;
}

void
CronShift(const CronSchedule *schedule, const char *text, const int *minutes, int n, char *buffer)
{
	CronSchedule shifted = {0};
	bool		midnight = false;
	const char *days = text;
	size_t		length;

	for (int i = 0; i < n; i++)
		for (int local = 0; local < MINUTES_A_DAY; local++)
		{
			int			there = local + minutes[i];

			if ((schedule->hours >> (local / 60) & 1) == 0 || (schedule->minutes >> (local % 60) & 1) == 0)
				continue;
			midnight |= there < 0 || there >= MINUTES_A_DAY;
			there = (there + 2 * MINUTES_A_DAY) % MINUTES_A_DAY;
			shifted.hours |= (uint32) 1 << (there / 60);
			shifted.minutes |= (uint64) 1 << (there % 60);
		}
	length = write_bits(buffer, CRON_TEXT, shifted.minutes, 60);
	buffer[length++] = ' ';
	length += write_bits(buffer + length, CRON_TEXT - length, shifted.hours, 24);
	/* the last three fields, where the text has fields and no day changes */
	while (is_space(*days))
		days++;
	for (int i = 0; i < 2 && *days != '@'; i++)
	{
		while (*days != '\0' && !is_space(*days))
			days++;
		while (is_space(*days))
			days++;
	}
	(void) snprintf(buffer + length, CRON_TEXT - length, " %s", midnight || *days == '@' ? "* * *" : days);
}

/* ---------------------------------------------------------------------
 * Guards
 * ---------------------------------------------------------------------
 */

/* "02", "02:30" or "24": minutes of the day. */
static bool
read_time(Reader *reader, int *minute)
{
	int			hour;
	int			past = 0;

	if (!read_number(reader, &hour) || hour > 24)
		return false;
	if (*reader->at == ':')
	{
		reader->at++;
		if (!read_number(reader, &past) || past > 59)
			return false;
	}
	*minute = hour * 60 + past;
	return *minute <= MINUTES_A_DAY;
}

static bool
read_windows(Reader *reader, GuardTerm *term)
{
	term->kind = GUARD_HOURS;
	for (;;)
	{
		int			i = term->windows;

		if (i == GUARD_WINDOWS || !read_time(reader, &term->from[i]) || !read_char(reader, '-') ||
			!read_time(reader, &term->to[i]) || term->from[i] == term->to[i])
			return false;
		term->windows++;
		skip_space(reader);
		if (*reader->at != ',')
			return true;
		reader->at++;
		skip_space(reader);
	}
}

static bool
read_count(Reader *reader, GuardTerm *term, GuardKind kind, int most)
{
	term->kind = kind;
	return read_number(reader, &term->nth) && term->nth >= 1 && term->nth <= most;
}

static bool
read_once(Reader *reader, GuardTerm *term)
{
	static const char *const units[] = {"day", "week", "month"};

	term->kind = GUARD_ONCE;
	if (!read_word(reader, "a"))
		return false;
	term->nth = read_name(reader, units, lengthof(units), true);
	return term->nth >= 0;
}

static bool
read_term(Reader *reader, GuardTerm *term)
{
	memset(term, 0, sizeof(*term));
	if (read_word(reader, "hours"))
		return read_windows(reader, term);
	if (read_word(reader, "once"))
		return read_once(reader, term);
	if (read_word(reader, "day"))
		return read_count(reader, term, GUARD_DAY, 31);
	if (read_word(reader, "business"))
		return read_word(reader, "day") && read_count(reader, term, GUARD_BUSINESS_DAY, 23);
	if (read_word(reader, "active"))
	{
		if (!read_word(reader, "sessions") || !read_char(reader, '<'))
			return false;
		skip_space(reader);
		return read_count(reader, term, GUARD_SESSIONS, 9999);
	}
	term->nth = read_name(reader, nth_names, lengthof(nth_names), true);
	if (term->nth < 0)
		return false;
	skip_space(reader);
	if (term->nth == 0 && read_word(reader, "day"))
	{
		term->kind = GUARD_DAY;
		return true;
	}
	if (term->nth == 0 && read_word(reader, "business"))
	{
		term->kind = GUARD_BUSINESS_DAY;
		return read_word(reader, "day");
	}
	term->kind = GUARD_NTH_WEEKDAY;
	term->weekday = read_name(reader, weekday_names, lengthof(weekday_names), false);
	return term->weekday >= 0;
}

bool
GuardParse(const char *text, Guard *guard, size_t *at)
{
	Reader		reader = {text, text};
	bool		good;

	guard->terms = 0;
	do
	{
		skip_space(&reader);
		good = guard->terms < GUARD_TERMS && read_term(&reader, &guard->term[guard->terms]);
		skip_space(&reader);
		if (good)
			guard->terms++;
	} while (good && *reader.at != '\0' && read_word(&reader, "and"));
	*at = (size_t) (reader.at - text);
	return good && *reader.at == '\0';
}

/* Days from Monday to Friday in a month, up to a day. */
static int
business_days(CivilDay day, int until)
{
	int			count = 0;

	for (day.day = 1; day.day <= until; day.day++)
	{
		int			weekday = CivilWeekday(day);

		count += weekday >= 1 && weekday <= 5;
	}
	return count;
}

bool
GuardDayHolds(const GuardTerm *term, CivilDay day)
{
	int			days = CivilMonthDays(day.year, day.month);
	int			weekday = CivilWeekday(day);

	if (term->kind == GUARD_NTH_WEEKDAY)
	{
		if (weekday != term->weekday)
			return false;
		return term->nth == 0 ? day.day + 7 > days : (day.day - 1) / 7 + 1 == term->nth;
	}
	if (term->kind == GUARD_DAY)
		return day.day == (term->nth == 0 ? days : term->nth);
	if (term->kind == GUARD_BUSINESS_DAY)
		return weekday >= 1 && weekday <= 5 &&
			business_days(day, day.day) == (term->nth == 0 ? business_days(day, days) : term->nth);
	return true;
}

bool
GuardHourHolds(const GuardTerm *term, int minute)
{
	if (term->kind != GUARD_HOURS)
		return true;
	for (int i = 0; i < term->windows; i++)
	{
		bool		after = minute >= term->from[i];
		bool		before = minute < term->to[i];

		if (term->from[i] < term->to[i] ? after && before : after || before)
			return true;
	}
	return false;
}

bool
GuardRunsOn(const Guard *guard, CivilDay day)
{
	for (int i = 0; i < guard->terms; i++)
		if (!GuardDayHolds(&guard->term[i], day))
			return false;
	return true;
}
