/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SPOOLER_H
#define LB_SHIP_SPOOLER_H

#include "agent/ship/drain.h"
#include "agent/ship/spool_work.h"

/*
 * What goes to the card, and what comes back (design.md, spool). All of it is
 * decided on the slow side; the card side does one piece of work at a time, and
 * nobody waits for it: no answer in 10 s, and the spool is off until there is
 * one.
 *
 *   backlog ── full ───────────────▶ a row ── acknowledged ──▶ gone from RAM
 *   ring, backlog ── going down ───▶ rows, urgent first
 *   ring, backlog ── dear, late ───▶ a row, a copy: what it copies ships from RAM
 *   a row ── the sink is well ─────▶ backlog again, marked ──▶ shipped ──▶ final
 *                                    the row goes with another transaction
 *
 * A segment that came back lies in RAM and on the card, and is shipped from RAM.
 * When it is final its row in the backlog goes on telling so until the card has
 * let go of it: so nothing is shipped twice but what the card forgot to forget.
 */
#define LB_SPOOLER_HANGS_NS (10 * 1000000000ull)

enum lb_spooler_state {
    LB_SPOOLER_OPENING = 0,
    LB_SPOOLER_ON,
    LB_SPOOLER_OFF,    /* it cannot be used: why says it; tried again now and then, where that may help */
    LB_SPOOLER_REFUSED /* the place cannot hold what the spool promises */
};

struct lb_spooler_stats {
    uint64_t written_rows, written_bytes, copied_rows, dropped_rows, brought_back; /* since the start */
    uint64_t failures;
};

struct lb_spooler {
    struct lb_shipper *live;
    struct lb_mover *mover;
    struct lb_drain *drain;
    struct lb_backlog *backlog;
    struct lb_card *card;
    const struct lb_config *config; /* as the live shipper's; its [spool] keys that a reload may change */
    uint8_t boot_id[16];
    struct lb_spool_side side; /* the card side's */
    struct lb_spool_work work; /* whoever has it */
    bool is_out, hangs;
    uint64_t out_since_ns;
    enum lb_spooler_task {
        LB_SPOOLER_IDLE = 0,
        LB_SPOOLER_OPEN,
        LB_SPOOLER_OVERFLOW,
        LB_SPOOLER_COPY,
        LB_SPOOLER_DOWN,
        LB_SPOOLER_BRING,
        LB_SPOOLER_DROP,
        LB_SPOOLER_GIVE_BACK
    } task;
    uint32_t row[LB_SPOOL_PARTS_MAX];     /* of the backlog, in the work … */
    uint64_t row_seq[LB_SPOOL_PARTS_MAX]; /* … as it was then */
    unsigned rows;
    struct lb_spool_known *known;
    unsigned known_count;
    enum lb_spooler_state state;
    char why[LB_SPOOL_WHY_BYTES];
    struct lb_spool_retry retry;
    struct lb_spool_view view;                       /* as of the last answer … */
    uint64_t budget_rate, budget_left, budget_spent; /* … and so is this */
    uint64_t look_ns, copied_ns, dropped_ns;
    uint64_t copy_pos;   /* records of the ring before it were looked at */
    uint64_t copied_seq; /* and rows of the backlog before it */
    bool is_going_down, is_down, has_meter;
    struct lb_spooler_stats stats;
};

/*
 * Begin: the card side is asked to look.
 *   live, mover, drain, card, config   outlive it; it does not move afterwards
 *   returns   0 | -EBUSY
 *   calls     before the slow side starts, after lb_drain_start() and lb_card_start()
 */
int lb_spooler_start(struct lb_spooler *spooler, struct lb_shipper *live, struct lb_mover *mover,
                     struct lb_drain *drain, struct lb_card *card, uint64_t now_ns);

/*
 * Do what is due.
 *   returns   when to be called again at the latest; LB_NEVER: when something else happens
 *   calls     slow side, after lb_drain_step()
 */
uint64_t lb_spooler_step(struct lb_spooler *spooler, uint64_t now_ns);

/*
 * The system goes down: what is not shipped goes to the card, urgent first,
 * within stop_budget. Nothing is shipped from here on.
 *   calls     slow side
 */
void lb_spooler_go_down(struct lb_spooler *spooler, uint64_t now_ns);

/*
 * Is that done, or can it not be done?
 *   calls     slow side
 */
bool lb_spooler_is_down(const struct lb_spooler *spooler);

/*
 * Is a row of the backlog on its way to the card? Then it may not go.
 *   calls     slow side
 */
bool lb_spooler_holds(const void *spooler, uint32_t row);

/*
 * Free what is not the card side's at this moment.
 *   calls     main thread, after the card side has stopped
 */
void lb_spooler_stop(struct lb_spooler *spooler);

#endif
