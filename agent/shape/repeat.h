/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_REPEAT_H
#define LB_SHAPE_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/record.h"
#include "agent/store/state.h"

/*
 * Errors that come again. The first one with a fingerprint is queued whole;
 * those that follow within the window are counted, and told in one repeat record
 * when it ends. The table is LB_REPEATS rows under the fast side's commit
 * (agent/store/state.h), so a count survives a kill and is told once.
 *
 *     free ── seen ──▶ open ── count, count ... window ends ──▶ told ──▶ quiet ── seen ──▶ open
 *
 * A row stays, quiet, until another error needs it: as long as it is there, the
 * error is not new. The one that was seen longest ago goes first, and never one
 * with an untold count.
 */
enum lb_repeat_verdict {
    LB_REPEAT_NEW = 0, /* not in the table */
    LB_REPEAT_AGAIN,   /* known, and its window is over */
    LB_REPEAT_FOLD     /* within the window of one that was queued */
};

/*
 * What becomes of an error?
 *   service_ix   row of the service in the books
 *   window_ns    0: none is folded
 *   calls        fast side, offline modes; changes nothing
 */
enum lb_repeat_verdict lb_repeat_look(const struct lb_commit *commit, uint32_t service_ix,
                                      uint64_t fingerprint, uint64_t window_ns, uint64_t now_ns);

/*
 * An error was queued whole: its window begins.
 *   name         of the error or program, name_len bytes, cut at LB_OWN_NAME_BYTES
 *   calls        fast side, in the turn that queued it; needs room for 2 * LB_REPEAT_WORDS in the commit
 */
void lb_repeat_seen(struct lb_commit *commit, uint32_t service_ix, uint64_t fingerprint, unsigned severity,
                    const char *name, size_t name_len, uint64_t now_ns);

/*
 * An error was folded: it is counted.
 *   calls        fast side, in the turn that drops it
 */
void lb_repeat_count(struct lb_commit *commit, uint32_t service_ix, uint64_t fingerprint, uint32_t lines,
                     uint64_t bytes, uint64_t now_ns);

/* A count that is to be told. */
struct lb_repeat_due {
    struct lb_repeat body;
    uint32_t service_ix;
    unsigned severity;
};

/*
 * The next row whose window is over and whose count is not told.
 *   row          where to go on looking; starts at 0
 *   window_ns    of a service, by its row in the books; arg goes to it as it is
 *   all          also those whose window is not over: the agent stops
 *   returns      true, *ret_due filled, *row to be passed to lb_repeat_told() | false none is left;
 *                *ret_next_ns is then when the next window ends, UINT64_MAX: none is open
 *   calls        fast side
 */
bool lb_repeat_next(const struct lb_commit *commit, uint32_t *row,
                    uint64_t (*window_ns)(void *arg, uint32_t service_ix), void *arg, uint64_t now_ns,
                    bool all, struct lb_repeat_due *ret_due, uint64_t *ret_next_ns);

/*
 * Mark a row's count as told, with the fast side's next publish.
 *   calls        fast side, in the turn that puts its repeat record
 */
void lb_repeat_told(struct lb_commit *commit, uint32_t row);

#endif
