/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SHIPPER_H
#define LB_SHIP_SHIPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/ship/body.h"
#include "agent/ship/retry.h"
#include "agent/ship/transport.h"
#include "agent/ship/unpacked.h"
#include "agent/ship/wall.h"
#include "agent/store/link.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"
#include "common/config.h"

/*
 * The slow side's work: bodies out of the ring, through a transport, judged;
 * what the sink took is released, what it refused goes back to the ring and is
 * made into bodies anew. One state machine for each body ("slot"), one step
 * function for all, time passed in.
 *
 *        body is due      no service of it is on its way      answer
 *   FREE ──────────▶ BUILT ───────────────────────▶ SENDING ──────▶ FREE
 *                      │ one before it failed           │ shed, and the transport cannot stop
 *                      └──────────▶ FREE                ▼
 *                                                   LINGERING ── its callback ──▶ FREE
 *
 * Bodies are made in the ring's order, and two that hold the same service are
 * never on their way at a time, so a service's lines arrive in order while
 * deliveries succeed. What an answer means is in answers.c:
 *
 *   delivered   released
 *   partly      released; what it names is rejected
 *   try again   back to the ring; the breaker opens (retry.h): a pause, then one small body, then more
 *   too large   back to the ring; the limits of later bodies are learnt from it
 *   refused     back to the ring; half of it is sent, and so on, until one record is refused alone.
 *               That one is rejected, if the sink takes something else: a sink that refuses all is a
 *               fault of the settings
 *   encoding    back to the ring, and gzip from then on
 *   pause       back to the ring; the sink is asked again after a long, growing pause
 *   clock       back to the ring until our clock is right
 */
#define LB_SHIPPER_SLOTS     LB_TRANSPORT_PING
#define LB_PROBE_SLOT        LB_TRANSPORT_PING      /* `logboom ping` */
#define LB_ASK_SLOT          (LB_SHIPPER_SLOTS + 1) /* questions of our own: enum lb_question */
#define LB_AWAY_AFTER_NS     (2 * 1000000000ull) /* bodies out and no answer for this long: the sink is away */
#define LB_HIGH_WATER(size)  ((size) / 4 * 3)
#define LB_LOW_WATER(size)   ((size) / 8 * 5)
#define LB_CLOCK_WATER(size) ((size) / 2)
#define LB_SMALL_BYTES       (16 * 1024u) /* a body that asks whether the sink is back is no larger */
#define LB_SMALL_LINES       100u

enum lb_slot_state { LB_SLOT_FREE = 0, LB_SLOT_BUILT, LB_SLOT_SENDING, LB_SLOT_LINGERING, LB_SLOT_STATES };

struct lb_slot {
    enum lb_slot_state state;
    struct lb_body body;
    uint64_t sent_ns;
    bool is_moved;    /* LINGERING: its records lie in the backlog, of which the answer may still speak … */
    uint64_t ring_id; /* … as records of this ring */
};

struct lb_mover;

struct lb_shipper_stats {
    uint64_t requests, delivered_bodies, failures;
    uint64_t lines, raw_bytes, wire_bytes;
    uint64_t last_delivery_ns; /* boot time, 0: none yet */
    uint64_t last_failure_ns;
    char last_error[256];
};

/* Why nothing is sent, for status. */
enum lb_trouble {
    LB_TROUBLE_NONE = 0,
    LB_TROUBLE_AWAY,   /* no answer, or one that says "not now" */
    LB_TROUBLE_PAUSED, /* it will not take anything until somebody changes something */
    LB_TROUBLE_CLOCK,  /* its certificate seems invalid, and our clock is not synchronised */
};

#define LB_QUESTION_MAX 128 /* an empty body, packed */

/* What we want to know of a sink, by its empty body. */
enum lb_question {
    LB_ASK_NOTHING = 0,
    LB_ASK_TIME,  /* its Date, for a clock that nobody vouches for */
    LB_ASK_TAKES, /* does it take anything at all? Then what it refused alone is to blame */
};

/* Records that the sink refused together. Halved until one is left. */
struct lb_suspect {
    uint64_t from, to; /* ring positions, from == to: there is none */
    uint64_t lines;
    uint64_t since_ns; /* a delivery after this shows that the sink takes other things */
    bool is_alone;     /* the one that is left was refused alone */
    char text[256];    /* what the sink said */
};

/* What answers have taught of the sink, beside its row in the registry. */
struct lb_learnt {
    size_t max_bytes, max_lines;           /* of bodies */
    size_t accepted_bytes, accepted_lines; /* the most that it took */
    bool zstd_works, zstd_refused;
    bool is_gzip_on_trial; /* a first body in zstd was refused: does the same in gzip go through? */
    uint64_t rejected_in_a_row;
    bool has_delivered;
};

/* What a probe came to: the sink's answer, and how long it took. Called once, on the slow side. */
typedef void (*lb_probe_done)(void *ctx, const struct lb_answer *answer, uint64_t took_ns);

/* Of the link (meter.h). */
struct lb_meter {
    uint64_t day_ends_ns; /* boot time at which the day ends; LB_NEVER: the clock is not known */
    uint64_t paid_ns;     /* boot time at which what was sent is paid for at [network] rate */
};

