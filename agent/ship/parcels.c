/* SPDX-License-Identifier: MIT */
/* Bodies that wait their turn. In: bodies by slot. Out: the first one, answers. Always true: each is answered
 * once at most. */
#include "agent/ship/parcels.h"

void lb_parcels_put(struct lb_parcels *parcels, unsigned slot, const void *body, size_t len, uint64_t due_ns)
{
    parcels->parcel[slot] = (struct lb_parcel) {
        .body = body, .len = len, .due_ns = due_ns, .turn = ++parcels->turn, .is_waiting = true
    };
}

struct lb_parcel *lb_parcels_first(struct lb_parcels *parcels)
{
    struct lb_parcel *first = NULL;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        struct lb_parcel *parcel = &parcels->parcel[i];

        if (parcel->is_waiting && (!first || parcel->turn < first->turn))
            first = parcel;
    }
    return first;
}

void lb_parcels_answer(struct lb_parcels *parcels, struct lb_parcel *parcel, const struct lb_answer *said)
{
    parcel->is_waiting = false;
    parcels->done(parcels->ctx, (unsigned)(parcel - parcels->parcel), said);
}

void lb_parcels_answer_all(struct lb_parcels *parcels, const struct lb_answer *said)
{
    uint64_t last_turn = parcels->turn;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        if (parcels->parcel[i].is_waiting && parcels->parcel[i].turn <= last_turn)
            lb_parcels_answer(parcels, &parcels->parcel[i], said);
}
