/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_TALLY_H
#define LB_OFFLINE_PLAN_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/shape/pattern.h"
#include "agent/shape/pipeline.h"

/*
 * What became of records, by service and pattern, and by what decided. Both
 * tables are bounded: what comes when they are full is counted in one row of
 * its service, as all others.
 *
 * What is kept has a pattern that nobody asked for, and to find it costs as much
 * as all the steps do. So beyond the first ones of a service it is looked for in
 * one such record in LB_PLAN_PATTERN_IN, which stands for those before it, too.
 * What gave way, and records of several lines, are counted each.
 */
#define LB_PLAN_PATTERNS       4096
#define LB_PLAN_WHYS           128
#define LB_PLAN_PATTERNS_WHOLE 65536 /* records of a service */
#define LB_PLAN_PATTERN_IN     8     /* on average */

enum lb_plan_fate {
    LB_PLAN_KEPT = 0, /* queued at once */
    LB_PLAN_HELD,
    LB_PLAN_SAMPLED, /* held as not one of a sample */
    LB_PLAN_COLLAPSED,
    LB_PLAN_REPEATED,
    LB_PLAN_DROPPED,
    LB_PLAN_FATES
};

struct lb_plan_pattern {
    uint64_t pattern; /* 0: all others of the service */
    uint32_t row;     /* of the books */
    bool is_used;
    uint64_t lines[LB_PLAN_FATES], bytes;
    char template[LB_TEMPLATE_BYTES];
    size_t template_len;
};

/* What decided: the reason, and the key or rule that has it; of the rest of a service by is "". */
struct lb_plan_why {
    uint32_t row;
    enum lb_drop drop;
    char by[64];
    uint64_t lines, bytes;
};

/* Records of a service that were kept, and wait for one whose pattern they count by. */
struct lb_plan_owed {
    uint64_t records; /* so far, with those that were looked at */
    uint32_t waiting; /* a line each */
    uint32_t most;    /* so many wait: the next one is looked at */
};

struct lb_plan_tally {
    struct lb_pattern_memo memo;     /* not the engine's: what that remembers is decided by */
    struct lb_plan_pattern *pattern; /* LB_PLAN_PATTERNS, by hash */
    unsigned patterns;
    struct lb_plan_pattern rest[LB_SERVICES_BOOKS];
    struct lb_plan_owed owed[LB_SERVICES_BOOKS];
    struct lb_plan_why why[LB_PLAN_WHYS];
    unsigned whys;
    struct lb_plan_why why_rest[LB_SERVICES_BOOKS]; /* what found no row */
};

/*
 * Count a record.
 *   out       of the steps, its texts as they were
 *   returns   false: out of memory
 *   calls     offline modes
 */
bool lb_plan_tally_count(struct lb_plan_tally *tally, uint32_t row, const struct lb_shape_output *out,
                         uint64_t lines);

/*
 * Are a service's kept lines counted by some of them?
 *   calls     offline modes
 */
bool lb_plan_tally_is_sampled(const struct lb_plan_tally *tally, uint32_t row);

/*
 * The patterns of a service that have most lines, most first, what is not among them summed up in a last row
 * with pattern 0.
 *   ret_rows  room for max; max above 1
 *   returns   how many
 */
unsigned lb_plan_tally_best(const struct lb_plan_tally *tally, uint32_t row, struct lb_plan_pattern *ret_rows,
                            unsigned max);

/*
 * How many lines a row has.
 */
uint64_t lb_plan_pattern_lines(const struct lb_plan_pattern *pattern);

/*
 * Free all.
 */
void lb_plan_tally_free(struct lb_plan_tally *tally);

#endif
