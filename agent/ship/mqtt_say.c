/* SPDX-License-Identifier: MIT */
/* What is said to a broker. In: bodies, and that we come or go. Out: messages of QoS 1. Always true: the
 * library's queue holds no more than the owner has out. */
#include "agent/ship/mqtt_say.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <poll.h>

#include "common/clock.h"

static int publish(struct lb_mqtt_link *link, const char *topic, const void *body, size_t len,
                   const mosquitto_property *properties, bool is_retained, int *ret_mid)
{
    int rc;

    errno = 0;
    rc = mosquitto_publish_v5(link->mosq, ret_mid, topic, (int)len, body, 1, is_retained, properties);
    if (rc == MOSQ_ERR_NOMEM)
        return -ENOMEM;
    if (rc == MOSQ_ERR_OVERSIZE_PACKET)
        return -EMSGSIZE;
    lb_mqtt_link_sent(link, rc);
    return 0;
}

int lb_mqtt_say_body(struct lb_mqtt_link *link, const void *body, size_t len, const char *encoding,
                     int *ret_mid)
{
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;

    if (link->settings->protocol == LB_MQTT_5) {
        rc = mosquitto_property_add_string(&properties, MQTT_PROP_CONTENT_TYPE, "application/x-ndjson");
        if (rc == MOSQ_ERR_SUCCESS && encoding[0])
            rc = mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "encoding",
                                                    encoding);
    }
    rc = rc == MOSQ_ERR_SUCCESS ? publish(link, link->settings->topic, body, len, properties, false, ret_mid)
                                : -ENOMEM;
    mosquitto_property_free_all(&properties);
    return rc;
}

void lb_mqtt_say_birth(struct lb_mqtt_link *link)
{
    static const char birth[] = "{\"online\":1,\"version\":\"" LB_VERSION "\"}";
    int mid = 0;

    if (link->settings->status_topic[0] &&
        publish(link, link->settings->status_topic, birth, sizeof birth - 1, NULL, true, &mid) == 0)
        link->birth_mid = mid;
}

int lb_mqtt_say_reply(struct lb_mqtt_link *link, const char *topic, const void *body, size_t len,
                      const void *correlation, size_t correlation_len, int *ret_mid)
{
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;

    if (link->settings->protocol == LB_MQTT_5) {
        rc = mosquitto_property_add_string(&properties, MQTT_PROP_CONTENT_TYPE, "application/json");
        if (rc == MOSQ_ERR_SUCCESS && correlation_len > 0)
            rc = mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, correlation,
                                               (uint16_t)correlation_len);
    }
    rc = rc == MOSQ_ERR_SUCCESS ? publish(link, topic, body, len, properties, false, ret_mid) : -ENOMEM;
    mosquitto_property_free_all(&properties);
    return rc;
}

bool lb_mqtt_say_beat(struct lb_mqtt_link *link, const void *body, size_t len)
{
    int mid;

    return link->settings->status_topic[0] &&
           publish(link, link->settings->status_topic, body, len, NULL, true, &mid) == 0;
}

void lb_mqtt_say_unsubscribe(struct lb_mqtt_link *link, const char *topic)
{
    int rc;

    errno = 0;
    rc = mosquitto_unsubscribe(link->mosq, NULL, topic);
    if (rc != MOSQ_ERR_NOMEM)
        lb_mqtt_link_sent(link, rc);
}

/* The library pings when it wants to. What is always answered, and needs no right, is the end of a
 * subscription that there never was. */
int lb_mqtt_say_hello(struct lb_mqtt_link *link, int *ret_mid)
{
    int rc;

    errno = 0;
    rc = mosquitto_unsubscribe(link->mosq, ret_mid, link->settings->topic);
    if (rc == MOSQ_ERR_NOMEM)
        return -ENOMEM;
    lb_mqtt_link_sent(link, rc);
    return 0;
}

static bool is_acknowledged(const struct lb_mqtt_link *link, int mid)
{
    for (unsigned i = 0; i < link->noted_count; i++)
        if (link->noted[i].mid == mid)
            return true;
    return false;
}

/* A socket that is closed with something unread in it is reset, and what we said last may be lost with it. */
static void wait_for(struct lb_mqtt_link *link, int mid, unsigned wait_ms)
{
    uint64_t now_ns = lb_clock_boot_ns(), until_ns = now_ns + wait_ms * LB_NS_PER_MS;

    while (!is_acknowledged(link, mid) && now_ns < until_ns && mosquitto_socket(link->mosq) >= 0) {
        struct pollfd wait = { .fd = mosquitto_socket(link->mosq), .events = POLLIN };

        if (mosquitto_want_write(link->mosq))
            wait.events |= POLLOUT;
        poll(&wait, 1, (int)((until_ns - now_ns) / LB_NS_PER_MS) + 1);
        if ((wait.revents & (POLLERR | POLLHUP)) || lb_mqtt_link_pump(link) != MOSQ_ERR_SUCCESS)
            return;
        now_ns = lb_clock_boot_ns();
    }
}

void lb_mqtt_say_farewell(struct lb_mqtt_link *link, unsigned wait_ms)
{
    static const char death[] = "{\"online\":0}";
    int mid = 0;

    if (link->state == LB_MQTT_UP && link->settings->status_topic[0] &&
        publish(link, link->settings->status_topic, death, sizeof death - 1, NULL, true, &mid) == 0)
        wait_for(link, mid, wait_ms);
    if (link->state == LB_MQTT_UP && mosquitto_socket(link->mosq) >= 0)
        mosquitto_disconnect(link->mosq);
    lb_mqtt_link_close(link);
}
