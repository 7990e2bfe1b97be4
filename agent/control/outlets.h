/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_OUTLETS_H
#define LB_CONTROL_OUTLETS_H

#include "agent/ship/router.h"
#include "agent/store/card.h"

struct lb_loaded;

/*
 * All sinks beside the first one, wired: stores, the router, shippers and
 * transports (agent/ship/router.h). With one sink there is none, and nothing
 * here costs anything.
 */
struct lb_outlets {
    struct lb_router router;
    struct lb_shipper *first;
    struct lb_transport fresh[LB_SINKS_MAX]; /* of new settings, while they are taken over */
};

/* How far all must come for a flush to be done. */
struct lb_outlets_mark {
    uint64_t ring_id, head; /* of the first sink's ring */
    struct {
        bool is_short; /* it has not been given all up to there: pos and seq are not known yet */
        uint64_t pos, seq;
    } of[LB_SINKS_MAX];
};

/*
 * Open the stores, and remove those of sinks that are not configured any more,
 * telling what was in them.
 *   files     of the first sink: open, not recovered
 *   returns   0 | -ENOMEM | negative errno (it was logged with the sink's name)
 *   calls     before the threads start
 */
int lb_outlets_open(struct lb_outlets *outlets, struct lb_files *files, const struct lb_config *config);

/*
 * Lines that wait in a store, in its ring and its backlog, by its books.
 *   dir_fd    of the store; nobody uses it
 *   returns   0 also where there is none
 *   calls     before the threads start
 */
uint64_t lb_outlets_left(int dir_fd);

/*
 * Find out where to go on (lb_router_attach()): after recovery, and again
 * after the ring has its size.
 *   calls     before the threads start
 */
void lb_outlets_attach(struct lb_outlets *outlets);

/*
 * Open transports and start shippers.
 *   first     has started
 *   returns   0 | negative errno
 *   calls     before the slow side starts
 */
int lb_outlets_start(struct lb_outlets *outlets, struct lb_loop *loop, struct lb_card *card,
                     const struct lb_loaded *loaded, struct lb_shipper *first, uint64_t seed);

/*
 * Copy what has come; before the first shipper's step.
 *   calls     slow side
 */
void lb_outlets_feed(struct lb_outlets *outlets, uint64_t now_ns);

/*
 * Do all that is due; after the first shipper's step.
 *   returns   when to be called again at the latest (boot time), LB_NEVER
 *   calls     slow side
 */
uint64_t lb_outlets_step(struct lb_outlets *outlets, uint64_t now_ns);

/*
 * New settings wait for what is on its way, and all sinks with them: take back
 * what one that hangs has, after two seconds.
 *   calls     slow side
 */
void lb_outlets_take_back(struct lb_outlets *outlets, uint64_t now_ns);

/*
 * Send nothing new, or go on. Is anything on its way still?
 *   calls     slow side
 */
bool lb_outlets_hold(struct lb_outlets *outlets, bool is_held);

/*
 * Take new settings over in two steps: open all transports, so that either all
 * or none are there; then change over. lb_outlets_hold() said that nothing is on its way.
 *   returns   0 | negative errno: all is as before
 *   calls     slow side
 */
int lb_outlets_reload_open(struct lb_outlets *outlets, struct lb_loop *loop, struct lb_card *card,
                           const struct lb_loaded *loaded, uint64_t seed);
int lb_outlets_reload(struct lb_outlets *outlets, const struct lb_config *config);
void lb_outlets_reload_undo(struct lb_outlets *outlets);

/*
 * Ship all that is in the ring and in the stores now.
 *   ret_mark  how far primaries must come for it to be done; nobody waits for a secondary. One that has no
 *             room for all is marked when it has been given the rest, while it is asked for
 *   calls     slow side
 */
void lb_outlets_flush(struct lb_outlets *outlets, uint64_t now_ns, struct lb_outlets_mark *ret_mark);
bool lb_outlets_have_passed(struct lb_outlets *outlets, struct lb_outlets_mark *mark);

/*
 * Something changed in the network.
 *   calls     slow side
 */
void lb_outlets_hurry(struct lb_outlets *outlets, uint64_t now_ns);

/*
 * The outlet of a sink; of "", any.
 *   returns   it | NULL there is none of that name
 *   calls     slow side
 */
struct lb_outlet *lb_outlets_find(const struct lb_outlets *outlets, const char *name);

/*
 * The agent stops: tell all; can this run do no more? Then free what the
 * slow side has made, and close the stores.
 *   calls     slow side; lb_outlets_close(): main thread, when both sides have stopped
 */
void lb_outlets_stop_soon(struct lb_outlets *outlets);
bool lb_outlets_are_done(const struct lb_outlets *outlets);
void lb_outlets_stop(struct lb_outlets *outlets);
void lb_outlets_close(struct lb_outlets *outlets);

#endif
