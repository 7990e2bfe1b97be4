/* SPDX-License-Identifier: MIT */
/*
 * Shipping. In: records in the ring, the time. Out: bodies to a transport. Always true: bodies are made in
 * the ring's order; a record is in at most one slot; no body begins before one that is on its way; nothing is
 * released that the sink did not take, unless it is shed, expired or rejected with a loss row in the same
 * publish.
 */
#include "agent/ship/shipper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/answers.h"
#include "agent/ship/meter.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/ship/shed.h"
#include "agent/ship/slots.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

static void forget_learnt(struct lb_shipper *shipper)
{
    shipper->learnt = (struct lb_learnt) { .max_bytes = SIZE_MAX, .max_lines = SIZE_MAX };
}

int lb_shipper_start(struct lb_shipper *shipper, uint64_t seed, uint64_t now_ns)
{
    const struct lb_sink_config *settings = &shipper->config->sinks[shipper->sink_ix];

    shipper->sink_config = settings;
    shipper->sink = lb_sink_of(settings);
    if (!shipper->sink)
        return -ENOENT;
    shipper->slots = (unsigned)lb_earlier(settings->concurrency, LB_SHIPPER_SLOTS);
    shipper->damaged_pos = LB_NEVER;
    shipper->has_losses = true; /* the first sweep finds out */
    forget_learnt(shipper);
    lb_pending_forget(shipper);
    lb_retry_init(&shipper->retry, settings->retry_min_ms, settings->retry_max_ms, shipper->slots, seed);
    /* Devices that were switched on together do not ship together. */
    shipper->splay_until_ns = now_ns + lb_retry_random(&shipper->retry, settings->wait_ms + 1) * LB_NS_PER_MS;
    return lb_builder_init(&shipper->builder, shipper->sink, shipper->config, settings, shipper->ring->id);
}

/* ---- making one ---- */

/* Nothing to ship up to a point: what is there is final already and only has to be passed. */
static void pass_over(struct lb_shipper *shipper, const struct lb_body *looked)
{
    lb_release_passed(shipper, shipper->next_pos, looked->to);
    shipper->next_pos = looked->to;
    memcpy(shipper->next_n, looked->next_after, sizeof shipper->next_n);
    lb_pending_forget(shipper);
}

/* What lies at a position is too old for the sink, and the user wants it dropped then. */
static void drop_expired(struct lb_shipper *shipper, const struct lb_stamps *stamps, uint64_t from)
{
    uint64_t end = lb_pending_end(shipper), to = from;
    const struct lb_record *record;

    while ((record = lb_ring_at(shipper->ring, to, end)) && record->kind != LB_KIND_HOLE &&
           record->state < LB_STATE_DELIVERED && lb_stamps_are_off(stamps, record->boot_ns)) {
        shipper->next_n[record->lane] = record->n + 1;
        to += record->len;
    }
    shipper->next_pos = to;
    lb_log(LB_LEVEL_WARNING, "sink %s: records are too old to be sent, and dropped",
           shipper->sink_config->name);
    lb_release_lost(shipper, from, to, LB_REASON_EXPIRED);
    lb_pending_forget(shipper);
}

/* Records of an earlier boot: by what was known of its clock, and now is so much later on it. */
static void stamp_as_then(const struct lb_unpacked *unpacked, struct lb_stamps *stamps)
{
    uint64_t now_wall_ns = stamps->now_ns + stamps->offset_ns;

    stamps->offset_ns = unpacked->wall_ns;
    stamps->trust[0] = stamps->trust[1] = (enum lb_clock_trust)unpacked->trust;
    if (now_wall_ns < unpacked->wall_ns) /* our clock is behind theirs: nobody can say how old they are */
        stamps->has_window = false;
    else
        stamps->now_ns = now_wall_ns - unpacked->wall_ns;
}

