/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a request for metrics, and as an address to serve them at. In: libFuzzer's bytes. Out:
 * nothing. Always true, or the run stops: a head that is whole is not whole one byte before, and is the same
 * with more behind it; what is refused stays refused; a path lies in the text or is "/"; an address is a path
 * or of loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control/http_request.h"
#include "common/listen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_path(const char *text, size_t size, const struct lb_http_request *request)
{
    if (request->path >= text && request->path <= text + size)
        must(request->path_len <= (size_t)(text + size - request->path));
    else
        must(request->path_len == 1 && request->path[0] == '/');
    must(!memchr(request->path, '?', request->path_len) && !memchr(request->path, '\n', request->path_len));
}

static void check_request(const char *text, size_t size)
{
    struct lb_http_request request, other;
    int rc = lb_http_request_read(text, size, &request), before = 0;

    for (size_t len = 0; len < size && len < 512; len++) {
        int part = lb_http_request_read(text, len, &other);

        must(before == 0 || part == before);
        must(part <= (int)len);
        before = part;
    }
    must(before == 0 || rc == before);
    if (rc <= 0) {
        must(rc == 0 || rc == -EBADMSG);
        return;
    }
    must((size_t)rc <= size && text[rc - 1] == '\n');
    check_path(text, size, &request);
    must(lb_http_request_read(text, (size_t)rc - 1, &other) == 0);
}

static void check_address(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    const char *why = NULL;
    struct lb_listen_address address;

    must(copy != NULL);
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (lb_listen_parse(copy, &address, &why) < 0) {
        must(why && why[0]);
    } else if (!address.is_off && address.socket.ss_family == AF_INET) {
        must(ntohl(((struct sockaddr_in *)(void *)&address.socket)->sin_addr.s_addr) >> 24 == 127);
    } else if (!address.is_off && address.socket.ss_family == AF_INET6) {
        must(IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)(void *)&address.socket)->sin6_addr));
    } else {
        must(address.is_off || address.socket.ss_family == AF_UNIX);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request((const char *)data, size);
    check_address((const char *)data, size);
    return 0;
}
