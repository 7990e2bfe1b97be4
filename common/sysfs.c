/* SPDX-License-Identifier: MIT */
/*
 * Small files of /sys. In: a directory and a name. Out: a line, or a number. Always true: a driver that
 * prints nonsense is not believed, and is not an error either.
 */
#include "common/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void lb_sysfs_text(const char *dir, const char *name, char *buf, size_t size)
{
    char path[PATH_MAX];
    int fd;
    ssize_t got = 0;

    buf[0] = '\0';
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        got = read(fd, buf, size - 1);
        close(fd);
    }
    buf[got > 0 ? got : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
}

bool lb_sysfs_parse(const char *text, int base, uint64_t *ret_number, const char **ret_rest)
{
    unsigned long long number;
    char *end;

    text += strspn(text, " \t");
    if (base == 16 ? strncmp(text, "0x", 2) != 0 || !isxdigit((unsigned char)text[2])
                   : !isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    number = strtoull(text, &end, base);
    if (errno != 0)
        return false;
    *ret_number = number;
    if (ret_rest)
        *ret_rest = end;
    return true;
}

bool lb_sysfs_number(const char *dir, const char *name, int base, uint64_t *ret_number)
{
    char text[64];
    const char *rest;
    uint64_t number;

    lb_sysfs_text(dir, name, text, sizeof text);
    if (!lb_sysfs_parse(text, base, &number, &rest) || rest[strspn(rest, " \t")] != '\0')
        return false;
    *ret_number = number;
    return true;
}
