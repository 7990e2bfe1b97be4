/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_MQTT_LINK_H
#define LB_SHIP_MQTT_LINK_H

#include <mosquitto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/mqtt_tls.h"
#include "agent/ship/resolve.h"
#include "agent/ship/sinks/sink.h"
#include "common/loop.h"
#include "common/topic.h"

/*
 * One connection to a broker, by libmosquitto in a loop of ours. It is made
 * once, and when it breaks it is gone with all that the library knew: the
 * library would send anew what was not acknowledged, and so do we.
 *
 *   CLOSED ── open ──▶ RESOLVING ──▶ CONNECTING ── CONNACK ──▶ UP
 *      ▲                   │  next address ▲ │                  │
 *      └── down() ─────────┴───────────────┴─┴──────────────────┘
 *
 * The library calls back in the middle of its work, with locks held. What it
 * says then is only noted; the owner hears of it when the library has returned.
 */
enum lb_mqtt_state { LB_MQTT_CLOSED = 0, LB_MQTT_RESOLVING, LB_MQTT_CONNECTING, LB_MQTT_UP };

struct lb_mqtt_hand; /* mqtt_hand.h */

struct lb_mqtt_settings {
    char host[256];
    int port;
    bool is_secure;
    enum lb_mqtt_protocol protocol;
    char topic[LB_TOPIC_MAX], status_topic[LB_TOPIC_MAX]; /* status_topic "": none */
    char client_id[256], user[520], secret[512]; /* user "": none; the secret is wiped by its owner */
    char *tls_ca, *tls_cert, *tls_key;           /* "" for none */
    unsigned keepalive_s;
};

#define LB_MQTT_NOTED_MAX 32 /* acknowledgments in one call of the library's: more than can be out */

struct lb_mqtt_noted {
    int mid, code;
};

struct lb_mqtt_link {
    struct lb_loop *loop;
    const struct lb_mqtt_settings *settings;

    /* It is up; so many messages may be out at a time. */
    void (*up)(void *ctx, unsigned receive_max);

    /* One is acknowledged; code: a reason of MQTT 5. */
    void (*acknowledged)(void *ctx, int mid, int code);

    /* It is closed. why->status: what the broker said, a reason of MQTT 5, or 0. */
    void (*down)(void *ctx, const struct lb_answer *why);
    void *ctx;
    struct lb_mqtt_hand *hand; /* who hears what the broker sends; NULL: nobody */

    /* From here on its own. */
    enum lb_mqtt_state state;
    struct mosquitto *mosq;
    struct lb_mqtt_tls tls;
    struct lb_resolve *resolve;
    char address[LB_RESOLVE_ADDRESSES][64];
    unsigned addresses, next_address;
    struct lb_watch watch;
    bool is_watched, is_reached; /* the other end's kernel has answered */
    uint32_t events;             /* that are waited for */
    struct lb_timer timer;
    uint64_t connect_due_ns, misc_due_ns;
    uint64_t begun_ns, resolved_ns, reached_ns, up_ns;
    int birth_mid; /* of our own message, not acknowledged yet; 0: none */
    int failed;    /* what the library said of a message that could not be sent: told in the next turn */
    struct lb_mqtt_noted noted[LB_MQTT_NOTED_MAX];
    unsigned noted_count;
    bool has_connack, is_lost;
    bool has_session; /* the broker kept one from before */
    int connack, lost_code;
    unsigned receive_max;
    char error[200]; /* what the library has told of a fault, "" nothing */
};

/*
 * Link its timer into the loop; the link is closed.
 *   calls     the loop's thread
 */
void lb_mqtt_link_init(struct lb_mqtt_link *link);

/*
 * Connect. up() or down() follows, later.
 *   returns   0 | negative errno: nothing was begun
 *   calls     the loop's thread, state CLOSED
 */
int lb_mqtt_link_open(struct lb_mqtt_link *link);

/*
 * Close without a word, so that the broker publishes the will. No callback.
 *   calls     the loop's thread, not from within a callback
 */
void lb_mqtt_link_close(struct lb_mqtt_link *link);

/*
 * Unlink the timer; the link is closed.
 *   calls     the loop's thread, not from within a timer's callback
 */
void lb_mqtt_link_end(struct lb_mqtt_link *link);

/*
 * Let the library read and write what it can. What it says is noted.
 *   returns   of enum mosq_err_t; errno beside it
 *   calls     the loop's thread, while there is a socket
 */
int lb_mqtt_link_pump(struct lb_mqtt_link *link);

/*
 * The library was told to send something, and said this: wait for what it
 * wants, or break down in the next turn.
 *   rc        of enum mosq_err_t
 *   calls     the loop's thread, state UP
 */
void lb_mqtt_link_sent(struct lb_mqtt_link *link, int rc);

/*
 * How long the steps of connecting took.
 *   calls     the loop's thread
 */
void lb_mqtt_link_read_steps(const struct lb_mqtt_link *link, struct lb_answer_steps *ret_steps);

/*
 * A code of CONNACK as a reason of MQTT 5.
 *   calls     any thread
 */
int lb_mqtt_reason(enum lb_mqtt_protocol protocol, int connack);

#endif
