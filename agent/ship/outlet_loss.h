/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_OUTLET_LOSS_H
#define LB_SHIP_OUTLET_LOSS_H

#include "agent/ship/outlet.h"

/*
 * What a sink beside the first one did not get, and its receipts. What never
 * came to its ring is counted in its fast commit, in the publish that says how
 * far the router has come, so that it is told once across kills; what was in
 * its ring is in the loss table (store/loss.h). All on the slow side.
 */

/*
 * A line finds no room, or is too long for this queue: it is counted as
 * dropped, to be told within a second; true with the next publish of the
 * outlet's fast commit, which has room for a copy.
 *   record    of kind line
 */
void lb_outlet_lose(struct lb_outlet *outlet, const struct lb_record *record, uint64_t now_ns);

/*
 * A receipt finds no room: what it tells is told later.
 *   record    as lb_outlet_lose(), of kind receipt; one of another size is passed over
 */
void lb_outlet_tell_later(struct lb_outlet *outlet, const struct lb_record *record, uint64_t now_ns);

/*
 * Records of the ring were damaged before they were copied; nobody knows whose.
 */
void lb_outlet_lose_hole(struct lb_outlet *outlet, const struct lb_record *hole, uint64_t now_ns);

/*
 * Put receipts of all that is to be told into the outlet's ring, as far as there is room.
 *   urgent    [ring] urgent
 */
void lb_outlet_tell(struct lb_outlet *outlet, unsigned urgent, uint64_t now_ns);

#endif
