/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_FOLLOW_H
#define LB_OFFLINE_TOP_FOLLOW_H

#include "agent/offline/ring_reader.h"
#include "agent/offline/top_patterns.h"
#include "agent/shape/pattern.h"

/*
 * Following an agent's ring and held pool for the patterns of what is in them.
 * Bounded: a look takes so many records, and what came beside them is passed
 * over, so that a loud service costs the device no more by being watched. The
 * agent only hands the descriptors over.
 */
#define LB_TOP_LOOK_QUEUED 5000u
#define LB_TOP_LOOK_HELD   2000u

struct lb_top_follow {
    struct lb_top_patterns *patterns;
    struct lb_ring_reader reader;
    bool is_open;
    struct lb_pattern_memo memo;
};

/*
 * Get the agent's rings and begin behind what is in them now. Rings that were open are let go.
 *   follow   patterns is set
 *   returns  0 | negative errno as lb_ring_reader_open()
 *   calls    one thread, as all here; waits for the agent for a second at most
 */
int lb_top_follow_open(struct lb_top_follow *follow);

/*
 * Count what came since the last look.
 *   seconds  that it was since then, above 0
 *   came     of count services, since then
 */
void lb_top_follow_look(struct lb_top_follow *follow, double seconds, const struct lb_top_came *came,
                        unsigned count);

/*
 * What came meanwhile is not looked at: go on from here.
 */
void lb_top_follow_skip(struct lb_top_follow *follow);

/*
 * Let go of the rings.
 */
void lb_top_follow_close(struct lb_top_follow *follow);

#endif
