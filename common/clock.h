/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_CLOCK_H
#define LB_COMMON_CLOCK_H

#include <stdint.h>

#define LB_NS_PER_MS 1000000ull
#define LB_NS_PER_S  1000000000ull

/*
 * Now on the clock that every record is stamped with: CLOCK_BOOTTIME, which
 * counts suspend and never steps (facts/storage.md section 5).
 *   returns  nanoseconds since boot
 *   calls    any thread; each thread reads it once a turn and passes it on
 */
uint64_t lb_clock_boot_ns(void);

/*
 * Now on the wall clock.
 *   returns  nanoseconds since 1970-01-01 UTC
 *   calls    any thread
 */
uint64_t lb_clock_wall_ns(void);

#endif
