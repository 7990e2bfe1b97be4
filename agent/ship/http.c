/* SPDX-License-Identifier: MIT */
/*
 * HTTP by libcurl in our loop. In: bodies and a target. Out: answers. Always true: one callback for each body
 * that was sent and not cancelled; a secret is only in the header list.
 *
 * The choices here, each with its reason in facts/sinks.md section 9: CAPATH unset, so that the parsed
 * certificate store is kept between connections; an empty Expect header, which else costs a second on large
 * bodies; the size before the POSTFIELDS pointer, else it is measured by strlen(); NOSIGNAL and SIGPIPE
 * ignored by us; connections with a maximum age, so that moves of a load balancer are followed; no redirects,
 * since the key would follow. And QUICK_EXIT: libcurl else joins the thread of a name lookup that it gives
 * up, and without a network a lookup lasts many seconds (curl issues 8515 and 9147). Without `proxy` one is
 * taken from the environment, as curl does; our headers are no part of its CONNECT, and what it answers to
 * that is not taken for the sink's words. A connection's greatest age differs from device to device, or a
 * fleet that was switched on together would move on together. libcurl tries IPv6 and IPv4 side by side.
 *
 * What libcurl points to: a body's bytes from send_body() until its handle leaves the multi, which it has
 * done before the callback and before cancel() returns; then nothing reads them any more.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/curl_loop.h"
#include "agent/ship/http_reply.h"
#include "agent/ship/transport.h"
#include "common/clock.h"
#include "common/log.h"

#define CONNECTION_AGE_MIN_S 2700 /* and up to CONNECTION_AGE_MORE longer: 45 to 75 minutes (facts 11) */
#define CONNECTION_AGE_MORE  1800

struct transfer {
    struct http *http;
    CURL *easy;
    struct curl_slist *headers; /* with this body's Content-Encoding */
    unsigned slot;
    struct lb_http_reply reply;
    bool is_active;
    char error[CURL_ERROR_SIZE];
};

struct http {
    struct lb_curl_loop curl;
    lb_transport_done done;
    void *ctx;
    struct lb_target target, check_target;
    bool is_secure;
    long timeout_ms, connection_age_s;
    char *tls_ca, *tls_cert, *tls_key, *proxy;
    struct transfer transfer[LB_TRANSPORT_SLOTS];
};

/* ---- answers ---- */

static void report(struct transfer *transfer, CURLcode code)
{
    struct lb_http_reply kept;
    struct lb_answer answer;

    lb_http_reply_judge(&transfer->reply, transfer->easy, code, transfer->error, &answer);
    transfer->is_active = false;
    curl_multi_remove_handle(transfer->http->curl.multi, transfer->easy);
    kept = transfer->reply; /* who is called may send by this slot again */
    transfer->reply.text = NULL;
    transfer->http->done(transfer->http->ctx, transfer->slot, &answer);
    lb_http_reply_end(&kept);
}

static void on_done(void *ctx, CURL *easy, CURLcode code)
{
    struct transfer *transfer = NULL;

    (void)ctx;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    if (transfer && transfer->is_active)
        report(transfer, code);
}

/* Each is tried again like any other failure. */
static void on_broken(void *ctx)
{
    struct http *http = ctx;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        if (http->transfer[i].is_active)
            report(&http->transfer[i], CURLE_ABORTED_BY_CALLBACK);
}

/* ---- requests ---- */

static size_t swallow(char *bytes, size_t size, size_t count, void *arg)
{
    return lb_http_reply_body(arg, bytes, size * count) ? size * count : 0;
}

static size_t hear_header(char *line, size_t size, size_t count, void *arg)
{
    return lb_http_reply_header(arg, line, size * count) ? size * count : 0;
}

/* false: out of memory, or a libcurl that would not keep to http and https. */
static bool set_options(struct http *http, struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    bool is_set = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                  lb_curl_options(easy, http->tls_ca, http->tls_cert, http->tls_key, transfer->error);

    if (http->proxy)
        is_set = is_set && curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "logboom/" LB_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, http->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, http->connection_age_s);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, hear_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer->reply);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer->reply);
    return is_set;
}

/* They hold the key. */
static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(list);
}

static struct curl_slist *make_headers(const struct lb_target *target, const char *encoding)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *longer;
    char line[64];

    for (unsigned i = 0; list && i < target->headers; i++) {
        longer = curl_slist_append(list, target->header[i]);
        if (!longer)
            wipe_headers(list);
        list = longer;
    }
    if (!list || !encoding[0])
        return list;
    snprintf(line, sizeof line, "Content-Encoding: %s", encoding);
    longer = curl_slist_append(list, line);
    if (!longer)
        wipe_headers(list);
    return longer;
}

