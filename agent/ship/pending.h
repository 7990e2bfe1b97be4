/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_PENDING_H
#define LB_SHIP_PENDING_H

#include "agent/ship/shipper.h"

/*
 * The part of a shipper that looks at records before they have a body: counts
 * them, and starts the timers of the next body when it first sees one that
 * wants it. All on the slow side, none of it blocks or allocates.
 */

static inline uint64_t lb_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t lb_later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/*
 * Where the records end that can be read: the ring's head, or damage before it.
 *   calls     slow side
 */
uint64_t lb_pending_end(const struct lb_shipper *shipper);

/*
 * What lies at a position is no record: say so, and never look behind it again.
 *   calls     slow side
 */
void lb_pending_note_damage(struct lb_shipper *shipper, uint64_t pos);

/*
 * Nothing is counted and no timer runs: look anew from next_pos on.
 *   calls     slow side
 */
void lb_pending_forget(struct lb_shipper *shipper);

/*
 * A body that began at the tail is nobody's any more: the next one begins
 * there.
 *   calls     slow side
 */
void lb_pending_begin_at_tail(struct lb_shipper *shipper);

/*
 * Count what is there now, and start the timers of the next body when it is
 * first seen that one is wanted.
 *   calls     slow side
 */
void lb_pending_scan(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * The most that a body may hold, by the settings, the sink's row and what its answers have taught.
 *   calls     slow side
 */
size_t lb_pending_max_bytes(const struct lb_shipper *shipper);
size_t lb_pending_max_lines(const struct lb_shipper *shipper);

/*
 * Is it time to make a body of what is pending? And when will it be?
 *   returns   now_ns at the earliest; LB_NEVER: nothing is pending
 *   calls     slow side
 */
bool lb_pending_is_due(const struct lb_shipper *shipper, uint64_t now_ns);
uint64_t lb_pending_due_ns(const struct lb_shipper *shipper, uint64_t now_ns);

/*
 * Do routine records wait for a clock that is right ([sink] clock_wait)? Not
 * once the ring is filled to LB_CLOCK_WATER.
 *   calls     slow side
 */
bool lb_pending_waits_for_clock(const struct lb_shipper *shipper, uint64_t now_ns);

/*
 * A body was made, the next one begins behind it. What was seen for this one
 * and did not fit keeps its timers.
 *   calls     slow side
 */
void lb_pending_move_on(struct lb_shipper *shipper, const struct lb_body *body, uint64_t now_ns);

#endif
