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
 * The body to try again next: of those that wait, and whose time has come, the one that is first in the ring.
 *   returns   its slot | NULL none
 *   calls     slow side
 */
struct lb_slot *lb_slots_next_waiting(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * The slot whose body, waiting or on its way, holds a position of the ring.
 *   returns   it | NULL none
 *   calls     slow side
 */
struct lb_slot *lb_slots_at(struct lb_shipper *shipper, uint64_t pos);

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
