/* SPDX-License-Identifier: MIT */
/*
 * The two clocks of the program, and the word for one of them. In: nothing. Out: nanoseconds; yes or no. Only
 * the thread loops call these.
 */
#include "common/clock.h"

#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define TIMESYNCD_MARK "/run/systemd/timesync/synchronized" /* systemd-timesyncd.service(8) */

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

bool lb_clock_is_synced(void)
{
    struct timex clock = { .modes = 0 }; /* only look */
    int state = adjtimex(&clock);

    if (state < 0) /* EPERM or ENOSYS of a seccomp filter: nothing else can fail here */
        return access(TIMESYNCD_MARK, F_OK) == 0;
    return state != TIME_ERROR && !(clock.status & STA_UNSYNC);
}
