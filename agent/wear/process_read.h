/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_PROCESS_READ_H
#define LB_WEAR_PROCESS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/wear/view.h"

/* What /proc tells of one process. Its files are text of the kernel's, but nothing here trusts them. */

/* /proc/PID/io: counters since the process began, with those of the children that it waited for. */
struct lb_process_io {
    uint64_t read_chars, written_chars; /* by system calls, of anything; they only tell processes apart */
    uint64_t dirtied_bytes;             /* write_bytes: pages that became dirty */
    uint64_t cancelled_bytes;           /* pages that it dropped before they were written */
};

/* /proc/PID/stat. A process is its pid and when it started: pids are used again. */
struct lb_process_stat {
    char name[LB_WEAR_NAME]; /* any bytes but NUL, cut; of the kernel's workers the kind alone, "kworker" */
    int parent;
    bool is_kernel;         /* a thread of the kernel: no files, no unit */
    uint64_t started_ticks; /* since the machine started, of sysconf(_SC_CLK_TCK) */
};

/*
 * Read a small file below a directory.
 *   buf       room for size bytes; ends in NUL, the rest of a longer file is left out
 *   returns   bytes read | negative errno of openat, read; -ESRCH, -ENOENT: the process is gone
 *   calls     the sampler's thread, as all of these; /proc is memory, but a process in exec holds its files
 */
ssize_t lb_process_read(int dir, const char *path, char *buf, size_t size);

/*
 * Read a process' counters.
 *   dir, path "/proc" and "PID/io", or "/proc/PID" and "io"
 *   returns   0 | -EACCES, -EPERM not ours to read | -EINVAL it says something else | as lb_process_read()
 */
int lb_process_read_io(int dir, const char *path, struct lb_process_io *ret_io);

/*
 * Read who a process is.
 *   dir       "/proc/PID"
 *   returns   as above
 */
int lb_process_read_stat(int dir, struct lb_process_stat *ret_stat);

/*
 * Read a process' systemd unit, with its suffix: "cron.service", "session-3.scope".
 *   dir       "/proc/PID"
 *   unit      is set; "" in none, or it cannot be read
 */
void lb_process_read_unit(int dir, char unit[LB_WEAR_UNIT]);

#endif
