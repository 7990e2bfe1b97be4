/* SPDX-License-Identifier: MIT */
/*
 * Draining the backlog. In: segments, a sink that is well. Out: bodies on the link of the live shipper.
 * Always true: a segment leaves the backlog when its last record is final; live records go first.
 */
#include "agent/ship/drain.h"

#include <errno.h>
#include <string.h>

#include "agent/ship/answers.h"
#include "agent/ship/meter.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/ship/slots.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

#define LOOK_AGAIN_NS LB_NS_PER_S /* while live traffic leaves no gap */

/* ---- the transport, shared ---- */

static unsigned outer_slot(unsigned slot)
{
    return slot == LB_ASK_SLOT ? LB_TRANSPORT_DRAIN + 1 : LB_TRANSPORT_DRAIN;
}

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    const struct lb_transport *transport = &((struct lb_drain *)self)->live->transport;

    return transport->send(transport->self, outer_slot(slot), body, len, encoding);
}

static bool cancel(void *self, unsigned slot)
{
    const struct lb_transport *transport = &((struct lb_drain *)self)->live->transport;

    return transport->cancel(transport->self, outer_slot(slot));
}

static void leave_open(void *self)
{
    (void)self; /* it is the live shipper's */
}

/* ---- start and stop ---- */

static bool holds(const void *ctx, uint32_t row)
{
    return lb_unpacked_holds(ctx, row);
}

int lb_drain_start(struct lb_drain *drain, struct lb_shipper *live, struct lb_mover *mover, uint64_t seed,
                   uint64_t now_ns)
{
    struct lb_shipper *shipper = &drain->shipper;
    int rc;

    drain->live = live;
    drain->mover = mover;
    drain->backlog = lb_mover_backlog(mover);
    drain->link.to_fast_fd = drain->link.to_slow_fd = -1;
    rc = lb_unpacked_init(&drain->unpacked, drain->backlog, LB_SLOW_DRAIN);
    if (rc < 0)
        return rc;
    lb_mover_spare(mover, holds, &drain->unpacked);
    shipper->ring = &drain->unpacked.ring;
    shipper->unpacked = &drain->unpacked;
    shipper->state = live->state;
    shipper->meter_state = live->meter_state;
    shipper->is_best_effort = live->is_best_effort;
    shipper->link = &drain->link;
    shipper->config = live->config;
    shipper->sink_ix = live->sink_ix;
    shipper->read_clocks = live->read_clocks;
    shipper->clocks_ctx = live->clocks_ctx;
    shipper->phase = live->phase;
    shipper->wall = live->wall;
    shipper->transport =
        (struct lb_transport) { drain, send_body, cancel, leave_open, NULL, live->transport.tells_time };
    rc = lb_shipper_start(shipper, seed + 1, now_ns);
    shipper->slots = 1; /* in order, so that a segment's row can tell how far it is done */
    shipper->has_losses = false;
    return rc;
}

void lb_drain_stop(struct lb_drain *drain)
{
    lb_shipper_stop(&drain->shipper);
    lb_unpacked_free(&drain->unpacked);
}

int lb_drain_reload(struct lb_drain *drain, const struct lb_config *config, unsigned sink_ix)
{
    int rc = lb_shipper_reload(&drain->shipper, config, sink_ix);

    drain->shipper.transport.tells_time = drain->live->transport.tells_time;
    return rc;
}

bool lb_drain_is_busy(const struct lb_drain *drain)
{
    return lb_shipper_is_busy(&drain->shipper);
}

/* ---- what to send ---- */

static bool may_ship(void *ctx, uint32_t row)
{
    const struct lb_drain *drain = ctx;

    if (drain->live->is_barred && lb_backlog_lane(drain->backlog, row) != LB_LANE_URGENT)
        return false;
    return lb_mover_is_free(drain->mover, row);
}

/* The segment that goes on where one ends. */
static uint32_t follower(const struct lb_drain *drain, uint32_t row)
{
    const struct lb_backlog *backlog = drain->backlog;
    uint64_t next_n = lb_backlog_word(backlog, row, LB_ROW_LAST_N) + 1,
             ring = lb_backlog_word(backlog, row, LB_ROW_RING);
    unsigned lane = lb_backlog_lane(backlog, row);

    for (uint32_t other = 0; other < backlog->rows; other++)
        if (lb_backlog_is_valid(backlog, other) &&
            lb_backlog_word(backlog, other, LB_ROW_FIRST_N) == next_n &&
            lb_backlog_word(backlog, other, LB_ROW_RING) == ring && lb_backlog_lane(backlog, other) == lane &&
            lb_backlog_word(backlog, other, LB_ROW_WALL_NS) == lb_backlog_word(backlog, row, LB_ROW_WALL_NS))
            return lb_mover_is_free(drain->mover, other) ? other : LB_BACKLOG_NONE;
    return LB_BACKLOG_NONE;
}

