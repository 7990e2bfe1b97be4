/* SPDX-License-Identifier: MIT */
/*
 * The flight recorder. In: something that makes what was held of a service worth sending. Out: those records
 * in the queue, in their order, once. Always true: a record leaves the held pool in the commit that has it in
 * the ring.
 *
 * A service that fails all the time would send all that it says in this way: so what is brought along is
 * limited as well, to context_bytes within `context`, and twice as much at once; what is less than an eighth
 * of it stays held. Who asks by hand gets what there is.
 */
#include <string.h>

#include "agent/capture/parts.h"
#include "agent/shape/summary.h"
#include "common/clock.h"

#define LEAST_PART 8 /* of context_bytes */

/* How many bytes may be brought along now. */
static uint64_t allowance(const struct lb_commit *commit, uint32_t row,
                          const struct lb_throttle_config *settings, uint64_t now_ns)
{
    uint64_t full_ns =
        lb_commit_get(commit, LB_FAST_THROTTLE, row * LB_THROTTLE_WORDS + LB_THROTTLE_CONTEXT_NS);
    double window_ns = (double)settings->context_ms * LB_NS_PER_MS;
    double used = full_ns > now_ns ? (double)(full_ns - now_ns) / window_ns : 0;

    return used >= 2 ? 0 : (uint64_t)((2 - used) * (double)settings->context_bytes);
}

static void charge(struct lb_commit *commit, uint32_t row, const struct lb_throttle_config *settings,
                   uint64_t bytes, uint64_t now_ns)
{
    uint32_t word = row * LB_THROTTLE_WORDS + LB_THROTTLE_CONTEXT_NS;
    uint64_t full_ns = lb_commit_get(commit, LB_FAST_THROTTLE, word);
    double cost_ns =
        (double)bytes / (double)settings->context_bytes * (double)settings->context_ms * LB_NS_PER_MS;

    lb_commit_set(commit, LB_FAST_THROTTLE, word, (full_ns > now_ns ? full_ns : now_ns) + (uint64_t)cost_ns);
}

static int put(struct lb_capture *capture, uint32_t row, const struct lb_record *held)
{
    struct iovec body = { (void *)(uintptr_t)lb_record_body(held), held->body_len };
    struct lb_record head = *held;

    head.lane = (uint8_t)lb_own_lane(capture, held->severity);
    head.flags |= LB_RECORD_CONTEXT;
    head.service_ix = row;
    return lb_ring_put(capture->ring, &head, lb_record_service(held), held->service_len, lb_record_tags(held),
                       held->tags_len, &body, 1);
}

static void book(struct lb_commit *commit, uint32_t row, const struct lb_held_sum *sum, uint64_t now_ns)
{
    uint32_t word = row * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_LINES;

    lb_commit_add(commit, LB_FAST_BOOKS, word, sum->lines);
    lb_commit_add(commit, LB_FAST_BOOKS, word + 1, sum->bytes);
    lb_summary_promoted(commit, row, sum->lines, sum->bytes, now_ns);
}

uint64_t lb_context_bring(struct lb_capture *capture, uint32_t row, const struct lb_throttle_config *settings,
                          uint64_t now_ns, bool is_asked_for)
{
    struct lb_commit *commit = &capture->state->fast;
    uint64_t back_ns = settings->context_ms * LB_NS_PER_MS, bytes_max = settings->context_bytes, may;
    struct lb_held_place from, at;
    struct lb_held_sum sum;
    const struct lb_record *record;

    if (capture->held->queue[row].count == 0 || back_ns == 0 || bytes_max == 0)
        return 0;
    may = allowance(commit, row, settings, now_ns);
    if (!is_asked_for && may < bytes_max / LEAST_PART)
        return 0; /* a few lines for each error of a storm would cost all that is older */
    if (!is_asked_for && may < bytes_max)
        bytes_max = may;
    lb_held_reach(capture->held, row, now_ns > back_ns ? now_ns - back_ns : 0, bytes_max,
                  lb_ring_room(capture->ring) / 2, &from, &sum);
    if (sum.lines == 0)
        return 0;
    for (at = from; (record = lb_held_next(capture->held, &at));)
        if (put(capture, row, record) < 0)
            return 0; /* not after lb_held_reach(): what is in the ring is not published with this */
    lb_held_take(capture->held, row, &from);
    book(commit, row, &sum, now_ns);
    if (!is_asked_for)
        charge(commit, row, settings, sum.bytes, now_ns);
    lb_turns_summary_later(capture);
    return sum.lines;
}

void lb_context_answer(struct lb_capture *capture)
{
    struct lb_link *link = capture->link;
    uint64_t asked = lb_link_get(&link->context_asked), lines;
    size_t len;
    uint32_t row;

    if (asked == lb_link_get(&link->context_done))
        return;
    len = strlen(link->context_service);
    row = lb_state_find_service(capture->state, link->context_service, len, LB_SERVICES_BOOKS);
    lines = lb_context_bring(capture, row,
                             &lb_config_service(capture->config, link->context_service, len)->throttle,
                             capture->loop->now_ns, true);
    lb_turns_publish(capture, true);
    lb_link_put(&link->context_lines, lines);
    lb_link_put(&link->context_done, asked);
    lb_link_knock(link->to_slow_fd);
}
