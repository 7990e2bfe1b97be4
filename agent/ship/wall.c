/* SPDX-License-Identifier: MIT */
/*
 * Which offset counts. In: readings of the system's clocks, Dates of servers. Out: what is to be added to
 * boot time, and how far that is trusted. Always true: a clock that was synchronised once is never overruled
 * by a Date, and the offset changes only in lb_wall_look() and lb_wall_date().
 *
 * Boot time counts suspend as the wall clock does, and both are slewed alike, so that on Linux the offset
 * between them changes by steps alone: by who sets the clock, or a leap second. What looks like a slew here
 * is a small step, and is followed.
 */
#include "agent/ship/wall.h"

#include "common/clock.h"

/* How far two offsets are apart, whichever is ahead. */
static uint64_t distance(uint64_t a, uint64_t b)
{
    return a - b < b - a ? a - b : b - a;
}

void lb_wall_init(struct lb_wall *wall, uint64_t earliest_wall_ns)
{
    *wall = (struct lb_wall) { .earliest_wall_ns = earliest_wall_ns };
}

uint64_t lb_wall_offset_ns(const struct lb_wall *wall)
{
    if (wall->was_synced)
        return wall->good_offset_ns;
    if (wall->has_date && distance(wall->offset_ns, wall->date_offset_ns) > wall->date_slack_ns)
        return wall->date_offset_ns;
    return wall->offset_ns;
}

enum lb_clock_trust lb_wall_trust(const struct lb_wall *wall, uint64_t stamp_ns)
{
    if (wall->was_synced)
        return stamp_ns >= wall->synced_since_ns ? LB_CLOCK_EXACT : LB_CLOCK_REPAIRED;
    return wall->has_date ? LB_CLOCK_BOUNDED : LB_CLOCK_UNKNOWN;
}

/* Is the time, or the trust in it, another one than it was? */
static bool has_changed(const struct lb_wall *before, const struct lb_wall *after)
{
    return before->was_synced != after->was_synced || before->has_date != after->has_date ||
           distance(lb_wall_offset_ns(before), lb_wall_offset_ns(after)) > LB_WALL_STEP_NS;
}

bool lb_wall_look(struct lb_wall *wall, const struct lb_wall_reading *reading)
{
    const struct lb_wall before = *wall;

    wall->offset_ns = reading->wall_ns - reading->boot_ns;
    wall->is_synced = reading->is_synced;
    if (reading->is_synced && !wall->was_synced) {
        wall->was_synced = true;
        wall->synced_since_ns = wall->has_looked ? reading->boot_ns : 0;
    }
    /* Near the good one it is the good one: it has slewed, or who stepped it has taken that back. */
    if (reading->is_synced || distance(wall->offset_ns, wall->good_offset_ns) <= LB_WALL_STEP_NS)
        wall->good_offset_ns = wall->offset_ns;
    wall->has_looked = true;
    return !before.has_looked || has_changed(&before, wall);
}

bool lb_wall_date(struct lb_wall *wall, uint64_t date_s, uint64_t sent_ns, uint64_t got_ns)
{
    const struct lb_wall before = *wall;
    uint64_t travel_ns = got_ns - sent_ns, offset_ns, slack_ns;

    /* An answer before its request has travelled for centuries, modulo 2^64. */
    if (travel_ns > LB_WALL_TRAVEL_NS || date_s >= UINT64_MAX / LB_NS_PER_S ||
        date_s * LB_NS_PER_S < wall->earliest_wall_ns)
        return false;
    /* It was written at some time between, in some part of that second: the middle of both is off least. */
    offset_ns = date_s * LB_NS_PER_S + LB_NS_PER_S / 2 - (sent_ns + travel_ns / 2);
    slack_ns = (travel_ns + LB_NS_PER_S) / 2;
    if (slack_ns < LB_WALL_AGREES_NS)
        slack_ns = LB_WALL_AGREES_NS;
    if (wall->has_date && slack_ns >= wall->date_slack_ns &&
        distance(offset_ns, wall->date_offset_ns) <= slack_ns)
        return false;
    wall->has_date = true;
    wall->date_offset_ns = offset_ns;
    wall->date_slack_ns = slack_ns;
    return !wall->was_synced && has_changed(&before, wall);
}

bool lb_wall_is_plausible(const struct lb_wall *wall, uint64_t now_boot_ns)
{
    return now_boot_ns + lb_wall_offset_ns(wall) >= wall->earliest_wall_ns;
}

const char *lb_clock_trust_name(enum lb_clock_trust trust)
{
    static const char *const names[LB_CLOCK_TRUST_COUNT] = {
        [LB_CLOCK_EXACT] = "exact",
        [LB_CLOCK_REPAIRED] = "repaired",
        [LB_CLOCK_BOUNDED] = "bounded",
        [LB_CLOCK_UNKNOWN] = "unknown",
    };

    return (unsigned)trust < LB_CLOCK_TRUST_COUNT ? names[trust] : names[LB_CLOCK_UNKNOWN];
}
