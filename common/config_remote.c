/* SPDX-License-Identifier: MIT */
/*
 * [remote]. In: its keys, and the sinks. Out: topics filled in, and faults. Always true: what has passed here
 * can be subscribed to, and what is published there is nothing that we publish ourselves.
 */
#include <errno.h>
#include <string.h>

#include "common/config_load.h"
#include "common/remote_names.h"

static struct lb_origin origin(const struct lb_loader *loader, const char *key)
{
    return lb_config_origin(loader, &loader->fixed[LB_SECTION_REMOTE], LB_SECTION_REMOTE, key);
}

const struct lb_sink_config *lb_config_remote_sink(const struct lb_config *config)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (strcmp(config->sinks[i].type, "mqtt") == 0)
            return &config->sinks[i];
    return NULL;
}

int lb_config_expand_remote(struct lb_loader *loader)
{
    struct lb_config *config = loader->config;
    struct lb_origin at = origin(loader, "command_topic");
    int rc;

    if (!lb_config_remote_sink(config))
        return 0;
    rc = lb_config_fill_topic(loader, &config->remote_command_topic, "command_topic", &at);
    if (rc == 0) {
        at = origin(loader, "reply_topic");
        rc = lb_config_fill_topic(loader, &config->remote_reply_topic, "reply_topic", &at);
    }
    return rc;
}

/* What the device says anywhere must not come back to it as a command. */
static void check_topics(struct lb_loader *loader, const struct lb_sink_config *sink)
{
    const struct lb_config *config = loader->config;
    const struct {
        const char *topic, *key;
    } ours[] = { { config->remote_reply_topic, "reply_topic" },
                 { sink->topic, "the sink's topic" },
                 { sink->status_topic, "the sink's status_topic" } };
    struct lb_origin at = origin(loader, "command_topic");

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(config->remote_command_topic, ours[i].topic) == 0)
            lb_config_fault(loader->faults, &at, "command_topic is %s: the agent would hear itself",
                            ours[i].key);
    at = origin(loader, "reply_topic");
    for (size_t i = 1; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(config->remote_reply_topic, ours[i].topic) == 0)
            lb_config_fault(loader->faults, &at, "reply_topic is %s: who reads that expects no answers",
                            ours[i].key);
}

void lb_config_check_remote(struct lb_loader *loader)
{
    const struct lb_config *config = loader->config;
    const struct lb_sink_config *sink = lb_config_remote_sink(config);
    struct lb_origin at = origin(loader, "enabled");

    if (!config->has_remote)
        return;
    if (!sink)
        lb_config_fault(loader->faults, &at,
                        "enabled = yes needs a [sink] of type mqtt: commands come by its broker");
    else
        check_topics(loader, sink);
    at = origin(loader, "commands");
    if (lb_remote_names_parse(config->remote_commands) == 0)
        lb_config_fault(loader->faults, &at, "commands takes some of: context level status wear");
}
