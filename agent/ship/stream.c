/* SPDX-License-Identifier: MIT */
/*
 * A stream of bytes: TCP, TLS or a unix socket, for protocols without an answer (syslog). In: bodies. Out:
 * answers. Always true: bodies leave one after the other, each whole; one that could not leave whole ends the
 * connection, so that the next one begins on a new one.
 *
 * libcurl connects (names, both families, TLS, certificates) and hands the connection over (CONNECT_ONLY).
 * Nobody answers, so a body counts as delivered when the other end's kernel has acknowledged its last byte
 * (TCP), or its process has read it (unix): SIOCOUTQ is 0 then (tcp(7), unix(7)). What that end loses itself
 * nobody will know. The handle stays in the multi: libcurl finds the connection only through it.
 */
#include <curl/curl.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent/ship/curl_loop.h"
#include "agent/ship/http_reply.h"
#include "agent/ship/parcels.h"
#include "agent/ship/transport.h"
#include "common/clock.h"

#define LOOK_MIN_NS          (2 * LB_NS_PER_MS) /* how often it is looked whether all has arrived: doubles … */
#define LOOK_MAX_NS          (100 * LB_NS_PER_MS)
#define CONNECTION_AGE_MIN_S 2700 /* and up to as much longer: as of HTTP (facts 11) */

enum stream_state { STREAM_CLOSED = 0, STREAM_CONNECTING, STREAM_OPEN };

struct stream {
    struct lb_curl_loop curl;
    struct lb_target target;
    struct lb_parcels parcels; /* has_begun: TLS may hold a part that does not count as sent yet */
    char *tls_ca, *tls_cert, *tls_key;
    bool is_secure;
    uint64_t timeout_ns, age_ns, closes_ns;
    enum stream_state state;
    CURL *easy;
    struct lb_watch watch; /* of the connection, STREAM_OPEN */
    bool wants_out;
    struct lb_timer timer;
    uint64_t look_ns;   /* the pause until the next look */
    size_t extra_bytes; /* of the handshake, told with the next body */
    char error[CURL_ERROR_SIZE];
};

/* ---- the connection ---- */

static void disconnect(struct stream *stream)
{
    if (stream->state == STREAM_OPEN)
        lb_loop_remove(stream->curl.loop, &stream->watch);
    if (stream->easy) {
        curl_multi_remove_handle(stream->curl.multi, stream->easy); /* this closes it */
        curl_easy_cleanup(stream->easy);
    }
    stream->easy = NULL;
    stream->state = STREAM_CLOSED;
    stream->timer.due_ns = LB_NEVER;
}

/* Whatever waits has no answer. */
static void fail(struct stream *stream, CURLcode code, const char *why)
{
    struct lb_http_reply none = { 0 };
    struct lb_answer said = { .error = (int)code };

    if (stream->easy)
        lb_http_reply_judge(&none, stream->easy, code, why, &said);
    snprintf(said.text, sizeof said.text, "%s", why[0] ? why : curl_easy_strerror(code));
    disconnect(stream);
    lb_parcels_answer_all(&stream->parcels, &said);
}

static int queued_bytes(const struct stream *stream)
{
    int left = 0;

    return ioctl(stream->watch.fd, SIOCOUTQ, &left) == 0 ? left : 0;
}

static void delivered(struct stream *stream, struct lb_parcel *parcel)
{
    struct lb_answer said = { .wire_bytes = parcel->len, .link_bytes = parcel->len + stream->extra_bytes };

    stream->extra_bytes = 0;
    stream->look_ns = LOOK_MIN_NS;
    lb_parcels_answer(&stream->parcels, parcel, &said);
}

/* Returns false when the connection is gone. */
static bool write_some(struct stream *stream, struct lb_parcel *parcel)
{
    parcel->has_begun = parcel->has_begun || parcel->sent < parcel->len;
    while (parcel->sent < parcel->len) {
        size_t sent = 0;
        CURLcode code =
            curl_easy_send(stream->easy, parcel->body + parcel->sent, parcel->len - parcel->sent, &sent);

        parcel->sent += sent;
        if (code == CURLE_AGAIN)
            return true;
        if (code != CURLE_OK) {
            fail(stream, code, stream->error);
            return false;
        }
    }
    return true;
}