static struct lb_stamps make_stamps(const struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_stamps stamps = lb_stamps_of(&shipper->wall, now_ns);

    stamps.has_window = shipper->sink->limits.has_window;
    stamps.max_age_ns = shipper->sink_config->max_age_ms == LB_OFF
                            ? LB_NEVER
                            : shipper->sink_config->max_age_ms * LB_NS_PER_MS;
    stamps.max_ahead_ns = shipper->sink->limits.future_ms * LB_NS_PER_MS;
    if (shipper->unpacked && shipper->unpacked->wall_ns != 0)
        stamp_as_then(shipper->unpacked, &stamps);
    return stamps;
}

static struct lb_body_plan make_plan(const struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_body_plan plan = {
        .from = shipper->next_pos,
        .head = lb_pending_end(shipper),
        .next = { shipper->next_n[0], shipper->next_n[1] },
        .max_bytes = lb_pending_max_bytes(shipper),
        .max_lines = lb_pending_max_lines(shipper),
        .stamps = make_stamps(shipper, now_ns),
        .drops_expired = shipper->sink_config->expired == LB_EXPIRED_DROP,
        .is_replay = shipper->unpacked != NULL,
    };

    if (shipper->retry.is_open) { /* it only asks whether the sink is back */
        plan.max_bytes = lb_earlier(plan.max_bytes, LB_SMALL_BYTES);
        plan.max_lines = lb_earlier(plan.max_lines, LB_SMALL_LINES);
    }
    if (lb_answers_suspect(shipper)) {
        plan.head = lb_earlier(plan.head, shipper->suspect.to);
        plan.max_lines = lb_earlier(plan.max_lines, lb_later(shipper->suspect.lines / 2, 1));
    }
    return plan;
}

/* false: there is none, but something may have moved. */
static bool make_body(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    struct lb_body_plan plan = make_plan(shipper, now_ns);
    int rc = lb_answers_recode(shipper);

    if (rc == 0)
        rc = lb_builder_make(&shipper->builder, shipper->ring, shipper->state, &plan, &slot->body);
    if (rc < 0) {
        lb_answers_note_failure(shipper, strerror(-rc), now_ns);
        return false;
    }
    if (slot->body.is_damaged)
        lb_pending_note_damage(shipper, slot->body.to);
    if (rc == 0 && slot->body.to > shipper->next_pos)
        pass_over(shipper, &slot->body);
    else if (rc == 0 && !slot->body.is_expired)
        lb_pending_forget(shipper);
    if (rc == 0 && slot->body.is_expired)
        drop_expired(shipper, &plan.stamps, slot->body.to);
    if (rc == 0)
        return false;
    lb_slots_move(slot, LB_SLOT_BUILT);
    lb_pending_move_on(shipper, &slot->body, now_ns);
    return true;
}

/* ---- sending ---- */

static void send_slot(struct lb_shipper *shipper, struct lb_slot *slot, uint64_t now_ns)
{
    int rc =
        shipper->transport.send(shipper->transport.self, lb_slots_index(shipper, slot), slot->body.payload,
                                slot->body.payload_len, lb_compression_token(slot->body.compression));

    if (rc == 0) {
        lb_meter_sent(shipper, slot->body.payload_len, now_ns);
        slot->sent_ns = now_ns;
        shipper->stats.requests++;
        lb_slots_move(slot, LB_SLOT_SENDING);
        return;
    }
    lb_slots_give_back(shipper, slot);
    lb_answers_note_failure(shipper, strerror(-rc), now_ns);
}

/*
 * May a body be sent, as far as it is not about the body? None while a question is on its way: its answer
 * says what to send. One at a time where the sink has to be felt out: after a failure, while something
 * refused is looked for, while an encoding is on trial.
 */
static bool may_send(const struct lb_shipper *shipper, uint64_t now_ns)
{
    unsigned out = lb_slots_count(shipper, LB_SLOT_SENDING);

    if (shipper->is_held || shipper->is_barred || shipper->trouble == LB_TROUBLE_CLOCK ||
        shipper->question != LB_ASK_NOTHING || !lb_retry_may_send(&shipper->retry, out, now_ns))
        return false;
    return out == 0 || !(lb_answers_suspect(shipper) || shipper->learnt.is_gzip_on_trial);
}

