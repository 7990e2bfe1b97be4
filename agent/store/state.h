/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_STATE_H
#define LB_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"
#include "agent/store/record.h"

/*
 * The file `state` of the runtime directory: the redo block of each side, the
 * books and the tables of untold losses. All of fixed size, all under a
 * commit except the names of services, which are written once before any word
 * refers to them.
 */
#define LB_STATE_FORMAT   4   /* what came with a format stands behind what the one before it had */
#define LB_SERVICES_BOOKS 256 /* services that have books of their own; later ones share the last row */
#define LB_LOSS_SLOTS     32

/* Regions of the fast side's commit, over all files. Part of the format. */
enum {
    LB_FAST_RING = 0,
    LB_FAST_STREAMS,
    LB_FAST_CHUNKS,
    LB_FAST_LANDING,
    LB_FAST_BOOKS,
    LB_FAST_TOLD,
    LB_FAST_MORE,
    LB_FAST_REPEATS,
    LB_FAST_INPUTS,
    LB_FAST_THROTTLE,
    LB_FAST_PATTERNS,
    LB_FAST_SUPPRESSED,
    LB_FAST_COLLAPSE,
    LB_FAST_HELD,
};

/* Regions of the slow side's commit. The ring numbers double as those of lb_commit_range(). */
enum {
    LB_SLOW_RING = 0,
    LB_SLOW_OLD_RING,
    LB_SLOW_BOOKS,
    LB_SLOW_LOSS,
    LB_SLOW_MORE,
    LB_SLOW_METER,
    LB_SLOW_BACKLOG,
    LB_SLOW_DRAIN,  /* a ring in private memory: segments that are unpacked to be shipped … */
    LB_SLOW_SETTLE, /* … or to be given up */
};

/* Why the fast side drops a line (books: dropped, by reason). */
enum lb_drop {
    LB_DROP_BLANK = 0, /* an empty line outside a join */
    LB_DROP_OVERLOAD,  /* no room in the ring and nothing moved */
    LB_DROP_CLIENT,    /* the client's buffer overflowed while no agent ran */
    LB_DROP_REPEAT,    /* an error that was told already: counted in a repeat record */
    LB_DROP_FILTER,    /* a rule of the user's, or less severe than min_level */
    LB_DROP_COLLAPSE,  /* the same as the record before: counted in a repeat record */
    LB_DROP_SAMPLE,    /* beyond its pattern's rate, and not one of those that are sent of it */
    LB_DROP_LIMIT,     /* beyond its service's rate */
    LB_DROP_LOST,      /* was held, and damaged there */
    LB_DROP_QUOTA,     /* the data plan runs short */
    LB_DROP_PRESSURE,  /* the queue, or the machine's memory, runs short */
    LB_DROP_COUNT
};

/*
 * Name of a reason to drop, as status has it.
 *   reason    enum lb_drop
 *   returns   a static string
 *   calls     any thread
 */
const char *lb_drop_name(unsigned reason);

/* The reasons that formats 1 and 2 had: their words lie in the first table of books, the others' in MORE. */
#define LB_DROP_COUNT_2 3

/* Losses of the fast side that have no number, told when the ring has room. */
enum lb_untold { LB_UNTOLD_OVERLOAD = 0, LB_UNTOLD_CLIENT, LB_UNTOLD_COUNT };

enum {
    LB_UNTOLD_LINES = 0,
    LB_UNTOLD_BYTES,
    LB_UNTOLD_FIRST_NS,
    LB_UNTOLD_LAST_NS,
    LB_UNTOLD_BY_SEVERITY,
    LB_UNTOLD_WORDS = 12
};

/* Words of one service in the fast side's books. */
enum {
    LB_BOOK_QUEUED_LINES = 0,
    LB_BOOK_QUEUED_BYTES,
    LB_BOOK_OWN_LINES,
    LB_BOOK_OWN_BYTES,
    LB_BOOK_DROPPED, /* LB_DROP_COUNT_2 pairs of lines and bytes */
    LB_BOOK_UNTOLD = LB_BOOK_DROPPED + 2 * LB_DROP_COUNT_2,
    LB_BOOK_FAST_WORDS = LB_BOOK_UNTOLD + LB_UNTOLD_COUNT * LB_UNTOLD_WORDS,
};

