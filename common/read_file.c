/* SPDX-License-Identifier: MIT */
/* Whole small files. In: a path. Out: its bytes. Always true: nothing but a file is waited for. */
#include "common/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *buf, size_t size, size_t *ret_len)
{
    size_t len = 0;
    char over;

    for (;;) {
        /* One byte past the room tells a file that fits from one that does not. */
        ssize_t got = len < size ? read(fd, buf + len, size - len) : read(fd, &over, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        if (len == size)
            return -E2BIG;
        len += (size_t)got;
    }
    *ret_len = len;
    return 0;
}

int lb_read_file(const char *path, char *buf, size_t size, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    else
        rc = read_all(fd, buf, size, ret_len);
    close(fd);
    return rc;
}
