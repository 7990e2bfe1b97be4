/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_BACKLOG_READER_H
#define LB_OFFLINE_BACKLOG_READER_H

#include "agent/store/backlog.h"

/*
 * The backlog of a running agent, mapped for reading: its records in the order
 * of time, each lane in the order of its numbers. The agent does not wait for
 * us: a segment is copied, and then its check tells whether it was still there.
 *
 * What is there is looked at once, when it is opened. Segments that cannot hold
 * what is looked for are passed over by their heads.
 */
struct lb_backlog_wish {
    int level;           /* at or above; -1: all */
    const char *service; /* NULL: all */
    uint64_t since_ns;   /* boot time of the oldest record that is wanted */
};

struct lb_backlog_row {
    uint64_t ring_id, first_n, last_n, first_ns, seq;
    uint32_t row;
    uint8_t lane;
    bool is_gone; /* it was not there any more when it was read */
};

struct lb_backlog_reader {
    struct lb_mapfile map; /* fd -1: there is none */
    const uint64_t *word;  /* of rows */
    uint32_t rows, blocks;
    struct lb_backlog_wish wish;
    struct lb_backlog_row *row; /* those that are there, by lane and age */
    uint32_t count;
    struct lb_segment_packer *packer;
    uint8_t *packed;
    struct lb_backlog_cursor {
        uint32_t at, end; /* of rows: the next to be unpacked */
        uint8_t *records;
        uint64_t ring_id, len, pos;
        uint64_t done_n; /* what is before it was delivered */
    } lane[LB_LANE_COUNT];
    uint64_t read_segments, passed_segments;
};

/*
 * Map it and look what is there.
 *   fd       becomes the reader's on success
 *   wish     taken over; its service stays the caller's
 *   returns  0 | -EPROTO it is no backlog of this format | -ENOMEM | negative errno of mmap
 *   calls    main thread of an offline mode
 */
int lb_backlog_reader_open(struct lb_backlog_reader *reader, int fd, const struct lb_backlog_wish *wish);

/*
 * The oldest record that was not taken yet.
 *   returns  it, the same one until lb_backlog_reader_take() | NULL: none
 *   calls    main thread of an offline mode
 */
const struct lb_record *lb_backlog_reader_peek(struct lb_backlog_reader *reader, uint64_t *ret_ring_id);

/*
 * It was dealt with.
 */
void lb_backlog_reader_take(struct lb_backlog_reader *reader);

/*
 * Is this record of a ring in the backlog as well, so that it is seen there?
 *   calls    main thread of an offline mode
 */
bool lb_backlog_reader_has(const struct lb_backlog_reader *reader, uint64_t ring_id,
                           const struct lb_record *record);

/*
 * Unmap and free.
 */
void lb_backlog_reader_close(struct lb_backlog_reader *reader);

#endif
