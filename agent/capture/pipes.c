/* SPDX-License-Identifier: MIT */
/*
 * The pipes, watched together. In: events of pipes. Out: streams made ready. Always true: each event of a
 * pipe leads to a look at it, at once or when the rest ends, LB_REST_NS later at most.
 *
 *   loop ── pipes_watch ──▶ pipes (a loop inside, with a descriptor of its own) ──▶ stream, stream, ...
 *
 * While they rest (rest.h) the outer loop does not watch the inner one: their events gather there, and wake
 * nobody. Signals, doors, clients and timers have their events in the outer loop and do not wait.
 */
#include "agent/capture/parts.h"

static void listen_to_pipes(struct lb_capture *capture, bool is_wanted)
{
    if (capture->is_listening != is_wanted &&
        lb_loop_change(capture->loop, &capture->pipes_watch, is_wanted ? EPOLLIN : 0) == 0)
        capture->is_listening = is_wanted;
}

/* Returns whether any pipe has something to say. */
static bool look(struct lb_capture *capture)
{
    bool has_any = false;
    int count;

    /* Descriptors are edge-triggered: one that was fetched does not come again, so this ends. */
    do {
        count = lb_loop_look(&capture->pipes);
        has_any |= count > 0;
    } while (count == LB_LOOP_EVENTS);
    capture->has_looked |= has_any;
    return has_any;
}

static void on_pipes(void *arg, uint32_t events)
{
    (void)events;
    look(arg);
}

static void on_rest_timer(void *arg, uint64_t now_ns)
{
    (void)now_ns;
    if (!look(arg))
        lb_pipes_wake(arg);
}

void lb_pipes_wake(struct lb_capture *capture)
{
    lb_rest_ends(&capture->rest);
    capture->rest_timer.due_ns = LB_NEVER;
    listen_to_pipes(capture, true);
}

static bool may_rest(const struct lb_capture *capture)
{
    /* What comes in one rest must find room: a write() waits for a rest or for room, not for both. */
    return !capture->is_stopping && capture->stalled_count == 0 &&
           lb_ring_room(capture->ring) >= capture->ring->size / 4;
}

void lb_pipes_settle(struct lb_capture *capture)
{
    uint64_t now_ns = capture->loop->now_ns;

    if (!capture->has_looked)
        return; /* it was not the pipes that woke us */
    capture->has_looked = false;
    if (!may_rest(capture) || !lb_rest_begins(&capture->rest, now_ns)) {
        lb_pipes_wake(capture);
        return;
    }
    listen_to_pipes(capture, false);
    capture->rest_timer.due_ns = now_ns + LB_REST_NS;
}

int lb_pipes_start(struct lb_capture *capture)
{
    int rc = lb_loop_init(&capture->pipes);

    if (rc < 0)
        return rc;
    capture->pipes_watch = (struct lb_watch) { capture->pipes.epoll_fd, on_pipes, capture };
    capture->rest_timer = (struct lb_timer) { LB_NEVER, on_rest_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->rest_timer);
    capture->is_listening = true;
    return lb_loop_add(capture->loop, &capture->pipes_watch, EPOLLIN);
}

void lb_pipes_stop(struct lb_capture *capture)
{
    lb_loop_remove(capture->loop, &capture->pipes_watch);
    lb_loop_remove_timer(capture->loop, &capture->rest_timer);
    lb_loop_close(&capture->pipes);
}
