/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SUMMARY_H
#define LB_SHAPE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"
#include "agent/store/state.h"

/*
 * What the throttle suppressed, by service and pattern, until a summary record
 * tells it: once a minute for each service that has something to tell. The
 * table is under the fast side's commit, so each record is in one summary.
 *
 * A summary counts what was suppressed when it was: a record that is held, and
 * sent later as the context of an error, stands in one as well. What was sent
 * after all is counted beside (`promoted`), so that the difference is what was
 * not sent.
 */
#define LB_SUMMARY_EVERY_NS (60 * 1000000000ull)

/* A record that was suppressed. */
struct lb_suppressed {
    uint32_t service_ix;
    enum lb_drop why; /* LB_DROP_FILTER and later */
    uint64_t pattern; /* 0: not known */
    int severity;
    uint32_t lines;
    uint64_t bytes, now_ns;
};

/*
 * Count it.
 *   template_of  fills buf with the pattern's template (asked only for the first record of a row),
 *                arg goes to it as it is; returns its length
 *   calls        fast side, offline modes, in the turn that holds or drops it; needs room for
 *                LB_SUPPRESSED_WORDS + 8 words
 */
void lb_summary_count(struct lb_commit *commit, const struct lb_suppressed *record,
                      size_t (*template_of)(void *arg, char *buf, size_t size), void *arg);

/*
 * Records that were held were sent after all.
 *   calls        fast side, in the turn that queues them; needs room for 4 words
 */
void lb_summary_promoted(struct lb_commit *commit, uint32_t service_ix, uint64_t lines, uint64_t bytes,
                         uint64_t now_ns);

/*
 * The next service that has a summary to be told.
 *   row          where to go on looking; starts at 0
 *   all          also those whose minute is not over: the agent stops
 *   returns      true, *ret_body filled, *row to be passed to lb_summary_told() | false none is left;
 *                *ret_next_ns is then when the next minute ends, UINT64_MAX: there is nothing to tell
 *   calls        fast side, offline modes
 */
bool lb_summary_next(const struct lb_commit *commit, uint32_t *row, uint64_t now_ns, bool all,
                     struct lb_summary *ret_body, uint64_t *ret_next_ns);

/*
 * Mark what a service had to tell as told, with the fast side's next publish.
 *   calls        fast side, in the turn that puts its summary; needs room for LB_SUPPRESSED + 16 words
 */
void lb_summary_told(struct lb_commit *commit, uint32_t row);

#endif