static void want_out(struct stream *stream, bool wants)
{
    if (wants != stream->wants_out)
        lb_loop_change(stream->curl.loop, &stream->watch, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
    stream->wants_out = wants;
}

/* Nobody is to say anything; when the other end closes, this is how we hear of it. */
static bool hear(struct stream *stream)
{
    char heard[512];
    size_t len = 0;
    CURLcode code;

    do
        code = curl_easy_recv(stream->easy, heard, sizeof heard, &len);
    while (code == CURLE_OK && len > 0);
    if (code == CURLE_AGAIN)
        return true;
    fail(stream, code == CURLE_OK ? CURLE_GOT_NOTHING : code,
         code == CURLE_OK ? "the other end has closed the connection" : stream->error);
    return false;
}

/* Send what can be sent, and see what has arrived. */
static void go_on(struct stream *stream)
{
    struct lb_parcel *parcel;

    while (stream->state == STREAM_OPEN && (parcel = lb_parcels_first(&stream->parcels))) {
        uint64_t now_ns = lb_clock_boot_ns();

        if (!write_some(stream, parcel))
            return;
        if (parcel->sent == parcel->len && queued_bytes(stream) == 0) {
            if (!hear(stream)) /* after the look: an end empties the queue as well */
                return;
            delivered(stream, parcel);
            continue;
        }
        if (now_ns >= parcel->due_ns) {
            fail(stream, CURLE_OPERATION_TIMEDOUT, "the other end takes nothing: timed out");
            return;
        }
        want_out(stream, parcel->sent < parcel->len);
        stream->timer.due_ns = now_ns + stream->look_ns;
        stream->look_ns = stream->look_ns * 2 < LOOK_MAX_NS ? stream->look_ns * 2 : LOOK_MAX_NS;
        return;
    }
    if (stream->state == STREAM_OPEN) {
        want_out(stream, false);
        stream->timer.due_ns = stream->closes_ns;
    }
}

static void on_ready(void *arg, uint32_t events)
{
    struct stream *stream = arg;

    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !hear(stream))
        return;
    go_on(stream);
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct stream *stream = arg;

    stream->timer.due_ns = LB_NEVER;
    if (stream->state == STREAM_CLOSED && lb_parcels_first(&stream->parcels))
        fail(stream, CURLE_OUT_OF_MEMORY, "");
    else if (stream->state == STREAM_OPEN && !lb_parcels_first(&stream->parcels) &&
             now_ns >= stream->closes_ns)
        disconnect(stream); /* so that moves of a load balancer are followed */
    else
        go_on(stream);
}

static void on_connected(void *ctx, CURL *easy, CURLcode code)
{
    struct stream *stream = ctx;
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code != CURLE_OK || fd == CURL_SOCKET_BAD) {
        fail(stream, code == CURLE_OK ? CURLE_COULDNT_CONNECT : code, stream->error);
        return;
    }
    stream->watch = (struct lb_watch) { fd, on_ready, stream };
    if (lb_loop_add(stream->curl.loop, &stream->watch, EPOLLIN) < 0) {
        fail(stream, CURLE_OUT_OF_MEMORY, "");
        return;
    }
    stream->state = STREAM_OPEN;
    stream->wants_out = false;
    stream->look_ns = LOOK_MIN_NS;
    stream->closes_ns = lb_clock_boot_ns() + stream->age_ns;
    go_on(stream);
}

static void on_broken(void *ctx)
{
    fail(ctx, CURLE_ABORTED_BY_CALLBACK, "");
}

