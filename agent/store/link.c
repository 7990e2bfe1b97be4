/* SPDX-License-Identifier: MIT */
/* Doors between the two sides. In: knocks. Out: a readable descriptor. Nothing here can block. */
#include "agent/store/link.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int lb_link_init(struct lb_link *link)
{
    memset(link, 0, sizeof *link);
    link->slow_wake_pos = UINT64_MAX;
    link->to_fast_fd = -1;
    link->to_slow_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->to_slow_fd < 0)
        return -errno;
    link->to_fast_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->to_fast_fd < 0) {
        int rc = -errno;

        close(link->to_slow_fd);
        return rc;
    }
    return 0;
}

void lb_link_close(struct lb_link *link)
{
    close(link->to_slow_fd);
    close(link->to_fast_fd);
}

void lb_link_knock(int fd)
{
    const uint64_t one = 1;

    /* Fails only when 2^64 - 1 knocks were not answered. */
    if (write(fd, &one, sizeof one) < 0)
        return;
}

void lb_link_answer(int fd)
{
    uint64_t knocks;

    if (read(fd, &knocks, sizeof knocks) < 0)
        return; /* nobody knocked */
}
