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
    LB_STATE_IN_FLIGHT,   /* read as pending; not set any more: who ships knows what is on its way */
    LB_STATE_DELIVERED,   /* the sink took it */
    LB_STATE_MOVED,       /* lives on in the backlog */
    LB_STATE_SHED,        /* given up while the sink was away, told by a receipt */
    LB_STATE_REJECTED,    /* the sink will never take it, told by a receipt */
    LB_STATE_COUNT
};

enum lb_lane { LB_LANE_URGENT = 0, LB_LANE_ROUTINE, LB_LANE_COUNT };

enum lb_record_kind {
    LB_KIND_LINE = 0,  /* what an application wrote */
    LB_KIND_RECEIPT,   /* ours: body is a struct lb_receipt */
    LB_KIND_HOLE,      /* not a record: room that a damaged one left, passed over */
    LB_KIND_START,     /* ours: body is a struct lb_start */
    LB_KIND_REPEAT,    /* ours: body is a struct lb_repeat */
    LB_KIND_EXIT,      /* ours: body is a struct lb_exit */
    LB_KIND_SUMMARY,   /* ours: body is a struct lb_summary */
    LB_KIND_ALERT,     /* ours: body is a struct lb_alert */
    LB_KIND_HEARTBEAT, /* ours: body is a struct lb_heartbeat */
    LB_KIND_WEAR,      /* ours: body is a struct lb_wear_alert */
    LB_KIND_WORDS,     /* ours: body is a text of the kernel's, from before it died */
    LB_KIND_REMOTE,    /* ours: body is a struct lb_remote_told */
    LB_KIND_COUNT
};

