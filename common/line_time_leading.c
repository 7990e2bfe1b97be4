/* SPDX-License-Identifier: MIT */
/*
 * Time stamps that a line begins with. In: the begin of a line, or of a value. Out: the stamp there. Always
 * true: each is told by how many digits there are, and by what is behind them.
 */
#include "common/line_time_leading.h"

#include <string.h>

#include "common/line_time_parts.h"

#define OLDEST_MS     1000000000000ull /* 2001: a number of ten digits that is less has a 0 in front */
#define EPOCH_DIGITS  13               /* of milliseconds; what is finer is cut off */
#define LONGEST_EPOCH 19
#define BOOT_DIGITS   8 /* of seconds since the machine started: three years */
#define BOOT_FRACTION 3 /* digits at least: "[1.5]" is a version */
#define OLDEST_YEAR   1970

struct lb_line_time lb_line_time_epoch(const char *at, const char *end)
{
    struct lb_time_scan scan = { at, end };
    unsigned count = lb_time_digits(&scan, LONGEST_EPOCH);
    uint64_t ms = 0;

    if (count != 10 && count != EPOCH_DIGITS && count != 16 && count != LONGEST_EPOCH)
        return lb_time_none;
    for (unsigned i = 0; i < EPOCH_DIGITS && i < count; i++)
        ms = ms * 10 + (uint64_t)(at[i] - '0');
    scan.at += count;
    if (count == 10)
        ms = ms * 1000 + lb_time_fraction(&scan);
    if (ms < OLDEST_MS || !lb_time_is_end(&scan))
        return lb_time_none;
    return (struct lb_line_time) { LB_LINE_TIME_ZONED, ms };
}

struct lb_line_time lb_line_time_clock(const char *at, const char *end)
{
    struct lb_time_scan scan = { at, end };
    struct lb_time_date date = { 0 };
    struct lb_line_time with_date;

    if (end - at < 8 || at[2] != ':' || !lb_time_of_day(&scan, &date))
        return lb_time_none;
    if (!lb_time_is_end(&scan) || lb_time_is_name(&scan) || (scan.at < end && *scan.at == ':'))
        return lb_time_none;
    at = scan.at;
    if (end - at >= 11 && *at == ' ' && at[5] == '-' && at[8] == '-') {
        date.year = lb_time_four(at + 1);
        date.month = lb_time_two(at + 6);
        date.day = lb_time_two(at + 9);
        with_date = date.year < OLDEST_YEAR ? lb_time_none : lb_time_stamp(&date);
        if (with_date.kind)
            return with_date;
    }
    return (struct lb_line_time) { LB_LINE_TIME_OF_DAY, date.ms };
}

/* 261127 120000, 261127 12:00:00, 20261127T120000Z, 20261127-12:00:00:123 */
static struct lb_line_time packed(struct lb_time_scan scan, unsigned count)
{
    const char *at = scan.at + count - 4;
    struct lb_time_date date = { .year = count == 6 ? 2000 + lb_time_two(scan.at) : lb_time_four(scan.at),
                                 .month = lb_time_two(at),
                                 .day = lb_time_two(at + 2) };
    int hour, minute, second;

    scan.at += count;
    if (lb_time_left(&scan) < 7 || date.year < OLDEST_YEAR || !*scan.at || !strchr(" T-_", *scan.at))
        return lb_time_none;
    scan.at++;
    lb_time_skip(&scan, ' ');
    if (lb_time_digits(&scan, 7) != 6)
        return lb_time_stamp_of_day(&scan, &date);
    hour = lb_time_two(scan.at);
    minute = lb_time_two(scan.at + 2);
    second = lb_time_two(scan.at + 4);
    if (hour > 23 || minute > 59 || second > 60)
        return lb_time_none;
    scan.at += 6;
    date.ms = (uint64_t)((hour * 60 + minute) * 60 + second) * 1000 + lb_time_fraction(&scan);
    lb_time_zone(&scan, &date);
    return lb_time_is_end(&scan) ? lb_time_stamp(&date) : lb_time_none;
}

/* "12.345678]": the kernel's */
static struct lb_line_time since_boot(struct lb_time_scan scan, unsigned count)
{
    uint64_t ms = 0;

    for (unsigned i = 0; i < count; i++)
        ms = ms * 10 + (uint64_t)(scan.at[i] - '0') * 1000;
    scan.at += count + 1;
    if (lb_time_digits(&scan, BOOT_FRACTION) < BOOT_FRACTION)
        return lb_time_none;
    scan.at--;
    ms += lb_time_fraction(&scan);
    return lb_time_skip(&scan, ']') ? (struct lb_line_time) { LB_LINE_TIME_OF_BOOT, ms } : lb_time_none;
}

/* I1127 12:00:00.123456: a letter for the level is in front */
static struct lb_line_time with_level(struct lb_time_scan scan)
{
    struct lb_time_date date = { 0 };
    unsigned count;

    scan.at++;
    count = lb_time_digits(&scan, 9);
    if (count == 8)
        return packed(scan, count);
    if (count != 4 || lb_time_left(&scan) < 12 || scan.at[4] != ' ')
        return lb_time_none;
    date.month = lb_time_two(scan.at);
    date.day = lb_time_two(scan.at + 2);
    scan.at += 5;
    return lb_time_stamp_of_day(&scan, &date);
}

struct lb_line_time lb_line_time_leading(const char *at, const char *end)
{
    const struct lb_time_scan scan = { at, end };
    unsigned count;

    if (end - at < 8 || !*at)
        return lb_time_none;
    if (!lb_time_is_digit(*at))
        return lb_time_is_digit(at[1]) && strchr("IWEFD", *at) ? with_level(scan) : lb_time_none;
    count = lb_time_digits(&scan, EPOCH_DIGITS + 1);
    if (count == 2 && at[2] == ':')
        return lb_line_time_clock(at, end);
    if (count <= BOOT_DIGITS && at + count < end && at[count] == '.')
        return since_boot(scan, count);
    if (count == 6 || count == 8)
        return packed(scan, count);
    return count == 10 || count == EPOCH_DIGITS ? lb_line_time_epoch(at, end) : lb_time_none;
}
