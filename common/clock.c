/* SPDX-License-Identifier: MIT */
/* The two clocks of the program. In: nothing. Out: nanoseconds. Only the thread loops call these. */
#include "common/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec ts;

    if (clock_gettime(id, &ts) != 0)
        return 0; /* cannot happen on Linux >= 2.6.39, which has both clocks */
    return (uint64_t)ts.tv_sec * LB_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t lb_clock_boot_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

uint64_t lb_clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}
