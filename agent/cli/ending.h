/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_ENDING_H
#define LB_CLI_ENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* How a command ended, and what it cost. */
struct lb_ending {
    uint64_t started_ns; /* CLOCK_BOOTTIME */
    uint64_t ended_ns;
    uint64_t cpu_us;       /* user and system, with the children that it waited for */
    uint64_t peak_rss_kib; /* of the largest of them */
    int code;              /* exit code, or the signal's number */
    bool is_signalled;
    bool has_core;
    bool is_oom; /* the kernel's OOM killer did it */
};

/*
 * Take what wait4(2) said.
 *   calls    a pure function; leaves the times and is_oom as they are
 */
void lb_ending_take(struct lb_ending *ending, int status, const struct rusage *usage);

/*
 * The exit code that a shell would show: the command's own, 128 + N after signal N.
 */
int lb_ending_exit_code(const struct lb_ending *ending);

/*
 * The cgroup (version 2) in what /proc/self/cgroup says.
 *   text      len bytes
 *   path      room for size bytes; ends in NUL, begins with '/'; touched only on success
 *   returns   true | false there is none, or it is too long
 *   calls     a pure function
 */
bool lb_ending_find_cgroup(const char *text, size_t len, char *path, size_t size);

/*
 * How many processes the OOM killer has killed, as memory.events and /proc/vmstat tell it ("oom_kill N").
 *   text       len bytes
 *   ret_kills  touched only on success
 *   returns    true | false no such line, or no number in it
 *   calls      a pure function
 */
bool lb_ending_read_oom_kills(const char *text, size_t len, uint64_t *ret_kills);

/*
 * Whom the OOM killer killed the kernel tells in numbers only, so they are
 * compared: those of our own cgroup, which the command shares, where the
 * memory controller is on. Else those of the whole machine, and a command that
 * died of SIGKILL in whose lifetime the OOM killer was at work is taken for a
 * victim of it.
 */
struct lb_oom_watch {
    char path[512]; /* the file that counts; "": there is none */
    uint64_t kills; /* when the watch began */
};

/*
 * Begin to watch, before the command is started.
 *   calls    the program's one thread; reads /proc and /sys
 */
void lb_oom_watch_begin(struct lb_oom_watch *watch);

/*
 * Has the OOM killer been at work since?
 */
bool lb_oom_watch_has_killed(const struct lb_oom_watch *watch);

#endif
