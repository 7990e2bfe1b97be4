/* SPDX-License-Identifier: MIT */
/*
 * Shipping. In: records in the ring, answers, the time. Out: bodies to a transport, records released. Always
 * true: bodies are made in the ring's order; a record is in at most one slot; nothing is released that the
 * sink did not take, unless it is shed with a loss row in the same publish.
 */
#include "agent/ship/shipper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/ship/slots.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

int lb_shipper_start(struct lb_shipper *shipper, uint64_t seed)
{
    shipper->sink_config = &shipper->config->sinks[0];
    shipper->sink = lb_sink_find(shipper->sink_config->type);
    if (!shipper->sink)
        return -ENOENT;
    shipper->slots = shipper->sink_config->concurrency < LB_SHIPPER_SLOTS
                         ? (unsigned)shipper->sink_config->concurrency
                         : LB_SHIPPER_SLOTS;
    shipper->next_pos = shipper->scan_pos = lb_ring_tail(shipper->ring);
    shipper->wait_due_ns = shipper->urgent_due_ns = shipper->damaged_pos = LB_NEVER;
    shipper->has_losses = true; /* the first sweep finds out */
    lb_retry_init(&shipper->retry, shipper->sink_config->retry_min_ms, shipper->sink_config->retry_max_ms,
                  seed);
    return lb_builder_init(&shipper->builder, shipper->sink, shipper->config, shipper->sink_config,
                           shipper->ring->id);
}

/* ---- sending one ---- */

/*
 * A body failed that was sent at sent_ns; LB_NEVER: it could not be sent. Several that were on their way
 * together and fail together are one failure of the sink: the pause grows once.
 */
static void note_failure(struct lb_shipper *shipper, uint64_t sent_ns, const char *why, uint64_t now_ns)
{
    /* Without a pause in force (a flush ended it) every failure begins one, or the body would go out again at
     * once. */
    bool is_known = shipper->failed_since_delivery && shipper->retry_at_ns > 0 &&
                    sent_ns <= shipper->stats.last_failure_ns;
    uint64_t wait_ms;

    shipper->stats.failures++;
    shipper->stats.last_failure_ns = now_ns;
    snprintf(shipper->stats.last_error, sizeof shipper->stats.last_error, "%s", why);
    shipper->failed_since_delivery = true;
    if (is_known)
        return;
    wait_ms = lb_retry_failed(&shipper->retry);
    shipper->retry_at_ns = now_ns + wait_ms * LB_NS_PER_MS;
    lb_log(LB_LEVEL_WARNING, "sink %s: %s; next try in %llu ms", shipper->sink_config->name, why,
           (unsigned long long)wait_ms);
}

static void send_slot(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    int rc =
        shipper->transport.send(shipper->transport.self, lb_slots_index(shipper, slot), slot->body.payload,
                                slot->body.payload_len, lb_compression_token(shipper->builder.compression));

    slot->sent_ns = now_ns;
    if (rc == 0) {
        shipper->stats.requests++;
        lb_slots_move(slot, LB_SLOT_SENDING);
        return;
    }
    if (slot->state == LB_SLOT_FREE)
        lb_slots_move(slot, LB_SLOT_WAITING);
    note_failure(shipper, LB_NEVER, strerror(-rc), now_ns);
    slot->not_before_ns = shipper->retry_at_ns;
}

/* ---- answers ---- */

