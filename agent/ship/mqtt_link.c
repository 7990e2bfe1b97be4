/* SPDX-License-Identifier: MIT */
/*
 * A connection to an MQTT broker. In: what becomes ready, the time. Out: up, acknowledgments, down. Always
 * true: one library object is one connection, and the watch is of its socket.
 *
 * What libmosquitto 2.0.11 does that shaped this (its lib/net_mosq.c, loop.c, connect.c):
 *   - mosquitto_connect_async() looks the name up while everybody waits: it is given an address (resolve.h,
 *     mqtt_tls.h).
 *   - While TLS shakes hands mosquitto_loop_write() does nothing and mosquitto_want_write() says yes: the
 *     handshake goes on in mosquitto_loop_read(), and OpenSSL is asked what it waits for.
 *   - A connection that is refused or reset in a handshake is no error to it, for ever: the socket is asked.
 *   - Both loops take errno for their own and stop at an old EAGAIN, with bytes left in TLS's buffer.
 *   - It closes the socket itself, and then calls back.
 *   - Unacknowledged messages are sent again after a reconnect: there is none, the object is made anew.
 *   - A clean_session of false keeps the broker's side of the session. With MQTT 5 it keeps nothing there:
 *     how long a session is kept can only be told by the call that blocks, or by a trick (mqtt_hand.c).
 */
#include "agent/ship/mqtt_link.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/ship/mqtt_hand.h"
#include "agent/ship/mqtt_say.h"
#include "common/clock.h"

#define CONNECT_NS      (10 * LB_NS_PER_S) /* for each address, up to the broker's welcome */
#define RECEIVE_MAX_DFL 65535              /* MQTT 5, 3.2.2.3.3 */

/* ---- what the library says, noted ---- */

static void on_connack(struct mosquitto *mosq, void *arg, int code, int flags,
                       const mosquitto_property *properties)
{
    struct lb_mqtt_link *link = arg;
    uint16_t most = RECEIVE_MAX_DFL;

    (void)mosq;
    link->has_session = flags & 1;
    link->has_connack = true;
    link->up_ns = lb_clock_boot_ns();
    link->connack = lb_mqtt_reason(link->settings->protocol, code);
    mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &most, false);
    link->receive_max = most;
}

static void note(struct lb_mqtt_link *link, int mid, int code)
{
    if (link->noted_count < LB_MQTT_NOTED_MAX)
        link->noted[link->noted_count++] = (struct lb_mqtt_noted) { mid, code };
}

static void on_puback(struct mosquitto *mosq, void *arg, int mid, int code,
                      const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    note(arg, mid, code);
}

static void on_unsuback(struct mosquitto *mosq, void *arg, int mid, const mosquitto_property *properties)
{
    (void)mosq;
    (void)properties;
    note(arg, mid, 0);
}

static void on_disconnect(struct mosquitto *mosq, void *arg, int code, const mosquitto_property *properties)
{
    struct lb_mqtt_link *link = arg;

    (void)mosq;
    (void)properties;
    if (!link->is_lost)
        link->lost_code = code;
    link->is_lost = true;
}

static void on_log(struct mosquitto *mosq, void *arg, int level, const char *text)
{
    struct lb_mqtt_link *link = arg;

    (void)mosq;
    if (level == MOSQ_LOG_ERR && link->error[0] == '\0')
        snprintf(link->error, sizeof link->error, "%s", text);
}

/* ---- down ---- */

static void drop_mosq(struct lb_mqtt_link *link)
{
    if (link->is_watched)
        lb_loop_remove(link->loop, &link->watch); /* the library may have closed it already: no harm */
    link->is_watched = false;
    mosquitto_destroy(link->mosq);
    link->mosq = NULL;
    lb_mqtt_tls_close(&link->tls);
}

void lb_mqtt_link_close(struct lb_mqtt_link *link)
{
    if (link->resolve)
        lb_resolve_cancel(link->resolve);
    link->resolve = NULL;
    drop_mosq(link);
    link->state = LB_MQTT_CLOSED;
    link->timer.due_ns = LB_NEVER;
}

static enum lb_answer_step broken_step(const struct lb_mqtt_link *link)
{
    return link->state == LB_MQTT_RESOLVING                          ? LB_STEP_RESOLVE
           : !link->is_reached                                       ? LB_STEP_CONNECT
           : link->settings->is_secure && link->tls.finished_ns == 0 ? LB_STEP_SECURE
                                                                     : LB_STEP_ANSWER;
}

