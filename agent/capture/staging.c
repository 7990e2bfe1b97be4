/* SPDX-License-Identifier: MIT */
/*
 * Staging.
 *
 * Happy path. Bytes are spliced from an app's pipe straight into a chunk of this file, behind what the stream
 * has staged; whole lines are copied into the ring; the turn's publish makes "these bytes are consumed" and
 * "these records exist" true in one step; then the freed chunks are wiped to 0xFF.
 *
 *     pipe ──splice──▶ chunk ─▶ chunk ─▶ chunk        (a chain per stream, nothing while it is idle)
 *                      ^start      ^no line end yet
 *
 * Crash story. The one thing that no redo block can hold is the splice itself: when it returns, the bytes
 * have left the pipe. So before it, one word (landing) says which chunk of which stream they go to; room that
 * is not counted yet is kept filled with 0xFF, a byte that text in UTF-8 never has; and after a kill the true
 * end of a landing chunk is found by looking back over the 0xFF. What is found is staged, the next turn
 * splits it. A run of 0xFF that an app wrote at the very end, killed before its length was stored, is taken
 * for room: the one stated loss. Bytes that came through a client's DATA packets are not searched for
 * (LB_STREAM_DRAINING): the client still has them and sends them again.
 *
 * Failure modes. No free chunk: the caller closes a long join early, marked. A damaged file is set aside
 * whole. A chain that makes no sense (stray write) is cut where it stops making sense.
 */
#include "agent/capture/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/capture/staging_map.h"
#include "agent/store/killpoint.h"
#include "agent/store/state.h"

uint64_t lb_staging_get(const struct lb_staging *staging, uint32_t slot, unsigned word)
{
    return lb_commit_get(staging->commit, LB_FAST_STREAMS, slot * LB_STREAM_WORDS + word);
}

void lb_staging_set(struct lb_staging *staging, uint32_t slot, unsigned word, uint64_t value)
{
    if (lb_staging_get(staging, slot, word) != value)
        lb_commit_set(staging->commit, LB_FAST_STREAMS, slot * LB_STREAM_WORDS + word, value);
}

int64_t lb_staging_slot_new(struct lb_staging *staging, uint64_t id, const struct lb_stream_name *name)
{
    for (uint32_t slot = 0; slot < staging->max_streams; slot++) {
        /* The shared word too: recovery may still need a slot freed in this turn under its old name. */
        if (lb_staging_get(staging, slot, LB_STREAM_ID) != 0 || lb_staging_shared_id(staging, slot) != 0)
            continue;
        memcpy(&staging->names[slot], name, sizeof *name);
        lb_killpoint();
        for (unsigned word = 0; word < LB_STREAM_WORDS; word++)
            lb_staging_set(staging, slot, word, word == LB_STREAM_ID ? id : 0);
        memset(&staging->staged[slot], 0, sizeof staging->staged[slot]);
        return slot;
    }
    return -ENOSPC;
}

void lb_staging_slot_free(struct lb_staging *staging, uint32_t slot)
{
    lb_staging_consume(staging, slot, staging->staged[slot].bytes);
    lb_staging_set(staging, slot, LB_STREAM_ID, 0);
}

static void set_chunk(struct lb_staging *staging, uint32_t chunk, uint64_t word)
{
    if (lb_commit_get(staging->commit, LB_FAST_CHUNKS, chunk) != word)
        lb_commit_set(staging->commit, LB_FAST_CHUNKS, chunk, word);
}

static uint64_t chunk_word(const struct lb_staging *staging, uint32_t chunk)
{
    return lb_commit_get(staging->commit, LB_FAST_CHUNKS, chunk);
}

static void note_freed(struct lb_staging *staging, uint32_t chunk, uint32_t used_bytes)
{
    staging->freed[staging->freed_count].chunk = chunk;
    staging->freed[staging->freed_count++].used_bytes = used_bytes;
}