/* Flags of a record. */
enum {
    LB_RECORD_CUT = 1, /* a piece of something longer, or a join closed early: more may be in other records */
    LB_RECORD_EXTRA =
        2,             /* the body begins with what was understood of the text (extra.h), and then the text */
    LB_RECORD_NEW = 4, /* an error that was not seen before, as far as memory goes */
    LB_RECORD_CONTEXT = 8, /* was held, and is sent because of what came after it */
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
    LB_REASON_EXPIRED,  /* too old for the sink, and the user wants such lines dropped */
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

/* How the agent before this one ended. */
enum lb_stop {
    LB_STOP_UNKNOWN = 0, /* nothing is left of it: the first start since boot */
    LB_STOP_CLEAN,
    LB_STOP_UNCLEAN, /* killed, crashed, or out of power without a reboot (a container) */
    LB_STOP_COUNT
};

/* The body of a start record: what is known of the time before. Only 64-bit words. */
struct lb_start {
    uint64_t stop;       /* enum lb_stop */
    uint64_t last_ring;  /* id of the ring that the agent before wrote to; 0: not known */
    uint64_t last[2];    /* by lane: the last number given before this record; 0: none */
    uint64_t is_new;     /* 1: this is the first record of its ring */
    uint64_t version[4]; /* of the agent that starts, text padded with NUL */
};

/* Bytes of a name that our own records carry; a longer one is cut. */
#define LB_OWN_NAME_BYTES 64

/* The body of a repeat record: an error that came again and was only counted. Only 64-bit words. */
struct lb_repeat {
    uint64_t fingerprint;
    uint64_t count; /* records that were not queued, and their lines and bytes */
    uint64_t lines;
    uint64_t bytes;
    uint64_t first_ns; /* boot time of the first and the last of them */
    uint64_t last_ns;
    uint64_t kind_len;
    char kind[LB_OWN_NAME_BYTES]; /* of the error, "KeyError" */
};

/* The body of a summary: what was suppressed of a service lately. Only 64-bit words, and templates. */
#define LB_SUMMARY_PATTERNS 10
struct lb_summary {
    uint64_t lines, bytes;
    uint64_t first_ns, last_ns;
    uint64_t by_reason[7]; /* lines: filter, collapse (never), sample, limit, lost (never), quota, pressure */
    uint64_t promoted_lines; /* counted in this or in an earlier summary, and sent after all since then */
    uint64_t promoted_bytes;
    uint64_t patterns;               /* how many follow */
    uint64_t rest_lines, rest_bytes; /* of all other patterns */
    struct lb_summary_pattern {
        uint64_t id;
        uint64_t lines, bytes;
        uint64_t first_ns, last_ns;
        uint64_t template_len;
        char template[128];
    } pattern[LB_SUMMARY_PATTERNS];
};

/* What an exit record can say of how it ended, beside code and signal. */
enum {
    LB_EXIT_CORE = 1, /* dumped core */
    LB_EXIT_OOM = 2,  /* the kernel killed it for want of memory */
    LB_EXIT_LOST = 4, /* not known: who watched it was killed itself */
};

/* The body of an exit record: how a service ended. Only 64-bit words, and a name. */
struct lb_exit {
    uint64_t code;   /* what it exited with, when signal is 0 */
    uint64_t signal; /* number of the signal that killed it; 0: none */
    uint64_t flags;  /* LB_EXIT_* */
    uint64_t run_ms;
    uint64_t cpu_ms; /* user and system, with the children it waited for */
    uint64_t peak_rss_bytes;
    uint64_t fingerprint; /* of the last traceback in its streams; 0: none */
    uint64_t restarts;    /* times that this service had ended before, since boot */
    uint64_t exit_id;     /* of the client's report: the same one is not taken twice */
    uint64_t name_len;
    char name[LB_OWN_NAME_BYTES]; /* of the program */
};

/* What an alert is about. */
enum lb_alert_what { LB_ALERT_QUOTA = 0, LB_ALERT_PRESSURE, LB_ALERT_COUNT };

/* The body of an alert: something has changed that a person may want to act on. */
struct lb_alert {
    uint64_t what;         /* enum lb_alert_what */
    uint64_t step, before; /* of its ladder; 0: all is well */
    char text[192];        /* what it comes to, padded with NUL */
};

/* The body of an alert about wear: who wears which disk, or that one fails. Texts are padded with NUL. */
struct lb_wear_alert {
    uint64_t is_over;            /* what was told before is over */
    uint64_t bytes, limit_bytes; /* in an hour; 0: it is not about bytes */
    char alert[16];              /* "disk", "program", "life", ... */
    char disk[32];
    char program[32], unit[64]; /* to blame; nothing: nobody is known */
    char text[256];
};

/* The body of a heartbeat: how the agent is, and its books since the last one. Only 64-bit words. */
struct lb_heartbeat {
    uint64_t uptime_s;
    uint64_t config;                                     /* hash of the configuration */
    uint64_t ring;                                       /* id of the ring */
    uint64_t fill;                                       /* of the queue, in thousandths */
    uint64_t oldest_ms;                                  /* how long the oldest of it has waited */
    uint64_t delivery_s;                                 /* since the last delivery; UINT64_MAX: none yet */
    uint64_t in, queued, held, dropped, delivered, lost; /* lines; held: now */
    uint64_t celsius;   /* thousandths of a degree, as a signed number; LB_HEARTBEAT_UNKNOWN: not known */
    uint64_t throttled; /* bits as the board's firmware has them; LB_HEARTBEAT_UNKNOWN: not known */
};
#define LB_HEARTBEAT_UNKNOWN UINT64_MAX

/* The body of an alert about a command from afar: who asked for what. Texts are padded with NUL, and are the
 * sender's. */
struct lb_remote_told {
    uint64_t is_refused;
    uint64_t for_ms;                   /* 0: it has no time */
    char command[16], id[64], who[64]; /* who: what he says of himself; MQTT tells nobody who publishes */
    char topic[128], service[128], level[16]; /* topic: on which it came */
    char text[160];                           /* what was done, or why not */
};

_Static_assert(sizeof(struct lb_record) == 72, "the ring's format");

#endif
