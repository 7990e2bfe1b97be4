/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_STAGING_H
#define LB_CAPTURE_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"
#include "agent/store/state.h"
#include "common/proto.h"

/*
 * Staging: where bytes lie between the pipe and the ring (design.md, capture).
 * A pool of chunks and a table of streams in one file in tmpfs. A stream holds
 * a chain of chunks only while it has bytes that are in no record yet.
 *
 * Invariants:
 * - a byte of a chunk behind its stored length is 0xFF, and so is every byte
 *   of a free chunk, except during the turn that fills or frees it;
 * - a splice goes only to a chunk that a landing word names;
 * - the first staged byte of a stream has the stream offset that the table says.
 */
#define LB_STAGING_FORMAT     1
#define LB_CHUNK_BYTES        16384u
#define LB_LANDING_WORDS      8
#define LB_STAGING_CHUNKS_MAX 16384u
#define LB_LINE_PIECES \
    10 /* chunks that one line of 128 KiB may touch, and one more; what touches more is cut */

/* Words of a stream in the table. FIRST: chunk + 1 (0: nothing staged) | start << 32. INFO: see below. */
enum {
    LB_STREAM_ID = 0,
    LB_STREAM_DEV,
    LB_STREAM_INO,
    LB_STREAM_OFFSET,
    LB_STREAM_FIRST,
    LB_STREAM_OPEN_NS,
    LB_STREAM_TAKEN,
    LB_STREAM_INFO,
    LB_STREAM_WORDS
};

/* INFO: kind in bits 0-7, flags in 8-15, what redact remembers of the stream in 16-23, uid in 32-63. */
enum { LB_STREAM_DRAINING = 1 << 8, LB_STREAM_IN_CUT = 1 << 9 };
#define LB_STREAM_MASK_SHIFT 16

/* What a stream is called; stored before its id, so never under a commit. */
struct lb_stream_name {
    uint32_t pid;
    uint16_t service_len;
    uint16_t tags_len;
    char service[LB_PROTO_SERVICE_MAX];
    char tags[LB_PROTO_TAGS_MAX];
};

struct lb_staging_header {
    char magic[8]; /* "LBSTAGE" */
    uint32_t format;
    uint32_t header_bytes;
    uint64_t data_bytes;
    uint32_t max_streams;
    uint32_t chunk_bytes;
    uint64_t check;
    uint64_t spare[3];
    uint64_t landing[LB_LANDING_WORDS]; /* where this turn splices to, see staging_map.h */
    uint64_t words[];                   /* chunks, then streams, then struct lb_stream_name */
};

/*
 * Private to the fast side: where a stream's staged bytes are, which of them lie in lines that were found and
 * kept, and how far the rest was searched for a line end.
 *
 *     | kept: lines of a record that may go on | searched | new bytes |
 */
struct lb_staged {
    uint32_t first, last; /* chunks; valid when bytes > 0 */
    uint32_t start;       /* of the first staged byte in `first` */
    uint64_t bytes;       /* staged */
    uint64_t kept;        /* of them, in lines that were kept */
    uint32_t line_chunk;  /* where the first byte behind those lies */
    uint32_t line_pos;
    uint64_t searched;   /* behind those, without a line end in it */
    uint32_t scan_chunk; /* where the byte behind those lies */
    uint32_t scan_pos;
    uint32_t chunks;
    uint32_t expects; /* so many chunks beyond the last one that the next splice may fill */
};

struct lb_staging {
    struct lb_mapfile map;
    struct lb_staging_header *header;
    struct lb_commit *commit;
    struct lb_stream_name *names;
    struct lb_staged *staged; /* by slot */
    uint32_t *free_chunks;    /* stack, the lowest on top */
    uint32_t free_count;
    uint32_t chunk_count;
    uint32_t max_streams;
    uint32_t landings;
    bool is_new; /* made by this open: what a redo block says of a staging before it does not count */
    uint32_t freed_count;
    struct {
        uint32_t chunk, used_bytes;
    } freed[LB_STAGING_CHUNKS_MAX]; /* last; of this turn: wiped after its publish */
};

/* One line as it lies in staging. */
struct lb_line {
    struct iovec piece[LB_LINE_PIECES];
    unsigned pieces;
    uint32_t raw_len;  /* with its line end: what lb_staging_consume() takes */
    uint32_t body_len; /* without; not beside pieces, or both are read as one word that was stored as two */
    bool is_cut;       /* a piece of a longer line: the first, one between, or the last */
    bool has_end;      /* its line end was there */
};

/*
 * Open or make the staging file and add its tables to the fast side's commit.
 * A file of other sizes is opened as it is: recover, then lb_staging_resize().
 *   bytes       wanted data bytes, rounded up
 *   ret_staging large: the caller allocates it for good, it is not moved
 *   returns     0 | -ENOSPC | -ENOMEM | other negative errno; a damaged file is set aside as staging.damaged
 *   calls       before the threads start
 */
int lb_staging_open(int dir_fd, size_t bytes, uint32_t max_streams, bool lock, struct lb_commit *commit,
                    struct lb_staging *ret_staging, bool *ret_was_damaged);

