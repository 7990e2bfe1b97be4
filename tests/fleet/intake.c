/* SPDX-License-Identifier: MIT */
/* The intake. In: requests, in the order of their times. Out: an answer for each, and when it comes. */
#include "tests/fleet/fleet.h"

void fleet_intake_open(struct fleet_intake *intake, const struct fleet_plan *plan)
{
    *intake = (struct fleet_intake) { .plan = plan, .room = plan->capacity_per_s };
}

static void refill(struct fleet_intake *intake, uint64_t now_ns)
{
    double capacity = intake->plan->capacity_per_s;

    intake->room += capacity * (double)(now_ns - intake->seen_ns) / (double)FLEET_S;
    if (intake->room > capacity)
        intake->room = capacity;
    intake->seen_ns = now_ns;
}

enum fleet_answer fleet_intake_ask(struct fleet_intake *intake, uint64_t now_ns, uint64_t *ret_late_ns)
{
    const struct fleet_plan *plan = intake->plan;

    refill(intake, now_ns);
    *ret_late_ns = 0;
    if (now_ns >= plan->outage_ns && now_ns < plan->up_ns) {
        if (plan->outage == FLEET_HANGS)
            *ret_late_ns = plan->timeout_ns;
        return plan->outage == FLEET_PUTS_OFF ? FLEET_OVERLOADED : FLEET_NOBODY;
    }
    if (intake->room < 1)
        return FLEET_OVERLOADED;
    intake->room -= 1;
    return FLEET_TAKEN;
}
