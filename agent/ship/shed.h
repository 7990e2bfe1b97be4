/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SHED_H
#define LB_SHIP_SHED_H

#include "agent/ship/shipper.h"

/*
 * A sink that is away, and what is given up meanwhile. All on the slow side.
 */

/*
 * When bodies on their way, or a question, if no answer comes, will show that the sink is away.
 *   returns   boot time, or LB_NEVER: nothing is on its way
 *   calls     slow side
 */
uint64_t lb_shed_away_at_ns(const struct lb_shipper *shipper);

/*
 * Tell the fast side whether the sink is away, and if the ring is over its
 * high-water mark then, give up the oldest records.
 *   calls     slow side
 */
void lb_shed_if_needed(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * The same, also below that mark where a record that comes next finds no room:
 * one that is large for its ring.
 *   wanted_bytes  of that record
 *   calls         slow side
 */
void lb_shed_for(struct lb_shipper *shipper, uint64_t wanted_bytes, uint64_t now_ns);

/*
 * Does an urgent record wait that may go though the rest may not (when =
 * urgent-only)? It does so by the backlog, which has a lane for them.
 *   calls     slow side
 */
bool lb_shed_urgent_waits(const struct lb_shipper *shipper);

/*
 * Is there anything that could be given up if the ring passed its high-water mark?
 *   calls     slow side
 */
bool lb_shed_is_possible(struct lb_shipper *shipper);

#endif