static int make_easy(struct http *http, struct transfer *transfer, unsigned slot)
{
    if (transfer->easy)
        return 0;
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return -ENOMEM;
    transfer->http = http;
    transfer->slot = slot;
    if (slot == LB_TRANSPORT_PING) {
        curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (set_options(http, transfer))
        return 0;
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    return -ENOMEM;
}

/* All but the method and the body, which are set on the handle between these two. */
static int prepare(struct http *http, unsigned slot, const struct lb_target *target, const char *encoding)
{
    struct transfer *transfer = &http->transfer[slot];
    int rc = make_easy(http, transfer, slot);

    if (rc < 0)
        return rc;
    wipe_headers(transfer->headers);
    transfer->headers = make_headers(target, encoding);
    if (!transfer->headers || curl_easy_setopt(transfer->easy, CURLOPT_URL, target->url) != CURLE_OK)
        return -ENOMEM;
    lb_http_reply_end(&transfer->reply);
    transfer->reply =
        (struct lb_http_reply) { .is_secure = http->is_secure, .is_wanted = http->target.reads_reply };
    transfer->error[0] = '\0';
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return 0;
}

static int launch(struct http *http, struct transfer *transfer)
{
    if (curl_multi_add_handle(http->curl.multi, transfer->easy) != CURLM_OK)
        return -EIO;
    transfer->is_active = true;
    return 0;
}

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct http *http = self;
    struct transfer *transfer = &http->transfer[slot];
    int rc = prepare(http, slot, &http->target, encoding);

    if (rc < 0)
        return rc;
    curl_easy_setopt(transfer->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body);
    return launch(http, transfer);
}

static int ask_about_key(void *self, unsigned slot)
{
    struct http *http = self;
    int rc = prepare(http, slot, &http->check_target, "");

    if (rc < 0)
        return rc;
    curl_easy_setopt(http->transfer[slot].easy, CURLOPT_HTTPGET, 1L);
    return launch(http, &http->transfer[slot]);
}

static bool cancel(void *self, unsigned slot)
{
    struct http *http = self;
    struct transfer *transfer = &http->transfer[slot];

    if (transfer->is_active)
        curl_multi_remove_handle(http->curl.multi, transfer->easy);
    transfer->is_active = false;
    return true;
}

static void free_http(struct http *http)
{
    explicit_bzero(&http->target, sizeof http->target);
    explicit_bzero(&http->check_target, sizeof http->check_target);
    free(http->tls_ca);
    free(http->tls_cert);
    free(http->tls_key);
    free(http->proxy);
    free(http);
}

static void close_http(void *self)
{
    struct http *http = self;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        cancel(http, i);
        lb_http_reply_end(&http->transfer[i].reply);
        curl_easy_cleanup(http->transfer[i].easy);
        wipe_headers(http->transfer[i].headers);
    }
    lb_curl_loop_close(&http->curl);
    free_http(http);
}

static bool copy_text(const char *from, char **to)
{
    if (from[0])
        *to = strdup(from);
    return !from[0] || *to;
}

int lb_http_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                 const struct lb_target *check, uint64_t seed, lb_transport_done done, void *ctx,
                 struct lb_transport *ret_transport)
{
    struct http *http = calloc(1, sizeof *http);
    /* An empty text makes libcurl look past the environment. */
    bool has_no_proxy = strcmp(config->proxy, "off") == 0;

    if (!http)
        return -ENOMEM;
    if (!copy_text(config->tls_ca, &http->tls_ca) || !copy_text(config->tls_cert, &http->tls_cert) ||
        !copy_text(config->tls_key, &http->tls_key) || !copy_text(config->proxy, &http->proxy)) {
        free_http(http);
        return -ENOMEM;
    }
    if (has_no_proxy && http->proxy)
        http->proxy[0] = '\0';
    http->curl = (struct lb_curl_loop) { .loop = loop, .done = on_done, .broken = on_broken, .ctx = http };
    if (lb_curl_loop_open(&http->curl) < 0) {
        free_http(http);
        return -EIO;
    }
    curl_multi_setopt(http->curl.multi, CURLMOPT_MAXCONNECTS, (long)config->concurrency + 1);
    http->target = *target;
    if (check)
        http->check_target = *check;
    http->is_secure = strncasecmp(target->url, "https://", 8) == 0;
    http->done = done;
    http->ctx = ctx;
    http->timeout_ms = (long)config->timeout_ms;
    http->connection_age_s = CONNECTION_AGE_MIN_S + (long)(seed % (CONNECTION_AGE_MORE + 1));
    *ret_transport =
        (struct lb_transport) { http,           send_body, cancel, close_http, check ? ask_about_key : NULL,
                                http->is_secure };
    return 0;
}
