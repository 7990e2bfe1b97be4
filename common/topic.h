/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_TOPIC_H
#define LB_COMMON_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Topics of MQTT, made of templates: {host} is the device's name, in which
 * what would be a level or a wildcard becomes _; {service} is all, since a body
 * holds the lines of many services.
 */
#define LB_TOPIC_MAX 512 /* with NUL; AWS IoT takes 256 bytes, others up to 65535 */

/*
 * Fill in a template.
 *   buf       room for size bytes with NUL
 *   returns   0 | -EINVAL it has a {word} that is none | -E2BIG it does not fit
 *   calls     any thread
 */
int lb_topic_fill(const char *template, const char *host, char *buf, size_t size);

/*
 * May something be published there? Not to wildcards, nothing, or below an
 * empty first level; where brokers disagree ($ at the front) it may.
 *   calls     any thread
 */
bool lb_topic_is_legal(const char *topic);

/*
 * Take an address apart: mqtt://HOST:PORT or mqtts://HOST:PORT, an IPv6 address
 * in brackets.
 *   host      room for size bytes with NUL; without the brackets
 *   returns   the port | -EINVAL it is none | -E2BIG the host does not fit
 *   calls     any thread
 */
int lb_topic_parse_address(const char *address, char *host, size_t size, bool *ret_is_secure);

#endif
