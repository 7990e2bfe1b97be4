/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SPOOL_PACK_H
#define LB_STORE_SPOOL_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

/*
 * What the spool writes beside the segments themselves: the head of a batch,
 * which says what lies in it, and the book, one for the whole spool. Both are
 * little endian whatever the machine, begin with a mark, a format and a check
 * (XXH3) of all that follows it, and are read without trust: a card may give
 * back anything.
 *
 *   head  [mark, format, parts, bytes a part | check | part 0 | part 1 | ...]
 *   book  [mark, format, sizes               | check | numbers, words, progress]
 *
 * A later format may make a part longer: who knows less of it reads what it
 * knows.
 */
#define LB_SPOOL_PARTS_MAX      64u /* segments of one batch: a done mask is one word */
#define LB_SPOOL_PART_BYTES_MAX (1u << 20)
#define LB_SPOOL_WORDS_MAX      32u /* of the wear ledger */
#define LB_SPOOL_PROGRESS_MAX   16u

/* Why a segment was written. */
enum lb_spool_why {
    LB_SPOOL_BACKLOG = 0, /* the backlog was full: it is nowhere else */
    LB_SPOOL_STOP,        /* the system was going down */
    LB_SPOOL_COPY,        /* its records were in RAM as well */
    LB_SPOOL_WHY_COUNT
};

/* What is known of a segment without opening it. */
struct lb_segment_meta {
    uint8_t boot_id[16];
    uint64_t ring_id;
    uint64_t first_n, last_n;   /* numbers in its lane */
    uint64_t first_ns, last_ns; /* boot time of its oldest and its newest record */
    int64_t wall_offset_ns;     /* wall clock less boot time, as known when it was written */
    uint64_t records, lines, bytes;
    uint8_t lane; /* enum lb_lane */
    uint8_t clock_trust;
    uint8_t severity_mask; /* bit n: it has records of level n */
    uint8_t why;           /* enum lb_spool_why */
};

/* One segment of a batch, as it is handed in (data) or listed (offset). */
struct lb_spool_part {
    struct lb_segment_meta meta;
    const void *data; /* len bytes, the caller's; NULL when listed */
    uint32_t offset;  /* in the batch; set when listed */
    uint32_t len;
};

/* The last numbers of a ring, for the first record after a reboot. */
struct lb_spool_boot {
    uint8_t boot_id[16];
    uint64_t ring_id; /* 0: none is known */
    uint64_t last_n[LB_LANE_COUNT];
};

/* Which parts of a batch were delivered and need not be sent again. */
struct lb_spool_progress {
    uint64_t id;
    uint64_t done; /* bit n: part n */
};

/* What the spool remembers beside its rows: it changes with every transaction. */
struct lb_spool_book {
    uint64_t serial;  /* transactions so far: tells whether one that failed was committed after all */
    uint64_t next_id; /* of a row; an id is never given twice */
    struct lb_spool_boot boot;
    uint64_t words[LB_SPOOL_WORDS_MAX]; /* of the wear ledger, which alone understands them */
    uint32_t word_count;
    uint32_t progress_count;
    struct lb_spool_progress progress[LB_SPOOL_PROGRESS_MAX];
};

#define LB_SPOOL_HEAD_BYTES(parts) (24u + 96u * (size_t)(parts))
#define LB_SPOOL_BOOK_BYTES        (80u + 8u * LB_SPOOL_WORDS_MAX + 16u * LB_SPOOL_PROGRESS_MAX)

/*
 * Write the head of a batch.
 *   parts     count of them, 1 to LB_SPOOL_PARTS_MAX; len 1 to LB_SPOOL_PART_BYTES_MAX each
 *   buf       LB_SPOOL_HEAD_BYTES(count)
 *   returns   bytes written | 0: more, or longer, than may be, or none
 *   calls     any thread; a pure function
 */
size_t lb_spool_pack_head(const struct lb_spool_part *parts, unsigned count, uint8_t *buf);

/*
 * Read it.
 *   body_bytes  what lies behind it: the parts must fill it
 *   ret_parts   LB_SPOOL_PARTS_MAX of them
 *   returns     parts | -EBADMSG: not a head, damaged, or not of this body; ret_parts then says nothing
 *   calls       any thread; a pure function
 */
int lb_spool_parse_head(const uint8_t *buf, size_t len, uint64_t body_bytes, struct lb_spool_part *ret_parts);

/*
 * Write the book.
 *   buf       LB_SPOOL_BOOK_BYTES
 *   returns   bytes written
 *   calls     any thread; a pure function
 */
size_t lb_spool_pack_book(const struct lb_spool_book *book, uint8_t *buf);

/*
 * Read it.
 *   returns   0 | -EBADMSG: not a book, or damaged; *ret_book is as before
 *   calls     any thread; a pure function
 */
int lb_spool_parse_book(const uint8_t *buf, size_t len, struct lb_spool_book *ret_book);

#endif
