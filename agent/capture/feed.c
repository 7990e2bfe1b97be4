/* SPDX-License-Identifier: MIT */
/*
 * One stream's turn. In: a pipe that may have bytes. Out: records in the ring, books, a commit. Always true:
 * when this returns, all it took from the pipe is in staging or in committed records, or dropped and counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/capture/parts.h"
#include "agent/shape/pipeline.h"
#include "common/log.h"

/* What one turn has counted and not yet put into the books. */
struct turn {
    struct lb_capture *capture;
    struct lb_stream *stream;
    uint64_t now_ns;
    uint64_t carry_ns; /* stamp of the line that was begun before this turn; 0: none */
    uint64_t queued_lines, queued_bytes;
    uint64_t dropped_lines[LB_DROP_COUNT], dropped_bytes[LB_DROP_COUNT];
    uint32_t max_line;
    bool has_urgent;
    bool wants_chunks; /* the pool is empty, somebody's line goes out early */
};

static uint64_t staged_bytes(const struct turn *turn)
{
    return turn->capture->staging->staged[turn->stream->slot].bytes;
}

static void book(struct turn *turn, unsigned word, uint64_t delta)
{
    if (delta)
        lb_commit_add(&turn->capture->state->fast, LB_FAST_BOOKS,
                      turn->stream->service_ix * LB_BOOK_FAST_WORDS + word, delta);
}

static void flush_books(struct turn *turn)
{
    book(turn, LB_BOOK_QUEUED_LINES, turn->queued_lines);
    book(turn, LB_BOOK_QUEUED_BYTES, turn->queued_bytes);
    for (unsigned i = 0; i < LB_DROP_COUNT; i++) {
        book(turn, LB_BOOK_DROPPED + 2 * i, turn->dropped_lines[i]);
        book(turn, LB_BOOK_DROPPED + 2 * i + 1, turn->dropped_bytes[i]);
        turn->dropped_lines[i] = turn->dropped_bytes[i] = 0;
    }
    turn->queued_lines = turn->queued_bytes = 0;
}

static void publish(struct turn *turn)
{
    flush_books(turn);
    lb_turns_publish(turn->capture, turn->has_urgent);
    turn->has_urgent = false;
}

/* A loss without a number, to be told in a receipt when there is room. */
static void note_untold(struct turn *turn, enum lb_untold why, uint64_t lines, uint64_t bytes, int severity)
{
    struct lb_commit *commit = &turn->capture->state->fast;
    uint32_t row =
        turn->stream->service_ix * LB_BOOK_FAST_WORDS + LB_BOOK_UNTOLD + (uint32_t)why * LB_UNTOLD_WORDS;

    if (lb_commit_get(commit, LB_FAST_BOOKS, row + LB_UNTOLD_FIRST_NS) == 0)
        lb_commit_set(commit, LB_FAST_BOOKS, row + LB_UNTOLD_FIRST_NS, turn->now_ns);
    lb_commit_set(commit, LB_FAST_BOOKS, row + LB_UNTOLD_LAST_NS, turn->now_ns);
    lb_commit_add(commit, LB_FAST_BOOKS, row + LB_UNTOLD_LINES, lines);
    lb_commit_add(commit, LB_FAST_BOOKS, row + LB_UNTOLD_BYTES, bytes);
    lb_commit_add(commit, LB_FAST_BOOKS, row + LB_UNTOLD_BY_SEVERITY + (uint32_t)severity, lines);
    lb_turns_tell_later(turn->capture);
}

static void count_drop(struct turn *turn, enum lb_drop why, uint64_t lines, uint64_t bytes)
{
    turn->dropped_lines[why] += lines;
    turn->dropped_bytes[why] += bytes;
}

/* The line leaves staging, whatever became of it. */
static void consume(struct turn *turn, const struct lb_line *line)
{
    struct lb_staging *staging = turn->capture->staging;
    uint32_t slot = turn->stream->slot;
    uint64_t info = lb_staging_get(staging, slot, LB_STREAM_INFO);
    bool is_torn = line->is_cut && !line->has_end && !turn->stream->has_ended && !turn->stream->close_early;

    lb_staging_consume(staging, slot, line->raw_len);
    lb_staging_set(staging, slot, LB_STREAM_INFO,
                   is_torn ? info | LB_STREAM_IN_CUT : info & ~(uint64_t)LB_STREAM_IN_CUT);
    turn->carry_ns = 0;
}

