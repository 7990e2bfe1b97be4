/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_HTTP_REQUEST_H
#define LB_CONTROL_HTTP_REQUEST_H

#include <stddef.h>

/*
 * The head of a request of HTTP/1.0 or 1.1 (RFC 9112), as far as a server needs
 * it that has one page. Strict where leniency has hurt others: lone CRs, folded
 * headers, blanks before a colon, control characters, no or two Hosts. A line
 * may end in LF alone.
 */
enum lb_http_method { LB_HTTP_GET = 0, LB_HTTP_HEAD, LB_HTTP_OTHER };

struct lb_http_request {
    enum lb_http_method method;
    const char *path; /* in the text or static, without a query; "" or "*" may come, too */
    size_t path_len;
};

/*
 * Read a head that may not have come whole yet.
 *   text         len bytes, any content
 *   ret_request  written when it is whole
 *   returns      bytes of the head, its empty line included | 0 more must come | -EBADMSG it is
 *                none, whatever comes
 *   calls        any thread; a pure function. The cost is linear
 */
int lb_http_request_read(const char *text, size_t len, struct lb_http_request *ret_request);

#endif
