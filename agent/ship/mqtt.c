/* SPDX-License-Identifier: MIT */
/*
 * An MQTT broker: each body is a message of QoS 1. In: bodies. Out: answers. Always true: no more messages
 * are out than [sink] concurrency and the broker allow, and what was out when a connection broke is answered
 * as failed: nobody but the shipper sends it again.
 *
 * Who connects is who sends, or hears (mqtt_hand.h). Without [remote] a connection that breaks while nothing
 * is to be sent stays closed until something is; the broker has published the will then, and the device is
 * offline to whoever looks. The heartbeat bounds for how long.
 *
 * A question (an empty body, of `logboom ping` and of the shipper) is not published. The broker's welcome
 * answers it, or on a connection that is up already the acknowledgment of something harmless.
 *
 * A body that was published cannot be called back: cancel() says so, and its acknowledgment still counts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/mqtt_hand.h"
#include "agent/ship/mqtt_say.h"
#include "agent/ship/transport.h"
#include "common/clock.h"

#define PACKET_BYTES    16   /* a head, lengths, the acknowledgment */
#define HANDSHAKE_BYTES 4500 /* TLS, as of HTTP (http_reply.c) */
#define CONNECT_BYTES   400
#define RECORD_BYTES    16384 /* of TLS … */
#define RECORD_ADDS     29    /* … and what it adds to each */
#define TOO_LARGE       0x95  /* reasons of MQTT 5, as the sink judges them */

struct parcel {
    const void *body;
    size_t len;
    char encoding[8];
    uint64_t due_ns; /* given up then */
    uint64_t turn;   /* the lower one leaves first */
    int mid;
    bool is_waiting; /* not answered yet */
    bool is_out;     /* published, or asked */
};

struct mqtt {
    struct lb_mqtt_settings settings;
    struct lb_mqtt_link link;
    lb_transport_done done;
    void *ctx;
    uint64_t timeout_ns, turn;
    unsigned out_max; /* of this connection */
    unsigned concurrency;
    size_t extra_bytes; /* of connecting, told with the next body */
    bool is_new;        /* how long connecting took is told with the next answer */
    struct lb_timer timer;
    struct parcel parcel[LB_TRANSPORT_SLOTS];
};

/* The slots of questions: of ping, of the shipper, and of the backlog's. */
static bool is_question(unsigned slot)
{
    return slot == LB_TRANSPORT_PING || slot == LB_TRANSPORT_PING + 1 || slot == LB_TRANSPORT_DRAIN + 1;
}

static unsigned slot_of(const struct mqtt *mqtt, const struct parcel *parcel)
{
    return (unsigned)(parcel - mqtt->parcel);
}

static struct parcel *first_waiting(struct mqtt *mqtt)
{
    struct parcel *first = NULL;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        struct parcel *parcel = &mqtt->parcel[i];

        if (parcel->is_waiting && !parcel->is_out && (!first || parcel->turn < first->turn))
            first = parcel;
    }
    return first;
}

/* A question takes no place among the messages. */
static unsigned count_out(const struct mqtt *mqtt)
{
    unsigned count = mqtt->link.birth_mid ? 1 : 0;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        count += mqtt->parcel[i].is_waiting && mqtt->parcel[i].is_out && !is_question(i);
    return count;
}

static uint64_t first_due_ns(const struct mqtt *mqtt)
{
    uint64_t due_ns = LB_NEVER;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        if (mqtt->parcel[i].is_waiting && mqtt->parcel[i].due_ns < due_ns)
            due_ns = mqtt->parcel[i].due_ns;
    return due_ns;
}

/* ---- answers ---- */

static void answer(struct mqtt *mqtt, struct parcel *parcel, struct lb_answer *said)
{
    if (parcel->is_out && !is_question(slot_of(mqtt, parcel))) {
        said->wire_bytes = parcel->len + strlen(mqtt->settings.topic) + PACKET_BYTES;
        said->link_bytes = said->wire_bytes + mqtt->extra_bytes;
        if (mqtt->settings.is_secure)
            said->link_bytes += (said->wire_bytes / RECORD_BYTES + 1) * RECORD_ADDS;
        if (mqtt->link.hand)
            said->link_bytes += lb_mqtt_hand_take_bytes(mqtt->link.hand);
        mqtt->extra_bytes = 0;
    }
    parcel->is_waiting = parcel->is_out = false;
    mqtt->done(mqtt->ctx, slot_of(mqtt, parcel), said);
}

static void answer_status(struct mqtt *mqtt, struct parcel *parcel, int code)
{
    struct lb_answer said = { 0 };

    if (mqtt->is_new)
        lb_mqtt_link_read_steps(&mqtt->link, &said.steps);
    mqtt->is_new = false;
    if (code >= 0x80) {
        said.status = code;
        snprintf(said.text, sizeof said.text, "the broker refuses it: %s", mosquitto_reason_string(code));
    }
    answer(mqtt, parcel, &said);
}