static void delivered(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    bool was_away = shipper->failed_since_delivery,
         is_back = was_away && slot->sent_ns > shipper->stats.last_failure_ns;

    /* It was sent after the failure: those that failed with it need not wait. Else they may be refused on
     * their own. */
    for (unsigned i = 0; is_back && i < shipper->slots; i++)
        shipper->slot[i].not_before_ns = 0;
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
    lb_slots_move(slot, LB_SLOT_FREE);
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

void lb_shipper_answer_at(struct lb_shipper *shipper, unsigned index, const struct lb_answer *answer,
                          uint64_t now_ns)
{
    struct lb_slot *slot = &shipper->slot[index];

    if (index == LB_PROBE_SLOT) {
        answer_probe(shipper, answer);
        return;
    }
    shipper->stats.wire_bytes += answer->wire_bytes;
    if (slot->state == LB_SLOT_LINGERING) { /* given up, and its records told as shed */
        lb_slots_move(slot, LB_SLOT_FREE);
        return;
    }
    if (shipper->sink->judge(answer) == LB_VERDICT_DELIVERED) {
        delivered(shipper, slot, now_ns);
        return;
    }
    lb_slots_move(slot, LB_SLOT_WAITING);
    note_failure(shipper, slot->sent_ns, answer->text[0] ? answer->text : "refused without a reason", now_ns);
    slot->not_before_ns = shipper->retry_at_ns;
}

void lb_shipper_answer(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    lb_shipper_answer_at(ctx, slot, answer, lb_clock_boot_ns());
}

/* ---- away, and shedding ---- */

/*
 * When bodies on their way, if no answer comes, will show that the sink is away. An answer may bear a later
 * time than the step that follows it, since the loop reads the clock once a turn: so times are compared,
 * never subtracted.
 */
static uint64_t away_at_ns(const struct lb_shipper *shipper)
{
    uint64_t sent_ns = LB_NEVER;

    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING)
            sent_ns = lb_earlier(sent_ns, shipper->slot[i].sent_ns);
    return sent_ns == LB_NEVER ? LB_NEVER
                               : lb_later(sent_ns, shipper->stats.last_delivery_ns) + LB_AWAY_AFTER_NS;
}

bool lb_shipper_is_away(const struct lb_shipper *shipper, uint64_t now_ns)
{
    return shipper->failed_since_delivery || now_ns >= away_at_ns(shipper);
}

/* A body is given up, whether it waits or is on its way. */
static void give_up(struct lb_shipper *shipper, struct lb_slot *slot)
{
    bool is_gone = slot->state != LB_SLOT_SENDING ||
                   shipper->transport.cancel(shipper->transport.self, lb_slots_index(shipper, slot));

    lb_release_shed(shipper, slot->body.from, slot->body.to);
    lb_slots_move(slot, is_gone ? LB_SLOT_FREE : LB_SLOT_LINGERING);
}

/* End of a stretch of records that no slot has, from `from` on, about bytes long. */
static uint64_t stretch(struct lb_shipper *shipper, uint64_t from, uint64_t bytes)
{
    uint64_t end = lb_pending_end(shipper), pos = from;
    const struct lb_record *record;

    while (pos - from < bytes && !lb_slots_at(shipper, pos) && (record = lb_ring_at(shipper->ring, pos, end)))
        pos += record->len;
    return lb_release_first_kept(shipper, from, pos);
}

static void shed(struct lb_shipper *shipper, uint64_t target_bytes)
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
            give_up(shipper, slot);
        } else {
            to = stretch(shipper, tail, used - target_bytes);
            if (to == tail)
                return;
            lb_release_shed(shipper, tail, to);
            if (to > shipper->next_pos)
                shipper->next_pos = to;
        }
        if (lb_ring_tail(shipper->ring) == tail)
            return; /* damage that nobody has come across yet */
    }
}

static void shed_if_needed(struct lb_shipper *shipper, uint64_t now_ns)
{
    bool is_away = lb_shipper_is_away(shipper, now_ns);
    const struct lb_ring *fed = shipper->next_ring ? shipper->next_ring : shipper->ring;
    uint64_t next_pos = shipper->next_pos;

    lb_link_put(&shipper->link->sink_away, is_away);
    if (!is_away || lb_ring_head(fed) - lb_ring_tail(fed) <= LB_HIGH_WATER(fed->size))
        return;
    /* The oldest go first: all of a ring that was set aside, then the front of the one that is being filled.
     */
    shed(shipper, shipper->next_ring ? 0 : LB_LOW_WATER(shipper->ring->size));
    if (shipper->next_pos != next_pos)
        lb_pending_forget(shipper); /* some of what was counted is gone */
}

/* ---- sending ---- */

/* Nothing to ship up to a point: what is there is final already and only has to be passed. */
static void pass_over(struct lb_shipper *shipper, uint64_t to)
{
    lb_ring_finish(shipper->ring, shipper->next_pos, to, LB_STATE_DELIVERED);
    lb_release_publish(shipper);
    shipper->next_pos = to;
    lb_pending_forget(shipper);
}

