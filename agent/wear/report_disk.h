/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_DISK_H
#define LB_WEAR_REPORT_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/wear/view.h"

/*
 * One disk: what it is, what was written to it, how much life it has left, who
 * wrote how much of it, and what file systems lie on it.
 *   disk       index of one that there is
 *   is_first   it has the large chart below; others get a small one here
 *   calls      any thread
 */
void lb_report_disk(const struct lb_wear_view *view, uint32_t disk, bool is_first, FILE *out);

/*
 * Who wrote how much of what a disk took while it was watched: the greatest
 * with a bar, the others together, and what is attributed to nobody.
 *   rows_max  so many programs have a row of their own
 *   calls     any thread
 */
void lb_report_shares(const struct lb_wear_view *view, uint32_t disk, uint32_t rows_max, FILE *out);

#endif