/* Add a free chunk to the end of a stream's chain. */
static int grow(struct lb_staging *staging, uint32_t slot)
{
    struct lb_staged *staged = &staging->staged[slot];
    uint32_t chunk;

    if (staging->free_count == 0)
        return -ENOBUFS;
    chunk = staging->free_chunks[--staging->free_count];
    set_chunk(staging, chunk, lb_chunk_pack(0, 0, slot + 1));
    if (staged->bytes == 0) {
        staged->first = chunk;
        staged->start = 0;
        staged->scan_chunk = chunk;
        staged->scan_pos = 0;
        staged->searched = 0;
        lb_staging_set(staging, slot, LB_STREAM_FIRST, chunk + 1);
    } else {
        uint64_t last = chunk_word(staging, staged->last);

        set_chunk(staging, staged->last, lb_chunk_pack(lb_chunk_len(last), chunk + 1, slot + 1));
    }
    staged->last = chunk;
    staged->chunks++;
    return 0;
}

/* Make the chain end in a chunk with room, and say how much. A chain without bytes has no chunk to reuse. */
static int64_t room_at_end(struct lb_staging *staging, uint32_t slot)
{
    struct lb_staged *staged = &staging->staged[slot];
    int rc;

    if (staged->bytes > 0) {
        uint32_t len = lb_chunk_len(chunk_word(staging, staged->last));

        if (len < LB_CHUNK_BYTES)
            return LB_CHUNK_BYTES - len;
    }
    rc = grow(staging, slot);
    return rc < 0 ? rc : (int64_t)LB_CHUNK_BYTES;
}

static void count_in(struct lb_staging *staging, uint32_t slot, uint32_t bytes)
{
    struct lb_staged *staged = &staging->staged[slot];
    uint64_t word = chunk_word(staging, staged->last);

    set_chunk(staging, staged->last,
              lb_chunk_pack(lb_chunk_len(word) + bytes, lb_chunk_next(word), slot + 1));
    staged->bytes += bytes;
}

/* A chunk was added for nothing: the chain has no bytes, so it must have no chunk. */
static void drop_empty_chain(struct lb_staging *staging, uint32_t slot)
{
    struct lb_staged *staged = &staging->staged[slot];

    if (staged->bytes > 0 || staged->chunks == 0)
        return;
    set_chunk(staging, staged->first, 0);
    note_freed(staging, staged->first, 0);
    staged->chunks = 0;
    lb_staging_set(staging, slot, LB_STREAM_FIRST, 0);
}

/* Calls for one chunk: a writer of single bytes must not keep us longer than one of full pipes. */
#define SPLICES_MAX 4

/*
 * Fill the last chunk. A short splice says nothing: the pipe may be empty, may have ended, or a signal came;
 * only another one tells, and a caller who waits for the next event must know. Returns bytes moved; *ret_why:
 * 0 the pipe ended | negative errno | 1 there may be more.
 */
