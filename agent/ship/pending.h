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
 * Look at new records, until there are enough for a body.
 *   calls     slow side
 */
void lb_pending_scan(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * Is it time to make a body of what is pending?
 *   calls     slow side
 */
bool lb_pending_is_due(const struct lb_shipper *shipper, uint64_t now_ns);

/*
 * A body was made up to a position, the next one begins there. What was looked
 * at for this one and did not fit keeps its timers.
 *   calls     slow side
 */
void lb_pending_move_on(struct lb_shipper *shipper, uint64_t to, uint64_t now_ns);

#endif
