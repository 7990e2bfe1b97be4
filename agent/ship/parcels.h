/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_PARCELS_H
#define LB_SHIP_PARCELS_H

#include "agent/ship/transport.h"

/*
 * The bodies that wait for a transport that sends one after the other, in the
 * order in which they came. The transport owns the memory and is the only one
 * that looks at it.
 */
struct lb_parcel {
    const char *body;
    size_t len, sent;
    uint64_t due_ns; /* given up then */
    uint64_t turn;   /* the lower one leaves first */
    bool is_waiting; /* not answered yet */
    bool has_begun;  /* some of it may be out, whatever sent says */
};

struct lb_parcels {
    struct lb_parcel parcel[LB_TRANSPORT_SLOTS];
    uint64_t turn;
    lb_transport_done done;
    void *ctx;
};

/*
 * A body behind all others.
 *   body      len bytes, as of send() in transport.h
 *   calls     the transport's thread
 */
void lb_parcels_put(struct lb_parcels *parcels, unsigned slot, const void *body, size_t len, uint64_t due_ns);

/*
 * The one whose turn it is.
 *   returns   in parcels | NULL: none waits
 *   calls     the transport's thread
 */
struct lb_parcel *lb_parcels_first(struct lb_parcels *parcels);

/*
 * Answer one. It waits no more, unless it is sent anew from within.
 *   calls     the transport's thread, not from within its send() or cancel()
 */
void lb_parcels_answer(struct lb_parcels *parcels, struct lb_parcel *parcel, const struct lb_answer *said);

/*
 * The same answer to all that wait; what is sent anew from within waits on.
 *   calls     the transport's thread, not from within its send() or cancel()
 */
void lb_parcels_answer_all(struct lb_parcels *parcels, const struct lb_answer *said);

#endif
