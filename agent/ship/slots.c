/* SPDX-License-Identifier: MIT */
/* Slots. In: a shipper. Out: one of its slots, or a count. Always true: only lb_slots_move() changes a slot's
 * state. */
#include "agent/ship/slots.h"

#include <string.h>

#include "agent/ship/pending.h"
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

struct lb_slot *lb_slots_built(struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_BUILT)
            return &shipper->slot[i];
    return NULL;
}

struct lb_slot *lb_slots_at(struct lb_shipper *shipper, uint64_t pos)
{
    for (unsigned i = 0; i < shipper->slots; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if ((slot->state == LB_SLOT_SENDING || slot->state == LB_SLOT_BUILT) && slot->body.from <= pos &&
            pos < slot->body.to)
            return slot;
    }
    return NULL;
}

static bool share_a_service(const struct lb_body *a, const struct lb_body *b)
{
    if (a->sums > LB_BODY_SUMS || b->sums > LB_BODY_SUMS)
        return true; /* nobody counted which */
    for (unsigned i = 0; i < a->sums; i++)
        for (unsigned k = 0; k < b->sums; k++)
            if (a->sum[i].row == b->sum[k].row)
                return true;
    return false;
}

bool lb_slots_overtakes(const struct lb_shipper *shipper, const struct lb_body *body)
{
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING && share_a_service(&shipper->slot[i].body, body))
            return true;
    return false;
}

static void take_back(struct lb_shipper *shipper, struct lb_slot *slot)
{
    lb_slots_move(slot, LB_SLOT_FREE);
    shipper->force_pos = lb_later(shipper->force_pos, slot->body.to);
    if (slot->body.from >= shipper->next_pos)
        return;
    shipper->next_pos = slot->body.from;
    memcpy(shipper->next_n, slot->body.next_before, sizeof shipper->next_n);
}

void lb_slots_give_back(struct lb_shipper *shipper, struct lb_slot *slot)
{
    struct lb_slot *built = lb_slots_built(shipper);

    take_back(shipper, slot);
    if (built && built != slot)
        take_back(shipper, built);
    lb_pending_forget(shipper);
}

unsigned lb_slots_index(const struct lb_shipper *shipper, const struct lb_slot *slot)
{
    return (unsigned)(slot - shipper->slot);
}

void lb_slots_move(struct lb_slot *slot, enum lb_slot_state to)
{
    static const bool is_legal[LB_SLOT_STATES][LB_SLOT_STATES] = {
        [LB_SLOT_FREE] = { [LB_SLOT_BUILT] = true },
        [LB_SLOT_BUILT] = { [LB_SLOT_FREE] = true, [LB_SLOT_SENDING] = true },
        [LB_SLOT_SENDING] = { [LB_SLOT_FREE] = true, [LB_SLOT_LINGERING] = true },
        [LB_SLOT_LINGERING] = { [LB_SLOT_FREE] = true },
    };

    if (!is_legal[slot->state][to])
        lb_log(LB_LEVEL_ERROR, "bug: a body went from state %d to %d", (int)slot->state, (int)to);
    slot->state = to;
}
