/* SPDX-License-Identifier: MIT */
/*
 * Away, and what then leaves the ring. In: bodies on their way, the ring's fill, the time. Out: the oldest
 * records moved to the backlog; where there is none, given up, with receipts. Always true: what somebody
 * waits for (overload = wait) is not given up.
 */
#include "agent/ship/shed.h"

#include "agent/ship/answers.h"
#include "agent/ship/mover.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/ship/slots.h"
#include "common/loop.h"

/*
 * When bodies on their way, or a question, if no answer comes, will show that the sink is away. An answer may
 * bear a later time than the step that follows it, since the loop reads the clock once a turn: so times are
 * compared, never subtracted.
 */
uint64_t lb_shed_away_at_ns(const struct lb_shipper *shipper)
{
    uint64_t sent_ns = LB_NEVER;

    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING)
            sent_ns = lb_earlier(sent_ns, shipper->slot[i].sent_ns);
    if (shipper->question != LB_ASK_NOTHING) /* all bodies wait for its answer */
        sent_ns = lb_earlier(sent_ns, shipper->asked_ns);
    return sent_ns == LB_NEVER ? LB_NEVER
                               : lb_later(sent_ns, shipper->stats.last_delivery_ns) + LB_AWAY_AFTER_NS;
}

bool lb_shipper_is_away(const struct lb_shipper *shipper, uint64_t now_ns)
{
    return shipper->is_barred || shipper->failed_since_delivery || now_ns >= lb_shed_away_at_ns(shipper);
}

bool lb_shed_urgent_waits(const struct lb_shipper *shipper)
{
    return shipper->is_barred && shipper->mover && shipper->has_urgent &&
           shipper->sink_config->when == LB_WHEN_URGENT_ONLY;
}

/* A body is given up, whether it waits or is on its way. In the second case nobody answered: until somebody
 * does the sink has failed, or the next body would hide for two seconds more that it is away. */
static void give_up(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    bool is_gone = slot->state != LB_SLOT_SENDING ||
                   shipper->transport.cancel(shipper->transport.self, lb_slots_index(shipper, slot));

    if (slot->state == LB_SLOT_SENDING)
        lb_answers_note_silence(shipper, slot->sent_ns, now_ns);
    lb_release_lost(shipper, slot->body.from, slot->body.to, LB_REASON_SHED);
    lb_slots_move(slot, is_gone ? LB_SLOT_FREE : LB_SLOT_LINGERING);
}

/* End of a stretch of records that no slot has, from `from` on, about bytes long. */
static uint64_t stretch(struct lb_shipper *shipper, uint64_t from, uint64_t bytes)
{
    uint64_t end = lb_pending_end(shipper), pos = from;
    const struct lb_record *record;

    if (shipper->ring->has_limit && from < shipper->ring->limit)
        end = lb_earlier(end, shipper->ring->limit); /* what is behind it makes no room */
    while (pos - from < bytes && !lb_slots_at(shipper, pos) && (record = lb_ring_at(shipper->ring, pos, end)))
        pos += record->len;
    return pos;
}

/*
 * A body's records are moved, whether it waits or is on its way. In the second case it goes on: where it is
 * answered late, its segments are delivered.
 */
static bool move_body(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    uint64_t from = slot->body.from, end;
    bool is_out = slot->state == LB_SLOT_SENDING;

    if (is_out)
        lb_answers_note_silence(shipper, slot->sent_ns, now_ns);
    slot->is_moved = is_out;
    slot->ring_id = shipper->ring->id;
    lb_slots_move(slot, is_out ? LB_SLOT_LINGERING : LB_SLOT_FREE);
    while (from < slot->body.to) {
        end = lb_mover_move(shipper->mover, from, slot->body.to, is_out);
        if (end == from) {
            lb_pending_begin_at_tail(shipper); /* nobody has the rest of it now */
            return false;
        }
        from = end;
    }
    return true;
}

/* What was moved while another sink holds the tail is not looked at again. */
static void pass_moved(struct lb_shipper *shipper, uint64_t to)
{
    const struct lb_record *record;

    while (shipper->next_pos < to && (record = lb_ring_at(shipper->ring, shipper->next_pos, to))) {
        for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
            if (record->kind == LB_KIND_HOLE && lb_hole_count(record, lane) > 0)
                shipper->next_n[lane] = lb_hole_first(record, lane) + lb_hole_count(record, lane);
        if (record->kind != LB_KIND_HOLE)
            shipper->next_n[record->lane % LB_LANE_COUNT] = record->n + 1;
        shipper->next_pos += record->len;
    }
    lb_pending_forget(shipper);
}

