/* SPDX-License-Identifier: MIT */
/*
 * Records of our own. In: losses and errors that came again, as the tables have them; ends of services. Out:
 * receipts, repeat and exit records in the ring. Always true: what is told is marked as told in the commit
 * that holds the record which tells it.
 */
#include <string.h>

#include "agent/capture/parts.h"
#include "agent/shape/repeat.h"
#include "agent/store/loss.h"
#include "agent/store/untold.h"
#include "common/clock.h"

unsigned lb_own_lane(const struct lb_capture *capture, int severity)
{
    int least = (int)capture->config->ring_urgent;

    if (lb_link_get(&capture->link->quota_step) > 0 && least > LB_LEVEL_ERROR)
        least = LB_LEVEL_ERROR;
    return severity <= least ? LB_LANE_URGENT : LB_LANE_ROUTINE;
}

int lb_own_put(struct lb_capture *capture, const struct lb_own *own, uint64_t now_ns)
{
    static const char own_name[] = "logboom";
    /* Tables lie in memory that may be damaged: a name of no length that we ever store is none. */
    bool has_name = own->name_len > 0 && own->name_len <= LB_PROTO_SERVICE_MAX;
    const char *name = has_name ? own->name : own_name;
    size_t name_len = has_name ? own->name_len : sizeof own_name - 1;
    uint32_t row = lb_state_service(capture->state, name, name_len);
    struct iovec body = { (void *)(uintptr_t)own->body, own->body_len };
    struct lb_record head = {
        .lane = (uint8_t)lb_own_lane(capture, (int)own->severity),
        .severity = (uint8_t)own->severity,
        .kind = own->kind,
        .boot_ns = now_ns,
        .uid = capture->own_uid,
        .pid = own->pid,
        .service_ix = row,
        .lines = 1,
    };
    int rc = lb_ring_put(capture->ring, &head, name, name_len, own->tags, own->tags_len, &body, 1);

    if (rc < 0)
        return rc;
    lb_commit_add(&capture->state->fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + LB_BOOK_OWN_LINES, 1);
    lb_commit_add(&capture->state->fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + LB_BOOK_OWN_BYTES,
                  own->body_len);
    return 0;
}

/* Put one receipt into the ring. false: no room now. */
static bool put_receipt(struct lb_capture *capture, const struct lb_receipt *receipt, uint64_t now_ns)
{
    struct lb_own own = {
        .kind = LB_KIND_RECEIPT,
        .severity = LB_LEVEL_WARNING,
        .name = (const char *)receipt->name,
        .name_len = receipt->name_len,
        .body = receipt,
        .body_len = sizeof *receipt,
    };

    return lb_own_put(capture, &own, now_ns) == 0;
}

/* The fast side's own losses of one service and kind. false: no room now. */
static bool tell_untold(struct lb_capture *capture, uint32_t row, enum lb_untold why, uint64_t now_ns)
{
    struct lb_receipt receipt;

    if (!lb_untold_read(capture->state, row, why, &receipt))
        return true;
    if (!put_receipt(capture, &receipt, now_ns))
        return false;
    lb_untold_clear(capture->state, row, why);
    return true;
}

/* ---- errors that came again ---- */

static uint64_t window_of(void *arg, uint32_t service_ix)
{
    const struct lb_capture *capture = arg;
    const struct lb_state_name *name = &capture->state->file->name[service_ix % LB_SERVICES_BOOKS];
    uint64_t len = name->len < sizeof name->text ? name->len : sizeof name->text;

    return lb_config_service(capture->config, name->text, len)->capture.repeat_window_ms * LB_NS_PER_MS;
}

/* Tell what came again in windows that are over. false: no room now. */
static bool tell_repeats(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_commit *commit = &capture->state->fast;
    struct lb_repeat_due due;
    uint64_t next_ns = LB_NEVER;
    uint32_t row = 0;

    while (lb_repeat_next(commit, &row, window_of, capture, now_ns, capture->is_stopping, &due, &next_ns)) {
        const struct lb_state_name *name = &capture->state->file->name[due.service_ix % LB_SERVICES_BOOKS];
        struct lb_own own = {
            .kind = LB_KIND_REPEAT,
            .severity = (enum lb_level)due.severity,
            .name = name->text,
            .name_len = name->len,
            .body = &due.body,
            .body_len = sizeof due.body,
        };

        if (lb_own_put(capture, &own, now_ns) < 0)
            return false;
        lb_repeat_told(commit, row);
        lb_turns_publish(capture, true);
    }
    capture->repeat_timer.due_ns = next_ns;
    return true;
}

void lb_turns_repeat_later(struct lb_capture *capture)
{
    if (capture->repeat_timer.due_ns == LB_NEVER)
        capture->repeat_timer.due_ns = capture->loop->now_ns; /* the first look finds out when it is due */
}

static void on_repeat_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;

    if (!tell_repeats(capture, now_ns))
        capture->repeat_timer.due_ns = now_ns + LB_TELL_EVERY_NS;
}

/* ---- all of it ---- */

void lb_own_tell(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_receipt receipt;
    bool has_room = true;
    unsigned loss_row = 0;

    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && has_room; row++) {
        if (capture->state->file->name[row].len == 0)
            break;
        for (unsigned why = 0; why < LB_UNTOLD_COUNT && has_room; why++)
            has_room = tell_untold(capture, row, why, now_ns);
        if (!lb_commit_has_room(&capture->state->fast, 256))
            lb_turns_publish(capture, true);
    }
    while (has_room && lb_loss_next(capture->state, &loss_row, &receipt)) {
        has_room = put_receipt(capture, &receipt, now_ns);
        if (has_room)
            lb_loss_told(capture->state, loss_row);
        lb_turns_publish(capture, true);
    }
    lb_turns_publish(capture, true);
    capture->has_untold = !has_room;
    if (has_room)
        lb_hand_tell(capture, now_ns);
    if (!has_room)
        capture->tell_timer.due_ns = now_ns + LB_TELL_EVERY_NS;
    else if (lb_link_get(&capture->link->losses_wait))
        lb_link_knock(capture->link->to_slow_fd); /* it frees the rows we have told */
}

void lb_turns_tell_later(struct lb_capture *capture)
{
    if (capture->has_untold)
        return;
    capture->has_untold = true;
    capture->tell_timer.due_ns = capture->loop->now_ns + LB_TELL_EVERY_NS;
}

static void on_tell_timer(void *arg, uint64_t now_ns)
{
    lb_own_tell(arg, now_ns);
}

static bool has_anything_untold(const struct lb_capture *capture)
{
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        for (unsigned why = 0; why < LB_UNTOLD_COUNT; why++)
            if (lb_commit_get(&capture->state->fast, LB_FAST_BOOKS, lb_untold_at(row, why)) > 0)
                return true;
    return false;
}

void lb_own_start(struct lb_capture *capture)
{
    capture->tell_timer = (struct lb_timer) { LB_NEVER, on_tell_timer, capture, NULL };
    capture->repeat_timer = (struct lb_timer) { capture->loop->now_ns, on_repeat_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->tell_timer);
    lb_loop_add_timer(capture->loop, &capture->repeat_timer);
    lb_own_throttle_start(capture);
    if (has_anything_untold(capture))
        lb_turns_tell_later(capture);
}

void lb_own_stop(struct lb_capture *capture)
{
    tell_repeats(capture, capture->loop->now_ns); /* where there is no room the next agent tells them */
    lb_own_throttle_stop(capture);
}
