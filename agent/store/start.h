/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_START_H
#define LB_STORE_START_H

#include "agent/store/files.h"

/*
 * The start record: the first that an agent puts into the ring tells how the
 * one before it ended and which numbers it had given, so that a receiver can
 * tell a new ring from lost records (design.md, queue ring). After a reboot
 * nothing is left in tmpfs, and it says "unknown".
 */

/*
 * Find out what is known of the agent before.
 *   calls     before the threads start; after lb_files_recover(), before lb_files_resize()
 */
void lb_start_look(const struct lb_files *files, struct lb_start *ret_start);

/*
 * Put the record into the ring and publish; from here on a stop is unclean
 * until lb_start_mark_clean(). Where the ring has no room it goes without:
 * then it is no new ring, and nothing in it has a gap.
 *   start     as lb_start_look() gave it
 *   version   of this agent
 *   urgent    [ring] urgent: the lane is by its severity, which is notice, or warning after an unclean stop
 *   returns   0 | -ENOSPC
 *   calls     before the threads start; after lb_files_resize()
 */
int lb_start_tell(struct lb_files *files, struct lb_start *start, const char *version, int urgent,
                  uint64_t now_ns);

/*
 * All inputs are read and both sides have stopped, or are about to: the next
 * start will say that this stop was clean.
 *   calls     main thread, last
 */
void lb_start_mark_clean(struct lb_files *files);

#endif