/* error: an errno, 0: the broker has said it all. */
static void go_down(struct lb_mqtt_link *link, int error, long status, const char *text)
{
    struct lb_answer why = { .error = error, .status = status };

    if (error)
        why.broken = broken_step(link);
    why.is_clock_fault = error && lb_mqtt_tls_is_clock_fault(&link->tls);
    lb_mqtt_link_read_steps(link, &why.steps);
    if (link->tls.verdict != X509_V_OK && error)
        snprintf(why.text, sizeof why.text, "the broker's certificate: %s",
                 X509_verify_cert_error_string(link->tls.verdict));
    else
        snprintf(why.text, sizeof why.text, "%s", text);
    lb_mqtt_link_close(link);
    link->down(link->ctx, &why);
}

static void refused(struct lb_mqtt_link *link, int code, const char *what)
{
    char text[128];

    snprintf(text, sizeof text, "the broker refuses %s: %s", what, mosquitto_reason_string(code));
    go_down(link, 0, code, text);
}

static void lost(struct lb_mqtt_link *link, int rc, int error)
{
    char text[256];

    if (link->is_lost && link->lost_code >= 0x80) {
        snprintf(text, sizeof text, "the broker ends the connection: %s",
                 mosquitto_reason_string(link->lost_code));
        go_down(link, ECONNRESET, link->lost_code, text);
        return;
    }
    if (link->error[0])
        snprintf(text, sizeof text, "%s", link->error);
    else
        snprintf(text, sizeof text, "%s",
                 rc == MOSQ_ERR_ERRNO && error ? strerror(error) : mosquitto_strerror(rc));
    go_down(link, rc == MOSQ_ERR_ERRNO && error ? error : ECONNRESET, 0, text);
}

/* ---- up ---- */

static void watch_for(struct lb_mqtt_link *link)
{
    SSL *ssl = mosquitto_ssl_get(link->mosq);
    bool is_shaking = ssl && !SSL_is_init_finished(ssl);
    bool wants_out =
        !link->is_reached || (is_shaking ? SSL_want_write(ssl) : mosquitto_want_write(link->mosq));
    uint32_t events = EPOLLIN | EPOLLRDHUP | (wants_out ? (uint32_t)EPOLLOUT : 0);

    if (events != link->events)
        lb_loop_change(link->loop, &link->watch, events);
    link->events = events;
}

static void plan(struct lb_mqtt_link *link)
{
    if (link->state == LB_MQTT_CONNECTING)
        link->timer.due_ns = link->connect_due_ns;
    else if (link->state == LB_MQTT_UP)
        link->timer.due_ns = link->failed ? 0 : link->misc_due_ns;
}

void lb_mqtt_link_sent(struct lb_mqtt_link *link, int rc)
{
    if (rc != MOSQ_ERR_SUCCESS && !link->failed)
        link->failed = rc;
    plan(link);
    if (mosquitto_socket(link->mosq) >= 0)
        watch_for(link);
}

static void come_up(struct lb_mqtt_link *link)
{
    link->state = LB_MQTT_UP;
    link->has_connack = false;
    link->misc_due_ns = link->up_ns + LB_NS_PER_S;
    plan(link);
    lb_mqtt_say_birth(link);
    link->up(link->ctx, link->receive_max);
}

/* The library has returned: tell what it has said. */
static void settle(struct lb_mqtt_link *link, int rc, int error)
{
    struct lb_mqtt_noted noted[LB_MQTT_NOTED_MAX];
    unsigned count = link->noted_count;
    int birth = 0;

    memcpy(noted, link->noted, sizeof noted);
    link->noted_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (noted[i].mid == link->birth_mid) {
            birth = noted[i].code;
            link->birth_mid = 0;
        }
        link->acknowledged(link->ctx, noted[i].mid, noted[i].code);
    }
    if (link->has_connack && link->connack != 0)
        refused(link, link->connack, "us");
    else if (birth >= MQTT_RC_UNSPECIFIED) /* mosquitto hangs up behind it: nothing else would be told */
        refused(link, birth, "what status_topic is for");
    else if (rc != MOSQ_ERR_SUCCESS || link->is_lost || mosquitto_socket(link->mosq) < 0)
        lost(link, rc ? rc : MOSQ_ERR_CONN_LOST, error);
    else if (link->has_connack)
        come_up(link);
    if (link->state == LB_MQTT_CONNECTING || link->state == LB_MQTT_UP)
        watch_for(link);
}

/* ---- connecting ---- */

static void try_next_address(struct lb_mqtt_link *link, int error);

