/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_TWIN_H
#define LB_OFFLINE_PLAN_TWIN_H

#include "agent/offline/plan_engine.h"

/*
 * What a log would cost without a throttle: a second engine is given all that the first one made of records,
 * to be sent whatever the first one did with them. As long as that was nothing but to send them, too, both
 * send the same: behind a first stretch the twin rests then, what the first one sends counts for both, and it
 * goes on with the first record that gives way.
 */
enum lb_plan_twin_phase { LB_TWIN_BEGINS = 0, LB_TWIN_RESTS, LB_TWIN_GOES_ON };

struct lb_plan_twin {
    struct lb_plan_engine *engine; /* the caller's, set before the first record */

    enum lb_plan_twin_phase phase;
    double wire_bytes, bodies;               /* in all, behind lb_plan_twin_finish() */
    uint64_t first_wire_bytes, first_bodies; /* that the first one had sent when the rest began */
};

/*
 * A record that the first engine has taken just now: first->shaped is what it made of it.
 *   returns   false: it was told on stderr
 *   calls     offline modes, as all of this
 */
bool lb_plan_twin_put(struct lb_plan_twin *twin, const struct lb_plan_engine *first, const char *service,
                      size_t service_len, uint32_t lines, bool is_cut, uint64_t wall_ms);

/*
 * The input has ended, and the first engine is finished: the sums are those of all of it.
 */
void lb_plan_twin_finish(struct lb_plan_twin *twin, const struct lb_plan_engine *first);

#endif
