/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_BACKLOG_H
#define LB_STORE_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"
#include "agent/store/segment.h"

/*
 * The backlog: segments in a file in tmpfs, while the sink is away. The slow
 * side's alone, but for readers that map the file.
 *
 *   header | rows, one for each segment | blocks
 *
 * A segment lies in blocks, in up to LB_BACKLOG_EXTENTS stretches of them.
 * What is valid is told by its row, which is under the slow side's commit: so a
 * segment becomes true in the step that makes its records `moved` in the ring,
 * and is gone in the step that books them as delivered, shed or spooled.
 *
 * Invariants: blocks of a row that is valid, published or not, belong to it
 * alone and do not change; a row is used again only when that it is free was
 * published, for until then the old segment may come back.
 */
#define LB_BACKLOG_FORMAT  1
#define LB_BACKLOG_BLOCK   256u
#define LB_BACKLOG_EXTENTS 5
#define LB_BACKLOG_NONE    UINT32_MAX

/* Words of a row. */
enum {
    LB_ROW_STATE = 0, /* 0: free; else see below */
    LB_ROW_RING,      /* id of the ring that numbered its records */
    LB_ROW_FIRST_N,
    LB_ROW_LAST_N,
    LB_ROW_DONE_N, /* the first number in it that is not final */
    LB_ROW_LEN,    /* bytes */
    LB_ROW_SEQ,    /* grows: in what order they came */
    LB_ROW_FIRST_NS,
    LB_ROW_LAST_NS,
    LB_ROW_LINES, /* of applications, that are not final, and the bytes of their texts */
    LB_ROW_BYTES,
    LB_ROW_WALL_NS, /* wall time less boot time of the boot that its records are of; 0: of this one */
    LB_ROW_TRUST,   /* and how well that is known: enum lb_clock_trust */
    LB_ROW_EXTENT,  /* first block << 32 | blocks */
    LB_ROW_WORDS = LB_ROW_EXTENT + LB_BACKLOG_EXTENTS
};

/*
 * The state of a row that is not free: LB_ROW_HERE and what follows; or, of a
 * segment that lay in the spool as well, LB_ROW_FINAL: its records are final,
 * and the row tells so until the spool has let go of it, too.
 */
enum {
    LB_ROW_HERE = 1,
    LB_ROW_FINAL = 2,
    LB_ROW_KIND_MASK = 0xff,
    LB_ROW_LANE_SHIFT = 8,
    LB_ROW_KEPT_BIT = 1 << 16,    /* it may not be given up */
    LB_ROW_SPOOLED_BIT = 1 << 17, /* it lies in the spool as well */
    LB_ROW_PERSIST_BIT = 1 << 18, /* it has records that are not to be lost in a power cut */
    LB_ROW_EXTENTS_SHIFT = 24
};

/* What a segment's own head does not tell. */
struct lb_backlog_origin {
    bool is_kept, is_spooled, has_persist;
    uint64_t wall_ns; /* 0: of this boot */
    unsigned trust;
};

struct lb_backlog_header {
    char magic[8]; /* "LBBACKLG" */
    uint64_t format;
    uint64_t rows, blocks;
    uint64_t check; /* XXH3 of what is before */
};

/* What is in it, rows that are valid. */
struct lb_backlog_sum {
    uint64_t segments, lines, bytes; /* bytes: of texts */
    uint64_t packed_bytes;           /* whole blocks */
    uint64_t by_lane[LB_LANE_COUNT]; /* segments */
    uint64_t first_ns;               /* boot time of the oldest record; 0: there is none */
};

struct lb_ring;

struct lb_backlog {
    struct lb_mapfile map; /* fd < 0: there is no backlog */
    struct lb_backlog_header *header;
    uint64_t *row; /* in the file: as published */
    struct lb_commit *slow;
    /* Rings in private memory that segments are unpacked into, for the ranges in the commit: LB_SLOW_DRAIN's
     * and LB_SLOW_SETTLE's; NULL: there is none. */
    struct lb_ring *unpacked_ring[2];
    uint32_t rows, blocks;
    uint8_t *is_used;     /* a byte for each block */
    uint32_t used_blocks; /* those of rows whose end is not published among them */
    uint32_t *leaving;    /* rows that are free with the next publish */
    uint32_t leaving_count;
    uint32_t from_block; /* where to look for room next */
    uint64_t next_seq;
    struct lb_backlog_sum sum;
    bool was_damaged; /* a file that was no backlog was set aside as backlog.damaged */
    bool keeps_size;  /* it is of another size than wanted, and not empty */
};

/* A segment that was lost to damage, told to whoever books it. */
typedef void (*lb_backlog_lost)(void *ctx, unsigned lane, uint64_t first_n, uint64_t last_n, uint64_t lines,
                                uint64_t bytes, uint64_t first_ns, uint64_t last_ns);

