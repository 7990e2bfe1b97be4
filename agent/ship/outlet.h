/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_OUTLET_H
#define LB_SHIP_OUTLET_H

#include "agent/ship/drain.h"
#include "agent/ship/shipper.h"
#include "agent/store/files.h"

/*
 * A sink beside the first one: a store of its own below the runtime directory,
 * with a ring, a backlog and books, filled by the router; and a shipper over it.
 *
 *   sinks/NAME/  state  ring  backlog  ring.old
 *
 * So one that hangs holds up nobody, whatever others have is released without
 * it, its losses are in its own books, and its numbers are dense: they prove
 * that it has all that came to its ring. The first sink's clock and its count
 * of the link are everybody's.
 */
struct lb_outlet {
    char name[129];
    bool is_primary;
    struct lb_files files;
    struct lb_link link; /* the router is its fast side; nobody is knocked at */
    struct lb_shipper shipper;
    struct lb_mover *mover; /* NULL: there is no backlog */
    struct lb_drain drain;  /* of it */
    struct lb_shipper *first;
    bool is_stalled;       /* primary: what comes next found no room, and waits in the first sink's ring */
    uint64_t wanted_bytes; /* is_stalled: so many */
    uint64_t tell_due_ns;  /* when to tell what never came to the ring; LB_NEVER: there is nothing */
    uint64_t looked_pos, quiet_until_ns; /* the router's: when to ask for urgent records again */
    bool is_mute;                        /* a receipt found no room */
    bool is_detached; /* not configured any more: it has stopped, and its store goes at the next start */
};

/* Where the router has come to, in the store of whom it feeds: words of LB_FAST_INPUTS, that nobody else uses
 * there. */
enum { LB_OUTLET_CURSOR_RING = 0, LB_OUTLET_CURSOR_POS };

/*
 * Open a sink's store, recover it, and tell its start.
 *   outlet    zero; does not move afterwards
 *   dir_fd    the runtime directory
 *   config    sink_ix of its sinks is the one; copied from
 *   returns   0 | -ENOSPC | -ENOMEM | -EPROTO a ring of a newer format | other negative errno
 *   calls     before the threads start
 */
int lb_outlet_open(struct lb_outlet *outlet, int dir_fd, const struct lb_config *config, unsigned sink_ix,
                   uint64_t now_ns);

/*
 * Mark the end as clean (start.h), and close; the files stay.
 *   calls     main thread, when both sides have stopped
 */
void lb_outlet_close(struct lb_outlet *outlet);

/*
 * Start its shipper. The transport's callback must be lb_outlet_answer() with
 * the outlet as ctx.
 *   outlet    open; shipper.transport is set
 *   first     has started
 *   returns   0 | -ENOMEM | -ENOENT no such sink type
 *   calls     before the slow side starts
 */
int lb_outlet_start(struct lb_outlet *outlet, struct lb_shipper *first, unsigned sink_ix, uint64_t seed,
                    uint64_t now_ns);

/*
 * Do all that is due now, after the first shipper had its step and the router
 * has copied.
 *   returns   when to be called again at the latest (boot time), LB_NEVER
 *   calls     slow side
 */
uint64_t lb_outlet_step(struct lb_outlet *outlet, uint64_t now_ns);

/*
 * An answer came (lb_transport_done).
 *   calls     slow side, by the transport
 */
void lb_outlet_answer(void *outlet, unsigned slot, const struct lb_answer *answer);

/*
 * Is anything on its way, a probe among it?
 *   calls     slow side
 */
bool lb_outlet_is_busy(const struct lb_outlet *outlet);

/*
 * Take back what a sink that hangs has on its way, as lb_shipper_take_back().
 *   calls     slow side
 */
void lb_outlet_take_back(struct lb_outlet *outlet, uint64_t now_ns);

/*
 * New settings; nothing is on its way.
 *   returns   as lb_shipper_reload()
 *   calls     slow side
 */
int lb_outlet_reload(struct lb_outlet *outlet, const struct lb_config *config, unsigned sink_ix);

/*
 * The sink is not configured any more: stop it. What waits in its store is
 * given up at the next start.
 *   outlet    nothing is on its way
 *   calls     slow side
 */
void lb_outlet_detach(struct lb_outlet *outlet);

/*
 * Is there nothing more that this run can do? True when all is delivered, or
 * the sink is away.
 *   calls     slow side
 */
bool lb_outlet_is_done(const struct lb_outlet *outlet);

/*
 * Free all memory of its shipper, as lb_shipper_stop().
 *   calls     slow side, last
 */
void lb_outlet_stop(struct lb_outlet *outlet);

#endif
