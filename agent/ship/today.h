/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_TODAY_H
#define LB_SHIP_TODAY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/ship/wall.h"

/*
 * What of a counter came today: since midnight UTC, or since the agent's start
 * where that was later. It is looked at once a turn, and needs to know only the
 * counter itself. Where the clock is not known there is no day; what was counted
 * until it is known belongs to the day on which it is. Pure.
 */
struct lb_today {
    uint64_t day;    /* since 1970; has_day */
    uint64_t before; /* what the counter was when it began */
    uint64_t seen;   /* and at the last look */
    bool has_day;
};

/*
 * Look at the counter; at most a turn apart, midnight then is where it belongs.
 *   total    what it is now
 *   now_ns   boot time
 *   calls    slow side
 */
void lb_today_look(struct lb_today *today, uint64_t total, const struct lb_wall *wall, uint64_t now_ns);

/*
 * What came today.
 *   total    what the counter is now
 *   returns  false: nobody knows what day it is
 *   calls    slow side
 */
bool lb_today_count(const struct lb_today *today, uint64_t total, const struct lb_wall *wall, uint64_t now_ns,
                    uint64_t *ret_count);

#endif
