/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_MQTT_SAY_H
#define LB_SHIP_MQTT_SAY_H

#include "agent/ship/mqtt_link.h"

/*
 * What is said over a link that is up. What cannot be sent because the
 * connection breaks is no error here: down() tells it.
 */

/*
 * Publish a body with QoS 1.
 *   body      copied by the library
 *   encoding  of the body; "" for none
 *   ret_mid   names its acknowledgment
 *   returns   0 | -EMSGSIZE larger than the broker takes | -ENOMEM
 *   calls     the loop's thread
 */
int lb_mqtt_say_body(struct lb_mqtt_link *link, const void *body, size_t len, const char *encoding,
                     int *ret_mid);

/*
 * Retain that we are there, where there is a topic for it; link->birth_mid
 * names its acknowledgment.
 *   calls     the loop's thread
 */
void lb_mqtt_say_birth(struct lb_mqtt_link *link);

/*
 * Ask whether the broker is there. It is acknowledged as a body is.
 *   returns   0 | -ENOMEM
 *   calls     the loop's thread
 */
int lb_mqtt_say_hello(struct lb_mqtt_link *link, int *ret_mid);

/*
 * Publish an answer with QoS 1.
 *   body         JSON; copied by the library
 *   correlation  what belongs to whoever asked; with MQTT 3.1.1 it is left out
 *   ret_mid      names its acknowledgment
 *   returns      0 | -EMSGSIZE larger than the broker takes | -ENOMEM
 *   calls        the loop's thread
 */
int lb_mqtt_say_reply(struct lb_mqtt_link *link, const char *topic, const void *body, size_t len,
                      const void *correlation, size_t correlation_len, int *ret_mid);

/*
 * Retain on status_topic how we are.
 *   body      JSON; copied by the library
 *   returns   true: it is on its way | false: there is no such topic, or no memory
 *   calls     the loop's thread
 */
bool lb_mqtt_say_beat(struct lb_mqtt_link *link, const void *body, size_t len);

/*
 * End a subscription that a session from before may have.
 *   calls     the loop's thread
 */
void lb_mqtt_say_unsubscribe(struct lb_mqtt_link *link, const char *topic);

/*
 * Tell that we go, wait until the broker knows it, and close. No callback. A
 * link that is not up is closed.
 *   wait_ms   the longest that it may block
 *   calls     the loop's thread, not from within a callback
 */
void lb_mqtt_say_farewell(struct lb_mqtt_link *link, unsigned wait_ms);

#endif