static int read_all(struct lb_mqtt_link *link)
{
    SSL *ssl;
    int rc;

    do {
        errno = 0;
        rc = mosquitto_loop_read(link->mosq, 1);
        ssl = mosquitto_ssl_get(link->mosq);
    } while (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(link->mosq) >= 0 && ssl && SSL_pending(ssl) > 0);
    return rc;
}

int lb_mqtt_link_pump(struct lb_mqtt_link *link)
{
    int rc = read_all(link);

    if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(link->mosq) >= 0 && mosquitto_want_write(link->mosq)) {
        errno = 0;
        rc = mosquitto_loop_write(link->mosq, 1);
    }
    return rc;
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static void on_ready(void *arg, uint32_t events)
{
    struct lb_mqtt_link *link = arg;
    int rc, error = link->is_reached ? 0 : socket_error(link->watch.fd);

    if (error) {
        try_next_address(link, error);
        return;
    }
    if (!link->is_reached && (events & EPOLLOUT)) {
        link->is_reached = true;
        link->reached_ns = lb_clock_boot_ns();
    }
    rc = lb_mqtt_link_pump(link);
    error = errno;
    if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(link->mosq) >= 0 &&
        ((events & (EPOLLERR | EPOLLHUP)) || ((events & EPOLLRDHUP) && link->state == LB_MQTT_CONNECTING))) {
        rc = MOSQ_ERR_ERRNO; /* the library would not notice */
        error = socket_error(link->watch.fd);
        error = error ? error : ECONNRESET;
    }
    settle(link, rc, error);
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_mqtt_link *link = arg;
    uint64_t pause_ns = link->settings->keepalive_s * LB_NS_PER_S / 4;
    int rc = link->failed, error;

    link->timer.due_ns = LB_NEVER;
    if (link->state == LB_MQTT_CONNECTING && now_ns >= link->connect_due_ns) {
        try_next_address(link, ETIMEDOUT);
        return;
    }
    if (link->state == LB_MQTT_UP && rc == 0 && now_ns >= link->misc_due_ns) {
        errno = 0;
        rc = mosquitto_loop_misc(link->mosq);
        /* A ping that is late by a quarter is in time: the broker waits for half of it more. */
        link->misc_due_ns = now_ns + pause_ns;
    }
    error = errno;
    plan(link);
    if (link->state == LB_MQTT_UP)
        settle(link, rc, error);
}

