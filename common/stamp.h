/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_STAMP_H
#define LB_COMMON_STAMP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Length of the time stamp at the front of a text, fraction, zone, AM and PM
 * included: ISO 8601 and asctime, their cousins with slashes or dots, day
 * first, month by name (syslog, ctime, access logs), without century or year
 * or seconds, a time of day alone, seconds or milliseconds since 1970. What
 * follows is no letter or digit. Shapes are looked at, not ranges.
 *   text     len bytes, any content
 *   returns  bytes | 0 there is none
 *   calls    any thread; a pure function; a few instructions where there is none
 */
size_t lb_stamp_length(const char *text, size_t len);

/*
 * Read an RFC 3339 stamp strictly as RFC 5424 has it: a date that exists, "T", a time without leap second, at
 * most nine digits of fraction, "Z" or an offset.
 *   ret_ms   since 1970, 0 for what is earlier
 *   returns  bytes | 0 there is none at the front
 *   calls    any thread; a pure function
 */
size_t lb_stamp_read_rfc3339(const char *text, size_t len, uint64_t *ret_ms);

/*
 * Length of "Jan 31 23:59:59", the stamp of RFC 3164, at the front: a month's name, and a day of one or two
 * digits; with a year behind the day and a fraction of the second, as routers have them. 0: there is none.
 *   calls    any thread; a pure function
 */
size_t lb_stamp_rfc3164_length(const char *text, size_t len);

#endif
