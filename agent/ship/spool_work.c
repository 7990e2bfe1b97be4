/* SPDX-License-Identifier: MIT */
/* The spool's work on the card side. In: what the slow side asks for. Out: what came of it. */
#include "agent/ship/spool_work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ground.h"

uint8_t *lb_spool_work_room(struct lb_spool_work *work, size_t bytes)
{
    if (work->used + bytes > work->room) {
        size_t room = work->used + bytes > 2 * work->room ? work->used + bytes : 2 * work->room;
        uint8_t *more = realloc(work->bytes, room);

        if (!more)
            return NULL;
        work->bytes = more;
        work->room = room;
    }
    work->used += bytes;
    return work->bytes + work->used - bytes;
}

/* ---- the budget ---- */

static uint64_t rate_of(const struct lb_config *config, const char *disk)
{
    uint64_t capacity = 0, endurance = config->wear_endurance_bytes;

    if (config->spool_wear_budget_bytes_per_day != LB_AUTO)
        return config->spool_wear_budget_bytes_per_day;
    if (disk[0] == '\0' || lb_ground_capacity("", disk, &capacity) < 0)
        capacity = 0;
    return lb_ledger_auto_rate(capacity, endurance == LB_AUTO ? 0 : endurance, config->wear_life_ms);
}

static void begin_ledger(struct lb_spool_work *work)
{
    struct lb_spool_side *side = work->side;
    const struct lb_spool_book *book = lb_spool_book(side->spool);
    uint64_t rate;

    lb_spool_look(side->spool, &work->view);
    rate = rate_of(side->config, work->view.disk);
    side->has_budget = rate > 0;
    lb_ledger_begin(&side->ledger, rate, work->now_ns);
    lb_ledger_load(&side->ledger, book->words, book->word_count, work->boot, work->wall_ns, work->now_ns);
    if (work->view.book_is_lost) /* rows are there, and nobody knows what they cost */
        side->ledger.level = 0;
}

/* Bytes that the disk has counted so far; 0: it has no counter. */
static uint64_t counted(const struct lb_spool_work *work)
{
    uint64_t bytes;

    return work->view.disk[0] && lb_ground_written("", work->view.disk, &bytes) == 0 ? bytes : 0;
}

/* May this transaction be written? While the system goes down stop_budget is there as well. */
static int ask_ledger(struct lb_spool_work *work, uint64_t cost)
{
    struct lb_spool_side *side = work->side;

    if (work->is_going_down && side->stop_bytes + cost <= side->config->spool_stop_budget_bytes)
        return 0;
    if (side->has_budget && lb_ledger_may(&side->ledger, work->now_ns))
        return 0;
    snprintf(work->why, sizeof work->why, "%s",
             side->has_budget ? "what [spool] wear_budget allows is spent"
                              : "[spool] wear_budget is auto, and nothing is known of the disk");
    return -EAGAIN;
}

/* ---- open ---- */

static void list_one(void *arg, const struct lb_spool_row *row)
{
    struct lb_spool_work *work = arg;
    struct lb_spool_known *more = realloc(work->listed, (work->listed_count + 1) * sizeof *work->listed);
    struct lb_spool_part *part = malloc((row->count ? row->count : 1) * sizeof *part);

    if (more)
        work->listed = more;
    if (!more || !part) {
        free(part);
        work->rc = -ENOMEM;
        return;
    }
    memcpy(part, row->parts, row->count * sizeof *part);
    more[work->listed_count++] =
        (struct lb_spool_known) { .id = row->id, .count = row->count, .part = part, .done = row->done };
}

static int open_and_list(struct lb_spool_work *work)
{
    const struct lb_config *config = work->side->config;
    struct lb_spool_settings settings = { .path = config->spool_path,
                                          .max_bytes = config->spool_max_bytes,
                                          .free_floor_percent = (unsigned)config->spool_free_floor_percent };
    int rc = 0;

    if (!work->side->spool)
        rc = lb_spool_open(&settings, &work->side->spool, work->why);
    if (rc < 0)
        return rc;
    if (!work->side->is_open)
        begin_ledger(work);
    work->side->is_open = true;
    work->rc = 0;
    rc = lb_spool_list(work->side->spool, list_one, work);
    if (rc == 0)
        rc = work->rc;
    if (rc < 0)
        snprintf(work->why, sizeof work->why, "%s", lb_spool_why(work->side->spool));
    work->book = *lb_spool_book(work->side->spool);
    return rc;
}

/* ---- write, read ---- */

static int write_change(struct lb_spool_work *work)
{
    struct lb_spool_side *side = work->side;
    struct lb_spool_batch batch = { .parts = work->part, .count = work->parts };
    uint64_t words[LB_LEDGER_WORDS + LB_METER_KEPT], cost, before;
    struct lb_spool_change change = { .insert = &batch,
                                      .insert_count = work->parts > 0,
                                      .drop = work->drop,
                                      .drop_count = work->drops,
                                      .words = words,
                                      .word_count = LB_LEDGER_WORDS + LB_METER_KEPT,
                                      .boot = &work->boot_row };
    struct lb_ledger then;
    size_t at = 0;
    int rc;

    for (unsigned i = 0; i < work->parts; i++) { /* they lie one behind the other */
        work->part[i].data = work->bytes + at;
        at += work->part[i].len;
    }
    cost = lb_ledger_cost(&side->ledger, lb_spool_payload_bytes(&change), work->drops);
    rc = ask_ledger(work, cost);
    if (rc < 0)
        return rc;
    then =
        side->ledger; /* what rides on a transaction knows of it: else a reboot behind each would be free */
    lb_ledger_spend(&then, cost, 0, work->now_ns);
    lb_ledger_save(&then, work->boot, work->wall_ns, words);
    memcpy(words + LB_LEDGER_WORDS, work->meter, sizeof work->meter);
    before = counted(work);
    rc = lb_spool_write(side->spool, &change);
    if (rc < 0)
        return rc;
    work->id = batch.ret_id;
    lb_ledger_spend(&side->ledger, cost, before ? counted(work) - before : 0, work->now_ns);
    if (work->is_going_down)
        side->stop_bytes += cost;
    return 0;
}

void lb_spool_work_do(struct lb_card_job *job)
{
    struct lb_spool_work *work = job->arg;
    struct lb_spool_side *side = work->side;

    work->why[0] = '\0';
    switch (work->task) {
    case LB_SPOOL_TASK_OPEN:
        work->rc = open_and_list(work);
        break;
    case LB_SPOOL_TASK_WRITE:
        work->rc = write_change(work);
        break;
    case LB_SPOOL_TASK_READ:
        work->rc = lb_spool_read(side->spool, work->id, work->offset, work->bytes, work->len);
        break;
    case LB_SPOOL_TASK_GIVE_BACK:
        work->rc = lb_spool_give_back(side->spool);
        break;
    }
    if (!side->spool)
        return;
    if (work->rc < 0 && work->why[0] == '\0')
        snprintf(work->why, sizeof work->why, "%s", lb_spool_why(side->spool));
    lb_spool_look(side->spool, &work->view);
    work->budget_rate = side->ledger.rate_per_day;
    work->budget_left = lb_ledger_left(&side->ledger, work->now_ns);
    work->budget_spent = side->ledger.spent_bytes;
}
