/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_MQTT_HAND_H
#define LB_SHIP_MQTT_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/mqtt_link.h"
#include "agent/ship/retry.h"
#include "agent/ship/transport.h"

/*
 * Hearing and answering over the connection of an MQTT sink. Whoever hears is
 * connected also when nothing is to be sent: the hand connects by itself, with
 * backoff and full jitter, and subscribes with QoS 1 in a session that the
 * broker keeps while we are away, for LB_MQTT_SESSION_S at most with MQTT 5.
 *
 *            the link is up          SUBACK
 *   AWAY ───────────────▶ ASKING ─────────────▶ HEARING
 *    ▲                      │ refused, or hung up over it: asks again, seldom
 *    └── the link is down ──┴──────────────────────┘
 *
 * Both directions are bounded: what is heard beyond LB_MQTT_HEARD_MAX before
 * anybody takes it is lost and counted, and an answer takes one of
 * LB_MQTT_SAID_MAX places until the broker has acknowledged it; over another
 * connection it is said again.
 */
#define LB_MQTT_HEARD_MAX       8
#define LB_MQTT_SAID_MAX        2
#define LB_MQTT_PAYLOAD_MAX     512 /* of what is heard */
#define LB_MQTT_CORRELATION_MAX 64
#define LB_MQTT_SESSION_S       3600
#define LB_MQTT_SAID_TRIES      3 /* a broker may hang up over an answer, and then over each */

enum lb_mqtt_hand_state { LB_MQTT_HAND_AWAY = 0, LB_MQTT_HAND_ASKING, LB_MQTT_HAND_HEARING };

/* A message. What is too long for it is told by its length alone. */
struct lb_mqtt_heard {
    char payload[LB_MQTT_PAYLOAD_MAX];
    size_t len; /* as it came: above LB_MQTT_PAYLOAD_MAX nothing of it is here */
    bool is_retained;
    unsigned char correlation[LB_MQTT_CORRELATION_MAX]; /* Correlation Data of MQTT 5 */
    size_t correlation_len;                             /* the same */
};

/* An answer under way. */
struct lb_mqtt_said {
    char *body; /* NULL: the place is free */
    size_t len;
    unsigned char correlation[LB_MQTT_CORRELATION_MAX];
    size_t correlation_len;
    int mid;        /* 0: not sent over this connection */
    unsigned tries; /* connections that broke over it */
};

struct lb_mqtt_hand {
    /* Set by the owner. */
    char command_topic[LB_TOPIC_MAX], reply_topic[LB_TOPIC_MAX];
    bool is_deaf;          /* it only ends the subscription that a session from before may have */
    struct lb_retry retry; /* initialised; until_ns: nobody connects before */

    /* From here on its own. */
    struct lb_mqtt_link *link; /* NULL: it is of no transport */
    struct lb_timer timer;     /* wakes the loop: the step does the work */
    enum lb_mqtt_hand_state state;
    int subscribe_mid;  /* of what was asked and not acknowledged; 0: nothing */
    int subscribe_code; /* a reason of MQTT 5: what the broker last said to that */
    bool is_refusal_told;
    uint64_t ask_from_ns;      /* it was refused: not again before */
    bool has_subscribe_answer; /* and it was not looked at yet */
    struct lb_mqtt_heard heard[LB_MQTT_HEARD_MAX];
    unsigned heard_count;
    uint64_t lost;     /* messages that found no place */
    uint64_t unsaid;   /* answers that the broker does not take */
    size_t wire_bytes; /* that no answer of the transport has told */
    struct lb_mqtt_said said[LB_MQTT_SAID_MAX];
};

/*
 * Give a hand to the transport of an MQTT sink. It outlives the transport, or
 * is taken away.
 *   hand      topics and retry are set, the rest zero
 *   returns   true: taken | false: that transport is none of MQTT's
 *   calls     the loop's thread, not from within a callback
 */
bool lb_mqtt_attach(const struct lb_transport *transport, struct lb_mqtt_hand *hand);

/*
 * Connect, subscribe, say what is to be said, as far as it is due.
 *   now_ns    boot time
 *   calls     the loop's thread, after each turn
 */
void lb_mqtt_hand_step(struct lb_mqtt_hand *hand, uint64_t now_ns);

/*
 * The oldest message, taken out.
 *   returns   false: there is none
 *   calls     the loop's thread
 */
bool lb_mqtt_hand_next(struct lb_mqtt_hand *hand, struct lb_mqtt_heard *ret_heard);

/*
 * Is there a place for one more answer?
 *   calls     the loop's thread
 */
bool lb_mqtt_hand_may_say(const struct lb_mqtt_hand *hand);

/*
 * Publish an answer, now or when there is a connection.
 *   body      from malloc(), taken over whatever is returned
 *   to        what is answered: its Correlation Data goes back
 *   returns   0 | -ENOBUFS no place is free
 *   calls     the loop's thread
 */
int lb_mqtt_hand_say(struct lb_mqtt_hand *hand, char *body, size_t len, const struct lb_mqtt_heard *to);

/*
 * Something changed in the network: see lb_retry_hurry().
 *   now_ns    boot time
 *   calls     the loop's thread
 */
void lb_mqtt_hand_hurry(struct lb_mqtt_hand *hand, uint64_t now_ns);

/*
 * For the transport alone: the hand is this link's from now on.
 *   calls     the loop's thread, not from within a callback; the link is not up
 */
void lb_mqtt_hand_take_link(struct lb_mqtt_hand *hand, struct lb_mqtt_link *link);

/*
 * For the transport alone: it closes, or has another hand; answers that were
 * not acknowledged are forgotten.
 *   calls     the loop's thread, not from within a callback
 */
void lb_mqtt_hand_drop(struct lb_mqtt_hand *hand);

/*
 * For the transport alone: bytes on the wire that nobody has counted yet; from
 * now on they are counted.
 *   calls     the loop's thread
 */
size_t lb_mqtt_hand_take_bytes(struct lb_mqtt_hand *hand);

/*
 * For the transport and the link alone: the library's object is new and is to
 * call back when a message comes; the connection is up, or down; a message of
 * ours was acknowledged.
 *   why       what the transport tells whoever waits
 *   code      a reason of MQTT 5
 *   calls     the loop's thread
 */
void lb_mqtt_hand_listen(struct lb_mqtt_hand *hand, struct mosquitto *mosq);
void lb_mqtt_hand_up(struct lb_mqtt_hand *hand);
void lb_mqtt_hand_down(struct lb_mqtt_hand *hand, const struct lb_answer *why);
void lb_mqtt_hand_acknowledged(struct lb_mqtt_hand *hand, int mid, int code);

/*
 * Publish a heartbeat: retained on status_topic, with QoS 1, if there is such a
 * topic and a connection.
 *   body      len bytes, copied
 *   returns   true: it is on its way
 *   calls     the loop's thread
 */
bool lb_mqtt_beat(const struct lb_transport *transport, const char *body, size_t len);

#endif
