/* SPDX-License-Identifier: MIT */
/*
 * Shipping. In: records in the ring, answers, the time. Out: bodies to a transport, records released. Always true: bodies
 * are made in the ring's order; a record is in at most one slot; nothing is released that the sink did not take, unless
 * it is shed with a loss row in the same publish.
 */
#include "agent/ship/shipper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/release.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

/* What a line becomes beside its own bytes, for guessing when a body is full; the builder measures. */
#define ENVELOPE_GUESS 150

int lb_shipper_start(struct lb_shipper *shipper, uint64_t seed)
{
    shipper->sink_config = &shipper->config->sinks[0];
    shipper->sink = lb_sink_find(shipper->sink_config->type);
    if (!shipper->sink)
        return -ENOENT;
    shipper->slots = shipper->sink_config->concurrency < LB_SHIPPER_SLOTS ? (unsigned)shipper->sink_config->concurrency
                                                                          : LB_SHIPPER_SLOTS;
    shipper->next_pos = shipper->scan_pos = lb_ring_tail(shipper->ring);
    shipper->wait_due_ns = shipper->urgent_due_ns = LB_NEVER;
    shipper->has_losses = true; /* the first sweep finds out */
    lb_retry_init(&shipper->retry, shipper->sink_config->retry_min_ms, shipper->sink_config->retry_max_ms, seed);
    return lb_builder_init(&shipper->builder, shipper->sink, shipper->config, shipper->sink_config, shipper->ring->id);
}

/* ---- what is pending ---- */

static void forget_pending(struct lb_shipper *shipper)
{
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

static void scan(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t head = lb_ring_head(shipper->ring);

    while (shipper->scan_pos < head && !shipper->is_full) {
        const struct lb_record *record = lb_ring_at(shipper->ring, shipper->scan_pos, head);

        if (!record)
            break; /* told by the builder */
        look_at(shipper, record, now_ns);
        shipper->scan_pos += record->len;
    }
}

static bool is_body_due(const struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->pending_lines == 0)
        return shipper->scan_pos > shipper->next_pos; /* only holes or final ones: they must be passed over */
    return shipper->is_full || now_ns >= shipper->wait_due_ns || now_ns >= shipper->urgent_due_ns ||
           shipper->next_pos < shipper->force_pos || shipper->is_stopping;
}

/* ---- slots ---- */

static unsigned count_slots(const struct lb_shipper *shipper, enum lb_slot_state state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < shipper->slots; i++)
        count += shipper->slot[i].state == state;
    return count;
}

static struct lb_slot *oldest_slot(struct lb_shipper *shipper, enum lb_slot_state state)
{
    struct lb_slot *oldest = NULL;

    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == state && (!oldest || shipper->slot[i].body.from < oldest->body.from))
            oldest = &shipper->slot[i];
    return oldest;
}

static struct lb_slot *free_slot(struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_FREE)
            return &shipper->slot[i];
    return NULL;
}

static unsigned index_of(const struct lb_shipper *shipper, const struct lb_slot *slot)
{
    return (unsigned)(slot - shipper->slot);
}

/* The one place where a slot changes its state. */
static void move_slot(struct lb_slot *slot, enum lb_slot_state to)
{
    static const bool is_legal[LB_SLOT_STATES][LB_SLOT_STATES] = {
        [LB_SLOT_FREE] = { [LB_SLOT_SENDING] = true, [LB_SLOT_WAITING] = true },
        [LB_SLOT_SENDING] = { [LB_SLOT_FREE] = true, [LB_SLOT_WAITING] = true, [LB_SLOT_LINGERING] = true },
        [LB_SLOT_WAITING] = { [LB_SLOT_FREE] = true, [LB_SLOT_SENDING] = true },
        [LB_SLOT_LINGERING] = { [LB_SLOT_FREE] = true },
    };

    if (!is_legal[slot->state][to])
        lb_log(LB_LEVEL_ERROR, "bug: a body went from state %d to %d", (int)slot->state, (int)to);
    slot->state = to;
}

static void note_failure(struct lb_shipper *shipper, const char *why, uint64_t now_ns)
{
    uint64_t wait_ms = lb_retry_failed(&shipper->retry);

    shipper->stats.failures++;
    shipper->stats.last_failure_ns = now_ns;
    snprintf(shipper->stats.last_error, sizeof shipper->stats.last_error, "%s", why);
    shipper->failed_since_delivery = true;
    shipper->retry_at_ns = now_ns + wait_ms * LB_NS_PER_MS;
    lb_log(LB_LEVEL_WARNING, "sink %s: %s; next try in %llu ms", shipper->sink_config->name, why,
           (unsigned long long)wait_ms);
}

