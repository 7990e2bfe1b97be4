/* SPDX-License-Identifier: MIT */
/* A counter by the day. In: what it is, and what time it is held to be. Out: what of it is today's. Always
 * true: today's is never more than all. */
#include "agent/ship/today.h"

#define DAY_NS (86400 * 1000000000ull)

static bool day_of(const struct lb_wall *wall, uint64_t now_ns, uint64_t *ret_day)
{
    if (lb_wall_trust(wall, now_ns) == LB_CLOCK_UNKNOWN)
        return false;
    *ret_day = (now_ns + lb_wall_offset_ns(wall)) / DAY_NS;
    return true;
}

void lb_today_look(struct lb_today *today, uint64_t total, const struct lb_wall *wall, uint64_t now_ns)
{
    uint64_t day;

    if (!day_of(wall, now_ns, &day))
        return;
    if (today->has_day && day != today->day)
        today->before = today->seen;
    today->has_day = true;
    today->day = day;
    today->seen = total;
}

bool lb_today_count(const struct lb_today *today, uint64_t total, const struct lb_wall *wall, uint64_t now_ns,
                    uint64_t *ret_count)
{
    uint64_t day;

    if (!day_of(wall, now_ns, &day))
        return false;
    *ret_count = total - (today->has_day && day != today->day ? today->seen : today->before);
    return true;
}
