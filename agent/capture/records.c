/* SPDX-License-Identifier: MIT */
/*
 * Records out of lines. In: a stream's staged lines. Out: records in the ring, books. Always true: a staged
 * byte is consumed in the commit that has its record, or its reason to be dropped; a record that is open
 * keeps all its bytes staged, so the next agent finds it again by looking at them.
 *
 *     staged:  | joined | held | the line shown now | not looked at |
 *                  |        `--- only a later line can tell whose they are
 *                  `--- one record, when a line comes that is not part of it
 */
#include <errno.h>
#include <string.h>

#include "agent/capture/turn.h"
#include "agent/store/untold.h"
#include "common/clock.h"

/* ---- the books ---- */

static void book(struct lb_turn *turn, unsigned word, uint64_t delta)
{
    if (delta)
        lb_commit_add(&turn->capture->state->fast, LB_FAST_BOOKS,
                      turn->stream->service_ix * LB_BOOK_FAST_WORDS + word, delta);
}

static void book_drop(struct lb_turn *turn, unsigned why)
{
    struct lb_drop_place place = lb_drop_place(turn->stream->service_ix, why);

    if (turn->dropped_lines[why] == 0 && turn->dropped_bytes[why] == 0)
        return;
    lb_commit_add(&turn->capture->state->fast, place.region, place.word, turn->dropped_lines[why]);
    lb_commit_add(&turn->capture->state->fast, place.region, place.word + 1, turn->dropped_bytes[why]);
    turn->dropped_lines[why] = turn->dropped_bytes[why] = 0;
}

void lb_records_book(struct lb_turn *turn)
{
    book(turn, LB_BOOK_QUEUED_LINES, turn->queued_lines);
    book(turn, LB_BOOK_QUEUED_BYTES, turn->queued_bytes);
    for (unsigned why = 0; why < LB_DROP_COUNT; why++)
        book_drop(turn, why);
    turn->queued_lines = turn->queued_bytes = 0;
}

void lb_records_publish(struct lb_turn *turn)
{
    if (turn->queued_lines > 0)
        lb_heart_ride(turn->capture, turn->now_ns);
    lb_records_book(turn);
    lb_turns_publish(turn->capture, turn->has_urgent);
    turn->has_urgent = false;
}

void lb_records_drop(struct lb_turn *turn, enum lb_drop why, uint64_t lines, uint64_t bytes)
{
    turn->dropped_lines[why] += lines;
    turn->dropped_bytes[why] += bytes;
}

void lb_records_untold(struct lb_turn *turn, enum lb_untold why, uint64_t lines, uint64_t bytes, int severity)
{
    struct lb_commit *commit = &turn->capture->state->fast;
    uint32_t row = lb_untold_at(turn->stream->service_ix, why);
    uint64_t first_ns = lb_commit_get(commit, LB_FAST_BOOKS, row + LB_UNTOLD_FIRST_NS);

    /* What a client had drained bears its own time, which is older than that of what was recovered before. */
    if (first_ns == 0 || turn->now_ns < first_ns)
        lb_commit_set(commit, LB_FAST_BOOKS, row + LB_UNTOLD_FIRST_NS, turn->now_ns);
    if (turn->now_ns > lb_commit_get(commit, LB_FAST_BOOKS, row + LB_UNTOLD_LAST_NS))
        lb_commit_set(commit, LB_FAST_BOOKS, row + LB_UNTOLD_LAST_NS, turn->now_ns);
    lb_commit_add(commit, LB_FAST_BOOKS, row + LB_UNTOLD_LINES, lines);
    lb_commit_add(commit, LB_FAST_BOOKS, row + LB_UNTOLD_BYTES, bytes);
    lb_commit_add(commit, LB_FAST_BOOKS, row + LB_UNTOLD_BY_SEVERITY + (uint32_t)severity, lines);
    lb_turns_tell_later(turn->capture);
}

/* ---- one record ---- */

static const struct lb_capture_config *settings_of(const struct lb_turn *turn)
{
    return &turn->stream->settings->capture;
}

static void begin_head(struct lb_turn *turn, uint32_t lines, uint32_t raw_len, bool is_cut)
{
    struct lb_record *head = &turn->head;

    head->flags = is_cut ? LB_RECORD_CUT : 0;
    head->lines = lines;
    head->boot_ns = turn->carry_ns ? turn->carry_ns : turn->now_ns;
    head->raw_len = raw_len;
}

