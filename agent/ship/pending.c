/* SPDX-License-Identifier: MIT */
/*
 * What waits to be made into a body. In: the ring's ends and numbers, the time. Out: whether the next body
 * is due. No record is looked at: numbers are dense, so the next number at the head less that at next_pos is
 * how many there are; where a kill or a failure left final ones among them the count is too high, and a body
 * is made a little early. Always true: what is pending is never counted as nothing.
 */
#include "agent/ship/pending.h"

#include <string.h>

#include "agent/ship/meter.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

/* What a line becomes beside its own bytes, less what its head takes in the ring: for guessing when a body is
 * full; the builder measures. */
#define ENVELOPE_GUESS 64

/* Of a quota that runs short (store/link.h). */
#define LONGEST_WAIT_NS   (600 * LB_NS_PER_S)
#define LONGEST_URGENT_NS (30 * LB_NS_PER_S)

/* Where the records end that can be read: the ring's head, or damage before it. */
uint64_t lb_pending_end(const struct lb_shipper *shipper)
{
    return lb_earlier(lb_ring_head(shipper->ring), shipper->damaged_pos);
}

void lb_pending_note_damage(struct lb_shipper *shipper, uint64_t pos)
{
    shipper->damaged_pos = pos;
    lb_log(LB_LEVEL_ERROR, "the ring is damaged at %llu: restart to recover what is behind it",
           (unsigned long long)pos);
}

/*
 * The tail goes over what is final, also beyond next_pos: what was shed, or bodies behind it that were
 * answered before a kill. The writer may be there already, so nothing before the tail is looked at again.
 */
static void follow_tail(struct lb_shipper *shipper)
{
    const struct lb_ring *ring = shipper->ring;
    uint64_t tail = lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL);

    if (tail < shipper->next_pos)
        return;
    shipper->next_pos = tail;
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        shipper->next_n[lane] = lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL_NEXT + lane);
    shipper->scan_pos = lb_later(shipper->scan_pos, tail);
}

static void count_nothing(struct lb_shipper *shipper)
{
    shipper->pending_lines = shipper->pending_bytes = 0;
    shipper->has_urgent = shipper->is_full = false;
    shipper->wait_due_ns = shipper->urgent_due_ns = LB_NEVER;
}

void lb_pending_forget(struct lb_shipper *shipper)
{
    follow_tail(shipper);
    shipper->scan_pos = shipper->next_pos;
    count_nothing(shipper);
}

void lb_pending_begin_at_tail(struct lb_shipper *shipper)
{
    const struct lb_ring *ring = shipper->ring;

    shipper->next_pos = lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        shipper->next_n[lane] = lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL_NEXT + lane);
    lb_pending_forget(shipper);
}

/* Head and next numbers as they were at one instant. */
static void read_front(const struct lb_ring *ring, uint64_t words[3])
{
    if (ring->fast)
        lb_commit_snapshot(ring->fast, ring->fast_region, LB_RING_HEAD, 3, words);
    else
        memcpy(words, ring->header->fast, 3 * sizeof words[0]); /* set aside: nobody writes there */
}

/*
 * Each body has a head, and what is packed together packs better: where a quota runs short a body waits
 * longer, twice as long with each step.
 */
static uint64_t stretched_ns(const struct lb_shipper *shipper, uint64_t given_ns, uint64_t longest_ns)
{
    uint64_t wait_ns = given_ns << lb_link_get(&shipper->link->quota_step);

    return wait_ns < longest_ns ? wait_ns : lb_later(given_ns, longest_ns);
}

static uint64_t wait_ns(const struct lb_shipper *shipper)
{
    return stretched_ns(shipper, shipper->sink_config->wait_ms * LB_NS_PER_MS, LONGEST_WAIT_NS);
}

static uint64_t urgent_wait_ns(const struct lb_shipper *shipper)
{
    return stretched_ns(shipper, shipper->sink_config->urgent_wait_ms * LB_NS_PER_MS, LONGEST_URGENT_NS);
}

static uint64_t first_due_ns(const struct lb_shipper *shipper, uint64_t now_ns)
{
    return lb_retry_due_ns(now_ns, wait_ns(shipper), shipper->phase, shipper->splay_until_ns);
}

