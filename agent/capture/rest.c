/* SPDX-License-Identifier: MIT */
/* Resting. In: what the pipes gave, and when. Out: whether to leave them alone for a while. No clock, no
 * descriptor. */
#include "agent/capture/rest.h"

void lb_rest_took(struct lb_rest *rest, struct lb_pace *pace, uint64_t bytes, uint64_t pipe_bytes,
                  uint64_t now_ns)
{
    uint64_t little = pipe_bytes / 4 < LB_REST_BYTES ? pipe_bytes / 4 : LB_REST_BYTES;

    /* Over a whole rest's time: a reader that is quick finds little at each look, however fast the writer. */
    if (now_ns - pace->since_ns >= LB_REST_NS) {
        pace->since_ns = now_ns;
        pace->bytes = 0;
    }
    pace->bytes += bytes;
    if (pace->bytes > little)
        rest->busy_until_ns = now_ns + LB_REST_BUSY_NS;
}

bool lb_rest_begins(struct lb_rest *rest, uint64_t now_ns)
{
    bool is_frequent = rest->is_resting || (rest->look_ns && now_ns - rest->look_ns <= LB_REST_NS);

    rest->look_ns = now_ns;
    rest->is_resting = is_frequent && now_ns >= rest->busy_until_ns;
    return rest->is_resting;
}

void lb_rest_ends(struct lb_rest *rest)
{
    rest->is_resting = false;
}
