/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_COLLAPSE_H
#define LB_SHAPE_COLLAPSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/state.h"

/*
 * Records of a stream that say the same, one after the other: the first is
 * queued, those that follow within the window are counted in a row of
 * LB_FAST_COLLAPSE, and told in one repeat record when another record comes, or
 * the window ends. What is compared is the text without the time stamp in front
 * of it, and the severity.
 *
 * What was said last is private to the stream (a kill forgets it, and one
 * record more is queued); the count is under the commit, and told once. Where
 * all rows have a count, records are queued as they are.
 */
struct lb_collapse {
    uint64_t key;    /* of the stream */
    uint64_t hash;   /* of what was said last; 0: nothing */
    uint64_t due_ns; /* end of the window that began with it */
    bool has_count;  /* a row may count it: another record is to be preceded by what that has to tell */
};

/*
 * One number for what a record says. Never 0.
 *   text      len bytes
 *   calls     any thread; a pure function
 */
uint64_t lb_collapse_hash(const char *text, size_t len, int severity);

/*
 * Is it the same again, within the window, and can it be counted?
 *   key       of the stream, never 0
 *   calls     fast side, offline modes; changes nothing
 */
bool lb_collapse_is_again(const struct lb_collapse *last, const struct lb_commit *commit, uint64_t key,
                          uint64_t hash, uint64_t now_ns);

/*
 * It was queued: the window begins with it.
 *   window_ns  0: nothing is collapsed
 *   calls      fast side, offline modes
 */
void lb_collapse_begin(struct lb_collapse *last, uint64_t key, uint64_t hash, uint64_t window_ns,
                       uint64_t now_ns);

/* A record that was the same again. */
struct lb_collapse_again {
    uint64_t key, hash;
    uint32_t service_ix;
    int severity;
    uint32_t lines;
    uint64_t bytes;
    uint64_t now_ns, due_ns;
    const char *text; /* what is said, for people: its beginning is kept */
    size_t len;
};

/*
 * Count it.
 *   calls      fast side, in the turn that drops it; needs room for LB_COLLAPSE_WORDS
 */
void lb_collapse_count(struct lb_commit *commit, const struct lb_collapse_again *again);

/* A count that is to be told, as a repeat record without a fingerprint. */
struct lb_collapse_due {
    struct lb_repeat body;
    uint32_t service_ix;
    int severity;
};

/*
 * The row of a stream that has a count.
 *   returns    true, *ret_due filled, *ret_row to be passed to lb_collapse_told() | false there is none
 *   calls      fast side, offline modes
 */
bool lb_collapse_of(const struct lb_commit *commit, uint64_t key, uint32_t *ret_row,
                    struct lb_collapse_due *ret_due);

/*
 * The next row whose window is over.
 *   row        where to go on looking; starts at 0
 *   all        also those whose window is not over
 *   returns    as lb_collapse_of(); *ret_next_ns is then when the next window ends, UINT64_MAX: none is open
 *   calls      fast side, offline modes
 */
bool lb_collapse_next(const struct lb_commit *commit, uint32_t *row, uint64_t now_ns, bool all,
                      struct lb_collapse_due *ret_due, uint64_t *ret_next_ns);

/*
 * Mark a row's count as told, with the fast side's next publish.
 *   calls      fast side, in the turn that puts its repeat record
 */
void lb_collapse_told(struct lb_commit *commit, uint32_t row);

#endif