static void send_slot(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    int rc = shipper->transport.send(shipper->transport.self, index_of(shipper, slot), slot->body.payload,
                                     slot->body.payload_len, lb_compression_token(shipper->builder.compression));

    shipper->stats.requests++;
    if (rc == 0) {
        slot->sent_ns = now_ns;
        move_slot(slot, LB_SLOT_SENDING);
        return;
    }
    if (slot->state == LB_SLOT_FREE)
        move_slot(slot, LB_SLOT_WAITING);
    note_failure(shipper, strerror(-rc), now_ns);
}

/* ---- answers ---- */

static void delivered(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    bool was_away = shipper->failed_since_delivery;

    shipper->stats.delivered_bodies++;
    shipper->stats.lines += slot->body.lines;
    shipper->stats.raw_bytes += slot->body.raw_bytes;
    shipper->stats.last_delivery_ns = now_ns;
    shipper->failed_since_delivery = false;
    shipper->retry_at_ns = 0;
    lb_retry_succeeded(&shipper->retry);
    lb_link_put(&shipper->link->last_answer_ns, now_ns);
    lb_link_put(&shipper->link->sink_away, 0);
    lb_release_delivered(shipper, slot->body.from, slot->body.to);
    move_slot(slot, LB_SLOT_FREE);
    if (was_away)
        lb_log(LB_LEVEL_NOTICE, "sink %s: delivering again", shipper->sink_config->name);
}

static void answer_probe(struct lb_shipper *shipper, const struct lb_answer *answer)
{
    lb_probe_done done = shipper->probe_done;

    shipper->probe_done = NULL;
    if (done)
        done(shipper->probe_ctx, answer, lb_clock_boot_ns() - shipper->probe_sent_ns);
}

void lb_shipper_answer_at(struct lb_shipper *shipper, unsigned index, const struct lb_answer *answer, uint64_t now_ns)
{
    struct lb_slot *slot = &shipper->slot[index];

    if (index == LB_PROBE_SLOT) {
        answer_probe(shipper, answer);
        return;
    }
    shipper->stats.wire_bytes += answer->wire_bytes;
    if (slot->state == LB_SLOT_LINGERING) { /* given up, and its records told as shed */
        move_slot(slot, LB_SLOT_FREE);
        return;
    }
    if (shipper->sink->judge(answer) == LB_VERDICT_DELIVERED) {
        delivered(shipper, slot, now_ns);
        return;
    }
    move_slot(slot, LB_SLOT_WAITING);
    note_failure(shipper, answer->text, now_ns);
}

void lb_shipper_answer(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    lb_shipper_answer_at(ctx, slot, answer, lb_clock_boot_ns());
}

/* ---- away, and shedding ---- */

bool lb_shipper_is_away(const struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t answered_ns = shipper->stats.last_delivery_ns;

    if (shipper->failed_since_delivery)
        return true;
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING && now_ns - shipper->slot[i].sent_ns >= LB_AWAY_AFTER_NS &&
            (answered_ns == 0 || now_ns - answered_ns >= LB_AWAY_AFTER_NS))
            return true;
    return false;
}

/* A body is given up, whether it waits or is on its way. */
static void give_up(struct lb_shipper *shipper, struct lb_slot *slot)
{
    bool is_gone = slot->state != LB_SLOT_SENDING ||
                   shipper->transport.cancel(shipper->transport.self, index_of(shipper, slot));

    lb_release_shed(shipper, slot->body.from, slot->body.to);
    move_slot(slot, is_gone ? LB_SLOT_FREE : LB_SLOT_LINGERING);
}

static struct lb_slot *slot_at(struct lb_shipper *shipper, uint64_t pos)
{
    for (unsigned i = 0; i < shipper->slots; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if ((slot->state == LB_SLOT_SENDING || slot->state == LB_SLOT_WAITING) && slot->body.from <= pos &&
            pos < slot->body.to)
            return slot;
    }
    return NULL;
}

/* End of a stretch of records that no slot has, from `from` on, about bytes long. */
static uint64_t stretch(struct lb_shipper *shipper, uint64_t from, uint64_t bytes)
{
    uint64_t head = lb_ring_head(shipper->ring), pos = from;

    while (pos < head && pos - from < bytes && !slot_at(shipper, pos)) {
        const struct lb_record *record = lb_ring_at(shipper->ring, pos, head);

        if (!record)
            return head; /* damaged: what lies behind cannot be told apart any more */
        pos += record->len;
    }
    return pos;
}

