/* SPDX-License-Identifier: MIT */
/*
 * Address, name and topics of a sink of type mqtt. In: its keys. Out: templates filled in, and faults. Always
 * true: what has passed here is taken by the sink as it stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/topic.h"

#define CLIENT_ID_MAX 128 /* of AWS IoT, and of Azure */

static struct lb_origin origin(const struct lb_loader *loader, const char *key)
{
    return lb_config_origin(loader, &loader->fixed[LB_SECTION_SINK], LB_SECTION_SINK, key);
}

static bool is_mqtt(const struct lb_sink_config *sink)
{
    return strcmp(sink->type, "mqtt") == 0;
}

void lb_config_check_mqtt(struct lb_loader *loader)
{
    const struct lb_sink_config *sink = &loader->config->sinks[0];
    struct lb_origin at = origin(loader, "address");
    char host[256];
    bool is_secure;

    if (!is_mqtt(sink))
        return;
    if (sink->address[0] == '\0')
        lb_config_fault(loader->faults, &at, "[sink %s] is of type mqtt and needs an address", sink->name);
    else if (lb_topic_parse_address(sink->address, host, sizeof host, &is_secure) < 0)
        lb_config_fault(loader->faults, &at, "address takes mqtts://HOST:PORT or mqtt://HOST:PORT");
    at = origin(loader, "client_id");
    if (sink->client_id[0] == '\0' || strlen(sink->client_id) > CLIENT_ID_MAX)
        lb_config_fault(loader->faults, &at, "client_id must have 1 to %d bytes", CLIENT_ID_MAX);
}

int lb_config_fill_topic(struct lb_loader *loader, char **text, const char *key, const struct lb_origin *at)
{
    char buf[LB_TOPIC_MAX];
    char *copy;
    int rc = lb_config_expand(loader, text, key, at);

    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    rc = lb_topic_fill(*text, loader->config->hostname, buf, sizeof buf);
    if (rc < 0 || !lb_topic_is_legal(buf)) {
        lb_config_fault(loader->faults, at, "%s %s", key,
                        rc == -E2BIG ? "is too long"
                        : rc < 0     ? "knows {host} and {service}, and no other braces"
                                 : "must be a topic: levels parted by /, none before the first, no + and #");
        return 0;
    }
    copy = strdup(buf);
    if (!copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static int fill_topic(struct lb_loader *loader, char **topic, const char *key)
{
    struct lb_origin at = origin(loader, key);

    return lb_config_fill_topic(loader, topic, key, &at);
}

int lb_config_expand_topics(struct lb_loader *loader)
{
    struct lb_sink_config *sink = &loader->config->sinks[0];
    struct lb_origin at = origin(loader, "client_id");
    int rc;

    if (loader->config->sink_count == 0 || !is_mqtt(sink))
        return 0;
    rc = fill_topic(loader, &sink->topic, "topic");
    if (rc == 0 && strcmp(sink->status_topic, "off") != 0)
        rc = fill_topic(loader, &sink->status_topic, "status_topic");
    if (rc == 0)
        rc = lb_config_expand(loader, &sink->client_id, "client_id", &at);
    return rc == -ENOMEM ? rc : 0;
}