static int put(struct turn *turn, const struct lb_line *line, enum lb_level severity)
{
    const struct lb_capture *capture = turn->capture;
    const struct lb_stream *stream = turn->stream;
    const struct lb_stream_name *name = &capture->staging->names[stream->slot];
    bool is_urgent = severity <= capture->config->ring_urgent;
    struct lb_record head = {
        .lane = is_urgent ? LB_LANE_URGENT : LB_LANE_ROUTINE,
        .severity = (uint8_t)severity,
        .kind = LB_KIND_LINE,
        .flags = line->is_cut ? LB_RECORD_CUT : 0,
        .boot_ns = turn->carry_ns ? turn->carry_ns : turn->now_ns,
        .stream_id = lb_staging_get(capture->staging, stream->slot, LB_STREAM_ID),
        .stream_off = lb_staging_get(capture->staging, stream->slot, LB_STREAM_OFFSET),
        .raw_len = line->raw_len,
        .pid = name->pid,
        .uid = stream->uid,
        .service_ix = stream->service_ix,
        .lines = 1,
    };
    int rc = lb_ring_put(capture->ring, &head, name->service, name->service_len, name->tags, name->tags_len,
                         line->piece, line->pieces);

    if (rc == 0) {
        turn->queued_lines++;
        turn->queued_bytes += line->body_len;
        turn->has_urgent |= is_urgent;
    }
    return rc;
}

/* true: the line is dealt with | false: the ring has no room and we wait */
static bool take_line(struct turn *turn, struct lb_line *line)
{
    struct lb_shape_input in = { line->piece, line->pieces, line->body_len, turn->stream->kind };
    struct lb_shape_output out;
    uint64_t tail;
    int rc;

    lb_shape_line(&turn->stream->settings->capture, &in, &out);
    if (out.verdict == LB_SHAPE_DROP_BLANK) {
        count_drop(turn, LB_DROP_BLANK, 1, 0);
        consume(turn, line);
        return true;
    }
    tail = lb_ring_tail(turn->capture->ring);
    rc = put(turn, line, out.severity);
    if (rc == 0) {
        lb_turns_found_room(turn->capture);
    } else {
        if (rc == -ENOSPC && !lb_turns_no_room(turn->capture, turn->stream, tail, turn->now_ns))
            return false;
        count_drop(turn, LB_DROP_OVERLOAD, 1, line->body_len);
        note_untold(turn, LB_UNTOLD_OVERLOAD, 1, line->body_len, (int)out.severity);
    }
    consume(turn, line);
    return true;
}

/* Take all whole lines that are staged. true: all taken | false: the ring has no room and we wait */
static bool take_lines(struct turn *turn)
{
    struct lb_staging *staging = turn->capture->staging;
    struct lb_stream *stream = turn->stream;
    bool at_end = stream->has_ended || stream->close_early;
    struct lb_line line;

    while (lb_staging_next_line(staging, stream->slot, turn->max_line, at_end, &line)) {
        if (stream->close_early && !line.has_end)
            line.is_cut = true;
        if (!take_line(turn, &line))
            return false;
        if (!lb_commit_has_room(&turn->capture->state->fast, 256))
            publish(turn);
    }
    stream->close_early = false;
    return true;
}

static void begin(struct turn *turn, struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns)
{
    size_t fits = lb_ring_record_max(capture->ring) - sizeof(struct lb_record) - LB_PROTO_SERVICE_MAX -
                  LB_PROTO_TAGS_MAX - 8;

    memset(turn, 0, sizeof *turn);
    turn->capture = capture;
    turn->stream = stream;
    turn->now_ns = now_ns;
    if (capture->staging->staged[stream->slot].bytes > 0)
        turn->carry_ns = lb_staging_get(capture->staging, stream->slot, LB_STREAM_OPEN_NS);
    turn->max_line = (uint32_t)stream->settings->capture.max_line_bytes;
    if (turn->max_line > fits)
        turn->max_line =
            (uint32_t)fits; /* a ring that is smaller than the configuration wants it, until it is replaced */
}

static void end(struct turn *turn)
{
    if (staged_bytes(turn) > 0 && turn->carry_ns == 0)
        lb_staging_set(turn->capture->staging, turn->stream->slot, LB_STREAM_OPEN_NS, turn->now_ns);
    publish(turn);
    __atomic_store_n(&turn->stream->open_bytes, staged_bytes(turn), __ATOMIC_RELAXED);
    __atomic_store_n(&turn->capture->free_chunks, lb_staging_free_chunks(turn->capture->staging),
                     __ATOMIC_RELAXED);
}

