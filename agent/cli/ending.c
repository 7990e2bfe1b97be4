/* SPDX-License-Identifier: MIT */
/*
 * How a command ended. In: what wait4(2) and the kernel's counters say. Out:
 * struct lb_ending. Always true: what the kernel does not tell is not guessed
 * at, it is no OOM kill then.
 */
#include "agent/cli/ending.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/cli/cli.h"
#include "common/read_file.h"

#define US_PER_S    1000000ull
#define COUNTER_MAX 16384 /* bytes of /proc/vmstat: it has 4 to 6 KiB today */
#define CGROUP_MAX  8192

static uint64_t us_of(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * US_PER_S + (uint64_t)time->tv_usec;
}

void lb_ending_take(struct lb_ending *ending, int status, const struct rusage *usage)
{
    ending->is_signalled = WIFSIGNALED(status);
    ending->has_core = ending->is_signalled && WCOREDUMP(status);
    ending->code = ending->is_signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    ending->cpu_us = us_of(&usage->ru_utime) + us_of(&usage->ru_stime);
    ending->peak_rss_kib = usage->ru_maxrss > 0 ? (uint64_t)usage->ru_maxrss : 0;
}

int lb_ending_exit_code(const struct lb_ending *ending)
{
    return ending->is_signalled ? LB_EXIT_SIGNAL + ending->code : ending->code;
}

/* The rest of the first line that begins so. NULL: there is none */
static const char *find_line(const char *text, size_t len, const char *begin, size_t *ret_len)
{
    const char *end = text + len;
    size_t begin_len = strlen(begin);

    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        const char *stop = lf ? lf : end;

        if ((size_t)(stop - text) >= begin_len && memcmp(text, begin, begin_len) == 0) {
            *ret_len = (size_t)(stop - text) - begin_len;
            return text + begin_len;
        }
        text = lf ? lf + 1 : end;
    }
    return NULL;
}

bool lb_ending_find_cgroup(const char *text, size_t len, char *path, size_t size)
{
    size_t path_len;
    const char *found = find_line(text, len, "0::", &path_len);

    if (!found || path_len == 0 || found[0] != '/' || path_len >= size || memchr(found, '\0', path_len))
        return false;
    memcpy(path, found, path_len);
    path[path_len] = '\0';
    return true;
}

bool lb_ending_read_oom_kills(const char *text, size_t len, uint64_t *ret_kills)
{
    uint64_t kills = 0;
    size_t digits;
    const char *found = find_line(text, len, "oom_kill ", &digits);

    if (!found || digits == 0 || digits > 19) /* as many always fit into 64 bits */
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (found[i] < '0' || found[i] > '9')
            return false;
        kills = kills * 10 + (uint64_t)(found[i] - '0');
    }
    *ret_kills = kills;
    return true;
}

static bool count_kills(const char *path, uint64_t *ret_kills)
{
    char text[COUNTER_MAX];
    size_t len;

    return lb_read_file(path, text, sizeof text, &len) == 0 && lb_ending_read_oom_kills(text, len, ret_kills);
}

void lb_oom_watch_begin(struct lb_oom_watch *watch)
{
    char text[CGROUP_MAX], cgroup[sizeof watch->path / 2];
    size_t len;

    watch->path[0] = '\0';
    if (lb_read_file("/proc/self/cgroup", text, sizeof text, &len) == 0 &&
        lb_ending_find_cgroup(text, len, cgroup, sizeof cgroup))
        snprintf(watch->path, sizeof watch->path, "/sys/fs/cgroup%s/memory.events", cgroup);
    if (watch->path[0] != '\0' && count_kills(watch->path, &watch->kills))
        return;
    strcpy(watch->path, "/proc/vmstat");
    if (!count_kills(watch->path, &watch->kills))
        watch->path[0] = '\0';
}

bool lb_oom_watch_has_killed(const struct lb_oom_watch *watch)
{
    uint64_t kills;

    return watch->path[0] != '\0' && count_kills(watch->path, &kills) && kills > watch->kills;
}
