/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SLOTS_H
#define LB_SHIP_SLOTS_H

#include "agent/ship/shipper.h"

/*
 * The slots of a shipper: looking them up, and the one place where a slot
 * changes its state. All on the slow side, none of it blocks or allocates.
 */

/*
 * How many slots are in a state.
 *   calls     slow side
 */
unsigned lb_slots_count(const struct lb_shipper *shipper, enum lb_slot_state state);

/*
 * A free slot.
 *   returns   it | NULL all are taken
 *   calls     slow side
 */
struct lb_slot *lb_slots_free(struct lb_shipper *shipper);

/*
 * The body that is built and not sent yet.
 *   returns   its slot | NULL none
 *   calls     slow side
 */
struct lb_slot *lb_slots_built(struct lb_shipper *shipper);

/*
 * The slot whose body, built or on its way, holds a position of the ring.
 *   returns   it | NULL none
 *   calls     slow side
 */
struct lb_slot *lb_slots_at(struct lb_shipper *shipper, uint64_t pos);

/*
 * Is a body on its way that holds a service of this one? Then this one has to
 * wait, or it might arrive first.
 *   calls     slow side
 */
bool lb_slots_overtakes(const struct lb_shipper *shipper, const struct lb_body *body);

/*
 * A body is not sent, or was not taken: its records are pending again, with
 * those of any that is built, and due at once.
 *   slot      BUILT or SENDING; becomes FREE
 *   calls     slow side
 */
void lb_slots_give_back(struct lb_shipper *shipper, struct lb_slot *slot);

/*
 * The number by which the transport knows a slot.
 *   calls     slow side
 */
unsigned lb_slots_index(const struct lb_shipper *shipper, const struct lb_slot *slot);

/*
 * Change a slot's state. A change that the drawing in shipper.h does not have is a bug: logged, and done.
 *   calls     slow side
 */
void lb_slots_move(struct lb_slot *slot, enum lb_slot_state to);

#endif