/* More of the fast side's books, which formats 1 and 2 did not have. */
enum {
    LB_FAST_MORE_DROPPED = 0,    /* pairs of lines and bytes, from LB_DROP_COUNT_2 on; room for 12 */
    LB_FAST_MORE_EXITS = 24,     /* how often the service ended since boot */
    LB_FAST_MORE_EXITS_SINCE_NS, /* begin of the window in which */
    LB_FAST_MORE_EXITS_TOLD,     /* so many of them were told whole */
    LB_FAST_MORE_WORDS = 32
};

/*
 * Errors that were seen, by service and fingerprint: what came again within repeat_window is counted here
 * until a repeat record tells it.
 */
#define LB_REPEATS 128
enum {
    LB_REPEAT_FINGERPRINT = 0, /* 0: the row is free */
    LB_REPEAT_SERVICE,         /* row of the books */
    LB_REPEAT_SEEN_NS,         /* boot time of the one that was queued whole: the window begins there */
    LB_REPEAT_COUNT,           /* what follows is not told yet */
    LB_REPEAT_LINES,
    LB_REPEAT_BYTES,
    LB_REPEAT_FIRST_NS,
    LB_REPEAT_LAST_NS,
    LB_REPEAT_ABOUT, /* severity, kind of the record in bits 8-15, length of the name in 16-23 */
    LB_REPEAT_NAME,
    LB_REPEAT_WORDS = LB_REPEAT_NAME + LB_OWN_NAME_BYTES / 8
};

/*
 * Throttle: per service, the buckets (boot time at which each is full again), what is held, and what was
 * suppressed and is in no summary yet. Reasons are those of enum lb_drop from LB_DROP_FILTER on.
 */
#define LB_HELD_REASONS 7
enum {
    LB_THROTTLE_LINES_NS = 0,
    LB_THROTTLE_BYTES_NS,
    LB_THROTTLE_FLOOR_NS,
    LB_THROTTLE_NEW_NS,     /* of patterns that were not seen before */
    LB_THROTTLE_CONTEXT_NS, /* of what is brought along */
    LB_THROTTLE_SINCE_NS,   /* the first of what no summary has told; 0: there is nothing */
    LB_THROTTLE_LAST_NS,
    LB_THROTTLE_MASK_STATE, /* what redact remembers of messages that come without a stream of their own */
    LB_THROTTLE_HELD = 8,   /* pairs of lines and bytes, by reason */
    LB_THROTTLE_UNTOLD = LB_THROTTLE_HELD + 2 * LB_HELD_REASONS,   /* lines that were suppressed, by reason */
    LB_THROTTLE_REST_LINES = LB_THROTTLE_UNTOLD + LB_HELD_REASONS, /* of patterns that have no row */
    LB_THROTTLE_REST_BYTES,
    LB_THROTTLE_PROMOTED_LINES, /* that a summary counts, or counted, and that were sent after all */
    LB_THROTTLE_PROMOTED_BYTES,
    LB_THROTTLE_GATE_NS, /* of all lines together, at the rate of one pattern */
    LB_THROTTLE_LOOK_NS, /* of lines that are looked at for their pattern though they are beyond the rate */
    LB_THROTTLE_STEP,    /* of its own quota's ladder, as told last */
    LB_THROTTLE_WORDS = 40
};
_Static_assert(LB_THROTTLE_STEP < LB_THROTTLE_WORDS, "they fit");
_Static_assert(LB_DROP_COUNT - LB_DROP_FILTER == LB_HELD_REASONS, "a line is held for one of these");

/* Patterns whose rate is watched, all services together. */
#define LB_PATTERNS 2048
enum {
    LB_PATTERN_ID = 0,
    LB_PATTERN_SERVICE, /* 1 + row of the books; 0: the row is free */
    LB_PATTERN_FULL_NS, /* boot time at which its bucket is full again */
    LB_PATTERN_SEEN_NS,
    LB_PATTERN_BEYOND, /* records that came beyond its rate, since it was last within */
    LB_PATTERN_WORDS
};