/* Bytes leave staging, whatever became of them. */
static void consume(struct lb_turn *turn, uint64_t bytes, bool is_torn)
{
    struct lb_staging *staging = turn->capture->staging;
    uint32_t slot = turn->stream->slot;
    uint64_t info = lb_staging_get(staging, slot, LB_STREAM_INFO);

    lb_staging_consume(staging, slot, bytes);
    info &= ~(uint64_t)LB_STREAM_IN_CUT;
    lb_staging_set(staging, slot, LB_STREAM_INFO, info | (is_torn ? LB_STREAM_IN_CUT : 0));
    turn->carry_ns = 0;
}

/* ---- text in one piece ---- */

/* Pieces one after the other in the room, each inner line end without a CR before it. Returns the length. */
static size_t flatten(char *room, const struct lb_line *line, bool has_lines)
{
    char *to = room, *from;
    size_t len = 0;

    for (unsigned i = 0; i < line->pieces; i++) {
        memcpy(room + len, line->piece[i].iov_base, line->piece[i].iov_len);
        len += line->piece[i].iov_len;
    }
    if (!has_lines || !memchr(room, '\r', len))
        return len;
    for (from = room; from < room + len; from++)
        if (from[0] != '\r' || from + 1 == room + len || from[1] != '\n')
            *to++ = *from;
    return (size_t)(to - room);
}

/* A line as it lies, if it lies in one piece; else a copy of it in the room. */
static const char *text_of(const struct lb_turn *turn, const struct lb_line *line)
{
    if (line->pieces == 1)
        return line->piece[0].iov_base;
    flatten(turn->capture->room, line, false);
    return turn->capture->room;
}

/* Looked up once a turn and service: it costs as much as all else that is done for a line here. */
static struct lb_squeeze squeeze_of(struct lb_turn *turn)
{
    uint32_t row = turn->stream->service_ix;

    if (turn->squeezed != row + 1)
        turn->squeeze = lb_shortage_of(turn->capture, row, &turn->stream->settings->throttle, turn->now_ns);
    turn->squeezed = row + 1;
    return turn->squeeze;
}

/* What is to be shaped, but for its text. */
static struct lb_shape_input begin_input(struct lb_turn *turn)
{
    const struct lb_capture *capture = turn->capture;
    size_t fits = lb_ring_record_max(capture->ring) - sizeof(struct lb_record) - LB_PROTO_SERVICE_MAX -
                  LB_PROTO_TAGS_MAX - LB_EXTRA_MAX - 8;

    return (struct lb_shape_input) {
        .room = capture->room,
        .mask_room = capture->mask_room,
        .mask_bytes = fits < LB_CAPTURE_ROOM ? fits : LB_CAPTURE_ROOM,
        .mask_state = &turn->mask_state,
        .kind = turn->stream->kind,
        .service_ix = turn->stream->service_ix,
        .boot_ns = turn->head.boot_ns,
        .key = (turn->head.stream_id ^ turn->stream->service_ix * 0x9e3779b97f4a7c15u) | 1,
        .wants_pattern = lb_config_wants_patterns(capture->config),
        .last = turn->last ? turn->last : &turn->stream->last,
        .squeeze = squeeze_of(turn),
        .level_asked = lb_hand_level(&capture->link->hand, turn->stream->service_ix, turn->now_ns),
    };
}

/* What redact remembers of a stream: of lines that are not shaped, as blank ones, nothing changes it. */
static void load_mask(struct lb_turn *turn)
{
    uint64_t info = lb_staging_get(turn->capture->staging, turn->stream->slot, LB_STREAM_INFO);

    turn->mask_state = (uint8_t)(info >> LB_STREAM_MASK_SHIFT);
}

static void store_mask(struct lb_turn *turn)
{
    struct lb_staging *staging = turn->capture->staging;
    uint64_t info = lb_staging_get(staging, turn->stream->slot, LB_STREAM_INFO);
    uint64_t other = info & ~((uint64_t)0xff << LB_STREAM_MASK_SHIFT);

    lb_staging_set(staging, turn->stream->slot, LB_STREAM_INFO,
                   other | (uint64_t)turn->mask_state << LB_STREAM_MASK_SHIFT);
}

/* Shape what a line, or several, says, and deal with it. false: the ring has no room and we wait */
static bool shape_and_put(struct lb_turn *turn, const struct lb_shape *shape, const struct lb_line *line)
{
    struct lb_capture *capture = turn->capture;
    struct lb_shape_tables tables = { &capture->state->fast, capture->limit, capture->memo };
    bool is_copied = shape->lines > 1 || line->pieces != 1;
    struct lb_shape_input in = begin_input(turn);
    struct lb_shape_output out;

    in.text = is_copied ? capture->room : line->piece[0].iov_base;
    in.len = is_copied ? flatten(capture->room, line, shape->lines > 1) : line->body_len;
    in.may_change = is_copied;
    load_mask(turn);
    lb_shape_record(shape, &turn->stream->shape_settings, &tables, &in, &out);
    if (!lb_verdict_carry_out(turn, &in, &out))
        return false;
    store_mask(turn);
    return true;
}

