/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SEGMENT_H
#define LB_STORE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

/*
 * A segment: records of one lane with numbers that follow each other, packed
 * into one immutable piece that explains itself. The same bytes lie in the
 * backlog and in the spool; host byte order, they never leave the machine.
 *
 *   head | a sum for each service | one zstd frame:  streams | columns | bodies
 *
 * What heads of records say is told by column, as what differs from the record
 * before it: a head of 72 bytes takes three or four. Numbers are not told at
 * all, states and checks neither. Boot times are kept to a tenth of a
 * millisecond, rounded down: what is shipped tells milliseconds.
 */
#define LB_SEGMENT_FORMAT   1
#define LB_SEGMENT_TICK_NS  100000u
#define LB_SEGMENT_RECORDS  8192u          /* at most in one */
#define LB_SEGMENT_RAW_MAX  (1024 * 1024u) /* of its frame, unpacked */
#define LB_SEGMENT_COST_MAX (LB_SEGMENT_RAW_MAX - 16)
#define LB_SEGMENT_UNPACKED_MAX \
    (LB_SEGMENT_RAW_MAX + LB_SEGMENT_RECORDS * 80u) /* heads and padding for names */
#define LB_SEGMENT_SERVICES 256u /* that have a sum of their own; the rest share one without a name */

struct lb_segment_head {
    uint32_t magic;
    uint16_t format;
    uint8_t lane;
    uint8_t severities; /* a bit for each level that is in it */
    uint32_t len;       /* of all, with this */
    uint32_t sums_len;
    uint32_t raw_len;      /* of the frame, unpacked */
    uint32_t unpacked_len; /* of the records, as they lie in a ring */
    uint32_t records;
    uint32_t services;  /* sums */
    uint32_t frame_len; /* what follows it is padding */
    uint64_t ring_id;
    uint64_t first_n, last_n;
    uint64_t first_ns, last_ns; /* boot time of the oldest and the newest, which need not be at the ends */
    uint64_t check;             /* XXH3 of all else */
};

/* What a segment holds of one service. */
struct lb_segment_sum {
    uint8_t name_len; /* 0: of several */
    char name[128];
    uint64_t lines, bytes; /* of applications, and of their texts */
    uint64_t by_severity[8];
    uint64_t own, own_bytes; /* records of ours */
};

/* A segment that was looked at: its head is whole, and belongs to what follows. */
struct lb_segment_view {
    const struct lb_segment_head *head;
    const uint8_t *sums, *frame;
    size_t frame_len;
};

/* What packing and unpacking need of memory; made once, kept while there is work. */
struct lb_segment_packer;

/*
 * Make a packer.
 *   level    of zstd, 1..19
 *   returns  it | NULL out of memory
 *   calls    any thread, one at a time; free with lb_segment_packer_free()
 */
struct lb_segment_packer *lb_segment_packer_new(int level);
void lb_segment_packer_free(struct lb_segment_packer *packer);

/*
 * What a record adds to the frame of a segment, at most: what a segment is
 * measured by while it grows.
 *   calls    any thread
 */
size_t lb_segment_cost(const struct lb_record *record);

/*
 * Room that lb_segment_pack() needs for records of this cost in all.
 *   calls    any thread
 */
size_t lb_segment_bound(size_t cost, size_t records);

/*
 * Pack records.
 *   record   count of them, 1..LB_SEGMENT_RECORDS, all of one lane, numbers dense from the first; none is a
 *            hole; their cost in all at most LB_SEGMENT_COST_MAX
 *   to       room bytes, aligned to 8
 *   returns  bytes written, a multiple of 8 | -EINVAL they do not go together | -ENOBUFS room is too small |
 *            -ENOMEM | -EIO the library failed
 *   calls    the packer's thread
 */
long lb_segment_pack(struct lb_segment_packer *packer, uint64_t ring_id,
                     const struct lb_record *const *record, size_t count, uint8_t *to, size_t room);

/*
 * Look at a segment: is it whole?
 *   bytes    len of them, aligned to 8; the view points into them. More may follow
 *   returns  0 | -EBADMSG | -EPROTO a format that this program does not read
 *   calls    any thread
 */
int lb_segment_look(const uint8_t *bytes, size_t len, struct lb_segment_view *ret_view);

/*
 * The same without its check, which costs a look at all of it: for who reads only the head, of a segment that
 * was looked at before.
 *   calls    any thread
 */
int lb_segment_look_at_head(const uint8_t *bytes, size_t len, struct lb_segment_view *ret_view);

/*
 * The next of its sums.
 *   at       where; 0 at the begin
 *   returns  false: there is none
 *   calls    any thread
 */
bool lb_segment_next_sum(const struct lb_segment_view *view, size_t *at, struct lb_segment_sum *ret_sum);

/*
 * Unpack the records, as they lay in the ring, one behind the other, pending.
 *   to       head->unpacked_len bytes, aligned to 8
 *   returns  0 | -EBADMSG it is damaged | -ENOMEM
 *   calls    the packer's thread
 */
int lb_segment_unpack(struct lb_segment_packer *packer, const struct lb_segment_view *view, uint8_t *to);

#endif
