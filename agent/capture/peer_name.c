/* SPDX-License-Identifier: MIT */
/*
 * Who is this process, and what may it call itself? In: a pid and a uid that the kernel vouched for. Out: a
 * unit or a program name. Reads /proc, /run and /sys only, which are memory: the fast side may.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "common/unit_name.h"

static size_t read_small(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return 0;
    got = read(fd, buf, size - 1);
    close(fd);
    if (got < 0)
        got = 0;
    buf[got] = '\0';
    return (size_t)got;
}

static size_t copy_name(const char *from, size_t len, char *buf, size_t size)
{
    if (len >= size)
        len = size - 1;
    memcpy(buf, from, len);
    buf[len] = '\0';
    return len;
}

size_t lb_peer_unit(pid_t pid, char *buf, size_t size)
{
    return lb_unit_name(pid, buf, size);
}

pid_t lb_peer_speaker(pid_t pid, uid_t uid, uint32_t claimed_pid)
{
    char path[32];
    struct stat st;

    if (claimed_pid == 0 || claimed_pid > INT32_MAX)
        return pid;
    snprintf(path, sizeof path, "/proc/%u", claimed_pid);
    return stat(path, &st) == 0 && (st.st_uid == uid || uid == 0) ? (pid_t)claimed_pid : pid;
}

size_t lb_peer_service(pid_t pid, char *buf, size_t size)
{
    char path[64];
    size_t len = lb_peer_unit(pid, buf, size);

    if (len == 0) {
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        len = read_small(path, buf, size);
        while (len > 0 && buf[len - 1] == '\n')
            len--;
    }
    if (len == 0)
        len = copy_name("unknown", 7, buf, size);
    return lb_service_name_make_legal(buf, len);
}

/* The user of a running unit: that of the first process in its cgroup. */
static bool unit_belongs_to(const char *name, size_t len, uid_t uid)
{
    char path[256], text[64];
    struct stat st;
    long pid;

    snprintf(path, sizeof path, "/sys/fs/cgroup/system.slice/%.*s.service/cgroup.procs", (int)len, name);
    if (read_small(path, text, sizeof text) == 0)
        return false;
    pid = strtol(text, NULL, 10);
    snprintf(path, sizeof path, "/proc/%ld", pid);
    return pid > 0 && stat(path, &st) == 0 && st.st_uid == uid;
}

bool lb_peer_may_name(pid_t pid, uid_t uid, const char *name, size_t len)
{
    char path[256], unit[LB_PROTO_SERVICE_MAX + 1];
    struct stat st;
    size_t unit_len;

    if (uid == 0)
        return true;
    /* systemd keeps this link, in /run, for every unit that it has started: the units worth guarding are
     * those. */
    snprintf(path, sizeof path, "/run/systemd/units/invocation:%.*s.service", (int)len, name);
    if (lstat(path, &st) != 0)
        return true;
    unit_len = lb_peer_unit(pid, unit, sizeof unit);
    if (unit_len == len && memcmp(unit, name, len) == 0)
        return true;
    return unit_belongs_to(name, len, uid);
}
