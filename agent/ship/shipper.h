/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SHIPPER_H
#define LB_SHIP_SHIPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/ship/body.h"
#include "agent/ship/retry.h"
#include "agent/ship/transport.h"
#include "agent/store/link.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"
#include "common/config.h"

/*
 * The slow side's work: bodies out of the ring, through a transport, judged,
 * tried again; what the sink took is released. One state machine for each body
 * in flight ("slot"), one step function for all, time passed in.
 *
 *            body is due             answer: delivered
 *   FREE ───────────────▶ SENDING ───────────────────▶ FREE
 *                          ▲   │ answer: try again
 *               its time   │   ▼
 *                        WAITING ── shed, or new settings ──▶ FREE
 *   SENDING ── shed, and the transport cannot stop ──▶ LINGERING ── its callback ──▶ FREE
 *
 * Until there is a backlog, a sink that is away makes the oldest records be
 * shed once the ring passes its high-water mark, with receipts when it is back.
 */
#define LB_SHIPPER_SLOTS    (LB_TRANSPORT_SLOTS - 1)
#define LB_PROBE_SLOT       LB_SHIPPER_SLOTS
#define LB_AWAY_AFTER_NS    (2 * 1000000000ull) /* bodies out and no answer for this long: the sink is away */
#define LB_HIGH_WATER(size) ((size) / 4 * 3)
#define LB_LOW_WATER(size)  ((size) / 8 * 5)

enum lb_slot_state { LB_SLOT_FREE = 0, LB_SLOT_SENDING, LB_SLOT_WAITING, LB_SLOT_LINGERING, LB_SLOT_STATES };

struct lb_slot {
    enum lb_slot_state state;
    struct lb_body body;
    uint64_t sent_ns;
    uint64_t not_before_ns; /* WAITING: it is not tried again before this, whatever became of others */
};

struct lb_shipper_stats {
    uint64_t requests, delivered_bodies, failures;
    uint64_t lines, raw_bytes, wire_bytes;
    uint64_t last_delivery_ns; /* boot time, 0: none yet */
    uint64_t last_failure_ns;
    char last_error[256];
};

/* What a probe came to: the sink's answer, and how long it took. Called once, on the slow side. */
typedef void (*lb_probe_done)(void *ctx, const struct lb_answer *answer, uint64_t took_ns);

struct lb_shipper {
    struct lb_ring *ring;      /* the one being shipped */
    struct lb_ring *next_ring; /* ring_is_old: the one that follows when it is empty */
    void (*old_ring_done)(void *ctx);
    void *old_ring_ctx;
    struct lb_state *state;
    struct lb_link *link;
    const struct lb_config *config;
    const struct lb_sink_config *sink_config;
    const struct lb_sink *sink;
    struct lb_transport transport;
    struct lb_builder builder;
    struct lb_retry retry;
    uint64_t (*wall_minus_boot_ns)(void);
    struct lb_slot slot[LB_SHIPPER_SLOTS];
    unsigned slots;    /* concurrency */
    uint64_t next_pos; /* first record that no slot has */
    uint64_t scan_pos; /* records before it, from next_pos on, are counted in pending_* */
    uint64_t pending_lines, pending_bytes;
    bool has_urgent;
    bool is_full;                        /* enough for a body is pending, scanning stopped */
    uint64_t wait_due_ns, urgent_due_ns; /* LB_NEVER: nothing pending */
    uint64_t retry_at_ns;                /* no body is sent before this; 0: no failure */
    uint64_t force_pos;                  /* records before it are due now (flush) */
    uint64_t force_next_pos;             /* the same in next_ring */
    uint64_t damaged_pos; /* what lies there is no record, so nothing from there on can be told apart;
                             LB_NEVER: none */
    bool failed_since_delivery;
    bool has_losses; /* rows of the loss table are open, closed or being told */
    bool is_stopping;
    bool is_held; /* nothing new is sent: new settings wait for what is on its way */
    struct lb_shipper_stats stats;
    lb_probe_done probe_done;
    void *probe_ctx;
    uint64_t probe_sent_ns;
};

/*
 * Start shipping. The transport's callback must be lb_shipper_answer() with
 * the shipper as ctx.
 *   shipper     ring next_ring old_ring_done state link config transport wall_minus_boot_ns are set by the
 *               caller, the rest is zero; config has a sink
 *   seed        for jitter
 *   returns     0 | -ENOMEM | -ENOENT no such sink type
 *   calls       slow side, or before its thread starts
 */
int lb_shipper_start(struct lb_shipper *shipper, uint64_t seed);

/*
 * Do all that is due now: look at new records, send, try again, shed, release.
 *   returns   when to be called again at the latest (boot time), LB_NEVER: at the next knock or answer
 *   calls     slow side, after each turn of its loop
 */
uint64_t lb_shipper_step(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * An answer came for a slot (lb_transport_done).
 *   calls     slow side, by the transport
 */
void lb_shipper_answer(void *shipper, unsigned slot, const struct lb_answer *answer);

/*
 * The same with a time of the caller's choice (tests).
 *   calls     slow side
 */
void lb_shipper_answer_at(struct lb_shipper *shipper, unsigned slot, const struct lb_answer *answer,
                          uint64_t now_ns);

/*
 * Ship all that is in the ring now without waiting for timers or backoff.
 *   returns   the position that must be passed for the flush to be done
 *   calls     slow side
 */
uint64_t lb_shipper_flush(struct lb_shipper *shipper);

/*
 * Is all before a position of the current ring final?
 *   calls     slow side
 */
bool lb_shipper_has_passed(const struct lb_shipper *shipper, uint64_t pos);

/*
 * Stopping: is there nothing more that this run can do? True when all is
 * delivered, or the sink is away.
 *   calls     slow side, after lb_shipper_stop_soon()
 */
bool lb_shipper_is_done(const struct lb_shipper *shipper);
void lb_shipper_stop_soon(struct lb_shipper *shipper);

/*
 * Send the sink's empty body and tell what came back.
 *   returns   0 done() will be called | -EBUSY a probe is out | negative errno of the transport
 *   calls     slow side
 */
int lb_shipper_probe(struct lb_shipper *shipper, lb_probe_done done, void *ctx);

/*
 * New settings. Bodies that wait for another try go back to the ring and are
 * made anew, and are due at once: the new settings may be what the sink needs.
 *   config    outlives the shipper or the next call of this; its concurrency counts only after a restart
 *   returns   0 | -EBUSY a body is on its way | -ENOENT no such sink type | -ENOMEM (the old settings stay)
 *   calls     slow side; is_held makes sure that in the end nothing is on its way
 */
int lb_shipper_reload(struct lb_shipper *shipper, const struct lb_config *config);

/*
 * Is the sink away (design.md, backlog)?
 *   calls     slow side
 */
bool lb_shipper_is_away(const struct lb_shipper *shipper, uint64_t now_ns);

/*
 * Free all memory, but that of a body which the transport cannot let go of:
 * the process is about to end. What is in flight is pending at the next start.
 *   calls     slow side, last
 */
void lb_shipper_stop(struct lb_shipper *shipper);

#endif