static void shed(struct lb_shipper *shipper, uint64_t target_bytes)
{
    for (;;) {
        uint64_t tail = lb_ring_tail(shipper->ring), used = lb_ring_head(shipper->ring) - tail, to;
        struct lb_slot *slot;

        if (used <= target_bytes)
            return;
        slot = slot_at(shipper, tail);
        if (slot) {
            give_up(shipper, slot);
        } else {
            to = stretch(shipper, tail, used - target_bytes);
            lb_release_shed(shipper, tail, to);
            if (to > shipper->next_pos)
                shipper->next_pos = to;
        }
        if (lb_ring_tail(shipper->ring) == tail)
            return; /* cannot be: but better to stop than to spin */
    }
}

static void shed_if_needed(struct lb_shipper *shipper, uint64_t now_ns)
{
    bool is_away = lb_shipper_is_away(shipper, now_ns);
    const struct lb_ring *fed = shipper->next_ring ? shipper->next_ring : shipper->ring;

    lb_link_put(&shipper->link->sink_away, is_away);
    if (!is_away || lb_ring_head(fed) - lb_ring_tail(fed) <= LB_HIGH_WATER(fed->size))
        return;
    /* The oldest go first: all of a ring that was set aside, then the front of the one that is being filled. */
    shed(shipper, shipper->next_ring ? 0 : LB_LOW_WATER(shipper->ring->size));
    if (shipper->scan_pos < shipper->next_pos || shipper->pending_lines == 0)
        forget_pending(shipper);
}

/* ---- sending ---- */

/* Nothing to ship up to a point: what is there is final already and only has to be passed. */
static void pass_over(struct lb_shipper *shipper, uint64_t to)
{
    lb_ring_finish(shipper->ring, shipper->next_pos, to, LB_STATE_DELIVERED);
    lb_release_publish(shipper);
    shipper->next_pos = to;
    forget_pending(shipper);
}

static bool make_body(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    uint64_t head = lb_ring_head(shipper->ring);
    int rc = lb_builder_make(&shipper->builder, shipper->ring, shipper->next_pos, head, shipper->wall_minus_boot_ns(),
                             &slot->body);

    if (rc == 0) {
        if (slot->body.to > shipper->next_pos)
            pass_over(shipper, slot->body.to);
        else
            forget_pending(shipper);
        return false;
    }
    if (rc < 0) {
        note_failure(shipper, strerror(-rc), now_ns);
        return false;
    }
    shipper->next_pos = slot->body.to;
    forget_pending(shipper);
    scan(shipper, now_ns);
    return true;
}

/* After a failure one body goes out at a time, the oldest, until one is delivered. */
static bool may_send(const struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->is_held || shipper->retry_at_ns > now_ns)
        return false;
    return !shipper->failed_since_delivery || count_slots(shipper, LB_SLOT_SENDING) == 0;
}

static void send_what_is_due(struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_slot *slot;

    while (may_send(shipper, now_ns) && (slot = oldest_slot(shipper, LB_SLOT_WAITING)))
        send_slot(shipper, slot, now_ns);
    while (may_send(shipper, now_ns) && is_body_due(shipper, now_ns) && (slot = free_slot(shipper))) {
        if (make_body(shipper, slot, now_ns))
            send_slot(shipper, slot, now_ns);
    }
}

static void switch_rings(struct lb_shipper *shipper, uint64_t now_ns)
{
    if (!shipper->next_ring || lb_ring_tail(shipper->ring) != lb_ring_head(shipper->ring) ||
        count_slots(shipper, LB_SLOT_FREE) != shipper->slots)
        return;
    shipper->ring = shipper->next_ring;
    shipper->next_ring = NULL;
    shipper->next_pos = lb_ring_tail(shipper->ring);
    lb_encoder_init(&shipper->builder.encoder, shipper->config, shipper->sink_config->sequence, shipper->ring->id);
    forget_pending(shipper);
    scan(shipper, now_ns);
    shipper->old_ring_done(shipper->old_ring_ctx);
}

