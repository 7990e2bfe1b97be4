/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_RING_H
#define LB_STORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"
#include "agent/store/record.h"

/*
 * The queue ring: a file in tmpfs, one writer (fast side), one reader (slow
 * side), first in first out. Positions are byte counts since the ring was
 * made; position modulo size is the place in the file.
 *
 *      oldest            tail                         head
 *        |  still there,  |  pending, in flight,       |
 *        |  for `tail`    |  delivered out of order    |  free
 *   -----+----------------+----------------------------+-------
 *
 * Invariants: oldest <= tail <= head; head - oldest <= size; all between tail
 * and head are whole records; the writer never writes where tail has not
 * passed; numbers are dense per lane. head and the next numbers belong to the
 * fast side's commit, tail to the slow side's.
 */
#define LB_RING_HEADER_BYTES LB_MAP_ALIGN
#define LB_RING_FORMAT       1
#define LB_RING_MARKS        64 /* history gives way in so many steps a round */

/* Words of the fast side in the header. */
enum { LB_RING_HEAD = 0, LB_RING_NEXT_URGENT, LB_RING_NEXT_ROUTINE, LB_RING_FAST_WORDS = 8 };
/*
 * Words of the slow side in the header. TAIL_NEXT: by lane, the number that comes next behind the tail, so
 * that a damaged record is missed even when it was the first one or the only one of its lane. MENDED: how
 * many recoveries found damage and had it told; holes of later ones are not told yet.
 */
enum {
    LB_RING_TAIL = 0,
    LB_RING_TAIL_NEXT,
    LB_RING_MENDED = LB_RING_TAIL_NEXT + LB_LANE_COUNT,
    LB_RING_SLOW_WORDS = 8
};

struct lb_ring_header {
    char magic[8]; /* "LBRING" */
    uint32_t format;
    uint32_t header_bytes;
    uint64_t data_bytes;
    uint64_t ring_id; /* random, never 0 */
    uint64_t check;   /* XXH3 of the five fields before */
    uint64_t spare[3];
    uint64_t fast[LB_RING_FAST_WORDS];
    uint64_t slow[LB_RING_SLOW_WORDS];
    uint64_t oldest; /* outside the commits: stored by the writer before it overwrites */
};

struct lb_ring {
    struct lb_mapfile map;
    struct lb_ring_header *header;
    uint64_t size;
    uint64_t id;
    struct lb_commit *fast; /* commit and region of each side; set by lb_ring_attach() */
    struct lb_commit *slow;
    unsigned fast_region;
    unsigned slow_region;
    bool is_new;    /* made by this open: what a redo block says of a ring before it does not count */
    bool has_limit; /* the tail does not pass limit, whatever is final: somebody else reads from there */
    uint64_t limit;
    /*
     * The writer's own, and away from what the reader reads for each record: the tail as it last looked, the
     * place in the file of the last head, and where in each step of the ring it began its first record.
     */
    struct {
        uint8_t apart[64];
        uint64_t seen_tail;
        uint64_t head_pos, head_place;
        uint64_t next_mark; /* a record that begins here or later gets one */
        uint64_t mark[LB_RING_MARKS];
        uint8_t from_what_follows[64];
    } writer;
};

/* How a damaged ring was mended at start. */
#define LB_RING_GAPS 16
struct lb_ring_repair {
    uint64_t holes;         /* damaged stretches between whole records */
    uint64_t lost_bytes;    /* of the ring, in those stretches */
    bool cursors_were_bad;  /* head or tail made no sense: records were found by searching */
    struct lb_receipt lost; /* all gaps together, for people; lines = 0: none. Bytes are unknown. */
    unsigned gaps;
    struct lb_receipt gap[LB_RING_GAPS]; /* each a gapless range of one lane; later ones join the last */
};

/*
 * Open the ring of a directory, or make one.
 *   size     wanted data bytes, rounded up to LB_MAP_ALIGN; an existing ring keeps its own size
 *   returns  0 | -ENOENT there is none and size is 0 | -EBADMSG the file is no ring, or its
 *            identity is damaged | -EPROTO a format that this program does not read | -ENOSPC no
 *            room in the file system | other negative errno
 *   calls    before the threads start
 */
int lb_ring_open(int dir_fd, const char *name, size_t size, bool lock, struct lb_ring *ret_ring);

/*
 * Tell the ring its commits: adds its words to them as regions. Call
 * lb_commit_recover() on both, then lb_ring_recover(). A ring that is to be
 * set aside recovers under its old numbers first: a redo block speaks of
 * regions, not of files.
 *   fast, slow  fast may be NULL for a ring that is only drained
 *   returns     0 | -ENOMEM
 *   calls       before the threads start
 */
int lb_ring_attach(struct lb_ring *ring, struct lb_commit *fast, unsigned fast_region, struct lb_commit *slow,
                   unsigned slow_region);

/*
 * Walk from tail to head and mend: in-flight records become pending, damaged
 * stretches become holes, cursors that make no sense are found anew, the tail
 * moves over what is final. Idempotent: killed half-way, it does the rest at
 * the next start. The caller hands each gap to lb_loss_add() and publishes the
 * slow side's commit, in any case: in that same step the holes are told and
 * the tail moves over them; until then each start finds the gaps again.
 *   ret_repair  what was found
 *   calls       before the threads start, after both commits recovered
 */
void lb_ring_recover(struct lb_ring *ring, struct lb_ring_repair *ret_repair);

