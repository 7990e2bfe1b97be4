/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SPOOL_WORK_H
#define LB_SHIP_SPOOL_WORK_H

#include "agent/ship/meter.h"
#include "agent/store/card.h"
#include "agent/store/spool.h"
#include "agent/wear/ledger.h"
#include "common/config.h"

/*
 * What the slow side asks of the card side about the spool: one piece of work at
 * a time, with all that it needs in it. The slow side fills it in and hands it
 * over; until it is done it is the card side's, and nobody waits.
 */
enum lb_spool_task {
    LB_SPOOL_TASK_OPEN = 0, /* look at the place, and list what is there */
    LB_SPOOL_TASK_WRITE,    /* one transaction: parts as a row, rows dropped */
    LB_SPOOL_TASK_READ,     /* a piece of a row */
    LB_SPOOL_TASK_GIVE_BACK /* remove an empty file */
};

#define LB_SPOOL_DROPS_MAX 64

/* A row of the spool, as the slow side knows it. A bit for each part. */
struct lb_spool_known {
    uint64_t id;
    unsigned count;
    struct lb_spool_part *part; /* its own */
    uint64_t done;              /* their records are final */
    uint64_t in_ram;            /* they lie in the backlog as well */
};

/* What only the card side touches. */
struct lb_spool_side {
    const struct lb_config *config; /* of the start: its keys take effect with the next one */
    struct lb_spool *spool;         /* NULL: not open */
    struct lb_ledger ledger;
    bool is_open;
    bool has_budget;     /* false: nothing is known of the disk, and the budget is auto */
    uint64_t stop_bytes; /* written while the system goes down */
};

struct lb_spool_work {
    struct lb_card_job job;
    struct lb_spool_side *side;
    enum lb_spool_task task;
    uint64_t now_ns;  /* boot time at which it was asked for … */
    uint64_t wall_ns; /* … and wall time, 0: nobody knows it */
    uint64_t boot;    /* what tells this boot from others */
    /* to be written */
    struct lb_spool_part part[LB_SPOOL_PARTS_MAX];
    unsigned parts;
    uint64_t drop[LB_SPOOL_DROPS_MAX];
    unsigned drops;
    struct lb_spool_boot boot_row;
    uint64_t meter[LB_METER_KEPT]; /* what rides on the transaction, behind the ledger's words */
    bool is_going_down;            /* stop_budget is there as well */
    /* to be read */
    uint64_t id; /* of the row; of a write: the new one */
    uint32_t offset, len;
    /* bytes of what is written or read; the work's own */
    uint8_t *bytes;
    size_t room, used;
    /* what came of it */
    int rc;
    char why[LB_SPOOL_WHY_BYTES];
    struct lb_spool_view view;
    uint64_t budget_rate, budget_left, budget_spent; /* bytes of the card: a day, now, in all */
    struct lb_spool_book book;
    struct lb_spool_known *listed; /* OPEN: so many, the taker's to free */
    unsigned listed_count;
};

/*
 * Do it: the job's work().
 *   calls    card side
 */
void lb_spool_work_do(struct lb_card_job *job);

/*
 * Room for so many more bytes.
 *   returns  where they go | NULL out of memory
 *   calls    slow side, while it has the work
 */
uint8_t *lb_spool_work_room(struct lb_spool_work *work, size_t bytes);

#endif