/* As many segments as one body holds: they pack together, and have one head. */
static unsigned choose(const struct lb_drain *drain, uint32_t rows[LB_UNPACKED_PARTS], uint64_t *ret_bytes)
{
    uint64_t most = lb_pending_max_bytes(&drain->shipper), lines = 0, size;
    uint32_t row = lb_backlog_oldest(drain->backlog, LB_LANE_COUNT, may_ship, (void *)(uintptr_t)drain);
    unsigned count = 0;

    *ret_bytes = 0;
    while (row != LB_BACKLOG_NONE && count < LB_UNPACKED_PARTS) {
        size = lb_unpacked_size(&drain->unpacked, row);
        lines += lb_backlog_word(drain->backlog, row, LB_ROW_LINES);
        if (count > 0 && (*ret_bytes + size > most || lines > lb_pending_max_lines(&drain->shipper)))
            break;
        *ret_bytes += size;
        rows[count++] = row;
        row = follower(drain, row);
    }
    return count;
}

/* What cannot be unpacked though its check was right is lost, as what is damaged at a start is. */
static void lose(struct lb_drain *drain, uint32_t row, int rc)
{
    lb_log(LB_LEVEL_ERROR, "a segment of the backlog cannot be unpacked: %s", strerror(-rc));
    lb_mover_lose(drain->mover, row);
}

static void load(struct lb_drain *drain)
{
    struct lb_shipper *shipper = &drain->shipper;
    uint32_t row[LB_UNPACKED_PARTS];
    struct lb_segment_packer *packer;
    uint64_t bytes, ring_id;
    unsigned count = choose(drain, row, &bytes);
    int rc = 0;

    if (count == 0)
        return;
    packer = lb_mover_packer(drain->mover);
    ring_id = lb_backlog_word(drain->backlog, row[0], LB_ROW_RING);
    if (!packer || lb_unpacked_begin(&drain->unpacked, ring_id, bytes) < 0)
        return; /* no memory: tried again with the next step */
    for (unsigned i = 0; rc == 0 && i < count; i++) {
        rc = lb_unpacked_add(&drain->unpacked, packer, row[i]);
        if (rc == -EBADMSG)
            lose(drain, row[i], rc);
    }
    if (drain->unpacked.parts == 0)
        return;
    lb_encoder_init(&shipper->builder.encoder, shipper->config, shipper->sink_config->sequence, ring_id);
    shipper->damaged_pos = LB_NEVER;
    shipper->suspect.from = shipper->suspect.to = 0;
    lb_pending_begin_at_tail(shipper);
    shipper->force_pos = lb_ring_head(&drain->unpacked.ring);
}

/* ---- when ---- */

static bool has_nothing(const struct lb_shipper *live)
{
    return live->scan_pos == live->next_pos && !live->next_ring &&
           lb_slots_count(live, LB_SLOT_FREE) == live->slots;
}

/*
 * Has the live shipper an answer for all that was in the ring when the sink came back? That goes first. A
 * sink that takes nothing much older than its newest (Loki) would refuse it behind records of the backlog
 * that have the time of sending.
 */
static bool has_caught_up(const struct lb_shipper *live)
{
    if (live->next_pos < live->catch_up_pos)
        return false;
    for (unsigned i = 0; i < live->slots; i++)
        if ((live->slot[i].state == LB_SLOT_SENDING || live->slot[i].state == LB_SLOT_BUILT) &&
            live->slot[i].body.from < live->catch_up_pos)
            return false;
    return true;
}

/* May a body of the backlog go now, as far as it is about the live shipper? */
static bool may_send(const struct lb_drain *drain, uint64_t now_ns)
{
    struct lb_shipper *live = drain->live;
    unsigned out = lb_slots_count(live, LB_SLOT_SENDING) + lb_slots_count(live, LB_SLOT_LINGERING);

    if (live->is_held || live->question != LB_ASK_NOTHING)
        return false;
    if (live->is_barred)
        return live->sink_config->when == LB_WHEN_URGENT_ONLY;
    if (has_nothing(live)) /* whatever its last word of the sink was, there is nobody else to find out more */
        return true;
    return has_caught_up(live) && live->trouble == LB_TROUBLE_NONE && !live->failed_since_delivery &&
           !live->retry.is_open && !lb_shipper_is_away(live, now_ns) && out < live->slots &&
           !lb_slots_built(live) && !lb_pending_is_due(live, now_ns);
}