/* ---- lines ---- */

/* Close the record that is open, if one is. false: the ring has no room and we wait */
static bool close_record(struct lb_turn *turn, bool is_cut)
{
    struct lb_stream *stream = turn->stream;
    struct lb_shape *shape = &stream->shape;
    struct lb_staging *staging = turn->capture->staging;
    struct lb_line line;

    stream->must_close = true; /* the line that closed it was looked at: it is not shown again before */
    if (shape->lines > 0) {
        lb_staging_front(staging, stream->slot, shape->bytes, &line);
        turn->head.stream_off = lb_staging_get(staging, stream->slot, LB_STREAM_OFFSET);
        begin_head(turn, shape->lines, (uint32_t)shape->bytes,
                   is_cut || shape->is_full || shape->is_continued || line.is_cut);
        if (!shape_and_put(turn, shape, &line))
            return false;
        consume(turn, shape->bytes, false);
    }
    stream->must_close = false;
    lb_shape_closed(shape);
    lb_staging_look_again(staging, stream->slot);
    return true;
}

/* A line that is joined with nothing: a piece of one that is too long, or all of them where joining is off.
 */
static bool put_alone(struct lb_turn *turn, const struct lb_line *line)
{
    bool is_torn = line->is_cut && !line->has_end && !turn->stream->has_ended && !turn->stream->close_early;
    struct lb_shape alone;

    lb_shape_forget_next(&turn->stream->shape);
    if (line->body_len == 0 && !line->is_cut) {
        lb_records_drop(turn, LB_DROP_BLANK, 1, 0);
    } else {
        lb_shape_message(&alone, text_of(turn, line), line->body_len, -1);
        alone.lines = 1;
        turn->head.stream_off = lb_staging_get(turn->capture->staging, turn->stream->slot, LB_STREAM_OFFSET);
        begin_head(turn, 1, line->raw_len, line->is_cut);
        if (!shape_and_put(turn, &alone, line))
            return false;
    }
    consume(turn, line->raw_len, is_torn);
    return true;
}

/* A line joined the record that is open, or may. */
static void keep_line(struct lb_turn *turn, const struct lb_line *line)
{
    lb_staging_keep(turn->capture->staging, turn->stream->slot, line);
    turn->has_kept = true;
}

/*
 * Close the record that the line ended. Where that line was understood already it need not be found again: it
 * lies where it lay, and is now what is staged first. false: the ring has no room and we wait
 */
static bool close_before(struct lb_turn *turn, const struct lb_line *line)
{
    struct lb_shape *shape = &turn->stream->shape;

    if (!close_record(turn, false))
        return false;
    if (!shape->has_next)
        return true;
    lb_shape_line(shape, settings_of(turn), NULL, line->body_len, line->raw_len);
    keep_line(turn, line);
    return true;
}

/* true: go on | false: the ring has no room and we wait */
static bool take_line(struct lb_turn *turn, const struct lb_line *line)
{
    struct lb_stream *stream = turn->stream;
    struct lb_shape *shape = &stream->shape;

    if (line->is_cut || settings_of(turn)->multiline == LB_JOIN_OFF)
        return shape->lines + shape->held > 0 ? close_record(turn, false) : put_alone(turn, line);
    switch (lb_shape_line(shape, settings_of(turn), text_of(turn, line), line->body_len, line->raw_len)) {
    case LB_SHAPE_BLANK:
        lb_records_drop(turn, LB_DROP_BLANK, 1, 0);
        consume(turn, line->raw_len, false);
        return true;
    case LB_SHAPE_KEEP:
        keep_line(turn, line);
        return true;
    case LB_SHAPE_CLOSE:
        break;
    }
    return close_before(turn, line);
}

/* Is the open record to be closed although no line said so? */
static bool is_to_close(const struct lb_turn *turn)
{
    const struct lb_stream *stream = turn->stream;
    const struct lb_staged *staged = &turn->capture->staging->staged[stream->slot];

    if (stream->has_ended || stream->close_early || turn->capture->is_stopping)
        return true;
    if (staged->bytes == staged->kept && (stream->flush_turns > 0 || !lb_shape_waits(&stream->shape)))
        return true;
    return !turn->has_kept && turn->now_ns >= stream->join_due_ns;
}

