/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_CLOCK_H
#define LB_OFFLINE_PLAN_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/line_time.h"

/*
 * When the records of a log happened, by the stamps that they bear. Always true:
 * the clock never runs back, a stamp that nothing else in the log agrees with
 * changes nothing, and each period of the log takes the time that it took.
 *
 * A stamp within a minute of the clock moves it at once. One further ahead waits
 * for others that agree with it: so may the time of a record, until some more
 * have come.
 *
 *     record ─▶ lb_plan_clock_add() ─▶ lb_plan_clock_take() until it is false ─▶ the next record
 *     no more records ─▶ lb_plan_clock_decide() ─▶ lb_plan_clock_take() until it is false
 *
 * Stamps of several kinds are brought together to the quarter of an hour, which
 * is what zones differ by. A record without a stamp has the time of the one
 * before it, those before the first stamp have that of the first; in a log that
 * has none, or none for long, records come at a rate.
 */
#define LB_PLAN_CLOCK_WAITS 64 /* records at most that wait for their time */

struct lb_plan_clock_wait {
    struct lb_line_time said;
    int64_t ms;    /* what the stamp comes to, and in the end when the record happened */
    bool is_ahead; /* so far that others must agree */
    bool is_own;   /* ms is in the log's own time: without shift_ms */
};

struct lb_plan_clock {
    int64_t now_ms, start_ms; /* start: of a log whose stamps tell no date */
    double gap_ms, gap_rest;  /* from record to record where there is no stamp; less than 1 ms of it */
    bool has_begun, is_timeless;
    bool is_known[LB_LINE_TIME_KINDS];
    int64_t offset_ms[LB_LINE_TIME_KINDS]; /* what a kind's stamps lie before the clock */
    int64_t shift_ms;                      /* the same of all kinds, since the log went back in time */
    unsigned untimed;                      /* records in a row without a stamp */
    struct {
        unsigned count;
        int64_t first_ms, last_ms;
    } back; /* stamps in a row that lie before the clock, and agree with each other */
    uint64_t timed;
    struct lb_plan_clock_wait wait[LB_PLAN_CLOCK_WAITS];
    unsigned waits, known, aheads; /* known: of the first ones it is decided when they happened */
};

/*
 * Begin.
 *   wall_ms   now, since 1970: for stamps without a year, or without a date
 *   gap_ms    from record to record where there are no stamps
 *   calls     offline modes, as all of this; no allocation, no clock of its own
 */
void lb_plan_clock_begin(struct lb_plan_clock *clock, uint64_t wall_ms, double gap_ms);

/*
 * A record came, and its stamp. All whose time is known are taken before.
 */
void lb_plan_clock_add(struct lb_plan_clock *clock, struct lb_line_time said);

/*
 * When the first record happened that was not taken yet.
 *   returns   false: more records must come, or be decided for
 */
bool lb_plan_clock_take(struct lb_plan_clock *clock, uint64_t *ret_ms);

/*
 * Decide for all that wait, by what is known so far.
 */
void lb_plan_clock_decide(struct lb_plan_clock *clock);

/*
 * How many records bore a stamp that was believed.
 */
uint64_t lb_plan_clock_timed(const struct lb_plan_clock *clock);

#endif
