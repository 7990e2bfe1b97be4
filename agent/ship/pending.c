/* SPDX-License-Identifier: MIT */
/*
 * What waits to be made into a body. In: records behind the last body, the time. Out: whether the next body
 * is due. Always true: pending_* count the records of [next_pos, scan_pos) that are not final.
 */
#include "agent/ship/pending.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

/* What a line becomes beside its own bytes, for guessing when a body is full; the builder measures. */
#define ENVELOPE_GUESS 150

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
 * The tail goes over what is final, also beyond next_pos: what bodies behind it were answered before a kill,
 * or before new settings took others back. The writer may be there already, so nothing before the tail is
 * looked at again.
 */
static void follow_tail(struct lb_shipper *shipper)
{
    uint64_t tail = lb_ring_tail(shipper->ring);

    shipper->next_pos = lb_later(shipper->next_pos, tail);
    shipper->scan_pos = lb_later(shipper->scan_pos, tail);
}

void lb_pending_forget(struct lb_shipper *shipper)
{
    follow_tail(shipper);
    shipper->scan_pos = shipper->next_pos;
    shipper->pending_lines = shipper->pending_bytes = 0;
    shipper->has_urgent = shipper->is_full = false;
    shipper->wait_due_ns = shipper->urgent_due_ns = LB_NEVER;
}

static void look_at(struct lb_shipper *shipper, const struct lb_record *record, uint64_t now_ns)
{
    if (record->kind == LB_KIND_HOLE || record->state >= LB_STATE_DELIVERED)
        return;
    if (shipper->pending_lines++ == 0)
        shipper->wait_due_ns = now_ns + shipper->sink_config->wait_ms * LB_NS_PER_MS;
    shipper->pending_bytes += record->body_len + ENVELOPE_GUESS;
    if (record->lane == LB_LANE_URGENT && !shipper->has_urgent) {
        shipper->has_urgent = true;
        shipper->urgent_due_ns = now_ns + shipper->sink_config->urgent_wait_ms * LB_NS_PER_MS;
    }
    shipper->is_full = shipper->pending_lines >= shipper->builder.max_lines ||
                       shipper->pending_bytes >= shipper->builder.max_bytes;
}

void lb_pending_scan(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t end = lb_pending_end(shipper);

    follow_tail(shipper);
    while (shipper->scan_pos < end && !shipper->is_full) {
        const struct lb_record *record = lb_ring_at(shipper->ring, shipper->scan_pos, end);

        if (!record) {
            lb_pending_note_damage(shipper, shipper->scan_pos);
            break;
        }
        look_at(shipper, record, now_ns);
        shipper->scan_pos += record->len;
    }
}

bool lb_pending_is_due(const struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->pending_lines == 0)
        return shipper->scan_pos > shipper->next_pos; /* only holes or final ones: they must be passed over */
    return shipper->is_full || now_ns >= shipper->wait_due_ns || now_ns >= shipper->urgent_due_ns ||
           shipper->next_pos < shipper->force_pos || shipper->is_stopping;
}

void lb_pending_move_on(struct lb_shipper *shipper, uint64_t to, uint64_t now_ns)
{
    uint64_t wait_due_ns = shipper->wait_due_ns, urgent_due_ns = shipper->urgent_due_ns,
             seen = shipper->scan_pos;

    shipper->next_pos = to;
    lb_pending_forget(shipper);
    lb_pending_scan(shipper, now_ns);
    if (to < seen && shipper->pending_lines > 0)
        shipper->wait_due_ns = lb_earlier(shipper->wait_due_ns, wait_due_ns);
    if (to < seen && shipper->has_urgent)
        shipper->urgent_due_ns = lb_earlier(shipper->urgent_due_ns, urgent_due_ns);
}
