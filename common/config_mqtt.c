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

static bool is_mqtt(const struct lb_sink_config *sink)
{
    return strcmp(sink->type, "mqtt") == 0;
}

void lb_config_check_mqtt(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    struct lb_config_faults *faults = section->loader->faults;
    struct lb_origin at = lb_sink_section_origin(section, "address");
    char host[256];
    bool is_secure;

    if (!is_mqtt(sink))
        return;
    if (sink->address[0] == '\0')
        lb_config_fault(faults, &at, "[sink %s] is of type mqtt and needs an address", sink->name);
    else if (lb_topic_parse_address(sink->address, host, sizeof host, &is_secure) < 0)
        lb_config_fault(faults, &at, "address takes mqtts://HOST:PORT or mqtt://HOST:PORT");
    at = lb_sink_section_origin(section, "client_id");
    if (sink->client_id[0] == '\0' || strlen(sink->client_id) > CLIENT_ID_MAX)
        lb_config_fault(faults, &at, "client_id must have 1 to %d bytes", CLIENT_ID_MAX);
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

static int fill_topic(const struct lb_sink_section *section, char **topic, const char *key)
{
    struct lb_origin at = lb_sink_section_origin(section, key);

    return lb_config_fill_topic(section->loader, topic, key, &at);
}

int lb_config_expand_topics(const struct lb_sink_section *section)
{
    struct lb_sink_config *sink = section->config;
    struct lb_origin at = lb_sink_section_origin(section, "client_id");
    int rc;

    if (!is_mqtt(sink))
        return 0;
    rc = fill_topic(section, &sink->topic, "topic");
    if (rc == 0 && strcmp(sink->status_topic, "off") != 0)
        rc = fill_topic(section, &sink->status_topic, "status_topic");
    if (rc == 0)
        rc = lb_config_expand(section->loader, &sink->client_id, "client_id", &at);
    return rc == -ENOMEM ? rc : 0;
}
