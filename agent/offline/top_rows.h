/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_ROWS_H
#define LB_OFFLINE_TOP_ROWS_H

#include "agent/offline/top_keys.h"
#include "agent/offline/top_patterns.h"
#include "agent/offline/top_status.h"

/* One service between two looks. Rates are a second, below 0 where they are not known. */
struct lb_top_row {
    const struct lb_top_book *book;
    double lines_s, bytes_s, delivered_s;
    double suppressed_s; /* that were held or dropped on purpose, less those that were sent after all */
};

/*
 * A service's rates.
 *   before    its book then; NULL: it had none, and all came since
 *   seconds   between the two; 0: rates are not known
 *   calls     any thread; a pure function, as is lb_top_rows()
 */
struct lb_top_row lb_top_row_of(const struct lb_top_book *now, const struct lb_top_book *before,
                                double seconds);

/*
 * How long it was from one status to another, by the agent's own clock.
 *   before   NULL gives 0
 */
double lb_top_seconds_between(const struct lb_top_status *before, const struct lb_top_status *now);

/*
 * The rows to be shown, in order: the largest first, names from a to z. Not those that no line came from, as
 * logboom's own.
 *   filter   "" for all; else only services whose name has it in it, upper or lower case
 *   rows     room for LB_TOP_SERVICES
 *   returns  how many
 */
unsigned lb_top_rows(const struct lb_top_status *now, const struct lb_top_status *before,
                     enum lb_top_sort sort, const char *filter, struct lb_top_row *rows);

/*
 * What came of each service between two looks.
 *   before   NULL: nothing is known
 *   came     room for LB_TOP_SERVICES; the names are those of now
 *   returns  how many
 *   calls    any thread; a pure function
 */
unsigned lb_top_rows_came(const struct lb_top_status *now, const struct lb_top_status *before,
                          struct lb_top_came *came);

#endif
