/* SPDX-License-Identifier: MIT */
/*
 * Hearing and answering by MQTT. In: messages on one topic. Out: the same, one by one, and answers on
 * another. Always true: nothing is done in the library's callbacks but to note what came; whatever comes,
 * memory is what the header says.
 *
 * The library sends PUBACK when its callback has returned. A command that is noted here and not carried out
 * when the agent is killed is gone: better than one that is carried out at each start.
 */
#include "agent/ship/mqtt_hand.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/mqtt_say.h"
#include "common/clock.h"
#include "common/log.h"

#define PACKET_BYTES 16 /* a head, lengths, the acknowledgment */

/* ---- what the library says, noted ---- */

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    struct lb_mqtt_hand *hand = ((struct lb_mqtt_link *)arg)->hand;
    struct lb_mqtt_heard *heard;
    void *correlation = NULL;
    uint16_t len = 0;

    (void)mosq;
    hand->wire_bytes += (size_t)message->payloadlen + strlen(message->topic) + PACKET_BYTES;
    if (strcmp(message->topic, hand->command_topic) != 0)
        return; /* of a session from before, with another topic */
    if (hand->heard_count == LB_MQTT_HEARD_MAX) {
        hand->lost++;
        return;
    }
    heard = &hand->heard[hand->heard_count++];
    *heard = (struct lb_mqtt_heard) { .len = (size_t)message->payloadlen, .is_retained = message->retain };
    if (heard->len <= sizeof heard->payload && heard->len > 0)
        memcpy(heard->payload, message->payload, heard->len);
    if (mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &correlation, &len, false)) {
        heard->correlation_len = len;
        if (len <= sizeof heard->correlation)
            memcpy(heard->correlation, correlation, len);
        free(correlation);
    }
}

static void on_suback(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted,
                      const mosquitto_property *properties)
{
    struct lb_mqtt_hand *hand = ((struct lb_mqtt_link *)arg)->hand;

    (void)mosq;
    (void)properties;
    if (mid != hand->subscribe_mid)
        return;
    hand->subscribe_mid = 0;
    hand->subscribe_code = count > 0 ? granted[0] : MQTT_RC_UNSPECIFIED;
    hand->has_subscribe_answer = true;
}

void lb_mqtt_hand_listen(struct lb_mqtt_hand *hand, struct mosquitto *mosq)
{
    mosquitto_property *session = NULL;

    if (hand->is_deaf)
        return;
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_subscribe_v5_callback_set(mosq, on_suback);
    if (hand->link->settings->protocol != LB_MQTT_5)
        return;
    /* With MQTT 5 a session lasts as long as CONNECT says, and what is without an end is a burden to the
     * broker. The one call that takes properties of CONNECT waits for the network. It keeps them before it
     * looks at the port, which is none: so it fails at once, and mosquitto_connect_async() sends them. Were
     * that to change, commands that come while we are away would be lost; a test says so. */
    if (mosquitto_property_add_int32(&session, MQTT_PROP_SESSION_EXPIRY_INTERVAL, LB_MQTT_SESSION_S) ==
        MOSQ_ERR_SUCCESS)
        mosquitto_connect_bind_v5(mosq, "none", -1, 60, NULL, session);
    mosquitto_property_free_all(&session);
}

/* ---- the link's part ---- */

void lb_mqtt_hand_up(struct lb_mqtt_hand *hand)
{
    if (hand->is_deaf) {
        if (hand->link->has_session)
            lb_mqtt_say_unsubscribe(hand->link, hand->command_topic);
        return;
    }
    hand->state = LB_MQTT_HAND_ASKING;
    hand->subscribe_mid = 0;
    hand->has_subscribe_answer = false;
    hand->timer.due_ns = 0;
}

static void forget(struct lb_mqtt_said *said)
{
    free(said->body);
    *said = (struct lb_mqtt_said) { 0 };
}

/* What was not acknowledged is said again, but not for ever. */
static void unsay(struct lb_mqtt_hand *hand)
{
    for (unsigned i = 0; i < LB_MQTT_SAID_MAX; i++) {
        struct lb_mqtt_said *said = &hand->said[i];

        if (said->mid && ++said->tries == LB_MQTT_SAID_TRIES) {
            hand->unsaid++;
            forget(said);
        }
        said->mid = 0;
    }
}

