/* SPDX-License-Identifier: MIT */
/* Time stamps in lines. In: the begin of a line. Out: when it was written, as it says. */
#include "common/line_time.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

/* What is read so far. */
struct scan {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Exactly `digits` digits. */
static bool number(struct scan *scan, unsigned digits, int *ret_number)
{
    int value = 0;

    if ((size_t)(scan->end - scan->at) < digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        if (!is_digit(scan->at[i]))
            return false;
        value = value * 10 + (scan->at[i] - '0');
    }
    scan->at += digits;
    *ret_number = value;
    return true;
}

static bool one_of(struct scan *scan, const char *set)
{
    if (scan->at >= scan->end || !*scan->at || !strchr(set, *scan->at))
        return false;
    scan->at++;
    return true;
}

/* "12:00:00" and what may be behind it: a fraction. Into date, and ms. */
static bool time_of_day(struct scan *scan, struct tm *date, uint64_t *ret_ms)
{
    unsigned weight = 100;

    *ret_ms = 0;
    if (!number(scan, 2, &date->tm_hour) || !one_of(scan, ":") || !number(scan, 2, &date->tm_min) ||
        !one_of(scan, ":") || !number(scan, 2, &date->tm_sec) || date->tm_hour > 23 || date->tm_min > 59 ||
        date->tm_sec > 60)
        return false;
    if (scan->end - scan->at < 2 || (*scan->at != '.' && *scan->at != ',') || !is_digit(scan->at[1]))
        return true;
    for (scan->at++; scan->at < scan->end && is_digit(*scan->at); scan->at++, weight /= 10)
        *ret_ms += (uint64_t)(*scan->at - '0') * weight;
    return true;
}

/* "Z", "+02:00", "+0200", " +0200": seconds that local time is ahead of UTC. */
static int zone(struct scan *scan)
{
    struct scan after = *scan;
    int hours, minutes = 0, sign;

    one_of(&after, " ");
    if (after.end - after.at < 3 || (*after.at != '+' && *after.at != '-'))
        return 0;
    sign = *after.at++ == '-' ? -1 : 1;
    if (!number(&after, 2, &hours))
        return 0;
    one_of(&after, ":");
    number(&after, 2, &minutes);
    return hours > 15 ? 0 : sign * (hours * 3600 + minutes * 60);
}

static uint64_t ms_of(struct tm *date, uint64_t ms, int zone_s)
{
    time_t seconds = date->tm_mon < 0 || date->tm_mon > 11 || date->tm_mday < 1 || date->tm_mday > 31
                         ? -1
                         : timegm(date) - zone_s;

    return seconds > 0 ? (uint64_t)seconds * 1000 + ms : 0;
}

static bool month_name(struct scan *scan, int *ret_month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int month = 0; scan->end - scan->at >= 3 && month < 12; month++)
        if (memcmp(scan->at, names + 3 * month, 3) == 0) {
            scan->at += 3;
            *ret_month = month;
            return true;
        }
    return false;
}

/* 2026-11-27 12:00:00 and its cousins */
static uint64_t year_first(struct scan scan)
{
    struct tm date = { 0 };
    uint64_t ms;
    int year;

    if (!number(&scan, 4, &year) || !one_of(&scan, "-/") || !number(&scan, 2, &date.tm_mon) ||
        !one_of(&scan, "-/") || !number(&scan, 2, &date.tm_mday) || !one_of(&scan, "T _:") ||
        !time_of_day(&scan, &date, &ms))
        return 0;
    date.tm_year = year - 1900;
    date.tm_mon--;
    return ms_of(&date, ms, zone(&scan));
}

/* 27/Nov/2026:12:00:00 +0200 */
static uint64_t day_first(struct scan scan)
{
    struct tm date = { 0 };
    uint64_t ms;
    int year;

    if (!number(&scan, 2, &date.tm_mday) || !one_of(&scan, "/-") || !month_name(&scan, &date.tm_mon) ||
        !one_of(&scan, "/-") || !number(&scan, 4, &year) || !one_of(&scan, ": ") ||
        !time_of_day(&scan, &date, &ms))
        return 0;
    date.tm_year = year - 1900;
    return ms_of(&date, ms, zone(&scan));
}

/* Nov 27 12:00:00, the day of one or two digits */
static uint64_t month_first(struct scan scan, unsigned year)
{
    struct tm date = { .tm_year = (int)year - 1900 };
    uint64_t ms;

    if (!month_name(&scan, &date.tm_mon) || !one_of(&scan, " "))
        return 0;
    if (!one_of(&scan, " ") && !number(&scan, 2, &date.tm_mday))
        return 0;
    if (date.tm_mday == 0 && !number(&scan, 1, &date.tm_mday))
        return 0;
    if (!one_of(&scan, " ") || !time_of_day(&scan, &date, &ms))
        return 0;
    return ms_of(&date, ms, 0);
}

/* Seconds (2001 to 2286), with a fraction perhaps, or milliseconds since 1970, and nothing but that. */
static uint64_t since_1970(struct scan scan)
{
    unsigned digits = 0;
    uint64_t value = 0, ms = 0;

    for (; scan.at < scan.end && is_digit(*scan.at) && digits < 14; scan.at++, digits++)
        value = value * 10 + (uint64_t)(*scan.at - '0');
    if (digits == 10 && scan.end - scan.at >= 2 && *scan.at == '.' && is_digit(scan.at[1])) {
        unsigned weight = 100;

        for (scan.at++; scan.at < scan.end && is_digit(*scan.at); scan.at++, weight /= 10)
            ms += (uint64_t)(*scan.at - '0') * weight;
    }
    if (scan.at < scan.end && is_word(*scan.at))
        return 0;
    if (digits == 10 && value >= 1000000000)
        return value * 1000 + ms;
    return digits == 13 && value >= 1000000000000 ? value : 0;
}

/* By what stands where a separator would: most numbers in a line are no time, and are passed over at once. */
static uint64_t from_digit(const struct scan *scan)
{
    size_t left = (size_t)(scan->end - scan->at);
    const char *at = scan->at;

    if (left > 4 && (at[4] == '-' || at[4] == '/'))
        return year_first(*scan);
    if (left > 2 && (at[2] == '/' || at[2] == '-'))
        return day_first(*scan);
    return left >= 10 && is_digit(at[9]) ? since_1970(*scan) : 0;
}

uint64_t lb_line_time_ms(const char *text, size_t len, unsigned year)
{
    const char *end = text + len, *stop = text + (len < LB_LINE_TIME_LOOK ? len : LB_LINE_TIME_LOOK);
    bool is_in_word = false;
    uint64_t ms = 0;

    for (const char *at = text; ms == 0 && at < stop; at++) {
        const struct scan scan = { at, end };

        if (!is_in_word && is_digit(*at))
            ms = from_digit(&scan);
        else if (!is_in_word && *at >= 'A' && *at <= 'S')
            ms = month_first(scan, year);
        is_in_word = is_word(*at);
    }
    return ms;
}
