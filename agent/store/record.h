/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_RECORD_H
#define LB_STORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

/*
 * One record as it lies in the ring: this head, then service name, tags and
 * body without separators, padded to 8 bytes. It explains itself: nothing
 * outside of it is needed to ship it. Host byte order; the ring never leaves
 * the machine.
 */
enum lb_record_state {
    LB_STATE_PENDING = 0, /* set by the writer: to be shipped */
    LB_STATE_IN_FLIGHT,   /* in a body that the sink has not judged; after a kill: pending */
    LB_STATE_DELIVERED,   /* the sink took it */
    LB_STATE_MOVED,       /* lives on in the backlog */
    LB_STATE_SHED,        /* given up while the sink was away, told by a receipt */
    LB_STATE_REJECTED,    /* the sink will never take it, told by a receipt */
    LB_STATE_COUNT
};

enum lb_lane { LB_LANE_URGENT = 0, LB_LANE_ROUTINE, LB_LANE_COUNT };

enum lb_record_kind {
    LB_KIND_LINE = 0, /* what an application wrote */
    LB_KIND_RECEIPT,  /* ours: body is a struct lb_receipt */
    LB_KIND_HOLE,     /* not a record: room that a damaged one left, passed over */
    LB_KIND_COUNT
};

/* Flags of a record. */
enum {
    LB_RECORD_CUT =
        1 /* a piece of something longer, or a join closed early: more of it may be in other records */
};

struct lb_record {
    uint32_t len;   /* of all, with padding; a multiple of 8 */
    uint32_t check; /* XXH3 of what follows `state`, low half, seeded with len */
    uint8_t state;  /* enum lb_record_state; written by the slow side only, outside the check */
    uint8_t lane;
    uint8_t severity;
    uint8_t kind;
    uint8_t flags;
    uint8_t service_len;
    uint16_t tags_len;
    uint64_t boot_ns;    /* CLOCK_BOOTTIME at which its first byte was read */
    uint64_t n;          /* number in its lane, dense from 1 */
    uint64_t stream_id;  /* 0: ours */
    uint64_t stream_off; /* position of its first byte in the stream */
    uint32_t raw_len;    /* bytes of the stream that it stands for, with line ends */
    uint32_t body_len;
    uint32_t pid;
    uint32_t uid;
    uint32_t service_ix; /* where the books keep this service; a hint, the name decides */
    uint32_t lines;      /* how many lines were joined */
};

/* No record is longer, however large the ring: the longest max_line, with room for its head. */
#define LB_RECORD_MAX 262144u

static inline const char *lb_record_service(const struct lb_record *record)
{
    return (const char *)(record + 1);
}

static inline const char *lb_record_tags(const struct lb_record *record)
{
    return lb_record_service(record) + record->service_len;
}

static inline const char *lb_record_body(const struct lb_record *record)
{
    return lb_record_tags(record) + record->tags_len;
}

/*
 * A hole says which numbers were lost in it, by lane: their first and how many,
 * and in n the recovery that found it (ring.h, LB_RING_MENDED).
 */
static inline uint64_t lb_hole_first(const struct lb_record *hole, unsigned lane)
{
    return lane == LB_LANE_URGENT ? hole->boot_ns : hole->stream_id;
}

static inline uint32_t lb_hole_count(const struct lb_record *hole, unsigned lane)
{
    return lane == LB_LANE_URGENT ? hole->raw_len : hole->uid;
}

static inline void lb_hole_set(struct lb_record *hole, unsigned lane, uint64_t first, uint32_t count)
{
    *(lane == LB_LANE_URGENT ? &hole->boot_ns : &hole->stream_id) = first;
    *(lane == LB_LANE_URGENT ? &hole->raw_len : &hole->uid) = count;
}

/* Room that a record takes, for given lengths of its parts. */
static inline size_t lb_record_size(size_t service_len, size_t tags_len, size_t body_len)
{
    return (sizeof(struct lb_record) + service_len + tags_len + body_len + 7) & ~(size_t)7;
}

/*
 * What was lost: the body of a receipt, and a row of the loss tables
 * (design.md, "Every gap has a receipt"). Only 64-bit words, so that it can lie
 * in a commit region as it is. 0 in a range means: none of that lane.
 */
#define LB_RECEIPT_NAME_WORDS 16

enum lb_reason {
    LB_REASON_SHED = 0, /* sink away, ring over its high-water mark */
    LB_REASON_OVERLOAD, /* no room in the ring, nothing moved */
    LB_REASON_CLIENT,   /* the client's buffer overflowed while no agent ran */
    LB_REASON_CORRUPT,  /* damaged in memory, found at start */
    LB_REASON_REJECTED, /* the sink will never take it */
    LB_REASON_COUNT
};

struct lb_receipt {
    uint64_t reason; /* enum lb_reason */
    uint64_t lines;
    uint64_t bytes;
    uint64_t first_ns; /* boot time of the oldest and the newest lost record */
    uint64_t last_ns;
    uint64_t range[2][2];    /* by lane: first and last lost number */
    uint64_t by_severity[8]; /* lines by level */
    uint64_t name_len;
    uint64_t name[LB_RECEIPT_NAME_WORDS]; /* service; empty: several */
};

#define LB_RECEIPT_WORDS (sizeof(struct lb_receipt) / sizeof(uint64_t))

_Static_assert(sizeof(struct lb_record) == 72, "the ring's format");

#endif