/* Whatever waits has this answer. One that is sent anew from within waits on. */
static void answer_all(struct mqtt *mqtt, const struct lb_answer *why)
{
    bool was_waiting[LB_TRANSPORT_SLOTS];
    unsigned out = count_out(mqtt);

    if (why->status == TOO_LARGE && mqtt->link.birth_mid)
        out--; /* our few bytes that we are there cannot be meant */
    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        was_waiting[i] = mqtt->parcel[i].is_waiting;
    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        struct parcel *parcel = &mqtt->parcel[i];
        struct lb_answer said = *why;

        if (!was_waiting[i] || !parcel->is_waiting)
            continue;
        /* A broker may end the connection over a message instead of refusing it: by the reason, if it can
         * only be that one. */
        if (said.error && said.status && out == 1 && parcel->is_out && !is_question(i))
            said.error = 0;
        else if (said.error)
            said.status = 0;
        answer(mqtt, parcel, &said);
    }
}

/* ---- sending ---- */

static void send_parcel(struct mqtt *mqtt, struct parcel *parcel)
{
    int rc;

    if (is_question(slot_of(mqtt, parcel)) && mqtt->is_new) {
        answer_status(mqtt, parcel, 0); /* the welcome was the answer */
        return;
    }
    if (parcel->len > LB_MQTT_MESSAGE_MAX) { /* one long record that does not pack */
        answer_status(mqtt, parcel, TOO_LARGE);
        return;
    }
    rc = is_question(slot_of(mqtt, parcel))
             ? lb_mqtt_say_hello(&mqtt->link, &parcel->mid)
             : lb_mqtt_say_body(&mqtt->link, parcel->body, parcel->len, parcel->encoding, &parcel->mid);
    if (rc == -EMSGSIZE) {
        answer_status(mqtt, parcel, TOO_LARGE);
    } else if (rc < 0) {
        struct lb_answer said = { .error = -rc };

        snprintf(said.text, sizeof said.text, "%s", strerror(-rc));
        answer(mqtt, parcel, &said);
    } else {
        parcel->is_out = true;
    }
}

static void go_on(struct mqtt *mqtt)
{
    struct parcel *parcel;

    while (mqtt->link.state == LB_MQTT_UP && !mqtt->link.failed && (parcel = first_waiting(mqtt)) &&
           (is_question(slot_of(mqtt, parcel)) || count_out(mqtt) < mqtt->out_max))
        send_parcel(mqtt, parcel);
    mqtt->timer.due_ns = first_due_ns(mqtt);
}

static void on_up(void *ctx, unsigned receive_max)
{
    struct mqtt *mqtt = ctx;

    mqtt->out_max = mqtt->concurrency < receive_max ? mqtt->concurrency : receive_max;
    mqtt->extra_bytes = CONNECT_BYTES + (mqtt->settings.is_secure ? HANDSHAKE_BYTES : 0);
    mqtt->is_new = true;
    if (mqtt->link.hand)
        lb_mqtt_hand_up(mqtt->link.hand);
    go_on(mqtt);
    mqtt->is_new = false;
}

static void on_acknowledged(void *ctx, int mid, int code)
{
    struct mqtt *mqtt = ctx;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        struct parcel *parcel = &mqtt->parcel[i];

        if (parcel->is_waiting && parcel->is_out && parcel->mid == mid) {
            answer_status(mqtt, parcel, code);
            break;
        }
    }
    if (mqtt->link.hand)
        lb_mqtt_hand_acknowledged(mqtt->link.hand, mid, code);
    go_on(mqtt);
}

static void on_down(void *ctx, const struct lb_answer *why)
{
    struct mqtt *mqtt = ctx;

    if (mqtt->link.hand)
        lb_mqtt_hand_down(mqtt->link.hand, why);
    mqtt->timer.due_ns = LB_NEVER;
    answer_all(mqtt, why);
    if (mqtt->link.state != LB_MQTT_CLOSED)
        mqtt->timer.due_ns = first_due_ns(mqtt);
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct mqtt *mqtt = arg;
    struct lb_answer said = { .error = ETIMEDOUT, .text = "no acknowledgment: timed out" };

    if (mqtt->link.state != LB_MQTT_CLOSED && now_ns < first_due_ns(mqtt)) {
        go_on(mqtt);
        return;
    }
    if (mqtt->link.state != LB_MQTT_UP) {
        said.broken = LB_STEP_CONNECT;
        snprintf(said.text, sizeof said.text, "the broker does not answer: timed out");
    }
    lb_mqtt_link_close(&mqtt->link);
    on_down(mqtt, &said);
}

