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
 * have left the pipe. So before it, a word (landing) for each chunk in its reach says whose bytes come there;
 * room that is not counted yet is kept filled with 0xFF, a byte that text in UTF-8 never has; and after a
 * kill the true end of a landing chunk is found by looking back over the 0xFF. What is found is staged, the
 * next turn splits it. A run of 0xFF that an app wrote at the very end, killed before its length was stored,
 * is taken for room: the one stated loss. Bytes that came through a client's DATA packets are not searched
 * for (LB_STREAM_DRAINING): the client still has them and sends them again.
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

/* Put a chunk that was taken from the free ones at the end of a stream's chain. */
static void link_chunk(struct lb_staging *staging, uint32_t slot, uint32_t chunk)
{
    struct lb_staged *staged = &staging->staged[slot];

    set_chunk(staging, chunk, lb_chunk_pack(0, 0, slot + 1));
    if (staged->bytes == 0) {
        staged->first = chunk;
        staged->start = 0;
        lb_staging_look_again(staging, slot);
        lb_staging_set(staging, slot, LB_STREAM_FIRST, chunk + 1);
    } else {
        uint64_t last = chunk_word(staging, staged->last);

        set_chunk(staging, staged->last, lb_chunk_pack(lb_chunk_len(last), chunk + 1, slot + 1));
    }
    staged->last = chunk;
    staged->chunks++;
}

static int grow(struct lb_staging *staging, uint32_t slot)
{
    if (staging->free_count == 0)
        return -ENOBUFS;
    link_chunk(staging, slot, staging->free_chunks[--staging->free_count]);
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

static void name_landing(struct lb_staging *staging, uint32_t slot, uint32_t chunk, uint32_t flags)
{
    uint32_t landing = staging->landings++;

    lb_store(&staging->header->landing[landing], lb_landing_pack(slot, chunk, flags));
    lb_commit_set(staging->commit, LB_FAST_LANDING, landing, 0);
}

/* One splice goes to the last chunk of a chain and to free ones that lie right behind it in the file. */
struct run {
    uint32_t slot;
    uint32_t first;      /* chunk */
    uint32_t first_room; /* in it */
    uint32_t more;       /* chunks behind it, taken from the free ones */
};

/* As many chunks as the stream's last splice makes us expect, but not beyond wanted bytes. */
static struct run begin_run(struct lb_staging *staging, uint32_t slot, uint32_t room, uint64_t wanted)
{
    const struct lb_staged *staged = &staging->staged[slot];
    struct run run = { slot, staged->last, room, 0 };

    name_landing(staging, slot, run.first, staged->chunks > 1 ? LB_LANDING_GOES_ON : 0);
    while (run.more < staged->expects && room + run.more * LB_CHUNK_BYTES < wanted &&
           staging->landings < LB_LANDING_WORDS && staging->free_count > 0 &&
           staging->free_chunks[staging->free_count - 1] == run.first + run.more + 1) {
        staging->free_count--;
        run.more++;
        name_landing(staging, slot, run.first + run.more, LB_LANDING_IN_RUN);
    }
    return run;
}

/* Calls for one run: a writer of single bytes must not keep us longer than one of full pipes. */
#define SPLICES_MAX 4

/*
 * A short splice says nothing: the pipe may be empty, may have ended, or a signal came; only another one
 * tells, and a caller who waits for the next event must know. Returns bytes moved; *ret_why: 0 the pipe ended
 * | negative errno | 1 there may be more.
 */
static uint32_t fill_run(struct lb_staging *staging, const struct run *run, int pipe_fd, int *ret_why)
{
    uint32_t room = run->first_room + run->more * LB_CHUNK_BYTES, moved = 0;
    uint64_t end = ((uint64_t)run->first + 1) * LB_CHUNK_BYTES;
    off_t at = (off_t)(staging->map.header_bytes + end - run->first_room);
    ssize_t got = 1;

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

/* Count what came. A chunk that stayed empty is free again with the publish, which clears its landing. */
static void end_run(struct lb_staging *staging, const struct run *run, uint32_t moved)
{
    struct lb_staged *staged = &staging->staged[run->slot];
    uint32_t part = moved < run->first_room ? moved : run->first_room;
    bool is_full = moved == run->first_room + run->more * LB_CHUNK_BYTES;

    if (is_full && staged->expects < LB_LANDING_WORDS)
        staged->expects = 2 * staged->expects + 1;
    else if (!is_full && moved > 0)
        staged->expects = moved / LB_CHUNK_BYTES;
    count_in(staging, run->slot, part);
    moved -= part;
    for (uint32_t chunk = run->first + 1; chunk <= run->first + run->more; chunk++) {
        if (moved == 0) {
            note_freed(staging, chunk, 0);
            continue;
        }
        part = moved < LB_CHUNK_BYTES ? moved : LB_CHUNK_BYTES;
        link_chunk(staging, run->slot, chunk);
        count_in(staging, run->slot, part);
        moved -= part;
    }
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
        struct run run;
        uint32_t moved;

        if (room < 0) {
            why = (int)room;
            break;
        }
        run = begin_run(staging, slot, (uint32_t)room, max_bytes - (size_t)total);
        moved = fill_run(staging, &run, pipe_fd, &why);
        end_run(staging, &run, moved);
        total += moved;
        if (moved < run.first_room + run.more * LB_CHUNK_BYTES)
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

/* Pass over bytes at the front; chunks that become empty are freed. */
static void pass_over(struct lb_staging *staging, struct lb_staged *staged, uint64_t bytes)
{
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
}

void lb_staging_consume(struct lb_staging *staging, uint32_t slot, uint64_t bytes)
{
    struct lb_staged *staged = &staging->staged[slot];

    lb_staging_set(staging, slot, LB_STREAM_OFFSET, lb_staging_get(staging, slot, LB_STREAM_OFFSET) + bytes);
    pass_over(staging, staged, bytes);
    lb_staging_set(staging, slot, LB_STREAM_FIRST,
                   staged->bytes ? (uint64_t)staged->start << 32 | (staged->first + 1) : 0);
    lb_staging_look_again(staging, slot);
}

/* Free chunks lie in order, the lowest on top: what is taken next lies together, and is warm in the cache. */
static void give_back(struct lb_staging *staging, uint32_t chunk)
{
    uint32_t at = staging->free_count++;

    for (; at > 0 && staging->free_chunks[at - 1] < chunk; at--)
        staging->free_chunks[at] = staging->free_chunks[at - 1];
    staging->free_chunks[at] = chunk;
}

void lb_staging_after_publish(struct lb_staging *staging)
{
    for (uint32_t i = 0; i < staging->freed_count; i++) {
        uint32_t chunk = staging->freed[i].chunk;

        memset(lb_chunk_bytes(staging, chunk), 0xff, staging->freed[i].used_bytes);
        lb_killpoint();
        give_back(staging, chunk);
    }
    staging->freed_count = 0;
    staging->landings = 0;
}