static int64_t read_pipe(struct turn *turn, bool *ret_is_empty)
{
    struct lb_stream *stream = turn->stream;
    int64_t got;

    *ret_is_empty = true;
    if (stream->watch.fd < 0 || stream->has_ended)
        return 0;
    if (staged_bytes(turn) >
        turn->max_line + LB_TURN_BYTES) { /* a stall let it grow: first take what is here */
        *ret_is_empty = false;
        return 0;
    }
    got = lb_staging_splice(turn->capture->staging, stream->slot, stream->watch.fd, LB_TURN_BYTES,
                            ret_is_empty);
    if (got == -ENOBUFS) {
        lb_streams_close_early(turn->capture, stream);
        *ret_is_empty = false;
        turn->wants_chunks = true;
        return 0;
    }
    if (got < 0) {
        lb_log(LB_LEVEL_WARNING, "cannot read the pipe of %.*s: %s; its stream ends here",
               turn->capture->staging->names[stream->slot].service_len,
               turn->capture->staging->names[stream->slot].service, strerror((int)-got));
        stream->has_ended = true;
        return 0;
    }
    if (got == 0 && !*ret_is_empty)
        stream->has_ended = true;
    return got;
}

enum lb_fed lb_feed_stream(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns)
{
    struct turn turn;
    bool is_empty, took_all;

    begin(&turn, capture, stream, now_ns);
    read_pipe(&turn, &is_empty);
    took_all = take_lines(&turn);
    end(&turn);
    if (!took_all)
        return LB_FED_STALLED;
    if (stream->has_ended)
        return LB_FED_ENDED;
    if (turn.wants_chunks && capture->stalled_count > 0) { /* no chunk comes free before the ring has room */
        lb_turns_stall(capture, stream);
        return LB_FED_STALLED;
    }
    return is_empty ? LB_FED_IDLE : LB_FED_MORE;
}

/* What the client threw away: the line that was begun is over, and the hole is counted. */
static bool account_for_loss(struct turn *turn, const struct lb_proto_data *packet)
{
    struct lb_staging *staging = turn->capture->staging;
    uint32_t slot = turn->stream->slot;

    if (packet->lost_lines == 0 && packet->lost_bytes == 0)
        return true;
    turn->stream->close_early = true;
    if (!take_lines(turn))
        return false;
    count_drop(turn, LB_DROP_CLIENT, packet->lost_lines, packet->lost_bytes);
    note_untold(turn, LB_UNTOLD_CLIENT, packet->lost_lines, packet->lost_bytes,
                (int)turn->stream->settings->capture.stdout_level);
    lb_staging_set(staging, slot, LB_STREAM_OFFSET,
                   lb_staging_get(staging, slot, LB_STREAM_OFFSET) + packet->lost_bytes);
    return true;
}

static bool has_room_for(const struct turn *turn, size_t len)
{
    if (lb_staging_free_chunks(turn->capture->staging) * (size_t)LB_CHUNK_BYTES >= len)
        return true;
    lb_streams_close_early(turn->capture, turn->stream);
    return false;
}

int lb_feed_packet(struct lb_capture *capture, struct lb_stream *stream, const struct lb_proto_data *packet,
                   const void *payload, size_t len)
{
    uint64_t taken = lb_staging_get(capture->staging, stream->slot, LB_STREAM_TAKEN), known = 0;
    struct turn turn;
    int rc = 0;

    /* A client may tell when it read the bytes, but not a time that has not come yet. */
    begin(&turn, capture, stream,
          packet->boot_ns && packet->boot_ns < capture->loop->now_ns ? packet->boot_ns
                                                                     : capture->loop->now_ns);
    if (packet->first_byte < taken)
        known = taken - packet->first_byte;
    if (known >= len && len > 0)
        return 0; /* sent again after an agent was killed between commit and answer */
    /* Room first: a loss is counted with the bytes behind it or, offered again, it would be counted twice. */
    if (!take_lines(&turn) || !has_room_for(&turn, len) || (known == 0 && !account_for_loss(&turn, packet)))
        rc = -EAGAIN;
    else if (lb_staging_write(capture->staging, stream->slot, (const char *)payload + known, len - known) <
             0) {
        lb_streams_close_early(capture, stream);
        rc = -EAGAIN;
    } else {
        lb_staging_set(capture->staging, stream->slot, LB_STREAM_TAKEN, packet->first_byte + len);
        take_lines(&turn);
    }
    end(&turn);
    return rc;
}
