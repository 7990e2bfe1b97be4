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
    lb_held_after_publish(capture->held);
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

/*
 * overload = shed (design.md, backlog): one write() waits at most max_stall without progress, which is room
 * released, or an answer within 2 s; while the sink is away, and no backlog takes what is in the ring, what
 * finds no room is dropped at once. Returns how long to go on waiting, 0: drop.
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
    /* With a backlog room is on its way: the oldest records go there, or the oldest of it go for them. */
    if (lb_link_get(&capture->link->sink_away) && lb_link_get(&capture->link->backlog_size) == 0)
        return 0;
    if (now_ns - capture->stall_start_ns < limit_ns)
        return capture->stall_start_ns + limit_ns - now_ns;
    /* The slow side reads the clock on its own: its answer may be newer than our look at the clock. */
    if (answered_ns && now_ns < answered_ns + 2 * LB_NS_PER_S)
        return answered_ns + 2 * LB_NS_PER_S - now_ns;
    return 0;
}

void lb_turns_stall(struct lb_capture *capture, struct lb_stream *stream)
{
    if (!stream->is_stalled)
        capture->stalled_count++;
    stream->is_stalled = true;
}

bool lb_turns_no_room(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns)
{
    uint64_t seen_tail = lb_ring_seen_tail(capture->ring);
    uint64_t now = now_ns > capture->loop->now_ns ? now_ns : capture->loop->now_ns;
    uint64_t patience = patience_ns(capture, &stream->settings->capture, seen_tail, now);

    if (stream->waits_for_room)
        patience = UINT64_MAX;
    if (patience == 0)
        return true;
    lb_turns_stall(capture, stream);
    if (patience != UINT64_MAX && now + patience < capture->stall_timer.due_ns)
        capture->stall_timer.due_ns = now + patience;
    /* A slow side that works makes room all the time: to be told of each bit of it costs both sides more. */
    if (now - capture->stall_start_ns < LB_STALL_LOOK_NS) {
        if (capture->stall_start_ns + LB_STALL_LOOK_NS < capture->stall_timer.due_ns)
            capture->stall_timer.due_ns = capture->stall_start_ns + LB_STALL_LOOK_NS;
        return false;
    }
    lb_link_put(&capture->link->fast_wants_room, 1);
    if (lb_ring_tail(capture->ring) != seen_tail)
        capture->stall_timer.due_ns = now; /* it moved after we found no room and before our wish was seen */
    return false;
}

bool lb_turns_must_yield(struct lb_capture *capture, struct lb_stream *stream)
{
    uint64_t tail = lb_ring_tail(capture->ring);

    if (!stream->waits_for_room || lb_ring_room(capture->ring) >= capture->ring->size / 2)
        return false;
    lb_turns_stall(capture, stream);
    lb_link_put(&capture->link->fast_wants_room, 1);
    if (lb_ring_tail(capture->ring) != tail)
        capture->stall_timer.due_ns = capture->loop->now_ns; /* it moved before our wish was seen */
    return true;
}

static void wake_stalled(struct lb_capture *capture)
{
    if (capture->stalled_count > 0)
        for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
            if (capture->streams[slot].is_stalled)
                lb_turns_make_ready(capture, &capture->streams[slot]);
    lb_intake_resume(capture);
    lb_datagrams_resume(capture);
    lb_inputs_resume(capture);
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
        lb_own_tell(capture, capture->loop->now_ns);
    lb_context_answer(capture);
    lb_hand_tell(capture, capture->loop->now_ns);
    lb_turns_flush(capture);
}

/* ---- records that wait for their next line ---- */

void lb_turns_join_until(struct lb_capture *capture, uint64_t due_ns)
{
    if (due_ns < capture->join_timer.due_ns)
        capture->join_timer.due_ns = due_ns;
}

static void on_join_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;

    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++) {
        struct lb_stream *stream = &capture->streams[slot];

        if (stream->state == LB_STREAM_FREE || stream->shape.lines + stream->shape.held == 0)
            continue;
        if (stream->join_due_ns <= now_ns)
            lb_turns_make_ready(capture, stream);
        else
            lb_turns_join_until(capture, stream->join_due_ns);
    }
}

static void on_stall_timer(void *arg, uint64_t now_ns)
{
    (void)now_ns;
    wake_stalled(arg);
}

int lb_turns_start(struct lb_capture *capture)
{
    capture->door = (struct lb_watch) { capture->link->to_fast_fd, on_door, capture };
    capture->stall_timer = (struct lb_timer) { LB_NEVER, on_stall_timer, capture, NULL };
    capture->join_timer = (struct lb_timer) { LB_NEVER, on_join_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->stall_timer);
    lb_loop_add_timer(capture->loop, &capture->join_timer);
    lb_own_start(capture);
    return lb_loop_add(capture->loop, &capture->door, EPOLLIN);
}

/* ---- flush ---- */

void lb_turns_flush(struct lb_capture *capture)
{
    uint64_t asked = lb_link_get(&capture->link->flush_asked);

    if (asked == capture->flush_seen)
        return;
    capture->flush_seen = asked;
    capture->is_flushing = true;
    lb_datagrams_drain(capture);
    lb_inputs_drain(capture);
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++) {
        if (capture->streams[slot].state == LB_STREAM_FREE)
            continue;
        capture->streams[slot].flush_turns = LB_FLUSH_TURNS;
        lb_turns_make_ready(capture, &capture->streams[slot]);
    }
    lb_pipes_wake(capture);
}

/* All that was written when the flush was asked for is in the ring: say so. */
static void end_flush(struct lb_capture *capture)
{
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].flush_turns > 0)
            return;
    capture->is_flushing = false;
    lb_link_put(&capture->link->flush_done, capture->flush_seen);
    lb_link_knock(capture->link->to_slow_fd);
}

/* A stalled stream is asked again: what is in its pipe was written before the flush, too. */
static void note_flush(struct lb_stream *stream, enum lb_fed fed)
{
    if (stream->flush_turns == 0 || fed == LB_FED_STALLED)
        return;
    stream->flush_turns = fed == LB_FED_MORE ? stream->flush_turns - 1 : 0;
}

static void one_turn(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns)
{
    enum lb_fed fed;

    if (stream->is_stalled) {
        stream->is_stalled = false;
        capture->stalled_count--;
    }
    fed = lb_feed_stream(capture, stream, now_ns);
    note_flush(stream, fed);
    switch (fed) {
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
        /* The loop has just read the clock; a turn of a fast stream takes long enough to read it again. */
        one_turn(capture, stream, i == 0 ? capture->loop->now_ns : lb_clock_boot_ns());
    }
    if (capture->is_flushing)
        end_flush(capture);
    if (capture->ready_count == 0)
        lb_pipes_settle(capture);
    return capture->ready_count > 0;
}
