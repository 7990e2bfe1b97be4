/* SPDX-License-Identifier: MIT */
/* The last numbers before a reboot. In: the spool's book. Out: what a start record tells of the ring before.
 */
#include "agent/store/spool_last.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/store/killpoint.h"

/* It outlives the question: a card that hangs may answer when nobody waits any more. */
static struct {
    struct lb_card_job job;
    char path[4096];
    struct lb_spool_boot boot;
    uint64_t is_done;
} question;

static void look(struct lb_card_job *job)
{
    struct lb_spool_settings settings = { .path = question.path, .max_bytes = UINT32_MAX };
    char why[LB_SPOOL_WHY_BYTES];
    struct lb_spool *spool;

    (void)job;
    if (lb_spool_open(&settings, &spool, why) == 0) {
        question.boot = lb_spool_book(spool)->boot;
        lb_spool_close(spool);
    }
    lb_store(&question.is_done, 1);
}

static void done(struct lb_card_job *job)
{
    (void)job;
}

void lb_spool_last(struct lb_card *card, const char *path, struct lb_start *start)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    question.job = (struct lb_card_job) { look, done, NULL };
    snprintf(question.path, sizeof question.path, "%s", path);
    if (lb_card_submit(card, LB_CARD_FAST, &question.job) < 0)
        return;
    for (unsigned ms = 0; ms < LB_SPOOL_LAST_MS && !lb_load(&question.is_done); ms++)
        nanosleep(&pause, NULL);
    if (!lb_load(&question.is_done) || question.boot.ring_id == 0)
        return;
    start->last_ring = question.boot.ring_id;
    memcpy(start->last, question.boot.last_n, sizeof start->last);
}
