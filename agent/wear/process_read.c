/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells of one process. In: its files. Out: counters, names. Always true: what does not look like
 * the kernel's text is an error, never a number.
 */
#include "agent/wear/process_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IO_BYTES      512
#define STAT_BYTES    1024
#define CGROUP_BYTES  8192        /* a line for each hierarchy of version 1, and long paths */
#define KERNEL_THREAD 0x00200000u /* PF_KTHREAD among the flags */

ssize_t lb_process_read(int dir, const char *path, char *buf, size_t size)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got;

    buf[0] = '\0';
    if (fd < 0)
        return -errno;
    do
        got = read(fd, buf, size - 1);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        got = -errno;
    close(fd);
    buf[got > 0 ? got : 0] = '\0';
    return got;
}

/* A number that begins here, and nothing but a blank or the end behind it. */
static bool read_number(const char *at, uint64_t *ret_number)
{
    char *end;

    if (*at < '0' || *at > '9')
        return false;
    errno = 0;
    *ret_number = strtoull(at, &end, 10);
    return errno == 0 && (*end == ' ' || *end == '\n' || *end == '\0');
}

/* ---- io ---- */

int lb_process_read_io(int dir, const char *path, struct lb_process_io *ret_io)
{
    struct lb_process_io io = { 0 };
    const struct {
        const char *key;
        uint64_t *number;
    } wanted[] = { { "rchar: ", &io.read_chars },
                   { "wchar: ", &io.written_chars },
                   { "write_bytes: ", &io.dirtied_bytes },
                   { "cancelled_write_bytes: ", &io.cancelled_bytes } };
    const size_t all = sizeof wanted / sizeof wanted[0];
    char text[IO_BYTES];
    ssize_t len = lb_process_read(dir, path, text, sizeof text);
    size_t found = 0;

    if (len < 0)
        return (int)len;
    for (const char *line = text; found < all && *line != '\0'; line = strchrnul(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, wanted[found].key, strlen(wanted[found].key)) != 0)
            continue;
        if (!read_number(line + strlen(wanted[found].key), wanted[found].number))
            return -EINVAL;
        found++; /* they stand in this order */
    }
    if (found < all)
        return -EINVAL;
    *ret_io = io;
    return 0;
}

/* ---- stat ---- */

/* The n-th number of a text that has single blanks between its fields; 0 is the first. */
static bool nth_number(const char *at, unsigned n, uint64_t *ret_number)
{
    while (n-- > 0) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        at++;
    }
    return read_number(at, ret_number);
}

static void copy_name(const char *from, size_t len, bool is_kernel, char name[LB_WEAR_NAME])
{
    static const char worker[] = "kworker/";

    /* "kworker/u8:2-events_unbound": the kernel has dozens, and which one it takes is chance. */
    if (is_kernel && len >= sizeof worker - 1 && strncmp(from, worker, sizeof worker - 1) == 0)
        len = sizeof worker - 2;
    if (len >= LB_WEAR_NAME)
        len = LB_WEAR_NAME - 1;
    memcpy(name, from, len);
    name[len] = '\0';
}

/*
 * "PID (NAME) STATE PPID ...". A name may have blanks, line ends and parentheses in it, so it ends at the
 * last one. Field 22 is the 20th behind it.
 */
int lb_process_read_stat(int dir, struct lb_process_stat *ret_stat)
{
    enum { PARENT = 1, FLAGS = 6, STARTED = 19 };
    char text[STAT_BYTES];
    ssize_t len = lb_process_read(dir, "stat", text, sizeof text);
    const char *name, *end;
    uint64_t parent, flags, started;

    if (len < 0)
        return (int)len;
    name = memchr(text, '(', (size_t)len);
    end = memrchr(text, ')', (size_t)len);
    if (!name || !end || end < name || end[1] != ' ' || !nth_number(end + 2, PARENT, &parent) ||
        parent > INT32_MAX || !nth_number(end + 2, FLAGS, &flags) || !nth_number(end + 2, STARTED, &started))
        return -EINVAL;
    *ret_stat = (struct lb_process_stat) { .parent = (int)parent,
                                           .is_kernel = (flags & KERNEL_THREAD) != 0,
                                           .started_ticks = started };
    copy_name(name + 1, (size_t)(end - name - 1), ret_stat->is_kernel, ret_stat->name);
    return 0;
}

/* ---- unit ---- */

static bool is_unit(const char *part, size_t len)
{
    static const char *const suffixes[] = { ".service", ".scope", ".socket", ".mount", ".swap" };

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t suffix = strlen(suffixes[i]);

        if (len > suffix && memcmp(part + len - suffix, suffixes[i], suffix) == 0)
            return true;
    }
    return false;
}

/* The last part of a path that is a unit: those of a user lie below user@1000.service. Slices hold units. */
static bool unit_in(const char *path, const char *end, char unit[LB_WEAR_UNIT])
{
    bool has_any = false;

    while (path < end) {
        const char *part = path + (*path == '/');
        size_t len = strcspn(part, "/\n");

        if (is_unit(part, len)) {
            snprintf(unit, LB_WEAR_UNIT, "%.*s", (int)len, part);
            has_any = true;
        }
        path = part + len;
    }
    return has_any;
}

void lb_process_read_unit(int dir, char unit[LB_WEAR_UNIT])
{
    static const char *const systemds[] = { "::", ":name=systemd:" }; /* version 2, and 1 */
    char text[CGROUP_BYTES];

    unit[0] = '\0';
    if (lb_process_read(dir, "cgroup", text, sizeof text) < 0)
        return;
    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n'), *rest = line + strspn(line, "0123456789");

        for (unsigned i = 0; i < 2; i++)
            if (strncmp(rest, systemds[i], strlen(systemds[i])) == 0 &&
                unit_in(rest + strlen(systemds[i]), end, unit))
                return;
        line = end + (*end == '\n');
    }
}
