/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LINE_TIME_H
#define LB_COMMON_LINE_TIME_H

#include <stddef.h>
#include <stdint.h>

/*
 * When a line says that it was written: the first time stamp with a date in its
 * first LB_LINE_TIME_LOOK bytes, wherever it stands there:
 *
 *     2026-11-27 12:00:00,123   2026-11-27T12:00:00.5+02:00   2026/11/27 12:00:00
 *     [27/Nov/2026:12:00:00 +0200]   Nov 27 12:00:00   1795694400   1795694400.5   1795694400123
 *
 * A stamp without a zone is taken as UTC, one without a year as of the year
 * given: for a clock that goes by differences that is all the same.
 *   text      len bytes, any content
 *   year      of stamps that bear none
 *   returns   milliseconds since 1970 | 0 there is none
 *   calls     any thread; a pure function
 */
#define LB_LINE_TIME_LOOK 96
uint64_t lb_line_time_ms(const char *text, size_t len, unsigned year);

#endif
