/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_SERIES_H
#define LB_WEAR_REPORT_SERIES_H

#include <stdint.h>
#include <stdio.h>

#include "agent/wear/report_axis.h"
#include "agent/wear/view.h"

/*
 * One disk's history by who wrote: the programs that wrote most in the time
 * that is drawn, all others together, and what is attributed to nobody. The
 * parts of a bucket add up to what the disk counted in it.
 */
#define LB_REPORT_TOP   6
#define LB_REPORT_OTHER LB_REPORT_TOP
#define LB_REPORT_REST  (LB_REPORT_TOP + 1) /* the kernel, the journal, unattributed */
#define LB_REPORT_PARTS (LB_REPORT_TOP + 2)

struct lb_report_series {
    uint32_t disk;
    uint32_t program[LB_REPORT_TOP]; /* LB_WEAR_NO_PROGRAM beyond those that there are */
    uint64_t part[LB_REPORT_PARTS];  /* bytes in all buckets that are drawn */
    uint64_t total, peak;            /* of them all, of the highest */
};

/*
 * Sum up what is drawn of a disk. "others" never stands beside those with a
 * name of their own: it is in LB_REPORT_OTHER.
 *   disk     index of one that there is
 *   calls    any thread; pure functions
 */
struct lb_report_series lb_report_series(const struct lb_wear_view *view, const struct lb_report_axis *axis,
                                         uint32_t disk);
void lb_report_parts(const struct lb_wear_view *view, const struct lb_report_series *series,
                     const struct lb_wear_bucket *bucket, uint64_t ret_part[LB_REPORT_PARTS]);

/*
 * Write who a part is, as lb_report_program() does; the name alone, short, where is_short.
 *   calls    any thread
 */
void lb_report_part_name(const struct lb_wear_view *view, const struct lb_report_series *series,
                         unsigned part, bool is_short, FILE *out);

#endif