/* The oldest of the ring go to the backlog; how they came to be the oldest does not matter. */
static void move(struct lb_shipper *shipper, uint64_t target_bytes, uint64_t now_ns)
{
    for (;;) {
        uint64_t tail = lb_ring_tail(shipper->ring), used = lb_ring_head(shipper->ring) - tail, to;
        struct lb_slot *slot;

        if (used <= target_bytes || tail >= shipper->damaged_pos)
            return;
        slot = lb_slots_at(shipper, tail);
        if (slot) {
            if (!move_body(shipper, slot, now_ns))
                return;
        } else {
            to = stretch(shipper, tail, used - target_bytes);
            if (to == tail || (to = lb_mover_move(shipper->mover, tail, to, false)) == tail)
                return;
            if (lb_ring_tail(shipper->ring) == tail && lb_ring_is_held(shipper->ring))
                pass_moved(shipper, to);
        }
        lb_pending_forget(shipper);
        if (lb_ring_tail(shipper->ring) == tail)
            return; /* damage that nobody has come across yet */
    }
}

static void shed(struct lb_shipper *shipper, uint64_t target_bytes, uint64_t now_ns)
{
    for (;;) {
        uint64_t tail = lb_ring_tail(shipper->ring), used = lb_ring_head(shipper->ring) - tail, to;
        struct lb_slot *slot;

        if (used <= target_bytes || tail >= shipper->damaged_pos)
            return;
        slot = lb_slots_at(shipper, tail);
        if (slot && lb_release_first_kept(shipper, slot->body.from, slot->body.to) < slot->body.to)
            return; /* somebody waits for these, and all behind them waits too */
        if (slot) {
            give_up(shipper, slot, now_ns);
        } else {
            to = stretch(shipper, tail, used - target_bytes);
            to = lb_release_first_kept(shipper, tail, to);
            if (to == tail)
                return;
            lb_release_lost(shipper, tail, to, LB_REASON_SHED);
            lb_pending_forget(shipper);
        }
        if (lb_ring_tail(shipper->ring) == tail)
            return; /* damage that nobody has come across yet */
    }
}

void lb_shed_for(struct lb_shipper *shipper, uint64_t wanted_bytes, uint64_t now_ns)
{
    bool is_away = lb_shipper_is_away(shipper, now_ns);
    const struct lb_ring *fed = shipper->next_ring ? shipper->next_ring : shipper->ring;
    uint64_t next_pos = shipper->next_pos, tail, used = lb_ring_head(fed) - lb_ring_tail(fed), target;
    bool is_urgent = lb_shed_urgent_waits(shipper) && now_ns >= shipper->urgent_due_ns;

    if (shipper->unpacked)
        return; /* the backlog itself: what goes from it is decided elsewhere */
    lb_link_put(&shipper->link->sink_away, is_away);
    shipper->is_stuck = false;
    if (!is_urgent && (!(is_away || shipper->is_best_effort) ||
                       (used <= LB_HIGH_WATER(fed->size) && used + wanted_bytes <= fed->size) ||
                       lb_ring_is_held(shipper->ring)))
        return;
    /* The oldest go first: all of a ring that was set aside, then the front of the one that is being filled.
     */
    target = shipper->next_ring || is_urgent ? 0 : LB_LOW_WATER(shipper->ring->size);
    tail = lb_ring_tail(shipper->ring);
    if (shipper->mover)
        move(shipper, target, now_ns);
    else
        shed(shipper, target, now_ns);
    shipper->is_stuck = lb_ring_tail(shipper->ring) == tail;
    if (shipper->next_pos != next_pos)
        lb_pending_forget(shipper); /* some of what was counted is gone */
    if (shipper->suspect.from < lb_ring_tail(shipper->ring))
        shipper->suspect.to = shipper->suspect.from;
}

void lb_shed_if_needed(struct lb_shipper *shipper, uint64_t now_ns)
{
    lb_shed_for(shipper, 0, now_ns);
}

bool lb_shed_is_possible(struct lb_shipper *shipper)
{
    uint64_t tail = lb_ring_tail(shipper->ring);
    const struct lb_slot *slot = lb_slots_at(shipper, tail);
    const struct lb_record *record = lb_ring_at(shipper->ring, tail, lb_pending_end(shipper));
    uint64_t to = slot ? slot->body.to : record ? tail + record->len : tail;

    if (to == tail || shipper->is_stuck || lb_ring_is_held(shipper->ring) ||
        (!shipper->mover && lb_release_first_kept(shipper, tail, to) < to))
        return false;
    return tail < shipper->damaged_pos && (!shipper->next_ring || tail != lb_ring_head(shipper->ring));
}
