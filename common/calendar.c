/* SPDX-License-Identifier: MIT */
/*
 * The calendar. In: dates, days. Out: days, dates. Always true: one is the other's reverse.
 *
 * Years are counted from March here, so that the leap day is the last of its year; 400 of them are 146097
 * days.
 */
#include "common/calendar.h"

#include <stdio.h>

#include "common/clock.h"

#define EPOCH_DAY 719468 /* 1970-01-01, in days since the first of March of the year 0 */
#define ERA_DAYS  146097
#define DAY_S     86400

int64_t lb_calendar_days(int64_t year, int64_t month, int64_t day)
{
    int64_t from_march = (month + 9) % 12;

    year -= month <= 2;
    return year * 365 + year / 4 - year / 100 + year / 400 + (from_march * 306 + 5) / 10 + day - 1 -
           EPOCH_DAY;
}

struct lb_calendar_date lb_calendar_date(uint64_t days)
{
    uint64_t since = days + EPOCH_DAY, era = since / ERA_DAYS, of_era = since % ERA_DAYS;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

    return (struct lb_calendar_date) { .year = (unsigned)(era * 400 + year + (month >= 10)),
                                       .month = (unsigned)(month < 10 ? month + 3 : month - 9),
                                       .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1) };
}

char *lb_calendar_stamp(char *to, uint64_t wall_ns, unsigned digits)
{
    uint64_t s = wall_ns / LB_NS_PER_S, fraction = wall_ns % LB_NS_PER_S;
    struct lb_calendar_date date = lb_calendar_date(s / DAY_S);

    for (unsigned left = digits; left < 9; left++)
        fraction /= 10;
    return to + snprintf(to, LB_CALENDAR_STAMP, "%04u-%02u-%02uT%02u:%02u:%02u.%0*uZ", date.year, date.month,
                         date.day, (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
                         (int)digits, (unsigned)fraction);
}
