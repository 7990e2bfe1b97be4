/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is. In: streams that are ready. Out: turns in a fair order, first over users, then over each
 * user's streams, so that a firehose has one turn for each turn of a quiet service. Also what happens when
 * the ring is full (wait, or drop and tell) and the receipts.
 */
#include <string.h>

#include "agent/capture/parts.h"
#include "agent/store/loss.h"
#include "common/clock.h"
#include "common/log.h"

struct lb_share *lb_turns_share(struct lb_capture *capture, uid_t uid)
{
    struct lb_share *unused = NULL;

    for (unsigned i = 0; i < LB_SHARES; i++) {
        struct lb_share *share = &capture->share[i];

        if (share->is_used && share->uid == uid)
            return share;
        if (!unused && (!share->is_used || (share->streams == 0 && !share->first_ready)))
            unused = share;
    }
    if (!unused)
        return &capture->share[LB_SHARES - 1];
    memset(unused, 0, sizeof *unused);
    unused->is_used = true;
    unused->uid = uid;
    return unused;
}

void lb_turns_make_ready(struct lb_capture *capture, struct lb_stream *stream)
{
    struct lb_share *share = lb_turns_share(capture, stream->uid);

    if (stream->is_ready || stream->state == LB_STREAM_FREE)
        return;
    stream->is_ready = true;
    stream->next_ready = NULL;
    if (share->last_ready)
        share->last_ready->next_ready = stream;
    else
        share->first_ready = stream;
    share->last_ready = stream;
    capture->ready_count++;
}

static struct lb_stream *pop(struct lb_capture *capture, struct lb_share *share)
{
    struct lb_stream *stream = share->first_ready;

    share->first_ready = stream->next_ready;
    if (!share->first_ready)
        share->last_ready = NULL;
    stream->is_ready = false;
    capture->ready_count--;
    return stream;
}

void lb_turns_forget(struct lb_capture *capture, struct lb_stream *stream)
{
    struct lb_share *share = lb_turns_share(capture, stream->uid);
    struct lb_stream *before = NULL;

    if (stream->is_stalled) {
        stream->is_stalled = false;
        capture->stalled_count--;
    }
    if (!stream->is_ready)
        return;
    for (struct lb_stream *at = share->first_ready; at; before = at, at = at->next_ready) {
        if (at != stream)
            continue;
        *(before ? &before->next_ready : &share->first_ready) = at->next_ready;
        if (share->last_ready == at)
            share->last_ready = before;
        break;
    }
    stream->is_ready = false;
    capture->ready_count--;
}

static struct lb_stream *next_in_turn(struct lb_capture *capture)
{
    for (unsigned i = 0; i < LB_SHARES; i++) {
        struct lb_share *share = &capture->share[capture->next_share++ % LB_SHARES];

        if (share->first_ready)
            return pop(capture, share);
    }
    return NULL;
}

void lb_turns_publish(struct lb_capture *capture, bool has_urgent)
{
    struct lb_link *link = capture->link;

    lb_commit_publish(&capture->state->fast);
    lb_staging_after_publish(capture->staging);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the head is out before we look who waits for it */
    if (lb_ring_head(capture->ring) >= lb_link_get(&link->slow_wake_pos) ||
        (has_urgent && lb_link_get(&link->slow_wants_urgent))) {
        lb_link_put(&link->slow_wake_pos, UINT64_MAX);
        if (has_urgent)
            lb_link_put(&link->slow_wants_urgent, 0);
        lb_link_knock(link->to_slow_fd);
    }
}

/* ---- when the ring is full ---- */

void lb_turns_found_room(struct lb_capture *capture)
{
    capture->stall_start_ns = 0;
}

/*
 * overload = shed (design.md, backlog): one write() waits at most max_stall without progress, which is room
 * released, or an answer within 2 s; while the sink is away what finds no room is dropped at once. Returns
 * how long to go on waiting, 0: drop.
 */
