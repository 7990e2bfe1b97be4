/* SPDX-License-Identifier: MIT */
/* What the process asks of the kernel and of its C library at start. In: nothing. Out: limits and habits. */
#include "agent/control/process.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define HEAP_BLOCK_MAX (64 * 1024)

/* No core file, no ptrace by others of our user: the key and unredacted bytes are in here. Descriptors as
 * many as we may. */
void lb_process_harden(void)
{
    struct rlimit limit = { 0, 0 };

    setrlimit(RLIMIT_CORE, &limit);
    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
}

/*
 * glibc's heap, for few long-lived blocks: large ones are mapped on their own, so that room which is never
 * used stays untouched and room that is freed goes back; and no second heap for a thread that allocates
 * little.
 */
void lb_process_tame_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_MAX);
    mallopt(M_TRIM_THRESHOLD, HEAP_BLOCK_MAX);
    mallopt(M_ARENA_MAX, 1);
}