/* What was suppressed, by service and pattern, until a summary tells it. */
#define LB_SUPPRESSED     256
#define LB_TEMPLATE_BYTES 128
enum {
    LB_SUPPRESSED_SERVICE = 0, /* 1 + row of the books; 0: the row is free */
    LB_SUPPRESSED_PATTERN,
    LB_SUPPRESSED_LINES,
    LB_SUPPRESSED_BYTES,
    LB_SUPPRESSED_FIRST_NS,
    LB_SUPPRESSED_LAST_NS,
    LB_SUPPRESSED_ABOUT, /* severity, length of the template in bits 8-15 */
    LB_SUPPRESSED_TEMPLATE,
    LB_SUPPRESSED_WORDS = LB_SUPPRESSED_TEMPLATE + LB_TEMPLATE_BYTES / 8
};

/* Records that said the same as the one before them, by stream, until a repeat record tells them. */
#define LB_COLLAPSES 64
enum {
    LB_COLLAPSE_KEY = 0, /* of the stream; 0: the row is free */
    LB_COLLAPSE_HASH,    /* of what is said */
    LB_COLLAPSE_SERVICE,
    LB_COLLAPSE_DUE_NS, /* end of the window */
    LB_COLLAPSE_COUNT,
    LB_COLLAPSE_LINES,
    LB_COLLAPSE_BYTES,
    LB_COLLAPSE_FIRST_NS,
    LB_COLLAPSE_LAST_NS,
    LB_COLLAPSE_ABOUT, /* severity, length of the name in bits 16-23: as LB_REPEAT_ABOUT */
    LB_COLLAPSE_NAME,
    LB_COLLAPSE_WORDS = LB_COLLAPSE_NAME + LB_OWN_NAME_BYTES / 8
};

/* How far inputs were read that keep their place here (a cursor is text, padded with NUL). */
#define LB_INPUT_CURSORS 16
enum { LB_INPUT_ID = 0 /* hash of the input's name; 0: free */, LB_INPUT_CURSOR, LB_INPUT_WORDS = 32 };

/* Words of one service in the slow side's books: pairs of lines and bytes. */
enum {
    LB_BOOK_DELIVERED = 0,
    LB_BOOK_SHED = 2,
    LB_BOOK_REJECTED = 4,
    LB_BOOK_OWN_DELIVERED = 6,
    LB_BOOK_OWN_SHED = 8,
    LB_BOOK_SLOW_WORDS = 10,
};

/* More of them, which format 1 did not have. */
enum {
    LB_MORE_EXPIRED = 0,           /* of what is shed */
    LB_MORE_EARLIER_DELIVERED = 2, /* of earlier boots, from the spool: in no other book of this one */
    LB_MORE_EARLIER_LOST = 4,
    LB_MORE_WORDS = 8
};

/*
 * What was sent, by the slow side: bytes on the wire in the day and in the month that it is, in all (row
 * LB_METER_ALL) and by service. The first row of its own says more: what a byte of text costs.
 */
#define LB_METER_ALL LB_SERVICES_BOOKS
enum {
    LB_METER_DAY = 0, /* id of the day (common/quota.h); 0: the clock was not known */
    LB_METER_DAY_BYTES,
    LB_METER_MONTH,
    LB_METER_MONTH_BYTES,
    LB_METER_WORDS,
    /* of LB_METER_ALL, in a row behind it: */
    LB_METER_BEGIN_NS = 0, /* boot time at which counting began, at least 1; 0: not yet */
    LB_METER_OFFSET_NS,    /* wall time less boot time, as it is held to be; 0: not known */
    LB_METER_TEXT_BYTES, /* of the lines in bodies that were taken, and what those bodies took on the wire: */
    LB_METER_WIRE_BYTES, /* both halved now and then, so that they tell of late */
};
#define LB_METER_MORE (LB_METER_ALL + 1)

/* What the next agent is to know of how this one ended: stored by the main thread, outside of the commits. */
enum { LB_LIFE_STOP = 0 /* enum lb_stop */, LB_LIFE_WORDS = 8 };

/* A row of the slow side's loss table: state, telling number, then a struct lb_receipt. */
enum {
    LB_LOSS_STATE = 0,
    LB_LOSS_TELL,
    LB_LOSS_RECEIPT,
    LB_LOSS_WORDS = LB_LOSS_RECEIPT + (int)LB_RECEIPT_WORDS
};

