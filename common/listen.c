/* SPDX-License-Identifier: MIT */
/* Addresses to listen on. In: text. Out: a socket address of this machine's own. Always true: nothing that
 * another machine can reach comes out. */
#include "common/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "common/units.h"

#define PORT_MAX 65535

static const char form[] = "must be off, unix:/path, 127.0.0.1:PORT or [::1]:PORT";
static const char not_loopback[] =
    "must be an address of loopback (127.0.0.1 or [::1]): it is read without a password, so it stays on the "
    "machine; a proxy may take it further";

static int parse_path(const char *path, struct lb_listen_address *address, const char **ret_why)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };

    if (path[0] != '/') {
        *ret_why = "must have an absolute path behind unix:";
        return -EINVAL;
    }
    if (strlen(path) >= sizeof name.sun_path) {
        *ret_why = "has a path that is too long for a socket, which takes 107 bytes";
        return -EINVAL;
    }
    strcpy(name.sun_path, path);
    memcpy(&address->socket, &name, sizeof name);
    address->len = sizeof name;
    return 0;
}

static void set_address(struct lb_listen_address *address, const void *socket, size_t len)
{
    memcpy(&address->socket, socket, len);
    address->len = (socklen_t)len;
}

/* "HOST:PORT" with a number for both. */
static int parse_host(const char *text, struct lb_listen_address *address, const char **ret_why)
{
    struct sockaddr_in four = { .sin_family = AF_INET };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    char host[INET6_ADDRSTRLEN];
    uint64_t port;

    *ret_why = form;
    if (len == 0 || len >= sizeof host)
        return -EINVAL;
    if (lb_units_number(colon + 1, &port) < 0 || port == 0 || port > PORT_MAX) {
        *ret_why = "must end in a port from 1 to 65535";
        return -EINVAL;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, &four.sin_addr) == 1) {
        four.sin_port = htons((uint16_t)port);
        set_address(address, &four, sizeof four);
        *ret_why = not_loopback;
        return ntohl(four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ? 0 : -EINVAL;
    }
    if (host[0] != '[' || host[len - 1] != ']')
        return -EINVAL;
    host[len - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &six.sin6_addr) != 1)
        return -EINVAL;
    six.sin6_port = htons((uint16_t)port);
    set_address(address, &six, sizeof six);
    *ret_why = not_loopback;
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr) ? 0 : -EINVAL;
}

int lb_listen_parse(const char *text, struct lb_listen_address *ret_address, const char **ret_why)
{
    struct lb_listen_address address = { .is_off = strcmp(text, "off") == 0 };
    int rc = 0;

    if (strncmp(text, "unix:", 5) == 0)
        rc = parse_path(text + 5, &address, ret_why);
    else if (text[0] == '/')
        rc = parse_path(text, &address, ret_why);
    else if (!address.is_off)
        rc = parse_host(text, &address, ret_why);
    if (rc == 0)
        *ret_address = address;
    return rc;
}
