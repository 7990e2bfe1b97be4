/* SPDX-License-Identifier: MIT */
/* The socket that metrics are served at. In: an address. Out: a descriptor. Always true: no file but a dead
 * socket, or our own, is removed. */
#include "agent/control/metrics_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/listen.h"

#define BACKLOG 32

/* 0: nothing is there any more | negative errno */
static int make_way(const struct lb_listen_address *address, const char *path)
{
    struct stat st;
    int fd, rc;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    rc = connect(fd, (const struct sockaddr *)&address->socket, address->len) == 0 ? 0 : errno;
    close(fd);
    if (rc != ECONNREFUSED) /* it answers, is busy, or is of another kind: somebody's */
        return -EADDRINUSE;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int bind_path(int fd, const struct lb_listen_address *address, struct lb_metrics_socket *ret_socket)
{
    const struct sockaddr_un *name = (const void *)&address->socket;
    struct stat st;
    int rc = make_way(address, name->sun_path);

    if (rc < 0)
        return rc;
    if (bind(fd, (const struct sockaddr *)name, address->len) != 0)
        return -errno;
    if (chmod(name->sun_path, 0660) != 0 || lstat(name->sun_path, &st) != 0)
        return -errno;
    snprintf(ret_socket->path, sizeof ret_socket->path, "%s", name->sun_path);
    ret_socket->dev = st.st_dev;
    ret_socket->ino = st.st_ino;
    return 0;
}

int lb_metrics_socket_open(const char *listen_at, struct lb_metrics_socket *ret_socket)
{
    struct lb_listen_address address;
    const char *why;
    int fd, one = 1, rc = lb_listen_parse(listen_at, &address, &why);

    *ret_socket = (struct lb_metrics_socket) { .path = "" };
    if (rc < 0 || address.is_off)
        return -EINVAL;
    fd = socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address.socket.ss_family == AF_UNIX)
        rc = bind_path(fd, &address, ret_socket);
    else if (bind(fd, (const struct sockaddr *)&address.socket, address.len) != 0)
        rc = -errno;
    if (rc == 0 && listen(fd, BACKLOG) != 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    lb_metrics_socket_close(ret_socket, fd);
    return rc;
}

void lb_metrics_socket_close(struct lb_metrics_socket *socket, int fd)
{
    struct stat st;

    if (socket->path[0] && lstat(socket->path, &st) == 0 && st.st_dev == socket->dev &&
        st.st_ino == socket->ino)
        unlink(socket->path);
    socket->path[0] = '\0';
    close(fd);
}
