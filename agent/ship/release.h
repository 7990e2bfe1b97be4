/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_RELEASE_H
#define LB_SHIP_RELEASE_H

#include "agent/ship/shipper.h"

/*
 * Letting go of records, with the books and the receipts that this needs.
 */

/*
 * The sink took a body: books, states, tail, and losses to be told.
 *   calls     slow side
 */
void lb_release_delivered(struct lb_shipper *shipper, const struct lb_body *body);

/*
 * Nothing is to be shipped up to a position: all there is final already.
 *   calls     slow side
 */
void lb_release_passed(struct lb_shipper *shipper, uint64_t from, uint64_t to);

/*
 * Give these up: books, loss rows, states, tail.
 *   reason    LB_REASON_SHED, LB_REASON_EXPIRED (counts as shed) or LB_REASON_REJECTED
 *   calls     slow side
 */
void lb_release_lost(struct lb_shipper *shipper, uint64_t from, uint64_t to, enum lb_reason reason);

/*
 * The sink took these, in a body that nobody has any more.
 *   calls     slow side
 */
void lb_release_taken(struct lb_shipper *shipper, uint64_t from, uint64_t to);

/*
 * Give up those of one lane, as lb_release_lost() does; the others between
 * them stay.
 *   calls     slow side
 */
void lb_release_lost_of_lane(struct lb_shipper *shipper, uint64_t from, uint64_t to, unsigned lane,
                             enum lb_reason reason);

/*
 * Losses of the slow side's may be told now: hand them to the fast side.
 *   calls     slow side
 */
void lb_release_tell(struct lb_shipper *shipper);

/*
 * Does a record belong to a service that has overload = wait?
 *   calls     slow side
 */
bool lb_release_is_kept(const struct lb_shipper *shipper, const struct lb_record *record);

/*
 * The first record in [from, to) that must not be shed: its service has
 * overload = wait, so its app waits for the sink however long that takes.
 *   returns   its position, or to: there is none
 *   calls     slow side
 */
uint64_t lb_release_first_kept(const struct lb_shipper *shipper, uint64_t from, uint64_t to);

/*
 * Publish the slow side's commit and knock at the fast side's door if it waits
 * for room or has losses to tell.
 *   calls     slow side
 */
void lb_release_publish(struct lb_shipper *shipper);

/*
 * Free the loss rows that were told.
 *   calls     slow side
 */
void lb_release_sweep(struct lb_shipper *shipper);

#endif
