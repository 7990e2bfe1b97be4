/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_FIGURES_H
#define LB_WEAR_FIGURES_H

#include "agent/wear/history.h"
#include "agent/wear/view.h"

/* What is told by [wear] of a disk's life. */
struct lb_wear_limits {
    uint64_t endurance_bytes; /* 0: not told; then 1000 cycles, three quarters of them a cheap controller's
                                 own (facts/storage.md 1) */
};

/*
 * What follows from the counts: view->figures of all disks.
 *
 * The rate is that of the last day as far as it was looked at, for an hour at
 * least; before that the one since the machine started, if that is an hour ago and
 * the disk was there at the first look.
 * Life left is what the disk can take less what it has taken: what its file
 * systems remember of all boots, or else what was written since this start; of
 * eMMC at least what its own health register says.
 *   view      disks, sampled_ns, began_ns, uptime_s, buckets and programs are set
 *   history   as of this look
 *   looked    bytes that each disk was written since the look began
 *   calls     any thread; a pure function
 */
void lb_figures_make(struct lb_wear_view *view, const struct lb_history *history,
                     const struct lb_wear_limits *limits, const uint64_t looked[LB_WEAR_DISKS]);

#endif
