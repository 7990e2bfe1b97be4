/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_DRAIN_H
#define LB_SHIP_DRAIN_H

#include "agent/ship/mover.h"

/*
 * From the backlog to the sink, behind live traffic: a shipper of its own over
 * segments that are unpacked, with one slot, on the same link.
 *
 *   backlog ── oldest, and what follows it ──▶ unpacked ──▶ bodies ──▶ the transport of the live shipper
 *
 * It sends only while the live shipper has nothing that is due and its sink is
 * well; or has nothing at all, so that nobody else finds out that the sink is
 * back. What answers teach, it learns for itself.
 */
struct lb_drain {
    struct lb_shipper shipper;
    struct lb_shipper *live;
    struct lb_mover *mover;
    struct lb_backlog *backlog;
    struct lb_unpacked unpacked;
    struct lb_link link;       /* of nobody: what a shipper tells there is passed on where it matters */
    uint64_t delivered_bodies; /* as was passed on */
};

/*
 * Start. The live shipper has started; its transport is shared.
 *   drain     zero; does not move afterwards
 *   returns   0 | -ENOMEM
 *   calls     before the slow side starts, after recovery
 */
int lb_drain_start(struct lb_drain *drain, struct lb_shipper *live, struct lb_mover *mover, uint64_t seed,
                   uint64_t now_ns);

/*
 * Do all that is due now, after the live shipper has had its step.
 *   returns   when to be called again at the latest (boot time), LB_NEVER: when the live shipper has a step
 *   calls     slow side
 */
uint64_t lb_drain_step(struct lb_drain *drain, uint64_t now_ns);

/*
 * An answer of the transport that both share: for whom is it? As
 * lb_transport_done; ctx is the drain.
 *   calls     slow side
 */
void lb_drain_answer(void *drain, unsigned slot, const struct lb_answer *answer);
void lb_drain_answer_at(struct lb_drain *drain, unsigned slot, const struct lb_answer *answer,
                        uint64_t now_ns);

/*
 * Ship all that is in the backlog now without waiting for a backoff.
 *   returns   what to ask lb_drain_has_passed() for
 *   calls     slow side
 */
uint64_t lb_drain_flush(struct lb_drain *drain);

/*
 * Is all final that was in the backlog then?
 *   calls     slow side
 */
bool lb_drain_has_passed(const struct lb_drain *drain, uint64_t seq);

/*
 * Is a body of it on its way?
 *   calls     slow side
 */
bool lb_drain_is_busy(const struct lb_drain *drain);

/*
 * New settings, after the live shipper took them and its transport.
 *   returns   as lb_shipper_reload()
 *   calls     slow side
 */
int lb_drain_reload(struct lb_drain *drain, const struct lb_config *config, unsigned sink_ix);

/*
 * Free all memory, as lb_shipper_stop(), but leave the transport to the live
 * shipper.
 *   calls     slow side, before that one stops
 */
void lb_drain_stop(struct lb_drain *drain);

#endif
