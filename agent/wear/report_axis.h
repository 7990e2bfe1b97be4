/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_AXIS_H
#define LB_WEAR_REPORT_AXIS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/wear/view.h"

/*
 * The frame that both charts share. A drawing is stretched to the room it has:
 * it holds no text, all labels are HTML beside it, so they are as large on a
 * phone as on a wall. Across it has LB_REPORT_SLOT units for each bucket, down
 * LB_REPORT_TALL from top to bottom.
 */
#define LB_REPORT_SLOT 10
#define LB_REPORT_TALL 1000

struct lb_report_axis {
    uint64_t from_ns, slot_ns; /* boot clock; of the left edge, of one bucket */
    unsigned slots;            /* 0: there is no history */
};

/*
 * What time the charts span: that of all buckets, at least six buckets' time
 * and at most that of LB_WEAR_BUCKETS, which ends with the last bucket.
 *   returns  the axis
 *   calls    any thread; a pure function
 */
struct lb_report_axis lb_report_axis(const struct lb_wear_view *view);

/*
 * Where a bucket begins, in units; -1: it is outside, left or right.
 *   calls    any thread; a pure function
 */
int lb_report_axis_x(const struct lb_report_axis *axis, const struct lb_wear_bucket *bucket);

/*
 * The distance of round marks, of which about four reach the peak: 1, 2 or 5
 * and zeros, at least 1.
 *   returns  so many; the frame reaches to the first multiple that is not below the peak
 *   calls    any thread; pure functions
 */
uint64_t lb_report_axis_step(uint64_t peak);
uint64_t lb_report_axis_top(uint64_t peak);

/*
 * Open a frame with its marks up the side, as word() says a value, and the
 * drawing with its lines; then the drawing is written, and the frame closed.
 *   css      class of the frame: "tall" or "low"
 *   label    plain text of what the drawing shows, for who does not see it; needs no escape
 *   calls    any thread
 */
void lb_report_axis_open(const struct lb_report_axis *axis, const char *css, const char *label, uint64_t peak,
                         char *(*word)(uint64_t value, char *buf), FILE *out);

/*
 * Close the drawing; and below the last frame of a figure the hours, in UTC or
 * as "-6 h" before "now".
 *   has_hours  false: another frame over the same hours follows
 *   calls      any thread
 */
void lb_report_axis_close(const struct lb_wear_view *view, const struct lb_report_axis *axis, bool has_hours,
                          FILE *out);

/*
 * Rows of the tables are sums over so many buckets that about a day fits a
 * screen: of an hour, where a bucket has ten minutes and there is a day of them.
 *   bucket    index of the first in a row
 *   returns   index of the first in the next row; the seconds that a row sums up
 *   calls     any thread; pure functions
 */
uint32_t lb_report_axis_row(const struct lb_wear_view *view, const struct lb_report_axis *axis,
                            uint32_t bucket);
uint64_t lb_report_axis_row_s(const struct lb_report_axis *axis);

#endif
