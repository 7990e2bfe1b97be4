/* SPDX-License-Identifier: MIT */
/* Slots. In: a shipper. Out: one of its slots, or a count. Always true: only lb_slots_move() changes a slot's
 * state. */
#include "agent/ship/slots.h"

#include "common/log.h"

unsigned lb_slots_count(const struct lb_shipper *shipper, enum lb_slot_state state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < shipper->slots; i++)
        count += shipper->slot[i].state == state;
    return count;
}

struct lb_slot *lb_slots_free(struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_FREE)
            return &shipper->slot[i];
    return NULL;
}

struct lb_slot *lb_slots_next_waiting(struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_slot *oldest = NULL;

    for (unsigned i = 0; i < shipper->slots; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if (slot->state == LB_SLOT_WAITING && slot->not_before_ns <= now_ns &&
            (!oldest || slot->body.from < oldest->body.from))
            oldest = slot;
    }
    return oldest;
}

struct lb_slot *lb_slots_at(struct lb_shipper *shipper, uint64_t pos)
{
    for (unsigned i = 0; i < shipper->slots; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if ((slot->state == LB_SLOT_SENDING || slot->state == LB_SLOT_WAITING) && slot->body.from <= pos &&
            pos < slot->body.to)
            return slot;
    }
    return NULL;
}

unsigned lb_slots_index(const struct lb_shipper *shipper, const struct lb_slot *slot)
{
    return (unsigned)(slot - shipper->slot);
}

void lb_slots_move(struct lb_slot *slot, enum lb_slot_state to)
{
    static const bool is_legal[LB_SLOT_STATES][LB_SLOT_STATES] = {
        [LB_SLOT_FREE] = { [LB_SLOT_SENDING] = true, [LB_SLOT_WAITING] = true },
        [LB_SLOT_SENDING] = { [LB_SLOT_FREE] = true, [LB_SLOT_WAITING] = true, [LB_SLOT_LINGERING] = true },
        [LB_SLOT_WAITING] = { [LB_SLOT_FREE] = true, [LB_SLOT_SENDING] = true },
        [LB_SLOT_LINGERING] = { [LB_SLOT_FREE] = true },
    };

    if (!is_legal[slot->state][to])
        lb_log(LB_LEVEL_ERROR, "bug: a body went from state %d to %d", (int)slot->state, (int)to);
    slot->state = to;
}
