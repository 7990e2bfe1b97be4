/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LISTEN_H
#define LB_COMMON_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

/* Where something is served on this machine, and nowhere beyond it. */
struct lb_listen_address {
    bool is_off;
    struct sockaddr_storage socket; /* of a unix socket with a path, or of a loopback address */
    socklen_t len;
};

/*
 * Read "off", "unix:/path", "/path", "127.0.0.1:9464" or "[::1]:9464".
 *   text         NUL-terminated
 *   ret_address  written on success
 *   ret_why      on error: what is wrong, static, to go behind the key's name
 *   returns      0 | -EINVAL
 *   calls        any thread; does not block, asks no name server
 */
int lb_listen_parse(const char *text, struct lb_listen_address *ret_address, const char **ret_why);

#endif