static int start_connecting(struct stream *stream)
{
    bool is_set;

    stream->easy = curl_easy_init();
    if (!stream->easy)
        return -ENOMEM;
    stream->error[0] = '\0';
    is_set =
        lb_curl_options(stream->easy, stream->tls_ca, stream->tls_cert, stream->tls_key, stream->error) &&
        curl_easy_setopt(stream->easy, CURLOPT_URL, stream->target.url) == CURLE_OK &&
        (!stream->target.unix_path[0] ||
         curl_easy_setopt(stream->easy, CURLOPT_UNIX_SOCKET_PATH, stream->target.unix_path) == CURLE_OK);
    curl_easy_setopt(stream->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(stream->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(stream->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(stream->easy, CURLOPT_FRESH_CONNECT, 1L);
    if (!is_set || curl_multi_add_handle(stream->curl.multi, stream->easy) != CURLM_OK) {
        curl_easy_cleanup(stream->easy);
        stream->easy = NULL;
        return -ENOMEM;
    }
    stream->state = STREAM_CONNECTING;
    return 0;
}

/* ---- the transport ---- */

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct stream *stream = self;
    uint64_t now_ns = lb_clock_boot_ns();
    int rc;

    (void)encoding;
    if (slot == LB_TRANSPORT_PING && !lb_parcels_first(&stream->parcels))
        disconnect(stream); /* whether it can be reached tells only a connection of its own */
    rc = stream->state == STREAM_CLOSED ? start_connecting(stream) : 0;
    if (rc < 0)
        return rc;
    lb_parcels_put(&stream->parcels, slot, body, len, now_ns + stream->timeout_ns);
    if (stream->state == STREAM_OPEN) /* no callback comes from within: the timer is due in the next turn */
        stream->timer.due_ns = now_ns;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    struct stream *stream = self;
    struct lb_parcel *parcel = &stream->parcels.parcel[slot];

    if (parcel->is_waiting && parcel->has_begun) {
        /* Half of it is out: what else waits begins anew on another connection. */
        disconnect(stream);
        for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
            stream->parcels.parcel[i].sent = 0;
            stream->parcels.parcel[i].has_begun = false;
        }
    }
    parcel->is_waiting = false;
    if (stream->state == STREAM_CLOSED && lb_parcels_first(&stream->parcels) && start_connecting(stream) < 0)
        stream->timer.due_ns = lb_clock_boot_ns(); /* told in the next turn */
    return true;
}

static void free_stream(struct stream *stream)
{
    free(stream->tls_ca);
    free(stream->tls_cert);
    free(stream->tls_key);
    free(stream);
}

static void close_stream(void *self)
{
    struct stream *stream = self;

    disconnect(stream);
    lb_loop_remove_timer(stream->curl.loop, &stream->timer);
    lb_curl_loop_close(&stream->curl);
    free_stream(stream);
}

static bool copy_text(const char *from, char **to)
{
    if (from[0])
        *to = strdup(from);
    return !from[0] || *to;
}

int lb_stream_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                   uint64_t seed, lb_transport_done done, void *ctx, struct lb_transport *ret_transport)
{
    struct stream *stream = calloc(1, sizeof *stream);

    if (!stream)
        return -ENOMEM;
    stream->curl =
        (struct lb_curl_loop) { .loop = loop, .done = on_connected, .broken = on_broken, .ctx = stream };
    if (!copy_text(config->tls_ca, &stream->tls_ca) || !copy_text(config->tls_cert, &stream->tls_cert) ||
        !copy_text(config->tls_key, &stream->tls_key)) {
        free_stream(stream);
        return -ENOMEM;
    }
    if (lb_curl_loop_open(&stream->curl) < 0) {
        free_stream(stream);
        return -EIO;
    }
    stream->target = *target;
    stream->parcels.done = done;
    stream->parcels.ctx = ctx;
    stream->timeout_ns = config->timeout_ms * LB_NS_PER_MS;
    stream->age_ns = (CONNECTION_AGE_MIN_S + seed % CONNECTION_AGE_MIN_S) * LB_NS_PER_S;
    stream->timer = (struct lb_timer) { LB_NEVER, on_timer, stream, NULL };
    lb_loop_add_timer(loop, &stream->timer);
    *ret_transport = (struct lb_transport) { stream, send_body, cancel, close_stream, NULL, false };
    return 0;
}