void lb_pending_scan(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t front[3], urgent, routine;
    bool had_urgent = shipper->has_urgent;

    follow_tail(shipper);
    read_front(shipper->ring, front);
    if (front[LB_RING_HEAD] > shipper->damaged_pos)
        front[LB_RING_HEAD] = lb_later(shipper->damaged_pos, shipper->next_pos);
    if (front[LB_RING_HEAD] == shipper->next_pos) {
        lb_pending_forget(shipper);
        return;
    }
    urgent = front[LB_RING_NEXT_URGENT] - shipper->next_n[LB_LANE_URGENT];
    routine = front[LB_RING_NEXT_ROUTINE] - shipper->next_n[LB_LANE_ROUTINE];
    if (shipper->wait_due_ns == LB_NEVER)
        shipper->wait_due_ns = first_due_ns(shipper, now_ns);
    shipper->has_urgent = urgent > 0;
    if (!shipper->has_urgent)
        shipper->urgent_due_ns = LB_NEVER;
    else if (!had_urgent)
        shipper->urgent_due_ns = now_ns + urgent_wait_ns(shipper);
    shipper->pending_lines = urgent + routine;
    shipper->scan_pos = front[LB_RING_HEAD];
    shipper->pending_bytes = shipper->scan_pos - shipper->next_pos + shipper->pending_lines * ENVELOPE_GUESS;
    shipper->is_full = shipper->pending_lines >= lb_pending_max_lines(shipper) ||
                       shipper->pending_bytes >= lb_pending_max_bytes(shipper);
}

size_t lb_pending_max_bytes(const struct lb_shipper *shipper)
{
    return lb_earlier(lb_earlier(shipper->builder.max_bytes, shipper->learnt.max_bytes),
                      lb_meter_max_bytes(shipper));
}

size_t lb_pending_max_lines(const struct lb_shipper *shipper)
{
    return lb_earlier(shipper->builder.max_lines, shipper->learnt.max_lines);
}

/*
 * Until the clock is right routine records wait for it, but not for long, and not while the ring fills: the
 * wait is for what happens just after the machine has started. Machines that were switched on together have
 * waited enough at the same time, so each takes up to two waits off: each has a question and a body.
 */
bool lb_pending_waits_for_clock(const struct lb_shipper *shipper, uint64_t now_ns)
{
    const struct lb_ring *ring = shipper->ring;
    uint64_t limit_ns = lb_retry_ahead_ns(shipper->sink_config->clock_wait_ms * LB_NS_PER_MS,
                                          2 * shipper->sink_config->wait_ms * LB_NS_PER_MS, shipper->phase);

    return now_ns < limit_ns && lb_wall_trust(&shipper->wall, now_ns) != LB_CLOCK_EXACT &&
           !shipper->next_ring && lb_ring_head(ring) - lb_ring_tail(ring) < LB_CLOCK_WATER(ring->size);
}

bool lb_pending_is_due(const struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->scan_pos == shipper->next_pos)
        return false;
    if (shipper->next_pos < shipper->force_pos || shipper->is_stopping || now_ns >= shipper->urgent_due_ns)
        return true;
    return (shipper->is_full || now_ns >= shipper->wait_due_ns) &&
           !lb_pending_waits_for_clock(shipper, now_ns);
}

uint64_t lb_pending_due_ns(const struct lb_shipper *shipper, uint64_t now_ns)
{
    if (lb_pending_is_due(shipper, now_ns))
        return now_ns;
    if (shipper->scan_pos == shipper->next_pos)
        return LB_NEVER;
    if (lb_pending_waits_for_clock(shipper, now_ns)) { /* nobody tells when it is right: look each second */
        uint64_t look_ns = now_ns + LB_NS_PER_S;

        return lb_earlier(shipper->is_full ? look_ns : lb_later(shipper->wait_due_ns, look_ns),
                          shipper->urgent_due_ns);
    }
    return lb_earlier(shipper->wait_due_ns, shipper->urgent_due_ns);
}

void lb_pending_move_on(struct lb_shipper *shipper, const struct lb_body *body, uint64_t now_ns)
{
    uint64_t wait_due_ns = shipper->wait_due_ns, urgent_due_ns = shipper->urgent_due_ns,
             seen = shipper->scan_pos;

    shipper->next_pos = body->to;
    memcpy(shipper->next_n, body->next_after, sizeof shipper->next_n);
    lb_pending_forget(shipper);
    lb_pending_scan(shipper, now_ns);
    if (body->to < seen && shipper->scan_pos > shipper->next_pos)
        shipper->wait_due_ns = lb_earlier(shipper->wait_due_ns, wait_due_ns);
    if (body->to < seen && shipper->has_urgent)
        shipper->urgent_due_ns = lb_earlier(shipper->urgent_due_ns, urgent_due_ns);
}
