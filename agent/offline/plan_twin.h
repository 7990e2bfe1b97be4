/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_TWIN_H
#define LB_OFFLINE_PLAN_TWIN_H

#include "agent/offline/plan_engine.h"

/*
 * What a log would cost without a throttle: a second engine, whose twin it is, gets each record that it is
 * asked for. To measure all of a long log would double the price of a plan, so of one service's log only
 * windows are measured behind the first stretch: some bodies, and then records are counted and left out until
 * so many times their bytes, or their time, have passed.
 *
 *     | whole                 | measured | left out ...                | measured | left out ...
 *     |<-- as it is -->|<--- a cycle: scaled by its text / text in bodies -->|
 *
 * What is measured of a cycle stands for that cycle alone, so a log may change over the day. Text is counted
 * of all records, what is estimated is bytes on the wire and bodies.
 */
enum lb_plan_twin_phase { LB_TWIN_WHOLE = 0, LB_TWIN_MEASURED, LB_TWIN_LEFT_OUT };

struct lb_plan_twin {
    /* the caller's, before the first record: */
    struct lb_plan_engine *engine; /* stays the caller's */
    bool is_all_measured;          /* there is more than one service */
    size_t text_room;              /* the longest text there is */

    char *copy; /* of a record's text, which the engine changes */
    enum lb_plan_twin_phase phase;
    unsigned cycles;
    uint64_t skip;              /* of this cycle: so many times what was measured is left out */
    uint64_t begin_ms, took_ms; /* of its window */
    uint64_t text_bytes;        /* of its records */
    /* all cycles that have ended: */
    double wire_bytes, bodies;
    uint64_t all_text_bytes, measured_text_bytes;
};

/*
 * A record as the first engine has masked it: that is the dearest step, and the same for both.
 *   shape, text, len  text stays the caller's, unchanged; what is longer than text_room is cut
 *   returns   false: it was told on stderr
 *   calls     offline modes, as all of this
 */
bool lb_plan_twin_put(struct lb_plan_twin *twin, const char *service, size_t service_len,
                      const struct lb_shape *shape, const char *text, size_t len, bool is_cut,
                      uint64_t wall_ms);

/*
 * The input has ended: the sums are those of all of it.
 */
void lb_plan_twin_finish(struct lb_plan_twin *twin);

/*
 * The share of the text that was measured, 0 to 1.
 */
double lb_plan_twin_measured(const struct lb_plan_twin *twin);

/*
 * Free what is its own.
 */
void lb_plan_twin_free(struct lb_plan_twin *twin);

#endif
