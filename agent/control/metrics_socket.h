/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_METRICS_SOCKET_H
#define LB_CONTROL_METRICS_SOCKET_H

#include <sys/types.h>

/* A socket file that is ours to remove. */
struct lb_metrics_socket {
    char path[108]; /* "" where it is none */
    dev_t dev;
    ino_t ino;
};

/*
 * Listen. A socket file whose owner is gone is replaced; one that somebody
 * listens to, and a file that is no socket, stay. A unix socket gets mode
 * 0660.
 *   listen      as lb_listen_parse() takes it, not "off"
 *   ret_socket  written always
 *   returns     a descriptor, non-blocking, the caller's | -EADDRINUSE somebody listens there |
 *               -EEXIST a file is there that is no socket | -EINVAL | other negative errno of
 *               socket, bind, listen
 *   calls       slow side; blocks for no peer
 */
int lb_metrics_socket_open(const char *listen, struct lb_metrics_socket *ret_socket);

/*
 * Stop listening, and remove the socket file, if it is still ours.
 *   calls       slow side
 */
void lb_metrics_socket_close(struct lb_metrics_socket *socket, int fd);

#endif
