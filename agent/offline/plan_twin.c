/* SPDX-License-Identifier: MIT */
/*
 * What a log costs without a throttle. In: what a first engine made of records. Out: bytes on the wire, and
 * bodies. Always true: a record is counted by one of both engines, by the first one only where it sent it.
 */
#include "agent/offline/plan_twin.h"

#define FIRST_BODIES 256 /* before a rest: where it ends less than a body is missed */

static void count(struct lb_plan_twin *twin, const struct lb_plan_sent *sent)
{
    twin->wire_bytes += (double)sent->wire_bytes;
    twin->bodies += (double)sent->bodies;
}

static void begin_rest(struct lb_plan_twin *twin, const struct lb_plan_engine *first)
{
    count(twin, &twin->engine->sent);
    twin->first_wire_bytes = first->sent.wire_bytes;
    twin->first_bodies = first->sent.bodies;
    twin->phase = LB_TWIN_RESTS;
}

static void count_rest(struct lb_plan_twin *twin, const struct lb_plan_engine *first)
{
    twin->wire_bytes += (double)(first->sent.wire_bytes - twin->first_wire_bytes);
    twin->bodies += (double)(first->sent.bodies - twin->first_bodies);
}

bool lb_plan_twin_put(struct lb_plan_twin *twin, const struct lb_plan_engine *first, const char *service,
                      size_t service_len, uint32_t lines, bool is_cut, uint64_t wall_ms)
{
    if (twin->phase == LB_TWIN_BEGINS && first->has_given_way)
        twin->phase = LB_TWIN_GOES_ON;
    if (twin->phase == LB_TWIN_BEGINS && twin->engine->sent.bodies >= FIRST_BODIES && !first->has_budget)
        begin_rest(twin, first);
    if (twin->phase == LB_TWIN_RESTS && first->has_given_way) {
        count_rest(twin, first);
        lb_plan_engine_begin_anew(twin->engine, wall_ms);
        twin->phase = LB_TWIN_GOES_ON;
    }
    return twin->phase == LB_TWIN_RESTS || lb_plan_engine_put_again(twin->engine, service, service_len,
                                                                    &first->shaped, lines, is_cut, wall_ms);
}

void lb_plan_twin_finish(struct lb_plan_twin *twin, const struct lb_plan_engine *first)
{
    if (twin->phase == LB_TWIN_RESTS) {
        count_rest(twin, first);
        return;
    }
    lb_plan_engine_finish(twin->engine);
    count(twin, &twin->engine->sent);
}
