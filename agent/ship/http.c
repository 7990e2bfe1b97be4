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
 * up, and without a network a lookup lasts many seconds (curl issues 8515 and 9147). A proxy is taken from
 * the environment, as curl does; our headers are no part of its CONNECT.
 *
 * What libcurl points to: a body's bytes from send_body() until its handle leaves the multi, which it has
 * done before the callback and before cancel() returns; then nothing reads them any more.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/transport.h"
#include "common/clock.h"
#include "common/log.h"

#define CONNECT_TIMEOUT_MS 10000L
#define CONNECTION_AGE_S   3600L
#define REPLY_MAX          65536u /* of a reply's body; more is not read, the status is what counts */

struct transfer {
    struct http *http;
    CURL *easy;
    struct curl_slist *headers; /* with this body's Content-Encoding */
    unsigned slot;
    size_t reply_bytes;
    bool is_active;
    char error[CURL_ERROR_SIZE];
};

struct socket_watch {
    struct lb_watch watch;
    struct http *http;
    struct socket_watch *next;
};

struct http {
    struct lb_loop *loop;
    CURLM *multi;
    struct lb_timer timer;
    lb_transport_done done;
    void *ctx;
    struct lb_target target;
    long timeout_ms;
    char *tls_ca;
    struct transfer transfer[LB_TRANSPORT_SLOTS];
    struct socket_watch *sockets;
};

/* ---- answers ---- */

static void report(struct transfer *transfer, CURLcode code)
{
    struct lb_answer answer = { .error = (int)code };
    curl_off_t sent = 0;
    long head = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &head);
    /* The "request size" holds the body too where libcurl sent both in one go, as it does up to 64 KiB
     * (measured). */
    answer.wire_bytes = (size_t)head >= (size_t)sent ? (size_t)head : (size_t)sent + (size_t)head;
    if (code == CURLE_WRITE_ERROR && answer.status > 0)
        answer.error = 0; /* we stopped reading a reply that was too long; its status had come */
    if (answer.error)
        snprintf(answer.text, sizeof answer.text, "%s",
                 transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    else if (answer.status < 200 || answer.status >= 300)
        snprintf(answer.text, sizeof answer.text, "HTTP status %ld", answer.status);
    transfer->is_active = false;
    curl_multi_remove_handle(transfer->http->multi, transfer->easy);
    transfer->http->done(transfer->http->ctx, transfer->slot, &answer);
}

static void collect(struct http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result; /* the message is gone once its handle is removed */

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        if (transfer && transfer->is_active)
            report(transfer, code);
    }
}

/* ---- the loop's part ---- */

/*
 * Let libcurl do what is due. An error is one of ours, a watch that could not be made: libcurl then neither
 * goes on nor ends a transfer (curl issue 8114), so each is ended here, and tried again like any other
 * failure.
 */
static void act(struct http *http, curl_socket_t fd, int bits)
{
    int running;
    CURLMcode code = curl_multi_socket_action(http->multi, fd, bits, &running);

    collect(http);
    if (code == CURLM_OK)
        return;
    lb_log(LB_LEVEL_ERROR, "libcurl cannot go on: %s", curl_multi_strerror(code));
    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        if (http->transfer[i].is_active)
            report(&http->transfer[i], CURLE_ABORTED_BY_CALLBACK);
}

