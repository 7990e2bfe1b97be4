/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_CURL_LOOP_H
#define LB_SHIP_CURL_LOOP_H

#include <curl/curl.h>

#include "common/loop.h"

/*
 * libcurl's multi interface in a loop of ours: its sockets as watches, its
 * timeout as a timer.
 */
struct lb_curl_socket;

struct lb_curl_loop {
    struct lb_loop *loop;
    CURLM *multi;
    struct lb_timer timer;
    struct lb_curl_socket *sockets;

    /* A transfer has ended; its handle is in the multi still. */
    void (*done)(void *ctx, CURL *easy, CURLcode code);

    /*
     * libcurl can neither go on nor end a transfer (curl issue 8114): a watch could not be made. Whoever owns
     * transfers ends each of them.
     */
    void (*broken)(void *ctx);
    void *ctx;
};

/*
 * Start.
 *   curl_loop  loop, done, broken, ctx are set by the caller, the rest is zero; does not move afterwards
 *   returns    0 | -EIO libcurl cannot start (it was logged)
 *   calls      the loop's thread
 */
int lb_curl_loop_open(struct lb_curl_loop *curl_loop);

/*
 * Stop; the caller's handles have left the multi.
 *   calls      the loop's thread, not from within a timer's callback
 */
void lb_curl_loop_close(struct lb_curl_loop *curl_loop);

/*
 * Options of every transfer of ours, whatever it carries: TLS verified, no signals, the certificate store
 * kept between connections (facts/sinks.md section 9), and who we are where a sink asks.
 *   tls_ca, tls_cert, tls_key  NULL or "" for none; copied by libcurl
 *   error      CURL_ERROR_SIZE bytes, as long as the handle
 *   returns    false: out of memory
 *   calls      any thread
 */
bool lb_curl_options(CURL *easy, const char *tls_ca, const char *tls_cert, const char *tls_key, char *error);

#endif
