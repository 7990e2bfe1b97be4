/* SPDX-License-Identifier: MIT */
/* libcurl in our loop. In: what becomes ready, the time. Out: transfers that have ended. Always true: each
 * socket of libcurl's has one watch. */
#include "agent/ship/curl_loop.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

#define CONNECT_TIMEOUT_MS 10000L

struct lb_curl_socket {
    struct lb_watch watch;
    struct lb_curl_loop *curl_loop;
    struct lb_curl_socket *next;
};

static void collect(struct lb_curl_loop *curl_loop)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(curl_loop->multi, &left))) {
        CURL *easy = message->easy_handle; /* the message is gone once its handle is removed */
        CURLcode code = message->data.result;

        if (message->msg == CURLMSG_DONE)
            curl_loop->done(curl_loop->ctx, easy, code);
    }
}

/* Let libcurl do what is due. An error is one of ours: each transfer is then ended by its owner. */
static void act(struct lb_curl_loop *curl_loop, curl_socket_t fd, int bits)
{
    int running;
    CURLMcode code = curl_multi_socket_action(curl_loop->multi, fd, bits, &running);

    collect(curl_loop);
    if (code == CURLM_OK)
        return;
    lb_log(LB_LEVEL_ERROR, "libcurl cannot go on: %s", curl_multi_strerror(code));
    curl_loop->broken(curl_loop->ctx);
}

static void on_socket(void *arg, uint32_t events)
{
    struct lb_curl_socket *sock = arg;

    act(sock->curl_loop, sock->watch.fd,
        (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
            (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static void on_timer(void *arg, uint64_t now_ns)
{
    (void)now_ns;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void forget_socket(struct lb_curl_loop *curl_loop, struct lb_curl_socket *sock)
{
    for (struct lb_curl_socket **at = &curl_loop->sockets; *at; at = &(*at)->next) {
        if (*at != sock)
            continue;
        *at = sock->next;
        break;
    }
    lb_loop_remove(curl_loop->loop, &sock->watch);
    free(sock);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct lb_curl_loop *curl_loop = arg;
    struct lb_curl_socket *sock = socket_arg;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (sock)
            forget_socket(curl_loop, sock);
        return 0;
    }
    if (sock)
        return lb_loop_change(curl_loop->loop, &sock->watch, events) < 0 ? -1 : 0;
    sock = calloc(1, sizeof *sock);
    if (!sock)
        return -1;
    sock->watch = (struct lb_watch) { fd, on_socket, sock };
    sock->curl_loop = curl_loop;
    if (lb_loop_add(curl_loop->loop, &sock->watch, events) < 0) {
        free(sock);
        return -1;
    }
    sock->next = curl_loop->sockets;
    curl_loop->sockets = sock;
    curl_multi_assign(curl_loop->multi, fd, sock);
    return 0;
}

static int timer_changed(CURLM *multi, long timeout_ms, void *arg)
{
    struct lb_curl_loop *curl_loop = arg;

    (void)multi;
    /* 0 means at once, but not from within this call: the loop fires it after this turn's events. */
    curl_loop->timer.due_ns =
        timeout_ms < 0 ? LB_NEVER : lb_clock_boot_ns() + (uint64_t)timeout_ms * LB_NS_PER_MS;
    return 0;
}

int lb_curl_loop_open(struct lb_curl_loop *curl_loop)
{
    curl_loop->multi = curl_multi_init();
    if (!curl_loop->multi) {
        lb_log(LB_LEVEL_ERROR, "libcurl cannot start");
        return -EIO;
    }
    curl_loop->timer = (struct lb_timer) { LB_NEVER, on_timer, curl_loop, NULL };
    lb_loop_add_timer(curl_loop->loop, &curl_loop->timer);
    curl_multi_setopt(curl_loop->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(curl_loop->multi, CURLMOPT_SOCKETDATA, curl_loop);
    curl_multi_setopt(curl_loop->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(curl_loop->multi, CURLMOPT_TIMERDATA, curl_loop);
    return 0;
}

void lb_curl_loop_close(struct lb_curl_loop *curl_loop)
{
    curl_multi_cleanup(curl_loop->multi);
    while (curl_loop->sockets)
        forget_socket(curl_loop, curl_loop->sockets);
    lb_loop_remove_timer(curl_loop->loop, &curl_loop->timer);
}

bool lb_curl_options(CURL *easy, const char *tls_ca, const char *tls_cert, const char *tls_key, char *error)
{
    bool is_set = true;

    if (tls_ca && tls_ca[0])
        is_set = curl_easy_setopt(easy, CURLOPT_CAINFO, tls_ca) == CURLE_OK;
    if (tls_cert && tls_cert[0])
        is_set = is_set && curl_easy_setopt(easy, CURLOPT_SSLCERT, tls_cert) == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_SSLKEY, tls_key) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    return is_set;
}