/* ---- when to look again ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t next_look(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t due = LB_NEVER, allowed = later(shipper->retry_at_ns, now_ns);

    if (shipper->is_held)
        return LB_NEVER; /* until an answer comes */
    if (!shipper->failed_since_delivery || count_slots(shipper, LB_SLOT_SENDING) == 0) {
        if (count_slots(shipper, LB_SLOT_WAITING) > 0)
            due = allowed;
        if (free_slot(shipper) && shipper->pending_lines > 0)
            due = earlier(due, is_body_due(shipper, now_ns)
                                   ? allowed
                                   : later(allowed, earlier(shipper->wait_due_ns, shipper->urgent_due_ns)));
    }
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING && !lb_link_get(&shipper->link->sink_away))
            due = earlier(due, later(shipper->slot[i].sent_ns + LB_AWAY_AFTER_NS, now_ns + LB_NS_PER_MS));
    return due;
}

/* Tell the fast side at which fill to knock. Returns true when that fill is reached already. */
static bool ask_for_knock(struct lb_shipper *shipper)
{
    const struct lb_ring *fed = shipper->next_ring ? shipper->next_ring : shipper->ring;
    uint64_t wake = UINT64_MAX;

    if (!shipper->next_ring && !shipper->is_full) {
        uint64_t bytes = shipper->builder.max_bytes - earlier(shipper->pending_bytes, shipper->builder.max_bytes);
        uint64_t lines = (shipper->builder.max_lines - shipper->pending_lines) * sizeof(struct lb_record);

        wake = shipper->scan_pos + (shipper->pending_lines == 0 ? 1 : earlier(bytes / 4 * 3, lines) + 1);
        lb_link_put(&shipper->link->slow_wants_urgent, !shipper->has_urgent);
    }
    if (lb_link_get(&shipper->link->sink_away))
        wake = earlier(wake, lb_ring_tail(fed) + LB_HIGH_WATER(fed->size) + 1);
    lb_link_put(&shipper->link->slow_wake_pos, wake);
    return lb_ring_head(fed) >= wake;
}

uint64_t lb_shipper_step(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t due;

    lb_release_sweep(shipper);
    switch_rings(shipper, now_ns);
    scan(shipper, now_ns);
    shed_if_needed(shipper, now_ns);
    scan(shipper, now_ns);
    send_what_is_due(shipper, now_ns);
    switch_rings(shipper, now_ns);
    due = next_look(shipper, now_ns);
    if (ask_for_knock(shipper))
        due = now_ns;
    return due;
}

/* ---- requests of others ---- */

uint64_t lb_shipper_flush(struct lb_shipper *shipper)
{
    shipper->force_pos = lb_ring_head(shipper->ring);
    shipper->retry_at_ns = 0;
    return shipper->force_pos;
}

bool lb_shipper_has_passed(const struct lb_shipper *shipper, uint64_t pos)
{
    return lb_ring_tail(shipper->ring) >= pos;
}

void lb_shipper_stop_soon(struct lb_shipper *shipper)
{
    shipper->is_stopping = true;
}

bool lb_shipper_is_done(const struct lb_shipper *shipper)
{
    if (shipper->failed_since_delivery || lb_link_get(&shipper->link->sink_away))
        return true;
    return !shipper->next_ring && lb_ring_tail(shipper->ring) == lb_ring_head(shipper->ring);
}

int lb_shipper_probe(struct lb_shipper *shipper, lb_probe_done done, void *ctx)
{
    int rc;

    if (shipper->probe_done)
        return -EBUSY;
    rc = shipper->transport.send(shipper->transport.self, LB_PROBE_SLOT, shipper->sink->probe,
                                 strlen(shipper->sink->probe), "");
    if (rc == 0) {
        shipper->probe_done = done;
        shipper->probe_ctx = ctx;
        shipper->probe_sent_ns = lb_clock_boot_ns();
    }
    return rc;
}

int lb_shipper_reload(struct lb_shipper *shipper, const struct lb_config *config)
{
    struct lb_builder fresh;
    int rc = lb_builder_init(&fresh, shipper->sink, config, &config->sinks[0], shipper->ring->id);

    if (rc < 0)
        return rc;
    lb_builder_close(&shipper->builder);
    shipper->builder = fresh;
    shipper->config = config;
    shipper->sink_config = &config->sinks[0];
    shipper->retry.min_ms = shipper->sink_config->retry_min_ms;
    shipper->retry.max_ms = shipper->sink_config->retry_max_ms;
    forget_pending(shipper);
    return 0;
}

void lb_shipper_stop(struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < LB_SHIPPER_SLOTS; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if (slot->state == LB_SLOT_SENDING)
            shipper->transport.cancel(shipper->transport.self, i);
        if (slot->state != LB_SLOT_LINGERING)
            free(slot->body.payload);
    }
    shipper->transport.close(shipper->transport.self);
    lb_builder_close(&shipper->builder);
}
