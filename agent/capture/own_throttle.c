/* SPDX-License-Identifier: MIT */
/*
 * What the throttle has to tell. In: counts of records that said the same, sums of what was suppressed. Out:
 * repeat and summary records in the ring. Always true: a count is cleared in the commit that has the record
 * which tells it.
 */
#include <string.h>

#include "agent/capture/parts.h"
#include "agent/shape/collapse.h"
#include "agent/shape/summary.h"
#include "common/clock.h"

#define SUMMARY_SELDOM_NS (86400 * LB_NS_PER_S) /* the longest that sums wait under a quota */

static const struct lb_state_name *name_of(const struct lb_capture *capture, uint32_t row)
{
    return &capture->state->file->name[row % LB_SERVICES_BOOKS];
}

/* ---- records that said the same ---- */

/* false: no room now */
static bool put_repeat(struct lb_capture *capture, uint32_t row, const struct lb_collapse_due *due,
                       uint64_t now_ns)
{
    const struct lb_state_name *name = name_of(capture, due->service_ix);
    struct lb_own own = {
        .kind = LB_KIND_REPEAT,
        .severity = (enum lb_level)due->severity,
        .name = name->text,
        .name_len = name->len,
        .body = &due->body,
        .body_len = sizeof due->body,
    };

    if (lb_own_put(capture, &own, now_ns) < 0)
        return false;
    lb_collapse_told(&capture->state->fast, row);
    return true;
}

bool lb_own_tell_collapsed(struct lb_capture *capture, struct lb_collapse *last, uint64_t key,
                           uint64_t now_ns)
{
    struct lb_collapse_due due;
    uint32_t row;

    if (lb_collapse_of(&capture->state->fast, key, &row, &due) && !put_repeat(capture, row, &due, now_ns))
        return false;
    last->has_count = false;
    return true;
}

/* Tell those whose window is over. false: no room now */
static bool tell_collapsed(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_collapse_due due;
    uint64_t next_ns = LB_NEVER;
    uint32_t row = 0;

    while (lb_collapse_next(&capture->state->fast, &row, now_ns, capture->is_stopping, &due, &next_ns)) {
        if (!put_repeat(capture, row, &due, now_ns))
            return false;
        lb_turns_publish(capture, true);
    }
    capture->collapse_timer.due_ns = next_ns;
    return true;
}

void lb_turns_collapse_later(struct lb_capture *capture, uint64_t due_ns)
{
    if (due_ns < capture->collapse_timer.due_ns)
        capture->collapse_timer.due_ns = due_ns;
}

static void on_collapse_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;

    if (!tell_collapsed(capture, now_ns))
        capture->collapse_timer.due_ns = now_ns + LB_TELL_EVERY_NS;
}

/* ---- what was suppressed ---- */

/* false: no room now */
static bool tell_summaries(struct lb_capture *capture, uint64_t now_ns)
{
    static struct lb_summary body; /* fast side only */
    uint64_t next_ns = LB_NEVER;
    uint32_t row = 0;

    while (lb_summary_next(&capture->state->fast, &row, now_ns, capture->is_stopping, &body, &next_ns)) {
        const struct lb_state_name *name = name_of(capture, row);
        struct lb_own own = {
            .kind = LB_KIND_SUMMARY,
            .severity = LB_LEVEL_INFO,
            .name = name->text,
            .name_len = name->len,
            .body = &body,
            .body_len = sizeof body - (LB_SUMMARY_PATTERNS - (size_t)body.patterns) * sizeof body.pattern[0],
        };

        if (lb_own_put(capture, &own, now_ns) < 0)
            return false;
        lb_summary_told(&capture->state->fast, row);
        lb_turns_publish(capture, false);
    }
    capture->summary_timer.due_ns = next_ns;
    return true;
}

void lb_turns_summary_later(struct lb_capture *capture)
{
    if (capture->summary_timer.due_ns == LB_NEVER)
        capture->summary_timer.due_ns = capture->loop->now_ns + LB_SUMMARY_EVERY_NS;
}

/* Where a quota runs short, sums are told more seldom: each of them costs what a few errors do. */
static uint64_t summaries_wait_ns(const struct lb_capture *capture)
{
    uint64_t wait_ns = LB_SUMMARY_EVERY_NS << 2 * lb_link_get(&capture->link->quota_step);

    return wait_ns < SUMMARY_SELDOM_NS ? wait_ns : SUMMARY_SELDOM_NS;
}

static void on_summary_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;
    uint64_t from_ns = capture->summaries_told_ns + summaries_wait_ns(capture);

    if (lb_link_get(&capture->link->quota_step) > 0 && now_ns < from_ns) {
        capture->summary_timer.due_ns = from_ns;
        return;
    }
    capture->summaries_told_ns = now_ns;
    if (!tell_summaries(capture, now_ns))
        capture->summary_timer.due_ns = now_ns + LB_TELL_EVERY_NS;
}

/* ---- start and stop ---- */

void lb_own_throttle_start(struct lb_capture *capture)
{
    /* What an agent before us left is looked at once: then it is known when it is due. */
    capture->collapse_timer = (struct lb_timer) { capture->loop->now_ns, on_collapse_timer, capture, NULL };
    capture->summary_timer = (struct lb_timer) { capture->loop->now_ns, on_summary_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->collapse_timer);
    lb_loop_add_timer(capture->loop, &capture->summary_timer);
    lb_shortage_start(capture);
    lb_heart_start(capture);
}

void lb_own_throttle_stop(struct lb_capture *capture)
{
    tell_collapsed(capture, capture->loop->now_ns); /* where there is no room the next agent tells them */
    tell_summaries(capture, capture->loop->now_ns);
}
