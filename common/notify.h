/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_NOTIFY_H
#define LB_COMMON_NOTIFY_H

#include <stdint.h>

/*
 * Tell the service manager something, as sd_notify(3) does: one datagram to
 * $NOTIFY_SOCKET, or nothing where that is not set.
 *   state    "READY=1", "STOPPING=1", several parted by newlines
 *   errors   none: a manager that does not listen is not our concern
 *   calls    any thread; never blocks
 */
void lb_notify(const char *state);

/*
 * How often the manager wants a sign of life, half of $WATCHDOG_USEC.
 *   returns  nanoseconds | 0 it wants none
 *   calls    main thread
 */
uint64_t lb_notify_watchdog_ns(void);

#endif