/* Another time, but not soon: whoever may not read there is refused the next time, too. */
static void put_off_subscribing(struct lb_mqtt_hand *hand, const char *why, uint64_t now_ns)
{
    if (!hand->is_refusal_told)
        lb_log(LB_LEVEL_ERROR, "the broker refuses to let us hear commands on %s: %s", hand->command_topic,
               why);
    hand->is_refusal_told = true;
    lb_retry_failed(&hand->retry, LB_FAILURE_REFUSED, 0, now_ns);
    hand->ask_from_ns = hand->retry.until_ns;
}

/* Some brokers (AWS IoT) answer a subscription that they do not allow by hanging up. Were it asked for with
 * each connection, no line would get through. */
void lb_mqtt_hand_down(struct lb_mqtt_hand *hand, const struct lb_answer *why)
{
    uint64_t now_ns = lb_clock_boot_ns();

    unsay(hand);
    if (hand->is_deaf)
        return;
    if (hand->subscribe_mid) {
        hand->subscribe_code = MQTT_RC_UNSPECIFIED;
        put_off_subscribing(hand, "it hangs up", now_ns);
    } else {
        lb_retry_failed(&hand->retry, why->status && !why->error ? LB_FAILURE_REFUSED : LB_FAILURE_NETWORK, 0,
                        now_ns);
    }
    hand->state = LB_MQTT_HAND_AWAY;
    hand->subscribe_mid = 0;
    hand->has_subscribe_answer = false;
    hand->timer.due_ns = hand->retry.until_ns;
}

void lb_mqtt_hand_acknowledged(struct lb_mqtt_hand *hand, int mid, int code)
{
    for (unsigned i = 0; i < LB_MQTT_SAID_MAX; i++) {
        if (!hand->said[i].body || hand->said[i].mid != mid)
            continue;
        if (code >= MQTT_RC_UNSPECIFIED) {
            if (hand->unsaid++ == 0)
                lb_log(LB_LEVEL_WARNING, "the broker takes no answers on %s: %s", hand->reply_topic,
                       mosquitto_reason_string(code));
        }
        forget(&hand->said[i]);
        hand->timer.due_ns = 0;
    }
}

/* ---- steps ---- */

static void connect_link(struct lb_mqtt_hand *hand, uint64_t now_ns)
{
    if (now_ns < hand->retry.until_ns) {
        hand->timer.due_ns = hand->retry.until_ns;
        return;
    }
    if (lb_mqtt_link_open(hand->link) < 0) {
        lb_retry_failed(&hand->retry, LB_FAILURE_NETWORK, 0, now_ns);
        hand->timer.due_ns = hand->retry.until_ns;
    }
}

static void look_at_suback(struct lb_mqtt_hand *hand, uint64_t now_ns)
{
    hand->has_subscribe_answer = false;
    if (hand->subscribe_code < MQTT_RC_UNSPECIFIED) {
        hand->state = LB_MQTT_HAND_HEARING;
        hand->is_refusal_told = false;
        lb_retry_succeeded(&hand->retry);
        return;
    }
    put_off_subscribing(hand, mosquitto_reason_string(hand->subscribe_code), now_ns);
}

/* With MQTT 5: never what we say ourselves; what somebody retains comes marked as that, and not again with
 * each connection. With 3.1.1 it is marked only when it comes again. */
static void subscribe(struct lb_mqtt_hand *hand, uint64_t now_ns)
{
    int options =
        hand->link->settings->protocol == LB_MQTT_5
            ? MQTT_SUB_OPT_NO_LOCAL | MQTT_SUB_OPT_RETAIN_AS_PUBLISHED | MQTT_SUB_OPT_SEND_RETAIN_NEW
            : 0;
    int rc;

    if (now_ns < hand->ask_from_ns) {
        hand->timer.due_ns = hand->ask_from_ns;
        return;
    }
    errno = 0;
    rc =
        mosquitto_subscribe_v5(hand->link->mosq, &hand->subscribe_mid, hand->command_topic, 1, options, NULL);
    if (rc == MOSQ_ERR_NOMEM) {
        hand->subscribe_mid = 0;
        hand->timer.due_ns = now_ns + LB_NS_PER_S;
        return;
    }
    lb_mqtt_link_sent(hand->link, rc);
}