static void on_socket(void *arg, uint32_t events)
{
    struct socket_watch *sock = arg;

    act(sock->http, sock->watch.fd,
        (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
            (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static void on_timer(void *arg, uint64_t now_ns)
{
    (void)now_ns;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void forget_socket(struct http *http, struct socket_watch *sock)
{
    for (struct socket_watch **at = &http->sockets; *at; at = &(*at)->next) {
        if (*at != sock)
            continue;
        *at = sock->next;
        break;
    }
    lb_loop_remove(http->loop, &sock->watch);
    free(sock);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http *http = arg;
    struct socket_watch *sock = socket_arg;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (sock)
            forget_socket(http, sock);
        return 0;
    }
    if (sock)
        return lb_loop_change(http->loop, &sock->watch, events) < 0 ? -1 : 0;
    sock = calloc(1, sizeof *sock);
    if (!sock)
        return -1;
    sock->watch = (struct lb_watch) { fd, on_socket, sock };
    sock->http = http;
    if (lb_loop_add(http->loop, &sock->watch, events) < 0) {
        free(sock);
        return -1;
    }
    sock->next = http->sockets;
    http->sockets = sock;
    curl_multi_assign(http->multi, fd, sock);
    return 0;
}

static int timer_changed(CURLM *multi, long timeout_ms, void *arg)
{
    struct http *http = arg;

    (void)multi;
    /* 0 means at once, but not from within this call: the loop fires it after this turn's events. */
    http->timer.due_ns = timeout_ms < 0 ? LB_NEVER : lb_clock_boot_ns() + (uint64_t)timeout_ms * LB_NS_PER_MS;
    return 0;
}

/* ---- requests ---- */

static size_t swallow(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;

    (void)bytes;
    transfer->reply_bytes += size * count;
    return transfer->reply_bytes > REPLY_MAX ? 0 : size * count;
}

/* false: out of memory, or a libcurl that would not keep to http and https. */
static bool set_options(struct http *http, struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    bool is_set = curl_easy_setopt(easy, CURLOPT_URL, http->target.url) == CURLE_OK &&
                  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;

    if (http->tls_ca)
        is_set = is_set && curl_easy_setopt(easy, CURLOPT_CAINFO, http->tls_ca) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "logboom/" LB_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, http->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_AGE_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    return is_set;
}

/* They hold the key. */
static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(list);
}

static struct curl_slist *make_headers(const struct http *http, const char *encoding)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *longer;
    char line[64];

    for (unsigned i = 0; list && i < http->target.headers; i++) {
        longer = curl_slist_append(list, http->target.header[i]);
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

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct http *http = self;
    struct transfer *transfer = &http->transfer[slot];

    if (!transfer->easy) {
        transfer->easy = curl_easy_init();
        if (!transfer->easy)
            return -ENOMEM;
        transfer->http = http;
        transfer->slot = slot;
        if (!set_options(http, transfer)) {
            curl_easy_cleanup(transfer->easy);
            transfer->easy = NULL;
            return -ENOMEM;
        }
    }
    wipe_headers(transfer->headers);
    transfer->headers = make_headers(http, encoding);
    if (!transfer->headers)
        return -ENOMEM;
    transfer->reply_bytes = 0;
    transfer->error[0] = '\0';
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body);
    if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        return -EIO;
    transfer->is_active = true;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    struct http *http = self;
    struct transfer *transfer = &http->transfer[slot];

    if (transfer->is_active)
        curl_multi_remove_handle(http->multi, transfer->easy);
    transfer->is_active = false;
    return true;
}

static void close_http(void *self)
{
    struct http *http = self;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        cancel(http, i);
        curl_easy_cleanup(http->transfer[i].easy);
        wipe_headers(http->transfer[i].headers);
    }
    curl_multi_cleanup(http->multi);
    while (http->sockets)
        forget_socket(http, http->sockets);
    lb_loop_remove_timer(http->loop, &http->timer);
    explicit_bzero(&http->target, sizeof http->target);
    free(http->tls_ca);
    free(http);
}

int lb_http_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                 lb_transport_done done, void *ctx, struct lb_transport *ret_transport)
{
    struct http *http = calloc(1, sizeof *http);

    if (http && config->tls_ca[0])
        http->tls_ca = strdup(config->tls_ca);
    if (!http || (config->tls_ca[0] && !http->tls_ca)) {
        free(http);
        return -ENOMEM;
    }
    http->multi = curl_multi_init();
    if (!http->multi) {
        lb_log(LB_LEVEL_ERROR, "libcurl cannot start");
        free(http->tls_ca);
        free(http);
        return -EIO;
    }
    http->loop = loop;
    http->target = *target;
    http->done = done;
    http->ctx = ctx;
    http->timeout_ms = (long)config->timeout_ms;
    http->timer = (struct lb_timer) { LB_NEVER, on_timer, http, NULL };
    lb_loop_add_timer(loop, &http->timer);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)config->concurrency + 1);
    *ret_transport = (struct lb_transport) { http, send_body, cancel, close_http };
    return 0;
}
