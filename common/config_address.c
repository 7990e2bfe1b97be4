/* SPDX-License-Identifier: MIT */
/*
 * Addresses and topics of a sink. In: its keys. Out: templates filled in, and faults. Always true: what has
 * passed here is taken by the sink as it stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/topic.h"

#define UNIX_PATH_MAX 107
#define CLIENT_ID_MAX 128 /* of AWS IoT, and of Azure */

static struct lb_origin origin(const struct lb_loader *loader, const char *key)
{
    return lb_config_origin(loader, &loader->fixed[LB_SECTION_SINK], LB_SECTION_SINK, key);
}

static bool is_of(const struct lb_sink_config *sink, const char *type)
{
    return strcmp(sink->type, type) == 0;
}

static bool is_syslog_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    bool is_net = strncmp(text, "tls://", 6) == 0 || strncmp(text, "tcp://", 6) == 0;
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

    if (strncmp(text, "unix:/", 6) == 0)
        return strlen(text) - 5 <= UNIX_PATH_MAX;
    return is_net && colon >= text + 7 && port >= 1 && port <= 65535;
}

void lb_config_check_address(struct lb_loader *loader)
{
    const struct lb_sink_config *sink = &loader->config->sinks[0];
    struct lb_origin at = origin(loader, "address");
    char host[256];
    bool is_secure;

    if (!is_of(sink, "syslog") && !is_of(sink, "mqtt"))
        return;
    if (sink->address[0] == '\0')
        lb_config_fault(loader->faults, &at, "[sink %s] is of type %s and needs an address", sink->name,
                        sink->type);
    else if (is_of(sink, "syslog") && !is_syslog_address(sink->address))
        lb_config_fault(loader->faults, &at, "address takes tls://HOST:PORT, tcp://HOST:PORT or unix:PATH");
    else if (is_of(sink, "mqtt") && lb_topic_parse_address(sink->address, host, sizeof host, &is_secure) < 0)
        lb_config_fault(loader->faults, &at, "address takes mqtts://HOST:PORT or mqtt://HOST:PORT");
    at = origin(loader, "client_id");
    if (is_of(sink, "mqtt") && (sink->client_id[0] == '\0' || strlen(sink->client_id) > CLIENT_ID_MAX))
        lb_config_fault(loader->faults, &at, "client_id must have 1 to %d bytes", CLIENT_ID_MAX);
}

static int fill_topic(struct lb_loader *loader, char **topic, const char *key)
{
    struct lb_origin at = origin(loader, key);
    char buf[LB_TOPIC_MAX];
    char *copy;
    int rc = lb_config_expand(loader, topic, key, &at);

    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    rc = lb_topic_fill(*topic, loader->config->hostname, buf, sizeof buf);
    if (rc < 0 || !lb_topic_is_legal(buf)) {
        lb_config_fault(loader->faults, &at, "%s %s", key,
                        rc == -E2BIG ? "is too long"
                        : rc < 0     ? "knows {host} and {service}, and no other braces"
                                 : "must be a topic: levels parted by /, none before the first, no + and #");
        return 0;
    }
    copy = strdup(buf);
    if (!copy)
        return -ENOMEM;
    free(*topic);
    *topic = copy;
    return 0;
}

int lb_config_expand_topics(struct lb_loader *loader)
{
    struct lb_sink_config *sink = &loader->config->sinks[0];
    struct lb_origin at = origin(loader, "client_id");
    int rc;

    if (loader->config->sink_count == 0 || !is_of(sink, "mqtt"))
        return 0;
    rc = fill_topic(loader, &sink->topic, "topic");
    if (rc == 0 && strcmp(sink->status_topic, "off") != 0)
        rc = fill_topic(loader, &sink->status_topic, "status_topic");
    if (rc == 0)
        rc = lb_config_expand(loader, &sink->client_id, "client_id", &at);
    return rc == -ENOMEM ? rc : 0;
}