/* What both know of the link. */
static void share_link(struct lb_drain *drain)
{
    struct lb_shipper *shipper = &drain->shipper, *live = drain->live;

    shipper->wall = live->wall;
    shipper->meter = live->meter;
    shipper->beside_bytes = lb_meter_on_the_way(live);
    drain->link.quota_step = lb_link_get(&live->link->quota_step);
}

static void pass_on(struct lb_drain *drain)
{
    struct lb_shipper *shipper = &drain->shipper, *live = drain->live;

    live->meter = shipper->meter;
    live->beside_bytes = lb_meter_on_the_way(shipper);
    live->has_losses |= shipper->has_losses;
    shipper->has_losses = false;
    if (lb_link_get(&drain->link.last_answer_ns) > lb_link_get(&live->link->last_answer_ns))
        lb_link_put(&live->link->last_answer_ns, lb_link_get(&drain->link.last_answer_ns));
    if (drain->delivered_bodies == shipper->stats.delivered_bodies)
        return;
    drain->delivered_bodies = shipper->stats.delivered_bodies;
    lb_link_put(&live->link->last_delivery_ns, lb_link_get(&drain->link.last_delivery_ns));
    lb_answers_note_well(live, shipper->stats.last_delivery_ns);
    lb_release_tell(live);
}

/* Nothing is left, or nothing may be sent for a while: memory goes back. */
static void rest(struct lb_drain *drain, uint64_t now_ns)
{
    if (drain->unpacked.room && !lb_drain_is_busy(drain) &&
        lb_slots_count(&drain->shipper, LB_SLOT_BUILT) == 0) {
        lb_unpacked_free(&drain->unpacked);
        lb_pending_begin_at_tail(&drain->shipper);
    }
    if (drain->backlog->sum.segments == 0 && !lb_shipper_is_away(drain->live, now_ns))
        lb_mover_rest(drain->mover);
}

uint64_t lb_drain_step(struct lb_drain *drain, uint64_t now_ns)
{
    struct lb_shipper *shipper = &drain->shipper;
    bool may = may_send(drain, now_ns);
    uint64_t due_ns = LB_NEVER, segments = drain->backlog->sum.segments;

    if (drain->backlog->sum.segments == 0 || (!may && lb_shipper_is_away(drain->live, now_ns))) {
        rest(drain, now_ns);
        if (drain->backlog->sum.segments == 0)
            return LB_NEVER;
    }
    share_link(drain);
    if (may && lb_unpacked_is_empty(&drain->unpacked) && !lb_drain_is_busy(drain))
        load(drain);
    shipper->is_held = !may;
    if (drain->unpacked.room)
        due_ns = lb_shipper_step(shipper, now_ns);
    pass_on(drain);
    if (segments > drain->backlog->sum.segments) /* something went without an answer: go on */
        return now_ns;
    /* Live traffic leaves a gap when it will; segments whose bodies may still be answered are free when they
     * are. */
    if (!may || lb_unpacked_is_empty(&drain->unpacked))
        due_ns = lb_earlier(due_ns, now_ns + LOOK_AGAIN_NS);
    return due_ns;
}

/* ---- answers, and requests of others ---- */

void lb_drain_answer_at(struct lb_drain *drain, unsigned slot, const struct lb_answer *answer,
                        uint64_t now_ns)
{
    if (slot < LB_TRANSPORT_DRAIN) {
        lb_shipper_answer_at(drain->live, slot, answer, now_ns);
        return;
    }
    share_link(drain);
    lb_shipper_answer_at(&drain->shipper, slot == LB_TRANSPORT_DRAIN ? 0 : LB_ASK_SLOT, answer, now_ns);
    pass_on(drain);
}

void lb_drain_answer(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    lb_drain_answer_at(ctx, slot, answer, lb_clock_boot_ns());
}

uint64_t lb_drain_flush(struct lb_drain *drain)
{
    lb_retry_end_pause(&drain->shipper.retry);
    return drain->backlog->next_seq;
}

bool lb_drain_has_passed(const struct lb_drain *drain, uint64_t seq)
{
    for (uint32_t row = 0; row < drain->backlog->rows; row++)
        if (lb_backlog_is_valid(drain->backlog, row) &&
            lb_backlog_word(drain->backlog, row, LB_ROW_SEQ) < seq)
            return false;
    return true;
}