/* ---- the transport ---- */

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct mqtt *mqtt = self;
    struct parcel *parcel = &mqtt->parcel[slot];
    uint64_t now_ns = lb_clock_boot_ns();
    int rc = mqtt->link.state == LB_MQTT_CLOSED ? lb_mqtt_link_open(&mqtt->link) : 0;

    if (rc < 0)
        return rc;
    *parcel = (struct parcel) { .body = body,
                                .len = len,
                                .due_ns = now_ns + mqtt->timeout_ns,
                                .turn = ++mqtt->turn,
                                .is_waiting = true };
    snprintf(parcel->encoding, sizeof parcel->encoding, "%s", encoding);
    if (mqtt->link.state == LB_MQTT_UP) /* no callback comes from within: the timer is due in the next turn */
        mqtt->timer.due_ns = now_ns;
    else if (parcel->due_ns < mqtt->timer.due_ns)
        mqtt->timer.due_ns = parcel->due_ns;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    struct mqtt *mqtt = self;
    struct parcel *parcel = &mqtt->parcel[slot];

    if (parcel->is_waiting && parcel->is_out)
        return false;
    parcel->is_waiting = false;
    return true;
}

static void free_mqtt(struct mqtt *mqtt)
{
    free(mqtt->settings.tls_ca);
    free(mqtt->settings.tls_cert);
    free(mqtt->settings.tls_key);
    explicit_bzero(&mqtt->settings, sizeof mqtt->settings);
    free(mqtt);
}

static void close_mqtt(void *self)
{
    struct mqtt *mqtt = self;

    lb_mqtt_say_farewell(&mqtt->link, LB_MQTT_FAREWELL_MS);
    if (mqtt->link.hand)
        lb_mqtt_hand_drop(mqtt->link.hand);
    lb_mqtt_link_end(&mqtt->link);
    lb_loop_remove_timer(mqtt->link.loop, &mqtt->timer);
    mosquitto_lib_cleanup();
    free_mqtt(mqtt);
}

static int take_settings(struct lb_mqtt_settings *settings, const struct lb_sink_config *config,
                         const struct lb_target *target)
{
    bool has_status = strcmp(config->status_topic, "off") != 0;

    settings->port =
        lb_topic_parse_address(target->url, settings->host, sizeof settings->host, &settings->is_secure);
    settings->protocol = config->protocol;
    settings->keepalive_s = (unsigned)(config->keepalive_ms / 1000);
    snprintf(settings->topic, sizeof settings->topic, "%s", config->topic);
    snprintf(settings->status_topic, sizeof settings->status_topic, "%s",
             has_status ? config->status_topic : "");
    snprintf(settings->client_id, sizeof settings->client_id, "%s", config->client_id);
    snprintf(settings->user, sizeof settings->user, "%s", config->user);
    snprintf(settings->secret, sizeof settings->secret, "%s", target->secret);
    settings->tls_ca = strdup(config->tls_ca);
    settings->tls_cert = strdup(config->tls_cert);
    settings->tls_key = strdup(config->tls_key);
    if (settings->port < 0)
        return -EINVAL;
    return settings->tls_ca && settings->tls_cert && settings->tls_key ? 0 : -ENOMEM;
}

int lb_mqtt_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                 lb_transport_done done, void *ctx, struct lb_transport *ret_transport)
{
    struct mqtt *mqtt = calloc(1, sizeof *mqtt);
    int rc = mqtt ? take_settings(&mqtt->settings, config, target) : -ENOMEM;

    if (rc == 0 && mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
        rc = -ENOMEM;
    if (rc < 0) {
        if (mqtt)
            free_mqtt(mqtt);
        return rc;
    }
    mqtt->done = done;
    mqtt->ctx = ctx;
    mqtt->timeout_ns = config->timeout_ms * LB_NS_PER_MS;
    mqtt->concurrency = (unsigned)config->concurrency;
    mqtt->link.loop = loop;
    mqtt->link.settings = &mqtt->settings;
    mqtt->link.up = on_up;
    mqtt->link.acknowledged = on_acknowledged;
    mqtt->link.down = on_down;
    mqtt->link.ctx = mqtt;
    lb_mqtt_link_init(&mqtt->link);
    mqtt->timer = (struct lb_timer) { LB_NEVER, on_timer, mqtt, NULL };
    lb_loop_add_timer(loop, &mqtt->timer);
    *ret_transport = (struct lb_transport) { mqtt, send_body, cancel, close_mqtt, NULL, false };
    return 0;
}

bool lb_mqtt_attach(const struct lb_transport *transport, struct lb_mqtt_hand *hand)
{
    struct mqtt *mqtt = transport->self;

    if (transport->send != send_body)
        return false;
    lb_mqtt_hand_take_link(hand, &mqtt->link);
    return true;
}

bool lb_mqtt_beat(const struct lb_transport *transport, const char *body, size_t len)
{
    struct mqtt *mqtt = transport->self;

    if (transport->send != send_body || mqtt->link.state != LB_MQTT_UP || mqtt->link.failed ||
        !lb_mqtt_say_beat(&mqtt->link, body, len))
        return false;
    mqtt->extra_bytes += len + strlen(mqtt->settings.status_topic) + PACKET_BYTES;
    return true;
}
