/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_CLOCK_H
#define LB_COMMON_CLOCK_H

#include <stdbool.h>
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

/*
 * Does somebody discipline the wall clock? The kernel's word (adjtimex(2),
 * changes nothing): chrony, ntpd and timesyncd tell it when they have set the
 * clock, and it takes that back when the clock is set by hand, or was left
 * alone for so long that it may be off by 16 s. Where the kernel may not be
 * asked (ProtectClock= of systemd forbids adjtimex() altogether), the file that
 * systemd-timesyncd makes once it has set the clock since boot: other daemons
 * make none, and it is not taken back.
 *   returns  true: yes; false: no, or there is no way to know
 *   calls    any thread; does not block
 */
bool lb_clock_is_synced(void);

#endif