/* Records that came back lie before a body that is on its way: it has to be answered first. */
static bool is_behind(const struct lb_shipper *shipper)
{
    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING && shipper->slot[i].body.from >= shipper->next_pos)
            return true;
    return false;
}

/* A stretch of suspects that is not what comes next has lost its place: it is found again. */
static void check_suspect(struct lb_shipper *shipper)
{
    if (lb_answers_suspect(shipper) && shipper->suspect.from != shipper->next_pos &&
        lb_slots_count(shipper, LB_SLOT_SENDING) == 0 && !lb_slots_built(shipper))
        shipper->suspect.to = shipper->suspect.from;
}

static void send_what_is_due(struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_slot *slot;

    while (may_send(shipper, now_ns)) {
        slot = lb_slots_built(shipper);
        if (slot && lb_slots_overtakes(shipper, &slot->body))
            return;
        if (lb_meter_free_ns(shipper, slot ? slot->body.payload_len : 0) > now_ns)
            return;
        if (slot) {
            send_slot(shipper, slot, now_ns);
            continue;
        }
        check_suspect(shipper);
        slot = lb_slots_free(shipper);
        if (!slot || is_behind(shipper) || !lb_pending_is_due(shipper, now_ns) ||
            lb_answers_ask_first(shipper, now_ns))
            return;
        make_body(shipper, slot, now_ns);
    }
}

static void switch_rings(struct lb_shipper *shipper, uint64_t now_ns)
{
    if (!shipper->next_ring || lb_ring_tail(shipper->ring) != lb_ring_head(shipper->ring) ||
        lb_slots_count(shipper, LB_SLOT_FREE) != shipper->slots)
        return;
    shipper->ring = shipper->next_ring;
    shipper->next_ring = NULL;
    shipper->next_pos = 0;
    shipper->force_pos = shipper->force_next_pos;
    shipper->catch_up_pos = 0;
    shipper->damaged_pos = LB_NEVER;
    shipper->suspect.from = shipper->suspect.to = 0;
    lb_encoder_init(&shipper->builder.encoder, shipper->config, shipper->sink_config->sequence,
                    shipper->ring->id);
    lb_pending_forget(shipper);
    lb_pending_scan(shipper, now_ns);
    shipper->old_ring_done(shipper->old_ring_ctx);
}

/* ---- when to look again ---- */

/* When the next body may be sent, if it is not an answer that it waits for. */
static uint64_t next_send_ns(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t allowed_ns = lb_later(shipper->retry.until_ns, now_ns), due_ns;
    struct lb_slot *built = lb_slots_built(shipper);

    if (built)
        due_ns = lb_slots_overtakes(shipper, &built->body) ? LB_NEVER : now_ns;
    else if (!lb_slots_free(shipper) || is_behind(shipper))
        due_ns = LB_NEVER;
    else
        due_ns = lb_pending_due_ns(shipper, now_ns);
    if (due_ns == LB_NEVER)
        return LB_NEVER;
    if (shipper->trouble == LB_TROUBLE_CLOCK) /* nobody tells when it is right: look each second */
        return lb_earlier(lb_later(shipper->clock_hold_ns, now_ns), now_ns + LB_NS_PER_S);
    due_ns = lb_later(due_ns, allowed_ns);
    due_ns = lb_later(due_ns, lb_meter_free_ns(shipper, built ? built->body.payload_len : 0));
    if (due_ns == LB_NEVER)
        return LB_NEVER;
    return may_send(shipper, due_ns) ? due_ns : LB_NEVER;
}

static uint64_t next_look(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t due_ns = shipper->is_held ? LB_NEVER : next_send_ns(shipper, now_ns);

    if (lb_shed_urgent_waits(shipper))
        due_ns = lb_earlier(due_ns, shipper->urgent_due_ns);
    /* Whether the sink is away must be seen also while nothing may be sent. */
    if (!lb_link_get(&shipper->link->sink_away))
        due_ns = lb_earlier(due_ns, lb_shed_away_at_ns(shipper));
    return due_ns;
}

/*
 * Tell the fast side at which fill to knock. Returns true when that fill is reached already, or an urgent
 * record came before it could know that we want to hear of one.
 */
