/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_CHART_H
#define LB_WEAR_REPORT_CHART_H

#include <stdio.h>

#include "agent/wear/view.h"

/*
 * The section of who wrote when: what the first disk counted, in a stacked bar
 * for each bucket, and the same as a table.
 *   disk     lb_report_first_disk(): UINT32_MAX says that there is none
 *   calls    any thread
 */
void lb_report_chart_writes(const struct lb_wear_view *view, uint32_t disk, FILE *out);

/*
 * One line of small bars: a disk's bytes over the same hours, without who wrote
 * them. Nothing where there is no history.
 *   calls    any thread
 */
void lb_report_chart_spark(const struct lb_wear_view *view, uint32_t disk, FILE *out);

/*
 * The section of lines: what came in, was delivered and lost, how full ring and
 * backlog were, and when the sink was away; and the same as a table.
 *   calls    any thread
 */
void lb_report_chart_lines(const struct lb_wear_view *view, FILE *out);

#endif
