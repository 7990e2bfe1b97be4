/* SPDX-License-Identifier: MIT */
/*
 * Time stamps with a date. In: a place in a line. Out: the stamp that begins there. Always true: what is none
 * is told after a look at two or three characters, where a separator would stand.
 */
#include "common/line_time_dated.h"

#include <string.h>

#include "common/line_time_leading.h"
#include "common/line_time_parts.h"

#define EPOCH_DIGITS    10
#define OLDEST_YEAR     1970
#define NEWEST_YEAR     2099 /* where a number may be something else */
#define ZONE_NAME_BYTES 5

/* 2026-11-27 12:00:00 and its cousins */
static struct lb_line_time year_first(struct lb_time_scan scan)
{
    const char *at = scan.at;
    struct lb_time_date date = { 0 };

    if (lb_time_left(&scan) < 18 || (at[7] != '-' && at[7] != '/') || at[10] == '\0' ||
        !strchr("T _:-", at[10]))
        return lb_time_none;
    date.year = lb_time_four(at);
    date.month = lb_time_two(at + 5);
    date.day = lb_time_two(at + 8);
    scan.at += 11;
    return date.year < OLDEST_YEAR ? lb_time_none : lb_time_stamp_of_day(&scan, &date);
}

#define NAME(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

static int month_of(uint32_t name)
{
    switch (name) {
    case NAME('J', 'a', 'n'):
        return 1;
    case NAME('F', 'e', 'b'):
        return 2;
    case NAME('M', 'a', 'r'):
        return 3;
    case NAME('A', 'p', 'r'):
        return 4;
    case NAME('M', 'a', 'y'):
        return 5;
    case NAME('J', 'u', 'n'):
        return 6;
    case NAME('J', 'u', 'l'):
        return 7;
    case NAME('A', 'u', 'g'):
        return 8;
    case NAME('S', 'e', 'p'):
        return 9;
    case NAME('O', 'c', 't'):
        return 10;
    case NAME('N', 'o', 'v'):
        return 11;
    case NAME('D', 'e', 'c'):
        return 12;
    default:
        return 0;
    }
}

/* 1 to 12; 0: it is no month's name */
static int month_name(struct lb_time_scan *scan)
{
    const unsigned char *at = (const unsigned char *)scan->at;
    int month = lb_time_left(scan) < 3 ? 0 : month_of(NAME(at[0], at[1], at[2]));

    if (month > 0)
        scan->at += 3;
    return month;
}

/* From the name on: 27/Nov/2026:12:00:00 +0200, 27 Nov 2026 12:00:00, 27 Nov 12:00:00 */
static struct lb_line_time day_and_name(struct lb_time_scan scan, struct lb_time_date *date)
{
    char between = scan.at[-1];

    date->month = month_name(&scan);
    if (date->month == 0 || !lb_time_skip(&scan, between) || lb_time_left(&scan) < 8)
        return lb_time_none;
    if (scan.at[2] != ':') {
        date->year = lb_time_four(scan.at);
        scan.at += 4;
        if (date->year < OLDEST_YEAR || (!lb_time_skip(&scan, ':') && !lb_time_skip(&scan, ' ')))
            return lb_time_none;
    }
    return lb_time_stamp_of_day(&scan, date);
}

/* 27.11.2026 12:00:00, 11/27/2026 2:03:04 PM, and those with a name */
static struct lb_line_time day_first(struct lb_time_scan scan)
{
    struct lb_time_date date = { 0 };
    char between;

    if (!lb_time_short_number(&scan, &date.day) || lb_time_left(&scan) < 12)
        return lb_time_none;
    between = *scan.at++;
    if (lb_time_is_letter(*scan.at))
        return day_and_name(scan, &date);
    if (between == ' ' || !lb_time_short_number(&scan, &date.month) || !lb_time_skip(&scan, between) ||
        lb_time_left(&scan) < 11)
        return lb_time_none;
    if (between == '/' && date.day <= 12) { /* where slashes are written the month comes first */
        int month = date.day;

        date.day = date.month;
        date.month = month;
    }
    date.year = lb_time_four(scan.at);
    scan.at += 4;
    lb_time_skip(&scan, ',');
    return date.year < OLDEST_YEAR || !lb_time_skip(&scan, ' ') ? lb_time_none
                                                                : lb_time_stamp_of_day(&scan, &date);
}

/* " 2026", or " CET 2026": behind the time, as ctime() and date have it. */
static void year_last(struct lb_time_scan *scan, struct lb_time_date *date)
{
    struct lb_time_scan after = *scan;
    int year;

    if (!lb_time_skip(&after, ' '))
        return;
    if (lb_time_left(&after) > 0 && lb_time_is_letter(*after.at)) {
        for (unsigned i = 0;
             i < ZONE_NAME_BYTES && lb_time_left(&after) > 0 && *after.at >= 'A' && *after.at <= 'Z'; i++)
            after.at++;
        if (!lb_time_skip(&after, ' '))
            return;
    }
    year = lb_time_left(&after) >= 4 ? lb_time_four(after.at) : 0;
    if (year < OLDEST_YEAR || year > NEWEST_YEAR)
        return;
    after.at += 4;
    if (!lb_time_is_end(&after))
        return;
    date->year = year;
    *scan = after;
}

/* Nov 27 12:00:00, Nov 27 12:00:00 2026, Nov 27, 2026 2:03:04 PM; the day of one or two digits */
static struct lb_line_time month_first(struct lb_time_scan scan)
{
    struct lb_time_date date = { .month = month_name(&scan) };
    bool has_comma;

    if (date.month == 0 || !lb_time_skip(&scan, ' '))
        return lb_time_none;
    lb_time_skip(&scan, ' ');
    if (!lb_time_short_number(&scan, &date.day))
        return lb_time_none;
    has_comma = lb_time_skip(&scan, ',');
    if (!lb_time_skip(&scan, ' ') || lb_time_left(&scan) < 8)
        return lb_time_none;
    if (has_comma || scan.at[4] == ' ') {
        date.year = lb_time_four(scan.at);
        scan.at += 4;
        return date.year < OLDEST_YEAR || !lb_time_skip(&scan, ' ') ? lb_time_none
                                                                    : lb_time_stamp_of_day(&scan, &date);
    }
    if (!lb_time_of_day(&scan, &date))
        return lb_time_none;
    lb_time_zone(&scan, &date);
    year_last(&scan, &date);
    return lb_time_is_name(&scan) ? lb_time_none : lb_time_stamp(&date);
}

struct lb_line_time lb_line_time_dated(const char *at, const char *end)
{
    const struct lb_time_scan scan = { at, end };
    size_t left = (size_t)(end - at);

    if (!lb_time_is_digit(*at))
        return month_first(scan);
    if (left > 4 && (at[4] == '-' || at[4] == '/') && lb_time_is_digit(at[1]) && lb_time_is_digit(at[2]))
        return year_first(scan);
    if (left > 2 && !lb_time_is_digit(at[1]))
        return at[1] == '/' || at[1] == '.' || at[1] == ' ' ? day_first(scan) : lb_time_none;
    if (left > 2 && !lb_time_is_digit(at[2]))
        return at[2] == '/' || at[2] == '-' || at[2] == '.' || at[2] == ' ' ? day_first(scan) : lb_time_none;
    /* Of seconds since 1970 only those with a fraction: an id may have ten digits, too. */
    if (left > EPOCH_DIGITS + 3 && at[EPOCH_DIGITS] == '.' && lb_time_is_digit(at[EPOCH_DIGITS + 3]))
        return lb_line_time_epoch(at, end);
    return lb_time_none;
}