static uint64_t patience_ns(struct lb_capture *capture, const struct lb_capture_config *settings,
                            uint64_t tail, uint64_t now_ns)
{
    uint64_t answered_ns = lb_link_get(&capture->link->last_answer_ns);
    uint64_t limit_ns = settings->max_stall_ms * LB_NS_PER_MS;

    if (capture->stall_start_ns == 0 || capture->stall_tail != tail) {
        capture->stall_start_ns = now_ns;
        capture->stall_tail = tail;
    }
    if (settings->overload == LB_OVERLOAD_WAIT || settings->max_stall_ms == LB_OFF)
        return UINT64_MAX;
    if (lb_link_get(&capture->link->sink_away))
        return 0;
    if (now_ns - capture->stall_start_ns < limit_ns)
        return capture->stall_start_ns + limit_ns - now_ns;
    if (answered_ns && now_ns - answered_ns < 2 * LB_NS_PER_S)
        return answered_ns + 2 * LB_NS_PER_S - now_ns;
    return 0;
}

void lb_turns_stall(struct lb_capture *capture, struct lb_stream *stream)
{
    if (!stream->is_stalled)
        capture->stalled_count++;
    stream->is_stalled = true;
}

bool lb_turns_no_room(struct lb_capture *capture, struct lb_stream *stream, uint64_t seen_tail,
                      uint64_t now_ns)
{
    uint64_t now = now_ns > capture->loop->now_ns ? now_ns : capture->loop->now_ns;
    uint64_t patience = patience_ns(capture, &stream->settings->capture, seen_tail, now);

    if (patience == 0)
        return true;
    lb_turns_stall(capture, stream);
    if (patience != UINT64_MAX && now + patience < capture->stall_timer.due_ns)
        capture->stall_timer.due_ns = now + patience;
    lb_link_put(&capture->link->fast_wants_room, 1);
    if (lb_ring_tail(capture->ring) != seen_tail)
        capture->stall_timer.due_ns = now; /* it moved after we found no room and before our wish was seen */
    return false;
}

static void wake_stalled(struct lb_capture *capture)
{
    if (capture->stalled_count > 0)
        for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
            if (capture->streams[slot].is_stalled)
                lb_turns_make_ready(capture, &capture->streams[slot]);
    lb_intake_resume(capture);
}

/* ---- receipts ---- */

/* Put one receipt into the ring. false: no room now. */
static bool put_receipt(struct lb_capture *capture, const struct lb_receipt *receipt, uint64_t now_ns)
{
    static const char own_name[] = "logboom";
    const char *name = receipt->name_len ? (const char *)receipt->name : own_name;
    size_t name_len = receipt->name_len ? receipt->name_len : sizeof own_name - 1;
    uint32_t row = lb_state_service(capture->state, name, name_len);
    struct iovec body = { (void *)(uintptr_t)receipt, sizeof *receipt };
    struct lb_record head = {
        .lane = LB_LEVEL_WARNING <= capture->config->ring_urgent ? LB_LANE_URGENT : LB_LANE_ROUTINE,
        .severity = LB_LEVEL_WARNING,
        .kind = LB_KIND_RECEIPT,
        .boot_ns = now_ns,
        .uid = capture->own_uid,
        .service_ix = row,
        .lines = 1,
    };

    if (lb_ring_put(capture->ring, &head, name, name_len, NULL, 0, &body, 1) < 0)
        return false;
    lb_commit_add(&capture->state->fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + LB_BOOK_OWN_LINES, 1);
    lb_commit_add(&capture->state->fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + LB_BOOK_OWN_BYTES,
                  sizeof *receipt);
    return true;
}