static bool make_body(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    int rc = lb_builder_make(&shipper->builder, shipper->ring, shipper->next_pos, lb_pending_end(shipper),
                             shipper->wall_minus_boot_ns(), &slot->body);

    if (slot->body.is_damaged)
        lb_pending_note_damage(shipper, slot->body.to);
    if (rc == 0) {
        if (slot->body.to > shipper->next_pos)
            pass_over(shipper, slot->body.to);
        else
            lb_pending_forget(shipper);
        return false;
    }
    if (rc < 0) {
        note_failure(shipper, LB_NEVER, strerror(-rc), now_ns);
        return false;
    }
    lb_pending_move_on(shipper, slot->body.to, now_ns);
    return true;
}

/* After a failure one body goes out at a time, the oldest, until one is delivered. */
static bool may_send(const struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->is_held || shipper->retry_at_ns > now_ns)
        return false;
    return !shipper->failed_since_delivery || lb_slots_count(shipper, LB_SLOT_SENDING) == 0;
}

static void send_what_is_due(struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_slot *slot;

    while (may_send(shipper, now_ns) && (slot = lb_slots_next_waiting(shipper, now_ns)))
        send_slot(shipper, slot, now_ns);
    while (may_send(shipper, now_ns) && lb_pending_is_due(shipper, now_ns) &&
           (slot = lb_slots_free(shipper))) {
        if (make_body(shipper, slot, now_ns))
            send_slot(shipper, slot, now_ns);
    }
}

static void switch_rings(struct lb_shipper *shipper, uint64_t now_ns)
{
    if (!shipper->next_ring || lb_ring_tail(shipper->ring) != lb_ring_head(shipper->ring) ||
        lb_slots_count(shipper, LB_SLOT_FREE) != shipper->slots)
        return;
    shipper->ring = shipper->next_ring;
    shipper->next_ring = NULL;
    shipper->next_pos = lb_ring_tail(shipper->ring);
    shipper->force_pos = shipper->force_next_pos;
    shipper->damaged_pos = LB_NEVER;
    lb_encoder_init(&shipper->builder.encoder, shipper->config, shipper->sink_config->sequence,
                    shipper->ring->id);
    lb_pending_forget(shipper);
    lb_pending_scan(shipper, now_ns);
    shipper->old_ring_done(shipper->old_ring_ctx);
}

/* ---- when to look again ---- */

static uint64_t next_look(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t due = LB_NEVER, allowed = lb_later(shipper->retry_at_ns, now_ns);

    /* Held, nothing is sent until an answer comes; but whether the sink is away must be seen all the same. */
    if (shipper->is_held)
        return lb_link_get(&shipper->link->sink_away) ? LB_NEVER : away_at_ns(shipper);
    if (!shipper->failed_since_delivery || lb_slots_count(shipper, LB_SLOT_SENDING) == 0) {
        for (unsigned i = 0; i < shipper->slots; i++)
            if (shipper->slot[i].state == LB_SLOT_WAITING)
                due = lb_earlier(due, lb_later(allowed, shipper->slot[i].not_before_ns));
        if (lb_slots_free(shipper) && shipper->pending_lines > 0)
            due = lb_earlier(
                due, lb_pending_is_due(shipper, now_ns)
                         ? allowed
                         : lb_later(allowed, lb_earlier(shipper->wait_due_ns, shipper->urgent_due_ns)));
    }
    if (!lb_link_get(&shipper->link->sink_away))
        due = lb_earlier(due, away_at_ns(shipper));
    return due;
}

/* Is there anything that a step could shed if the ring passed its high-water mark? Else it must not be asked
 * to. */
static bool can_shed(struct lb_shipper *shipper)
{
    uint64_t tail = lb_ring_tail(shipper->ring);
    const struct lb_slot *slot = lb_slots_at(shipper, tail);
    const struct lb_record *record = lb_ring_at(shipper->ring, tail, lb_pending_end(shipper));
    uint64_t to = slot ? slot->body.to : record ? tail + record->len : tail;

    if (lb_release_first_kept(shipper, tail, to) < to)
        return false;
    return tail < shipper->damaged_pos && (!shipper->next_ring || tail != lb_ring_head(shipper->ring));
}

