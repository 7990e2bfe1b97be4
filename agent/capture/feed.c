/* SPDX-License-Identifier: MIT */
/*
 * One stream's turn. In: a pipe that may have bytes. Out: records in the ring, books, a commit. Always true:
 * when this returns, all it took from the pipe is in staging or in committed records, or dropped and counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/capture/turn.h"
#include "common/clock.h"
#include "common/log.h"

static uint64_t staged_bytes(const struct lb_turn *turn)
{
    return turn->capture->staging->staged[turn->stream->slot].bytes;
}

static void begin(struct lb_turn *turn, struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns)
{
    size_t fits = lb_ring_record_max(capture->ring) - sizeof(struct lb_record) - LB_PROTO_SERVICE_MAX -
                  LB_PROTO_TAGS_MAX - LB_EXTRA_MAX - 8;

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
    turn->head = (struct lb_record) {
        .kind = LB_KIND_LINE,
        .stream_id = lb_staging_get(capture->staging, stream->slot, LB_STREAM_ID),
        .pid = stream->name->pid,
        .uid = stream->uid,
        .service_ix = stream->service_ix,
        .lines = 1,
    };
}

/* Lines that are in no record yet, and the one that was begun. */
static uint64_t open_lines(const struct lb_turn *turn)
{
    const struct lb_staged *staged = &turn->capture->staging->staged[turn->stream->slot];

    return turn->stream->shape.lines + turn->stream->shape.held + (staged->bytes > staged->kept);
}

static void end(struct lb_turn *turn)
{
    if (staged_bytes(turn) > 0 && turn->carry_ns == 0)
        lb_staging_set(turn->capture->staging, turn->stream->slot, LB_STREAM_OPEN_NS, turn->now_ns);
    lb_records_publish(turn);
    __atomic_store_n(&turn->stream->open_bytes, staged_bytes(turn), __ATOMIC_RELAXED);
    __atomic_store_n(&turn->stream->open_lines, open_lines(turn), __ATOMIC_RELAXED);
    __atomic_store_n(&turn->capture->free_chunks, lb_staging_free_chunks(turn->capture->staging),
                     __ATOMIC_RELAXED);
}

/* What a pipe can hold while it rests: nothing, where max_stall was lowered because a write() may not wait.
 */
static uint64_t bytes_at_rest(const struct lb_stream *stream)
{
    const struct lb_capture_config *settings = &stream->settings->capture;
    bool is_hasty = settings->overload == LB_OVERLOAD_SHED && settings->max_stall_ms != LB_OFF &&
                    settings->max_stall_ms < LB_REST_STALL_MS;

    return is_hasty ? 0 : stream->pipe_bytes;
}

static int64_t read_pipe(struct lb_turn *turn, bool *ret_is_empty)
{
    struct lb_stream *stream = turn->stream;
    int64_t got;

    *ret_is_empty = true;
    if ((stream->watch.fd < 0 && !stream->file) || stream->has_ended)
        return 0;
    if (staged_bytes(turn) >
        turn->max_line + LB_TURN_BYTES) { /* a stall let it grow: first take what is here */
        *ret_is_empty = false;
        return 0;
    }
    got = stream->file ? lb_input_file_read(stream->file, ret_is_empty)
                       : lb_staging_splice(turn->capture->staging, stream->slot, stream->watch.fd,
                                           LB_TURN_BYTES, ret_is_empty);
    if (got == -ENOBUFS) {
        lb_streams_close_early(turn->capture, stream);
        *ret_is_empty = false;
        turn->wants_chunks = true;
        return 0;
    }
    if (stream->file)
        return got; /* its end is for others to find, and it knows no rest */
    if (got < 0) {
        lb_log(LB_LEVEL_WARNING, "cannot read the pipe of %.*s: %s; its stream ends here",
               stream->name->service_len, stream->name->service, strerror((int)-got));
        stream->has_ended = true;
        return 0;
    }
    if (got == 0 && !*ret_is_empty)
        stream->has_ended = true;
    lb_rest_took(&turn->capture->rest, &stream->pace, (uint64_t)got, bytes_at_rest(stream), turn->now_ns);
    return got;
}

enum lb_fed lb_feed_stream(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns)
{
    struct lb_turn turn;
    bool is_empty, took_all;

    if (lb_turns_must_yield(capture, stream))
        return LB_FED_STALLED;
    begin(&turn, capture, stream, now_ns);
    read_pipe(&turn, &is_empty);
    took_all = lb_records_take(&turn);
    end(&turn);
    if (!took_all)
        return LB_FED_STALLED;
    if (stream->has_ended)
        return LB_FED_ENDED;
    if (turn.wants_chunks && capture->stalled_count > 0) { /* no chunk comes free before the ring has room */
        lb_turns_stall(capture, stream);
        return LB_FED_STALLED;
    }
    if (stream->file && stream->flush_turns > 0 && lb_input_file_is_asked(stream->file))
        return LB_FED_STALLED; /* a flush waits for the disk's answer, which makes the stream ready */
    return is_empty ? LB_FED_IDLE : LB_FED_MORE;
}

/* What the client threw away: the line that was begun is over, and the hole is counted. */
static bool account_for_loss(struct lb_turn *turn, const struct lb_proto_data *packet)
{
    struct lb_staging *staging = turn->capture->staging;
    uint32_t slot = turn->stream->slot;

    if (packet->lost_lines == 0 && packet->lost_bytes == 0)
        return true;
    turn->stream->close_early = true;
    if (!lb_records_take(turn))
        return false;
    lb_records_drop(turn, LB_DROP_CLIENT, packet->lost_lines, packet->lost_bytes);
    lb_records_untold(turn, LB_UNTOLD_CLIENT, packet->lost_lines, packet->lost_bytes,
                      (int)turn->stream->settings->capture.stdout_level);
    lb_staging_set(staging, slot, LB_STREAM_OFFSET,
                   lb_staging_get(staging, slot, LB_STREAM_OFFSET) + packet->lost_bytes);
    return true;
}

static bool has_room_for(const struct lb_turn *turn, size_t len)
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
    struct lb_turn turn;
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
    if (!lb_records_take(&turn) || !has_room_for(&turn, len) ||
        (known == 0 && !account_for_loss(&turn, packet)))
        rc = -EAGAIN;
    else if (lb_staging_write(capture->staging, stream->slot, (const char *)payload + known, len - known) <
             0) {
        lb_streams_close_early(capture, stream);
        rc = -EAGAIN;
    } else {
        lb_staging_set(capture->staging, stream->slot, LB_STREAM_TAKEN, packet->first_byte + len);
        lb_records_take(&turn);
    }
    end(&turn);
    return rc;
}
