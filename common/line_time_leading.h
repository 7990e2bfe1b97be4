/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LINE_TIME_LEADING_H
#define LB_COMMON_LINE_TIME_LEADING_H

#include "common/line_time.h"

/*
 * Stamps that count only where a line, or a member's value, begins with them:
 * elsewhere too many other things look the same.
 *   at        read no further than to end
 *   returns   LB_LINE_TIME_NONE: no such stamp begins there
 *   calls     any thread, as all of this; pure functions
 */
struct lb_line_time lb_line_time_leading(const char *at, const char *end);

/*
 * A number alone that counts from 1970 on, from 2001 to 2286: in seconds, or in
 * their thousandths, millionths or milliardths, by the number of its digits.
 */
struct lb_line_time lb_line_time_epoch(const char *at, const char *end);

/*
 * hh:mm:ss, with a fraction perhaps, and without a date, or with one behind it.
 */
struct lb_line_time lb_line_time_clock(const char *at, const char *end);

#endif