/*
 * After the commit recovered: take in what was spliced before the kill but not
 * counted, wipe all unused room, and lay out the private tables.
 *   returns   0 | -ENOMEM
 *   calls     before the threads start
 */
int lb_staging_recover(struct lb_staging *staging);

/*
 * Move all staged bytes into a file of the wanted sizes, if they fit and the
 * sizes differ; the new file replaces the old one in one step.
 *   returns   0 done or not needed | -EBUSY what is staged does not fit: the old sizes stay
 *             | -ENOSPC | -ENOMEM | other negative errno (the old file stays in use)
 *   calls     before the threads start, after lb_staging_recover()
 */
int lb_staging_resize(struct lb_staging *staging, int dir_fd, size_t bytes, uint32_t max_streams, bool lock);

/*
 * Close; the file stays.
 *   calls     when the fast side has stopped
 */
void lb_staging_close(struct lb_staging *staging);

/*
 * A word of a stream, as the fast side sees it, and its change with the next publish.
 *   calls     fast side only
 */
static inline uint64_t lb_staging_get(const struct lb_staging *staging, uint32_t slot, unsigned word)
{
    return lb_commit_get(staging->commit, LB_FAST_STREAMS, slot * LB_STREAM_WORDS + word);
}

static inline void lb_staging_set(struct lb_staging *staging, uint32_t slot, unsigned word, uint64_t value)
{
    if (lb_staging_get(staging, slot, word) != value)
        lb_commit_set(staging->commit, LB_FAST_STREAMS, slot * LB_STREAM_WORDS + word, value);
}

/*
 * Take a free slot for a stream, to become true with the next publish; until
 * then nothing can be spliced to it.
 *   name      copied
 *   returns   the slot | -ENOSPC none is free
 *   calls     fast side only
 */
int64_t lb_staging_slot_new(struct lb_staging *staging, uint64_t id, const struct lb_stream_name *name);

/*
 * Give a slot back, with whatever is still staged in it.
 *   calls     fast side only
 */
void lb_staging_slot_free(struct lb_staging *staging, uint32_t slot);

/*
 * Move bytes from a pipe behind the stream's staged bytes. Never blocks, also
 * where the pipe's description does not have O_NONBLOCK.
 *   max_bytes     at most this much, in whole chunks
 *   ret_is_empty  true: the pipe had no more when we looked, and has not ended: the next byte or
 *                 the end is an event to come; false: look again
 *   returns       bytes moved (0 with *ret_is_empty false: end of the pipe) | -ENOBUFS no free
 *                 chunk | -EBUSY publish first | other negative errno of splice
 *   calls         fast side only
 */
int64_t lb_staging_splice(struct lb_staging *staging, uint32_t slot, int pipe_fd, size_t max_bytes,
                          bool *ret_is_empty);

/*
 * Copy bytes behind the stream's staged bytes; all or nothing.
 *   returns   0 | -ENOBUFS not enough free chunks
 *   calls     fast side only, on a stream that is LB_STREAM_DRAINING
 */
int lb_staging_write(struct lb_staging *staging, uint32_t slot, const void *bytes, size_t len);

/*
 * Find the next line of a stream, behind those that were kept. Looks at each byte once over all calls, until
 * something is consumed.
 *   max_line  longer ones are cut there, at a character's edge if one is near
 *   at_end    no more bytes will come: what is left is a line
 *   returns   true and *ret_line | false no whole line is staged
 *   calls     fast side only
 */
bool lb_staging_next_line(struct lb_staging *staging, uint32_t slot, uint32_t max_line, bool at_end,
                          struct lb_line *ret_line);

/*
 * Keep the line that was found: it stays staged, and the search goes on behind it.
 *   line      as lb_staging_next_line() gave it
 *   calls     fast side only
 */
void lb_staging_keep(struct lb_staging *staging, uint32_t slot, const struct lb_line *line);

/*
 * Search again from the first staged byte, as if nothing had been kept.
 *   calls     fast side only
 */
void lb_staging_look_again(struct lb_staging *staging, uint32_t slot);

/*
 * The first staged bytes as one line: without a line end and a CR before it.
 *   bytes     of whole lines that were kept, or found
 *   ret_line  filled; body_len is less where LB_LINE_PIECES do not hold all of it
 *   calls     fast side only
 */
void lb_staging_front(const struct lb_staging *staging, uint32_t slot, uint64_t bytes,
                      struct lb_line *ret_line);

/*
 * Drop bytes from the front: they are in a record now, or accounted for. Lines that were kept behind them are
 * searched again.
 *   calls     fast side only
 */
void lb_staging_consume(struct lb_staging *staging, uint32_t slot, uint64_t bytes);

/*
 * After the publish: wipe what the turn freed, and let the chunks be used again.
 *   calls     fast side only
 */
void lb_staging_after_publish(struct lb_staging *staging);

/*
 * Chunks that lie free.
 *   calls     fast side only
 */
static inline uint32_t lb_staging_free_chunks(const struct lb_staging *staging)
{
    return staging->free_count;
}

#endif