struct lb_shipper {
    struct lb_ring *ring;         /* the one being shipped */
    struct lb_mover *mover;       /* where the ring's oldest go while the sink is away; NULL: they are shed */
    struct lb_unpacked *unpacked; /* the ring is this one: what ships here comes from the backlog. NULL: no */
    struct lb_ring *next_ring;    /* ring_is_old: the one that follows when it is empty */
    void (*old_ring_done)(void *ctx);
    void *old_ring_ctx;
    struct lb_state *state;
    struct lb_state *meter_state; /* what the link carries is counted there; NULL: in state */
    bool is_best_effort; /* it holds nobody up: what its ring has no room for goes, whoever waits for it */
    struct lb_link *link;
    const struct lb_config *config;
    const struct lb_sink_config *sink_config;
    unsigned sink_ix; /* of [sink ...] in the configuration */
    const struct lb_sink *sink;
    struct lb_transport transport;
    struct lb_builder builder;
    struct lb_retry retry;
    struct lb_meter meter;
    uint64_t beside_bytes; /* that another shipper has on its way over the same link */
    struct lb_wall wall;
    struct lb_wall_reading (*read_clocks)(void *ctx);
    void *clocks_ctx;
    uint64_t phase; /* the device's own beat (lb_retry_beat_ns) */
    struct lb_slot slot[LB_SHIPPER_SLOTS];
    unsigned slots;                        /* concurrency */
    uint64_t next_pos;                     /* first record that no slot has */
    uint64_t next_n[LB_LANE_COUNT];        /* by lane: the number that comes next there */
    uint64_t scan_pos;                     /* records before it, from next_pos on, are counted in pending_* */
    uint64_t pending_lines, pending_bytes; /* those that are final already too, where some are */
    bool has_urgent;
    bool is_full;                        /* enough for a body is pending */
    uint64_t wait_due_ns, urgent_due_ns; /* LB_NEVER: nothing pending */
    uint64_t splay_until_ns;             /* what is seen before it, just after the start, is due then */
    uint64_t catch_up_pos;               /* records before it waited while the sink was away */
    uint64_t force_pos;                  /* records before it are due now (flush, and what came back) */
    uint64_t force_next_pos;             /* the same in next_ring */
    uint64_t damaged_pos; /* what lies there is no record, so nothing from there on can be told apart;
                             LB_NEVER: none */
    struct lb_suspect suspect;
    struct lb_learnt learnt;
    enum lb_question question; /* one is on its way */
    enum lb_compression question_compression;
    uint8_t question_body[LB_QUESTION_MAX];
    uint64_t asked_ns;
    bool has_asked_time;
    enum lb_trouble trouble;
    bool has_told_clock;    /* the log says already that we wait for it */
    uint64_t clock_hold_ns; /* trouble CLOCK: tried again at the latest then */
    bool failed_since_delivery;
    bool has_losses; /* rows of the loss table are open, closed or being told */
    bool is_stopping;
    bool is_stuck;  /* away, the ring is full, and nothing of it may go: not tried again for the asking */
    bool is_held;   /* nothing new is sent: new settings wait for what is on its way */
    bool is_barred; /* the link is metered, and [sink] when says what may go then; held to be away */
    struct lb_shipper_stats stats;
    lb_probe_done probe_done;
    void *probe_ctx;
    uint64_t probe_sent_ns;
};

/*
 * Start shipping. The transport's callback must be lb_shipper_answer() with
 * the shipper as ctx.
 *   shipper  ring next_ring old_ring_done state meter_state is_best_effort link config sink_ix transport
 *            read_clocks clocks_ctx phase are set by the caller, wall is initialised, the rest is zero;
 *            config has that sink
 *   seed     for jitter
 *   now_ns   boot time
 *   returns  0 | -ENOMEM | -ENOENT no such sink type
 *   calls    slow side, or before its thread starts
 */
int lb_shipper_start(struct lb_shipper *shipper, uint64_t seed, uint64_t now_ns);

/*
 * Do all that is due now: look at new records, send, shed, release.
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
 * Something changed in the network: a pause for want of it may end early.
 *   calls     slow side
 */
void lb_shipper_hurry(struct lb_shipper *shipper, uint64_t now_ns);

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
 * Send the sink's empty body, or, with is_check, its question about the key,
 * and tell what came back.
 *   returns  0 done() will be called | -EBUSY a probe is out | -ENOENT is_check: this sink has no
 *            such question | negative errno of the transport
 *   calls    slow side
 */
int lb_shipper_probe(struct lb_shipper *shipper, bool is_check, lb_probe_done done, void *ctx);

/*
 * Is anything on its way, a probe among it?
 *   calls     slow side
 */
bool lb_shipper_is_busy(const struct lb_shipper *shipper);

/*
 * Take back what has had no answer for LB_AWAY_AFTER_NS, as far as the
 * transport lets go of it; it is sent again. For new settings that others
 * wait for.
 *   calls     slow side
 */
void lb_shipper_take_back(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * New settings. They are tried at once: they may be what the sink needs.
 *   config    outlives the shipper or the next call of this; its concurrency counts only after a restart
 *   sink_ix   of the shipper's sink in it
 *   returns   0 | -EBUSY a body is on its way | -ENOENT no such sink type | -ENOMEM (the old settings stay)
 *   calls     slow side; is_held makes sure that in the end nothing is on its way
 */
int lb_shipper_reload(struct lb_shipper *shipper, const struct lb_config *config, unsigned sink_ix);

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
