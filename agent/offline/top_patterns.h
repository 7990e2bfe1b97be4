/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_PATTERNS_H
#define LB_OFFLINE_TOP_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The patterns that were seen lately, by service, with their rates. A table of
 * fixed size: where it is full, the pattern that came least of late gives way.
 *
 * Time passes in looks. What a look sees counts for the seconds that it
 * covers; rates are over the looks of the last LB_TOP_WINDOW_S seconds. A look
 * that could not see everything says which share it saw, and what it saw is
 * multiplied up, service by service to no more than what came of each: of one
 * that is loud little is seen, of its quiet neighbours all.
 */
#define LB_TOP_PATTERNS  1024
#define LB_TOP_LOOKS     16
#define LB_TOP_WINDOW_S  10.0
#define LB_TOP_TEMPLATE  256
#define LB_TOP_ROWS_BEST 128 /* of the table, that can be shown */

struct lb_top_patterns;

/* What came of a service since the last look, by the agent's books, in lines. */
struct lb_top_came {
    const char *service; /* NUL-terminated */
    double queued, held;
};

/* One of them, to be shown. */
struct lb_top_pattern {
    const char *service, *template; /* the table's; valid until the next look */
    unsigned service_len, template_len;
    double lines_s; /* queued and held */
    double held_s;
    uint64_t total; /* that were seen since the table was made, or since it came into it */
};

/*
 * Make an empty table.
 *   returns  it; free with lb_top_patterns_free() | NULL out of memory
 */
struct lb_top_patterns *lb_top_patterns_make(void);

/*
 * Free it, or do nothing with NULL.
 */
void lb_top_patterns_free(struct lb_top_patterns *patterns);

/*
 * Forget the window, not the patterns: what comes next has nothing to do with it.
 */
void lb_top_patterns_restart(struct lb_top_patterns *patterns);

/*
 * Begin a look.
 *   seconds   that it covers, above 0
 */
void lb_top_patterns_begin(struct lb_top_patterns *patterns, double seconds);

/*
 * A record was seen.
 *   id        of its pattern (agent/shape/pattern.h)
 *   text      its text, from which the template is made when the pattern is new
 */
void lb_top_patterns_see(struct lb_top_patterns *patterns, const char *service, size_t service_len,
                         uint64_t id, const char *text, size_t len, bool is_held);

/*
 * End the look.
 *   queued_share, held_share  of what there was, that it saw: above 0, 1 for all
 *   came      of count services; of others it is not known
 */
void lb_top_patterns_end(struct lb_top_patterns *patterns, double queued_share, double held_share,
                         const struct lb_top_came *came, unsigned count);

/*
 * Over how many seconds the rates are; 0: there was no look yet.
 */
double lb_top_patterns_window(const struct lb_top_patterns *patterns);

/*
 * The least share that a look of the window saw; 1: all was seen.
 */
double lb_top_patterns_share(const struct lb_top_patterns *patterns);

/*
 * Those that came most, the most frequent first; then those that did not come
 * within the window, by how often they came before.
 *   filter    "" for all; else only those whose service or template has it in it, upper or lower case
 *   rows      room for max
 *   returns   how many
 */
unsigned lb_top_patterns_best(struct lb_top_patterns *patterns, const char *filter,
                              struct lb_top_pattern *rows, unsigned max);

#endif