static void say_what_waits(struct lb_mqtt_hand *hand, uint64_t now_ns)
{
    for (unsigned i = 0; i < LB_MQTT_SAID_MAX; i++) {
        struct lb_mqtt_said *said = &hand->said[i];
        int rc;

        if (!said->body || said->mid || hand->link->failed)
            continue;
        rc = lb_mqtt_say_reply(hand->link, hand->reply_topic, said->body, said->len, said->correlation,
                               said->correlation_len, &said->mid);
        hand->wire_bytes += said->len + strlen(hand->reply_topic) + PACKET_BYTES;
        if (rc == -EMSGSIZE) {
            hand->unsaid++;
            forget(said);
        } else if (rc < 0) {
            said->mid = 0;
            hand->timer.due_ns = now_ns + LB_NS_PER_S;
        }
    }
}

void lb_mqtt_hand_step(struct lb_mqtt_hand *hand, uint64_t now_ns)
{
    if (!hand->link || hand->is_deaf)
        return;
    hand->timer.due_ns = LB_NEVER;
    if (hand->link->state == LB_MQTT_CLOSED)
        connect_link(hand, now_ns);
    if (hand->link->state != LB_MQTT_UP || hand->link->failed)
        return;
    if (hand->has_subscribe_answer)
        look_at_suback(hand, now_ns);
    if (hand->state == LB_MQTT_HAND_ASKING && hand->subscribe_mid == 0)
        subscribe(hand, now_ns);
    say_what_waits(hand, now_ns);
}

/* ---- who hears and says ---- */

bool lb_mqtt_hand_next(struct lb_mqtt_hand *hand, struct lb_mqtt_heard *ret_heard)
{
    if (hand->heard_count == 0)
        return false;
    *ret_heard = hand->heard[0];
    memmove(&hand->heard[0], &hand->heard[1], --hand->heard_count * sizeof hand->heard[0]);
    return true;
}

/* LB_MQTT_SAID_MAX: there is none */
static unsigned free_place(const struct lb_mqtt_hand *hand)
{
    unsigned place = 0;

    while (place < LB_MQTT_SAID_MAX && hand->said[place].body)
        place++;
    return place;
}

bool lb_mqtt_hand_may_say(const struct lb_mqtt_hand *hand)
{
    return free_place(hand) < LB_MQTT_SAID_MAX;
}

int lb_mqtt_hand_say(struct lb_mqtt_hand *hand, char *body, size_t len, const struct lb_mqtt_heard *to)
{
    unsigned place = free_place(hand);
    struct lb_mqtt_said *said;

    if (place == LB_MQTT_SAID_MAX) {
        free(body);
        return -ENOBUFS;
    }
    said = &hand->said[place];
    *said = (struct lb_mqtt_said) { .body = body, .len = len };
    if (to->correlation_len <= sizeof said->correlation) {
        memcpy(said->correlation, to->correlation, to->correlation_len);
        said->correlation_len = to->correlation_len;
    }
    hand->timer.due_ns = 0;
    return 0;
}

void lb_mqtt_hand_hurry(struct lb_mqtt_hand *hand, uint64_t now_ns)
{
    if (hand->link && !hand->is_deaf && lb_retry_hurry(&hand->retry, now_ns))
        hand->timer.due_ns = 0;
}

size_t lb_mqtt_hand_take_bytes(struct lb_mqtt_hand *hand)
{
    size_t bytes = hand->wire_bytes;

    hand->wire_bytes = 0;
    return bytes;
}

static void on_timer(void *arg, uint64_t now_ns)
{
    (void)arg; /* the step after each turn does the work */
    (void)now_ns;
}

void lb_mqtt_hand_take_link(struct lb_mqtt_hand *hand, struct lb_mqtt_link *link)
{
    hand->link = link;
    link->hand = hand;
    hand->timer = (struct lb_timer) { 0, on_timer, hand, NULL };
    lb_loop_add_timer(link->loop, &hand->timer);
}

void lb_mqtt_hand_drop(struct lb_mqtt_hand *hand)
{
    if (!hand->link)
        return;
    lb_loop_remove_timer(hand->link->loop, &hand->timer);
    hand->link->hand = NULL;
    hand->link = NULL;
    hand->state = LB_MQTT_HAND_AWAY;
    for (unsigned i = 0; i < LB_MQTT_SAID_MAX; i++)
        forget(&hand->said[i]);
}
