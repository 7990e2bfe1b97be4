/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_VERDICT_H
#define LB_WEAR_REPORT_VERDICT_H

#include <stdint.h>
#include <stdio.h>

#include "agent/wear/view.h"

enum lb_report_mood {
    LB_REPORT_QUIET, /* nothing can be said yet */
    LB_REPORT_FINE,
    LB_REPORT_LOOK, /* before long */
    LB_REPORT_ACT,  /* now */
};

/*
 * The disk that the page is about first: of the flash that is there the one
 * with the least life left, else the one that is written to most.
 *   returns  its index | UINT32_MAX there is none
 *   calls    any thread; a pure function
 */
uint32_t lb_report_first_disk(const struct lb_wear_view *view);

/*
 * The program that wrote most to a disk.
 *   returns  its index | LB_WEAR_NO_PROGRAM nobody wrote
 *   calls    any thread; a pure function
 */
uint32_t lb_report_first_program(const struct lb_wear_view *view, uint32_t disk);

/*
 * How a disk does by itself: eMMC health, life left.
 *   calls    any thread; a pure function
 */
enum lb_report_mood lb_report_disk_mood(const struct lb_disk *disk, const struct lb_wear_figures *figures);

/*
 * The answer to "who wears this card?" as a box: a word for the mood, what
 * cannot wait (a file system that went read-only, eMMC in its last tenth, a
 * life that is over), and what the first disk takes, how long it lasts and who
 * writes most of it, or why that is not known.
 *   calls    any thread
 */
void lb_report_verdict(const struct lb_wear_view *view, FILE *out);

#endif
