/* SPDX-License-Identifier: MIT */
/* Dying on demand, for tests. In: a countdown. Out: SIGKILL at the chosen store. Empty in a product build. */
#include "agent/store/killpoint.h"

#ifdef LB_KILLPOINTS
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t left, passed;

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("LOGBOOM_KILL_AT");

    if (text)
        left = strtoull(text, NULL, 10);
}

void lb_killpoint(void)
{
    __atomic_fetch_add(&passed, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&left, __ATOMIC_RELAXED) == 0)
        return;
    if (__atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) == 0)
        kill(getpid(), SIGKILL);
}

uint64_t lb_killpoint_arm(uint64_t countdown)
{
    __atomic_store_n(&left, countdown, __ATOMIC_RELAXED);
    return __atomic_exchange_n(&passed, 0, __ATOMIC_RELAXED);
}
#endif
