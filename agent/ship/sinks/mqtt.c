/* SPDX-License-Identifier: MIT */
/*
 * An MQTT broker: a message of QoS 1 is a body, one JSON object a line, packed as a whole (facts/sinks.md
 * section 7). In: settings and answers. Out: a target, and what an answer means.
 *
 * A message stays below 96 KiB: AWS IoT refuses 128 KiB, Azure more than 256. What cannot be packed grows by
 * less than 1 in 250 (zstd), so the raw text has a bound that is that much smaller. A body is not of one
 * service alone: the ring holds them in the order of their writing, and to part them would make a message of
 * nearly each line on a device whose services take turns. So {service} in a topic is the word all, always:
 * a topic that had some of a service's lines would be worse than none.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/ship/sinks/sink.h"

#define BODY_BYTES_MAX (LB_MQTT_MESSAGE_MAX - 1024)

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int url_len = snprintf(ret_target->url, sizeof ret_target->url, "%s", config->address);
    int len = snprintf(ret_target->secret, sizeof ret_target->secret, "%s", config->user[0] ? key : "");

    ret_target->headers = 0;
    return url_len < 0 || (size_t)url_len >= sizeof ret_target->url || len < 0 ||
                   (size_t)len >= sizeof ret_target->secret
               ? -E2BIG
               : 0;
}

/* Reason codes of MQTT 5, into which the transport has turned those of 3.1.1. Below 0x80 it is taken. */
static enum lb_verdict judge(const struct lb_answer *answer)
{
    if (answer->is_clock_fault)
        return LB_VERDICT_CLOCK;
    if (answer->error)
        return LB_VERDICT_RETRY;
    if (answer->status < 0x80)
        return LB_VERDICT_DELIVERED;
    switch (answer->status) {
    case 0x95: /* packet too large */
        return LB_VERDICT_SPLIT;
    case 0x99: /* payload format invalid */
        return LB_VERDICT_BISECT;
    case 0x84: /* this version of MQTT */
    case 0x85: /* client id */
    case 0x86: /* user or password */
    case 0x87: /* not authorized */
    case 0x8a: /* banned */
    case 0x8c: /* this way of authentication */
    case 0x90: /* topic name */
    case 0x9a: /* nothing can be retained */
    case 0x9b: /* QoS 1 */
    case 0x9c: /* another server */
    case 0x9d: /* moved */
        return LB_VERDICT_PAUSE;
    default: /* busy, shutting down, quota, rates, taken over … */
        return LB_VERDICT_RETRY;
    }
}

extern const struct lb_sink lb_sink_mqtt;

const struct lb_sink lb_sink_mqtt = {
    .type = "mqtt",
    .transport = LB_TRANSPORT_MQTT,
    .limits = { BODY_BYTES_MAX, 1000, BODY_BYTES_MAX, false, 0 },
    .begin = "",
    .between = "\n",
    .end = "\n",
    .probe = "",
    .aim = aim,
    .judge = judge,
};
