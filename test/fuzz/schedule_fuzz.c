/* links: src/ops/schedule.c */
/*-------------------------------------------------------------------------
 *
 * schedule_fuzz.c
 *	  Schedules and guards: their readers stay within the text, and what was
 *	  read can be asked.
 *
 *-------------------------------------------------------------------------
 */
#include "ops/schedule.h"

#include <stdlib.h>

int			LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char	   *text = malloc(size + 1);
	char		buffer[CRON_TEXT];
	int			minutes[] = {-60, -120};
	CronSchedule schedule;
	CronSchedule again;
	Guard		guard = {0};
	size_t		at;
	size_t		there;

	memcpy(text, data, size);
	text[size] = '\0';
	if (GuardParse(text, &guard, &at))
		(void) GuardRunsOn(&guard, (CivilDay) {2024, 2, 29});
	if (at > strlen(text))
		abort();
	if (CronParse(text, &schedule, &at) && !schedule.reboot)
	{
		int			last = CronLastMinute(&schedule, &guard, MINUTES_A_DAY - 1);

		if (last >= MINUTES_A_DAY)
			abort();
		(void) CronRunsOn(&schedule, (CivilDay) {2024, 2, 29});
		CronShift(&schedule, text, minutes, 2, buffer);
		if (strlen(text) < 100 && !CronParse(buffer, &again, &there))
			abort();
	}
	if (at > strlen(text))
		abort();
	free(text);
	return 0;
}