/* The fast side's own losses of one service and kind. false: no room now. */
static bool tell_untold(struct lb_capture *capture, uint32_t row, enum lb_untold why, uint64_t now_ns)
{
    struct lb_commit *commit = &capture->state->fast;
    uint32_t at = row * LB_BOOK_FAST_WORDS + LB_BOOK_UNTOLD + (uint32_t)why * LB_UNTOLD_WORDS;
    const uint64_t *words = &commit->region[LB_FAST_BOOKS].work[at];
    const struct lb_state_name *name = &capture->state->file->name[row];
    struct lb_receipt receipt = {
        .reason = why == LB_UNTOLD_CLIENT ? LB_REASON_CLIENT : LB_REASON_OVERLOAD,
        .lines = words[LB_UNTOLD_LINES],
        .bytes = words[LB_UNTOLD_BYTES],
        .first_ns = words[LB_UNTOLD_FIRST_NS],
        .last_ns = words[LB_UNTOLD_LAST_NS],
        .name_len = name->len,
    };

    if (receipt.lines == 0 && receipt.bytes == 0)
        return true;
    memcpy(receipt.by_severity, words + LB_UNTOLD_BY_SEVERITY, sizeof receipt.by_severity);
    memcpy(receipt.name, name->text, sizeof receipt.name);
    if (!put_receipt(capture, &receipt, now_ns))
        return false;
    for (uint32_t i = 0; i < LB_UNTOLD_WORDS; i++)
        lb_commit_set(commit, LB_FAST_BOOKS, at + i, 0);
    return true;
}

/* Tell what can be told. Leaves has_untold set when the ring had no room for all. */
static void tell(struct lb_capture *capture, uint64_t now_ns)
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

/* ---- the loop's part ---- */

static void on_door(void *arg, uint32_t events)
{
    struct lb_capture *capture = arg;

    (void)events;
    lb_link_answer(capture->link->to_fast_fd);
    lb_link_put(&capture->link->fast_wants_room, 0);
    wake_stalled(capture);
    if (lb_link_get(&capture->link->losses_wait))
        tell(capture, capture->loop->now_ns);
}

static void on_stall_timer(void *arg, uint64_t now_ns)
{
    (void)now_ns;
    wake_stalled(arg);
}

static void on_tell_timer(void *arg, uint64_t now_ns)
{
    tell(arg, now_ns);
}

static bool has_anything_untold(const struct lb_capture *capture)
{
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        for (unsigned why = 0; why < LB_UNTOLD_COUNT; why++)
            if (lb_commit_get(&capture->state->fast, LB_FAST_BOOKS,
                              row * LB_BOOK_FAST_WORDS + LB_BOOK_UNTOLD + why * LB_UNTOLD_WORDS) > 0)
                return true;
    return false;
}

int lb_turns_start(struct lb_capture *capture)
{
    capture->door = (struct lb_watch) { capture->link->to_fast_fd, on_door, capture };
    capture->stall_timer = (struct lb_timer) { LB_NEVER, on_stall_timer, capture, NULL };
    capture->tell_timer = (struct lb_timer) { LB_NEVER, on_tell_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->stall_timer);
    lb_loop_add_timer(capture->loop, &capture->tell_timer);
    if (has_anything_untold(capture))
        lb_turns_tell_later(capture);
    return lb_loop_add(capture->loop, &capture->door, EPOLLIN);
}

static void one_turn(struct lb_capture *capture, struct lb_stream *stream)
{
    if (stream->is_stalled) {
        stream->is_stalled = false;
        capture->stalled_count--;
    }
    switch (lb_feed_stream(capture, stream, lb_clock_boot_ns())) {
    case LB_FED_MORE:
        lb_turns_make_ready(capture, stream);
        break;
    case LB_FED_ENDED:
        lb_streams_end(capture, stream);
        break;
    case LB_FED_IDLE:
    case LB_FED_STALLED: /* it is marked, and waits for the door or the timer */
        break;
    }
}

bool lb_capture_turns(struct lb_capture *capture)
{
    for (unsigned i = 0; i < LB_TURN_STREAMS && capture->ready_count > 0; i++) {
        struct lb_stream *stream = next_in_turn(capture);

        if (!stream)
            break;
        one_turn(capture, stream);
    }
    return capture->ready_count > 0;
}
