/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_WRITERS_H
#define LB_WEAR_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/disks.h"
#include "agent/wear/view.h"

/*
 * Who makes the kernel write: /proc/PID/io of all processes, summed by program
 * and systemd unit (facts/storage.md 2, "Per process").
 *
 *   processes ── dirtied since the last look ──▶ programs ── waits to be written ──▶ shares of a disk's bytes
 *
 * What a process dirtied counts before the disk is written to, by up to half a
 * minute, so it is kept as waiting and paid out of what the disk then counts.
 * A disk's count is the truth: shares never add up to more, and what nobody
 * accounts for is told as such.
 */
struct lb_writers;

/*
 * Begin. The first look takes all counters as they are.
 *   returns   NULL: out of memory. The caller frees with lb_writers_free()
 *   calls     any thread
 */
struct lb_writers *lb_writers_new(void);
void lb_writers_free(struct lb_writers *writers);

/*
 * Look at all processes, and share out what the disks have counted since the
 * last look (disks->disk[].delta_bytes, so after lb_disks_sample()).
 *   - which disk a process writes to is told by the files that it has open for writing (fdinfo, its own
 *     mountinfo); where none is open, by those that its program had at an earlier look; else it is shared
 *     out over all disks as they were written to, unless there are disks that are not watched: then it is
 *     nobody's
 *   - net of cancelled_write_bytes, never below nothing
 *   - a parent that waited for a child has the child's bytes: what of them was counted already is taken off
 *   - a program that could not be held any more is merged into "others"
 *   root      what stands before /proc and /sys
 *   own_pid   whose program is marked as ours
 *   returns   0 | negative errno of reading /proc
 *   calls     the sampler's thread: reading a process may wait where it hangs in exec
 */
int lb_writers_sample(struct lb_writers *writers, const char *root, const struct lb_disks *disks, int own_pid,
                      uint64_t now_ns);

/*
 * What is known by now: programs, processes seen and refused.
 *   view      its programs, program, processes_seen and processes_refused are set. A program keeps its
 *             index in view->program until it is merged: then its bytes move to that of "others"
 *   moved     room for LB_WEAR_PROGRAMS; where program i of the view before the last look is now: usually
 *             i, once that of "others"; LB_WEAR_NO_PROGRAM beyond those that there were. So each look is
 *             viewed once by who follows it
 *   calls     the sampler's thread
 */
void lb_writers_view(const struct lb_writers *writers, struct lb_wear_view *view,
                     uint32_t moved[LB_WEAR_PROGRAMS]);

#endif
