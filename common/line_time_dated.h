/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LINE_TIME_DATED_H
#define LB_COMMON_LINE_TIME_DATED_H

#include "common/line_time.h"

/*
 * A stamp with a date that begins at a digit, or at a month's name. What stands
 * before it is the caller's to judge.
 *   at        before end; read no further than to that
 *   returns   LB_LINE_TIME_NONE: no such stamp begins there
 *   calls     any thread; a pure function
 */
struct lb_line_time lb_line_time_dated(const char *at, const char *end);

#endif