/* The record stays open: until when? */
static void wait_for_more(struct lb_turn *turn)
{
    uint64_t timeout_ms = settings_of(turn)->join_timeout_ms;

    if (turn->has_kept)
        turn->stream->join_due_ns =
            timeout_ms == LB_OFF ? LB_NEVER : turn->now_ns + timeout_ms * LB_NS_PER_MS;
    lb_turns_join_until(turn->capture, turn->stream->join_due_ns);
}

static bool take_whole_lines(struct lb_turn *turn)
{
    struct lb_stream *stream = turn->stream;
    bool at_end = stream->has_ended || stream->close_early;
    struct lb_line line;

    while (lb_staging_next_line(turn->capture->staging, stream->slot, turn->max_line, at_end, &line)) {
        if (stream->close_early && !line.has_end)
            line.is_cut = true;
        if (!take_line(turn, &line))
            return false;
        if (!lb_commit_has_room(&turn->capture->state->fast, LB_TURN_COMMIT_WORDS))
            lb_records_publish(turn);
    }
    return true;
}

bool lb_records_take(struct lb_turn *turn)
{
    struct lb_stream *stream = turn->stream;
    struct lb_shape *shape = &stream->shape;

    if (stream->must_close && !close_record(turn, false))
        return false;
    for (;;) {
        if (!take_whole_lines(turn))
            return false;
        if (shape->lines + shape->held == 0)
            break;
        if (!is_to_close(turn)) {
            wait_for_more(turn);
            break;
        }
        /* Lines that were held come again: with nothing behind them they go out as they are, too. */
        turn->has_kept = false;
        if (!close_record(turn, shape->lines > 1 && !stream->has_ended && lb_shape_waits(shape) &&
                                    (stream->close_early || turn->capture->is_stopping)))
            return false;
    }
    stream->close_early = false;
    return true;
}

/*
 * The header of a syslog message, with its structured data masked: they stand last in it. Data that are
 * longer than a header may be are left out whole.
 */
static void add_syslog(const struct lb_turn *turn, const struct lb_extra *syslog, struct lb_extra *extra)
{
    static char header[LB_EXTRA_HEADER_MAX]; /* fast side only */
    const struct lb_extra_span *data = &syslog->syslog.field[LB_SYSLOG_SD];

    extra->has_syslog = true;
    extra->syslog = syslog->syslog;
    extra->header = syslog->header;
    extra->header_len = syslog->header_len;
    if (data->len == 0)
        return;
    extra->syslog.field[LB_SYSLOG_SD].len = 0;
    extra->header_len = data->at;
    if ((uint64_t)data->at + data->len > sizeof header)
        return;
    memcpy(header, syslog->header, data->at);
    extra->header = header;
    extra->syslog.field[LB_SYSLOG_SD].len =
        (uint32_t)lb_shape_mask_aside(&turn->stream->shape_settings, syslog->header + data->at, data->len,
                                      header + data->at, sizeof header - data->at);
    extra->header_len += extra->syslog.field[LB_SYSLOG_SD].len;
}

bool lb_records_shaped(struct lb_turn *turn, const struct lb_shape *shape, char *text, size_t len,
                       const struct lb_extra *syslog, struct lb_shape_output *ret_out)
{
    struct lb_capture *capture = turn->capture;
    struct lb_commit *commit = &capture->state->fast;
    struct lb_shape_tables tables = { commit, capture->limit, capture->memo };
    uint32_t mask_word = turn->stream->service_ix * LB_THROTTLE_WORDS + LB_THROTTLE_MASK_STATE;
    struct lb_shape_input in;

    begin_head(turn, shape->lines, (uint32_t)len, (turn->head.flags & LB_RECORD_CUT) != 0);
    in = begin_input(turn);
    in.text = text;
    in.len = len;
    in.may_change = true;
    turn->mask_state = (uint8_t)lb_commit_get(commit, LB_FAST_THROTTLE, mask_word);
    lb_shape_record(shape, &turn->stream->shape_settings, &tables, &in, ret_out);
    if (syslog)
        add_syslog(turn, syslog, &ret_out->extra);
    if (!lb_verdict_carry_out(turn, &in, ret_out))
        return false;
    if (turn->mask_state != lb_commit_get(commit, LB_FAST_THROTTLE, mask_word))
        lb_commit_set(commit, LB_FAST_THROTTLE, mask_word, turn->mask_state);
    return true;
}

bool lb_records_message(struct lb_turn *turn, char *text, size_t len, int level,
                        const struct lb_extra *syslog)
{
    struct lb_shape_output out;
    struct lb_shape shape;

    lb_shape_message(&shape, text, len, level);
    return lb_records_shaped(turn, &shape, text, len, syslog, &out);
}
