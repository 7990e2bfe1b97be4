/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LINE_TIME_H
#define LB_COMMON_LINE_TIME_H

#include <stddef.h>
#include <stdint.h>

/*
 * When a line says that it was written. Stamps are of kinds: those of one kind
 * can be compared with each other, those of two only by whoever knows how far
 * their clocks are apart.
 */
enum lb_line_time_kind {
    LB_LINE_TIME_NONE,
    LB_LINE_TIME_ZONED,    /* a date and its zone, or seconds since 1970: ms since 1970 */
    LB_LINE_TIME_LOCAL,    /* a date without a zone: ms since 1970 as if it were UTC */
    LB_LINE_TIME_YEARLESS, /* a date without a year: ms since the begin of a leap year */
    LB_LINE_TIME_OF_DAY,   /* ms since midnight */
    LB_LINE_TIME_OF_BOOT,  /* ms since the machine started */
    LB_LINE_TIME_KINDS
};

struct lb_line_time {
    enum lb_line_time_kind kind;
    uint64_t ms;
};

#define LB_LINE_TIME_LOOK 96
#define LB_LINE_TIME_DEEP 1024

/*
 * Find a line's stamp: the first one with a date that begins in its first
 * LB_LINE_TIME_LOOK bytes,
 *
 *     2026-11-27 12:00:00,123   2026-11-27T12:00:00.5+02:00   2026/11/27 12:00:00
 *     [27/Nov/2026:12:00:00 +0200]   27 Nov 2026 12:00:00   27.11.2026 12:00:00   11/27/2026 2:03:04 PM
 *     Nov 27 12:00:00   Fri Nov 27 12:00:00 2026   Nov 27, 2026 2:03:04 PM   1795694400.123
 *
 * or, where a line begins with it, one of
 *
 *     12:00:00.123   261127 120000   20261127-12:00:00   I1127 12:00:00.123456
 *     [   12.345678]   1795694400   1795694400123
 *
 * A stamp that is glued to a word, a path or a file's name is a part of that,
 * and no stamp. In an object in JSON, and in a line of key=value, a member that
 * is named for the time comes first, up to LB_LINE_TIME_DEEP bytes from the begin.
 *   text      len bytes, any content
 *   returns   LB_LINE_TIME_NONE, and 0 ms: there is none
 *   calls     any thread; a pure function
 */
struct lb_line_time lb_line_time_of(const char *text, size_t len);

#define LB_LINE_TIME_YEAR_MS 31557600000ull
#define LB_LINE_TIME_DAY_MS  86400000ull

/*
 * The instant that a stamp means at about now_ms. One without a year, or without
 * a date, means many: it is the one which lies no more than a quarter of a year,
 * or of a day, before now_ms, and less than three quarters behind it. Others
 * are what they are.
 *   now_ms    since 1970, before the year 10000
 *   returns   ms since 1970, or since the machine started
 *   calls     any thread; a pure function
 */
uint64_t lb_line_time_near(struct lb_line_time time, uint64_t now_ms);

#endif