/*
 * Tell the fast side at which fill to knock. Returns true when that fill is reached already, or an urgent
 * record came before it could know that we want to hear of one.
 */
static bool ask_for_knock(struct lb_shipper *shipper)
{
    const struct lb_ring *fed = shipper->next_ring ? shipper->next_ring : shipper->ring;
    uint64_t wake = UINT64_MAX;
    bool is_late = false;

    if (!shipper->next_ring && !shipper->is_full && shipper->damaged_pos == LB_NEVER) {
        uint64_t bytes =
            shipper->builder.max_bytes - lb_earlier(shipper->pending_bytes, shipper->builder.max_bytes);
        uint64_t lines = (shipper->builder.max_lines - shipper->pending_lines) * sizeof(struct lb_record);

        wake = shipper->scan_pos + (shipper->pending_lines == 0 ? 1 : lb_earlier(bytes / 4 * 3, lines) + 1);
        is_late = !shipper->has_urgent && !lb_link_get(&shipper->link->slow_wants_urgent);
        lb_link_put(&shipper->link->slow_wants_urgent, !shipper->has_urgent);
        is_late = is_late && lb_ring_head(fed) > shipper->scan_pos;
    }
    if (lb_link_get(&shipper->link->sink_away) && can_shed(shipper))
        wake = lb_earlier(wake, lb_ring_tail(fed) + LB_HIGH_WATER(fed->size) + 1);
    lb_link_put(&shipper->link->slow_wake_pos, wake);
    return is_late || lb_ring_head(fed) >= wake;
}

uint64_t lb_shipper_step(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t due;

    lb_release_sweep(shipper);
    switch_rings(shipper, now_ns);
    lb_pending_scan(shipper, now_ns);
    shed_if_needed(shipper, now_ns);
    lb_pending_scan(shipper, now_ns);
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
    if (shipper->next_ring)
        shipper->force_next_pos = lb_ring_head(shipper->next_ring);
    shipper->retry_at_ns = 0;
    for (unsigned i = 0; i < shipper->slots; i++)
        shipper->slot[i].not_before_ns = 0;
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
    return !shipper->next_ring && lb_ring_tail(shipper->ring) == lb_pending_end(shipper);
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

static void give_back(struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < shipper->slots; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if (slot->state != LB_SLOT_WAITING)
            continue;
        lb_builder_give_back(shipper->ring, &slot->body);
        shipper->next_pos = lb_earlier(shipper->next_pos, slot->body.from);
        lb_slots_move(slot, LB_SLOT_FREE);
    }
}

int lb_shipper_reload(struct lb_shipper *shipper, const struct lb_config *config)
{
    const struct lb_sink *sink = lb_sink_find(config->sinks[0].type);
    struct lb_builder fresh;
    int rc;

    if (lb_slots_count(shipper, LB_SLOT_SENDING) + lb_slots_count(shipper, LB_SLOT_LINGERING) > 0)
        return -EBUSY; /* its answer would be judged by another sink, and its records go out twice */
    if (!sink)
        return -ENOENT;
    rc = lb_builder_init(&fresh, sink, config, &config->sinks[0], shipper->ring->id);
    if (rc < 0)
        return rc;
    give_back(shipper);
    lb_builder_close(&shipper->builder);
    shipper->builder = fresh;
    shipper->config = config;
    shipper->sink_config = &config->sinks[0];
    shipper->sink = sink;
    shipper->retry_at_ns = 0;
    lb_retry_succeeded(&shipper->retry);
    shipper->retry.min_ms = shipper->sink_config->retry_min_ms;
    shipper->retry.max_ms = shipper->sink_config->retry_max_ms;
    lb_pending_forget(shipper);
    return 0;
}

void lb_shipper_stop(struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < LB_SHIPPER_SLOTS; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if (slot->state == LB_SLOT_SENDING && !shipper->transport.cancel(shipper->transport.self, i))
            continue; /* it may be written at this moment */
        if (slot->state != LB_SLOT_LINGERING)
            free(slot->body.payload);
    }
    shipper->transport.close(shipper->transport.self);
    lb_builder_close(&shipper->builder);
}