/*
 * Close; the file stays.
 *   calls       when both sides have stopped
 */
void lb_ring_close(struct lb_ring *ring);

/*
 * Append one record: number, check and padding are put in here. It becomes
 * visible with the fast side's next publish. Never blocks, never allocates.
 *   head     lane severity kind flags boot_ns stream_id stream_off raw_len pid uid service_ix lines
 *            are read, the rest is filled in
 *   service  service_len bytes, tags tags_len bytes, body pieces: copied, stay the caller's
 *   returns  0 | -EMSGSIZE longer than lb_ring_record_max() | -ENOSPC no room; on error nothing
 *            changed
 *   calls    fast side only
 */
int lb_ring_put(struct lb_ring *ring, const struct lb_record *head, const char *service, size_t service_len,
                const char *tags, size_t tags_len, const struct iovec *body, unsigned pieces);

/*
 * The largest record that fits, in bytes with its head.
 *   calls     any thread
 */
size_t lb_ring_record_max(const struct lb_ring *ring);

/*
 * The tail as lb_ring_put() saw it: after -ENOSPC, the one that left no room.
 *   calls     fast side only
 */
static inline uint64_t lb_ring_seen_tail(const struct lb_ring *ring)
{
    return ring->writer.seen_tail;
}

/*
 * Free room in bytes, as the writer sees it.
 *   calls     fast side only
 */
uint64_t lb_ring_room(const struct lb_ring *ring);

/*
 * Cursors as other threads may see them at any time.
 *   calls     any thread
 */
uint64_t lb_ring_head(const struct lb_ring *ring);
uint64_t lb_ring_tail(const struct lb_ring *ring);
uint64_t lb_ring_oldest(const struct lb_ring *ring);

/*
 * The record at a position.
 *   pos      a record's first byte, tail <= pos < head
 *   returns  it, or NULL when its length makes no sense (damage that came after the start) or pos
 *            is not below head
 *   calls    slow side; offline readers through lb_ring_copy()
 */
const struct lb_record *lb_ring_at(const struct lb_ring *ring, uint64_t pos, uint64_t head);

/*
 * Set a record's state.
 *   calls     slow side only
 */
void lb_ring_set_state(struct lb_ring *ring, uint64_t pos, enum lb_record_state state);

/*
 * With the slow side's next publish: all records of [from, to) that are
 * pending or in flight get this state, and the tail moves over all that are
 * final by then, in whatever order their ranges were handed in.
 *   returns   0 | -ENOBUFS publish first
 *   calls     slow side only
 */
int lb_ring_finish(struct lb_ring *ring, uint64_t from, uint64_t to, enum lb_record_state state);

/*
 * With the slow side's next publish: the tail passes all up to a position,
 * whatever the states say, and then all that is final behind it. For a stretch
 * whose end and numbers are known, so that it need not be walked again. Where
 * the limit lies before that position, all up to it becomes delivered instead.
 *   to        a record's first byte, or the head
 *   next      by lane: the number that comes next there; 0: none of that lane was passed
 *   calls     slow side only
 */
void lb_ring_pass(struct lb_ring *ring, uint64_t to, const uint64_t next[LB_LANE_COUNT]);

/*
 * Move the tail over all that is final, or will be with the ranges that wait
 * in the slow commit; to become true with its next publish.
 *   calls     slow side, or recovery
 */
void lb_ring_move_tail(struct lb_ring *ring);

/*
 * Keep what lies from a position on: the tail goes no farther, until another
 * limit is set. Then it goes over all that is final by now, to become true with
 * the slow side's next publish.
 *   limit     a record's first byte, tail <= limit <= head
 *   returns   true: the tail moved
 *   calls     slow side, or recovery
 */
bool lb_ring_set_limit(struct lb_ring *ring, uint64_t limit);

/*
 * Is it the limit that the tail stands at? Then no room comes of what is made
 * final.
 *   calls     slow side
 */
static inline bool lb_ring_is_held(const struct lb_ring *ring)
{
    return ring->has_limit && lb_ring_tail(ring) >= ring->limit;
}

/*
 * Do what lb_ring_finish() promised for one range; the slow commit calls it.
 *   calls     slow side, or recovery
 */
void lb_ring_apply_range(struct lb_ring *ring, uint64_t from, uint64_t to, unsigned state);

/*
 * Copy the record at a position while the writer may overwrite it.
 *   buf       lb_ring_record_max() bytes
 *   returns   its length | -EAGAIN overwritten meanwhile: go on at lb_ring_oldest() | -EBADMSG damaged
 *   calls     any thread or process that maps the ring
 */
int64_t lb_ring_copy(const struct lb_ring *ring, uint64_t pos, void *buf, size_t size);

/*
 * Is this a whole record: do length, parts and check agree?
 *   room      bytes that may be read at record
 *   calls     any thread, for memory that does not change
 */
bool lb_record_is_whole(const struct lb_record *record, uint64_t room, uint64_t record_max);

/*
 * Give a record the check of what it holds: the last thing that is done to one.
 *   record    len, parts and padding are as they will be
 *   calls     whoever owns the memory
 */
void lb_record_seal(struct lb_record *record);

/*
 * Check an identity as read from a header.
 *   returns   0 | -EBADMSG | -EPROTO as lb_ring_open()
 *   calls     any thread
 */
int lb_ring_check_identity(const struct lb_ring_header *header, size_t data_bytes);

#endif