static int make_mosq(struct lb_mqtt_link *link)
{
    static const char will[] = "{\"online\":0}";
    const struct lb_mqtt_settings *settings = link->settings;
    int rc;

    link->mosq = mosquitto_new(settings->client_id, false, link);
    if (!link->mosq)
        return MOSQ_ERR_NOMEM;
    mosquitto_connect_v5_callback_set(link->mosq, on_connack);
    mosquitto_publish_v5_callback_set(link->mosq, on_puback);
    mosquitto_unsubscribe_v5_callback_set(link->mosq, on_unsuback);
    mosquitto_disconnect_v5_callback_set(link->mosq, on_disconnect);
    mosquitto_log_callback_set(link->mosq, on_log);
    if (link->hand)
        lb_mqtt_hand_listen(link->hand, link->mosq);
    rc = mosquitto_int_option(link->mosq, MOSQ_OPT_PROTOCOL_VERSION,
                              settings->protocol == LB_MQTT_5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    mosquitto_int_option(link->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    if (rc == MOSQ_ERR_SUCCESS && settings->user[0])
        rc = mosquitto_username_pw_set(link->mosq, settings->user, settings->secret);
    if (rc == MOSQ_ERR_SUCCESS && settings->status_topic[0])
        rc = mosquitto_will_set(link->mosq, settings->status_topic, sizeof will - 1, will, 1, true);
    if (rc == MOSQ_ERR_SUCCESS && settings->is_secure) {
        mosquitto_int_option(link->mosq, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
        rc = mosquitto_void_option(link->mosq, MOSQ_OPT_SSL_CTX, link->tls.context);
    }
    return rc;
}

static void forget(struct lb_mqtt_link *link)
{
    drop_mosq(link);
    link->is_reached = link->has_connack = link->is_lost = false;
    link->noted_count = 0;
    link->failed = link->birth_mid = 0;
    link->tls.verdict = X509_V_OK;
    link->tls.finished_ns = 0;
    link->receive_max = RECEIVE_MAX_DFL;
    link->error[0] = '\0';
}

/* The next one, or down with what went wrong with the last. */
static void try_next_address(struct lb_mqtt_link *link, int error)
{
    const struct lb_mqtt_settings *settings = link->settings;
    char why[200] = "";
    int rc = MOSQ_ERR_ERRNO;

    while (link->next_address < link->addresses && !(link->is_reached && error)) {
        const char *address = link->address[link->next_address++];

        forget(link);
        link->state = LB_MQTT_CONNECTING;
        link->connect_due_ns = lb_clock_boot_ns() + CONNECT_NS;
        if (settings->is_secure && lb_mqtt_tls_open(&link->tls, settings->host, settings->tls_ca,
                                                    settings->tls_cert, settings->tls_key, why, sizeof why)) {
            go_down(link, EINVAL, 0, why);
            return;
        }
        rc = make_mosq(link);
        errno = 0;
        if (rc == MOSQ_ERR_SUCCESS)
            rc = mosquitto_connect_async(link->mosq, address, settings->port, (int)settings->keepalive_s);
        error = errno;
        link->watch = (struct lb_watch) { mosquitto_socket(link->mosq), on_ready, link };
        link->events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
        if (rc <= 0 && link->watch.fd >= 0 && lb_loop_add(link->loop, &link->watch, link->events) == 0) {
            link->is_watched = true;
            plan(link);
            return;
        }
        error = rc == MOSQ_ERR_ERRNO && error ? error : EIO;
    }
    snprintf(why, sizeof why, "cannot connect: %s",
             error == ETIMEDOUT ? "the broker does not answer: timed out" : strerror(error));
    go_down(link, error ? error : EIO, 0, link->error[0] ? link->error : why);
}

static void on_resolved(void *ctx, char address[][64], unsigned count, const char *why)
{
    struct lb_mqtt_link *link = ctx;

    link->resolve = NULL;
    link->resolved_ns = lb_clock_boot_ns();
    if (count == 0) {
        go_down(link, EHOSTUNREACH, 0, why);
        return;
    }
    memcpy(link->address, address, count * sizeof address[0]);
    link->addresses = count;
    try_next_address(link, 0);
}

int lb_mqtt_link_open(struct lb_mqtt_link *link)
{
    int rc;

    forget(link);
    link->addresses = link->next_address = 0;
    link->resolved_ns = link->reached_ns = link->up_ns = 0;
    link->begun_ns = lb_clock_boot_ns();
    rc = lb_resolve_start(link->loop, link->settings->host, on_resolved, link, &link->resolve);
    if (rc == 0)
        link->state = LB_MQTT_RESOLVING;
    return rc;
}

void lb_mqtt_link_init(struct lb_mqtt_link *link)
{
    link->timer = (struct lb_timer) { LB_NEVER, on_timer, link, NULL };
    lb_loop_add_timer(link->loop, &link->timer);
}

void lb_mqtt_link_end(struct lb_mqtt_link *link)
{
    lb_loop_remove_timer(link->loop, &link->timer);
}

static uint64_t took_us(uint64_t begun_ns, uint64_t ended_ns)
{
    return ended_ns > begun_ns ? (ended_ns - begun_ns) / 1000 + 1 : 0;
}

void lb_mqtt_link_read_steps(const struct lb_mqtt_link *link, struct lb_answer_steps *ret_steps)
{
    *ret_steps = (struct lb_answer_steps) {
        .resolved_us = took_us(link->begun_ns, link->resolved_ns),
        .connected_us = took_us(link->begun_ns, link->reached_ns),
        .secured_us = took_us(link->begun_ns, link->tls.finished_ns),
        .answered_us = took_us(link->begun_ns, link->up_ns),
    };
    if (link->is_reached)
        snprintf(ret_steps->address, sizeof ret_steps->address, "%s", link->address[link->next_address - 1]);
}

int lb_mqtt_reason(enum lb_mqtt_protocol protocol, int connack)
{
    static const int reasons[] = {
        0,
        MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION,
        MQTT_RC_CLIENTID_NOT_VALID,
        MQTT_RC_SERVER_UNAVAILABLE,
        MQTT_RC_BAD_USERNAME_OR_PASSWORD,
        MQTT_RC_NOT_AUTHORIZED,
    };

    if (protocol == LB_MQTT_5 && connack >= MQTT_RC_UNSPECIFIED)
        return connack;
    /* A broker that does not know version 5 answers as of 3.1.1. */
    return connack >= 0 && connack < (int)(sizeof reasons / sizeof reasons[0]) ? reasons[connack]
                                                                               : MQTT_RC_UNSPECIFIED;
}
