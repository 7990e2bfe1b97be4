/* SPDX-License-Identifier: MIT */
/* The spool's work on the card side. In: what the slow side asks for. Out: what came of it. */
#include "agent/ship/spool_work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct lb_spool_batch batch = { .parts = work->part, .count = work->parts };
    struct lb_spool_change change = { .insert = &batch,
                                      .insert_count = work->parts > 0,
                                      .drop = work->drop,
                                      .drop_count = work->drops,
                                      .boot = &work->boot };
    size_t at = 0;
    int rc;

    for (unsigned i = 0; i < work->parts; i++) { /* they lie one behind the other */
        work->part[i].data = work->bytes + at;
        at += work->part[i].len;
    }
    rc = lb_spool_write(work->side->spool, &change);
    if (rc == 0)
        work->id = batch.ret_id;
    return rc;
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
}