static uint32_t fill_chunk(struct lb_staging *staging, uint32_t slot, int pipe_fd, uint32_t room,
                           int *ret_why)
{
    const struct lb_staged *staged = &staging->staged[slot];
    uint32_t chunk = staged->last, len = lb_chunk_len(chunk_word(staging, chunk)), moved = 0;
    off_t at = (off_t)(staging->map.header_bytes + (uint64_t)chunk * LB_CHUNK_BYTES + len);
    uint32_t landing = staging->landings++;
    ssize_t got = 1;

    lb_store(&staging->header->landing[landing], lb_landing_pack(slot, chunk, staged->chunks > 1));
    lb_commit_set(staging->commit, LB_FAST_LANDING, landing, 0);
    for (int i = 0; i < SPLICES_MAX && moved < room && got > 0; i++) {
        do
            got =
                splice(pipe_fd, NULL, staging->map.fd, &at, room - moved, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        while (got < 0 && errno == EINTR);
        *ret_why = got > 0 ? 1 : got < 0 ? -errno : 0;
        moved += got > 0 ? (uint32_t)got : 0;
        lb_killpoint();
    }
    return moved;
}

int64_t lb_staging_splice(struct lb_staging *staging, uint32_t slot, int pipe_fd, size_t max_bytes,
                          bool *ret_is_empty)
{
    int64_t total = 0;
    int why = 1;

    *ret_is_empty = false;
    if (staging->landings >= LB_LANDING_WORDS)
        return -EBUSY; /* nothing may be spliced that no landing word names: publish first */
    if (lb_staging_shared_id(staging, slot) == 0)
        return -EBUSY; /* recovery would not know whose bytes these are */
    while ((size_t)total < max_bytes && staging->landings < LB_LANDING_WORDS && why > 0) {
        int64_t room = room_at_end(staging, slot);
        uint32_t moved;

        if (room < 0) {
            why = (int)room;
            break;
        }
        moved = fill_chunk(staging, slot, pipe_fd, (uint32_t)room, &why);
        count_in(staging, slot, moved);
        total += moved;
        if (moved < room)
            break;
    }
    drop_empty_chain(staging, slot);
    *ret_is_empty = why == -EAGAIN;
    return total > 0 || why == -EAGAIN ? total : why;
}

int lb_staging_write(struct lb_staging *staging, uint32_t slot, const void *bytes, size_t len)
{
    const char *from = bytes;

    if ((uint64_t)staging->free_count * LB_CHUNK_BYTES < len)
        return -ENOBUFS;
    while (len > 0) {
        int64_t room = room_at_end(staging, slot);
        struct lb_staged *staged = &staging->staged[slot];
        size_t part = len < (size_t)room ? len : (size_t)room;
        uint32_t at = lb_chunk_len(chunk_word(staging, staged->last));

        memcpy(lb_chunk_bytes(staging, staged->last) + at, from, part);
        lb_killpoint();
        count_in(staging, slot, (uint32_t)part);
        from += part;
        len -= part;
    }
    return 0;
}

/* Move the scan on to the next line end. Returns true when it stands on one. */
static bool scan(struct lb_staging *staging, struct lb_staged *staged, uint64_t limit)
{
    while (staged->searched < staged->bytes && staged->searched < limit) {
        uint64_t word = chunk_word(staging, staged->scan_chunk);
        uint32_t len = lb_chunk_len(word);
        const uint8_t *from = lb_chunk_bytes(staging, staged->scan_chunk) + staged->scan_pos;
        uint64_t left = len - staged->scan_pos;
        const uint8_t *hit;

        if (left == 0) {
            staged->scan_chunk = lb_chunk_next(word) - 1;
            staged->scan_pos = 0;
            continue;
        }
        if (left > limit - staged->searched)
            left = limit - staged->searched;
        hit = memchr(from, '\n', left);
        staged->searched += hit ? (uint64_t)(hit - from) : left;
        staged->scan_pos += hit ? (uint32_t)(hit - from) : (uint32_t)left;
        if (hit)
            return true;
    }
    return false;
}

/* The pieces of the first len staged bytes, or of as many as LB_LINE_PIECES hold: body_len says. */
static void gather(const struct lb_staging *staging, const struct lb_staged *staged, uint64_t len,
                   struct lb_line *line)
{
    uint32_t chunk = staged->first, pos = staged->start;

    line->pieces = 0;
    line->body_len = 0;
    while (len > 0 && line->pieces < LB_LINE_PIECES) {
        uint64_t word = chunk_word(staging, chunk);
        uint64_t part = lb_chunk_len(word) - pos;

        if (part > len)
            part = len;
        if (part > 0)
            line->piece[line->pieces++] = (struct iovec) { lb_chunk_bytes(staging, chunk) + pos, part };
        len -= part;
        line->body_len += (uint32_t)part;
        chunk = lb_chunk_next(word) - 1;
        pos = 0;
    }
}

static uint8_t byte_from_end(const struct lb_line *line, uint32_t back)
{
    unsigned i = line->pieces;

    while (i > 0) {
        const struct iovec *piece = &line->piece[--i];

        if (back < piece->iov_len)
            return ((const uint8_t *)piece->iov_base)[piece->iov_len - 1 - back];
        back -= (uint32_t)piece->iov_len;
    }
    return 0;
}

static void shorten(struct lb_line *line, uint32_t by)
{
    line->body_len -= by;
    while (by > 0) {
        struct iovec *piece = &line->piece[line->pieces - 1];
        size_t part = by < piece->iov_len ? by : piece->iov_len;

        piece->iov_len -= part;
        by -= (uint32_t)part;
        if (piece->iov_len == 0)
            line->pieces--;
    }
}

/* How many bytes at the end belong to a character that is not complete there (RFC 3629 lead bytes). */
static uint32_t torn_character(const struct lb_line *line)
{
    for (uint32_t back = 0; back < 4 && back < line->body_len; back++) {
        uint8_t byte = byte_from_end(line, back);
        uint32_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;

        if ((byte & 0xc0) == 0x80)
            continue;
        return need > back + 1 && back + 1 < line->body_len ? back + 1 : 0;
    }
    return 0;
}

bool lb_staging_next_line(struct lb_staging *staging, uint32_t slot, uint32_t max_line, bool at_end,
                          struct lb_line *line)
{
    struct lb_staged *staged = &staging->staged[slot];
    bool was_cut = lb_staging_get(staging, slot, LB_STREAM_INFO) & LB_STREAM_IN_CUT;
    bool has_end, is_too_long;

    if (staged->bytes == 0)
        return false;
    has_end = scan(staging, staged, (uint64_t)max_line + 1);
    if (!has_end && staged->searched <= max_line && !(at_end && staged->searched == staged->bytes))
        return false;
    is_too_long = !has_end && staged->searched > max_line;
    gather(staging, staged, is_too_long ? max_line : staged->searched, line);
    if (is_too_long || line->body_len < staged->searched) {
        shorten(line, torn_character(line));
        line->raw_len = line->body_len;
        line->is_cut = true;
        line->has_end = false;
        return true;
    }
    line->is_cut = was_cut;
    line->has_end = has_end;
    line->raw_len = line->body_len + (has_end ? 1 : 0);
    if (line->body_len > 0 && byte_from_end(line, 0) == '\r')
        shorten(line, 1);
    return true;
}

static void forget_scan(struct lb_staged *staged)
{
    staged->searched = 0;
    staged->scan_chunk = staged->first;
    staged->scan_pos = staged->start;
}

void lb_staging_consume(struct lb_staging *staging, uint32_t slot, uint64_t bytes)
{
    struct lb_staged *staged = &staging->staged[slot];

    lb_staging_set(staging, slot, LB_STREAM_OFFSET, lb_staging_get(staging, slot, LB_STREAM_OFFSET) + bytes);
    /* A last chunk, added for bytes that did not come, goes with the rest, or it would belong to nobody. */
    while (bytes > 0 || (staged->bytes == 0 && staged->chunks > 0)) {
        uint64_t word = chunk_word(staging, staged->first);
        uint64_t left = lb_chunk_len(word) - staged->start;
        uint64_t part = bytes < left ? bytes : left;

        staged->start += (uint32_t)part;
        staged->bytes -= part;
        bytes -= part;
        if (part < left)
            break;
        set_chunk(staging, staged->first, 0);
        note_freed(staging, staged->first, lb_chunk_len(word));
        staged->chunks--;
        staged->first = lb_chunk_next(word) - 1;
        staged->start = 0;
    }
    lb_staging_set(staging, slot, LB_STREAM_FIRST,
                   staged->bytes ? (uint64_t)staged->start << 32 | (staged->first + 1) : 0);
    forget_scan(staged);
}

void lb_staging_after_publish(struct lb_staging *staging)
{
    for (uint32_t i = 0; i < staging->freed_count; i++) {
        uint32_t chunk = staging->freed[i].chunk;

        memset(lb_chunk_bytes(staging, chunk), 0xff, staging->freed[i].used_bytes);
        lb_killpoint();
        staging->free_chunks[staging->free_count++] = chunk;
    }
    staging->freed_count = 0;
    staging->landings = 0;
}