/*
 * Where the drops of a reason are counted: a region of the fast side's commit and
 * the first of two words of the service's row there.
 */
struct lb_drop_place {
    unsigned region, word;
};

static inline struct lb_drop_place lb_drop_place(uint32_t row, unsigned reason)
{
    if (reason < LB_DROP_COUNT_2)
        return (struct lb_drop_place) { LB_FAST_BOOKS,
                                        row * LB_BOOK_FAST_WORDS + LB_BOOK_DROPPED + 2 * reason };
    return (struct lb_drop_place) { LB_FAST_MORE, row * LB_FAST_MORE_WORDS + LB_FAST_MORE_DROPPED +
                                                      2 * (reason - LB_DROP_COUNT_2) };
}

struct lb_state_name {
    uint64_t len; /* 0: the row is free; stored after text */
    char text[128];
};

struct lb_state_file {
    char magic[8]; /* "LBSTATE" */
    uint64_t format;
    uint64_t bytes;
    uint64_t spare[5];
    struct lb_commit_block fast_block;
    struct lb_commit_block slow_block;
    struct lb_state_name name[LB_SERVICES_BOOKS];
    uint64_t books_fast[LB_SERVICES_BOOKS * LB_BOOK_FAST_WORDS];
    uint64_t books_slow[LB_SERVICES_BOOKS * LB_BOOK_SLOW_WORDS];
    uint64_t told[LB_LOSS_SLOTS];
    uint64_t loss[LB_LOSS_SLOTS * LB_LOSS_WORDS];
    uint64_t books_more[LB_SERVICES_BOOKS * LB_MORE_WORDS];
    uint64_t life[LB_LIFE_WORDS];
    uint64_t more_fast[LB_SERVICES_BOOKS * LB_FAST_MORE_WORDS];
    uint64_t repeats[LB_REPEATS * LB_REPEAT_WORDS];
    uint64_t inputs[LB_INPUT_CURSORS * LB_INPUT_WORDS];
    uint64_t throttle[LB_SERVICES_BOOKS * LB_THROTTLE_WORDS];
    uint64_t patterns[LB_PATTERNS * LB_PATTERN_WORDS];
    uint64_t suppressed[LB_SUPPRESSED * LB_SUPPRESSED_WORDS];
    uint64_t collapse[LB_COLLAPSES * LB_COLLAPSE_WORDS];
    uint64_t meter[(LB_METER_MORE + 1) * LB_METER_WORDS];
};

/* How long the file was in formats 1, 2 and 3. */
#define LB_STATE_BYTES_1 offsetof(struct lb_state_file, books_more)
#define LB_STATE_BYTES_2 offsetof(struct lb_state_file, more_fast)
#define LB_STATE_BYTES_3 offsetof(struct lb_state_file, throttle)

struct lb_state {
    struct lb_mapfile map;
    struct lb_state_file *file;
    struct lb_commit fast;
    struct lb_commit slow;
    bool is_new;
    bool was_damaged; /* a file that was no state file was set aside as state.damaged */
};

/*
 * Open or make the state file and start both commits with its tables as
 * regions. The caller adds its own regions and then recovers both.
 *   apply_range, ctx  for the slow commit, see lb_commit_init()
 *   returns   0 | -ENOSPC | -ENOMEM | other negative errno
 *   calls     before the threads start
 */
int lb_state_open(int dir_fd, bool lock, lb_commit_apply_range apply_range, void *ctx,
                  struct lb_state *ret_state);

/*
 * Close; the file stays.
 *   calls     when both sides have stopped
 */
void lb_state_close(struct lb_state *state);

/*
 * The row of a service in the books, made if need be. When all rows are taken
 * the last one, "(others)", is shared.
 *   name      len bytes, 1..128
 *   returns   0..LB_SERVICES_BOOKS-1
 *   calls     fast side only
 */
uint32_t lb_state_service(struct lb_state *state, const char *name, size_t len);

/*
 * Find a service's row without making one, trying hint first.
 *   returns   a row, or the shared last one
 *   calls     slow side, any reader
 */
uint32_t lb_state_find_service(const struct lb_state *state, const char *name, size_t len, uint32_t hint);

#endif
