/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LOG_LIMIT_H
#define LB_COMMON_LOG_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/level.h"

/*
 * How many lines of the program's own log may pass: LB_LOG_BURST in a window
 * of ten seconds below warning, four times as many at or above, each counted
 * by itself, so that chatter cannot silence an error. A window begins with the
 * first line after the last one ended. All zero is the start.
 */
#define LB_LOG_WINDOW_MS 10000

struct lb_log_limit {
    _Atomic uint64_t window_end_ms;
    _Atomic uint32_t passed[2]; /* below warning, at or above */
    _Atomic uint64_t held;      /* not yet told */
};

/*
 * May this line pass? One that may not is counted as held.
 *   now_ms    of a clock that does not step back
 *   ret_held  if it may: how many were held since the last time this was told, and are told now
 *   calls     any thread; takes no lock. Two threads at the very turn of a window may let through
 *             one line more or less than the bound
 */
bool lb_log_limit_admit(struct lb_log_limit *limit, enum lb_level level, uint64_t now_ms, uint64_t *ret_held);

/*
 * Count lines as held that had passed, but could not be written.
 *   calls     any thread; takes no lock
 */
void lb_log_limit_hold(struct lb_log_limit *limit, uint64_t lines);

#endif