/*
 * Open the backlog of a directory or make one, and add its rows to the slow
 * side's commit.
 *   bytes     wanted, rounded up to LB_MAP_ALIGN; one that is not empty keeps its own size; 0: none is made,
 *             but one that is there is opened
 *   returns   0 | -ENOSPC | -ENOMEM | -EPROTO a format that this program does not read | negative errno
 *   calls     before the threads start, before lb_commit_recover()
 */
int lb_backlog_open(int dir_fd, uint64_t bytes, bool lock, struct lb_commit *slow,
                    struct lb_backlog *ret_backlog);

/*
 * What its header takes, for a size.
 *   calls     any thread
 */
size_t lb_backlog_header_bytes(uint64_t bytes);

/*
 * After the commit recovered: look at each segment, drop what is damaged, and
 * find out which blocks are free.
 *   lost      called for each segment that is damaged, to book it with the slow side's commit, which is
 *             published then
 *   returns   0 | -ENOMEM
 *   calls     before the threads start
 */
int lb_backlog_recover(struct lb_backlog *backlog, lb_backlog_lost lost, void *ctx);

/*
 * After recovery: one of another size than wanted is copied into a file of that
 * size, where there is room in it for all that the old one holds; else it stays
 * until a start finds less in it, which is logged. A backlog that is not wanted
 * any more (bytes 0) stays until a start finds it empty.
 *   returns   0, also where it keeps its size | -ENOMEM: it cannot be used
 *   calls     before the threads start
 */
int lb_backlog_resize(struct lb_backlog *backlog, int dir_fd, uint64_t bytes, bool lock);

/*
 * Is there a backlog at all?
 *   calls     any thread
 */
static inline bool lb_backlog_is_there(const struct lb_backlog *backlog)
{
    return backlog && backlog->row;
}

/*
 * Store a segment, to become true with the next publish.
 *   segment   as lb_segment_pack() made it; copied
 *   returns   its row | -ENOSPC no room, or no row: nothing changed
 *   calls     slow side; needs room for LB_ROW_WORDS words in the commit
 */
int64_t lb_backlog_put(struct lb_backlog *backlog, const struct lb_segment_view *segment,
                       const struct lb_backlog_origin *origin);

/*
 * A word of a row, published or not.
 *   calls     slow side
 */
uint64_t lb_backlog_word(const struct lb_backlog *backlog, uint32_t row, unsigned word);
bool lb_backlog_is_valid(const struct lb_backlog *backlog, uint32_t row);
unsigned lb_backlog_lane(const struct lb_backlog *backlog, uint32_t row);

/*
 * Copy a segment out, in one piece.
 *   to        as many bytes as the row's LB_ROW_LEN
 *   calls     slow side
 */
void lb_backlog_copy(const struct lb_backlog *backlog, uint32_t row, uint8_t *to);

/*
 * The segment whose oldest record is the oldest; those of earlier boots come
 * before those of this one.
 *   lane      LB_LANE_COUNT: of both
 *   may_take  which rows come into question; NULL: all
 *   returns   a row | LB_BACKLOG_NONE
 *   calls     slow side
 */
uint32_t lb_backlog_oldest(const struct lb_backlog *backlog, unsigned lane,
                           bool (*may_take)(void *ctx, uint32_t row), void *ctx);

/*
 * Some of a segment is final now, with the next publish.
 *   next_n       the first number that is not; behind the last one: the segment is gone
 *   lines, bytes of what became final
 *   calls        slow side; needs room for LB_ROW_WORDS words in the commit
 */
void lb_backlog_pass(struct lb_backlog *backlog, uint32_t row, uint64_t next_n, uint64_t lines,
                     uint64_t bytes);

/*
 * Take a segment out as if it had not been there, with the next publish: it
 * lies in the spool, and is not final.
 *   calls        slow side; needs room for LB_ROW_WORDS words in the commit
 */
void lb_backlog_forget(struct lb_backlog *backlog, uint32_t row);

/*
 * A row that only tells that its segment is final: is it one, and free it with
 * the next publish, for the spool has let go of the segment.
 *   calls        slow side
 */
bool lb_backlog_is_final(const struct lb_backlog *backlog, uint32_t row);
void lb_backlog_bury(struct lb_backlog *backlog, uint32_t row);

/*
 * Bytes that are free, in whole blocks.
 *   calls     slow side
 */
uint64_t lb_backlog_room(const struct lb_backlog *backlog);

/*
 * Close; the file stays.
 *   calls     when the slow side has stopped
 */
void lb_backlog_close(struct lb_backlog *backlog);

/*
 * Does a header say what a file of this length can hold?
 *   returns   0 | -EBADMSG | -EPROTO
 *   calls     any thread, readers of the file too
 */
int lb_backlog_check_identity(const struct lb_backlog_header *header, size_t file_bytes);

#endif
