/* SPDX-License-Identifier: MIT */
/*
 * What is a process called? In: a pid, or the path of a program. Out: a unit or a program's name. Reads /proc
 * only, which is memory: the fast side may. A process that goes meanwhile has no unit.
 */
#include "common/unit_name.h"

#include <stdio.h>
#include <string.h>

#include "common/proto.h"
#include "common/read_file.h"

#define CGROUP_MAX \
    8192 /* bytes of /proc/PID/cgroup: a line for each hierarchy of version 1, and long paths */
#define SUFFIX ".service"

static size_t copy_name(const char *from, size_t len, char *buf, size_t size)
{
    if (len >= size)
        len = size - 1;
    memcpy(buf, from, len);
    buf[len] = '\0';
    return len;
}

/* The last path component that ends in .service: user units lie below user@1000.service. */
static const char *last_service(const char *line, const char *end)
{
    const char *last = NULL;

    for (const char *at = line; (at = strstr(at, SUFFIX)) && at < end; at += strlen(SUFFIX))
        if (at + strlen(SUFFIX) == end || at[strlen(SUFFIX)] == '/')
            last = at;
    return last;
}

size_t lb_unit_name_in(const char *text, char *buf, size_t size)
{
    size_t len = 0;

    while (*text != '\0') {
        const char *end = strchrnul(text, '\n');
        const char *last = last_service(text, end), *at = last;

        while (at && at > text && at[-1] != '/')
            at--;
        if (last)
            len = copy_name(at, (size_t)(last - at), buf, size);
        text = *end == '\n' ? end + 1 : end;
    }
    return len;
}

size_t lb_unit_name(pid_t pid, char *buf, size_t size)
{
    char path[64] = "/proc/self/cgroup", text[CGROUP_MAX];
    size_t len;

    if (pid != 0)
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (lb_read_file(path, text, sizeof text - 1, &len) != 0)
        return 0;
    text[len] = '\0';
    return lb_unit_name_in(text, buf, size);
}

size_t lb_program_name(const char *path, char *buf)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    return lb_service_name_make_legal(buf, copy_name(name, strlen(name), buf, LB_PROGRAM_NAME_MAX + 1));
}

size_t lb_service_name_make_legal(char *name, size_t len)
{
    if (len > LB_PROTO_SERVICE_MAX)
        len = LB_PROTO_SERVICE_MAX;
    for (size_t i = 0; i < len; i++)
        if (!lb_service_name_is_legal(name + i, 1))
            name[i] = '_';
    return len;
}
