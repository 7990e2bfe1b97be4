/* SPDX-License-Identifier: MIT */
/*
 * Parts of time stamps. In: a line from some place on. Out: numbers, and how far they go. Always true:
 * nothing is read behind the line.
 */
#include "common/line_time_parts.h"

#include <string.h>

#include "common/calendar.h"

#define ZONE_HOURS 14 /* that any zone is ahead of UTC, or behind */

unsigned lb_time_digits(const struct lb_time_scan *scan, unsigned most)
{
    size_t left = lb_time_left(scan);
    unsigned count = 0;

    while (count < most && count < left && lb_time_is_digit(scan->at[count]))
        count++;
    return count;
}

bool lb_time_short_number(struct lb_time_scan *scan, int *ret_number)
{
    if (lb_time_left(scan) < 2 || !lb_time_is_digit(*scan->at))
        return false;
    *ret_number = *scan->at++ - '0';
    if (lb_time_is_digit(*scan->at))
        *ret_number = *ret_number * 10 + (*scan->at++ - '0');
    return true;
}

unsigned lb_time_fraction(struct lb_time_scan *scan)
{
    struct lb_time_scan after = { scan->at + 1, scan->end };
    unsigned ms = 0, weight = 100;

    if (lb_time_left(scan) < 2 || !lb_time_is_digit(*after.at))
        return 0;
    if (*scan->at != '.' && *scan->at != ',' && (*scan->at != ':' || lb_time_digits(&after, 4) != 3))
        return 0;
    for (; after.at < after.end && lb_time_is_digit(*after.at); after.at++, weight /= 10)
        ms += (unsigned)(*after.at - '0') * weight;
    *scan = after;
    return ms;
}

/* " PM": the hour was one of a clock on the wall. */
static void half_of_day(struct lb_time_scan *scan, int *hour)
{
    struct lb_time_scan after = *scan;
    bool is_late;

    lb_time_skip(&after, ' ');
    is_late = lb_time_skip(&after, 'P');
    if ((!is_late && !lb_time_skip(&after, 'A')) || !lb_time_skip(&after, 'M') || !lb_time_is_end(&after) ||
        *hour < 1 || *hour > 12)
        return;
    *hour = *hour % 12 + (is_late ? 12 : 0);
    *scan = after;
}

bool lb_time_of_day(struct lb_time_scan *scan, struct lb_time_date *date)
{
    int hour, minute, second;
    unsigned ms;

    if (!lb_time_short_number(scan, &hour) || lb_time_left(scan) < 6 || scan->at[0] != ':' ||
        scan->at[3] != ':')
        return false;
    minute = lb_time_two(scan->at + 1);
    second = lb_time_two(scan->at + 4);
    scan->at += 6;
    if (hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    if (scan->at < scan->end && lb_time_is_digit(*scan->at))
        return false;
    ms = lb_time_fraction(scan);
    half_of_day(scan, &hour);
    date->ms = (uint64_t)((hour * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

/* "+02", "+0200", "+02:00"; what is parted by a blank needs its minutes. */
static bool zone_offset(struct lb_time_scan *scan, bool is_apart, int *ret_s)
{
    int sign = *scan->at == '-' ? -1 : 1, hours, minutes = 0;

    if (lb_time_left(scan) < 3 || (*scan->at != '+' && *scan->at != '-'))
        return false;
    hours = lb_time_two(scan->at + 1);
    scan->at += 3;
    if (lb_time_skip(scan, ':') || lb_time_digits(scan, 1) > 0) {
        if (lb_time_left(scan) < 2)
            return false;
        minutes = lb_time_two(scan->at);
        scan->at += 2;
    } else if (is_apart) {
        return false;
    }
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return hours >= 0 && hours <= ZONE_HOURS && minutes >= 0 && minutes < 60 && minutes % 15 == 0;
}

void lb_time_zone(struct lb_time_scan *scan, struct lb_time_date *date)
{
    struct lb_time_scan after = *scan;
    bool is_apart = lb_time_skip(&after, ' ');
    int zone_s = 0;

    if (lb_time_left(&after) == 0)
        return;
    if (lb_time_left(&after) >= 3 && (memcmp(after.at, "UTC", 3) == 0 || memcmp(after.at, "GMT", 3) == 0))
        after.at += 3;
    else if (!lb_time_skip(&after, 'Z') && !zone_offset(&after, is_apart, &zone_s))
        return;
    if (!lb_time_is_end(&after))
        return;
    date->zone_s = zone_s;
    date->is_zoned = true;
    *scan = after;
}

bool lb_time_is_name(const struct lb_time_scan *scan)
{
    return lb_time_left(scan) >= 2 &&
           (*scan->at == '_' || *scan->at == '/' ||
            ((*scan->at == '.' || *scan->at == '-') && lb_time_is_letter(scan->at[1])));
}

struct lb_line_time lb_time_stamp(const struct lb_time_date *date)
{
    int64_t days, day_ms = (int64_t)LB_LINE_TIME_DAY_MS;

    if (date->month < 1 || date->month > 12 || date->day < 1 || date->day > 31)
        return lb_time_none;
    if (date->year == 0) {
        days = lb_calendar_days(2000, date->month, date->day) - lb_calendar_days(2000, 1, 1);
        return (struct lb_line_time) { LB_LINE_TIME_YEARLESS, (uint64_t)(days * day_ms) + date->ms };
    }
    days = lb_calendar_days(date->year, date->month, date->day);
    if (days < 1) /* so that no zone leads to a time before 1970 */
        return lb_time_none;
    return (struct lb_line_time) { date->is_zoned ? LB_LINE_TIME_ZONED : LB_LINE_TIME_LOCAL,
                                   (uint64_t)(days * day_ms - (int64_t)date->zone_s * 1000) + date->ms };
}

struct lb_line_time lb_time_stamp_of_day(struct lb_time_scan *scan, struct lb_time_date *date)
{
    if (!lb_time_of_day(scan, date))
        return lb_time_none;
    lb_time_zone(scan, date);
    return lb_time_is_name(scan) ? lb_time_none : lb_time_stamp(date);
}