static bool ask_for_knock(struct lb_shipper *shipper, uint64_t now_ns)
{
    const struct lb_ring *fed = shipper->next_ring ? shipper->next_ring : shipper->ring;
    uint64_t wake = UINT64_MAX;
    bool is_late = false;

    if (!shipper->next_ring && !shipper->is_full && shipper->damaged_pos == LB_NEVER) {
        uint64_t bytes =
            lb_pending_max_bytes(shipper) - lb_earlier(shipper->pending_bytes, lb_pending_max_bytes(shipper));
        uint64_t lines = (lb_pending_max_lines(shipper) - shipper->pending_lines) * sizeof(struct lb_record);

        wake = shipper->scan_pos + (shipper->pending_lines == 0 ? 1 : lb_earlier(bytes / 4 * 3, lines) + 1);
        is_late = !shipper->has_urgent && !lb_link_get(&shipper->link->slow_wants_urgent);
        lb_link_put(&shipper->link->slow_wants_urgent, !shipper->has_urgent);
        is_late = is_late && lb_ring_head(fed) > shipper->scan_pos;
    }
    if (lb_link_get(&shipper->link->sink_away) && lb_shed_is_possible(shipper))
        wake = lb_earlier(wake, lb_ring_tail(fed) + LB_HIGH_WATER(fed->size) + 1);
    if (lb_pending_waits_for_clock(shipper,
                                   now_ns)) /* never with next_ring: what is fed is what is shipped */
        wake = lb_earlier(wake, lb_ring_tail(fed) + LB_CLOCK_WATER(fed->size));
    lb_link_put(&shipper->link->slow_wake_pos, wake);
    return is_late || lb_ring_head(fed) >= wake;
}

uint64_t lb_shipper_step(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t due;

    lb_answers_look_at_clock(shipper, now_ns);
    lb_meter_look(shipper, now_ns);
    lb_release_sweep(shipper);
    switch_rings(shipper, now_ns);
    lb_pending_scan(shipper, now_ns);
    lb_shed_if_needed(shipper, now_ns);
    lb_pending_scan(shipper, now_ns);
    send_what_is_due(shipper, now_ns);
    switch_rings(shipper, now_ns);
    lb_pending_scan(shipper, now_ns);
    due = next_look(shipper, now_ns);
    if (ask_for_knock(shipper, now_ns))
        due = now_ns;
    return due;
}

/* ---- requests of others ---- */

uint64_t lb_shipper_flush(struct lb_shipper *shipper)
{
    shipper->force_pos = lb_ring_head(shipper->ring);
    if (shipper->next_ring)
        shipper->force_next_pos = lb_ring_head(shipper->next_ring);
    lb_retry_end_pause(&shipper->retry);
    shipper->clock_hold_ns = 0; /* a wait for the clock ends with the next look at it */
    return shipper->force_pos;
}

void lb_shipper_hurry(struct lb_shipper *shipper, uint64_t now_ns)
{
    if (lb_retry_hurry(&shipper->retry, now_ns))
        lb_log(LB_LEVEL_INFO, "sink %s: the network changed, trying again soon", shipper->sink_config->name);
}

bool lb_shipper_has_passed(const struct lb_shipper *shipper, uint64_t pos)
{
    return lb_ring_tail(shipper->ring) >= pos;
}

void lb_shipper_stop_soon(struct lb_shipper *shipper)
{
    shipper->is_stopping = true;
}

/* Is all final? Where another sink holds the tail, it does not say so. */
static bool has_shipped_all(const struct lb_shipper *shipper)
{
    uint64_t end = lb_pending_end(shipper);

    return lb_ring_tail(shipper->ring) == end ||
           (lb_ring_is_held(shipper->ring) && shipper->next_pos == end &&
            lb_slots_count(shipper, LB_SLOT_FREE) == shipper->slots);
}

bool lb_shipper_is_done(const struct lb_shipper *shipper)
{
    if (shipper->failed_since_delivery || lb_link_get(&shipper->link->sink_away))
        return true;
    return !shipper->next_ring && has_shipped_all(shipper);
}

