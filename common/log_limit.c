/* SPDX-License-Identifier: MIT */
/* The log's own throttle. In: a level and the time. Out: pass or not. Always true: a line that does not pass
 * is counted. */
#include "common/log_limit.h"

#include "common/log.h"

bool lb_log_limit_admit(struct lb_log_limit *limit, enum lb_level level, uint64_t now_ms, uint64_t *ret_held)
{
    bool is_grave = level <= LB_LEVEL_WARNING;
    uint32_t most = is_grave ? 4 * LB_LOG_BURST : LB_LOG_BURST;
    uint64_t end_ms = atomic_load(&limit->window_end_ms);

    if (now_ms >= end_ms &&
        atomic_compare_exchange_strong(&limit->window_end_ms, &end_ms, now_ms + LB_LOG_WINDOW_MS)) {
        atomic_store(&limit->passed[0], 0);
        atomic_store(&limit->passed[1], 0);
    }
    /* Read before counting up: lines without end must not carry the count around to 0. */
    if (atomic_load(&limit->passed[is_grave]) >= most ||
        atomic_fetch_add(&limit->passed[is_grave], 1) >= most) {
        lb_log_limit_hold(limit, 1);
        return false;
    }
    *ret_held = atomic_exchange(&limit->held, 0);
    return true;
}

void lb_log_limit_hold(struct lb_log_limit *limit, uint64_t lines)
{
    atomic_fetch_add(&limit->held, lines);
}
