/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SPOOLER_PARTS_H
#define LB_SHIP_SPOOLER_PARTS_H

#include "agent/ship/spooler.h"

/*
 * What spooler.c and spooler_plan.c call of each other. All on the slow side.
 */

/*
 * Fill in the work with what is due, if anything is.
 *   returns   true: it is to be handed over, spooler->task says what it is
 */
bool lb_spooler_plan(struct lb_spooler *spooler, uint64_t now_ns);

/*
 * Is it urgent to look: is the backlog about to give something up?
 */
bool lb_spooler_is_pressed(const struct lb_spooler *spooler, uint64_t now_ns);

/*
 * What became final in RAM is noted with the rows of the spool that hold it.
 */
void lb_spooler_note_finals(struct lb_spooler *spooler);

/*
 * A segment of the backlog that a part of the spool is.
 *   returns   its row, whether it is here or only tells that it is final | LB_BACKLOG_NONE
 */
uint32_t lb_spooler_row_of(const struct lb_spooler *spooler, const struct lb_segment_meta *meta);

/*
 * Is a segment of the time in RAM that it is now?
 */
bool lb_spooler_is_of_now(const struct lb_spooler *spooler, const struct lb_segment_meta *meta);

/*
 * What is known of the wall clock, for what is written now.
 */
void lb_spooler_stamp(const struct lb_spooler *spooler, struct lb_segment_meta *meta, uint64_t now_ns);

#endif