bool lb_shipper_is_busy(const struct lb_shipper *shipper)
{
    return lb_slots_count(shipper, LB_SLOT_SENDING) + lb_slots_count(shipper, LB_SLOT_LINGERING) > 0 ||
           shipper->probe_done || shipper->question != LB_ASK_NOTHING;
}

int lb_shipper_probe(struct lb_shipper *shipper, bool is_check, lb_probe_done done, void *ctx)
{
    const struct lb_transport *transport = &shipper->transport;
    int rc;

    if (shipper->probe_done)
        return -EBUSY;
    if (is_check)
        rc = transport->check ? transport->check(transport->self, LB_PROBE_SLOT) : -ENOENT;
    else
        rc = transport->send(transport->self, LB_PROBE_SLOT, shipper->sink->probe,
                             lb_sink_probe_len(shipper->sink), "");
    if (rc == 0) {
        shipper->probe_done = done;
        shipper->probe_ctx = ctx;
        shipper->probe_sent_ns = lb_clock_boot_ns();
    }
    return rc;
}

void lb_shipper_take_back(struct lb_shipper *shipper, uint64_t now_ns)
{
    const struct lb_transport *transport = &shipper->transport;
    uint64_t since_ns = shipper->stats.last_delivery_ns;

    for (unsigned i = 0; i < shipper->slots; i++) {
        struct lb_slot *slot = &shipper->slot[i];

        if ((slot->state != LB_SLOT_SENDING && slot->state != LB_SLOT_LINGERING) ||
            now_ns < lb_later(slot->sent_ns, since_ns) + LB_AWAY_AFTER_NS ||
            !transport->cancel(transport->self, i))
            continue;
        if (slot->state == LB_SLOT_SENDING)
            lb_slots_give_back(shipper, slot);
        else
            lb_slots_move(slot, LB_SLOT_FREE);
    }
    if (shipper->question != LB_ASK_NOTHING &&
        now_ns >= lb_later(shipper->asked_ns, since_ns) + LB_AWAY_AFTER_NS &&
        transport->cancel(transport->self, LB_ASK_SLOT))
        shipper->question = LB_ASK_NOTHING;
}

/* Does the old sink's behaviour say nothing of the new one? */
static bool is_another(const struct lb_sink_config *a, const struct lb_sink_config *b)
{
    return strcmp(a->type, b->type) != 0 || a->format != b->format || strcmp(a->url, b->url) != 0 ||
           strcmp(a->site, b->site) != 0 || strcmp(a->path, b->path) != 0 ||
           strcmp(a->address, b->address) != 0;
}

int lb_shipper_reload(struct lb_shipper *shipper, const struct lb_config *config, unsigned sink_ix)
{
    const struct lb_sink_config *settings = &config->sinks[sink_ix];
    const struct lb_sink *sink = lb_sink_of(settings);
    struct lb_builder *fresh;
    struct lb_slot *built;
    int rc;

    if (lb_shipper_is_busy(shipper))
        return -EBUSY; /* its answer would be judged by another sink, and its records go out twice */
    if (!sink)
        return -ENOENT;
    fresh = malloc(sizeof *fresh); /* too large for a stack */
    rc = fresh ? lb_builder_init(fresh, sink, config, settings, shipper->ring->id) : -ENOMEM;
    if (rc < 0) {
        free(fresh);
        return rc;
    }
    while ((built = lb_slots_built(shipper)))
        lb_slots_give_back(shipper, built);
    lb_builder_close(&shipper->builder);
    shipper->builder = *fresh;
    free(fresh);
    if (is_another(shipper->sink_config, settings)) {
        forget_learnt(shipper);
        shipper->suspect.to = shipper->suspect.from;
    }
    shipper->config = config;
    shipper->sink_config = settings;
    shipper->sink_ix = sink_ix;
    shipper->sink = sink;
    if (shipper->trouble != LB_TROUBLE_NONE)
        shipper->trouble = LB_TROUBLE_AWAY;
    lb_retry_change(&shipper->retry, settings->retry_min_ms, settings->retry_max_ms);
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
