/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_HTTP_REPLY_H
#define LB_SHIP_HTTP_REPLY_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/sinks/sink.h"

/*
 * What is kept of a reply while it arrives, and what it comes to in the end.
 * A server that never stops talking is stopped here.
 */
#define LB_HTTP_VALUE_MAX 64 /* a longer value of the two headers that count is no value */

struct lb_http_reply {
    size_t head_bytes, body_bytes;
    char date[LB_HTTP_VALUE_MAX], retry_after[LB_HTTP_VALUE_MAX];
    char *text; /* what the body says so far, text_len bytes; NULL: nothing, or nobody wants to know. Freed by
                   lb_http_reply_end() */
    size_t text_len;
    bool is_wanted; /* keep what it says */
    bool is_secure; /* it comes over TLS, from a server whose certificate was verified */
};

/*
 * A line of the head, as libcurl hands them over.
 *   line      len bytes, without NUL
 *   returns   true: go on | false: this head has no end, break off
 *   calls     slow side
 */
bool lb_http_reply_header(struct lb_http_reply *reply, const char *line, size_t len);

/*
 * Bytes of the body came. As lb_http_reply_header(); what cannot be kept for want of memory is not.
 */
bool lb_http_reply_body(struct lb_http_reply *reply, const char *bytes, size_t len);

/*
 * Forget what was kept.
 *   calls     slow side
 */
void lb_http_reply_end(struct lb_http_reply *reply);

/*
 * What Retry-After asks for.
 *   returns   milliseconds; 0: nothing, nonsense, or a date that is past
 *   calls     slow side
 */
uint64_t lb_http_reply_retry_after_ms(const struct lb_http_reply *reply);

/*
 * The transfer has ended: make its answer.
 *   code, error  as libcurl gave them; error may be ""
 *   ret_answer   points to what the reply says, until lb_http_reply_end()
 *   calls     slow side
 */
void lb_http_reply_judge(const struct lb_http_reply *reply, CURL *easy, CURLcode code, const char *error,
                         struct lb_answer *ret_answer);

#endif
