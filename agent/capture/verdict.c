/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a record. In: a record as the steps made it, and their verdict. Out: it is in the ring, in
 * the held pool, or counted. Always true: what is charged or counted for it is so in the commit that has it
 * there; a record that waits for room changed nothing.
 */
#include <errno.h>

#include "agent/capture/turn.h"
#include "agent/shape/repeat.h"

static void note_seen(struct lb_turn *turn, const struct lb_shape_output *out)
{
    const struct lb_extra_error *error = &out->extra.error;

    lb_repeat_seen(&turn->capture->state->fast, turn->stream->service_ix, error->fingerprint, out->severity,
                   out->text + error->kind.at, error->kind.len, turn->head.boot_ns);
}

/* The body of a record: what was understood of its text, and the text. Returns how many pieces it has. */
static unsigned make_body(struct lb_turn *turn, const struct lb_shape_output *out, struct iovec body[2])
{
    static _Alignas(8) char front[LB_EXTRA_MAX]; /* fast side only */
    size_t front_len = lb_extra_write(&out->extra, front);
    unsigned count = 0;

    turn->head.lane = (uint8_t)lb_own_lane(turn->capture, (int)out->severity);
    turn->head.severity = (uint8_t)out->severity;
    turn->head.flags |= (uint8_t)((front_len > 0 ? LB_RECORD_EXTRA : 0) | (out->is_new ? LB_RECORD_NEW : 0));
    if (front_len > 0)
        body[count++] = (struct iovec) { front, front_len };
    if (out->len > 0)
        body[count++] = (struct iovec) { (void *)(uintptr_t)out->text, out->len };
    return count;
}

static int put(struct lb_turn *turn, const struct lb_shape_output *out)
{
    const struct lb_stream_name *name = turn->stream->name;
    struct iovec body[2];
    unsigned count = make_body(turn, out, body);

    return lb_ring_put(turn->capture->ring, &turn->head, name->service, name->service_len, name->tags,
                       name->tags_len, body, count);
}

/* The record is in the ring: what is known because of it. */
static void note_queued(struct lb_turn *turn, const struct lb_shape_output *out)
{
    lb_turns_found_room(turn->capture);
    turn->queued_lines += turn->head.lines;
    turn->queued_bytes += out->len;
    turn->has_urgent |= turn->head.lane == LB_LANE_URGENT;
    if (!out->extra.has_error)
        return;
    turn->stream->last_error = out->extra.error.fingerprint;
    if (turn->stream->settings->capture.repeat_window_ms > 0)
        note_seen(turn, out);
}

static void fold(struct lb_turn *turn, const struct lb_shape_output *out)
{
    uint64_t fingerprint = out->extra.error.fingerprint;

    turn->stream->last_error = fingerprint;
    lb_repeat_count(&turn->capture->state->fast, turn->stream->service_ix, fingerprint, turn->head.lines,
                    out->len, turn->head.boot_ns);
    lb_records_drop(turn, LB_DROP_REPEAT, turn->head.lines, out->len);
    lb_turns_repeat_later(turn->capture);
}

/* Into the held pool; what is too long for it, or finds no pool, is dropped. */
static void hold(struct lb_turn *turn, const struct lb_shape_output *out)
{
    const struct lb_stream_name *name = turn->stream->name;
    const struct lb_throttle_config *settings = &turn->stream->settings->throttle;
    uint32_t row = turn->stream->service_ix;
    struct iovec service = { (void *)(uintptr_t)name->service, name->service_len };
    struct iovec tags = { (void *)(uintptr_t)name->tags, name->tags_len }, body[2];
    struct lb_held *held = turn->capture->held;
    unsigned count = make_body(turn, out, body);
    int rc = lb_held_put(held, row, settings->context_bytes, &turn->head, out->drop, out->len, &service,
                         &tags, body, count);

    if (rc ==
        -ENOBUFS) { /* the oldest go first, in a commit of their own: nothing committed is overwritten */
        lb_held_give_up(held, row, settings->context_bytes);
        lb_records_publish(turn);
        rc = lb_held_put(held, row, settings->context_bytes, &turn->head, out->drop, out->len, &service,
                         &tags, body, count);
    }
    if (rc < 0)
        lb_records_drop(turn, out->drop, turn->head.lines, out->len);
    lb_turns_summary_later(turn->capture);
}

/* Into the ring, behind what led up to it. true: it is there, or dropped | false: no room, and we wait */
static bool queue(struct lb_turn *turn, const struct lb_shape_input *in, const struct lb_shape_output *out)
{
    struct lb_capture *capture = turn->capture;
    int rc = 0;

    if (in->last->has_count && !lb_own_tell_collapsed(capture, in->last, in->key, turn->now_ns))
        rc = -ENOSPC;
    if (rc == 0 && out->is_trigger)
        lb_context_bring(capture, turn->stream->service_ix, &turn->stream->settings->throttle, turn->now_ns,
                         false);
    if (rc == 0)
        rc = put(turn, out);
    if (rc == 0) {
        note_queued(turn, out);
        return true;
    }
    if (rc == -ENOSPC && !lb_turns_no_room(capture, turn->stream, turn->now_ns))
        return false;
    lb_records_drop(turn, LB_DROP_OVERLOAD, turn->head.lines, out->len);
    lb_records_untold(turn, LB_UNTOLD_OVERLOAD, turn->head.lines, out->len, (int)out->severity);
    return true;
}

bool lb_verdict_carry_out(struct lb_turn *turn, const struct lb_shape_input *in,
                          const struct lb_shape_output *out)
{
    struct lb_shape_tables tables = { &turn->capture->state->fast, turn->capture->limit,
                                      turn->capture->memo };

    switch (out->verdict) {
    case LB_SHAPE_QUEUE:
        if (!queue(turn, in, out))
            return false;
        break;
    case LB_SHAPE_REPEAT:
        fold(turn, out);
        break;
    case LB_SHAPE_COLLAPSE:
        lb_records_drop(turn, LB_DROP_COLLAPSE, turn->head.lines, out->len);
        lb_turns_collapse_later(turn->capture, in->last->due_ns);
        break;
    case LB_SHAPE_HOLD:
        hold(turn, out);
        break;
    case LB_SHAPE_DROP:
        lb_records_drop(turn, out->drop, turn->head.lines, out->len);
        lb_turns_summary_later(turn->capture);
        break;
    }
    lb_shape_note(&turn->stream->shape_settings, &tables, in, out, turn->head.lines);
    return true;
}
