/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ROUTER_H
#define LB_SHIP_ROUTER_H

#include "agent/ship/outlet.h"

/*
 * From the ring to the sinks beside the first one: each record is copied into
 * the ring of each sink that takes it, as soon as it is there, and whatever
 * becomes of it at the first sink.
 *
 *   fast side ──▶ ring ──┬─▶ the first sink: ring, backlog, spool (design.md)
 *                        └─ router ─┬─▶ sinks/NAME: ring, backlog ──▶ another primary
 *                                   └─▶ sinks/NAME: ring, backlog ──▶ a secondary
 *
 * Invariants: a record is in an outlet's ring exactly once, across kills, since
 * how far the router came is in the commit that makes the copies true. The
 * ring's tail does not pass what a primary has not been given: one that
 * answers, but is too slow, holds the pipe up, as the first one does; one that
 * is away does not, since what its queue has no room for is moved, then shed. A
 * secondary never does: what it has no room for goes, the oldest first.
 *
 * What the first sink alone lost is not told to others, nor how its ring
 * began: they have receipts and start records of their own.
 */
struct lb_router {
    struct lb_files *files; /* of the first sink */
    struct lb_outlet *outlet[LB_SINKS_MAX];
    unsigned outlets;
    unsigned urgent;  /* [ring] urgent */
    bool has_primary; /* among the outlets */
    bool is_damaged;  /* the ring is, where the router stands: nothing behind it can be told apart */
};

/*
 * Keep what primaries have not been given out of the tail's way.
 *   router    files and outlets are open; before lb_files_recover(files)
 *   calls     before the threads start
 */
void lb_router_protect(struct lb_router *router);

/*
 * Find out where to go on in the ring; a sink that is new begins with the
 * oldest that is not final.
 *   router    files are recovered and have their size
 *   calls     before the threads start
 */
void lb_router_attach(struct lb_router *router);

/*
 * Copy all that has come, and tell the outlets' losses in their rings.
 *   returns   true: the ring's tail moved; publish the slow side's commit
 *   calls     slow side, at the begin of each turn
 */
bool lb_router_step(struct lb_router *router, uint64_t now_ns);

/*
 * Tell the fast side to knock also when an outlet wants what comes; after the
 * first shipper's step, which asks for itself.
 *   link      of the fast side
 *   first     the first shipper
 *   returns   when to look again (boot time), LB_NEVER: at the next knock
 *   calls     slow side
 */
uint64_t lb_router_ask(const struct lb_router *router, struct lb_link *link, const struct lb_shipper *first,
                       uint64_t now_ns);

/*
 * Has an outlet been given all of a ring up to a position?
 *   calls     slow side
 */
bool lb_router_has_given(const struct lb_outlet *outlet, uint64_t ring_id, uint64_t pos);

/*
 * Have the outlets been given all before the ring's head? A stalled one has
 * not; nobody waits for one that is away.
 *   calls     slow side
 */
bool lb_router_is_done(const struct lb_router *router);

#endif
