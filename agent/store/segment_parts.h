/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SEGMENT_PARTS_H
#define LB_STORE_SEGMENT_PARTS_H

#include <zstd.h>
#include <zstd_errors.h>

#include "agent/store/segment.h"

/*
 * What segment_pack.c and segment_look.c share.
 *
 * The frame, unpacked, in this order; numbers are LEB128, those that may be
 * below 0 zigzag:
 *
 *   count of streams, and each: stream id, pid, uid, row of the books, length of service and of tags, both
 *   for each record, column by column:
 *     stream        its place among the streams
 *     kind          one byte: severity, and kind above it
 *     flags         one byte
 *     time          ticks since the record before it; the first: since head->first_ns
 *     offset        what its stream_off is ahead of the end of the record before it of this stream
 *     raw           raw_len less body_len
 *     lines
 *     body          0: it ends at a line end, which is not of it; else 1 + its length
 *   bodies
 */
#define LB_SEGMENT_MAGIC     0x4753424cu /* "LBSG" */
#define LB_SEGMENT_HASH      (2 * LB_SEGMENT_RECORDS)
#define LB_SEGMENT_HEAD_MOST 48u /* what a record's columns take at most */

struct lb_segment_stream {
    const struct lb_record *first; /* packing: its first record */
    const uint8_t *names;          /* unpacking: service, then tags */
    uint64_t stream_id;
    uint64_t next_off; /* where the next record of it begins, if nothing was left out */
    uint32_t pid, uid, service_ix;
    uint16_t service_len, tags_len;
    uint16_t sum;
};

struct lb_segment_packer {
    ZSTD_CCtx *squeezer;
    ZSTD_DCtx *opener;
    uint8_t *raw; /* LB_SEGMENT_RAW_MAX */
    uint16_t stream_of[LB_SEGMENT_RECORDS];
    uint16_t by_hash[LB_SEGMENT_HASH]; /* 1 + stream; 0: free */
    struct lb_segment_stream stream[LB_SEGMENT_RECORDS];
    unsigned streams;
    struct lb_segment_sum sum[LB_SEGMENT_SERVICES + 1];
    unsigned sums;
};

/*
 * The check of a segment: of its head without the check, and of what follows.
 */
uint64_t lb_segment_check(const struct lb_segment_head *head);

#endif
